"""Providers over HTTP that answer as nobody documents: by mistake, by illness or on purpose."""

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trustme

from bot.sms import SmsFault, SmsRefused, SmsSender, SmsUnclear
from bot.sms.choosing import sms_sender
from bot.sms.http import LONGEST
from tests.helpers.parent import test_settings
from tests.sms.test_senders import sms

Says = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What is written to somebody who has asked for something."""


@dataclass
class Provider:
    """One that says what it is told to, and how often it was asked."""

    port: int = 0
    asked: int = 0


@asynccontextmanager
async def provider(says: Says, tls: ssl.SSLContext | None = None) -> AsyncIterator[Provider]:
    """A provider on loopback."""
    found = Provider()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            found.asked += 1
            await says(writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side has seen enough
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


def at(port: int, host: str = "127.0.0.1", more: str = "tls=no") -> SmsSender:
    """Brevo, which says that it has the SMS by a name for it."""
    settings = test_settings("unused", sms=f"brevo://:key@{host}:{port}?{more}")
    return sms_sender(settings, lambda _to, _text: None)


def plainly(status: int, body: bytes, *more: str) -> Says:
    """An answer in good HTTP."""
    lines = (f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *more, "", "")

    async def says(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + body)

    return says


async def reset(writer: asyncio.StreamWriter) -> None:
    """The headers say yes; then the connection is gone."""
    writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 40\r\n\r\n{")
    await writer.drain()
    bound: socket.socket = writer.get_extra_info("socket")
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def trickle(writer: asyncio.StreamWriter) -> None:
    """A sign now and then, for ever: none of them comes too late."""
    writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def no_http(writer: asyncio.StreamWriter) -> None:
    """Another protocol altogether."""
    writer.write(b"220 mail.example ESMTP\r\n")


NESTED = b"[" * 60_000
HOSTILE: dict[str, Says] = {
    "no json": plainly(200, b"<html>Welcome to the hotel's Wi-Fi"),
    "nothing": plainly(201, b""),
    "other json": plainly(201, b'{"messageId": null}'),
    "nested json": plainly(201, NESTED),
    "a number without end": plainly(201, b'{"messageId": ' + b"9" * 60_000 + b"}"),
    "bytes": plainly(201, bytes(range(256)) * 4),
    "an alphabet that is none": plainly(201, b"\xff", "Content-Type: text/plain; charset=hex"),
    "packed": plainly(201, gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip"),
    "longer than it says": plainly(201, b"", "Content-Length: 7"),
    "elsewhere": plainly(302, b"", "Location: http://127.0.0.1:1/"),
    "ill": plainly(500, b"oh"),
    "reset": reset,
    "trickle": trickle,
    "no http": no_http,
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits less."""
    monkeypatch.setattr("bot.sms.http.CONNECT", 0.3)
    monkeypatch.setattr("bot.sms.http.ANSWER", 0.3)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("what", HOSTILE)
async def test_then_nobody_knows_whether_it_left(what: str) -> None:
    """It was handed over, and yet it is not said to be: neither sent, nor to be sent again."""
    async with provider(HOSTILE[what]) as found:
        with pytest.raises(SmsUnclear):
            await at(found.port).send(sms())
        assert found.asked == 1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("what", HOSTILE)
async def test_the_doctor_says_so(what: str) -> None:
    async with provider(HOSTILE[what]) as found:
        with pytest.raises(SmsFault, match=r"^SESAME_SMS: brevo at 127\.0\.0\.1:"):
            await at(found.port).check()
        assert found.asked == 1


@pytest.mark.parametrize("status", [307, 308, 404, 405])
async def test_a_wrong_address_is_no_wrong_number(status: int) -> None:
    """Nobody was there who could have sent it; the parent can do nothing about that."""
    async with provider(plainly(status, b"", "Location: http://127.0.0.1:1/")) as found:
        with pytest.raises(SmsRefused) as refused:
            await at(found.port).send(sms())
        assert (refused.value.kind, refused.value.final) == ("settings", False)


async def test_an_answer_without_end_is_not_read() -> None:
    """No more of it than could matter: it would fill the memory."""
    written = 0

    async def says(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 201 Created\r\n\r\n")
        while True:
            writer.write(b" " * LONGEST)
            await writer.drain()
            written += LONGEST

    async with provider(says) as found:
        with pytest.raises(SmsUnclear):
            await at(found.port).send(sms())
        assert written < 200 * LONGEST  # what the buffers of this machine hold


@pytest.mark.parametrize(("name", "taken"), [("localhost", True), ("other.example", False)])
async def test_a_certificate_of_another_name(
    monkeypatch: pytest.MonkeyPatch, name: str, taken: bool
) -> None:
    """Who it is, is seen before anything is said."""
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.configure_trust(ours)
    authority.issue_cert(name).configure_cert(theirs)
    monkeypatch.setattr("bot.sms.http._trusted", lambda: ours)
    async with provider(plainly(201, b'{"messageId": 7}'), theirs) as found:
        sender = at(found.port, "localhost", "tls=yes")
        if taken:
            assert (await sender.send(sms())).message == "7"
            return
        with pytest.raises(SmsRefused) as refused:
            await sender.send(sms())
        assert (refused.value.kind, refused.value.final) == ("down", False)
        assert found.asked == 0


@pytest.mark.parametrize("key", ["k%C3%A9y", "k%0Aey", "%C2%A0key"])
async def test_a_key_that_no_header_can_hold(key: str) -> None:
    """A slip while it was pasted: nothing left, and whoever runs it can mend it."""
    async with provider(plainly(201, b'{"messageId": 7}')) as found:
        settings = test_settings("unused", sms=f"brevo://:{key}@127.0.0.1:{found.port}?tls=no")
        sender = sms_sender(settings, lambda _to, _text: None)
        with pytest.raises(SmsRefused) as refused:
            await sender.send(sms())
        assert not refused.value.final
        with pytest.raises(SmsFault, match="brevo"):
            await sender.check()
        assert found.asked == 0
