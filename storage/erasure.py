"""A person leaves: every row that speaks of them, in every table, and no way back by an import."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage import tallies
from storage.accounts import account_place, lock_guardians
from storage.audit import Action, note
from storage.conversations import chat_place
from storage.database import Work, every, lock, run, run_many, stamp
from storage.importing.records import folded
from storage.openings import remove_there
from storage.outbox import Outbox
from storage.family import guardian_place
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
        " OR identifier_key = ? ORDER BY guardians.id",
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
            person.phones.add(opened["phone"])
    return list(found.values())


def conversations_of(vault: Vault, people: list[Person], phones: set[str]) -> Work[list[bytes]]:
    """The conversations that speak of these people or numbers.

    What identifies somebody is sealed, so all of them are opened: seconds for a country's. Run it
    with `Database.prepare`, so that no turn waits.
    """
    guardians = {guardian for person in people for guardian in person.guardians}
    identifiers = {identifier for person in people for identifier in person.identifiers}
    last, found = b"", []
    while rows := (
        yield from every(
            "SELECT chat, record FROM chats WHERE chat > ? ORDER BY chat LIMIT 1000", last
        )
    ):
        for chat, sealed in rows:
            record = vault.open(sealed, chat_place(chat))
            if (
                record["phone"] in phones
                or record["identifier"] in identifiers
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
    accounts = 0
    for guardian in person.guardians:
        accounts += len(
            (
                yield from run(
                    "DELETE FROM accounts WHERE id IN"
                    " (SELECT account FROM account_guardians WHERE guardian = ?) RETURNING id",
                    guardian,
                )
            )
        )
        yield from run("DELETE FROM school_notes WHERE guardian = ?", guardian)
        yield from run(
            "UPDATE schools SET guardians = guardians - 1 WHERE uai ="
            " (SELECT uai FROM guardians WHERE id = ? AND gone_at IS NULL)",
            guardian,
        )
        yield from run("DELETE FROM guardians WHERE id = ?", guardian)
    for chat in chats:
        yield from tallies.clear(chat)
        for table in ("codes", "outbox", "passwords", "chats"):
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
