"""Three processes on one PostgreSQL, parents by the hundred, and random kills."""

import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crash.universe import MEMORY, TOKEN
from tests.helpers.postgres import Postgres
from tests.processes.fleet import Figures, Fleet
from tests.telegram.server import BotApi

SEED = os.environ.get("CRASH_SEED") or ("ci" if os.environ.get("CI") else str(random.random())[2:8])


async def _run(
    postgres: Postgres, *, webhook: bool, parents: int, kills: int, crashes: int = 0
) -> Figures:
    with TemporaryDirectory(dir=MEMORY, prefix="sesame-fleet-") as folder:
        async with BotApi(token=TOKEN) as server:
            fleet = Fleet(SEED, Path(folder), server, postgres, bots=3, webhook=webhook)
            try:
                figures = await fleet.run(parents, at_once=30, kills=kills, crashes=crashes)
            except BaseException as error:
                error.add_note(f"CRASH_SEED={SEED}\n{fleet._end_of_log()}")
                raise
    print(figures)
    return figures


async def test_posted_to_any_of_three(postgres: Postgres) -> None:
    """Webhook mode behind a plain load balancer: 300 parents, and one that joins under load."""
    figures = await _run(postgres, webhook=True, parents=300, kills=12)
    assert figures.finished.total() == 300
    assert figures.kills == 12
    assert min(figures.shares.values()) > 0  # each had its part
    assert figures.repeats <= figures.kills * 30  # at most one a chat and kill


async def test_one_polls_and_the_others_stand_by(postgres: Postgres) -> None:
    """Polling: when the one that polls dies, another one takes over; so after PostgreSQL died."""
    figures = await _run(postgres, webhook=False, parents=60, kills=5, crashes=2)
    assert figures.finished.total() == 60
    assert (figures.kills, figures.crashes) == (5, 2)
    assert figures.notices > 30  # no SMS that may have left is sent again
