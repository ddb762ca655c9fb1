"""Migrations run by themselves: at once, all or nothing, and never without a backup."""

import json
import re
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from storage.backups import backups_of
from storage.database import StorageError, every, migrations, run
from storage.place import open_database

MORE = """
ALTER TABLE updates ADD COLUMN note TEXT NOT NULL DEFAULT '';
CREATE TABLE later (id INTEGER PRIMARY KEY);
INSERT INTO later SELECT DISTINCT at FROM updates;
"""
PRESENT = migrations()[-1][0]
KILLED = "killed by SIGKILL"


class Process:
    """tests/upgrade/starting.py, warm."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.upgrade.starting"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert self.hears() == "ready"

    def asks(self, **what: Any) -> None:
        """Let it open a database."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def hears(self) -> str:
        """The schema it found, its error, or its death."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def opens(self, **what: Any) -> str:
        """Both."""
        self.asks(**what)
        return self.hears()


@contextmanager
def processes(number: int) -> Iterator[list[Process]]:
    """Several of them."""
    started = [Process() for _ in range(number)]
    try:
        yield started
    finally:
        for one in started:
            one.process.communicate(timeout=30)


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask the file itself, whatever its schema."""
    with closing(sqlite3.connect(path)) as other:
        return other.execute(sql).fetchall()


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A database of the present schema that is in use."""
    path = tmp_path / "sesame.sqlite3"
    async with open_database(path) as database:
        await database.run(run("INSERT INTO updates (id, at) VALUES ('a', 7)"))
    return path


def test_several_processes_start_at_once(path: Path) -> None:
    """One of them migrates and makes the one backup; for all of them it just opens."""
    before = path.read_bytes()
    with processes(8) as started:
        for number in (2, 8):
            path.write_bytes(before)
            for old in backups_of(path):
                old.unlink()
            at = time.time() + 0.3
            for one in started[:number]:
                one.asks(path=str(path), more=MORE, at=at)
            answers = [one.hears() for one in started[:number]]
            assert answers == [str(PRESENT + 1)] * number
            assert ask(path, "SELECT * FROM later") == [(7,)]
            [backup] = backups_of(path)
            assert ask(backup, "PRAGMA user_version") == [(PRESENT,)]


def test_killed_before_every_line(path: Path) -> None:
    """Nothing is half done, and the next start completes it."""
    before = path.read_bytes()
    with processes(1) as [one]:
        for kill_at in range(1, 200):
            path.write_bytes(before)
            end = one.opens(path=str(path), more=MORE, kill_at=kill_at)
            if end != KILLED:
                break
            [(version,)] = ask(path, "PRAGMA user_version")
            tables = ask(path, "SELECT name FROM sqlite_master WHERE name = 'later'")
            assert (version, bool(tables)) in ((PRESENT, False), (PRESENT + 1, True)), kill_at
            whole = [file for file in backups_of(path) if ".schema-" in file.name]
            if version > PRESENT:
                assert whole, kill_at
            for file in whole:
                assert ask(file, "PRAGMA integrity_check") == [("ok",)]
                assert ask(file, "SELECT id, at FROM updates") == [("a", 7)]
            assert one.opens(path=str(path), more=MORE) == str(PRESENT + 1), kill_at
            assert ask(path, "SELECT * FROM later") == [(7,)]
            assert all(".schema-" in file.name for file in backups_of(path)), kill_at
            for file in (*backups_of(path), *path.parent.glob("sesame.sqlite3-*")):
                file.unlink()
        assert end == str(PRESENT + 1)
        assert kill_at > 30


async def test_the_backup(path: Path) -> None:
    """The state before, for its owner only, apart from the secret, under a name that says all."""
    path.with_name("sesame.sqlite3.secret").write_text("secret")
    with processes(1) as [one]:
        assert one.opens(path=str(path), more=MORE) == str(PRESENT + 1)
        [backup] = backups_of(path)
        assert re.fullmatch(
            rf"sesame\.sqlite3\.schema-{PRESENT}\.\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\dZ", backup.name
        )
        assert backup.parent == path.parent / "backups"
        assert list(backup.parent.iterdir()) == [backup]
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
        assert stat.S_IMODE(backup.parent.stat().st_mode) == 0o700
        assert one.opens(path=str(path), more=MORE) == str(PRESENT + 1)
        assert backups_of(path) == [backup]
    path.write_bytes(backup.read_bytes())  # put back, it is the database that it was
    async with open_database(path) as database:
        assert await database.run(every("SELECT id, at FROM updates")) == [("a", 7)]


async def test_a_new_database_needs_none(path: Path) -> None:
    assert backups_of(path) == []
    assert not (path.parent / "backups").exists()


def test_backups_of_another_database_are_not_ours(path: Path) -> None:
    other = path.with_name("sesame.sqlite3.old")
    other.write_bytes(path.read_bytes())
    with processes(1) as [one]:
        one.opens(path=str(path), more=MORE)
        one.opens(path=str(other), more=MORE)
    names = [[file.name.partition(".schema-")[0] for file in backups_of(p)] for p in (path, other)]
    assert names == [["sesame.sqlite3"], ["sesame.sqlite3.old"]]


def test_a_migration_that_fails_at_every_start_leaves_one_backup(path: Path) -> None:
    before = path.read_bytes()
    with processes(1) as [one]:
        for _ in range(3):
            said = one.opens(path=str(path), more=f"{MORE}INSERT INTO nowhere VALUES (1);\n")
            assert said.startswith("OperationalError: no such table")
            [backup] = backups_of(path)
            backup.rename(backup.with_name(f"{backup.name[:-20]}2026-03-10T09-00-00Z"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("way", ["file in the way", "full disk"])
async def test_without_a_backup_nothing_is_migrated(
    path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """One clear line, and the database as it was."""
    before = path.read_bytes()
    monkeypatch.setattr("storage.database.migrations", lambda: [*migrations(), (99, MORE)])
    if way == "file in the way":
        (path.parent / "backups").write_text("")
    else:
        full(monkeypatch)
    with pytest.raises(StorageError) as said:
        async with open_database(path):
            raise AssertionError("it opened")
    folder = path.parent / "backups"
    reason = "File exists" if way == "file in the way" else "database or disk is full"
    assert str(said.value) == (
        f"No backup could be written to {folder} ({reason}): the database stays as it was."
        " Mend that, and start again."
    )
    assert path.read_bytes() == before
    assert backups_of(path) == []
    monkeypatch.undo()
    async with open_database(path) as database:
        assert await database.run(every("SELECT id FROM updates")) == [("a",)]


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every new file of SQLite's hold one page, as on a disk with no room."""
    connect = sqlite3.connect

    def small(path: str | Path, **how: Any) -> sqlite3.Connection:
        opened: sqlite3.Connection = connect(path, **how)
        if str(path).endswith(".draft"):
            opened.execute("PRAGMA max_page_count = 1")
        return opened

    monkeypatch.setattr("storage.backups.sqlite3.connect", small)
