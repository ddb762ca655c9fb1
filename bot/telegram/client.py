"""The line to Telegram: quiet, because libraries print secrets, and patient."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

from pydantic import SecretStr
from telegram import Bot
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bot.logs import Event, Log
from bot.settings import BadSetting

log = Log("telegram")

T = TypeVar("T")

LONGEST_WAIT = 30.0
_RIVAL = "another program answers for this bot, stop one of the two (409)"
PATIENCE = 20  # seconds: a message that is not answered in time is sent again, perhaps twice
AT_A_COMMAND = 15  # seconds: a person waits
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}")


def quiet_libraries() -> None:
    """Silence what prints the token, or what parents write (RELIABILITY 0.10)."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # This one prints answers that it cannot read, at ERROR and CRITICAL. All that it has to say is
    # raised as well.
    logging.getLogger("telegram").setLevel(logging.CRITICAL + 1)


@asynccontextmanager
async def open_bot(token: str, api_url: str) -> AsyncIterator[Bot]:
    """The bot, once Telegram knows it. Raises BadSetting where the token is not, or no more, good.

    While Telegram cannot be reached it waits.
    """
    quiet_libraries()
    if not _TOKEN.fullmatch(token):
        raise BadSetting("SESAME_TELEGRAM_TOKEN does not look like one: 123456789:ABC-def…")
    request = HTTPXRequest(
        read_timeout=PATIENCE, write_timeout=PATIENCE, connect_timeout=10, pool_timeout=30
    )
    url = f"{api_url.rstrip('/')}/bot"
    bot = Bot(token, base_url=url, request=request, get_updates_request=request)
    try:
        await until_it_works(bot.initialize)
        yield bot
    except InvalidToken:  # its text holds the token
        raise BadSetting(
            "Telegram does not know SESAME_TELEGRAM_TOKEN: ask @BotFather for the bot's token."
        ) from None
    finally:
        await bot.shutdown()


async def bot_name(token: SecretStr, api_url: str) -> str:
    """What the bot is called, without the @.

    For whoever waits at a command: raises BadSetting also where Telegram is not reached in time.
    """
    try:
        async with (
            asyncio.timeout(AT_A_COMMAND),
            open_bot(token.get_secret_value().strip(), api_url) as bot,
        ):
            return str(bot.username)
    except TimeoutError:
        raise BadSetting(
            "Telegram is not reached, and links need the bot's name: see sesame doctor, and try"
            " again."
        ) from None


async def until_it_works(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call while Telegram does not take it, waiting longer each time, or as it asks."""
    failures = 0
    while True:
        try:
            return await call()
        except InvalidToken:
            raise
        except TelegramError as error:
            failures += 1
            wait = wanted_wait(error) or growing_wait(failures)
            if isinstance(error, Conflict):
                log(Event.TELEGRAM_SILENT, kind="Conflict", why=_RIVAL, seconds=wait)
            else:
                log(Event.TELEGRAM_SILENT, kind=type(error).__name__, seconds=wait)
            await asyncio.sleep(wait)


def growing_wait(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return min(0.25 * 2.0 ** min(failures, 20), LONGEST_WAIT)


def wanted_wait(error: TelegramError) -> float:
    """Seconds that Telegram asks us to wait; 0 where it does not ask."""
    if not isinstance(error, RetryAfter):
        return 0.0
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
