"""Copies of a SQLite file: those that an operator asks for, and those before its schema changes.

The latter lie in the folder `backups` beside the database. No copy lies with the secret that opens
it: whoever has the folder of the copies has no key (RELIABILITY 5, Backups).
"""

import filecmp
import os
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from storage.database import StorageError


def backups_of(database: Path) -> list[Path]:
    """All copies of a database by name, and what a kill left of one: each holds its data."""
    folder = database.parent / "backups"
    if not folder.is_dir():
        return []
    starts = (f"{database.name}.schema-", f"{database.name}.draft")
    return sorted(file for file in folder.iterdir() if file.name.startswith(starts))


def write_backup(database: Path, version: int) -> None:
    """Copy the database as it is now, while the caller keeps others from writing.

    The copy is complete or absent. A state that was copied before is not copied again: a migration
    that fails at every start leaves one backup. Raises OSError or sqlite3.Error.
    """
    folder = database.parent / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    draft = folder / f"{database.name}.draft"
    _remove(draft)  # of a process that was killed: only one writes at a time
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(draft)) as copy:
            source.backup(copy)
            _drop_passwords(copy)
        earlier = backups_of(database)
        if any(filecmp.cmp(draft, one, shallow=False) for one in earlier if one != draft):
            return
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        draft.rename(folder / f"{database.name}.schema-{version}.{time}")
        _note(folder)
    finally:
        _remove(draft)


def copy_to(database: Path, target: Path) -> int:
    """Copy the database while others work on it; the copy's size in bytes.

    The copy is one file for its owner only, complete and whole, or absent; it is of one moment,
    and its schema is as it was. Nothing is ever written over. Raises StorageError, or
    sqlite3.Error of the database itself.
    """
    if target.exists():
        raise StorageError(f"{target} is there already: give another name.")
    if list(target.absolute().parent.glob("*.secret*")):
        raise StorageError(
            f"{target.absolute().parent} holds a secret: copy to another folder. Whoever finds a"
            " copy with its secret can read it."
        )
    try:
        descriptor, name = tempfile.mkstemp(dir=target.absolute().parent, prefix=".draft-")
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror}.") from None
    os.close(descriptor)  # made with mode 0600
    draft = Path(name)
    try:
        _copy_whole(database, draft)
        os.link(draft, target)  # never over what another one has made meanwhile
        _note(target.absolute().parent)
        return target.stat().st_size
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror}.") from None
    finally:
        _remove(draft)


def _copy_whole(database: Path, draft: Path) -> None:
    there = f"{database.absolute().as_uri()}?mode=rw"  # a file that is not there is not made
    with (
        closing(sqlite3.connect(there, uri=True, timeout=30)) as source,
        closing(sqlite3.connect(draft)) as copy,
    ):
        source.backup(copy)
        _drop_passwords(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        if copy.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise StorageError(
                f"{database} is damaged, and so would be its copy: restore it from an earlier one."
            )
    with draft.open("rb+") as file:
        os.fsync(file.fileno())


def _drop_passwords(copy: sqlite3.Connection) -> None:
    """A password that waits for an account service is kept for 30 minutes, and in no copy.

    Its bytes are overwritten in their place. After a restore it is asked for again.
    """
    held = "SELECT count(*) FROM sqlite_master WHERE name = 'passwords'"
    if copy.execute(held).fetchone() == (0,):  # a copy of before there was such a thing
        return
    if copy.execute("SELECT count(*) FROM passwords").fetchone() == (0,):
        return
    copy.execute("PRAGMA journal_mode = MEMORY")
    copy.execute("PRAGMA secure_delete = ON")
    copy.execute("DELETE FROM passwords")
    copy.commit()


def _remove(draft: Path) -> None:
    for file in (draft, draft.with_name(f"{draft.name}-journal")):
        file.unlink(missing_ok=True)


def _note(folder: Path) -> None:
    """Bring the new name to the disk, where the system can open a folder."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        os.fsync(opened)
        os.close(opened)
