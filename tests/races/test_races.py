"""Whoever is first, there is one account, five tries and four SMS: a thousand times each."""

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.app import Service, open_storage, run_service
from bot.engine import Update
from storage.database import Work, every
from storage.place import Place, is_url
from storage.vault import Vault
from tests.conversations.conftest import tmp_path
from tests.helpers.invariants import check
from tests.helpers.parent import Phone, test_settings
from tests.helpers.school import School
from tests.races import runner
from tests.races.runner import (
    CHANNEL,
    GUESSES,
    NOW,
    PRESS,
    Nobody,
    Race,
    address,
    line_up,
    one_code,
)

__all__ = ["tmp_path"]

ROUNDS = 1_000
FEW = [10, pytest.param(1000, marks=pytest.mark.long)]
MARIE = School().knows("Marie DUPONT", "06 12 34 56 78", {"Léa DUPONT": "14/03/2014"})


def rounds_at(place: Place, rounds: int = ROUNDS) -> int:
    """A hundred on a server, where each statement goes to another process and back."""
    return rounds // 10 if is_url(place) else rounds


@asynccontextmanager
async def starter(place: Place) -> AsyncIterator[tuple[Service, Vault]]:
    """Who lines the racers up and judges."""
    settings = test_settings(place)
    await MARIE.fills_place(place, settings)
    async with (
        open_storage(settings) as (database, vault),
        run_service(
            settings, database, vault, {CHANNEL: Nobody()}, Phone(), lambda: NOW, lambda: "999999"
        ) as service,
    ):
        yield service, vault


async def judge(service: Service, chats: int, replies: int) -> None:
    """One account, one chat that opened it; the others know of it."""
    database = service.doors.database
    assert await database.run(every("SELECT count(*) FROM accounts")) == [(1,)]
    states = Counter(state for (state,) in await database.run(every("SELECT state FROM chats")))
    assert states == {"done": 1} | ({"already": chats - 1} if chats > 1 else {})
    said = await database.run(every("SELECT count(*) FROM outbox WHERE kind = 'reply'"))
    assert said == [(replies,)]


@pytest.mark.parametrize("chats", [1, 2, 8])
async def test_tasks(place: Place, chats: int) -> None:
    """One chat whose button is pressed twice, and several chats of one guardian."""
    async with starter(place) as (service, vault):
        for _ in range(rounds_at(place)):
            await service.doors.database.run(line_up(service, chats))
            sides = range(chats) if chats > 1 else (0, 0)
            presses = [Update(address(side), PRESS, f"{at}") for at, side in enumerate(sides)]
            await asyncio.gather(*map(service.engine.take, presses))
            await service.delivery.settle()
            await judge(service, chats, replies=chats)
        await check(service.doors.database, vault, sms=[])


class Course:
    """Real processes on one database, and the rounds that they run."""

    def __init__(self, race: Race, place: Place, sides: int, rounds: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.sides = sides
        self.barrier = spawn.Barrier(sides + 1)
        self.heard: Any = spawn.Queue()
        self.racers = [
            spawn.Process(
                target=runner.in_process,
                args=(race, place, side, rounds, self.barrier, self.heard),
            )
            for side in range(sides)
        ]

    def __enter__(self) -> "Course":
        for racer in self.racers:
            racer.start()
        return self

    def __exit__(self, *_: object) -> None:
        for racer in self.racers:
            racer.join(10)
            if racer.is_alive():
                racer.kill()
                racer.join()

    def round(self) -> Counter[str]:
        """Let all go at once; what they heard together."""
        self.barrier.wait(60)
        heard = sum((self.heard.get(timeout=60) for _ in range(self.sides)), Counter[str]())
        self.barrier.wait(60)
        return heard


def rounds_of(
    race: Race,
    place: Place,
    sides: int,
    rounds: int,
    before: Callable[[Service], Work[None]],
    judged: Callable[[Service, Counter[str]], Any],
) -> None:
    """Line up, race, judge; so many times. At the end the invariants are checked."""
    with asyncio.Runner() as loop:
        opened = starter(place)
        service, vault = loop.run(opened.__aenter__())
        try:
            with Course(race, place, sides, rounds) as course:
                for _ in range(rounds):
                    loop.run(service.doors.database.run(before(service)))
                    loop.run(judged(service, course.round()))
            loop.run(check(service.doors.database, vault, sms=[]))
        finally:
            loop.run(opened.__aexit__(None, None, None))


@pytest.mark.parametrize("sides", [2, 4])
def test_processes_activate_one_guardian(place: Place, sides: int) -> None:
    rounds_of(
        runner.activates,
        place,
        sides,
        rounds_at(place),
        lambda service: line_up(service, sides),
        lambda service, _: judge(service, sides, replies=sides),
    )


async def answered_once(service: Service) -> None:
    """The call for help was."""
    said = await service.doors.database.run(every("SELECT kind FROM outbox"))
    assert said == [("reply",)]


def test_the_same_update_in_two_processes(place: Place) -> None:
    """It is taken once."""
    rounds_of(
        runner.takes_the_same,
        place,
        2,
        rounds_at(place),
        lambda service: line_up(service, 1),
        lambda service, _: answered_once(service),
    )


def ready_to_guess(service: Service) -> Work[None]:
    """A chat with a code."""
    yield from line_up(service, 0)
    yield from one_code(service)


async def expect(heard: Counter[str], **expected: int) -> None:
    """Exactly that was heard."""
    assert heard == expected


@pytest.mark.parametrize("rounds", FEW)
def test_guesses_of_eight_processes_on_one_code(place: Place, rounds: int) -> None:
    """Five are looked at, whoever guesses (T3)."""
    rounds_of(
        runner.guesses,
        place,
        8,
        rounds,
        ready_to_guess,
        lambda _, heard: expect(heard, CodeWrong=5, CodeCancelled=8 * GUESSES - 5),
    )


@pytest.mark.parametrize("rounds", FEW)
def test_the_right_code_at_once_from_four_processes(place: Place, rounds: int) -> None:
    """It is right once (T4)."""
    rounds_of(
        runner.knows_the_code,
        place,
        4,
        rounds,
        ready_to_guess,
        lambda _, heard: expect(heard, CodeRight=1, CodeCancelled=4 * GUESSES - 1),
    )


@pytest.mark.parametrize("rounds", FEW)
def test_codes_for_one_number_from_four_processes(place: Place, rounds: int) -> None:
    """The number's budget is exact (T2, I7): one in a minute."""
    rounds_of(
        runner.requests,
        place,
        4,
        rounds,
        lambda service: line_up(service, 0),
        lambda _, heard: expect(heard, CodeOnItsWay=1, CodeBudgetSpent=4 * GUESSES - 1),
    )
