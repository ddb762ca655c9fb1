"""The channel of a page: what was said, as bubbles, and SMS and e-mail, on a phone of their own."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from secrets import token_hex

from bot.channel import Mark, Reply
from bot.terminal import MASK


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text that looks the same from end to end: see `bot.channel.Mark`."""

    text: str
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Bubble:
    """A message in the conversation, or a remark of the program itself."""

    name: str
    who: str  # "bot", "me", "note"
    pieces: tuple[Piece, ...]
    lang: str
    copy: str = ""  # label of the button that copies what is marked "exact"


@dataclass(frozen=True, slots=True)
class Text:
    """An SMS; or, with a subject, an e-mail."""

    name: str
    to: str
    text: str
    at: datetime
    subject: str = ""


def pieces(text: str, marks: Sequence[Mark]) -> Iterator[Piece]:
    """The text, cut wherever a mark begins or ends."""
    ends = {end for mark in marks for end in (mark.start, mark.start + mark.length)}
    for start, end in pairwise(sorted({0, len(text)} | ends)):
        around = (mark for mark in marks if mark.start <= start < mark.start + mark.length)
        yield Piece(text[start:end], frozenset(mark.kind for mark in around))


@dataclass(slots=True)
class Transcript:
    """The channel. It is as long as the program runs, however often the engine is killed."""

    clock: Callable[[], datetime]
    lang: str  # of the conversation
    bubbles: list[Bubble] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    last: Reply | None = None
    changes: int = 0  # so often was anything shown, or masked
    # A message of a program that ran before is not taken for one of these.
    _run: str = field(default_factory=lambda: token_hex(4))
    _labels: dict[tuple[str, int], str] = field(default_factory=dict)

    async def send(self, place: str, reply: Reply, instead: str | None = None) -> str | None:
        """Show the reply, and its choices under all that was said: none is to be taken away."""
        del place, instead
        self.lang = reply.lang
        if not (reply.keeps_buttons and self.last):
            self.last = reply
        self._labels |= {(button.choice, reply.asked): button.label for button in reply.buttons}
        self._show("bot", tuple(pieces(reply.text, reply.marks)), reply.copy)
        return None

    async def answered(self, place: str, message: str) -> None:
        """Nothing: the choices stand in one place."""

    async def erase(self, place: str, message: str) -> None:
        """Mask the person's message."""
        del place
        for at, bubble in enumerate(self.bubbles):
            if bubble.name == message:
                self.bubbles[at] = replace(bubble, pieces=(Piece(MASK),))
                self.changes += 1

    @property
    def hidden(self) -> bool:
        """Whether a password is asked for."""
        return self.last is not None and self.last.hidden

    def label(self, choice: str, asked: int) -> str | None:
        """The words on a button that there is, or was; None where there never was one."""
        return self._labels.get((choice, asked))

    def heard(self, text: str, hidden: bool = False) -> str | None:
        """The person's message. Returns its name for `erase`; None for what is masked already."""
        name = self._show("me", (Piece(MASK if hidden else text),))
        return None if hidden else name

    def unheard(self, since: int) -> None:
        """Take back what was shown since there were so many bubbles: it reached nobody."""
        del self.bubbles[since:]
        self.changes += 1

    def note(self, text: str) -> None:
        """A remark of the program itself."""
        self._show("note", (Piece(text),))

    def show_sms(self, to: str, text: str) -> None:
        """An SMS on the phone beside the conversation."""
        self.changes += 1
        self.texts.append(Text(f"sms-{self._run}-{self.changes}", to, text, self.clock()))

    def show_email(self, to: str, subject: str, text: str) -> None:
        """An e-mail, beside the SMS."""
        self.changes += 1
        name = f"mail-{self._run}-{self.changes}"
        self.texts.append(Text(name, to, text.strip(), self.clock(), subject))

    def _show(self, who: str, shown: tuple[Piece, ...], copy: str = "") -> str:
        self.changes += 1
        name = f"said-{self._run}-{self.changes}"
        self.bubbles.append(Bubble(name, who, shown, self.lang, copy))
        return name
