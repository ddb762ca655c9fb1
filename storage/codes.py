"""One-time codes: made here, checked here, and bounded here.

A code is six digits from the operating system's generator (19.93 bits), kept only as a keyed hash
bound to its chat, number and salt (RELIABILITY 0.4). A number that the register does not know gets
a code that is never sent and never right, counted in the same way, so that nothing a stranger sees
depends on the register (invariant I10).
"""

import hmac
import os
import secrets
from collections.abc import Callable
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
from flows.policy import DAY, Policy
from flows.questions.name import fold
from flows.secret import Secret
from storage.database import Work, every, moment, one, run, stamp
from storage.tallies import count, open_again, open_for_another
from storage.vault import Vault

Requested = CodeOnItsWay | CodeTooSoon | CodeBudgetSpent
Checked = CodeRight | CodeWrong | CodeCancelled | CodeOld | CodeExpired
ALL = b"all"


def six_digits() -> str:
    """A fresh code, every one as likely as any other."""
    return f"{secrets.randbelow(10**6):06d}"


class Codes:
    """Codes of all conversations."""

    def __init__(self, vault: Vault, policy: Policy, make: Callable[[], str] = six_digits) -> None:
        self._vault = vault
        self._policy = policy
        self._make = make

    def request(
        self, chat: bytes, phone: str, last: str, first: str, known: bool, now: datetime
    ) -> Work[tuple[Requested, Secret | None]]:
        """Make a code if every limit allows it; its secret, also where it will never be right."""
        wait = yield from self._wait(chat, phone, now)
        if wait is not None:
            return wait, None
        until = yield from self._budget(chat, phone, last, first, known, now)
        if until is not None:
            return CodeBudgetSpent(until), None
        code = self._make()
        expires = now + self._policy.code_validity
        salt = os.urandom(16)
        yield from run(
            "UPDATE codes SET status = 'old' WHERE chat = ? AND status = 'current'", chat
        )
        yield from run(
            "INSERT INTO codes (chat, phone_key, salt, hash, real, tries_left, old_pardons,"
            " sent_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            chat,
            self._phone_key(phone),
            salt,
            self._hash(chat, phone, salt, code),
            int(known),
            self._policy.code_tries,
            self._policy.old_code_pardons,
            stamp(now),
            stamp(expires),
        )
        return CodeOnItsWay(now, expires), Secret(code)

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
        self, chat: bytes, phone: str, last: str, first: str, known: bool, now: datetime
    ) -> Work[datetime | None]:
        """When a code may be sent again, or None for now; then it is counted everywhere."""
        policy, number = self._policy, self._phone_key(phone)
        prefix = self._vault.key("prefix", phone[:-4])
        identity = self._vault.key("identity", fold(last), fold(first), phone)
        moments = [
            (yield from open_again("code.number", number, policy.codes_per_number, now)),
            (yield from open_again("code.chat", chat, policy.codes_per_chat, now)),
            (yield from open_again("code.prefix", prefix, policy.codes_per_prefix, now)),
            (
                yield from open_for_another(
                    "identity", chat, identity, policy.identities_per_chat, now
                )
            ),
            (yield from open_again("sms", ALL, (yield from self._in_all()), now)),
        ]
        until = max((moment for moment in moments if moment), default=None)
        if until is None:
            yield from count("code.number", number, now)
            yield from count("code.chat", chat, now)
            yield from count("code.prefix", prefix, now)
            yield from count("identity", chat, now, identity)
            if known:  # numbers that get nothing must not use up what others may need
                yield from count("sms", ALL, now)
        return until

    def _in_all(self) -> Work[tuple[tuple[timedelta, int], ...]]:
        """The budget of the whole service; a day's grows with those who still have to activate."""
        row = yield from one(
            "SELECT (SELECT count(*) FROM guardians WHERE gone_at IS NULL)"
            " - (SELECT count(*) FROM account_guardians)"
        )
        assert row is not None  # noqa: S101 - counts always have a row
        return (*self._policy.codes_in_all, (DAY, max(200, row[0] // 10)))

    def check(self, chat: bytes, phone: str, code: Secret, now: datetime) -> Work[Checked]:
        """Judge a code that the parent typed."""
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

    def _phone_key(self, phone: str) -> bytes:
        return self._vault.key("phone", phone)

    def _hash(self, chat: bytes, phone: str, salt: bytes, code: str) -> bytes:
        return self._vault.key("code", chat.hex(), phone, salt.hex(), code)
