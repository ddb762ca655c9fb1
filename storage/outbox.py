"""What must still be sent. Rows are written in the turn's transaction and sent after it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flows.inputs import SmsFound
from storage.database import Row, Work, every, moment, one, run, stamp
from storage.vault import Vault

REPLY, ERASE, SMS, ACCOUNT = "reply", "erase", "sms", "account"
EMAIL, TELL = "email", "tell"
_COLUMNS = "id, chat, kind, body, attempts, due_at, created_at, expires_at, status, worker"

# The oldest parcel of a kind that is not done with. No other one of the kind leaves before it, so
# that a row which another process has locked at this moment is passed over, and nothing after it.
# What waits and what is being sent have an index each: all that was ever sent is not read for it.
_HEAD = (
    f"SELECT {_COLUMNS} FROM outbox WHERE id = (SELECT min(id) FROM ("  # noqa: S608 - our own
    "SELECT min(id) AS id FROM outbox WHERE chat = ? AND kind = ? AND status = 'waiting'"
    " UNION ALL SELECT min(id) FROM outbox INDEXED BY outbox_sending"
    " WHERE chat = ? AND kind = ? AND status = 'sending') AS heads)"
    " AND status IN ('waiting', 'sending') FOR UPDATE SKIP LOCKED"
)

_WAITING = (
    "SELECT chat, kind FROM (SELECT chat, kind, id FROM outbox WHERE status = 'waiting'"
    " UNION ALL SELECT chat, kind, id FROM outbox WHERE status = 'sending' AND worker = ?) AS here"
    " GROUP BY chat, kind ORDER BY min(id)"
)

_LAST_SMS = (
    "SELECT id, status, handed_at, report, reported_at FROM outbox WHERE chat = ? AND kind = 'sms'"
    " AND CASE WHEN expires_at IS NULL THEN 0 ELSE 1 END = ? ORDER BY id DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """The message of a conversation that still bears buttons, by its name in the channel."""

    name: str
    waits: bool  # it only tells to wait, and nothing was sent after it


@dataclass(frozen=True, slots=True)
class Parcel:
    """One thing to send. `body` is a JSON value whose shape is the carrier's business."""

    number: int
    chat: bytes
    kind: str
    body: Any
    attempts: int
    due_at: datetime
    created_at: datetime
    expires_at: datetime | None
    leaving: bool = False  # a process has said that it sends it
    worker: int | None = None  # that process
    shown: Shown | None = None  # of a reply: what bears buttons before it


@dataclass(frozen=True, slots=True)
class Taken:
    """An SMS was handed over: by which sender, and as what it is known there, if as anything."""

    sender: str
    message: str | None
    segments: int  # that are paid for


@dataclass(frozen=True, slots=True)
class Known:
    """An SMS of which something was reported."""

    chat: bytes
    is_code: bool  # else an identifier
    is_last: bool  # of its kind in the conversation
    is_news: bool  # what was known before weighs less


REPORTS = ("", "handed_over", "undelivered", "delivered")
"""What is reported of an SMS. Each outweighs those before it, in whatever order they come."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be sent."""

    waiting: int  # parcels
    age: float  # seconds, of the oldest
    overdue: float  # seconds that have passed since the first of them was due; 0 for none


class Outbox:
    """Parcels of all conversations, in order within each."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def add(
        self, chat: bytes, kind: str, body: object, now: datetime, expires: datetime | None = None
    ) -> Work[None]:
        """Put a parcel in, to be sent at once."""
        yield from run(
            "INSERT INTO outbox (chat, kind, body, created_at, due_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            chat,
            kind,
            self._vault.seal(body, outbox_place(chat)),
            stamp(now),
            stamp(now),
            expires and stamp(expires),
        )

    def kinds(self, chat: bytes) -> Work[tuple[str, ...]]:
        """Of which kinds something waits for this conversation."""
        rows = yield from every(
            "SELECT DISTINCT kind FROM outbox WHERE chat = ? AND status = 'waiting'", chat
        )
        return tuple(kind for (kind,) in rows)

    def head(self, chat: bytes, kind: str) -> Work[Parcel | None]:
        """The oldest parcel of this kind that is not done with, due or not, whoever sends it."""
        row = yield from one(_HEAD, chat, kind, chat, kind)
        if row is None:
            return None
        shown = (yield from self.shown(chat)) if kind == REPLY else None
        return replace(self._parcel(row), shown=shown)

    def _parcel(self, row: Row) -> Parcel:
        number, chat, kind, body, attempts, due_at, created_at, expires_at, status, worker = row
        return Parcel(
            number,
            chat,
            kind,
            self._vault.open(body, outbox_place(chat)),
            attempts,
            moment(due_at),
            moment(created_at),
            expires_at and moment(expires_at),
            leaving=status == "sending",
            worker=worker,
        )

    def claim(self, parcel: Parcel, worker: int) -> Work[Parcel]:
        """Note that it leaves now, by the process `worker`. After `head`, in its transaction."""
        yield from run(
            "UPDATE outbox SET status = 'sending', worker = ? WHERE id = ?", worker, parcel.number
        )
        return replace(parcel, worker=worker)

    def finish(self, parcel: Parcel, status: str) -> Work[None]:
        """It waits no more. What is finished keeps no text (RELIABILITY 5, Outbox)."""
        yield from run(
            "UPDATE outbox SET status = ?, body = NULL WHERE id = ?", status, parcel.number
        )

    def finish_once(self, parcel: Parcel, status: str) -> Work[bool]:
        """The same, once: False where it waits no more already."""
        rows = yield from run(
            "UPDATE outbox SET status = ?, body = NULL"
            " WHERE id = ? AND status IN ('waiting', 'sending') RETURNING id",
            status,
            parcel.number,
        )
        return bool(rows)

    def is_last(self, parcel: Parcel) -> Work[bool]:
        """Whether nothing of its kind was put in for its conversation after it."""
        row = yield from one(
            "SELECT 1 FROM outbox WHERE id > ? AND chat = ? AND kind = ? LIMIT 1",
            parcel.number,
            parcel.chat,
            parcel.kind,
        )
        return row is None

    def is_waiting(self, parcel: Parcel) -> Work[bool]:
        """Whether it is not done with."""
        row = yield from one(
            "SELECT count(*) FROM outbox WHERE id = ? AND status IN ('waiting', 'sending')",
            parcel.number,
        )
        return bool(row and row[0])

    def finish_sms(
        self, parcel: Parcel, status: str, failure: str, taken: Taken | None, now: datetime
    ) -> Work[None]:
        """An SMS waits no more. `failure` says why it did not leave, if it did not.

        The statement is the same for one that was for nobody (I10).
        """
        sender = message = handed = None
        if taken is not None:
            sender, handed = taken.sender, stamp(now)
            message = self._message_key(taken.sender, taken.message) if taken.message else None
        yield from run(
            "UPDATE outbox SET status = ?, body = NULL, sender = ?, message_key = ?,"
            " segments = ?, handed_at = ?, report = ? WHERE id = ?",
            status,
            sender,
            message,
            taken.segments if taken else 0,
            handed,
            failure or None,
            parcel.number,
        )

    def _message_key(self, sender: str, message: str) -> bytes:
        return self._vault.key("sms", sender, message)

    def report(self, sender: str, message: str, status: str, now: datetime) -> Work[Known | None]:
        """Note what the sender says of an SMS; None where none of that name was handed to it."""
        row = yield from one(
            "SELECT id, chat, CASE WHEN expires_at IS NULL THEN 0 ELSE 1 END FROM outbox"
            " WHERE message_key = ? ORDER BY id DESC LIMIT 1",
            self._message_key(sender, message),
        )
        if row is None:
            return None
        number, chat, is_code = row
        weaker = REPORTS[: REPORTS.index(status)]
        news = yield from run(
            "UPDATE outbox SET report = ?, reported_at = ? WHERE id = ?"
            " AND coalesce(report, '') IN (?, ?, ?) RETURNING id",
            status,
            stamp(now),
            number,
            *weaker,
            *("",) * (3 - len(weaker)),
        )
        last = yield from one(_LAST_SMS, chat, is_code)
        is_last = last is not None and last[0] == number
        return Known(chat, bool(is_code), is_last, bool(news))

    def sms_found(self, chat: bytes, *, code: bool) -> Work[SmsFound]:
        """What is known of the conversation's last code, or of its identifier that was sent."""
        row = yield from one(_LAST_SMS, chat, int(code))
        if row is None:
            return SmsFound("asked")
        _, status, handed_at, report, reported_at = row
        if report == "handed_over":
            return SmsFound(report, moment(handed_at))
        if report is not None:
            return SmsFound(report, None if reported_at is None else moment(reported_at))
        if status == "sent":
            return SmsFound("handed_over", moment(handed_at))
        return SmsFound("waiting" if status in ("waiting", "sending") else "asked")

    def segments(self) -> Work[int]:
        """How many SMS were paid for, as long as it is known what was sent."""
        row = yield from one("SELECT coalesce(sum(segments), 0) FROM outbox")
        assert row is not None  # noqa: S101 - an aggregate always has a row
        return int(row[0])

    def finish_reply(
        self, parcel: Parcel, name: str | None, *, waits: bool, keeps_buttons: bool
    ) -> Work[None]:
        """It was sent, as the message `name` where that one bears buttons (else None).

        The message before has lost its buttons by it, unless `keeps_buttons`. Where another process
        took us for dead and sends it again, it is that one's to finish: what comes after it must
        not leave before.
        """
        ours = yield from run(
            "UPDATE outbox SET status = 'sent', body = NULL, sent_as = ?, waits = ? WHERE id = ?"
            " AND (status = 'waiting' OR coalesce(worker, -1) = ?) RETURNING id",
            name,
            waits,
            parcel.number,
            _comparable(parcel.worker),
        )
        if not ours:
            return
        change = "waits = 0" if keeps_buttons else "sent_as = NULL"
        yield from run(
            f"UPDATE outbox SET {change}"  # noqa: S608 - our own words
            " WHERE chat = ? AND sent_as IS NOT NULL AND id <> ?",
            parcel.chat,
            parcel.number,
        )

    def shown(self, chat: bytes) -> Work[Shown | None]:
        """The message that still bears buttons, where it can be changed."""
        row = yield from one(
            "SELECT sent_as, waits FROM outbox WHERE chat = ? AND sent_as IS NOT NULL"
            " ORDER BY id DESC LIMIT 1",
            chat,
        )
        return None if row is None else Shown(row[0], bool(row[1]))

    def try_later(self, parcel: Parcel, due: datetime) -> Work[None]:
        """Send it once more at `due`, unless it was finished, or taken by another one, meanwhile.

        Several may find at once what a dead process left: it is for the first of them.
        """
        yield from run(
            "UPDATE outbox SET status = 'waiting', worker = NULL, attempts = attempts + 1,"
            " due_at = ? WHERE id = ? AND status IN ('waiting', 'sending')"
            " AND coalesce(worker, -1) = ?",
            stamp(due),
            parcel.number,
            _comparable(parcel.worker),
        )

    def drop(self, chat: bytes, kind: str) -> Work[None]:
        """What waits there need not leave any more."""
        yield from run(
            "UPDATE outbox SET status = 'dropped', body = NULL"
            " WHERE chat = ? AND kind = ? AND status = 'waiting'",
            chat,
            kind,
        )

    def drop_lasting(self, chat: bytes, kind: str) -> Work[None]:
        """The same, but for what is only good until some time: that stays."""
        yield from run(
            "UPDATE outbox SET status = 'dropped', body = NULL"
            " WHERE chat = ? AND kind = ? AND status = 'waiting' AND expires_at IS NULL",
            chat,
            kind,
        )

    def drop_passing(self, chat: bytes, kind: str) -> Work[None]:
        """What is only good until some time; all else stays."""
        yield from run(
            "UPDATE outbox SET status = 'dropped', body = NULL"
            " WHERE chat = ? AND kind = ? AND status = 'waiting' AND expires_at IS NOT NULL",
            chat,
            kind,
        )

    def hurry(self, chat: bytes, kind: str, now: datetime) -> Work[None]:
        """What waits for another try there is tried at once."""
        yield from run(
            "UPDATE outbox SET due_at = ? WHERE chat = ? AND kind = ? AND status = 'waiting'",
            stamp(now),
            chat,
            kind,
        )

    def left(self, chat: bytes, kind: str) -> Work[list[Parcel]]:
        """What is not done with there, the oldest first, whoever sends it."""
        rows = yield from every(
            f"SELECT {_COLUMNS} FROM outbox WHERE chat = ? AND kind = ?"  # noqa: S608 - our own
            " AND status IN ('waiting', 'sending') ORDER BY id",
            chat,
            kind,
        )
        return [self._parcel(row) for row in rows]

    def drop_codes(self, chat: bytes) -> Work[None]:
        """Codes that are cancelled or replaced need not leave any more."""
        yield from run(
            "UPDATE outbox SET status = 'dropped', body = NULL"
            " WHERE chat = ? AND kind IN (?, ?) AND status = 'waiting' AND expires_at IS NOT NULL",
            chat,
            SMS,
            EMAIL,
        )

    def waiting(self, worker: int) -> Work[list[tuple[bytes, str]]]:
        """Which conversations have something to send, and of which kind: the oldest first.

        What other processes than `worker` are sending is theirs.
        """
        rows = yield from every(_WAITING, worker)
        return [(chat, kind) for chat, kind in rows]

    def workers(self) -> Work[list[int | None]]:
        """The processes that have said that they send something; None for one of long ago."""
        rows = yield from every("SELECT DISTINCT worker FROM outbox WHERE status = 'sending'")
        return [worker for (worker,) in rows]

    def left_by(self, worker: int | None) -> Work[list[Parcel]]:
        """What a process that lives no more was sending: nobody knows whether it left."""
        rows = yield from every(
            f"SELECT {_COLUMNS} FROM outbox INDEXED BY outbox_sending"  # noqa: S608 - our own words
            " WHERE status = 'sending' AND coalesce(worker, -1) = ? ORDER BY id",
            _comparable(worker),
        )
        return [self._parcel(row) for row in rows]

    def backlog(self, now: datetime) -> Work[Backlog]:
        """How much waits, and for how long."""
        row = yield from one(
            "SELECT count(*), min(created_at), min(due_at) FROM outbox WHERE status = 'waiting'"
        )
        assert row is not None  # noqa: S101 - an aggregate always has a row
        waiting, oldest, due = row
        if not waiting:
            return Backlog(0, 0, 0)
        return Backlog(waiting, max(stamp(now) - oldest, 0), max(stamp(now) - due, 0))

    def by_status(self) -> Work[dict[str, dict[str, int]]]:
        """Counts for each kind and status."""
        rows = yield from every("SELECT kind, status, count(*) FROM outbox GROUP BY kind, status")
        counts: dict[str, dict[str, int]] = {}
        for kind, status, number in rows:
            counts.setdefault(kind, {})[status] = number
        return counts


def outbox_place(chat: bytes) -> str:
    """What a parcel's sealed body is bound to."""
    return f"outbox:{chat.hex()}"


def _comparable(worker: int | None) -> int:
    """A worker as `coalesce(worker, -1)` has it: in SQL no NULL equals another."""
    return -1 if worker is None else worker
