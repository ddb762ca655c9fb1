"""A PostgreSQL for the fleets."""

from collections.abc import Iterator

import pytest

from tests.helpers.postgres import Postgres, started


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """The server."""
    with started() as server:
        yield server
