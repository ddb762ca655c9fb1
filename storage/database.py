"""A database, and the shape of all work done in it: a generator that yields SQL and gets rows.

A transaction is written once, as plain code without I/O::

    def rename(who: int, name: str) -> Work[bool]:
        row = yield from one("SELECT name FROM people WHERE id = ?", who)
        ...

and `Database.run` drives it to its end inside one transaction. Which database it is, only its
address says (storage/place.py): a SQLite file (storage/sqlite.py), or PostgreSQL
(storage/postgresql.py). Both take the same work in the same words; what PostgreSQL words otherwise
is put right in one place (storage/dialect.py).

SQLite lets one transaction write at a time, PostgreSQL many (READ COMMITTED): work that reads,
decides and then writes first takes a `lock` on what it decides about. Whoever takes several takes
them in the order chat, codes, guardian, pupil, register; then no two wait for each other.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]


class StorageError(Exception):
    """The database's fault, with one clear line that says what to do."""


class NothingThere(StorageError):
    """There is a database, and nothing of ours is in it yet."""


class Busy(StorageError):
    """Others, or a short break, keep the work from being done; the same can be tried again."""


@dataclass(frozen=True, slots=True)
class Sql:
    """One statement and its parameters; with `many`, one execution for each row of parameters."""

    text: str
    parameters: Sequence[Any] = ()
    many: Iterable[Sequence[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """A wish to be alone with a name until the transaction ends; or, `shared`, among its like."""

    names: tuple[object, ...]
    shared: bool = False


Work = Generator[Sql | Lock, list[Row], T]

SKIP_LOCKED = " FOR UPDATE SKIP LOCKED"
"""Ends a query for rows of which another transaction may have some: SQLite has but one of them."""


def every(text: str, *parameters: object) -> Work[list[Row]]:
    """All rows of a query."""
    return (yield Sql(text, parameters))


def one(text: str, *parameters: object) -> Work[Row | None]:
    """The first row of a query, or None."""
    rows = yield Sql(text, parameters)
    return rows[0] if rows else None


def run(text: str, *parameters: object) -> Work[list[Row]]:
    """A statement that changes something; the rows of its RETURNING clause, if it has one."""
    return (yield Sql(text, parameters))


def run_many(text: str, rows: Iterable[Sequence[Any]]) -> Work[None]:
    """The same statement for many rows, taken from `rows` as they come."""
    yield Sql(text, many=rows)


def lock(*names: object) -> Work[None]:
    """Let nobody else do work under this name until the transaction ends, in any process.

    What was stored under it before is seen from here on. SQLite's writers are alone anyway.
    """
    yield Lock(names)


def lock_shared(*names: object) -> Work[None]:
    """Let nobody take a `lock` on this name until the transaction ends; others may share it."""
    yield Lock(names, shared=True)


def stamp(moment: datetime) -> int:
    """How a moment is stored: whole seconds since 1970, UTC."""
    return int(moment.timestamp())


def moment(stamped: int) -> datetime:
    """The moment that `stamp` stored."""
    return datetime.fromtimestamp(stamped, UTC)


class Database(ABC):
    """A database whose schema is this version's, opened by `open_database`."""

    shared = False
    """Whether several processes may serve it."""

    failures = 0
    """How often work was not done for the database's fault."""

    @abstractmethod
    async def run(self, work: Work[T]) -> T:
        """Do the work in one transaction: all of it, or nothing when it raises."""

    @abstractmethod
    async def prepare(self, work: Work[T]) -> T:
        """Do work that reads, or fills TEMP tables: however long it takes, no writer waits.

        It sees the database as it was at its beginning.
        """

    @abstractmethod
    def apart(self) -> AbstractAsyncContextManager["Database"]:
        """The same database for long work, and TEMP tables that last until its end."""

    @abstractmethod
    async def hold(self, *name: object) -> bool:
        """Hold a name as long as this process lives; False where another one has it."""

    @abstractmethod
    def holds(self, *name: object) -> bool:
        """Whether we hold the name, and have not lost it with a connection."""

    @abstractmethod
    async def is_held(self, *name: object) -> bool:
        """Whether a process that lives holds the name."""

    @abstractmethod
    async def forget_deleted(self) -> None:
        """Do what can be done so that what was deleted is in no file any more (RELIABILITY 0.1).

        While others read, the rest stays until a later call.
        """

    @abstractmethod
    async def schema(self) -> int:
        """The version of its schema, 0 where there is none. Of a visitor it may be any."""

    @abstractmethod
    async def check(self) -> None:
        """Read all of it. Raises StorageError where it is damaged."""

    @abstractmethod
    async def close(self) -> None:
        """Close it. Safe at any moment: what was committed stays."""


def is_current() -> Work[bool]:
    """Whether the schema is this version's."""
    row = yield from one("PRAGMA user_version")
    return row is not None and row[0] == migrations()[-1][0]


def migrations() -> list[tuple[int, str]]:
    """The numbered files of `storage/migrations`, oldest first: (version, SQL)."""
    files = resources.files("storage").joinpath("migrations").iterdir()
    found = [(int(file.name[:4]), file.read_text("utf-8")) for file in files if file.name[0] == "0"]
    return sorted(found)


def statements(script: str) -> list[str]:
    """Split a migration at the `;` that end a line."""
    parts = (script + "\n").split(";\n")
    return [part.strip() for part in parts if part.strip()]
