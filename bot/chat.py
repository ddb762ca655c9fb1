"""`sesame chat`: the whole conversation in the terminal, without a token and without a network."""

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from bot.channel import said
from bot.clock import utc_now
from bot.sandbox import Sandbox, school_of, who_is_who
from bot.settings import Settings, read_duration
from bot.terminal import Pipe, Screen, Terminal
from storage.conversations import Address

HERE = Address("terminal", "me")
COMMANDS = ":restart   :wait 31m   :export FILE"


async def chat(settings: Settings, lang: str | None, default_lang: str) -> None:
    """Talk until the end of the input. Without SESAME_DATABASE_URL all is forgotten at the end."""
    screen = _screen()
    async with school_of(settings) as (own, invented), AsyncExitStack() as stack:
        session = Session(own, screen, lang or default_lang)
        stack.push_async_callback(session.end)
        if invented:
            screen.note(f"{who_is_who()}{COMMANDS}   (Ctrl-D: fin / end)\n")
        await session.begin(lang)
        if not isinstance(screen, Pipe):  # a pipe stays in step with its input
            await stack.enter_async_context(session.sandbox.waking())
        while await session.one_line():
            pass


def _screen() -> Screen:
    if sys.stdin.isatty() and sys.stdout.isatty():
        from bot.bubbles import Bubbles  # noqa: PLC0415 - a pipe starts without rich

        return Bubbles()
    return Pipe()


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

    def __init__(
        self,
        settings: Settings,
        screen: Screen,
        lang: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._screen = screen
        self._terminal = Terminal(screen)
        sms, email = self._terminal.show_sms, self._terminal.show_email
        self.sandbox = Sandbox(settings, HERE, self._terminal, sms, email, screen.note, lang, clock)

    async def begin(self, lang: str | None = None) -> None:
        """Open everything, and show the question where the person left."""
        await self.sandbox.open(lang)

    async def end(self) -> None:
        """Close everything."""
        await self.sandbox.close()

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
            message = self._terminal.transcript.heard(line, hidden)
            await self.sandbox.take(said(line, message))
        return True

    async def _command(self, line: str) -> None:
        name, _, argument = line.partition(" ")
        match name:
            case ":restart":
                await self.sandbox.restart()
            case ":wait":
                await self._wait(argument)
            case ":export":
                self._export(argument)
            case _:
                self._screen.note(COMMANDS)

    async def _wait(self, text: str) -> None:
        try:
            length = read_duration(text)
        except ValueError as error:
            self._screen.note(f":wait: {error}.")
            return
        self._screen.note(f"({text.strip()} later)")
        await self.sandbox.wait(length)

    def _export(self, name: str) -> None:
        text = "\n".join(self._terminal.transcript.lines) + "\n"
        try:
            Path(name.strip()).write_text(text, encoding="utf-8")
        except OSError as error:
            self._screen.note(f":export: {name.strip() or 'FILE'}: {error.strerror}.")
        else:
            self._screen.note(f"{name.strip()} written; codes and passwords are masked.")
