"""Somebody who earns from SMS, or wants a school to pay for them (RELIABILITY T2, I7, I8)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from random import Random

import pytest

from flows.inputs import SharedContact
from flows.policy import DAY, DEFAULT, HOUR, MINUTE
from flows.secret import Secret
from flows.states import S
from storage.codes import Codes
from storage.database import Database, Work, run
from storage.place import open_database
from storage.vault import Vault
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import everybody
from tests.helpers.clock import Clock
from tests.helpers.parent import SECRET
from tests.helpers.school import School

NOW = Clock().now
SECOND = timedelta(seconds=1)

REFUSED = {
    "premium": "+33899123456",
    "premium abroad": "+19005551234",
    "shared cost": "+33820123456",
    "free": "+33800123456",
    "between machines": "+33700123456",
    "box": "+33912345678",
    "satellite, Inmarsat": "+870776001234",
    "satellite, Iridium": "+881631234567",
    "worldwide": "+88213123456",
    "worldwide premium": "+979123456789",
    "anonymous, bought": "+88812345678",
    "landline": "+33142685300",
    "landline overseas": "+262262123456",
    "landline abroad": "+3222345678",
    "short": "+33112",
    "too short": "+3361234567",
    "too long": "+336123456789",
    "no such mobile": "+33600000000000",
    "no such country": "+999612345678",
}
"""What no SMS may ever go to, even where the school's register has it as somebody's mobile."""

MISWRITTEN = ("+330612345678", "+33 6 12 34 56 78", "0612345678", "")
"""Nor to what is not written as a sender wants it."""


def _register(vault: Vault, phones: list[str], others: int) -> Work[None]:
    """A guardian for each number, and others who have none."""
    people = len(phones) + others
    yield from run("INSERT INTO schools VALUES ('0750001U', 'plain', '', '', 0, ?)", people)
    for phone in chain(phones, [""] * others):
        [[guardian]] = yield from run(
            "INSERT INTO guardians (uai, source_key, name_key, digest, sealed)"
            " VALUES ('0750001U', x'00', x'00', x'00', x'00') RETURNING id"
        )
        if phone:
            key = vault.key("phone", phone)
            yield from run("INSERT INTO guardian_phones VALUES (?, ?)", key, guardian)


class Pump:
    """Asks for codes as fast as it can."""

    def __init__(self, database: Database) -> None:
        self.vault = Vault(Secret(SECRET))
        self.database = database
        self.codes = Codes(self.vault, DEFAULT)
        self.sent: list[tuple[datetime, str, str]] = []  # when, which chat, which number

    async def asks(self, chat: str, phone: str, now: datetime) -> None:
        """Ask for a code; what is really sent is noted."""
        work = self.codes.request(chat.encode(), phone, "Dupont", "Marie", True, now)
        _, _, sends = await self.database.run(work)
        if sends:
            self.sent.append((now, chat, phone))

    def most(self, length: timedelta, of: str = "all") -> int:
        """The most SMS in any such window, for one chat, number or prefix."""
        groups: dict[str, list[datetime]] = {}
        for now, chat, phone in self.sent:
            group = {"all": "", "chat": chat, "number": phone, "prefix": phone[:-4]}[of]
            groups.setdefault(group, []).append(now)
        return max(
            sum(begin <= moment < begin + length for moment in moments)
            for moments in groups.values()
            for begin in set(moments)
        )


def _hammering(moments: int) -> Iterator[datetime]:
    """A storm in the first half hour, then all day long."""
    for minute in range(30):
        for _ in range(75):
            yield NOW + minute * MINUTE
    for turn in range(moments):
        yield NOW + HOUR / 2 + turn * (DAY - HOUR / 2 - SECOND) / moments


@pytest.mark.parametrize("moments", [2_000, pytest.param(200_000, marks=pytest.mark.long)], ids=str)
async def test_a_thousand_chats_and_a_thousand_numbers_for_a_day(
    tmp_path: Path, moments: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Each budget is reached, none is passed; and nothing goes where nothing may go."""
    dice = Random(2)
    mobiles = [f"+336{10 + number // 15:03d}{number % 15:04d}5"[:12] for number in range(1000)]
    phones = [*mobiles, *REFUSED.values(), *MISWRITTEN]
    async with open_database(tmp_path / "pump.sqlite3") as database:
        pump = Pump(database)
        await database.run(_register(pump.vault, phones, others=12_000 - len(phones)))
        for now in _hammering(moments):
            await pump.asks(f"chat {dice.randrange(1000)}", dice.choice(phones), now)
    assert pump.most(DAY) == len(pump.sent) == 1200  # a tenth of 12,000 guardians
    assert pump.most(HOUR) == 1000
    assert pump.most(MINUTE) == 60
    assert pump.most(HOUR, "prefix") == 20
    assert pump.most(DAY, "number") <= 5
    assert pump.most(MINUTE, "number") == 1
    assert pump.most(DAY, "chat") == 5
    assert {phone for _, _, phone in pump.sent} <= set(mobiles)
    assert "sms_budget_high percent=50" in caplog.messages
    assert "codes_not_coming_back percent=0" in caplog.messages


async def test_premium_numbers_abroad_that_look_like_mobiles(tmp_path: Path) -> None:
    """A country from which no code comes back gets a hundred SMS, and then none for a day."""
    async with open_database(tmp_path / "pump.sqlite3") as database:
        pump = Pump(database)
        phones = [f"+3247{number:03d}0000" for number in range(1000)]
        await database.run(_register(pump.vault, phones, others=3000))
        for number, phone in enumerate(phones):
            await pump.asks(f"chat {number}", phone, NOW + number * MINUTE)
        while_watched = [now for now, _, _ in pump.sent]
        assert len(while_watched) == 129  # a hundred whose half hour is over, and those since
        for number, phone in enumerate(phones):
            await pump.asks(f"other {number}", phone, NOW + DAY + number * SECOND)
        assert len(pump.sent) == 129  # the pause of a day began two hours later


@pytest.mark.parametrize("phone", REFUSED.values(), ids=REFUSED)
async def test_what_the_register_holds_by_mistake_gets_nothing(
    meet_core: MeetCore, phone: str
) -> None:
    """Shared or typed, whatever the school wrote down."""
    parent = await meet_core(everybody().knows("Paul NOIR", phone, {"Ana NOIR": "20/10/2015"}))
    await parent.follows("(comes)", "[parent]", "[activate]", "Noir", "Paul")
    await parent.parent.does(SharedContact(phone, own=True))
    parent.is_asked(S.PHONE)
    await parent.follows(phone)
    parent.is_asked(S.PHONE)
    await parent.follows("[yes]" if parent.offers("yes") else "oui")
    assert parent.sms.received == []


async def test_numbers_sprayed_from_one_chat(meet_core: MeetCore) -> None:
    """In five days ten different numbers, known or not, and fifteen codes in all."""
    parent = await meet_core(_ten_families())
    await parent.follows("(comes)", "[parent]", "[activate]", "Dupont", "Marie")
    tried = []
    for turn in range(40):
        await parent.follows(_mobile(turn % 20), "[yes]")
        if parent.offers("nothing_arrives"):
            tried.append(turn % 20)
        await parent.follows("[back]" if parent.offers("nothing_arrives") else "[fix_phone]")
        await parent.follows("(wait 3h)")
    assert len(set(tried)) == 10
    assert len(tried) == 15
    assert len(parent.sms.received) == sum(number < 10 for number in tried)


def _mobile(number: int) -> str:
    return f"+33 6 {number:02d} 22 33 44"


def _ten_families() -> School:
    school = School()
    for number in range(10):
        school.knows(f"Marie{'abcdefghij'[number]} DUPONT", _mobile(number), {"Léa DUPONT": ""})
    return school


async def test_consecutive_numbers_sprayed_from_many_chats(tmp_path: Path) -> None:
    """Twenty an hour of those that differ in the last four digits, known or not."""
    async with open_database(tmp_path / "spray.sqlite3") as database:
        pump = Pump(database)
        phones = [f"+3361234{number:04d}" for number in range(1000)]
        await database.run(_register(pump.vault, phones, others=0))
        for number, phone in enumerate(phones):
            await pump.asks(f"chat {number}", phone, NOW + number * 6 * SECOND)
    assert len(pump.sent) == 40  # in an hour and forty minutes
    assert pump.most(HOUR) == 20
