"""Telegram: the real bot, python-telegram-bot's real requests, real HTTP, a real SQLite file."""

import asyncio
import logging
import os
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from telegram import Bot

from bot.app import open_storage
from bot.channel import Button, Mark, Reply, Undeliverable
from bot.engine import Engine, Update
from bot.serve import serve
from bot.settings import BadSetting, Settings
from bot.telegram import client
from bot.telegram.client import bot_name, open_bot
from bot.telegram.incoming import press_data
from bot.telegram.outgoing import TelegramChannel
from bot.telegram.profile import introduce
from flows.table import QUESTIONS
from locales import LANGUAGES
from storage.database import Busy, every, run
from storage.retention import purge as real_purge
from tests.helpers import parent as helpers
from tests.helpers.clock import Clock
from tests.helpers.network import free_port
from tests.helpers.school import a_school
from tests.telegram.chat_driver import RunningBot, TelegramParent, running_bot, telegram_parent
from tests.telegram.phone import Person
from tests.telegram.server import BotApi, Call, Fault, Message, units

TOKEN = "123456:TEST-token_of_35_characters"
PASSWORD = "Soleil-Vert7$"


@pytest.fixture
async def marie(tmp_path: Path) -> AsyncIterator[TelegramParent]:
    async with telegram_parent(tmp_path / "sesame.sqlite3", a_school()) as parent:
        yield parent


@pytest.fixture
async def server() -> AsyncIterator[BotApi]:
    async with BotApi(TOKEN, now=Clock()) as running:
        yield running


@pytest.fixture
async def bot(server: BotApi, tmp_path: Path) -> AsyncIterator[RunningBot]:
    async with running_bot(server, tmp_path / "sesame.sqlite3", a_school()) as running:
        yield running


@pytest.fixture
async def library(server: BotApi) -> AsyncIterator[Bot]:
    async with open_bot(TOKEN, server.url) as opened:
        yield opened


async def to_last_name(marie: TelegramParent) -> None:
    await marie.says("/start")
    await marie.presses("Parent ou tuteur légal")
    await marie.presses("Activer mon compte")


async def to_phone(marie: TelegramParent) -> None:
    await to_last_name(marie)
    await marie.says("Dupont")
    await marie.says("Marie")


async def to_code(marie: TelegramParent) -> None:
    await to_phone(marie)
    await marie.says("06 12 34 56 78")
    await marie.presses("Oui, envoyer le code")


async def to_password(marie: TelegramParent) -> None:
    await to_code(marie)
    await marie.says(marie.sms.last_code)


async def state(bot: RunningBot) -> list[tuple[object, ...]]:
    return await bot.query("SELECT state FROM chats ORDER BY updated_at, rowid")


# ---- the whole dialogue ----------------------------------------------------------------------


async def test_a_parent_activates_sharing_the_number(marie: TelegramParent) -> None:
    await marie.says("/start")
    assert marie.reads.startswith("Bonjour, je suis Sésame.")
    await marie.presses("Parent ou tuteur légal")
    await marie.presses("Activer mon compte")
    assert "Quel est votre nom de famille" in marie.reads
    await marie.says("Dupont")
    await marie.says("Marie")
    assert marie.person.keyboard is not None
    await marie.presses("Partager mon numéro")
    assert marie.person.keyboard is None
    assert marie.said[0] == "Bien reçu."
    assert "Marie Dupont, 06 12 34 56 78. C'est exact" in marie.said[1]
    await marie.presses("Oui, envoyer le code")
    [(to, text)] = marie.sms.received
    assert to == "+33612345678"
    assert text.startswith(marie.sms.last_code)
    await marie.says(marie.sms.last_code)
    assert "Choisissez votre mot de passe." in marie.reads
    await marie.says(PASSWORD)
    await marie.says(PASSWORD)
    assert "Léa D., Collège des Lilas." in marie.reads
    await marie.presses("Oui")
    await marie.says("14/03/2014")
    await marie.presses("Activer")
    assert "Votre identifiant\u00a0: m.dupont" in marie.reads
    assert marie.person.last.marked("code") == ["m.dupont"]
    assert PASSWORD not in str(marie.person)
    assert marie.bot.server.refused == []
    assert await marie.bot.query("SELECT count(*) FROM accounts") == [(1,)]


async def test_a_parent_activates_by_typing_alone(marie: TelegramParent) -> None:
    for text in ("bonjour", "parent", "1", "Dupont", "Marie", "0612345678", "oui"):
        await marie.says(text)
    assert marie.said[-1].startswith("Étape 3 sur 6")
    for text in (marie.sms.last_code, PASSWORD, PASSWORD, "oui 14 mars 2014", "activer"):
        await marie.says(text)
    assert "m.dupont" in marie.reads
    assert marie.bot.server.calls_of("answerCallbackQuery") == []


async def test_a_parent_activates_in_english(tmp_path: Path) -> None:
    async with telegram_parent(tmp_path / "db", a_school(), lang="en-GB") as jane:
        await jane.says("/start")
        assert jane.reads.startswith("Hello")
        for text in ("parent", "1", "Dupont", "Marie"):
            await jane.says(text)
        await jane.presses(jane.buttons[0])  # the contact key
        await jane.presses(jane.buttons[0])
        await jane.says(jane.sms.last_code)
        await jane.says(PASSWORD)
        await jane.says(PASSWORD)
        await jane.presses("Yes")
        await jane.says("14 March 2014")
        await jane.says("1")
        assert "m.dupont" in jane.reads
        assert jane.person.last.marked("code") == ["m.dupont"]


@pytest.mark.parametrize("lang", ["pt-br", None])
async def test_another_language_is_asked_for_in_both(tmp_path: Path, lang: str | None) -> None:
    async with telegram_parent(tmp_path / "db", lang=lang) as ana:
        await ana.says("/start")
        assert ana.buttons[:2] == ["Français", "English"]
        await ana.presses("English")
        assert ana.reads.startswith("Hello")


async def test_the_language_changes_at_any_question(marie: TelegramParent) -> None:
    await to_phone(marie)
    await marie.says("/langue")
    assert "mobile" in marie.reads
    assert marie.person.keyboard is not None
    assert "Partager mon numéro" not in marie.person.keyboard
    await marie.says("/language")
    assert "Quel numéro de portable" in marie.reads


async def test_a_link_brings_a_payload_along(marie: TelegramParent) -> None:
    await marie.does(lambda: marie.person.starts("hello"))
    assert marie.reads.startswith("Bonjour, je suis Sésame.")
    await marie.presses("Parent ou tuteur légal")
    await marie.presses("Activer mon compte")
    await marie.does(lambda: marie.person.starts("0750001U"))
    assert "Voulez-vous continuer ou recommencer" in marie.reads
    await marie.presses("Continuer")
    assert "Quel est votre nom de famille" in marie.reads


# ---- what a message looks like ---------------------------------------------------------------


async def test_the_question_is_bold_and_choices_stand_below(marie: TelegramParent) -> None:
    await marie.says("/start")
    assert marie.person.last.marked("bold") == ["Vous êtes parent ou élève\u00a0?"]
    rows = [
        [button["text"] for button in row] for row in marie.person.last.markup["inline_keyboard"]
    ]
    assert rows == [["Parent ou tuteur légal"], ["Élève"], ["English"], ["? Aide"]]
    await marie.presses("Parent ou tuteur légal")
    assert marie.person.last.markup["inline_keyboard"][-1][0]["text"] == "← Retour"
    assert marie.person.last.markup["inline_keyboard"][-1][1]["text"] == "? Aide"
    [call, *_] = marie.bot.server.calls_of("sendMessage")
    assert call.parameters["link_preview_options"] == {"is_disabled": True}


async def test_short_choices_share_a_row(server: BotApi, library: Bot) -> None:
    person = server.person()
    person.starts()
    buttons = tuple(Button(label, label.lower()) for label in ("Oui", "Non"))
    reply = Reply("Sûr ?", "fr", buttons=(*buttons, Button("? Aide", "help")), asked=3)
    await TelegramChannel(library).send(str(person.chat.id), reply)
    rows = person.last.markup["inline_keyboard"]
    assert [[button["text"] for button in row] for row in rows] == [["Oui", "Non"], ["? Aide"]]
    assert rows[0][0]["callback_data"] == "1:3:oui"


async def test_marks_count_as_telegram_does(server: BotApi, library: Bot) -> None:
    person = server.person()
    person.starts()
    marks = (Mark("strong", 3, 4), Mark("exact", 8, 2), Mark("exact", 2, 0), Mark("strong", 99, 5))
    await TelegramChannel(library).send(str(person.chat.id), Reply("👩‍👧 𝒩on 👍🏽", "fr", marks))
    assert person.last.marked("bold") == [" 𝒩on"]
    assert person.last.marked("code") == ["👍🏽"]


async def test_a_text_that_is_too_long_is_cut_between_characters(
    server: BotApi, library: Bot
) -> None:
    person = server.person()
    person.starts()
    text = "a" + "👍" * 3000
    reply = Reply(text, "fr", (Mark("strong", 0, len(text)),))
    await TelegramChannel(library).send(str(person.chat.id), reply)
    assert units(person.last.text) == 4095
    assert person.last.text == "a" + "👍" * 2047


def test_every_button_fits_into_64_bytes() -> None:
    choices = {choice for question in QUESTIONS.values() for choice in question.choices}
    assert max(len(press_data(999_999_999, choice).encode()) for choice in choices) <= 64


async def test_the_contact_key_leaves_by_whatever_way_the_question_is_left(
    marie: TelegramParent,
) -> None:
    await to_phone(marie)
    [markup] = [
        call.parameters["reply_markup"]
        for call in marie.bot.server.calls_of("sendMessage")
        if "keyboard" in call.parameters.get("reply_markup", {})
    ]
    assert markup["keyboard"][0] == [{"text": "Partager mon numéro", "request_contact": True}]
    assert markup["resize_keyboard"] is True
    assert not markup.get("one_time_keyboard")
    await marie.presses("? Aide")  # a text key
    assert marie.person.keyboard is not None
    await marie.presses("← Retour")
    assert "Quel est votre prénom" in marie.reads
    assert marie.person.keyboard is None
    await marie.says("Marie")
    await marie.says("06 12 34 56 78")
    assert marie.person.keyboard is None
    await marie.presses("Corriger le numéro")
    await marie.says("/annuler")
    assert marie.person.keyboard is None
    assert marie.buttons[:2] == ["Arrêter", "Continuer"]
    await marie.presses("Continuer")
    assert marie.person.keyboard is not None


async def test_a_reply_without_buttons_takes_the_key_away_itself(
    server: BotApi, library: Bot
) -> None:
    person = server.person()
    person.starts()
    channel = TelegramChannel(library)
    await channel.send("1001", Reply("Votre numéro ?", "fr", contact="Partager"))
    assert person.keyboard == ["Partager"]
    await channel.send("1001", Reply("Arrêté.", "fr", leaves_contact="Bien reçu."))
    assert person.keyboard is None
    assert [message.text for message in person.screen if message.from_bot][1:] == ["Arrêté."]


# ---- what a parent can send ------------------------------------------------------------------


SENT: dict[str, Callable[[Person], object]] = {
    "photo": lambda person: person.sends_photo(),
    "photo with words": lambda person: person.sends_photo("Dupont"),
    "voice": lambda person: person.sends_voice(),
    "sticker": lambda person: person.sends_sticker(),
    "location": lambda person: person.sends_location(),
    "document": lambda person: person.sends_document(),
    "dice": lambda person: person.sends(dice={"emoji": "🎲", "value": 3}),
    "story": lambda person: person.sends(story={"chat": person.chat.api(), "id": 7}),
    "checklist": lambda person: person.sends(
        checklist={"title": "x", "tasks": [{"id": 1, "text": "y"}]}
    ),
    "something new": lambda person: person.sends(hologram={"depth": 3}),
}


@pytest.mark.parametrize("what", SENT)
async def test_only_text_is_read(marie: TelegramParent, what: str) -> None:
    await to_last_name(marie)
    await marie.does(lambda: SENT[what](marie.person))
    assert marie.reads.startswith("Je ne lis que du texte.")
    assert "Quel est votre nom de famille" in marie.reads


async def test_what_the_app_writes_by_itself_is_not_answered(marie: TelegramParent) -> None:
    await to_last_name(marie)
    timer = {"message_auto_delete_time": 86400}
    await marie.does(lambda: marie.person.sends(message_auto_delete_timer_changed=timer))
    place = marie.person.sends_location().api() | {"edit_date": 1}
    await marie.does(lambda: marie.bot.server.deliver("edited_message", place))
    assert marie.said in ([], [marie.person.last.text])  # the place, not its moving
    calls = len(marie.bot.server.calls_of("sendMessage"))
    await marie.does(lambda: marie.bot.server.deliver("edited_message", place))
    assert len(marie.bot.server.calls_of("sendMessage")) == calls


async def test_an_edited_message_is_no_answer(marie: TelegramParent) -> None:
    await to_last_name(marie)
    message = marie.person.says("Dupond")
    await marie.bot.settles()
    await marie.does(lambda: marie.person.edits(message, "Dupont"))
    assert "J'ai gardé votre première réponse." in marie.reads
    assert "Quel est votre prénom" in marie.reads


async def test_a_forwarded_text_is_text(marie: TelegramParent) -> None:
    await to_last_name(marie)
    await marie.does(lambda: marie.person.forwards("Dupont"))
    assert "Quel est votre prénom" in marie.reads


@pytest.mark.parametrize("way", ["forwarded", "by way of another bot"])
async def test_a_code_that_somebody_else_wrote(marie: TelegramParent, way: str) -> None:
    await to_code(marie)
    code = marie.sms.last_code
    if way == "forwarded":
        await marie.does(lambda: marie.person.forwards(code))
    else:
        other = {"id": 5, "is_bot": True, "first_name": "Other"}
        await marie.does(lambda: marie.person.sends(text=code, via_bot=other))
    assert marie.reads.startswith("Ce message vient d'ailleurs.")
    await marie.says(code)
    assert "C'est le bon code" in marie.reads


CARDS: dict[str, Callable[[Person], object]] = {
    "of somebody unknown": lambda marie: marie.shares_contact(of_another=True),
    "of another user": lambda marie: marie.shares_contact(
        of_another=marie.server.person(first_name="Ann", phone="33698765432")
    ),
    "with the number of another": lambda marie: marie.shares_contact("33698765432", user_id=9),
    "forwarded": lambda marie: marie.shares_contact(forwarded=True),
    "by way of another bot": lambda marie: marie.sends(
        contact={"phone_number": marie.phone, "first_name": "Marie", "user_id": marie.user["id"]},
        via_bot={"id": 5, "is_bot": True, "first_name": "Other"},
    ),
}


@pytest.mark.parametrize("card", CARDS)
async def test_only_the_own_card_counts(marie: TelegramParent, card: str) -> None:
    await to_phone(marie)
    await marie.does(lambda: CARDS[card](marie.person))
    assert marie.reads.startswith("Cette fiche est celle d'une autre personne.")
    assert marie.person.keyboard is not None


async def test_an_own_number_that_the_school_does_not_have(marie: TelegramParent) -> None:
    await to_phone(marie)
    await marie.shares_own_number("+33 6 11 22 33 44")
    assert "L'école ne connaît pas ce numéro." in marie.reads
    assert marie.sms.received == []


async def test_messages_at_once_are_taken_in_order(marie: TelegramParent) -> None:
    await to_last_name(marie)
    await marie.does(lambda: [marie.person.says(text) for text in ("Dupont", "Marie")])
    first, second = marie.said
    assert "Quel est votre prénom" in first
    assert "Quel numéro de portable" in second


# ---- buttons ---------------------------------------------------------------------------------


async def test_a_press_is_answered_at_once_and_silently(marie: TelegramParent) -> None:
    await marie.says("/start")
    await marie.presses("Parent ou tuteur légal")
    alert = await marie.person.is_alerted()
    assert alert.text == ""


async def test_a_press_that_is_too_old_to_be_answered_still_counts(
    marie: TelegramParent,
) -> None:
    await marie.says("/start")
    marie.bot.server.fail_next(
        "answerCallbackQuery", status=400, description="Bad Request: query is too old"
    )
    await marie.presses("Parent ou tuteur légal")
    assert "Que souhaitez-vous faire" in marie.reads


async def test_a_double_tap_is_one(marie: TelegramParent) -> None:
    await marie.says("/start")
    message = marie.person.last

    def taps() -> None:
        for _ in range(3):
            marie.person.presses_old(message, "Parent ou tuteur légal")

    await marie.does(taps)
    [reply] = marie.said
    assert "Que souhaitez-vous faire" in reply


async def test_an_old_button_brings_the_present_question(marie: TelegramParent) -> None:
    await marie.says("/start")
    old = marie.person.last
    await marie.presses("Parent ou tuteur légal")
    await marie.presses("Activer mon compte")
    await marie.does(lambda: marie.person.presses_old(old, "Élève"))
    assert marie.reads.startswith("Ce bouton est ancien.")
    assert "Quel est votre nom de famille" in marie.reads


FORGED = [
    *("x", "1", "1:", "1::parent", "1:1:", ":1:parent", "0:{asked}:parent", "2:{asked}:parent"),
    *("1:{asked}:parent ", " 1:{asked}:parent", "1:{asked}:PARENT", "1:{asked}:parent\n"),
    *("1:-{asked}:parent", "1:+{asked}:parent", "1:²:parent", "1:9999999999:parent"),
    *("1:{asked}:activate_now", "1:{asked}:parent:1", "1:{asked}:'; DROP TABLE", "1:{next}:parent"),
]


@pytest.mark.parametrize("data", FORGED)
async def test_forged_presses_change_nothing(marie: TelegramParent, data: str) -> None:
    await marie.says("/start")
    [asked] = {int(button.value.split(":")[1]) for button in marie.person.last.inline}
    forged = data.format(asked=asked, next=asked + 1)
    await marie.does(lambda: marie.person.forges(marie.person.last, forged))
    assert marie.reads.startswith("Ce bouton est ancien.")
    assert await state(marie.bot) == [("profile",)]


async def test_nobody_presses_for_another(marie: TelegramParent) -> None:
    await marie.says("/start")
    message = marie.person.last
    eve = marie.bot.server.person(first_name="Eve")
    await marie.does(lambda: eve.forges(message, message.inline[0].value))
    assert marie.said == []
    assert await state(marie.bot) == [("profile",)]


async def test_a_button_of_a_message_that_is_gone(marie: TelegramParent) -> None:
    await marie.says("/start")
    message = marie.person.last
    message.deleted = True
    await marie.does(lambda: marie.person.presses_old(message, "Parent ou tuteur légal"))
    assert "Que souhaitez-vous faire" in marie.reads


# ---- passwords -------------------------------------------------------------------------------


async def test_a_password_is_deleted_accepted_or_not(marie: TelegramParent) -> None:
    await to_password(marie)
    for text in ("court", PASSWORD, "Autre-Mot9$"):
        message = marie.person.says(text)
        await marie.bot.settles()
        assert message.deleted, text
    assert len(marie.bot.server.calls_of("deleteMessage")) == 3


async def test_an_edited_password_is_deleted(marie: TelegramParent) -> None:
    await to_password(marie)
    message = marie.person.sends_photo()  # something that is not deleted
    message.content = {"text": "x"}
    await marie.bot.settles()
    await marie.does(lambda: marie.person.edits(message, PASSWORD))
    assert message.deleted


async def test_a_password_that_cannot_be_deleted_is_told(marie: TelegramParent) -> None:
    await to_password(marie)
    marie.bot.server.fail_next(
        "deleteMessage", status=400, description="Bad Request: message can't be deleted"
    )
    await marie.says(PASSWORD)
    assert "Je n'ai pas pu effacer votre message." in marie.reads


async def test_a_password_that_the_parent_deleted_is_not_told(marie: TelegramParent) -> None:
    await to_password(marie)
    marie.bot.server.fail_next(
        "deleteMessage", status=400, description="Bad Request: message to delete not found"
    )
    await marie.says(PASSWORD)
    assert "effacer" not in marie.reads


async def test_deleting_is_tried_again(marie: TelegramParent) -> None:
    await to_password(marie)
    marie.bot.server.fail_next("deleteMessage", status=500)
    message = marie.person.says(PASSWORD)
    await marie.bot.settles()
    assert message.deleted


async def test_nothing_secret_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with BotApi(TOKEN, now=Clock()) as server:
        async with running_bot(server, tmp_path / "db", a_school()) as bot:
            marie = TelegramParent(bot, server.person())
            await to_password(marie)
            server.fail_next("sendMessage", status=502)
            server.fail_next("getUpdates", status=502)
            server.fail_next("deleteMessage", drop=True)
            await marie.says(PASSWORD)
            server.deliver("message", {"text": "unreadable-canary"})
            await bot.settles()
        with pytest.raises(BadSetting):
            async with open_bot("999:WRONG-token", server.url):
                pass
    ours = [record for record in caplog.records if not record.name.startswith("uvicorn")]
    assert ours
    log = "\n".join(
        f"{record.getMessage()} {record.exc_info} {record.stack_info} {record.args}"
        for record in ours
    )
    code, phone = marie.sms.last_code, "612345678"
    for secret in (TOKEN, "WRONG-token", PASSWORD, code, phone, "Dupont", "unreadable-canary"):
        assert secret not in log, secret
    assert "update_unreadable kind=KeyError" in log


# ---- chats -----------------------------------------------------------------------------------


async def test_a_group_is_left_with_a_link(bot: RunningBot, server: BotApi) -> None:
    marie = server.person()
    marie.starts()
    await bot.settles()
    group = marie.in_group("Parents d'élèves")
    await bot.settles()
    [text] = [message.text for message in group.screen if message.from_bot]
    assert (
        text
        == "Pour votre sécurité, parlons en privé\u00a0: https://t.me/sesame_test_bot?start=hello"
    )
    assert group.chat.member == "left"
    assert len(await state(bot)) == 1  # Marie's own


async def test_a_group_hears_the_language_of_who_speaks(bot: RunningBot, server: BotApi) -> None:
    group = server.person(language_code="en").in_group("Parents")
    await bot.settles()
    [text] = [message.text for message in group.screen if message.from_bot]
    assert "private" in text
    assert await state(bot) == []


async def test_a_group_where_nothing_may_be_written_is_left(
    bot: RunningBot, server: BotApi
) -> None:
    server.fail_next("sendMessage", status=400, description="Bad Request: not enough rights")
    group = server.person().in_group("Parents")
    await bot.settles()
    assert group.chat.member == "left"


async def test_a_parent_who_blocks_the_bot_can_come_back(marie: TelegramParent) -> None:
    await to_code(marie)
    await marie.does(marie.person.blocks)
    await marie.waits(seconds=100)  # help would be offered now
    assert marie.said == []
    statuses = await marie.bot.query("SELECT DISTINCT status FROM outbox WHERE kind = 'reply'")
    assert statuses == [("sent",)]  # it was not even tried
    await marie.does(marie.person.starts)
    assert "Bon retour" in marie.reads
    assert "Étape 3 sur 6" in marie.reads


async def test_a_chat_that_does_not_exist_is_given_up(library: Bot) -> None:
    with pytest.raises(Undeliverable):
        await TelegramChannel(library).send("77", Reply("Bonjour", "fr"))


async def test_chats_go_side_by_side(bot: RunningBot, server: BotApi) -> None:
    slow, *others = [server.person(first_name=f"P{n}") for n in range(6)]
    gate = asyncio.Event()

    async def before_turn(update: Update) -> None:
        if update.address.place == str(slow.chat.id):
            await gate.wait()

    bot.before_turn = before_turn  # type: ignore[method-assign]
    slow.starts()
    for text in ("/start", "parent", "1"):
        for person in others:
            person.says(text)
        for person in others:
            await person.hears()
    assert server.pending[0].payload["chat"]["id"] == slow.chat.id  # not acknowledged
    gate.set()
    await slow.hears()
    await bot.settles()


# ---- faults ----------------------------------------------------------------------------------


async def test_an_update_delivered_twice_does_nothing_twice(marie: TelegramParent) -> None:
    await to_last_name(marie)
    await marie.says("Dupont")
    await marie.does(lambda: marie.bot.server.redeliver(marie.bot.server.last_update_id))
    assert marie.said == []
    await marie.says("Marie")
    assert "Quel numéro de portable" in marie.reads


async def test_numbers_of_updates_may_jump(marie: TelegramParent) -> None:
    await marie.says("/start")
    for jump in (5, 2_000_000_000, 1_000):
        marie.bot.server._next_update = jump
        await marie.says("/aide")
        assert "Vous êtes parent ou élève" in marie.reads


@pytest.mark.parametrize(
    "garbage", [{"text": "?"}, {"message_id": "x", "chat": 3}, {"date": 10**20}, 7, None]
)
async def test_an_unreadable_update_stops_nobody(marie: TelegramParent, garbage: Any) -> None:
    def writes() -> None:
        marie.bot.server.deliver("message", garbage)
        marie.person.says("/start")

    await marie.does(writes)
    assert marie.reads.startswith("Bonjour, je suis Sésame.")


FAULTS: dict[str, dict[str, Any]] = {
    "429": {"retry_after": 1},
    "500": {"status": 500},
    "502 page": {"status": 502},
    "cut": {"drop": True},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_reply_arrives_in_the_end(marie: TelegramParent, fault: str) -> None:
    marie.bot.server.fail_next("sendMessage", **FAULTS[fault])
    await marie.says("/start")
    assert len(marie.said) == 1
    assert len(marie.bot.server.calls_of("sendMessage")) == 2


async def test_both_messages_come_again_when_the_second_fails(marie: TelegramParent) -> None:
    await to_phone(marie)
    failed: list[Call] = []

    def faults(call: Call) -> Fault | None:
        if call.method == "sendMessage" and "C'est exact" in call.parameters["text"] and not failed:
            failed.append(call)
            return Fault(status=500)
        return None

    marie.bot.server.faults = faults
    await marie.presses("Partager mon numéro")
    assert [text[:10] for text in marie.said] == ["Bien reçu.", "Bien reçu.", "Étape 2 su"]


FETCH_FAULTS: dict[str, dict[str, Any]] = {
    **FAULTS,
    "409": {"status": 409},
    "not readable": {"status": 200, "description": "neither updates nor an error"},
}


@pytest.mark.parametrize("fault", FETCH_FAULTS)
async def test_fetching_goes_on_after_a_fault(marie: TelegramParent, fault: str) -> None:
    marie.bot.server.fail_next("getUpdates", **FETCH_FAULTS[fault])
    await marie.says("/start")  # wakes the fetch under way
    await marie.says("/aide")
    await marie.says("/aide")
    assert "Vous êtes parent ou élève" in marie.reads


async def test_nothing_is_acknowledged_while_storage_fails(
    marie: TelegramParent, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await to_last_name(marie)
    await marie.bot.query("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(tmp_path / "sesame.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # another process holds the database
    message = marie.person.says("Dupont")
    await asyncio.sleep(0.7)
    assert [update.payload["message_id"] for update in marie.bot.server.pending] == [message.id]
    assert "update_waits why=The database is in use by another process" in caplog.text
    other.execute("ROLLBACK")
    other.close()
    await marie.bot.settles()
    assert "Quel est votre prénom" in marie.person.last.text


async def test_a_turn_that_never_works_is_given_up(
    marie: TelegramParent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.telegram.updates.TRIES", 1)

    async def before_turn(update: Update) -> None:
        raise RuntimeError("canary")

    marie.bot.before_turn = before_turn  # type: ignore[method-assign]
    await marie.says("/start")
    waits, given_up = caplog.messages[-2:]
    assert waits.startswith("update_waits kind=RuntimeError place=test_channel.py:")
    assert given_up.startswith("update_given_up kind=RuntimeError place=test_channel.py:")
    assert "canary" not in caplog.text


async def test_stopping_does_not_wait_for_storage(bot: RunningBot, server: BotApi) -> None:
    taken = asyncio.Event()

    async def before_turn(update: Update) -> None:
        taken.set()
        raise Busy("still busy")

    bot.before_turn = before_turn  # type: ignore[method-assign]
    server.person().starts()
    await taken.wait()
    async with asyncio.timeout(2):
        await bot.closes()
    assert len(server.pending) == 1
    del bot.before_turn
    await bot.opens()
    await bot.settles()
    assert await state(bot) == [("profile",)]


async def test_stopping_finishes_the_turn_under_way(bot: RunningBot, server: BotApi) -> None:
    taken, gate = asyncio.Event(), asyncio.Event()

    async def before_turn(update: Update) -> None:
        taken.set()
        await gate.wait()

    bot.before_turn = before_turn  # type: ignore[method-assign]
    marie = server.person()
    marie.says("/start")
    marie.says("parent")
    await taken.wait()
    bot.polling.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await bot.polling
    assert await state(bot) == [("profile",)]  # the second message comes again
    await bot.service.delivery.settle()
    await bot.restarts()
    await bot.settles()
    assert await state(bot) == [("menu",)]
    assert len(bot_texts(marie)) == 2


async def test_fetching_goes_on_when_there_is_nothing(
    server: BotApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.telegram.polling.HOLD", 0)
    async with telegram_parent(tmp_path / "db") as marie:
        calls = marie.bot.server.calls
        assert await marie.bot.server.until(lambda: len(calls) > 6)
        await marie.says("/start")
        assert marie.reads.startswith("Bonjour")


# ---- the profile -----------------------------------------------------------------------------


async def test_commands_and_descriptions_are_set_in_each_language(
    server: BotApi, library: Bot
) -> None:
    await introduce(library)
    assert server.refused == []
    scope = "all_private_chats"
    assert set(server.commands) == {(scope, ""), (scope, "fr"), (scope, "en")}
    assert "retour" in server.person(language_code="fr").menu
    assert "back" in server.person(language_code="en").menu
    assert server.person(language_code="pt").menu == server.person(language_code="fr").menu
    for kind in ("description", "short_description"):
        texts = [server.texts[kind, lang] for lang in ("", *LANGUAGES)]
        assert texts[1] in texts[0]
        assert texts[2] in texts[0]


async def test_a_profile_that_is_refused_stops_nothing(
    server: BotApi, library: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail_next("setMyDescription", times=3, retry_after=3600)
    await introduce(library)
    assert caplog.messages.count("profile_not_set kind=RetryAfter") == 3
    assert len(server.commands) == 3


# ---- sesame serve ----------------------------------------------------------------------------


def serve_settings(server: BotApi, tmp_path: Path, **own: object) -> Settings:
    values = {
        "telegram_token": TOKEN,
        "telegram_api_url": f"{server.url}/",
        "sms": f"file:{tmp_path / 'sms.jsonl'}",
        **own,
    }
    return helpers.test_settings(tmp_path / "sesame.sqlite3", **values)


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[None]:
    running = asyncio.create_task(serve(settings))
    try:
        yield
        assert not running.done() or running.result() is None
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            await running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_serve_answers_until_it_is_told_to_stop(
    server: BotApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.fail_next("getMe", status=502)  # Telegram is not there yet
    server.fail_next("deleteWebhook", status=502)
    async with served(serve_settings(server, tmp_path)):
        marie = server.person()
        marie.starts()
        message = await marie.hears()
        assert message.text.startswith("Bonjour, je suis Sésame.")
        assert await server.until(lambda: len(server.texts) == 6)
    assert "https://t.me/sesame_test_bot is answering." in capsys.readouterr().out


async def test_serve_wakes_conversations_whatever_happens(
    server: BotApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures: list[Exception] = [Busy("still busy"), RuntimeError("canary")]
    woken = asyncio.Event()

    async def wake(engine: Engine) -> None:
        if failures:
            raise failures.pop(0)
        woken.set()

    monkeypatch.setattr(Engine, "wake", wake)
    monkeypatch.setattr("bot.serve.WAKE_EVERY", 0.01)
    async with served(serve_settings(server, tmp_path)):
        async with asyncio.timeout(5):
            await woken.wait()
    assert "waking_waits why=still busy" in caplog.messages
    assert "waking_waits kind=RuntimeError place=test_channel.py:" in caplog.text


async def test_serve_forgets_what_is_old_whatever_happens(
    server: BotApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The database is busy, then we make a mistake; the bot answers meanwhile."""
    failures: list[Exception] = [Busy("still busy"), RuntimeError("canary")]

    async def purge(*arguments: Any) -> dict[str, int]:
        if failures:
            raise failures.pop(0)
        return await real_purge(*arguments)

    monkeypatch.setattr("bot.serve.purge", purge)
    monkeypatch.setattr("bot.serve.PURGE_EVERY", 0.05)
    settings, marie = serve_settings(server, tmp_path), server.person()
    async with open_storage(settings) as (database, _):
        await database.run(run("INSERT INTO updates VALUES ('long ago', 1)"))
    async with served(settings):
        marie.says("/start")
        await hears(marie, "Vous êtes parent ou élève")
        async with open_storage(settings) as (database, _), asyncio.timeout(10):
            old = "SELECT 1 FROM updates WHERE id = 'long ago'"
            while await database.run(every(old)):  # noqa: ASYNC110 - the bot deletes it
                await asyncio.sleep(0.02)
    assert "purging_waits why=still busy" in caplog.messages
    assert "purging_waits kind=RuntimeError place=test_channel.py:" in caplog.text


async def test_serve_started_with_a_clock_that_was_set_back(
    server: BotApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says that codes are void (RELIABILITY T22)."""
    settings, marie = serve_settings(server, tmp_path), server.person()
    async with served(settings):
        marie.says("/start")
        await hears(marie, "Vous êtes parent ou élève")
    assert "clock_was_set_back" not in caplog.text
    async with open_storage(settings) as (database, _):
        await database.run(run("UPDATE chats SET updated_at = updated_at + 86400"))
    async with served(settings):
        marie.says("parent")
        await hears(marie, "Que souhaitez-vous faire")
    assert "clock_was_set_back" in caplog.text


async def test_serve_removes_a_webhook(server: BotApi, tmp_path: Path) -> None:
    server.webhook = {"url": "https://example.org/", "secret_token": "", "max_connections": 1}
    async with served(serve_settings(server, tmp_path)):
        marie = server.person()
        marie.starts()
        await marie.hears()


async def test_serve_shows_sms_where_it_runs(
    server: BotApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = serve_settings(server, tmp_path, sms="console:")
    async with open_storage(settings) as (database, vault):
        await a_school().fills(database, vault, Clock())
    async with served(settings):
        marie = server.person()
        for text in ("/start", "parent", "1", "Dupont", "Marie", "06 12 34 56 78", "oui"):
            marie.says(text)
            await marie.hears()
        await marie.hears()  # the contact key took a message of its own
    assert "SMS to +33612345678: " in capsys.readouterr().out


async def test_serve_says_how_to_get_a_token(server: BotApi, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="@BotFather"):
        await serve(serve_settings(server, tmp_path, telegram_token=None))


@pytest.mark.parametrize("token", ["999:WRONG-token", "bad token", ""])
async def test_serve_does_not_go_on_with_a_bad_token(
    server: BotApi, tmp_path: Path, token: str
) -> None:
    with pytest.raises(BadSetting, match="SESAME_TELEGRAM_TOKEN") as caught:
        await serve(serve_settings(server, tmp_path, telegram_token=token))
    assert not token or token not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_serve_ends_when_the_token_is_revoked(
    server: BotApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.serve.LAST_SENDINGS", 0.1)
    running = asyncio.create_task(serve(serve_settings(server, tmp_path)))
    assert await server.until(lambda: bool(server.calls_of("getUpdates")))
    server.token = "123456:ANOTHER"
    server.person().starts()
    with pytest.raises(BadSetting, match="SESAME_TELEGRAM_TOKEN"):
        async with asyncio.timeout(10):
            await running


# ---- kill -9 ---------------------------------------------------------------------------------


@asynccontextmanager
async def process(server: BotApi, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`sesame serve` as a process of its own; killed at the end."""
    own = {
        "SESAME_TELEGRAM_TOKEN": TOKEN,
        "SESAME_TELEGRAM_API_URL": server.url,
        "SESAME_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'sesame.sqlite3'}",
        "SESAME_SMS": f"file:{folder / 'sms.jsonl'}",
    }
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "serve"),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **own},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def all_is_marked_as_sent(database: Path) -> None:
    connection = sqlite3.connect(database)
    waiting = "SELECT 1 FROM outbox WHERE status = 'waiting'"
    while connection.execute(waiting).fetchall():  # noqa: ASYNC110 - another process changes it
        await asyncio.sleep(0.01)
    connection.close()


def bot_texts(person: Person) -> list[str]:
    return [message.text for message in person.screen if message.from_bot]


async def hears(person: Person, words: str) -> Message:
    message = await person.hears(20)
    assert words in message.text
    return message


async def test_a_reply_under_way_survives_kill_9(server: BotApi, tmp_path: Path) -> None:
    marie = server.person()
    async with process(server, tmp_path):
        marie.says("/start")
        await hears(marie, "Vous êtes parent ou élève")
        server.fail_next("sendMessage", delay=60)
        marie.says("parent")
        assert await server.until(lambda: len(server.calls_of("sendMessage")) == 2)
    async with process(server, tmp_path):
        await hears(marie, "Que souhaitez-vous faire")
        marie.says("1")
        await hears(marie, "Quel est votre nom de famille")
    assert len(bot_texts(marie)) == 3


async def test_nothing_is_done_twice_after_kill_9(server: BotApi, tmp_path: Path) -> None:
    marie = server.person()
    server.faults = lambda call: (  # nothing can be acknowledged
        Fault(status=500) if int(call.parameters.get("offset", 0)) > 700_000_000 else None
    )
    async with process(server, tmp_path):
        for text in ("/start", "parent", "1", "Dupont"):
            marie.says(text)
        for _ in range(4):
            await marie.hears(20)
        await all_is_marked_as_sent(tmp_path / "sesame.sqlite3")  # or the last one comes again
    assert len(server.pending) == 4
    server.faults = lambda call: None
    async with process(server, tmp_path):
        marie.says("Marie")
        await hears(marie, "Quel numéro de portable")
        assert await server.until(lambda: not server.pending)
    assert len(bot_texts(marie)) == 5


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="only Linux tells the limits")
async def test_a_crash_leaves_no_core_file(server: BotApi, tmp_path: Path) -> None:
    """Memory holds passwords for a moment (invariant I9)."""
    async with process(server, tmp_path) as running:
        assert await server.until(lambda: bool(server.calls_of("getUpdates")), 20)
        limits = Path(f"/proc/{running.pid}/limits").read_text("ascii")
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


async def test_a_command_does_not_wait_for_telegram_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`sesame invite` and `sesame letters` ask for the bot's name; somebody sits before them."""
    monkeypatch.setattr(client, "AT_A_COMMAND", 0.3)
    async with asyncio.timeout(20):  # so that this test can fail
        with pytest.raises(BadSetting, match=r"^Telegram is not reached"):
            await bot_name(SecretStr(TOKEN), f"http://127.0.0.1:{free_port()}")
