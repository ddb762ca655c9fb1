"""The children (the tutorial, step 9; MISSION 4.3, CHILD_CLAIM, CHILD_DOB, RECAP)."""

from datetime import date

import pytest

from flows.states import S
from storage.database import every
from tests.conversations.conftest import Arrive, MeetCore
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent

SOPHIE = (
    "(comes)",
    "[parent]",
    "[activate]",
    "Martin",
    "Sophie",
    "06 98 76 54 32",
    "[yes]",
    "(code)",
)
SOPHIES_CHILDREN = (*SOPHIE, PASSWORD, PASSWORD)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("hm", "date_unreadable"),
        ("le printemps", "date_unreadable"),
        ("mars 2014", "date_incomplete"),
        ("14/03", "date_incomplete"),
        ("31/02/2014", "date_impossible"),
        ("29/02/2015", "date_impossible"),
        ("15/13/2014", "date_impossible"),
        ("15/03/2031", "date_future"),
        ("15/03/1985", "date_age"),
        ("20/02/2026", "date_age"),
    ],
)
async def test_what_is_no_birthdate(arrive: Arrive, typed: str, reason: str) -> None:
    """No try is used."""
    parent = await arrive(S.BIRTHDATE)
    for _ in range(4):
        await parent.follows(typed)
        parent.hears(f"refused.{reason}")
        parent.is_asked(S.BIRTHDATE, child="Léa")
    await parent.follows("14/03/2014")
    parent.hears("child.confirmed")


@pytest.mark.parametrize(
    "typed",
    [
        *("14/03/2014", "14-03-2014", "14.3.2014", "14 03 2014", "14032014", "2014-03-14"),
        *("14 mars 2014", "le 14 Mars 2014", "14 March 2014", "March 14, 2014", "١٤/٠٣/٢٠١٤"),
    ],
)
async def test_ways_to_write_a_birthdate(arrive: Arrive, typed: str) -> None:
    parent = await arrive(S.BIRTHDATE)
    await parent.follows(typed)
    parent.hears("child.confirmed", child="Léa")
    parent.is_asked(S.RECAP)


@pytest.mark.parametrize("yes", ["oui 14/03/2014", "yes 14 March 2014", "oui, 14 mars 2014"])
async def test_yes_and_the_date_at_once(arrive: Arrive, yes: str) -> None:
    parent = await arrive(S.CHILD)
    await parent.follows(yes)
    parent.hears("child.confirmed")
    parent.is_asked(S.RECAP)


async def test_a_year_of_two_digits_is_read_back(arrive: Arrive) -> None:
    parent = await arrive(S.BIRTHDATE)
    await parent.follows("14/03/14")
    parent.hears("birthdate_check.ask", child="Léa", day=date(2014, 3, 14))
    await parent.follows("hm")
    parent.is_asked(S.BIRTHDATE_CHECK)
    await parent.follows("[no]")
    parent.is_asked(S.BIRTHDATE)
    await parent.follows("14/03/14", "[yes]")
    parent.hears("child.confirmed")


async def test_another_date_at_the_read_back(arrive: Arrive) -> None:
    parent = await arrive(S.BIRTHDATE_CHECK)
    await parent.follows("14 mars 2014")
    parent.hears("child.confirmed")


async def test_day_and_month_are_read_back_in_english_only(
    core: Dialogue[CoreParent], lang: str
) -> None:
    """Day first, always; where an English reader may swap them, in words."""
    await core.follows(*SOPHIES_CHILDREN, "[yes]", "01/09/2011")
    if lang == "en":
        core.hears("birthdate_check.ask", day=date(2011, 9, 1))
        await core.follows("[yes]")
    core.hears("child.confirmed", child="Hugo")


async def test_a_wrong_date(arrive: Arrive) -> None:
    """Three tries for a child; then the child is put aside, and the school will look."""
    parent = await arrive(S.BIRTHDATE)
    for left in (2, 1):
        await parent.follows("15/03/2014")
        parent.hears("birthdate.wrong", n=left, day=date(2014, 3, 15))
        parent.is_asked(S.BIRTHDATE)
    await parent.follows("15/03/2014")
    parent.hears("child.aside", child="Léa")
    parent.hears("refused.ask")
    assert await notes(parent) == [("birthdate",)]
    assert await accounts(parent) == []


async def test_a_wrong_date_for_one_of_three(core: Dialogue[CoreParent]) -> None:
    """The others go on (DESIGN, decision 4)."""
    await core.follows(*SOPHIES_CHILDREN, "[yes]", *["15 mars 2012"] * 3)
    core.hears("child.aside", child="Hugo")
    core.hears("child.ask", child="Zoé")
    await core.follows("oui 12 juin 2017", "oui 3 mai 2015")
    core.hears("recap.aside", child="Hugo")
    core.hears("recap.confirmed", child="Zoé")
    core.hears("recap.confirmed", child="Tom")
    await core.follows("[activate_now]")
    core.hears("done.ask", identifier="s.martin")
    assert await notes(core) == [("birthdate",)]


async def test_six_wrong_dates_in_an_activation(core: Dialogue[CoreParent]) -> None:
    await core.follows(*SOPHIES_CHILDREN, "[yes]", *["15 mars 2012"] * 3)
    await core.follows("[yes]", *["15 mars 2012"] * 3)
    core.hears("child.aside", child="Zoé")
    core.hears("child.ask", child="Tom")
    await core.follows("oui 3 mai 2015")  # right, and too late: six were wrong
    core.does_not_hear("child.confirmed")
    core.hears("refused.ask")
    assert await accounts(core) == []


async def test_strict_schools_want_every_child(meet_core: MeetCore, lang: str) -> None:
    parent = await meet_core(lang=lang, children_policy="strict")
    await parent.follows(*SOPHIES_CHILDREN, "[yes]", *["15 mars 2012"] * 3)
    await parent.follows("oui 12 juin 2017", "oui 3 mai 2015")
    parent.hears("refused.ask")
    assert await accounts(parent) == []


async def test_not_my_child_one_of_three(core: Dialogue[CoreParent]) -> None:
    await core.follows(*SOPHIES_CHILDREN, "oui 1er septembre 2011", "[no]")
    core.hears("not_mine.ask", child="Zoé")
    await core.follows("hm")
    core.hears("refused.choose")
    core.is_asked(S.NOT_MINE)
    await core.follows("[no]")
    core.hears("child.ask", child="Zoé")
    await core.follows("[no]", "[yes]")
    core.hears("child.not_mine", child="Zoé")
    core.hears("child.ask", child="Tom")
    await core.follows("oui 3 mai 2015")
    core.hears("recap.not_mine", child="Zoé")
    assert await notes(core) == [("not_mine",)]
    await core.follows("[activate_now]")
    core.hears("done.ask")
    rows = await core.parent.service.doors.database.run(
        every("SELECT count(*) FROM account_pupils")
    )
    assert rows == [(2,)]


async def test_none_is_my_child(core: Dialogue[CoreParent]) -> None:
    await core.follows(*SOPHIES_CHILDREN, "[no]", "[yes]", "[no]", "[yes]", "[no]", "[yes]")
    core.hears("child.not_mine", child="Tom")
    core.hears("refused.ask")
    assert await notes(core) == [("not_mine",)] * 3
    assert await accounts(core) == []
    await core.follows("[restart]")
    core.is_asked(S.PROFILE)


async def test_not_mine_is_taken_back_at_the_end(core: Dialogue[CoreParent]) -> None:
    await core.follows(*SOPHIES_CHILDREN, "oui 1er septembre 2011", "[no]", "[yes]")
    await core.follows("oui 3 mai 2015", "[correct]", "[fix_children]")
    core.hears("child.ask", child="Hugo")
    await core.follows("[yes]")  # confirmed already: not asked for the date again
    core.hears("child.ask", child="Zoé")
    await core.follows("oui 12 juin 2017")
    core.hears("child.confirmed", child="Zoé")
    await core.follows("[yes]")
    core.is_asked(S.RECAP)
    core.hears("recap.confirmed", child="Zoé")
    core.does_not_hear("recap.not_mine")


async def test_back_through_the_children(core: Dialogue[CoreParent]) -> None:
    await core.follows(*SOPHIES_CHILDREN, "oui 1er septembre 2011")
    core.hears("child.ask", child="Zoé")
    await core.follows("[yes]", "[back]", "[back]")
    core.hears("child.ask", child="Hugo")
    await core.follows("[yes]")
    core.hears("child.ask", child="Zoé")


async def test_what_is_no_answer_about_a_child(arrive: Arrive) -> None:
    parent = await arrive(S.CHILD)
    await parent.follows("hm")
    parent.hears("refused.choose")
    parent.is_asked(S.CHILD, child="Léa")


async def test_a_child_is_missing(arrive: Arrive) -> None:
    parent = await arrive(S.RECAP)
    await parent.follows("[child_missing]")
    parent.hears("recap.child_missing", "recap.ask", "recap.confirmed")


async def test_what_is_no_answer_at_the_end(arrive: Arrive) -> None:
    parent = await arrive(S.RECAP)
    await parent.follows("merci beaucoup")
    parent.hears("refused.choose")
    parent.is_asked(S.RECAP)


async def test_thanks_at_the_end_are_no_mistake(arrive: Arrive) -> None:
    parent = await arrive(S.DONE)
    before = parent.reads
    await parent.follows("merci beaucoup")
    assert parent.reads == before  # the identifier once more
    parent.is_asked(S.DONE)


async def test_dates_of_today_follow_the_clock(core: Dialogue[CoreParent]) -> None:
    """What is in the future one day is none the next (23:59 and 00:00)."""
    core.clock.now = core.clock.now.replace(month=3, day=14, hour=23, minute=30)
    await core.follows(*SOPHIES_CHILDREN, "[yes]", "15 mars 2026")
    core.hears("refused.date_future")
    await core.follows("(wait 30m)", "15 mars 2026")
    core.hears("refused.date_age")


async def notes(parent: Dialogue[CoreParent]) -> list[tuple[object, ...]]:
    return await parent.parent.service.doors.database.run(
        every("SELECT about FROM school_notes ORDER BY id")
    )


async def accounts(parent: Dialogue[CoreParent]) -> list[tuple[object, ...]]:
    return await parent.parent.service.doors.database.run(every("SELECT id FROM accounts"))
