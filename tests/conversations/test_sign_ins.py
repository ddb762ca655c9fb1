"""Where an account is open: what ends that, and what reaches a parent who has long been silent."""

import pytest

from flows.states import S
from storage.database import every
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import ALL_TO_DONE, MARIE
from tests.conversations.test_forgotten import NEW
from tests.conversations.test_notices import PAUL_IS_IN, school
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import CoreParent

FORGOTTEN = (
    *("(comes)", "[parent]", "[forgot_password]", MARIE[2], "(code)", "14/03/2014", NEW, NEW),
)
"""From another conversation."""


async def places(parent: Dialogue[CoreParent]) -> list[str]:
    """The conversations in which an account is open."""
    doors = parent.parent.service.doors
    chats = await doors.database.run(every("SELECT chat FROM sign_ins ORDER BY at, chat"))
    found = []
    for (chat,) in chats:
        address = await doors.database.run(doors.conversations.address(chat))
        assert address is not None
        found.append(address.place)
    return sorted(found)


@pytest.mark.parametrize(
    "lines",
    [
        ("[manage]", "[change_password]", "/annuler", "[stop]"),
        ("/effacer", "[erase_all]"),
        ("[manage]", "[close_account]", "[close_now]"),
        ("[manage]", "[my_data]", "[forget_me]", "[yes]"),
    ],
    ids=["stopped", "erased", "closed", "forgotten"],
)
async def test_what_ends_it(core: Dialogue[CoreParent], lines: tuple[str, ...]) -> None:
    await core.follows(*ALL_TO_DONE)
    assert await places(core) == ["marie"]
    for line in lines:
        if line.startswith("[") and not core.offers(line[1:-1]):
            pytest.skip(f"{line} is not offered there")
        await core.does(line)
    assert await places(core) == []


@pytest.mark.parametrize("line", ["[another]", "(wait 8d)", "(restart)", "[manage]"])
async def test_what_does_not(core: Dialogue[CoreParent], line: str) -> None:
    await core.follows(*ALL_TO_DONE, line)
    assert await places(core) == ["marie"]


async def test_a_new_password_elsewhere_ends_it_at_once(core: Dialogue[CoreParent]) -> None:
    await core.follows(*ALL_TO_DONE, "(wait 61s)")
    other = Dialogue(core.parent.beside("other", core.lang), core.lang)
    core.parent.replies.clear()
    await other.follows(*FORGOTTEN)
    other.hears("changed.password_set")
    await core.parent.service.delivery.settle()
    core.hears("signed_out.password")
    assert await places(core) == ["other"]
    await core.follows("hm", "[parent]")
    core.is_asked(S.MENU)


async def test_a_silent_parent_hears_of_it(core: Dialogue[CoreParent]) -> None:
    """Weeks after the answers were erased, the conversation is still the account's."""
    await core.follows(*ALL_TO_DONE, "(wait 20d)")
    other = Dialogue(core.parent.beside("other", core.lang), core.lang)
    await other.follows("(comes)", "[parent]", "[forgot_password]", MARIE[2], "(code)")
    core.parent.replies.clear()
    await other.follows("14/03/2014", NEW, NEW)
    await core.parent.service.delivery.settle()
    assert await places(core) == ["other"]


async def test_a_silent_guardian_is_told_in_the_chat(meet_core: MeetCore) -> None:
    paul = await meet_core(school())
    await paul.follows(*PAUL_IS_IN, "(wait 20d)")
    marie = Dialogue(paul.parent.beside("marie's", "fr"), "fr")
    sent = [to for to, _ in paul.sms.received]
    await marie.follows(*ALL_TO_DONE[:-1])
    paul.parent.replies.clear()
    await marie.does("[activate_now]")
    await paul.parent.service.delivery.settle()
    paul.hears("notice.activated", child="Léa")
    assert [to for to, _ in paul.sms.received].count("+33655443322") == sent.count("+33655443322")


async def test_two_parents_on_one_phone(core: Dialogue[CoreParent]) -> None:
    """One conversation, two accounts: each is signed out alone."""
    sophie = ("Martin", "Sophie", "06 98 76 54 32")
    await core.follows(*ALL_TO_DONE, "[another]", *sophie, "[yes]", "(code)")
    await core.follows(NEW, NEW, "oui 1 septembre 2011", "oui 12 juin 2017", "oui 3 mai 2015")
    await core.does("[activate_now]")
    core.hears("done.ask")
    assert await places(core) == ["marie", "marie"]
    await core.does("(wait 61s)")
    other = Dialogue(core.parent.beside("other", core.lang), core.lang)
    core.parent.replies.clear()
    await other.follows(*FORGOTTEN)
    await core.parent.service.delivery.settle()
    assert await places(core) == ["marie", "other"]
    assert core.reads == ""  # it is Sophie's account that is shown here
    await core.does("hm")
    core.is_asked(S.DONE, identifier="s.martin")
