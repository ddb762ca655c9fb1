"""A parent at each channel: says, presses, reads. The same dialogue runs on all of them."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from bot.app import Service, open_storage, run_service
from bot.channel import Reply, said
from bot.engine import Update
from bot.settings import Settings
from flows.inputs import Pressed, SentOther, SharedContact
from storage.conversations import Address
from tests.helpers.clock import Clock
from tests.helpers.school import School

SECRET = "a secret for tests, long enough to be one"


def test_settings(database: Path, **own: object) -> Settings:
    """Settings that owe nothing to the machine's environment."""
    values: dict[str, object] = {
        "database_url": f"sqlite+aiosqlite:///{database}",
        "secret": SECRET,
        "timezone": "UTC",
        **own,
    }
    return Settings.model_validate(values)


class Phone:
    """Where SMS arrive."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str]] = []

    async def send(self, parcel: int, to: str, text: str) -> None:
        """Take an SMS, as any sender does."""
        self.received.append((to, text))

    @property
    def last_code(self) -> str:
        """The code of the newest SMS."""
        found = re.search(r"\b[0-9]{6}\b", self.received[-1][1])
        assert found, self.received[-1]
        return found[0]


class Parent(Protocol):
    """What a test can do and see on every channel."""

    sms: Phone
    clock: Clock

    async def says(self, text: str) -> None:
        """Type a message and wait for the answer."""

    async def presses(self, label: str) -> None:
        """Press the button with these words and wait for the answer."""

    @property
    def reads(self) -> str:
        """All that was said since the last action."""

    @property
    def buttons(self) -> list[str]:
        """The words on the buttons that can be pressed now."""

    async def restarts(self) -> None:
        """Kill the bot and start it again."""


class CoreParent:
    """A parent at the bare engine: real SQL, no channel between."""

    def __init__(
        self, settings: Settings, clock: Clock, sms: Phone, lang: str | None, place: str
    ) -> None:
        self.sms = sms
        self.clock = clock
        self.settings = settings
        self.lang = lang
        self.address = Address("core", place)
        self.replies: list[Reply] = []
        self.erased: list[str] = []
        self.can_erase = True
        self.said: list[str] = []
        self._stack = AsyncExitStack()
        self._messages = 0

    async def opens(self) -> Service:
        """Start the bot."""
        database, vault = await self._stack.enter_async_context(open_storage(self.settings))
        self.service = await self._stack.enter_async_context(
            run_service(self.settings, database, vault, {"core": self}, self.sms, self.clock)
        )
        await self.service.delivery.resume()
        return self.service

    async def closes(self) -> None:
        """Stop the bot."""
        await self._stack.aclose()

    async def restarts(self) -> None:
        """Kill the bot and start it again."""
        await self.closes()
        self._stack = AsyncExitStack()
        await self.opens()

    # the channel

    async def send(self, place: str, reply: Reply) -> None:
        """Take a reply."""
        assert place == self.address.place
        self.replies.append(reply)

    async def erase(self, place: str, message: str) -> None:
        """Take a wish to erase."""
        from bot.channel import Undeliverable

        if not self.can_erase:
            raise Undeliverable
        self.erased.append(message)

    # the parent

    async def does(self, happened: object, update: str | None = None) -> None:
        """Let anything happen."""
        self.replies.clear()
        await self.service.take(Update(self.address, happened, update, self.lang))  # type: ignore[arg-type]

    async def says(self, text: str) -> None:
        """Type a message."""
        self._messages += 1
        self.said.append(text)
        await self.does(said(text, message=str(self._messages)))

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

    async def waits(self, **length: float) -> None:
        """Let time go by, and the bot notice."""
        self.replies.clear()
        self.clock.passes(**length)
        await self.service.engine.wake()
        await self.service.delivery.settle()

    @property
    def last(self) -> Reply:
        """The bot's last message."""
        if self.replies:
            self._last = self.replies[-1]
        return self._last

    @property
    def reads(self) -> str:
        """All that was said since the last action."""
        _ = self.last if self.replies else None
        return "\n\n".join(reply.text for reply in self.replies)

    @property
    def buttons(self) -> list[str]:
        """The words on the buttons of the last message."""
        return [button.label for button in self.last.buttons]


@asynccontextmanager
async def core_parent(
    database: Path,
    school: School,
    *,
    clock: Clock | None = None,
    lang: str | None = "fr",
    place: str = "marie",
    sms: Phone | None = None,
    fill: bool = True,
    **own: object,
) -> AsyncIterator[CoreParent]:
    """A parent at the bare engine, with the school's register filled."""
    parent = CoreParent(
        test_settings(database, **own), clock or Clock(), sms or Phone(), lang, place
    )
    service = await parent.opens()
    try:
        if fill:
            from bot.app import secret_of
            from storage.vault import Vault

            vault = Vault(secret_of(parent.settings, database))
            await school.fills(service.doors.database, vault, parent.clock)
        yield parent
    finally:
        await parent.closes()


Make = Callable[..., AsyncIterator[CoreParent]]
_ = asyncio
