"""Thirty kills in the middle of conversations; hundreds by `make test-crash`."""

import asyncio
import os
import random

import pytest

from storage import database
from tests.crash.points import CALLS, KINDS, schedule
from tests.crash.scripts import ALONE, script_of
from tests.crash.universe import Figures, run_universe
from tests.crash.victim import STATEMENTS, migrations

SEED = os.environ.get("CRASH_SEED") or ("ci" if os.environ.get("CI") else str(random.random())[2:8])


async def test_killed_at_every_kind_of_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every invariant after every kill, and every conversation ends as its script says."""
    monkeypatch.setattr(database, "migrations", migrations)
    first, second = await asyncio.gather(
        *(run_universe(f"{SEED}/{number}", kills=16) for number in range(2))
    )
    total: Figures = first + second
    print(total)
    assert total.kills.total() == 32
    assert total.checks >= 32  # one at each end; none while the migration is not done
    assert total.finished.total() >= 12


def test_a_seed_says_it_all() -> None:
    """The same points and scripts each time; other ones for other seeds."""
    for seed in ("1/0", "1/1", "2/0"):
        assert schedule(seed, 40) == schedule(seed, 40)
        scripts = [script_of(seed, number) for number in range(40)]
        assert scripts == [script_of(seed, number) for number in range(40)]
        assert set(scripts) == {*ALONE, "race"}
    assert len({tuple(schedule(seed, 16)) for seed in ("1/0", "1/1", "2/0", "2/1")}) == 4


def test_every_kind_of_point_has_its_turn() -> None:
    for run in ("1", "2"):
        both = [schedule(f"{run}/{number}", 16) for number in range(2)]
        assert [points[0].what for points in both] == ["migration"] * 2
        assert {(point.when, point.what) for points in both for point in points} == set(KINDS)
    inside = {"statement", "sms", "hash", *STATEMENTS.values()}
    assert {what for _, what in KINDS} == {*inside, *CALLS, "instant", "import"}
