"""One side of a race: a whole Sésame in a process of its own, which starts when all are ready."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from queue import Queue

from bot.app import Service, open_storage, run_service
from bot.channel import Reply, said
from bot.engine import Update
from flows.chat import Chat, Child
from flows.inputs import CodeOnItsWay, Pressed
from flows.secret import Secret
from flows.states import S
from storage.conversations import Address
from storage.database import Work, every, run
from storage.place import Place
from tests.helpers.parent import Phone, test_settings

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
CHANNEL, PHONE, ASKED = "core", "+33612345678", 7
GUESSES = 25  # of each process on one code


class Nobody:
    """A channel on which nobody reads."""

    async def send(self, place: str, reply: Reply, instead: str | None = None) -> str | None:
        """Take a reply."""
        return None

    async def answered(self, place: str, message: str) -> None:
        """Take it."""

    async def erase(self, place: str, message: str) -> None:
        """Take a wish to erase."""


def address(side: int) -> Address:
    """The chat of a side."""
    return Address(CHANNEL, f"chat {side}")


PRESS = Pressed("activate_now", ASKED)


def at_recap(guardian: int, pupil: int) -> Chat:
    """A conversation with everything but the last press."""
    return Chat(
        S.RECAP,
        lang="fr",
        asked=ASKED,
        seen_at=NOW,
        last="Dupont",
        first="Marie",
        phone=PHONE,
        guardians=(guardian,),
        digest="$argon2id$v=19$m=8,t=2,p=1$c2FsdA$aGFzaA",
        children=[Child(pupil, "Léa", "D", "Collège", status="confirmed")],
    )


def line_up(service: Service, chats: int) -> Work[None]:
    """Nobody has an account, and so many chats are about to open it."""
    for table in ("account_pupils", "account_guardians", "accounts", "identifier_stems"):
        yield from run(f"DELETE FROM {table}")
    for table in ("outbox", "updates", "codes", "tallies"):
        yield from run(f"DELETE FROM {table}")
    conversations = service.doors.conversations
    [family] = yield from every("SELECT guardian, pupil FROM links")
    for side in range(chats):
        key = conversations.key(address(side))
        yield from conversations.save(key, address(side), at_recap(*family), None, NOW)


async def activates(service: Service, side: int) -> list[str]:
    """Press the button in a chat of its own."""
    await service.engine.take(Update(address(side), PRESS, f"press {side}"))
    return []


async def takes_the_same(service: Service, side: int) -> list[str]:
    """Be given the very update that all others are given."""
    await service.engine.take(Update(address(0), said("/aide"), "the update"))
    return []


async def guesses(service: Service, side: int) -> list[str]:
    """Try many wrong codes on one code, all at once."""
    doors = service.doors
    chat = doors.conversations.key(address(0))

    async def guess(number: int) -> str:
        code = Secret(f"{side}{number:05d}")
        return type(await doors.database.run(doors.codes.check(chat, PHONE, code, NOW))).__name__

    return list(await asyncio.gather(*map(guess, range(GUESSES))))


async def knows_the_code(service: Service, side: int) -> list[str]:
    """Type the right code, many times at once."""
    doors = service.doors
    chat = doors.conversations.key(address(0))

    async def check(_number: int) -> str:
        answer = await doors.database.run(doors.codes.check(chat, PHONE, Secret("999999"), NOW))
        return type(answer).__name__

    return list(await asyncio.gather(*map(check, range(GUESSES))))


async def requests(service: Service, side: int) -> list[str]:
    """Ask for codes for one number from many chats."""
    doors = service.doors

    async def request(number: int) -> str:
        chat = doors.conversations.key(Address(CHANNEL, f"{side} {number}"))

        def work() -> Work[str]:
            found = yield from doors.codes.request(chat, PHONE, "Dupont", "Marie", True, NOW)
            return type(found[0]).__name__

        return await doors.database.run(work())

    return list(await asyncio.gather(*map(request, range(GUESSES))))


def one_code(service: Service) -> Work[None]:
    """A code for the first chat: 999999."""
    chat = service.doors.conversations.key(address(0))
    found = yield from service.doors.codes.request(chat, PHONE, "Dupont", "Marie", True, NOW)
    assert isinstance(found[0], CodeOnItsWay)


Race = Callable[[Service, int], Awaitable[list[str]]]


async def runs(
    race: Race, place: Place, side: int, rounds: int, barrier: Barrier, heard: "Queue[Counter[str]]"
) -> None:
    """Run every round, and report what was heard in each."""
    settings = test_settings(place)
    async with (
        open_storage(settings) as (database, vault),
        run_service(
            settings, database, vault, {CHANNEL: Nobody()}, Phone(), lambda: NOW, lambda: "999999"
        ) as service,
    ):
        for _ in range(rounds):
            barrier.wait(60)
            heard.put(Counter(await race(service, side)))
            await service.delivery.settle()
            barrier.wait(60)


def in_process(
    race: Race, place: Place, side: int, rounds: int, barrier: Barrier, heard: "Queue[Counter[str]]"
) -> None:
    """What a process does."""
    try:
        asyncio.run(runs(race, place, side, rounds, barrier, heard))
    except BaseException:
        barrier.abort()
        raise
