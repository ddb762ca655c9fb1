"""The invariants of RELIABILITY 4 that a database, the phones and the chats can show.

Call `check` after any fault, while nothing is being changed: it names every invariant that is
broken, and the chat or row. The invariants that need more (I3's kill, I9's bytes, I10's twins,
I18) have tests of their own.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import telegram

from bot.channel import Reply
from bot.telegram.incoming import CHANNEL, read_update
from flows.chat import Chat
from flows.policy import DAY, DEFAULT, Policy, Windows
from flows.questions.name import fold
from flows.questions.phone import read_phone
from flows.states import S
from flows.table import QUESTIONS, WAITING
from storage import database as storage
from storage.conversations import Address, Conversations
from storage.database import Database, Work, every
from storage.family import guardian_place, pupil_place
from storage.vault import Vault, VaultError
from tests.helpers.dialogue import pattern
from tests.telegram.server import BotApi, Update

Told = Mapping[Address, Sequence[Reply]]
Broken = Iterator[str]

_PRESS = re.compile(r"1:([0-9]+):[a-z_]+")
_LONGEST = 4096

FINISHED = ("sent", "failed", "silent", "dropped")
"""What can become of a parcel: an SMS for nobody is silent, a code that is replaced is dropped."""


async def check(
    database: Database,
    vault: Vault,
    *,
    sms: Collection[tuple[str, str]] | None = None,
    told: Told | None = None,
    acknowledged: Iterable[str] = (),
    policy: Policy = DEFAULT,
) -> None:
    """Raise AssertionError, a line for each invariant that does not hold.

    `sms` is all that ever left, as (number, text); `told` all that each chat was ever told, in
    order (`told_on` reads it from the Bot API server); `acknowledged` the ids of updates that the
    channel was told are done (`done_at`).
    """
    found = await database.prepare(_read(vault))
    broken = list(found.broken)
    if not database.shared:
        broken += await database.prepare(_file_is_whole())
    broken += _accounts(found, vault)
    broken += _codes(found, policy)
    broken += _budgets(found, policy)
    broken += _outbox(found)
    broken += _texts(found)
    broken += [f"I4: {one} was acknowledged, not taken" for one in {*acknowledged} - found.updates]
    if sms is not None:
        broken += _sms(found, vault, sms)
    if told is not None:
        broken += _told(found, vault, told)
    assert not broken, "\n".join(broken)


def told_on(server: BotApi) -> dict[Address, list[Reply]]:
    """All that the bot told each private chat, in order, erased or not."""
    return {
        Address(CHANNEL, str(chat.id)): [
            Reply(message.text, "", asked=_asked(message.offered))
            for message in chat.messages
            if message.from_bot
        ]
        for chat in server.chats.values()
        if chat.is_private
    }


def _asked(buttons: Iterable[Any]) -> int:
    presses = (_PRESS.fullmatch(str(button.value)) for button in buttons)
    return next((int(press[1]) for press in presses if press), 0)


def done_at(server: BotApi) -> set[str]:
    """The updates that the bot acknowledged, of those that a conversation hears."""
    waiting = {update.id for update in server.pending}
    done = (update for update in server._history.values() if update.id not in waiting)
    return {id for id in map(_id_of, done) if id}


def _id_of(update: Update) -> str | None:
    """Its id, where a conversation hears it; what cannot be read is done without."""
    try:
        read = read_update(telegram.Update.de_json(update.api(), None))
    except Exception:
        return None
    return read.id if read else None


# ---- what is stored --------------------------------------------------------------------------


class _Found:
    """The rows, opened, and what was broken in them already."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.chats: dict[bytes, Chat] = {}
        self.updates: set[str] = set()
        self.outbox: list[dict[str, Any]] = []
        self.codes: list[dict[str, Any]] = []
        self.tallies: list[dict[str, Any]] = []
        self.accounts: list[dict[str, Any]] = []
        self.guardians: dict[int, dict[str, Any]] = {}
        self.owners: list[dict[str, Any]] = []
        self.phones: set[bytes] = set()
        self.openings: set[bytes] = set()
        self.account_pupils: list[dict[str, Any]] = []
        self.happened: set[tuple[bytes, str]] = set()  # to accounts, since the audit record begins

    def opens(self, vault: Vault, sealed: bytes, place: str) -> Any:
        """What is sealed, or None and a broken I20."""
        try:
            return vault.open(sealed, place)
        except VaultError:
            self.broken.append(f"I20: {place} does not open")
            return None


def _rows(text: str, *names: str) -> Work[list[dict[str, Any]]]:
    rows = yield from every(text)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _all(table: str, *names: str) -> Work[list[dict[str, Any]]]:
    return (yield from _rows(f"SELECT {', '.join(names)} FROM {table} ORDER BY 1", *names))


def _file_is_whole() -> Work[list[str]]:
    """What SQLite says of its file; PostgreSQL looks at every row that is written."""
    lines = yield from every("PRAGMA integrity_check")
    keys = yield from every("PRAGMA foreign_key_check")
    return [f"I20: {line}" for (line,) in lines if line != "ok"] + [
        f"I20: foreign key of {row}" for row in keys
    ]


def _read(vault: Vault) -> Work[_Found]:
    found = _Found()
    [(version,)] = yield from every("PRAGMA user_version")
    if version != storage.migrations()[-1][0]:
        found.broken.append(f"I20: the schema is {version}")
    yield from _read_chats(found, vault)
    yield from _read_register(found, vault)
    found.updates = {one for (one,) in (yield from every("SELECT id FROM updates"))}
    found.codes = yield from _all(
        "codes",
        *("id", "chat", "phone_key", "real", "tries_left", "old_pardons", "sent_at"),
        *("expires_at", "status"),
    )
    found.tallies = yield from _all("tallies", "kind", "subject", "detail", "at")
    found.owners = yield from _all("account_guardians", "guardian", "account")
    happened = yield from every("SELECT subject, action FROM audit WHERE subject IS NOT NULL")
    found.happened = {(subject, action) for subject, action in happened}
    return found


def _read_chats(found: _Found, vault: Vault) -> Work[None]:
    conversations = Conversations(vault)
    for row in (yield from _all("chats", "chat", "state", "record", "address")):
        key = row["chat"]
        record = found.opens(vault, row["record"], f"chats:{key.hex()}")
        address = found.opens(vault, row["address"], f"address:{key.hex()}")
        if address and conversations.key(Address(*address)) != key:
            found.broken.append(f"I20: chat {key.hex()} has the address of another")
        if record:
            chat = found.chats[key] = Chat.from_dict(record)
            if chat.state.value != row["state"]:
                found.broken.append(f"I20: chat {key.hex()} is {row['state']} and {chat.state}")
    found.outbox = yield from _all(
        "outbox", "id", "chat", "kind", "body", "status", "created_at", "due_at", "expires_at"
    )
    for row in found.outbox:
        if row["body"] is not None:
            row["body"] = found.opens(vault, row["body"], f"outbox:{row['chat'].hex()}")


def _read_register(found: _Found, vault: Vault) -> Work[None]:
    for table, place_of in (("guardians", guardian_place), ("pupils", pupil_place)):
        names = ("id", "uai", "source_key", "name_key", "sealed", "gone_at")
        for row in (yield from _all(table, *names)):
            place = place_of(row["uai"], row["source_key"])
            row["sealed"] = found.opens(vault, row["sealed"], place)
            if table == "guardians":
                found.guardians[row["id"]] = row
    found.phones = {key for (key,) in (yield from every("SELECT phone_key FROM guardian_phones"))}
    found.accounts = yield from _all(
        *("accounts", "id", "identifier_key", "password_hash", "sealed", "chat", "opened_at"),
        "account_key",
    )
    found.openings = {
        chat for (chat,) in (yield from every("SELECT chat FROM openings WHERE under_way = 1"))
    }
    for row in found.accounts:
        place = f"accounts:{row['identifier_key'].hex()}"
        row["sealed"] = found.opens(vault, row["sealed"], place)
    # `known`: the account's pupil is a child of its guardian, who is legal, as far as the register
    # that stood there when it was opened says.
    found.account_pupils = yield from _rows(
        "SELECT accounts.id, pupils.id, imported_at > opened_at OR EXISTS (SELECT 1 FROM links"
        " JOIN account_guardians USING (guardian) WHERE account_guardians.account = accounts.id"
        " AND links.pupil = account_pupils.pupil AND legal = 1)"
        " FROM account_pupils JOIN accounts ON accounts.id = account"
        " LEFT JOIN pupils ON pupils.id = account_pupils.pupil"
        " LEFT JOIN schools ON schools.uai = pupils.uai",
        *("account", "pupil", "known"),
    )


# ---- one by one ------------------------------------------------------------------------------


def _accounts(found: _Found, vault: Vault) -> Broken:
    """I1, I2, I11: accounts and the conversations that opened them."""
    told_at = {(row["chat"], row["created_at"]) for row in found.outbox if row["kind"] == "reply"}
    oldest = min((row["created_at"] for row in found.outbox), default=0)
    by_key = {row["identifier_key"]: row for row in found.accounts}
    for account in found.accounts:
        name, chat, opened = f"account {account['id']}", account["chat"], account["opened_at"]
        if opened >= oldest and chat in found.chats and (chat, opened) not in told_at:
            yield f"I1: {name} was opened with no message to chat {chat.hex()} at {opened}"
        person = account["sealed"] or {}
        if vault.key("identifier", person.get("identifier")) != account["identifier_key"]:
            yield f"I1: {name} has another identifier inside"
        yield from _owners(found, account)
        subject = vault.key("account", person.get("identifier"))
        changed = {what for whose, what in found.happened if whose == subject}
        proofs = [
            code
            for code in found.codes
            if code["chat"] == chat
            and code["status"] == "used"
            and code["phone_key"] == vault.key("phone", person.get("phone"))
            and code["sent_at"] <= opened
        ]
        known = any(code["sent_at"] <= opened for code in found.codes)
        if not proofs and known and "phone_changed" not in changed:
            yield f"I11: {name} was opened by chat {chat.hex()} without a proved number"
        if account["account_key"] is not None:
            if account["password_hash"]:
                yield f"I9: {name} is elsewhere, and has a password here"
        elif not account["password_hash"].startswith("$argon2id$"):
            yield f"I11: {name} has no password"
        pupils = [row for row in found.account_pupils if row["account"] == account["id"]]
        if not pupils and "child_dropped" not in changed:
            yield f"I11: {name} has no child"
        for row in pupils:
            known = row["known"] or "child_added" in changed  # by another school's record of theirs
            if row["pupil"] is None or not known:
                yield f"I11: {name} has a child who is not its guardian's: pupil {row['pupil']}"
    for key, chat in found.chats.items():
        if chat.state not in (S.DONE, S.ALREADY):
            continue
        its = by_key.get(vault.key("identifier", chat.identifier))
        if its is None:
            yield f"I1: chat {key.hex()} is {chat.state.name}, and there is no account"
        elif chat.state is S.DONE and its["chat"] != key:
            yield f"I1: chat {key.hex()} is DONE with the account of chat {its['chat'].hex()}"


def _owners(found: _Found, account: dict[str, Any]) -> Broken:
    guardians = [row["guardian"] for row in found.owners if row["account"] == account["id"]]
    people = [found.guardians[one] for one in guardians if one in found.guardians]
    if not people:
        yield f"I2: account {account['id']} belongs to nobody"
    named = {
        (fold(one["sealed"]["birth"]), fold(one["sealed"]["first"]))
        for one in people
        if one["sealed"] and one["gone_at"] is None
    }
    if len(named) > 1:
        yield f"I2: account {account['id']} belongs to guardians {guardians}"


def _codes(found: _Found, policy: Policy) -> Broken:
    """I5, I6: the newest code only, in time, for its own chat; tries only go down."""
    newest: dict[bytes, int] = {}
    for code in found.codes:
        newest[code["chat"]] = code["id"]
    for code in found.codes:
        name, status, left = f"code {code['id']}", code["status"], code["tries_left"]
        if status not in ("current", "old", "used", "burnt", "cancelled", "expired"):
            yield f"I5: {name} is {status}"
        if status == "current" and newest[code["chat"]] != code["id"]:
            yield f"I5: {name} is current and not the newest of chat {code['chat'].hex()}"
        if status == "used" and not code["real"]:
            yield f"I5: {name} was never sent, and was right"
        if code["expires_at"] - code["sent_at"] != policy.code_validity.total_seconds():
            yield f"I5: {name} is valid for {code['expires_at'] - code['sent_at']} s"
        if not 0 <= left <= policy.code_tries or (status == "burnt") != (left == 0):
            yield f"I6: {name} is {status} with {left} tries left"
    for key, chat in found.chats.items():
        if chat.proved_at is None:
            continue
        proved = chat.proved_at.timestamp()
        used = [c for c in found.codes if c["chat"] == key and c["status"] == "used"]
        if not any(proved < c["expires_at"] for c in used):  # the clock may have gone back since
            yield f"I5: chat {key.hex()} is proved by no code"


def _budgets(found: _Found, policy: Policy) -> Broken:
    """I7: no budget is exceeded, over any window."""
    guardians = sum(one["gone_at"] is None for one in found.guardians.values())
    a_day = max(policy.codes_per_day, guardians * policy.codes_per_day_percent // 100)
    budgets: dict[str, Windows] = {
        "code.number": policy.codes_per_number,
        "code.chat": policy.codes_per_chat,
        "code.email": policy.email_codes,
        "code.email.chat": policy.email_codes,
        "code.prefix": policy.codes_per_prefix,
        "sms": (*policy.codes_in_all, (DAY, a_day)),
    }
    times: dict[tuple[str, bytes], list[int]] = {}
    identities: dict[bytes, list[tuple[int, bytes]]] = {}
    for row in found.tallies:
        if row["kind"] in budgets:
            times.setdefault((row["kind"], row["subject"]), []).append(row["at"])
        if row["kind"] == "identity":
            identities.setdefault(row["subject"], []).append((row["at"], row["detail"]))
    for (kind, subject), found_at in times.items():
        for window, limit in budgets[kind]:
            if _exceeds(found_at, window, limit):
                yield f"I7: {kind} {subject.hex()}: more than {limit} in {window}"
    for chat, tried in identities.items():
        for window, limit in policy.identities_per_chat:
            for at, _ in tried:
                inside = {who for then, who in tried if 0 <= at - then < window.total_seconds()}
                if len(inside) > limit:
                    yield f"I7: chat {chat.hex()} tried more than {limit} people in {window}"
                    break
    for field, kinds in (
        ("chat", ("code.chat", "code.email.chat")),
        ("phone_key", ("code.number", "code.email")),
    ):
        for key, number in Counter(code[field] for code in found.codes).items():
            if number > sum(len(times.get((kind, key), [])) for kind in kinds):
                yield f"I7: {kinds[0]} {key.hex()}: {number} codes, and fewer are counted"


def _exceeds(times: Iterable[int], window: timedelta, limit: int) -> bool:
    ordered = sorted(times)
    later = zip(ordered, ordered[limit:], strict=False)
    return any(last - first < window.total_seconds() for first, last in later)


def _outbox(found: _Found) -> Broken:
    """I13: what is waiting comes after what was sent; an SMS has one code."""
    waits: dict[tuple[bytes, str], int] = {}
    for row in found.outbox:
        here = (row["chat"], row["kind"])
        if row["status"] not in ("waiting", "sending", *FINISHED):
            yield f"I13: outbox {row['id']} is {row['status']}"
        if row["status"] == "waiting":
            waits.setdefault(here, row["id"])
        elif row["status"] == "sent" and row["kind"] == "reply" and here in waits:
            yield f"I13: chat {row['chat'].hex()}: {row['id']} was sent before {waits[here]}"
        if (row["body"] is None) != (row["status"] in FINISHED):
            yield f"I13: outbox {row['id']} is {row['status']}, with or without its text"
        elsewhere = row["kind"] == "account" or row["chat"].startswith((b"notice:", b"account:"))
        if row["chat"] not in found.chats and not elsewhere:
            yield f"I4: outbox {row['id']} is of no chat"
    made = Counter((code["chat"], code["sent_at"]) for code in found.codes)
    oldest = min((code["sent_at"] for code in found.codes), default=0)
    codes = [
        row
        for row in found.outbox
        if row["expires_at"] and row["created_at"] >= oldest and row["kind"] == "sms"
    ]
    for (chat, at), number in Counter((row["chat"], row["created_at"]) for row in codes).items():
        if number > made[chat, at]:
            yield f"I7: chat {chat.hex()}: {number} SMS for {made[chat, at]} codes at {at}"
    asked = {
        row["body"].get("chat")
        for row in found.outbox
        if row["kind"] == "account" and isinstance(row["body"], dict)
    }
    for key, chat in found.chats.items():
        if chat.state is S.OPENING and key in found.openings:
            continue  # an outside service has not answered yet
        if chat.state is S.CHANGING and key.hex() in asked:
            continue  # nor said that it has the new password
        if chat.state in WAITING:
            yield f"I4: chat {key.hex()} is left in {chat.state.name}: half a turn"


def _texts(found: _Found) -> Broken:
    """I16: nothing stored holds what no text should."""
    for key, chat in found.chats.items():
        yield from _bad_texts(f"chat {key.hex()}", chat.to_dict())
    for row in found.outbox:
        yield from _bad_texts(f"outbox {row['id']}", row["body"])


def _bad_texts(name: str, value: Any) -> Broken:
    match value:
        case str():
            kinds = {unicodedata.category(one) for one in value.replace("\n", "")}
            overrides = set(value) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
            if kinds & {"Cc", "Cs"} or overrides:
                yield f"I16: {name} holds controls"
            if len(value) > _LONGEST:
                yield f"I16: {name} holds {len(value)} characters"
        case dict():
            for one in value.values():
                yield from _bad_texts(name, one)
        case list() | tuple():
            for one in value:
                yield from _bad_texts(name, one)


def _sms(found: _Found, vault: Vault, sms: Collection[tuple[str, str]]) -> Broken:
    """I7, I8: one SMS a code, and only to numbers of the register, of accounts, or to be theirs."""
    made = Counter(
        row["subject"] for row in found.tallies if row["kind"] in ("code.number", "code.login")
    )
    code = "|".join(pattern("sms.code", lang, {}) for lang in ("fr", "en"))
    codes = [(to, text) for to, text in sms if re.fullmatch(code, text)]
    for to, number in Counter(to for to, _ in codes).items():
        if number > made[vault.key("phone", to)]:
            yield f"I7: {number} SMS to …{to[-4:]} for {made[vault.key('phone', to)]} codes"
    for (to, _), times in Counter(codes).items():
        if times > 1:
            yield f"I7: the same code was sent {times} times to …{to[-4:]}"
    left = [row for row in found.outbox if row["kind"] == "sms" and row["status"] != "waiting"]
    if len(sms) > len(left):
        yield f"I7: {len(sms)} SMS have left, {len(left)} were asked for"
    own = {person.get("phone") for person in (row["sealed"] or {} for row in found.accounts)}
    own |= {
        person.get("phone_before") for person in (row["sealed"] or {} for row in found.accounts)
    }
    for chat in found.chats.values():
        own |= {chat.new_phone} | ({chat.phone} if chat.letter else set())
    for to in {to for to, _ in sms}:
        if (vault.key("phone", to) not in found.phones and to not in own) or read_phone(to) != to:
            yield f"I8: an SMS has left for …{to[-4:]}"


def _told(found: _Found, vault: Vault, told: Told) -> Broken:
    """I1, I3, I13: what was said, in order, and that it is true."""
    conversations = Conversations(vault)
    for address, replies in told.items():
        key = conversations.key(address)
        name = f"chat {key.hex()} ({address.place})"
        numbers = [reply.asked for reply in replies if reply.asked]
        for before, after in pairwise(numbers):
            if after < before:
                yield f"I13: {name} heard question {after} after {before}"
        rows = [r for r in found.outbox if r["chat"] == key and r["kind"] == "reply"]
        if sum(row["status"] == "sent" for row in rows) > len(replies):
            yield f"I13: {name} heard {len(replies)} replies, and fewer than were sent"
        opened = [row["sealed"]["identifier"] for row in found.accounts if row["chat"] == key]
        for reply in replies:
            if _is_done(reply.text) and not any(_is_done(reply.text, one) for one in opened):
                yield f"I1: {name} was told of an account that is not there"
        chat = found.chats.get(key)
        waits = any(row["status"] == "waiting" for row in rows)
        if chat is None or chat.state not in QUESTIONS or not numbers:
            continue
        if max(numbers) > chat.asked:
            yield f"I3: {name} heard question {max(numbers)}, and stands at {chat.asked}"
        if not waits and replies[-1].asked and replies[-1].asked != chat.asked:
            yield f"I3: {name} heard question {replies[-1].asked} last, stands at {chat.asked}"


def _is_done(text: str, identifier: str | None = None) -> bool:
    """Whether it says that an account is open, and under this identifier."""
    facts = {"identifier": identifier} if identifier else {}
    return any(re.search(pattern("done.ask", lang, facts), text) for lang in ("fr", "en"))
