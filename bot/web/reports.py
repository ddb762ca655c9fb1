"""Where SMS providers report what became of an SMS: `/sms/SENDER/TOKEN`.

The token is made from the database's own key, another for each sender, and stands in no setting:
who does not know it finds nothing here. Who does may mark an SMS whose name they know, and no more:
no report opens anything, or counts for a limit.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.sms import SmsSender
from bot.sms.http import HttpSms
from bot.web.server import read_body

LONGEST = 65_536  # bytes


def routes(sender: SmsSender) -> list[Route]:
    """The page for reports to these senders. While none of them runs, it is not there."""
    senders = [each for each in sender.each() if isinstance(each, HttpSms)]

    async def report(request: Request) -> Response:
        name, token = request.path_params["sender"], request.path_params["token"]
        meant = [each for each in senders if each.name == name and each.knows(token)]
        if not meant:
            return PlainTextResponse("Not Found", 404)  # as for a path that there is not
        try:
            body = await read_body(request, LONGEST)
        except ClientDisconnect:
            body = None
        if body is None:
            return PlainTextResponse("Too long", 413)
        await meant[0].reported({**request.query_params, **_facts(body)})
        return PlainTextResponse("ok")

    return [Route("/sms/{sender}/{token}", report, methods=["GET", "POST"])] if senders else []


def _facts(body: bytes) -> Mapping[str, Any]:
    """What a body says, as JSON or as a form."""
    try:
        found = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        with suppress(ValueError):  # fields without end
            return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=100))
        return {}
    return found if isinstance(found, dict) else {}
