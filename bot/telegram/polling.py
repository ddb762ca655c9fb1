"""Long polling: fetch, take, and only then acknowledge.

An update is acknowledged by the offset of a later fetch. The library's own Updater moves it as
soon as updates are in memory, so a crash loses them; here it stops at the oldest update whose turn
is not stored yet. Meanwhile that one comes again with every fetch, and is known.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any
from urllib.parse import urlencode

from telegram import Bot
from telegram.error import NetworkError

from bot.engine import Update
from bot.telegram.client import until_it_works
from bot.telegram.incoming import ALLOWED_UPDATES
from bot.telegram.updates import Updates, numbered

HOLD = 25  # seconds for which Telegram holds a fetch open when there is nothing new
TURN_WAIT = 0.2  # seconds for which a fetch waits for turns under way


class Polling:
    """Fetches updates and hands them on."""

    def __init__(self, bot: Bot, take: Callable[[Update], Awaitable[object]]) -> None:
        """`take` does one turn; when it returns the turn is stored."""
        self._bot = bot
        self._updates = Updates(bot, take)
        self._next = 0  # one more than the last update fetched
        self._turns: dict[int, asyncio.Task[bool]] = {}  # all that is not acknowledged yet
        self.answered_at: float | None = None  # when Telegram last answered (time.monotonic)

    async def run(self) -> None:
        """Go on until cancelled, then finish the turns under way. Raises InvalidToken."""
        try:
            await until_it_works(self._bot.delete_webhook)  # or fetching is refused
            self.answered_at = monotonic()
            while True:
                for number, raw in await until_it_works(self._fetch):
                    if number not in self._turns:
                        self._turns[number] = self._updates.begin(number, raw)
                        self._next = number + 1
                under_way = [turn for turn in self._turns.values() if not turn.done()]
                if under_way:
                    await asyncio.wait(under_way, timeout=TURN_WAIT)
        finally:
            await self._updates.close()

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
