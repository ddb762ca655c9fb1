"""Somebody who has a code that is not theirs, or not any more (RELIABILITY T4, I5)."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.secret import Secret
from flows.states import S
from storage.database import every
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import CODE_OF_MARIE, MARIE
from tests.helpers.dialogue import PASSWORD, Dialogue

AGAIN = ("[parent]", "[activate]", *MARIE)
SOPHIE = ("(comes)", "[parent]", "[activate]", "Martin", "Sophie", "06 98 76 54 32", "[yes]")


def numbered() -> Callable[[], str]:
    """Codes that differ: 100001, 100002…"""
    codes: Iterator[str] = (f"{number:06d}" for number in range(100_001, 200_000))
    return lambda: next(codes)


@dataclass(frozen=True)
class Try:
    """What is done between the first code and typing it, and what is heard then."""

    between: tuple[str, ...]
    heard: str
    state: S = S.CODE


TABLE = {
    "at once": Try((), "code.right", S.PASSWORD),
    "29:59": Try(("(wait 1799s)",), "code.right", S.PASSWORD),
    "30:00": Try(("(wait 1800s)",), "code.expired"),
    "a day later": Try(("(wait 23h)",), "code.expired"),
    "after another": Try(("(wait 1m)", "[resend]"), "code.old"),
    "after another, at its end": Try(("(wait 1m)", "[resend]", "(wait 1799s)"), "code.old"),
    "after two others": Try(("(wait 1m)", "[resend]", "(wait 2m)", "[resend]"), "code.old"),
    "after a restart": Try(("(restart)",), "code.right", S.PASSWORD),
    "after a restart, too late": Try(("(wait 29m)", "(restart)", "(wait 1m)"), "code.expired"),
    "after five wrong ones": Try(("111111", "111112", "111113", "111114", "111115"), "code.burnt"),
    "after the fifth in another life": Try(
        ("111111", "111112", "111113", "111114", "(restart)", "111115"), "code.burnt"
    ),
    "used": Try(
        ("100001", "/start", "[restart]", *AGAIN, "(wait 1m)", "[yes]"), "code.old", S.CODE
    ),
    "after going back": Try(("[back]", MARIE[2], "(wait 1m)", "[yes]"), "code.old"),
    "after a stop": Try(
        ("/annuler", "[stop]", "(comes)", *AGAIN, "(wait 1m)", "[yes]"), "code.old"
    ),
    "after erasing": Try(
        ("/effacer", "[erase_all]", "(comes)", *AGAIN, "(wait 1m)", "[yes]"), "code.old"
    ),
    "for another number": Try(("[back]", "06 98 76 54 32", "[yes]"), "code.wrong"),
    "for another number, and back again": Try(
        ("[back]", "06 98 76 54 32", "[yes]", "[back]", MARIE[2], "(wait 1m)", "[yes]"), "code.old"
    ),
    "for a number that nobody knows": Try(("[back]", "07 51 11 22 33", "[yes]"), "code.wrong"),
    "under another name": Try(
        ("[back]", "[back]", "[back]", "Durand", "Marie", "(wait 1m)", "[yes]"), "code.old"
    ),
}


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE)
async def test_the_first_code(meet_core: MeetCore, case: Try) -> None:
    parent = await meet_core(make_code=numbered())
    await parent.follows(*CODE_OF_MARIE, *case.between, "100001")
    parent.hears(case.heard)
    parent.is_asked(case.state)
    if case.heard != "code.right":  # and it stays so, whatever is tried
        for _ in range(3):
            await parent.follows("100001")
            parent.does_not_hear("code.right")


NO_QUESTION = {
    "after going back": ("[back]",),
    "after a stop": ("/annuler", "[stop]"),
    "after erasing": ("/effacer", "[erase_all]"),
    "after starting again": ("/start", "[restart]"),
    "after a day of silence": ("(wait 1d)",),
    "where a name is asked": ("[back]", "[back]", "[back]"),
}


@pytest.mark.parametrize("between", NO_QUESTION.values(), ids=NO_QUESTION)
async def test_a_code_where_none_is_asked(meet_core: MeetCore, between: tuple[str, ...]) -> None:
    parent = await meet_core(make_code=numbered())
    await parent.follows(*CODE_OF_MARIE, *between, "100001", "100001")
    parent.does_not_hear("code.right", "password.ask", "code.wrong")
    work = every("SELECT count(*) FROM codes WHERE status = 'used'")
    assert await parent.parent.service.doors.database.run(work) == [(0,)]


async def test_the_code_of_another_chat(meet_core: MeetCore) -> None:
    """The same number, the same name, the same minute: it is a code for one conversation."""
    marie = await meet_core(make_code=numbered())
    eve = Dialogue(marie.parent.beside("eve"), "fr")
    await marie.follows(*CODE_OF_MARIE)
    await eve.follows(*CODE_OF_MARIE[:-1], "(wait 1m)", "[yes]", "100001")
    eve.hears("code.wrong", n=4)
    await marie.follows("100002")
    marie.hears("code.wrong", n=4)
    await marie.follows("100001")
    marie.hears("code.right")


async def test_the_code_of_another_person(meet_core: MeetCore) -> None:
    """Who has a phone and its code proves that phone alone."""
    sophie = await meet_core(make_code=numbered())
    await sophie.follows(*SOPHIE)
    eve = Dialogue(sophie.parent.beside("eve"), "fr")
    await eve.follows(*CODE_OF_MARIE)
    await eve.follows("100001")  # Sophie's
    eve.hears("code.wrong", n=4)
    await sophie.follows("100001")
    sophie.hears("code.right")


async def test_a_proof_is_not_for_later(meet_core: MeetCore) -> None:
    """A code proves for half an hour (RELIABILITY 5); then another one must come back."""
    for wait, key in (("1800s", "password_again.ask"), ("1801s", "password.prove_again")):
        parent = await meet_core(make_code=numbered())
        await parent.follows(*CODE_OF_MARIE, "100001", f"(wait {wait})", PASSWORD)
        parent.hears(key)
        await parent.parent.bot.closes()
        Path(parent.parent.settings.database).unlink()


async def test_a_thousand_right_answers_at_once(meet_core: MeetCore) -> None:
    """One success; the others find a code that is used."""
    parent = await meet_core(make_code=numbered())
    await parent.follows(*CODE_OF_MARIE)
    doors, now = parent.parent.service.doors, parent.clock.now
    key = doors.conversations.key(parent.parent.address)
    answers = await asyncio.gather(
        *(
            doors.database.run(doors.codes.check(key, "+33612345678", Secret("100001"), now))
            for _ in range(1000)
        )
    )
    names = [type(answer).__name__ for answer in answers]
    assert names.count("CodeRight") == 1
    assert names.count("CodeCancelled") == 999
