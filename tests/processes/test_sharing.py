"""Several deliveries on one PostgreSQL share the work, and one takes over what another left."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from bot.app import carriers
from bot.carriers.ledger import Ledger, Together
from bot.carriers.mailing import Mailing
from bot.channel import Reply
from bot.delivery import WORKER, Delivery
from bot.telegram.polling import POLLING
from flows.chat import Chat
from flows.inputs import FromWorld
from flows.secret import Secret
from storage.conversations import Address, Conversations
from storage.database import Database, Work, every, one, run
from storage.outbox import EMAIL, REPLY, SMS, TELL, Outbox
from storage.place import connect
from storage.vault import Vault
from tests.bot.test_delivery import Messenger, Provider
from tests.bot.test_mailing import Post
from tests.helpers.clock import Clock
from tests.helpers.parent import SECRET
from tests.helpers.postgres import Postgres

Begin = Callable[[], Awaitable["tuple[Process, Messenger, Provider]"]]
"""Begins a process; the messenger, the provider and the mail server are the same for all."""

VAULT = Vault(Secret(SECRET))
OUTBOX, CONVERSATIONS = Outbox(VAULT), Conversations(VAULT)


class Process:
    """What a process has of its own: connections, and a delivery. The world outside is one."""

    def __init__(
        self, database: Database, clock: Clock, outside: Messenger, sms: Provider, post: Post
    ) -> None:
        self.database = database
        self.post = post
        self.clock = clock
        self.slow: asyncio.Event | None = None  # a turn begins, and does not end
        ledger = Ledger(database, CONVERSATIONS, OUTBOX, clock, self._tell)
        channels = {"here": outside}
        ways = {**carriers(ledger, channels, sms), EMAIL: Mailing(ledger, post, VAULT)}
        self.delivery = Delivery(ledger, ways, channels)

    async def _tell(
        self, address: Address, happened: FromWorld, together: Together | None = None, /
    ) -> None:
        """Stored as a turn is: whole, or not at all."""
        if self.slow is not None:
            self.slow.set()
            await asyncio.Event().wait()

        def turn() -> Work[None]:
            if together is None or (yield from together(self.clock())):
                what = getattr(happened, "identifier", type(happened).__name__)
                yield from run("INSERT INTO heard VALUES (?, ?)", address.place, what)

        await self.database.run(turn())

    async def heard(self) -> dict[str, list[str]]:
        """What each conversation was told."""
        told: dict[str, list[str]] = {}
        for place, what in await self.database.run(every("SELECT place, what FROM heard")):
            told.setdefault(place, []).append(what)
        return told

    async def takes_over(self) -> None:
        """Go on until nothing waits; what another left, too, once it is seen to be dead."""
        waits = "SELECT 1 FROM outbox WHERE status IN ('waiting', 'sending')"
        async with asyncio.timeout(5):
            while await self.database.run(every(waits)):
                await self.delivery.look()
                await self.delivery.settle(later=False)

    async def dies(self) -> None:
        """End at once: nothing is finished, all connections are gone."""
        await self.delivery.close()
        await self.database.close()


@pytest.fixture
async def begins(postgres: Postgres) -> AsyncIterator[Begin]:
    url, clock, outside, sms, post = postgres.fresh(), Clock(), Messenger(), Provider(), Post()
    async with AsyncExitStack() as stack:

        async def begin() -> tuple[Process, Messenger, Provider]:
            process = Process(await connect(url), clock, outside, sms, post)
            await process.database.run(
                run("CREATE TABLE IF NOT EXISTS heard (place text, what text)")
            )
            stack.push_async_callback(process.dies)
            return process, outside, sms

        yield begin


def put_in(places: int, replies: int) -> Work[None]:
    """Replies for so many chats."""
    now = Clock().now
    for place in range(places):
        address = Address("here", f"{place}")
        chat = CONVERSATIONS.key(address)
        yield from CONVERSATIONS.save(chat, address, Chat(), None, now)
        for number in range(replies):
            reply = Reply(f"{number}", "fr").to_dict()
            yield from OUTBOX.add(chat, REPLY, reply, now)


def put_sms() -> Work[None]:
    """One SMS."""
    now, address = Clock().now, Address("here", "marie")
    chat = CONVERSATIONS.key(address)
    yield from CONVERSATIONS.save(chat, address, Chat(), None, now)
    body = {"to": "+33612345678", "text": "482913"}
    yield from OUTBOX.add(chat, SMS, body, now, now + timedelta(minutes=30))


def put_mail(places: int, *, code: bool) -> Work[None]:
    """A mail for each of so many chats: a code, or a notice of an account."""
    now = Clock().now
    for place in range(places):
        address = Address("here", f"{place}")
        chat = CONVERSATIONS.key(address) if code else f"account:{place}".encode()
        if code:
            yield from CONVERSATIONS.save(chat, address, Chat(), None, now)
        body = {"to": f"{place}@exemple.example", "subject": "S", "text": "482913", "code": code}
        yield from OUTBOX.add(chat, EMAIL, body, now, now + timedelta(minutes=30) if code else None)


def put_words(places: int, words: int) -> Work[None]:
    """So many things that each of so many conversations is to be told."""
    now = Clock().now
    for place in range(places):
        address = Address("here", f"{place}")
        chat = CONVERSATIONS.key(address)
        yield from CONVERSATIONS.save(chat, address, Chat(), None, now)
        for number in range(words):
            facts = {"identifier": f"{number}", "why": "password"}
            body = {"input": "SignedOut", "facts": facts}
            yield from OUTBOX.add(chat, TELL, body, now)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_each_reply_leaves_once_and_in_order(begins: Begin) -> None:
    people = [await begins() for _ in range(3)]
    outside = people[0][1]
    for process, _, _ in people:
        await process.delivery.look()  # all are there before there is work
    await people[0][0].database.run(put_in(places=40, replies=5))
    await asyncio.gather(*(process.delivery.look() for process, _, _ in people))
    await asyncio.gather(*(process.delivery.settle() for process, _, _ in people))
    heard: dict[str, list[str]] = {}
    for place, text in outside.got:
        heard.setdefault(place, []).append(text)
    assert heard == {f"{place}": list("01234") for place in range(40)}
    workers = "SELECT count(DISTINCT worker) FROM outbox"
    row = await people[0][0].database.run(one(workers))
    assert row is not None
    assert row[0] > 1  # nobody did it alone


async def test_what_a_dead_process_was_sending_is_sent(begins: Begin) -> None:
    one_, outside, _ = await begins()
    other, _, _ = await begins()
    outside.faults["0"].append(asyncio.Event())  # it never gets its answer
    await one_.database.run(put_in(places=1, replies=2))
    await one_.delivery.look()
    await until(lambda: bool(outside.tried))
    await other.delivery.look()
    await other.delivery.settle()
    assert outside.got == []  # the first is at it, and lives
    await one_.dies()
    async with asyncio.timeout(5):
        while await other.database.run(every("SELECT 1 FROM outbox WHERE status <> 'sent'")):
            await other.delivery.look()
            await other.delivery.settle()
    assert outside.got == [("0", "0"), ("0", "1")]


async def test_an_sms_of_a_dead_process_is_never_sent_again(begins: Begin) -> None:
    one_, _, sms = await begins()
    other, _, _ = await begins()
    sms.faults["+33612345678"].append(asyncio.Event())
    await one_.database.run(put_sms())
    await one_.delivery.look()
    await until(lambda: bool(sms.tried))
    await one_.dies()
    async with asyncio.timeout(5):
        while await other.database.run(every("SELECT 1 FROM outbox WHERE status = 'sending'")):
            await other.delivery.look()
    await other.delivery.settle()
    assert sms.tried == ["482913"]
    assert await other.database.run(one("SELECT status FROM outbox")) == ("failed",)


async def test_two_who_find_what_is_left_do_not_both_send_it(begins: Begin) -> None:
    """The slower of the two takes nothing away from the other, who has it by now."""
    one_, _, _ = await begins()
    other, _, _ = await begins()
    await one_.database.run(put_in(places=1, replies=1))
    chat = CONVERSATIONS.key(Address("here", "0"))

    def claims(worker: int) -> Work[None]:
        parcel = yield from OUTBOX.head(chat, REPLY)
        assert parcel is not None
        yield from OUTBOX.claim(parcel, worker)

    await one_.database.run(claims(1))  # and dies
    [found] = await other.database.run(OUTBOX.left_by(1))
    await one_.database.run(OUTBOX.try_later(found, Clock().now))
    await one_.database.run(claims(2))
    await other.database.run(OUTBOX.try_later(found, Clock().now))
    rows = await other.database.run(every("SELECT status, worker, attempts FROM outbox"))
    assert rows == [("sending", 2, 1)]


async def test_who_was_taken_for_dead_lets_the_other_end_it(
    begins: Begin, postgres: Postgres
) -> None:
    """The reply is repeated then, and the next one comes after it."""
    one_, outside, _ = await begins()
    other, _, _ = await begins()
    first, second = asyncio.Event(), asyncio.Event()
    outside.faults["0"] += [first, second]
    await one_.database.run(put_in(places=1, replies=2))
    await one_.delivery.look()
    await until(lambda: len(outside.tried) == 1)
    postgres.says(  # as when the server was started anew: all names are free
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory'"
    )
    async with asyncio.timeout(5):
        while len(outside.tried) == 1:  # the other takes it over, and sends it
            await other.delivery.look()
            await asyncio.sleep(0.01)
    first.set()
    await one_.delivery.settle()
    assert outside.got == [("0", "0")]
    second.set()
    await other.takes_over()
    assert outside.got == [("0", "0"), ("0", "0"), ("0", "1")]


async def test_each_mail_leaves_once_and_each_word_is_told_once(begins: Begin) -> None:
    people = [(await begins())[0] for _ in range(3)]
    for process in people:
        await process.delivery.look()
    await people[0].database.run(put_words(places=20, words=3))
    await people[0].database.run(put_mail(places=20, code=True))
    await asyncio.gather(*(process.delivery.look() for process in people))
    await asyncio.gather(*(process.delivery.settle() for process in people))
    sent = sorted(mail.to for mail in people[0].post.tried)
    assert sent == sorted(f"{place}@exemple.example" for place in range(20))
    assert await people[0].heard() == {f"{place}": list("012") for place in range(20)}
    workers = "SELECT count(DISTINCT worker) FROM outbox WHERE kind = ?"
    for kind in (EMAIL, TELL):
        row = await people[0].database.run(one(workers, kind))
        assert row is not None
        assert row[0] > 1  # nobody did it alone


@pytest.mark.parametrize("code", [True, False])
async def test_a_mail_of_a_dead_process(begins: Begin, code: bool) -> None:
    """A code is not sent again, and its conversation told; a notice is, under the same name."""
    one_, _, _ = await begins()
    other, _, _ = await begins()
    one_.post.faults.append(asyncio.Event())
    await one_.database.run(put_mail(places=1, code=code))
    await one_.delivery.look()
    await until(lambda: bool(one_.post.tried))
    await other.delivery.look()
    await other.delivery.settle()
    assert len(other.post.tried) == 1  # the first is at it, and lives
    await one_.dies()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bot.carriers.mailing.AGAIN", 0)
        await other.takes_over()
    names = [mail.name for mail in other.post.tried]
    assert names == names[:1] * (1 if code else 2)
    assert await other.heard() == ({"0": ["EmailFailed"]} if code else {})


async def test_what_a_dead_process_was_telling_is_told_once(begins: Begin) -> None:
    one_, _, _ = await begins()
    other, _, _ = await begins()
    one_.slow = asyncio.Event()
    await one_.database.run(put_words(places=1, words=2))
    await one_.delivery.look()
    await one_.slow.wait()
    await other.delivery.look()
    await other.delivery.settle()
    assert await other.heard() == {}  # the first is at it, and lives
    await one_.dies()
    await other.takes_over()
    assert await other.heard() == {"0": ["0", "1"]}


async def test_a_lost_connection_is_noticed(begins: Begin, postgres: Postgres) -> None:
    """Who may have lost the name asks for another, and goes on."""
    process, outside, _ = await begins()
    await process.delivery.look()
    before = process.delivery._worker
    assert process.database.holds(WORKER, before)
    postgres.says(
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory'"
    )
    await until(lambda: not process.database.holds(WORKER, before))
    await process.database.run(put_in(places=1, replies=1))
    await process.delivery.look()
    await process.delivery.settle()
    assert process.delivery._worker != before
    assert outside.got == [("0", "0")]


async def test_one_holds_a_name(begins: Begin) -> None:
    one_, _, _ = await begins()
    other, _, _ = await begins()
    assert await one_.database.hold(POLLING)
    assert await one_.database.hold(POLLING)  # once more is no harm
    assert not await other.database.hold(POLLING)
    assert await other.database.is_held(POLLING)
    assert not await other.database.is_held("another name")
    await one_.dies()
    async with asyncio.timeout(5):
        while not await other.database.hold(POLLING):
            pass  # the server is hearing of it
    assert other.database.holds(POLLING)
