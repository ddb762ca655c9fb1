"""A person leaves: every row that speaks of them, in every table, and no way back by an import."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from storage import tallies
from storage.audit import Action, note
from storage.conversations import chat_place
from storage.database import Row, Work, every, run, run_many, stamp
from storage.importing.records import folded
from storage.register import guardian_place
from storage.vault import Vault


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the register or an account knows, with all their records."""

    last: str
    first: str
    phones: frozenset[str]  # E.164
    guardians: tuple[int, ...]
    keys: frozenset[bytes]  # what stands for them once they are erased


@dataclass(frozen=True, slots=True)
class Erased:
    """How much went."""

    records: int
    accounts: int
    conversations: int


def people(vault: Vault, phone: str = "", identifier: str = "") -> Work[list[Person]]:
    """Who has this number, or this identifier. Several where parents share a phone."""
    if phone:
        rows = yield from every(
            "SELECT id, uai, source_key, sealed FROM guardians JOIN guardian_phones"
            " ON guardian = id WHERE phone_key = ? ORDER BY id",
            vault.key("phone", phone),
        )
    else:
        rows = yield from every(
            "SELECT id, uai, source_key, guardians.sealed FROM guardians JOIN account_guardians"
            " ON guardian = guardians.id JOIN accounts ON accounts.id = account"
            " WHERE identifier_key = ? ORDER BY guardians.id",
            vault.key("identifier", identifier),
        )
    return _by_name(vault, rows)


def _by_name(vault: Vault, rows: list[Row]) -> list[Person]:
    found: dict[tuple[str, str], Person] = {}
    for number, uai, source_key, sealed in rows:
        known = vault.open(sealed, guardian_place(uai, source_key))
        name = (folded(known["birth"]), folded(known["first"]))
        before = found.get(
            name, Person(known["birth"], known["first"], frozenset(), (), frozenset())
        )
        found[name] = replace(
            before,
            phones=before.phones | set(known["phones"]),
            guardians=(*before.guardians, number),
            keys=before.keys | erased_keys(vault, uai, source_key, known),
        )
    return list(found.values())


def conversations_of(
    vault: Vault, phones: frozenset[str], guardians: set[int]
) -> Work[list[bytes]]:
    """The conversations that speak of these numbers or records.

    What identifies a person is sealed, so all of them are opened: seconds for a country's. Run it
    with `Database.prepare`, so that no turn waits.
    """
    last, found = 0, []
    while rows := (
        yield from every(
            "SELECT rowid, chat, record FROM chats WHERE rowid > ? ORDER BY rowid LIMIT 1000", last
        )
    ):
        for number, chat, sealed in rows:
            record = vault.open(sealed, chat_place(chat))
            if record["phone"] in phones or guardians.intersection(record["guardians"]):
                found.append(chat)
            last = number
    return found


def erase(
    vault: Vault, person: Person, chats: list[bytes], actor: str, reason: str, now: datetime
) -> Work[Erased]:
    """Erase the person everywhere; only keyed hashes of name and number keep an import away."""
    numbers = [vault.key("phone", number) for number in sorted(person.phones)]
    subject = vault.key("person", *sorted(key.hex() for key in person.keys))
    yield from run_many(
        "INSERT INTO erased VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(key, subject, stamp(now)) for key in (*person.keys, *numbers)],
    )
    for number in numbers:
        yield from tallies.clear(number)
        yield from run("DELETE FROM codes WHERE phone_key = ?", number)
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
        yield from run("DELETE FROM guardians WHERE id = ?", guardian)
    for chat in chats:
        yield from tallies.clear(chat)
        for table in ("codes", "outbox", "chats"):
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
    return Erased(len(person.guardians), accounts, len(chats))


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
