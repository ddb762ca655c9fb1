"""The README says what the code does."""

import re
from pathlib import Path

from tests.docs import README, rewritten

ROOT = Path(__file__).parents[1]


def test_the_generated_parts_of_the_readme_are_what_the_code_says() -> None:
    page = README.read_text("utf-8")
    assert rewritten(page) == page, "run `make docs`"


def test_every_file_that_the_readme_links_to_exists() -> None:
    for link in re.findall(r"\]\(([a-z][^):]*)\)", README.read_text("utf-8")):
        assert (ROOT / link).exists(), link
