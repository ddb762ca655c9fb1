"""Sends what the outbox holds: in order within a conversation, all conversations side by side."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from bot.channel import Channel, Reply, TryLater, Undeliverable
from bot.logs import Event, Log, about, place_of
from bot.seen import Handled, Observe, nobody
from bot.sms import SmsRefused, SmsSender
from storage.conversations import Conversations
from storage.database import Database, StorageError
from storage.outbox import ERASE, REPLY, SMS, Outbox, Parcel

log = Log("delivery")

GIVE_UP_ERASING = timedelta(hours=47)  # Telegram refuses to delete after 48 hours (UX 1)


class Delivery:
    """One small task for each conversation that has something to send."""

    def __init__(
        self,
        database: Database,
        conversations: Conversations,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        sms: SmsSender,
        clock: Callable[[], datetime],
        erase_failed: Callable[[bytes], Awaitable[None]],
        observe: Observe = nobody,
    ) -> None:
        """`erase_failed(chat)` is called once for a message that could not be erased."""
        self._database = database
        self._conversations = conversations
        self._outbox = outbox
        self._channels = channels
        self._sms = sms
        self._clock = clock
        self._erase_failed = erase_failed
        self._observe = observe
        self._tasks: dict[tuple[bytes, str], asyncio.Task[None]] = {}
        self._again: set[tuple[bytes, str]] = set()

    async def resume(self) -> None:
        """After a start: send what was left, except an SMS that may have left already."""
        for _ in range(await self._database.run(self._outbox.give_up_unclear())):
            self._observe(Handled(SMS, "unclear"))
        for chat, kind in await self._database.run(self._outbox.waiting()):
            self._start(chat, kind)

    def post(self, chat: bytes) -> None:
        """Something was put in for this conversation."""
        for kind in (ERASE, REPLY, SMS):
            self._start(chat, kind)

    def _start(self, chat: bytes, kind: str) -> None:
        here = (chat, kind)
        if here in self._tasks:
            self._again.add(here)  # the running task looks once more before it ends
            return
        with about(chat=self._conversations.pseudonym(chat, self._clock())):
            self._tasks[here] = asyncio.create_task(self._drain(here))

    async def settle(self) -> None:
        """Wait until all that can be sent now has been sent."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def close(self) -> None:
        """Stop; what was not sent stays in the outbox."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _drain(self, here: tuple[bytes, str]) -> None:
        chat, kind = here
        try:
            while True:
                self._again.discard(here)
                try:
                    while parcel := await self._database.run(self._outbox.first(chat, kind)):
                        await self._send(parcel)
                except StorageError as error:
                    log(Event.DELIVERY_WAITS, why=str(error))
                    await asyncio.sleep(1)  # it goes on by itself when the fault ends
                    continue
                if here not in self._again:
                    return
        except Exception as error:
            # Our mistake; the next post tries again.
            log(Event.DELIVERY_STOPPED, kind=type(error).__name__, place=place_of(error))
        finally:
            del self._tasks[here]

    async def _send(self, parcel: Parcel) -> None:
        wait = (parcel.due_at - self._clock()).total_seconds()
        if wait > 0:
            await asyncio.sleep(wait)
        if parcel.expires_at and parcel.expires_at <= self._clock():
            await self._mark(parcel, "failed", "expired")  # dead on arrival, it helps nobody
            return
        match parcel.kind:
            case "sms":
                await self._send_sms(parcel)
            case "erase":
                await self._send_erase(parcel)
            case _:
                await self._send_reply(parcel)

    async def _send_reply(self, parcel: Parcel) -> None:
        address = await self._database.run(self._conversations.address(parcel.chat))
        channel = self._channels.get(address.channel)
        try:
            if channel is None:
                raise Undeliverable
            await channel.send(address.place, Reply.from_dict(parcel.body))
        except TryLater as later:
            await self._later(parcel, later.seconds)
        except Undeliverable:
            await self._mark(parcel, "failed", "refused")
        else:
            await self._mark(parcel, "sent")

    async def _send_erase(self, parcel: Parcel) -> None:
        address = await self._database.run(self._conversations.address(parcel.chat))
        channel = self._channels.get(address.channel)
        try:
            if channel is None:
                raise Undeliverable
            await channel.erase(address.place, parcel.body["message"])
        except (TryLater, Undeliverable) as failed:
            if parcel.attempts == 0:
                await self._erase_failed(parcel.chat)
            age = self._clock() - parcel.created_at
            if isinstance(failed, Undeliverable) or age > GIVE_UP_ERASING:
                await self._mark(parcel, "failed", "refused")
            else:
                await self._later(parcel, failed.seconds)
        else:
            await self._mark(parcel, "sent")

    async def _send_sms(self, parcel: Parcel) -> None:
        # Marked before it leaves: after a crash in between it is not sent twice.
        await self._mark(parcel, "sending")
        try:
            await self._sms.send(parcel.number, parcel.body["to"], parcel.body["text"])
        except SmsRefused as refused:
            if refused.final:
                log(Event.SMS_REFUSED, kind=refused.kind)
                await self._mark(parcel, "failed", "refused")
            else:
                await self._later(parcel, 5)
        except Exception as error:
            log(Event.SMS_UNCLEAR, kind=type(error).__name__)  # it may have left: never again
            await self._mark(parcel, "failed", "unclear")
        else:
            await self._mark(parcel, "sent")

    async def _later(self, parcel: Parcel, seconds: float) -> None:
        growing = min(max(seconds, 1) * 2 ** min(parcel.attempts, 9), 600)
        due = self._clock() + timedelta(seconds=growing if parcel.attempts else seconds)
        await self._database.run(self._outbox.try_later(parcel, due))

    async def _mark(self, parcel: Parcel, status: str, handled: str = "") -> None:
        """Note what became of it; `handled` is the word for a failure that whoever counts gets."""
        while True:
            try:
                await self._database.run(self._outbox.mark(parcel, status))
            except StorageError as error:
                if status == "sending":
                    raise  # nothing has left yet
                log(Event.DELIVERY_WAITS, why=str(error))
                await asyncio.sleep(1)  # what has left must not leave again for want of a note
            else:
                break
        if status != "sending":
            self._observe(Handled(parcel.kind, handled or status))
