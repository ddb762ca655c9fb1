"""Floods: Telegram's limits are kept, obeyed where they are told, and cost no reply (UX 1, T26)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from bot.app import carriers
from bot.carriers.ledger import LONGEST_WAIT, Ledger
from bot.channel import Button, Reply, TryLater
from bot.delivery import Delivery
from bot.telegram.client import open_bot
from bot.telegram.incoming import CHANNEL
from bot.telegram.outgoing import TelegramChannel
from bot.telegram.pace import BURST, PER_SECOND, Pace
from flows.chat import Chat
from flows.secret import Secret
from storage.conversations import Address, Conversations
from storage.database import Work, every
from storage.outbox import REPLY, Outbox
from storage.place import Place, connect
from storage.vault import Vault
from tests.helpers.clock import Clock
from tests.helpers.parent import SECRET, Phone
from tests.helpers.postgres import Postgres
from tests.telegram.phone import Person
from tests.telegram.server import BotApi, Flood

TOKEN = "123456:TEST-token_of_35_characters"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch, now: list[float]) -> list[float]:
    """How long was slept. It takes no time, and yet the clock goes on."""
    lengths: list[float] = []
    nap = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds:
            lengths.append(seconds)
            now[0] += seconds
        await nap(0)

    monkeypatch.setattr("bot.telegram.pace.asyncio.sleep", sleep)
    return lengths


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def pace(now: list[float]) -> Pace:
    return Pace(clock=lambda: now[0])


def test_the_numbers_are_telegrams() -> None:
    assert 20 < BURST + PER_SECOND < 30


async def test_one_chat_that_must_wait_slows_nobody_down(pace: Pace, slept: list[float]) -> None:
    pace.told_to_wait("1001", 9)
    pace.told_to_wait("1001", 20)
    assert pace.is_free
    await pace.turn()
    assert slept == []


async def test_two_at_the_same_time_are_the_whole_bot(pace: Pace, slept: list[float]) -> None:
    """Nobody speaks before the latest of the moments."""
    pace.told_to_wait("1001", 20)
    pace.told_to_wait("1002", 9)
    assert not pace.is_free
    await pace.turn()
    assert slept == [20]
    await pace.turn()
    assert slept == [20]


async def test_two_one_after_the_other_are_two(
    pace: Pace, slept: list[float], now: list[float]
) -> None:
    pace.told_to_wait("1001", 9)
    now[0] += 9
    pace.told_to_wait("1002", 9)
    await pace.turn()
    assert slept == []


async def test_who_waits_already_waits_on(pace: Pace, slept: list[float], now: list[float]) -> None:
    """Telegram says stop while calls stand in line."""
    for _ in range(BURST):
        await pace.turn()
    late = asyncio.create_task(pace.turn())
    await asyncio.wait({late}, timeout=0)
    pace.told_to_wait("1001", 5)
    pace.told_to_wait("1002", 7)
    await late
    assert slept == [7]


async def test_an_absurd_wait_is_cut(pace: Pace, slept: list[float]) -> None:
    pace.told_to_wait("1001", 10**6)
    pace.told_to_wait("1002", 10**6)
    await pace.turn()
    assert slept == [LONGEST_WAIT]


async def test_old_buttons_wait_for_a_free_moment(server: BotApi) -> None:
    """Replies go first."""
    person = _met(server)
    pace = Pace()
    async with open_bot(TOKEN, server.url) as bot:
        channel = TelegramChannel(bot, pace=pace)
        place = str(person.chat.id)
        question = Reply("Un", "fr", buttons=(Button("Oui", "yes"),))
        message = await channel.send(place, question)
        assert message
        for chat in ("1", "2"):
            pace.told_to_wait(chat, 600)
        async with asyncio.timeout(5):
            await channel.answered(place, message)
    assert server.calls_of("editMessageReplyMarkup") == []


# ---- all together ----------------------------------------------------------------------------


@pytest.fixture
async def server() -> AsyncIterator[BotApi]:
    async with BotApi(TOKEN) as running:
        yield running


def _met(server: BotApi) -> Person:
    person = server.person()
    person.starts()
    return person


class Crowd:
    """Many parents, to each of whom the same replies are to be sent."""

    def __init__(self, server: BotApi, parents: int) -> None:
        self.server = server
        self.people = [_met(server) for _ in range(parents)]
        vault = Vault(Secret(SECRET))
        self.outbox, self.conversations = Outbox(vault), Conversations(vault)
        self.clock = Clock()

    @asynccontextmanager
    async def delivery(self, place: Place, pace: Pace, replies: int) -> AsyncIterator[Delivery]:
        """A delivery that has so many more replies for each of them to send."""
        database = await connect(place)
        async with open_bot(TOKEN, self.server.url) as bot:
            await database.run(self._turns(replies))

            async def tell(*_: object) -> None:
                raise AssertionError

            ledger = Ledger(database, self.conversations, self.outbox, self.clock, tell)
            channels = {CHANNEL: TelegramChannel(bot, pace=pace)}
            delivery = Delivery(ledger, carriers(ledger, channels, Phone()), channels)
            await delivery.look()
            yield delivery
            await delivery.close()
        statuses = await database.run(every("SELECT DISTINCT status FROM outbox"))
        await database.close()
        assert statuses == [("sent",)]

    def _turns(self, replies: int) -> Work[None]:
        now = self.clock()
        for person in self.people:
            address = Address(CHANNEL, str(person.chat.id))
            chat = self.conversations.key(address)
            yield from self.conversations.save(chat, address, Chat(), None, now)
            for number in range(replies):
                yield from self.outbox.add(chat, REPLY, Reply(str(number), "fr").to_dict(), now)

    def has_all(self, replies: int) -> None:
        """Each parent got each reply, once and in order."""
        for person in self.people:
            texts = [message.text for message in person.screen if message.from_bot]
            assert texts == [str(number) for number in range(replies)]


SCALE = 4
"""Both sides of it, the limit and who keeps it, as many times as fast: it is a test."""


async def test_200_parents_within_the_limit(server: BotApi, tmp_path: Path) -> None:
    """Telegram has next to nothing to refuse: calls that leave in time may arrive together."""
    server.flood = Flood(window=1 / SCALE)
    crowd = Crowd(server, 200)
    async with crowd.delivery(tmp_path / "db", Pace(PER_SECOND * SCALE), 1) as delivery:
        await delivery.settle()
    assert len(server.refused) < 20
    crowd.has_all(1)


async def test_a_server_that_takes_less_is_obeyed(server: BotApi, tmp_path: Path) -> None:
    """It says 429 to several at once, and everything arrives, in order."""
    server.flood = Flood(overall=5, window=0.5)
    crowd = Crowd(server, 6)
    async with crowd.delivery(tmp_path / "db", Pace(), 2) as delivery:
        await delivery.settle()
    assert server.refused
    crowd.has_all(2)


async def test_three_processes_that_are_too_fast_together(
    server: BotApi, postgres: Postgres
) -> None:
    """Each has a pace of its own: what Telegram refuses waits for all, and nothing is lost."""
    server.flood = Flood(overall=10, window=0.5)
    crowd, url = Crowd(server, 15), postgres.fresh()
    async with AsyncExitStack() as stack:
        people = [
            await stack.enter_async_context(crowd.delivery(url, Pace(), replies))
            for replies in (0, 0, 2)
        ]
        await asyncio.gather(*(delivery.look() for delivery in people))
        await asyncio.gather(*(delivery.settle() for delivery in people))
    assert server.refused
    crowd.has_all(2)


async def test_nobody_speaks_while_the_whole_bot_must_wait(
    server: BotApi, pace: Pace, slept: list[float]
) -> None:
    people = [_met(server) for _ in range(3)]
    async with open_bot(TOKEN, server.url) as bot:
        channel = TelegramChannel(bot, pace=pace)
        for person, wait in zip(people, (4, 9), strict=False):
            server.fail_next("sendMessage", retry_after=wait)
            with pytest.raises(TryLater):
                await channel.send(str(person.chat.id), Reply("Bonjour", "fr"))
            assert slept == []
        await channel.send(str(people[2].chat.id), Reply("Bonjour", "fr"))
    assert slept == [9 + 1]
