"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from tests.docs import PAGES, README, rewritten

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_generated_parts_are_what_the_code_says(path: Path) -> None:
    page = path.read_text("utf-8")
    assert rewritten(page) == page, "run `make docs`"


def test_every_file_that_the_readme_links_to_exists() -> None:
    for link in re.findall(r"\]\(([a-z][^):]*)\)", README.read_text("utf-8")):
        assert (ROOT / link).exists(), link
