"""Senders of e-mail that need nothing installed: the console and a file."""

from collections.abc import Callable
from pathlib import Path

from bot.json_lines import JsonLines
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
        self._file = JsonLines(path)

    async def send(self, mail: Mail) -> None:
        """Append it. A file that cannot be written refuses for now."""
        line = {"to": mail.to, "subject": mail.subject, "text": mail.text}
        try:
            await self._file.append(line)
        except OSError as error:
            raise MailRefused("down", final=False) from error

    async def check(self) -> None:
        """See whether something can be appended."""
        try:
            await self._file.check()
        except OSError as error:
            raise MailFault("settings", error.strerror or "") from None
