"""Which sender SESAME_SMS means."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from bot.settings import BadSetting, Settings, read_address
from bot.sms.gammu import GammuSms
from bot.sms.local import ConsoleSms, FileSms
from bot.sms.port import SmsSender
from bot.sms.several import SeveralSms

HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,100}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
SENDER_NAME = re.compile(r"[A-Za-z0-9 ._-]{1,11}|\+?[0-9]{3,15}")

SCHEMES = "console:, file:PATH, kannel://, smpp://, gammu:FILE, ovh://, brevo://, octopush://,"
_KNOWN = f"SESAME_SMS: write {SCHEMES} orange://, apprise:URL, or a profile of your own."


def sms_sender(settings: Settings, show: Callable[[str, str], None]) -> SmsSender:
    """The sender that SESAME_SMS names; `show` displays what `console:` sends.

    Raises BadSetting, which never shows what stands in the URL.
    """
    if settings.sms is None:
        raise BadSetting(
            "SESAME_SMS is not set: say where codes are sent, for example file:/tmp/sms.jsonl"
            " to try it, or console: to read them on this screen."
        )
    urls = settings.sms.get_secret_value().split()
    senders = [_one(url, settings, show) for url in urls]
    if not senders:
        raise BadSetting(_KNOWN)
    return senders[0] if len(senders) == 1 else SeveralSms(senders)


def _one(url: str, settings: Settings, show: Callable[[str, str], None]) -> SmsSender:
    kind, _, rest = url.partition(":")
    path = rest.removeprefix("//")
    match kind:
        case "console":
            return ConsoleSms(show)
        case "file" if path:
            return FileSms(Path(path))
        case "gammu" if path:
            return GammuSms(Path(path))
        case "apprise" if rest:
            from bot.sms.apprise import AppriseSms  # noqa: PLC0415 - an extra

            return AppriseSms(rest)
        case "smpp" if rest.startswith("//"):
            return _smpp(url)
    return _http(kind, url, settings)


def _parts(url: str) -> tuple[SplitResult, dict[str, str]]:
    """The URL, and its parameters."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadSetting(
            "SESAME_SMS: an URL cannot be read; write @ : / ? # in a password as %40 %3A %2F %3F"
            " %23."
        ) from None
    del port  # read only to see whether it is one
    more = dict(parse_qsl(parts.query))
    if not SENDER_NAME.fullmatch(more.get("from", "Sesame")):
        raise BadSetting(
            "SESAME_SMS: from= is a sender's name of 11 letters and digits at most, or a number."
        )
    return parts, more


def _smpp(url: str) -> SmsSender:
    try:
        from bot.sms.smpp import SmppSms  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise BadSetting(
            "SESAME_SMS: smpp:// is not installed; add it with: pip install"
            ' "sesame-activation[smpp]".'
        ) from None
    parts, more = _parts(url)
    if not parts.hostname or not parts.username:
        raise BadSetting("SESAME_SMS: write smpp://SYSTEM_ID:PASSWORD@HOST:PORT?from=Sesame.")
    user, password = unquote(parts.username), unquote(parts.password or "")
    return SmppSms(parts.hostname, parts.port or 2775, user, password, more)


def _http(kind: str, url: str, settings: Settings) -> SmsSender:
    from bot.sms.http import HttpSms, Way  # noqa: PLC0415 - an HTTP client is slow to import
    from bot.sms.profiles import profiles  # noqa: PLC0415

    profile = profiles(settings.sms_profiles).get(kind)
    if profile is None:
        raise BadSetting(_KNOWN)
    parts, more = _parts(url)
    host = parts.netloc.rpartition("@")[2] or profile.host
    if not HOST.fullmatch(host):
        raise BadSetting(
            f"SESAME_SMS: {kind}: say at which host it is: {kind}://USER:PASSWORD@HOST."
        )
    way = Way(
        host,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        {name: value for name, value in more.items() if name not in ("tls", "reports")},
        {"yes": True, "no": False}.get(more.get("tls", ""), profile.tls),
    )
    return HttpSms(kind, profile, way, _reports_at(settings, more, profile.near))


def _reports_at(settings: Settings, more: Mapping[str, str], near: bool) -> str | None:
    """Where reports reach us: `reports=` says so, or our own address, or the public one."""
    if "reports" in more:
        return more["reports"].rstrip("/")
    if not near:
        return settings.public_url
    if settings.listen is None:
        return None
    host, port = read_address(settings.listen)
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    scheme = "https" if settings.tls_certificate else "http"
    return f"{scheme}://[{here}]:{port}" if ":" in here else f"{scheme}://{here}:{port}"
