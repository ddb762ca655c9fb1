"""The words in which conversations are written.

A line of a dialogue is what the parent types, or, in brackets, something else that they do:

    "[yes]"         presses the button of the choice `yes`
    "(comes)"       opens the conversation
    "(invited)"     opens it by the personal link of Marie Dupont
    "(code)"        types the code of the last SMS
    "(wrong code)"  types another one
    "(wait 90s)"    lets time go by: s, m, h, d
    "(restart)"     the bot is killed and started again

What the bot says is checked by its key in `locales/`: `parent.hears("code.wrong", n=4)`. Facts
that are not given may be anything.
"""

import re
import string
from collections.abc import Iterator
from datetime import UTC
from typing import Any, Generic, TypeVar

import locales
from bot.settings import read_duration
from flows.states import S
from tests.helpers.clock import Clock
from tests.helpers.parent import Comes, Parent, Phone
from tests.helpers.school import INVITATION

P = TypeVar("P", bound=Parent)
PASSWORD = "Soleil&Vert27"


class Dialogue(Generic[P]):
    """A parent on some channel, and what they say and hear."""

    def __init__(self, parent: P, lang: str) -> None:
        self.parent = parent
        self.lang = lang

    # ---- what the parent does ----------------------------------------------------------------

    async def follows(self, *lines: str) -> None:
        """Do what each line says, in order."""
        for line in lines:
            await self.does(line)

    async def does(self, line: str) -> None:
        """One line of a dialogue."""
        special = re.fullmatch(r"\(([a-z ]+?)(?: ([0-9]+[smhd]))?\)|\[([a-z_]+)\]", line)
        if special is None:
            await self.parent.says(line)
        elif special[3]:
            await self.presses(special[3])
        elif special[1] == "comes":
            await self.comes()
        elif special[1] == "invited":
            await self.parent.comes_by_link(INVITATION)
        elif special[1] == "code":
            await self.parent.says(self.sms.last_code)
        elif special[1] == "wrong code":
            await self.parent.says(self.wrong_code())
        elif special[1] == "restart":
            await self.parent.restarts()
        elif special[1] == "wait":
            await self.waits(special[2])
        else:
            raise ValueError(line)

    async def comes(self) -> None:
        """Open the conversation."""
        if isinstance(self.parent, Comes):
            await self.parent.comes()
        else:
            await self.parent.says("/start")

    async def says(self, text: str) -> None:
        """Type a message."""
        await self.parent.says(text)

    async def presses(self, choice: str) -> None:
        """Press the button of a choice, in whatever words it has here."""
        await self.parent.presses(self.button(choice))

    async def waits(self, length: str) -> None:
        """Let time go by: "90s", "31m", "24h", "7d"."""
        await self.parent.waits(seconds=read_duration(length).total_seconds())

    def wrong_code(self, another: int = 0) -> str:
        """Six digits that were never sent."""
        sent = {found for _, text in self.sms.received for found in re.findall("[0-9]{6}", text)}
        free = (f"{number:06d}" for number in range(111111, 999999) if f"{number:06d}" not in sent)
        return next(code for at, code in enumerate(free) if at == another)

    # ---- what the parent sees ----------------------------------------------------------------

    @property
    def reads(self) -> str:
        """All that was said since the last action."""
        return self.parent.reads

    @property
    def buttons(self) -> list[str]:
        """The words on the buttons."""
        return self.parent.buttons

    @property
    def sms(self) -> Phone:
        """The SMS that arrived."""
        return self.parent.sms

    @property
    def clock(self) -> Clock:
        """The bot's clock."""
        return self.parent.clock

    def button(self, choice: str) -> str:
        """The words on the button of a choice; fails if it is not there."""
        found = self._buttons(choice)
        assert found, f"no button {choice!r} among {self.buttons}"
        return found[0]

    def offers(self, choice: str) -> bool:
        """Whether there is a button of this choice."""
        return bool(self._buttons(choice))

    def _buttons(self, choice: str) -> list[str]:
        words = [pattern(key, self.lang, {}) for key in _button_keys(choice)]
        return [
            label
            for label in self.buttons
            for part in (label, *label.split(" / "))  # in both languages until one is chosen
            if any(re.fullmatch(word, part) for word in words)
        ]

    def hears(self, *keys: str, **facts: object) -> None:
        """The bot just said this, with these facts."""
        for key in keys:
            words = pattern(key, self.lang, facts)
            assert re.search(words, self.reads), f"{key} {facts} is not in:\n{self.reads}"

    def does_not_hear(self, *keys: str, **facts: object) -> None:
        """The bot did not say this."""
        for key in keys:
            words = pattern(key, self.lang, facts)
            assert not re.search(words, self.reads), f"{key} is in:\n{self.reads}"

    def is_asked(self, state: S, **facts: object) -> None:
        """The question of this state was just asked."""
        self.hears(f"{state.value}.ask", **facts)


def pattern(key: str, lang: str, facts: dict[str, Any]) -> str:
    """A regular expression for the text of a key; facts that are not given may be anything."""
    texts = locales._catalogue(lang).texts[key]
    counted = locales._catalogue(lang).counted.get(key)
    if counted in facts:
        texts = (texts[locales._catalogue(lang).form(abs(facts[counted]))],)
    written = locales._Facts(key, lang, facts, UTC, None)
    return "|".join("".join(_parts(text, facts, written)) for text in texts)


def _parts(text: str, facts: dict[str, Any], written: Any) -> Iterator[str]:
    for literal, name, _, _ in string.Formatter().parse(text):
        yield re.escape(literal)
        if name is not None:
            yield re.escape(written[name]) if name in facts else r".*?"


def _button_keys(choice: str) -> list[str]:
    texts = locales._catalogue("fr").texts
    own = [key for key in texts if key.startswith(f"button.{choice}.")]
    return [*own, f"button.{choice}"]
