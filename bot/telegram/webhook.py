"""The webhook: Telegram posts each update, and repeats it until it is answered with success.

Success means that the turn is stored. What is not stored soon is answered with 503, and comes
again: to the same turn, while that is under way. The library's own handler answers before it
handles, compares the secret with `!=`, and prints what it cannot read (RELIABILITY 0.10, T31).
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from time import monotonic
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from telegram import Bot
from telegram.error import BadRequest

from bot.engine import Update
from bot.logs import Event, Log
from bot.telegram.client import until_it_works
from bot.telegram.incoming import ALLOWED_UPDATES
from bot.telegram.updates import Updates, numbered
from bot.web.server import read_body

log = Log("telegram")

SECRET_HEADER = b"x-telegram-bot-api-secret-token"
MOST_AT_ONCE = 32  # updates; Telegram is told, and what comes above that must wait
LARGEST = 1024 * 1024  # bytes; an update is a few thousand
PATIENCE = 8  # seconds for a turn: if it takes longer, Telegram must give the update again
AGAIN = 2  # seconds after which Telegram may
READING = 10  # seconds for the body of an update
LOOK_EVERY = 60  # seconds: is the webhook still ours, and does Telegram reach it?


class Webhook:
    """Takes updates over HTTP while `run` runs; before and after, Telegram is told to wait."""

    def __init__(self, path: str, url: str, secret: str, certificate: bytes | None = None) -> None:
        """`certificate` (PEM) is given to Telegram where no authority vouches for it."""
        self._url = url
        self._secret = secret
        self._certificate = certificate
        self._updates: Updates | None = None
        self._turns: dict[int, asyncio.Task[bool]] = {}  # under way, by the update's number
        self._at_once = 0
        self.answered_at: float | None = None  # when Telegram last had it so (time.monotonic)
        self.route = Route(path, self._endpoint, methods=["POST"])

    async def run(self, bot: Bot, take: Callable[[Update], Awaitable[object]]) -> None:
        """Go on until cancelled, then finish the turns under way. Raises InvalidToken.

        The webhook stays set: Telegram keeps what comes meanwhile, for a day.
        """
        updates = self._updates = Updates(bot, take)
        try:
            await until_it_works(lambda: self._set(bot))
            while True:
                self.answered_at = monotonic()
                await asyncio.sleep(LOOK_EVERY)
                await self._look(bot)
        finally:
            self._updates = None
            await updates.close()

    async def _set(self, bot: Bot) -> None:
        try:
            await bot.set_webhook(
                self._url,
                certificate=self._certificate,
                max_connections=MOST_AT_ONCE,
                allowed_updates=ALLOWED_UPDATES,
                secret_token=self._secret,
            )
        except BadRequest as error:  # of the address: its name is not known, its port not allowed
            log(Event.WEBHOOK_REFUSED, why=error.message[:200])
            raise

    async def _look(self, bot: Bot) -> None:
        """Another program may have taken it away; that we are out of reach only Telegram knows."""
        info = await until_it_works(bot.get_webhook_info)
        if info.url != self._url:
            log(Event.WEBHOOK_LOST)
            await until_it_works(lambda: self._set(bot))
        elif info.pending_update_count and is_recent(info.last_error_date):
            log(Event.WEBHOOK_NOT_REACHED, why=(info.last_error_message or "")[:200])

    async def _endpoint(self, request: Request) -> Response:
        """Answer one update.

        A stranger gets 403 and no word: the path is no secret, and in `sesame doctor` the number
        tells a wrong secret from a proxy that does not know the path (404).
        """
        if not self._is_from_telegram(request):
            return _refusal(403)
        if self._updates is None or self._at_once >= MOST_AT_ONCE:
            return _again()
        self._at_once += 1
        try:
            return await self._take(request)
        finally:
            self._at_once -= 1

    def _is_from_telegram(self, request: Request) -> bool:
        """In constant time, and on bytes: a header may hold anything."""
        given = [value for name, value in request.scope["headers"] if name == SECRET_HEADER]
        return len(given) == 1 and hmac.compare_digest(given[0], self._secret.encode())

    async def _take(self, request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0]
        if kind.strip().lower() != "application/json":
            return _refusal(400)
        try:
            async with asyncio.timeout(READING):
                body = await read_body(request, LARGEST)
        except TimeoutError:
            return _refusal(408)
        except ClientDisconnect:
            return _refusal(400)  # nobody hears it
        if body is None:
            return _refusal(413)
        found = _update(body)
        if found is None:
            return _refusal(400)
        if self._updates is None:  # we have stopped while it was read
            return _again()
        turn = self._turn(self._updates, *found)
        # Not `wait_for`: a turn goes on, whatever becomes of the answer.
        await asyncio.wait({turn}, timeout=PATIENCE)
        return Response(status_code=200) if turn.done() and turn.result() else _again()

    def _turn(self, updates: Updates, number: int, raw: Any) -> "asyncio.Task[bool]":
        """The turn of this update: that which is under way, where it is given again meanwhile."""
        if number not in self._turns:
            self._turns[number] = turn = updates.begin(number, raw)
            turn.add_done_callback(lambda _: self._turns.pop(number))
        return self._turns[number]


def is_recent(error: datetime | None) -> bool:
    """Whether Telegram's last failure to reach us is of now: it tries again every two minutes."""
    return error is not None and (datetime.now(error.tzinfo) - error).total_seconds() < 600


def _update(body: bytes) -> tuple[int, Any] | None:
    try:
        return numbered(json.loads(body))
    except (ValueError, RecursionError):
        return None


def _refusal(status: int) -> Response:
    """No word, and no more on this connection: what else it carries is not read."""
    return Response(status_code=status, headers={"Connection": "close"})


def _again() -> Response:
    return Response(status_code=503, headers={"Retry-After": f"{AGAIN}"})
