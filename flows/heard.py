"""What a turn is about besides the chat: what was just heard, and what became of it."""

from dataclasses import dataclass, field
from datetime import datetime

from flows import inputs as i
from flows.questions.password import Verdict
from flows.refusals import Refused
from flows.secret import Secret


@dataclass(slots=True)
class Heard:
    """What this turn is about, besides the chat: it is gone when the turn ends."""

    refused: Refused | None = None
    secret: Secret | None = field(default=None, repr=False)  # a code or a password
    verdict: Verdict | None = None  # how good the password is
    left: int = 0  # tries
    seconds: int = 0  # to wait
    moment: datetime | None = None  # of an old code, of a budget open again, of an SMS
    token: str = field(default="", repr=False)  # of the link by which the parent came
    found: str = "asked"  # what became of an SMS
    answer: i.FromWorld | None = field(default=None, repr=False)  # where it tells a lot
