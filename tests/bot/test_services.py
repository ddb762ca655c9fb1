"""The schools' file of services: what it offers today, and what is wrong with it."""

import asyncio
import logging
import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import locales
from bot.sandbox import school_of
from bot.services import KINDS, Offer, Problem, Services, expired, read
from flows.inputs import ServiceOpen
from tests.bot.test_command_line import Run, _machine, database
from tests.bot.test_command_line import run as command
from tests.helpers.parent import core_parent, test_settings
from tests.helpers.school import a_school

__all__ = ["_machine", "command", "database"]

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 28)
LILAS, PORT = ("0750001U", "Collège des Lilas"), ("0750002V", "École du Port")

GOOD: dict[str, Any] = {
    "kind": '"ent"',
    "schools": '"*"',
    "link": '"https://ent.example.org/"',
}


def entry(**own: str | None) -> str:
    """One service in TOML, sound but for what is given; None leaves a word out."""
    words = {**GOOD, **own}
    lines = [f"{name} = {value}" for name, value in words.items() if value is not None]
    return "\n".join(["[[service]]", *lines, ""])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "services.toml"


def links(services: Services, *schools: tuple[str, str], today: date = TODAY) -> list[str]:
    return [one.link for one in services(schools or (LILAS,), today)]


# ---- what is offered -------------------------------------------------------------------------


def test_a_service_of_every_school(file: Path) -> None:
    file.write_text(entry(closes="2026-12-01"), "utf-8")
    assert Services(file)((LILAS, PORT), TODAY) == tuple(
        ServiceOpen(
            name,
            {"fr": "Espace numérique de travail", "en": "Digital workspace"},
            "https://ent.example.org/",
            date(2026, 12, 1),
        )
        for _, name in (LILAS, PORT)
    )


def test_each_school_has_its_own_in_the_files_order(file: Path) -> None:
    file.write_text(
        entry(link='"https://a.example/"', schools='["0750002V"]')
        + entry(link='"https://b.example/"', schools='["0750001U", "0750002V"]')
        + entry(link='"https://c.example/"', schools='["0750001U"]'),
        "utf-8",
    )
    services = Services(file)
    assert links(services) == ["https://b.example/", "https://c.example/"]
    assert links(services, PORT) == ["https://a.example/", "https://b.example/"]
    assert links(services, LILAS, PORT) == links(services) + links(services, PORT)
    assert links(services, ("0759999Z", "Another")) == []
    assert services((), TODAY) == ()


@pytest.mark.parametrize(
    ("opens", "closes", "is_open"),
    [
        (None, None, True),
        ("2026-11-28", "2026-11-28", True),  # its only day
        ("2026-11-29", None, False),
        (None, "2026-11-27", False),
        ("2026-11-01", "2026-12-31", True),
    ],
)
def test_only_what_is_open(
    file: Path, opens: str | None, closes: str | None, is_open: bool
) -> None:
    file.write_text(entry(opens=opens, closes=closes), "utf-8")
    assert bool(links(Services(file))) is is_open


def test_a_name_of_its_own(file: Path) -> None:
    file.write_text(
        entry(kind='"other"', name='{fr = "Cantine  scolaire", en = "School lunches"}'), "utf-8"
    )
    [found] = Services(file)((LILAS,), TODAY)
    assert found.names == {"fr": "Cantine scolaire", "en": "School lunches"}


def test_every_kind_has_its_usual_name() -> None:
    for kind in KINDS[:-1]:
        for lang in locales.LANGUAGES:
            assert locales.say(f"service.{kind}", lang)


# ---- the file changes ------------------------------------------------------------------------


def test_the_file_is_read_again_when_it_has_changed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(entry(), "utf-8")
    services = Services(file)
    assert links(services) == ["https://ent.example.org/"]
    reads = list[Path]()

    def reads_it(path: Path) -> Offer:
        reads.append(path)
        return read(path)

    monkeypatch.setattr("bot.services.read", reads_it)
    assert links(services) == ["https://ent.example.org/"]
    assert reads == []
    later = file.stat().st_mtime_ns + 1_000_000
    file.write_text(entry(link='"https://new.example.org/"'), "utf-8")
    os.utime(file, ns=(later, later))
    assert links(services) == ["https://new.example.org/"]
    assert len(reads) == 1


def test_a_file_that_cannot_be_read_now_changes_nothing(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text(entry(), "utf-8")
    services = Services(file)
    assert len(links(services)) == 1
    with caplog.at_level(logging.ERROR, "sesame.services"):
        file.write_text("[[service", "utf-8")
        assert len(links(services)) == 1
    assert [record.getMessage() for record in caplog.records] == ["services_unreadable kind=toml"]
    file.write_text(entry() + entry(), "utf-8")
    assert len(links(services)) == 2
    file.unlink()
    assert links(services) == []
    file.write_text(entry(), "utf-8")
    assert len(links(services)) == 1


def test_without_a_file_nothing_is_offered(tmp_path: Path) -> None:
    assert links(Services(None)) == []
    assert links(Services(tmp_path / "none.toml")) == []


# ---- what is wrong ---------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, str | None], str, str]] = {
    "no kind": ({"kind": None}, "kind", ""),
    "another kind": ({"kind": '"cantine"'}, "kind", "cantine"),
    "no schools": ({"schools": None}, "schools", ""),
    "no list": ({"schools": '"0750001U"'}, "schools", "0750001U"),
    "an empty list": ({"schools": "[]"}, "schools", "[]"),
    "no UAI": ({"schools": '["0750001U", "750001U"]'}, "schools", "750001U"),
    "a number": ({"schools": "[75]"}, "schools", "75"),
    "no link": ({"link": None}, "link", ""),
    "not secured": ({"link": '"http://ent.example.org/"'}, "link", "http://ent.example.org/"),
    "a script": ({"link": '"javascript:alert(1)"'}, "link", "javascript:alert(1)"),
    "somebody's login": (
        {"link": '"https://a:b@ent.example.org"'},
        "link",
        "https://a:b@ent.example.org",
    ),
    "two lines": (
        {"link": '"https://ent.example.org/\\nx"'},
        "link",
        "https://ent.example.org/\nx",
    ),
    "no host": ({"link": '"https:///x"'}, "link", "https:///x"),
    "a half name": ({"name": '{fr = "Espace"}'}, "name", ""),
    "a plain name": ({"name": '"Espace"'}, "name", ""),
    "other without a name": ({"kind": '"other"'}, "name", ""),
    "an empty name": ({"name": '{fr = "Espace", en = " "}'}, "name_length", ""),
    "a long name": ({"name": f'{{fr = "{"x" * 61}", en = "x"}}'}, "name_length", ""),
    "a day in quotes": ({"closes": '"2026-12-01"'}, "day", "closes"),
    "an hour": ({"opens": "2026-12-01T08:00:00"}, "day", "opens"),
    "the wrong way round": ({"opens": "2026-12-02", "closes": "2026-12-01"}, "days", ""),
    "a slip": ({"close": "2026-12-01"}, "field", "close"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_broken_entry_is_left_out_and_named(file: Path, case: str) -> None:
    own, why, what = WRONG[case]
    file.write_text(entry() + entry(**own) + entry(), "utf-8")
    offer = read(file)
    assert offer.problems == (Problem(2, why, what),)
    assert [one.number for one in offer.entries] == [1, 3]
    assert len(links(Services(file))) == 2
    for lang in locales.LANGUAGES:
        assert locales.say(f"doctor.service_{why}", lang, {"what": what, "file": "f", "number": 2})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"[[service", "toml"),
        (b"\xff", "unreadable"),
        (b"service = 5", "tables"),
        (b"[service]\nkind = 1", "tables"),
        (b"[[services]]", "tables"),
    ],
)
def test_a_broken_file(file: Path, text: bytes, why: str) -> None:
    file.write_bytes(text)
    [problem] = read(file).problems
    assert (problem.number, problem.why) == (0, why)
    assert links(Services(file)) == []


def test_an_endless_file(file: Path) -> None:
    file.write_text(entry() * 201, "utf-8")
    offer = read(file)
    assert len(offer.entries) == 200
    assert offer.problems == (Problem(201, "too_many"),)


def test_what_is_over_is_said(file: Path) -> None:
    file.write_text(entry(closes="2026-11-27") + entry(closes="2026-11-28"), "utf-8")
    assert expired(read(file), TODAY) == (Problem(1, "expired", "2026-11-27"),)


# ---- sesame doctor ---------------------------------------------------------------------------


def lines(run: Run, file: Path, lang: str = "en") -> list[str]:
    result = run("doctor", SESAME_SERVICES=str(file), LC_ALL=lang)
    return [line for line in result.stdout.splitlines() if "Services" in line]


@pytest.mark.parametrize("lang", locales.LANGUAGES)
def test_doctor_names_each_and_what_to_mend(command: Run, file: Path, lang: str) -> None:
    yesterday = date.today() - timedelta(days=2)  # noqa: DTZ011 - whichever zone
    file.write_text(
        entry() + entry(closes=str(yesterday)) + entry(link='"http://x.example"'), "utf-8"
    )
    expired, link = (
        locales.say(f"doctor.service_{why}", lang, {"what": what})
        for why, what in (("expired", str(yesterday)), ("link", "http://x.example"))
    )
    facts = {"file": str(file)}
    assert lines(command, file, lang) == [
        "✓ " + locales.say("doctor.services", lang, {**facts, "n": 1}),
        "✗ " + locales.say("doctor.service", lang, {**facts, "number": 2, "why": expired}),
        "✗ " + locales.say("doctor.service", lang, {**facts, "number": 3, "why": link}),
    ]


def test_doctor_names_a_school_that_nobody_imported(
    command: Run, file: Path, database: Path
) -> None:
    file.write_text(entry() + entry(schools='["0750001U", "0759999Z"]'), "utf-8")
    assert len(lines(command, file)) == 1  # there is no register to compare with

    async def fill() -> None:
        async with core_parent(database, a_school()):
            pass

    asyncio.run(fill())
    facts = {"file": str(file), "number": 2, "uai": "0759999Z"}
    assert lines(command, file)[1:] == [f"✗ {locales.say('doctor.service_elsewhere', 'en', facts)}"]


def test_doctor_and_a_file_that_is_not_there(command: Run, file: Path) -> None:
    missing = locales.say("doctor.service_missing", "en", {"file": str(file)})
    assert lines(command, file) == [f"✗ {missing}"]


# ---- the examples ----------------------------------------------------------------------------


def test_the_example_of_the_documents() -> None:
    offer = read(ROOT / "docs" / "services.toml")
    assert offer.problems == expired(offer, date.today()) == ()  # noqa: DTZ011 - as above
    assert [one.kind for one in offer.entries] == ["ent", "bourse", "fiche", "other"]
    page = (ROOT / "docs" / "services.md").read_text("utf-8")
    assert all(f"`{kind}`" in page for kind in KINDS)


async def test_the_demonstration_has_some(tmp_path: Path) -> None:
    settings = test_settings(tmp_path / "db")
    async with school_of(settings.model_copy(update={"services": None})) as (own, _):
        assert own.services is None  # a register of somebody's own
    settings.model_fields_set.discard("database_url")
    async with school_of(settings) as (own, invented):
        assert invented
        assert own.services is not None
        assert read(own.services).problems == ()
        assert len(links(Services(own.services), LILAS, today=date.today())) == 4  # noqa: DTZ011
