"""From one secret to the next, while everything runs: each sealed value is sealed anew (T30)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from storage.accounts import account_place, reserved_place
from storage.audit import Action, note
from storage.conversations import address_place, chat_place
from storage.database import Database, Work, every, run_many
from storage.openings import opening_place
from storage.outbox import outbox_place
from storage.passwords import password_place
from storage.register import guardian_place, pupil_place
from storage.vault import Vault, put_in_force

_BATCH = 500
"""Rows sealed anew in one transaction: a turn waits for no more than that."""


class Sealed(NamedTuple):
    """A column of sealed values, and what each is bound to: `place` of the columns `by`."""

    table: str
    column: str
    by: str
    place: Callable[..., str]


SEALED = (
    Sealed("chats", "record", "chat", chat_place),
    Sealed("chats", "address", "chat", address_place),
    Sealed("outbox", "body", "chat", outbox_place),
    Sealed("guardians", "sealed", "uai, source_key", guardian_place),
    Sealed("guardians", "reserved", "id", reserved_place),
    Sealed("pupils", "sealed", "uai, source_key", pupil_place),
    Sealed("accounts", "sealed", "identifier_key", account_place),
    Sealed("openings", "wanted", "account_key", opening_place),
    Sealed("passwords", "sealed", "chat", password_place),
)
"""All of them: a test compares them with the schema."""


async def rotate(
    database: Database, vault: Vault, watch: Callable[[int], object], actor: str, now: datetime
) -> int:
    """Put the vault's newest secret in force and seal everything with it; how many values.

    It can be killed and run again at any moment: both secrets open until it has come to its end.
    """
    await database.run(put_in_force(vault))
    resealed = 0
    for sealed in SEALED:
        last: int | None = 0
        while last is not None:
            last, number = await database.run(_page(vault, sealed, last))
            watch(number)
            resealed += number
    await database.run(note(vault, actor, Action.KEY_ROTATED, None, now, values=resealed))
    await database.forget_deleted()
    return resealed


def _page(vault: Vault, sealed: Sealed, after: int) -> Work[tuple[int | None, int]]:
    """Seal the next rows anew: the last one's number, None at the end, and how many changed."""
    table, column, by, place = sealed
    rows = yield from every(
        f"SELECT rowid, {column}, {by} FROM {table} WHERE rowid > ?"  # noqa: S608 - our own words
        f" ORDER BY rowid LIMIT {_BATCH}",
        after,
    )
    anew: list[tuple[Any, int]] = []
    for number, value, *bound_to in rows:
        fresh = None if value is None else vault.reseal(value, place(*bound_to))
        if fresh is not None:
            anew.append((fresh, number))
    yield from run_many(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", anew)  # noqa: S608 - our own
    return (rows[-1][0] if rows else None), len(anew)
