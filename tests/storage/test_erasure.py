"""An account is erased: by its parent, or when the time is over in which they could come back."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.app import open_storage
from flows.chat import Chat
from flows.outputs import OpenAccount
from flows.policy import Policy
from storage.accounts import Account, Accounts, account_place
from storage.audit import PARENT
from storage.codes import login_key
from storage.conversations import Address, Conversations
from storage.database import Database, every, run, stamp
from storage.erasure import conversations_of, erase, erase_account, erase_closed, people
from storage.letters import Letters
from storage.life import Acting, Life
from storage.outbox import ACCOUNT, EMAIL, SMS, Outbox
from storage.place import Place
from storage.retention import Retention, purge
from storage.tallies import count
from storage.vault import Vault
from tests.conversations.test_secrets import files, found
from tests.helpers.clock import Clock
from tests.helpers.parent import test_settings
from tests.helpers.school import School

MARIE, PAUL, NEW = "+33612345678", "+33698765432", "+33711223344"
MAIL = "marie.dupont@example.org"
DAY = timedelta(days=1)


def family() -> School:
    """Two guardians of one child."""
    child = {"Léa DUPONT": "14/03/2014"}
    return School().knows("Marie DUPONT", MARIE, child).knows("Paul DUPONT", PAUL, child)


@dataclass
class Here:
    """The storage of a test, with Marie's account."""

    database: Database
    vault: Vault
    accounts: Accounts
    life: Life
    clock: Clock
    account: Account

    async def all(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows."""
        return await self.database.run(every(sql, *parameters))

    async def number(self, table: str) -> int:
        """How many rows there are."""
        [(number,)] = await self.all(f"SELECT count(*) FROM {table}")
        return int(number)

    async def reseals(self, known: dict[str, Any]) -> None:
        """The account's record is this one."""
        key = self.vault.key("identifier", "m.dupont")
        sealed = self.vault.seal(known, account_place(key))
        await self.database.run(run("UPDATE accounts SET sealed = ?", sealed))

    async def signs_in(self, name: str) -> bytes:
        """Another conversation in which the account is open, and whose answers are erased."""
        conversations, address = Conversations(self.vault), Address("telegram", name)
        chat = conversations.key(address)
        await self.database.run(conversations.save(chat, address, Chat(), None, self.clock()))
        at = stamp(self.clock())
        await self.database.run(
            run("INSERT INTO sign_ins VALUES (?, ?, ?)", self.account.number, chat, at)
        )
        return chat

    async def is_told(self, address: str) -> None:
        """An e-mail waits for this address, codes went to it and by the login; a notice is out."""
        outbox, now, key = Outbox(self.vault), self.clock(), self.vault.key("email", address)
        mine = f"account:{self.account.number}".encode()
        body = {"to": address, "subject": "s", "text": "t", "code": False}
        await self.database.run(outbox.add(mine, EMAIL, body, now))
        for subject in (key, login_key(self.vault, "m.dupont")):
            await self.database.run(count("code.email", subject, now))
            await self.database.run(
                run(
                    "INSERT INTO codes (chat, phone_key, salt, hash, real, tries_left,"
                    " old_pardons, sent_at, expires_at) VALUES (?, ?, ?, ?, 1, 1, 1, 0, 0)",
                    *(b"c", subject, b"", b""),
                )
            )
        until = stamp(now + 30 * DAY)
        await self.database.run(
            run("INSERT INTO notices VALUES (?, ?, ?)", b"n", self.account.number, until)
        )


@asynccontextmanager
async def met(place: Place, **columns: Any) -> AsyncIterator[Here]:
    """Marie has an account; `columns` of it are set."""
    clock = Clock()
    async with open_storage(test_settings(place)) as (database, vault):
        await family().fills(database, vault, clock)
        accounts = Accounts(vault)
        life = Life(vault, Policy(), accounts)
        [(guardian, pupil)] = await database.run(
            every("SELECT guardian, pupil FROM links ORDER BY guardian LIMIT 1")
        )
        wanted = OpenAccount((guardian,), (pupil,), "Dupont", "Marie", MARIE, "digest")
        await database.run(accounts.open(wanted, b"chat", clock()))
        for name, value in columns.items():
            await database.run(run(f"UPDATE accounts SET {name} = ?", value))
        account = await database.run(accounts.read("m.dupont"))
        assert account is not None
        yield Here(database, vault, accounts, life, clock, account)


@pytest.fixture
async def here(place: Place) -> AsyncIterator[Here]:
    async with met(place) as opened:
        yield opened


async def opens_again(here: Here) -> str:
    """The same person activates once more."""
    wanted = OpenAccount(
        here.account.guardians, here.account.pupils, "Dupont", "Marie", MARIE, "digest"
    )
    answer = await here.database.run(here.accounts.open(wanted, b"chat", here.clock()))
    return str(answer.identifier)


async def test_an_account_is_erased_with_all_that_hangs_on_it(here: Here) -> None:
    acting = Acting(b"chat", here.clock())
    await here.database.run(here.life.change_email("m.dupont", MAIL, acting))
    await here.is_told(MAIL)
    await here.signs_in("other")
    register = [await here.number(name) for name in ("guardians", "pupils", "links")]
    work = erase_account(here.vault, here.account.number, PARENT, here.clock())
    assert await here.database.run(work) is None, "it is in no outside service"
    for table in ("accounts", "account_guardians", "account_pupils", "sign_ins", "notices"):
        assert await here.number(table) == 0, table
    assert await here.all("SELECT id FROM outbox WHERE kind = ?", EMAIL) == []
    assert await here.number("codes") == 0
    assert await here.number("tallies") == 0
    assert [await here.number(name) for name in ("guardians", "pupils", "links")] == register
    assert await here.all("SELECT 1 FROM guardians WHERE reserved IS NOT NULL") == []
    [(actor, subject)] = await here.all(
        "SELECT actor, subject FROM audit WHERE action = 'account_erased'"
    )
    assert (actor, subject) == ("parent", here.vault.key("account", "m.dupont"))


async def test_its_identifier_stays_taken(here: Here) -> None:
    await here.database.run(erase_account(here.vault, here.account.number, PARENT, here.clock()))
    assert await opens_again(here) == "m.dupont2"


async def test_an_account_that_is_not_there_is_erased_already(here: Here) -> None:
    for _ in range(2):
        await here.database.run(
            erase_account(here.vault, here.account.number, PARENT, here.clock())
        )
    assert await here.all("SELECT count(*) FROM audit WHERE action = 'account_erased'") == [(1,)]


async def test_the_outside_service_is_asked_to_remove_it(place: Place) -> None:
    async with met(place, account_key=b"k" * 16, told=b"t") as here:
        names = {"identifier": "m.dupont", "last": "Dupont", "first": "Marie"}
        await here.reseals({**names, "phone": MARIE, "there": "id-there"})
        outbox = Outbox(here.vault)
        await here.database.run(outbox.add(b"k" * 16, ACCOUNT, {"do": "change"}, here.clock()))
        work = erase_account(here.vault, here.account.number, PARENT, here.clock())
        assert await here.database.run(work) == b"k" * 16
        parcel = await here.database.run(outbox.head(b"k" * 16, ACCOUNT))
        assert parcel is not None
        assert parcel.body == {"do": "remove", "there": "id-there"}, "and nothing before it"


# ---- closed ----------------------------------------------------------------------------------


async def closes(here: Here) -> None:
    acting = Acting(b"chat", here.clock())
    await here.database.run(here.life.close("m.dupont", acting))


async def test_a_closed_account_is_erased_when_its_time_is_over(here: Here) -> None:
    await closes(here)
    here.clock.passes(days=30, seconds=-1)
    assert (await purges(here))["accounts"] == 0
    assert await here.number("accounts") == 1
    here.clock.passes(seconds=1)
    assert (await purges(here))["accounts"] == 1
    assert await here.number("accounts") == 0
    [(actor,)] = await here.all("SELECT actor FROM audit WHERE action = 'account_erased'")
    assert actor == "sesame"
    [(facts,)] = await here.all("SELECT facts FROM audit WHERE action = 'purged'")
    assert json.loads(facts)["accounts"] == 1
    assert await opens_again(here) == "m.dupont2"


async def test_its_letters_go_with_it(here: Here) -> None:
    [guardian] = here.account.guardians
    door, until = Letters(here.vault), here.clock() + 90 * DAY
    await here.database.run(door.write_for([guardian], until, here.clock()))
    await closes(here)
    here.clock.passes(days=30)
    await purges(here)
    assert await here.number("letters") == 0


async def purges(here: Here) -> dict[str, int]:
    return await purge(here.database, here.vault, Retention(), "sesame", here.clock())


async def test_one_that_was_opened_again_stays(here: Here) -> None:
    await closes(here)
    here.clock.passes(days=29)
    await here.database.run(here.life.reopen("m.dupont", Acting(b"chat", here.clock())))
    here.clock.passes(days=300)
    assert (await purges(here))["accounts"] == 0
    assert await here.number("accounts") == 1


async def test_one_that_is_frozen_waits_for_the_school(here: Here) -> None:
    await closes(here)
    await here.database.run(here.life.freeze("m.dupont", "notice", Acting(b"x", here.clock())))
    here.clock.passes(days=31)
    assert not await here.database.run(erase_closed(here.vault, "sesame", here.clock()))
    await here.database.run(run("UPDATE accounts SET frozen_at = NULL"))
    assert await here.database.run(erase_closed(here.vault, "sesame", here.clock()))
    assert await here.number("accounts") == 0


# ---- what is kept where an account is open ---------------------------------------------------


async def test_a_conversation_in_which_an_account_is_open_is_kept(here: Here) -> None:
    """Its parent is told there of what happens to it; its answers are erased as all others."""
    chat = await here.signs_in("marie")
    here.clock.passes(days=90)
    assert (await purges(here))["chats"] == 0
    await here.database.run(run("DELETE FROM sign_ins WHERE chat = ?", chat))
    assert (await purges(here))["chats"] == 1


async def test_an_account_is_open_nowhere_where_there_is_no_conversation(here: Here) -> None:
    await here.signs_in("marie")
    await here.database.run(run("DELETE FROM chats"))
    here.clock.passes(days=2)
    assert (await purges(here))["sign_ins"] == 2
    assert await here.number("sign_ins") == 0


# ---- a person --------------------------------------------------------------------------------


async def leaves(here: Here, phone: str = "", identifier: str = "") -> int:
    """`sesame erase`; how many conversations went."""
    who = await here.database.run(people(here.vault, phone, identifier))
    [person] = who
    chats = await here.database.run(conversations_of(here.vault, [person], person.phones))
    gone = await here.database.run(
        erase(here.vault, person, chats, "operator:ann", "letter", here.clock())
    )
    assert gone.accounts == 1
    await here.database.forget_deleted()
    return gone.conversations


async def test_a_person_is_found_by_the_accounts_own_number(here: Here) -> None:
    """Which the school does not have; and by the one before."""
    acting = Acting(b"chat", here.clock())
    await here.database.run(here.life.change_phone("m.dupont", NEW, acting))
    for phone in (NEW, MARIE):
        [person] = await here.database.run(people(here.vault, phone))
        assert (person.first, person.identifiers) == ("Marie", {"m.dupont"})
        assert {NEW, MARIE} <= person.phones
    assert await here.database.run(people(here.vault, PAUL))
    [paul] = await here.database.run(people(here.vault, PAUL))
    assert paul.identifiers == set()


async def test_a_person_leaves_nothing_behind(here: Here, place: Place) -> None:
    acting = Acting(b"chat", here.clock())
    await here.database.run(here.life.change_email("m.dupont", MAIL, acting))
    await here.database.run(here.life.change_phone("m.dupont", NEW, acting))
    await here.is_told(MAIL)
    chat = await here.signs_in("silent for a long time")
    outbox, now = Outbox(here.vault), here.clock()
    [guardian] = here.account.guardians
    letter = "2345ABCD6789"
    await here.database.run(
        run(
            "INSERT INTO letters VALUES (?, ?, NULL, ?)",
            *(here.vault.key("letter", letter), guardian, stamp(now + DAY)),
        )
    )
    notice = {"to": NEW, "text": "Léa: NON ABCD-EFGH-2345"}
    await here.database.run(outbox.add(f"notice:{guardian}".encode(), SMS, notice, now))
    mail = {"to": MAIL, "subject": "s", "text": "123456", "code": True}
    await here.database.run(outbox.add(chat, EMAIL, mail, now, now + DAY))
    sealed = [
        value
        for query in ("SELECT sealed FROM accounts", "SELECT body FROM outbox WHERE body <> ''")
        for (value,) in await here.all(query)
    ]
    assert await leaves(here, NEW) == 1
    for table in ("accounts", "sign_ins", "letters", "notices", "chats", "codes"):
        assert await here.number(table) == 0, table
    assert await here.all("SELECT id FROM outbox WHERE body IS NOT NULL") == []
    if isinstance(place, Path):
        assert [value for value in sealed if value in files(place.parent)] == []
        hidden = (MAIL, letter, NEW[1:], "m.dupont", "ABCD-EFGH-2345")
        assert found(hidden, files(place.parent)) == []


async def test_the_other_guardian_stays(here: Here) -> None:
    paul = here.account.guardians[0] + 1
    now = here.clock()
    outbox = Outbox(here.vault)
    body = {"to": PAUL, "text": "…"}
    await here.database.run(outbox.add(f"notice:{paul}".encode(), SMS, body, now))
    await leaves(here, identifier="m.dupont")
    [(status,)] = await here.all("SELECT status FROM outbox WHERE kind = 'sms'")
    assert status == "waiting"
    assert await here.number("guardians") == 1
