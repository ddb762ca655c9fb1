"""What a sender of e-mail is, whichever it is, and what it can say of a mail."""

from dataclasses import dataclass, field
from typing import Protocol

OPERATORS_FAULT = ("account", "sender", "settings")
"""Kinds of refusal that only whoever runs Sésame can mend."""


class MailRefused(Exception):
    """The mail surely did not leave. `final` when trying again is of no use; `kind` names why.

    `kind` is of a closed list: address, content (of this mail); busy, down, slow (of the server);
    account, sender, settings (the operator's to mend).
    """

    def __init__(self, kind: str, final: bool) -> None:
        super().__init__(kind)
        self.kind = kind
        self.final = final


class MailUnclear(Exception):
    """Nobody knows whether the mail left."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class MailFault(Exception):
    """Why a sender would not send. `kind` is a word of MailRefused's list, or "tls"; `said` is
    what the server answered, if it did.
    """

    def __init__(self, kind: str, said: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.said = said


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of plain text. Nothing of it shows in `repr`.

    `name` stays the same when it is tried again: a mail that came twice is known as one by it.
    """

    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    name: str = ""


class MailSender(Protocol):
    """A way out for e-mail."""

    name: str
    """What whoever runs Sésame calls it: no more than a host."""

    async def send(self, mail: Mail) -> None:
        """Hand it over.

        Raises MailRefused when it surely did not leave; any other error means that nobody knows.
        """

    async def check(self) -> None:
        """See whether it would send, and send nothing. Raises MailFault."""
