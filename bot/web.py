"""What is asked of `serve` over HTTP: is it alive, is it ready, how much of everything.

`application` is the place where routes are added. Nothing here says who anybody is.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.app import Service
from bot.logs import Event, Log, place_of
from bot.metrics import Counts, Metrics, count
from bot.settings import BadSetting, read_address
from storage.database import StorageError, is_current, visit

log = Log("web")

SILENCE = 120  # seconds without an answer to a poll: Telegram holds one for 25 at most
OVERDUE = 60  # seconds (invariant I15)


@dataclass(slots=True)
class Watch:
    """What is known of the running service. It is filled while the service starts."""

    database: str  # its path
    metrics: Metrics = field(default_factory=Metrics)
    service: Service | None = None
    loops: dict[str, asyncio.Task[Any]] = field(default_factory=dict)  # that must never end
    answered_at: Callable[[], float | None] = lambda: None  # Telegram, by time.monotonic

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
        """Seconds since Telegram answered a poll; None before it did."""
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


def application(watch: Watch) -> Starlette:
    """The pages."""

    async def health(_request: Request) -> Response:
        return _verdict(watch.dead())

    async def ready(_request: Request) -> Response:
        return _verdict(await watch.missing())

    async def metrics(_request: Request) -> Response:
        return Response(await watch.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app = Starlette(
        routes=[
            Route("/health", health, methods=["GET"]),
            Route("/ready", ready, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
        ],
        exception_handlers={Exception: _failed},
    )
    app.router.redirect_slashes = False
    return app


def _verdict(failing: list[str]) -> Response:
    """Whether all is well, and what is not."""
    return JSONResponse({"ok": not failing, "failing": failing}, 503 if failing else 200)


def _failed(_request: Request, error: Exception) -> Response:
    log(Event.PAGE_FAILED, kind=type(error).__name__, place=place_of(error))
    return Response(status_code=500)


class _Server(uvicorn.Server):
    """Uvicorn beside other work: signals are for `serve` to hear."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


@asynccontextmanager
async def listening(address: str, app: Starlette) -> AsyncIterator[None]:
    """Answer on this address meanwhile. Raises BadSetting where it cannot be had."""
    with _bound(address) as bound:
        config = uvicorn.Config(
            app,
            log_config=None,  # its logs hold addresses and paths: see bot/logs.py
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            http="h11",
            h11_max_incomplete_event_size=8192,
            limit_concurrency=64,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=2,
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            yield
        finally:
            server.should_exit = True
            await running


def _bound(address: str) -> socket.socket:
    host, port = read_address(address)
    try:
        kind = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=kind)
    except OSError as error:
        raise BadSetting(f"SESAME_LISTEN: {address} cannot be had: {error.strerror}.") from None
