"""What is special in a message at Telegram: what can be copied, times, and buttons that go."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from telegram import Bot

import locales
from bot.channel import Button, Mark, Reply, TryLater, Undeliverable
from bot.engine import Update
from bot.rendering import Renderer
from bot.telegram.client import open_bot
from bot.telegram.outgoing import TelegramChannel
from bot.telegram.profile import COMMANDS, introduce
from flows.inputs import EraseFailed
from flows.outputs import Exact, Say
from flows.states import S
from storage import accounts
from storage.conversations import Address
from tests.conversations.roads import ROADS
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.school import a_school
from tests.telegram.chat_driver import TelegramParent, telegram_parent
from tests.telegram.phone import Person
from tests.telegram.server import BotApi, Call, Fault, Message

TOKEN = "123456:TEST-token_of_35_characters"

Marie = Dialogue[TelegramParent]


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_MEMORY_KIB", 8)


@pytest.fixture(params=["fr", "en"])
async def marie(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Marie]:
    async with telegram_parent(tmp_path / "db", a_school(), lang=request.param) as parent:
        yield Dialogue(parent, request.param)


@pytest.fixture
async def server() -> AsyncIterator[BotApi]:
    async with BotApi(TOKEN, now=Clock()) as running:
        yield running


@pytest.fixture
async def library(server: BotApi) -> AsyncIterator[Bot]:
    async with open_bot(TOKEN, server.url) as opened:
        yield opened


@pytest.fixture
def channel(library: Bot) -> TelegramChannel:
    return TelegramChannel(library)


@pytest.fixture
def person(server: BotApi) -> Person:
    """Somebody who has written to the bot."""
    person = server.person()
    person.starts()
    return person


def said(marie: Marie) -> list[Message]:
    """The bot's messages that are in the chat now."""
    return [message for message in marie.parent.person.screen if message.from_bot]


def made(marie: Marie) -> list[Call]:
    """The calls that the bot made, those for updates apart."""
    others = {"getUpdates", "getMe", "deleteWebhook"}
    return [call for call in marie.parent.bot.server.calls if call.method not in others]


def with_buttons(text: str, asked: int = 1, **more: Any) -> Reply:
    return Reply(text, "fr", buttons=(Button("Renvoyer", "resend"),), asked=asked, **more)


# ---- copied with one touch -------------------------------------------------------------------


@pytest.mark.parametrize("state", [S.DONE, S.ALREADY])
async def test_the_identifier_is_copied_with_one_touch(marie: Marie, state: S) -> None:
    await marie.follows(*ROADS[state])
    marie.is_asked(state)
    message = marie.parent.person.last
    [[first], *_] = message.markup["inline_keyboard"]
    assert first["text"] == locales.say("button.copy", marie.lang)
    marie.parent.person.presses(first["text"])
    assert marie.parent.person.clipboard == "m.dupont"
    assert message.marked("code") == ["m.dupont"]  # an older app copies it by a touch of the word


NOTHING_TO_COPY = {
    "no such stretch": (Mark("strong", 0, 3),),
    "an empty one": (Mark("exact", 0, 0),),
    "more than Telegram copies": (Mark("exact", 0, 257),),
}


@pytest.mark.parametrize("marks", NOTHING_TO_COPY.values(), ids=NOTHING_TO_COPY)
async def test_no_copy_button_for(
    channel: TelegramChannel, person: Person, marks: tuple[Mark, ...]
) -> None:
    await channel.send(str(person.chat.id), with_buttons("a" * 300, marks=marks, copy="Copier"))
    assert person.last.buttons == ["Renvoyer"]


async def test_a_copy_button_alone(channel: TelegramChannel, person: Person) -> None:
    mark = Mark("exact", 2, 4)
    await channel.send(str(person.chat.id), Reply("👩 a.b2", "fr", marks=(mark,), copy="Copier"))
    assert person.last.copy_texts == ["a.b2"]


@pytest.mark.parametrize("silent", [False, True])
async def test_what_nobody_asked_for_comes_without_a_sound(
    channel: TelegramChannel, server: BotApi, person: Person, silent: bool
) -> None:
    await channel.send(str(person.chat.id), Reply("Bonjour", "fr", silent=silent))
    [call] = server.calls_of("sendMessage")
    assert bool(call.parameters.get("disable_notification")) is silent


# ---- times -----------------------------------------------------------------------------------


async def test_until_when_the_code_is_good_in_the_parents_own_zone(marie: Marie) -> None:
    await marie.follows(*ROADS[S.CODE])
    [entity] = [one for one in marie.parent.person.last.entities if one["type"] == "date_time"]
    until = marie.clock.now + timedelta(minutes=30)
    assert entity["unix_time"] == int(until.timestamp())
    assert entity["date_time_format"] == "t"
    words = {"fr": "9\u00a0h\u00a030", "en": "9:30\u00a0am"}[marie.lang]
    assert marie.parent.person.last.marked("date_time") == [words]
    assert words in marie.reads


async def test_a_time_that_is_far_away_is_shown_with_its_day(
    channel: TelegramChannel, person: Person
) -> None:
    now = Clock().now
    said = [Say("locked", {"at": now + timedelta(days=1)})]
    reply = Renderer(ZoneInfo("Europe/Paris")).reply(said, "fr", now)
    assert reply
    await channel.send(str(person.chat.id), reply)
    assert person.last.marked("date_time") == ["10\u00a0h\u00a000 le 11 mars"]
    [entity] = person.last.entities
    assert entity["date_time_format"] == "Dt"
    assert entity["unix_time"] == int((now + timedelta(days=1)).timestamp())


def test_marks_stand_where_their_facts_are() -> None:
    """In all languages until one is chosen; several in one sentence; after other parts."""
    now = Clock().now
    facts = {"identifier": Exact("m.dupont"), "at": now, "until": now}
    outputs = [Say("welcome"), Say("code.old", facts), Say("done.ask", facts)]
    reply = Renderer(ZoneInfo("UTC")).reply(outputs, None, now)
    assert reply
    found = {
        kind: [reply.text[m.start : m.start + m.length] for m in reply.marks if m.kind == kind]
        for kind in ("time", "exact")
    }
    assert found == {"time": ["9\u00a0h\u00a000", "9:00\u00a0am"], "exact": ["m.dupont"] * 2}
    assert all(m.at == int(now.timestamp()) for m in reply.marks if m.kind == "time")
    assert reply.text.isprintable() or "\n" in reply.text
    assert not any(0xE000 <= ord(char) <= 0xF8FF for char in reply.text)


def test_a_sentence_by_itself_has_no_fences() -> None:
    words = Renderer(ZoneInfo("UTC")).say("locked", "fr", at=Clock().now)
    assert not any(0xE000 <= ord(char) <= 0xF8FF for char in words)


async def test_marks_that_the_server_refuses_are_left_out(
    server: BotApi, channel: TelegramChannel, person: Person
) -> None:
    """A server of one's own may be older than date entities: the words are enough."""
    old = "Bad Request: can't parse MessageEntity: Unsupported type specified"
    server.fail_next("sendMessage", status=400, description=old)
    marks = (Mark("time", 0, 7, at=1_800_000_000),)
    await channel.send(str(person.chat.id), Reply("9 h 30.", "fr", marks))
    assert [message.text for message in person.screen if message.from_bot] == ["9 h 30."]
    assert person.last.entities == []


# ---- answered questions lose their buttons ---------------------------------------------------


async def test_only_the_question_that_is_asked_has_buttons(marie: Marie) -> None:
    for line in ROADS[S.DONE]:
        await marie.does(line)
        *before, last = said(marie)
        assert [message for message in before if message.buttons] == []
        assert last.buttons or marie.parent.person.keyboard
    assert marie.parent.bot.server.refused == []


async def test_they_go_by_whatever_way_the_question_is_left(marie: Marie) -> None:
    await marie.follows(*ROADS[S.MENU])
    await marie.says("/help")
    await marie.does("(restart)")
    await marie.says("/cancel")
    assert [bool(message.buttons) for message in said(marie)] == [False] * 3 + [True]
    await marie.presses("stop")
    marie.hears("stopped")
    assert not any(message.buttons for message in said(marie))
    calls = len(made(marie))
    await marie.comes()
    assert [call.method for call in made(marie)[calls:]] == ["sendMessage"]  # none left to take


async def test_a_press_whose_question_lost_its_buttons_meanwhile(marie: Marie) -> None:
    await marie.follows(*ROADS[S.PROFILE])
    old = marie.parent.person.last
    await marie.says("parent")
    assert old.buttons == []
    label = locales.label("pupil", "profile", marie.lang)
    await marie.parent.does(lambda: marie.parent.person.presses_old(old, label))
    marie.hears("stale")


async def test_a_remark_takes_no_buttons_away(marie: Marie) -> None:
    """The question stands: its buttons are the only ones there are."""
    await marie.follows(*ROADS[S.PASSWORD])
    question = marie.parent.person.last
    address = Address("telegram", str(marie.parent.person.chat.id))
    await marie.parent.bot.service.take(Update(address, EraseFailed()))
    assert marie.parent.person.last.text == locales.say("password.not_erased", marie.lang)
    assert question.buttons
    await marie.says(PASSWORD)
    assert [message for message in said(marie)[:-1] if message.buttons] == []


TAKING_FAILS: dict[str, dict[str, Any]] = {
    "429": {"retry_after": 600},
    "500": {"status": 500},
    "cut": {"drop": True},
    "gone": {"status": 400, "description": "Bad Request: message to edit not found"},
    "too old": {"status": 400, "description": "Bad Request: message can't be edited"},
    "blocked": {"status": 403, "description": "Forbidden: bot was blocked by the user"},
}


@pytest.mark.parametrize("fault", TAKING_FAILS)
async def test_old_buttons_that_stay_are_no_reason_to_say_it_again(
    marie: Marie, fault: str
) -> None:
    await marie.follows(*ROADS[S.PROFILE])
    marie.parent.bot.server.fail_next("editMessageReplyMarkup", **TAKING_FAILS[fault])
    await marie.presses("parent")
    assert len(marie.parent.said) == 1
    marie.is_asked(S.MENU)
    await marie.says("1")
    assert len(marie.parent.said) == 1
    assert await marie.parent.bot.query("SELECT DISTINCT status FROM outbox") == [("sent",)]


# ---- wait, and wait again --------------------------------------------------------------------


async def presses_again(marie: Marie, times: int = 3) -> None:
    for _ in range(times):
        await marie.does("(wait 1s)")
        await marie.presses("resend")


async def test_wait_is_not_said_one_under_the_other(marie: Marie) -> None:
    await marie.follows(*ROADS[S.CODE])
    asked = len(said(marie))
    await presses_again(marie)
    [wait] = said(marie)[asked:]
    assert locales.say("code.too_soon", marie.lang, {"seconds": 57}) in wait.text
    calls = [call.method for call in made(marie)]
    assert calls[-2:] == ["answerCallbackQuery", "editMessageText"] or calls[-2:] == [
        "editMessageText",
        "answerCallbackQuery",
    ]
    await marie.does("(wait 1m)")
    await marie.presses("resend")  # its buttons are the present question's
    assert len(marie.sms.received) == 2
    assert wait.buttons == []
    assert marie.parent.bot.server.refused == []


async def test_what_is_typed_is_answered_below(marie: Marie) -> None:
    await marie.follows(*ROADS[S.CODE])
    asked = len(said(marie))
    await presses_again(marie, 2)
    await marie.says({"fr": "renvoyer", "en": "resend"}[marie.lang])
    marie.hears("code.too_soon")
    assert len(said(marie)) == asked + 2
    await presses_again(marie, 1)
    assert len(said(marie)) == asked + 3


async def test_something_was_said_in_between(marie: Marie) -> None:
    await marie.follows(*ROADS[S.CODE])
    await presses_again(marie, 1)
    first = marie.parent.person.last
    text = first.text
    service = marie.parent.bot.service
    [(chat,)] = await marie.parent.bot.query("SELECT chat FROM chats")
    remark = Reply("Un mot.", "fr", keeps_buttons=True).to_dict()
    work = service.doors.outbox.add(chat, "reply", remark, marie.clock())  # type: ignore[arg-type]
    await service.doors.database.run(work)
    await service.delivery.look()
    await service.delivery.settle()
    assert first.buttons  # they are pressed, above the remark
    await marie.parent.does(lambda: marie.parent.person.presses_old(first, first.buttons[0]))
    assert first.text == text
    assert first.buttons == []
    marie.hears("code.too_soon")


@pytest.mark.parametrize("fault", ["gone", "too old"])
async def test_a_message_that_cannot_be_changed_is_followed_by_another(
    marie: Marie, fault: str
) -> None:
    await marie.follows(*ROADS[S.CODE])
    await presses_again(marie, 1)
    marie.parent.bot.server.fail_next("editMessageText", **TAKING_FAILS[fault])
    await presses_again(marie, 1)
    marie.hears("code.too_soon", seconds=58)
    await presses_again(marie, 1)
    assert locales.say("code.too_soon", marie.lang, {"seconds": 57}) in said(marie)[-1].text
    assert [bool(message.buttons) for message in said(marie)[-2:]] == [False, True]


@pytest.mark.parametrize("fault", ["429", "500", "cut"])
async def test_an_edit_that_fails_for_now_is_made_later(marie: Marie, fault: str) -> None:
    await marie.follows(*ROADS[S.CODE])
    await presses_again(marie, 1)
    asked = len(said(marie))
    planned = {**TAKING_FAILS[fault], **({"retry_after": 1} if fault == "429" else {})}
    marie.parent.bot.server.fail_next("editMessageText", **planned)
    await presses_again(marie, 1)
    assert len(said(marie)) == asked
    assert locales.say("code.too_soon", marie.lang, {"seconds": 58}) in said(marie)[-1].text


async def test_an_edit_that_was_made_already_counts(
    server: BotApi, channel: TelegramChannel, person: Person
) -> None:
    """The answer was lost, and the reply is sent again: "not modified" is a success."""
    place = str(person.chat.id)
    first = await channel.send(place, with_buttons("Attendez 9 s.", 1))
    second = with_buttons("Attendez 8 s.", 2)
    assert [await channel.send(place, second, first) for _ in range(2)] == [first, first]
    assert [message.text for message in person.screen if message.from_bot] == ["Attendez 8 s."]
    [refused] = server.refused
    assert "not modified" in str(refused.answer)


# ---- replies that can never be delivered -----------------------------------------------------


FOR_GOOD = {
    "blocked": (403, "Forbidden: bot was blocked by the user"),
    "deactivated": (403, "Forbidden: user is deactivated"),
    "never met": (403, "Forbidden: bot can't initiate conversation with a user"),
    "a bot": (403, "Forbidden: bot can't send messages to bots"),
    "no chat": (400, "Bad Request: chat not found"),
    "too long": (400, "Bad Request: message is too long"),
    "empty": (400, "Bad Request: text must be non-empty"),
    "button": (400, "Bad Request: BUTTON_DATA_INVALID"),
    "peer": (400, "Bad Request: PEER_ID_INVALID"),
}
FOR_NOW = {
    "revoked (401)": (401, "Unauthorized"),
    "revoked (404)": (404, "Not Found"),
    "another poller": (409, "Conflict: terminated by other getUpdates request"),
    "flood": (429, None),
    "internal": (500, "Internal Server Error"),
    "gateway": (502, None),
    "a proxy's": (413, "Request Entity Too Large"),
}


@pytest.mark.parametrize("refusal", [*FOR_GOOD, *FOR_NOW])
async def test_which_refusals_are_for_good(
    server: BotApi, channel: TelegramChannel, person: Person, refusal: str
) -> None:
    status, description = {**FOR_GOOD, **FOR_NOW}[refusal]
    server.fail_next("sendMessage", status=status, description=description)
    with pytest.raises(Undeliverable if refusal in FOR_GOOD else TryLater):
        await channel.send(str(person.chat.id), Reply("Bonjour", "fr"))
    assert len(server.calls_of("sendMessage")) == 1


async def test_marks_are_refused_and_the_words_too(
    server: BotApi, channel: TelegramChannel, person: Person
) -> None:
    """It ends."""
    refusal = "Bad Request: can't parse MessageEntity: wrong offset or length"
    server.fail_next("sendMessage", times=9, status=400, description=refusal)
    with pytest.raises(Undeliverable):
        await channel.send(str(person.chat.id), Reply("Bonjour", "fr"))
    assert len(server.calls_of("sendMessage")) == 2


@pytest.mark.parametrize("refusal", FOR_GOOD)
async def test_a_reply_that_cannot_be_delivered_is_closed_once(marie: Marie, refusal: str) -> None:
    status, description = FOR_GOOD[refusal]
    marie.parent.bot.server.fail_next("sendMessage", status=status, description=description)
    await marie.comes()
    await marie.does("(restart)")
    assert len(marie.parent.bot.server.calls_of("sendMessage")) == 1
    rows = await marie.parent.bot.query("SELECT status, body FROM outbox")
    assert rows == [("failed", None)]


async def test_a_token_that_is_revoked_closes_no_reply(marie: Marie) -> None:
    """A new one is set, and what was held back leaves."""
    await marie.follows(*ROADS[S.PROFILE])
    server = marie.parent.bot.server
    server.faults = lambda call: Fault(401) if call.method == "sendMessage" else None
    marie.parent.person.says("parent")
    assert await server.until(lambda: any("401" in str(call.answer) for call in server.refused))
    await marie.parent.bot.closes()
    server.faults = lambda call: None
    await marie.parent.bot.opens()
    await marie.parent.bot.settles()
    assert marie.parent.person.last.text.count(locales.say("menu.ask", marie.lang)) == 1
    assert await marie.parent.bot.query("SELECT DISTINCT status FROM outbox") == [("sent",)]


# ---- what is seen before the first word ------------------------------------------------------


async def test_the_description_says_what_a_parent_should_know(server: BotApi, library: Bot) -> None:
    """UX 1: who runs it, that it never asks for bank data, how to reach the school."""
    whom = "01 23 45 67 89"
    await introduce(library, whom)
    for lang, words in {
        "fr": ("pour l'école", "jamais d'argent ni de données bancaires", whom),
        "en": ("for your child's school", "never asks for money or bank details", whom),
    }.items():
        for text in (server.texts["description", lang], server.texts["description", ""]):
            assert all(part in text for part in words)


async def test_a_contact_that_is_too_long_is_left_to_the_conversation(
    server: BotApi, library: Bot
) -> None:
    await introduce(library, "Vie scolaire " * 20)
    assert server.refused == []
    assert "Vie scolaire" in server.texts["description", "fr"]
    assert "Vie scolaire" not in server.texts["description", ""]
    assert "the school office" in server.texts["description", ""]


AND_BACK = {
    "back": "[parent]",
    "language": "/language",
    **dict.fromkeys(("cancel", "erase", "start"), "[continue]"),
}
"""What leads to the same question again after a command that leaves it."""


@pytest.mark.parametrize("meaning", COMMANDS)
async def test_a_command_works_in_both_languages(marie: Marie, meaning: str) -> None:
    """Whatever the parent's own is, in capitals, and with the bot's name behind it."""
    names = {locales.command(meaning, lang) for lang in locales.LANGUAGES}
    await marie.follows(*ROADS[S.MENU])
    answers = set[str]()
    for name in names:
        for typed in (f"/{name}", f"/{name.upper()}", f"/{name}@sesame_test_bot"):
            await marie.says(typed)
            answers.add(marie.reads)
            marie.does_not_hear("refused.choose")
            if meaning in AND_BACK:
                await marie.does(AND_BACK[meaning])
    assert len(answers) == 1
