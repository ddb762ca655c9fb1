"""How many turns three processes take for one: `python benchmarks/turns.py URL`.

URL is that of an empty PostgreSQL database. Each process is a whole Sésame without a messenger, in
which ten chats talk without a pause; each turn is stored, and its reply sent. Figures are ratios,
since machines differ (PERFORMANCE.md): three can be three times as fast where there are cores.
"""

import asyncio
import sys
import time
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from queue import Queue
from secrets import token_hex

from bot.app import open_storage, run_service
from bot.channel import Reply, said
from bot.engine import Update
from bot.settings import Settings
from bot.sms.local import ConsoleSms
from storage.conversations import Address
from storage.place import open_database

CHATS, SECONDS = 10, 8


class Nobody:
    """A channel on which nobody reads."""

    async def send(self, place: str, reply: Reply, instead: str | None = None) -> str | None:
        """Take a reply."""
        del place, reply, instead
        return None

    async def answered(self, place: str, message: str) -> None:
        """Take it."""

    async def erase(self, place: str, message: str) -> None:
        """Take a wish to erase."""


async def _talk(url: str, all_ready: Barrier) -> int:
    settings = Settings.model_validate({"database_url": url, "secret": "of a benchmark" * 4})
    turns = 0
    async with (
        open_storage(settings) as (database, vault),
        run_service(
            settings, database, vault, {"core": Nobody()}, ConsoleSms(lambda *_: None)
        ) as service,
    ):

        async def talks(address: Address, end: float) -> None:
            nonlocal turns
            while time.monotonic() < end:
                update = Update(address, said("bonjour"), f"{address.place} {turns}", "fr")
                turns += 1
                await service.engine.take(update)

        await service.delivery.look()
        all_ready.wait(60)
        end = time.monotonic() + SECONDS
        await asyncio.gather(*(talks(Address("core", token_hex(8)), end) for _ in range(CHATS)))
        await service.delivery.settle()
    return turns


def talk(url: str, all_ready: Barrier, turns: "Queue[int]") -> None:
    """What a process does: how many turns it took."""
    turns.put(asyncio.run(_talk(url, all_ready)))


async def _make(url: str) -> None:
    async with open_database(url):
        pass


def main() -> None:
    """Measure one, then three."""
    [url] = sys.argv[1:]
    asyncio.run(_make(url))
    alone, context = 0.0, get_context("spawn")
    for processes in (1, 3):
        all_ready, turns = context.Barrier(processes), context.Queue()
        for _ in range(processes):
            context.Process(target=talk, args=(url, all_ready, turns)).start()
        speed = sum(turns.get() for _ in range(processes)) / SECONDS
        alone = alone or speed
        print(f"{processes}: {speed:.0f} turns a second, {speed / alone:.2f} times one")


if __name__ == "__main__":
    main()
