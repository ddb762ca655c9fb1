"""What is done with one update, whichever way it came: by polling or to the webhook."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from weakref import WeakValueDictionary

import telegram
from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import TelegramError
from telegram.helpers import create_deep_linked_url

import locales
from bot.engine import Update
from bot.logs import Event, Log, place_of
from bot.telegram.client import growing_wait
from bot.telegram.incoming import Group, read_group, read_update
from storage.database import StorageError

log = Log("telegram")

TRIES = 6  # of a turn that fails for no known reason: then it is given up
TYPING_AFTER = 1  # second of a turn: then the parent sees that somebody is at work
TELL_AFTER = 4  # seconds in which a message could not be stored: then the parent is told (T24)


class Updates:
    """Takes updates: those of one chat one by one and in order, all chats side by side."""

    def __init__(self, bot: Bot, take: Callable[[Update], Awaitable[object]]) -> None:
        """`take` does one turn; when it returns the turn is stored."""
        self._bot = bot
        self._take = take
        self._turns: set[asyncio.Task[bool]] = set()
        self._beside: set[asyncio.Task[None]] = set()  # what no turn waits for
        self._lines: WeakValueDictionary[int, _Line] = WeakValueDictionary()
        self._stopping = asyncio.Event()

    def begin(self, number: int, raw: Any) -> "asyncio.Task[bool]":
        """Do everything about update `number`; true when it is done with and may be acknowledged.

        Untrue where we stop before it could be stored. A turn that has begun is never broken off:
        the task is not to be cancelled.
        """
        turn = asyncio.create_task(self._turn(number, raw))
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)
        return turn

    async def close(self) -> None:
        """Finish the turns under way; those that storage does not take are left to Telegram."""
        self._stopping.set()
        await asyncio.gather(*self._turns, return_exceptions=True)
        await asyncio.gather(*self._beside, return_exceptions=True)

    async def _turn(self, number: int, raw: Any) -> bool:
        """Nothing is awaited before the chat's line, so a chat's updates join it in order."""
        try:
            update = telegram.Update.de_json(raw, None)
            chat = update.effective_chat
            if chat is not None and type(chat.id) is not int:
                raise TypeError  # the library takes any type as it is
            group, ours = read_group(update), read_update(update)
        except Exception as error:
            log(Event.UPDATE_UNREADABLE, kind=type(error).__name__)
            return True
        if update.callback_query:
            self._answer(update.callback_query.id)
        if chat is None:
            return True
        async with self._lines.setdefault(chat.id, _Line()).turn_of(number):
            if group:
                await self._leave(group)
            elif ours:
                return await self._store(ours, chat.id)
        return True

    async def _store(self, update: Update, chat: int) -> bool:
        """Do the turn; again and again where storage fails, and not acknowledged until it works.

        The parent is told once when that takes long, and if the turn is given up: by the way past
        the database, and with nothing to remember when the fault is over.
        """
        failures, loop = 0, asyncio.get_running_loop()
        timers = (
            loop.call_later(TYPING_AFTER, self._type, chat),
            loop.call_later(TELL_AFTER, self._tell, chat, "error.down"),
        )
        try:
            while not self._stopping.is_set():
                try:
                    await self._take(update)
                except StorageError as error:
                    log(Event.UPDATE_WAITS, why=str(error))
                except Exception as error:
                    if failures >= TRIES:
                        log(Event.UPDATE_GIVEN_UP, kind=type(error).__name__, place=place_of(error))
                        self._tell(chat, "error.internal")
                        return True
                    log(Event.UPDATE_WAITS, kind=type(error).__name__, place=place_of(error))
                else:
                    return True
                failures += 1
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), growing_wait(failures))
            return False
        finally:
            for timer in timers:
                timer.cancel()

    def _type(self, chat: int) -> None:
        """Show that somebody is at work. Telegram takes it away after 5 seconds, or a message."""
        self._do_beside(self._bot.send_chat_action(chat, ChatAction.TYPING))

    def _tell(self, chat: int, key: str) -> None:
        """Say it in all languages: which one the parent chose, the database knows; best effort."""
        text = "\n".join(locales.say(key, lang) for lang in locales.LANGUAGES)
        self._do_beside(self._bot.send_message(chat, text))

    def _answer(self, query: str) -> None:
        """Tell the parent's app that the press has arrived."""
        # Refused mostly because the "query is too old": the app waits no more.
        self._do_beside(self._bot.answer_callback_query(query))

    def _do_beside(self, call: Coroutine[Any, Any, object]) -> None:
        """Make a call for which no turn waits, and which may fail."""

        async def make() -> None:
            with suppress(TelegramError):
                await call

        task = asyncio.create_task(make())
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _leave(self, group: Group) -> None:
        """Say where to talk, and go: nothing personal belongs in a group."""
        link = create_deep_linked_url(self._bot.username, "hello")
        with suppress(TelegramError):  # not allowed to write there
            await self._bot.send_message(
                group.chat, locales.say("telegram.group", group.lang, {"link": link})
            )
        with suppress(TelegramError):  # gone already
            await self._bot.leave_chat(group.chat)


class _Line:
    """The updates of one chat: one has its turn, and of those that wait the oldest is next.

    Polling brings them in order; to the webhook two may come side by side, the younger first.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._busy = False

    @asynccontextmanager
    async def turn_of(self, number: int) -> AsyncIterator[None]:
        """Wait for the turn of this update, and hold it."""
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((number, called))
        self._call()
        await called
        try:
            yield
        finally:
            self._busy = False
            self._call()

    def _call(self) -> None:
        if self._waiting and not self._busy:
            self._busy = True
            oldest = min(self._waiting, key=lambda waiting: waiting[0])
            self._waiting.remove(oldest)
            oldest[1].set_result(None)


def numbered(raw: Any) -> tuple[int, Any] | None:
    """An update with its number, which is all that it takes to acknowledge it; None for others."""
    number = raw.get("update_id") if isinstance(raw, dict) else None
    return (number, raw) if type(number) is int and 0 <= number < 2**63 else None
