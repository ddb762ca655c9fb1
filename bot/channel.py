"""What a channel is: where replies are shown, and the neutral form of a reply."""

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import locales
from flows.inputs import Said
from flows.text import clean, clean_password


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of the text that is special.

    `kind` is "strong", "exact" (to be copied) or "time" (a moment, in words).
    """

    kind: str
    start: int  # in code points
    length: int
    at: int = 0  # of a "time": the moment, in seconds since 1970, UTC
    day: bool = False  # of a "time": the words tell its day too


@dataclass(frozen=True, slots=True)
class Button:
    """A choice: the words on it, and the choice that it stands for."""

    label: str
    choice: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One message to the parent, in words."""

    text: str
    lang: str
    marks: tuple[Mark, ...] = ()
    buttons: tuple[Button, ...] = ()
    asked: int = 0  # the number of the question, carried by its buttons
    contact: str = ""  # label of "share my number", where it is offered
    hidden: bool = False  # the answer is a password
    leaves_contact: str = ""  # a short word that takes the contact button away
    copy: str = ""  # label of "copy", where the stretch marked "exact" is worth copying
    page: str = ""  # label of "open the page for the password", where there is one
    waits: bool = False  # the answer to a press, and no more than "wait so long"
    keeps_buttons: bool = False  # the question before it still stands, with its buttons
    silent: bool = False  # nobody asked for it: it comes without a sound

    def to_dict(self) -> dict[str, Any]:
        """A plain JSON value; `from_dict` takes it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Reply":
        """The reply that `to_dict` made."""
        marks = tuple(Mark(**mark) for mark in value["marks"])
        buttons = tuple(Button(**button) for button in value["buttons"])
        return cls(**{**value, "marks": marks, "buttons": buttons})


class Undeliverable(Exception):
    """The parent cannot be reached here any more (blocked, gone): do not try again."""


class TryLater(Exception):
    """It was not delivered; try again after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"try again in {seconds} seconds")
        self.seconds = seconds


class Channel(Protocol):
    """A place where parents are talked to."""

    async def send(self, place: str, reply: Reply, instead: str | None = None) -> str | None:
        """Show the reply, and return the name of its message where it bears buttons to take away.

        `instead` names a message in whose place it is shown, where that can be changed; then that
        name is returned. Raises TryLater or Undeliverable.
        """

    async def answered(self, place: str, message: str) -> None:
        """Take the buttons away under a question that is answered, if it can be done now."""

    async def erase(self, place: str, message: str) -> None:
        """Remove the parent's message. Raises TryLater or Undeliverable."""


def said(text: str, message: str | None = None, forwarded: bool = False) -> Said:
    """A typed message as the conversation hears it: cleaned once, at the door."""
    cleaned = clean(text)
    return Said(
        text=cleaned,
        exact=clean_password(text),
        means=locales.recognise(cleaned),
        leads=locales.recognise(cleaned.partition(" ")[0]),
        is_command=cleaned.startswith("/"),
        message=message,
        forwarded=forwarded,
    )
