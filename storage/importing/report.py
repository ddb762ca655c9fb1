"""Who can activate with what is staged, and who cannot and why."""

from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

from flows.questions.name import same_first, same_last
from storage.database import Work, every, run
from storage.family import guardian_place, pupil_place
from storage.importing.difference import Changes
from storage.importing.mobiles import LANDLINE, NO_MOBILE, NOT_A_NUMBER, SPECIAL
from storage.importing.records import folded
from storage.vault import Vault

REASONS = (
    "duplicate",
    "no_pupil",
    "not_legal",
    "pupil_left",
    "pupil_without_birthdate",
    "name_missing",
    NO_MOBILE,
    LANDLINE,
    NOT_A_NUMBER,
    SPECIAL,
)
"""Why a guardian cannot activate. Of several reasons the first in this order counts."""

ERASED = "erased"
"""Another reason, only named where it occurs: `sesame erase` keeps this person out."""

WARNINGS = (
    "child_not_found",
    "guardian_not_found",
    "shared_ine",
    "pupil_twice",
    "birthdate_missing",
)
"""What else the school should look at, without effect on who can activate."""


@dataclass(slots=True)
class Counts:
    """The figures of a school, or the sums of several."""

    pupils: int = 0
    guardians: int = 0
    links: int = 0
    legal_links: int = 0
    activable: int = 0
    activable_any_phone_field: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Add another school's figures to these."""
        self.pupils += other.pupils
        self.guardians += other.guardians
        self.links += other.links
        self.legal_links += other.legal_links
        self.activable += other.activable
        self.activable_any_phone_field += other.activable_any_phone_field
        for reason, number in other.refused.items():
            self.refused[reason] = self.refused.get(reason, 0) + number


@dataclass(frozen=True, slots=True)
class Problem:
    """A person whose record the school should look at; `kind` is guardian or pupil."""

    uai: str
    kind: str
    last: str
    usage: str
    first: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What an import found and what it changes: schools in the order of their codes."""

    schools: dict[str, Counts]
    formats: dict[str, str]
    activable_distinct: int
    warnings: dict[str, int]
    changes: dict[str, Changes] = field(default_factory=dict)

    @property
    def totals(self) -> Counts:
        """The sums over all schools."""
        totals = Counts()
        for counts in self.schools.values():
            totals.add(counts)
        return totals

    def as_json(self) -> dict[str, Any]:
        """Return the public object of `sesame import --json`."""
        kinds = self.changes.values()
        return {
            "schools": [
                {"uai": uai, "format": self.formats[uai], **asdict(counts)}
                for uai, counts in self.schools.items()
            ],
            "totals": {
                **asdict(self.totals),
                "activable_distinct": self.activable_distinct,
                "added": sum(changes.added for changes in kinds),
                "changed": sum(changes.changed for changes in kinds),
                "gone": sum(changes.gone for changes in kinds),
            },
        }


_GUARDIANS = (
    "SELECT uai, count(*), count(*) FILTER (WHERE reason IS NULL AND mobile = 'own'),"
    " count(*) FILTER (WHERE reason IS NULL) FROM staged_guardians GROUP BY uai"
)
_LINKS = (
    "SELECT uai, count(*), count(*) FILTER (WHERE legal = 1 AND pupil IS NOT NULL)"
    " FROM ties GROUP BY uai"
)
_WARNINGS = (
    "SELECT (SELECT count(*) FROM ties WHERE pupil IS NULL),"
    " (SELECT count(*) FROM ties WHERE guardian IS NULL),"
    " (SELECT count(*) FROM shared_ines),"
    " (SELECT count(*) FROM staged_pupils WHERE is_twin = 1),"
    " (SELECT count(*) FROM staged_pupils WHERE is_dated = 0 AND has_left = 0)"
)


def make_report(vault: Vault) -> Work[Report]:
    """Count what is staged."""
    schools: dict[str, Counts] = {}
    formats: dict[str, str] = {}
    staged = "SELECT uai, format FROM staged_schools ORDER BY uai"
    for uai, form in (yield from every(staged)):
        formats[uai] = form
        schools[uai] = Counts(refused=dict.fromkeys(REASONS, 0))
    for uai, number in (yield from every("SELECT uai, count(*) FROM staged_pupils GROUP BY uai")):
        schools[uai].pupils = number
    for uai, number, own, anywhere in (yield from every(_GUARDIANS)):
        schools[uai].guardians = number
        schools[uai].activable = own
        schools[uai].activable_any_phone_field = anywhere
    for uai, number, legal in (yield from every(_LINKS)):
        schools[uai].links = number
        schools[uai].legal_links = legal
    refused = "SELECT uai, reason, count(*) FROM staged_guardians WHERE reason IS NOT NULL"
    for uai, reason, number in (yield from every(refused + " GROUP BY uai, reason")):
        schools[uai].refused[reason] = number
    warnings = dict(zip(WARNINGS, (yield from every(_WARNINGS))[0], strict=True))
    distinct = sum(school.activable for school in schools.values())
    distinct -= yield from _same_persons(vault)
    return Report(schools, formats, distinct, warnings)


def _same_persons(vault: Vault) -> Work[int]:
    """Count the records too many of people whom several schools know (DESIGN, decision 6)."""
    too_many, last = 0, b""
    while rows := (
        yield from every(
            "SELECT mobile_key, uai, source_key, sealed FROM staged_guardians JOIN"
            " (SELECT mobile_key FROM staged_guardians WHERE mobile_key > ? AND reason IS NULL"
            " AND mobile = 'own' GROUP BY mobile_key HAVING count(*) > 1"
            " ORDER BY mobile_key LIMIT 500) AS shared USING (mobile_key)"
            " WHERE reason IS NULL AND mobile = 'own' ORDER BY mobile_key",
            last,
        )
    ):
        for _, shared in groupby(rows, key=lambda row: bytes(row[0])):
            people = [vault.open(row[3], guardian_place(row[1], row[2])) for row in shared]
            too_many += _repeated(people)
        last = rows[-1][0]
    return too_many


def _repeated(people: list[dict[str, str]]) -> int:
    """Count those who are the same person as an earlier one of the list."""
    return sum(
        any(_is_same(person, earlier) for earlier in people[:place])
        for place, person in enumerate(people)
    )


def _is_same(one: dict[str, str], other: dict[str, str]) -> bool:
    """Tell whether the names agree: as files write them, or one as the other's parent types it.

    The latter since a "?" may stand for a letter in one export only.
    """
    as_written = all(folded(one[name]) == folded(other[name]) for name in ("birth", "first"))
    return as_written or _agrees(one, other) or _agrees(other, one)


def _agrees(said: dict[str, str], known: dict[str, str]) -> bool:
    return same_first(said["first"], known["first"]) and any(
        same_last(name, known["birth"], known["usage"])
        for name in (said["birth"], said["usage"])
        if name
    )


_FIND_PROBLEMS = (
    "DROP TABLE IF EXISTS problems",
    "CREATE TEMP TABLE problems (k INTEGER PRIMARY KEY AUTOINCREMENT, guardian INTEGER,"
    " pupil INTEGER, why TEXT)",
    "INSERT INTO problems (guardian, why) SELECT n, reason FROM staged_guardians"
    " WHERE reason IS NOT NULL ORDER BY uai, reason, n",
    "INSERT INTO problems (guardian, why) SELECT DISTINCT guardian, 'child_not_found' FROM ties"
    " WHERE pupil IS NULL AND guardian IS NOT NULL",
    "INSERT INTO problems (pupil, why) SELECT n, 'shared_ine' FROM shared_ines",
    "INSERT INTO problems (pupil, why) SELECT n, 'pupil_twice' FROM staged_pupils"
    " WHERE is_twin = 1",
    "INSERT INTO problems (pupil, why) SELECT n, 'birthdate_missing' FROM staged_pupils"
    " WHERE is_dated = 0 AND has_left = 0",
)


def find_problems() -> Work[None]:
    """Gather what `problems` lists."""
    for statement in _FIND_PROBLEMS:
        yield from run(statement)


def problems(vault: Vault, after: int) -> Work[list[tuple[int, Problem]]]:
    """Return the next page of the list: (place, problem), behind the place `after`."""
    rows = yield from every(
        "SELECT k, why, 'guardian', uai, source_key, sealed FROM problems"
        " JOIN staged_guardians ON n = guardian WHERE k > ? AND k <= ?"
        " UNION ALL SELECT k, why, 'pupil', uai, source_key, sealed FROM problems"
        " JOIN staged_pupils ON n = pupil WHERE k > ? AND k <= ? ORDER BY k",
        *(after, after + 1000, after, after + 1000),
    )
    page = []
    for place, reason, kind, uai, source_key, sealed in rows:
        bound_to = guardian_place if kind == "guardian" else pupil_place
        known = vault.open(sealed, bound_to(uai, source_key))
        last = known["birth"] if kind == "guardian" else known["last"]
        page.append((place, Problem(uai, kind, last, known["usage"], known["first"], reason)))
    return page
