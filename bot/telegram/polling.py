"""Long polling: fetch, take, and only then acknowledge.

An update is acknowledged by the offset of a later fetch. The library's own Updater moves it as
soon as updates are in memory, so a crash loses them; here it stops at the oldest update whose turn
is not stored yet. Meanwhile that one comes again with every fetch, and is known.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any
from urllib.parse import urlencode

from telegram import Bot
from telegram.error import NetworkError

from bot.engine import Update
from bot.logs import Event, Log
from bot.telegram.client import until_it_works
from bot.telegram.incoming import ALLOWED_UPDATES
from bot.telegram.updates import Updates, numbered
from storage.database import Database, StorageError

log = Log("telegram")

POLLING = "polling"
"""The name that the process holds which fetches."""

STANDBY = 2  # seconds between two looks whether another one still fetches
HOLD = 25  # seconds for which Telegram holds a fetch open when there is nothing new
TURN_WAIT = 0.2  # seconds for which a fetch waits for turns under way


class Polling:
    """Fetches updates and hands them on, for one process at a time.

    Telegram gives each update to whoever asks; of several processes that serve one database one
    asks, and the others stand by until it lives no more (T29).
    """

    def __init__(
        self, bot: Bot, take: Callable[[Update], Awaitable[object]], database: Database
    ) -> None:
        """`take` does one turn; when it returns the turn is stored."""
        self._bot = bot
        self._updates = Updates(bot, take)
        self._database = database
        self._next = 0  # one more than the last update fetched
        self._turns: dict[int, asyncio.Task[bool]] = {}  # all that is not acknowledged yet
        # When Telegram last answered, us or, as far as we know, another one (time.monotonic).
        self.answered_at: float | None = None

    async def run(self) -> None:
        """Go on until cancelled, then finish the turns under way. Raises InvalidToken."""
        try:
            while True:
                await self._stand_by()
                with suppress(_AnotherPolls):
                    await self._poll()
        finally:
            await self._updates.close()

    async def _stand_by(self) -> None:
        """Wait until nobody else asks."""
        told = False
        while True:
            try:
                if await self._database.hold(POLLING):
                    return
            except StorageError as error:
                log(Event.STANDBY_WAITS, why=str(error))
            else:
                self.answered_at = monotonic()
                if not told:
                    log(Event.STANDING_BY)
                    told = True
            await asyncio.sleep(STANDBY)

    async def _poll(self) -> None:
        """Fetch for ever. Raises _AnotherPolls."""
        await until_it_works(self._bot.delete_webhook)  # or fetching is refused
        self.answered_at = monotonic()
        while True:
            for number, raw in await until_it_works(self._fetch_alone):
                if number not in self._turns:
                    self._turns[number] = self._updates.begin(number, raw)
                    self._next = number + 1
            under_way = [turn for turn in self._turns.values() if not turn.done()]
            if under_way:
                await asyncio.wait(under_way, timeout=TURN_WAIT)

    async def _fetch_alone(self) -> list[tuple[int, Any]]:
        if not self._database.holds(POLLING):
            raise _AnotherPolls
        return await self._fetch()

    async def _fetch(self) -> list[tuple[int, Any]]:
        """Acknowledge what is done, and return what waits: (number, update)."""
        done = {number for number, turn in self._turns.items() if turn.done()}
        offset = min(self._turns.keys() - done, default=self._next)
        for number in done:
            if number < offset:
                del self._turns[number]
        query = {
            "offset": offset,
            "timeout": HOLD,
            "allowed_updates": json.dumps(ALLOWED_UPDATES),
        }
        # Not Bot.get_updates: one update that it cannot read makes it lose the whole batch, and
        # it prints them all.
        url = f"{self._bot.base_url}/getUpdates?{urlencode(query)}"
        payload = await self._bot.request.retrieve(url, read_timeout=HOLD + 10)
        try:
            result = list(json.loads(payload)["result"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise NetworkError("the answer is not readable") from None
        self.answered_at = monotonic()
        found = [update for raw in result if (update := numbered(raw))]
        if result and not found:  # nothing to do or to acknowledge: not again at once
            raise NetworkError("no update is readable")
        return found


class _AnotherPolls(Exception):
    """The connection by which we held the name was lost; somebody else may have it now."""
