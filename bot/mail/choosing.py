"""Which sender SESAME_EMAIL means."""

import ipaddress
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from bot.mail.local import ConsoleMail, FileMail, Show
from bot.mail.message import read_sender
from bot.mail.port import MailSender
from bot.settings import BadSetting, Settings

if TYPE_CHECKING:
    from bot.mail.smtp import Server

_KNOWN = (
    "SESAME_EMAIL: write smtps://USER:PASSWORD@HOST, smtp://USER:PASSWORD@HOST:587?starttls,"
    " file:PATH or console:."
)
_PORTS = {"at once": 465, "starttls": 587, "": 25}


def mail_sender(settings: Settings, show: Show) -> MailSender | None:
    """The sender that SESAME_EMAIL names, None where it names none; `show` is `console:`'s.

    Raises BadSetting, which never shows what stands in the URL.
    """
    if settings.email is None:
        return None
    url = settings.email.get_secret_value().strip()
    kind, _, rest = url.partition(":")
    path = rest.removeprefix("//")
    match kind:
        case "console":
            return ConsoleMail(show)
        case "file" if path:
            return FileMail(Path(path))
        case "smtp" | "smtps" if rest.startswith("//"):
            return _smtp(url, settings)
    raise BadSetting(_KNOWN)


def _smtp(url: str, settings: Settings) -> MailSender:
    from bot.mail.smtp import SmtpMail  # noqa: PLC0415 - takes a moment to import

    if settings.email_from is None:
        raise BadSetting(
            "SESAME_EMAIL_FROM is not set: the address that mail comes from, for example"
            " Sésame <sesame@ecole.fr>."
        )
    server = _server(url)
    try:
        return SmtpMail(server, read_sender(settings.email_from))
    except (OSError, ssl.SSLError):
        raise BadSetting("SESAME_EMAIL: ca= is no file with certificates (PEM).") from None


def _server(url: str) -> "Server":
    from bot.mail.smtp import Server  # noqa: PLC0415 - as above

    try:
        parts = urlsplit(url)
        port = parts.port
        more = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        raise BadSetting(
            "SESAME_EMAIL: the URL cannot be read; write @ : / ? # in a password as %40 %3A %2F"
            " %3F %23."
        ) from None
    if not parts.hostname or parts.path not in ("", "/") or set(more) - {"starttls", "ca"}:
        raise BadSetting(_KNOWN)
    tls = "at once" if parts.scheme == "smtps" else "starttls" if "starttls" in more else ""
    if parts.username and not tls and not _is_here(parts.hostname):
        raise BadSetting(
            "SESAME_EMAIL: the password would be sent in the clear; write smtps:// or ?starttls."
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Server(parts.hostname, port or _PORTS[tls], user, password, tls, more.get("ca") or None)


def _is_here(host: str) -> bool:
    """Whether that is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
