"""Passwords on their way to an account service that takes no hash: sealed, and not for long.

Each is sealed with a key of its own kind (storage/vault.py), for 30 minutes at most, and its row is
overwritten when it goes. From the password's step on a restart loses nothing (DESIGN, decision 9).
"""

from datetime import datetime, timedelta

from flows.secret import Secret
from storage.database import Work, moment, one, run, stamp
from storage.vault import Vault, VaultError

KEPT = timedelta(minutes=30)
"""How long at most. The proof of the number is as long good for a password."""


class Passwords:
    """One a conversation."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def keep(self, chat: bytes, password: Secret, now: datetime) -> Work[None]:
        """Keep it, in place of the one before."""
        yield from run(
            "INSERT INTO passwords (chat, sealed, expires_at) VALUES (?, ?, ?)"
            " ON CONFLICT (chat) DO UPDATE SET sealed = excluded.sealed,"
            " expires_at = excluded.expires_at",
            chat,
            self._vault.seal(password.reveal(), password_place(chat)),
            stamp(now + KEPT),
        )

    def until(self, chat: bytes, now: datetime) -> Work[datetime | None]:
        """Until when it is kept; None where there is none."""
        row = yield from one("SELECT expires_at FROM passwords WHERE chat = ?", chat)
        return moment(row[0]) if row and stamp(now) < row[0] else None

    def of(self, chat: bytes, now: datetime) -> Work[Secret | None]:
        """The password; None where its time is over, or nobody can open it any more."""
        row = yield from one(
            "SELECT sealed FROM passwords WHERE chat = ? AND expires_at > ?", chat, stamp(now)
        )
        try:
            return None if row is None else Secret(self._vault.open(row[0], password_place(chat)))
        except VaultError:
            return None

    def forget(self, chat: bytes) -> Work[None]:
        """Erase it."""
        yield from run("DELETE FROM passwords WHERE chat = ?", chat)

    def forget_old(self, now: datetime) -> Work[int]:
        """Erase those whose time is over; how many."""
        rows = yield from run("DELETE FROM passwords WHERE expires_at <= ? RETURNING 1", stamp(now))
        return len(rows)


def password_place(chat: bytes) -> str:
    """What a sealed password is bound to."""
    return f"passwords:{chat.hex()}"
