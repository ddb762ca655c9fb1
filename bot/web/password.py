"""The page on which the password is given: a Telegram Mini App (UX 4), and its door.

What comes through the door is an input of the same core as a message is; no rule is decided here.
The page is shown to everybody; what it sends counts only with Telegram's word for who sent it
(`bot.telegram.init_data`) and with a ticket that only this opening of the page knows. The core gets
the ticket's digest.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import locales
from bot.app import Service
from bot.engine import PageAnswer, Update
from bot.logs import Event, Log
from bot.telegram.incoming import CHANNEL
from bot.telegram.init_data import BadInitData, Cause, Opener, read_init_data
from bot.web.server import read_body
from flows.inputs import FromPage, PageFilled, PageOpened
from flows.outputs import Page
from flows.questions.password import SPECIALS, Rule
from flows.states import S
from flows.table import QUESTIONS
from flows.text import clean_password
from flows.turn import STEPS
from storage.conversations import Address
from storage.database import StorageError

log = Log("page")

LONGEST = 4096  # bytes of what the page sends: a long name in initData, two long passwords
STEP = QUESTIONS[S.PASSWORD].step

# UX 4.2, P8. Telegram Web shows the page in a frame; nobody else may.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors https://web.telegram.org",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

FILES = {
    "page.css": "text/css",
    "rules.js": "text/javascript",
    "bridge.js": "text/javascript",
    "password.js": "text/javascript",
}
_PAGES = Path(__file__).with_name("pages")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(slots=True)
class Door:
    """Through which the page reaches the conversation. It is opened while the service starts."""

    token: str = field(repr=False)  # the bot's
    minimum: int  # characters of a password
    service: Service | None = None


class _Refused(Exception):
    """What was sent is not taken: why, and what the page shows then."""

    def __init__(self, status: int, cause: str, lang: str | None = None) -> None:
        super().__init__(cause)
        self.status = status
        self.cause = cause
        self.lang = lang


def routes(door: Door) -> list[Route]:
    """The page, its files, and what it sends."""

    async def show(request: Request) -> Response:
        lang = request.query_params.get("lang", "")
        html = _page(lang if lang in locales.LANGUAGES else "fr", door.minimum)
        return Response(html, media_type="text/html", headers=HEADERS)

    async def file(request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        return Response((_PAGES / name).read_bytes(), media_type=FILES[name], headers=HEADERS)

    async def opened(request: Request) -> Response:
        ticket = secrets.token_urlsafe(32)

        def read(_sent: dict[str, str]) -> FromPage:
            return PageOpened(_digest(ticket))

        return await _answer(door, request, ("init",), read, ticket)

    async def chosen(request: Request) -> Response:
        return await _answer(door, request, ("init", "ticket", "password", "again"), _filled)

    async def wrong_method(request: Request) -> Response:
        return _refusal(request, _Refused(405, "unreadable"))

    posts = {"/password/open": opened, "/password/choose": chosen}
    others = [method for method in _METHODS if method != "POST"]
    return [
        Route("/password", show, methods=["GET"]),
        *(Route(f"/password/{name}", file, methods=["GET"]) for name in FILES),
        *(Route(path, take, methods=["POST"]) for path, take in posts.items()),
        *(Route(path, wrong_method, methods=others) for path in posts),
    ]


# ---- what the page sends ---------------------------------------------------------------------


async def _answer(
    door: Door,
    request: Request,
    names: tuple[str, ...],
    read: Callable[[dict[str, str]], FromPage],
    ticket: str = "",
) -> Response:
    """Hand on what the page sent, and tell it what became of it."""
    try:
        sent = await _read(request, names)
        answer = await _take(door, sent["init"], read(sent))
    except _Refused as refused:
        return _refusal(request, refused)
    said: dict[str, Any] = {"outcome": answer.outcome, "lang": answer.lang, "text": answer.text}
    if answer.outcome is Page.OPEN:
        said |= {"ticket": ticket, "identifier": answer.identifier, "minimum": answer.minimum}
    return JSONResponse(said, headers=HEADERS)


async def _read(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    """The texts of these names, no more and no less."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise _Refused(415, "unreadable")
    try:
        body = await read_body(request, LONGEST)
        if body is None:
            raise _Refused(413, "unreadable")
        sent: Any = json.loads(body)
    except (ValueError, RecursionError, ClientDisconnect):
        raise _Refused(400, "unreadable") from None
    if not isinstance(sent, dict) or sent.keys() != set(names):
        raise _Refused(400, "unreadable")
    if not all(isinstance(text, str) for text in sent.values()):
        raise _Refused(400, "unreadable")
    return sent


async def _take(door: Door, init: str, happened: FromPage) -> PageAnswer:
    if door.service is None:
        raise _Refused(503, "down")
    opener = _opener(door, door.service, init)
    address = Address(CHANNEL, str(opener.user))
    try:
        answer = await door.service.engine.take(Update(address, happened, language=opener.lang))
    except StorageError:
        raise _Refused(503, "down", opener.lang) from None
    assert answer is not None  # noqa: S101 - what comes from the page is always answered
    return answer


def _opener(door: Door, service: Service, init: str) -> Opener:
    try:
        return read_init_data(init, door.token, service.now())
    except BadInitData as error:
        cause = "stale" if error.cause is Cause.STALE else "unproved"
        raise _Refused(403, cause) from None


def _filled(sent: dict[str, str]) -> FromPage:
    password, again = clean_password(sent["password"]), clean_password(sent["again"])
    return PageFilled(_digest(sent["ticket"]), password, again)


def _digest(ticket: str) -> str:
    return sha256(ticket.encode("utf-8", "replace")).hexdigest()


def _refusal(request: Request, refused: _Refused) -> Response:
    """Say it in the page's language, or else in the person's."""
    log(Event.PAGE_REFUSED, kind=refused.cause)
    shown = request.query_params.get("lang")
    lang = shown if shown in locales.LANGUAGES else refused.lang or "fr"
    said = {
        "outcome": Page.LATER if refused.status == 503 else Page.GONE,
        "lang": lang,
        "text": locales.say(f"page.{refused.cause}", lang),
        "cause": refused.cause,
    }
    allowed = {"Allow": "POST"} if refused.status == 405 else {}
    return JSONResponse(said, refused.status, {**HEADERS, **allowed})


# ---- the page --------------------------------------------------------------------------------

_TEXTS = (
    *("page.title", "page.opening", "page.password", "page.again", "page.show", "page.hide"),
    *("page.submit", "page.sending", "page.retry", "page.close", "page.rules", "page.met"),
    *("page.not_met", "page.among", "page.still_missing", "page.all_met"),
    *("page.incomplete", "page.different", "page.private", "page.safe", "page.taken_title"),
    *("page.unproved", "page.stale", "page.unreadable", "page.down", "page.offline"),
    *("page.no_script", "button.language", "refused.password_too_long"),
)
"""What the page itself says; the rest comes from the core, in the conversation's language."""


@cache
def _page(lang: str, minimum: int) -> str:
    """The page in this language. It carries the other one too, for its button."""
    pages = Environment(loader=FileSystemLoader(_PAGES), autoescape=True)
    return pages.get_template("password.html").render(
        lang=lang,
        say=_texts(lang, minimum),
        texts={each: _texts(each, minimum) for each in locales.LANGUAGES},
        rules=sorted((rule.value for rule in Rule), key=lambda rule: rule == Rule.SPECIAL),
        specials=list(SPECIALS),
        minimum=minimum,
        step=STEP,
        steps=STEPS,
    )


def _texts(lang: str, minimum: int) -> dict[str, str]:
    """Every text of the page by its key; those with facts for every value of the fact."""
    texts = {key: locales.say(key, lang) for key in _TEXTS}
    texts["progress"] = locales.say("progress", lang, {"n": STEP, "total": STEPS})
    for rule in Rule:
        texts[f"rule.{rule}"] = locales.say(f"rule.{rule}", lang, {"minimum": minimum})
    for score in range(5):
        strength = locales.say(f"strength.{score}", lang)
        texts[f"page.strength.{score}"] = locales.say("page.strength", lang, {"strength": strength})
    return texts
