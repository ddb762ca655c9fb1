"""What "accéder à mes services" offers: for the schools of the account's children, what is open."""

from datetime import timedelta
from pathlib import Path

import pytest

from flows.states import S
from tests.conversations.conftest import Meet, MeetCore
from tests.conversations.roads import ALL_TO_DONE
from tests.conversations.test_my_account import SOPHIE_IS_IN
from tests.helpers.clock import Clock

TODAY = Clock()().date()


def day(days: int) -> str:
    """A date of TOML."""
    return (TODAY + timedelta(days=days)).isoformat()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The school's file."""
    path = tmp_path / "services.toml"
    path.write_text(
        f"""
[[service]]
kind = "ent"
schools = "*"
link = "https://ent.example.org/"

[[service]]
kind = "bourse"
schools = ["0750001U"]
name = {{fr = "Bourse de collège", en = "Scholarship"}}
link = "https://bourse.example.org/"
opens = {day(-10)}
closes = {day(10)}

[[service]]
kind = "orientation"
schools = ["0750001U"]
link = "https://orientation.example.org/"
opens = {day(20)}
closes = {day(40)}

[[service]]
kind = "paiement"
schools = ["0750002V"]
link = "https://paiement.example.org/"
closes = {day(-1)}
""",
        "utf-8",
    )
    return path


async def test_what_is_open_for_my_child(meet: Meet, file: Path, lang: str) -> None:
    parent = await meet(services=file)
    await parent.follows(*ALL_TO_DONE, "[services]")
    parent.is_asked(S.DONE)
    assert "https://ent.example.org/" in parent.reads
    assert {"fr": "Bourse de collège", "en": "Scholarship"}[lang] in parent.reads
    assert "orientation" not in parent.reads  # not yet
    assert "paiement" not in parent.reads  # another school's, and over


async def test_each_school_of_my_children(meet_core: MeetCore, file: Path) -> None:
    met = await meet_core(services=file)
    await met.follows(*SOPHIE_IS_IN, "[services]")
    met.is_asked(S.MANAGE)
    assert "Collège des Lilas" in met.reads
    assert "École du Port" in met.reads


@pytest.mark.parametrize(("days", "open_"), [(9, True), (10, True), (11, False), (-11, False)])
async def test_only_between_its_days(
    meet_core: MeetCore, file: Path, days: int, open_: bool
) -> None:
    """The last day counts."""
    clock = Clock()
    clock.passes(days=days)
    met = await meet_core(services=file, clock=clock)
    await met.follows(*ALL_TO_DONE, "[services]")
    assert ("bourse.example.org" in met.reads) is open_


async def test_the_file_is_edited_while_the_bot_runs(meet_core: MeetCore, file: Path) -> None:
    met = await meet_core(services=file)
    await met.follows(*ALL_TO_DONE, "[services]")
    file.write_text(
        '[[service]]\nkind = "livret"\nschools = "*"\nlink = "https://new.example.org/"\n'
    )
    await met.does("[services]")
    assert "https://new.example.org/" in met.reads
    assert "ent.example.org" not in met.reads


async def test_a_broken_entry_does_not_hide_the_others(meet_core: MeetCore, file: Path) -> None:
    file.write_text('[[service]]\nkind = "magic"\n' + file.read_text("utf-8"), "utf-8")
    met = await meet_core(services=file)
    await met.follows(*ALL_TO_DONE, "[services]")
    assert "https://ent.example.org/" in met.reads


async def test_no_file(meet_core: MeetCore, lang: str) -> None:
    met = await meet_core(lang=lang)
    await met.follows(*ALL_TO_DONE, "[services]")
    met.hears("services.none")
    met.is_asked(S.DONE)
