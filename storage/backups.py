"""Copies of a SQLite file, made before its schema changes.

They lie in the folder `backups` beside the database, away from the secret that opens them: whoever
copies that folder has no key (RELIABILITY 5, Backups).
"""

import filecmp
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path


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


def _remove(draft: Path) -> None:
    for file in (draft, draft.with_name(f"{draft.name}-journal")):
        file.unlink(missing_ok=True)


def _note(folder: Path) -> None:
    """Bring the new name to the disk, where the system can open a folder."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        os.fsync(opened)
        os.close(opened)
