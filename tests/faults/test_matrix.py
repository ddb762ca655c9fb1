"""Fault by step: the parent hears something true, loses nothing, and it goes on by itself.

Each cell is a parent of their own on the real Telegram channel, who comes to the step without a
fault, meets it there, and then goes on to the end: one account, and every invariant holds. The
cells of a row run side by side. `make test` runs each in one of the languages, the long run in
both.
"""

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.sms import Sms, SmsRefused, Taken
from flows.states import S
from storage.database import every
from tests.faults.way import ANSWERS, NEXT, Way
from tests.helpers.dialogue import pattern
from tests.helpers.parent import Phone
from tests.helpers.school import a_school
from tests.telegram.chat_driver import telegram_parent

Strike = Callable[[Way, S], Awaitable[None]]
"""Does the step's action under a fault, ends the fault, and waits until all is quiet."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and what may be seen of it besides the step's own answer."""

    strike: Strike
    tells: str = ""  # what the parent must hear of it
    twice: int = 0  # messages that may come twice, where nobody can know whether one has left
    lost: bool = False  # Telegram refuses the reply for good: the question comes when asked for
    late: bool = False  # so late that another question may follow


# ---- what goes wrong -------------------------------------------------------------------------


def answers(*methods: str, **fault: Any) -> Strike:
    """Telegram does this to the next call of each of these methods."""

    async def strike(way: Way, state: S) -> None:
        for method in methods or (*BUT_FETCHING, "getUpdates"):
            way.bot.server.fail_next(method, **fault)
        await way.does(state)

    return strike


BUT_FETCHING = ("sendMessage", "deleteMessage", "answerCallbackQuery")
SILENT = {"delay": 60.0}  # longer than the bot's patience


async def every_update_twice(way: Way, state: S) -> None:
    """Telegram gives each update again, after it was acknowledged."""
    before = way.bot.server.last_update_id
    await way.does(state)
    for update in range(before + 1, way.bot.server.last_update_id + 1):
        way.bot.server.redeliver(update)
    await way.bot.settles()


async def overtaken(way: Way, state: S) -> None:
    """Presses and messages come by different queues: what was done later arrives first."""
    if ANSWERS[state].startswith("["):
        way.person.says("/aide")
    elif way.person.screen and "?" in str(way.person.last.buttons):
        way.presses("help")
    await way.does(state)


async def hours_late(way: Way, state: S) -> None:
    """The bot was not there: a press is lost by then, a message is not."""
    await way.bot.closes()
    way.act(state)
    way.parent.clock.passes(hours=3)
    await way.bot.opens()
    await way.bot.settles()
    assert way.parent.said or ANSWERS[state].startswith("[")


def sender(*faults: str) -> Strike:
    """The sender of SMS does these things, one after the other."""

    async def strike(way: Way, state: S) -> None:
        assert isinstance(way.parent.sms, Sender)
        way.parent.sms.faults = list(faults)
        await way.does(state)
        assert way.parent.sms.faults == []

    return strike


class Sender(Phone):
    """Phones behind a sender that has faults."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    async def send(self, sms: Sms) -> Taken:
        """Fail as planned."""
        match self.faults.pop(0) if self.faults else "":
            case "refuses":
                raise SmsRefused("busy", final=False)
            case "refuses for good":
                raise SmsRefused("unknown_number", final=True)
            case "breaks down":
                raise ConnectionResetError
            case "sends, breaks down":
                await super().send(sms)
                raise ConnectionResetError
            case "is slow":
                await asyncio.sleep(60)
            case "sends twice":
                await super().send(sms)
        return await super().send(sms)


def pragma(bad: str, good: str) -> Strike:
    """The bot's own connection meets a fault of SQLite's."""

    async def strike(way: Way, state: S) -> None:
        database = way.bot.service.doors.database
        await database.prepare(every(f"PRAGMA {bad}"))
        way.act(state)
        await way.is_told_once("error.down")
        await database.prepare(every(f"PRAGMA {good}"))
        await way.bot.settles()

    return strike


async def locked(way: Way, state: S) -> None:
    """Another process holds the database."""
    await way.bot.query("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(Path(way.bot.settings.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    way.act(state)
    await way.is_told_once("error.down")
    other.execute("ROLLBACK")
    other.close()
    await way.bot.settles()


async def full(way: Way, state: S) -> None:
    """No page can be added, and the page where the reply would go has no room left."""
    [(pages,)] = await way.bot.query("PRAGMA page_count")
    fill = sqlite3.connect(Path(way.bot.settings.database), isolation_level=None)
    for size in (3000, 300, 30, 3):
        fill.execute(f"PRAGMA max_page_count = {pages}")
        while _fits(fill, size):
            pass
    await way.bot.query(f"PRAGMA max_page_count = {pages}")
    way.act(state)
    await way.is_told_once("error.down")
    await way.bot.service.doors.database.prepare(every("PRAGMA max_page_count = 1000000"))
    fill.execute("DELETE FROM outbox WHERE chat = x''")
    fill.close()
    await way.bot.settles()


def _fits(connection: sqlite3.Connection, size: int) -> bool:
    try:
        connection.execute(
            "INSERT INTO outbox (chat, kind, body, status, created_at, due_at)"
            " VALUES (x'', 'junk', zeroblob(?), 'sent', 0, 0)",
            (size,),
        )
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        return False
    return True


# ---- the matrix ------------------------------------------------------------------------------

STEPS: dict[str, S] = {
    "first message": S.START,
    "name": S.LAST_NAME,
    "phone": S.PHONE,
    "code request": S.CHECK,
    "code": S.CODE,
    "password": S.PASSWORD,
    "password again": S.PASSWORD_AGAIN,
    "birthdate": S.BIRTHDATE,
    "activation": S.RECAP,
}
SMS_STEPS = {"code request": S.CHECK, "identifier": S.DONE}
RESTART = "restart"  # at the code; the bot is killed and started again while the fault lasts

# fmt: off
TELEGRAM: dict[str, Fault] = {
    "429":                  Fault(answers(retry_after=0)),
    "403":                  Fault(answers(status=403), lost=True),
    "400":                  Fault(answers(status=400), lost=True),
    "500":                  Fault(answers(status=500)),
    "502, a page":          Fault(answers(status=502)),
    "502, three times":     Fault(answers(status=502, times=3)),
    "slow":                 Fault(answers(delay=0.3)),
    "never answers":        Fault(answers(*BUT_FETCHING, **SILENT)),
    "acts, never answers":  Fault(answers(*BUT_FETCHING, **SILENT, after_effect=True), twice=1),
    "cut":                  Fault(answers(drop=True)),
    "acts, cut":            Fault(answers(drop=True, after_effect=True), twice=1),
    "acts, 500":            Fault(answers(status=500, after_effect=True), twice=1),
    "updates twice":        Fault(every_update_twice),
    "updates overtaken":    Fault(overtaken, twice=1),  # the question, after the help for it
    "updates hours late":   Fault(hours_late, late=True),
}
SMS: dict[str, Fault] = {
    "refuses":              Fault(sender("refuses"), "code.late"),
    "refuses for long":     Fault(sender(*["refuses"] * 20), "code.late"),
    "refuses for good":     Fault(sender("refuses for good"), "done.text_failed"),
    "slow":                 Fault(sender("is slow"), "code.late done.text_failed"),
    "breaks down":          Fault(sender("breaks down"), "code.late done.text_failed"),
    "sends, breaks down":   Fault(sender("sends, breaks down"), "code.late done.text_failed"),
    "sends twice":          Fault(sender("sends twice")),
}
STORAGE: dict[str, Fault] = {
    "locked":               Fault(locked, "error.down"),
    "full":                 Fault(full, "error.down"),
    "read-only":            Fault(pragma("query_only = 1", "query_only = 0"), "error.down"),
}
# fmt: on


async def cell(fault: Fault, state: S, lang: str, path: Path, *, restart: bool = False) -> None:
    """One parent, one fault."""
    async with telegram_parent(path, a_school(), lang=lang, sms=Sender()) as parent:
        way = Way(parent, lang)
        await way.goes_to(state)
        way.restart = restart
        await fault.strike(way, state)
        if fault.lost:
            await parent.says("/aide")
        if not fault.late:
            way.dialogue.is_asked(NEXT[state])
        for key in fault.tells.split():
            if key.partition(".")[0] in (NEXT[state].value, "error"):
                assert re.search(pattern(key, lang, {}), parent.reads), f"{key}:\n{parent.reads}"
        assert len(parent.said) - len(set(parent.said)) <= fault.twice, way.person
        way.restart = False
        await way.ends_well(expired=fault.late)


async def row(
    fault: Fault, steps: Iterable[tuple[str, S]], folder: Path, turned: bool, restart: bool = False
) -> None:
    """The cells of a fault, side by side; the languages take turns."""
    cells = [
        (f"{step}, {lang}", cell(fault, state, lang, folder / step, restart=step == RESTART))
        for at, (step, state) in enumerate([*steps, *[(RESTART, S.CODE)] * restart])
        for lang in [("fr", "en")[(at + turned) % 2]]
    ]
    found = await asyncio.gather(*(run for _, run in cells), return_exceptions=True)
    failed = [(name, error) for (name, _), error in zip(cells, found, strict=True) if error]
    for _, error in failed[:1]:
        raise AssertionError([name for name, _ in failed]) from error


TURNED = [False, pytest.param(True, marks=pytest.mark.long)]


@pytest.mark.parametrize("turned", TURNED)
@pytest.mark.parametrize("fault", TELEGRAM)
async def test_telegram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, turned: bool
) -> None:
    if "never answers" in fault:
        monkeypatch.setattr("bot.telegram.client.PATIENCE", 1.5)
    await row(
        TELEGRAM[fault], STEPS.items(), tmp_path, turned, restart=fault != "updates hours late"
    )


@pytest.mark.parametrize("turned", TURNED)
@pytest.mark.parametrize("fault", SMS)
async def test_sms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, turned: bool
) -> None:
    monkeypatch.setattr("bot.carriers.texting.PATIENCE", 0.1)
    await row(SMS[fault], SMS_STEPS.items(), tmp_path, turned)


@pytest.mark.parametrize("turned", TURNED)
@pytest.mark.parametrize("fault", STORAGE)
async def test_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, turned: bool
) -> None:
    monkeypatch.setattr("bot.telegram.updates.TELL_AFTER", 0.2)
    await row(STORAGE[fault], STEPS.items(), tmp_path, turned)
