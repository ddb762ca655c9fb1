"""What waits to be told to an outside service, when something else has happened meanwhile."""

from typing import Any

import pytest

from storage.database import every
from storage.outbox import ACCOUNT, Outbox
from storage.place import Place
from storage.told import tell_changes, tell_now
from tests.storage.test_erasure import DAY, Here, met

KEY = b"k" * 16


async def waits(here: Here) -> list[str]:
    """What the service is to be told of the account, in order."""
    rows = await here.database.run(
        every("SELECT body FROM outbox WHERE chat = ? AND status = 'waiting' ORDER BY id", KEY)
    )
    return [here.vault.open(body, f"outbox:{KEY.hex()}")["do"] for (body,) in rows]


async def asks(here: Here) -> None:
    """A change waits, and a password that is being tried again."""
    outbox, now = Outbox(here.vault), here.clock()
    body: dict[str, Any] = {"do": "password", "chat": "00", "identifier": "m.dupont"}
    await here.database.run(outbox.add(KEY, ACCOUNT, {"do": "change"}, now))
    await here.database.run(outbox.add(KEY, ACCOUNT, body, now, now + DAY))


@pytest.mark.parametrize(
    ("columns", "left"),
    [
        ({}, ["password", "change"]),
        ({"frozen_at": 1}, ["change"]),
        ({"closed_at": 1, "erase_at": 2}, ["change"]),
    ],
    ids=["open", "frozen", "closed"],
)
async def test_a_freeze_does_not_wait_behind_a_password(
    place: Place, columns: dict[str, int], left: list[str]
) -> None:
    async with met(place, account_key=KEY, told=b"t", **columns) as here:
        await asks(here)
        assert (
            await here.database.run(tell_now(here.vault, here.account.number, here.clock())) == KEY
        )
        assert await waits(here) == left


async def test_an_account_in_no_service_is_told_to_nobody(place: Place) -> None:
    async with met(place) as here:
        assert (
            await here.database.run(tell_now(here.vault, here.account.number, here.clock())) is None
        )
        assert await here.database.run(every("SELECT id FROM outbox WHERE kind = 'account'")) == []


async def test_an_import_leaves_a_password_that_waits(place: Place) -> None:
    async with met(place, account_key=KEY, told=b"t") as here:
        known = {"identifier": "m.dupont", "last": "Dupont", "first": "Marie", "there": "1"}
        await here.reseals({**known, "phone": "+33612345678"})
        await asks(here)
        await here.database.run(tell_changes(here.vault, b"", here.clock()))
        assert await waits(here) == ["password", "change"]
