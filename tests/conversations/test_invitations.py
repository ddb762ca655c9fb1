"""A personal link begins the conversation with the parent's name, and proves nothing (UX 1)."""

import asyncio
import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

import locales
from bot.__main__ import main
from bot.app import open_storage
from flows.states import S
from storage.database import every
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import everybody
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import SECRET, Parent, test_settings
from tests.helpers.school import INVITATION
from tests.telegram.server import BotApi

REST = ("06 12 34 56 78", "[yes]", "(code)", PASSWORD, PASSWORD, "[yes]", "14/03/2014")


async def test_the_link_knows_the_name(parent: Dialogue[Parent]) -> None:
    await parent.does("(invited)")
    parent.hears("welcome", "privacy")
    parent.is_asked(S.INVITED, first="Marie", last="DUPONT")
    await parent.does("[yes]")
    parent.is_asked(S.PHONE)
    await parent.follows(*REST, "[activate_now]")
    parent.is_asked(S.DONE)
    parent.hears("done.ask", identifier="m.dupont")


async def test_who_it_is_not_begins_as_everybody_does(parent: Dialogue[Parent]) -> None:
    await parent.follows("(invited)", "[no]")
    parent.is_asked(S.PROFILE)
    await parent.follows("[parent]", "[activate]", "Nguyen", "An", "07 51 23 45 67")
    parent.is_asked(S.CHECK, first="An", last="Nguyen")


async def test_the_name_of_somebody_else_is_forgotten(meet_core: MeetCore) -> None:
    met = await meet_core()
    await met.follows("(invited)", "[no]")
    doors = met.parent.service.doors
    key = doors.conversations.key(met.parent.address)
    chat = await doors.database.run(doors.conversations.load(key))
    assert chat is not None
    assert (chat.last, chat.first) == ("", "")


async def test_a_link_that_is_none_looks_like_no_link(parent: Dialogue[Parent]) -> None:
    await parent.parent.comes_by_link("x" * 22)
    parent.hears("welcome")
    parent.is_asked(S.PROFILE)


async def test_the_link_proves_nothing(parent: Dialogue[Parent]) -> None:
    """The number must still be the guardian's own, and the code come back."""
    await parent.follows("(invited)", "[yes]", "07 51 23 45 67", "[yes]", "(code)")
    parent.hears("name.differs")


async def test_a_link_serves_the_first_chat_alone(meet_core: MeetCore) -> None:
    marie = await meet_core()
    await marie.does("(invited)")
    stranger = Dialogue(marie.parent.beside("stranger"), "fr")
    await stranger.does("(invited)")
    stranger.is_asked(S.PROFILE)
    await marie.follows("/annuler", "[stop]", "(invited)")
    marie.is_asked(S.INVITED)


async def test_a_link_grows_old(meet_core: MeetCore) -> None:
    met = await meet_core()
    met.clock.passes(days=3650)
    await met.does("(invited)")
    met.is_asked(S.PROFILE)


async def test_a_link_in_the_middle_asks_whether_to_go_on(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)", "[parent]", "[activate]", "Nguyen", "(invited)")
    parent.hears("interrupt.start")
    await parent.does("[continue]")
    parent.is_asked(S.FIRST_NAME)


async def test_a_link_at_the_first_questions_is_taken(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)", "[parent]", "(invited)")
    parent.is_asked(S.INVITED)


async def test_the_language_is_one_touch_away(parent: Dialogue[Parent], lang: str) -> None:
    await parent.follows("(invited)", "[language]")
    other = Dialogue(parent.parent, "en" if lang == "fr" else "fr")
    other.is_asked(S.INVITED, first="Marie", last="DUPONT")


async def test_a_parent_of_another_language_is_spoken_to_all_the_same(
    meet_core: MeetCore,
) -> None:
    met = await meet_core(lang=None)
    await met.does("(invited)")
    met.is_asked(S.INVITED)
    Dialogue(met.parent, "en").does_not_hear("invited.ask")  # its button is there
    await met.does("[language]")
    Dialogue(met.parent, "en").is_asked(S.INVITED)


# ---- sesame invite ---------------------------------------------------------------------------


@pytest.mark.parametrize(("uai", "number"), [("", 8), ("0750002V", 2), ("0000000A", 0)])
async def test_the_school_gets_a_list_of_links(
    uai: str, number: int, tmp_path: Path, lang: str
) -> None:
    database, file = tmp_path / "sesame.sqlite3", tmp_path / "links.csv"
    settings = test_settings(database)
    await everybody().fills_file(database, settings)
    async with BotApi() as server:
        env = {
            "SESAME_DATABASE_URL": f"sqlite+aiosqlite:///{database}",
            "SESAME_SECRET": SECRET,
            "SESAME_TELEGRAM_TOKEN": server.token,
            "SESAME_TELEGRAM_API_URL": server.url,
            "LC_ALL": lang,
        }
        result = await _run(["invite", str(file), "--uai", uai], env)
    assert result == (0, locales.say("invite.done", lang, {"n": number, "file": str(file)}) + "\n")
    rows = list(csv.reader(file.read_text("utf-8-sig").splitlines(), delimiter=";"))
    assert rows[0] == locales.say("invite.columns", lang).split("|")
    assert len(rows) == number + 1
    assert len({row[3] for row in rows[1:]}) == number
    assert file.stat().st_mode & 0o777 == 0o600
    async with open_storage(settings) as (storage, _):
        stored = await storage.run(every("SELECT * FROM invitations"))
    for row in rows[1:]:
        name, _, token = row[3].rpartition("?start=")
        assert name == f"https://t.me/{server.bot['username']}"
        assert token not in repr(stored)
    if not uai:
        assert INVITATION not in {row[3] for row in rows}  # there is another one now


async def _run(arguments: list[str], env: dict[str, str]) -> tuple[int, str]:
    result = await asyncio.to_thread(CliRunner().invoke, main, arguments, env=env)
    return result.exit_code, result.output
