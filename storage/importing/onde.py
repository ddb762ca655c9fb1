"""ONDE's two CSV files (école), which share no identifier: children are found by name (REGISTER 2).

The export has no legal rank: every adult it lists counts as a legal guardian.
"""

from collections.abc import Iterator

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

PUPILS_COLUMNS = frozenset({"nomeleve", "prenomeleve", "datenaissance"})
GUARDIANS_COLUMNS = frozenset(
    {"nomresponsable", "prenomresponsable", "telephoneportable", "nomdefamilleenfant"}
)

_CHILD = ["nomdusageenfant", "nomdefamilleenfant", "prenomenfant", "classesenfants"]


def read_pupils(source: Source, uai: str) -> Iterator[Record]:
    """Yield the pupils of the pupils' file."""
    table = Table(source)
    last, first = table.column("nomeleve"), table.column("prenomeleve")
    usage, birthdate = table.column("nomdusageeleve"), table.column("datenaissance")
    ine, class_name = table.column("ine"), table.column("classe", "libelleclasse")
    for row in table.rows():
        birth, other = birth_and_usage(row.cell(last), row.cell(usage))
        yield Pupil(
            school=uai,
            ref=_child(birth, row.cell(first)),
            last=birth,
            usage=other,
            first=row.cell(first),
            birthdate=read_date(row.cell(birthdate)),
            ine=row.cell(ine),
            class_name=folded(row.cell(class_name)),
        )


def read_guardians(source: Source, uai: str) -> Iterator[Record]:
    """Yield the adults of the guardians' file, each with their links."""
    table = Table(source)
    last, usage = table.column("nomresponsable"), table.column("nomusageresponsable")
    first, mobile = table.column("prenomresponsable"), table.column("telephoneportable")
    title, email = table.column("civiliteresponsable"), table.column("courriel")
    others = (table.column("telephonedomicile"), table.column("telephonetravail"))
    children = _ChildColumns(table)
    for row in table.rows():
        birth, other = birth_and_usage(row.cell(last), row.cell(usage))
        guardian = f"row {row.number}"
        links = [
            Link(uai, guardian, child, legal=True, class_name=class_name)
            for child, class_name in children.of(row)
        ]
        # The names and the children are all that tells two namesakes apart.
        names = [folded(birth), folded(other), folded(row.cell(first))]
        yield Guardian(
            school=uai,
            ref=guardian,
            source="\n".join([*names, *sorted(link.pupil for link in links)]),
            birth=birth,
            usage=other,
            first=row.cell(first),
            title=row.cell(title),
            email=row.cell(email),
            mobiles=tuple(filter(None, [row.cell(mobile)])),
            other_phones=tuple(filter(None, map(row.cell, others))),
        )
        yield from links


class _ChildColumns:
    """Where the children are: some columns, repeated for each, even beyond the header's end."""

    def __init__(self, table: Table) -> None:
        places = [place for place, name in enumerate(table.header) if name in _CHILD]
        self._start = places[0]
        names = table.header[self._start :]
        self._width = names.index(names[0], 1) if names[0] in names[1:] else len(names)
        self._names = names[: self._width]

    def of(self, row: Row) -> Iterator[tuple[str, str]]:
        """Yield each child of a row: their name as `ref`, and their class, folded."""
        for start in range(self._start, len(row.cells), self._width):
            cells = dict(zip(self._names, row.cells[start : start + self._width], strict=False))
            usage, birth, first, class_name = (cells.get(name, "") for name in _CHILD)
            if birth or usage or first:
                yield _child(birth or usage, first), folded(class_name)


def _child(last: str, first: str) -> str:
    """What a child is called in both files."""
    return f"{folded(last)} {folded(first)}"
