"""From one secret to the next, while everything runs: each sealed value is sealed anew (T30)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from storage.accounts import account_place, reserved_place
from storage.audit import Action, note
from storage.conversations import address_place, chat_place
from storage.database import Database, Work, every, run_many
from storage.family import guardian_place, pupil_place
from storage.openings import opening_place
from storage.outbox import outbox_place
from storage.passwords import password_place
from storage.vault import Vault, put_in_force

_BATCH = 500
"""Rows sealed anew in one transaction: a turn waits for no more than that."""


class Sealed(NamedTuple):
    """A column of sealed values, and what each is bound to: `place` of the columns `by`."""

    table: str
    column: str
    by: str
    place: Callable[..., str]
    key: str = "id"  # the order in which they are gone through
    first: int | bytes = 0  # below all keys


SEALED = (
    Sealed("chats", "record", "chat", chat_place, "chat", b""),
    Sealed("chats", "address", "chat", address_place, "chat", b""),
    Sealed("outbox", "body", "chat", outbox_place),
    Sealed("guardians", "sealed", "uai, source_key", guardian_place),
    Sealed("guardians", "reserved", "id", reserved_place),
    Sealed("pupils", "sealed", "uai, source_key", pupil_place),
    Sealed("accounts", "sealed", "identifier_key", account_place),
    Sealed("openings", "sealed", "account_key", opening_place, "account_key", b""),
    Sealed("passwords", "sealed", "chat", password_place, "chat", b""),
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
        last: int | bytes | None = sealed.first
        while last is not None:
            last, number = await database.run(_page(vault, sealed, last))
            watch(number)
            resealed += number
    await database.run(note(vault, actor, Action.KEY_ROTATED, None, now, values=resealed))
    await database.forget_deleted()
    return resealed


def _page(vault: Vault, sealed: Sealed, after: int | bytes) -> Work[tuple[int | bytes | None, int]]:
    """Seal the next rows anew: the last one's key, None at the end, and how many changed.

    What a turn writes meanwhile is left alone: it is sealed with the secret in force.
    """
    table, column, by, place, name, _ = sealed
    rows = yield from every(
        f"SELECT {name}, {column}, {by} FROM {table} WHERE {name} > ?"  # noqa: S608 - our own words
        f" ORDER BY {name} LIMIT {_BATCH}",
        after,
    )
    anew: list[tuple[Any, ...]] = []
    for key, value, *bound_to in rows:
        fresh = None if value is None else vault.reseal(value, place(*bound_to))
        if fresh is not None:
            anew.append((fresh, key, value))
    yield from run_many(
        f"UPDATE {table} SET {column} = ? WHERE {name} = ? AND {column} = ?",  # noqa: S608 - our own
        anew,
    )
    return (rows[-1][0] if rows else None), len(anew)
