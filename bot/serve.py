"""`sesame serve`: the Telegram bot, until it is told to stop."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from bot.app import Service, open_storage, run_service, sms_sender
from bot.settings import BadSetting, Settings
from bot.sms import SmsSender
from bot.telegram.client import open_bot
from bot.telegram.incoming import CHANNEL
from bot.telegram.outgoing import TelegramChannel
from bot.telegram.polling import Polling
from bot.telegram.profile import introduce
from storage.database import StorageError

log = logging.getLogger("sesame.serve")

WAKE_EVERY = 5  # seconds
LAST_SENDINGS = 5  # seconds for the replies that are on their way when it stops


async def serve(settings: Settings) -> None:
    """Answer parents on Telegram until SIGTERM or SIGINT; the turns under way are finished.

    Raises BadSetting or StorageError, each with one line for whoever runs it.
    """
    if settings.telegram_token is None:
        raise BadSetting(
            "SESAME_TELEGRAM_TOKEN is not set: write /newbot to @BotFather on Telegram, and set it"
            " to the token that you are given."
        )
    sms = sms_sender(settings.sms, _show_sms)
    token = settings.telegram_token.get_secret_value().strip()
    running = asyncio.create_task(_run(settings, token, sms))
    loop = asyncio.get_running_loop()
    for stop in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows: Ctrl-C cancels us instead
            loop.add_signal_handler(stop, running.cancel)
    try:
        await asyncio.wait({running})
    finally:
        running.cancel()
    with suppress(asyncio.CancelledError):
        running.result()


async def _run(settings: Settings, token: str, sms: SmsSender) -> None:
    async with (
        open_storage(settings) as (database, vault),
        open_bot(token, settings.telegram_api_url) as bot,
    ):
        channels = {CHANNEL: TelegramChannel(bot)}
        async with run_service(settings, database, vault, channels, sms) as service:
            await service.delivery.resume()
            print(f"https://t.me/{bot.username} is answering. Ctrl-C stops it.", flush=True)
            async with _beside(_wake(service), introduce(bot)):
                try:
                    await Polling(bot, service.engine.take).run()
                finally:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LAST_SENDINGS):
                            await service.delivery.settle()


@asynccontextmanager
async def _beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do other work meanwhile, and stop it at the end."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _wake(service: Service) -> None:
    """Wake the conversations whose moment has come, and send what nobody here put in, for ever."""
    while True:
        for look in (service.engine.wake, service.delivery.look):
            try:
                await look()
            except StorageError as error:
                log.error("waking waits: %s", error)
            except Exception as error:
                log.error("waking waits: %s", type(error).__name__)
        await asyncio.sleep(WAKE_EVERY)


def _show_sms(to: str, text: str) -> None:
    print(f"SMS to {to}: {text}", flush=True)
