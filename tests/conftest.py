"""For all tests: what must be set before anything is imported, and the long runs left out."""

import os

os.environ["PTB_TIMEDELTA"] = "true"  # python-telegram-bot gives timedeltas, and warns no more

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.helpers.postgres import Postgres

# On a machine of its own the same examples at every push; at a desk new ones each time. A failure
# prints the line that brings it back.
settings.register_profile("desk", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Postgres]":
    """A PostgreSQL for all tests that ask for one."""
    from tests.helpers.postgres import started  # noqa: PLC0415 - it takes a moment to import

    with started() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Where a new database is: a file, or one on a server."""
    if request.param == "sqlite":
        yield tmp_path / "sesame.sqlite3"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.fresh()
    yield url
    server.drop(url)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long runs out unless `-m` speaks of them."""
    if "long" in config.getoption("markexpr"):
        return
    skip = pytest.mark.skip(reason="a long run: `make test-long`")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)
