"""How fast the bot speaks: as fast as Telegram lets it, and no faster."""

import asyncio
import math
from collections.abc import Callable
from time import monotonic

from aiolimiter import AsyncLimiter

from bot.carriers.ledger import LONGEST_WAIT

BURST = 3  # calls that may leave at once
PER_SECOND = 25  # calls after these: never more than Telegram's 30 in a second (UX 1), nor near it


class Pace:
    """One bot's calls about messages, those of all chats.

    A chat of its own is not slowed down: Telegram says itself when one has too much, and the outbox
    waits for that chat alone. When it says so of two chats at the same time, it is the bot that is
    too fast: then nobody speaks before the latest of the moments that were named.

    Each process has a pace of its own, so that no call waits for the database. Several that answer
    many parents at once may be too fast together: what is refused waits in the outbox of all.
    """

    def __init__(
        self, per_second: float = PER_SECOND, clock: Callable[[], float] = monotonic
    ) -> None:
        self._limiter = AsyncLimiter(BURST, BURST / per_second)
        self._clock = clock  # seconds
        self._told: dict[str, float] = {}  # chat: when it may be written to again
        self._silent_until = -math.inf
        self._waiting = 0  # calls

    @property
    def is_free(self) -> bool:
        """Whether nobody waits for a turn, nor has to."""
        return not self._waiting and self._clock() >= self._silent_until

    async def turn(self) -> None:
        """Wait until the next call may leave."""
        self._waiting += 1
        try:
            while True:
                silence = self._silent_until - self._clock()
                if silence > 0:
                    await asyncio.sleep(silence)
                    continue
                await self._limiter.acquire()
                if self._clock() >= self._silent_until:  # Telegram has not said stop meanwhile
                    return
        finally:
            self._waiting -= 1

    def told_to_wait(self, place: str, seconds: float) -> None:
        """Telegram refused a call about this chat for so long."""
        now = self._clock()
        self._told = {chat: end for chat, end in self._told.items() if end > now}
        self._told[place] = now + min(seconds, LONGEST_WAIT)
        if len(self._told) > 1:
            self._silent_until = max(self._told.values())
