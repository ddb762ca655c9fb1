"""One `sesame serve` for one database; the others are told who serves it (T29)."""

import asyncio
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import resources
from pathlib import Path

import pytest

from storage.database import StorageError
from storage.holding import hold
from tests.conversations.test_terminal import environment
from tests.telegram.server import BotApi

REGISTER = str(resources.files("bot").joinpath("demo_register.csv"))
TOKEN = "123456:TEST"


@pytest.fixture
async def telegram() -> AsyncIterator[BotApi]:
    async with BotApi(token=TOKEN) as server:
        yield server


class Sesame:
    """A real process."""

    def __init__(self, folder: Path, telegram: BotApi, database: str) -> None:
        self.own = environment(
            folder,
            PYTHONPATH=str(Path(__file__).parents[2]),
            SESAME_TELEGRAM_API_URL=telegram.url,
            SESAME_TELEGRAM_TOKEN=TOKEN,
            SESAME_SMS="console:",
            SESAME_DATABASE_URL=f"sqlite+aiosqlite:///{folder / database}",
        )
        self.folder = folder

    async def starts(self, *words: str) -> asyncio.subprocess.Process:
        """Start a command."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.own,
            cwd=self.folder,
        )

    async def ends(self, *words: str) -> tuple[int | None, str]:
        """Run a command to its end: its status and its error."""
        running = await self.starts(*words)
        _, err = await asyncio.wait_for(running.communicate(), 30)
        return running.returncode, err.decode()

    @asynccontextmanager
    async def serves(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Let it answer parents, and kill it at the end."""
        running = await self.starts("serve")
        try:
            assert running.stdout
            first = await asyncio.wait_for(running.stdout.readline(), 20)
            assert b"is answering" in first
            yield running
        finally:
            if running.returncode is None:
                running.kill()
            await running.communicate()


async def test_a_second_one_is_told_who_serves(tmp_path: Path, telegram: BotApi) -> None:
    sesame = Sesame(tmp_path, telegram, "sesame.sqlite3")
    async with sesame.serves() as first:
        for _ in range(2):
            status, said = await sesame.ends("serve")
            assert status == 1
            [line] = said.splitlines()
            since = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
            assert re.fullmatch(
                rf"sesame: {tmp_path}/sesame\.sqlite3 is served already, by process {first.pid} on"
                rf" {re.escape(socket.gethostname())} since {since}: stop that one first\.",
                line,
            ), line
        assert stat.S_IMODE((tmp_path / "sesame.sqlite3.lock").stat().st_mode) == 0o600
        # All else works meanwhile, and the first one answers.
        assert (await sesame.ends("import", REGISTER))[0] == 0
        assert (await sesame.ends("status"))[0] == 0
        assert (await sesame.ends("chat"))[0] == 0
        marie = telegram.person()
        marie.says("/start")
        await marie.hears(timeout=10)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_the_next_one_is_not_held_up(
    tmp_path: Path, telegram: BotApi, end: signal.Signals
) -> None:
    sesame = Sesame(tmp_path, telegram, "sesame.sqlite3")
    for _ in range(2):
        async with sesame.serves() as running:
            running.send_signal(end)
            await asyncio.wait_for(running.wait(), 20)
            assert running.returncode == (-9 if end == signal.SIGKILL else 0)


def test_another_name_of_the_same_file(tmp_path: Path) -> None:
    path, other = tmp_path / "sesame.sqlite3", tmp_path / "folder" / ".." / "link"
    other.parent.parent.mkdir()
    path.touch()
    (tmp_path / "link").symlink_to(path)
    with hold(path), pytest.raises(StorageError, match=f"process {os.getpid()} on"), hold(other):
        pass
    with hold(other), hold(tmp_path / "another.sqlite3"):
        pass


def test_a_lock_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "sesame.sqlite3.lock").mkdir()
    with (
        pytest.raises(StorageError, match=r"lock cannot be opened: Is a directory\.$"),
        hold(tmp_path / "sesame.sqlite3"),
    ):
        pass


async def test_two_pollers_of_one_bot(tmp_path: Path, telegram: BotApi) -> None:
    """On another machine, with another database: both say what is wrong, and neither ends."""
    async with AsyncExitStack() as stack:
        here, there = [
            await stack.enter_async_context(Sesame(tmp_path, telegram, name).serves())
            for name in ("here.sqlite3", "there.sqlite3")
        ]
        for one in (here, there):
            assert one.stderr
            line = (await asyncio.wait_for(one.stderr.readline(), 20)).decode()
            assert "another program answers for this bot, stop one of the two (409)" in line
            assert one.returncode is None
        there.send_signal(signal.SIGTERM)
        await there.wait()
        marie = telegram.person()
        marie.says("/start")
        await marie.hears(timeout=30)
        assert here.returncode is None
