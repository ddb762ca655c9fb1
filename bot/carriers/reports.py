"""What providers report of SMS that they took: noted, and told to whom it may be told."""

import asyncio
from contextlib import suppress

from bot.carriers.ledger import Ledger
from bot.logs import Event, Log
from bot.seen import Reported
from bot.sms import Report, Status
from flows.inputs import SmsFailed, TextFailed
from storage.outbox import Known

log = Log("sms")

ONCE_MORE = (0.0, 0.5, 2.0, 8.0)
"""Seconds: a report may come before the outbox knows the SMS by its name."""

PATIENCE = 3
"""Seconds for the database, before a provider is answered all the same."""

MOST_AT_ONCE = 1000
MOST_UNKNOWN = 500
"""Reports that are looked into, and how many of them before those that nobody knows wait no more:
where others send by the same account their reports come to us, too, and must not keep ours away.
"""


class SmsReports:
    """Takes reports: late, double, out of order, or of SMS that nobody knows."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._tasks: set[asyncio.Task[None]] = set()

    async def hear(self, report: Report) -> None:
        """Take one, and return when it is noted: then a provider may be told that we have it.

        What we do not know yet, or cannot note at once, is looked into beside other work.
        """
        if len(self._tasks) < MOST_AT_ONCE:
            noted = asyncio.Event()
            task = asyncio.create_task(self._look_into(report, noted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            with suppress(TimeoutError):
                await asyncio.wait_for(noted.wait(), PATIENCE)

    async def settle(self) -> None:
        """Wait until all have been looked into."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Stop; what was not looked into is forgotten."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_into(self, report: Report, noted: asyncio.Event) -> None:
        outbox, now = self._ledger.outbox, self._ledger.clock()
        known = None
        for seconds in ONCE_MORE:
            if seconds and len(self._tasks) > MOST_UNKNOWN:
                break
            await asyncio.sleep(seconds)
            known = await self._ledger.note(
                outbox.report, report.sender, report.message, report.status.value, now
            )
            noted.set()
            if known is not None:
                break
        if known is None:
            self._ledger.observe(Reported("unknown"))
            return
        self._ledger.observe(Reported(report.status.value))
        if known.is_news and report.status is Status.UNDELIVERED:
            log(Event.SMS_UNDELIVERED, sender=report.sender)
            await self._tell(known)

    async def _tell(self, known: Known) -> None:
        """What is not the last of its kind matters to nobody any more."""
        find = self._ledger.conversations.address
        address = await self._ledger.note(find, known.chat) if known.is_last else None
        if address is not None:
            failed = SmsFailed("undelivered") if known.is_code else TextFailed()
            await self._ledger.tell(address, failed)
