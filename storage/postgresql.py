"""PostgreSQL: one database for several processes and machines, reached by a pool of connections.

Each statement is awaited. A connection that was lost is replaced at the next work; the work that
it cut off raises Busy, and its caller gives it again. Nothing of it was stored, or all: whoever
takes an update twice does nothing twice.
"""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from storage import database as port
from storage.database import (
    Busy,
    Database,
    Lock,
    NothingThere,
    Row,
    Sql,
    StorageError,
    Work,
    statements,
)
from storage.dialect import VERSION, is_of_sqlite, translated
from storage.presence import SESSION, Presence

if TYPE_CHECKING:
    import asyncpg.pool

    Pool: TypeAlias = asyncpg.pool.Pool
    Connection: TypeAlias = asyncpg.pool.PoolConnectionProxy

T = TypeVar("T")

MOST_CONNECTIONS = 10
"""Of one process. A turn takes one for some milliseconds."""

PATIENCE = 30
"""Seconds for a connection, for others' locks, and for the answer to one statement."""

_FOR_TURNS = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_FOR_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ"

_SESSION = {
    "application_name": "sesame",
    "synchronous_commit": "on",  # promise 1: a reply that was sent means that this is on the disk
    "lock_timeout": f"{PATIENCE}s",
    "statement_timeout": "0",  # how long we wait is said below, for each connection
    # A machine that was cut off, or stopped in the middle, holds up nobody for longer.
    "idle_in_transaction_session_timeout": f"{2 * PATIENCE}s",
    "jit": "off",  # our statements are short
    # Whoever waits for a lock sees afterwards what was stored meanwhile, also where others migrate.
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
}
_MIGRATING = {
    "lock_timeout": "10min",  # another process may be migrating a country's register
    "idle_in_transaction_session_timeout": "0",
}


class Postgresql(Database):
    """A database on a server."""

    shared = True

    def __init__(self, url: str, pool: "Pool") -> None:
        self._url = url
        self._pool = pool
        self._presence = Presence(self._connect_for_presence, _number)

    async def run(self, work: Work[T]) -> T:
        """On a connection of the pool, beside other transactions (READ COMMITTED)."""
        return await self._transaction(work, _FOR_TURNS)

    async def prepare(self, work: Work[T]) -> T:
        """All statements see one state (REPEATABLE READ)."""
        return await self._transaction(work, _FOR_READING)

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[Database]:
        """One connection, since TEMP tables are the connection's; its statements may be long."""
        if self._pool.get_max_size() == 1:
            yield self
            return
        async with _open(self._url, 1, command_timeout=None) as pool:
            yield Postgresql(self._url, pool)

    async def hold(self, *name: object) -> bool:
        """By a lock of a session that lasts."""
        return await _asked(None, self._presence.hold(*name))

    def holds(self, *name: object) -> bool:
        """Whether we have it."""
        return self._presence.holds(*name)

    async def is_held(self, *name: object) -> bool:
        """Whether a session has it that the server has not given up."""
        return await _asked(None, self._presence.is_held(*name))

    async def _connect_for_presence(self) -> "asyncpg.Connection":
        import asyncpg  # noqa: PLC0415 - as in `_pool`

        settings = _SESSION | SESSION
        return await asyncpg.connect(self._url, timeout=PATIENCE, server_settings=settings)

    async def forget_deleted(self) -> None:
        """Let what was deleted be written over. The server's journal is the server's business."""
        await self._of_each_table("VACUUM (SKIP_LOCKED) {table}")

    async def schema(self) -> int:
        """What our own table says."""
        async with self._connection() as connection:
            return await _asked(connection, _version(connection))

    async def check(self) -> None:
        """The server compares what it reads with its checksums, where it has them."""
        await self._of_each_table("SELECT count(t.*) FROM {table} AS t")

    async def close(self) -> None:
        """Close all connections."""
        await self._presence.close()
        await _close(self._pool)

    async def _of_each_table(self, statement: str) -> None:
        async with self._connection() as connection:
            for (table,) in await _asked(connection, connection.fetch(_TABLES)):
                done = connection.execute(statement.format(table=table), timeout=3600)
                await _asked(connection, done)

    async def _transaction(self, work: Work[T], begin: str) -> T:
        try:
            async with self._connection() as connection:
                try:
                    await _begin(connection, begin)
                    result = await _drive(connection, work)
                    await _asked(connection, connection.execute("COMMIT"))
                except BaseException:
                    await _roll_back(connection)
                    raise
        finally:
            work.close()  # where it was cut off, it may hold something open
        return result

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator["Connection"]:
        try:
            connection = await _asked(None, self._pool.acquire(timeout=PATIENCE))
            try:
                yield connection
            finally:
                await self._pool.release(connection)
        except StorageError:
            self.failures += 1
            raise


async def _begin(connection: "Connection", how: str) -> None:
    import asyncpg  # noqa: PLC0415 - as in `_pool`

    try:
        await _asked(connection, connection.execute(how))
    except asyncpg.FeatureNotSupportedError as error:  # how a standby says it
        raise StorageError(_READ_ONLY) from error


async def _roll_back(connection: "Connection") -> None:
    """End the transaction; where that cannot be done, the connection with it."""
    if _is_lost(connection):
        return
    try:
        await connection.execute("ROLLBACK")
    except BaseException as error:
        if not _is_lost(connection):
            connection.terminate()
        if not isinstance(error, Exception):
            raise


def _is_lost(connection: "Connection") -> bool:
    import asyncpg  # noqa: PLC0415 - as in `_pool`

    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has taken it back already
        return True


async def _drive(connection: "Connection", work: Work[T]) -> T:
    """Feed the work with rows until it returns."""
    try:
        wish = next(work)
        while True:
            wish = work.send(await _asked(connection, _answer(connection, wish)))
    except StopIteration as end:
        return cast(T, end.value)


async def _answer(connection: "Connection", wish: Sql | Lock) -> list[Row]:
    if isinstance(wish, Lock):
        await connection.fetch(_SHARE if wish.shared else _LOCK, _number(*wish.names))
        return []
    if wish.many is not None:
        await connection.executemany(translated(wish.text), wish.many)
        return []
    return [tuple(row) for row in await connection.fetch(translated(wish.text), *wish.parameters)]


_LOCK = "SELECT pg_advisory_xact_lock($1)"
_SHARE = "SELECT pg_advisory_xact_lock_shared($1)"


def _number(*names: object) -> int:
    """What a lock is called on the server, where every user can see it: a hash of its name."""
    text = "\0".join(name.hex() if isinstance(name, bytes) else str(name) for name in names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


# Ours, each as it is written in SQL.
_TABLES = (
    "SELECT quote_ident(tablename) FROM pg_tables"
    " WHERE schemaname = current_schema() AND tableowner = current_user ORDER BY 1"
)


# ---- opening ---------------------------------------------------------------------------------


async def connect(url: str) -> Postgresql:
    """Open it, and make or bring up to date what is in it; the caller closes."""
    async with (
        _open(url, 1, command_timeout=None, **_MIGRATING) as pool,
        pool.acquire() as connection,
    ):
        await _asked(connection, _migrate(connection))
    pool = _pool(url, MOST_CONNECTIONS, command_timeout=PATIENCE)
    await _asked(None, pool)
    return Postgresql(url, pool)


@asynccontextmanager
async def visit(url: str, patience: int) -> AsyncIterator[Postgresql]:
    """One more connection; see `storage.place.visit`."""
    async with _open(url, 1, command_timeout=patience, lock_timeout=f"{patience}s") as pool:
        async with pool.acquire() as connection:
            await _asked(connection, _is_ours(connection, f"{patience}s"))
            if not await _asked(connection, _version(connection)):
                raise NothingThere("There is nothing of ours in the database.")
        yield Postgresql(url, pool)


@asynccontextmanager
async def _open(
    url: str, most: int, *, command_timeout: float | None, **session: str
) -> AsyncIterator["Pool"]:
    pool = _pool(url, most, command_timeout=command_timeout, **session)
    try:
        await _asked(None, pool)
        yield pool
    finally:
        await _close(pool)


def _pool(url: str, most: int, *, command_timeout: float | None, **session: str) -> "Pool":
    """Connections to be opened by awaiting it."""
    try:
        import asyncpg  # noqa: PLC0415 - where SQLite is used it need not be there
    except ModuleNotFoundError:
        raise StorageError(
            "PostgreSQL needs a library: pip install 'sesame-activation[postgresql]'."
        ) from None

    return asyncpg.create_pool(
        url,
        min_size=1,
        max_size=most,
        timeout=min(command_timeout or PATIENCE, PATIENCE),
        command_timeout=command_timeout,
        max_inactive_connection_lifetime=0 if most == 1 else 300,
        statement_cache_size=1000,
        max_cached_statement_lifetime=0,
        server_settings=_SESSION | session,
        reset=_leave,
    )


async def _leave(_connection: object) -> None:
    """No work changes its connection, so none is reset: that would be a round trip a turn."""


async def _close(pool: "Pool") -> None:
    """Take leave of the server, and do not wait long for it."""
    try:
        async with asyncio.timeout(2):
            await pool.close()
    except (TimeoutError, OSError):
        pool.terminate()


async def _migrate(connection: "Connection") -> None:
    """Apply what is missing, all or nothing, safe when several processes start."""
    await _is_ours(connection, _MIGRATING["lock_timeout"])
    if connection.get_settings().server_encoding != "UTF8":
        raise StorageError("The database is not in UTF-8: make one with ENCODING 'UTF8'.")
    newest = port.migrations()[-1][0]
    if await _version(connection) < newest:
        async with connection.transaction():
            await connection.execute(_LOCK, _number("schema"))
            await _apply_missing(connection, await _version(connection))
    if await _version(connection) > newest:
        raise StorageError("The database was made by a newer Sésame: update Sésame first.")


async def _is_ours(connection: "Connection", lock_timeout: str) -> None:
    """See that the session is as we asked. Raises StorageError where a pooler has others in it.

    By such sessions two processes would hold one name, and both would ask Telegram.
    """
    took = "SELECT current_setting('lock_timeout')::interval = $1::text::interval"
    if not await connection.fetchval(took, lock_timeout):
        raise StorageError(_POOLER)


async def _version(connection: "Connection") -> int:
    """The schema's; 0 where there is none. Raises StorageError where only our tables are there."""
    [[known, ours]] = await connection.fetch(
        "SELECT to_regclass('schema_version') IS NOT NULL, to_regclass('canary') IS NOT NULL"
    )
    row = await connection.fetchrow(VERSION) if known else None
    if row is None and ours:  # nothing is made over what is there
        raise StorageError(_DAMAGED)
    return int(row[0]) if row else 0


async def _apply_missing(connection: "Connection", made_by: int) -> None:
    if not made_by:
        await connection.execute("CREATE TABLE schema_version (version BIGINT NOT NULL)")
        await connection.execute("INSERT INTO schema_version VALUES (0)")
    for version, script in port.migrations():
        if version <= made_by:
            continue
        for statement in statements(script):
            if not is_of_sqlite(statement):
                await connection.execute(translated(statement))
        await connection.execute("UPDATE schema_version SET version = $1", version)


# ---- whose fault it is -----------------------------------------------------------------------

_DAMAGED = "The database is damaged: restore it from a backup."
_READ_ONLY = "PostgreSQL only reads here (a standby?): SESAME_DATABASE_URL must name the main one."
_LOST = "PostgreSQL broke off: it is tried again."
_POOLER = (
    "Something between us and PostgreSQL does not give us sessions of our own (PgBouncer?):"
    " SESAME_DATABASE_URL must name the server itself."
)
_NO_TLS = (
    "PostgreSQL offers no TLS, which SESAME_DATABASE_URL asks for: set ssl = on in its"
    " postgresql.conf."
)

# By SQLSTATE, or its first two characters (PostgreSQL's manual, appendix A).
_FAULTS: dict[str, StorageError] = {
    "08": Busy(_LOST),
    "08P01": StorageError(_POOLER),  # "unsupported startup parameter"
    "25006": StorageError(_READ_ONLY),
    "25P03": Busy(_LOST),
    "28": StorageError(
        "PostgreSQL does not let us in: check the user and the password in SESAME_DATABASE_URL,"
        " and the server's pg_hba.conf."
    ),
    "3D000": StorageError(
        "There is no such database on this server: make it with createdb, or mend"
        " SESAME_DATABASE_URL."
    ),
    "3F000": StorageError(
        "The database's user has no schema to make tables in: CREATE SCHEMA … AUTHORIZATION …"
        " makes one."
    ),
    "40": Busy("The database is in use by another process; try again."),
    "42501": StorageError(
        "The database's user lacks a right: make it the database's owner (ALTER DATABASE … OWNER"
        " TO …)."
    ),
    "53100": StorageError("The server's disk is full: make room, and it goes on by itself."),
    "53200": StorageError("The server has not enough memory."),
    "53300": Busy(
        "PostgreSQL takes no more connections: raise its max_connections, or run fewer processes"
        f" (each takes up to {MOST_CONNECTIONS})."
    ),
    "55P03": Busy("The database is in use by another process; try again."),
    "57014": Busy("PostgreSQL was told to break off a statement: it is tried again."),
    "57": Busy("PostgreSQL is being stopped or started: it is tried again."),
    "58": StorageError("The server's disk does not answer as it should: check it."),
    "XX001": StorageError(_DAMAGED),
    "XX002": StorageError(_DAMAGED),
}


async def _asked(connection: "Connection | None", answer: Awaitable[T]) -> T:
    """What the server answers. Raises StorageError where it is to blame, or cannot be asked."""
    try:
        return await answer
    except StorageError:
        raise
    except Exception as error:
        fault = _fault(error, connection is None or _is_lost(connection))
        if fault is None:
            raise
        raise fault from error


def _fault(error: Exception, is_lost: bool) -> StorageError | None:
    """Say whose fault an error is; None for ours, such as broken SQL."""
    import asyncpg  # noqa: PLC0415 - as in `_pool`

    match error:
        case asyncpg.exceptions.ClientConfigurationError():
            return StorageError(f"SESAME_DATABASE_URL: {str(error).partition(chr(10))[0]}.")
        case asyncpg.PostgresError():
            state = error.sqlstate or ""
            known = _FAULTS.get(state) or _FAULTS.get(state[:2])
            if known:
                return type(known)(*known.args)
        case ssl.SSLError():
            return StorageError(f"TLS with PostgreSQL fails: {error.reason or error}.")
        case TimeoutError():
            return Busy("PostgreSQL does not answer in time: it is tried again.")
        case ConnectionError() if "rejected SSL upgrade" in str(error):  # the library's words
            return StorageError(_NO_TLS)
        case OSError():
            reason = error.strerror or type(error).__name__
            return StorageError(f"PostgreSQL is not reached: {reason}. Is it running?")
    return Busy(_LOST) if is_lost and isinstance(error, asyncpg.InterfaceError) else None
