"""One-time codes: made here, checked here, and bounded here.

A code is six digits from the operating system's generator (19.93 bits), or eight, kept only as a
keyed hash bound to its chat, number and salt (RELIABILITY 0.4). A number that the register does not
know gets a code that is never sent and never right, counted in the same way, so that nothing a
stranger sees depends on the register (invariant I10). So does a known one to which no SMS may go:
its guardian had enough of them on other numbers, or too few codes come back from its country.

A code can also be asked for by an account's identifier: then all that can be seen is counted on
what was typed, and what concerns the number behind it, if there is one, is counted without a trace.
And one can be sent by e-mail, which costs nothing: it has limits of its own. Each kind of code is
bound to what it was asked for, and never serves for anything else.
"""

import hmac
import logging
import os
import secrets
from collections.abc import Callable, Container
from dataclasses import dataclass, field
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
_SOMEBODYS = "+33612345678"
"""What is looked at where there is no number: it takes as long as one."""

_BY_EMAIL = 2
"""In the column `real`: it was sent, and not by SMS, so that it is not among those watched."""

# Of the last codes that were really sent, and whose time is over or that came back: how many did.
_LAST_SENT = (
    "SELECT count(*), count(*) FILTER (WHERE status = 'used') FROM"
    " (SELECT status FROM codes WHERE real = 1"
    " AND sent_at > ? AND (status <> 'current' OR expires_at <= ?)"
    " ORDER BY sent_at DESC LIMIT ?) AS sent"
)
_LAST_SENT_TO = _LAST_SENT.replace("sent_at > ?", "sent_at > ? AND area = ?")

# Codes asked for on any number of those who have this one, at a school or on their account. Nobody
# has an unknown number.
_OF_GUARDIAN = (
    "SELECT at FROM tallies WHERE kind IN ('code.number', 'code.login') AND at > ? AND subject IN"
    " (SELECT theirs.phone_key FROM guardian_phones AS this JOIN guardians"
    " ON guardians.id = this.guardian AND gone_at IS NULL JOIN guardian_phones AS theirs"
    " ON theirs.guardian = this.guardian WHERE this.phone_key = ?"
    " UNION SELECT accounts.phone_key FROM guardian_phones AS this JOIN account_guardians"
    " ON account_guardians.guardian = this.guardian JOIN accounts ON accounts.id = account"
    " WHERE this.phone_key = ?"
    " UNION SELECT theirs.phone_key FROM accounts JOIN account_guardians"
    " ON account_guardians.account = accounts.id JOIN guardian_phones AS theirs"
    " ON theirs.guardian = account_guardians.guardian WHERE accounts.phone_key = ?"
    " UNION SELECT phone_key FROM accounts WHERE phone_key = ?)"
    " ORDER BY at DESC LIMIT 1 OFFSET ?"
)


def _alert(event: str, **facts: int | str) -> None:
    """Log an event of the operator's list (bot/logs.py), which this room does not know."""
    text = " ".join([event, *(f"{name}={value}" for name, value in facts.items())])
    log.warning(text, extra={"sesame": {"event": event, **facts}})


@dataclass(frozen=True, slots=True)
class _Place:
    """What a code was asked for, and where it goes."""

    key: bytes  # what is counted where all can see it, and in the column `phone_key`
    prefix: bytes
    identity: bytes
    bound: tuple[str, ...] = field(repr=False)  # what the code's hash is bound to
    phone: str = field(repr=False)  # where it goes; "" for none
    hidden: bool  # the number is not the one that was typed


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
        self,
        chat: bytes,
        phone: str,
        last: str,
        first: str,
        known: bool,
        now: datetime,
        login: str = "",
    ) -> Work[tuple[Requested, Secret | None, bool]]:
        """Make a code if every limit allows it: the answer, the code, whether its SMS may leave.

        By a `login`, `phone` is the account's own number, or "" where there is no such account.
        """
        yield from lock("codes")  # budgets are common to all
        place = self._of_login(login, phone) if login else self._of_phone(phone, last, first)
        wait = yield from self._wait(chat, place.key, now)
        if wait is not None:
            return wait, None, False
        day = yield from self._of_a_day()
        until = yield from self._budget(chat, place, day, now)
        if until is not None:
            return CodeBudgetSpent(until), None, False
        may_send = yield from self._may_send(place, now)
        sends = known and may_send
        yield from self._count(chat, place, sends, now)
        yield from self._warn_of_budget(day, now)
        home = area(place.phone or _SOMEBODYS)
        answer, code = yield from self._make_code(chat, place, int(sends), home, now)
        return answer, code, sends

    def _make_code(
        self, chat: bytes, place: _Place, real: int, home: str, now: datetime
    ) -> Work[tuple[CodeOnItsWay, Secret]]:
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
            place.key,
            salt,
            self._hash(chat, place, salt, code),
            real,
            self._policy.code_tries,
            self._policy.old_code_pardons,
            stamp(now),
            stamp(expires),
            home,
        )
        return CodeOnItsWay(now, expires), Secret(code)

    def request_by_email(
        self, chat: bytes, address: str, now: datetime
    ) -> Work[tuple[Requested, Secret | None]]:
        """The same for an e-mail address, which its owner wants to have on the account."""
        yield from lock("codes")
        place = self._of_email(address)
        wait = yield from self._wait(chat, place.key, now)
        if wait is not None:
            return wait, None
        limits = self._policy.email_codes
        moments = [
            (yield from open_again("code.email", place.key, limits, now)),
            (yield from open_again("code.email.chat", chat, limits, now)),
        ]
        until = max((moment for moment in moments if moment), default=None)
        if until is not None:
            return CodeBudgetSpent(until), None
        yield from count("code.email", place.key, now)
        yield from count("code.email.chat", chat, now)
        return (yield from self._make_code(chat, place, _BY_EMAIL, "", now))

    def _wait(self, chat: bytes, key: bytes, now: datetime) -> Work[Requested | None]:
        """Growing waits between the codes of one chat for one number, and an end to them."""
        rows = yield from every(
            "SELECT sent_at FROM codes WHERE chat = ? AND phone_key = ? AND sent_at > ?"
            " ORDER BY sent_at DESC",
            chat,
            key,
            stamp(now - DAY),
        )
        waits = self._policy.resend_waits
        if not rows:
            return None
        if len(rows) > len(waits):
            return CodeBudgetSpent(moment(rows[-1][0]) + DAY)
        left = moment(rows[0][0]) + waits[len(rows) - 1] - now
        return CodeTooSoon(-(-left // timedelta(seconds=1))) if left > timedelta() else None

    def _budget(self, chat: bytes, place: _Place, day: int, now: datetime) -> Work[datetime | None]:
        """When a code may be asked for again, or None for now. The same for every number."""
        policy = self._policy
        per_chat, people = policy.codes_per_chat, policy.identities_per_chat
        if chat in self._desks:
            per_chat = people = ()
        in_all: Windows = (*policy.codes_in_all, (DAY, day))
        moments = [
            (yield from open_again("code.number", place.key, policy.codes_per_number, now)),
            (yield from open_again("code.chat", chat, per_chat, now)),
            (yield from open_again("code.prefix", place.prefix, policy.codes_per_prefix, now)),
            (yield from open_for_another("identity", chat, place.identity, people, now)),
            (yield from open_again("sms", ALL, in_all, now)),
        ]
        return max((moment for moment in moments if moment), default=None)

    def _count(self, chat: bytes, place: _Place, sends: bool, now: datetime) -> Work[None]:
        """Count it everywhere, sent or not: the statements do not tell either."""
        yield from count("code.number", place.key, now)
        yield from count("code.chat", chat, now)
        yield from count("code.prefix", place.prefix, now)
        yield from count("identity", chat, now, place.identity)
        if place.hidden:  # never where it can be seen: it would tell whose number it is
            yield from count("code.login", self._phone_key(place.phone), now)
        # What gets nothing must not use up what others may need.
        yield from count("sms" if sends else "no sms", ALL, now)

    def _warn_of_budget(self, day: int, now: datetime) -> Work[None]:
        sent = yield from tally("sms", ALL, now - DAY)
        much = sent * 100 >= day * self._policy.codes_warning_percent
        if much and (yield from self._once_a_day("budget", now)):
            _alert("sms_budget_high", percent=sent * 100 // day)

    def _may_send(self, place: _Place, now: datetime) -> Work[bool]:
        """Whether an SMS may go to this number, if it is known. A no is never seen (I10)."""
        spent, phone, key = False, place.phone, self._phone_key(place.phone)
        for length, limit in self._policy.codes_per_guardian:
            row = yield from one(_OF_GUARDIAN, stamp(now - length), key, key, key, key, limit - 1)
            spent = spent or row is not None
        if place.hidden:
            prefix, limits = self._prefix(phone), self._policy.codes_per_prefix
            spent = bool((yield from open_again("code.prefix", prefix, limits, now))) or spent
        number = phone or _SOMEBODYS
        paused = yield from self._is_paused(area(number), place.hidden, now)
        # The register holds what a school typed: a landline or a satellite gets nothing (I8).
        mobile = read_contact(number) == number
        return mobile and bool(phone) and not spent and not paused

    def _is_paused(self, place: str, hidden: bool, now: datetime) -> Work[bool]:
        """Watch how many codes come back, and whether those from this country do.

        Where the country is `hidden`, it makes no difference to the work.
        """
        policy = self._policy
        back = yield from self._percent_back(
            _LAST_SENT, stamp(now - DAY), stamp(now), policy.conversion_sample
        )
        few = back < policy.conversion_warning_percent
        if few and (yield from self._once_a_day("conversion", now)):
            _alert("codes_not_coming_back", percent=int(back))
        at_home = place in FRENCH_AREAS
        if at_home and not hidden:
            return False
        paused = yield from tally("paused", place.encode(), now - DAY)
        if paused and not hidden:
            return True
        back = yield from self._percent_back(
            _LAST_SENT_TO, stamp(now - DAY), place, stamp(now), policy.conversion_sample
        )
        if at_home or paused or back >= policy.conversion_pause_percent:
            return bool(paused) and not at_home
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

    def check(
        self, chat: bytes, phone: str, code: Secret, now: datetime, login: str = ""
    ) -> Work[Checked]:
        """Judge a code that the parent typed; by a `login`, `phone` is as in `request`."""
        place = self._of_login(login, phone) if login else self._of_phone(phone, "", "")
        return (yield from self._check(chat, place, code, now))

    def check_by_email(
        self, chat: bytes, address: str, code: Secret, now: datetime
    ) -> Work[Checked]:
        """Judge the code of an e-mail."""
        return (yield from self._check(chat, self._of_email(address), code, now))

    def _check(self, chat: bytes, place: _Place, code: Secret, now: datetime) -> Work[Checked]:
        yield from lock("chat", chat)
        row = yield from one(
            "SELECT id, salt, hash, real, tries_left, old_pardons, sent_at, expires_at, status"
            " FROM codes WHERE chat = ? AND phone_key = ? ORDER BY id DESC LIMIT 1",
            chat,
            place.key,
        )
        if row is None or row[8] not in ("current", "expired"):
            return CodeCancelled()
        number, salt, kept, real, tries, pardons, sent_at, expires_at, status = row
        if status == "expired" or stamp(now) >= expires_at:  # a clock that goes back revives none
            yield from run("UPDATE codes SET status = 'expired' WHERE id = ?", number)
            return CodeExpired()
        same = hmac.compare_digest(kept, self._hash(chat, place, salt, code.reveal()))
        if same and real:
            yield from run("UPDATE codes SET status = 'used' WHERE id = ?", number)
            return CodeRight()
        if pardons and (yield from self._was_sent(chat, place, code, number)):
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

    def _was_sent(self, chat: bytes, place: _Place, code: Secret, newest: int) -> Work[bool]:
        rows = yield from every(
            "SELECT salt, hash FROM codes WHERE chat = ? AND phone_key = ? AND real <> 0"
            " AND id < ? ORDER BY id DESC LIMIT 5",
            chat,
            place.key,
            newest,
        )
        matches = [
            hmac.compare_digest(kept, self._hash(chat, place, salt, code.reveal()))
            for salt, kept in rows
        ]
        return any(matches)

    def cancel(self, chat: bytes) -> Work[None]:
        """The code under way works no more."""
        yield from run(
            "UPDATE codes SET status = 'cancelled' WHERE chat = ? AND status = 'current'", chat
        )

    # ---- what a code is for ------------------------------------------------------------------

    def _of_phone(self, phone: str, last: str, first: str) -> _Place:
        identity = self._vault.key("identity", fold(last), fold(first), phone)
        key, prefix = self._phone_key(phone), self._prefix(phone)
        return _Place(key, prefix, identity, ("code", phone), phone, hidden=False)

    def _of_login(self, login: str, phone: str) -> _Place:
        """Bound to the number, too: a code is of no use any more once that was changed."""
        key, identity = login_key(self._vault, login), self._vault.key("identity", "login", login)
        return _Place(key, key, identity, ("code by login", login, phone), phone, hidden=True)

    def _of_email(self, address: str) -> _Place:
        key = self._vault.key("email", address)
        return _Place(key, key, key, ("code by email", address), "", hidden=True)

    def _prefix(self, phone: str) -> bytes:
        return self._vault.key("prefix", phone[:-4])

    def _phone_key(self, phone: str) -> bytes:
        return self._vault.key("phone", phone)

    def _hash(self, chat: bytes, place: _Place, salt: bytes, code: str) -> bytes:
        purpose, *bound = place.bound
        return self._vault.key(purpose, chat.hex(), *bound, salt.hex(), code)


def login_key(vault: Vault, login: str) -> bytes:
    """What codes that were asked for by this identifier are counted on, whoever has it."""
    return vault.key("login", login)
