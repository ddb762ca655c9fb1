"""What the outbox holds leaves: once, in order, and whatever goes wrong outside."""

import asyncio
import sqlite3
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.app import carriers
from bot.carriers.ledger import MOST_TRIES, Ledger, Together
from bot.carriers.replies import GIVE_UP_ERASING
from bot.channel import Reply, TryLater, Undeliverable
from bot.delivery import Delivery
from bot.sms import Sms, SmsRefused, Taken
from bot.sms.port import Simple
from flows.chat import Chat
from flows.inputs import EraseFailed, FromWorld, SmsDelayed, SmsFailed, TextFailed
from flows.secret import Secret
from flows.states import S
from storage.conversations import Address, Conversations
from storage.database import Database, every, run
from storage.outbox import ERASE, REPLY, SMS, Outbox, Parcel
from storage.place import connect
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

    async def send(self, place: str, reply: Reply, instead: str | None = None) -> str | None:
        await self._takes(place, reply.text)
        return None

    async def answered(self, place: str, message: str) -> None:
        """Take it."""

    async def erase(self, place: str, message: str) -> None:
        await self._takes(place, f"erase {message}")


class Provider(Simple, Outside):
    """An SMS provider."""

    name = "provider"

    async def send(self, sms: Sms) -> Taken:
        await self._takes(sms.to, sms.text)
        return Taken(self.name)


class Desk:
    """Everything around a delivery; it can be stopped and started like a process."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self.messenger = Messenger()
        self.provider = Provider()
        self.told: list[tuple[str, FromWorld]] = []
        self.before_sending: Callable[[], object] = lambda: None
        vault = Vault(Secret(SECRET))
        self.outbox = Outbox(vault)
        self.conversations = Conversations(vault)

    async def opens(self) -> None:
        self.database: Database = await connect(self.path)
        ledger = Ledger(self.database, self.conversations, self.outbox, self._now, self._tell)
        channels = {"here": self.messenger}
        self.delivery = Delivery(ledger, carriers(ledger, channels, self.provider), channels)

    async def closes(self) -> None:
        await self.delivery.close()
        await self.database.close()

    async def restarts(self) -> None:
        await self.closes()
        await self.opens()
        await self.delivery.look()

    def _now(self) -> datetime:
        self.before_sending()  # the time is looked at between taking a parcel and sending it
        return self.clock()

    async def _tell(
        self, address: Address, happened: FromWorld, together: Together | None = None, /
    ) -> None:
        self.told.append((address.place, happened))

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

    async def stands(self, place: str, state: S, channel: str = "here") -> bytes:
        """A conversation that stands there."""
        address = Address(channel, place)
        chat = self.conversations.key(address)
        record = Chat(state)
        await self.database.run(self.conversations.save(chat, address, record, None, self.clock()))
        return chat

    async def sms_to(self, number: str, place: str) -> None:
        """Put a code in for a number, as the turn of a parent does who is then asked for it."""
        chat, now = await self.stands(place, S.CODE), self.clock()
        body = {"to": number, "text": "482913"}
        expires = now + timedelta(minutes=30)
        await self.database.run(self.outbox.add(chat, SMS, body, now, expires))

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
    assert 5 < len(desk.provider.tried) < 40


async def test_killed_while_an_sms_leaves(desk: Desk) -> None:
    """Nobody knows whether it left: it is given up, and what waits behind it leaves."""
    desk.provider.faults["marie"].append(asyncio.Event())
    await desk.puts("111111", kind=SMS)
    await desk.puts("222222", kind=SMS)
    await desk.delivery.look()
    await desk.until(lambda: desk.provider.tried == ["111111"])
    assert await desk.statuses() == ["sending", "waiting"]
    await desk.restarts()
    await desk.delivery.settle()
    assert desk.provider.got == [("marie", "222222")]
    assert await desk.statuses() == ["failed", "sent"]
    assert await desk.bodies_left() == 0


async def test_a_code_that_is_dropped_does_not_leave(desk: Desk, slept: list[float]) -> None:
    """While it waits to be tried again another one takes its place, and does not wait for it."""
    desk.provider.faults["marie"].append(SmsRefused("busy", final=False))
    chat = await desk.puts("111111", kind=SMS, minutes=30)
    slow = asyncio.Event()
    nap = asyncio.sleep

    async def sleep(seconds: float) -> None:
        await (slow.wait() if seconds else nap(0))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        desk.delivery.post(chat)
        await desk.delivery.settle(later=False)
        await desk.database.run(desk.outbox.drop_codes(chat))
        await desk.puts("222222", kind=SMS, minutes=30)
        desk.delivery.post(chat)
        await desk.delivery.settle()
    assert desk.provider.tried == ["111111", "222222"]
    assert await desk.statuses() == ["dropped", "sent"]
    assert await desk.bodies_left() == 0


async def test_an_sms_for_nobody_never_reaches_the_sender(desk: Desk) -> None:
    """Invariants I8 and I10; it counts neither as sent nor as failed."""
    await desk.puts("482913", "", kind=SMS, minutes=30)
    await desk.sends()
    await desk.puts("482913", "", kind=SMS, minutes=30)
    desk.clock.passes(minutes=31)
    await desk.sends()
    assert desk.provider.tried == []
    assert await desk.database.run(desk.outbox.by_status()) == {"sms": {"silent": 2}}
    assert await desk.bodies_left() == 0


SENDER_FAILS: dict[str, Fault] = {
    "refused for now": SmsRefused("busy", final=False),
    "unclear": ConnectionResetError(),
    "slow": asyncio.Event(),
}


@pytest.mark.parametrize("fault", SENDER_FAILS)
async def test_all_who_wait_for_a_code_hear_that_sms_are_late(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """RELIABILITY T23; also those to whom none goes, or they would be known by it (I10)."""
    monkeypatch.setattr("bot.carriers.texting.PATIENCE", 0.05)
    for place, state in (("marie", S.CODE), ("stranger", S.NO_SMS), ("anna", S.PHONE)):
        await desk.stands(place, state)
    await desk.stands("paul", S.CODE, channel="elsewhere")
    desk.provider.faults["+33612345678"].append(SENDER_FAILS[fault])
    await desk.sms_to("+33612345678", "marie")
    await desk.sends()
    assert set(desk.told) == {("marie", SmsDelayed()), ("stranger", SmsDelayed())}
    retried = fault == "refused for now"
    assert len(desk.provider.tried) == 1 + retried
    assert await desk.statuses() == ["sent" if retried else "failed"]


async def test_while_the_sender_is_down_each_new_one_hears_it_at_once(desk: Desk) -> None:
    """Known or not; from the next success on nobody does."""
    desk.provider.faults["+33612345678"].append(ConnectionResetError())
    for to in ("+33612345678", "", "+33612345678", ""):
        await desk.sms_to(to, "marie")
        await desk.sends()
    late = ("marie", SmsDelayed())
    assert desk.told == [late, late, late]  # by the fault; the silent one; the one that works
    assert len(desk.provider.got) == 1


async def test_a_number_that_does_not_exist_is_told_to_the_conversation(desk: Desk) -> None:
    """Which says nothing of it where that would tell that the number is in the register."""
    desk.provider.faults["+33612345678"].append(SmsRefused("unknown_number", final=True))
    await desk.sms_to("+33612345678", "marie")
    await desk.sends()
    assert desk.told == [("marie", SmsFailed("refused"))]


@pytest.mark.parametrize("fault", [SmsRefused("unknown_number", final=True), TimeoutError()])
async def test_an_identifier_that_does_not_leave_is_told(desk: Desk, fault: Exception) -> None:
    desk.provider.faults["marie"].append(fault)
    await desk.puts("m.dupont", kind=SMS)
    await desk.sends()
    assert desk.told[0] == ("marie", TextFailed())
    assert await desk.statuses() == ["failed"]


# ---- replies: at least once ------------------------------------------------------------------


async def test_try_later_waits_longer_each_time(desk: Desk, slept: list[float]) -> None:
    desk.messenger.faults["marie"].extend([TryLater(3)] * 11)
    await desk.puts("bonjour")
    await desk.sends()
    assert desk.messenger.got == [("marie", "bonjour")]
    assert slept == [3, 6, 12, 24, 48, 60, 60, 60, 60, 60, 60]
    assert await desk.statuses() == ["sent"]


async def test_telegrams_wait_is_kept(desk: Desk, slept: list[float]) -> None:
    """Each time, also where we would have tried sooner by ourselves."""
    desk.messenger.faults["marie"].extend([TryLater(37), TryLater(1000), TryLater(2)])
    await desk.puts("bonjour")
    await desk.sends()
    assert slept == [37, 1000, 8]


@pytest.mark.parametrize("hours", [-30 * 24, -1, 1, 30 * 24])
async def test_a_clock_that_jumps_holds_nothing_up(
    desk: Desk, slept: list[float], hours: int
) -> None:
    """RELIABILITY T22: what waits for its moment does not wait for a month."""
    desk.messenger.faults["marie"].append(TryLater(30))
    chat = await desk.puts("first")
    await desk.puts("second", "sophie")
    desk.clock.passes(hours=hours)
    desk.delivery.post(chat)
    await desk.delivery.settle()
    desk.clock.passes(hours=-hours)
    await desk.sends()
    assert sorted(desk.messenger.got) == [("marie", "first"), ("sophie", "second")]
    assert sum(slept) < 3600 + 60


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
async def test_undeliverable_is_given_up(desk: Desk, slept: list[float], kind: str) -> None:
    desk.messenger.faults["marie"].append(Undeliverable())
    await desk.puts("bonjour", kind=kind)
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
    """It is named without what was said, and tried again."""
    desk.messenger.faults["marie"].append(KeyError("bonjour Marie"))
    await desk.puts("bonjour Marie")
    await desk.puts("bonjour Sophie", "sophie")
    await desk.sends()
    assert desk.messenger.got == [("sophie", "bonjour Sophie"), ("marie", "bonjour Marie")]
    assert "reply_failed" in caplog.text
    assert "bonjour" not in caplog.text


async def test_what_stopped_is_looked_at_again(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """Invariant I15: nothing waits for the parent to write."""
    desk.messenger.faults["marie"].append(KeyError("42"))
    await desk.puts("42", kind=ERASE)
    await desk.sends()
    assert "delivery_stopped" in caplog.text
    await desk.delivery.look()
    await desk.delivery.settle()
    assert desk.messenger.got == [("marie", "erase 42")]


async def test_a_reply_that_can_never_be_delivered_is_given_up(
    desk: Desk, slept: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """After a day of tries, and not before; the log says so, and what is behind it leaves."""
    desk.messenger.faults["marie"].extend([TryLater(1)] * (MOST_TRIES + 1))
    await desk.puts("bonjour")
    await desk.puts("re-bonjour")
    await desk.sends()
    assert await desk.statuses() == ["failed", "sent"]
    assert 23 < sum(slept) / 3600 < 25
    assert "reply_given_up" in caplog.text
    assert "bonjour" not in caplog.text


# ---- two processes on one database -----------------------------------------------------------


@pytest.mark.parametrize("kind", [REPLY, ERASE, SMS])
async def test_what_another_process_sends_is_left_alone(desk: Desk, kind: str) -> None:
    """Neither sent nor given up: not at the start, not later."""
    for status in ("waiting", "sending"):
        await desk.puts("bonjour", channel="elsewhere", kind=kind)
        await desk.database.run(run("UPDATE outbox SET status = ? WHERE id % 2", status))
    await desk.restarts()
    await desk.sends()
    assert (desk.messenger.tried, desk.provider.tried) == ([], [])
    assert await desk.statuses() == ["sending", "waiting"]


async def test_what_another_process_puts_in_is_found(desk: Desk) -> None:
    await desk.puts("unlocked")
    await desk.delivery.look()
    await desk.delivery.settle()
    assert desk.messenger.got == [("marie", "unlocked")]


async def test_two_processes_send_an_sms_once(desk: Desk) -> None:
    """The same channel twice: what one has taken the other leaves."""
    other = Desk(desk.path, desk.clock)
    other.provider = desk.provider
    await other.opens()
    for number in range(20):
        await desk.puts(str(number), f"parent {number}", kind=SMS)
    await asyncio.gather(desk.sends(), other.sends())
    await other.closes()
    assert sorted(desk.provider.tried) == sorted(str(number) for number in range(20))
    assert set(await desk.statuses()) == {"sent"}


# ---- erasing ---------------------------------------------------------------------------------


async def test_a_message_that_cannot_be_erased_is_told_once_and_tried_on(
    desk: Desk, slept: list[float]
) -> None:
    desk.messenger.faults["marie"].extend([TryLater(20)] * 4)
    await desk.puts("42", kind=ERASE)
    await desk.sends()
    assert desk.told == [("marie", EraseFailed())]
    assert slept == [20, 40, 60, 60]
    assert desk.messenger.got == [("marie", "erase 42")]
    assert await desk.statuses() == ["sent"]


async def test_a_message_that_can_never_be_erased(desk: Desk) -> None:
    desk.messenger.faults["marie"].append(Undeliverable())
    await desk.puts("42", kind=ERASE)
    await desk.sends()
    await desk.sends()
    assert desk.told == [("marie", EraseFailed())]
    assert desk.messenger.tried == ["erase 42"]
    assert await desk.statuses() == ["failed"]


async def test_erasing_is_given_up_in_the_end(
    desk: Desk, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.carriers.ledger.GROWS_TO", 600)
    desk.messenger.faults["marie"].extend([TryLater(60)] * 5000)
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


class Clumsy:
    """A carrier with a mistake of ours in it."""

    once = True

    def __init__(self, outbox: Outbox, database: Database) -> None:
        self.outbox, self.database = outbox, database
        self.carried = 0
        self.heard: list[int] = []

    async def carry(self, parcel: Parcel, address: Address | None) -> None:
        self.carried += 1
        raise KeyError

    async def lost(self, parcel: Parcel) -> None:
        self.heard.append(parcel.number)
        await self.database.run(self.outbox.finish(parcel, "failed"))


async def test_after_a_mistake_of_ours_nothing_leaves_twice(desk: Desk) -> None:
    """It may have left before the mistake."""
    clumsy = Clumsy(desk.outbox, desk.database)
    ledger = Ledger(desk.database, desk.conversations, desk.outbox, desk.clock, desk._tell)
    delivery = Delivery(ledger, {SMS: clumsy}, ["here"])
    await desk.puts("482913", kind=SMS)
    for _ in range(3):
        await delivery.look()
        await delivery.settle()
    assert (clumsy.carried, len(clumsy.heard)) == (1, 1)
