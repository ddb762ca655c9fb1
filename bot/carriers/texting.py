"""SMS: codes, identifiers that parents have sent to themselves, notices to other guardians.

Each leaves at most once. A notice belongs to a guardian: there is no conversation to tell.
"""

import asyncio
from collections.abc import Container

from bot.carriers.ledger import MOST_TRIES, Ledger
from bot.logs import Event, Log
from bot.seen import Handled
from bot.sms import Sms, SmsRefused, SmsSender, SmsUnclear
from bot.sms.port import OPERATORS_FAULT
from bot.sms.segments import segments
from flows.inputs import SmsDelayed, SmsFailed, TextFailed
from storage.conversations import Address
from storage.outbox import SMS, Parcel, Taken

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
        if parcel.expires_at and parcel.expires_at <= self._ledger.clock():
            return await self._finish(parcel, "expired")  # dead on arrival
        if self._is_down and address is not None:
            await self._ledger.tell(address, SmsDelayed())
        if not parcel.body["to"]:
            return await self._finish(parcel)
        sms = Sms(parcel.number, parcel.body["to"], parcel.body["text"], parcel.expires_at)
        try:
            async with asyncio.timeout(PATIENCE):
                taken = await self._sender.send(sms)
        except SmsRefused as refused:
            await self._refused(address, parcel, refused)
        except Exception as error:
            kind = error.kind if isinstance(error, SmsUnclear) else type(error).__name__
            log(Event.SMS_UNCLEAR, kind=kind)  # it may have left: never again
            await self._not_sent(address, parcel, "unclear")
            await self._fails()
        else:
            self._is_down = False
            note = Taken(taken.sender, taken.message, segments(sms.text))
            await self._finish(parcel, taken=note)
        return None

    async def _refused(self, address: Address | None, parcel: Parcel, refused: SmsRefused) -> None:
        if refused.kind in OPERATORS_FAULT:
            log(Event.SMS_ACCOUNT, kind=refused.kind)
        if refused.final:
            log(Event.SMS_REFUSED, kind=refused.kind)
            await self._not_sent(address, parcel, "refused")
        elif parcel.attempts < MOST_TRIES:
            log(Event.SMS_WAITS, kind=refused.kind)
            await self._ledger.later(parcel, AGAIN)
            await self._fails()
        else:
            await self._not_sent(address, parcel, "refused")

    async def lost(self, parcel: Parcel) -> None:
        """It may have left: never again."""
        find = self._ledger.conversations.address
        await self._not_sent(await self._ledger.note(find, parcel.chat), parcel, "unclear")

    async def _not_sent(self, address: Address | None, parcel: Parcel, failure: str) -> None:
        await self._finish(parcel, failure)
        if address is None:
            return
        if parcel.expires_at is None:  # the identifier, after the proof: there honesty is allowed
            await self._ledger.tell(address, TextFailed())
        elif failure == "refused":  # the conversation says it to nobody whom it would tell anything
            await self._ledger.tell(address, SmsFailed("refused"))

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

    async def _finish(self, parcel: Parcel, failure: str = "", taken: Taken | None = None) -> None:
        """An SMS for nobody was neither sent nor did it fail."""
        silent = not parcel.body["to"]
        status = "silent" if silent else "failed" if failure else "sent"
        failure = "" if silent else failure
        outbox, now = self._ledger.outbox, self._ledger.clock()
        await self._ledger.note(outbox.finish_sms, parcel, status, failure, taken, now)
        self._ledger.observe(Handled(SMS, failure or status, taken.segments if taken else 0))
