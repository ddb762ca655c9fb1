"""SQLite's own method (RELIABILITY 3): let the n-th statement fail, for every n, at every step."""

import sqlite3
from collections.abc import Callable

import pytest

from flows.states import S
from storage.database import Database
from storage.sqlite import Sqlite
from tests.conversations.conftest import Arrive, arrive
from tests.faults.core import CoreWay
from tests.faults.way import NEXT

__all__ = ["arrive"]

STATES = [state for state in NEXT if state is not S.START]


class Breaks:
    """Interrupts the n-th statement of a connection and so many after it: a real SQLite error."""

    def __init__(self, at: int, many: int) -> None:
        self.at = at
        self.many = many
        self.seen = 0
        self.broken = 0
        self._now = False

    async def begins(self, database: Database) -> None:
        """From now on."""
        assert isinstance(database, Sqlite)
        await database._in_thread(self._install(self._starts, self._goes_on))

    async def ends(self, database: Database) -> None:
        """No more."""
        assert isinstance(database, Sqlite)
        await database._in_thread(self._install(None, None))

    @staticmethod
    def _install(
        starts: Callable[[str], None] | None, goes_on: Callable[[], int] | None
    ) -> Callable[[sqlite3.Connection], None]:
        def install(connection: sqlite3.Connection) -> None:
            connection.set_trace_callback(starts)
            connection.set_progress_handler(goes_on, 1)

        return install

    def _starts(self, _sql: str) -> None:
        self.seen += 1
        self._now = self.at <= self.seen < self.at + self.many

    def _goes_on(self) -> int:
        if not self._now:
            return 0
        self._now = False
        self.broken += 1
        return 1


@pytest.mark.parametrize(("lang", "many"), [("fr", 1), ("en", 2)])
@pytest.mark.parametrize("state", STATES)
async def test_every_statement(arrive: Arrive, state: S, many: int) -> None:
    """The turn is whole or not there; given again it is taken once; its reply leaves once.

    With two in a row the ROLLBACK fails too.
    """
    at, broken = 1, 0
    while True:
        way = CoreWay(await arrive(state))
        database = way.parent.service.doors.database
        breaks = Breaks(at, many)
        await breaks.begins(database)
        way.parent.replies.clear()
        await way.takes(way.update(state))
        await way.parent.service.delivery.settle()
        await breaks.ends(database)
        where = f"statement {at} of {breaks.seen}"
        assert await way.state() is NEXT[state], where
        way.dialogue.is_asked(NEXT[state])
        assert len(way.parent.replies) == 1, where
        await way.holds(accounts=NEXT[state] is S.DONE)
        await way.parent.bot.closes()
        broken += breaks.broken
        if at > breaks.seen:
            break
        at += 1
    assert broken > 0.8 * at * many, "it does not break what it should"
