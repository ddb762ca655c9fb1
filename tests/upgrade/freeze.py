"""Freezes the present schema: `python -m tests.upgrade.freeze`, once before a migration is added.

It walks conversations to every state that can be stored, leaves some of what they send in the
outbox as if the bot had been killed, and writes the database as SQL into this folder. A file that
is there stays as it is: it is what a school may have.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32
from zoneinfo import ZoneInfo

from bot.answers import Doors
from bot.app import open_storage
from bot.channel import said
from bot.engine import Engine, Update
from bot.rendering import Renderer
from flows.chat import Chat
from flows.inputs import Pressed
from flows.policy import DEFAULT
from flows.states import S
from storage import accounts
from storage.conversations import Address
from storage.database import Work, migrations, run, run_many
from storage.outbox import SMS
from tests.conversations.roads import NEW_PHONE, ROADS, everybody
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent, Inbox, core_parent
from tests.helpers.school import School

FOLDER = Path(__file__).parent
CODE = "246810"  # everybody's, at every time
WRONG = ("(wrong code)",) * 5

PLACES: dict[str, tuple[str, ...]] = {
    **{state.value: road for state, road in ROADS.items()},
    "stopped": (*ROADS[S.FIRST_NAME], "/annuler", "[stop]"),
    "locked": (*ROADS[S.CODE], *WRONG, "(wait 61s)", "[resend]", *WRONG),
    "english": (*ROADS[S.PHONE], "/english"),
    "interrupted": (*ROADS[S.RECAP], "/annuler"),
    "missed": (*ROADS[S.BIRTHDATE], "15/03/2014", "16/03/2014"),
    "not_sent": ROADS[S.CHECK],
    "not_erased": ROADS[S.PASSWORD],
    "unclear": ROADS[S.CHECK],
}
"""Where the conversations live, and the road that each has gone."""


def last_name(place: str) -> str:
    """The last name of the parent of a place, for ever."""
    return place.replace("_", "").capitalize()


def mobile(place: str) -> str:
    """Their number, for ever."""
    return f"061{crc32(place.encode()) % 10**6:06d}8"


def new_mobile(place: str) -> str:
    """The number that they change to."""
    return f"075{crc32(place.encode()) % 10**6:06d}8"


def theirs(place: str, line: str) -> str:
    """A line of a road, as the parent of this place says it."""
    for said_by_marie, own in (
        ("DUPONT", last_name(place).upper()),
        ("Dupont", last_name(place)),
        ("06 12 34 56 78", mobile(place)),
        (NEW_PHONE, new_mobile(place)),
    ):
        line = line.replace(said_by_marie, own)
    return line


def school() -> School:
    """The families of all tests, and one for each place."""
    known = everybody()
    for place in [*PLACES, "expired", "start"]:
        last = last_name(place).upper()
        known.knows(f"Marie {last}", mobile(place), {f"Léa {last}": "14/03/2014"})
    return known


async def _walk(path: Path) -> None:
    async with core_parent(
        path, school(), place="expired", make_code=lambda: CODE, mail=Inbox()
    ) as first:
        await _goes(first, "expired", *ROADS[S.CHECK], "(wait 24h)")
        for place, road in PLACES.items():
            await _goes(first.beside(place, None if place == "language" else "fr"), place, *road)
        await first.bot.closes()
        async with open_storage(first.settings) as (database, _):
            await _is_killed(replace(first.service.doors, database=database), first)


async def _goes(parent: CoreParent, place: str, *road: str) -> None:
    dialogue = Dialogue(parent, "fr")
    for line in road:
        await dialogue.does(theirs(place, line))


def _nothing_leaves(_chat: bytes, _kinds: object) -> None:
    """What was put in stays there."""


async def _is_killed(doors: Doors, parent: CoreParent) -> None:
    """Some turns of which nothing was sent, one whose SMS may have left, one that failed."""
    people, now = parent.bot.parents, parent.clock.now
    with ThreadPoolExecutor(1) as executor:
        renderer = Renderer(ZoneInfo("UTC"))
        engine = Engine(doors, DEFAULT, renderer, parent.clock, _nothing_leaves, executor, ["core"])
        for place in ("not_sent", "unclear"):
            press = Pressed("yes", people[place].last.asked)
            await engine.take(Update(people[place].address, press, f"core:{place}"))
        typed = said(PASSWORD, message="99")
        await engine.take(Update(people["not_erased"].address, typed, "core:not_erased"))
    start = Address("core", "start")
    failed = doors.conversations.save(
        doors.conversations.key(start), start, Chat(lang="fr"), None, now
    )
    await doors.database.run(failed)
    sms = await doors.database.run(
        doors.outbox.head(doors.conversations.key(people["unclear"].address), SMS)
    )
    assert sms
    await doors.database.run(doors.outbox.claim(sms, worker=1))


def dump(path: Path) -> Iterator[str]:
    """The database as SQL, in the order of its tables and rows."""
    with closing(sqlite3.connect(path)) as connection:
        [(version,)] = connection.execute("PRAGMA user_version")
        yield f"PRAGMA user_version = {version};"
        yield from connection.iterdump()


def load(frozen: Path, path: Path) -> None:
    """Make the database of a frozen file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(frozen.read_text("utf-8"))


def rows_on_server(frozen: Path) -> Work[None]:
    """The rows of a frozen file, for a PostgreSQL database with the schema of that time."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(frozen.read_text("utf-8"))
        yield from run("SET LOCAL session_replication_role = replica")  # rows in any order
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        for (table,) in connection.execute(tables).fetchall():
            found = connection.execute(f"SELECT * FROM {table}")
            columns = [column for column, *_ in found.description]
            marks = ", ".join("?" * len(columns))
            insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
            yield from run_many(insert, found.fetchall())
        for table, last in connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall():
            # Nothing where the numbers are not the server's to give.
            yield from run("SELECT setval(pg_get_serial_sequence(?::text, 'id'), ?)", table, last)


def main() -> None:
    """Write the file of the present schema."""
    accounts._MEMORY_KIB = 8
    frozen = FOLDER / f"{migrations()[-1][0]:04}.sql"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sesame.sqlite3"
        asyncio.run(_walk(path))
        with frozen.open("x", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in dump(path))
    print(frozen)


if __name__ == "__main__":
    main()
