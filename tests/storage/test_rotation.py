"""A new secret while everything runs: nothing is lost, and the old one opens nothing (T30)."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.app import open_storage
from flows.secret import Secret
from storage.audit import Action
from storage.conversations import Conversations
from storage.database import Database, every, migrations
from storage.place import Place, open_database
from storage.rotation import SEALED, rotate
from storage.vault import SecretChanged, Vault, VaultError, check_secret
from tests.conversations.roads import ALL_TO_DONE, CODE_OF_MARIE, everybody
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import SECRET, CoreParent, core_parent, test_settings
from tests.helpers.school import a_school

NEW = "the next secret for tests, long enough as well"
NOW = Clock().now


async def rotates(database: Database, *secrets: str) -> int:
    """The operator's side, in a process of its own."""
    vault = Vault(*map(Secret, secrets))
    await database.run(check_secret(vault))
    return await rotate(database, vault, lambda _number: None, "operator:ann", NOW)


async def opened_by(place: Place, *secrets: str) -> int:
    """How many sealed values these secrets open."""
    number = 0
    async with open_database(place) as database:
        vault = Vault(*map(Secret, secrets))
        for one in SEALED:
            query = f"SELECT {one.column}, {one.by} FROM {one.table}"
            rows = await database.run(every(query))
            for value, *bound_to in rows:
                if value is not None:
                    vault.open(value, one.place(*bound_to))
                    number += 1
    return number


def test_every_sealed_column_is_known() -> None:
    """The schema's own words for them: `sealed`, `record`, `address`, `body`, `reserved`."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for _, script in migrations():
            connection.executescript(script)
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        columns = {
            (table, column[1])
            for (table,) in tables.fetchall()
            for column in connection.execute(f"PRAGMA table_info({table})")
            if column[1] in ("sealed", "record", "address", "body", "reserved")
        }
    assert columns - {("canary", "sealed")} == {(one.table, one.column) for one in SEALED}


async def test_all_is_sealed_anew(place: Place) -> None:
    async with core_parent(place, everybody()) as parent:
        await Dialogue(parent, "fr").follows(*ALL_TO_DONE)
        await Dialogue(parent.beside("sophie"), "fr").follows(*CODE_OF_MARIE)
    values = await opened_by(place, SECRET)
    assert values > 20
    async with open_database(place) as database:
        assert await rotates(database, NEW, SECRET) == values
        assert await rotates(database, NEW, SECRET) == 0  # it can be run again
        rows = await database.run(every("SELECT actor, action FROM audit ORDER BY id DESC"))
        assert rows[0] == ("operator:ann", Action.KEY_ROTATED.value)
    assert await opened_by(place, NEW) == values
    with pytest.raises(VaultError):
        await opened_by(place, SECRET)


async def test_killed_in_the_middle(place: Place) -> None:
    """Both secrets open whatever was left, and the next run comes to the end."""
    async with core_parent(place, everybody()) as parent:
        await Dialogue(parent, "fr").follows(*ALL_TO_DONE)
    values = await opened_by(place, SECRET)

    class Killed(Exception):
        pass

    for pages in range(1, 6):
        left = [pages]

        def kill(_number: int, left: list[int] = left) -> None:
            left[0] -= 1
            if not left[0]:
                raise Killed

        async with open_database(place) as database:
            vault = Vault(Secret(NEW), Secret(SECRET))
            await database.run(check_secret(vault))
            with pytest.raises(Killed):
                await rotate(database, vault, kill, "operator:ann", NOW)
        assert await opened_by(place, NEW, SECRET) == values
    async with open_database(place) as database:
        await rotates(database, NEW, SECRET)
    assert await opened_by(place, NEW) == values


@pytest.mark.parametrize("lines_before", range(0, len(ALL_TO_DONE) - 1, 2))
async def test_while_a_parent_talks(place: Place, lines_before: int) -> None:
    """A bot that knows both secrets notices by itself, at whatever question the parent is."""
    async with core_parent(place, everybody()):
        pass  # the database is of the old secret
    async with core_parent(place, everybody(), secret=NEW, old_secret=SECRET) as parent:
        marie = Dialogue(parent, "fr")
        await marie.follows(*ALL_TO_DONE[:lines_before])
        async with open_database(place) as other:
            await rotates(other, NEW, SECRET)
        await marie.follows(*ALL_TO_DONE[lines_before:])
        marie.hears("done.ask")
    assert await opened_by(place, NEW) >= 20


async def test_a_bot_that_does_not_know_the_new_one_writes_nothing(place: Place) -> None:
    """The update is not taken, so it is given again; started with the new secret it goes on."""
    async with core_parent(place, everybody()) as parent:
        await Dialogue(parent, "fr").follows(*CODE_OF_MARIE)
        async with open_database(place) as other:
            await rotates(other, NEW, SECRET)
        values = await opened_by(place, NEW)
        with pytest.raises(SecretChanged):
            await parent.says(parent.sms.last_code)
        code, last = parent.sms.last_code, parent.last
    assert await opened_by(place, NEW) == values
    async with core_parent(place, everybody(), secret=NEW) as again:
        again.receives(last)
        marie = Dialogue(again, "fr")
        await marie.follows(code, PASSWORD, PASSWORD, "[yes]", "14/03/2014", "[activate_now]")
        marie.hears("done.ask")


async def test_a_secret_beside_the_database_is_found_again(tmp_path: Path) -> None:
    """The bot looks into the file by itself when the canary does not open any more."""
    place = tmp_path / "sesame.sqlite3"
    async with core_parent(place, everybody()):
        pass  # the database is of this secret
    file = place.with_name(f"{place.name}.secret")
    file.write_text(SECRET)
    async with core_parent(place, everybody(), secret=None) as parent:
        marie = Dialogue(parent, "fr")
        await marie.follows(*CODE_OF_MARIE)
        file.rename(f"{file}.old")
        file.write_text(NEW)
        async with open_database(place) as other:
            await rotates(other, NEW, SECRET)
        await marie.follows("(code)", PASSWORD, PASSWORD)
        marie.hears("child.ask")


async def test_the_canary_says_who_seals(place: Place) -> None:
    """Until the change begins the old secret does, also where the new one is known already."""
    async with core_parent(place, everybody()):
        pass
    async with core_parent(place, everybody(), secret=NEW, old_secret=SECRET) as parent:
        await Dialogue(parent, "fr").follows(*CODE_OF_MARIE)
    assert await opened_by(place, SECRET) >= 20


async def test_an_import_that_began_before_changes_nothing(place: Place) -> None:
    """What it has read is sealed with the old secret: one line, and it can be run again."""
    async with core_parent(place, everybody()):
        pass
    before = await opened_by(place, SECRET)
    async with open_database(place) as database, open_database(place) as other:
        vault = Vault(Secret(SECRET))
        await database.run(check_secret(vault))
        await rotates(other, NEW, SECRET)
        with pytest.raises(SecretChanged):
            await (
                a_school()
                .knows("Paul NOIR", "06 99 99 99 99", {"Ana NOIR": "20/10/2015"})
                .fills(database, vault, Clock())
            )
    assert await opened_by(place, NEW) == before


async def test_look_ups_stay_as_they_were(place: Place) -> None:
    """What a key was made of is not kept, so it cannot be made again: the old one stays."""
    async with core_parent(place, everybody()) as parent:
        before = parent.service.doors.conversations.key(parent.address)
        assert isinstance(parent, CoreParent)
    async with open_database(place) as database:
        await rotates(database, NEW, SECRET)
    async with open_storage(test_settings(place, secret=NEW)) as (_, vault):
        assert Conversations(vault).key(parent.address) == before


async def test_two_rotations_at_once(place: Place) -> None:
    async with core_parent(place, everybody()) as parent:
        await Dialogue(parent, "fr").follows(*ALL_TO_DONE)
    values = await opened_by(place, SECRET)
    async with open_database(place) as one, open_database(place) as other:
        await asyncio.gather(rotates(one, NEW, SECRET), rotates(other, NEW, SECRET))
    assert await opened_by(place, NEW) == values
