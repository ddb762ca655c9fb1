"""Being told to stop: SIGTERM of a service, Ctrl-C of a person."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress


def when_told_to_stop(stop: Callable[[], object]) -> None:
    """Call it then, from the running loop."""
    loop = asyncio.get_running_loop()
    for told in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows: Ctrl-C cancels us instead
            loop.add_signal_handler(told, stop)
