"""The documents say what the code does."""

import re
import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest

from bot.settings import Settings, _written
from storage.database import migrations
from storage.retention import RULES, Retention
from tests.docs import PAGES, README, rewritten

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_generated_parts_are_what_the_code_says(path: Path) -> None:
    page = path.read_text("utf-8")
    assert rewritten(page) == page, "run `make docs`"


def test_every_file_that_the_readme_links_to_exists() -> None:
    for link in re.findall(r"\]\(([a-z][^):]*)\)", README.read_text("utf-8")):
        assert (ROOT / link).exists(), link


# ---- docs/privacy.md ---------------------------------------------------------------------------

PRIVACY = (ROOT / "docs" / "privacy.md").read_text("utf-8")
KEPT = dict(re.findall(r"`SESAME_(KEEP_[A-Z]+)` \(([0-9]+[smhd])\)", PRIVACY))


def _rows() -> dict[str, str]:
    """For each table of the database, its row of the page."""
    rows = [line for line in PRIVACY.splitlines() if line.startswith("| `")]
    return {name: row for row in rows for name in re.findall("`([a-z_]+)`", row.split("|")[1])}


def test_the_privacy_page_has_a_row_for_every_table() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for _, script in migrations():
            connection.executescript(script)
        found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        tables = {name for (name,) in found if not name.startswith("sqlite_")}
    assert set(_rows()) == tables


def test_the_privacy_page_has_the_lengths_of_the_settings() -> None:
    names = {field.name.upper() for field in fields(Retention)} | {"KEEP_UNPROVED", "KEEP_IDLE"}
    assert set(KEPT) == names
    for name, length in KEPT.items():
        assert _written(Settings.model_fields[name.lower()].default) == f"`{length}`", name
    lengths = re.findall(r"`SESAME_(KEEP_[A-Z]+)` \(([^)]*)\)", PRIVACY)
    assert {(name, length) for name, length in lengths} == set(KEPT.items())  # said alike each time


def test_the_privacy_page_names_the_length_that_rules_each_table() -> None:
    for table, (length, _) in RULES.items():
        assert f"`SESAME_{length.upper()}`" in _rows()[table], table
