"""`sesame import` as it is started: what it prints, and its exit status."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.import_command import import_files
from bot.spreadsheet import harmless
from flows.secret import Secret
from storage.importing.report import REASONS, WARNINGS
from storage.place import Place, open_database
from storage.vault import Vault
from tests.storage.exports import UAI, adult, child, link, siecle

MARIE = adult("=DUPONT", "Marie", "LISTE ROUGE")
PAUL = adult("DUPONT", "Paul", "06 98 76 54 32", ref="8")


class Run:
    """One run of the command and what it left."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


def say(key: str, **facts: object) -> str:
    """The key and its facts, in place of a sentence."""
    return " ".join([key, *(f"{name}={fact}" for name, fact in facts.items())])


async def _run(files: list[Path], place: Place, **options: Any) -> Run:
    out, err = io.StringIO(), io.StringIO()
    choices: dict[str, Any] = {"uai": "", "dry_run": False, "as_json": False, "details": None}
    async with open_database(place) as database:
        status = await import_files(
            files,
            database=database,
            vault=Vault(Secret("test")),
            say=say,
            out=out,
            err=err,
            now=datetime(2025, 11, 23, tzinfo=UTC),
            **(choices | options),
        )
    return Run(status, out.getvalue(), err.getvalue())


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    people = [MARIE, PAUL]
    return siecle(tmp_path, [child("DUPONT", "Léa")], people, [link("7"), link("8", legal=True)])


async def test_the_report_for_people(files: list[Path], place: Place) -> None:
    run = await _run(files, place)
    assert run.status == 0
    assert run.out.splitlines() == [
        f"report.school uai={UAI} format=SIECLE pupils=1 guardians=2",
        "report.headline n=1 guardians=2 percent=50.0",
        "       1  report.not_a_number",
        "report.changes.guardians added=2 changed=0 gone=0",
        "report.changes.pupils added=1 changed=0 gone=0",
        "report.changes.links added=2 changed=0 gone=0",
    ]
    assert run.err.startswith("import.progress n=5 rate=")


async def test_the_public_json(files: list[Path], place: Place) -> None:
    run = await _run(files, place, as_json=True)
    found = json.loads(run.out)
    refused = dict.fromkeys(REASONS, 0) | {"not_a_number": 1}
    sums = {
        "pupils": 1,
        "guardians": 2,
        "links": 2,
        "legal_links": 2,
        "activable": 1,
        "activable_any_phone_field": 1,
        "refused": refused,
    }
    changes = {"activable_distinct": 1, "added": 5, "changed": 0, "gone": 0}
    assert found == {
        "schools": [{"uai": UAI, "format": "siecle", **sums}],
        "totals": {**sums, **changes},
    }


async def test_a_dry_run_says_so_and_keeps_nothing(files: list[Path], place: Place) -> None:
    for _ in range(2):
        run = await _run(files, place, dry_run=True)
        assert run.out.splitlines()[-1] == "import.dry_run"
        assert "report.changes.guardians added=2" in run.out


async def test_the_details_name_everybody_and_are_no_formulas(
    files: list[Path], place: Place, tmp_path: Path
) -> None:
    details = tmp_path / "details.csv"
    run = await _run(files, place, details=details)
    assert run.out.splitlines()[-1] == f"import.details file={details}"
    rows = list(csv.reader(io.StringIO(details.read_text("utf-8-sig")), delimiter=";"))
    assert rows[1:] == [
        [
            UAI,
            "details.guardian",
            "'=DUPONT",
            "",
            "Marie",
            "report.not_a_number",
            "mend.not_a_number",
        ]
    ]
    assert details.stat().st_mode & 0o077 == 0


async def test_details_that_cannot_be_written(
    files: list[Path], place: Place, tmp_path: Path
) -> None:
    run = await _run(files, place, details=tmp_path / "no" / "details.csv")
    assert run.status == 1
    assert "import.details_failed" in run.err


async def test_a_refusal_is_one_line_on_standard_error(files: list[Path], place: Place) -> None:
    run = await _run(files[:1], place)
    assert (run.status, run.out) == (1, "")
    assert run.err == f"sesame: import.refused.missing_siecle_guardians file=a.xml uai={UAI}\n"


@pytest.mark.parametrize("start", "=+-@\t\r")
def test_no_cell_is_a_formula(start: str) -> None:
    assert harmless(f"{start}1+1") == f"'{start}1+1"
    assert harmless("Dupont-Martin") == "Dupont-Martin"


def test_every_reason_has_its_own_words() -> None:
    assert len({*REASONS, *WARNINGS}) == len(REASONS) + len(WARNINGS)
