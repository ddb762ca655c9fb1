"""Typing is shown when it takes long; and who blocks the bot is left in peace."""

import asyncio
from pathlib import Path

import pytest

from bot.engine import Update
from flows.states import S
from tests.faults.way import Way
from tests.helpers.school import a_school
from tests.telegram.chat_driver import telegram_parent


async def test_a_slow_turn_shows_that_somebody_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.telegram.updates.TYPING_AFTER", 0.05)
    async with telegram_parent(tmp_path / "db", a_school()) as marie:
        server = marie.bot.server

        async def before_turn(update: Update) -> None:
            assert await server.until(lambda: bool(server.calls_of("sendChatAction")))

        marie.bot.before_turn = before_turn  # type: ignore[method-assign]
        await marie.says("/start")
        [shown] = server.calls_of("sendChatAction")
        assert shown.parameters == {"chat_id": marie.person.chat.id, "action": "typing"}
        assert server.calls.index(shown) < server.calls.index(server.calls_of("sendMessage")[0])


async def test_a_quick_turn_shows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.telegram.updates.TYPING_AFTER", 30)
    async with telegram_parent(tmp_path / "db", a_school()) as marie:
        await marie.says("/start")
        await marie.says("parent")
        assert marie.bot.server.calls_of("sendChatAction") == []


async def test_typing_that_fails_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.telegram.updates.TYPING_AFTER", 0.01)
    async with telegram_parent(tmp_path / "db", a_school()) as marie:
        server = marie.bot.server
        server.fail_next("sendChatAction", drop=True)

        async def before_turn(update: Update) -> None:
            await server.until(lambda: bool(server.calls_of("sendChatAction")))
            await asyncio.sleep(0.05)

        marie.bot.before_turn = before_turn  # type: ignore[method-assign]
        await marie.says("/start")
        assert len(marie.said) == 1


@pytest.mark.parametrize("lang", ["fr", "en"])
async def test_who_blocks_the_bot_and_comes_back(tmp_path: Path, lang: str) -> None:
    async with telegram_parent(tmp_path / "db", a_school(), lang=lang) as marie:
        way, server = Way(marie, lang), marie.bot.server
        await way.goes_to(S.CODE)
        sent = len(server.calls_of("sendMessage"))
        await marie.does(marie.person.blocks)
        await marie.waits(minutes=5)  # help would be offered
        await marie.does(marie.person.unblocks)
        await marie.waits(minutes=5)
        assert len(server.calls_of("sendMessage")) == sent
        await marie.says("/start")  # Telegram's "Restart"
        way.dialogue.hears("welcome_back", "code.ask")
        way.dialogue.does_not_hear("interrupt.start")
        await way.ends_well()


async def test_a_reply_that_waits_is_closed_when_the_parent_blocks_the_bot(tmp_path: Path) -> None:
    async with telegram_parent(tmp_path / "db", a_school()) as marie:
        await marie.says("/start")
        marie.bot.server.fail_next("sendMessage", retry_after=1)
        marie.person.says("parent")
        marie.person.blocks()
        await marie.bot.settles()
        rows = await marie.bot.query("SELECT status FROM outbox ORDER BY id")
        assert rows == [("sent",), ("failed",)]
        await marie.does(marie.person.starts)
        assert len(marie.said) == 1
