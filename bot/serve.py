"""`sesame serve`: the Telegram bot, until it is told to stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.app import Service, open_storage, run_service
from bot.clock import SteadyClock
from bot.logs import Event, Log, place_of
from bot.mail import MailSender
from bot.mail.choosing import mail_sender
from bot.operators import purge_backups
from bot.seen import nobody
from bot.settings import BadSetting, Settings
from bot.sms import SmsSender
from bot.sms.choosing import sms_sender
from bot.stopping import when_told_to_stop
from bot.telegram.client import open_bot
from bot.telegram.incoming import CHANNEL
from bot.telegram.outgoing import TelegramChannel
from bot.telegram.polling import Polling
from bot.telegram.profile import introduce
from bot.terminal import mail_lines
from storage.audit import SESAME
from storage.database import Database, StorageError
from storage.holding import hold
from storage.retention import purge
from storage.stamps import mend_future
from storage.vault import Vault

if TYPE_CHECKING:
    from bot.telegram.webhook import Webhook
    from bot.web.password import Door
    from bot.web.watch import Watch

log = Log("serve")

WAKE_EVERY = 5  # seconds
PURGE_EVERY = 3600  # seconds
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
    if settings.public_url and not settings.listen:
        raise BadSetting(
            "SESAME_PUBLIC_URL needs SESAME_LISTEN: the address on which the page for the password"
            " is answered, behind your HTTPS server."
        )
    _leave_no_core()
    sms = sms_sender(settings, _show_sms)
    mail = mail_sender(settings, _show_email)
    token = settings.telegram_token.get_secret_value().strip()
    running = asyncio.create_task(_run(settings, token, sms, mail))
    asyncio.get_running_loop().set_exception_handler(_background)
    when_told_to_stop(running.cancel)
    try:
        await asyncio.wait({running})
    finally:
        running.cancel()
    with suppress(asyncio.CancelledError):
        running.result()


async def _run(settings: Settings, token: str, sms: SmsSender, mail: MailSender | None) -> None:
    path = settings.database_file
    with hold(path) if path else nullcontext():  # before anything is migrated
        await _answer(settings, token, sms, mail)


async def _answer(settings: Settings, token: str, sms: SmsSender, mail: MailSender | None) -> None:
    async with (
        open_storage(settings) as (database, vault),
        _listening(settings, token, vault, sms) as web,  # while Telegram is waited for, too
        open_bot(token, settings.telegram_api_url) as bot,
    ):
        channels = {CHANNEL: TelegramChannel(bot, settings.public_url)}
        clock = SteadyClock()
        if await database.run(mend_future(clock())):
            log(Event.CLOCK_WAS_SET_BACK)
        observe = web.watch.metrics.observe if web else nobody
        async with run_service(
            settings,
            database,
            vault,
            channels,
            sms,
            clock,
            observe=observe,
            paged={CHANNEL} if settings.public_url else (),
            mail=mail,
        ) as service:
            await service.delivery.look()
            print(f"https://t.me/{bot.username} is answering. Ctrl-C stops it.", flush=True)
            async with _beside(
                waking=_wake(service, database),
                purging=_purge(settings, database, vault, clock),
                introducing=introduce(bot, settings.contact),
            ) as tasks:
                take = service.engine.take
                webhook, polling = web and web.webhook, Polling(bot, take, database)
                incoming = webhook or polling
                if web:  # what comes in is no loop of these: when it ends, all ends
                    loops = {name: tasks[name] for name in ("waking", "purging")}
                    web.begin(service, lambda: incoming.answered_at, loops)
                try:
                    await (webhook.run(bot, take) if webhook else polling.run())
                finally:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LAST_SENDINGS):
                            await service.delivery.settle()


def _leave_no_core() -> None:
    """A core file would hold what memory held: passwords, codes (invariant I9)."""
    with suppress(ImportError):  # Windows makes none
        import resource  # noqa: PLC0415 - not on every system

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _background(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A mistake that nobody waited for: asyncio itself would print what it was about."""
    error = context.get("exception")
    if error is None:
        log(Event.TASK_FAILED, kind="unknown")
    else:
        log(Event.TASK_FAILED, kind=type(error).__name__, place=place_of(error))


@dataclass(slots=True)
class _Web:
    """What is answered over HTTP. It answers before there is a service."""

    watch: "Watch"
    webhook: "Webhook | None" = None
    door: "Door | None" = None

    def begin(
        self,
        service: Service,
        answered_at: Callable[[], float | None],
        loops: dict[str, asyncio.Task[None]],
    ) -> None:
        """There is a service from now on."""
        self.watch.service, self.watch.answered_at = service, answered_at
        self.watch.loops.update(loops)
        if self.door:
            self.door.service = service


@asynccontextmanager
async def _listening(
    settings: Settings, token: str, vault: Vault, sms: SmsSender
) -> AsyncIterator["_Web | None"]:
    """Answer over HTTP meanwhile, where SESAME_LISTEN says so; to Telegram too, where it posts."""
    if settings.listen is None:
        yield None
        return
    # Imported here, as it takes a quarter of a second.
    from bot.web import password, reports, watch  # noqa: PLC0415
    from bot.web.certificate import read_tls  # noqa: PLC0415
    from bot.web.server import application, listening  # noqa: PLC0415

    tls = read_tls(settings)
    web = _Web(watch.Watch(settings.database))
    pages = [*watch.routes(web.watch), *reports.routes(sms)]
    if settings.webhook_url and settings.webhook_path:
        from bot.telegram.webhook import Webhook  # noqa: PLC0415

        own = settings.webhook_secret
        secret = own.get_secret_value() if own else vault.token("webhook")
        certificate = tls.self_signed() if tls else None
        web.webhook = Webhook(settings.webhook_path, settings.webhook_url, secret, certificate)
        pages.append(web.webhook.route)
    if settings.public_url:
        web.door = password.Door(token, settings.password_min)
        pages += password.routes(web.door)
    async with listening(settings.listen, application(pages), tls):
        yield web


@asynccontextmanager
async def _beside(
    **works: Coroutine[Any, Any, None],
) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    """Do other work meanwhile, and stop it at the end."""
    tasks = {name: asyncio.create_task(work, name=name) for name, work in works.items()}
    try:
        yield tasks
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def _wake(service: Service, database: Database) -> None:
    """Wake the conversations whose moment has come, and send what nobody here put in, for ever."""
    wake = _alone(database, "waking", service.engine.wake)
    while True:
        await _surely(wake, Event.WAKING_WAITS)
        await _surely(service.delivery.look, Event.WAKING_WAITS)
        await _surely(service.forget_passwords, Event.PASSWORDS_WAIT)
        await asyncio.sleep(WAKE_EVERY)


async def _purge(
    settings: Settings, database: Database, vault: Vault, clock: Callable[[], datetime]
) -> None:
    """Forget what was kept long enough, for ever."""

    async def forget() -> None:
        await purge(database, vault, settings.retention, SESAME, clock())
        purge_backups(settings)

    while True:
        await asyncio.sleep(PURGE_EVERY)
        await _surely(_alone(database, "purging", forget), Event.PURGING_WAITS)


def _alone(
    database: Database, name: str, work: Callable[[], Awaitable[None]]
) -> Callable[[], Awaitable[None]]:
    """The work, done by one process of those that serve this database."""

    async def do() -> None:
        if await database.hold(name):
            await work()

    return do


async def _surely(work: Callable[[], Awaitable[None]], waits: Event) -> None:
    """Do it; whatever goes wrong is logged as `waits`, and its next time comes."""
    try:
        await work()
    except StorageError as error:
        log(waits, why=str(error))
    except Exception as error:
        log(waits, kind=type(error).__name__, place=place_of(error))


def _show_sms(to: str, text: str) -> None:
    print(f"SMS to {to}: {text}", flush=True)


def _show_email(to: str, subject: str, text: str) -> None:
    print(mail_lines(to, subject, text), flush=True)
