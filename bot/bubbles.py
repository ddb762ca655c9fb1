"""A terminal as a screen: bubbles, and a phone and an envelope for SMS and e-mail."""

import atexit
import getpass
import readline  # noqa: F401 - gives input() its line editing
import sys
import termios

from rich.align import Align
from rich.console import Console
from rich.control import Control
from rich.panel import Panel
from rich.segment import ControlType
from rich.text import Text

from bot.channel import Reply
from bot.terminal import MASK, numbered

_STYLES = {"strong": "bold", "exact": "bold reverse"}


class Bubbles:
    """A terminal: bubbles left and right, the SMS on a small phone beside them."""

    def __init__(self) -> None:
        # A password's question hides what is typed: whatever happens there, show it again.
        if sys.stdin.isatty():
            shown = termios.tcgetattr(sys.stdin)
            atexit.register(termios.tcsetattr, sys.stdin, termios.TCSANOW, shown)
        self._console = Console(highlight=False)

    @property
    def _width(self) -> int:
        return min(60, self._console.width - 4)

    def reply(self, reply: Reply) -> None:
        """A bubble at the left, its choices under it."""
        words = Text(reply.text)
        for mark in reply.marks:
            style = _STYLES.get(mark.kind, "")
            words.stylize(style, mark.start, mark.start + mark.length)
        bubble = Panel(
            words, width=self._width, border_style="cyan", title="Sésame", title_align="left"
        )
        self._console.print(bubble)
        for line in numbered(reply):
            self._console.print(Text(line, style="cyan"))

    def sms(self, to: str, text: str) -> None:
        """A phone at the right."""
        title = f"SMS → {to}"
        phone = Panel(Text(text), width=min(38, self._width), border_style="green", title=title)
        self._console.print(Align.right(phone))

    def email(self, to: str, subject: str, text: str) -> None:
        """An envelope at the right."""
        words = Text.assemble((subject, "bold"), "\n\n", text.strip())
        title = f"E-mail → {to}"
        letter = Panel(words, width=min(52, self._width), border_style="yellow", title=title)
        self._console.print(Align.right(letter))

    def note(self, text: str) -> None:
        """A dim line."""
        self._console.print(Text(text, style="dim"))

    def read(self, hidden: bool) -> str:
        """The person's line, then a bubble at the right; nothing is shown of a password."""
        line = getpass.getpass("🔒 > ") if hidden else input("> ")
        if line.strip() and not line.startswith(":"):
            self._answered(MASK if hidden else line)
        return line

    def _answered(self, line: str) -> None:
        """Put a bubble in the place of the line that was typed."""
        erase = Control((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
        self._console.control(erase)
        bubble = Panel.fit(Text(line), border_style="magenta")
        self._console.print(Align.right(bubble))
