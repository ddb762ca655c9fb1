"""One-time codes: made here, checked here, and bounded here.

A code is six digits from the operating system's generator (19.93 bits), or eight, kept only as a
keyed hash bound to its chat, number and salt (RELIABILITY 0.4). A number that the register does not
know gets a code that is never sent and never right, counted in the same way, so that nothing a
stranger sees depends on the register (invariant I10). So does a known one to which no SMS may go:
its guardian had enough of them on other numbers, or too few codes come back from its country.
"""

import hmac
import logging
import os
import secrets
from collections.abc import Callable, Container
from datetime import datetime, timedelta

from flows.inputs import (
    CodeBudgetSpent,
    CodeCancelled,
    CodeExpired,
    CodeOld,
    CodeOnItsWay,
    CodeRight,
    CodeTooSoon,
    CodeWrong,
)
from flows.policy import DAY, Policy, Windows
from flows.questions.name import fold
from flows.questions.phone import FRENCH_AREAS, area, read_contact
from flows.secret import Secret
from storage.database import Work, every, lock, moment, one, run, stamp
from storage.tallies import count, open_again, open_for_another, tally
from storage.vault import Vault

log = logging.getLogger("sesame.codes")

Requested = CodeOnItsWay | CodeTooSoon | CodeBudgetSpent
Checked = CodeRight | CodeWrong | CodeCancelled | CodeOld | CodeExpired
ALL = b"all"

# Of the last codes that were really sent, and whose time is over or that came back: how many did.
_LAST_SENT = (
    "SELECT count(*), count(*) FILTER (WHERE status = 'used') FROM"
    " (SELECT status FROM codes WHERE real = 1"
    " AND sent_at > ? AND (status <> 'current' OR expires_at <= ?)"
    " ORDER BY sent_at DESC LIMIT ?) AS sent"
)
_LAST_SENT_TO = _LAST_SENT.replace("sent_at > ?", "sent_at > ? AND area = ?")

# Codes asked for on any number of those who have this one. Nobody has an unknown number.
_OF_GUARDIAN = (
    "SELECT at FROM tallies WHERE kind = 'code.number' AND at > ? AND subject IN"
    " (SELECT theirs.phone_key FROM guardian_phones AS this JOIN guardians"
    " ON guardians.id = this.guardian AND gone_at IS NULL JOIN guardian_phones AS theirs"
    " ON theirs.guardian = this.guardian WHERE this.phone_key = ?)"
    " ORDER BY at DESC LIMIT 1 OFFSET ?"
)


def _alert(event: str, **facts: int | str) -> None:
    """Log an event of the operator's list (bot/logs.py), which this room does not know."""
    text = " ".join([event, *(f"{name}={value}" for name, value in facts.items())])
    log.warning(text, extra={"sesame": {"event": event, **facts}})


def six_digits() -> str:
    """A fresh code, every one as likely as any other."""
    return f"{secrets.randbelow(10**6):06d}"


def eight_digits() -> str:
    """The same, for schools that want longer ones (26.6 bits)."""
    return f"{secrets.randbelow(10**8):08d}"


class Codes:
    """Codes of all conversations."""

    def __init__(
        self,
        vault: Vault,
        policy: Policy,
        make: Callable[[], str] | None = None,
        desks: Container[bytes] = (),
    ) -> None:
        """`desks` are chats where a school helps many parents: the limits of a chat spare them."""
        self._vault = vault
        self._policy = policy
        self._make = make or (eight_digits if policy.code_digits == 8 else six_digits)
        self._desks = desks

    def request(
        self, chat: bytes, phone: str, last: str, first: str, known: bool, now: datetime
    ) -> Work[tuple[Requested, Secret | None, bool]]:
        """Make a code if every limit allows it: the answer, the code, whether its SMS may leave."""
        yield from lock("codes")  # budgets are common to all
        wait = yield from self._wait(chat, phone, now)
        if wait is not None:
            return wait, None, False
        day = yield from self._of_a_day()
        until = yield from self._budget(chat, phone, last, first, day, now)
        if until is not None:
            return CodeBudgetSpent(until), None, False
        may_send = yield from self._may_send(phone, now)
        sends = known and may_send
        yield from self._count(chat, phone, last, first, sends, now)
        yield from self._warn_of_budget(day, now)
        code = self._make()
        expires = now + self._policy.code_validity
        salt = os.urandom(16)
        yield from run(
            "UPDATE codes SET status = 'old' WHERE chat = ? AND status = 'current'", chat
        )
        yield from run(
            "INSERT INTO codes (chat, phone_key, salt, hash, real, tries_left, old_pardons,"
            " sent_at, expires_at, area) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            chat,
            self._phone_key(phone),
            salt,
            self._hash(chat, phone, salt, code),
            int(sends),
            self._policy.code_tries,
            self._policy.old_code_pardons,
            stamp(now),
            stamp(expires),
            area(phone),
        )
        return CodeOnItsWay(now, expires), Secret(code), sends

    def _wait(self, chat: bytes, phone: str, now: datetime) -> Work[Requested | None]:
        """Growing waits between the codes of one chat for one number, and an end to them."""
        rows = yield from every(
            "SELECT sent_at FROM codes WHERE chat = ? AND phone_key = ? AND sent_at > ?"
            " ORDER BY sent_at DESC",
            chat,
            self._phone_key(phone),
            stamp(now - DAY),
        )
        waits = self._policy.resend_waits
        if not rows:
            return None
        if len(rows) > len(waits):
            return CodeBudgetSpent(moment(rows[-1][0]) + DAY)
        left = moment(rows[0][0]) + waits[len(rows) - 1] - now
        return CodeTooSoon(-(-left // timedelta(seconds=1))) if left > timedelta() else None

    def _budget(
        self, chat: bytes, phone: str, last: str, first: str, day: int, now: datetime
    ) -> Work[datetime | None]:
        """When a code may be asked for again, or None for now. The same for every number."""
        policy, number = self._policy, self._phone_key(phone)
        per_chat, people = policy.codes_per_chat, policy.identities_per_chat
        if chat in self._desks:
            per_chat = people = ()
        identity = self._identity(phone, last, first)
        in_all: Windows = (*policy.codes_in_all, (DAY, day))
        moments = [
            (yield from open_again("code.number", number, policy.codes_per_number, now)),
            (yield from open_again("code.chat", chat, per_chat, now)),
            (
                yield from open_again(
                    "code.prefix", self._prefix(phone), policy.codes_per_prefix, now
                )
            ),
            (yield from open_for_another("identity", chat, identity, people, now)),
            (yield from open_again("sms", ALL, in_all, now)),
        ]
        return max((moment for moment in moments if moment), default=None)

    def _count(
        self, chat: bytes, phone: str, last: str, first: str, sends: bool, now: datetime
    ) -> Work[None]:
        """Count it everywhere, sent or not: the statements do not tell either."""
        yield from count("code.number", self._phone_key(phone), now)
        yield from count("code.chat", chat, now)
        yield from count("code.prefix", self._prefix(phone), now)
        yield from count("identity", chat, now, self._identity(phone, last, first))
        # What gets nothing must not use up what others may need.
        yield from count("sms" if sends else "no sms", ALL, now)

    def _warn_of_budget(self, day: int, now: datetime) -> Work[None]:
        sent = yield from tally("sms", ALL, now - DAY)
        much = sent * 100 >= day * self._policy.codes_warning_percent
        if much and (yield from self._once_a_day("budget", now)):
            _alert("sms_budget_high", percent=sent * 100 // day)

    def _may_send(self, phone: str, now: datetime) -> Work[bool]:
        """Whether an SMS may go to this number, if it is known. A no is never seen (I10)."""
        spent = False
        for length, limit in self._policy.codes_per_guardian:
            row = yield from one(
                _OF_GUARDIAN, stamp(now - length), self._phone_key(phone), limit - 1
            )
            spent = spent or row is not None
        paused = yield from self._is_paused(area(phone), now)
        # The register holds what a school typed: a landline or a satellite gets nothing (I8).
        return read_contact(phone) == phone and not spent and not paused

    def _is_paused(self, place: str, now: datetime) -> Work[bool]:
        """Watch how many codes come back, and whether those from this country do."""
        policy = self._policy
        back = yield from self._percent_back(
            _LAST_SENT, stamp(now - DAY), stamp(now), policy.conversion_sample
        )
        few = back < policy.conversion_warning_percent
        if few and (yield from self._once_a_day("conversion", now)):
            _alert("codes_not_coming_back", percent=int(back))
        if place in FRENCH_AREAS:
            return False
        if (yield from tally("paused", place.encode(), now - DAY)):
            return True
        back = yield from self._percent_back(
            _LAST_SENT_TO, stamp(now - DAY), place, stamp(now), policy.conversion_sample
        )
        if back >= policy.conversion_pause_percent:
            return False
        yield from count("paused", place.encode(), now)
        _alert("country_paused", percent=int(back), area=place)
        return True

    def _percent_back(self, query: str, *parameters: object) -> Work[float]:
        """100 as long as there are too few to tell."""
        row = yield from one(query, *parameters)
        assert row is not None  # noqa: S101 - an aggregate always has a row
        sent, back = row
        return 100.0 * back / sent if sent >= self._policy.conversion_sample else 100.0

    def _once_a_day(self, warning: str, now: datetime) -> Work[bool]:
        """Whether this was not said yet in the last day, by any process."""
        if (yield from tally("warned", warning.encode(), now - DAY)):
            return False
        yield from count("warned", warning.encode(), now)
        return True

    def _of_a_day(self) -> Work[int]:
        """The day's budget of the whole service grows with those who still have to activate.

        Accounts are counted by their numbers, which are given in a row: at most too many.
        """
        row = yield from one(
            "SELECT (SELECT coalesce(sum(guardians), 0) FROM schools)"
            " - (SELECT coalesce(max(id), 0) FROM accounts)"
        )
        assert row is not None  # noqa: S101 - counts always have a row
        policy = self._policy
        return max(policy.codes_per_day, int(row[0]) * policy.codes_per_day_percent // 100)

    def budget_used(self, now: datetime) -> Work[float]:
        """The share of the day's budget of the whole service that is spent, 0 to 1."""
        return (yield from tally("sms", ALL, now - DAY)) / (yield from self._of_a_day())

    def check(self, chat: bytes, phone: str, code: Secret, now: datetime) -> Work[Checked]:
        """Judge a code that the parent typed."""
        yield from lock("chat", chat)
        row = yield from one(
            "SELECT id, salt, hash, real, tries_left, old_pardons, sent_at, expires_at, status"
            " FROM codes WHERE chat = ? AND phone_key = ? ORDER BY id DESC LIMIT 1",
            chat,
            self._phone_key(phone),
        )
        if row is None or row[8] not in ("current", "expired"):
            return CodeCancelled()
        number, salt, kept, real, tries, pardons, sent_at, expires_at, status = row
        if status == "expired" or stamp(now) >= expires_at:  # a clock that goes back revives none
            yield from run("UPDATE codes SET status = 'expired' WHERE id = ?", number)
            return CodeExpired()
        same = hmac.compare_digest(kept, self._hash(chat, phone, salt, code.reveal()))
        if same and real:
            yield from run("UPDATE codes SET status = 'used' WHERE id = ?", number)
            return CodeRight()
        if pardons and (yield from self._was_sent(chat, phone, code, number)):
            yield from run("UPDATE codes SET old_pardons = old_pardons - 1 WHERE id = ?", number)
            return CodeOld(moment(sent_at))
        left = tries - 1
        yield from run(
            "UPDATE codes SET tries_left = ?, status = ? WHERE id = ?",
            left,
            "current" if left else "burnt",
            number,
        )
        return CodeWrong(left)

    def _was_sent(self, chat: bytes, phone: str, code: Secret, newest: int) -> Work[bool]:
        rows = yield from every(
            "SELECT salt, hash FROM codes WHERE chat = ? AND phone_key = ? AND real = 1"
            " AND id < ? ORDER BY id DESC LIMIT 5",
            chat,
            self._phone_key(phone),
            newest,
        )
        matches = [
            hmac.compare_digest(kept, self._hash(chat, phone, salt, code.reveal()))
            for salt, kept in rows
        ]
        return any(matches)

    def cancel(self, chat: bytes) -> Work[None]:
        """The code under way works no more."""
        yield from run(
            "UPDATE codes SET status = 'cancelled' WHERE chat = ? AND status = 'current'", chat
        )

    def _prefix(self, phone: str) -> bytes:
        return self._vault.key("prefix", phone[:-4])

    def _identity(self, phone: str, last: str, first: str) -> bytes:
        return self._vault.key("identity", fold(last), fold(first), phone)

    def _phone_key(self, phone: str) -> bytes:
        return self._vault.key("phone", phone)

    def _hash(self, chat: bytes, phone: str, salt: bytes, code: str) -> bytes:
        return self._vault.key("code", chat.hex(), phone, salt.hex(), code)
