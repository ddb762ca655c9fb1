"""What is asked of `serve` by whoever runs it: is it alive, is it ready, how much of everything.

Nothing here says who anybody is.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.app import Service
from bot.logs import Event, Log
from bot.metrics import Counts, Metrics, count
from storage.database import StorageError, is_current
from storage.place import Place, visit

log = Log("web")

SILENCE = 120  # seconds without an answer to a poll: Telegram holds one for 25 at most
OVERDUE = 60  # seconds (invariant I15)
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers with which a proxy passes on what somebody else asks."""


@dataclass(slots=True)
class Watch:
    """What is known of the running service. It is filled while the service starts."""

    database: Place = field(repr=False)  # a URL may hold a password
    metrics: Metrics = field(default_factory=Metrics)
    service: Service | None = None
    loops: dict[str, asyncio.Task[Any]] = field(default_factory=dict)  # that must never end
    # When Telegram answered a poll, or said that the webhook is ours (time.monotonic).
    answered_at: Callable[[], float | None] = lambda: None

    def dead(self) -> list[str]:
        """The loops that have ended: only a new start helps."""
        return [name for name, loop in self.loops.items() if loop.done()]

    async def missing(self) -> list[str]:
        """What is not ready: database, schema, telegram, outbox.

        The database is asked on a connection of its own, whatever the service's own is waiting for.
        """
        found = []
        silence = self.silence()
        if silence is None or silence > SILENCE:
            found.append("telegram")
        try:
            async with visit(self.database) as database:
                if self.service is None:
                    found.append("outbox")
                else:
                    doors, now = self.service.doors, self.service.now()
                    backlog = await database.prepare(doors.outbox.backlog(now))
                    found += ["outbox"] if backlog.overdue > OVERDUE else []
                # `run` takes the right to write; it changes nothing.
                found += [] if await database.run(is_current()) else ["schema"]
        except StorageError:
            found.append("database")
        return sorted(found)

    def silence(self) -> float | None:
        """Seconds since Telegram answered a poll or had our webhook; None before it did."""
        answered = self.answered_at()
        return None if answered is None else monotonic() - answered

    async def page(self) -> bytes:
        """All metrics. What the database does not say is left out."""
        metrics, counts = self.metrics, Counts({}, {})
        if self.service is not None:
            doors = self.service.doors
            metrics.database_errors = doors.database.failures
            try:
                async with visit(self.database) as database:
                    counts = await database.prepare(count(doors, self.service.now()))
            except StorageError as error:
                log(Event.COUNTS_MISSING, why=str(error))
        silence = self.silence()
        known = {} if silence is None else {"telegram_silence_seconds": silence}
        metrics.counts = replace(counts, gauges=counts.gauges | known)
        return metrics.page()


def routes(watch: Watch) -> list[Route]:
    """The pages for whoever runs it; to all others they are not there."""

    async def health() -> Response:
        return _verdict(watch.dead())

    async def ready() -> Response:
        return _verdict(await watch.missing())

    async def metrics() -> Response:
        return Response(await watch.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    def of_ours(
        page: Callable[[], Awaitable[Response]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if not is_near(request):
                return PlainTextResponse("Not Found", 404)  # as for a path that there is not
            return await page()

        return answer

    pages = {"/health": health, "/ready": ready, "/metrics": metrics}
    return [Route(path, of_ours(page), methods=["GET"]) for path, page in pages.items()]


def is_near(request: Request) -> bool:
    """Whether the machine or its own network asks, and not for somebody else.

    The public routes share the port: a proxy is near, but says for whom it asks.
    """
    if any(name in request.headers for name in FORWARDED) or request.client is None:
        return False
    try:
        peer = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    return (getattr(peer, "ipv4_mapped", None) or peer).is_private


def _verdict(failing: list[str]) -> Response:
    """Whether all is well, and what is not."""
    return JSONResponse({"ok": not failing, "failing": failing}, 503 if failing else 200)
