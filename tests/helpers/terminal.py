"""A parent in the terminal: `bot.chat.Session` with a screen that a test holds."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from bot import chat
from bot.channel import Reply
from bot.mail import Mail
from bot.settings import Settings
from tests.helpers.clock import Clock
from tests.helpers.parent import Inbox, Phone, test_settings
from tests.helpers.school import School


class ScriptedScreen:
    """A screen that is typed on by a test."""

    def __init__(self, sms: Phone) -> None:
        self.replies: list[Reply] = []
        self.notes: list[str] = []
        self.lines: deque[str] = deque()
        self.hidden = False  # whether the last line was typed unseen
        self._sms = sms
        self.inbox = Inbox()

    def reply(self, reply: Reply) -> None:
        """Show what the bot says."""
        self.replies.append(reply)

    def sms(self, to: str, text: str) -> None:
        """Show an SMS."""
        self._sms.received.append((to, text))

    def email(self, to: str, subject: str, text: str) -> None:
        """Show an e-mail."""
        self.inbox.received.append(Mail(to, subject, text))

    def note(self, text: str) -> None:
        """Show a remark of the program itself."""
        self.notes.append(text)

    def read(self, hidden: bool) -> str:
        """The next line."""
        self.hidden = hidden
        if not self.lines:
            raise EOFError
        return self.lines.popleft()


class TerminalParent:
    """A parent in the terminal. Time passes by the terminal's own `:wait`."""

    def __init__(self, settings: Settings, clock: Clock, lang: str) -> None:
        self.sms = Phone()
        self.clock = clock
        self.screen = ScriptedScreen(self.sms)
        begin = clock.now  # `:wait` adds to it, as for a person
        self.session = chat.Session(settings, self.screen, lang, lambda: begin)
        self.last: Reply | None = None
        self._lang = lang

    async def comes(self) -> None:
        """Start the program."""
        await self.session.begin(self._lang)
        self._looks()

    async def leaves(self) -> None:
        """End the program."""
        await self.session.end()

    async def types(self, line: str) -> None:
        """Type a line, whatever it means."""
        self.screen.replies.clear()
        self.screen.notes.clear()
        self.screen.lines.append(line)
        assert await self.session.one_line()
        self._looks()

    def _looks(self) -> None:
        if self.screen.replies:
            self.last = self.screen.replies[-1]

    async def says(self, text: str) -> None:
        """Type a message."""
        await self.types(text)

    async def comes_by_link(self, token: str) -> NoReturn:
        """A terminal is not opened by a link."""
        pytest.skip("a terminal has no links")

    async def presses(self, label: str) -> None:
        """Type the number of the choice with these words."""
        assert label in self.buttons, f"no choice {label!r} among {self.buttons}"
        await self.types(str(self.buttons.index(label) + 1))

    async def shares_own_number(self, phone: str) -> NoReturn:
        """There is no contact card in a terminal."""
        pytest.skip("a terminal has no contact card")

    async def sends_photo(self) -> NoReturn:
        """There is only text in a terminal."""
        pytest.skip("a terminal has only text")

    @property
    def reads(self) -> str:
        """All that was said since the last action."""
        return "\n\n".join(reply.text for reply in self.screen.replies)

    @property
    def buttons(self) -> list[str]:
        """The words of the numbered choices."""
        return [button.label for button in self.last.buttons] if self.last else []

    async def restarts(self) -> None:
        """Kill the program's inside and start it again."""
        await self._commands(":restart")

    async def waits(self, **length: float) -> None:
        """Let time go by."""
        self.clock.passes(**length)
        await self._commands(f":wait {int(timedelta(**length).total_seconds())}s")

    async def _commands(self, line: str) -> None:
        if self.last and self.last.hidden:  # typed there it is a password
            self.screen.replies.clear()
            await self.session._command(line)
            self._looks()
        else:
            await self.types(line)


@asynccontextmanager
async def terminal_parent(
    database: Path,
    school: School,
    *,
    clock: Clock | None = None,
    lang: str | None = "fr",
    **own: object,
) -> AsyncIterator[TerminalParent]:
    """A parent in the terminal, with the school's register filled."""
    if lang is None:
        pytest.skip("a terminal always knows its language")
    settings = test_settings(database, **own)
    await school.fills_file(database, settings)
    parent = TerminalParent(settings, clock or Clock(), lang)
    try:
        yield parent
    finally:
        await parent.leaves()
