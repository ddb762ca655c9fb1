"""Sends what the outbox holds: in order within a conversation, all conversations side by side."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from bot.channel import Channel, Reply, TryLater, Undeliverable
from bot.logs import Event, Log, about, place_of
from bot.seen import Handled, Observe, nobody
from bot.sms import SmsRefused, SmsSender
from flows.inputs import EraseFailed, FromWorld, SmsDelayed, TextFailed
from storage.conversations import Address, Conversations
from storage.database import Database, StorageError, Work
from storage.outbox import ERASE, REPLY, SMS, Outbox, Parcel, Shown

log = Log("delivery")

T = TypeVar("T")

GROWS_TO = 60  # seconds between two tries at most, unless more is asked for (invariant I15)
LONGEST_WAIT = 3600  # seconds that a messenger may ask for (RELIABILITY T26)
MOST_TRIES = 24 * 60  # of a reply, a minute apart: a day, as long as Telegram keeps ours for us
GIVE_UP_ERASING = timedelta(hours=47)  # Telegram refuses to delete after 48 hours (UX 1)
SMS_AGAIN = 5  # seconds after a sender's refusal for now; then longer
STORAGE_AGAIN = 1  # seconds after storage has failed
SMS_PATIENCE = 9  # seconds for the sender: the parent is told within 10 (RELIABILITY T23)


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
        tell: Callable[[Address, FromWorld], Awaitable[None]],
        observe: Observe = nobody,
    ) -> None:
        """`tell(address, happened)` lets a conversation know what became of its parcels.

        What is addressed to other channels than these is another process's, and left alone.
        """
        self._database = database
        self._conversations = conversations
        self._outbox = outbox
        self._channels = channels
        self._sms = sms
        self._sms_down = False  # from a failure of the sender until its next success
        self._clock = clock
        self._tell = tell
        self._observe = observe
        self._tasks: dict[tuple[bytes, str], asyncio.Task[None]] = {}
        self._again: set[tuple[bytes, str]] = set()
        self._naps: dict[tuple[bytes, str], asyncio.Task[None]] = {}
        self._moved = asyncio.Event()  # a task has ended, or begun to wait for its moment

    async def resume(self) -> None:
        """After a start: send what was left, except an SMS that may have left already."""
        for parcel in await self._database.run(self._unclear()):
            await self._finish(parcel, "failed", "unclear")
        await self.look()

    async def look(self) -> None:
        """Send what nobody here told us of: another process put it in, or our mistake held it."""
        for here in await self._database.run(self._outbox.waiting()):
            if here not in self._tasks:
                self._start(*here)

    def post(self, chat: bytes) -> None:
        """Something was put in for this conversation."""
        for kind in (ERASE, REPLY, SMS):
            self._start(chat, kind)

    def _start(self, chat: bytes, kind: str) -> None:
        here = (chat, kind)
        if here in self._tasks:
            self._again.add(here)  # the running task looks once more before it ends
            if here in self._naps:
                self._naps[here].cancel()
            return
        with about(chat=self._conversations.pseudonym(chat, self._clock())):
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
        rested = 0  # the number of the parcel whose wait is over, whatever the clock says
        while found := await self._database.run(self._next(*here)):
            address, parcel, shown = found
            wait = 0 if parcel.number == rested else self._wait(parcel)
            if wait > 0:  # then it is looked for again: it may have been dropped meanwhile
                rested = parcel.number if await self._nap(here, wait) else 0
            else:
                rested = 0
                await self._send(address, parcel, shown)

    def _next(self, chat: bytes, kind: str) -> Work[tuple[Address, Parcel, Shown | None] | None]:
        """What leaves next, where to, and the message there that bears buttons."""
        parcel = yield from self._outbox.first(chat, kind)
        if parcel is None:
            return None
        address = yield from self._conversations.address(chat)
        if address.channel not in self._channels:
            return None
        shown = (yield from self._outbox.shown(chat)) if kind == REPLY else None
        return address, parcel, shown

    def _unclear(self) -> Work[list[Parcel]]:
        """What was about to leave when we stopped."""
        ours = []
        for parcel in (yield from self._outbox.unclear()):
            if (yield from self._conversations.address(parcel.chat)).channel in self._channels:
                ours.append(parcel)
        return ours

    def _wait(self, parcel: Parcel) -> float:
        """Seconds until it is due; none for a first try.

        None either where they are more than was ever asked for: then the clock has jumped.
        """
        wait = (parcel.due_at - self._clock()).total_seconds()
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

    async def _send(self, address: Address, parcel: Parcel, shown: Shown | None) -> None:
        if parcel.expires_at and parcel.expires_at <= self._clock():
            await self._finish(parcel, "failed", "expired")  # dead on arrival, it helps nobody
        elif parcel.kind == SMS:
            await self._send_sms(address, parcel)
        elif parcel.kind == ERASE:
            await self._send_erase(address, parcel)
        else:
            await self._send_reply(address, parcel, shown)

    async def _send_reply(self, address: Address, parcel: Parcel, shown: Shown | None) -> None:
        reply = Reply.from_dict(parcel.body)
        answered = shown.name if shown and not reply.keeps_buttons else None
        instead = answered if reply.waits and shown and shown.waits else None
        channel = self._channels[address.channel]
        try:
            name = await channel.send(address.place, reply, instead)
        except Undeliverable:
            await self._finish(parcel, "failed", "refused")
        except Exception as error:
            if not isinstance(error, TryLater):
                log(Event.REPLY_FAILED, kind=type(error).__name__, place=place_of(error))
            if parcel.attempts < MOST_TRIES:
                await self._later(parcel, error.seconds if isinstance(error, TryLater) else 1)
            else:
                log(Event.REPLY_GIVEN_UP)
                await self._finish(parcel, "failed", "refused")
        else:
            finish = partial(
                self._outbox.finish_reply,
                parcel,
                name,
                waits=reply.waits,
                keeps_buttons=reply.keeps_buttons,
            )
            await self._until_stored(lambda: self._database.run(finish()))
            self._observe(Handled(REPLY, "sent"))
            if answered and name != answered:
                await channel.answered(address.place, answered)

    async def _send_erase(self, address: Address, parcel: Parcel) -> None:
        try:
            await self._channels[address.channel].erase(address.place, parcel.body["message"])
        except (TryLater, Undeliverable) as failed:
            if parcel.attempts == 1 or (parcel.attempts == 0 and isinstance(failed, Undeliverable)):
                await self._tell(address, EraseFailed())
            age = self._clock() - parcel.created_at
            if isinstance(failed, Undeliverable) or age > GIVE_UP_ERASING:
                await self._finish(parcel, "failed", "refused")
            else:
                await self._later(parcel, failed.seconds)
        else:
            await self._finish(parcel, "sent")

    async def _send_sms(self, address: Address, parcel: Parcel) -> None:
        """Hand an SMS over, once; where it is for nobody do the same, but for the sender."""
        if self._sms_down:
            await self._tell(address, SmsDelayed())
        # Noted before it leaves: after a crash in between, or by another process, it is not sent
        # twice.
        if not await self._database.run(self._outbox.claim(parcel)):
            return None
        if _is_silent(parcel):
            return await self._finish(parcel, "sent")
        try:
            async with asyncio.timeout(SMS_PATIENCE):
                await self._sms.send(parcel.number, parcel.body["to"], parcel.body["text"])
        except SmsRefused as refused:
            if refused.final:  # of this number alone: nobody is told, it would tell who is known
                log(Event.SMS_REFUSED, kind=refused.kind)
                await self._sms_not_sent(address, parcel, "refused")
            elif parcel.attempts < MOST_TRIES:
                log(Event.SMS_WAITS, kind=refused.kind)
                await self._later(parcel, SMS_AGAIN)
                await self._sms_fails()
            else:
                await self._sms_not_sent(address, parcel, "refused")
        except Exception as error:
            log(Event.SMS_UNCLEAR, kind=type(error).__name__)  # it may have left: never again
            await self._sms_not_sent(address, parcel, "unclear")
            await self._sms_fails()
        else:
            self._sms_down = False
            await self._finish(parcel, "sent")

    async def _sms_not_sent(self, address: Address, parcel: Parcel, handled: str) -> None:
        await self._finish(parcel, "failed", handled)
        if parcel.expires_at is None:  # the identifier, after the proof: there honesty is allowed
            await self._until_stored(partial(self._tell, address, TextFailed()))

    async def _sms_fails(self) -> None:
        """Tell all who wait for a code, known or not: who alone is told would be known (I10).

        While it lasts each new one is told at once. What remains: who asks for the first code of
        a fault is told sooner where the number is known.
        """
        if self._sms_down:
            return
        self._sms_down = True
        find = self._conversations.awaiting_sms
        waiting = await self._until_stored(lambda: self._database.run(find(self._channels)))
        for address in waiting:
            await self._until_stored(partial(self._tell, address, SmsDelayed()))

    async def _later(self, parcel: Parcel, seconds: float) -> None:
        """Once more, after at least so many seconds; more with each failure."""
        growing = min(max(seconds, 1) * 2 ** min(parcel.attempts, 9), GROWS_TO)
        wait = min(max(seconds, growing if parcel.attempts else 0), LONGEST_WAIT)
        due = self._clock() + timedelta(seconds=wait)
        await self._until_stored(lambda: self._database.run(self._outbox.try_later(parcel, due)))

    async def _finish(self, parcel: Parcel, status: str, handled: str = "") -> None:
        """Note what became of it; `handled` is the word for a failure that whoever counts gets.

        An SMS for nobody was neither sent nor did it fail.
        """
        if _is_silent(parcel):
            status = handled = "silent"
        await self._until_stored(lambda: self._database.run(self._outbox.finish(parcel, status)))
        self._observe(Handled(parcel.kind, handled or status))

    async def _until_stored(self, note: Callable[[], Awaitable[T]]) -> T:
        """Note what has happened outside, however long storage fails: it must not happen again."""
        while True:
            try:
                return await note()
            except StorageError as error:
                log(Event.DELIVERY_WAITS, why=str(error))
                await asyncio.sleep(STORAGE_AGAIN)


def _is_silent(parcel: Parcel) -> bool:
    """Whether it is the SMS of a number that the register does not know."""
    return parcel.kind == SMS and not parcel.body["to"]
