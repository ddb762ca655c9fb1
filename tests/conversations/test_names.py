"""The name (MISSION 4.3, FAMILY_NAME and FIRST_NAME), read before the code, compared after it."""

import pytest

from flows.states import S
from tests.conversations.conftest import Arrive, MeetCore
from tests.conversations.roads import MARIE
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent
from tests.helpers.school import School, a_school

NOT_NAMES = [
    ("***", "name_missing"),
    ("  -  ", "name_missing"),
    ("2014", "name_missing"),
    ("12", "name_missing"),  # there is no twelfth choice
    ("🙂", "name_missing"),
    ("marie@exemple.fr", "name_unlikely"),
    ("Dupont 123456", "name_unlikely"),
    ("https://exemple.fr/", "name_unlikely"),
    ("x" * 81, "name_too_long"),
]


@pytest.mark.parametrize(("typed", "reason"), NOT_NAMES)
@pytest.mark.parametrize("state", [S.LAST_NAME, S.FIRST_NAME], ids=lambda state: state.value)
async def test_what_is_no_name(arrive: Arrive, state: S, typed: str, reason: str) -> None:
    parent = await arrive(state)
    await parent.follows(typed)
    parent.hears(f"refused.{reason}")
    parent.is_asked(state)


@pytest.mark.parametrize("typed", ["x" * 80, "O", "Nguyễn", "نجيب", "de La Tour-d’Auvergne"])
async def test_what_is_a_name(arrive: Arrive, typed: str) -> None:
    parent = await arrive(S.LAST_NAME)
    await parent.follows(typed)
    parent.is_asked(S.FIRST_NAME)
    await parent.follows("Marie Anne Sophie", MARIE[2])
    parent.hears("check.ask")


async def test_both_names_at_once(arrive: Arrive) -> None:
    parent = await arrive(S.LAST_NAME)
    await parent.follows("DUPONT Marie")
    parent.hears("split_name.ask", pending_last="Dupont", pending_first="Marie")
    await parent.follows("peut-être")
    parent.hears("refused.choose")
    parent.is_asked(S.SPLIT_NAME)
    await parent.follows("[yes]", MARIE[2])
    parent.hears("check.ask", last="Dupont", first="Marie")


async def test_both_names_are_one(arrive: Arrive) -> None:
    parent = await arrive(S.SPLIT_NAME)
    await parent.follows("[no]", "Anne", MARIE[2])
    parent.hears("check.ask", last="Dupont Marie", first="Anne")


async def test_first_name_like_the_last(arrive: Arrive) -> None:
    parent = await arrive(S.FIRST_NAME)
    await parent.follows("DUPONT")
    parent.hears("same_name.ask", first="Dupont")
    await parent.follows("[no]")
    parent.is_asked(S.FIRST_NAME)
    await parent.follows("dupont", "hm")
    parent.hears("refused.choose")
    await parent.follows("[yes]")
    parent.is_asked(S.PHONE)


async def test_somebody_with_the_same_name_twice(meet_core: MeetCore, lang: str) -> None:
    school = School().knows("Martin MARTIN", "0611223344", {"Ana XU": "20/10/2015"})
    parent = await meet_core(school, lang=lang)
    await parent.follows("(comes)", "[parent]", "[activate]", "Martin", "Martin", "[yes]")
    await parent.follows("0611223344", "[yes]", "(code)")
    parent.hears("code.right")


async def test_names_are_mended_before_the_code(arrive: Arrive) -> None:
    parent = await arrive(S.CHECK)
    await parent.follows("hm")
    parent.hears("refused.choose")
    parent.is_asked(S.CHECK)
    await parent.follows("[fix_name]")
    parent.is_asked(S.LAST_NAME)
    await parent.follows("Durand", "Anne")
    parent.hears("check.ask", last="Durand", first="Anne", phone=MARIE[2])
    await parent.follows("[fix_name]", "DURAND Zoé", "[yes]")
    parent.hears("check.ask", last="Durand", first="Zoé")


async def test_another_name_than_the_schools(core: Dialogue[CoreParent]) -> None:
    """Said after the proof only; five tries an hour, then a pause."""
    await core.follows("(comes)", "[parent]", "[activate]", "Durand", "Marie", MARIE[2])
    await core.follows("[yes]", "(code)")
    for left in (4, 3, 2, 1):
        core.hears("name.differs", n=left)
        core.is_asked(S.LAST_NAME)
        await core.follows("Durand", "Marie")
    core.hears("locked")
    core.does_not_hear("name.differs")
    await core.follows("Dupont")
    core.hears("locked")


async def test_the_right_name_on_the_last_try(core: Dialogue[CoreParent]) -> None:
    await core.follows("(comes)", "[parent]", "[activate]", "Durand", "Marie", MARIE[2])
    await core.follows("[yes]", "(code)", *("Durand", "Anne") * 3)
    core.hears("name.differs", n=1)
    await core.follows("Dupont", "Marie")
    core.hears("password.ask")
    assert len(core.sms.received) == 1  # the number is proved: no other code


async def test_swapped_names_are_mended_after_the_proof(core: Dialogue[CoreParent]) -> None:
    await core.follows("(comes)", "[parent]", "[activate]", "Marie", "Dupont", MARIE[2])
    await core.follows("[yes]", "(code)")
    if "password" not in core.reads.lower() and "mot de passe" not in core.reads:
        core.hears("name.differs", n=4)
        await core.follows("[back]")
        core.hears("back.proved")
        await core.follows("Dupont", "Marie")
    core.is_asked(S.PASSWORD)


async def test_two_parents_of_one_name_and_one_phone_are_one(
    meet_core: MeetCore, lang: str
) -> None:
    """DESIGN, decision 6: the same folded names and mobile at two schools are one person."""
    parent = await meet_core(a_school(), lang=lang)
    await parent.follows("(comes)", "[parent]", "[activate]", "martin", "sophie")
    await parent.follows("06 98 76 54 32", "[yes]", "(code)", PASSWORD, PASSWORD)
    parent.hears("children", n=3)
