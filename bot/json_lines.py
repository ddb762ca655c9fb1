"""A file of JSON objects, one a line, that only its owner can read."""

import asyncio
import errno
import json
import os
from pathlib import Path


class JsonLines:
    """What was sent, for whoever tries it. Both calls raise OSError where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def append(self, line: dict[str, str]) -> None:
        """Put it at the end."""
        await asyncio.to_thread(self._append, json.dumps(line, ensure_ascii=False) + "\n")

    async def check(self) -> None:
        """See whether something can be appended. No file is made: it would be of whoever looks."""
        await asyncio.to_thread(self._look)

    def _look(self) -> None:
        if self._path.exists():
            self._path.open("a", encoding="utf-8").close()
        elif not self._path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        elif not os.access(self._path.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def _append(self, line: str) -> None:
        self._path.touch(mode=0o600)  # codes are for nobody else to read
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
