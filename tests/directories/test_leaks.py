"""Promises 4 and 5 where accounts are opened elsewhere: every byte that we wrote is searched."""

import asyncio
from itertools import cycle
from pathlib import Path

from tests.conversations.test_leaks import (
    CODES,
    MARKS,
    PASSWORD,
    codes_in,
    everything_logged,
    lines,
    own_code,
    thousand,
)
from tests.conversations.test_secrets import files, found
from tests.directories.conftest import Service
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import core_parent

PARENTS = 12


async def test_accounts_opened_elsewhere_leave_nothing_to_read(
    service: Service, tmp_path: Path
) -> None:
    """All went well, the service is killed in the middle, an answer is lost, and it comes back."""
    codes = cycle(CODES)
    folder = tmp_path / "bot"
    folder.mkdir()
    secret = service.url.partition("@")[0].rpartition(":")[2]
    marks = (*MARKS, secret)
    with everything_logged(folder / "log"):
        async with core_parent(
            folder / "sesame.sqlite3",
            thousand(),
            make_code=lambda: next(codes),
            codes_per_prefix="9999/1h",
            accounts=service.url,
        ) as first:
            for n in range(PARENTS):
                parent = Dialogue(first.beside(f"parent {n}"), "fr")
                if n == 4:
                    service.proxy.will("lost", service.creates)
                if n == 8:
                    service.server.kill()
                for line in lines(n):
                    if line != "[text_me]":
                        await parent.does(own_code(first, n) if line == "(code)" else line)
            written = files(folder)  # the service is down, the passwords wait, the journal is full
            assert found(marks, written) == []
            assert codes_in(written) == set()
            service.server.start()
            await asyncio.wait_for(first.service.delivery.settle(), 60)
        people = await service.people()
        assert len(people) == PARENTS
        for n in (0, 4, 11):
            identifier = next(one for one in people if one.endswith(_letters(n)))
            assert await service.signs_in(identifier, PASSWORD.format(n=n))
    written = files(folder)
    assert b"account" in written, "the log is there"
    assert found(marks, written) == []
    assert codes_in(written) == set()


def _letters(n: int) -> str:
    return "zqvx" + "".join("abcdefghij"[int(digit)] for digit in f"{n:04d}")
