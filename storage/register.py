"""Who may activate: look-ups in the register that the importers filled."""

from dataclasses import dataclass, replace
from datetime import date, datetime

from flows.inputs import (
    AccountExists,
    BirthdateRight,
    BirthdateWrong,
    ChildKnown,
    GuardianMatched,
    NameDiffers,
    NoChildYet,
    NotLegalGuardian,
)
from flows.policy import DAY, Policy
from flows.questions.name import fold, same_first, same_last
from storage.accounts import Accounts
from storage.database import Work, every, lock, one
from storage.tallies import count, tally
from storage.vault import Vault

Matched = GuardianMatched | NameDiffers | NotLegalGuardian | NoChildYet | AccountExists


@dataclass(frozen=True, slots=True)
class Person:
    """A guardian's record of one school, opened."""

    guardian: int
    birth: str
    usage: str
    first: str

    def is_named(self, last: str, first: str) -> bool:
        """Whether this is the person with the name that was typed (REGISTER 8)."""
        return same_last(last, self.birth, self.usage) and same_first(first, self.first)


class Register:
    """The schools' register."""

    def __init__(self, vault: Vault, policy: Policy, accounts: Accounts) -> None:
        self._vault = vault
        self._accounts = accounts
        self._policy = policy

    def knows(self, phone: str) -> Work[bool]:
        """Whether any guardian has this number."""
        row = yield from one(  # opens no record: as much work for a number that nobody has
            "SELECT count(*) FROM guardian_phones JOIN guardians"
            " ON guardians.id = guardian_phones.guardian WHERE phone_key = ? AND gone_at IS NULL",
            self._vault.key("phone", phone),
        )
        return bool(row and row[0])

    def _guardians_of(self, phone: str) -> Work[list[Person]]:
        rows = yield from every(
            "SELECT id, uai, source_key, sealed FROM guardian_phones JOIN guardians"
            " ON guardians.id = guardian_phones.guardian"
            " WHERE phone_key = ? AND gone_at IS NULL ORDER BY id",
            self._vault.key("phone", phone),
        )
        return [
            Person(number, known["birth"], known["usage"], known["first"])
            for number, uai, source_key, sealed in rows
            for known in [self._vault.open(sealed, guardian_place(uai, source_key))]
        ]

    def match(self, chat: bytes, phone: str, last: str, first: str, now: datetime) -> Work[Matched]:
        """Who has this proven number and this name, and what keeps them from activating."""
        people = yield from self._guardians_of(phone)
        named = _one_person([one for one in people if one.is_named(last, first)], first)
        if not named:
            return NameDiffers((yield from self._name_tries_left(chat, now)))
        guardians = tuple(person.guardian for person in named)
        identifier = yield from self._accounts.identifier_of(guardians)
        if identifier is not None:
            return AccountExists(identifier)
        matched = yield from self._children_of(named)
        if isinstance(matched, GuardianMatched):
            identifier = yield from self._accounts.reserve(guardians, last, first)
            return replace(matched, identifier=identifier)
        return matched

    def _name_tries_left(self, chat: bytes, now: datetime) -> Work[int]:
        yield from count("name", chat, now)
        left = []
        for length, limit in self._policy.name_tries:
            left.append(limit - (yield from tally("name", chat, now - length)))
        return max(min(left), 0)

    def _children_of(self, named: list[Person]) -> Work[Matched]:
        legal, linked = [], False
        for person in named:
            rows = yield from every(
                "SELECT pupils.id, pupils.uai, source_key, sealed, legal, name FROM links"
                " JOIN pupils ON pupils.id = links.pupil JOIN schools ON schools.uai = pupils.uai"
                " WHERE guardian = ? AND gone_at IS NULL ORDER BY pupils.id",
                person.guardian,
            )
            linked = linked or bool(rows)
            legal += [row for row in rows if row[4]]
        if linked and not legal:
            return NotLegalGuardian()
        children, avoid = [], {name for person in named for name in _names(person)}
        for pupil, uai, source_key, sealed, _, school in legal:
            known = self._vault.open(sealed, pupil_place(uai, source_key))
            if known["birthdate"] is None:
                continue  # cannot be confirmed (the tutorial, step 9): the import's report says so
            children.append(
                ChildKnown(pupil, known["first"], known["last"][:1].upper(), school or uai)
            )
            avoid |= {known["first"], known["last"], known["birthdate"]}
        if not children:
            return NoChildYet()
        guardians = tuple(person.guardian for person in named)
        return GuardianMatched(guardians, tuple(children), tuple(sorted(avoid)))

    def check_birthdate(
        self, chat: bytes, pupil: int, birthdate: date, now: datetime
    ) -> Work[BirthdateRight | BirthdateWrong]:
        """Compare a date with the register's. Tries are counted by chat, child and all chats."""
        yield from lock("pupil", pupil)
        row = yield from one("SELECT uai, source_key, sealed FROM pupils WHERE id = ?", pupil)
        assert row is not None  # noqa: S101 - pupils are marked as gone, never removed
        known = self._vault.open(row[2], pupil_place(row[0], row[1]))
        left = yield from self._birthdates_left(chat, pupil, now)
        if left and known["birthdate"] == birthdate.isoformat():
            return BirthdateRight()
        if left:
            yield from count("birthdate.pupil", self._pupil_key(pupil), now)
            yield from count("birthdate.chat", chat, now)
            yield from count("birthdate.child", chat + self._pupil_key(pupil), now)
        return BirthdateWrong(max(left - 1, 0))

    def _birthdates_left(self, chat: bytes, pupil: int, now: datetime) -> Work[int]:
        policy, key = self._policy, self._pupil_key(pupil)
        day_ago = now - DAY  # an activation's tries: stopping and starting again gives no new ones
        left = [
            policy.birthdate_tries - (yield from tally("birthdate.child", chat + key, day_ago)),
            policy.birthdates_per_activation - (yield from tally("birthdate.chat", chat, day_ago)),
        ]
        for length, limit in policy.birthdates_per_child:
            left.append(limit - (yield from tally("birthdate.pupil", key, now - length)))
        return max(min(left), 0)

    def _pupil_key(self, pupil: int) -> bytes:
        return self._vault.key("pupil", pupil)


def _one_person(named: list[Person], first: str) -> list[Person]:
    """The records of one person, who may be known to several schools (DESIGN, decision 6).

    "Marie" fits both "Marie" and "Marie Anne": the exact one is meant. Where none is exact nobody
    is, and the parent is asked again.
    """
    different = {(fold(one.birth), fold(one.first)) for one in named}
    if len(different) < 2:
        return named
    exact = [one for one in named if fold(one.first) == fold(first)]
    return exact if len({fold(one.birth) for one in exact}) == 1 else []


def _names(person: Person) -> list[str]:
    return [name for name in (person.birth, person.usage, person.first) if name]


def guardian_place(uai: str, source_key: bytes) -> str:
    """What a guardian's sealed record is bound to."""
    return f"guardians:{uai}:{source_key.hex()}"


def pupil_place(uai: str, source_key: bytes) -> str:
    """What a pupil's sealed record is bound to."""
    return f"pupils:{uai}:{source_key.hex()}"
