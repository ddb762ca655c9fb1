"""The other guardian is told, and can say NO; the school lifts what a NO has frozen."""

import re

import pytest

from bot.sms.segments import segments
from flows.states import S
from storage.database import every
from storage.life import Acting
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import ALL_TO_DONE, MARIE
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent
from tests.helpers.school import School, a_school

PAUL = ("Dupont", "Paul", "06 55 44 33 22")
PAUL_IS_IN = (
    *("(comes)", "[parent]", "[activate]", *PAUL, "[yes]", "(code)", PASSWORD, PASSWORD),
    *("oui 14/03/2014", "[activate_now]"),
)


def school() -> School:
    """Léa has two guardians."""
    return a_school().knows("Paul DUPONT", "06 55 44 33 22", {"Léa DUPONT": "14/03/2014"})


def texts_to(parent: Dialogue[CoreParent], number: str) -> list[str]:
    """The SMS to this number that hold no code of six digits."""
    found = [text for to, text in parent.sms.received if to == number]
    return [text for text in found if not re.search(r"\b[0-9]{6}\b", text)]


def code_in(text: str) -> str:
    """What can be typed to object."""
    found = re.search(r"\b(NON|NO) ([A-Z2-9-]{12,14})\b", text)
    assert found, text
    return found[0]


async def statuses(parent: Dialogue[CoreParent]) -> list[bool]:
    """Which accounts are frozen, in the order in which they were opened."""
    database = parent.parent.service.doors.database
    found = await database.run(every("SELECT frozen_at FROM accounts ORDER BY id"))
    return [at is not None for (at,) in found]


async def test_the_other_guardian_gets_an_sms(meet_core: MeetCore, lang: str) -> None:
    marie = await meet_core(school(), lang=lang)
    await marie.follows(*ALL_TO_DONE)
    [text] = texts_to(marie, "+33655443322")
    assert "Léa" in text
    paul = Dialogue(marie.parent.beside("paul", lang), lang)
    await paul.does(code_in(text))
    paul.hears("object.done")
    assert await statuses(marie) == [True]
    await marie.parent.service.delivery.settle()
    marie.hears("signed_out.frozen")


@pytest.mark.parametrize("child", ["Loïc", "Anne-Maëlys-Zoë", "Łucja", "明明"])
async def test_an_sms_is_one_sms_whatever_the_child_is_called(
    meet_core: MeetCore, child: str
) -> None:
    """A letter outside the phones' own alphabet would make two of it."""
    family = a_school()
    for guardian, mobile in (("Rosa LIND", "06 55 44 33 21"), ("Paul LIND", "06 55 44 33 22")):
        family.knows(guardian, mobile, {f"{child} LIND": "14/03/2014"})
    rosa = await meet_core(family)
    await rosa.follows("(comes)", "[parent]", "[activate]", "Lind", "Rosa", "06 55 44 33 21")
    await rosa.follows("[yes]", "(code)", PASSWORD, PASSWORD, "oui 14/03/2014", "[activate_now]")
    [text] = texts_to(rosa, "+33655443322")
    assert segments(text) == 1


async def test_the_other_guardian_is_told_in_the_chat(meet_core: MeetCore, lang: str) -> None:
    paul = await meet_core(school(), lang=lang)
    await paul.follows(*PAUL_IS_IN)
    marie = Dialogue(paul.parent.beside("marie's", lang), lang)
    await marie.follows(*ALL_TO_DONE[:-1])
    paul.parent.replies.clear()
    await marie.does("[activate_now]")
    await paul.parent.service.delivery.settle()
    paul.hears("notice.activated", child="Léa")
    assert len(texts_to(paul, "+33655443322")) == 0
    await paul.does("NON" if lang == "fr" else "NO")
    paul.hears("object.done")
    assert await statuses(paul) == [False, True]


async def test_it_is_normal(meet_core: MeetCore) -> None:
    paul = await meet_core(school())
    await paul.follows(*PAUL_IS_IN)
    marie = Dialogue(paul.parent.beside("marie's"), "fr")
    await marie.follows(*ALL_TO_DONE)
    await paul.parent.service.delivery.settle()
    await paul.does("[not_object]")
    paul.is_asked(S.DONE)
    assert await statuses(paul) == [False, False]


async def test_a_frozen_account_opens_nothing(meet_core: MeetCore, lang: str) -> None:
    marie = await meet_core(school(), lang=lang)
    await marie.follows(*ALL_TO_DONE)
    paul = Dialogue(marie.parent.beside("paul", lang), lang)
    await paul.does(code_in(texts_to(marie, "+33655443322")[0]))
    await marie.follows("(wait 61s)", "(comes)", "[parent]", "[forgot_password]", MARIE[2])
    await marie.does("(code)")
    marie.is_asked(S.FROZEN)
    assert "m.dupont" not in marie.reads


@pytest.mark.parametrize("typed", ["m.dupont", MARIE[2]])
async def test_the_school_unfreezes_it(meet_core: MeetCore, lang: str, typed: str) -> None:
    """The conversation is told, and whoever it is proves the number again."""
    marie = await meet_core(school(), lang=lang)
    await marie.follows(*ALL_TO_DONE)
    paul = Dialogue(marie.parent.beside("paul", lang), lang)
    await paul.does(code_in(texts_to(marie, "+33655443322")[0]))
    await marie.follows("(wait 61s)", "(comes)", "[parent]", "[manage]", typed, "(code)")
    marie.is_asked(S.FROZEN)
    service = marie.parent.service
    acting = Acting(b"", service.now(), "operator:marc")
    marie.parent.replies.clear()
    await service.doors.database.run(service.doors.life.unfreeze("m.dupont", "visit", acting))
    await service.delivery.look()
    await service.delivery.settle()
    marie.hears("thawed")
    marie.is_asked(S.ALREADY, identifier="m.dupont")
    await marie.does("[manage]")
    marie.is_asked(S.PROVE)
    await marie.follows("(wait 2m)", "[send_code]", "(code)")
    marie.is_asked(S.MANAGE)


async def test_an_old_code_objects_no_more(meet_core: MeetCore) -> None:
    marie = await meet_core(school())
    await marie.follows(*ALL_TO_DONE)
    [text] = texts_to(marie, "+33655443322")
    marie.clock.passes(days=30, seconds=1)
    paul = Dialogue(marie.parent.beside("paul"), "fr")
    await paul.does(code_in(text))
    paul.hears("object.unknown")
    assert await statuses(marie) == [False]


async def test_a_code_of_nothing_freezes_nobody(meet_core: MeetCore) -> None:
    marie = await meet_core(school())
    await marie.follows(*ALL_TO_DONE)
    stranger = Dialogue(marie.parent.beside("stranger"), "fr")
    for guess in "ABCDEFGHJK":
        await stranger.does(f"NON ABCD-EFGH-JKM{guess}")
        stranger.hears("object.unknown")
    await stranger.does(code_in(texts_to(marie, "+33655443322")[0]))
    stranger.hears("object.unknown")  # eleven tries in a day are too many, right or not
    assert await statuses(marie) == [False]


async def test_not_me(core: Dialogue[CoreParent]) -> None:
    """Somebody else was faster: the real parent freezes the account."""
    await core.follows(*ALL_TO_DONE)
    real = Dialogue(core.parent.beside("real", core.lang), core.lang)
    await real.follows("(wait 61s)", "(comes)", "[parent]", "[activate]", *MARIE, "[yes]", "(code)")
    real.is_asked(S.ALREADY)
    await real.does("[not_me]")
    real.is_asked(S.NOT_ME)
    await real.does("[yes]")
    real.is_asked(S.FROZEN)
    assert await statuses(core) == [True]


@pytest.mark.parametrize("does", ["password", "phone"])
async def test_recovery_and_another_phone_are_told_too(meet_core: MeetCore, does: str) -> None:
    marie = await meet_core(school())
    await marie.follows(*ALL_TO_DONE, "[manage]")
    if does == "password":
        await marie.follows("[change_password]", "Lune!Bleue48", "Lune!Bleue48")
    else:
        await marie.follows("[change_phone]", "07 51 99 88 77", "(code)", "[no]")
    assert len(texts_to(marie, "+33655443322")) == 2


async def test_what_changes_nothing_does_not_use_up_what_matters(meet_core: MeetCore) -> None:
    """Whoever asks for the identifier again and again cannot keep a new number from being told."""
    marie = await meet_core(school(), codes_per_chat="50/1d", codes_per_number="50/1d")
    await marie.follows(*ALL_TO_DONE)
    for _ in range(2):
        await marie.follows("/effacer", "[erase_all]", "(wait 5m)", "(comes)", "[parent]")
        await marie.follows("[forgot_identifier]", *MARIE, "[yes]", "(code)")
        marie.is_asked(S.ALREADY)
    assert len(texts_to(marie, "+33655443322")) == 1
    await marie.follows("[manage]", "[change_phone]", "07 51 99 88 77", "(code)", "[no]")
    assert len(texts_to(marie, "+33655443322")) == 2
