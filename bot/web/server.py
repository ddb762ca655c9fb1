"""The one HTTP server of the process, on `SESAME_LISTEN` or on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from bot.logs import Event, Log, place_of
from bot.settings import BadSetting, read_address
from bot.web.certificate import Tls

log = Log("web")


def application(routes: Sequence[BaseRoute]) -> Starlette:
    """These pages and no others."""
    app = Starlette(routes=routes, exception_handlers={Exception: _failed})
    app.router.redirect_slashes = False
    return app


async def read_body(request: Request, longest: int) -> bytes | None:
    """The body; None where it is longer than so many bytes, whatever its header says.

    Raises ClientDisconnect.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > longest:
            return None
    return bytes(body)


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
async def listening(address: str, app: Starlette, tls: Tls | None = None) -> AsyncIterator[None]:
    """Answer on this address meanwhile, by https where there is a certificate.

    Raises BadSetting where the address cannot be had.
    """
    with _bound(address) as bound:
        async with answering(bound, app, tls):
            yield


@asynccontextmanager
async def answering(
    bound: socket.socket, app: Starlette, tls: Tls | None = None
) -> AsyncIterator[None]:
    """Answer on this socket meanwhile."""
    config = uvicorn.Config(
        app,
        log_config=None,  # its logs hold addresses and paths: see bot/logs.py
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        http="h11",
        h11_max_incomplete_event_size=8192,
        limit_concurrency=256,  # the webhook has its own, far below
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
        ssl_certfile=tls.certificate_file if tls else None,
        ssl_keyfile=tls.key_file if tls else None,
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
