"""The account's e-mail: proved by a code that came by e-mail, and in force at once."""

import pytest

from flows.states import S
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import ALL_TO_DONE
from tests.conversations.test_forgotten import LATER, NEW
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import CoreParent, Inbox

INSIDE = (*ALL_TO_DONE, "[manage]", "[change_email]")


@pytest.fixture
async def mailed(meet_core: MeetCore, lang: str) -> Dialogue[CoreParent]:
    """A parent whose school has a mail server."""
    return await meet_core(lang=lang, mail=Inbox())


def inbox(parent: Dialogue[CoreParent]) -> Inbox:
    """What arrived."""
    found = parent.parent.bot.mail
    assert found is not None
    return found


async def test_an_address_is_proved(mailed: Dialogue[CoreParent]) -> None:
    await mailed.follows(*INSIDE)
    mailed.is_asked(S.EMAIL)
    await mailed.does("marie.dupont@example.org")
    mailed.is_asked(S.EMAIL_CODE)
    await mailed.does("000000")
    mailed.hears("code.wrong.email", n=4)
    await mailed.does(inbox(mailed).last_code)
    mailed.hears("changed.email_changed")
    mailed.is_asked(S.MANAGE)
    await mailed.does("[my_data]")
    assert "marie.dupont@example.org" in mailed.reads


async def test_did_you_mean(mailed: Dialogue[CoreParent]) -> None:
    await mailed.follows(*INSIDE, "marie@gmial.com")
    mailed.is_asked(S.EMAIL_TYPO, suggestion="marie@gmail.com")
    await mailed.does("[yes]")
    assert inbox(mailed).received[-1].to == "marie@gmail.com"


async def test_i_mean_what_i_wrote(mailed: Dialogue[CoreParent]) -> None:
    await mailed.follows(*INSIDE, "marie@gmial.com", "[no]")
    assert inbox(mailed).received[-1].to == "marie@gmial.com"


async def test_no_address_at_all(mailed: Dialogue[CoreParent]) -> None:
    await mailed.follows(*INSIDE, "marie.gmail.com")
    mailed.is_asked(S.EMAIL)
    assert inbox(mailed).received == []


async def test_recovery_is_told_by_e_mail(mailed: Dialogue[CoreParent]) -> None:
    await mailed.follows(*INSIDE, "marie@example.org")
    await mailed.does(inbox(mailed).last_code)
    await mailed.follows(*LATER, "[forgot_password]", "m.dupont", "(code)", "14/03/2014", NEW, NEW)
    told = inbox(mailed).received[-1]
    assert told.to == "marie@example.org"
    assert "NON" in told.text or "NO " in told.text


async def test_the_code_of_an_address_serves_no_other(mailed: Dialogue[CoreParent]) -> None:
    await mailed.follows(*INSIDE, "marie@example.org")
    code = inbox(mailed).last_code
    await mailed.follows("[other_address]", "(wait 61s)", "other@example.org")
    await mailed.does(code)
    mailed.does_not_hear("changed.email_changed")


async def test_an_e_mail_code_opens_no_account(mailed: Dialogue[CoreParent]) -> None:
    """It is no proof of the phone."""
    await mailed.follows(*INSIDE, "marie@example.org", "(wait 9m)")
    await mailed.does(inbox(mailed).last_code)
    mailed.is_asked(S.MANAGE)
    await mailed.follows("(wait 2m)", "[change_password]")
    mailed.is_asked(S.PROVE)


async def test_where_no_e_mail_can_be_sent(meet_core: MeetCore) -> None:
    met = await meet_core()
    await met.follows(*INSIDE)
    met.hears("mail.off")
    met.is_asked(S.MANAGE)
