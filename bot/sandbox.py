"""A Sésame for one person at one machine: an invented school, and time and accidents at will."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path

from pydantic import SecretStr

import locales
from bot.app import Service, open_storage, run_service
from bot.channel import Channel
from bot.clock import utc_now
from bot.engine import Update
from bot.mail import ConsoleMail
from bot.mail.choosing import mail_sender
from bot.mail.local import Show
from bot.settings import Settings
from bot.sms import ConsoleSms
from bot.sms.choosing import sms_sender
from flows.inputs import Input, Returned
from storage.conversations import Address
from storage.database import one
from storage.importing.load import load
from storage.importing.staging import Unwatched

WAKE_EVERY = 5  # seconds


@asynccontextmanager
async def school_of(settings: Settings) -> AsyncIterator[tuple[Settings, bool]]:
    """The settings to run on, and whether their register is the fictional one.

    It is where SESAME_DATABASE_URL is not set. Then all is forgotten at the end.
    """
    if "database_url" in settings.model_fields_set:
        yield settings, False
        return
    with tempfile.TemporaryDirectory(prefix="sesame-") as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'demo.sqlite3'}"
        here = {
            "database_url": url,
            "accounts": SecretStr("embedded:"),
            "services": settings.services or _services(Path(folder)),
        }
        settings = settings.model_copy(update=here)
        file = resources.files("bot").joinpath("demo_register.csv")
        with resources.as_file(file) as path:  # read by the way of every register
            async with open_storage(settings) as (database, vault):
                await load([path], database=database, vault=vault, watch=Unwatched(), now=utc_now())
        yield settings, True


def _services(folder: Path) -> Path:
    """What the fictional schools offer, some of it for three more weeks."""
    text = resources.files("bot").joinpath("demo_services.toml").read_text("utf-8")
    soon = (utc_now() + timedelta(weeks=3)).date()
    file = folder / "services.toml"
    file.write_text(text.replace("= {soon}", f"= {soon}"), "utf-8")
    return file


def who_is_who() -> str:
    """Whom one can play in the fictional school."""
    return resources.files("bot").joinpath("demo.txt").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Role:
    """Somebody of the fictional school."""

    name: str
    phone: str  # as a person writes it
    children: str  # with their dates of birth, or why there is none to give


def roles() -> list[Role]:
    """The same as `who_is_who`, one by one."""
    lines = [line.strip() for line in who_is_who().splitlines() if line.startswith("  ")]
    return [Role(*re.split(r" {2,20}| (?=\()", line)) for line in lines]


class Sandbox:
    """The engine of one conversation. It can be killed and started again, its clock moved on."""

    def __init__(
        self,
        settings: Settings,
        address: Address,
        channel: Channel,
        show_sms: Callable[[str, str], None],
        show_email: Show,
        note: Callable[[str], None],
        lang: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`note` shows a remark of the program itself; `lang` is for a person not known yet."""
        self._settings = settings
        self._address = address
        self._channel = channel
        self._show_sms = show_sms
        self._show_email = show_email
        self._note = note
        self._lang = lang
        self._clock = clock
        self._ahead = timedelta()
        self._stack = AsyncExitStack()
        self._service: Service | None = None
        self._whole = asyncio.Lock()  # nothing wakes while it is killed and started again

    def now(self) -> datetime:
        """The time here."""
        return self._clock() + self._ahead

    @property
    def service(self) -> Service:
        """The running engine."""
        assert self._service is not None  # noqa: S101 - `open` comes first
        return self._service

    async def open(self, lang: str | None = None) -> None:
        """Start, and show the question where the person left; in `lang` where it is chosen."""
        database, vault = await self._stack.enter_async_context(open_storage(self._settings))
        chosen = self._settings.sms is not None
        show = self._show_sms
        sender = sms_sender(self._settings, show) if chosen else ConsoleSms(show)
        mail = mail_sender(self._settings, self._show_email) or ConsoleMail(self._show_email)
        channels = {self._address.channel: self._channel}
        self._service = await self._stack.enter_async_context(
            run_service(self._settings, database, vault, channels, sender, self.now, mail=mail)
        )
        await self._service.delivery.look()
        if await database.run(one("SELECT id FROM guardians LIMIT 1")) is None:
            self._note(locales.say("doctor.register_empty", self._lang))
        await self.take(Returned(lang))

    async def close(self) -> None:
        """Stop, as a kill would: what was not stored is lost, and nothing else."""
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    async def restart(self) -> None:
        """Kill it and start it again."""
        async with self._whole:
            await self.close()
            await self.open()

    async def take(self, happened: Input, update: str | None = None) -> None:
        """Let something happen, and wait until it is answered. Raises StorageError."""
        await self.service.take(Update(self._address, happened, update, self._lang))

    async def wait(self, length: timedelta) -> None:
        """Move the clock on, and let the conversation notice."""
        self._ahead += length
        await self.wake()

    async def wake(self) -> None:
        """Let the conversation notice what time it is."""
        async with self._whole:
            await self.service.engine.wake()
            await self.service.delivery.settle()

    @asynccontextmanager
    async def waking(self) -> AsyncIterator[None]:
        """Meanwhile, let it notice now and then by itself."""
        watch = asyncio.create_task(self._wake_now_and_then())
        try:
            yield
        finally:
            watch.cancel()

    async def _wake_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(WAKE_EVERY)
            await self.wake()
