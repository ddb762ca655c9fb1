"""The shared synthetic sets, counted exactly. They lie beside the checkout, not in it."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.secret import Secret
from storage.importing.load import load
from storage.importing.report import Report
from storage.importing.staging import Unwatched
from storage.place import open_database
from storage.vault import Vault

SHARED = Path(os.environ.get("SESAME_SHARED") or Path(__file__).parents[3] / "shared")
REGISTERS = SHARED / "data" / "register"

pytestmark = pytest.mark.skipif(
    not REGISTERS.is_dir(), reason=f"no shared data in {REGISTERS} (SESAME_SHARED says where)"
)


async def _load(folder: Path, tmp_path: Path) -> Report:
    async with open_database(tmp_path / "register.sqlite3") as database:
        return await load(
            sorted(folder.glob("*/*/*")),
            database=database,
            vault=Vault(Secret("test")),
            watch=Unwatched(),
            now=datetime(2025, 11, 23, tzinfo=UTC),
        )


@pytest.mark.parametrize("name", ["synthetic-new", "synthetic-old-zip"])
async def test_all_counts_are_the_expected_ones(name: str, tmp_path: Path) -> None:
    report = (await _load(REGISTERS / name, tmp_path)).as_json()
    table = (REGISTERS / name / "expected-per-school.tsv").read_text().splitlines()
    fields = ("uai", "format", "pupils", "guardians", "links", "legal_links", "activable")
    found = [[str(school[field]) for field in fields] for school in report["schools"]]
    assert found == [line.split("\t") for line in table[1:]]

    counts = json.loads((REGISTERS / name / "expected.json").read_text())["counts"]
    totals = report["totals"]
    kinds = ("siecle.persons", "onde.guardians")
    assert totals["guardians"] == sum(counts[kind] for kind in kinds)
    any_field = ("siecle.activable_persons", "onde.activable_guardians")
    assert totals["activable_any_phone_field"] == sum(
        counts[f"{kind}_any_phone_field"] for kind in any_field
    )
    assert totals["activable_distinct"] == counts["truth.activable_guardians_distinct"]
    assert totals["refused"]["no_pupil"] == counts["siecle.persons_without_pupil"]
    for figures in (*report["schools"], totals):
        refused = sum(figures["refused"].values())
        assert figures["guardians"] == figures["activable_any_phone_field"] + refused


async def test_the_same_set_again_changes_nothing(tmp_path: Path) -> None:
    await _load(REGISTERS / "synthetic-new", tmp_path)
    totals = (await _load(REGISTERS / "synthetic-new", tmp_path)).as_json()["totals"]
    assert (totals["added"], totals["changed"], totals["gone"]) == (0, 0, 0)
