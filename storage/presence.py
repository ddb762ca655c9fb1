"""Names that a process holds as long as it lives, on PostgreSQL: who polls, who is sending what.

They are session locks on a connection of their own. However a process ends, its connection does
too, and its names are free at once; where its machine falls silent, after half a minute.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

PATIENCE = 5
"""Seconds for an answer on this connection; then it counts as lost, with all names."""

SESSION = {
    "idle_session_timeout": "0",  # it is idle most of the time
    "tcp_keepalives_idle": "10",  # seconds; a machine that is gone is noticed after 10 + 4 * 5
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
}

# A lock's number is kept in two halves (PostgreSQL's manual, pg_locks).
_IS_HELD = (
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND (classid::bigint << 32) | objid::bigint = $1 AND objsubid = 1 AND database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database()))"
)


class Presence:
    """The names that this process holds."""

    def __init__(
        self,
        connect: Callable[[], Awaitable["asyncpg.Connection"]],
        number: Callable[..., int],
    ) -> None:
        """`connect` opens a connection of our own; `number` says what a name is on the server."""
        self._connect = connect
        self._number = number
        self._connection: asyncpg.Connection | None = None
        self._held = set[tuple[object, ...]]()
        self._one_at_a_time = asyncio.Lock()

    async def hold(self, *name: object) -> bool:
        """Take the name, or see that we still have it."""
        async with self._one_at_a_time:
            connection = await self._connected()
            query = "SELECT true" if name in self._held else "SELECT pg_try_advisory_lock($1)"
            numbers = () if name in self._held else (self._number("held", *name),)
            if await self._answer(connection.fetchval(query, *numbers, timeout=PATIENCE)):
                self._held.add(name)
            return name in self._held

    def holds(self, *name: object) -> bool:
        """Whether it was ours when we last heard of the server."""
        return name in self._held

    async def is_held(self, *name: object) -> bool:
        """Whether anybody has it."""
        async with self._one_at_a_time:
            connection = await self._connected()
            number = self._number("held", *name)
            return bool(await self._answer(connection.fetchval(_IS_HELD, number, timeout=PATIENCE)))

    async def close(self) -> None:
        """Give all names back."""
        if self._connection is not None:
            self._connection.terminate()
        self._held.clear()

    async def _connected(self) -> "asyncpg.Connection":
        if self._connection is None or self._connection.is_closed():
            self._held.clear()
            self._connection = await self._connect()
            self._connection.add_termination_listener(lambda _: self._held.clear())
        return self._connection

    async def _answer(self, asked: Awaitable[object]) -> object:
        try:
            return await asked
        except BaseException:  # nobody knows what the server did of it: begin anew
            await self.close()
            raise
