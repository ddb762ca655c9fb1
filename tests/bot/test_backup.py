"""`sesame backup`: a whole copy of one moment while others write, or none at all."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import locales
from storage import backups
from storage.backups import copy_to, write_backup
from storage.database import StorageError
from tests.bot.test_command_line import Run, _machine, database, failed
from tests.bot.test_command_line import run as command
from tests.bot.test_doctor import small_disk
from tests.conversations.roads import CODE_OF_MARIE
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import SECRET, core_parent
from tests.helpers.school import a_school

__all__ = ["_machine", "command", "database"]  # the machine on which it runs


@pytest.fixture
def register(database: Path) -> None:
    async def fill() -> None:
        async with core_parent(database, a_school()) as parent:
            await Dialogue(parent, "fr").follows(*CODE_OF_MARIE)

    asyncio.run(fill())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder / "copy.sqlite3"


def alone(target: Path) -> bool:
    """Nothing else is left in its folder."""
    return [file for file in target.parent.iterdir() if file != target] == []


def told(path: Path) -> list[tuple[object, ...]]:
    """What a database says of itself, read by another program."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return opened.execute("SELECT chat, record FROM chats").fetchall()


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize("lang", locales.LANGUAGES)
def test_a_copy(command: Run, database: Path, target: Path, lang: str) -> None:
    result = command("backup", str(target), LC_ALL=lang)
    assert result.exit_code == 0
    facts = {"file": str(target), "kilobytes": -(-target.stat().st_size // 1000)}
    assert result.stdout == locales.say("backup.done", lang, facts) + "\n"
    assert target.stat().st_mode & 0o777 == 0o600
    assert told(target) == told(database) != []
    assert alone(target)  # one file, with no journal beside it, also after it was read
    assert SECRET.encode() not in target.read_bytes()


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize("by", ["an operator", "an upgrade"])
def test_no_password_is_in_a_copy(database: Path, target: Path, by: str) -> None:
    """It is to be gone after 30 minutes, and a copy may be kept for years."""
    sealed = b"a sealed password that waits " * 4
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("INSERT INTO passwords VALUES (?, ?, 1)", (b"chat", sealed))
        opened.commit()
        assert opened.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        if by == "an operator":
            copy_to(database, target)
        else:
            write_backup(database, 1)
            [target] = backups.backups_of(database)
    assert sealed not in target.read_bytes()
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT count(*) FROM passwords").fetchone() == (0,)
    assert told(target) == told(database) != []


@contextmanager
def somebody_writes(database: Path) -> Iterator[list[int]]:
    """Two rows at a time, always both; how many pairs."""
    with closing(sqlite3.connect(database, isolation_level=None)) as opened:
        opened.execute("CREATE TABLE pairs (x, filler)")
    written, ended = [0], threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as opened:
            while not ended.is_set():
                opened.execute("BEGIN IMMEDIATE")
                for _ in range(2):
                    opened.execute("INSERT INTO pairs VALUES (?, randomblob(2000))", (written[0],))
                opened.execute("COMMIT")
                written[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield written
    finally:
        ended.set()
        writer.join()


@pytest.mark.usefixtures("register")
def test_copies_while_somebody_writes(command: Run, database: Path, target: Path) -> None:
    """Each copy is of one moment, and nobody who writes waits for it to its end."""
    with somebody_writes(database) as written:
        for number in range(5):
            before = written[0]
            file = target.with_name(f"copy-{number}")
            assert command("backup", str(file)).exit_code == 0
            told(file)
            with closing(sqlite3.connect(file)) as copy:
                query = "SELECT count(*), count(DISTINCT x) FROM pairs"
                rows, pairs = copy.execute(query).fetchone()
            assert rows == 2 * pairs
            assert before <= pairs <= written[0] + 1
    assert written[0] > 10


@pytest.mark.usefixtures("register")
def test_nothing_is_written_over(command: Run, target: Path) -> None:
    target.write_text("precious")
    assert failed(command("backup", str(target))).startswith(f"{target} is there already")
    assert target.read_text() == "precious"
    assert alone(target)


@pytest.mark.usefixtures("register")
def test_nor_what_another_one_makes_meanwhile(
    database: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = backups._copy_whole

    def slowly(*given: Path) -> None:
        whole(*given)
        target.write_text("precious")

    monkeypatch.setattr(backups, "_copy_whole", slowly)
    with pytest.raises(StorageError, match="cannot be written: File exists"):
        copy_to(database, target)
    assert target.read_text() == "precious"
    assert alone(target)


@pytest.mark.usefixtures("register")
def test_never_beside_the_secret(
    command: Run, database: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = target.with_name("sesame.sqlite3.secret")
    secret.write_text("x" * 64)
    assert f"{target.parent} holds a secret" in failed(command("backup", str(target)))
    assert not target.exists()
    monkeypatch.chdir(target.parent)
    failed(command("backup", "copy.sqlite3"))
    assert not target.exists()


def test_what_cannot_be_copied(command: Run, database: Path, target: Path) -> None:
    """One line, no file, and no database made."""
    failed(command("backup", str(target)))
    assert not database.exists()
    database.write_text("not a database " * 500)
    assert failed(command("backup", str(target))).startswith("The file is not a database")
    assert not target.exists()
    assert alone(target)


@pytest.mark.usefixtures("register")
def test_where_it_cannot_be_written(command: Run, target: Path) -> None:
    gone = target.parent / "gone" / "copy"
    assert failed(command("backup", str(gone))).endswith("written: No such file or directory.")
    for wrong in (target.parent, Path("/")):
        failed(command("backup", str(wrong)))
    assert alone(target)


@pytest.mark.usefixtures("register")
def test_a_damaged_database_is_not_copied(command: Run, database: Path, target: Path) -> None:
    with closing(sqlite3.connect(database)) as opened:
        [root] = opened.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'chats'"
        ).fetchone()
    content = bytearray(database.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    database.write_bytes(content)
    assert "damaged" in failed(command("backup", str(target)))
    assert not target.exists()
    assert alone(target)


@pytest.mark.usefixtures("register")
def test_a_full_disk_leaves_nothing(command: Run, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "64k") as folder:
        assert "full" in failed(command("backup", str(folder / "copy")))
        assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize("step", ["mkstemp", "_copy_whole", "link", "_note"])
def test_a_kill_leaves_a_whole_copy_or_none(database: Path, target: Path, step: str) -> None:
    owner = {"mkstemp": "tempfile", "link": "os"}.get(step, "storage.backups")
    code = (
        "import os, signal, sys, tempfile, storage.backups\n"
        f"real = {owner}.{step}\n"
        "def last(*given, **more):\n"
        "    real(*given, **more)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{owner}.{step} = last\n"
        "from pathlib import Path\n"
        "storage.backups.copy_to(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(database), str(target)],
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert target.exists() == (step in ("link", "_note"))
    if target.exists():
        assert told(target) == told(database)
    else:
        copy_to(database, target)
        assert told(target) == told(database)


@pytest.mark.parametrize("url", ["postgresql+asyncpg://sesame:zebra@db.example/sesame"])
def test_postgresql_has_its_own(command: Run, target: Path, url: str) -> None:
    line = failed(command("backup", str(target), SESAME_DATABASE_URL=url))
    assert f"pg_dump --format=custom --file={target}" in line
    assert "zebra" not in line
