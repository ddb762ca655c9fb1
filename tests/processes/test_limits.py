"""Limits that all processes share: many ask at the same moment, and no more than may get it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date

import pytest

from flows.inputs import BirthdateWrong, CodeOnItsWay
from flows.policy import DEFAULT
from flows.secret import Secret
from storage.accounts import Accounts
from storage.codes import Codes
from storage.database import Database, one
from storage.invitations import Invitations
from storage.place import connect
from storage.register import Register
from storage.vault import Vault, check_secret
from tests.helpers.clock import Clock
from tests.helpers.parent import SECRET
from tests.helpers.postgres import Postgres
from tests.helpers.school import a_school

PROCESSES, ASK = 3, 40
NOW = Clock().now


@dataclass
class Town:
    """The same database, as each of the processes has it."""

    databases: list[Database]
    vault: Vault

    def of(self, number: int) -> Database:
        """The process that the n-th one happens upon."""
        return self.databases[number % PROCESSES]


@pytest.fixture
async def town(postgres: Postgres) -> AsyncIterator[Town]:
    url = postgres.with_school(a_school())
    vault = Vault(Secret(SECRET))
    async with AsyncExitStack() as stack:
        databases = [await connect(url) for _ in range(PROCESSES)]
        for database in databases:
            stack.push_async_callback(database.close)
            await database.run(check_secret(vault))
        yield Town(databases, vault)


def chat(number: int) -> bytes:
    """A chat of its own."""
    return number.to_bytes(16, "big")


async def test_a_number_gets_no_more_codes_than_it_may(town: Town) -> None:
    codes = Codes(town.vault, DEFAULT)

    async def asks(number: int) -> str:
        answer, _, _ = await town.of(number).run(
            codes.request(chat(number), "+33612345678", "Dupont", "Marie", known=True, now=NOW)
        )
        return type(answer).__name__

    answers = Counter(await asyncio.gather(*map(asks, range(ASK))))
    allowed = min(limit for _, limit in DEFAULT.codes_per_number)
    assert answers[CodeOnItsWay.__name__] == allowed


async def test_a_child_s_date_is_judged_no_more_often_than_it_may(town: Town) -> None:
    register = Register(town.vault, DEFAULT, Accounts(town.vault))
    pupil = await town.of(0).run(one("SELECT min(id) FROM pupils"))
    assert pupil is not None

    async def guesses(number: int) -> int:
        answer = await town.of(number).run(
            register.check_birthdate(chat(number), pupil[0], date(2001, 1, 1), NOW)
        )
        assert isinstance(answer, BirthdateWrong)
        return answer.left

    await asyncio.gather(*map(guesses, range(ASK)))
    judged = await town.of(0).run(
        one("SELECT count(*) FROM tallies WHERE kind = 'birthdate.pupil'")
    )
    assert judged == (min(limit for _, limit in DEFAULT.birthdates_per_child),)


async def test_a_link_serves_one_chat(town: Town) -> None:
    """The one that was first; of those at the same moment, any."""
    invitations = Invitations(town.vault)
    guardian = await town.of(0).run(one("SELECT min(id) FROM guardians"))
    assert guardian is not None
    await town.of(0).run(invitations.keep(guardian[0], "the link", NOW.replace(year=2040)))

    async def follows(number: int) -> str:
        found = await town.of(number).run(invitations.look_up("the link", chat(number), NOW))
        return type(found).__name__

    answers = Counter(await asyncio.gather(*map(follows, range(ASK))))
    assert answers == {"Invited": 1, "NotInvited": ASK - 1}
