"""The embedded account directory: identifiers, and passwords as Argon2id hashes."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from flows.inputs import AccountExists, AccountOpened
from flows.outputs import OpenAccount, TellSchool
from flows.questions.name import fold
from flows.secret import Secret
from storage.audit import PARENT, Action, note
from storage.database import Work, lock, one, run, stamp
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


@dataclass(frozen=True, slots=True)
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
        key = self.vault.key("identifier", identifier)
        person = {
            "identifier": identifier,
            "last": wanted.last,
            "first": wanted.first,
            "phone": wanted.phone,
        }
        rows = yield from run(
            "INSERT INTO accounts (identifier_key, password_hash, sealed, chat, opened_at)"
            " VALUES (?, ?, ?, ?, ?) RETURNING id",
            key,
            wanted.digest,
            self.vault.seal(person, account_place(key)),
            chat,
            stamp(now),
        )
        yield from self.belongs(rows[0][0], wanted.guardians, wanted.confirmed)
        children = len(wanted.confirmed)
        yield from note(self.vault, PARENT, Action.ACCOUNT_OPENED, chat, now, children=children)
        return AccountOpened(identifier)

    def belongs(
        self, account: int, guardians: tuple[int, ...], pupils: tuple[int, ...]
    ) -> Work[None]:
        """Note whose account it is, and for which children it was opened."""
        for guardian in guardians:
            yield from run("INSERT INTO account_guardians VALUES (?, ?)", guardian, account)
        for pupil in pupils:
            yield from run("INSERT INTO account_pupils VALUES (?, ?)", account, pupil)

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
