"""The terminal channel: how a reply, an SMS and a transcript look on a screen or on a pipe."""

import getpass
import re
import sys
from dataclasses import dataclass, field
from typing import Protocol

from bot.channel import Reply

MASK = "••••••"


class Screen(Protocol):
    """Where the conversation is shown and typed."""

    def reply(self, reply: Reply) -> None:
        """Show what the bot says, and its numbered choices."""

    def sms(self, to: str, text: str) -> None:
        """Show an SMS, apart from the conversation."""

    def note(self, text: str) -> None:
        """Show a remark of the program itself."""

    def read(self, hidden: bool) -> str:
        """One line from the person; not shown while it is typed if `hidden`. Raises EOFError."""


class Pipe:
    """Plain lines: one message a line in, no escape codes out."""

    def reply(self, reply: Reply) -> None:
        """The text, then a line for each choice."""
        lines = [reply.text, *numbered(reply), ""]
        print("\n".join(lines), flush=True)

    def sms(self, to: str, text: str) -> None:
        """The SMS on one line."""
        print(f"SMS to {to}: {text}\n", flush=True)

    def note(self, text: str) -> None:
        """The remark, as it is."""
        print(text, flush=True)

    def read(self, hidden: bool) -> str:
        """The next line; a password is read like any other, and never printed."""
        del hidden
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\r\n")


class Bubbles:
    """A terminal: bubbles left and right, the SMS on a small phone beside them."""

    def __init__(self) -> None:
        # Loaded only here: a pipe starts without it.
        import readline  # noqa: F401, PLC0415 - gives input() its line editing

        from rich.console import Console  # noqa: PLC0415

        self._console = Console(highlight=False)

    @property
    def _width(self) -> int:
        return min(60, self._console.width - 4)

    def reply(self, reply: Reply) -> None:
        """A bubble at the left, its choices under it."""
        from rich.panel import Panel  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        words = Text(reply.text)
        for mark in reply.marks:
            style = "bold" if mark.kind == "strong" else "bold reverse"
            words.stylize(style, mark.start, mark.start + mark.length)
        bubble = Panel.fit(words, border_style="cyan", title="Sésame", title_align="left")
        bubble.width = self._width
        self._console.print(bubble)
        for line in numbered(reply):
            self._console.print(Text(line, style="cyan"))

    def sms(self, to: str, text: str) -> None:
        """A phone at the right."""
        from rich.align import Align  # noqa: PLC0415
        from rich.panel import Panel  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        title = f"SMS → {to}"
        phone = Panel(Text(text), width=min(38, self._width), border_style="green", title=title)
        self._console.print(Align.right(phone))

    def note(self, text: str) -> None:
        """A dim line."""
        from rich.text import Text  # noqa: PLC0415

        self._console.print(Text(text, style="dim"))

    def read(self, hidden: bool) -> str:
        """The person's line; nothing is shown of a password."""
        if hidden:
            return getpass.getpass("🔒 > ")
        return input("> ")


def numbered(reply: Reply) -> list[str]:
    """The choices, as they can be typed."""
    return [f"  {number}. {button.label}" for number, button in enumerate(reply.buttons, start=1)]


@dataclass(slots=True)
class Transcript:
    """What was said, with secrets masked: it may be kept and sent to somebody."""

    lines: list[str] = field(default_factory=list)
    _codes: set[str] = field(default_factory=set)

    def heard(self, text: str, hidden: bool) -> None:
        """The person's line."""
        self.lines.append(f"> {MASK if hidden else self._masked(text)}")

    def replied(self, reply: Reply) -> None:
        """The bot's message."""
        self.lines += [self._masked(reply.text), *numbered(reply), ""]

    def texted(self, to: str, text: str) -> None:
        """An SMS; its code is masked here and wherever it is typed."""
        self._codes |= set(re.findall(r"\b[0-9]{6}\b", text))
        self.lines += [f"SMS to {to}: {self._masked(text)}", ""]

    def _masked(self, text: str) -> str:
        for code in self._codes:
            spaced = r"[\s-]?".join(code)
            text = re.sub(spaced, MASK, text)
        return text


@dataclass(slots=True)
class Terminal:
    """The channel, and the SMS that appear beside it."""

    screen: Screen
    transcript: Transcript = field(default_factory=Transcript)
    last: Reply | None = None

    async def send(self, place: str, reply: Reply) -> None:
        """Show the reply."""
        del place
        self.last = reply
        self.transcript.replied(reply)
        self.screen.reply(reply)

    async def erase(self, place: str, message: str) -> None:
        """Nothing to erase: a password leaves no trace on this channel."""

    def show_sms(self, to: str, text: str) -> None:
        """Show an SMS beside the conversation."""
        self.transcript.texted(to, text)
        self.screen.sms(to, text)
