"""The page for the password and its door, over real HTTP: what is refused, and what is kept."""

import asyncio
import json
import logging
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

import locales
from bot.serve import serve
from bot.settings import BadSetting
from bot.web.password import LONGEST, Door
from flows.states import S
from storage import accounts
from tests.bot.test_web import TOKEN
from tests.conversations.roads import ROADS, everybody
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import test_settings
from tests.hostile.strings import STRINGS
from tests.telegram.chat_driver import RunningBot, TelegramParent, running_bot
from tests.telegram.mini_app import (
    TELEGRAM,
    fields_of,
    init_data,
    open_door,
    with_signature,
    written,
)
from tests.telegram.server import BotApi

SITE = "https://school.example"
FILES = ("page.css", "rules.js", "bridge.js", "password.js")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors https://web.telegram.org"
)


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_MEMORY_KIB", 8)


class Visitor:
    """Somebody's app, at the page."""

    def __init__(self, bot: RunningBot, door: Door, client: httpx.AsyncClient) -> None:
        self.bot, self.door, self.client = bot, door, client
        self.parent = TelegramParent(bot, bot.server.person(language_code="fr"))
        self.dialogue = Dialogue(self.parent, "fr")

    @property
    def init(self) -> str:
        """What Telegram hands to the page now."""
        return init_data(self.bot.server.token, self.user, self.bot.clock.now)

    @property
    def user(self) -> int:
        return int(self.parent.person.user["id"])

    async def opens(self, init: str | None = None, lang: str = "fr") -> httpx.Response:
        sent = {"init": self.init if init is None else init}
        return await self.client.post(f"/password/open?lang={lang}", json=sent)

    async def chooses(self, ticket: str, password: str = PASSWORD, **other: str) -> httpx.Response:
        sent = {"init": self.init, "ticket": ticket, "password": password, "again": password}
        body = json.dumps({**sent, **other})  # lone surrogates are escaped
        return await self.client.post(
            "/password/choose?lang=fr", content=body, headers={"Content-Type": "application/json"}
        )


@pytest.fixture
def own() -> dict[str, Any]:
    """Settings of the test's own."""
    return {}


@pytest.fixture
async def visitor(tmp_path: Path, own: dict[str, Any]) -> AsyncIterator[Visitor]:
    """A parent at Telegram, who has been asked for the password."""
    clock = Clock()
    async with (
        BotApi(TOKEN, now=clock) as server,
        running_bot(
            *(server, tmp_path / "sesame.sqlite3", everybody()),
            clock=clock,
            public_url=SITE,
            **own,
        ) as bot,
        open_door(bot) as (door, url),
        httpx.AsyncClient(base_url=url) as client,
    ):
        visitor = Visitor(bot, door, client)
        await visitor.dialogue.follows(*ROADS[S.PASSWORD])
        yield visitor


def refused(answer: httpx.Response, status: int, cause: str, lang: str = "fr") -> None:
    """A plain sentence with a way out, in the page's language, and no more than that."""
    text = locales.say(f"page.{cause}", lang)
    outcome = "later" if status == 503 else "gone"
    said = {"outcome": outcome, "lang": lang, "text": text, "cause": cause}
    assert (answer.status_code, answer.json()) == (status, said)
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Cache-Control"] == "no-store"


# ---- the page --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/password", *(f"/password/{file}" for file in FILES)])
async def test_every_file_has_the_headers(visitor: Visitor, path: str) -> None:
    answer = await visitor.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Frame-Options" not in answer.headers
    assert answer.headers["Content-Type"].endswith("; charset=utf-8")
    assert not re.search(r"\b(?:https?:)?//(?!web\.telegram\.org)[a-z]", answer.text)


@pytest.mark.parametrize(("asked", "lang"), [("fr", "fr"), ("en", "en"), ("de", "fr"), ("", "fr")])
async def test_the_page_is_written_in_its_language(visitor: Visitor, asked: str, lang: str) -> None:
    page = (await visitor.client.get(f"/password?lang={asked}")).text
    assert f'<html lang="{lang}">' in page
    assert f'<h1 id="title" data-say="page.title">{locales.say("page.title", lang)}</h1>' in page
    for each in locales.LANGUAGES:  # whoever has no JavaScript may read another language
        noscript = page.partition("<noscript>")[2].partition("</noscript>")[0]
        assert locales.say("page.no_script", each) in noscript
    assert " style=" not in page
    assert not re.search(r"<script(?! defer src=\"| id=\"data\" type=\"application/json\")", page)
    assert not re.search(r" on[a-z]+=", page)


async def test_the_page_says_nothing_of_anybody(visitor: Visitor) -> None:
    page = (await visitor.client.get("/password?lang=%3Cscript%3E&tgWebAppData=canary")).text
    for secret in ("canary", "Dupont", "m.dupont", TOKEN, "lang=<"):
        assert secret not in page


async def test_there_is_nothing_else(visitor: Visitor) -> None:
    for path in ("/", "/password/", "/password/x", "/password/password.html", "/password/../bot"):
        assert (await visitor.client.get(path)).status_code == 404, path


# ---- the way through -------------------------------------------------------------------------


async def test_the_button_leads_to_the_page(visitor: Visitor) -> None:
    last = visitor.parent.person.last
    assert [button.label for button in last.inline][:1] == ["Choisir mon mot de passe"]
    visitor.parent.person.presses("Choisir mon mot de passe")
    assert visitor.parent.person.opened == [f"{SITE}/password?lang=fr"]
    first_row = last.markup["inline_keyboard"][0]
    assert len(first_row) == 1


async def test_the_password_is_chosen_and_the_chat_goes_on(
    visitor: Visitor, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    opened = (await visitor.opens()).json()
    ticket = opened.pop("ticket")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", ticket)
    assert opened == {
        **{"outcome": "open", "lang": "fr", "text": "", "identifier": "m.dupont", "minimum": 8}
    }
    taken = await visitor.chooses(ticket)
    assert taken.json() == {
        **{"outcome": "taken", "lang": "fr", "text": locales.say("page.taken", "fr")}
    }
    await visitor.bot.settles()
    visitor.dialogue.is_asked(S.CHILD)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    told = "".join(record.getMessage() for record in caplog.records)
    for secret in (PASSWORD, ticket, visitor.init):
        assert secret.encode() not in kept
        assert secret not in told
    assert sha256(ticket.encode()).hexdigest().encode() not in kept  # it is sealed
    again = await visitor.chooses(ticket)
    assert again.json()["outcome"] == "gone"


async def test_a_password_that_is_refused_leaves_the_ticket_good(visitor: Visitor) -> None:
    ticket = (await visitor.opens()).json()["ticket"]
    answer = (await visitor.chooses(ticket, "Azerty123!")).json()
    assert answer["outcome"] == "again"
    assert answer["text"] == locales.say("refused.password_common", "fr")
    assert (await visitor.chooses(ticket, again="Other#1x")).json()["outcome"] == "again"
    assert (await visitor.chooses(ticket)).json()["outcome"] == "taken"


async def test_sent_twice_at_once_it_is_taken_once(visitor: Visitor) -> None:
    ticket = (await visitor.opens()).json()["ticket"]
    both = await asyncio.gather(visitor.chooses(ticket), visitor.chooses(ticket))
    assert sorted(answer.json()["outcome"] for answer in both) == ["gone", "taken"]


async def test_two_openings_have_two_tickets_and_only_the_last_counts(visitor: Visitor) -> None:
    first, last = [(await visitor.opens()).json()["ticket"] for _ in range(2)]
    assert first != last
    assert (await visitor.chooses(first)).json()["outcome"] == "gone"
    assert (await visitor.chooses(last)).json()["outcome"] == "taken"


@pytest.mark.parametrize("own", [{"page_tries": "3/10m"}])
async def test_too_many_tries_have_to_wait(visitor: Visitor) -> None:
    ticket = [(await visitor.opens()).json()["ticket"] for _ in range(2)][1]
    assert (await visitor.chooses(ticket, "short")).json()["outcome"] == "again"
    answer = (await visitor.chooses(ticket)).json()
    assert (answer["outcome"], answer["text"][:13]) == ("later", "Trop d'essais")
    visitor.bot.clock.passes(minutes=10)
    assert (await visitor.opens()).json()["outcome"] == "open"


@pytest.mark.parametrize("own", [{"page_tries": "9999/1h"}])
async def test_any_password_gets_an_answer(visitor: Visitor) -> None:
    """None of them is taken: the second entry is another."""
    for text in STRINGS[::8]:
        ticket = (await visitor.opens()).json()["ticket"]
        answer = await visitor.chooses(ticket, text, again=f"{text}x")
        expected = {200: "again", 413: "gone"}
        assert answer.json()["outcome"] == expected[answer.status_code], text
        assert answer.json()["text"]


async def test_what_cannot_be_stored_or_seen_is_said(visitor: Visitor) -> None:
    ticket = (await visitor.opens()).json()["ticket"]
    for password in ("Zorg\ud800lu1!", "Zorg\u200blu1!"):
        answer = (await visitor.chooses(ticket, password)).json()
        assert answer["text"] == locales.say("refused.password_characters", "fr")
    # A phone and a computer write É in two ways.
    answer = (await visitor.chooses(ticket, "zorglub1!\u00c9x", again="zorglub1!E\u0301x")).json()
    assert answer["outcome"] == "taken"


# ---- the door --------------------------------------------------------------------------------


async def test_foreign_and_altered_data_is_refused(visitor: Visitor) -> None:
    init = visitor.init
    now, server = visitor.bot.clock.now, visitor.bot.server
    other_bot = init_data("654321:TEST-token_of_35_characters", visitor.user, now)
    altered = init.replace(str(visitor.user), str(visitor.user + 1))
    for bad in ("", "x", altered, other_bot, init[:-1], f"{init}&user=%7B%22id%22%3A1%7D"):
        refused(await visitor.opens(bad), 403, "unproved")
    # Telegram's own key is not ours: what we sign ourselves is no proof for a program that runs.
    own = written(with_signature(fields_of(visitor.user, now), server.token, TELEGRAM))
    refused(await visitor.opens(own), 403, "unproved")
    ticket = (await visitor.opens(init)).json()["ticket"]
    refused(await visitor.chooses(ticket, init=altered), 403, "unproved")


async def test_data_of_somebody_else_opens_nothing(visitor: Visitor) -> None:
    """Signed for another person: no conversation of theirs is at the password."""
    stranger = init_data(TOKEN, 4242, visitor.bot.clock.now, "en")
    answer = (await visitor.opens(stranger, "en")).json()
    assert answer == {"outcome": "gone", "lang": "en", "text": locales.say("page.gone", "en")}
    ticket = (await visitor.opens()).json()["ticket"]
    assert (await visitor.chooses(ticket, init=stranger)).json()["outcome"] == "gone"
    assert (await visitor.chooses(ticket)).json()["outcome"] == "taken"


async def test_old_data_is_refused(visitor: Visitor) -> None:
    old = visitor.init
    ticket = (await visitor.opens(old)).json()["ticket"]
    visitor.bot.clock.passes(minutes=15, seconds=1)
    refused(await visitor.opens(old), 403, "stale")
    refused(await visitor.chooses(ticket, init=old), 403, "stale")


async def test_a_ticket_that_nobody_gave_is_of_no_use(visitor: Visitor) -> None:
    await visitor.opens()
    for ticket in ("", "x", "A" * 43, "\ud800", "é" * 20):
        assert (await visitor.chooses(ticket)).json()["outcome"] == "gone"


@pytest.mark.parametrize("lang", locales.LANGUAGES)
async def test_what_cannot_be_read_is_refused(visitor: Visitor, lang: str) -> None:
    json_type = {"Content-Type": "application/json"}
    bodies = (
        *("", "{", "null", "[]", '"x"', "{}", '{"init": 1}', '{"init": null}', '{"init": ["x"]}'),
        *('{"init": "x", "more": "y"}', "[" * 3000, '{"init": NaN}', "\ud800", "1" * 4000),
    )
    for body in bodies:
        raw = body.encode("utf-8", "surrogatepass")
        answer = await visitor.client.post(
            f"/password/open?lang={lang}", content=raw, headers=json_type
        )
        refused(answer, 400, "unreadable", lang)


async def test_other_kinds_of_content_are_refused(visitor: Visitor) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x"):
        answer = await visitor.client.post(
            "/password/choose", content=b"{}", headers={"Content-Type": kind}
        )
        refused(answer, 415, "unreadable")


async def test_much_is_refused(visitor: Visitor) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LONGEST // 64 + 1):
            yield b" " * 64

    whole = b'{"init": "' + b"x" * LONGEST + b'"}'
    for content in (whole, pieces()):
        answer = await visitor.client.post(
            "/password/open", content=content, headers={"Content-Type": "application/json"}
        )
        refused(answer, 413, "unreadable")


async def test_other_methods_are_refused(visitor: Visitor) -> None:
    for path in ("/password/open", "/password/choose"):
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = await visitor.client.request(method, path)
            refused(answer, 405, "unreadable")
            assert answer.headers["Allow"] == "POST"
    assert (await visitor.client.post("/password")).status_code == 405


async def test_before_it_has_started_the_page_asks_to_try_again(visitor: Visitor) -> None:
    visitor.door.service = None
    refused(await visitor.opens(), 503, "down")


async def test_while_nothing_can_be_stored_the_page_asks_to_try_again(
    visitor: Visitor, tmp_path: Path
) -> None:
    await visitor.bot.query("PRAGMA busy_timeout = 100")
    ticket = (await visitor.opens()).json()["ticket"]
    with closing(sqlite3.connect(tmp_path / "sesame.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused(await visitor.chooses(ticket), 503, "down")
        other.execute("ROLLBACK")
    assert (await visitor.chooses(ticket)).json()["outcome"] == "taken"


async def test_our_own_mistake_tells_nothing(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistake(*_: object) -> None:
        raise KeyError("canary")

    monkeypatch.setattr("bot.engine.step", mistake)
    answer = (await visitor.opens()).json()
    assert (answer["outcome"], answer["text"]) == ("gone", locales.say("page.gone", "fr"))
    assert "canary" not in "".join(record.getMessage() for record in caplog.records)


async def test_a_refusal_is_logged_by_its_cause_alone(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await visitor.opens("canary=1")
    [line] = [record for record in caplog.records if record.name == "sesame.page"]
    assert line.getMessage() == "page_refused kind=unproved"


# ---- settings --------------------------------------------------------------------------------


async def test_a_page_needs_an_address_to_be_answered_on(tmp_path: Path) -> None:
    settings = test_settings(
        tmp_path / "sesame.sqlite3", telegram_token=TOKEN, sms="console:", public_url=SITE
    )
    with pytest.raises(BadSetting, match=r"^SESAME_PUBLIC_URL needs SESAME_LISTEN: [^\n]+\.$"):
        await serve(settings)
