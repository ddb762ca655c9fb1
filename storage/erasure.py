"""A person leaves: every row that speaks of them, in every table, and no way back by an import."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage import tallies
from storage.accounts import account_place, lock_guardians
from storage.audit import Action, note
from storage.codes import login_key
from storage.conversations import chat_place
from storage.database import Work, every, lock, one, run, run_many, stamp
from storage.family import guardian_place
from storage.importing.records import folded
from storage.openings import remove_there
from storage.outbox import Outbox
from storage.vault import Vault


@dataclass(slots=True)
class Person:
    """Somebody whom the register or an account knows, with all their records."""

    last: str
    first: str
    phones: set[str] = field(default_factory=set)  # E.164
    guardians: list[int] = field(default_factory=list)
    identifiers: set[str] = field(default_factory=set)
    keys: set[bytes] = field(default_factory=set)  # what stands for them once they are erased


@dataclass(frozen=True, slots=True)
class Erased:
    """How much went."""

    records: int
    accounts: int
    conversations: int
    elsewhere: int = 0  # accounts that an outside service is asked to remove


def people(vault: Vault, phone: str = "", identifier: str = "") -> Work[list[Person]]:
    """Who has this number, or this identifier. Several where parents share a phone."""
    found: dict[tuple[str, str], Person] = {}
    rows = yield from every(
        "SELECT guardians.id, uai, source_key, guardians.sealed, identifier_key, accounts.sealed"
        " FROM guardians LEFT JOIN account_guardians ON guardian = guardians.id"
        " LEFT JOIN accounts ON accounts.id = account"
        " WHERE guardians.id IN (SELECT guardian FROM guardian_phones WHERE phone_key = ?)"
        " OR accounts.phone_key = ? OR identifier_key = ? ORDER BY guardians.id",
        vault.key("phone", phone),
        vault.key("phone", phone),
        vault.key("identifier", identifier),
    )
    for guardian, uai, source_key, sealed, identifier_key, account in rows:
        known = vault.open(sealed, guardian_place(uai, source_key))
        name = (folded(known["birth"]), folded(known["first"]))
        person = found.setdefault(name, Person(known["birth"], known["first"]))
        person.guardians.append(guardian)
        person.phones |= set(known["phones"])
        person.keys |= erased_keys(vault, uai, source_key, known)
        if account:
            opened = vault.open(account, account_place(identifier_key))
            person.identifiers.add(opened["identifier"])
            person.phones |= {opened["phone"], opened.get("phone_before") or opened["phone"]}
    return list(found.values())


def conversations_of(vault: Vault, people: list[Person], phones: set[str]) -> Work[list[bytes]]:
    """The conversations that speak of these people or numbers.

    What identifies somebody is sealed, so all of them are opened: seconds for a country's. Run it
    with `Database.prepare`, so that no turn waits.
    """
    guardians = {guardian for person in people for guardian in person.guardians}
    identifiers = {identifier for person in people for identifier in person.identifiers}
    signed_in = set[bytes]()  # whose answers have long been erased
    for guardian in sorted(guardians):
        rows = yield from every(
            "SELECT chat FROM sign_ins JOIN account_guardians"
            " ON account_guardians.account = sign_ins.account WHERE guardian = ?",
            guardian,
        )
        signed_in |= {chat for (chat,) in rows}
    last, found = b"", []
    while rows := (
        yield from every(
            "SELECT chat, record FROM chats WHERE chat > ? ORDER BY chat LIMIT 1000", last
        )
    ):
        for chat, sealed in rows:
            record = vault.open(sealed, chat_place(chat))
            if (
                chat in signed_in
                or phones.intersection((record["phone"], record.get("new_phone")))
                or identifiers.intersection((record["identifier"], record.get("login")))
                or guardians.intersection(record["guardians"])
            ):
                found.append(chat)
            last = chat
    return found


def erase(
    vault: Vault, person: Person, chats: list[bytes], actor: str, reason: str, now: datetime
) -> Work[Erased]:
    """Erase the person everywhere; only keyed hashes of name and number keep an import away."""
    for chat in sorted(chats):
        yield from lock("chat", chat)
    yield from lock_guardians(person.guardians)
    yield from lock("register")
    numbers = [vault.key("phone", number) for number in sorted(person.phones)]
    subject = vault.key("person", *sorted(key.hex() for key in person.keys))
    yield from run_many(
        "INSERT INTO erased VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(key, subject, stamp(now)) for key in (*person.keys, *numbers)],
    )
    for number in numbers:
        yield from tallies.clear(number)
        yield from run("DELETE FROM codes WHERE phone_key = ?", number)
    elsewhere = yield from _erase_elsewhere(vault, person.guardians, now)
    accounts = yield from _erase_accounts(vault, person.guardians)
    for guardian in person.guardians:
        yield from run("DELETE FROM outbox WHERE chat = ?", f"notice:{guardian}".encode())
        yield from run("DELETE FROM school_notes WHERE guardian = ?", guardian)
        yield from run(
            "UPDATE schools SET guardians = guardians - 1 WHERE uai ="
            " (SELECT uai FROM guardians WHERE id = ? AND gone_at IS NULL)",
            guardian,
        )
        yield from run("DELETE FROM guardians WHERE id = ?", guardian)
    for chat in chats:
        yield from tallies.clear(chat)
        for table in ("codes", "outbox", "passwords", "sign_ins", "chats"):
            yield from run(f"DELETE FROM {table} WHERE chat = ?", chat)  # noqa: S608 - our words
    yield from note(
        vault,
        actor,
        Action.PERSON_ERASED,
        subject,
        now,
        reason=reason,
        records=len(person.guardians),
        accounts=accounts,
        conversations=len(chats),
    )
    return Erased(len(person.guardians), accounts, len(chats), elsewhere)


def _erase_elsewhere(vault: Vault, guardians: list[int], now: datetime) -> Work[int]:
    """Have the accounts removed that are, or may be, in an outside service; how many."""
    outbox, asked = Outbox(vault), 0
    for guardian in guardians:
        for identifier_key, sealed, key in (
            yield from every(
                "SELECT identifier_key, sealed, account_key FROM account_guardians"
                " JOIN accounts ON accounts.id = account"
                " WHERE guardian = ? AND account_key IS NOT NULL",
                guardian,
            )
        ):
            known = vault.open(sealed, account_place(identifier_key))
            yield from remove_there(outbox, key, known["there"], now)
            asked += 1
            yield from run("UPDATE accounts SET account_key = NULL WHERE account_key = ?", key)
        for key, chat in (
            yield from run(
                "DELETE FROM openings WHERE guardian = ? RETURNING account_key, chat", guardian
            )
        ):
            yield from remove_there(outbox, key, None, now)
            yield from run("DELETE FROM passwords WHERE chat = ?", chat)
            asked += 1
    return asked


def _erase_accounts(vault: Vault, guardians: list[int]) -> Work[int]:
    """Erase the accounts of these records here, with what waits for their addresses; how many."""
    erased = 0
    for guardian in guardians:
        for account, identifier_key, sealed in (
            yield from every(
                "SELECT id, identifier_key, sealed FROM account_guardians"
                " JOIN accounts ON accounts.id = account WHERE guardian = ?",
                guardian,
            )
        ):
            known = vault.open(sealed, account_place(identifier_key))
            yield from _erase_codes(vault, account, known)
            yield from run("DELETE FROM accounts WHERE id = ?", account)
            erased += 1
    return erased


def erase_closed(vault: Vault, actor: str, now: datetime) -> Work[bool]:
    """Erase the account whose parent closed it longest ago, if its time is over; False for none."""
    due = (  # one that is frozen waits for the school
        "SELECT id FROM accounts WHERE erase_at <= ? AND frozen_at IS NULL"
        " ORDER BY erase_at LIMIT 1"
    )
    row = yield from one(due, stamp(now))
    if row is None:
        return False
    guardians = yield from every("SELECT guardian FROM account_guardians WHERE account = ?", row[0])
    yield from lock_guardians(guardian for (guardian,) in guardians)
    if (yield from one(due, stamp(now))) == row:  # its parent has not opened it again meanwhile
        yield from erase_account(vault, row[0], actor, now)
    return True


def erase_account(vault: Vault, account: int, actor: str, now: datetime) -> Work[bytes | None]:
    """Erase an account and what was kept with it; the register's records are the school's.

    Its identifier stays taken: whoever comes back gets another. The key under which the outside
    service is asked to remove it; None where it is in none.
    """
    guardians = yield from every(
        "SELECT guardian FROM account_guardians WHERE account = ? ORDER BY guardian", account
    )
    yield from lock_guardians(guardian for (guardian,) in guardians)
    row = yield from one(
        "SELECT identifier_key, sealed, account_key FROM accounts WHERE id = ?", account
    )
    if row is None:
        return None
    known = vault.open(row[1], account_place(row[0]))
    if row[2] is not None:
        yield from remove_there(Outbox(vault), row[2], known["there"], now)
    yield from _erase_codes(vault, account, known)
    for (guardian,) in guardians:
        yield from run("UPDATE guardians SET reserved = NULL WHERE id = ?", guardian)
        yield from run("DELETE FROM letters WHERE guardian = ?", guardian)
    yield from run("DELETE FROM accounts WHERE id = ?", account)
    subject = vault.key("account", known["identifier"])
    yield from note(vault, actor, Action.ACCOUNT_ERASED, subject, now)
    return None if row[2] is None else bytes(row[2])


def _erase_codes(vault: Vault, account: int, known: dict[str, Any]) -> Work[None]:
    """What waits for the account's address, and what was sent and counted by it or its login."""
    yield from run("DELETE FROM outbox WHERE chat = ?", f"account:{account}".encode())
    email = known.get("email") or ""
    by_email = [vault.key("email", email)] if email else []
    for key in (login_key(vault, known["identifier"]), *by_email):
        yield from tallies.clear(key)
        yield from run("DELETE FROM codes WHERE phone_key = ?", key)


def readmit(vault: Vault, phone: str, actor: str, reason: str, now: datetime) -> Work[int]:
    """Let those who were erased under this number come back with the next import; how many."""
    rows = yield from every("SELECT person FROM erased WHERE key = ?", vault.key("phone", phone))
    for (subject,) in rows:
        yield from run("DELETE FROM erased WHERE person = ?", subject)
        yield from note(vault, actor, Action.PERSON_READMITTED, subject, now, reason=reason)
    return len(rows)


def erased_keys(
    vault: Vault, uai: str, source_key: bytes, known: dict[str, Any]
) -> frozenset[bytes]:
    """What a guardian's record is recognised by after it was erased."""
    name = (folded(known["birth"]), folded(known["first"]))
    own = vault.key("erased", *name, uai, source_key.hex())
    return frozenset([own, *(vault.key("erased", *name, number) for number in known["phones"])])
