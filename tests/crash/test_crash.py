"""Thirty kills in the middle of conversations; hundreds by `make test-crash`."""

import asyncio
import os
import random
from collections import Counter

import pytest

from storage import database
from tests.crash.points import CALLS, MOST, schedule
from tests.crash.scripts import ALONE, script_of
from tests.crash.universe import Figures, run_universe
from tests.crash.victim import KINDS, migrations

SEED = os.environ.get("CRASH_SEED") or ("ci" if os.environ.get("CI") else str(random.random())[2:8])


async def test_thirty_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every invariant after every kill, and every conversation ends as its script says."""
    monkeypatch.setattr(database, "migrations", migrations)
    first, second = await asyncio.gather(
        *(run_universe(f"{SEED}/{number}", kills=15) for number in range(2))
    )
    total: Figures = first + second
    print(total)
    assert total.kills.total() == 30
    assert total.checks >= 28  # not while the migration is not done
    assert total.finished.total() >= 12
    assert total.repeats <= 6 * 30  # at most one for each chat and kill; proven chat by chat


def test_a_seed_says_it_all() -> None:
    """The same points and scripts each time; other ones for other seeds."""
    for seed in ("1/0", "1/1", "2/0"):
        assert schedule(seed, 40) == schedule(seed, 40)
        assert schedule(seed, 40)[:15] == schedule(seed, 15)
        scripts = [script_of(seed, number) for number in range(40)]
        assert scripts == [script_of(seed, number) for number in range(40)]
        assert set(scripts) == {*ALONE, "race"}
    assert schedule("1/0", 40) != schedule("1/1", 40)


def test_every_point_is_drawn() -> None:
    seen = Counter((point.when, point.what) for point in schedule("all", 2000))
    assert set(seen) >= {
        (when, what) for what in MOST for when in ("before", "after") if what != "migration"
    }
    inside = {"statement", "sms", "hash", *KINDS.values()}
    assert set(MOST) == {*inside, *CALLS, "instant", "import"}
