"""The audit record: who did what and when, without personal data, chained so that changes show."""

import json
from datetime import datetime
from enum import StrEnum

from storage.database import Work, every, one, run, stamp
from storage.vault import Vault

START = b"\0" * 16
"""What the first link is chained to."""

PARENT, SESAME = "parent", "sesame"
"""Actors, besides "operator:LOGIN"."""


class Action(StrEnum):
    """The closed list of what is recorded."""

    IMPORTED = "imported"  # a school's export was read into the register
    INVITED = "invited"  # personal links were made
    LETTERS_WRITTEN = "letters_written"  # the school's codes on paper
    ACCOUNT_OPENED = "account_opened"
    SIGNED_IN = "signed_in"  # shown in another conversation, after a proof
    PASSWORD_SET = "password_set"  # of an account, anew  # noqa: S105
    PHONE_CHANGED = "phone_changed"
    EMAIL_CHANGED = "email_changed"
    CHILD_ADDED = "child_added"
    CHILD_DROPPED = "child_dropped"  # not this parent's
    OTHERS_SIGNED_OUT = "others_signed_out"
    OTHERS_TOLD = "others_told"  # the other guardians, of something that was done to the account
    ACCOUNT_CLOSED = "account_closed"
    ACCOUNT_REOPENED = "account_reopened"
    ACCOUNT_FROZEN = "account_frozen"
    ACCOUNT_UNFROZEN = "account_unfrozen"
    ACCOUNT_ERASED = "account_erased"  # by its parent, or a while after they had closed it
    ANSWERS_ERASED = "answers_erased"  # by the parent, in the chat
    UNLOCKED = "unlocked"  # a pause or a spent budget was lifted
    PERSON_ERASED = "person_erased"  # by an operator, on request
    PERSON_READMITTED = "person_readmitted"  # may come back with the next import
    PURGED = "purged"  # what was kept long enough
    KEY_ROTATED = "key_rotated"


def note(
    vault: Vault,
    actor: str,
    action: Action,
    subject: bytes | None,
    now: datetime,
    **facts: int | str,
) -> Work[None]:
    """Record it, in the transaction of what is done.

    `subject` is a keyed hash of whom it concerns; facts are counts and words of closed lists.
    """
    [[number]] = yield from run(  # the next waits here until this one is stored
        "INSERT INTO numbers (name, last) VALUES ('audit', 1)"
        " ON CONFLICT (name) DO UPDATE SET last = numbers.last + 1 RETURNING last"
    )
    last = yield from one("SELECT link FROM audit ORDER BY id DESC LIMIT 1")
    before = last[0] if last else START
    row = (stamp(now), actor, action.value, subject, json.dumps(facts, sort_keys=True))
    yield from run(
        "INSERT INTO audit (id, at, actor, action, subject, facts, before, link)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        number,
        *row,
        before,
        _link(vault, before, *row),
    )


def check(vault: Vault) -> Work[int | None]:
    """The number of the first row that was changed, put in or follows one taken out; or None."""
    before, last = None, 0
    while rows := (
        yield from every(
            "SELECT id, at, actor, action, subject, facts, before, link FROM audit"
            " WHERE id > ? ORDER BY id LIMIT 1000",
            last,
        )
    ):
        for number, *row, chained_to, link in rows:
            # The oldest rows are purged (RELIABILITY 5), so the first one left stands alone.
            if before not in (None, chained_to) or link != _link(vault, chained_to, *row):
                return int(number)
            before, last = link, number
    ended = yield from one("SELECT last FROM numbers WHERE name = 'audit'")
    return last + 1 if ended and ended[0] > last else None


def _link(vault: Vault, before: bytes, *row: object) -> bytes:
    parts = [part.hex() if isinstance(part, bytes) else part for part in row]
    return vault.key("audit", before.hex(), *parts)
