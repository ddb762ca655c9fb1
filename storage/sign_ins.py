"""The conversations in which an account is open, and what they are told of it unasked."""

from datetime import datetime

from storage.accounts import Account, account_place, account_subject
from storage.audit import PARENT, Action, note
from storage.database import Work, every, one, run, stamp
from storage.outbox import TELL, Outbox
from storage.vault import Vault


def sign_in(vault: Vault, account: Account, chat: bytes, now: datetime) -> Work[None]:
    """It is open in this conversation from now on, if it was not before."""
    if (yield from _register(account.number, chat, now)):
        subject = account_subject(vault, account.identifier)
        yield from note(vault, PARENT, Action.SIGNED_IN, subject, now)


def wait_for_thaw(account: Account, chat: bytes, now: datetime) -> Work[None]:
    """It is frozen; this conversation is told when it is no more."""
    yield from _register(account.number, chat, now)


def _register(account: int, chat: bytes, now: datetime) -> Work[bool]:
    rows = yield from run(
        "INSERT INTO sign_ins VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1",
        account,
        chat,
        stamp(now),
    )
    return bool(rows)


def is_signed_in(account: int, chat: bytes) -> Work[bool]:
    """Whether it is open in this conversation."""
    row = yield from one("SELECT 1 FROM sign_ins WHERE account = ? AND chat = ?", account, chat)
    return row is not None


def has_account_open(chat: bytes) -> Work[bool]:
    """Whether any account is open in this conversation, and not frozen meanwhile."""
    row = yield from one(
        "SELECT count(*) FROM sign_ins JOIN accounts ON accounts.id = account"
        " WHERE sign_ins.chat = ? AND frozen_at IS NULL",
        chat,
    )
    return bool(row and row[0])


def chats_of(account: int) -> Work[list[bytes]]:
    """Where it is open."""
    rows = yield from every("SELECT chat FROM sign_ins WHERE account = ? ORDER BY chat", account)
    return [chat for (chat,) in rows]


def sign_out(
    vault: Vault,
    account: int,
    why: str,
    now: datetime,
    but: bytes | None = None,
    *,
    keep: bool = False,
) -> Work[list[bytes]]:
    """Close it in all conversations `but` this one, and have them told: which ones.

    `keep`: they are told again when the account is frozen no more.
    """
    row = yield from one("SELECT identifier_key, sealed FROM accounts WHERE id = ?", account)
    if row is None:
        return []
    identifier = vault.open(row[1], account_place(row[0]))["identifier"]
    chats = [chat for chat in (yield from chats_of(account)) if chat != but]
    for chat in chats:
        if not keep:
            yield from run("DELETE FROM sign_ins WHERE account = ? AND chat = ?", account, chat)
        yield from tell(vault, chat, "SignedOut", now, identifier=identifier, why=why)
    return chats


def close_in(account: int, chat: bytes) -> Work[None]:
    """It is open in this conversation no more."""
    yield from run("DELETE FROM sign_ins WHERE account = ? AND chat = ?", account, chat)


def leave(chat: bytes) -> Work[None]:
    """This conversation has stopped: no account is open in it any more."""
    yield from run("DELETE FROM sign_ins WHERE chat = ?", chat)


def tell(vault: Vault, chat: bytes, word: str, now: datetime, **facts: str) -> Work[None]:
    """Let another conversation know: `word` is an input of `flows.inputs`, with its facts."""
    yield from Outbox(vault).add(chat, TELL, {"input": word, "facts": facts}, now)
