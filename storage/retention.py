"""How long things are kept, and forgetting them when their time is over (RELIABILITY 5, T32)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flows.policy import DAY
from storage.audit import SESAME, Action, note
from storage.database import Database, Work, lock, run, stamp
from storage.erasure import erase_closed
from storage.openings import abandon
from storage.passwords import Passwords
from storage.vault import Vault

_BATCH = 5_000
"""Rows deleted in one transaction: a turn waits for no more than that."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind of row stays. All are settings; these are defaults."""

    keep_updates: timedelta = 7 * DAY  # Telegram repeats for 24 h; its numbers may jump after 7 d
    keep_codes: timedelta = DAY  # after they have expired
    keep_sent: timedelta = 30 * DAY  # numbers and times of what was sent; the text goes at once
    keep_counters: timedelta = 30 * DAY  # limits look back so far; so do silent conversations
    keep_notes: timedelta = 365 * DAY  # what the school was told about a child
    keep_gone: timedelta = 365 * DAY  # people who have left the register, and have no account
    keep_audit: timedelta = 365 * DAY  # CNIL 2021-122: 6 to 12 months
    keep_backups: timedelta = 30 * DAY


RULES: dict[str, tuple[str, str]] = {
    "updates": ("keep_updates", "at < ?"),
    "codes": ("keep_codes", "expires_at < ?"),
    "outbox": ("keep_sent", "created_at < ? AND status NOT IN ('waiting', 'sending')"),
    "tallies": ("keep_counters", "at < ?"),
    "sign_ins": ("keep_codes", "at < ? AND chat NOT IN (SELECT chat FROM chats)"),
    "chats": (  # where an account is open its parent must be told of what happens to it
        "keep_counters",
        "updated_at < ? AND chat NOT IN"
        " (SELECT chat FROM outbox WHERE status IN ('waiting', 'sending'))"
        " AND chat NOT IN (SELECT chat FROM sign_ins)",
    ),
    "invitations": ("keep_codes", "expires_at < ?"),
    "letters": ("keep_codes", "expires_at < ?"),
    "notices": ("keep_codes", "expires_at < ?"),
    "school_notes": ("keep_notes", "at < ?"),
    "guardians": (
        "keep_gone",
        "gone_at < ? AND id NOT IN (SELECT guardian FROM account_guardians)",
    ),
    "pupils": ("keep_gone", "gone_at < ? AND id NOT IN (SELECT pupil FROM account_pupils)"),
    "audit": (  # from its beginning on, so that the chain stays whole
        "keep_audit",
        "id < coalesce((SELECT min(id) FROM audit WHERE at >= ?), 9223372036854775807)",
    ),
}
"""For each table: which of the lengths rules it, and which rows are older than that."""

_KEYS = {
    "chats": "chat",
    "invitations": "token_key",
    "letters": "code_key",
    "notices": "notice_key",
    "sign_ins": "chat",
    "tallies": "at",
}
"""What rows are deleted by, in its order, where that is not `id`."""


async def purge(
    database: Database, vault: Vault, keep: Retention, actor: str, now: datetime
) -> dict[str, int]:
    """Delete what was kept long enough; how many rows of each table went."""
    gone = {"accounts": 0}
    while await database.run(erase_closed(vault, actor, now)):
        gone["accounts"] += 1
    for table, (length, old) in RULES.items():
        before = stamp(now - getattr(keep, length))
        gone[table] = 0
        while deleted := await database.run(_delete(table, old, before)):
            gone[table] += deleted
    gone["passwords"] = await database.run(Passwords(vault).forget_old(now))
    gone["openings"] = await database.run(abandon(vault, now))
    if any(gone.values()) or actor != SESAME:
        await database.run(note(vault, actor, Action.PURGED, None, now, **gone))
    await database.forget_deleted()
    return gone


def _delete(table: str, old: str, before: int) -> Work[int]:
    yield from lock("register")  # an import may find somebody again who had gone
    key = _KEYS.get(table, "id")
    rows = yield from run(
        f"DELETE FROM {table} WHERE {key} IN"  # noqa: S608 - only our own words
        f" (SELECT {key} FROM {table} WHERE {old} ORDER BY {key} LIMIT {_BATCH})"
        # Once more, of the row itself: a parent may have come back meanwhile (PostgreSQL's manual,
        # 13.2.1: what another one has changed is looked at again, but for what is IN).
        f" AND {old} RETURNING 1",
        before,
        before,
    )
    return len(rows)
