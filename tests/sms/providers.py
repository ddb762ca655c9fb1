"""Providers of SMS that answer over HTTP as they are documented to, on loopback; and fail so.

A provider is told to be in one mood: accepts, number (it refuses this number), busy, account (it
does not know us any more), credit, sender (it does not know the name that we send by), hangs (it
takes the request and says nothing), breaks (500).
"""

import asyncio
import base64
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.web.server import answering, application

PASSWORD = "password-of-the-provider"


@dataclass
class Provider:
    """One of them."""

    mood: str = "accepts"
    port: int = 0
    got: list[tuple[str, str]] = field(default_factory=list)  # number, text
    minutes: list[object] = field(default_factory=list)  # how long each is of use
    reports_to: str = ""
    serve: Callable[["Provider", Request, bytes], Response] = lambda *_: Response()

    async def answer(self, request: Request) -> Response:
        """Take a request."""
        body = await request.body()
        if self.mood == "hangs":
            self.serve(self, request, body)
            await asyncio.sleep(0.8)  # longer than the tests wait
        if self.mood == "breaks":
            return PlainTextResponse("oh", 500)
        return self.serve(self, request, body)

    @asynccontextmanager
    async def answering(self) -> AsyncIterator["Provider"]:
        """Answer on a port."""
        with socket.create_server(("127.0.0.1", 0)) as bound:
            self.port = bound.getsockname()[1]
            routes = [Route("/{path:path}", self.answer, methods=["GET", "POST"])]
            async with answering(bound, application(routes)):
                yield self

    def takes(self, to: str, text: str, minutes: object) -> None:
        """An SMS is accepted."""
        self.got.append((to, text))
        self.minutes.append(minutes)


def kannel(self: Provider, request: Request, body: bytes) -> Response:
    """Smsbox's sendsms."""
    query = request.query_params
    if query["password"] != PASSWORD or self.mood == "account":
        return PlainTextResponse("Authorization failed for sendsms", 403)
    if self.mood == "busy":
        return PlainTextResponse("Temporal failure, try again later.", 503)
    if not query.get("to") or self.mood == "number":
        return PlainTextResponse("Missing receiver number, rejected", 400)
    self.reports_to = query.get("dlr-url", "")
    self.takes(query["to"], query["text"], int(query["validity"]))
    return PlainTextResponse("0: Accepted for delivery", 202)


def ovh(self: Provider, request: Request, body: bytes) -> Response:
    """api.ovh.com: signed requests to /sms/{service}."""
    head = request.headers
    parts = (PASSWORD, "consumer-key", request.method, str(request.url), body.decode())
    signed = hashlib.sha1("+".join((*parts, head["x-ovh-timestamp"])).encode()).hexdigest()
    good = head["x-ovh-signature"] == f"$1${signed}" and head["x-ovh-application"] == "user"
    if not good or self.mood == "account":
        if good:
            return JSONResponse({"errorCode": "INVALID_CREDENTIAL", "message": "no"}, 403)
        wrong = {"errorCode": "INVALID_SIGNATURE", "httpCode": "400 Bad Request"}
        return JSONResponse({**wrong, "message": "Invalid signature"}, 400)
    if request.method == "GET":
        return JSONResponse({"creditsLeft": 12.5, "name": "sms-ab1-1"})
    if self.mood in ("busy", "credit"):
        return JSONResponse({"message": self.mood}, 429 if self.mood == "busy" else 402)
    if self.mood == "sender":
        said = "Sms sender Sesame does not exists. Please create it first"
        return JSONResponse({"message": said}, 400)
    asked = json.loads(body)
    to = asked["receivers"][0]
    if self.mood == "number":
        return JSONResponse({"ids": [], "validReceivers": [], "invalidReceivers": [to]})
    assert asked["noStopClause"] is True
    self.takes(to, asked["message"], asked["validityPeriod"])
    ids = [27814656 + len(self.got)]
    return JSONResponse({"ids": ids, "validReceivers": [to], "invalidReceivers": []})


def brevo(self: Provider, request: Request, body: bytes) -> Response:
    """api.brevo.com."""
    if request.headers["api-key"] != PASSWORD or self.mood == "account":
        return JSONResponse({"code": "unauthorized", "message": "Key not found"}, 401)
    if request.url.path == "/v3/account":
        plans = [{"type": "free", "credits": 300}, {"type": "sms", "credits": 12.5}]
        return JSONResponse({"email": "a@b.fr", "plan": plans})
    if self.mood in ("busy", "credit"):
        return JSONResponse({"code": self.mood}, 429 if self.mood == "busy" else 402)
    if self.mood == "number":
        return JSONResponse({"code": "invalid_parameter", "message": "Invalid phone number"}, 400)
    asked = json.loads(body)
    assert asked["type"] == "transactional"
    self.reports_to = asked.get("webUrl", "")
    self.takes("+" + asked["recipient"], asked["content"], None)
    return JSONResponse({"messageId": 1511882900176220 + len(self.got), "reference": "x"}, 201)


def octopush(self: Provider, request: Request, body: bytes) -> Response:
    """api.octopush.com."""
    good = request.headers["api-key"] == PASSWORD and request.headers["api-login"] == "user"
    if not good or self.mood == "account":
        return JSONResponse({"code": 101, "message": "Bad credentials"}, 401)
    if request.url.path.endswith("check-balance"):
        return JSONResponse({"amount": 12.5, "unit": "sms"})
    if self.mood == "busy":
        return JSONResponse({"code": 1}, 429)
    if self.mood == "credit":
        return JSONResponse({"code": 104, "message": "You have run out of credit."}, 400)
    if self.mood == "sender":
        return JSONResponse(
            {"code": 106, "message": "You have entered the Sender incorrectly."}, 400
        )
    if self.mood == "number":
        return JSONResponse({"code": 139, "message": "Invalid recipients"}, 422)
    asked = json.loads(body)
    assert asked["auto_optimize_text"] is False
    self.takes(asked["recipients"][0]["phone_number"], asked["text"], None)
    return JSONResponse({"sms_ticket": f"sms_{len(self.got):06d}", "number_of_contacts": 1}, 201)


def orange(self: Provider, request: Request, body: bytes) -> Response:
    """api.orange.com: a token, then the request."""
    if request.url.path == "/oauth/v3/token":
        basic = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
        if request.headers["authorization"] != f"Basic {basic}" or self.mood == "account":
            return JSONResponse({"error": "invalid_client"}, 401)
        assert dict(parse_qsl(body.decode())) == {"grant_type": "client_credentials"}
        return JSONResponse({"token_type": "Bearer", "access_token": "t0k", "expires_in": 3600})
    if request.headers["authorization"] != "Bearer t0k":
        return JSONResponse({"code": 42}, 401)
    if request.method == "GET":
        return JSONResponse([{"country": "CIV", "availableUnits": 12.5, "status": "ACTIVE"}])
    if self.mood == "busy":
        return JSONResponse({"code": 53}, 429)
    if self.mood == "credit":
        error = {"messageId": "POL0001", "text": "Expired contract"}
        return JSONResponse({"requestError": {"policyException": error}}, 403)
    if self.mood == "number":
        return JSONResponse({"requestError": {"text": "Invalid address"}}, 400)
    asked = json.loads(body)["outboundSMSMessageRequest"]
    assert request.url.path == "/smsmessaging/v1/outbound/tel:+33700/requests"
    to = asked["address"].removeprefix("tel:")
    self.takes(to, asked["outboundSMSTextMessage"]["message"], None)
    found = {**asked, "resourceURL": f"https://api.orange.com/requests/id-{len(self.got)}"}
    return JSONResponse({"outboundSMSMessageRequest": found}, 201)


def own(self: Provider, request: Request, body: bytes) -> Response:
    """One of a school's own (OWN_PROFILE): a form, by Basic authentication."""
    basic = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    if request.headers["authorization"] != f"Basic {basic}" or self.mood == "account":
        return PlainTextResponse("no", 401)
    if request.method == "GET":
        return PlainTextResponse("fine")
    if self.mood in ("busy", "number"):
        return PlainTextResponse(f"error {self.mood}", 200)
    asked = dict(parse_qsl(body.decode()))
    self.takes(asked["phone"], asked["message"], int(asked["ttl"]))
    return PlainTextResponse("queued")


OWN_PROFILE = """
[own]
tls = false
near = true
method = "POST"
url = "{scheme}://{host}/send"
auth = "basic"
id = "{reference}"
form = { phone = "{to}", message = "{text}", ttl = "{minutes}" }
answers = [
    { status = [200], says = "queued", is = "accepted" },
    { status = [200], says = "NUMBER", is = "number" },
    { status = [200], says = "busy", is = "busy" },
]

[own.check]
url = "{scheme}://{host}/"
good = [200]
"""
