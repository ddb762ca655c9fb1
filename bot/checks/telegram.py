"""Telegram: whether it knows the bot, and whether it reaches our webhook."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bot.checks import Case, Finding
from bot.checks.reach import why_unreached
from bot.settings import BadSetting
from bot.web.certificate import read_tls

if TYPE_CHECKING:
    from telegram import WebhookInfo


async def telegram(case: Case) -> list[Finding]:
    """Ask it who the bot is, and what it knows of the webhook."""
    settings = case.settings
    if settings.telegram_token is None:
        return [case.bad("telegram", "doctor.no_token")]
    from telegram import Bot  # noqa: PLC0415 - takes a third of a second to import
    from telegram.error import InvalidToken, NetworkError, TelegramError  # noqa: PLC0415

    from bot.telegram.client import quiet_libraries  # noqa: PLC0415

    quiet_libraries()
    url = f"{settings.telegram_api_url.rstrip('/')}/bot"
    try:
        async with Bot(settings.telegram_token.get_secret_value().strip(), base_url=url) as bot:
            found = [case.good("telegram", "doctor.telegram", name=f"@{bot.username}")]
            return found + list(_webhook(case, await bot.get_webhook_info()))
    except InvalidToken:
        return [case.bad("telegram", "doctor.telegram_token")]
    except NetworkError as error:
        why = case.say(f"doctor.why_{why_unreached(error)}")
        return [case.bad("telegram", "doctor.telegram_silent", why=why)]
    except TelegramError as error:
        return [case.bad("telegram", "doctor.telegram_refuses", why=type(error).__name__)]


def _webhook(case: Case, info: "WebhookInfo") -> Iterator[Finding]:
    """Whether Telegram posts to us, and reaches us; nothing where it is asked by polling."""
    settings = case.settings
    if settings.webhook_url is None:
        return
    from bot.telegram.webhook import is_recent  # noqa: PLC0415 - as above

    try:
        read_tls(settings)
    except BadSetting as error:
        yield Finding("webhook", False, str(error))
    facts = {"url": settings.webhook_url, "n": info.pending_update_count}
    if info.url != settings.webhook_url:
        yield case.bad("webhook", "doctor.webhook_not_set", **facts)
    elif info.pending_update_count and is_recent(info.last_error_date):
        why = {"why": info.last_error_message or "?", "at": info.last_error_date}
        yield case.bad("webhook", "doctor.webhook_not_reached", **facts, **why)
    else:
        yield case.good("webhook", "doctor.webhook", **facts)
