"""What the outbox holds leaves: once, in order, and whatever goes wrong outside."""

import asyncio
import sqlite3
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.channel import Reply, TryLater, Undeliverable
from bot.delivery import GIVE_UP_ERASING, Delivery
from bot.sms import SmsRefused
from flows.chat import Chat
from flows.secret import Secret
from storage.conversations import Address, Conversations
from storage.database import Database, connect, every
from storage.outbox import ERASE, REPLY, SMS, Outbox
from storage.vault import Vault
from tests.helpers.clock import Clock
from tests.helpers.parent import SECRET

Fault = Exception | asyncio.Event | None
"""What goes wrong in one sending: raised; waited for; or nothing."""


class Outside:
    """The messenger and the SMS provider, with the faults that a test plans."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self.tried: list[str] = []
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.meanwhile: Callable[[], object] = lambda: None

    async def _takes(self, place: str, text: str) -> None:
        self.tried.append(text)
        fault = self.faults[place].popleft() if self.faults[place] else None
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            await fault.wait()
        self.got.append((place, text))
        self.meanwhile()


class Messenger(Outside):
    """A channel."""

    async def send(self, place: str, reply: Reply) -> None:
        await self._takes(place, reply.text)

    async def erase(self, place: str, message: str) -> None:
        await self._takes(place, f"erase {message}")


class Provider(Outside):
    """An SMS provider."""

    async def send(self, parcel: int, to: str, text: str) -> None:
        await self._takes(to, text)


class Desk:
    """Everything around a delivery; it can be stopped and started like a process."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self.messenger = Messenger()
        self.provider = Provider()
        self.not_erased: list[bytes] = []
        self.before_sending: Callable[[], object] = lambda: None
        vault = Vault(Secret(SECRET))
        self.outbox = Outbox(vault)
        self.conversations = Conversations(vault)

    async def opens(self) -> None:
        self.database: Database = await connect(self.path)
        self.delivery = Delivery(
            self.database,
            self.conversations,
            self.outbox,
            {"here": self.messenger},
            self.provider,
            self._now,
            self._erase_failed,
        )

    async def closes(self) -> None:
        await self.delivery.close()
        await self.database.close()

    async def restarts(self) -> None:
        await self.closes()
        await self.opens()
        await self.delivery.resume()

    def _now(self) -> datetime:
        self.before_sending()  # the time is looked at between taking a parcel and sending it
        return self.clock()

    async def _erase_failed(self, chat: bytes) -> None:
        self.not_erased.append(chat)

    async def puts(
        self, text: str, place: str = "marie", kind: str = REPLY, channel: str = "here", **more: int
    ) -> bytes:
        """Put something in, as a turn does."""
        address, now = Address(channel, place), self.clock()
        chat = self.conversations.key(address)
        await self.database.run(self.conversations.save(chat, address, Chat(), None, now))
        body: object = {
            REPLY: Reply(text, "fr").to_dict(),
            ERASE: {"message": text},
            SMS: {"to": place, "text": text},
        }[kind]
        expires = now + timedelta(**more) if more else None
        await self.database.run(self.outbox.add(chat, kind, body, now, expires))
        return chat

    async def sends(self) -> None:
        """Let everything leave that can leave."""
        for (chat,) in await self.database.run(every("SELECT DISTINCT chat FROM outbox")):
            self.delivery.post(chat)
        await self.delivery.settle()

    async def statuses(self) -> list[str]:
        rows = await self.database.run(every("SELECT status FROM outbox ORDER BY id"))
        return [str(status) for (status,) in rows]

    async def bodies_left(self) -> int:
        rows = await self.database.run(every("SELECT 1 FROM outbox WHERE body IS NOT NULL"))
        return len(rows)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something outside to happen."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - the sender is no place for an event
                await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[float]:
    """How long it slept each time. Sleep takes no time, and yet the clock goes on."""
    lengths: list[float] = []
    nap = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds:
            lengths.append(seconds)
            clock.passes(seconds=seconds)
        await nap(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return lengths


@pytest.fixture
async def desk(tmp_path: Path, clock: Clock, slept: list[float]) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path / "outbox.sqlite3", clock)
    await desk.opens()
    yield desk
    await desk.closes()


# ---- SMS: at most once -----------------------------------------------------------------------


async def test_an_sms_leaves_and_its_text_is_forgotten(desk: Desk) -> None:
    await desk.puts("482913", kind=SMS)
    await desk.sends()
    await desk.sends()
    assert desk.provider.got == [("marie", "482913")]
    assert await desk.statuses() == ["sent"]
    assert await desk.bodies_left() == 0


async def test_refused_for_good(desk: Desk, slept: list[float]) -> None:
    desk.provider.faults["marie"].append(SmsRefused("unknown_number", final=True))
    await desk.puts("482913", kind=SMS)
    await desk.sends()
    await desk.restarts()
    await desk.delivery.settle()
    assert (desk.provider.tried, desk.provider.got, slept) == (["482913"], [], [])
    assert await desk.statuses() == ["failed"]
    assert await desk.bodies_left() == 0


async def test_refused_for_now_then_sent(desk: Desk, slept: list[float]) -> None:
    desk.provider.faults["marie"].extend([SmsRefused("busy", final=False)] * 3)
    await desk.puts("482913", kind=SMS)
    await desk.sends()
    assert desk.provider.tried == ["482913"] * 4
    assert desk.provider.got == [("marie", "482913")]
    assert slept == [5, 10, 20]
    assert await desk.statuses() == ["sent"]


@pytest.mark.parametrize("fault", [TimeoutError(), ConnectionResetError(), ValueError("?")])
async def test_an_unclear_answer_is_never_tried_again(desk: Desk, fault: Exception) -> None:
    """DESIGN, decision 11: it may have left."""
    desk.provider.faults["marie"].append(fault)
    await desk.puts("482913", kind=SMS)
    await desk.sends()
    await desk.restarts()
    await desk.sends()
    assert desk.provider.tried == ["482913"]
    assert await desk.statuses() == ["failed"]
    assert await desk.bodies_left() == 0


async def test_the_next_code_leaves_after_one_that_did_not(desk: Desk) -> None:
    desk.provider.faults["marie"].append(TimeoutError())
    await desk.puts("111111", kind=SMS)
    await desk.puts("222222", kind=SMS)
    await desk.sends()
    assert desk.provider.got == [("marie", "222222")]
    assert await desk.statuses() == ["failed", "sent"]


@pytest.mark.parametrize(("waited", "sent"), [(29 * 60 + 59, True), (30 * 60, False)])
async def test_a_dead_code_does_not_leave(desk: Desk, waited: int, sent: bool) -> None:
    await desk.puts("482913", kind=SMS, minutes=30)
    desk.clock.passes(seconds=waited)
    await desk.sends()
    assert desk.provider.tried == (["482913"] if sent else [])
    assert await desk.statuses() == ["sent" if sent else "failed"]


async def test_a_code_dies_while_the_provider_refuses(desk: Desk, slept: list[float]) -> None:
    """The tries end with the code."""
    desk.provider.faults["marie"].extend([SmsRefused("busy", final=False)] * 100)
    await desk.puts("482913", kind=SMS, minutes=30)
    await desk.sends()
    assert await desk.statuses() == ["failed"]
    assert 1800 <= sum(slept) < 1800 + 600
    assert 5 < len(desk.provider.tried) < 15


async def test_killed_while_an_sms_leaves(desk: Desk) -> None:
    """Nobody knows whether it left: it is given up, and what waits behind it leaves."""
    desk.provider.faults["marie"].append(asyncio.Event())
    await desk.puts("111111", kind=SMS)
    await desk.puts("222222", kind=SMS)
    for (chat,) in await desk.database.run(every("SELECT DISTINCT chat FROM outbox")):
        desk.delivery.post(chat)
    await desk.until(lambda: desk.provider.tried == ["111111"])
    assert await desk.statuses() == ["sending", "waiting"]
    await desk.restarts()
    await desk.delivery.settle()
    assert desk.provider.got == [("marie", "222222")]
    assert await desk.statuses() == ["failed", "sent"]
    assert await desk.bodies_left() == 0


# ---- replies: at least once ------------------------------------------------------------------


async def test_try_later_waits_longer_each_time(desk: Desk, slept: list[float]) -> None:
    desk.messenger.faults["marie"].extend([TryLater(3)] * 11)
    await desk.puts("bonjour")
    await desk.sends()
    assert desk.messenger.got == [("marie", "bonjour")]
    assert slept == [3, 6, 12, 24, 48, 96, 192, 384, 600, 600, 600]
    assert await desk.statuses() == ["sent"]


async def test_telegrams_wait_is_kept(desk: Desk, slept: list[float]) -> None:
    desk.messenger.faults["marie"].append(TryLater(37))
    await desk.puts("bonjour")
    await desk.sends()
    assert slept == [37]


async def test_try_later_outlives_a_restart(desk: Desk, slept: list[float]) -> None:
    desk.messenger.faults["marie"].extend([TryLater(3), asyncio.Event()])
    chat = await desk.puts("bonjour")
    desk.delivery.post(chat)
    await desk.until(lambda: len(desk.messenger.tried) == 2)
    await desk.restarts()
    await desk.delivery.settle()
    assert desk.messenger.tried == ["bonjour"] * 3
    assert desk.messenger.got == [("marie", "bonjour")]
    rows = await desk.database.run(every("SELECT attempts FROM outbox"))
    assert rows == [(1,)]


@pytest.mark.parametrize("kind", [REPLY, ERASE])
@pytest.mark.parametrize("channel", ["here", "a channel that is not configured any more"])
async def test_undeliverable_is_given_up(
    desk: Desk, slept: list[float], channel: str, kind: str
) -> None:
    desk.messenger.faults["marie"].append(Undeliverable())
    await desk.puts("bonjour", channel=channel, kind=kind)
    await desk.sends()
    await desk.sends()
    assert desk.messenger.got == []
    assert slept == []
    assert await desk.statuses() == ["failed"]
    assert await desk.bodies_left() == 0


async def test_order_within_a_chat(desk: Desk) -> None:
    """Whatever goes wrong with the first: the second does not overtake it."""
    desk.messenger.faults["marie"].extend([TryLater(2), None, None, TryLater(2), TryLater(2)])
    for number in range(10):
        await desk.puts(str(number))
    await desk.sends()
    assert [text for _, text in desk.messenger.got] == [str(number) for number in range(10)]


async def test_what_comes_meanwhile_leaves_too(desk: Desk) -> None:
    slow = asyncio.Event()
    desk.messenger.faults["marie"].append(slow)
    chat = await desk.puts("first")
    desk.delivery.post(chat)
    await desk.until(lambda: desk.messenger.tried == ["first"])
    await desk.puts("second")
    desk.delivery.post(chat)
    slow.set()
    await desk.delivery.settle()
    assert [text for _, text in desk.messenger.got] == ["first", "second"]


async def test_others_side_by_side_while_one_is_slow(desk: Desk) -> None:
    slow = asyncio.Event()
    desk.messenger.faults["slow"].append(slow)
    chats = [await desk.puts("hello", place) for place in ("slow", "a", "b", "c")]
    await desk.puts("482913", "slow", kind=SMS)  # not even the same person's SMS waits
    for chat in chats:
        desk.delivery.post(chat)
    await desk.until(lambda: len(desk.messenger.got) == 3 and len(desk.provider.got) == 1)
    assert sorted(place for place, _ in desk.messenger.got) == ["a", "b", "c"]
    slow.set()
    await desk.delivery.settle()
    assert desk.messenger.got[-1] == ("slow", "hello")


async def test_killed_before_anything_leaves(desk: Desk) -> None:
    for place in ("marie", "sophie"):
        for kind in (REPLY, SMS, ERASE):
            await desk.puts(kind, place, kind=kind)
    await desk.restarts()
    await desk.delivery.settle()
    assert sorted(desk.messenger.got) == [
        *(("marie", "erase erase"), ("marie", "reply")),
        *(("sophie", "erase erase"), ("sophie", "reply")),
    ]
    assert sorted(desk.provider.got) == [("marie", "sms"), ("sophie", "sms")]
    assert set(await desk.statuses()) == {"sent"}


async def test_our_own_mistake_stops_one_chat_only(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named without what was said; the next message of that chat tries again."""
    desk.messenger.faults["marie"].append(KeyError("bonjour Marie"))
    await desk.puts("bonjour Marie")
    await desk.puts("bonjour Sophie", "sophie")
    await desk.sends()
    assert desk.messenger.got == [("sophie", "bonjour Sophie")]
    assert "kind=KeyError" in caplog.text
    assert "bonjour" not in caplog.text
    await desk.sends()
    assert desk.messenger.got[-1] == ("marie", "bonjour Marie")


# ---- erasing ---------------------------------------------------------------------------------


async def test_a_message_that_cannot_be_erased_is_told_once_and_tried_on(
    desk: Desk, slept: list[float]
) -> None:
    desk.messenger.faults["marie"].extend([TryLater(60)] * 4)
    chat = await desk.puts("42", kind=ERASE)
    await desk.sends()
    assert desk.not_erased == [chat]
    assert slept == [60, 120, 240, 480]
    assert desk.messenger.got == [("marie", "erase 42")]
    assert await desk.statuses() == ["sent"]


async def test_a_message_that_can_never_be_erased(desk: Desk) -> None:
    desk.messenger.faults["marie"].append(Undeliverable())
    chat = await desk.puts("42", kind=ERASE)
    await desk.sends()
    await desk.sends()
    assert desk.not_erased == [chat]
    assert desk.messenger.tried == ["erase 42"]
    assert await desk.statuses() == ["failed"]


async def test_erasing_is_given_up_in_the_end(desk: Desk, slept: list[float]) -> None:
    desk.messenger.faults["marie"].extend([TryLater(60)] * 1000)
    await desk.puts("42", kind=ERASE)
    await desk.sends()
    assert await desk.statuses() == ["failed"]
    assert GIVE_UP_ERASING.total_seconds() < sum(slept) <= GIVE_UP_ERASING.total_seconds() + 600


# ---- storage fails meanwhile -----------------------------------------------------------------


async def test_a_locked_database_is_waited_for(
    desk: Desk, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.puts("bonjour")
    await desk.puts("482913", kind=SMS)
    await desk.database.run(every("PRAGMA busy_timeout = 0"))
    other = sqlite3.connect(desk.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    virtual = asyncio.sleep

    async def sleep(seconds: float) -> None:
        await virtual(seconds)
        if len(slept) >= 6 and other.in_transaction:
            other.execute("ROLLBACK")

    monkeypatch.setattr(asyncio, "sleep", sleep)
    desk.delivery.post(desk.conversations.key(Address("here", "marie")))
    await desk.delivery.settle()
    other.close()
    assert (desk.messenger.got, desk.provider.got) == (
        [("marie", "bonjour")],
        [("marie", "482913")],
    )
    assert set(slept) == {1}
    assert await desk.statuses() == ["sent", "sent"]


@pytest.mark.parametrize("kind", [REPLY, SMS, ERASE])
async def test_what_left_does_not_leave_again_when_that_cannot_be_noted(
    desk: Desk, slept: list[float], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The disk is full just after the sending: no flood of the same message."""
    outside = desk.provider if kind == SMS else desk.messenger
    virtual, other = asyncio.sleep, sqlite3.connect(desk.path, isolation_level=None)
    chat = await desk.puts("once", kind=kind)
    await desk.database.run(every("PRAGMA busy_timeout = 0"))
    outside.meanwhile = lambda: len(outside.tried) > 1 or other.execute("BEGIN IMMEDIATE")

    async def sleep(seconds: float) -> None:
        await virtual(seconds)
        if len(slept) >= 3 and other.in_transaction:
            other.execute("ROLLBACK")

    monkeypatch.setattr(asyncio, "sleep", sleep)
    desk.delivery.post(chat)
    await desk.delivery.settle()
    other.close()
    assert len(outside.tried) == 1
    assert await desk.statuses() == ["sent"]


async def test_an_sms_that_cannot_be_noted_does_not_leave(
    desk: Desk, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is noted before it leaves; a code that dies meanwhile does not leave at all."""
    virtual, other = asyncio.sleep, sqlite3.connect(desk.path, isolation_level=None)
    chat = await desk.puts("482913", kind=SMS, minutes=30)
    await desk.database.run(every("PRAGMA busy_timeout = 0"))
    desk.before_sending = lambda: other.in_transaction or slept or other.execute("BEGIN IMMEDIATE")

    async def sleep(seconds: float) -> None:
        await virtual(seconds)
        if sum(slept) >= 1800 and other.in_transaction:
            other.execute("ROLLBACK")

    monkeypatch.setattr(asyncio, "sleep", sleep)
    desk.delivery.post(chat)
    await desk.delivery.settle()
    other.close()
    assert desk.provider.tried == []
    assert await desk.statuses() == ["failed"]
