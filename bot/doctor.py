"""`sesame doctor`: what is configured, what answers, and what is missing, in plain words."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

import locales
from bot.app import open_storage
from bot.operators import backups
from bot.settings import BadSetting, Settings
from bot.sms import SmsFault
from bot.sms.choosing import sms_sender
from bot.web.certificate import read_tls
from storage.audit import check
from storage.conversations import chat_place
from storage.database import StorageError, one
from storage.vault import VaultError

if TYPE_CHECKING:
    from telegram import WebhookInfo

Finding = tuple[bool, str]


async def examine(settings: Settings, lang: str) -> int:
    """Print one line for each finding; 1 when something is missing that `serve` needs."""
    healthy = True
    async for good, line in _findings(settings, lang):
        click.echo(f"{'✓' if good else '✗'} {line}")
        healthy = healthy and good
    return 0 if healthy else 1


async def _findings(settings: Settings, lang: str) -> AsyncIterator[Finding]:
    yield await _database(settings, lang)
    yield _secret(settings, lang)
    async for finding in _sms(settings, lang):
        yield finding
    for finding in await _telegram(settings, lang):
        yield finding


async def _database(settings: Settings, lang: str) -> Finding:
    try:
        async with open_storage(settings) as (database, vault):
            await database.check()
            row = await database.run(one("SELECT count(*) FROM guardians WHERE gone_at IS NULL"))
            sealed = await database.run(one("SELECT chat, record FROM chats LIMIT 1"))
            if sealed is not None:
                vault.open(sealed[1], chat_place(sealed[0]))
            altered = await database.run(check(vault))
    except (BadSetting, StorageError, VaultError) as error:
        return False, str(error)
    assert row is not None  # noqa: S101 - count(*) always has a row
    if altered is not None:
        return False, locales.say("doctor.audit_altered", lang, {"n": altered})
    if row[0] == 0:
        return False, locales.say("doctor.register_empty", lang)
    return True, locales.say("doctor.register", lang, {"n": row[0]})


def _secret(settings: Settings, lang: str) -> Finding:
    """A key that lies with the backups protects nothing (RELIABILITY 5)."""
    folders = set[Path]()
    with suppress(BadSetting):  # said of the database already
        folders = {backup.parent for backup in backups(settings)}
    if any(list(folder.glob("*.secret*")) for folder in folders):
        return False, locales.say("doctor.secret_in_backups", lang)
    return True, locales.say(
        "doctor.secret_beside" if settings.secret is None else "doctor.secret_set", lang
    )


async def _sms(settings: Settings, lang: str) -> AsyncIterator[Finding]:
    """Whether each sender would send, and the credit where the provider tells."""
    try:
        sender = sms_sender(settings, lambda _to, _text: None)
    except BadSetting as error:
        yield False, str(error)
        return
    for each in sender.each():
        try:
            credit = await each.check()
        except SmsFault as error:
            yield False, str(error)
            continue
        key = "doctor.sms" if credit is None else "doctor.sms_credit"
        yield True, locales.say(key, lang, {"url": each.name, "credit": credit})


async def _telegram(settings: Settings, lang: str) -> list[Finding]:
    if settings.telegram_token is None:
        return [(False, locales.say("doctor.no_token", lang))]
    from telegram import Bot  # noqa: PLC0415 - takes a third of a second to import
    from telegram.error import TelegramError  # noqa: PLC0415

    url = f"{settings.telegram_api_url.rstrip('/')}/bot"
    bot = Bot(settings.telegram_token.get_secret_value(), base_url=url)
    try:
        async with bot:
            found = locales.say("doctor.telegram", lang, {"name": f"@{bot.username}"})
            webhook = _webhook(settings, await bot.get_webhook_info(), lang)
            return [(True, found), *webhook]
    except TelegramError as error:
        why = {"why": type(error).__name__}
        return [(False, locales.say("doctor.telegram_silent", lang, why))]


def _webhook(settings: Settings, info: "WebhookInfo", lang: str) -> Iterator[Finding]:
    """Whether Telegram posts to us, and reaches us; nothing where it is asked by polling."""
    if settings.webhook_url is None:
        return
    from bot.telegram.webhook import is_recent  # noqa: PLC0415 - as above

    try:
        read_tls(settings)
    except BadSetting as error:
        yield False, str(error)
    facts = {"url": settings.webhook_url, "n": info.pending_update_count}
    if info.url != settings.webhook_url:
        yield False, locales.say("doctor.webhook_not_set", lang, facts)
    elif info.pending_update_count and is_recent(info.last_error_date):
        why = {"why": info.last_error_message or "?", "at": info.last_error_date}
        zone = ZoneInfo(settings.timezone)
        yield False, locales.say("doctor.webhook_not_reached", lang, facts | why, zone)
    else:
        yield True, locales.say("doctor.webhook", lang, facts)
