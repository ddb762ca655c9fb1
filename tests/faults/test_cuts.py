"""The line to PostgreSQL is cut at a COMMIT: before the server hears it, or before we hear it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from flows.states import S
from tests.conversations.roads import everybody
from tests.faults.core import CoreWay
from tests.faults.way import ANSWERS
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import core_parent
from tests.helpers.postgres import Postgres

UNTIL_DONE = [state for state in ANSWERS if state not in (S.EXPIRED, S.DONE)]


class Line:
    """Passes on what is said with the server, and is cut when told to."""

    def __init__(self, server: str) -> None:
        self.server = server  # the folder of its socket
        self.cuts = 0
        self._left = 0  # COMMITs until it is cut
        self._is_heard = False
        self._word = b""
        self._ends: list[asyncio.StreamWriter] = []
        self._backs: list[asyncio.Task[None]] = []

    def will_cut(self, commit: int, is_heard: bool, word: bytes = b"") -> None:
        """At the so-manieth COMMIT of work with this word in it; `is_heard`: the server does it."""
        self._left, self._is_heard, self._word = commit, is_heard, word

    @asynccontextmanager
    async def listening(self, folder: Path) -> AsyncIterator[None]:
        """On a socket in this folder."""
        there = await asyncio.start_unix_server(self._connect, folder / ".s.PGSQL.5432")
        try:
            yield
        finally:
            there.close()
            for end in self._ends:
                end.close()
            await asyncio.gather(*(end.wait_closed() for end in self._ends), *self._backs)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_unix_connection(f"{self.server}/.s.PGSQL.5432")
        passes = asyncio.Event()  # answers, back to us
        passes.set()
        self._ends += [writer, server]
        self._backs.append(asyncio.create_task(_back(answers, writer, passes)))
        work = b""
        with suppress(OSError):
            while said := await reader.read(65536):
                work = said if b"BEGIN " in said else work + said
                cut = b"COMMIT\0" in said and self._word in work and self._is_cut()
                if cut:
                    passes.clear()
                if self._is_heard or not cut:
                    server.write(said)
                if cut and not self._is_heard:
                    break
        server.close()
        writer.close()

    def _is_cut(self) -> bool:
        self._left -= 1
        self.cuts += self._left == 0
        return self._left == 0


async def _back(
    answers: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: asyncio.Event
) -> None:
    with suppress(OSError):
        while (answer := await answers.read(65536)) and passes.is_set():
            writer.write(answer)
    writer.close()


@pytest.mark.parametrize("is_heard", [False, True], ids=["not done", "done"])
@pytest.mark.parametrize("commit", range(1, 5))
async def test_at_every_turn(
    postgres: Postgres, tmp_path: Path, commit: int, is_heard: bool
) -> None:
    """No turn is lost or done twice, no reply and no SMS either: nobody has died.

    The COMMITs are those of the turn, of what is sent, of what was sent, and of the look for more.
    """
    async with a_way(postgres, tmp_path) as (way, line):
        for turn, state in enumerate(UNTIL_DONE, 1):
            assert await way.state() is state
            way.parent.replies.clear()
            line.will_cut(commit, is_heard)
            await way.takes(way.update(state))
            await way.parent.service.delivery.settle()
            assert len(way.parent.replies) == 1, f"{state}: {way.parent.reads}"
            assert line.cuts == turn, state
        assert await way.state() is S.DONE
        assert len(way.parent.sms.received) == 1
        await way.holds()


@pytest.mark.parametrize("is_heard", [False, True], ids=["not done", "done"])
async def test_before_an_sms_leaves(postgres: Postgres, tmp_path: Path, is_heard: bool) -> None:
    """We know that we have not sent it yet, whether or not it is noted that we do."""
    async with a_way(postgres, tmp_path) as (way, line):
        while (state := await way.state()) is not S.CHECK:
            await way.does(state)
        line.will_cut(2, is_heard, word=b"sms")  # after the turn's
        await way.does(state)
        await way.parent.service.delivery.settle()
        assert line.cuts == 1
        assert len(way.parent.sms.received) == 1


@asynccontextmanager
async def a_way(postgres: Postgres, folder: Path) -> AsyncIterator[tuple[CoreWay, Line]]:
    """A parent, and the line between their bot and its server."""
    line = Line(postgres.socket)
    url = postgres.with_school(everybody())
    async with AsyncExitStack() as stack:
        stack.callback(postgres.drop, url)
        await stack.enter_async_context(line.listening(folder))
        url = url.replace(postgres.socket, str(folder))
        parent = await stack.enter_async_context(core_parent(url, everybody()))
        yield CoreWay(Dialogue(parent, "fr")), line
