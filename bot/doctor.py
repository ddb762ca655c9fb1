"""`sesame doctor`: what is configured, what answers and what is missing, in plain words.

Every check is done for real, side by side with the others and within its own time.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from urllib.parse import quote, unquote

import click
from pydantic import SecretStr

import locales
from bot.checks import Case, Check, Finding
from bot.checks.database import audit, database, register, secret
from bot.checks.doors import accounts, sms
from bot.checks.machine import clock, disk
from bot.checks.mail import email
from bot.checks.page import page
from bot.checks.services import services
from bot.checks.telegram import telegram
from bot.logs import place_of
from bot.settings import BadSetting, Settings
from storage.database import StorageError
from storage.vault import VaultError

CHECKS: dict[str, tuple[Check, float]] = {
    "database": (database, 60),  # a large one is read to its end
    "register": (register, 10),
    "audit": (audit, 60),
    "secret": (secret, 10),
    "disk": (disk, 5),
    "clock": (clock, 8),
    "sms": (sms, 15),
    "email": (email, 35),
    "accounts": (accounts, 15),
    "telegram": (telegram, 12),
    "page": (page, 8),
    "services": (services, 5),
}
"""All checks in the order in which they are told, and the seconds that each may take."""


async def examine(settings: Settings, lang: str, as_json: bool = False) -> int:
    """Print one line for each finding; 1 when something is missing that `serve` needs."""
    case = Case(settings, lang)
    looking = [
        asyncio.create_task(_look(case, name, check, seconds))
        for name, (check, seconds) in CHECKS.items()
    ]
    found: list[Finding] = []
    for one in looking:
        for finding in _without_credentials(settings, await one):
            if any(finding.line == earlier.line for earlier in found):
                continue  # several checks need what is wrong: it is to be mended once
            found.append(finding)
            if not as_json:
                click.echo(f"{'✓' if finding.ok else '✗'} {finding.line}")
    if as_json:
        click.echo(listed(found))
    return 0 if all(finding.ok for finding in found) else 1


def listed(found: Iterable[Finding]) -> str:
    """The findings for a program: one line of JSON."""
    return json.dumps([asdict(finding) for finding in found], ensure_ascii=False)


async def _look(case: Case, name: str, check: Check, seconds: float) -> list[Finding]:
    """The findings of one check. Whatever goes wrong in it is a finding, too."""
    try:
        async with asyncio.timeout(seconds):
            return list(await check(case))
    except TimeoutError:
        return [case.bad(name, "doctor.slow", check=name, n=int(seconds))]
    except (BadSetting, StorageError, VaultError) as error:
        return [Finding(name, False, locales.translated(str(error), case.lang))]
    except Exception as error:  # our own mistake hides no other finding
        facts = {"check": name, "kind": type(error).__name__, "place": place_of(error)}
        return [case.bad(name, "doctor.our_mistake", **facts)]


def _without_credentials(settings: Settings, found: Iterable[Finding]) -> Iterator[Finding]:
    """What others say of a failure may hold what they were shown."""
    hidden = set(_credentials(settings))
    for finding in found:
        line = finding.line
        for credential in hidden:
            line = line.replace(credential, "•••")
        yield replace(finding, line=line)


_DOORS = ("sms", "email", "accounts")
"""Settings that hold URLs, of which only a part is secret."""


def _credentials(settings: Settings) -> Iterator[str]:
    """Each in the ways in which it may be written."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        if isinstance(value, SecretStr) and name not in _DOORS and text.strip():
            yield text.strip()
            yield text.strip().rpartition(":")[2] or text  # of a token, what is secret in it
        for url in (url for url in text.split() if "://" in url):
            before = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
            user, _, password = before.partition(":")
            part = password or (user if name in _DOORS else "")  # there, it may be a key alone
            if part:
                yield from (part, unquote(part), quote(unquote(part), safe=""))
