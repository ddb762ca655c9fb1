"""Sends what the outbox holds: in order within a conversation, all conversations side by side.

Several processes may do so. Where they share a database each says in it what it is sending; what a
process said that lives no more, another one takes over.
"""

import asyncio
import secrets
from collections.abc import Container, Mapping

from bot.carriers import Carrier
from bot.carriers.ledger import LONGEST_WAIT, STORAGE_AGAIN, Ledger
from bot.logs import Event, Log, about, place_of
from storage.conversations import Address
from storage.database import StorageError, Work
from storage.outbox import Parcel

log = Log("delivery")

WORKER = "worker"
"""Under this name, with its number, a process shows the others that it lives."""


class Delivery:
    """One small task for each conversation that has something to send."""

    def __init__(
        self, ledger: Ledger, carriers: Mapping[str, Carrier], channels: Container[str]
    ) -> None:
        """`carriers` by the kind of parcel. What is addressed to other channels is left alone."""
        self._ledger = ledger
        self._database = ledger.database
        self._carriers = carriers
        self._channels = channels
        self._worker = 0  # our number, once we have one
        self._presenting = asyncio.Lock()
        self._handed = set[int]()  # parcels given to a carrier here, and not known to be done with
        self._tasks: dict[tuple[bytes, str], asyncio.Task[None]] = {}
        self._again: set[tuple[bytes, str]] = set()
        self._naps: dict[tuple[bytes, str], asyncio.Task[None]] = {}
        self._moved = asyncio.Event()  # a task has ended, or begun to wait for its moment

    async def look(self) -> None:
        """Send what was left: by us before a start, by a process that died, by our mistake."""
        await self._present()
        for worker in await self._database.run(self._ledger.outbox.workers()):
            if worker != self._worker and await self._is_dead(worker):
                await self._take_over(worker)
        for here in await self._database.run(self._ledger.outbox.waiting(self._worker)):
            if here not in self._tasks and here[1] in self._carriers:
                self._start(*here)

    def post(self, chat: bytes, kinds: Container[str] | None = None) -> None:
        """Something was put in for this conversation, of these kinds, where that is known."""
        for kind in self._carriers:
            if kinds is None or kind in kinds or (chat, kind) in self._tasks:
                self._start(chat, kind)

    async def _present(self) -> None:
        """Have a number, under which the others see that we live."""
        async with self._presenting:  # or two of our tasks would take each other's number away
            while not self._database.holds(WORKER, self._worker):
                self._worker = secrets.randbelow(2**62) + 1
                await self._database.hold(WORKER, self._worker)

    async def _is_dead(self, worker: int | None) -> bool:
        """Whether the process lives no more; None is one of before there were several."""
        return worker is None or not await self._database.is_held(WORKER, worker)

    async def _take_over(self, worker: int | None) -> None:
        for parcel in await self._database.run(self._ledger.outbox.left_by(worker)):
            carrier = self._carriers.get(parcel.kind)
            if carrier is not None and await self._database.run(self._is_ours(parcel)):
                await carrier.lost(parcel)

    def _is_ours(self, parcel: Parcel) -> Work[bool]:
        address = yield from self._ledger.conversations.address(parcel.chat)
        return address is None or address.channel in self._channels

    def _start(self, chat: bytes, kind: str) -> None:
        here = (chat, kind)
        if here in self._tasks:
            self._again.add(here)  # the running task looks once more before it ends
            if here in self._naps:
                self._naps[here].cancel()
            return
        with about(chat=self._ledger.conversations.pseudonym(chat, self._ledger.clock())):
            self._tasks[here] = asyncio.create_task(self._drain(here))

    async def settle(self, *, later: bool = True) -> None:
        """Wait until all has been sent that can be; not `later`: that can be sent now."""
        while any(later or here not in self._naps for here in self._tasks):
            self._moved.clear()
            await self._moved.wait()

    async def close(self) -> None:
        """Stop; what was not sent stays in the outbox."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _drain(self, here: tuple[bytes, str]) -> None:
        try:
            while True:
                self._again.discard(here)
                try:
                    await self._present()
                    await self._send_all(here)
                except StorageError as error:
                    log(Event.DELIVERY_WAITS, why=str(error))
                    await asyncio.sleep(STORAGE_AGAIN)  # it goes on by itself when the fault ends
                    continue
                if here not in self._again:
                    return
        except Exception as error:
            # Our mistake; `look` tries on.
            log(Event.DELIVERY_STOPPED, kind=type(error).__name__, place=place_of(error))
        finally:
            del self._tasks[here]
            self._moved.set()

    async def _send_all(self, here: tuple[bytes, str]) -> None:
        carrier = self._carriers[here[1]]
        rested = 0  # the number of the parcel whose wait is over, whatever the clock says
        while found := await self._database.run(self._next(*here, carrier.once, rested)):
            parcel, address, wait = found
            if wait > 0:  # then it is looked for again: it may have been dropped meanwhile
                rested = parcel.number if await self._nap(here, wait) else 0
                continue
            rested = 0
            if parcel.leaving and carrier.once and parcel.number in self._handed:
                await carrier.lost(parcel)
            else:  # where it is ours already, storage did not tell us that it had noted that
                self._handed.add(parcel.number)
                await carrier.carry(parcel, address)
            self._handed.discard(parcel.number)

    def _next(
        self, chat: bytes, kind: str, once: bool, rested: int
    ) -> Work[tuple[Parcel, Address | None, float] | None]:
        """What leaves next, where to, and in how many seconds; if in none, it is ours now.

        None where there is nothing, or another process is at it.
        """
        if not self._channels:  # a command: what it puts in, the running bot sends
            return None
        parcel = yield from self._ledger.outbox.head(chat, kind)
        if parcel is None or (parcel.leaving and parcel.worker != self._worker):
            return None
        address = yield from self._ledger.conversations.address(chat)
        if address is not None and address.channel not in self._channels:
            return None
        wait = 0 if parcel.number == rested else self._wait(parcel)
        if wait <= 0 and (once or self._database.shared) and not parcel.leaving:
            # Said before it leaves: after a crash in between, or by another process, it is not sent
            # a second time without a thought.
            parcel = yield from self._ledger.outbox.claim(parcel, self._worker)
        return parcel, address, wait

    def _wait(self, parcel: Parcel) -> float:
        """Seconds until it is due; none for a first try.

        None either where they are more than was ever asked for: then the clock has jumped.
        """
        wait = (parcel.due_at - self._ledger.clock()).total_seconds()
        return wait if parcel.attempts and wait <= LONGEST_WAIT else 0

    async def _nap(self, here: tuple[bytes, str], seconds: float) -> bool:
        """Sleep, until something new is put in; True where nothing was."""
        nap = self._naps[here] = asyncio.create_task(asyncio.sleep(seconds))
        self._moved.set()
        try:
            await asyncio.wait({nap})
            return not nap.cancelled()
        finally:
            nap.cancel()
            del self._naps[here]
