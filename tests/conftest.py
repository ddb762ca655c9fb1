"""For all tests: what must be set before anything is imported, and the long runs left out."""

import os

os.environ["PTB_TIMEDELTA"] = "true"  # python-telegram-bot gives timedeltas, and warns no more

import pytest
from hypothesis import settings

# On a machine of its own the same examples at every push; at a desk new ones each time. A failure
# prints the line that brings it back.
settings.register_profile("desk", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long runs out unless `-m` speaks of them."""
    if "long" in config.getoption("markexpr"):
        return
    skip = pytest.mark.skip(reason="a long run: `make test-long`")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)
