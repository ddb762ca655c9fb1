"""How many turns three processes take for one: `python benchmarks/turns.py URL`.

URL is that of an empty PostgreSQL database. Each process is a whole Sésame without a messenger, in
which ten chats talk without a pause; each turn is stored, and its reply sent. Figures are ratios,
since machines differ (PERFORMANCE.md): three can be three times as fast where there are cores.
"""

import asyncio
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from bot.app import open_storage, run_service
from bot.channel import Reply, said
from bot.engine import Update
from bot.settings import Settings
from bot.sms.local import ConsoleSms
from storage.conversations import Address
from storage.database import open_database

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


async def _talk(url: str, process: int, begin: float) -> int:
    settings = Settings.model_validate({"database_url": url, "secret": "of a benchmark" * 4})
    turns = 0
    async with (
        open_storage(settings) as (database, vault),
        run_service(
            settings, database, vault, {"core": Nobody()}, ConsoleSms(lambda *_: None)
        ) as service,
    ):

        async def talks(chat: int) -> None:
            nonlocal turns
            address, number = Address("core", f"{begin} {process} {chat}"), 0
            while time.time() < begin + SECONDS:
                number += 1
                update = f"{address.place} {number}"
                await service.engine.take(Update(address, said("bonjour"), update, "fr"))
                turns += time.time() > begin

        await asyncio.sleep(begin - time.time())
        await asyncio.gather(*map(talks, range(CHATS)))
        await service.delivery.settle()
    return turns


def talk(url: str, process: int, begin: float) -> int:
    """What a process does: how many turns it took."""
    return asyncio.run(_talk(url, process, begin))


async def _make(url: str) -> None:
    async with open_database(url):
        pass


def main() -> None:
    """Measure one, then three."""
    [url] = sys.argv[1:]
    asyncio.run(_make(url))
    alone = 0.0
    for processes in (1, 3):
        begin = time.time() + 3
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            running = [pool.submit(talk, url, number, begin) for number in range(processes)]
            speed = sum(one.result() for one in running) / SECONDS
        alone = alone or speed
        print(f"{processes}: {speed:.0f} turns a second, {speed / alone:.2f} times one")


if __name__ == "__main__":
    main()
