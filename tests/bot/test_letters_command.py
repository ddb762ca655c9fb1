"""`sesame letters`, `letter`, `freeze`, `unfreeze`: what is printed, written, told and recorded."""

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import segno

import locales
from bot.app import open_storage
from flows.states import S
from storage.database import every
from storage.letters import Letters
from storage.place import Place
from tests.bot.test_command_line import Run, _machine, database, failed, telegram
from tests.bot.test_command_line import run as command
from tests.bot.test_operators import done, ok, place, recorded
from tests.conversations.roads import ALL_TO_DONE
from tests.helpers.clock import Clock
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import core_parent, test_settings
from tests.helpers.school import School, a_school
from tests.telegram.server import BotApi

__all__ = [
    "_machine",
    "command",
    "database",
    "place",
    "telegram",
]  # the machine on which every command runs

CODE = re.compile(r"\b(?:[2-9A-HJKMNP-Z]{4}-){2}[2-9A-HJKMNP-Z]{4}\b")
NAMES = ("Marie", "Sophie", "Sophie", "An", "Lan", "Inès", "Łukasz")
CALL = ("--reason", "call")


def school() -> School:
    """Paul has no mobile in the register, and a name that would break a page."""
    return a_school().knows("Paul <B> MOREAU", "", {"Ana MOREAU": "02/02/2013"})


@pytest.fixture(autouse=True)
def filled(request: pytest.FixtureRequest, database: Path) -> None:
    """The register, on the database of the test: a file, but where it asks for each kind."""
    place: Place = request.getfixturevalue("place") if "place" in request.fixturenames else database

    async def fill() -> None:
        async with core_parent(place, school()):
            pass

    asyncio.run(fill())


def activates(database: Place) -> None:
    """Marie has an account."""

    async def follow() -> None:
        async with core_parent(database, school(), clock=Clock(datetime.now(UTC))) as parent:
            await Dialogue(parent, "fr").follows(*ALL_TO_DONE)

    done(follow())


def written(folder: Path) -> str:
    """The page that was written last."""
    newest = max(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
    return newest.read_text("utf-8")


def people(page: str) -> list[str]:
    return re.findall(r'<p class="to">(?:À l&#39;attention de|For) (\S+)', page)


async def whose(database: Place, code: str) -> str:
    """Whom the code is for."""
    async with open_storage(test_settings(database)) as (opened, vault):
        found = await opened.run(Letters(vault).check(code, b"a chat", datetime.now(UTC)))
        return getattr(found, "first", "nobody")


# ---- letters ---------------------------------------------------------------------------------


def test_a_letter_for_everybody_who_has_no_account(
    command: Run, database: Path, tmp_path: Path
) -> None:
    activates(database)
    result = command("letters", "--out", "letters", LC_ALL="en")
    assert "7 letters" in ok(result)
    assert result.stderr == locales.say("letters.no_bot", "en") + "\n"
    page = written(tmp_path / "letters")
    assert sorted(people(page)) == sorted([*NAMES[1:], "Paul"])  # Paul, who has no mobile, too
    codes = CODE.findall(page)
    assert len(set(codes)) == 7
    assert done(whose(database, codes[people(page).index("Inès")])) == "Inès"
    actor, action, facts = recorded(database)[-1]
    assert (actor.split(":")[0], action, json.loads(facts)) == (
        *("operator", "letters_written"),
        {"guardians": 7},
    )


def test_nobody_else_reads_them(command: Run, tmp_path: Path) -> None:
    ok(command("letters", "--out", "deep/letters"))
    [file] = (tmp_path / "deep" / "letters").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_the_code_is_nowhere_else(command: Run, database: Path, tmp_path: Path) -> None:
    result = command("letters", "--out", "letters")
    for code in CODE.findall(written(tmp_path / "letters")):
        plain = code.replace("-", "")
        assert plain not in result.output.replace("-", "")
        for file in database.parent.glob(f"{database.name}*"):
            assert plain.encode() not in file.read_bytes()


def test_one_school_and_those_who_have_an_account(
    command: Run, database: Path, tmp_path: Path
) -> None:
    activates(database)
    ok(command("letters", "--uai", "0750002V", "--out", "letters"))
    assert sorted(people(written(tmp_path / "letters"))) == ["Inès", "Sophie"]
    ok(command("letters", "--all", "--out", "all"))
    assert sorted(people(written(tmp_path / "all"))) == sorted([*NAMES, "Paul"])
    assert locales.say("letters.none", "fr") in ok(
        command("letters", "--uai", "0759999Z", "--out", "none")
    )
    assert list((tmp_path / "none").iterdir()) == []


@pytest.mark.parametrize(("lang", "shown"), [("fr", "fr"), ("en", "en"), ("both", "fr en")])
def test_in_one_language_or_both(command: Run, tmp_path: Path, lang: str, shown: str) -> None:
    ok(command("letters", "--lang", lang, "--days", "10", "--out", "letters"))
    page = written(tmp_path / "letters")
    for one in locales.LANGUAGES:
        assert (f"<h1>{locales.say('letters.title', one)}</h1>" in page) is (one in shown)
    assert page.count("<svg") == 0
    assert "&lt;B&gt;" in page  # a name is never markup
    assert "<B>" not in page
    assert "http" not in page.replace("http-equiv", "")  # nothing is asked of another machine


async def test_the_picture_opens_the_conversation(
    command: Run, tmp_path: Path, telegram: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    make = segno.make

    def draws(content: str, **more: Any) -> segno.QRCode:
        drawn.append(content)
        return make(content, **more)

    monkeypatch.setattr(segno, "make", draws)
    own = {"SESAME_TELEGRAM_TOKEN": telegram.token, "SESAME_TELEGRAM_API_URL": telegram.url}
    result = await asyncio.to_thread(command, "letters", "--out", "letters", **own)
    assert ok(result)
    assert result.stderr == ""
    page = written(tmp_path / "letters")
    links = [
        f"https://t.me/sesame_test_bot?start={code.replace('-', '')}" for code in CODE.findall(page)
    ]
    assert drawn == links
    assert page.count("<svg") == len(links) == 8
    assert "@sesame_test_bot" in page


def test_the_letter_before_is_void(command: Run, place: Place, tmp_path: Path) -> None:
    ok(command("letter", "06 12 34 56 78", "--out", "one"))
    [before] = CODE.findall(written(tmp_path / "one"))
    ok(command("letter", "06 12 34 56 78", "--out", "two"))
    [now] = CODE.findall(written(tmp_path / "two"))
    assert done(whose(place, before)) == "nobody"
    assert done(whose(place, now)) == "Marie"


def test_where_nothing_can_be_written_no_letter_is_void(
    command: Run, database: Path, tmp_path: Path
) -> None:
    ok(command("letter", "06 12 34 56 78", "--out", "one"))
    [code] = CODE.findall(written(tmp_path / "one"))
    (tmp_path / "file").touch()
    result = command("letters", "--out", "file")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert done(whose(database, code)) == "Marie"


@pytest.mark.parametrize(
    "who",
    [
        ("06 12 34 56 78",),
        ("m.dupont",),
        ("Marie Dupont", "--uai", "0750001U"),
        ("DUPONT Marie", "--uai", "0750001U"),
    ],
)
def test_one_person_who_has_an_account(
    command: Run, database: Path, tmp_path: Path, who: tuple[str, ...]
) -> None:
    activates(database)
    ok(command("letter", *who, "--out", "letters"))
    assert people(written(tmp_path / "letters")) == ["Marie"]


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (("Marie Dupont",), "letters.school_needed"),
        (("Marie Curie", "--uai", "0750001U"), "letters.nobody"),
        (("07 51 23 45 67",), "letters.which"),  # two parents, one phone
        (("m.nobody",), "erase.nobody"),
        (("06 11 22 33 44",), "erase.nobody"),
        (("zebra",), "operator.who"),
    ],
)
def test_who_is_meant(command: Run, tmp_path: Path, who: tuple[str, ...], said: str) -> None:
    result = command("letter", *who, "--out", "letters")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"sesame: {locales.say(said, 'fr')}"
    assert not list(tmp_path.glob("letters/*"))


@pytest.mark.parametrize("line", [("letters",), ("letter", "m.dupont"), ("letter", "--out", "x")])
def test_bad_usage(command: Run, line: tuple[str, ...]) -> None:
    assert command(*line).exit_code == 2
    assert command("letters", "--out", "x", "--days", "366").exit_code == 2


# ---- freeze ----------------------------------------------------------------------------------


async def frozen(database: Place) -> list[bool]:
    async with open_storage(test_settings(database)) as (opened, _):
        rows = await opened.run(every("SELECT frozen_at FROM accounts ORDER BY id"))
        return [at is not None for (at,) in rows]


@pytest.mark.parametrize("who", ["06 12 34 56 78", "M.DUPONT"])
def test_an_account_is_frozen_and_its_parent_is_told(command: Run, place: Place, who: str) -> None:
    activates(place)
    assert locales.say("freeze.done", "fr", {"identifier": "m.dupont"}) in ok(
        command("freeze", who, *CALL)
    )
    assert done(frozen(place)) == [True]

    async def hears(key: str, state: S | None = None) -> None:
        async with core_parent(place, school(), clock=Clock(datetime.now(UTC))) as parent:
            marie = Dialogue(parent, "fr")
            await parent.service.delivery.look()
            await parent.service.delivery.settle()
            marie.hears(key)
            if state:
                marie.is_asked(state)

    done(hears("signed_out.frozen"))
    assert locales.say("freeze.unfrozen", "fr", {"identifier": "m.dupont"}) in ok(
        command("unfreeze", who, "--reason", "visit")
    )
    assert done(frozen(place)) == [False]
    done(hears("thawed"))
    done_to_it = [(one[0].split(":")[0], one[1], one[2]) for one in recorded(place)[-2:]]
    assert [(actor, action) for actor, action, _ in done_to_it] == [
        ("operator", "account_frozen"),
        ("operator", "account_unfrozen"),
    ]
    assert [json.loads(facts)["reason"] for *_, facts in done_to_it] == ["call", "visit"]


def test_what_cannot_be_frozen(command: Run, database: Path) -> None:
    assert failed(command("freeze", "06 12 34 56 78", *CALL)) == locales.say("freeze.none", "fr")
    assert failed(command("freeze", "m.dupont", *CALL)) == locales.say("erase.nobody", "fr")
    activates(database)
    facts = {"identifier": "m.dupont"}
    assert failed(command("unfreeze", "m.dupont", *CALL)) == locales.say(
        "freeze.not_frozen", "fr", facts
    )
    assert command("freeze", "m.dupont").exit_code == 2
    assert command("freeze", "m.dupont", "--reason", "Mme Dupont called").exit_code == 2
    assert done(frozen(database)) == [False]
