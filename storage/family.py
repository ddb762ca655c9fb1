"""Which records, of several schools, are one person's, and which pupils are their children.

A child who goes to another school, and a guardian known to two of them, are other records of the
same person: recognised by names and birthdate, and by names and a number (DESIGN, decision 6).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from flows.inputs import ChildKnown
from flows.questions.name import fold, same_first, same_last
from storage.database import Row, Work, every, one
from storage.vault import Vault


@dataclass(frozen=True, slots=True)
class Pupil:
    """A pupil's record of one school, opened."""

    number: int
    uai: str
    source_key: bytes
    school: str  # its name, or the UAI where it has none
    last: str = field(repr=False)
    first: str = field(repr=False)
    birthdate: str | None = field(repr=False)

    @property
    def identity(self) -> tuple[str, str, str | None]:
        """What the same child has at every school."""
        return fold(self.last), fold(self.first), self.birthdate

    @property
    def known(self) -> ChildKnown:
        """Masked as in the tutorial's step 9."""
        return ChildKnown(self.number, self.first, self.last[:1].upper(), self.school, self.uai)


@dataclass(frozen=True, slots=True)
class Person:
    """A guardian's record of one school, opened."""

    guardian: int
    birth: str
    usage: str
    first: str

    @property
    def names(self) -> set[str]:
        """Those that there are."""
        return {self.birth, self.usage, self.first} - {""}

    def is_named(self, last: str, first: str) -> bool:
        """Whether this is the person with the name that was typed (REGISTER 8)."""
        return same_last(last, self.birth, self.usage) and same_first(first, self.first)


def names_and_dates(people: Iterable[Person], children: Iterable[Pupil]) -> set[str]:
    """Of a family: what a password must not hold."""
    told = {name for person in people for name in person.names}
    for child in children:
        told |= {child.last, child.first, child.birthdate or ""}
    return told - {""}


def same_person(
    vault: Vault, guardians: Iterable[int], numbers: Iterable[str] = ()
) -> Work[list[int]]:
    """All records, of any school, of the person whom these records are.

    `numbers` are the person's own (E.164), besides those of the records.
    """
    names, phones, same = set(), set(numbers), set()
    for guardian in guardians:
        row = yield from one(
            "SELECT uai, source_key, sealed, gone_at FROM guardians WHERE id = ?", guardian
        )
        if row is not None:
            known = vault.open(row[2], guardian_place(row[0], row[1]))
            names.add((fold(known["birth"]), fold(known["first"])))
            phones |= set(known["phones"])
            if row[3] is None:  # one whose number has gone is still the person's own
                same.add(guardian)
    for number in sorted(phones):
        rows = yield from every(
            "SELECT uai, source_key, sealed, id FROM guardian_phones JOIN guardians"
            " ON guardians.id = guardian WHERE phone_key = ? AND gone_at IS NULL ORDER BY id",
            vault.key("phone", number),
        )
        for row in rows:
            known = vault.open(row[2], guardian_place(row[0], row[1]))
            if (fold(known["birth"]), fold(known["first"])) in names:
                same.add(row[3])
    return sorted(same)


def records_of(vault: Vault, guardians: Iterable[int]) -> Work[list[Person]]:
    """These records, opened."""
    people = []
    for guardian in guardians:
        row = yield from one("SELECT uai, source_key, sealed FROM guardians WHERE id = ?", guardian)
        if row is not None:
            known = vault.open(row[2], guardian_place(row[0], row[1]))
            people.append(Person(guardian, known["birth"], known["usage"], known["first"]))
    return people


def pupils_of(vault: Vault, guardians: Iterable[int]) -> Work[list[Pupil]]:
    """The pupils of whom these records are legal guardians, at their schools of today."""
    found: dict[int, Pupil] = {}
    for guardian in guardians:
        rows = yield from every(
            "SELECT pupils.uai, source_key, sealed, pupils.id, name FROM links"
            " JOIN pupils ON pupils.id = links.pupil JOIN schools ON schools.uai = pupils.uai"
            " WHERE guardian = ? AND legal = 1 AND pupils.gone_at IS NULL",
            guardian,
        )
        for row in rows:
            found[row[3]] = _pupil(vault, row)
    return [found[number] for number in sorted(found)]


def children_of(
    vault: Vault, guardians: Iterable[int], pupils: Iterable[int], numbers: Iterable[str] = ()
) -> Work[list[Pupil]]:
    """Those of an account: the confirmed ones of whom the person is a legal guardian today."""
    confirmed = yield from identities(vault, pupils)
    same = yield from same_person(vault, guardians, numbers)
    theirs = yield from pupils_of(vault, same)
    return [pupil for pupil in theirs if pupil.identity in confirmed]


def identities(vault: Vault, pupils: Iterable[int]) -> Work[set[tuple[str, str, str | None]]]:
    """Who these pupils are, at whatever school."""
    found = set()
    for number in pupils:
        row = yield from one(
            "SELECT pupils.uai, source_key, sealed, pupils.id, name FROM pupils"
            " JOIN schools ON schools.uai = pupils.uai WHERE pupils.id = ?",
            number,
        )
        if row is not None:
            found.add(_pupil(vault, row).identity)
    return found


def _pupil(vault: Vault, row: Row) -> Pupil:
    uai, source_key, sealed, number, school = row
    known = vault.open(sealed, pupil_place(uai, source_key))
    return Pupil(
        number, uai, source_key, school or uai, known["last"], known["first"], known["birthdate"]
    )


def guardian_place(uai: str, source_key: bytes) -> str:
    """What a guardian's sealed record is bound to."""
    return f"guardians:{uai}:{source_key.hex()}"


def pupil_place(uai: str, source_key: bytes) -> str:
    """What a pupil's sealed record is bound to."""
    return f"pupils:{uai}:{source_key.hex()}"
