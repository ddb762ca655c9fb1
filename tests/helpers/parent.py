"""A parent on each channel: says, presses, reads. The same dialogue runs on all of them.

`Parent` is what a test may do and see, whatever the channel. `CoreParent` is at the bare engine,
`tests.helpers.terminal` in the terminal, `tests.telegram.chat_driver` on Telegram. Tests hold a
`tests.helpers.dialogue.Dialogue`, which adds the words in which they are written.
"""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol, runtime_checkable

from bot.app import Service, open_storage, run_service
from bot.channel import Reply, TryLater, Undeliverable, said
from bot.engine import PageAnswer, Update
from bot.mail import Mail
from bot.settings import Settings
from bot.sms import Sms, Taken
from bot.sms.port import Simple
from flows.inputs import (
    CameByLink,
    FromPage,
    Input,
    PageFilled,
    PageOpened,
    Pressed,
    Returned,
    SentOther,
    SharedContact,
)
from storage.conversations import Address
from storage.place import Place, is_url
from tests.helpers.clock import Clock
from tests.helpers.school import School

SECRET = "a secret for tests, long enough to be one"


def test_settings(database: Place, **own: object) -> Settings:
    """Settings that owe nothing to the machine's environment."""
    values: dict[str, object] = {
        "database_url": database if is_url(database) else f"sqlite+aiosqlite:///{database}",
        "secret": SECRET,
        "timezone": "UTC",
        **own,
    }
    return Settings.model_validate(values)


test_settings.__test__ = False  # type: ignore[attr-defined]  # a helper, not a test


class Phone(Simple):
    """Where SMS arrive. What it took is called by the SMS's place in `received`."""

    name = "phone"

    def __init__(self) -> None:
        self.received: list[tuple[str, str]] = []

    async def send(self, sms: Sms) -> Taken:
        """Take an SMS, as any sender does."""
        self.received.append((sms.to, sms.text))
        return Taken(self.name, str(len(self.received)))

    @property
    def last_code(self) -> str:
        """The code of the newest SMS."""
        found = re.search(r"\b[0-9]{6}\b|\b[0-9]{8}\b", self.received[-1][1])
        assert found, self.received[-1]
        return found[0]


class Inbox:
    """Where e-mail arrives."""

    name = "inbox"

    def __init__(self) -> None:
        self.received: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        """Take a mail, as any sender does."""
        self.received.append(mail)

    async def check(self) -> None:
        """Nothing can be wrong with it."""

    @property
    def last_code(self) -> str:
        """The code of the newest mail."""
        found = re.search(r"\b[0-9]{6}\b|\b[0-9]{8}\b", self.received[-1].text)
        assert found, self.received[-1].text
        return found[0]


class Parent(Protocol):
    """What a test can do and see on every channel."""

    @property
    def sms(self) -> Phone:
        """The mobile phones of all parents."""

    @property
    def clock(self) -> Clock:
        """The bot's clock."""

    async def says(self, text: str) -> None:
        """Type a message and wait for the answer."""

    async def comes_by_link(self, token: str) -> None:
        """Open the conversation by a link. Skips the test where the channel has no such thing."""

    async def presses(self, label: str) -> None:
        """Press the button with these words and wait for the answer."""

    async def shares_own_number(self, phone: str) -> None:
        """Share the own contact, and wait. Skips the test where the channel has no such thing."""

    async def sends_photo(self) -> None:
        """Send something that is not text, and wait. Skips the test as above."""

    @property
    def reads(self) -> str:
        """All that was said since the last action."""

    @property
    def buttons(self) -> list[str]:
        """The words on the buttons that can be pressed now."""

    async def restarts(self) -> None:
        """Kill the bot and start it again."""

    async def waits(self, **length: float) -> None:
        """Let time go by, and the bot notice."""


@runtime_checkable
class Comes(Protocol):
    """A channel where the conversation is opened by something else than /start."""

    async def comes(self) -> None:
        """Open the conversation."""


class CoreBot:
    """The bare engine: real SQL, no channel between. It can be killed and started again."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        sms: Phone,
        make_code: Callable[[], str] | None = None,
        mail: Inbox | None = None,
    ) -> None:
        self.mail = mail
        self.settings = settings
        self.clock = clock
        self.sms = sms
        self.parents: dict[str, CoreParent] = {}
        self._make_code = make_code
        self._stack = AsyncExitStack()

    async def opens(self) -> None:
        """Start the bot."""
        database, vault = await self._stack.enter_async_context(open_storage(self.settings))
        self.service: Service = await self._stack.enter_async_context(
            run_service(
                self.settings,
                database,
                vault,
                {"core": self},
                self.sms,
                self.clock,
                self._make_code,
                paged={"core"} if self.settings.public_url else (),
                mail=self.mail,
            )
        )
        await self.service.delivery.look()

    async def closes(self) -> None:
        """Stop the bot."""
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    async def restarts(self) -> None:
        """Kill the bot and start it again."""
        await self.closes()
        await self.opens()

    # the channel

    async def send(self, place: str, reply: Reply, instead: str | None = None) -> str | None:
        """Take a reply."""
        self.parents[place].receives(reply)
        return None

    async def answered(self, place: str, message: str) -> None:
        """Nothing: a reply is only its words."""

    async def erase(self, place: str, message: str) -> None:
        """Take a wish to erase."""
        await self.parents[place].erases(message)


class CoreParent:
    """A parent at the bare engine."""

    def __init__(self, bot: CoreBot, place: str, lang: str | None) -> None:
        self.bot = bot
        self.lang = lang
        self.address = Address("core", place)
        self.replies: list[Reply] = []
        self.erased: list[str] = []
        self.can_erase: bool | TryLater = True
        self.said: list[str] = []
        self._last: Reply | None = None
        self._messages = 0
        bot.parents[place] = self

    def beside(self, place: str, lang: str | None = "fr") -> "CoreParent":
        """Another parent (or the same one on another phone) at the same bot."""
        return CoreParent(self.bot, place, lang)

    @property
    def sms(self) -> Phone:
        """The mobile phones of all parents."""
        return self.bot.sms

    @property
    def clock(self) -> Clock:
        """The bot's clock."""
        return self.bot.clock

    @property
    def settings(self) -> Settings:
        """The bot's settings."""
        return self.bot.settings

    @property
    def service(self) -> Service:
        """The running bot."""
        return self.bot.service

    async def restarts(self) -> None:
        """Kill the bot and start it again."""
        await self.bot.restarts()

    def receives(self, reply: Reply) -> None:
        """The channel's side of a reply."""
        self.replies.append(reply)
        self._last = reply

    async def erases(self, message: str) -> None:
        """The channel's side of a wish to erase."""
        if isinstance(self.can_erase, TryLater):
            raise self.can_erase
        if not self.can_erase:
            raise Undeliverable
        self.erased.append(message)

    async def does(self, happened: Input, update: str | None = None) -> None:
        """Let anything happen."""
        self.replies.clear()
        await self.service.take(Update(self.address, happened, update, self.lang))

    async def says(self, text: str) -> None:
        """Type a message."""
        self._messages += 1
        self.said.append(text)
        await self.does(said(text, message=str(self._messages)))

    async def comes_by_link(self, token: str) -> None:
        """Open the conversation by a link."""
        await self.does(CameByLink(token))

    async def presses(self, label: str) -> None:
        """Press a button of the last message, by its words."""
        reply = self.last
        found = [button for button in reply.buttons if button.label == label]
        assert found, f"no button {label!r} among {self.buttons}"
        await self.does(Pressed(found[0].choice, reply.asked))

    async def shares_own_number(self, phone: str) -> None:
        """Share the own contact."""
        await self.does(SharedContact(phone, own=True))

    async def sends_photo(self) -> None:
        """Send something that is not text."""
        await self.does(SentOther())

    async def returns(self) -> None:
        """Open the conversation again."""
        await self.does(Returned())

    async def opens_page(self, ticket: str = "ticket") -> PageAnswer:
        """Open the page for the password."""
        return await self._sees(PageOpened(ticket))

    async def fills_page(
        self, password: str, again: str | None = None, ticket: str = "ticket"
    ) -> PageAnswer:
        """Send the page: the password twice, the same unless `again` says otherwise."""
        return await self._sees(PageFilled(ticket, password, password if again is None else again))

    async def _sees(self, happened: FromPage) -> PageAnswer:
        self.replies.clear()
        answer = await self.service.take(Update(self.address, happened, None, self.lang))
        assert answer is not None
        return answer

    async def waits(self, **length: float) -> None:
        """Let time go by, and the bot notice."""
        self.replies.clear()
        self.clock.passes(**length)
        await self.service.engine.wake()
        await self.service.delivery.settle()

    @property
    def last(self) -> Reply:
        """The bot's last message."""
        assert self._last is not None, "the bot has said nothing yet"
        return self._last

    @property
    def reads(self) -> str:
        """All that was said since the last action."""
        return "\n\n".join(reply.text for reply in self.replies)

    @property
    def buttons(self) -> list[str]:
        """The words on the buttons of the last message."""
        return [button.label for button in self.last.buttons]


@asynccontextmanager
async def core_parent(
    database: Place,
    school: School,
    *,
    clock: Clock | None = None,
    lang: str | None = "fr",
    place: str = "marie",
    sms: Phone | None = None,
    make_code: Callable[[], str] | None = None,
    mail: Inbox | None = None,
    **own: object,
) -> AsyncIterator[CoreParent]:
    """A parent at the bare engine, with the school's register filled."""
    settings = test_settings(database, **own)
    await school.fills_place(database, settings)
    bot = CoreBot(settings, clock or Clock(), sms or Phone(), make_code, mail)
    await bot.opens()
    try:
        yield CoreParent(bot, place, lang)
    finally:
        await bot.closes()
