"""What Telegram's faults do to others, and what two bots do to each other."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bot.engine import Update
from flows.states import S
from storage.database import StorageError
from tests.faults.way import Way
from tests.helpers.dialogue import pattern
from tests.helpers.parent import CoreBot, CoreParent
from tests.helpers.school import a_school
from tests.telegram.chat_driver import running_bot, telegram_parent
from tests.telegram.server import BotApi, Call, Fault


async def test_a_chat_that_must_wait_holds_up_no_other(tmp_path: Path) -> None:
    """429: obeyed for the chat that it is about (T26)."""
    loop = asyncio.get_running_loop()
    asked: list[float] = []

    async with BotApi() as server, running_bot(server, tmp_path / "db", a_school()):
        slow, quick = server.person("Marie"), server.person("Sophie")

        def faults(call: Call) -> Fault | None:
            if call.method == "sendMessage" and call.parameters["chat_id"] == slow.chat.id:
                asked.append(loop.time())
                return Fault(status=429, retry_after=2) if len(asked) == 1 else None
            return None

        server.faults = faults
        slow.starts()
        assert await server.until(lambda: len(asked) == 1)
        quick.starts()
        await quick.hears()
        quick.says("parent")
        await quick.hears()
        assert len(asked) == 1
        await slow.hears()
    assert asked[1] - asked[0] >= 2


async def test_who_does_not_speak_our_languages_is_told_in_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storage fails: the language is not known without it."""
    monkeypatch.setattr("bot.telegram.updates.TELL_AFTER", 0.1)
    async with telegram_parent(tmp_path / "db", a_school(), lang="de") as parent:
        await parent.bot.query("PRAGMA busy_timeout = 20")
        other = sqlite3.connect(tmp_path / "db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        parent.person.says("hallo")
        said = await parent.person.hears()
        other.execute("ROLLBACK")
        other.close()
        assert [line[:10] for line in said.text.split("\n")] == ["Un service", "A service "]
        await parent.bot.settles()


async def test_a_hiccup_of_storage_is_told_to_nobody(tmp_path: Path) -> None:
    """It is over before anybody wonders."""
    async with telegram_parent(tmp_path / "db", a_school()) as parent:
        way = Way(parent, "fr")
        await way.goes_to(S.LAST_NAME)
        failures = [StorageError("busy"), StorageError("busy")]

        async def before_turn(update: Update) -> None:
            if failures:
                raise failures.pop()

        parent.bot.before_turn = before_turn  # type: ignore[method-assign]
        await way.does(S.LAST_NAME)
        assert len(parent.said) == 1
        way.dialogue.is_asked(S.FIRST_NAME)


async def test_a_turn_that_is_given_up_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own mistake, where not even an apology can be stored."""
    monkeypatch.setattr("bot.telegram.updates.TRIES", 1)
    async with telegram_parent(tmp_path / "db", a_school()) as parent:

        async def before_turn(update: Update) -> None:
            raise RuntimeError

        parent.bot.before_turn = before_turn  # type: ignore[method-assign]
        parent.person.starts()
        said = await parent.person.hears()
        both = [pattern("error.internal", lang, {}).replace("\\", "") for lang in ("fr", "en")]
        assert said.text == "\n".join(both)


async def test_the_terminal_on_the_database_of_serve(tmp_path: Path) -> None:
    """`sesame chat` beside it neither sends, nor gives up, nor wakes what is Telegram's."""
    async with telegram_parent(tmp_path / "db", a_school()) as marie:
        way = Way(marie, "fr")
        await way.goes_to(S.CODE)
        marie.bot.server.faults = lambda call: (
            Fault(status=500) if call.method == "sendMessage" else None
        )
        way.person.says("/aide")
        failed = marie.bot.server.calls_of
        assert await marie.bot.server.until(lambda: not failed("sendMessage")[-1].ok)
        marie.clock.passes(minutes=2)  # the help unasked is due
        beside = CoreBot(marie.bot.settings, marie.clock, marie.sms)
        CoreParent(beside, "me", "fr")
        await beside.opens()
        await beside.service.engine.wake()
        await beside.service.delivery.look()
        await beside.service.delivery.settle()
        await beside.closes()
        rows = await marie.bot.query("SELECT status FROM outbox ORDER BY id DESC LIMIT 1")
        assert rows == [("waiting",)]
        marie.bot.server.faults = lambda call: None
        await marie.bot.settles()
        way.dialogue.hears("code.help")
        await marie.waits(seconds=1)
        way.dialogue.hears("code.nudge")
        await way.ends_well()


async def test_what_another_process_tells_a_parent(tmp_path: Path) -> None:
    """The bot looks for it every few seconds (`sesame unlock`)."""
    async with telegram_parent(tmp_path / "db", a_school()) as marie:
        await marie.says("/start")
        beside = CoreBot(marie.bot.settings, marie.clock, marie.sms)
        await beside.opens()
        doors = beside.service.doors
        [(chat,)] = await marie.bot.query("SELECT chat FROM chats")
        assert isinstance(chat, bytes)
        reply = {"text": "Bonjour encore", "lang": "fr", "marks": [], "buttons": []}
        await doors.database.run(doors.outbox.add(chat, "reply", reply, marie.clock()))
        await beside.closes()
        await marie.bot.service.delivery.look()
        await marie.bot.settles()
        assert marie.said[-1] == "Bonjour encore"
