"""Accounts: how they are opened, under which identifiers, and how one is found and read.

What happens to an account later is in storage/life.py.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from flows.inputs import AccountExists, AccountOpened
from flows.outputs import OpenAccount, TellSchool
from flows.questions.name import fold
from flows.secret import Secret
from storage.audit import PARENT, Action, note
from storage.conversations import chat_place
from storage.database import Row, Work, every, lock, moment, one, run, stamp
from storage.vault import Vault

# RELIABILITY 5 (OWASP's first choice): 19 MiB, two passes, one lane.
_MEMORY_KIB, _PASSES, _LANES = 19 * 1024, 2, 1


def hash_password(password: Secret) -> str:
    """The Argon2id hash in its usual text form. Slow on purpose: call it outside the event loop."""
    argon = Argon2id(
        salt=os.urandom(16), length=32, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY_KIB
    )
    return argon.derive_phc_encoded(password.reveal().encode())


def is_password(password: Secret, digest: str) -> bool:
    """Whether this is the password of the hash. As slow as hashing."""
    try:
        Argon2id.verify_phc_encoded(password.reveal().encode(), digest)
    except InvalidKey:
        return False
    return True


def stem(first: str, last: str) -> str:
    """First initial, dot, last name, in ASCII: "m.dupont" (MISSION 1.3, Identifier)."""
    return f"{fold(first)[:1]}.{fold(last)}"


Status = Literal["open", "frozen", "closed"]

_COLUMNS = (
    "id, identifier_key, sealed, account_key, opened_at, frozen_at, closed_at, erase_at"
    " FROM accounts"
)
_BATCH = 500
"""Accounts brought up to date in one transaction: a turn waits for no more than that."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account, opened."""

    number: int
    identifier: str = field(repr=False)
    last: str = field(repr=False)
    first: str = field(repr=False)
    phone: str = field(repr=False)  # its own, E.164: the register's may be another one
    phone_before: str = field(repr=False)  # the one before, until it was told of the change
    email: str = field(repr=False)  # empty: none
    guardians: tuple[int, ...]
    pupils: tuple[int, ...]  # that were confirmed
    key: bytes | None  # our name for it in an outside service
    there: str | None  # its id there
    opened_at: datetime
    frozen_at: datetime | None
    closed_at: datetime | None
    erase_at: datetime | None

    @property
    def status(self) -> Status:
        """How it stands. A closed one can be frozen, too: that counts for more."""
        return "frozen" if self.frozen_at else "closed" if self.closed_at else "open"


@dataclass(frozen=True)
class Accounts:
    """Accounts opened by conversations."""

    vault: Vault

    def open(
        self, wanted: OpenAccount, chat: bytes, now: datetime
    ) -> Work[AccountOpened | AccountExists]:
        """Open the account, or say which one exists. Two at one instant get one account."""
        yield from lock_guardians(wanted.guardians)
        existing = yield from self.identifier_of(wanted.guardians)
        if existing is not None:
            return AccountExists(existing)
        identifier = yield from self.reserve(wanted.guardians, wanted.last, wanted.first)
        person = {
            "identifier": identifier,
            "last": wanted.last,
            "first": wanted.first,
            "phone": wanted.phone,
        }
        yield from self.store(
            person, wanted.guardians, wanted.confirmed, chat, now, digest=wanted.digest
        )
        return AccountOpened(identifier)

    def store(
        self,
        person: dict[str, str],
        guardians: tuple[int, ...],
        pupils: tuple[int, ...],
        chat: bytes,
        now: datetime,
        *,
        digest: str = "",
        key: bytes | None = None,
        told: bytes | None = None,
    ) -> Work[None]:
        """From now on it exists, and is open in this conversation. A letter has served."""
        identifier_key = self.vault.key("identifier", person["identifier"])
        [[account]] = yield from run(
            "INSERT INTO accounts (identifier_key, password_hash, sealed, chat, opened_at,"
            " phone_key, account_key, told) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            identifier_key,
            digest,
            self.vault.seal(person, account_place(identifier_key)),
            chat,
            stamp(now),
            self.vault.key("phone", person["phone"]),
            key,
            told,
        )
        for guardian in guardians:
            yield from run("INSERT INTO account_guardians VALUES (?, ?)", guardian, account)
            yield from run("DELETE FROM letters WHERE guardian = ?", guardian)
        for pupil in pupils:
            yield from run("INSERT INTO account_pupils VALUES (?, ?)", account, pupil)
        yield from run("INSERT INTO sign_ins VALUES (?, ?, ?)", account, chat, stamp(now))
        subject = account_subject(self.vault, person["identifier"])
        yield from note(
            self.vault, PARENT, Action.ACCOUNT_OPENED, subject, now, children=len(pupils)
        )

    # ---- finding and reading -----------------------------------------------------------------

    def read(self, identifier: str) -> Work[Account | None]:
        """The account of this identifier."""
        row = yield from one(
            f"SELECT {_COLUMNS} WHERE identifier_key = ?",
            self.vault.key("identifier", identifier),
        )
        return None if row is None else (yield from self._account(row))

    def keyed(self, key: bytes) -> Work[Account | None]:
        """The account that an outside service knows by this key of ours."""
        row = yield from one(f"SELECT {_COLUMNS} WHERE account_key = ?", key)
        return None if row is None else (yield from self._account(row))

    def with_phone(self, phone: str) -> Work[list[Account]]:
        """Those whose own number this is."""
        rows = yield from every(
            f"SELECT {_COLUMNS} WHERE phone_key = ? ORDER BY id",
            self.vault.key("phone", phone),
        )
        return (yield from self._accounts(rows))

    def of_guardians(self, guardians: Iterable[int]) -> Work[list[Account]]:
        """Those that these records have."""
        numbers = set()
        for guardian in guardians:
            row = yield from one(
                "SELECT account FROM account_guardians WHERE guardian = ?", guardian
            )
            numbers |= {row[0]} if row else set()
        accounts = []
        for number in sorted(numbers):
            account = yield from self.numbered(number)
            accounts += [account] if account else []
        return accounts

    def numbered(self, number: int) -> Work[Account | None]:
        """The account with this row's number."""
        row = yield from one(f"SELECT {_COLUMNS} WHERE id = ?", number)
        return None if row is None else (yield from self._account(row))

    def _accounts(self, rows: list[Row]) -> Work[list[Account]]:
        accounts = []
        for row in rows:
            accounts.append((yield from self._account(row)))
        return accounts

    def _account(self, row: Row) -> Work[Account]:
        number, identifier_key, sealed, key, opened_at, frozen_at, closed_at, erase_at = row
        known = self.vault.open(sealed, account_place(identifier_key))
        guardians = yield from every(
            "SELECT guardian FROM account_guardians WHERE account = ? ORDER BY guardian", number
        )
        pupils = yield from every(
            "SELECT pupil FROM account_pupils WHERE account = ? ORDER BY pupil", number
        )
        return Account(
            number,
            known["identifier"],
            known["last"],
            known["first"],
            known["phone"],
            known.get("phone_before", ""),
            known.get("email", ""),
            tuple(guardian for (guardian,) in guardians),
            tuple(pupil for (pupil,) in pupils),
            key,
            known.get("there"),
            moment(opened_at),
            frozen_at and moment(frozen_at),
            closed_at and moment(closed_at),
            erase_at and moment(erase_at),
        )

    def number_of(self, login: str) -> Work[str]:
        """The account's own number, or "" where there is no such account: as much work for both."""
        key = self.vault.key("identifier", login)
        row = yield from one(
            "SELECT identifier_key, sealed FROM accounts WHERE identifier_key = ?", key
        )
        identifier_key, sealed = row or self._nobody
        return str(self.vault.open(sealed, account_place(identifier_key))["phone"])

    @cached_property
    def _nobody(self) -> tuple[bytes, bytes]:
        """What is opened where there is nothing to open."""
        person = {"identifier": "m.dupont", "last": "Dupont", "first": "Marie", "phone": ""}
        return b"", self.vault.seal(person, account_place(b""))

    def knows(self, phone: str) -> Work[bool]:
        """Whether any account has this number. It opens no record, as `Register.knows`."""
        row = yield from one(
            "SELECT count(*) FROM accounts WHERE phone_key = ?", self.vault.key("phone", phone)
        )
        return bool(row and row[0])

    def identifier_of(self, guardians: tuple[int, ...]) -> Work[str | None]:
        """The identifier of the account that one of these records has, if any."""
        for guardian in guardians:
            row = yield from one(
                "SELECT identifier_key, sealed FROM account_guardians JOIN accounts"
                " ON accounts.id = account_guardians.account WHERE guardian = ?",
                guardian,
            )
            if row:
                return str(self.vault.open(row[1], account_place(row[0]))["identifier"])
        return None

    def reserve(self, guardians: tuple[int, ...], last: str, first: str) -> Work[str]:
        """The identifier that an account of these records has, or will have: always the same."""
        yield from lock_guardians(guardians)
        for guardian in guardians:
            row = yield from one("SELECT reserved FROM guardians WHERE id = ?", guardian)
            if row and row[0] is not None:
                return str(self.vault.open(row[0], reserved_place(guardian)))
        identifier = yield from self.free_identifier(stem(first, last))
        yield from run(
            "UPDATE guardians SET reserved = ? WHERE id = ?",
            self.vault.seal(identifier, reserved_place(guardians[0])),
            guardians[0],
        )
        return identifier

    def free_identifier(self, wanted: str) -> Work[str]:
        """The stem for the first of its name, then stem2, stem3, …"""
        rows = yield from run(
            "INSERT INTO identifier_stems (stem_key, taken) VALUES (?, 1)"
            " ON CONFLICT (stem_key) DO UPDATE SET taken = identifier_stems.taken + 1"
            " RETURNING taken",
            self.vault.key("stem", wanted),
        )
        taken = rows[0][0]
        return wanted if taken == 1 else f"{wanted}{taken}"

    def tell_school(self, note: TellSchool, now: datetime) -> Work[None]:
        """Keep a note for the school: a wrong attachment, a birthdate to verify."""
        yield from run(
            "INSERT INTO school_notes (about, uai, guardian, pupil, at)"
            " SELECT ?, uai, ?, id, ? FROM pupils WHERE id = ?",
            note.about,
            note.guardians[0],
            stamp(now),
            note.pupil,
        )


def bring_up_to_date(vault: Vault) -> Work[int]:
    """Note what accounts of before 0005_life.sql have no column for yet; of how many.

    Their numbers' keys, and the conversation that opened each, where it still shows it.
    """
    rows = yield from every(
        "SELECT id, identifier_key, sealed, chat, opened_at FROM accounts"
        " WHERE phone_key IS NULL ORDER BY id LIMIT ?",
        _BATCH,
    )
    for number, identifier_key, sealed, chat, opened_at in rows:
        known = vault.open(sealed, account_place(identifier_key))
        yield from run(
            "UPDATE accounts SET phone_key = ? WHERE id = ?",
            vault.key("phone", known["phone"]),
            number,
        )
        shown = yield from one("SELECT record FROM chats WHERE chat = ?", chat)
        if shown and _record(vault, shown[0], chat).get("identifier") == known["identifier"]:
            yield from run(
                "INSERT INTO sign_ins VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                number,
                chat,
                opened_at,
            )
    return len(rows)


def _record(vault: Vault, sealed: bytes, chat: bytes) -> dict[str, Any]:
    record: dict[str, Any] = vault.open(sealed, chat_place(chat))
    return record


def account_subject(vault: Vault, identifier: str) -> bytes:
    """What stands for an account in the audit record."""
    return vault.key("account", identifier)


def lock_guardians(guardians: Iterable[int]) -> Work[None]:
    """Let nobody else give these records an account, or take one away, in this transaction."""
    for guardian in sorted(guardians):
        yield from lock("guardian", guardian)


def reserved_place(guardian: int) -> str:
    """What a reserved identifier, sealed, is bound to."""
    return f"reserved:{guardian}"


def account_place(identifier_key: bytes) -> str:
    """What an account's sealed record is bound to."""
    return f"accounts:{identifier_key.hex()}"
