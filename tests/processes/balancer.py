"""A plain load balancer on loopback: each connection goes to the next server that takes it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count


class Balancer:
    """Passes connections on, one after the other in turn."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.taken = dict.fromkeys(ports, 0)
        self._turn = count()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Its own address, `http://…`."""
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        async with server:
            yield f"http://{host}:{port}"

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = next(self._turn)
        for at in range(len(self.ports)):
            port = self.ports[(first + at) % len(self.ports)]
            with suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", port)
                self.taken[port] += 1
                await asyncio.gather(_copy(reader, back), _copy(there, writer))
                return
        writer.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()
