"""After a start: what was stored by a clock that was ahead of today's (RELIABILITY T22)."""

from datetime import datetime, timedelta

from storage.database import Work, lock, one, run, stamp

AHEAD = timedelta(minutes=1)
"""Two machines' clocks may differ so much."""

LONGEST_WAIT = timedelta(minutes=10)
"""No parcel waits longer for its next try (bot/delivery.py)."""

_FUTURE = (
    ("tallies", "at"),
    ("codes", "sent_at"),
    ("outbox", "created_at"),
    ("updates", "at"),
    ("chats", "updated_at"),
)


def mend_future(now: datetime) -> Work[bool]:
    """Whether the clock was set back since the last turn; then no code under way works any more.

    How long it has been cannot be known, so what might have expired has (I5), and what counts or
    waits from a moment in the future counts from now.
    """
    yield from lock("clock")
    row = yield from one("SELECT max(updated_at) FROM chats")
    latest = row[0] if row and row[0] is not None else 0
    if latest <= stamp(now + AHEAD):
        return False
    yield from run("UPDATE codes SET status = 'expired' WHERE status = 'current'")
    for table, column in _FUTURE:
        yield from run(
            f"UPDATE {table} SET {column} = ? WHERE {column} > ?",  # noqa: S608 - our own words
            stamp(now),
            stamp(now),
        )
    latest = stamp(now + LONGEST_WAIT)
    yield from run("UPDATE outbox SET due_at = ? WHERE due_at > ?", latest, latest)
    return True
