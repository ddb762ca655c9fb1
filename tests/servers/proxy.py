"""A proxy on loopback between us and a real server, with the accidents of a network.

It passes bytes on, and looks at what the client sends: a request that begins as `when` says meets
the next accident. Each happens so many times, then all is well again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

SLOW = 1.5  # seconds
QUIET = 1  # seconds after which an answer is taken to be whole

REFUSAL = (
    b'{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "400",'
    b' "scimType": "invalidValue", "detail": "The password is too weak."}'
)
"""What a SCIM service says to a password that it does not take (RFC 7644, 3.12)."""

ANOTHER = (
    b'{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "777",'
    b' "userName": "p.martin", "externalId": "ffffffffffffffffffffffffffffffff"}'
)
"""Somebody else's account, as an answer to whoever made one."""

LDAP_ADD, LDAP_MODIFY = b"ldap add", b"ldap modify"
"""For `when`: the requests to add an entry, and to change one."""
_LDAP = {0x68: LDAP_ADD, 0x66: LDAP_MODIFY}  # [APPLICATION 8] and [APPLICATION 6]


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Proxy:
    """Listens on `port`, and passes on to `target`."""

    port: int = 0
    target: int = 0
    accidents: list[tuple[bytes, str]] = field(default_factory=list)
    met: list[str] = field(default_factory=list)
    _open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = field(default_factory=dict)

    def will(self, accident: str, when: bytes = b"", times: int = 1) -> None:
        """The next requests that begin with `when` have this accident."""
        self.accidents += [(when, accident)] * times

    def is_well(self) -> None:
        """No accident any more."""
        self.accidents.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection."""
        self._open[writer] = asyncio.current_task()
        try:
            await self._passes(reader, writer)
            await _closed(writer)
        finally:
            writer.close()

    async def ends(self) -> None:
        """Close all connections."""
        left = [task for task in self._open.values() if task is not None]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for writer in self._open:
            writer.transport.abort()
        await asyncio.sleep(0.01)  # for the loop to let go of the sockets

    async def _passes(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            try:
                onward = await asyncio.open_connection("127.0.0.1", self.target)
            except OSError:
                return
            self._open[onward[1]] = None
            back = asyncio.ensure_future(_pump(onward[0], writer))
            try:
                while request := await _request(reader):
                    accident = self._accident(request)
                    if accident is None:
                        onward[1].write(request)
                        continue
                    self.met.append(accident)
                    if accident == "slow":
                        await asyncio.sleep(SLOW)
                        onward[1].write(request)
                        continue
                    if accident == "twice":
                        other = await asyncio.open_connection("127.0.0.1", self.target)
                        await _asks(other, request)
                        await _closed(other[1])
                        onward[1].write(request)
                        continue
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)
                    if accident in ("lost", "garbage"):
                        await _asks(onward, request)  # it takes effect
                    if accident == "garbage":
                        writer.write(_answer(b"200 OK", b"<html>It works!</html>"))
                    elif accident == "password":  # the service's own rules
                        writer.write(_answer(b"400 No", REFUSAL))
                    elif accident == "another":
                        writer.write(_answer(b"201 Created", ANOTHER))
                    elif accident == "307":  # the same, please, at another name of this machine
                        there = b"Location: http://localhost:%d/elsewhere" % self.port
                        writer.write(_answer(b"307 There\r\n" + there, b""))
                    elif accident.isdecimal():  # a status, in the server's place
                        writer.write(_answer(accident.encode() + b" No", b""))
                    await writer.drain()
                    return
            finally:
                back.cancel()
                await asyncio.gather(back, return_exceptions=True)
                await _closed(onward[1])

    def _accident(self, request: bytes) -> str | None:
        begins = _of_ldap(request) or request
        for at, (when, accident) in enumerate(self.accidents):
            if begins.startswith(when):
                del self.accidents[at]
                return accident
        return None


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close it, and wait until it is."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _asks(server: Streams, request: bytes) -> None:
    """Ask, and hear the whole answer."""
    answer = b""
    server[1].write(request)
    with suppress(TimeoutError):
        async with asyncio.timeout(QUIET):
            while not _is_whole(answer) and (chunk := await server[0].read(65536)):
                answer += chunk


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    """The next request: a whole one of HTTP, else what came in one piece."""
    request = await reader.read(65536)
    while b"HTTP/1.1\r\n" in request and not _is_whole(request):
        more = await reader.read(65536)
        if not more:
            break
        request += more
    return request


def _is_whole(message: bytes) -> bool:
    """Whether a message of HTTP has come to its end."""
    head, found, body = message.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return bool(found) and len(body) >= (lengths[0] if lengths else 0)


def _of_ldap(request: bytes) -> bytes | None:
    """SEQUENCE { messageID INTEGER, addRequest … } (RFC 4511, 4.6 and 4.7): which one it is."""
    if request[:1] != b"\x30":
        return None
    at = 2 + (request[1] & 0x7F if request[1] & 0x80 else 0)  # behind the sequence's length
    if request[at : at + 1] != b"\x02":
        return None
    return _LDAP.get(request[at + 2 + request[at + 1]])


def _answer(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n" % (
        status,
        b"application/scim+json" if body in (REFUSAL, ANOTHER) else b"text/html",
        len(body),
    )
    return head + b"Connection: close\r\n\r\n" + body


@asynccontextmanager
async def between(target: int, port: int) -> AsyncIterator[Proxy]:
    """A proxy at `port`, in front of the port `target`."""
    proxy = Proxy(port, target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port)
    try:
        yield proxy
    finally:
        server.close()
        await proxy.ends()
        await server.wait_closed()
