"""`sesame chat`: the whole conversation in the terminal, without a token and without a network."""

import asyncio
import sys
import tempfile
import threading
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from functools import partial
from importlib import resources
from pathlib import Path

import locales
from bot.app import Service, open_storage, run_service, sms_sender
from bot.channel import said
from bot.clock import utc_now
from bot.engine import Update
from bot.settings import Settings, read_duration
from bot.terminal import Pipe, Screen, Terminal
from flows.inputs import Returned
from storage.conversations import Address
from storage.database import one
from storage.importing.load import load
from storage.importing.staging import Unwatched

HERE = Address("terminal", "me")


async def chat(settings: Settings, lang: str | None, default_lang: str) -> None:
    """Talk until the end of the input. Without SESAME_DATABASE_URL all is forgotten at the end."""
    screen = _screen()
    with tempfile.TemporaryDirectory(prefix="sesame-") as folder:
        demo = "database_url" not in settings.model_fields_set
        if demo:
            path = Path(folder) / "demo.sqlite3"
            settings = settings.model_copy(update={"database_url": f"sqlite+aiosqlite:///{path}"})
            await _fill(settings)
        session = Session(settings, screen, lang or default_lang)
        try:
            if demo:
                screen.note(resources.files("bot").joinpath("demo.txt").read_text("utf-8"))
            await session.begin(lang)
            while await session.one_line():
                pass
        finally:
            await session.end()


def _screen() -> Screen:
    if sys.stdin.isatty() and sys.stdout.isatty():
        from bot.bubbles import Bubbles  # noqa: PLC0415 - a pipe starts without rich

        return Bubbles()
    return Pipe()


async def _fill(settings: Settings) -> None:
    """Read the fictional register, by the way of every register."""
    file = resources.files("bot").joinpath("demo_register.csv")
    with resources.as_file(file) as path:
        async with open_storage(settings) as (database, vault):
            await load([path], database=database, vault=vault, watch=Unwatched(), now=utc_now())


async def _read(screen: Screen, hidden: bool) -> str:
    """A line from the screen. The thread that waits for it does not hold up the end (Ctrl-C)."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def wait() -> None:
        try:
            read = partial(line.set_result, screen.read(hidden))
        except Exception as error:
            read = partial(line.set_exception, error)
        with suppress(RuntimeError):  # the program has ended meanwhile
            loop.call_soon_threadsafe(read)

    threading.Thread(target=wait, daemon=True).start()
    return await line


class Session:
    """One person at a terminal, and the commands that only a terminal has."""

    def __init__(self, settings: Settings, screen: Screen, lang: str) -> None:
        self._settings = settings
        self._screen = screen
        self._lang = lang
        self._terminal = Terminal(screen)
        self._ahead = timedelta()
        self._stack = AsyncExitStack()
        self._service: Service | None = None
        self._watch: asyncio.Task[None] | None = None

    def _now(self) -> datetime:
        return utc_now() + self._ahead

    async def begin(self, lang: str | None = None) -> None:
        """Open everything, and show the question where the person left."""
        database, vault = await self._stack.enter_async_context(open_storage(self._settings))
        sender = sms_sender(self._settings.sms or "console:", self._terminal.show_sms)
        self._service = await self._stack.enter_async_context(
            run_service(
                self._settings, database, vault, {HERE.channel: self._terminal}, sender, self._now
            )
        )
        await self._service.delivery.resume()
        if await database.run(one("SELECT id FROM guardians LIMIT 1")) is None:
            self._screen.note(locales.say("doctor.register_empty", self._lang))
        await self._service.take(Update(HERE, Returned(lang), language=self._lang))
        if not isinstance(self._screen, Pipe):  # a pipe stays in step with its input
            self._watch = asyncio.create_task(self._wake_now_and_then())

    async def end(self) -> None:
        """Close everything, as a kill would: what was not stored is lost, and nothing else."""
        if self._watch is not None:
            self._watch.cancel()
        await self._stack.aclose()

    async def one_line(self) -> bool:
        """Read a line and let the conversation answer; False at the end of the input."""
        last = self._terminal.last
        hidden = last is not None and last.hidden
        try:
            line = await _read(self._screen, hidden)
        except (EOFError, KeyboardInterrupt):
            return False
        # A password may begin with ":", but none is one of these: they have no capital letter.
        if line.startswith((":restart", ":wait ") if hidden else ":"):
            await self._command(line)
        elif line.strip():
            await self._say(line, hidden)
        return True

    async def _say(self, line: str, hidden: bool) -> None:
        assert self._service is not None  # noqa: S101 - `begin` comes first
        message = self._terminal.transcript.heard(line, hidden)
        await self._service.take(Update(HERE, said(line, message), language=self._lang))

    async def _command(self, line: str) -> None:
        name, _, argument = line.partition(" ")
        match name:
            case ":restart":
                await self.end()
                self._stack = AsyncExitStack()
                await self.begin()
            case ":wait":
                await self._wait(argument)
            case ":export":
                self._export(argument)
            case _:
                self._screen.note(":restart   :wait 31m   :export FILE")

    async def _wait(self, length: str) -> None:
        try:
            self._ahead += read_duration(length)
        except ValueError as error:
            self._screen.note(f":wait: {error}.")
            return
        self._screen.note(f"({length.strip()} later)")
        await self._wake()

    def _export(self, name: str) -> None:
        text = "\n".join(self._terminal.transcript.lines) + "\n"
        try:
            Path(name.strip()).write_text(text, encoding="utf-8")
        except OSError as error:
            self._screen.note(f":export: {name.strip() or 'FILE'}: {error.strerror}.")
        else:
            self._screen.note(f"{name.strip()} written; codes and passwords are masked.")

    async def _wake(self) -> None:
        assert self._service is not None  # noqa: S101 - `begin` comes first
        await self._service.engine.wake()
        await self._service.delivery.settle()

    async def _wake_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(5)
            await self._wake()
