"""The database: all or nothing, several at once, and one clear line for every fault."""

import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import aiosqlite
import pytest

from flows.states import S
from storage import accounts
from storage.database import (
    Busy,
    Database,
    StorageError,
    Work,
    every,
    migrations,
    one,
    run,
    run_many,
)
from storage.place import Place, connect, open_database
from storage.sqlite import Sqlite
from tests.conversations.roads import ROADS
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import core_parent
from tests.helpers.school import a_school

ROOM = 500  # pages


class Stop(Exception):
    """Something that goes wrong in the middle."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sesame.sqlite3"


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else at the same file."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def put(*names: str, stops: bool = False) -> Work[int]:
    """Add updates, and perhaps fail after the last."""
    for name in names:
        yield from run("INSERT INTO updates VALUES (?, 0)", name)
    if stops:
        raise Stop
    row = yield from one("SELECT count(*) FROM updates")
    assert row is not None
    return int(row[0])


async def names(database: Database) -> list[str]:
    return [name for (name,) in await database.run(every("SELECT id FROM updates ORDER BY id"))]


async def line(path: Path, kind: type[StorageError] = StorageError) -> str:
    """The one line with which it does not open."""
    with pytest.raises(StorageError) as said:
        async with open_database(path):
            raise AssertionError("it opened")
    assert type(said.value) is kind
    text = str(said.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


# ---- all or nothing --------------------------------------------------------------------------


async def test_a_transaction_is_whole(path: Path) -> None:
    async with open_database(path) as database:
        assert await database.run(put("a", "b")) == 2
        with pytest.raises(Stop):
            await database.run(put("c", "d", stops=True))
        with pytest.raises(sqlite3.IntegrityError):
            await database.run(put("e", "f", "a"))  # "a" stands there already
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await database.run(run("INSERT INTO nowhere VALUES (1)"))
        assert await names(database) == ["a", "b"]
        assert await database.run(put("g")) == 3  # it goes on
    async with open_database(path) as database:
        assert await names(database) == ["a", "b", "g"]


async def test_many_rows_are_whole_too(place: Place) -> None:
    def rows(stops: bool) -> Iterator[tuple[str, int]]:
        for number in range(1000):
            yield f"{number:04}", number
        if stops:
            raise Stop

    async with open_database(place) as database:
        insert = "INSERT INTO updates VALUES (?, ?)"
        with pytest.raises(Stop):
            await database.run(run_many(insert, rows(stops=True)))
        assert await names(database) == []
        await database.run(run_many(insert, rows(stops=False)))
        assert len(await names(database)) == 1000


async def test_work_is_closed_when_it_fails(path: Path) -> None:
    closed: list[str] = []

    def work() -> Work[None]:
        try:
            yield from run("INSERT INTO nowhere VALUES (1)")
        finally:
            closed.append("closed")

    async with open_database(path) as database:
        with pytest.raises(sqlite3.OperationalError):
            await database.run(work())
    assert closed == ["closed"]


async def test_preparing_holds_up_no_writer(path: Path) -> None:
    """A long reading in one process, a turn in another: the reader sees the old state whole."""
    async with open_database(path) as reader, open_database(path) as writer:
        await writer.run(put("a"))
        await writer.run(every("PRAGMA busy_timeout = 0"))

        def reads() -> Work[list[int]]:
            counts = []
            for _ in range(2):
                row = yield from one("SELECT count(*) FROM updates")
                assert row is not None
                counts.append(int(row[0]))
                if len(counts) == 1:
                    with raw(path) as other:
                        other.execute("INSERT INTO updates VALUES ('b', 0)")
            return counts

        assert await reader.prepare(reads()) == [1, 1]
        assert await names(writer) == ["a", "b"]


async def test_what_is_promised_of_the_file(path: Path) -> None:
    async with open_database(path) as database:
        for pragma, value in (
            *(("journal_mode", "wal"), ("synchronous", 2)),
            *(("foreign_keys", 1), ("secure_delete", 1)),
        ):
            assert await database.run(every(f"PRAGMA {pragma}")) == [(value,)], pragma
        modes = {part.suffix: stat.S_IMODE(part.stat().st_mode) for part in path.parent.iterdir()}
        assert modes == {".sqlite3": 0o600, ".sqlite3-wal": 0o600, ".sqlite3-shm": 0o600}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_database_in_memory() -> None:
    async with open_database(":memory:") as database:
        assert await database.run(put("a")) == 1
    assert not Path(":memory:").exists()


async def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "sesame.sqlite3"
    async with open_database(path) as database:
        assert await database.run(put("a")) == 1
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_no_statement_of_a_turn_reads_a_whole_table(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do those that look for what is to be sent: the tables grow with a country's parents."""
    monkeypatch.setattr(accounts, "_MEMORY_KIB", 8)
    asked = set[str]()
    async with core_parent(path, a_school(), make_code=lambda: "246810") as parent:
        database = parent.service.doors.database
        assert isinstance(database, Sqlite)
        await database._in_thread(lambda connection: connection.set_trace_callback(asked.add))
        dialogue = Dialogue(parent, "fr")
        for line in (*ROADS[S.RECAP], "[activate_now]"):
            await dialogue.does(line)
            await parent.service.delivery.look()
        dialogue.is_asked(S.DONE)
        await parent.waits(hours=1)
        plans = {
            step
            for statement in asked
            if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))
            for *_, step in await database.run(every(f"EXPLAIN QUERY PLAN {statement}"))
        }
    whole = {step for step in plans if re.fullmatch(r"(SCAN|SEARCH) \w+", step)}
    small = {"SCAN canary", "SCAN schools"}
    limited = {"SCAN audit", "SEARCH accounts"}  # from the end of its numbers
    within = {"SCAN sent", "SCAN here", "SEARCH heads"}  # what an index has found
    assert whole == small | limited | within


# ---- the schema ------------------------------------------------------------------------------


def test_migrations_are_numbered_in_order() -> None:
    versions = [version for version, _ in migrations()]
    assert versions == list(range(1, len(versions) + 1))


async def test_migrations_apply_once(path: Path) -> None:
    async with open_database(path) as database:
        await database.run(put("a"))
        schema = await database.run(every("SELECT sql FROM sqlite_master ORDER BY name"))
    with raw(path) as other:
        changes = other.execute("PRAGMA schema_version").fetchone()
    for _ in range(2):
        async with open_database(path) as database:
            assert await names(database) == ["a"]
            again = await database.run(every("SELECT sql FROM sqlite_master ORDER BY name"))
            assert again == schema
    with raw(path) as other:
        assert other.execute("PRAGMA schema_version").fetchone() == changes
        assert other.execute("PRAGMA user_version").fetchone() == (migrations()[-1][0],)


async def test_a_migration_that_fails_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = [*migrations(), (99, "CREATE TABLE half (a);\nINSERT INTO nowhere VALUES (1);\n")]
    with monkeypatch.context() as patch:
        patch.setattr("storage.database.migrations", lambda: bad)
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            await connect(path)
    async with open_database(path) as database:
        tables = await database.run(every("SELECT name FROM sqlite_master WHERE name = 'half'"))
        assert tables == []


async def test_a_newer_schema_is_left_alone(path: Path) -> None:
    async with open_database(path) as database:
        await database.run(put("a"))
    newer = migrations()[-1][0] + 1
    with raw(path) as other:
        other.execute(f"PRAGMA user_version = {newer}")
    assert await line(path) == "The database was made by a newer Sésame: update Sésame first."
    with raw(path) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (newer,)
        assert other.execute("SELECT id FROM updates").fetchall() == [("a",)]


WORKER = """
import asyncio, sys
from storage.database import run, every
from storage.place import open_database
async def opens(path, name):
    async with open_database(path) as database:
        await database.run(run("INSERT INTO updates VALUES (?, 0)", name))
        [[mode]] = await database.run(every("PRAGMA journal_mode"))
        [[version]] = await database.run(every("PRAGMA user_version"))
    return f"{mode} {version}"
print("ready", flush=True)
for line in sys.stdin:
    try:
        print(asyncio.run(opens(line.strip(), sys.argv[1])), flush=True)
    except BaseException as error:
        print(repr(error), flush=True)
"""


async def test_two_processes_open_a_fresh_file_at_once(tmp_path: Path) -> None:
    workers = [_starts(name) for name in ("one", "two")]
    try:
        assert [_answer(worker) for worker in workers] == ["ready", "ready"]
        for number in range(20):
            path = tmp_path / f"{number}.sqlite3"
            for worker in workers:
                assert worker.stdin
                worker.stdin.write(f"{path}\n")
                worker.stdin.flush()
            whole = f"wal {migrations()[-1][0]}"
            assert [_answer(worker) for worker in workers] == [whole, whole], number
            async with open_database(path) as database:
                assert await names(database) == ["one", "two"]
    finally:
        for worker in workers:
            worker.communicate(timeout=30)


def _starts(name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
    )


def _answer(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout
    return worker.stdout.readline().strip()


# ---- faults, each in one line ----------------------------------------------------------------

IN_USE = "The database is in use by another process; try again."


async def test_locked_is_busy_and_can_be_tried_again(path: Path) -> None:
    async with open_database(path) as database:
        await database.run(every("PRAGMA busy_timeout = 0"))
        with raw(path) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Busy) as said:
                await database.run(put("a"))
            assert str(said.value) == IN_USE
        assert await database.run(put("a")) == 1


async def test_locked_on_opening_is_busy_after_a_while(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is not ours alone yet: SQLite waits as told, and we a little more."""
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def impatient(path: Path, *, isolation_level: None, timeout: float) -> aiosqlite.Connection:
        return real(path, isolation_level=isolation_level, timeout=0)

    real = aiosqlite.connect
    monkeypatch.setattr(aiosqlite, "connect", impatient)
    virtual = SimpleNamespace(sleep=sleep, monotonic=lambda: now)
    monkeypatch.setattr("storage.sqlite.time", virtual)
    with raw(path) as other:
        other.execute("CREATE TABLE x (a)")
        other.execute("BEGIN EXCLUSIVE")
        assert await line(path, Busy) == IN_USE
        assert 1 <= now <= 60
    async with open_database(path):
        pass


async def test_not_a_database(path: Path) -> None:
    for content in (b"hello", b"nom;prenom;mobile\n" * 1000, os.urandom(8192)):
        path.write_bytes(content)
        said = await line(path)
        assert said == "The file is not a database: check SESAME_DATABASE_URL."
        assert path.read_bytes() == content


async def test_a_folder(tmp_path: Path) -> None:
    said = await line(tmp_path)
    assert said == "The database file cannot be opened: check its folder and rights."


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    said = await line(tmp_path / "file" / "sesame.sqlite3")
    assert said.startswith(f"{tmp_path / 'file'} cannot be made: ")


async def test_a_damaged_file(path: Path) -> None:
    async with open_database(path) as database:
        await database.run(run_many("INSERT INTO updates VALUES (?, 0)", _long(2000)))
    content = bytearray(path.read_bytes())
    assert len(content) > 20 * 4096
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    path.write_bytes(content)
    with pytest.raises(StorageError) as said:  # while it is opened, or when it is read
        async with open_database(path) as database:
            await database.run(every("SELECT count(*), max(at) FROM updates NOT INDEXED"))
    assert str(said.value) == "The database file is damaged: restore it from a backup."
    assert path.read_bytes()[:4096] == content[:4096]  # nothing was made anew over it


def _long(rows: int) -> Iterator[tuple[str]]:
    return ((f"{number:0100}",) for number in range(rows))


async def test_a_full_disk(path: Path) -> None:
    """Nothing of the turn is stored, reading goes on, and with room so does everything."""
    async with open_database(path) as database:
        await database.run(put("a"))
        await database.run(every(f"PRAGMA max_page_count = {ROOM}"))
        with pytest.raises(StorageError) as said:
            await database.run(run_many("INSERT INTO updates VALUES (?, 0)", _long(50_000)))
        assert str(said.value) == "The disk is full: make room, and it goes on by itself."
        assert not isinstance(said.value, Busy)
        assert await names(database) == ["a"]
        await database.run(every("PRAGMA max_page_count = 100000"))
        assert await database.run(put("b")) == 2


@contextmanager
def nobody() -> Iterator[Path]:
    """A folder, and no more rights than a plain user has."""
    with TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def _plain_user(*own: Path) -> Iterator[None]:
    if os.geteuid():
        yield
        return
    for path in own:
        os.chown(path, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_read_only_file() -> None:
    with nobody() as folder:
        path = folder / "sesame.sqlite3"
        async with open_database(path):
            pass
        path.chmod(0o400)
        with _plain_user(folder, path):
            async with open_database(path) as database:
                with pytest.raises(StorageError) as said:
                    await database.run(put("a"))
                text = "The database cannot be written: check the file's owner and rights."
                assert str(said.value) == text
                assert await database.prepare(every("SELECT id FROM updates")) == []


async def test_a_file_that_may_not_be_opened() -> None:
    with nobody() as folder:
        path = folder / "sesame.sqlite3"
        async with open_database(path):
            pass
        path.chmod(0)
        with _plain_user(folder, path):
            said = await line(path)
        assert said == "The database file cannot be opened: check its folder and rights."


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
async def test_a_file_of_another_user() -> None:
    with nobody() as folder:
        path = folder / "sesame.sqlite3"
        async with open_database(path):
            pass
        path.chmod(0o666)
        with _plain_user(folder):
            said = await line(path)
        assert said.startswith(f"{path} belongs to another user: ")


async def test_a_folder_that_may_not_be_written() -> None:
    with nobody() as folder:
        (folder / "closed").mkdir()
        (folder / "closed").chmod(0o555)
        with _plain_user(folder, folder / "closed"):
            said = await line(folder / "closed" / "sesame.sqlite3")
            assert said == "The database file cannot be opened: check its folder and rights."
            said = await line(folder / "closed" / "more" / "sesame.sqlite3")
            assert said.startswith(f"{folder / 'closed' / 'more'} cannot be made: ")


async def test_a_connection_that_can_only_read(path: Path) -> None:
    async with open_database(path) as database:
        await database.run(every("PRAGMA query_only = ON"))
        with pytest.raises(StorageError) as said:
            await database.run(put("a"))
        assert "cannot be written" in str(said.value)
        await database.prepare(every("PRAGMA query_only = OFF"))
        assert await names(database) == []
