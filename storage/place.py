"""Where a database is, and how it is opened: a SQLite file, or PostgreSQL by its address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storage.database import Database

Place = Path | str
"""A SQLite file (or ":memory:"), or the URL of a PostgreSQL database (`is_url`)."""


def is_url(place: Place) -> bool:
    """Whether that is PostgreSQL."""
    return isinstance(place, str) and place.startswith("postgresql:")


@asynccontextmanager
async def open_database(place: Place) -> AsyncIterator[Database]:
    """Open the database, bring its schema up to date, and close it at the end."""
    database = await connect(place)
    try:
        yield database
    finally:
        await database.close()


async def connect(place: Place) -> Database:
    """Open without a `with`; the caller closes. Raises StorageError in one clear line."""
    # Each of the two is imported where it is used: the other one's library need not be there.
    if is_url(place):
        from storage import postgresql  # noqa: PLC0415

        return await postgresql.connect(str(place))
    from storage import sqlite  # noqa: PLC0415

    return await sqlite.connect(place)


@asynccontextmanager
async def visit(place: Place, patience: int = 1) -> AsyncIterator[Database]:
    """Open one more connection to a database that is in use, to see how it is.

    It makes and changes nothing, and waits no longer than `patience` seconds for others. Raises
    StorageError.
    """
    if is_url(place):
        from storage import postgresql  # noqa: PLC0415

        async with postgresql.visit(str(place), patience) as database:
            yield database
        return
    from storage import sqlite  # noqa: PLC0415

    async with sqlite.visit(place, patience) as file:
        yield file
