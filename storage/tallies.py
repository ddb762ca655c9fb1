"""Counting against limits: events in a moving window, kept in the database for all processes."""

from datetime import datetime

from flows.policy import Windows
from storage.database import Work, moment, one, run, stamp


def count(kind: str, subject: bytes, now: datetime, detail: bytes = b"") -> Work[None]:
    """Note that it happened."""
    yield from run(
        "INSERT INTO tallies (kind, subject, detail, at) VALUES (?, ?, ?, ?)",
        kind,
        subject,
        detail,
        stamp(now),
    )


def tally(kind: str, subject: bytes, since: datetime) -> Work[int]:
    """How often it happened after `since`."""
    row = yield from one(
        "SELECT count(*) FROM tallies WHERE kind = ? AND subject = ? AND at > ?",
        kind,
        subject,
        stamp(since),
    )
    assert row is not None  # noqa: S101 - count(*) always has a row
    return int(row[0])


def open_again(kind: str, subject: bytes, windows: Windows, now: datetime) -> Work[datetime | None]:
    """None while every window has room; else when the fullest of them has room again."""
    latest: datetime | None = None
    for length, limit in windows:
        row = yield from one(
            "SELECT at FROM tallies WHERE kind = ? AND subject = ? AND at > ?"
            " ORDER BY at DESC LIMIT 1 OFFSET ?",
            kind,
            subject,
            stamp(now - length),
            limit - 1,
        )
        if row:
            again = moment(row[0]) + length
            latest = max(again, latest) if latest else again
    return latest


def open_for_another(
    kind: str, subject: bytes, detail: bytes, windows: Windows, now: datetime
) -> Work[datetime | None]:
    """The same, where only different details count, and one seen before is always welcome."""
    latest: datetime | None = None
    for length, limit in windows:
        row = yield from one(
            "SELECT count(DISTINCT detail), count(*) FILTER (WHERE detail = ?), min(at)"
            " FROM tallies WHERE kind = ? AND subject = ? AND at > ?",
            detail,
            kind,
            subject,
            stamp(now - length),
        )
        assert row is not None  # noqa: S101 - an aggregate always has a row
        different, seen, oldest = row
        if different >= limit and not seen:
            again = moment(oldest) + length
            latest = max(again, latest) if latest else again
    return latest


def clear(subject: bytes) -> Work[None]:
    """Forget all that was counted of a subject, and of what is counted within it."""
    yield from run(
        "DELETE FROM tallies WHERE subject >= ? AND subject < ?", subject, subject + b"\xff" * 17
    )
