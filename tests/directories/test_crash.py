"""`sesame serve` is killed in the middle of conversations whose accounts are opened elsewhere."""

import pytest

from storage import database
from tests.crash.test_crash import SEED
from tests.crash.universe import run_universe
from tests.crash.victim import migrations
from tests.directories.conftest import SERVICES, Service


async def test_killed_at_points_of_every_kind(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every invariant after every kill; at the service one account for each that was told of."""
    monkeypatch.setattr(database, "migrations", migrations)
    number = SERVICES.index(service.name)
    figures = await run_universe(f"{SEED}/{number}", kills=16, accounts=service.url)
    print(figures)
    assert figures.kills.total() == 16
    assert figures.finished.total() >= 6
    people = await service.people()
    keys = [person.key for person in people.values()]
    assert len(keys) == len(set(keys)) == figures.accounts
