"""My account: everything behind a fresh proof, and nothing without one."""

import pytest

from flows.secret import Secret
from flows.states import S
from storage.accounts import is_password
from storage.database import every
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import ALL_TO_DONE, MARIE
from tests.conversations.test_forgotten import LATER, NEW, hashes
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent, Parent

INSIDE = (*ALL_TO_DONE, "[manage]")
SOPHIE = ("Martin", "Sophie", "06 98 76 54 32")
SOPHIE_IS_IN = (
    *("(comes)", "[parent]", "[activate]", *SOPHIE, "[yes]", "(code)", PASSWORD, PASSWORD),
    *("oui 1 septembre 2011", "oui 12 juin 2017", "oui 3 mai 2015", "[activate_now]", "[manage]"),
)
NEW_PHONE = "07 51 99 88 77"


async def rows(parent: Dialogue[CoreParent], query: str) -> list[tuple[object, ...]]:
    """What is stored."""
    return list(await parent.parent.service.doors.database.run(every(query)))


# ---- the proof -------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "state"), [(599, S.MANAGE), (601, S.PROVE)])
async def test_a_proof_is_good_for_ten_minutes(meet_core: MeetCore, seconds: int, state: S) -> None:
    met = await meet_core()
    await met.follows(*ALL_TO_DONE, f"(wait {seconds}s)", "[manage]")
    met.is_asked(state)


async def test_a_new_proof_opens_it_again(parent: Dialogue[Parent]) -> None:
    await parent.follows(*INSIDE, "(wait 11m)", "[change_phone]")
    parent.is_asked(S.PROVE)
    await parent.does("[send_code]")
    parent.is_asked(S.CODE)
    await parent.does("(code)")
    parent.is_asked(S.MANAGE)


async def test_it_is_found_from_the_menu(parent: Dialogue[Parent]) -> None:
    await parent.follows(*ALL_TO_DONE, *LATER, "[manage]", "m.dupont", "(code)")
    parent.is_asked(S.MANAGE)
    await parent.does("[back]")
    parent.is_asked(S.ALREADY, identifier="m.dupont")


# ---- the password ----------------------------------------------------------------------------


async def test_another_password(core: Dialogue[CoreParent]) -> None:
    await core.follows(*INSIDE, "[change_password]")
    core.is_asked(S.PASSWORD)
    await core.follows(NEW, NEW)
    core.hears("changed.password_set")
    core.is_asked(S.MANAGE)
    [digest] = await hashes(core)
    assert is_password(Secret(NEW), digest)


async def test_no_birthdate_is_asked_where_the_old_one_is_known(parent: Dialogue[Parent]) -> None:
    await parent.follows(*INSIDE, "[change_password]", "[back]")
    parent.is_asked(S.MANAGE)
    await parent.follows("[change_password]", NEW, "Autre!Mot49")
    parent.hears("password.different")
    parent.is_asked(S.PASSWORD)


# ---- the mobile ------------------------------------------------------------------------------


async def test_another_mobile(parent: Dialogue[Parent]) -> None:
    await parent.follows(*INSIDE, "[change_phone]")
    parent.is_asked(S.NEW_PHONE)
    await parent.does(NEW_PHONE)
    parent.is_asked(S.CODE)
    to, _ = parent.sms.received[-1]
    assert to == "+33751998877"
    await parent.does("(wrong code)")
    parent.hears("code.wrong")
    await parent.does("(code)")
    parent.is_asked(S.TELL_PHONE)
    told = [text for to, text in parent.sms.received if to == "+33612345678"][-1]
    assert "NON" in told or "NO " in told  # the old number can say that it was somebody else
    await parent.does("[yes]")
    parent.is_asked(S.MANAGE)


async def test_the_old_number_opens_nothing_any_more(core: Dialogue[CoreParent]) -> None:
    """The register still has it: whoever gets it from the operator next must not get in."""
    await core.follows(*INSIDE, "[change_phone]", NEW_PHONE, "(code)", "[no]")
    core.is_asked(S.MANAGE)
    stranger = Dialogue(core.parent.beside("stranger", core.lang), core.lang)
    await stranger.follows("(wait 61s)", "(comes)", "[parent]", "[activate]", *MARIE, "[yes]")
    await stranger.does("(code)")
    stranger.is_asked(S.OTHER_PHONE, last_digits="77")
    assert "m.dupont" not in stranger.reads
    assert not stranger.offers("manage")


async def test_the_new_number_opens_it(core: Dialogue[CoreParent]) -> None:
    await core.follows(*INSIDE, "[change_phone]", NEW_PHONE, "(code)", "[no]")
    await core.follows(*LATER, "[forgot_identifier]", *MARIE[:2], NEW_PHONE, "[yes]", "(code)")
    core.is_asked(S.ALREADY, identifier="m.dupont")


async def test_the_school_hears_of_it_if_the_parent_wants(core: Dialogue[CoreParent]) -> None:
    await core.follows(*INSIDE, "[change_phone]", NEW_PHONE, "(code)", "[yes]")
    assert await rows(core, "SELECT about FROM school_notes") == [("phone",)]


async def test_a_landline_is_no_mobile(parent: Dialogue[Parent]) -> None:
    await parent.follows(*INSIDE, "[change_phone]", "01 42 68 53 00")
    parent.hears("refused.phone_landline")
    await parent.does("[back]")
    parent.is_asked(S.MANAGE)


# ---- the children ----------------------------------------------------------------------------


async def test_my_children(parent: Dialogue[Parent]) -> None:
    await parent.follows(*SOPHIE_IS_IN, "[children]")
    for child in ("Hugo", "Zoé", "Tom"):
        assert child in parent.reads
    await parent.does("[not_my_child]")
    parent.is_asked(S.WRONG_CHILD, child="Hugo")
    await parent.follows("[no]", "[no]")
    parent.is_asked(S.WRONG_CHILD, child="Tom")
    await parent.does("[yes]")
    parent.is_asked(S.WRONG_CHILD_SURE, child="Tom")
    await parent.does("[yes]")
    parent.is_asked(S.MY_CHILDREN)
    await parent.does("?")
    assert "Hugo" in parent.reads
    assert "Tom" not in parent.reads
    await parent.follows("[add_child]", "école du port", "Tom")
    parent.is_asked(S.BIRTHDATE, child="Tom")
    await parent.does("4 mai 2015")
    parent.hears("birthdate.wrong", n=2)
    await parent.does("3 mai 2015")
    parent.is_asked(S.MY_CHILDREN)
    assert "Tom" in parent.reads


async def test_the_school_is_told_of_a_wrong_child(core: Dialogue[CoreParent]) -> None:
    await core.follows(*SOPHIE_IS_IN, "[children]", "[not_my_child]", "[yes]", "[yes]")
    assert await rows(core, "SELECT about FROM school_notes") == [("not_mine",)]
    assert await rows(core, "SELECT count(*) FROM account_pupils") == [(2,)]


@pytest.mark.parametrize(
    ("school", "first"),
    [("Port", "Léa"), ("Collège des Lilas", "Minh"), ("Lycée Voltaire", "Tom")],
    ids=["no such child", "somebody else's child", "no such school"],
)
async def test_a_child_who_is_not_theirs_is_not_found(
    core: Dialogue[CoreParent], school: str, first: str
) -> None:
    """Whether the child is at that school at all: the same words."""
    await core.follows(*SOPHIE_IS_IN, "[children]", "[add_child]", school, first)
    core.hears("child.not_found")
    core.is_asked(S.MY_CHILDREN)


async def test_a_child_who_is_there_already(parent: Dialogue[Parent]) -> None:
    await parent.follows(*INSIDE, "[children]", "[add_child]", "0750001U", "léa")
    parent.hears("child.on_account")


# ---- sign-ins --------------------------------------------------------------------------------


async def test_my_sign_ins_and_what_was_done(core: Dialogue[CoreParent]) -> None:
    await core.follows(*ALL_TO_DONE, "(wait 61s)")
    tablet = Dialogue(core.parent.beside("tablet", core.lang), core.lang)
    await tablet.follows("(comes)", "[parent]", "[manage]", "m.dupont", "(code)", "[sign_ins]")
    tablet.hears("happening.account_opened")
    tablet.is_asked(S.SIGN_INS)
    core.parent.replies.clear()
    await tablet.does("[sign_out_others]")
    await core.parent.service.delivery.settle()
    core.hears("signed_out.others")
    tablet.is_asked(S.MANAGE)


# ---- closing ---------------------------------------------------------------------------------


async def test_closed_and_opened_again(parent: Dialogue[Parent]) -> None:
    await parent.follows(*INSIDE, "[close_account]")
    parent.is_asked(S.CLOSE)
    await parent.does("[close_now]")
    parent.is_asked(S.REOPEN)
    await parent.does("[reopen]")
    parent.hears("changed.account_reopened")
    parent.is_asked(S.MANAGE)


async def test_closed_and_opened_again_from_elsewhere(core: Dialogue[CoreParent]) -> None:
    await core.follows(*INSIDE, "[close_account]", "[close_now]", "(wait 24h)", *LATER)
    await core.follows("[activate]", *MARIE, "[yes]", "(code)")
    core.is_asked(S.REOPEN)
    await core.does("[reopen]")
    core.is_asked(S.MANAGE)


@pytest.mark.parametrize(("days", "state"), [(29, S.REOPEN), (31, S.PASSWORD)])
async def test_after_the_day_that_was_shown_it_is_gone(
    meet_core: MeetCore, days: int, state: S
) -> None:
    met = await meet_core()
    await met.follows(*INSIDE, "[close_account]", "[close_now]", f"(wait {days}d)")
    other = Dialogue(met.parent.beside("later", "fr"), "fr")
    await other.follows("(comes)", "[parent]", "[activate]", *MARIE, "[yes]", "(code)")
    other.is_asked(state)


# ---- what do you know about me? --------------------------------------------------------------


async def test_what_is_known(parent: Dialogue[Parent]) -> None:
    await parent.follows(*INSIDE, "[my_data]")
    assert "m.dupont" in parent.reads
    assert "Léa" in parent.reads
    assert "14/03/2014" not in parent.reads
    parent.is_asked(S.MY_DATA)
    await parent.does("[forget_me]")
    parent.is_asked(S.FORGET_ME)
    await parent.does("[no]")
    parent.is_asked(S.MANAGE)


async def test_forget_me(core: Dialogue[CoreParent]) -> None:
    """The account and all that Sésame made goes; the school's register is the school's."""
    await core.follows(*INSIDE, "[my_data]", "[forget_me]", "[yes]")
    core.hears("account.erased")
    for table in ("accounts", "sign_ins", "notices", "account_pupils"):
        assert await rows(core, f"SELECT count(*) FROM {table}") == [(0,)], table
    await core.follows("(wait 61s)", "(comes)", "[parent]", "[activate]", *MARIE, "[yes]", "(code)")
    core.is_asked(S.PASSWORD)


async def test_privacy_at_any_question(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)", "[parent]", "[activate]", "Dupont")
    await parent.does("/confidentialite")
    parent.is_asked(S.FIRST_NAME)
    await parent.does("/privacy")
    parent.is_asked(S.FIRST_NAME)
