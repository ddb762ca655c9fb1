"""The embedded database: one SQLite file, and nothing to install.

The whole generator of a work runs in aiosqlite's thread in one go: one hop a turn instead of one a
statement (a third of the cost).
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar, cast

import aiosqlite

from storage import database as port
from storage.backups import copy_to, write_backup
from storage.database import (
    SKIP_LOCKED,
    Busy,
    Database,
    Lock,
    StorageError,
    Work,
    one,
    statements,
)

T = TypeVar("T")


class Sqlite(Database):
    """A SQLite file (or ":memory:")."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._held = set[tuple[object, ...]]()

    async def run(self, work: Work[T]) -> T:
        """In the thread of the one connection, alone with the right to write."""
        return await self._in_thread(lambda connection: _transaction(connection, work))

    async def prepare(self, work: Work[T]) -> T:
        """The same without the right to write, until it writes."""
        return await self._in_thread(lambda connection: _transaction(connection, work, "BEGIN"))

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[Database]:
        """This one itself: all work is done on its one connection."""
        yield self

    async def hold(self, *name: object) -> bool:
        """Nobody else serves a file (storage/holding.py)."""
        self._held.add(name)
        return True

    def holds(self, *name: object) -> bool:
        """Whether we have it."""
        return name in self._held

    async def is_held(self, *name: object) -> bool:
        """Whether we have it: no other process lives."""
        return name in self._held

    async def forget_deleted(self) -> None:
        """Empty the journal: what was deleted is then in no file any more (RELIABILITY 0.1)."""
        await self._in_thread(
            lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        )

    async def schema(self) -> int:
        """What the file's head says."""
        row = await self.prepare(one("PRAGMA user_version"))
        return int(row[0]) if row else 0

    async def check(self) -> None:
        """Read the whole file."""
        found = await self.prepare(one("PRAGMA integrity_check(1)"))
        if found != ("ok",):
            raise StorageError(*_DAMAGED.args)

    async def close(self) -> None:
        """Close the file."""
        await self._connection.close()

    async def _in_thread(self, job: Callable[[sqlite3.Connection], T]) -> T:
        # aiosqlite has no public call that hands a whole function to its thread; this one is what
        # all of its public calls are made of.
        execute = cast("Callable[..., Awaitable[T]]", self._connection._execute)
        try:
            return await execute(job, self._connection._conn)
        except StorageError:
            self.failures += 1
            raise


def _transaction(
    connection: sqlite3.Connection, work: Work[T], begin: str = "BEGIN IMMEDIATE"
) -> T:
    try:
        if connection.in_transaction:  # an earlier ROLLBACK failed too
            connection.execute("ROLLBACK")
        connection.execute(begin)
    except sqlite3.Error as error:  # damage is no OperationalError
        work.close()
        raise _named(error) from error
    try:
        result = _drive(connection, work)
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # the next transaction begins with it
                connection.execute("ROLLBACK")
        work.close()
        if isinstance(error, sqlite3.Error):
            raise _named(error) from error
        raise
    return result


def _drive(connection: sqlite3.Connection, work: Work[T]) -> T:
    """Feed the work with rows until it returns."""
    try:
        statement = next(work)
        while True:
            if isinstance(statement, Lock):
                rows = []  # whoever writes is alone
            elif statement.many is None:
                text = statement.text.removesuffix(SKIP_LOCKED)
                rows = connection.execute(text, statement.parameters).fetchall()
            else:
                connection.executemany(statement.text, statement.many)
                rows = []
            statement = work.send(rows)
    except StopIteration as end:
        return cast(T, end.value)


_DAMAGED = StorageError("The database file is damaged: restore it from a backup.")

_FAULTS: dict[int, StorageError] = {
    sqlite3.SQLITE_BUSY: Busy("The database is in use by another process; try again."),
    sqlite3.SQLITE_LOCKED: Busy("The database is in use by another process; try again."),
    sqlite3.SQLITE_READONLY: StorageError(
        "The database cannot be written: check the file's owner and rights."
    ),
    sqlite3.SQLITE_PERM: StorageError("The database file may not be opened: check its rights."),
    sqlite3.SQLITE_CANTOPEN: StorageError(
        "The database file cannot be opened: check its folder and rights."
    ),
    sqlite3.SQLITE_FULL: StorageError("The disk is full: make room, and it goes on by itself."),
    sqlite3.SQLITE_IOERR: StorageError("The disk does not answer as it should: check it."),
    sqlite3.SQLITE_NOMEM: StorageError("There is not enough memory."),
    sqlite3.SQLITE_PROTOCOL: Busy("The database is in use by another process; try again."),
    sqlite3.SQLITE_INTERRUPT: StorageError("The database was interrupted; it is tried again."),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: StorageError("The file is not a database: check SESAME_DATABASE_URL."),
}


def _named(error: sqlite3.Error) -> Exception:
    """Say whose fault a SQLite error is. Broken SQL stays as it is: that is ours."""
    code = getattr(error, "sqlite_errorcode", None)
    fault = None if code is None else _FAULTS.get(code & 0xFF)  # the primary result code
    return error if fault is None else type(fault)(*fault.args)


async def connect(path: str | Path) -> Sqlite:
    """Open the file, and make or bring up to date what is in it; the caller closes."""
    if str(path) != ":memory:":
        make_folder(Path(path).parent)
        # A new file, for its owner only from the first moment: its journal gets the same rights.
        # One that is there is not opened: to close it would drop SQLite's locks in this process.
        with suppress(OSError):  # where it cannot be made, SQLite says why
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = aiosqlite.connect(path, isolation_level=None, timeout=30)
    try:
        await connection
    except sqlite3.Error as error:
        connection._thread.join()  # aiosqlite leaves it to end when the loop may be closed already
        raise _named(error) from error
    database = Sqlite(connection)
    try:
        await database._in_thread(lambda opened: _prepare(opened, Path(path)))
        if str(path) != ":memory:":
            Path(path).chmod(0o600)
    except BaseException as error:
        await database.close()
        if isinstance(error, sqlite3.Error):
            raise _named(error) from error
        if isinstance(error, OSError):
            raise StorageError(f"{path} belongs to another user: {error.strerror}.") from error
        raise
    return database


@asynccontextmanager
async def visit(path: str | Path, patience: int) -> AsyncIterator[Sqlite]:
    """One more connection to a file that is there; see `storage.place.visit`."""
    url = f"{Path(path).absolute().as_uri()}?mode=rw"
    connection = aiosqlite.connect(url, uri=True, isolation_level=None, timeout=patience)
    try:
        await connection
    except sqlite3.Error as error:
        connection._thread.join()  # as in `connect`
        raise _named(error) from error
    try:
        yield Sqlite(connection)
    finally:
        await connection.interrupt()  # whoever has lost patience does not wait for the file's end
        await connection.close()


async def copy(path: Path, target: Path) -> int:
    """Copy the file while others work on it; see `storage.backups.copy_to`."""
    try:
        return await asyncio.to_thread(copy_to, path, target)
    except sqlite3.Error as error:
        raise _named(error) from error


def make_folder(folder: Path) -> None:
    """Make the database's folder, for its owner only. Raises StorageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror}.") from error


# Our tables, and a head that says that there is no schema yet. One statement: another process may
# be making the schema at this moment.
_HEADLESS = (
    "SELECT 1 FROM pragma_user_version"
    " WHERE user_version = 0 AND EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'canary')"
)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    # WAL lets the bot read while an import writes. FULL: a reply that was sent means that the
    # progress behind it survives a power cut too (promise 1). secure_delete: what is erased is
    # overwritten (RELIABILITY 0.1).
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    if connection.execute(_HEADLESS).fetchone():  # nothing is made over what is there
        raise StorageError(*_DAMAGED.args)
    _migrate(connection, path)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Switch the journal, once in a file's life. SQLite itself does not wait here for others."""
    deadline = time.monotonic() + 5  # each try may wait as long as the connection's own timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Apply what is missing, all or nothing, safe when two processes start.

    A database that has a schema already is copied first (storage/backups.py).
    """
    newest = port.migrations()[-1][0]
    if _version(connection) < newest:
        connection.execute("BEGIN IMMEDIATE")
        try:
            _apply_missing(connection, path)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk has ended it already
                connection.execute("ROLLBACK")
            raise
    if _version(connection) > newest:
        raise StorageError("The database was made by a newer Sésame: update Sésame first.")


def _apply_missing(connection: sqlite3.Connection, path: Path) -> None:
    made_by = _version(connection)  # the other process may have been quicker
    missing = [(version, script) for version, script in port.migrations() if version > made_by]
    if made_by and missing:
        try:
            write_backup(path, made_by)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise StorageError(
                f"No backup could be written to {path.parent / 'backups'} ({reason}): the database"
                " stays as it was. Mend that, and start again."
            ) from error
    for version, script in missing:
        for statement in statements(script):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version:d}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
