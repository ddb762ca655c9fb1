"""What an outside service is told of an account: made anew from the register each time.

A child who goes to another school, and a guardian known to two of them, are other records of the
same person: recognised by names and birthdate, and by names and a number (DESIGN, decision 6).
"""

import json
from dataclasses import asdict
from datetime import datetime

from flows.questions.name import fold
from storage.accounts import account_place
from storage.database import Row, Work, every, lock, one, run
from storage.directories import Account, Child
from storage.openings import Opening
from storage.outbox import ACCOUNT, Outbox
from storage.register import guardian_place, pupil_place
from storage.vault import Vault

_BATCH = 200
"""Accounts compared in one transaction: a turn waits for no more than that."""


def of_opening(vault: Vault, opening: Opening) -> Work[Account]:
    """An account that is being opened."""
    children = yield from _children(vault, opening.guardians, opening.confirmed)
    return Account(
        opening.key.hex(),
        opening.identifier,
        opening.last,
        opening.first,
        opening.phone,
        children,
        active=bool(children),
    )


def of_account(vault: Vault, key: bytes) -> Work[tuple[str, Account] | None]:
    """One that is open: its id at the service, and what is known of it now; None for none."""
    row = yield from one(
        "SELECT id, identifier_key, sealed FROM accounts WHERE account_key = ?", key
    )
    if row is None:
        return None
    known = vault.open(row[2], account_place(row[1]))
    guardians = yield from every(
        "SELECT guardian FROM account_guardians WHERE account = ? ORDER BY guardian", row[0]
    )
    pupils = yield from every("SELECT pupil FROM account_pupils WHERE account = ?", row[0])
    children = yield from _children(
        vault, tuple(one for (one,) in guardians), tuple(one for (one,) in pupils)
    )
    account = Account(
        key.hex(),
        known["identifier"],
        known["last"],
        known["first"],
        known["phone"],
        children,
        active=bool(children),
    )
    return known["there"], account


def digest(vault: Vault, account: Account) -> bytes:
    """Stands for all of it."""
    return vault.key("told", json.dumps(asdict(account), sort_keys=True))


def note_told(vault: Vault, key: bytes, account: Account) -> Work[None]:
    """The service knows this now."""
    yield from run(
        "UPDATE accounts SET told = ? WHERE account_key = ?", digest(vault, account), key
    )


def tell_changes(vault: Vault, after: bytes, now: datetime) -> Work[tuple[bytes | None, int]]:
    """Ask for what has changed to be told, of the accounts that come next in the order of keys.

    The last key, None at the end, and of how many accounts something has changed.
    """
    yield from lock("register")  # whoever is erased meanwhile is erased before or after
    rows = yield from every(
        "SELECT account_key, told FROM accounts WHERE account_key > ? ORDER BY account_key LIMIT ?",
        after,
        _BATCH,
    )
    changed, outbox = 0, Outbox(vault)
    for key, told in rows:
        found = yield from of_account(vault, key)
        assert found is not None  # noqa: S101 - read in this transaction
        if digest(vault, found[1]) != told:
            yield from outbox.drop(key, ACCOUNT)
            yield from outbox.add(key, ACCOUNT, {"do": "change"}, now)
            changed += 1
    return (rows[-1][0] if rows else None), changed


def _children(
    vault: Vault, guardians: tuple[int, ...], pupils: tuple[int, ...]
) -> Work[tuple[Child, ...]]:
    """The confirmed children of whom the person is a legal guardian, at their schools of today."""
    confirmed = set()
    for pupil in pupils:
        row = yield from one("SELECT uai, source_key, sealed FROM pupils WHERE id = ?", pupil)
        if row is not None:
            confirmed.add(_identity(vault, row))
    found: dict[int, Child] = {}
    for guardian in (yield from _same_person(vault, guardians)):
        rows = yield from every(
            "SELECT pupils.uai, source_key, sealed, pupils.id, name FROM links"
            " JOIN pupils ON pupils.id = links.pupil JOIN schools ON schools.uai = pupils.uai"
            " WHERE guardian = ? AND legal = 1 AND pupils.gone_at IS NULL",
            guardian,
        )
        for row in rows:
            if _identity(vault, row) in confirmed:
                uai, source_key, sealed, pupil, school = row
                known = vault.open(sealed, pupil_place(uai, source_key))
                reference = vault.key("child", uai, source_key.hex()).hex()
                initial = known["last"][:1].upper()
                found[pupil] = Child(reference, known["first"], initial, uai, school or uai)
    return tuple(found[pupil] for pupil in sorted(found))


def _identity(vault: Vault, row: Row) -> tuple[str, str, str | None]:
    known = vault.open(row[2], pupil_place(row[0], row[1]))
    return fold(known["last"]), fold(known["first"]), known["birthdate"]


def _same_person(vault: Vault, guardians: tuple[int, ...]) -> Work[list[int]]:
    """All records, of any school, of the person whom these records are."""
    names, numbers = set(), set[str]()
    for guardian in guardians:
        row = yield from one("SELECT uai, source_key, sealed FROM guardians WHERE id = ?", guardian)
        if row is not None:
            known = vault.open(row[2], guardian_place(row[0], row[1]))
            names.add((fold(known["birth"]), fold(known["first"])))
            numbers |= set(known["phones"])
    same = []
    for number in sorted(numbers):
        rows = yield from every(
            "SELECT uai, source_key, sealed, id FROM guardian_phones JOIN guardians"
            " ON guardians.id = guardian WHERE phone_key = ? AND gone_at IS NULL ORDER BY id",
            vault.key("phone", number),
        )
        for row in rows:
            known = vault.open(row[2], guardian_place(row[0], row[1]))
            if (fold(known["birth"]), fold(known["first"])) in names:
                same.append(row[3])
    # A record whose number has gone is still the person's own.
    for guardian in guardians:
        row = yield from one("SELECT id FROM guardians WHERE id = ? AND gone_at IS NULL", guardian)
        same += [guardian] if row else []
    return sorted(set(same))
