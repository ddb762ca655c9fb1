"""Somebody who wants a second account for one guardian (RELIABILITY T16, I2)."""

import pytest

from flows.states import S
from storage.database import every
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import ALL_TO_DONE, MARIE
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent
from tests.helpers.school import PORT, School, a_school

SOPHIE = "06 98 76 54 32"
NOON = ("(wait 61s)", "[yes]", "(code)")


async def accounts(parent: Dialogue[CoreParent]) -> int:
    rows = await parent.parent.service.doors.database.run(every("SELECT id FROM accounts"))
    return len(rows)


def beside(parent: Dialogue[CoreParent], place: str) -> Dialogue[CoreParent]:
    return Dialogue(parent.parent.beside(place), "fr")


SPELLINGS = (
    *(("Dupont", "Marie"), ("DUPONT", "MARIE"), ("dupont", "marie"), ("  Dupont ", "Marie  ")),
    *(("Dupónt", "Mariè"), ("Ｄｕｐｏｎｔ", "Marie"), ("Du\u200bpont", "Ma\u00adrie")),
    *(("\u202eDupont", "Marie"), ("Dupont.", "Marie!"), ("Mme Dupont", "Marie")),
    ("Dupont", "Marie Dupont"),
)


@pytest.mark.parametrize("name", SPELLINGS, ids=ascii)
async def test_the_same_name_in_other_letters(meet_core: MeetCore, name: tuple[str, str]) -> None:
    """Whatever of these is understood is the same person; there is one account."""
    marie = await meet_core()
    await marie.follows(*ALL_TO_DONE)
    marie.is_asked(S.DONE)
    eve = beside(marie, "eve")
    await eve.follows("(comes)", "[parent]", "[activate]", *name, MARIE[2], *NOON)
    eve.is_asked(S.ALREADY)
    assert await accounts(marie) == 1


async def test_two_records_at_two_schools(meet_core: MeetCore) -> None:
    """Sophie is in both schools' exports, under both her names: one person, one account."""
    sophie = await meet_core()
    await sophie.follows("(comes)", "[parent]", "[activate]", "Martin", "Sophie", SOPHIE, "[yes]")
    await sophie.follows("(code)", PASSWORD, PASSWORD, "oui 01/09/2011", "non", "[yes]", "non")
    await sophie.follows("[yes]", "[activate_now]")
    sophie.is_asked(S.DONE)
    for number, last in enumerate(("Martin", "Lefèvre", "MARTIN")):
        again = beside(sophie, f"again {number}")
        await again.follows("(comes)", "[parent]", "[activate]", last, "Sophie", SOPHIE, *NOON)
        again.is_asked(S.ALREADY)
    assert await accounts(sophie) == 1


async def test_a_record_that_another_school_adds_later(meet_core: MeetCore) -> None:
    """The second school's export comes when the account is open already."""
    marie = await meet_core()
    await marie.follows(*ALL_TO_DONE)
    doors = marie.parent.service.doors
    later = School().knows("Marie DUPONT", MARIE[2], {"Noé DUPONT": "01/02/2019"}, at=PORT)
    later.rows = [*(row for row in a_school().rows if row["uai"] == PORT[0]), *later.rows]
    await later.fills(doors.database, doors.codes._vault, marie.clock)
    eve = beside(marie, "eve")
    await eve.follows("(comes)", "[parent]", "[activate]", *MARIE, *NOON)
    eve.is_asked(S.ALREADY)
    assert await accounts(marie) == 1


async def test_two_chats_at_the_last_question(meet_core: MeetCore) -> None:
    """Both are proved and ready: the first opens, the second is told, whoever presses again."""
    first = await meet_core()
    second = beside(first, "second")
    await first.follows(*ALL_TO_DONE[:-1])
    await second.follows(*ALL_TO_DONE[:6], "(wait 61s)", *ALL_TO_DONE[6:-1])
    await second.follows("[activate_now]")
    second.is_asked(S.DONE)
    for _ in range(3):
        await first.follows("activer")
        first.does_not_hear("done.ask")
        first.is_asked(S.ALREADY)
    assert await accounts(first) == 1


async def test_one_chat_again_and_again(meet_core: MeetCore) -> None:
    marie = await meet_core()
    await marie.follows(*ALL_TO_DONE)
    for _ in range(3):
        await marie.follows("[another]", *MARIE, "(wait 6h)", "[yes]", "(code)")
        marie.is_asked(S.ALREADY)
    await marie.follows("/effacer", "[erase_all]", "(comes)", "[parent]", "[activate]", *MARIE)
    await marie.follows("(wait 6h)", "[yes]", "(code)")
    marie.is_asked(S.ALREADY)
    assert await accounts(marie) == 1


async def test_two_parents_with_one_phone_are_two(meet_core: MeetCore) -> None:
    """The control: one number is no one person (T17)."""
    an = await meet_core()
    lan = beside(an, "lan")
    for who, first in ((an, "An"), (lan, "Lan")):
        await who.follows("(comes)", "[parent]", "[activate]", "Nguyen", first, "07 51 23 45 67")
        await who.follows(*NOON, PASSWORD, PASSWORD, "oui 30/11/2012", "[activate_now]")
        who.is_asked(S.DONE)
    assert await accounts(an) == 2
