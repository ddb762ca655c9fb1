"""Codes on letters of the school, which stand in for a number that the register does not have.

A letter's code is 12 characters of 31 (59 bits), shown once, to whoever prints the letters, and
kept only as a keyed hash. The first conversation that types it is the only one that it serves. It
proves that the school wrote to this person; a mobile and all children's birthdates are still asked
for.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flows.inputs import LetterRight, LetterWrong, NotInvited
from flows.policy import DEFAULT, Policy
from flows.questions.letter import ALPHABET, LENGTH, pretty
from flows.questions.name import fold
from storage.database import Row, Work, every, lock, one, run, stamp
from storage.family import guardian_place
from storage.tallies import count, tally
from storage.vault import Vault

_PAGE = 500
"""Letters written in one transaction: a turn waits for no more than that."""

# Who could activate: of the school today, and a legal guardian of a pupil who is there.
_GUARDIANS = (
    "SELECT guardians.id, guardians.uai, name, source_key, sealed FROM guardians"
    " JOIN schools ON schools.uai = guardians.uai WHERE gone_at IS NULL"
    " AND guardians.id IN (SELECT guardian FROM links JOIN pupils ON pupils.id = pupil"
    " WHERE legal = 1 AND pupils.gone_at IS NULL)"
)


def new_code() -> str:
    """A fresh code, every one as likely as any other."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def code_key(vault: Vault, kind: str, code: str) -> bytes:
    """What is kept of a code of this kind, however it is written."""
    return vault.key(kind, code.upper().replace("-", ""))


@dataclass(frozen=True, slots=True)
class Letter:
    """What the school sends to one guardian. Its code is known to nobody else."""

    school: str
    last: str
    first: str
    code: str = field(repr=False)  # as `pretty` writes it


@dataclass(frozen=True, slots=True)
class Letters:
    """Letters to all guardians: at most one each that can serve, the newest."""

    vault: Vault
    policy: Policy = DEFAULT

    # ---- written -----------------------------------------------------------------------------

    def write(
        self, uai: str, after: int, until: datetime, now: datetime, everybody: bool
    ) -> Work[tuple[list[Letter], int | None]]:
        """Write to the next guardians who could activate, of one school or (empty) of all.

        `after` is the number at which the page before ended, 0 at first; the second value is the
        one of this page, None at the end. Those who have an account are left out, unless it is for
        `everybody`; those who have a mobile are not.
        """
        yield from lock("letters")
        rows = yield from every(
            f"{_GUARDIANS} AND guardians.id > ? AND (? = '' OR guardians.uai = ?)"  # noqa: S608 - ours
            " AND (? = 1 OR guardians.id NOT IN (SELECT guardian FROM account_guardians))"
            " ORDER BY guardians.id LIMIT ?",
            after,
            uai,
            uai,
            int(everybody),
            _PAGE,
        )
        letters = yield from self._write(rows, until)
        yield from run("DELETE FROM letters WHERE expires_at < ?", stamp(now))
        return letters, rows[-1][0] if len(rows) == _PAGE else None

    def write_for(
        self, guardians: Sequence[int], until: datetime, now: datetime
    ) -> Work[list[Letter]]:
        """Write to one person: one letter for each record of theirs that could activate."""
        yield from lock("letters")
        yield from run("DELETE FROM letters WHERE expires_at < ?", stamp(now))
        letters = []
        for guardian in guardians:
            rows = yield from every(f"{_GUARDIANS} AND guardians.id = ?", guardian)
            letters += yield from self._write(rows, until)
        return letters

    def named(self, uai: str, last: str, first: str) -> Work[list[int]]:
        """The guardians of a school with this name."""
        rows = yield from every(f"{_GUARDIANS} AND guardians.uai = ?", uai)
        found = []
        for guardian, _, _, source_key, sealed in rows:
            known = self.vault.open(sealed, guardian_place(uai, source_key))
            lasts = {fold(known["birth"]), fold(known["usage"])} - {""}
            if fold(last) in lasts and fold(first) == fold(known["first"]):
                found.append(guardian)
        return found

    def _write(self, rows: list[Row], until: datetime) -> Work[list[Letter]]:
        letters = []
        for guardian, uai, name, source_key, sealed in rows:
            known = self.vault.open(sealed, guardian_place(uai, source_key))
            code = new_code()
            yield from self.keep(guardian, code, until)
            last = known["usage"] or known["birth"]
            letters.append(Letter(name or uai, last, known["first"], pretty(code)))
        return letters

    def keep(self, guardian: int, code: str, until: datetime) -> Work[None]:
        """Keep one code; it takes the place of the guardian's one before."""
        yield from run("DELETE FROM letters WHERE guardian = ?", guardian)
        yield from run(
            "INSERT INTO letters (code_key, guardian, expires_at) VALUES (?, ?, ?)",
            self._key(code),
            guardian,
            stamp(until),
        )

    # ---- typed -------------------------------------------------------------------------------

    def check(self, code: str, chat: bytes, now: datetime) -> Work[LetterRight | LetterWrong]:
        """Whom the letter is for. Wrong codes are counted: with too many, a right one is wrong."""
        yield from lock("chat", chat)
        left = yield from self._tries_left(chat, now)
        found = (yield from self._take(code, chat, now)) if left else None
        if found is not None:
            return found
        if left:
            yield from count("letter", chat, now)
        return LetterWrong(max(left - 1, 0))

    def look_up(self, token: str, chat: bytes, now: datetime) -> Work[LetterRight | NotInvited]:
        """The same for a link that the parent came by: it may be a letter's, or anything."""
        code = token.upper().replace("-", "")
        if len(code) != LENGTH or set(code) - set(ALPHABET):
            return NotInvited()
        found = yield from self.check(code, chat, now)
        return found if isinstance(found, LetterRight) else NotInvited()

    def _take(self, code: str, chat: bytes, now: datetime) -> Work[LetterRight | None]:
        rows = yield from run(
            "UPDATE letters SET chat = ? WHERE code_key = ? AND expires_at > ?"
            " AND (chat IS NULL OR chat = ?)"
            " AND EXISTS (SELECT 1 FROM guardians WHERE id = guardian AND gone_at IS NULL)"
            " RETURNING guardian",
            chat,
            self._key(code),
            stamp(now),
            chat,
        )
        if not rows:
            return None
        row = yield from one(
            "SELECT uai, source_key, sealed FROM guardians WHERE id = ?", rows[0][0]
        )
        assert row is not None  # noqa: S101 - a letter has its guardian
        known = self.vault.open(row[2], guardian_place(row[0], row[1]))
        return LetterRight(known["usage"] or known["birth"], known["first"])

    def _tries_left(self, chat: bytes, now: datetime) -> Work[int]:
        left = []
        for length, limit in self.policy.letter_tries:
            left.append(limit - (yield from tally("letter", chat, now - length)))
        return max(min(left), 0)

    def held_by(self, chat: bytes, now: datetime) -> Work[list[int]]:
        """The guardians whose letters this conversation has typed, and that have not served yet."""
        rows = yield from every(
            "SELECT guardian FROM letters WHERE chat = ? AND expires_at > ?"
            " AND EXISTS (SELECT 1 FROM guardians WHERE id = guardian AND gone_at IS NULL)"
            " ORDER BY guardian",
            chat,
            stamp(now),
        )
        return [guardian for (guardian,) in rows]

    def _key(self, code: str) -> bytes:
        return code_key(self.vault, "letter", code)
