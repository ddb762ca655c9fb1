"""A process that opens a database again and again: with one migration more, or killed on the way.

It reads a line of JSON for each opening and answers with another::

    {"path": "…", "more": "CREATE TABLE …", "kill_at": 7, "at": 0.0}

Each opening has a process of its own, forked off this one. `kill_at` is the line of code, counted
from 1 over all that a migration and its backup execute, before which it is killed; 0 is never.
`at` is a moment (`time.time`) to wait for.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from storage import backups, database, sqlite
from storage.place import open_database

WATCHED: set[CodeType] = {
    function.__code__
    for function in (
        *(sqlite._migrate, sqlite._apply_missing, backups.write_backup),
        *(backups.backups_of, backups._remove, backups._note),
    )
}


def killed_at(passage: int) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that kills the process before the n-th line."""
    left = passage

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal left
        del arg
        if frame.f_code not in WATCHED:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


async def opens(asked: dict[str, Any]) -> str:
    """Open the database, and say what is there."""
    known = database.migrations()
    if asked.get("more"):
        one_more = (known[-1][0] + 1, asked["more"])
        database.migrations = lambda: [*known, one_more]
    if asked.get("kill_at"):
        migrate, tracing = sqlite._migrate, killed_at(asked["kill_at"])

        def traced(*given: Any) -> None:
            sys.settrace(tracing)  # in the thread that migrates
            migrate(*given)

        sqlite._migrate = traced  # type: ignore[assignment]  # it takes the same
    await asyncio.sleep(max(asked.get("at", 0.0) - time.time(), 0))
    async with open_database(asked["path"]) as opened:
        [[version]] = await opened.run(database.every("PRAGMA user_version"))
    return str(version)


def main() -> None:
    """Answer each line."""
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                print(asyncio.run(opens(json.loads(line))), flush=True)
            except Exception as error:
                print(f"{type(error).__name__}: {error}", flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            print(f"killed by {signal.Signals(os.WTERMSIG(status)).name}", flush=True)


if __name__ == "__main__":
    main()
