"""Somebody who guesses codes: over many chats, many numbers, many processes (RELIABILITY T3).

The bound is the number of SMS: 15 codes for a number in 30 days and 5 tries for each are 75 guesses
in a million, and the victim sees 15 SMS.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from math import sqrt
from pathlib import Path
from random import Random

import pytest

from flows.inputs import CodeCancelled, CodeOnItsWay, CodeRight, CodeWrong
from flows.policy import DAY, DEFAULT, HOUR, MINUTE
from flows.secret import Secret
from storage.codes import Codes, eight_digits, six_digits
from storage.database import Database, one
from storage.place import open_database
from storage.vault import Vault
from tests.helpers.clock import Clock
from tests.helpers.parent import SECRET

NOW = Clock().now
VICTIM = "+33612345678"
IN_THE_WAY = replace(  # of many victims at once; each number's own limits stay
    DEFAULT,
    codes_per_day=1_000_000,
    codes_in_all=((MINUTE, 1_000_000),),
    conversion_warning_percent=0,
    conversion_pause_percent=0,
)


class Attacker:
    """Asks for codes and guesses, in any chat that they like."""

    def __init__(self, database: Database, make: Callable[[], str]) -> None:
        self.database = database
        self.codes = Codes(Vault(Secret(SECRET)), IN_THE_WAY, make)
        self.sent: list[datetime] = []  # the SMS that the victim got

    async def asks(self, chat: str, phone: str, now: datetime) -> bool:
        """Ask for a code; whether one is on its way."""
        work = self.codes.request(chat.encode(), phone, "Dupont", "Marie", True, now)
        answer, _, sends = await self.database.run(work)
        if sends:
            self.sent.append(now)
        return isinstance(answer, CodeOnItsWay)

    async def guesses(self, chat: str, phone: str, guess: str, now: datetime) -> object:
        """Type a code."""
        return await self.database.run(self.codes.check(chat.encode(), phone, Secret(guess), now))

    async def evaluated(self) -> int:
        """How many guesses were compared with a code, as the database counts them."""
        row = await self.database.run(
            one("SELECT sum(5 - tries_left) + sum(status = 'used') FROM codes")
        )
        assert row
        return int(row[0])


@asynccontextmanager
async def attacker(path: Path, make: Callable[[], str]) -> AsyncIterator[Attacker]:
    async with open_database(path) as database:
        yield Attacker(database, make)


async def test_eight_bots_guess_one_code_at_once(tmp_path: Path) -> None:
    """Eight connections, two hundred guesses each: exactly five are compared."""
    path = tmp_path / "race.sqlite3"
    async with AsyncExitStack() as stack:
        bots = [await stack.enter_async_context(attacker(path, lambda: "999999")) for _ in range(8)]
        assert await bots[0].asks("chat", VICTIM, NOW)
        answers = await asyncio.gather(
            *(
                bot.guesses("chat", VICTIM, f"{number:06d}", NOW)
                for number in range(200)
                for bot in bots
            )
        )
        assert Counter(map(type, answers)) == {CodeWrong: 5, CodeCancelled: 1595}
        assert sorted(a.left for a in answers if isinstance(a, CodeWrong)) == [0, 1, 2, 3, 4]
        assert await bots[7].evaluated() == 5
        assert await bots[7].guesses("chat", VICTIM, "999999", NOW) == CodeCancelled()


async def test_one_number_from_a_thousand_chats_for_two_months(tmp_path: Path) -> None:
    """Every half hour from a fresh chat, and all five guesses at each code."""
    async with attacker(tmp_path / "one.sqlite3", lambda: "999999") as mallory:
        for turn in range(2 * 24 * 60):
            now, chat = NOW + turn * HOUR / 2, f"chat {turn % 1000}"
            if await mallory.asks(chat, VICTIM, now):
                for guess in range(7):
                    await mallory.guesses(chat, VICTIM, f"{guess:06d}", now)
        evaluated = await mallory.evaluated()
    most = max(
        sum(begin <= other < begin + 30 * DAY for other in mallory.sent) for begin in mallory.sent
    )
    assert most == 15
    assert evaluated == 5 * len(mallory.sent) <= 2 * 75
    for length, limit in ((MINUTE, 1), (HOUR, 4), (DAY, 5)):
        for begin in mallory.sent:
            assert sum(begin <= other < begin + length for other in mallory.sent) <= limit


async def test_many_numbers_from_many_chats(tmp_path: Path) -> None:
    """Success is what was compared, divided by the codes that there are: nothing helps.

    Codes of two digits, padded, so that there is a success to count; the dice are loaded the same
    way each time.
    """
    dice = Random(20261123)
    won, asked = 0, 0
    async with attacker(tmp_path / "many.sqlite3", lambda: f"{dice.randrange(100):06d}") as mallory:
        for victim in range(200):
            phone = f"+336{victim:04d}0000"
            for turn in range(8):  # the fifth of a day is the last
                now, chat = NOW + turn * 20 * MINUTE, f"chat {victim} {turn}"
                if not await mallory.asks(chat, phone, now):
                    continue
                asked += 1
                for guess in dice.sample(range(100), 8):  # never the same twice
                    answer = await mallory.guesses(chat, phone, f"{guess:06d}", now)
                    won += answer == CodeRight()
        evaluated = await mallory.evaluated()
    assert asked == 200 * 5
    assert evaluated <= 5 * asked
    expected = evaluated / 100
    assert abs(won - expected) < 3 * sqrt(expected)


@pytest.mark.parametrize(("make", "digits"), [(six_digits, 6), (eight_digits, 8)])
def test_no_code_is_likelier_than_another(make: Callable[[], str], digits: int) -> None:
    """100,000 codes: each digit at each place as often, within five standard deviations."""
    codes = [make() for _ in range(100_000)]
    assert all(len(code) == digits for code in codes)
    for place in range(digits):
        seen = Counter(code[place] for code in codes)
        assert sorted(seen) == list("0123456789")
        assert all(abs(count - 10_000) < 5 * sqrt(9_000) for count in seen.values())
    assert len({code[:6] for code in codes}) > 94_000  # 95,163 of a million are expected


async def test_what_is_not_a_code_is_not_compared(tmp_path: Path) -> None:
    """An hour of waiting brings no try back, nor does another chat have a try at this code."""
    async with attacker(tmp_path / "more.sqlite3", lambda: "999999") as mallory:
        assert await mallory.asks("mine", VICTIM, NOW)
        for left in (4, 3, 2, 1, 0):
            later = NOW + timedelta(minutes=5 * (4 - left))
            answer = await mallory.guesses("mine", VICTIM, "111111", later)
            assert answer == CodeWrong(left)
        for chat, phone in (("mine", VICTIM), ("other", VICTIM), ("mine", "+33698765432")):
            answer = await mallory.guesses(chat, phone, "999999", NOW + 29 * MINUTE)
            assert answer == CodeCancelled()
        assert await mallory.evaluated() == 5
