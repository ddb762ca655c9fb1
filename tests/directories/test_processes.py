"""Two processes on one PostgreSQL, and one account service: they share the work, and open once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.operators import erase_person
from flows.states import S
from storage.database import every
from tests.conversations.roads import ROADS, everybody
from tests.directories.conftest import Service, until_met
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreBot, CoreParent, Phone, test_settings
from tests.helpers.postgres import Postgres

Two = tuple[Dialogue[CoreParent], CoreBot]


@pytest.fixture
async def two(service: Service, postgres: Postgres) -> AsyncIterator[Two]:
    """Marie at the first process, before her last press; and the other process."""
    url, clock, sms = postgres.with_school(everybody()), Clock(), Phone()
    settings = test_settings(url, accounts=service.url)
    first, other = CoreBot(settings, clock, sms), CoreBot(settings, clock, sms)
    await first.opens()
    await other.opens()
    marie = Dialogue(CoreParent(first, "marie", "fr"), "fr")
    other.parents = first.parents
    await marie.follows(*ROADS[S.RECAP])
    yield marie, other
    await first.closes()
    await other.closes()
    postgres.drop(url)


async def until_opened(bot: CoreBot) -> None:
    """The other process looks for work all the time."""
    for _ in range(300):
        await bot.service.delivery.look()
        found = await bot.service.doors.database.run(every("SELECT count(*) FROM accounts"))
        if found == [(1,)]:
            await bot.service.delivery.settle()
            return
        await asyncio.sleep(0.05)
    raise AssertionError("no account")


async def test_what_one_process_asks_for_the_other_does_not(two: Two, service: Service) -> None:
    marie, other = two
    service.proxy.will("slow", service.creates)
    await asyncio.gather(marie.presses("activate_now"), until_opened(other))
    marie.is_asked(S.DONE)
    assert service.proxy.met == ["slow"]
    assert set(await service.people()) == {"m.dupont"}
    assert await service.signs_in("m.dupont", PASSWORD)


async def test_a_process_that_dies_while_it_asks_is_followed_by_the_other(
    two: Two, service: Service
) -> None:
    marie, other = two
    service.proxy.will("slow", service.creates)
    pressing = asyncio.ensure_future(marie.presses("activate_now"))
    await until_met(service)
    await marie.parent.bot.closes()  # what it asked for takes effect when nobody listens any more
    pressing.cancel()
    await asyncio.gather(pressing, return_exceptions=True)
    await until_opened(other)
    marie.is_asked(S.DONE)
    assert set(await service.people()) == {"m.dupont"}
    assert await service.signs_in("m.dupont", PASSWORD)
    await marie.parent.bot.opens()


async def test_erase_is_done_by_whoever_is_there(
    two: Two, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    marie, other = two
    await marie.presses("activate_now")
    await marie.parent.bot.closes()
    await erase_person(other.settings, "m.dupont", "", "letter", sure=True, lang="en")
    assert "asked to remove 1 account" in capsys.readouterr().out
    await other.service.delivery.look()
    await other.service.delivery.settle()
    assert await service.people() == {}
    await marie.parent.bot.opens()
