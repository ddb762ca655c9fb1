"""Senders of e-mail that need nothing installed: the console and a file."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from bot.mail.port import Mail, MailFault, MailRefused

Show = Callable[[str, str, str], None]
"""Shows a mail: to whom, its subject, its text."""


class ConsoleMail:
    """Shows the mail where the program runs: for demonstrations."""

    name = "console"

    def __init__(self, show: Show) -> None:
        self._show = show

    async def send(self, mail: Mail) -> None:
        """Show it."""
        self._show(mail.to, mail.subject, mail.text)

    async def check(self) -> None:
        """There is nothing that could fail."""


class FileMail:
    """Appends each mail to a file, a JSON object a line: {"to": …, "subject": …, "text": …}."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, mail: Mail) -> None:
        """Append it. A file that cannot be written refuses for now."""
        line = {"to": mail.to, "subject": mail.subject, "text": mail.text}
        try:
            await asyncio.to_thread(self._append, json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            raise MailRefused("down", final=False) from error

    async def check(self) -> None:
        """See whether something can be appended."""
        try:
            await asyncio.to_thread(self._append, "")
        except OSError as error:
            raise MailFault("settings", error.strerror or "") from None

    def _append(self, line: str) -> None:
        self._path.touch(mode=0o600)  # codes are for nobody else to read
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
