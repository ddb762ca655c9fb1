"""SMTP (RFC 5321): the school's own mail server, or a provider's.

What a server answers says whether a mail left: 4xx, not now; 5xx, never. Before the text of the
mail is given nothing has left, whatever happens to the connection; after it, a connection that is
lost leaves it open.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from functools import partial

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPResponseException
from aiosmtplib.errors import SMTPRecipientRefused, SMTPSenderRefused

from bot.clock import utc_now
from bot.mail.message import message, plain_address
from bot.mail.port import Mail, MailFault, MailRefused, MailUnclear

STEP = 10
"""Seconds for one answer of the server; connecting and TLS take as long, too."""

LONGEST = 30
"""Seconds for a whole mail."""

GOODBYE = 2
"""Seconds for the server to say goodbye."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where it is, and how it is spoken to."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    tls: str = ""  # "at once" (smtps), "starttls", or none
    authorities: str | None = None  # PEM file; the machine's own where there is none


class SmtpMail:
    """Hands mail over to one server. A connection serves one mail: there are few."""

    name: str

    def __init__(
        self,
        server: Server,
        sender: Address,
        clock: Callable[[], datetime] = utc_now,
        step: float = STEP,
        longest: float = LONGEST,
    ) -> None:
        """Raises OSError (SSLError too) where the file of authorities is none."""
        self.name = server.host
        self._server = server
        self._sender = sender
        self._clock = clock
        self._step = step
        self._longest = longest
        # With the checks of name and chain on: a login and codes are given to nobody else.
        self._tls = ssl.create_default_context(cafile=server.authorities) if server.tls else None

    async def send(self, mail: Mail) -> None:
        """Hand it over."""
        given = False  # whether the server may have the text
        client = self._client()
        try:
            async with asyncio.timeout(self._longest):
                await self._connect(client)
                give = await self._envelope(client, mail)
                given = True
                await give()
        except SMTPResponseException as error:
            raise _refused(error) from error
        except (SMTPException, OSError, TimeoutError) as error:
            kind = "slow" if isinstance(error, TimeoutError) else "down"
            raise MailUnclear(kind) if given else MailRefused(kind, final=False) from error
        finally:
            await _leave(client)

    async def _envelope(self, client: SMTP, mail: Mail) -> Callable[[], Awaitable[object]]:
        """Say from whom and to whom it is; what remains is to give the text."""
        try:
            to = plain_address(mail.to).addr_spec
            text = message(mail, self._sender, self._clock())
        except ValueError as error:
            raise MailRefused("address", final=True) from error
        options, encoding = [], "ascii"
        if not to.isascii():
            if not client.supports_extension("smtputf8"):
                raise MailRefused("address", final=True)
            options, encoding = ["SMTPUTF8"], "utf-8"
        await client.mail(self._sender.addr_spec, options=options, encoding=encoding)
        await client.rcpt(to, encoding=encoding)
        return partial(client.data, text.as_bytes())

    async def check(self) -> None:
        """Greet it, secure the connection, log in, and ask whether it takes mail of our sender."""
        client = self._client()
        try:
            async with asyncio.timeout(self._longest):
                await self._connect(client)
                await client.mail(self._sender.addr_spec)
                await client.rset()
        except SMTPResponseException as error:
            refused = _refused(error)
            raise MailFault(refused.kind, f"{error.code} {_line(error.message)}") from error
        except (SMTPException, OSError, TimeoutError) as error:
            raise MailFault("down", _line(str(error))) from error
        finally:
            await _leave(client)

    def _client(self) -> SMTP:
        server = self._server
        return SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=self._sender.domain,
            timeout=self._step,
            use_tls=server.tls == "at once",
            start_tls=False,
            tls_context=self._tls,
        )

    async def _connect(self, client: SMTP) -> None:
        """Connect, secure it and log in."""
        server = self._server
        await client.connect()
        if server.tls == "starttls":  # or nothing: never without, where it was asked for
            await client.starttls(tls_context=self._tls or ssl.create_default_context())
        await client.ehlo()
        if server.user:
            await client.login(server.user, server.password)


async def _leave(client: SMTP) -> None:
    """Say goodbye, and do not wait for it: what the server took it has."""
    with suppress(Exception):
        if client.is_connected:
            await client.quit(timeout=GOODBYE)
    client.close()


def _refused(error: SMTPResponseException) -> MailRefused:
    """What the server's answer means. `kind` tells who can mend it."""
    final = error.code >= 500  # RFC 5321, 4.2.1
    match error:
        case SMTPAuthenticationError():
            return MailRefused("account", final=False)  # it goes on by itself once it is mended
        case SMTPSenderRefused() if final:
            return MailRefused("sender", final=False)
        case SMTPRecipientRefused() if final:
            return MailRefused("address", final=True)
        case _ if final:
            return MailRefused("content", final=True)
    return MailRefused("busy", final=False)


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
