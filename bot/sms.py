"""SMS senders that need nothing installed: the console and a file."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class SmsRefused(Exception):
    """The SMS surely did not leave. `final` when trying again is of no use; `kind` names why."""

    def __init__(self, kind: str, final: bool) -> None:
        super().__init__(kind)
        self.kind = kind
        self.final = final


class SmsSender(Protocol):
    """The way out for codes."""

    async def send(self, parcel: int, to: str, text: str) -> None:
        """Hand the text over for an E.164 number, once for each parcel number.

        Raises SmsRefused when it surely did not leave; any other error means that nobody knows.
        """


class ConsoleSms:
    """Shows the SMS where the program runs: for demonstrations."""

    def __init__(self, show: Callable[[str, str], None]) -> None:
        self._show = show

    async def send(self, parcel: int, to: str, text: str) -> None:
        """Show it."""
        del parcel
        self._show(to, text)


class FileSms:
    """Appends each SMS to a file, a JSON object a line: {"to": "+33…", "text": "…"}."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, parcel: int, to: str, text: str) -> None:
        """Append it. A file that cannot be written refuses for now."""
        del parcel
        line = json.dumps({"to": to, "text": text}, ensure_ascii=False) + "\n"
        try:
            await asyncio.to_thread(self._append, line)
        except OSError as error:
            raise SmsRefused("file_not_writable", final=False) from error

    def _append(self, line: str) -> None:
        self._path.touch(mode=0o600)  # codes are for nobody else to read
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
