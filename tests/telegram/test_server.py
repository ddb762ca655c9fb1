"""The test server is proved against python-telegram-bot's own client."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import telegram
import uvicorn
from telegram import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    MenuButtonCommands,
    MessageEntity,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    Update,
    WebAppInfo,
)
from telegram.error import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TimedOut,
)

from tests.telegram.phone import Person
from tests.telegram.server import BotApi, Call, Fault, Message

TOKEN = "123456:ABC"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **how_long: float) -> None:
        self.time += timedelta(**how_long)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[BotApi]:
    async with BotApi(token=TOKEN, now=clock) as running:
        yield running


@pytest.fixture
async def bot(server: BotApi) -> AsyncIterator[telegram.Bot]:
    async with telegram.Bot(TOKEN, base_url=f"{server.url}/bot") as client:
        yield client


@pytest.fixture
def marie(server: BotApi) -> Person:
    person = server.person(first_name="Marie", language_code="fr", user_id=42)
    person.starts()
    return person


def question(*labels: str) -> InlineKeyboardMarkup:
    """One button a label, whose data is the label."""
    return InlineKeyboardMarkup([[InlineKeyboardButton(one, callback_data=one)] for one in labels])


def raw(server: BotApi, method: str) -> str:
    return f"{server.url}/bot{TOKEN}/{method}"


async def newest(bot: telegram.Bot, offset: int | None = None) -> Update:
    """The last update that waits."""
    return (await bot.get_updates(offset=offset))[-1]


async def asked(bot: telegram.Bot, person: Person, *labels: str) -> Message:
    """The bot asks, and the person has read it."""
    await bot.send_message(person.chat.id, "?", reply_markup=question(*labels))
    return await person.hears()


# The wire


async def test_the_bot_says_who_it_is(server: BotApi, bot: telegram.Bot) -> None:
    me = await bot.get_me()
    assert (me.id, me.is_bot, me.username) == (123456, True, "sesame_test_bot")
    assert me.can_join_groups
    assert me.can_read_all_group_messages is False
    assert server.calls_of("getMe")


async def test_a_wrong_token_is_unauthorized(server: BotApi) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{server.url}/bot123456:WRONG/getMe")
    assert answer.status_code == 401
    assert answer.json() == {"ok": False, "error_code": 401, "description": "Unauthorized"}
    with pytest.raises(InvalidToken, match="rejected by the server"):
        async with telegram.Bot("123456:WRONG", base_url=f"{server.url}/bot"):
            pass
    assert server.calls == []


async def test_an_unknown_method_and_an_unknown_path_are_not_found(server: BotApi) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(raw(server, "fly"))
        assert answer.status_code == 404
        assert answer.json() == {
            "ok": False,
            "error_code": 404,
            "description": "Not Found: method not found",
        }
        assert (await client.get(server.url)).status_code == 404


async def test_form_multipart_json_and_query_all_work(server: BotApi, marie: Person) -> None:
    values = {"chat_id": "42", "text": "Où ? 🔑 123"}
    async with httpx.AsyncClient() as client:
        url = raw(server, "SENDmessage")
        await client.get(url, params=values)
        await client.post(url, data=values)
        await client.post(url, files={"unused": ("a.txt", b"\x00\xff")}, data=values)
        await client.post(url, json={"chat_id": 42, "text": "Où ? 🔑 123", "nonsense": [1]})
    assert [one.text for one in marie.screen if one.from_bot] == ["Où ? 🔑 123"] * 4
    calls = server.calls_of("sendMessage")
    assert [call.parameters["chat_id"] for call in calls] == [42] * 4
    assert calls[2].parameters["unused"] == b"\x00\xff"
    assert all(call.ok for call in calls)


async def test_garbage_is_refused_not_fatal(server: BotApi, marie: Person) -> None:
    as_json = {"Content-Type": "application/json"}
    async with httpx.AsyncClient() as client:
        url = raw(server, "sendMessage")
        bad = [
            await client.post(url, content=b"{", headers=as_json),
            await client.post(url, content=b"\xff\xfe=%", headers={"Content-Type": "text/plain"}),
            await client.post(url, data={"chat_id": "42", "text": "a", "entities": "["}),
            await client.post(url, data={"chat_id": "forty-two", "text": "a"}),
            await client.post(url, data={"text": "a"}),
            await client.post(url, data={"chat_id": "42", "text": "a", "parse_mode": "HTML"}),
            await client.post(raw(server, "getUpdates"), data={"offset": "many"}),
        ]
    assert [one.status_code for one in bad] == [400] * len(bad)
    assert len(server.refused) == len(bad)


async def test_calls_are_recorded_with_their_parameters_and_time(
    server: BotApi, bot: telegram.Bot, marie: Person, clock: Clock
) -> None:
    clock.forward(hours=1)
    await bot.send_message(42, "42", reply_markup=question("Oui"), disable_notification=True)
    [call] = server.calls_of("sendMessage")
    assert call.time == clock()
    assert call.parameters["text"] == "42"
    assert call.parameters["disable_notification"] is True
    assert call.parameters["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "Oui"


# Updates


async def test_updates_come_again_until_they_are_confirmed(
    server: BotApi, bot: telegram.Bot, marie: Person
) -> None:
    marie.says("un")
    marie.says("deux")
    first = await bot.get_updates()
    again = await bot.get_updates()
    ids = [update.update_id for update in first]
    assert ids == [server.last_update_id - 2, server.last_update_id - 1, server.last_update_id]
    assert [update.update_id for update in again] == ids
    rest = await bot.get_updates(offset=ids[0] + 1, limit=1)
    assert [update.effective_message.text for update in rest if update.effective_message] == ["un"]
    assert await bot.get_updates(offset=ids[-1] + 1) == ()
    assert await bot.get_updates() == ()
    assert server.pending == []


async def test_a_negative_offset_keeps_only_the_newest(
    server: BotApi, bot: telegram.Bot, marie: Person
) -> None:
    for text in ("un", "deux", "trois"):
        marie.says(text)
    kept = await bot.get_updates(offset=-2)
    assert [update.message.text for update in kept if update.message] == ["deux", "trois"]
    assert len(server.pending) == 2


async def test_an_offset_far_ahead_confirms_nothing(
    server: BotApi, bot: telegram.Bot, marie: Person
) -> None:
    assert len(await bot.get_updates(offset=server.last_update_id + 1000)) == 1


async def test_a_long_poll_waits_for_news(bot: telegram.Bot, marie: Person) -> None:
    start = await newest(bot)
    poll = asyncio.create_task(bot.get_updates(offset=start.update_id + 1, timeout=10))
    done, _ = await asyncio.wait({poll}, timeout=0.1)
    assert not done
    before = time.monotonic()
    marie.says("Bonjour")
    [update] = await poll
    assert update.message
    assert update.message.text == "Bonjour"
    assert time.monotonic() - before < 1


async def test_a_long_poll_ends_empty_after_its_time(bot: telegram.Bot, server: BotApi) -> None:
    before = time.monotonic()
    assert await bot.get_updates(timeout=1) == ()
    assert 0.9 < time.monotonic() - before < 3


async def test_a_poller_that_hangs_up_loses_nothing(bot: telegram.Bot, server: BotApi) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=10))
    assert await server.until(lambda: bool(server.calls_of("getUpdates")))
    poll.cancel()
    with suppress(asyncio.CancelledError):
        await poll
    server.person().starts()
    assert len(await bot.get_updates()) == 1


async def test_a_second_poller_ends_the_first(bot: telegram.Bot, server: BotApi) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=10))
    assert await server.until(lambda: len(server.calls_of("getUpdates")) == 1)
    async with telegram.Bot(TOKEN, base_url=f"{server.url}/bot") as other:
        second = asyncio.create_task(other.get_updates(timeout=10))
        with pytest.raises(Conflict, match="terminated by other getUpdates"):
            await first
        server.person().starts()
        assert len(await second) == 1


async def test_only_the_wanted_kinds_come(bot: telegram.Bot, marie: Person) -> None:
    [start] = await bot.get_updates(allowed_updates=["callback_query"])
    marie.says("not wanted")
    await asked(bot, marie, "Oui")
    marie.presses("Oui")
    [update] = await bot.get_updates(offset=start.update_id + 1)
    assert update.callback_query
    assert update.update_id == start.update_id + 1
    await bot.get_updates(allowed_updates=[])
    marie.says("wanted again")
    assert (await newest(bot)).message


async def test_messages_wait_a_day_and_presses_150_seconds(
    server: BotApi, bot: telegram.Bot, marie: Person, clock: Clock
) -> None:
    await asked(bot, marie, "Oui")
    marie.presses("Oui")
    clock.forward(seconds=149)
    assert (await newest(bot)).callback_query
    clock.forward(seconds=1)
    assert [update.kind for update in server.pending] == ["message"]
    clock.forward(days=1)
    assert await bot.get_updates() == ()


async def test_an_update_can_come_twice_even_when_confirmed(
    server: BotApi, bot: telegram.Bot, marie: Person
) -> None:
    [first] = await bot.get_updates()
    assert await bot.get_updates(offset=first.update_id + 1) == ()
    server.redeliver(first.update_id)
    marie.says("suite")
    both = await bot.get_updates(offset=first.update_id + 1)
    assert [one.update_id for one in both] == [first.update_id, first.update_id + 1]
    assert both[0] == first
    assert await bot.get_updates(offset=first.update_id + 2) == ()


# Messages


async def test_a_message_is_shown_and_returned(
    server: BotApi, bot: telegram.Bot, marie: Person, clock: Clock
) -> None:
    bold = MessageEntity(MessageEntity.BOLD, 3, 4)
    sent = await bot.send_message(42, "🔑 Clé\n", entities=[bold], protect_content=True)
    assert (sent.message_id, sent.date, sent.chat.type) == (2, clock(), "private")
    assert sent.from_user
    assert sent.from_user.is_bot
    assert sent.has_protected_content
    assert sent.text == marie.last.text == "🔑 Clé"
    assert marie.last.marked("bold") == ["Clé"]
    assert marie.last.entities == [{"type": "bold", "offset": 3, "length": 3}]
    assert "Sésame: 🔑 Clé" in str(marie)


async def test_the_length_is_counted_in_utf_16(bot: telegram.Bot, marie: Person) -> None:
    await bot.send_message(42, "x" * 4096)
    await bot.send_message(42, "🔑" * 2048 + " ")
    for text in ("x" * 4097, "🔑" * 2048 + "x"):
        with pytest.raises(BadRequest, match="Message is too long"):
            await bot.send_message(42, text)
    with pytest.raises(BadRequest, match="Message text is empty"):
        await bot.send_message(42, "")
    with pytest.raises(BadRequest, match="Text must be non-empty"):
        await bot.send_message(42, " \n ")


@pytest.mark.parametrize(
    ("offset", "length", "why"),
    [
        (0, 6, "ends after the end"),
        (5, 1, "begins after the end"),
        (1, 2, "begins in a middle"),
        (0, 1, "ends in a middle"),
        (-1, 2, "wrong offset"),
        (0, 0, "wrong offset"),
    ],
)
async def test_entities_stay_within_the_text(
    bot: telegram.Bot, marie: Person, offset: int, length: int, why: str
) -> None:
    with pytest.raises(BadRequest, match=why):
        await bot.send_message(42, "🔑Clé", entities=[MessageEntity("bold", offset, length)])


async def test_leading_blanks_move_the_entities(bot: telegram.Bot, marie: Person) -> None:
    await bot.send_message(42, "  Clé", entities=[MessageEntity("code", 1, 4)])
    assert (marie.last.text, marie.last.marked("code")) == ("Clé", ["Clé"])


async def test_a_chat_must_be_known_and_open(server: BotApi, bot: telegram.Bot) -> None:
    paul = server.person("Paul", user_id=7)
    with pytest.raises(BadRequest, match="Chat not found"):
        await bot.send_message(7, "Bonjour")
    paul.starts()
    await bot.send_message(7, "Bonjour")
    paul.blocks()
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(7, "Vous êtes là ?")
    with pytest.raises(Forbidden):
        await bot.send_chat_action(7, "typing")
    paul.unblocks()
    await bot.send_message(7, "Bon retour")
    changes = [one.my_chat_member for one in await bot.get_updates() if one.my_chat_member]
    statuses = [(one.old_chat_member.status, one.new_chat_member.status) for one in changes]
    assert statuses == [("member", "kicked"), ("kicked", "member")]


@pytest.mark.parametrize(
    ("button", "why"),
    [
        ({"text": "a"}, "Text buttons are unallowed"),
        ({"text": "a", "callback_data": "b", "url": "https://a.fr"}, "exactly one"),
        ({"text": "a", "callback_data": "é" * 33}, "BUTTON_DATA_INVALID"),
        ({"text": "a", "callback_data": ""}, "BUTTON_DATA_INVALID"),
        ({"text": "a", "copy_text": {"text": "x" * 257}}, "BUTTON_COPY_TEXT_INVALID"),
        ({"text": "a", "copy_text": {"text": ""}}, "BUTTON_COPY_TEXT_INVALID"),
        ({"text": "a", "web_app": {"url": "http://a.fr"}}, "Only HTTPS links are allowed"),
        ({"text": "a", "url": "nowhere"}, "Wrong HTTP URL"),
        ({"text": "", "callback_data": "b"}, "must be non-empty"),
        ("a", "must be an Object"),
    ],
)
async def test_a_wrong_inline_button_is_refused(
    server: BotApi, marie: Person, button: Any, why: str
) -> None:
    given = {"chat_id": 42, "text": "?", "reply_markup": {"inline_keyboard": [[button]]}}
    async with httpx.AsyncClient() as client:
        answer = await client.post(raw(server, "sendMessage"), json=given)
    assert answer.status_code == 400
    assert why in answer.json()["description"]
    assert len(marie.screen) == 1


async def test_right_buttons_do_what_they_say(bot: telegram.Bot, marie: Person) -> None:
    rows = [
        [InlineKeyboardButton("Copier", copy_text=CopyTextButton("m.durand1"))],
        [InlineKeyboardButton("Page", web_app=WebAppInfo("https://a.fr/pw"))],
        [InlineKeyboardButton("Aide", url="https://a.fr")],
        [InlineKeyboardButton("Oui", callback_data="x" * 64)],
    ]
    sent = await bot.send_message(42, "Voici", reply_markup=InlineKeyboardMarkup(rows))
    assert sent.reply_markup == InlineKeyboardMarkup(rows)
    assert marie.last.buttons == ["Copier", "Page", "Aide", "Oui"]
    assert marie.last.copy_texts == ["m.durand1"]
    for label in ("Copier", "Page", "Aide"):
        marie.presses(label)
    assert marie.clipboard == "m.durand1"
    assert marie.opened == ["https://a.fr/pw", "https://a.fr"]
    with pytest.raises(AssertionError, match="No button 'Non'"):
        marie.presses("Non")


async def test_the_keyboard_shows_and_goes(bot: telegram.Bot, marie: Person) -> None:
    keys: list[list[str | KeyboardButton]] = [
        [KeyboardButton("Partager", request_contact=True)],
        ["Écrire"],
    ]
    shown = ReplyKeyboardMarkup(keys, input_field_placeholder="06…")
    sent = await bot.send_message(42, "Votre numéro ?", reply_markup=shown)
    assert sent.reply_markup is None
    assert (marie.keyboard, marie.last.buttons) == (["Partager", "Écrire"], [])
    marie.presses("Écrire")
    marie.presses("Partager")
    texts = [one.message for one in await bot.get_updates() if one.message]
    assert texts[-2].text == "Écrire"
    assert texts[-1].contact
    assert (texts[-1].contact.user_id, texts[-1].contact.phone_number) == (42, marie.phone)
    with pytest.raises(BadRequest, match="Message can't be edited"):
        await bot.edit_message_text("Autre", 42, sent.message_id)
    await bot.send_message(42, "Merci", reply_markup=ReplyKeyboardRemove())
    assert marie.keyboard is None


async def test_the_keyboard_goes_when_used_once_or_deleted(
    bot: telegram.Bot, marie: Person
) -> None:
    once = ReplyKeyboardMarkup([["Oui"]], one_time_keyboard=True)
    await bot.send_message(42, "?", reply_markup=once)
    marie.presses("Oui")
    assert marie.keyboard is None
    sent = await bot.send_message(42, "?", reply_markup=once)
    assert marie.keyboard == ["Oui"]
    await sent.delete()
    assert marie.keyboard is None


# Edits and deletions


async def test_an_edit_changes_the_screen(bot: telegram.Bot, marie: Person, clock: Clock) -> None:
    sent = await bot.send_message(42, "Un ?", reply_markup=question("Oui", "Non"))
    heard = await marie.hears()
    with pytest.raises(BadRequest, match="Message is not modified"):
        await bot.edit_message_text(
            "Un ?", 42, sent.message_id, reply_markup=question("Oui", "Non")
        )
    clock.forward(minutes=1)
    edited = await bot.edit_message_text("Un : oui", 42, sent.message_id)
    assert isinstance(edited, telegram.Message)
    assert edited.edit_date == clock()
    assert (heard.text, heard.buttons) == ("Un : oui", [])
    await bot.edit_message_reply_markup(42, sent.message_id, reply_markup=question("Annuler"))
    assert marie.last.buttons == ["Annuler"]
    await bot.edit_message_reply_markup(42, sent.message_id)
    assert marie.last.buttons == []
    with pytest.raises(BadRequest, match="Message is not modified"):
        await bot.edit_message_reply_markup(42, sent.message_id)
    with pytest.raises(BadRequest, match="Message to edit not found"):
        await bot.edit_message_text("?", 42, 99)
    with pytest.raises(BadRequest, match="Message can't be edited"):
        await bot.edit_message_text("?", 42, 1)


async def test_only_inline_buttons_can_be_edited_in(
    server: BotApi, bot: telegram.Bot, marie: Person
) -> None:
    sent = await bot.send_message(42, "?")
    keyboard = {"keyboard": [["Oui"]]}
    given = {"chat_id": 42, "message_id": sent.message_id, "reply_markup": keyboard}
    async with httpx.AsyncClient() as client:
        answer = await client.post(raw(server, "editMessageReplyMarkup"), json=given)
    assert answer.json()["description"] == "Bad Request: inline keyboard expected"


async def test_messages_of_both_sides_can_be_deleted_for_48_hours(
    bot: telegram.Bot, marie: Person, clock: Clock
) -> None:
    secret = marie.says("Passw0rd!")
    sent = await bot.send_message(42, "Reçu")
    clock.forward(hours=47, minutes=59)
    assert await bot.delete_message(42, secret.id)
    assert [str(one) for one in marie.screen] == ["Marie: /start", "Sésame: Reçu"]
    with pytest.raises(BadRequest, match="Message to delete not found"):
        await bot.delete_message(42, secret.id)
    clock.forward(minutes=1)
    with pytest.raises(BadRequest, match="Message can't be deleted for everyone"):
        await sent.delete()
    one, two = marie.says("un"), marie.says("deux")
    assert await bot.delete_messages(42, [one.id, two.id, 99])
    assert (one.deleted, two.deleted) == (True, True)


# Presses


async def test_a_press_is_answered_once(
    server: BotApi, bot: telegram.Bot, marie: Person, clock: Clock
) -> None:
    await asked(bot, marie, "Oui", "Non")
    marie.presses("Non")
    query = (await newest(bot)).callback_query
    assert query
    assert query.message
    assert (query.data, query.from_user.id, query.message.message_id) == ("Non", 42, 2)
    assert query.chat_instance
    assert await query.answer("C'est noté", show_alert=True)
    alert = await marie.is_alerted()
    assert (alert.text, alert.show_alert) == ("C'est noté", True)
    with pytest.raises(BadRequest, match="Query is too old"):
        await query.answer()
    with pytest.raises(BadRequest, match="Query is too old"):
        await bot.answer_callback_query("123")
    marie.presses("Oui")
    late = (await newest(bot)).callback_query
    assert late
    clock.forward(seconds=150)
    with pytest.raises(BadRequest, match="response timeout expired"):
        await late.answer()
    assert len(marie.alerts) == 1


async def test_old_and_forged_presses_reach_the_bot(bot: telegram.Bot, marie: Person) -> None:
    old = await asked(bot, marie, "Oui")
    await bot.edit_message_reply_markup(42, old.id)
    marie.presses_old(old, "Oui")
    marie.forges(old, "admin")
    await bot.delete_message(42, old.id)
    marie.presses_old(old, "Oui")
    found = [one.callback_query for one in await bot.get_updates() if one.callback_query]
    assert [query.data for query in found] == ["Oui", "admin", "Oui"]
    assert [query.message.is_accessible for query in found if query.message] == [True, True, False]
    with pytest.raises(AssertionError, match="never had"):
        marie.presses_old(old, "Non")


async def test_the_newest_button_of_that_name_is_pressed(bot: telegram.Bot, marie: Person) -> None:
    await asked(bot, marie, "Oui")
    second = await asked(bot, marie, "Oui")
    await bot.send_message(42, "Autre chose")
    marie.presses("Oui")
    query = (await newest(bot)).callback_query
    assert query
    assert query.message
    assert query.message.message_id == second.id


# The person


async def test_a_person_sends_everything(
    server: BotApi, bot: telegram.Bot, marie: Person, clock: Clock
) -> None:
    paul = server.person("Paul", phone="33698765432", user_id=7)
    written = marie.says("Durant")
    marie.edits(written, "Durand")
    marie.forwards("123456")
    for send in (marie.sends_photo, marie.sends_voice, marie.sends_sticker, marie.sends_location):
        send()
    marie.sends_document("note.pdf", caption="voici")
    marie.sends(dice={"emoji": "🎲", "value": 6})
    marie.shares_contact()
    marie.shares_contact("+33 6 12", user_id=9)
    marie.shares_contact(of_another=True)
    marie.shares_contact(of_another=paul, forwarded=True)
    start, first, edited, *rest = await bot.get_updates()
    assert start.message
    assert start.message.text == "/start"
    assert start.message.parse_entities([MessageEntity.BOT_COMMAND])
    assert start.message.from_user
    assert start.message.from_user.language_code == "fr"
    assert (start.message.date, start.message.chat.first_name) == (clock(), "Marie")
    assert first.message
    assert first.message.text == "Durant"
    assert edited.edited_message
    assert edited.edited_message.text == "Durand"
    assert edited.edited_message.edit_date == clock()
    messages = [one.message for one in rest if one.message]
    assert len(messages) == len(rest)
    assert messages[0].forward_origin
    assert all([messages[1].photo, messages[2].voice, messages[3].sticker, messages[4].location])
    assert messages[5].document
    assert (messages[5].document.file_name, messages[5].caption) == ("note.pdf", "voici")
    assert messages[6].dice
    cards = [one.contact for one in messages if one.contact]
    found = [(card.phone_number, card.user_id) for card in cards]
    assert found == [
        ("33612345678", 42),
        ("+33 6 12", 9),
        ("33612345678", None),
        ("33698765432", 7),
    ]
    assert messages[-1].forward_origin


async def test_a_start_link_carries_its_payload(bot: telegram.Bot, server: BotApi) -> None:
    server.person(language_code=None).starts("0750001A")
    update = await newest(bot)
    assert update.message
    assert update.message.text == "/start 0750001A"
    assert update.message.from_user
    assert update.message.from_user.language_code is None
    [command] = update.message.entities
    assert (command.type, command.offset, command.length) == ("bot_command", 0, 6)


async def test_strange_text_arrives_as_it_is(bot: telegram.Bot, marie: Person) -> None:
    for text in ("\ud800", "a\0b", " espace ", "👩‍👧 /aide", "²"):
        marie.says(text)
        update = await newest(bot)
        assert update.message
        assert update.message.text == text


async def test_a_long_text_leaves_in_pieces(bot: telegram.Bot, marie: Person) -> None:
    marie.says("🔑" * 3000)
    found = await bot.get_updates()
    assert [len(one.message.text or "") for one in found if one.message] == [6, 2048, 952]


async def test_starting_again_lifts_the_block(bot: telegram.Bot, marie: Person) -> None:
    marie.blocks()
    with pytest.raises(AssertionError):
        marie.says("Vous êtes là ?")
    marie.starts()
    await bot.send_message(42, "Bon retour")
    assert (await marie.hears()).text == "Bon retour"


async def test_clearing_the_chat_empties_the_screen(bot: telegram.Bot, marie: Person) -> None:
    await bot.send_message(42, "Un")
    marie.clears()
    assert marie.screen == []
    with pytest.raises(AssertionError, match="said nothing"):
        assert marie.last
    await bot.send_message(42, "Deux")
    assert [one.text for one in marie.screen] == ["Deux"]


async def test_hearing_takes_each_message_once_and_in_order(
    bot: telegram.Bot, marie: Person
) -> None:
    await bot.send_message(42, "Un")
    await bot.send_message(42, "Deux")
    assert [(await marie.hears()).text, (await marie.hears()).text] == ["Un", "Deux"]
    await marie.hears_nothing(within=0.05)
    with pytest.raises(AssertionError, match=r"(?s)nothing more in 0\.05 s.*Sésame: Deux"):
        await marie.hears(timeout=0.05)
    later = asyncio.create_task(marie.hears())
    sent = await bot.send_message(42, "Trois")
    assert (await later).text == "Trois"
    gone = asyncio.create_task(marie.sees(lambda: len(marie.screen) == 3))
    await sent.delete()
    await gone
    with pytest.raises(AssertionError, match="did not come"):
        await marie.sees(lambda: False, timeout=0.05)
    await bot.send_message(42, "Quatre")
    with pytest.raises(AssertionError, match="said something"):
        await marie.hears_nothing()


async def test_chats_do_not_mix(bot: telegram.Bot, server: BotApi, marie: Person) -> None:
    paul = server.person("Paul")
    paul.starts()
    await bot.send_message(paul.chat.id, "Bonjour Paul")
    assert (await paul.hears()).id == 2
    await marie.hears_nothing(within=0.05)
    assert len(marie.screen) == 1


# Groups


async def test_a_group_shows_the_bot_only_what_is_for_it(
    bot: telegram.Bot, server: BotApi, marie: Person
) -> None:
    start = await newest(bot)
    there = marie.in_group(server.group("Parents 6e B"))
    there.says("Bonjour à tous")
    there.says("/start@other_bot")
    there.says("/aide")
    there.starts()
    added, *rest = await bot.get_updates(offset=start.update_id + 1)
    assert added.my_chat_member
    assert added.my_chat_member.chat.type == "group"
    assert added.my_chat_member.new_chat_member.status == "member"
    messages = [one.message for one in rest if one.message]
    assert messages[0].new_chat_members[0].is_bot
    assert [one.text for one in messages[1:]] == ["/aide", "/start@sesame_test_bot"]
    group = messages[0].chat.id
    keys = ReplyKeyboardMarkup([[KeyboardButton("Partager", request_contact=True)]])
    with pytest.raises(BadRequest, match="Phone number can be requested in private chats only"):
        await bot.send_message(group, "?", reply_markup=keys)
    page = InlineKeyboardButton("Page", web_app=WebAppInfo("https://a.fr"))
    with pytest.raises(BadRequest, match="Button_type_invalid"):
        await bot.send_message(group, "?", reply_markup=InlineKeyboardMarkup([[page]]))
    await bot.send_message(group, "En privé, s'il vous plaît.")
    assert (await there.hears()).text.startswith("En privé")
    assert await bot.leave_chat(group)
    left = (await newest(bot)).my_chat_member
    assert left
    assert left.new_chat_member.status == "left"
    with pytest.raises(Forbidden, match="bot is not a member of the group chat"):
        await bot.send_message(group, "?")
    there.starts()
    assert (await newest(bot)).my_chat_member == left
    marie.in_group("Parents 6e B").adds_bot()
    there.removes_bot()
    with pytest.raises(Forbidden, match="bot was kicked from the group chat"):
        await bot.send_message(group, "?")


async def test_a_private_chat_cannot_be_left(bot: telegram.Bot, marie: Person) -> None:
    with pytest.raises(BadRequest, match="private chats"):
        await bot.leave_chat(42)


# What the bot says of itself


async def test_commands_follow_scope_and_language(
    bot: telegram.Bot, server: BotApi, marie: Person
) -> None:
    private = BotCommandScopeAllPrivateChats()
    await bot.set_my_commands([BotCommand("start", "Begin")])
    await bot.set_my_commands([BotCommand("help", "Help")], scope=private)
    assert marie.menu == ["help"]
    await bot.set_my_commands([BotCommand("aide", "Aide")], scope=private, language_code="fr")
    assert marie.menu == ["aide"]
    await bot.set_my_commands([BotCommand("bureau", "Bureau")], scope=BotCommandScopeChat(42))
    assert marie.menu == ["bureau"]
    assert [one.command for one in await bot.get_my_commands(private, "fr")] == ["aide"]
    await bot.delete_my_commands(private, "fr")
    assert await bot.get_my_commands(private, "fr") == ()
    with pytest.raises(BadRequest, match="Bot_command_invalid"):
        await bot.set_my_commands([BotCommand("Début", "Non")])
    with pytest.raises(BadRequest, match="language code"):
        await bot.set_my_commands([BotCommand("a", "b")], language_code="french")


async def test_names_and_descriptions_follow_the_language(
    bot: telegram.Bot, server: BotApi
) -> None:
    await bot.set_my_description("Parents")
    await bot.set_my_description("Pour les parents", language_code="fr")
    await bot.set_my_short_description("Short")
    await bot.set_my_name("Sésame, le collège")
    assert (await bot.get_my_description("fr")).description == "Pour les parents"
    assert (await bot.get_my_description("en")).description == "Parents"
    assert (await bot.get_my_short_description()).short_description == "Short"
    assert (await bot.get_my_name()).name == "Sésame, le collège"
    with pytest.raises(BadRequest, match="too long"):
        await bot.set_my_short_description("x" * 121)


async def test_the_menu_button_and_the_chat_are_known(bot: telegram.Bot, marie: Person) -> None:
    assert await bot.set_chat_menu_button(menu_button=MenuButtonCommands())
    assert (await bot.get_chat_menu_button(42)).type == "commands"
    assert await bot.send_chat_action(42, "typing")
    with pytest.raises(BadRequest, match="Wrong parameter action"):
        await bot.send_chat_action(42, "dancing")
    chat = await bot.get_chat(42)
    assert (chat.id, chat.type, chat.first_name) == (42, "private", "Marie")


# Webhook


async def test_a_webhook_excludes_polling(bot: telegram.Bot, server: BotApi, marie: Person) -> None:
    poll = asyncio.create_task(bot.get_updates(offset=server.last_update_id + 1, timeout=10))
    assert await server.until(lambda: bool(server.calls_of("getUpdates")))
    assert await bot.set_webhook("https://a.fr/hook", allowed_updates=["message"])
    with pytest.raises(Conflict, match="terminated by setWebhook"):
        await poll
    with pytest.raises(Conflict, match="webhook is active"):
        await bot.get_updates()
    marie.says("un")
    info = await bot.get_webhook_info()
    assert (info.url, info.pending_update_count) == ("https://a.fr/hook", 1)
    assert info.allowed_updates == ("message",)
    await bot.delete_webhook(drop_pending_updates=True)
    assert (await bot.get_webhook_info()).url == ""
    assert await bot.get_updates() == ()
    for url, secret in (("http://a.fr", "s"), ("https://a.fr", "a b"), ("https://a.fr", "s" * 257)):
        with pytest.raises(BadRequest):
            await bot.set_webhook(url, secret_token=secret)


async def test_pushed_updates_are_done_when_accepted(
    bot: telegram.Bot, server: BotApi, marie: Person
) -> None:
    got: list[tuple[bytes, int]] = []
    answers = iter([200, 503, 200])

    async def hook(scope: Any, receive: Any, send: Any) -> None:
        body = json.loads((await receive())["body"])
        headers = dict(scope["headers"])
        got.append((headers[b"x-telegram-bot-api-secret-token"], body["update_id"]))
        await send({"type": "http.response.start", "status": next(answers), "headers": []})
        await send({"type": "http.response.body", "body": b""})

    await bot.set_webhook("https://a.fr/hook", secret_token="s3cret")
    marie.says("un")
    first, second = (update.id for update in server.pending)
    async with _listening(hook) as url:
        assert await server.push(url, second, first) == [200, 503]
        assert await server.push(url) == [200]
    assert got == [(b"s3cret", second), (b"s3cret", first), (b"s3cret", first)]
    assert server.pending == []


class _listening:  # noqa: N801
    """A small web server for a hook."""

    def __init__(self, app: Callable[..., Coroutine[Any, Any, None]]) -> None:
        config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none")
        config.load()
        self.server = uvicorn.Server(config)
        self.server.lifespan = config.lifespan_class(config)

    async def __aenter__(self) -> str:
        await self.server.startup()
        return f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        await self.server.shutdown()


# Faults


async def test_a_planned_refusal_has_no_effect(
    bot: telegram.Bot, server: BotApi, marie: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "true")  # without it the library warns as it raises
    server.fail_next("sendMessage", times=2, status=429, retry_after=7)
    for _ in range(2):
        with pytest.raises(RetryAfter) as caught:
            await bot.send_message(42, "Un")
        assert caught.value.retry_after == timedelta(seconds=7)
    server.fail_next("sendMessage", status=403, description="Forbidden: user is deactivated")
    with pytest.raises(Forbidden, match="user is deactivated"):
        await bot.send_message(42, "Un")
    for status in (500, 502):
        server.fail_next("sendMessage", status=status)
        with pytest.raises(NetworkError):
            await bot.send_message(42, "Un")
    assert len(marie.screen) == 1
    await bot.send_message(42, "Un")
    assert marie.last.text == "Un"
    assert [call.ok for call in server.calls_of("sendMessage")] == [False] * 5 + [True]


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_cut_connection_hides_whether_it_worked(
    bot: telegram.Bot, server: BotApi, marie: Person, after_effect: bool
) -> None:
    server.fail_next("sendMessage", drop=True, after_effect=after_effect)
    with pytest.raises(NetworkError):
        await bot.send_message(42, "Un")
    assert len(marie.screen) == 1 + after_effect
    assert server.calls[-1].answer is None
    await bot.send_message(42, "Deux")
    assert marie.last.text == "Deux"


async def test_an_error_can_hide_that_it_worked(
    bot: telegram.Bot, server: BotApi, marie: Person
) -> None:
    server.fail_next("sendMessage", status=500, after_effect=True)
    with pytest.raises(NetworkError):
        await bot.send_message(42, "Un")
    assert marie.last.text == "Un"


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_server_that_never_answers_is_given_up(
    bot: telegram.Bot, server: BotApi, marie: Person, after_effect: bool
) -> None:
    server.fail_next("sendMessage", delay=math.inf, after_effect=after_effect)
    with pytest.raises(TimedOut):
        await bot.send_message(42, "Un", read_timeout=0.1)
    assert len(marie.screen) == 1 + after_effect


async def test_a_slow_server_answers_in_the_end(
    bot: telegram.Bot, server: BotApi, marie: Person
) -> None:
    server.fail_next("*", delay=0.1)
    before = time.monotonic()
    await bot.send_message(42, "Un")
    assert time.monotonic() - before >= 0.1
    assert marie.last.text == "Un"


async def test_faults_can_be_drawn_call_by_call(
    bot: telegram.Bot, server: BotApi, marie: Person
) -> None:
    def every_second(call: Call) -> Fault | None:
        return Fault(status=500) if len(server.calls_of(call.method)) % 2 else None

    server.faults = every_second
    with pytest.raises(NetworkError):
        await bot.send_message(42, "Un")
    await bot.send_message(42, "Deux")
    assert [one.text for one in marie.screen if one.from_bot] == ["Deux"]


async def test_stopping_ends_what_is_under_way() -> None:
    async with BotApi(token=TOKEN) as server:
        bot = telegram.Bot(TOKEN, base_url=f"{server.url}/bot")
        await bot.initialize()
        poll = asyncio.create_task(bot.get_updates(timeout=50))
        assert await server.until(lambda: bool(server.calls_of("getUpdates")))
    with pytest.raises(NetworkError):
        await poll
    await bot.shutdown()


# All together


async def test_a_dialogue_reads_like_one(server: BotApi, bot: telegram.Bot) -> None:
    async def small_bot() -> None:
        offset = 0
        while True:
            for update in await bot.get_updates(offset=offset, timeout=20):
                offset = update.update_id + 1
                if update.callback_query:
                    await update.callback_query.answer()
                    await bot.send_message(update.callback_query.from_user.id, "Merci.")
                elif update.message:
                    await update.message.reply_text("On y va ?", reply_markup=question("Oui"))

    running = asyncio.create_task(small_bot())
    marie = server.person("Marie", "fr")
    marie.starts()
    assert (await marie.hears()).buttons == ["Oui"]
    marie.presses("Oui")
    assert (await marie.hears()).text == "Merci."
    await marie.is_alerted()
    await marie.hears_nothing(within=0.05)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert server.refused == []
