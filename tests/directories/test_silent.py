"""A directory that is silent holds up whoever asks it, and nobody else."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

from tests.directories.conftest import missing

ROOT = Path(__file__).parents[2]
LONG = 30
"""Seconds after which a mistake of ours ends, which would hang for minutes or for ever."""

ASKS_ALL = """
import asyncio, sys
from storage.directories import DirectoryDown, ldap

ldap.CONNECTING = 0.2

async def ask(url):
    try:
        await ldap.Ldap(url, {}).remove(None, "key")
    except DirectoryDown as fault:
        return str(fault)

async def main():
    print(*await asyncio.gather(*map(ask, sys.argv[1:])), sep="\\n")

asyncio.run(main())
"""


@contextmanager
def takes_connections() -> Iterator[int]:
    """And says nothing: a program that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def takes_none() -> Iterator[int]:
    """And does not refuse them: a firewall that throws away what comes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for one in waiting:
                one.close()


@pytest.mark.skipif(missing("slapd") is not None, reason=str(missing("slapd")))
@pytest.mark.parametrize("silence", [takes_connections, takes_none])
def test_a_silent_directory_does_not_stop_the_bot(
    silence: Callable[[], AbstractContextManager[int]],
) -> None:
    """The library waits for such a one inside its own C, where no time of ours is heard."""
    with silence() as port:
        place = f"cn%3Dx:zebra@127.0.0.1:{port}/dc%3Dx"
        urls = [f"ldap://{place}", f"ldap://{place}?starttls", f"ldaps://{place}"]
        done = subprocess.run(
            [sys.executable, "-c", ASKS_ALL, *urls],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            encoding="utf-8",
            timeout=LONG,
            check=False,
        )
    lines = ["The directory does not answer (TimeoutError)."] * 3
    assert (done.stdout.splitlines(), done.stderr) == (lines, "")
