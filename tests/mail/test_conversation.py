"""A parent's e-mail through a real server, from the question to the changed account."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flows.states import S
from tests.conversations.conftest import MeetCore
from tests.conversations.test_email import INSIDE
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import CoreParent
from tests.mail.test_smtp import at, sender
from tests.servers.mail import PostOffice

ADDRESS = "marie.dupont@exemple.fr"


@asynccontextmanager
async def at_school(
    meet_core: MeetCore, folder: Path, lang: str, mood: str = ""
) -> AsyncIterator[tuple[Dialogue[CoreParent], PostOffice]]:
    """A parent whose school has this mail server."""
    office = PostOffice(mood=mood)
    async with office.answering("starttls"):
        yield await meet_core(lang=lang, mail=sender(office, folder)), office


def code_of(office: PostOffice) -> str:
    """The code of the mail that came last."""
    found = re.search(r"\b[0-9]{6}\b", office.received[-1].get_content())
    assert found
    return found[0]


async def test_an_address_is_proved(meet_core: MeetCore, tmp_path: Path, lang: str) -> None:
    async with at_school(meet_core, tmp_path, lang) as (marie, office):
        await marie.follows(*INSIDE, ADDRESS)
        marie.is_asked(S.EMAIL_CODE)
        assert office.envelopes == [("sesame@ecole.example", [ADDRESS])]
        assert code_of(office) not in str(office.received[0]["Subject"])
        await marie.does(code_of(office))
        marie.hears("changed.email_changed")


@pytest.mark.parametrize("mood", ["no such address", "spam", "no sender", "dies at DATA"])
async def test_a_mail_that_does_not_leave_is_told(
    meet_core: MeetCore, tmp_path: Path, lang: str, mood: str
) -> None:
    async with at_school(meet_core, tmp_path, lang, mood) as (marie, office):
        await marie.follows(*INSIDE, ADDRESS)
        await marie.parent.service.delivery.settle()
        marie.hears("email.failed")
        marie.is_asked(S.EMAIL)
        office.mood = ""
        await marie.follows("(wait 2m)", ADDRESS)
        await marie.does(code_of(office))
        marie.hears("changed.email_changed")


async def test_without_a_server_the_rest_goes_on(meet_core: MeetCore, tmp_path: Path) -> None:
    marie = await meet_core(mail=at("smtp://127.0.0.1:1"))
    await marie.follows(*INSIDE, ADDRESS)
    marie.is_asked(S.EMAIL_CODE)
    await marie.does("[back]")
    marie.is_asked(S.EMAIL)
