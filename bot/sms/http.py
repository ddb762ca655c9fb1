"""SMS by HTTP, to any provider that has a profile (bot/sms/profiles.toml)."""

import asyncio
import hashlib
import json
import logging
import re
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from hmac import compare_digest
from secrets import token_hex
from time import monotonic
from typing import Any
from urllib.parse import quote

import httpx2

from bot.clock import utc_now
from bot.settings import BadSetting
from bot.sms.port import (
    Hear,
    Report,
    Simple,
    Sms,
    SmsFault,
    SmsRefused,
    SmsUnclear,
    Status,
    Taken,
    Token,
)
from bot.sms.profiles import FINAL, Profile
from bot.sms.segments import is_gsm

for _name in ("httpx2", "httpcore2"):  # they log addresses, and what is in them
    logging.getLogger(_name).setLevel(logging.CRITICAL)

CONNECT, ANSWER = 3.0, 5.0
"""Seconds: together less than the outbox's patience; a dead one leaves some for the next.

Together they are the most for one request, too, if its answer trickles in.
"""

PURPOSE = "sms report "
HOLE = re.compile(r"\{([a-z_]{1,20})\}")
LONGEST = 65_536  # bytes of an answer that are read
BEFORE_ITS_END = 60  # seconds in which a token is not used any more

FILLED = {
    *("scheme", "host", "user", "password", "from", "to", "digits", "text", "coding"),
    *("minutes", "reports", "reference"),
}
"""What a profile may leave to be filled in; anything else must stand in the URL."""

_NEVER_LEFT = (
    httpx2.ConnectError,  # refused, no such name, no TLS: before a request is written
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,  # we would have written what is no HTTP
)
_UNFIT = (ValueError, httpx2.InvalidURL)
"""A request cannot even be made of this: a password with an accent in a header, for example."""

_BY_STATUS = {
    **{401: "account", 402: "credit", 403: "account", 429: "busy", 503: "busy"},
    **dict.fromkeys((307, 308, 404, 405), "settings"),  # nobody is at this address
}


@dataclass(frozen=True, slots=True)
class Way:
    """Where a provider is, and as whom it is spoken to. The URL in SESAME_SMS says so."""

    host: str
    user: str = field(repr=False)
    password: str = field(repr=False)
    more: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: bool = True


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a provider says."""

    status: int
    body: bytes  # no more of it than is read

    def says(self, words: str) -> bool:
        """Whether these words are in it, in small or large letters."""
        return words.lower() in self.body.decode("utf-8", "replace").lower()

    def json(self) -> object:
        """What it is in JSON; None where it is none, or too much."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class HttpSms(Simple):
    """A provider with a profile."""

    def __init__(self, name: str, profile: Profile, way: Way, reports: str | None) -> None:
        """`reports` is where the provider reaches us; None where it does not.

        Raises BadSetting for what the profile needs and the way does not have.
        """
        self.name = name
        self._profile = profile
        self._way = way
        self._base = reports
        self._reports: str | None = None  # with the token, while running
        self._expected = ""
        self._hear: Hear | None = None
        self._token = ""
        self._token_until = 0.0
        if not way.host:
            raise BadSetting(f"SESAME_SMS: {name}: say at which host it is.")
        for hole in sorted(holes(profile.model_dump()) - FILLED):
            if hole not in way.more:
                raise BadSetting(f"SESAME_SMS: {name}: {hole}= is missing in its parameters.")

    @asynccontextmanager
    async def running(self, hear: Hear, token: Token) -> AsyncIterator[None]:
        """Take reports meanwhile."""
        self._hear, self._expected = hear, token(PURPOSE + self.name)
        if self._base is not None and self._profile.report is not None:
            self._reports = f"{self._base}/sms/{self.name}/{self._expected}"
        try:
            yield
        finally:
            self._hear = None

    async def send(self, sms: Sms) -> Taken:
        """Hand it over by one request, on a connection of its own.

        A connection that was kept might be closed by the provider just then, and nobody would
        know whether the SMS left.
        """
        reference = token_hex(8)
        facts = self._facts(sms, reference)
        profile = self._profile
        async with self._client() as client:
            headers = self._headers(facts) | await self._authority(client)
            try:
                request = client.build_request(
                    profile.method,
                    _address(profile.url, facts),
                    params=fill(profile.query, facts) or None,
                    headers=headers,
                    data=fill(profile.form, facts) or None,
                    json=fill(profile.json_body, facts) or None,
                )
                self._sign(request)
            except _UNFIT as error:
                raise SmsRefused("settings", final=False) from error
            try:
                answer = await _answer(client, request)
            except _NEVER_LEFT as error:
                raise SmsRefused("down", final=False) from error
            except httpx2.HTTPError as error:
                raise SmsUnclear(type(error).__name__) from None
        self._judge(answer)
        return Taken(self.name, self._message(answer, reference))

    async def check(self) -> str | None:
        """Ask what the profile says; nothing is sent to anybody."""
        wanted = self._profile.check
        if wanted is None:
            return None
        facts = self._facts(None, "")
        try:
            async with self._client() as client:
                headers = self._headers(facts) | await self._authority(client)
                url = _address(wanted.url, facts)
                query = fill(wanted.query, facts) or None
                request = client.build_request("GET", url, params=query, headers=headers)
                self._sign(request)
                answer = await _answer(client, request)
        except _UNFIT:
            raise self._fault("has signs in its URL that no request can hold") from None
        except (httpx2.HTTPError, SmsRefused) as error:
            account = isinstance(error, SmsRefused) and error.kind == "account"
            raise self._account_fault() if account else self._fault("is not reached") from None
        if answer.status in (401, 403) or self._verdict(answer) == "account":
            raise self._account_fault()
        if answer.status not in wanted.good:
            raise self._fault(f"answers {answer.status}")
        found = answer.json()
        if wanted.credit and found is None:
            raise self._fault("answers something else than its documentation says")
        return _credit(found, wanted.credit, wanted.credit_where)

    def _fault(self, what: str, kind: str = "") -> SmsFault:
        return SmsFault(f"SESAME_SMS: {self.name} at {self._way.host} {what}.", kind)

    def _account_fault(self) -> SmsFault:
        return self._fault("does not know this user and password", "account")

    # ---- reports -----------------------------------------------------------------------------

    def knows(self, token: str) -> bool:
        """Whether this is the secret that reports to this sender show."""
        expected = self._expected.encode()
        return bool(expected) and compare_digest(token.encode("utf-8", "replace"), expected)

    async def reported(self, facts: Mapping[str, Any]) -> None:
        """Take a report. What cannot be understood changes nothing."""
        wanted = self._profile.report
        if wanted is None or self._hear is None:
            return
        message, word = _text(value_at(facts, wanted.id)), value_at(facts, wanted.status)
        statuses = {
            Status.HANDED_OVER: wanted.handed_over,
            Status.UNDELIVERED: wanted.undelivered,
            Status.DELIVERED: wanted.delivered,
        }
        for status, words in statuses.items():
            if message and str(word) in words:
                await self._hear(Report(self.name, message, status))

    # ---- the request -------------------------------------------------------------------------

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            timeout=httpx2.Timeout(ANSWER, connect=CONNECT),
            follow_redirects=False,
            verify=_trusted(),
            trust_env=False,  # a proxy of the environment would read codes
            headers={"accept-encoding": "identity"},  # little may be much when it is unpacked
            auth=(self._way.user, self._way.password) if self._profile.auth == "basic" else None,
        )

    def _facts(self, sms: Sms | None, reference: str) -> dict[str, object]:
        way = self._way
        facts: dict[str, object] = {
            "from": "Sesame",
            **way.more,
            "scheme": "https" if way.tls else "http",
            "host": way.host,
            "user": way.user,
            "password": way.password,
            "reports": self._reports,
            "reference": reference,
        }
        if sms is not None:
            facts |= {
                "to": sms.to,
                "digits": sms.to.removeprefix("+"),
                "text": sms.text,
                "coding": 0 if is_gsm(sms.text) else 2,
                "minutes": minutes_left(sms.expires, utc_now()),
            }
        return facts

    def _headers(self, facts: Mapping[str, object]) -> dict[str, str]:
        filled = fill(self._profile.headers, facts)
        return {name: str(value) for name, value in filled.items()}

    async def _authority(self, client: httpx2.AsyncClient) -> dict[str, str]:
        """The header with an OAuth token; a new one where the last is at its end."""
        if self._profile.auth != "oauth":
            return {}
        if monotonic() >= self._token_until:
            await self._ask_token(client)
        return {"authorization": f"Bearer {self._token}"}

    async def _ask_token(self, client: httpx2.AsyncClient) -> None:
        """Whatever goes wrong here, no SMS has left."""
        url = _address(self._profile.token_url, self._facts(None, ""))
        asking = client.build_request("POST", url, data={"grant_type": "client_credentials"})
        basic = httpx2.BasicAuth(self._way.user, self._way.password)
        try:
            answer = await _answer(client, asking, basic)
        except httpx2.HTTPError as error:
            raise SmsRefused("down", final=False) from error
        if answer.status in (400, 401, 403):
            raise SmsRefused("account", final=False)
        found = answer.json()
        token, lasts = value_at(found, "access_token"), str(value_at(found, "expires_in"))
        if answer.status != 200 or not isinstance(token, str):
            raise SmsRefused("down", final=False)
        seconds = int(lasts) if lasts.isascii() and lasts.isdigit() else 0
        self._token, self._token_until = token, monotonic() + seconds - BEFORE_ITS_END

    def _sign(self, request: httpx2.Request) -> None:
        """OVH's own signature: SHA-1 over its secret and the request (api.ovh.com)."""
        if self._profile.auth != "ovh":
            return
        at, consumer = str(int(utc_now().timestamp())), request.headers["X-Ovh-Consumer"]
        body = request.content.decode("utf-8")
        parts = (self._way.password, consumer, request.method, str(request.url), body, at)
        digest = hashlib.sha1("+".join(parts).encode()).hexdigest()  # noqa: S324 - OVH's choice
        request.headers["X-Ovh-Application"] = self._way.user
        request.headers["X-Ovh-Timestamp"] = at
        request.headers["X-Ovh-Signature"] = f"$1${digest}"

    # ---- the answer --------------------------------------------------------------------------

    def _judge(self, answer: _Answer) -> None:
        """Raise what the answer means, unless the SMS was accepted."""
        verdict = self._verdict(answer)
        if verdict == "account" and self._profile.auth == "oauth":
            self._token_until = 0.0
        if verdict == "unclear":
            raise SmsUnclear(f"http_{answer.status}")
        if verdict != "accepted":
            raise SmsRefused(verdict, final=verdict in FINAL)

    def _verdict(self, answer: _Answer) -> str:
        status, found = answer.status, answer.json()
        for rule in self._profile.answers:
            fits = status in rule.status and answer.says(rule.says)
            if fits and (not rule.field or value_at(found, rule.field) not in (None, "")):
                return rule.verdict
        if status in _BY_STATUS:
            return _BY_STATUS[status]
        return "refused" if 400 <= status < 500 else "unclear"

    def _message(self, answer: _Answer, reference: str) -> str | None:
        profile = self._profile
        if profile.id == "{reference}":
            return reference
        found = value_at(answer.json(), profile.id) if profile.id else None
        text = _text(found)
        return (
            text.rpartition(profile.id_ends_after)[2] if profile.id_ends_after else text
        ) or None


@cache
def _trusted() -> ssl.SSLContext:
    """Whose certificates are. Read once: it takes longer than all else that is done for an SMS."""
    return httpx2.create_ssl_context(trust_env=False)


async def _answer(
    client: httpx2.AsyncClient, request: httpx2.Request, auth: httpx2.Auth | None = None
) -> _Answer:
    """Send a request, and read as much of the answer as matters. Raises httpx2.HTTPError."""
    own = httpx2.USE_CLIENT_DEFAULT if auth is None else auth
    try:
        async with asyncio.timeout(CONNECT + ANSWER):
            answer = await client.send(request, auth=own, stream=True)
            try:
                body = bytearray()
                async for part in answer.aiter_raw():
                    body += part
                    if len(body) > LONGEST:
                        break
            finally:
                await answer.aclose()
    except TimeoutError:
        raise httpx2.ReadTimeout("", request=request) from None
    return _Answer(answer.status_code, bytes(body[:LONGEST]))


def minutes_left(expires: datetime | None, now: datetime) -> int | None:
    """Whole minutes in which it is of use, one at least; None for one that does not expire."""
    return None if expires is None else max(int((expires - now) / timedelta(minutes=1)), 1)


def fill(template: Any, facts: Mapping[str, object]) -> Any:
    """The template with its holes filled. What has a hole that stays empty is left out."""
    if isinstance(template, dict):
        filled = {name: fill(value, facts) for name, value in template.items()}
        return {name: value for name, value in filled.items() if value is not None}
    if isinstance(template, list):
        return [value for value in (fill(each, facts) for each in template) if value is not None]
    if not isinstance(template, str):
        return template
    names = HOLE.findall(template)
    if any(facts.get(name) is None for name in names):
        return None
    if names and template == f"{{{names[0]}}}":
        return facts[names[0]]
    return HOLE.sub(lambda hole: str(facts[hole[1]]), template)


def holes(template: Any) -> set[str]:
    """All that is to be filled in, in whatever is in it."""
    if isinstance(template, str):
        return set(HOLE.findall(template))
    inside = template.values() if isinstance(template, dict) else template
    return (
        {name for each in inside for name in holes(each)}
        if isinstance(template, dict | list | tuple)
        else set()
    )


def _address(template: str, facts: Mapping[str, object]) -> str:
    """An address; what is filled in cannot lead elsewhere."""
    plain = ("scheme", "host")
    quoted = {
        name: str(value) if name in plain else quote(str(value), safe="")
        for name, value in facts.items()
        if value is not None
    }
    return str(fill(template, quoted))


def value_at(found: object, path: str) -> object:
    """What stands at a path such as `ids.0`; None for nothing."""
    for part in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isascii() and part.isdigit():
            found = found[int(part)] if int(part) < len(found) else None
        else:
            return None
    return found


def _credit(found: object, path: str, where: Mapping[str, str]) -> str | None:
    """The credit at a path; where a list stands in it as `*`, of the entry that is wanted."""
    if not path:
        return None
    before, star, after = path.partition(".*.")
    if star:
        entries = value_at(found, before)
        listed: Iterable[Any] = entries if isinstance(entries, list) else ()
        fitting = [
            entry
            for entry in listed
            if isinstance(entry, Mapping) and where.items() <= dict(entry).items()
        ]
        found, path = (fitting[0] if fitting else None), after
    credit = value_at(found, path)
    return None if credit is None else str(credit)


def _text(found: object) -> str:
    """The name of an SMS as text that can be stored, whatever was sent for one."""
    written = "" if found is None or isinstance(found, dict | list) else str(found)
    return written[:200].encode("utf-8", "replace").decode("utf-8")
