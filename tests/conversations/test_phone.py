"""The number (MISSION 4.3, PHONE and CONFIRM)."""

import pytest

from flows.inputs import SharedContact
from flows.states import S
from tests.conversations.conftest import Arrive, Meet, MeetCore
from tests.conversations.roads import MARIE
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import CoreParent

REFUSED: list[tuple[str, str, dict[str, object]]] = [
    ("je ne sais pas", "phone_missing", {}),
    ("06 12 34 56", "phone_too_short", {"n": 8}),
    ("06 12 34 56 78 9", "phone_too_long", {"n": 11}),
    ("01 42 68 53 00", "phone_landline", {}),
    ("+33 1 42 68 53 00", "phone_landline", {}),
    ("0262 12 34 56", "phone_landline", {}),
    ("09 50 12 34 56", "phone_box", {}),
    ("08 99 12 34 56", "phone_special", {}),
    ("112", "phone_special", {}),
    ("+870 773 111 222", "phone_special", {}),
    ("+881 6 123 45678", "phone_special", {}),
]


@pytest.mark.parametrize(("typed", "reason", "facts"), REFUSED)
async def test_what_is_no_mobile(
    arrive: Arrive, typed: str, reason: str, facts: dict[str, object]
) -> None:
    parent = await arrive(S.PHONE)
    await parent.follows(typed)
    parent.hears(f"refused.{reason}", **facts)
    parent.is_asked(S.PHONE)
    assert parent.offers("only_number")
    assert parent.sms.received == []


async def test_a_country_that_is_not_said(arrive: Arrive) -> None:
    parent = await arrive(S.PHONE)
    await parent.follows("+999 12345678")
    parent.hears("refused.phone_country")
    parent.is_asked(S.PHONE)


async def test_a_number_that_cannot_exist(arrive: Arrive) -> None:
    parent = await arrive(S.PHONE)
    await parent.follows("07 00 00 00 00")
    assert parent.sms.received == []
    parent.is_asked(S.PHONE)
    parent.does_not_hear("check.ask")


@pytest.mark.parametrize(
    "typed",
    [
        *("0612345678", "06.12.34.56.78", "06-12-34-56-78", "+33612345678", "0033612345678"),
        *(
            "+33 (0)6 12 34 56 78",
            "c'est le 06 12 34 56 78 !",
            "٠٦١٢٣٤٥٦٧٨",
            "06 12 34 56 78 (maman)",
        ),
        "fixe 01 42 68 53 00, portable 06 12 34 56 78",
    ],
)
async def test_ways_to_write_a_number(arrive: Arrive, typed: str) -> None:
    parent = await arrive(S.PHONE)
    await parent.follows(typed)
    parent.hears("check.ask", phone="06 12 34 56 78")


async def test_two_numbers(arrive: Arrive) -> None:
    parent = await arrive(S.WHICH_PHONE)
    assert parent.buttons[:2] == ["06 12 34 56 78", "07 51 23 45 67"]
    await parent.follows("hm")
    parent.hears("refused.choose")
    parent.is_asked(S.WHICH_PHONE)
    await parent.parent.presses("07 51 23 45 67")
    parent.hears("check.ask", phone="07 51 23 45 67")


async def test_two_numbers_and_one_of_them_again(arrive: Arrive) -> None:
    parent = await arrive(S.WHICH_PHONE)
    await parent.follows("07 51 23 45 67")
    parent.hears("check.ask", phone="07 51 23 45 67")


@pytest.mark.parametrize("channel", ["core", "telegram", "web"], indirect=True)
async def test_the_card_of_another_person(meet: Meet, channel: str) -> None:
    parent = await meet()
    await parent.follows("(comes)", "[parent]", "[activate]", "Dupont", "Marie")
    if channel == "core":
        core = parent.parent
        assert isinstance(core, CoreParent)
        await core.does(SharedContact("+33612345678", own=False))
        parent.hears("refused.contact_of_another")
        parent.is_asked(S.PHONE)
    await parent.parent.shares_own_number("+33611111111")
    parent.hears("refused.contact_not_known")  # the number is the parent's: honest at once
    parent.is_asked(S.PHONE)
    assert parent.sms.received == []


@pytest.mark.parametrize(
    "card", ["", "+33 6 12 34 56 78", "0612345678;ext=9", "٣٣٦١٢٣٤٥٦٧٨", "9" * 4096]
)
async def test_cards_that_are_not_in_shape(arrive: Arrive, card: str) -> None:
    parent = await arrive(S.PHONE)
    await parent.parent.shares_own_number(card)
    parent.is_asked(S.PHONE)
    parent.does_not_hear("check.ask")


async def test_a_card_is_not_believed_where_the_setting_says_so(
    meet_core: MeetCore, lang: str
) -> None:
    parent = await meet_core(lang=lang, trust_shared_contact=False)
    await parent.follows("(comes)", "[parent]", "[activate]", "Dupont", "Marie")
    await parent.parent.shares_own_number("+33611111111")
    parent.is_asked(S.CHECK)
    await parent.follows("[yes]")
    parent.is_asked(S.CODE)
    assert parent.sms.received == []


async def test_no_mobile_at_all(arrive: Arrive) -> None:
    parent = await arrive(S.PHONE)
    await parent.follows("01 42 68 53 00", "[only_number]")
    parent.hears("ask_school.ask", "ask_school.hint")
    await parent.follows("hm")
    parent.hears("refused.choose")
    await parent.follows("[other_number]")
    parent.is_asked(S.PHONE)


async def test_the_number_is_mended_before_the_code(arrive: Arrive) -> None:
    parent = await arrive(S.CHECK)
    await parent.follows("[fix_phone]")
    parent.is_asked(S.PHONE)
    await parent.follows("06 98 76 54 32")
    parent.hears("check.ask", phone="06 98 76 54 32")
    await parent.follows("non, le 07 51 23 45 67")  # at the check too
    parent.hears("check.ask", phone="07 51 23 45 67")
    assert parent.sms.received == []


async def test_nothing_is_sent_before_yes(core: Dialogue[CoreParent]) -> None:
    await core.follows("(comes)", "[parent]", "[activate]", *MARIE, "hm", "[help]", "/statut")
    assert core.sms.received == []
