"""What another process does between two statements of a transaction: PostgreSQL lets it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest

from flows.chat import Chat
from flows.inputs import AccountExists
from flows.outputs import ReadAccount, TellOthers
from flows.policy import DAY
from storage.audit import SESAME
from storage.conversations import Address
from storage.database import Database, Sql, Work, one
from storage.place import connect
from storage.retention import Retention, purge
from tests.helpers.postgres import Postgres
from tests.storage.town import MARIE, NOW, Town, _words, town

T = TypeVar("T")

_SOMEBODY_WAITS = "SELECT 1 FROM pg_locks WHERE NOT granted"


@pytest.fixture
async def lilas(postgres: Postgres) -> AsyncIterator[tuple[Town, Database]]:
    """A school, and the database as another process has it."""
    url = postgres.fresh()
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(town(url))
        there = await connect(url)
        stack.push_async_callback(there.close)
        yield here, there


async def happens(
    here: Town, work: Work[T], before: str, meanwhile: Coroutine[Any, Any, object]
) -> T:
    """Do the work, and before the statement that so begins all that another process can do."""
    reached = asyncio.Event()

    async def does() -> None:
        await reached.wait()
        await meanwhile

    other = asyncio.create_task(does())
    async with asyncio.timeout(20):
        result = await here.run(_pausing(work, before, reached, other))
        assert reached.is_set(), f"nothing begins with {before}"
        await other
    return result


def _pausing(
    work: Work[T], before: str, reached: asyncio.Event, other: "asyncio.Task[None]"
) -> Work[T]:
    """Wait there until the other one is done, or waits for us."""
    try:
        wish = next(work)
        while True:
            if isinstance(wish, Sql) and wish.text.startswith(before):
                reached.set()
                while not other.done() and not (yield Sql(_SOMEBODY_WAITS)):
                    yield Sql("SELECT pg_sleep(0.01)")
            wish = work.send((yield wish))
    except StopIteration as end:
        result: T = end.value
        return result


async def test_a_parent_comes_back_while_old_conversations_are_purged(
    lilas: tuple[Town, Database],
) -> None:
    """What they said is kept: it is no old conversation any more."""
    here, there = lilas
    marie, paul = await here.talks("marie"), await here.talks("paul")
    later = NOW + 31 * DAY
    address = Address("web", "marie")

    def turn() -> Work[None]:
        yield from here.conversations.save(marie, address, Chat(lang="en"), None, later)
        yield from one("SELECT 1")

    await happens(here, turn(), "SELECT 1", purge(there, here.vault, Retention(), SESAME, later))
    chat = await here.run(here.conversations.load(marie))
    assert chat is not None
    assert chat.lang == "en"
    assert await here.run(here.conversations.load(paul)) is None


async def test_an_account_is_erased_while_it_is_shown_elsewhere(
    lilas: tuple[Town, Database],
) -> None:
    """One comes after the other: it is shown there, and that conversation hears of its end."""
    here, there = lilas
    marie, elsewhere = await here.talks("marie"), await here.talks("elsewhere")
    await here.activates("Marie DUPONT", MARIE, marie)
    finds = here.life.find(ReadAccount("", "", MARIE), here.by(elsewhere))
    erases = there.run(here.life.erase("m.dupont", here.by(marie)))
    found = await happens(here, finds, "INSERT INTO sign_ins", erases)
    assert isinstance(found, AccountExists)
    assert [word for word, _ in await here.told(elsewhere)] == ["SignedOut"]


async def test_an_account_is_closed_while_it_is_shown_elsewhere(
    lilas: tuple[Town, Database],
) -> None:
    """It is open nowhere then."""
    here, there = lilas
    marie, elsewhere = await here.talks("marie"), await here.talks("elsewhere")
    await here.activates("Marie DUPONT", MARIE, marie)
    finds = here.life.find(ReadAccount("", "", MARIE), here.by(elsewhere))
    closes = there.run(here.life.close("m.dupont", here.by(marie)))
    found = await happens(here, finds, "INSERT INTO sign_ins", closes)
    assert isinstance(found, AccountExists)
    assert await here.sign_ins("m.dupont") == set()
    assert [word for word, _ in await here.told(elsewhere)] == ["SignedOut"]


async def test_an_account_is_erased_while_others_are_told_of_it(
    lilas: tuple[Town, Database],
) -> None:
    """They are, and then it is."""
    here, there = lilas
    marie = await here.talks("marie")
    await here.activates("Marie DUPONT", MARIE, marie)
    erases = there.run(here.life.erase("m.dupont", here.by(marie)))
    tells = here.notices.tell(TellOthers("m.dupont", "password"), here.by(marie), _words, _words)
    await happens(here, tells, "INSERT INTO notices", erases)
    assert len(await here.texts()) == 1
