"""The checker itself: silent about a sound database, and it names what is broken in others."""

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.states import S
from storage import accounts
from storage.conversations import Address
from storage.database import Work, run
from tests.conversations.roads import ALL_TO_DONE
from tests.helpers.clock import Clock
from tests.helpers.dialogue import Dialogue
from tests.helpers.invariants import check, done_at, told_on
from tests.helpers.parent import CoreParent, core_parent
from tests.helpers.school import a_school
from tests.telegram.chat_driver import TelegramParent, running_bot
from tests.telegram.server import BotApi

SOPHIE = ("(comes)", "[parent]", "[activate]", "Martin", "Sophie", "06 98 76 54 32", "[yes]")
AN = ("(comes)", "[parent]", "[activate]", "Nguyen", "An", "07 51 23 45 67", "[yes]")


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hash with as little memory as it can be asked for."""
    monkeypatch.setattr(accounts, "_MEMORY_KIB", 8)


@pytest.fixture
async def marie(tmp_path: Path) -> AsyncIterator[CoreParent]:
    """Marie has her account, Sophie proved her number, An waits for the code."""
    async with core_parent(tmp_path / "sesame.sqlite3", a_school()) as parent:
        await Dialogue(parent, "fr").follows(*ALL_TO_DONE, "[text_me]")
        await Dialogue(parent.beside("sophie"), "fr").follows(*SOPHIE, "(code)")
        await Dialogue(parent.beside("an"), "fr").follows(*AN)
        yield parent


async def checked(parent: CoreParent, **seen: Any) -> None:
    """What the parent's database and phone show, or what the test says that was seen."""
    doors = parent.service.doors
    seen = {"sms": parent.sms.received, **seen}
    await check(doors.database, doors.conversations._vault, **seen)


async def test_a_sound_database(marie: CoreParent) -> None:
    await checked(marie, told={Address("core", "marie"): [marie.last] * 30})


ACCOUNT = (
    "INSERT INTO accounts (id, identifier_key, password_hash, sealed, chat, opened_at)"
    " SELECT 9, x'00', password_hash, sealed, chat, opened_at"
)
OWNER = (
    "INSERT INTO account_guardians SELECT max(id), 1 FROM guardians"
    " WHERE id NOT IN (SELECT guardian FROM account_guardians)"
)
COLUMNS = "chat, kind, body, status, created_at, due_at, expires_at"
SAME_SMS = f"INSERT INTO outbox ({COLUMNS}) SELECT {COLUMNS} FROM outbox WHERE expires_at LIMIT 1"
IN_CODE = "chat = (SELECT chat FROM chats WHERE state = 'code')"


def counted(kind: str, times: int) -> str:
    """So many more of the same tally."""
    numbers = f"WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times})"
    rows = f"(SELECT * FROM tallies WHERE kind = '{kind}' LIMIT 1)"
    return f"INSERT INTO tallies {numbers} SELECT kind, subject, detail, at FROM {rows}, n"


@pytest.mark.parametrize(
    ("named", "broken"),
    [
        ("I1: account 1 was opened with no message", "UPDATE accounts SET opened_at = 1e10"),
        ("I1: account 9 has another identifier", f"{ACCOUNT} FROM accounts"),
        ("I1: chat .* is DONE, and there is no", "UPDATE accounts SET identifier_key = x'00'"),
        ("I1: chat .* is DONE with", "UPDATE accounts SET chat = x'00'"),
        ("I2: account 1 belongs to nobody", "DELETE FROM account_guardians"),
        ("I2: account 1 belongs to guardians", OWNER),
        ("I5: code 3 is lost", f"UPDATE codes SET status = 'lost' WHERE {IN_CODE}"),
        ("I5: chat .* is proved by no", "UPDATE codes SET status = 'old' WHERE status = 'used'"),
        ("I5: code 1 was never sent, and", "UPDATE codes SET real = 0"),
        ("I5: code 1 is valid for", "UPDATE codes SET expires_at = expires_at + 1"),
        ("I6: code 3 is current with 0", f"UPDATE codes SET tries_left = 0 WHERE {IN_CODE}"),
        ("I7: code.number .* 1 codes, and", "DELETE FROM tallies WHERE kind = 'code.number'"),
        ("I7: code.number .* more than 4", counted("code.number", 4)),
        ("I7: code.chat .* more than 5", counted("code.chat", 5)),
        ("I7: sms .* more than 60", counted("sms", 60)),
        ("I7: chat .* SMS for 1 codes", SAME_SMS),
        ("I8: an SMS has left for", "DELETE FROM guardian_phones"),
        ("I11: account 1 was opened by", "UPDATE codes SET phone_key = x'00'"),
        ("I11: account 1 has no password", "UPDATE accounts SET password_hash = 'Soleil'"),
        ("I11: account 1 has no child", "DELETE FROM account_pupils"),
        ("I11: account 1 has a child who", "UPDATE links SET legal = 0"),
        ("I13: chat .* was sent before 1", "UPDATE outbox SET status = 'waiting' WHERE id = 1"),
        ("I13: outbox 1 is waiting, with", "UPDATE outbox SET status = 'waiting' WHERE id = 1"),
        ("I20: the schema is 99", "PRAGMA user_version = 99"),
        ("I20: foreign key of", "UPDATE links SET pupil = pupil + 99"),
        ("I20: chats:.* does not open", "UPDATE chats SET record = zeroblob(40)"),
        ("I20: address:.* does not open", "UPDATE chats SET address = zeroblob(40)"),
        ("I20: guardians:.* does not open", "UPDATE guardians SET sealed = zeroblob(40)"),
        ("I20: pupils:.* does not open", "UPDATE pupils SET sealed = zeroblob(40)"),
        ("I20: accounts:.* does not open", "UPDATE accounts SET sealed = zeroblob(40)"),
        ("I20: outbox:.* does not open", "UPDATE outbox SET body = x'00', status = 'waiting'"),
        ("I20: chat .* is here and", "UPDATE chats SET state = 'here'"),
    ],
)
async def test_what_is_broken_is_named(
    marie: CoreParent, tmp_path: Path, named: str, broken: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "sesame.sqlite3")) as other, other:
        other.execute(broken)
    with pytest.raises(AssertionError) as said:
        await checked(marie)
    assert re.search(f"^{named}", str(said.value), re.MULTILINE), said.value


@pytest.mark.parametrize(
    ("named", "change"),
    [
        ("I4: chat .* is left in OPENING", {"state": S.OPENING}),
        ("I5: chat .* is proved by no code", {"proved_at": datetime(2040, 1, 1, tzinfo=UTC)}),
        ("I16: chat .* holds controls", {"last": "Du\0pont"}),
        ("I16: chat .* holds controls", {"last": "Du\u202epont"}),
        ("I16: chat .* holds 5000 char", {"last": "D" * 5000}),
    ],
)
async def test_what_a_record_says(marie: CoreParent, named: str, change: dict[str, Any]) -> None:
    doors = marie.service.doors
    key, address = doors.conversations.key(marie.address), marie.address

    def changes() -> Work[None]:
        chat = yield from doors.conversations.load(key)
        assert chat
        for name, value in change.items():
            setattr(chat, name, value)
        yield from doors.conversations.save(key, address, chat, None, marie.clock())

    await doors.database.run(changes())
    with pytest.raises(AssertionError) as said:
        await checked(marie)
    assert re.search(f"^{named}", str(said.value), re.MULTILINE), said.value


async def test_what_was_seen(marie: CoreParent) -> None:
    """What left must be what the database says."""
    here, last = Address("core", "marie"), marie.last
    ahead, before = replace(last, asked=last.asked + 1), replace(last, asked=last.asked - 1)
    lie = replace(last, text=last.text.replace("m.dupont", "m.dupont2"))
    code = marie.sms.received[0]
    for named, seen in (
        ("I1: chat .* was told of an account", {"told": {here: [lie] * 30}}),
        ("I3: chat .* and stands at", {"told": {here: [ahead] * 30}}),
        ("I3: chat .* last, stands at", {"told": {here: [before] * 30}}),
        ("I13: chat .* heard 1 replies", {"told": {here: [last]}}),
        ("I13: chat .* after", {"told": {here: [last, before] * 30}}),
        ("I4: telegram:1 was ack", {"acknowledged": ["telegram:1"]}),
        ("I7: 2 SMS to …5678 for 1 codes", {"sms": [code, code]}),
        ("I7: the same code was sent 2 times", {"sms": [code, code]}),
        ("I7: 9 SMS have left, 4 were", {"sms": [(code[0], "a")] * 9}),
        ("I8: an SMS has left for …0000", {"sms": [("+33612340000", "a")]}),
        ("I8: an SMS has left for …1234", {"sms": [("+881612341234", "a")]}),
    ):
        with pytest.raises(AssertionError) as said:
            await checked(marie, **seen)
        assert re.search(f"^{named}", str(said.value), re.MULTILINE), (named, said.value)


async def test_what_telegram_saw(tmp_path: Path) -> None:
    clock = Clock()
    async with (
        BotApi(now=clock) as server,
        running_bot(server, tmp_path / "sesame.sqlite3", a_school(), clock=clock) as bot,
    ):
        marie = Dialogue(TelegramParent(bot, server.person()), "fr")
        await marie.follows(*ALL_TO_DONE, "[another]")
        told, done = told_on(server), done_at(server)
        assert [len(replies) for replies in told.values()] == [len(done) + 1]
        database = bot.service.doors.database
        sms = marie.sms.received
        await check(database, bot.vault, sms=sms, told=told, acknowledged=done)
        await database.run(run("DELETE FROM updates WHERE id LIKE '%5'"))
        with pytest.raises(AssertionError, match="I4: telegram:700000005 was acknowledged"):
            await check(database, bot.vault, sms=sms, told=told, acknowledged=done)
