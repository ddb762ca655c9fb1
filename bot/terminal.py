"""The terminal channel: replies and SMS on a screen or a pipe, and the transcript of both."""

import io
import os
import re
import sys
from dataclasses import dataclass, field
from typing import Protocol

from bot.channel import Reply

MASK = "••••••"
_CODE = re.compile(r"\b(?:[0-9]{6}|[0-9]{8})\b")


class Screen(Protocol):
    """Where the conversation is shown and typed."""

    def reply(self, reply: Reply) -> None:
        """Show what the bot says, and its numbered choices."""

    def sms(self, to: str, text: str) -> None:
        """Show an SMS, apart from the conversation."""

    def email(self, to: str, subject: str, text: str) -> None:
        """Show an e-mail, apart from the conversation."""

    def note(self, text: str) -> None:
        """Show a remark of the program itself."""

    def read(self, hidden: bool) -> str:
        """One line from the person; not shown while it is typed if `hidden`. Raises EOFError."""


class Pipe:
    """Plain lines: one message a line in, no escape codes out.

    What cannot be read or shown in the pipe's encoding is replaced: it stops nobody.
    """

    def __init__(self) -> None:
        for stream in (sys.stdin, sys.stdout):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")

    def reply(self, reply: Reply) -> None:
        """The text, then a line for each choice."""
        self.note("\n".join([reply.text, *numbered(reply), ""]))

    def sms(self, to: str, text: str) -> None:
        """The SMS on one line."""
        self.note(f"SMS to {to}: {text}\n")

    def email(self, to: str, subject: str, text: str) -> None:
        """The e-mail: its subject on one line, its text on those below."""
        self.note(f"{mail_lines(to, subject, text)}\n")

    def note(self, text: str) -> None:
        """The remark, as it is; to nobody when the reader has gone (`sesame chat | head`)."""
        try:
            print(text, flush=True)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def read(self, hidden: bool) -> str:
        """The next line; a password is read like any other, and never printed."""
        del hidden
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\r\n")


def mail_lines(to: str, subject: str, text: str) -> str:
    """An e-mail in plain lines."""
    body = "\n".join(f"  {line}".rstrip() for line in text.strip().splitlines())
    return f"E-mail to {to}: {subject}\n{body}"


def numbered(reply: Reply) -> list[str]:
    """The choices, as they can be typed."""
    return [f"  {number}. {button.label}" for number, button in enumerate(reply.buttons, start=1)]


@dataclass(slots=True)
class Transcript:
    """What was said, with secrets masked: it may be kept and sent to somebody."""

    lines: list[str] = field(default_factory=list)
    _codes: set[str] = field(default_factory=set)

    def heard(self, text: str, hidden: bool) -> str | None:
        """The person's line. Returns its name for `erase`; None for what is masked already."""
        self.lines.append(f"> {MASK if hidden else self._masked(text)}")
        return None if hidden else str(len(self.lines) - 1)

    def erase(self, line: str) -> None:
        """Mask a line that turned out to hold a password."""
        self.lines[int(line)] = f"> {MASK}"

    def replied(self, reply: Reply) -> None:
        """The bot's message."""
        self.lines += [self._masked(reply.text), *numbered(reply), ""]

    def texted(self, to: str, text: str) -> None:
        """An SMS; its code is masked here and wherever it is typed."""
        self._codes |= set(_CODE.findall(text))
        self.lines += [f"SMS to {to}: {self._masked(text)}", ""]

    def mailed(self, to: str, subject: str, text: str) -> None:
        """An e-mail, masked as an SMS is."""
        shown = mail_lines(to, subject, text)
        self._codes |= set(_CODE.findall(shown))
        self.lines += [*self._masked(shown).splitlines(), ""]

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

    async def send(self, place: str, reply: Reply, instead: str | None = None) -> str | None:
        """Show the reply."""
        del place, instead
        if not (reply.keeps_buttons and self.last):  # then the question before still stands
            self.last = reply
        self.transcript.replied(reply)
        self.screen.reply(reply)
        return None

    async def answered(self, place: str, message: str) -> None:
        """Nothing: a line that was printed stays."""

    async def erase(self, place: str, message: str) -> None:
        """Mask the line: what was shown on the screen cannot be taken back from here."""
        del place
        self.transcript.erase(message)

    def show_sms(self, to: str, text: str) -> None:
        """Show an SMS beside the conversation."""
        self.transcript.texted(to, text)
        self.screen.sms(to, text)

    def show_email(self, to: str, subject: str, text: str) -> None:
        """Show an e-mail beside the conversation."""
        self.transcript.mailed(to, subject, text)
        self.screen.email(to, subject, text)
