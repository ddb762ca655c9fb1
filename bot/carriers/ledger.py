"""What became of parcels: noted, however long storage fails, since it must not happen again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from bot.logs import Event, Log
from bot.seen import Handled, Observe, nobody
from flows.inputs import FromWorld
from storage.conversations import Address, Conversations
from storage.database import Database, StorageError, Work
from storage.outbox import Outbox, Parcel

log = Log("delivery")

T = TypeVar("T")
Together = Callable[[datetime], Work[bool]]


class Tell(Protocol):
    """Lets a conversation know what happened; `together` is noted in the same transaction."""

    async def __call__(
        self, address: Address, happened: FromWorld, together: Together | None = None, /
    ) -> None:
        """Return when it is stored. Raises StorageError."""


GROWS_TO = 60  # seconds between two tries at most, unless more is asked for (invariant I15)
LONGEST_WAIT = 3600  # seconds that a messenger may ask for (RELIABILITY T26)
MOST_TRIES = 24 * 60  # of a parcel, a minute apart: a day, as long as Telegram keeps ours for us
STORAGE_AGAIN = 1  # seconds after storage has failed


@dataclass(frozen=True, slots=True)
class Ledger:
    """The outbox as carriers see it. `told` lets a conversation know of its parcels."""

    database: Database
    conversations: Conversations
    outbox: Outbox
    clock: Callable[[], datetime]
    told: Tell
    observe: Observe = nobody

    async def finish(self, parcel: Parcel, status: str, handled: str = "") -> None:
        """It waits no more; `handled` is the word for a failure that whoever counts gets."""
        await self.note(self.outbox.finish, parcel, status)
        self.observe(Handled(parcel.kind, handled or status))

    async def later(self, parcel: Parcel, seconds: float) -> None:
        """Once more, after at least so many seconds; more with each failure."""
        growing = min(max(seconds, 1) * 2 ** min(parcel.attempts, 9), GROWS_TO)
        wait = min(max(seconds, growing if parcel.attempts else 0), LONGEST_WAIT)
        await self.note(self.outbox.try_later, parcel, self.clock() + timedelta(seconds=wait))

    async def note(self, work: Callable[..., Work[T]], *facts: object, **more: object) -> T:
        """Do the work in storage, sooner or later."""
        return await self._until_stored(lambda: self.database.run(work(*facts, **more)))

    async def tell(
        self, address: Address, happened: FromWorld, together: Together | None = None
    ) -> None:
        """Let the conversation know, sooner or later."""
        await self._until_stored(lambda: self.told(address, happened, together))

    async def _until_stored(self, attempt: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await attempt()
            except StorageError as error:
                log(Event.DELIVERY_WAITS, why=str(error))
                await asyncio.sleep(STORAGE_AGAIN)
