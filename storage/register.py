"""Who may activate: look-ups in the register that the importers filled."""

from dataclasses import replace
from datetime import date, datetime

from flows.inputs import (
    AccountExists,
    BirthdateRight,
    BirthdateWrong,
    GuardianMatched,
    NameDiffers,
    NoChildYet,
    NotLegalGuardian,
)
from flows.policy import DAY, Policy
from flows.questions.name import fold, same_first, same_last
from storage.accounts import Account, Accounts
from storage.database import Work, every, lock, one
from storage.family import (
    Person,
    guardian_place,
    names_and_dates,
    pupil_place,
    pupils_of,
    records_of,
    same_person,
)
from storage.letters import Letters
from storage.life import Acting, Life
from storage.tallies import count, tally
from storage.vault import Vault

Matched = GuardianMatched | NameDiffers | NotLegalGuardian | NoChildYet | AccountExists


class Register:
    """The schools' register."""

    def __init__(self, vault: Vault, policy: Policy, accounts: Accounts) -> None:
        self._vault = vault
        self._accounts = accounts
        self._policy = policy
        self._life = Life(vault, policy, accounts)
        self._letters = Letters(vault, policy)

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

    def _opened_with(self, phone: str, last: str, first: str) -> Work[list[Person]]:
        """The same for those whose account has this number, whatever the register has.

        They bear the name that they gave for the account, too.
        """
        people = []
        for account in (yield from self._accounts.with_phone(phone)):
            told = same_last(last, account.last, "") and same_first(first, account.first)
            for person in (yield from records_of(self._vault, account.guardians)):
                alike = same_first(first, person.first)
                known = person.first if alike else account.first
                own = Person(person.guardian, person.birth, account.last, known)
                people.append(own if told else person)
        return people

    def match(
        self,
        chat: bytes,
        phone: str,
        last: str,
        first: str,
        now: datetime,
        *,
        letter: bool = False,
        also: set[bytes] | None = None,
    ) -> Work[Matched]:
        """Who has this proven number and this name, and what keeps them from activating.

        By a `letter` that this conversation holds, it is the person whom it is for. `also` gathers
        who else has something to send then.
        """
        if letter:
            people = yield from self._written_to(chat, now)
        else:
            people = yield from self._guardians_of(phone)
            known = {person.guardian for person in people}
            owners = yield from self._opened_with(phone, last, first)
            people += [person for person in owners if person.guardian not in known]
        named = _one_person([one for one in people if one.is_named(last, first)], first)
        if not named:
            return NameDiffers((yield from self._name_tries_left(chat, now)))
        guardians = tuple(person.guardian for person in named)
        acting = Acting(chat, now, also=set() if also is None else also)
        account = yield from self._account_of(guardians, phone, acting)
        if account is not None:
            return (yield from self._life.show(account, phone, acting, letter=letter))
        matched = yield from self._children_of(named)
        if isinstance(matched, GuardianMatched):
            identifier = yield from self._accounts.reserve(guardians, last, first)
            return replace(matched, identifier=identifier)
        return matched

    def _account_of(
        self, guardians: tuple[int, ...], phone: str, acting: Acting
    ) -> Work[Account | None]:
        """The account of these records; of several, the one with the number that was proved."""
        found = yield from self._accounts.of_guardians(guardians)
        alive = yield from self._life.alive(found, acting)
        with_phone = [account for account in alive if account.phone == phone]
        return next(iter(with_phone or alive), None)

    def _written_to(self, chat: bytes, now: datetime) -> Work[list[Person]]:
        """Whom this conversation's letters are for, with their records of other schools."""
        held = yield from self._letters.held_by(chat, now)
        guardians = set(held)
        for guardian in held:
            guardians |= set((yield from same_person(self._vault, [guardian])))
        return (yield from records_of(self._vault, sorted(guardians)))

    def _name_tries_left(self, chat: bytes, now: datetime) -> Work[int]:
        yield from count("name", chat, now)
        left = []
        for length, limit in self._policy.name_tries:
            left.append(limit - (yield from tally("name", chat, now - length)))
        return max(min(left), 0)

    def _children_of(self, named: list[Person]) -> Work[Matched]:
        guardians = tuple(person.guardian for person in named)
        legal = yield from pupils_of(self._vault, guardians)
        if not legal and (yield from self._has_pupil(guardians)):
            return NotLegalGuardian()
        # Who has no birthdate cannot be confirmed (the tutorial, step 9): the import's report says.
        children = [child for child in legal if child.birthdate is not None]
        if not children:
            return NoChildYet()
        avoid = names_and_dates(named, children)
        known = tuple(child.known for child in children)
        return GuardianMatched(guardians, known, tuple(sorted(avoid)))

    def _has_pupil(self, guardians: tuple[int, ...]) -> Work[bool]:
        for guardian in guardians:
            row = yield from one(
                "SELECT 1 FROM links JOIN pupils ON pupils.id = links.pupil"
                " WHERE guardian = ? AND gone_at IS NULL",
                guardian,
            )
            if row:
                return True
        return False

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
