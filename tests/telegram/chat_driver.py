"""A parent with a phone who talks to the real bot through the Bot API server on loopback."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from telegram import Bot

from bot.app import Service, open_storage, run_service
from bot.engine import Update
from bot.settings import Settings
from bot.telegram.client import open_bot
from bot.telegram.incoming import CHANNEL
from bot.telegram.outgoing import TelegramChannel
from bot.telegram.pace import Pace
from bot.telegram.polling import Polling
from bot.telegram.webhook import Webhook
from bot.web.server import application, listening
from storage.database import every
from tests.helpers import parent as helpers
from tests.helpers.clock import Clock
from tests.helpers.network import free_port
from tests.helpers.parent import Phone
from tests.helpers.school import School
from tests.telegram.phone import Person
from tests.telegram.server import BotApi

FAST = 10_000  # calls a second: tests/telegram/test_pace.py is about the true limit


class RunningBot:
    """What `sesame serve` runs, in this process; tests say when time comes."""

    def __init__(
        self,
        server: BotApi,
        settings: Settings,
        clock: Clock,
        sms: Phone,
        make_code: Callable[[], str] | None = None,
        webhook: bool = False,
    ) -> None:
        self.server = server
        self.webhook = webhook
        self.hooked: Webhook | None = None
        self.hook = ""  # where the webhook really leads
        self.settings = settings
        self.clock = clock
        self.sms = sms
        self.make_code = make_code

    async def opens(self) -> Service:
        """Start it."""
        stack = self._stack = AsyncExitStack()
        database, vault = await stack.enter_async_context(open_storage(self.settings))
        bot = await stack.enter_async_context(open_bot(self.server.token, self.server.url))
        channels = {CHANNEL: TelegramChannel(bot, self.settings.public_url, Pace(FAST))}
        self.service = await stack.enter_async_context(
            run_service(
                self.settings,
                database,
                vault,
                channels,
                self.sms,
                self.clock,
                self.make_code,
                paged=channels if self.settings.public_url else (),
            )
        )
        await self.service.delivery.look()
        self.vault = vault
        works = self._posted(bot) if self.webhook else Polling(bot, self._take, database).run()
        self.polling = asyncio.create_task(works)
        return self.service

    async def _posted(self, bot: Bot) -> None:
        """Let Telegram post, in place of asking it."""
        address = f"127.0.0.1:{free_port()}"
        secret = self.vault.token("webhook")
        self.hooked = webhook = Webhook("/hook", "https://sesame.example/hook", secret)
        self.hook = f"http://{address}/hook"
        async with (
            listening(address, application([webhook.route])),
            self.server.pushing(self.hook),
        ):
            await webhook.run(bot, self._take)

    async def _take(self, update: Update) -> None:
        await self.before_turn(update)
        await self.service.engine.take(update)

    async def before_turn(self, update: Update) -> None:
        """A place for tests to be slow, or to fail."""

    async def closes(self) -> None:
        """Stop it."""
        self.polling.cancel()
        with suppress(asyncio.CancelledError):
            await self.polling
        await self._stack.aclose()

    async def restarts(self) -> None:
        """Stop it and start it again."""
        await self.closes()
        await self.opens()

    async def settles(self, within: float = 10) -> None:
        """Wait until every update is acknowledged and every answer sent."""
        quiet = await self.server.until(lambda: not self.server.pending, within)
        if self.polling.done():
            self.polling.result()
        assert quiet, f"not acknowledged: {[update.id for update in self.server.pending]}"
        # An account service that is not there would be asked for ever.
        here = self.settings.accounts.get_secret_value() == "embedded:"
        await self.service.delivery.settle(later=here)

    async def query(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of the bot's database."""
        return await self.service.doors.database.run(every(sql))


class TelegramParent:
    """A parent at Telegram: each action waits until the bot has answered."""

    def __init__(self, bot: RunningBot, person: Person) -> None:
        self.bot = bot
        self.person = person
        self.sms = bot.sms
        self.clock = bot.clock
        self._read = 0

    async def does(self, action: Callable[[], object]) -> None:
        """Do something with the phone, and wait for the answer."""
        self._read = len(self.person.chat.messages)
        action()
        await self.bot.settles()

    async def says(self, text: str) -> None:
        """Type a message."""
        await self.does(lambda: self.person.says(text))

    async def comes_by_link(self, token: str) -> None:
        """Follow a link, and press Start."""
        await self.does(lambda: self.person.starts(token))

    async def presses(self, label: str) -> None:
        """Press the button, or the key, with these words."""
        await self.does(lambda: self._press(label))

    def _press(self, label: str) -> None:
        """Press what stands under the last message, or in place of keys; never an older button."""
        for button in self.person.last.inline:
            if button.label == label:
                return self.person._presses_inline(self.person.last, button)
        for key in self.person._keys:
            if key.label == label:
                return self.person._presses_key(key)
        raise AssertionError(f"no button {label!r} among {self.buttons}")

    async def shares_own_number(self, phone: str) -> None:
        """Share the own contact, as the key under the question does."""
        digits = re.sub(r"[^0-9]", "", phone)  # Telegram gives no "+"
        await self.does(lambda: self.person.shares_contact(digits))

    async def sends_photo(self) -> None:
        """Send something that is not text."""
        await self.does(self.person.sends_photo)

    async def waits(self, **length: float) -> None:
        """Let time go by, and the bot notice."""
        self._read = len(self.person.chat.messages)
        self.clock.passes(**length)
        await self.bot.service.engine.wake()
        await self.bot.service.delivery.settle()

    async def restarts(self) -> None:
        """Stop the bot and start it again."""
        await self.bot.restarts()

    @property
    def said(self) -> list[str]:
        """The bot's messages since the last action."""
        messages = self.person.chat.messages[self._read :]
        return [message.text for message in messages if message.from_bot]

    @property
    def reads(self) -> str:
        """All that was said since the last action."""
        return "\n\n".join(self.said)

    @property
    def buttons(self) -> list[str]:
        """The words on what can be pressed now: under the last message, or in place of keys."""
        return self.person.last.buttons or self.person.keyboard or []


@asynccontextmanager
async def running_bot(
    server: BotApi,
    database: Path,
    school: School | None = None,
    *,
    clock: Clock | None = None,
    sms: Phone | None = None,
    make_code: Callable[[], str] | None = None,
    webhook: bool = False,
    **own: object,
) -> AsyncIterator[RunningBot]:
    """The bot at this server, with the school's register filled where a school is given."""
    settings = helpers.test_settings(database, **own)
    bot = RunningBot(server, settings, clock or Clock(), sms or Phone(), make_code, webhook)
    service = await bot.opens()
    try:
        if school is not None:
            await school.fills(service.doors.database, bot.vault, bot.clock)
        yield bot
    finally:
        await bot.closes()


_servers = 0


@asynccontextmanager
async def telegram_parent(
    database: Path,
    school: School | None = None,
    *,
    clock: Clock | None = None,
    lang: str | None = "fr",
    sms: Phone | None = None,
    make_code: Callable[[], str] | None = None,
    webhook: bool = False,
    **own: object,
) -> AsyncIterator[TelegramParent]:
    """One parent, one bot, one Telegram."""
    global _servers  # noqa: PLW0603 - no two Telegrams give the same numbers to their updates
    _servers += 1
    clock = clock or Clock()
    first = 700_000_001 + 1_000_000 * _servers
    async with (
        BotApi(now=clock, first_update_id=first) as server,
        running_bot(
            server,
            database,
            school,
            clock=clock,
            sms=sms,
            make_code=make_code,
            webhook=webhook,
            **own,
        ) as bot,
    ):
        yield TelegramParent(bot, server.person(language_code=lang))
