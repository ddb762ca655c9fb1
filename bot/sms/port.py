"""What a sender of SMS is, whichever it is, and what it can say of an SMS."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Status(StrEnum):
    """What becomes of an SMS that was handed over. Each outweighs the one before it."""

    HANDED_OVER = "handed_over"  # the operator has it, and says no more yet
    UNDELIVERED = "undelivered"  # it did not reach the phone
    DELIVERED = "delivered"  # it did


OPERATORS_FAULT = ("account", "credit", "settings")
"""Kinds of refusal that only whoever runs Sésame can mend."""


class SmsRefused(Exception):
    """The SMS surely did not leave. `final` when trying again is of no use; `kind` names why.

    `kind` is of a closed list: number, content, refused (of this SMS); busy, down (of the
    provider); account, credit, settings (the operator's to mend); and of single senders.
    """

    def __init__(self, kind: str, final: bool) -> None:
        super().__init__(kind)
        self.kind = kind
        self.final = final


class SmsUnclear(Exception):
    """Nobody knows whether the SMS left: it must not be sent again."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class SmsFault(Exception):
    """What is wrong with a sender, and what to do: one line for whoever runs Sésame.

    `kind` is "account" where it does not let us in.
    """

    def __init__(self, line: str, kind: str = "") -> None:
        super().__init__(line)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Sms:
    """One SMS. Neither number nor text shows in `repr`."""

    parcel: int  # the number in the outbox: it is handed over once at most
    to: str = field(repr=False)  # E.164
    text: str = field(repr=False)
    expires: datetime | None = None  # of no use afterwards


@dataclass(frozen=True, slots=True)
class Taken:
    """The SMS was handed over, by this sender; `message` is what it will be called in reports."""

    sender: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider says later of an SMS. `message` is as in `Taken`."""

    sender: str
    message: str
    status: Status


Hear = Callable[[Report], Awaitable[None]]
"""Takes a report; it never raises."""

Token = Callable[[str], str]
"""A secret for a purpose: what the reports of a sender must show."""


class SmsSender(Protocol):
    """A way out for codes."""

    name: str
    """Of a closed list; stored with what it sent."""

    async def send(self, sms: Sms) -> Taken:
        """Hand it over, once for each parcel number.

        Raises SmsRefused when it surely did not leave; any other error means that nobody knows.
        """

    async def check(self) -> str | None:
        """See whether it would send. Returns the credit that is left, where the provider tells.

        Raises SmsFault.
        """

    def running(self, hear: Hear, token: Token) -> AbstractAsyncContextManager[object]:
        """What it needs meanwhile, such as a connection. Its reports go to `hear`."""

    def each(self) -> Iterator["SmsSender"]:
        """The single senders that it consists of."""


class Simple:
    """What a sender has that needs no connection, gets no reports and is only one."""

    def running(self, hear: Hear, token: Token) -> AbstractAsyncContextManager[object]:
        """Nothing is needed."""
        del hear, token
        return nullcontext()

    def each(self: "SmsSender") -> Iterator["SmsSender"]:
        """Only this one."""
        yield self

    async def check(self) -> str | None:
        """Nothing is known before it is tried."""
        return None
