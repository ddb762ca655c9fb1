"""A real SMTP server on loopback (aiosmtpd), with TLS, logins, and whatever goes wrong outside."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "sesame", "p@ss:word/of?mail#1"

ANSWERS = {
    "no sender": ("MAIL", "553 5.7.1 Sender address rejected: not owned by user"),
    "greylisting": ("RCPT", "450 4.2.0 Greylisted, try again in 5 minutes"),
    "no such address": ("RCPT", "550 5.1.1 User unknown"),
    "full": ("DATA", "452 4.3.1 Insufficient system storage"),
    "spam": ("DATA", "554 5.7.1 Message content rejected"),
}
"""What servers say, and to which command (RFC 5321, RFC 3463)."""


@dataclass
class PostOffice:
    """The server. `mood` is what goes wrong: a key of ANSWERS, "dies at RCPT", "hangs at DATA"…"""

    authority: trustme.CA = field(default_factory=trustme.CA)
    mood: str = ""
    password: str = PASSWORD
    received: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)  # whether each mail came over TLS
    tried: int = 0  # mails that were begun
    port: int = 0

    async def _goes_wrong(self, server: SMTP, command: str) -> str | None:
        """What it answers to the command; None where all is well."""
        if ANSWERS.get(self.mood, ("", ""))[0] == command:
            return ANSWERS[self.mood][1]
        match self.mood.split(" at "):
            case ["dies", at] if at == command:
                assert isinstance(server.transport, asyncio.WriteTransport)
                server.transport.abort()
                await asyncio.sleep(5)
            case ["hangs", at] if at == command:
                await asyncio.sleep(5)
            case ["slow"]:
                await asyncio.sleep(0.3)
        return None

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """From whom it is."""
        self.tried += 1
        wrong = await self._goes_wrong(server, "MAIL")
        if wrong is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return wrong or "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """To whom it is."""
        wrong = await self._goes_wrong(server, "RCPT")
        if wrong is None:
            envelope.rcpt_tos.append(address)
        return wrong or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """The whole mail. One that dies or hangs here has taken it, and nobody knows."""
        if self.mood.partition(" at ")[2] == "DATA" or self.mood not in ANSWERS:
            content = envelope.content
            assert isinstance(content, bytes)
            read = message_from_bytes(content, policy=default)
            assert isinstance(read, EmailMessage)
            self.received.append(read)
            self.envelopes.append((envelope.mail_from or "", list(envelope.rcpt_tos)))
            self.secured.append(session.ssl is not None)
        return await self._goes_wrong(server, "DATA") or "250 OK: queued as 12345"

    def _login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        user, password = data.login.decode(), data.password.decode()
        self.logins.append((user, password))
        good = (user, password) == (USER, self.password)
        return AuthResult(success=good, handled=False)

    @asynccontextmanager
    async def answering(self, tls: str = "", *, name: str = "localhost") -> AsyncIterator[None]:
        """Answer meanwhile. `tls`: "at once", "starttls" or none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(name).configure_cert(context)
        loop = asyncio.get_running_loop()

        def factory() -> SMTP:
            return SMTP(
                self,
                enable_SMTPUTF8=True,
                hostname="mail.ecole.example",
                tls_context=context if tls == "starttls" else None,
                require_starttls=tls == "starttls",
                auth_required=tls == "starttls",
                auth_require_tls=tls == "starttls",  # "at once" it is below what it sees
                authenticator=self._login,
                loop=loop,
            )

        server = await loop.create_server(
            factory, "127.0.0.1", 0, ssl=context if tls == "at once" else None
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    def authorities(self, folder: Path) -> Path:
        """The file with the authority that vouches for it."""
        file = folder / "authorities.pem"
        self.authority.cert_pem.write_to_path(str(file))
        return file
