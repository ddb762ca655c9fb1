"""What turns and delivery tell whoever counts (bot/metrics.py): facts, and no persons."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from flows.refusals import Reason


class Outcome(StrEnum):
    """What became of a turn."""

    ANSWERED = "answered"
    REFUSED = "refused"  # answered, too: with the reason
    SILENT = "silent"  # nothing was to be said: a double tap, a moment that came
    DUPLICATE = "duplicate"  # the update had been taken before
    FAILED = "failed"  # not stored, or our own mistake


@dataclass(frozen=True, slots=True)
class TurnTaken:
    """A turn is over."""

    outcome: Outcome
    seconds: float
    before: str = ""  # states; empty where the conversation was not loaded
    after: str = ""
    cause: Reason | None = None


@dataclass(frozen=True, slots=True)
class Hashed:
    """A password was hashed, or compared with a hash."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Handled:
    """The outbox is done with a parcel of this kind: sent, refused, unclear or expired."""

    kind: str
    status: str
    segments: int = 0  # of an SMS: how many it took


@dataclass(frozen=True, slots=True)
class Reported:
    """A provider said what became of an SMS; unknown where it is none of ours."""

    status: str


Seen = TurnTaken | Hashed | Handled | Reported
Observe = Callable[[Seen], None]


def nobody(seen: Seen) -> None:
    """Nobody counts."""
