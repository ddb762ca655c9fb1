"""Accounts that are being opened in an outside service, until it has acknowledged them.

New passwords of those that are open go the same way: who waits for one is in its parcel.

An opening takes its guardian in the transaction of the parent's last press, together with the
parcel that goes to the service; the account comes to be in the transaction of the reply that says
so (I1). What has come to its end without an account may be there all the same, when an answer was
lost: then it is taken up under the same key, or removed after a day.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from flows.inputs import AccountElsewhere, AccountExists, AccountUnchanged, PasswordGone
from flows.outputs import OpenAccount
from flows.policy import DAY
from storage.accounts import Account, Accounts, lock_guardians, reserved_place, stem
from storage.database import Work, every, one, run, stamp
from storage.directories import There
from storage.outbox import ACCOUNT, Outbox, Parcel
from storage.passwords import Passwords
from storage.vault import Vault

GIVEN_UP = DAY
"""How long a service may be silent, where the password need not be kept for it."""


@dataclass(frozen=True, slots=True)
class Opening:
    """An account that the service has not acknowledged yet."""

    key: bytes
    chat: bytes
    guardians: tuple[int, ...]
    confirmed: tuple[int, ...]
    last: str = field(repr=False)
    first: str = field(repr=False)
    phone: str = field(repr=False)
    identifier: str = field(repr=False)


class Openings:
    """Accounts on their way."""

    def __init__(
        self, accounts: Accounts, outbox: Outbox, needs: Literal["password", "digest"]
    ) -> None:
        """`needs` is what the service wants of a password."""
        self._vault: Vault = accounts.vault
        self._accounts = accounts
        self._outbox = outbox
        self.needs = needs
        self.passwords = Passwords(accounts.vault)

    def begin(
        self, wanted: OpenAccount, chat: bytes, now: datetime
    ) -> Work[AccountExists | AccountElsewhere | PasswordGone | bytes]:
        """Ask for the account: its key, under which the parcel lies; or what stands against it."""
        yield from lock_guardians(wanted.guardians)
        existing = yield from self._accounts.identifier_of(wanted.guardians)
        if existing is not None:
            return AccountExists(existing)
        until: datetime | None = now + GIVEN_UP
        if self.needs == "password":
            until = yield from self.passwords.until(chat, now)
        if until is None:
            return PasswordGone()
        key = yield from self._key_of(wanted.guardians[0])
        before = yield from every(
            "SELECT account_key, chat, under_way FROM openings WHERE account_key = ?"
            " OR guardian = ?",
            key,
            wanted.guardians[0],
        )
        if any(under_way and other != chat for _, other, under_way in before):
            return AccountElsewhere()
        keys = {bytes(row[0]) for row in before}
        for old in keys - {key}:  # the person had another name then
            yield from remove_there(self._outbox, old, None, now)
        identifier = yield from self._accounts.reserve(wanted.guardians, wanted.last, wanted.first)
        yield from run(
            "DELETE FROM openings WHERE account_key = ? OR guardian = ?", key, wanted.guardians[0]
        )
        yield from run(
            "INSERT INTO openings (account_key, guardian, chat, sealed, under_way, begun_at)"
            " VALUES (?, ?, ?, ?, 1, ?)",
            key,
            wanted.guardians[0],
            chat,
            self._sealed(key, wanted, identifier),
            stamp(now),
        )
        body = {"do": "open", "chat": chat.hex(), "again": key in keys}
        if self.needs == "digest":
            body["digest"] = wanted.digest
        # An account of before, that is to be removed there, is removed first.
        yield from self._outbox.drop_passing(key, ACCOUNT)
        yield from self._ask(key, body, now, until)
        return key

    def _ask(self, key: bytes, body: dict[str, Any], now: datetime, until: datetime) -> Work[None]:
        """Put the parcel in, and have at once what goes before it: a parent waits from now on."""
        yield from self._outbox.hurry(key, ACCOUNT, now)
        yield from self._outbox.add(key, ACCOUNT, body, now, until)

    def _key_of(self, guardian: int) -> Work[bytes]:
        """Made of who it is: the same person has the same after a backup was restored, too.

        Of the name as well, since schools' software gives the number of one who left to another.
        """
        row = yield from one(
            "SELECT uai, source_key, name_key FROM guardians WHERE id = ?", guardian
        )
        assert row is not None  # noqa: S101 - guardians under way are marked as gone, never removed
        uai, source_key, name_key = row
        return self._vault.key("account", uai, source_key.hex(), name_key.hex())

    def _sealed(self, key: bytes, wanted: "OpenAccount | Opening", identifier: str) -> bytes:
        facts = {
            "guardians": wanted.guardians,
            "confirmed": wanted.confirmed,
            "last": wanted.last,
            "first": wanted.first,
            "phone": wanted.phone,
            "identifier": identifier,
        }
        return self._vault.seal(facts, opening_place(key))

    def of(self, parcel: Parcel) -> Work[Opening | None]:
        """What the parcel is to open; None where that is not wanted any more, or by another one."""
        opening = yield from self._read(parcel.chat)
        if opening is None or parcel.body.get("chat", opening.chat.hex()) != opening.chat.hex():
            return None
        return opening

    def _read(self, key: bytes) -> Work[Opening | None]:
        row = yield from one(
            "SELECT chat, sealed FROM openings WHERE account_key = ? AND under_way = 1", key
        )
        if row is None:
            return None
        known = self._vault.open(row[1], opening_place(key))
        known["guardians"], known["confirmed"] = (
            tuple(known["guardians"]),
            tuple(known["confirmed"]),
        )
        return Opening(key, row[0], **known)

    def waiting(self, key: bytes) -> Work[list[bytes]]:
        """The conversations that wait for what the service answers about this account."""
        opening = yield from self._read(key)
        chats = [opening.chat] if opening is not None else []
        for parcel in (yield from self._outbox.left(key, ACCOUNT)):
            if parcel.body["do"] == "password":
                chats.append(bytes.fromhex(parcel.body["chat"]))
        return list(dict.fromkeys(chats))

    def rename(self, opening: Opening) -> Work[Opening]:
        """Somebody else has the identifier there: the next free one of the same stem."""
        identifier = yield from self._accounts.free_identifier(stem(opening.first, opening.last))
        yield from run(
            "UPDATE guardians SET reserved = ? WHERE id = ?",
            self._vault.seal(identifier, reserved_place(opening.guardians[0])),
            opening.guardians[0],
        )
        yield from run(
            "UPDATE openings SET sealed = ? WHERE account_key = ? AND chat = ?",
            self._sealed(opening.key, opening, identifier),
            opening.key,
            opening.chat,
        )
        return replace(opening, identifier=identifier)

    def opened(
        self, opening: Opening, there: There, told: bytes, parcel: Parcel, now: datetime
    ) -> Work[bool]:
        """The service has it: from now on it exists. False where it is not wanted any more.

        What asks for its removal is behind this parcel then, since the opening went.
        """
        yield from lock_guardians(opening.guardians)
        yield from self._outbox.finish(parcel, "sent")
        taken = yield from run(
            "DELETE FROM openings WHERE account_key = ? AND chat = ? AND under_way = 1 RETURNING 1",
            opening.key,
            opening.chat,
        )
        if not taken:
            return False
        yield from self.passwords.forget(opening.chat)
        person = {
            "identifier": there.identifier,
            "last": opening.last,
            "first": opening.first,
            "phone": opening.phone,
            "there": there.id,
        }
        yield from self._accounts.store(
            person,
            opening.guardians,
            opening.confirmed,
            opening.chat,
            now,
            key=opening.key,
            told=told,
        )
        return True

    def ended(self, opening: Opening, parcel: Parcel, _now: datetime) -> Work[bool]:
        """It has come to its end without an account; True, so that the parent is told."""
        yield from self._outbox.finish(parcel, "failed")
        yield from run(
            "UPDATE openings SET under_way = 0 WHERE account_key = ? AND chat = ?",
            opening.key,
            opening.chat,
        )
        return True

    def cancel(self, chat: bytes, now: datetime) -> Work[list[bytes]]:
        """The parent wants no account any more: what may be there, or come to be, is removed.

        The keys under which the service is asked to.
        """
        rows = yield from run("DELETE FROM openings WHERE chat = ? RETURNING account_key", chat)
        for (key,) in rows:
            yield from remove_there(self._outbox, key, None, now)
        return [key for (key,) in rows]

    # ---- another password --------------------------------------------------------------------

    def set_password(
        self, account: Account, digest: str, chat: bytes, now: datetime
    ) -> Work[AccountUnchanged | PasswordGone | bytes]:
        """Ask for it: the account's key, under which the parcel lies; or what stands against it."""
        if account.key is None:  # it was opened here, before there was a service
            return AccountUnchanged()
        until: datetime | None = now + GIVEN_UP
        if self.needs == "password":
            until = yield from self.passwords.until(chat, now)
        if until is None:
            return PasswordGone()
        body = {"do": "password", "chat": chat.hex(), "identifier": account.identifier}
        if self.needs == "digest":
            body["digest"] = digest
        yield from self._ask(account.key, body, now, until)
        return account.key

    def password_asked(self, parcel: Parcel, status: str) -> Work[None]:
        """It has come to its end: nothing is kept for it any more."""
        yield from self._outbox.finish(parcel, status)
        yield from self.passwords.forget(bytes.fromhex(parcel.body["chat"]))


def abandon(vault: Vault, now: datetime) -> Work[int]:
    """Have what nobody took up for a day removed at the service, if it is there; how many."""
    rows = yield from every(
        "SELECT account_key FROM openings WHERE under_way = 0 AND begun_at < ?", stamp(now - DAY)
    )
    for (key,) in rows:
        yield from remove_there(Outbox(vault), key, None, now)
        yield from run("DELETE FROM openings WHERE account_key = ?", key)
    return len(rows)


def remove_there(outbox: Outbox, key: bytes, there: str | None, now: datetime) -> Work[None]:
    """Have an account removed at the service, in place of all else that it should be told."""
    yield from outbox.drop(key, ACCOUNT)
    yield from outbox.add(key, ACCOUNT, {"do": "remove", "there": there}, now)


def opening_place(key: bytes) -> str:
    """What the sealed part of an opening is bound to."""
    return f"openings:{key.hex()}"
