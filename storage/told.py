"""What an outside service is told of an account: made anew from the register each time."""

import json
from dataclasses import asdict
from datetime import datetime

from storage import accounts
from storage.accounts import Accounts
from storage.database import Work, every, lock, one, run
from storage.directories import Account, Child
from storage.family import children_of
from storage.openings import Opening
from storage.outbox import ACCOUNT, Outbox
from storage.vault import Vault

_BATCH = 200
"""Accounts compared in one transaction: a turn waits for no more than that."""


def of_opening(vault: Vault, opening: Opening) -> Work[Account]:
    """An account that is being opened."""
    return (yield from _told(vault, opening.key, opening, opening.confirmed, is_open=True))


def of_account(vault: Vault, key: bytes) -> Work[tuple[str, Account] | None]:
    """One that is open: its id at the service, and what is known of it now; None for none."""
    account = yield from Accounts(vault).keyed(key)
    if account is None:
        return None
    assert account.there is not None  # noqa: S101 - the service gave it with the key's first answer
    is_open = account.status == "open"
    return account.there, (yield from _told(vault, key, account, account.pupils, is_open=is_open))


def _told(
    vault: Vault,
    key: bytes,
    parent: "Opening | accounts.Account",
    pupils: tuple[int, ...],
    *,
    is_open: bool,
) -> Work[Account]:
    children = yield from _children(vault, parent.guardians, pupils, parent.phone)
    return Account(
        key.hex(),
        parent.identifier,
        parent.last,
        parent.first,
        parent.phone,
        children,
        active=bool(children) and is_open,
    )


def digest(vault: Vault, account: Account) -> bytes:
    """Stands for all of it."""
    return vault.key("told", json.dumps(asdict(account), sort_keys=True))


def note_told(vault: Vault, key: bytes, account: Account) -> Work[None]:
    """The service knows this now."""
    yield from run(
        "UPDATE accounts SET told = ? WHERE account_key = ?", digest(vault, account), key
    )


def tell_now(vault: Vault, account: int, now: datetime) -> Work[bytes | None]:
    """Ask for what has changed of this account to be told: its key, or None where nobody is.

    Where it is frozen or closed this goes before all else, and no password goes any more.
    """
    row = yield from one(
        "SELECT account_key, frozen_at, closed_at FROM accounts WHERE id = ?", account
    )
    if row is None or row[0] is None:
        return None
    key, frozen_at, closed_at = row
    outbox = Outbox(vault)
    if frozen_at is None and closed_at is None:
        yield from outbox.drop_lasting(key, ACCOUNT)
    else:
        yield from outbox.drop(key, ACCOUNT)
    yield from outbox.add(key, ACCOUNT, {"do": "change"}, now)
    return bytes(key)


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
            yield from outbox.drop_lasting(key, ACCOUNT)
            yield from outbox.add(key, ACCOUNT, {"do": "change"}, now)
            changed += 1
    return (rows[-1][0] if rows else None), changed


def _children(
    vault: Vault, guardians: tuple[int, ...], pupils: tuple[int, ...], phone: str
) -> Work[tuple[Child, ...]]:
    """The confirmed children of whom the person is a legal guardian, at their schools of today."""
    children = yield from children_of(vault, guardians, pupils, [phone])
    return tuple(
        Child(
            vault.key("child", child.uai, child.source_key.hex()).hex(),
            child.first,
            child.last[:1].upper(),
            child.uai,
            child.school,
        )
        for child in children
    )
