"""Personal links: who was invited, by which secret, and which chat came by it."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime

from flows.inputs import Invited, NotInvited
from storage.database import Work, every, lock, one, run, stamp
from storage.family import guardian_place
from storage.vault import Vault

_PAGE = 500
"""Guardians invited in one transaction: a turn waits for no more than that."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the school gives to one guardian. The link's token is known to nobody else."""

    school: str
    last: str
    first: str
    token: str = field(repr=False)  # 128 bits, 22 characters of A-Z a-z 0-9 _ - (UX 1)


@dataclass(frozen=True, slots=True)
class Invitations:
    """Invitations of all guardians: at most one each, the newest."""

    vault: Vault

    def invite(
        self, uai: str, after: int, until: datetime, now: datetime
    ) -> Work[tuple[list[Invitation], int | None]]:
        """Invite the next guardians who could activate, of one school or (empty) of all.

        `after` is the number at which the page before ended, 0 at first; the second value is the
        one of this page, None at the end. Who has an account, no mobile or no child is left out.
        """
        yield from lock("invitations")
        rows = yield from every(
            "SELECT guardians.id, guardians.uai, name, source_key, sealed FROM guardians"
            " JOIN schools ON schools.uai = guardians.uai"
            " WHERE guardians.id > ? AND gone_at IS NULL AND (? = '' OR guardians.uai = ?)"
            " AND guardians.id IN (SELECT guardian FROM guardian_phones)"
            " AND guardians.id NOT IN (SELECT guardian FROM account_guardians)"
            " AND guardians.id IN (SELECT guardian FROM links JOIN pupils ON pupils.id = pupil"
            " WHERE legal = 1 AND pupils.gone_at IS NULL) ORDER BY guardians.id LIMIT ?",
            after,
            uai,
            uai,
            _PAGE,
        )
        invitations = []
        for guardian, school, name, source_key, sealed in rows:
            known = self.vault.open(sealed, guardian_place(school, source_key))
            token = secrets.token_urlsafe(16)
            yield from self.keep(guardian, token, until)
            last = known["usage"] or known["birth"]
            invitations.append(Invitation(name or school, last, known["first"], token))
        yield from run("DELETE FROM invitations WHERE expires_at < ?", stamp(now))
        return invitations, rows[-1][0] if len(rows) == _PAGE else None

    def keep(self, guardian: int, token: str, until: datetime) -> Work[None]:
        """Keep one invitation; it takes the place of the guardian's one before."""
        yield from lock("invitations")
        yield from run("DELETE FROM invitations WHERE guardian = ?", guardian)
        yield from run(
            "INSERT INTO invitations (token_key, guardian, expires_at) VALUES (?, ?, ?)",
            self.vault.key("invitation", token),
            guardian,
            stamp(until),
        )

    def look_up(self, token: str, chat: bytes, now: datetime) -> Work[Invited | NotInvited]:
        """Whom the link was made for. The first chat that asks is the only one it serves."""
        key = self.vault.key("invitation", token)
        rows = yield from run(
            "UPDATE invitations SET chat = ? WHERE token_key = ? AND expires_at > ?"
            " AND (chat IS NULL OR chat = ?)"
            " AND EXISTS (SELECT 1 FROM guardians WHERE id = guardian AND gone_at IS NULL)"
            " RETURNING guardian",
            chat,
            key,
            stamp(now),
            chat,
        )
        if not rows:
            return NotInvited()
        row = yield from one(
            "SELECT uai, source_key, sealed FROM guardians WHERE id = ?", rows[0][0]
        )
        assert row is not None  # noqa: S101 - an invitation has its guardian
        known = self.vault.open(row[2], guardian_place(row[0], row[1]))
        return Invited(known["usage"] or known["birth"], known["first"])
