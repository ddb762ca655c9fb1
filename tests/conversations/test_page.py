"""The password is given on a page of its own, and never enters the chat (UX 4)."""

import re
from pathlib import Path
from typing import Any

import pytest

import locales
from bot.engine import PageAnswer
from flows.outputs import Page
from flows.states import S
from storage.database import every
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import ROADS
from tests.helpers.dialogue import PASSWORD, Dialogue, pattern
from tests.helpers.parent import CoreParent

SITE = "https://school.example"


@pytest.fixture
async def parent(meet_core: MeetCore, lang: str) -> Dialogue[CoreParent]:
    """Somebody who is asked for a password, where there is a page for it."""
    met = await meet_core(lang=lang, public_url=SITE)
    await met.follows(*ROADS[S.PASSWORD])
    return met


def says(answer: PageAnswer, key: str, lang: str, **facts: Any) -> None:
    """The page shows this, in this language."""
    assert answer.lang == lang
    assert re.search(pattern(key, lang, facts), answer.text), answer


async def test_the_parent_is_led_to_the_page(parent: Dialogue[CoreParent], lang: str) -> None:
    parent.hears("password.page")
    parent.does_not_hear("password.ask", "password.hint")
    assert parent.parent.last.page == locales.say("button.page", lang)
    await parent.says("?")
    parent.hears("password.page_help", "password.page")
    parent.does_not_hear("password.help")


async def test_a_question_over_the_question_does_not_lead_there(
    parent: Dialogue[CoreParent],
) -> None:
    await parent.says("/annuler")
    assert parent.parent.last.page == ""
    await parent.does("[continue]")
    assert parent.parent.last.page


async def test_the_chat_goes_on_after_the_page(parent: Dialogue[CoreParent], lang: str) -> None:
    opened = await parent.parent.opens_page()
    assert (opened.outcome, opened.identifier, opened.minimum) == (Page.OPEN, "m.dupont", 8)
    assert parent.reads == ""
    taken = await parent.parent.fills_page(PASSWORD)
    assert taken.outcome is Page.TAKEN
    says(taken, "page.taken", lang)
    parent.hears("password.taken", "children")
    parent.is_asked(S.CHILD)
    await parent.follows("[yes]", "14/03/2014", "[activate_now]")
    parent.is_asked(S.DONE, identifier=opened.identifier)
    accounts = await parent.parent.service.doors.database.run(every("SELECT id FROM accounts"))
    assert len(accounts) == 1


@pytest.mark.parametrize(
    ("password", "again", "key"),
    [
        ("Soleil27", None, "refused.password_rules"),
        ("Azerty123!", None, "refused.password_common"),
        ("MarieDupont1!", None, "refused.password_personal"),
        (PASSWORD, "Soleil&Vert28", "password.different"),
        (PASSWORD, "", "password.different"),
        (" " + PASSWORD, None, "refused.password_edge_space"),
        ("", "", "refused.password_rules"),
    ],
)
async def test_what_the_page_is_refused_the_chat_does_not_hear(
    parent: Dialogue[CoreParent], lang: str, password: str, again: str | None, key: str
) -> None:
    await parent.parent.opens_page()
    answer = await parent.parent.fills_page(password, again)
    assert answer.outcome is Page.AGAIN
    says(answer, key, lang)
    assert parent.reads == ""
    assert (await parent.parent.fills_page(PASSWORD)).outcome is Page.TAKEN


async def test_a_page_serves_once(parent: Dialogue[CoreParent], lang: str) -> None:
    await parent.parent.opens_page()
    await parent.parent.fills_page(PASSWORD)
    for answer in (await parent.parent.fills_page(PASSWORD), await parent.parent.opens_page()):
        assert answer.outcome is Page.GONE
        says(answer, "page.gone", lang)
        assert parent.reads == ""
    await parent.does("[yes]")  # the conversation stands where it stood
    parent.is_asked(S.BIRTHDATE)


async def test_a_page_serves_once_at_the_same_question(parent: Dialogue[CoreParent]) -> None:
    """Back at the question, the page of before does not serve a second time."""
    await parent.parent.opens_page()
    await parent.parent.fills_page(PASSWORD)
    await parent.does("/retour")
    parent.hears("password.page")
    assert (await parent.parent.fills_page("Autre&Mot99")).outcome is Page.GONE
    await parent.parent.opens_page("another")
    assert (await parent.parent.fills_page("Autre&Mot99", ticket="another")).outcome is Page.TAKEN


async def test_only_the_newest_page_serves(parent: Dialogue[CoreParent]) -> None:
    await parent.parent.opens_page("first")
    await parent.parent.opens_page("second")
    assert (await parent.parent.fills_page(PASSWORD, ticket="first")).outcome is Page.GONE
    assert (await parent.parent.fills_page(PASSWORD, ticket="second")).outcome is Page.TAKEN


@pytest.mark.parametrize(("length", "outcome"), [("14m", Page.TAKEN), ("15m", Page.GONE)])
async def test_a_page_serves_for_a_quarter_of_an_hour(
    parent: Dialogue[CoreParent], length: str, outcome: Page
) -> None:
    await parent.parent.opens_page()
    await parent.waits(length)
    assert (await parent.parent.fills_page(PASSWORD)).outcome is outcome


async def test_a_page_serves_after_a_restart(parent: Dialogue[CoreParent]) -> None:
    await parent.parent.opens_page()
    await parent.does("(restart)")
    assert (await parent.parent.fills_page(PASSWORD)).outcome is Page.TAKEN


async def test_a_page_without_a_ticket_is_of_no_use(parent: Dialogue[CoreParent]) -> None:
    for ticket in ("", "made up"):
        assert (await parent.parent.fills_page(PASSWORD, ticket=ticket)).outcome is Page.GONE
    assert parent.reads == ""


async def test_the_proof_grew_old(parent: Dialogue[CoreParent], lang: str) -> None:
    await parent.waits("31m")
    answer = await parent.parent.opens_page()
    assert answer.outcome is Page.GONE
    parent.hears("password.prove_again")
    parent.is_asked(S.CHECK)


async def test_a_password_in_the_chat_is_deleted_refused_and_explained(
    parent: Dialogue[CoreParent],
) -> None:
    await parent.says(PASSWORD)
    parent.hears("refused.password_in_chat", "password.page")
    assert len(parent.parent.erased) == 1
    assert parent.parent.last.page
    await parent.parent.opens_page()
    assert (await parent.parent.fills_page(PASSWORD)).outcome is Page.TAKEN


async def test_the_page_follows_the_language(parent: Dialogue[CoreParent], lang: str) -> None:
    other = "en" if lang == "fr" else "fr"
    await parent.says("/langue")
    assert (await parent.parent.opens_page()).lang == other
    says(await parent.parent.fills_page("abc"), "refused.password_rules", other)


async def test_there_is_no_page_elsewhere(meet_core: MeetCore, lang: str) -> None:
    """Before the conversation, at any other question, and where no page is configured."""
    met = await meet_core(lang=lang, public_url=SITE)
    assert (await met.parent.opens_page()).outcome is Page.GONE
    await met.follows(*ROADS[S.CODE])
    for answer in (await met.parent.opens_page(), await met.parent.fills_page(PASSWORD)):
        assert answer.outcome is Page.GONE
        assert met.reads == ""


async def test_no_page_where_none_is_configured(meet_core: MeetCore) -> None:
    met = await meet_core()
    await met.follows(*ROADS[S.PASSWORD])
    met.is_asked(S.PASSWORD)
    assert (await met.parent.opens_page()).outcome is Page.GONE
    assert not met.parent.last.page


async def test_too_many_tries_have_to_wait(meet_core: MeetCore, lang: str) -> None:
    met = await meet_core(lang=lang, public_url=SITE, page_tries="3/15m")
    await met.follows(*ROADS[S.PASSWORD])
    await met.parent.opens_page()
    for _ in range(2):
        assert (await met.parent.fills_page("abc")).outcome is Page.AGAIN
    answer = await met.parent.fills_page(PASSWORD)
    assert answer.outcome is Page.LATER
    says(answer, "page.later", lang)
    await met.waits("16m")
    await met.parent.opens_page()
    assert (await met.parent.fills_page(PASSWORD)).outcome is Page.TAKEN


async def test_the_identifier_on_the_page_is_the_accounts(meet_core: MeetCore) -> None:
    """Even if the parent stops, and starts again."""
    met = await meet_core(public_url=SITE)
    await met.follows(*ROADS[S.PASSWORD])
    first = (await met.parent.opens_page()).identifier
    await met.follows("/annuler", "[stop]", "(wait 61s)", *ROADS[S.PASSWORD])
    assert (await met.parent.opens_page()).identifier == first == "m.dupont"
    await met.parent.fills_page(PASSWORD)
    await met.follows("[yes]", "14/03/2014", "[activate_now]")
    met.is_asked(S.DONE, identifier=first)


async def test_nothing_of_the_password_is_stored(parent: Dialogue[CoreParent]) -> None:
    await parent.parent.opens_page()
    await parent.parent.fills_page("Velo-Rouge-42!x", "Velo-Rouge-42!y")
    await parent.parent.fills_page("Velo-Rouge-42!")
    folder = Path(parent.parent.settings.database).parent
    for file in folder.iterdir():
        assert b"Velo-Rouge" not in file.read_bytes()
