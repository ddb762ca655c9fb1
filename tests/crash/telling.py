"""A bot that is killed while it tells a conversation what happened to its account elsewhere.

`python -m tests.crash.telling POINT DATABASE`. Points: "before" the turn, "inside" its transaction,
"after" its commit and before anything else is done.
"""

import asyncio
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.carriers.telling import Telling
from storage.conversations import Address
from storage.database import Work
from storage.outbox import TELL, Outbox, Parcel
from tests.helpers.clock import Clock
from tests.helpers.parent import CoreParent, core_parent
from tests.helpers.school import a_school


def _die(*_: object, **__: object) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


async def tells(parent: CoreParent) -> None:
    """Put in what a conversation is to be told, as a change elsewhere does."""
    chat = parent.service.doors.conversations.key(Address("core", "marie"))
    body = {"input": "SignedOut", "facts": {"identifier": "m.dupont", "why": "password"}}
    outbox, now = parent.service.doors.outbox, parent.clock()
    await parent.service.doors.database.run(outbox.add(chat, TELL, body, now))
    parent.service.delivery.post(chat)
    await parent.service.delivery.settle()


def aim(point: str) -> None:
    """Let the bot be killed there."""
    if point == "before":
        Telling.carry = _die  # type: ignore[method-assign]
    elif point == "after":
        Outbox.is_waiting = _die  # type: ignore[method-assign]
    else:
        finish_once = Outbox.finish_once

        def dies(self: Outbox, parcel: Parcel, status: str) -> Work[bool]:
            yield from finish_once(self, parcel, status)
            _die()
            return True

        Outbox.finish_once = dies  # type: ignore[method-assign]


async def main(point: str, database: Path, at: datetime) -> None:
    """Tell it, and die."""
    async with core_parent(database, a_school(), clock=Clock(at)) as parent:
        aim(point)
        await tells(parent)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])))
