"""What other conversations are told: that an account is not open there any more, or was touched.

The conversation's turn and the end of the parcel are one transaction: whatever is killed when, a
conversation is told once. One on a channel of another process is left to that process.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from bot.carriers.ledger import Ledger
from bot.logs import Event, Log
from bot.seen import Handled
from flows.inputs import FromWorld, Noticed, SignedOut, Thawed
from storage.conversations import Address
from storage.database import Work
from storage.outbox import TELL, Parcel

log = Log("delivery")

INPUTS: dict[str, Callable[..., FromWorld]] = {
    known.__name__: known for known in (SignedOut, Noticed, Thawed)
}
"""All that is told this way."""

AGAIN = 5  # seconds after our own mistake in the turn
TRIES = 3  # the parent is told of a mistake each time


class Telling:
    """Lets conversations hear of what happened elsewhere."""

    once = False

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def carry(self, parcel: Parcel, address: Address | None) -> None:
        """Tell the conversation at `address`; where it is stored no more there is nobody to."""
        ledger = self._ledger
        if address is None:
            return await ledger.finish(parcel, "dropped")
        told = _told(parcel.body)

        def together(_now: datetime) -> Work[bool]:
            return (yield from ledger.outbox.finish_once(parcel, "sent"))

        await ledger.tell(address, told, together)
        if not await ledger.note(ledger.outbox.is_waiting, parcel):
            return ledger.observe(Handled(TELL, "sent"))
        # Our own mistake in that turn, which the engine has logged: nothing of it was stored.
        if parcel.attempts + 1 < TRIES:
            return await ledger.later(parcel, AGAIN)
        log(Event.TELLING_GIVEN_UP, input=type(told).__name__)
        return await ledger.finish(parcel, "failed", "refused")

    async def lost(self, parcel: Parcel) -> None:
        """It was not told: else its end would have been stored with it."""
        await self._ledger.later(parcel, 0)


def _told(body: dict[str, Any]) -> FromWorld:
    return INPUTS[body["input"]](**body["facts"])
