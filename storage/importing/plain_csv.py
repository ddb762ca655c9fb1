"""Our own CSV, for schools with other software: one row for each guardian and child.

The columns are described for schools in docs/register.md.
"""

from collections.abc import Iterator

from flows.questions.school import looks_like_uai
from storage.importing.csv_reader import Row, Table
from storage.importing.files import Source
from storage.importing.records import (
    Guardian,
    Link,
    Pupil,
    Record,
    birth_and_usage,
    folded,
    read_date,
)

# What each column may be called, folded: French first, then English.
# fmt: off
_NAMES = {
    "uai": ("uai", "rne", "codeetablissement"),
    "school": ("etablissement", "nometablissement", "ecole", "school", "schoolname"),
    "guardian_last": ("nomresponsable", "guardianlast", "guardianlastname"),
    "guardian_usage": ("nomusageresponsable", "nomdusageresponsable", "guardianusage"),
    "guardian_first": ("prenomresponsable", "guardianfirst", "guardianfirstname"),
    "title": ("civilite", "civiliteresponsable", "title"),
    "mobile": ("portable", "telephoneportable", "mobile"),
    "email": ("courriel", "email", "mail"),
    "legal": ("legal", "responsablelegal"),
    "child_last": ("nomenfant", "nomeleve", "childlast", "childlastname"),
    "child_usage": ("nomusageenfant", "nomdusageenfant", "nomusageeleve", "childusage"),
    "child_first": ("prenomenfant", "prenomeleve", "childfirst", "childfirstname"),
    "child_birthdate": ("datenaissanceenfant", "datenaissance", "childbirthdate", "birthdate"),
    "child_ine": ("ine", "ineenfant", "childine"),
}
# fmt: on
REQUIRED = (
    "guardian_last",
    "guardian_first",
    "mobile",
    "child_last",
    "child_first",
    "child_birthdate",
)
# Without the column, or in an empty cell: whoever is listed is a legal guardian.
_LEGAL = frozenset({"", "1", "oui", "o", "yes", "y", "true", "vrai", "x"})
_NOT_LEGAL = frozenset({"0", "non", "no", "n", "false", "faux"})


def columns(table: Table) -> dict[str, int | None]:
    """Return where each of our columns is."""
    return {ours: table.column(*names) for ours, names in _NAMES.items()}


def is_ours(table: Table) -> bool:
    """Tell whether the table has at least the columns without which nobody can activate."""
    places = columns(table)
    return all(places[name] is not None for name in REQUIRED)


def read_schools(source: Source) -> Iterator[tuple[str, str]]:
    """Yield (UAI, name of the school) for each row; "" where the file does not say it."""
    table = Table(source)
    places = columns(table)
    for row in table.rows():
        yield _uai(source, row, places), row.cell(places["school"])


def read(source: Source, uai: str) -> Iterator[Record]:
    """Yield guardian, pupil and link of each row; the same ones again on further rows."""
    table = Table(source)
    places = columns(table)
    for row in table.rows():
        cell = {ours: row.cell(place) for ours, place in places.items()}
        school = _uai(source, row, places) or uai
        yield (guardian := _guardian(school, cell))
        if cell["child_last"] or cell["child_first"]:
            yield (pupil := _pupil(school, cell))
            legal = cell["legal"].lower()
            if legal not in _LEGAL | _NOT_LEGAL:
                raise source.refuse("bad_legal", line=row.number)
            yield Link(school, guardian.ref, pupil.ref, legal in _LEGAL)


def _uai(source: Source, row: Row, places: dict[str, int | None]) -> str:
    uai = row.cell(places["uai"]).upper()
    if uai and not looks_like_uai(uai):
        raise source.refuse("bad_uai_in_row", line=row.number, uai=uai)
    return uai


def _guardian(school: str, cell: dict[str, str]) -> Guardian:
    birth, usage = birth_and_usage(cell["guardian_last"], cell["guardian_usage"])
    ref = "\n".join(
        [
            folded(birth),
            folded(usage),
            folded(cell["guardian_first"]),
            cell["mobile"],
            cell["email"],
        ]
    )
    return Guardian(
        school=school,
        ref=ref,
        source=ref,
        birth=birth,
        usage=usage,
        first=cell["guardian_first"],
        title=cell["title"],
        email=cell["email"],
        mobiles=tuple(filter(None, [cell["mobile"]])),
    )


def _pupil(school: str, cell: dict[str, str]) -> Pupil:
    last, usage = birth_and_usage(cell["child_last"], cell["child_usage"])
    birthdate = read_date(cell["child_birthdate"])
    return Pupil(
        school=school,
        ref=f"{folded(last)} {folded(cell['child_first'])} {birthdate}",
        last=last,
        usage=usage,
        first=cell["child_first"],
        birthdate=birthdate,
        ine=cell["child_ine"],
    )
