"""The audit record: whatever is changed in it shows, and nobody can be read in it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from flows.secret import Secret
from storage.audit import SESAME, Action, check, note
from storage.database import Database, every, run
from storage.place import Place, open_database
from storage.retention import Retention, purge
from storage.vault import Vault, check_secret
from tests.helpers.clock import Clock
from tests.helpers.parent import SECRET

VAULT, NOW = Vault(Secret(SECRET)), Clock().now


@pytest.fixture
async def database(place: Place) -> AsyncIterator[Database]:
    async with open_database(place) as opened:
        await opened.run(check_secret(VAULT))
        for day in range(10):
            subject = VAULT.key("person", day) if day % 2 else None
            moment = NOW + timedelta(days=day)
            await opened.run(note(VAULT, "operator:ann", Action.UNLOCKED, subject, moment, n=day))
        yield opened


async def test_an_honest_record(database: Database) -> None:
    assert await database.run(check(VAULT)) is None


async def test_an_empty_record(place: Place) -> None:
    async with open_database(place) as opened:
        assert await opened.run(check(VAULT)) is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", 1),
        ("actor", "operator:bob"),
        ("action", "purged"),
        ("subject", b"x"),
        ("subject", None),
        ("facts", '{"n": 99}'),
        ("before", b"x" * 16),
        ("link", b"x" * 16),
    ],
)
@pytest.mark.parametrize("number", [2, 6, 10])
async def test_a_row_that_was_changed(
    database: Database, number: int, column: str, value: object
) -> None:
    await database.run(run(f"UPDATE audit SET {column} = ? WHERE id = ?", value, number))
    assert await database.run(check(VAULT)) == number


@pytest.mark.parametrize("number", [2, 6, 9])
async def test_a_row_that_was_taken_out(database: Database, number: int) -> None:
    await database.run(run("DELETE FROM audit WHERE id = ?", number))
    assert await database.run(check(VAULT)) == number + 1


async def test_the_end_that_was_taken_out(database: Database) -> None:
    await database.run(run("DELETE FROM audit WHERE id > 7"))
    assert await database.run(check(VAULT)) == 8


async def test_a_row_that_was_put_in(database: Database) -> None:
    """Even a copy of an honest one."""
    columns = "at, actor, action, subject, facts, before, link"
    await database.run(
        run(f"INSERT INTO audit (id, {columns}) SELECT 11, {columns} FROM audit WHERE id = 3")
    )
    assert await database.run(check(VAULT)) == 11


async def test_two_rows_that_changed_places(database: Database) -> None:
    await database.run(run("UPDATE audit SET id = 99 WHERE id = 4"))
    await database.run(run("UPDATE audit SET id = 4 WHERE id = 5"))
    await database.run(run("UPDATE audit SET id = 5 WHERE id = 99"))
    assert await database.run(check(VAULT)) == 4


async def test_who_has_not_the_secret_cannot_forge(database: Database) -> None:
    stranger = Vault(Secret("the secret of somebody else altogether"))
    await database.run(note(stranger, "operator:bob", Action.PURGED, None, NOW))
    assert await database.run(check(VAULT)) == 11


async def test_what_is_old_goes_and_the_rest_stays_whole(database: Database) -> None:
    late = NOW + timedelta(days=365 + 5)
    await purge(database, VAULT, Retention(), SESAME, late)
    rows = await database.run(every("SELECT id, action FROM audit ORDER BY id"))
    assert [number for number, _ in rows] == [6, 7, 8, 9, 10, 11]
    assert rows[-1][1] == "purged"
    assert await database.run(check(VAULT)) is None
