"""How each kind of parcel leaves; bot/delivery.py says which one, and when."""

from typing import Protocol

from storage.conversations import Address
from storage.outbox import Parcel


class Carrier(Protocol):
    """Takes parcels of one kind out, and notes in the ledger what became of each.

    `once`: a parcel that may have left is never sent again. Such a one, and one of a process that
    died while it sent it, is told to `lost`.
    """

    once: bool

    async def carry(self, parcel: Parcel, address: Address | None) -> None:
        """Send it, to the conversation at `address` (None: that is stored no more)."""

    async def lost(self, parcel: Parcel) -> None:
        """Nobody knows whether it left."""
