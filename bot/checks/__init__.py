"""What `sesame doctor` looks at, a file a topic. Each check asks the thing itself.

A check returns its findings. It may raise what the doors raise (BadSetting, StorageError,
VaultError): their one line is the finding then. Nothing is made or changed by looking.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import locales
from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `sesame doctor`."""

    check: str
    """Which check it is, a word of a closed list."""

    ok: bool
    line: str


@dataclass(frozen=True, slots=True)
class Case:
    """What is examined, and for whom."""

    settings: Settings
    lang: str

    def good(self, check: str, key: str, /, **facts: object) -> Finding:
        """All is well, in the words of the key."""
        return Finding(check, True, self.say(key, **facts))

    def bad(self, check: str, key: str, /, **facts: object) -> Finding:
        """Something is to be done, in the words of the key."""
        return Finding(check, False, self.say(key, **facts))

    def say(self, key: str, /, **facts: object) -> str:
        """The text of the key."""
        return locales.say(key, self.lang, facts, ZoneInfo(self.settings.timezone))


Check = Callable[[Case], Awaitable[Iterable[Finding]]]
