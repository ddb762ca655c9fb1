"""`sesame chat --web`: the conversation as a page in the browser, for one person at this machine.

It listens on loopback alone. Other users of the machine and other web sites are kept out: the
address holds a key, which becomes a cookie of this site alone; the page answers to its own name
and no other, and hears only forms of its own.
"""

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from importlib import resources
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

import locales
from bot.channel import said
from bot.clock import utc_now
from bot.sandbox import Sandbox, roles, school_of
from bot.settings import BadSetting, Settings, read_duration
from bot.stopping import when_told_to_stop
from bot.web.server import answering, application, read_body
from bot.web.transcript import Transcript
from flows.inputs import Input, Pressed, SharedContact
from flows.questions.phone import pretty, read_phone
from storage.conversations import Address
from storage.database import StorageError

HERE = Address("web", "me")
USUAL_PORT = 8765
WAITS = ("31m", "1d")  # a code is too old; the reminder comes
LONGEST_FORM = 64 * 1024  # bytes: a message of 4096 characters, escaped, and room
LATER = {"again": "webchat.again", "down": "error.internal"}
"""What is said beside the page after a form that did nothing."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with none at all, a form would not say where it is from
}
FILES = {
    "chat.css": "text/css",
    "chat.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

Endpoint = Callable[[Request], Awaitable[Response]]
Fields = dict[str, str]

_pages = Environment(
    loader=PackageLoader("bot.web", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


async def chat_in_browser(
    settings: Settings, lang: str | None, default_lang: str, port: int | None
) -> None:
    """Show the page until SIGTERM or SIGINT. Raises BadSetting where the port cannot be had."""
    with _bound(port) as bound:
        host = f"127.0.0.1:{bound.getsockname()[1]}"
        async with school_of(settings) as (own, invented):
            page = Page(own, lang or default_lang, host, invented)
            try:
                await page.begin(lang)
                async with page.sandbox.waking(), answering(bound, application(page.routes())):
                    print(locales.say("cli.chat_open", default_lang, {"url": page.url}), flush=True)
                    await _told_to_stop()
            finally:
                await page.end()


def _bound(port: int | None) -> socket.socket:
    """The port that is asked for; where none is, the usual one, or any that is free."""
    try:
        return socket.create_server(("127.0.0.1", USUAL_PORT if port is None else port))
    except OSError as error:
        if port is None:
            return socket.create_server(("127.0.0.1", 0))
        raise BadSetting(f"--port: {port} cannot be had: {error.strerror}.") from None


async def _told_to_stop() -> None:
    told = asyncio.Event()
    when_told_to_stop(told.set)
    await told.wait()


class Page:
    """The conversation of one person, and the page that shows it in any number of tabs.

    A form carries the number of the turn that it was shown for: a turn is taken once, whichever
    tab it comes from and however often it is sent. No page is made in the middle of a turn.
    """

    def __init__(
        self,
        settings: Settings,
        lang: str,
        host: str,
        invented: bool,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`host` is the name and port that it answers to; `invented`: the school is fictional."""
        self._host = host
        self._invented = invented
        self._zone = ZoneInfo(settings.timezone)
        self._key = secrets.token_urlsafe(24)
        self._cookie = f"sesame-{host.rpartition(':')[2]}"  # cookies of all ports are in one bag
        self._run = secrets.token_hex(8)
        self._turns = 0
        self._whole = asyncio.Lock()  # a turn, or a page
        self.transcript = Transcript(self._now, lang)
        shown = self.transcript
        self.sandbox = Sandbox(
            settings, HERE, shown, shown.show_sms, shown.show_email, shown.note, lang, clock
        )

    @property
    def url(self) -> str:
        """Where it is opened."""
        return f"http://{self._host}/?key={self._key}"

    async def begin(self, lang: str | None = None) -> None:
        """Start the engine, and show the question where the person left."""
        await self.sandbox.open(lang)

    async def end(self) -> None:
        """Stop the engine."""
        await self.sandbox.close()

    def routes(self) -> list[Route]:
        """The page, and the files that it is made of."""
        own = [
            Route(f"/{name}", self._guarded(partial(_file, name, kind)), methods=["GET"])
            for name, kind in FILES.items()
        ]
        return [
            Route("/", self._guarded(self._get), methods=["GET"]),
            Route("/", self._guarded(self._post), methods=["POST"]),
            *own,
        ]

    def _now(self) -> datetime:
        return self.sandbox.now()

    # ---- who may come in ---------------------------------------------------------------------

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            """Another name is another site's, which would read us through the person's browser."""
            if request.headers.get("host") != self._host:
                return self._closed(421)
            if _same(request.query_params.get("key"), self._key):
                response: Response = RedirectResponse("/", 303, HEADERS)
                response.set_cookie(self._cookie, self._key, httponly=True, samesite="strict")
                return response
            if not _same(request.cookies.get(self._cookie), self._key):
                return self._closed(403)
            if request.method == "POST" and request.headers.get("origin") != f"http://{self._host}":
                return self._closed(403)
            return await endpoint(request)

        return guarded

    def _closed(self, status: int) -> Response:
        return _answer(locales.say("webchat.closed", self.transcript.lang), "text/plain", status)

    # ---- what is shown -----------------------------------------------------------------------

    async def _get(self, request: Request) -> Response:
        async with self._whole:
            version = f"{self._turns}-{self.transcript.changes}"
            if request.query_params.get("seen") == version:
                return Response(status_code=204, headers=HEADERS)
            return _answer(self._html(version, request.query_params.get("said", "")), "text/html")

    def _html(self, version: str, told: str) -> str:
        lang = self.transcript.lang

        def say(key: str, **facts: object) -> str:
            return locales.say(key, lang, facts, self._zone, now=self._now())

        return _pages.get_template("chat.html").render(
            say=say,
            lang=lang,
            languages=locales.LANGUAGES,
            say_in=locales.say,
            pretty=pretty,
            version=version,
            turn=self._turns,
            told=say(LATER[told]) if told in LATER else "",
            shown=self.transcript,
            invented=self._invented,
            roles=roles() if self._invented else (),
            other_language=locales.label("language", "", lang),
            waits={length: self._later(read_duration(length)) for length in WAITS},
        )

    def _later(self, length: timedelta) -> str:
        days, rest = divmod(length, timedelta(days=1))
        key, count = ("webchat.later", -(-length // timedelta(minutes=1)))
        if not rest:
            key, count = ("webchat.days_later", days)
        return locales.say(key, self.transcript.lang, {"n": count})

    # ---- what is heard -----------------------------------------------------------------------

    async def _post(self, request: Request) -> Response:
        fields = await _fields(request)
        if fields is None:
            return self._closed(413)
        async with self._whole:
            if fields.get("turn") != str(self._turns):
                return _see("/?said=again")
            shown = len(self.transcript.bubbles)
            try:
                if await self._happens(fields):
                    self._turns += 1
            except StorageError:
                self.transcript.unheard(since=shown)
                return _see("/?said=down")
        return _see("/")

    async def _happens(self, fields: Fields) -> bool:
        """Take what a form holds; False where that is nothing."""
        if self._invented and "wait" in fields:
            return await self._wait(fields["wait"])
        if self._invented and "restart" in fields:
            self.transcript.note(locales.say("webchat.restarted", self.transcript.lang))
            await self.sandbox.restart()
            return True
        happened = self._heard(fields)
        if happened is None:
            return False
        await self.sandbox.take(happened, f"{HERE.channel}:{self._run}:{self._turns}")
        return True

    async def _wait(self, text: str) -> bool:
        try:
            length = read_duration(text)
        except ValueError:
            return False
        self.transcript.note(self._later(length))
        await self.sandbox.wait(length)
        return True

    def _heard(self, fields: Fields) -> Input | None:
        """What the person did, shown in the conversation."""
        transcript = self.transcript
        if "press" in fields:
            choice, _, asked = fields["press"].partition(".")
            label = transcript.label(choice, int(asked)) if asked.isdecimal() else None
            if label is None:
                return None
            transcript.heard(label)
            return Pressed(choice, int(asked))
        if "language" in fields:
            transcript.heard(locales.label("language", "", transcript.lang))
            return said(f"/{locales.command('language', transcript.lang)}")
        if self._invented and (number := fields.get("contact") or fields.get("own")):
            # Where the school is real nobody vouches that a number is one's own.
            phone = read_phone(number)
            transcript.heard(pretty(phone) if isinstance(phone, str) else number)
            return SharedContact(phone if isinstance(phone, str) else number, own=True)
        # What was typed unseen stays so, whatever is asked meanwhile.
        hidden = "secret" in fields or transcript.hidden
        text = fields.get("secret") or fields.get("text") or ""
        return said(text, transcript.heard(text, hidden)) if text.strip() else None


def _same(given: str | None, key: str) -> bool:
    return given is not None and secrets.compare_digest(given.encode(), key.encode())


def _see(path: str) -> Response:
    return RedirectResponse(path, 303, HEADERS)


def _answer(text: str | bytes, kind: str, status: int = 200) -> Response:
    return Response(text, status, HEADERS, kind)


async def _file(name: str, kind: str, _request: Request) -> Response:
    return _answer(resources.files("bot.web").joinpath("pages", name).read_bytes(), kind)


async def _fields(request: Request) -> Fields | None:
    """What the form holds; None where it is longer than any of ours."""
    body = await read_body(request, LONGEST_FORM)
    if body is None:
        return None
    with suppress(ValueError):
        text = body.decode("ascii", "replace")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=10))
    return None
