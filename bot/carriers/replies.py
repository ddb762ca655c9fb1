"""Replies to the parent, and the parent's own messages that are to be taken away."""

from collections.abc import Mapping
from datetime import timedelta

from bot.carriers.ledger import MOST_TRIES, Ledger
from bot.channel import Channel, Reply, TryLater, Undeliverable
from bot.logs import Event, Log, place_of
from bot.seen import Handled
from flows.inputs import EraseFailed
from storage.conversations import Address
from storage.outbox import REPLY, Parcel

log = Log("delivery")

GIVE_UP_ERASING = timedelta(hours=47)  # Telegram refuses to delete after 48 hours (UX 1)


class Replies:
    """Shows replies, at least once: a messenger has no word for "this one again" (DESIGN 11)."""

    once = False

    def __init__(self, ledger: Ledger, channels: Mapping[str, Channel]) -> None:
        self._ledger = ledger
        self._channels = channels

    async def carry(self, parcel: Parcel, address: Address | None) -> None:
        """Show it; the buttons of what was answered by it go."""
        assert address is not None  # noqa: S101 - it was for a channel of ours
        reply, shown = Reply.from_dict(parcel.body), parcel.shown
        answered = shown.name if shown and not reply.keeps_buttons else None
        instead = answered if reply.waits and shown and shown.waits else None
        channel = self._channels[address.channel]
        try:
            name = await channel.send(address.place, reply, instead)
        except Undeliverable:
            await self._ledger.finish(parcel, "failed", "refused")
        except Exception as error:
            await self._failed(parcel, error)
        else:
            await self._ledger.note(
                self._ledger.outbox.finish_reply,
                parcel,
                name,
                waits=reply.waits,
                keeps_buttons=reply.keeps_buttons,
            )
            self._ledger.observe(Handled(REPLY, "sent"))
            if answered and name != answered:
                await channel.answered(address.place, answered)

    async def _failed(self, parcel: Parcel, error: Exception) -> None:
        if not isinstance(error, TryLater):
            log(Event.REPLY_FAILED, kind=type(error).__name__, place=place_of(error))
        if parcel.attempts < MOST_TRIES:
            await self._ledger.later(parcel, error.seconds if isinstance(error, TryLater) else 1)
        else:
            log(Event.REPLY_GIVEN_UP)
            await self._ledger.finish(parcel, "failed", "refused")

    async def lost(self, parcel: Parcel) -> None:
        """The parent may read it twice."""
        await self._ledger.later(parcel, 0)


class Erasures:
    """Takes messages with a password away."""

    once = False

    def __init__(self, ledger: Ledger, channels: Mapping[str, Channel]) -> None:
        self._ledger = ledger
        self._channels = channels

    async def carry(self, parcel: Parcel, address: Address | None) -> None:
        """Erase it; the parent is told when that takes long, or cannot be."""
        assert address is not None  # noqa: S101 - it was for a channel of ours
        ledger = self._ledger
        try:
            await self._channels[address.channel].erase(address.place, parcel.body["message"])
        except (TryLater, Undeliverable) as failed:
            if parcel.attempts == 1 or (parcel.attempts == 0 and isinstance(failed, Undeliverable)):
                await ledger.told(address, EraseFailed())
            age = ledger.clock() - parcel.created_at
            if isinstance(failed, Undeliverable) or age > GIVE_UP_ERASING:
                await ledger.finish(parcel, "failed", "refused")
            else:
                await ledger.later(parcel, failed.seconds)
        else:
            await ledger.finish(parcel, "sent")

    async def lost(self, parcel: Parcel) -> None:
        """It can be erased twice."""
        await self._ledger.later(parcel, 0)
