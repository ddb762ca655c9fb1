"""Parents on every channel, and a password hash that takes no time where time is not the point."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from bot.channel import Reply
from flows.states import S
from storage import accounts
from tests.conversations.roads import ROADS, everybody
from tests.helpers.clock import Clock
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import CoreParent, Inbox, Parent, core_parent
from tests.helpers.school import School
from tests.helpers.terminal import terminal_parent
from tests.helpers.web import web_parent

if TYPE_CHECKING:
    from tests.helpers.postgres import Postgres

Meet = Callable[..., Awaitable[Dialogue[Parent]]]
MeetCore = Callable[..., Awaitable[Dialogue[CoreParent]]]
Arrive = Callable[[S], Awaitable[Dialogue[CoreParent]]]


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hash with as little memory as it can be asked for."""
    monkeypatch.setattr(accounts, "_MEMORY_KIB", 8)


MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A folder that needs no disk: half of the time went into waiting for one."""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder of the test's own, in memory where the machine has such a thing."""
    with TemporaryDirectory(dir=MEMORY, prefix="sesame-") as folder:
        yield Path(folder)


@pytest.fixture(params=["fr", "en"])
def lang(request: pytest.FixtureRequest) -> str:
    """The parent's language."""
    return str(request.param)


@pytest.fixture(params=["core", "postgresql", "terminal", "telegram", "web"])
def channel(request: pytest.FixtureRequest) -> str:
    """Where the parent is."""
    return str(request.param)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is open until the end of the test."""
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def meet(
    channel: str, lang: str, tmp_path: Path, stack: AsyncExitStack, request: pytest.FixtureRequest
) -> Meet:
    """Meet a parent of a school, on each channel, in each language."""

    async def met(school: School | None = None, **own: object) -> Dialogue[Parent]:
        path, families = tmp_path / "sesame.sqlite3", school or everybody()
        match channel:
            case "core":
                parent: Parent = await stack.enter_async_context(
                    core_parent(path, families, lang=lang, **own)  # type: ignore[arg-type]
                )
            case "postgresql":
                server: Postgres = request.getfixturevalue("postgres")
                url = server.with_school(families)
                stack.callback(server.drop, url)
                parent = await stack.enter_async_context(
                    core_parent(url, families, lang=lang, **own)  # type: ignore[arg-type]
                )
            case "terminal":
                parent = await stack.enter_async_context(
                    terminal_parent(path, families, lang=lang, **own)  # type: ignore[arg-type]
                )
            case "web":
                parent = await stack.enter_async_context(
                    web_parent(path, families, lang=lang, **own)  # type: ignore[arg-type]
                )
            case _:
                parent = await stack.enter_async_context(
                    _telegram()(path, families, lang=lang, **own)
                )
        return Dialogue(parent, lang)

    return met


def _telegram() -> Callable[..., AbstractAsyncContextManager[Parent]]:
    try:
        driver = import_module("tests.telegram.chat_driver")
    except ModuleNotFoundError:
        pytest.skip("the Telegram driver is not there yet")
    found: Callable[..., AbstractAsyncContextManager[Parent]] = driver.telegram_parent
    return found


@pytest.fixture
async def parent(meet: Meet) -> Dialogue[Parent]:
    """Somebody of `everybody()`, on each channel, in each language."""
    return await meet()


@pytest.fixture
def meet_core(tmp_path: Path, stack: AsyncExitStack) -> MeetCore:
    """Meet a parent at the bare engine."""

    async def met(
        school: School | None = None, lang: str | None = "fr", **own: object
    ) -> Dialogue[CoreParent]:
        parent = await stack.enter_async_context(
            core_parent(tmp_path / "sesame.sqlite3", school or everybody(), lang=lang, **own)  # type: ignore[arg-type]
        )
        return Dialogue(parent, lang or "fr")

    return met


@pytest.fixture
async def core(meet_core: MeetCore, lang: str) -> Dialogue[CoreParent]:
    """Somebody of `everybody()` at the bare engine, in each language."""
    return await meet_core(lang=lang)


@dataclass
class Stop:
    """What is left of a walk when the bot is killed at a question."""

    database: bytes
    now: datetime
    received: list[tuple[str, str]]
    last: Reply


_stops: dict[tuple[S, str], Stop] = {}


async def _walk(state: S, lang: str) -> Stop:
    with TemporaryDirectory(dir=MEMORY, prefix="sesame-") as folder:
        path = Path(folder) / "sesame.sqlite3"
        spoken = None if state is S.LANGUAGE else lang
        async with core_parent(path, everybody(), lang=spoken, mail=Inbox()) as parent:
            walker = Dialogue(parent, lang)
            await walker.follows(*ROADS[state])
            walker.is_asked(state)
            now, received, last = parent.clock.now, parent.sms.received, parent.last
        return Stop(path.read_bytes(), now, received, last)


@pytest.fixture
def arrive(lang: str, tmp_path: Path, stack: AsyncExitStack) -> Arrive:
    """Come to any question: the road is walked once, and the bot started there every time."""

    async def arrived(state: S) -> Dialogue[CoreParent]:
        if (state, lang) not in _stops:
            _stops[state, lang] = await _walk(state, lang)
        stop = _stops[state, lang]
        path = tmp_path / "sesame.sqlite3"
        path.write_bytes(stop.database)
        spoken = None if state is S.LANGUAGE else lang
        parent = await stack.enter_async_context(
            core_parent(path, everybody(), clock=Clock(stop.now), lang=spoken, mail=Inbox())
        )
        parent.sms.received.extend(stop.received)
        parent.receives(stop.last)
        return Dialogue(parent, spoken or "fr")

    return arrived
