"""Time is a value that tests set."""

from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that moves only when the test says so."""

    def __init__(self, now: datetime = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **length: float) -> None:
        """So much time goes by: `clock.passes(minutes=31)`."""
        self.now += timedelta(**length)
