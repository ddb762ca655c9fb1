"""A letter of the school stands in for the number that its register does not have."""

import re
from datetime import timedelta

import pytest

from flows.states import S
from storage.database import every
from storage.letters import Letters
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import MARIE
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent
from tests.helpers.school import School, a_school

ANY_PHONE = "07 51 99 88 77"


def school() -> School:
    """Paul has no mobile in the register."""
    return a_school().knows(
        "Paul MOREAU", "", {"Ana MOREAU": "02/02/2013", "Luc MOREAU": "03/03/2016"}
    )


async def letters(parent: Dialogue[CoreParent], days: int = 90) -> dict[str, str]:
    """The codes of the letters that the school prints, by first name."""
    service = parent.parent.service
    now = service.now()
    made, _ = await service.doors.database.run(
        Letters(service.doors.accounts.vault).write("", 0, now + timedelta(days=days), now, True)
    )
    return {letter.first: letter.code for letter in made}


async def test_paul_activates_by_letter(meet_core: MeetCore, lang: str) -> None:
    paul = await meet_core(school(), lang=lang)
    code = (await letters(paul))["Paul"]
    await paul.follows("(comes)", "[parent]", "[letter]")
    paul.is_asked(S.LETTER)
    await paul.does(f"{code[:4].lower()} {code[4:8]}-{code[8:]}")
    paul.is_asked(S.INVITED, first="Paul", last="MOREAU")
    await paul.does("[yes]")
    await paul.follows(ANY_PHONE, "[yes]")
    assert paul.sms.received[-1][0] == "+33751998877"
    await paul.follows("(code)", PASSWORD, PASSWORD, "oui 02/02/2013", "oui 03/03/2016")
    await paul.does("[activate_now]")
    paul.is_asked(S.DONE, identifier="p.moreau")


async def test_the_qr_code_is_a_link(meet_core: MeetCore) -> None:
    paul = await meet_core(school())
    await paul.parent.comes_by_link((await letters(paul))["Paul"])
    paul.hears("welcome")
    paul.is_asked(S.INVITED, first="Paul")


@pytest.mark.parametrize("second", [("[no]", "[yes]"), ("[yes]", *["04/03/2016"] * 3)])
async def test_all_birthdates_are_required(meet_core: MeetCore, second: tuple[str, ...]) -> None:
    """Neither "not mine" nor three wrong dates get round one."""
    paul = await meet_core(school())
    code = (await letters(paul))["Paul"]
    await paul.follows("(comes)", "[parent]", "[letter]", code, "[yes]", ANY_PHONE, "[yes]")
    await paul.follows("(code)", PASSWORD, PASSWORD, "oui 02/02/2013", *second)
    paul.is_asked(S.REFUSED)


async def test_a_letter_serves_one_conversation(meet_core: MeetCore) -> None:
    paul = await meet_core(school())
    code = (await letters(paul))["Paul"]
    await paul.follows("(comes)", "[parent]", "[letter]", code)
    thief = Dialogue(paul.parent.beside("thief"), "fr")
    await thief.follows("(comes)", "[parent]", "[letter]", code)
    thief.hears("letter.wrong", n=4)


async def test_a_letter_that_served_is_used_up(meet_core: MeetCore) -> None:
    paul = await meet_core(school())
    code = (await letters(paul))["Paul"]
    await paul.follows("(comes)", "[parent]", "[letter]", code, "[yes]", ANY_PHONE, "[yes]")
    await paul.follows("(code)", PASSWORD, PASSWORD, "oui 02/02/2013", "oui 03/03/2016")
    await paul.follows("[activate_now]", "/effacer", "[erase_all]", "(comes)", "[parent]")
    await paul.follows("[letter]", code)
    paul.hears("letter.wrong")


@pytest.mark.parametrize(("days", "state"), [(89, S.INVITED), (90, S.LETTER)])
async def test_a_letter_grows_old(meet_core: MeetCore, days: int, state: S) -> None:
    paul = await meet_core(school())
    code = (await letters(paul))["Paul"]
    paul.clock.passes(days=days)
    await paul.follows("(comes)", "[parent]", "[letter]", code)
    paul.is_asked(state)


async def test_guessing_ends_in_a_pause(meet_core: MeetCore, lang: str) -> None:
    paul = await meet_core(school(), lang=lang)
    await letters(paul)
    await paul.follows("(comes)", "[parent]", "[letter]", *["ABCD EFGH JKMN"] * 4)
    paul.hears("letter.wrong", n=1)
    await paul.does("ABCD EFGH JKMP")
    paul.hears("locked")


async def test_only_its_hash_is_kept(meet_core: MeetCore) -> None:
    paul = await meet_core(school())
    code = (await letters(paul))["Paul"]
    [*kept] = await paul.parent.service.doors.database.run(every("SELECT code_key FROM letters"))
    assert all(code.encode() not in key for (key,) in kept)


async def test_a_lost_phone_is_replaced_by_letter(meet_core: MeetCore, lang: str) -> None:
    """The account exists: with all birthdates right, the new number is its own from now on."""
    marie = await meet_core(school(), lang=lang)
    rest = ("[yes]", "(code)", PASSWORD, PASSWORD, "oui 14/03/2014", "[activate_now]")
    await marie.follows("(comes)", "[parent]", "[activate]", *MARIE, *rest)
    code = (await letters(marie))["Marie"]
    other = Dialogue(marie.parent.beside("new phone", lang), lang)
    await other.follows("(comes)", "[parent]", "[letter]", code, "[yes]", ANY_PHONE, "[yes]")
    await other.does("(code)")
    other.is_asked(S.CHILD)
    assert "m.dupont" not in other.reads
    await other.does("oui 14/03/2014")
    other.hears("changed.phone_changed")
    other.is_asked(S.MANAGE)
    told = [text for to, text in marie.sms.received if to == "+33612345678"]
    assert re.search(r"[A-Z2-9]{4}", told[-1])


async def test_a_letter_for_an_account_needs_the_birthdate(meet_core: MeetCore) -> None:
    marie = await meet_core(school())
    rest = ("[yes]", "(code)", PASSWORD, PASSWORD, "oui 14/03/2014", "[activate_now]")
    await marie.follows("(comes)", "[parent]", "[activate]", *MARIE, *rest)
    code = (await letters(marie))["Marie"]
    other = Dialogue(marie.parent.beside("thief"), "fr")
    await other.follows("(comes)", "[parent]", "[letter]", code, "[yes]", ANY_PHONE, "[yes]")
    await other.follows("(code)", "[no]", "[yes]")
    other.is_asked(S.REFUSED)
    assert "m.dupont" not in other.reads
