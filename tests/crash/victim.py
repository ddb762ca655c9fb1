"""The command `sesame`, killed at the point that CRASH_AT names ("before commit 3").

    CRASH_AT="after send 2" python -m tests.crash.victim serve

Nothing in Sésame knows of it: connections count their statements, and a few functions are wrapped.
A password's hash takes no time, and there is one migration more than in truth, so that there is
one to be killed in.
"""

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import aiosqlite

import bot.engine
import bot.json_lines
from bot.__main__ import main
from storage import accounts, database
from tests.crash.points import Point

STATEMENTS = {
    "COMMIT": "commit",
    "INSERT INTO updates": "take",
    "INSERT INTO outbox": "queue",
    "UPDATE outbox": "mark",
    "INSERT INTO codes": "code",
    "INSERT INTO accounts": "account",
    "ALTER TABLE updates ADD COLUMN crash": "migration",
    "CREATE TABLE crash": "migration",
    "INSERT INTO crash": "migration",
    "PRAGMA user_version = ": "migration",
}
ONE_MORE = """
ALTER TABLE updates ADD COLUMN crash TEXT NOT NULL DEFAULT '';
CREATE TABLE crash (id INTEGER PRIMARY KEY);
INSERT INTO crash SELECT id FROM guardians;
"""

LINGER = 0.4  # seconds: more than a fetch waits for turns under way

_known = database.migrations


def migrations() -> list[tuple[int, str]]:
    """Those of Sésame and one more."""
    known = _known()
    return [*known, (known[-1][0] + 1, ONE_MORE)]


class Countdown:
    """Kills this process at its point."""

    def __init__(self, point: Point) -> None:
        self.point = point
        self.left = point.n

    def passes(self, when: str, *kinds: str) -> None:
        """Something happens here, that goes by these names."""
        if when == self.point.when and self.point.what in kinds:
            self.left -= 1
            if self.left == 0:
                time.sleep(LINGER)  # the rest of the process goes on meanwhile
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[..., Any], kind: str) -> Callable[..., Any]:
        """The function, with a point before it and one after."""

        @wraps(function)
        def watched(*given: Any) -> Any:
            self.passes("before", kind)
            result = function(*given)
            self.passes("after", kind)
            return result

        return watched


def arm(countdown: Countdown) -> None:
    """Put the points where they belong."""

    class Watched(sqlite3.Connection):
        """A connection that counts what it executes."""

        def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
            kinds = (
                "statement",
                *(kind for start, kind in STATEMENTS.items() if sql.startswith(start)),
            )
            countdown.passes("before", *kinds)
            cursor = super().execute(sql, *given)
            countdown.passes("after", *kinds)
            return cursor

        def executemany(self, sql: str, *given: Any) -> sqlite3.Cursor:
            countdown.passes("before", "statement")
            cursor = super().executemany(sql, *given)
            countdown.passes("after", "statement")
            return cursor

    connect = aiosqlite.connect

    def watching(*given: Any, **how: Any) -> aiosqlite.Connection:
        return connect(*given, factory=Watched, **how)

    aiosqlite.connect = watching
    append = countdown.around(bot.json_lines.JsonLines._append, "sms")
    bot.json_lines.JsonLines._append = append  # type: ignore[method-assign]
    for name in ("hash_password", "is_password"):
        setattr(bot.engine, name, countdown.around(getattr(bot.engine, name), "hash"))


if __name__ == "__main__":
    accounts._MEMORY_KIB = 8
    database.migrations = migrations
    if where := os.environ.get("CRASH_AT"):
        before_or_after, what, n = where.split()
        arm(Countdown(Point(before_or_after, what, int(n))))
    main()
