"""SMS senders that need nothing installed: the console and a file."""

from collections.abc import Callable
from pathlib import Path

from bot.json_lines import JsonLines
from bot.sms.port import Simple, Sms, SmsFault, SmsRefused, Taken


class ConsoleSms(Simple):
    """Shows the SMS where the program runs: for demonstrations."""

    name = "console"

    def __init__(self, show: Callable[[str, str], None]) -> None:
        self._show = show

    async def send(self, sms: Sms) -> Taken:
        """Show it."""
        self._show(sms.to, sms.text)
        return Taken(self.name)


class FileSms(Simple):
    """Appends each SMS to a file, a JSON object a line: {"to": "+33…", "text": "…"}."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._file = JsonLines(path)

    async def send(self, sms: Sms) -> Taken:
        """Append it. A file that cannot be written refuses for now."""
        try:
            await self._file.append({"to": sms.to, "text": sms.text})
        except OSError as error:
            raise SmsRefused("file_not_writable", final=False) from error
        return Taken(self.name)

    async def check(self) -> str | None:
        """See whether something can be appended."""
        try:
            await self._file.check()
        except OSError as error:
            raise SmsFault(f"SESAME_SMS: the file cannot be written: {error.strerror}.") from None
        return None
