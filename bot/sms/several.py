"""Several senders: the next one where the one before surely did not send."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from bot.logs import Event, Log
from bot.sms.port import OPERATORS_FAULT, Hear, Sms, SmsRefused, SmsSender, Taken, Token

log = Log("sms")

REST, LONGEST_REST = 60.0, 900.0
"""Seconds in which a sender that failed is asked last: so that nobody waits for a dead one."""


@dataclass(slots=True)
class _Member:
    """One of the senders, and until when it rests."""

    sender: SmsSender
    failures: int = 0
    rests_until: float = 0.0

    def failed(self, now: float) -> None:
        """It rests, longer each time."""
        self.rests_until = now + min(REST * 2 ** min(self.failures, 9), LONGEST_REST)
        self.failures += 1

    def worked(self) -> None:
        """It is as good as new."""
        self.failures, self.rests_until = 0, 0.0


class SeveralSms:
    """Senders in the order in which they are preferred."""

    name = "several"

    def __init__(self, senders: Sequence[SmsSender], now: Callable[[], float] = monotonic) -> None:
        self._members = [_Member(sender) for sender in senders]
        self._now = now

    async def send(self, sms: Sms) -> Taken:
        """Hand it over by the first that takes it.

        What is refused for good, or may have left, does not go to the next one.
        """
        refused = SmsRefused("down", final=False)
        for member in sorted(self._members, key=lambda each: each.rests_until > self._now()):
            try:
                taken = await member.sender.send(sms)
            except SmsRefused as error:
                if error.final:
                    member.worked()  # it answers
                    raise
                refused = error
                member.failed(self._now())
                log(Event.SMS_NEXT_SENDER, sender=member.sender.name, kind=error.kind)
                if error.kind in OPERATORS_FAULT:  # the next one hides it from everybody else
                    log(Event.SMS_ACCOUNT, sender=member.sender.name, kind=error.kind)
            except BaseException:  # a time-out of the caller's, too
                member.failed(self._now())
                raise
            else:
                member.worked()
                return taken
        raise refused

    async def check(self) -> str | None:
        """Each is checked by itself: see `each`."""
        for sender in self.each():
            await sender.check()
        return None

    @asynccontextmanager
    async def running(self, hear: Hear, token: Token) -> AsyncIterator[None]:
        """All of them."""
        async with AsyncExitStack() as stack:
            for member in self._members:
                await stack.enter_async_context(member.sender.running(hear, token))
            yield

    def each(self) -> Iterator[SmsSender]:
        """The senders that it consists of."""
        for member in self._members:
            yield from member.sender.each()
