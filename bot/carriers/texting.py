"""SMS: codes, and identifiers that parents have sent to themselves. Each leaves at most once."""

import asyncio
from collections.abc import Container

from bot.carriers.ledger import MOST_TRIES, Ledger
from bot.logs import Event, Log
from bot.sms import SmsRefused, SmsSender
from flows.inputs import SmsDelayed, TextFailed
from storage.conversations import Address
from storage.outbox import Parcel

log = Log("delivery")

AGAIN = 5  # seconds after a sender's refusal for now; then longer
PATIENCE = 9  # seconds for the sender: the parent is told within 10 (RELIABILITY T23)


class Texting:
    """Hands SMS over to their sender."""

    once = True

    def __init__(self, ledger: Ledger, sender: SmsSender, channels: Container[str]) -> None:
        """`channels` are those whose conversations are told when SMS are late."""
        self._ledger = ledger
        self._sender = sender
        self._channels = channels
        self._is_down = False  # from a failure of the sender until its next success

    async def carry(self, parcel: Parcel, address: Address | None) -> None:
        """Hand it over; where it is for nobody do the same, but for the sender."""
        assert address is not None  # noqa: S101 - it was for a channel of ours
        if parcel.expires_at and parcel.expires_at <= self._ledger.clock():
            return await self._finish(parcel, "failed", "expired")  # dead on arrival
        if self._is_down:
            await self._ledger.tell(address, SmsDelayed())
        if not parcel.body["to"]:
            return await self._finish(parcel, "sent")
        try:
            async with asyncio.timeout(PATIENCE):
                await self._sender.send(parcel.number, parcel.body["to"], parcel.body["text"])
        except SmsRefused as refused:
            if refused.final:  # of this number alone: nobody is told, it would tell who is known
                log(Event.SMS_REFUSED, kind=refused.kind)
                await self._not_sent(address, parcel, "refused")
            elif parcel.attempts < MOST_TRIES:
                log(Event.SMS_WAITS, kind=refused.kind)
                await self._ledger.later(parcel, AGAIN)
                await self._fails()
            else:
                await self._not_sent(address, parcel, "refused")
        except Exception as error:
            log(Event.SMS_UNCLEAR, kind=type(error).__name__)  # it may have left: never again
            await self._not_sent(address, parcel, "unclear")
            await self._fails()
        else:
            self._is_down = False
            await self._finish(parcel, "sent")
        return None

    async def lost(self, parcel: Parcel) -> None:
        """It may have left: never again."""
        await self._finish(parcel, "failed", "unclear")

    async def _not_sent(self, address: Address, parcel: Parcel, handled: str) -> None:
        await self._finish(parcel, "failed", handled)
        if parcel.expires_at is None:  # the identifier, after the proof: there honesty is allowed
            await self._ledger.tell(address, TextFailed())

    async def _fails(self) -> None:
        """Tell all who wait for a code, known or not: who alone is told would be known (I10).

        While it lasts each new one is told at once. What remains: who asks for the first code of
        a fault is told sooner where the number is known.
        """
        if self._is_down:
            return
        self._is_down = True
        ledger = self._ledger
        for address in await ledger.note(ledger.conversations.awaiting_sms, self._channels):
            await ledger.tell(address, SmsDelayed())

    async def _finish(self, parcel: Parcel, status: str, handled: str = "") -> None:
        """An SMS for nobody was neither sent nor did it fail."""
        if not parcel.body["to"]:
            status = handled = "silent"
        await self._ledger.finish(parcel, status, handled)
