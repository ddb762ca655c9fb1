"""One process at a time serves a database; the others are told who does."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import lock_descriptor

from storage.database import StorageError
from storage.sqlite import make_folder


@contextmanager
def hold(database: Path) -> Iterator[None]:
    """Hold the database for as long as this process lives, however it ends (T29).

    The lock is the operating system's, on a file beside the database: it dies with the process.
    Raises StorageError with the holder's number, machine and time.
    """
    place = database.resolve()  # one file, whatever it is called here
    make_folder(place.parent)
    try:
        opened = os.open(f"{place}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(f"{place}.lock cannot be opened: {error.strerror}.") from error
    try:
        if not lock_descriptor(opened, blocking=False):
            raise StorageError(
                f"{database} is served already, by {_read(opened)}: stop that one first."
            )
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        os.ftruncate(opened, 0)
        os.write(opened, f"process {os.getpid()} on {socket.gethostname()} since {since}".encode())
        yield
    finally:
        os.close(opened)


def _read(opened: int) -> str:
    try:
        return os.read(opened, 500).decode("utf-8", "replace") or "a process that has just started"
    except OSError:  # Windows lets nobody read what is locked
        return "another process"
