"""The time of the service: it never goes back while it runs (RELIABILITY T22)."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bot.logs import Event, Log

log = Log("clock")

SLACK = timedelta(seconds=5)
"""Small corrections of the machine's clock are followed by waiting, and not worth a word."""


def utc_now() -> datetime:
    """The time of the machine, aware."""
    return datetime.now(UTC)


class SteadyClock:
    """The machine's time, and where that goes back, the time that has really passed.

    A code that had expired would otherwise be good again when somebody sets the clock. A jump
    forward is followed: a machine that slept cannot be told from one that was set.
    """

    def __init__(
        self,
        wall: Callable[[], datetime] = utc_now,
        passed: Callable[[], float] = time.monotonic,
    ) -> None:
        """`passed` counts seconds and never goes back."""
        self._wall = wall
        self._passed = passed
        self._now = wall()
        self._at = passed()
        self._is_behind = False

    def __call__(self) -> datetime:
        """Return the time, aware, in UTC."""
        wall, at = self._wall(), self._passed()
        steady = self._now + timedelta(seconds=at - self._at)
        is_behind = wall < steady - SLACK
        if is_behind and not self._is_behind:
            log(Event.CLOCK_WENT_BACK, seconds=(steady - wall).total_seconds())
        self._is_behind = is_behind
        self._now, self._at = (steady if is_behind else max(wall, self._now)), at
        return self._now
