"""Long polling: fetch, take, and only then acknowledge.

An update is acknowledged by the offset of a later fetch. The library's own Updater moves it as
soon as updates are in memory, so a crash loses them; here it stops at the oldest update whose turn
is not stored yet. Meanwhile that one comes again with every fetch, and is known.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any
from urllib.parse import urlencode
from weakref import WeakValueDictionary

import telegram
from telegram import Bot
from telegram.error import NetworkError, TelegramError
from telegram.helpers import create_deep_linked_url

import locales
from bot.engine import Update
from bot.logs import Event, Log, place_of
from bot.telegram.client import growing_wait, until_it_works
from bot.telegram.incoming import ALLOWED_UPDATES, Group, read_group, read_update
from storage.database import StorageError

log = Log("telegram")

HOLD = 25  # seconds for which Telegram holds a fetch open when there is nothing new
TURN_WAIT = 0.2  # seconds for which a fetch waits for turns under way
TRIES = 6  # of a turn that fails for no known reason: then it is given up
TELL_AFTER = 4  # seconds in which a message could not be stored: then the parent is told (T24)


class Polling:
    """Fetches updates and hands them on: those of one chat in order, all chats side by side."""

    def __init__(self, bot: Bot, take: Callable[[Update], Awaitable[object]]) -> None:
        """`take` does one turn; when it returns the turn is stored."""
        self._bot = bot
        self._take = take
        self._next = 0  # one more than the last update fetched
        self._turns: dict[int, asyncio.Task[None]] = {}  # all that is not acknowledged yet
        self._beside: set[asyncio.Task[None]] = set()  # what no turn waits for
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._stopping = asyncio.Event()
        self.answered_at: float | None = None  # when Telegram last answered (time.monotonic)

    async def run(self) -> None:
        """Go on until cancelled, then finish the turns under way. Raises InvalidToken."""
        try:
            await until_it_works(self._bot.delete_webhook)  # or fetching is refused
            self.answered_at = monotonic()
            while True:
                for number, raw in await until_it_works(self._fetch):
                    if number not in self._turns:
                        self._turns[number] = asyncio.create_task(self._turn(raw))
                        self._next = number + 1
                under_way = [turn for turn in self._turns.values() if not turn.done()]
                if under_way:
                    await asyncio.wait(under_way, timeout=TURN_WAIT)
        finally:
            self._stopping.set()
            await asyncio.gather(*self._turns.values(), *self._beside, return_exceptions=True)

    async def _fetch(self) -> list[tuple[int, Any]]:
        """Acknowledge what is done, and return what waits: (number, update)."""
        done = {number for number, turn in self._turns.items() if turn.done()}
        offset = min(self._turns.keys() - done, default=self._next)
        for number in done:
            if number < offset:
                del self._turns[number]
        query = {
            "offset": offset,
            "timeout": HOLD,
            "allowed_updates": json.dumps(ALLOWED_UPDATES),
        }
        # Not Bot.get_updates: one update that it cannot read makes it lose the whole batch, and
        # it prints them all.
        url = f"{self._bot.base_url}/getUpdates?{urlencode(query)}"
        payload = await self._bot.request.retrieve(url, read_timeout=HOLD + 10)
        try:
            result = list(json.loads(payload)["result"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise NetworkError("the answer is not readable") from None
        self.answered_at = monotonic()
        numbered = [(raw["update_id"], raw) for raw in result if _is_numbered(raw)]
        if result and not numbered:  # nothing to do or to acknowledge: not again at once
            raise NetworkError("no update is readable")
        return numbered

    async def _turn(self, raw: Any) -> None:
        """Everything about one update.

        Nothing is awaited before the chat's lock, so a chat's updates get it in their order.
        """
        try:
            update = telegram.Update.de_json(raw, None)
            chat = update.effective_chat
            if chat is not None and type(chat.id) is not int:
                raise TypeError  # the library takes any type as it is
            group, ours = read_group(update), read_update(update)
        except Exception as error:
            log(Event.UPDATE_UNREADABLE, kind=type(error).__name__)
            return
        if update.callback_query:
            self._answer(update.callback_query.id)
        if chat is None:
            return
        async with self._locks.setdefault(chat.id, asyncio.Lock()):
            if group:
                await self._leave(group)
            elif ours:
                await self._store(ours, chat.id)

    async def _store(self, update: Update, chat: int) -> None:
        """Do the turn; again and again where storage fails, and not acknowledged until it works.

        The parent is told once when that takes long, and if the turn is given up: by the way past
        the database, and with nothing to remember when the fault is over.
        """
        failures, loop = 0, asyncio.get_running_loop()
        telling = loop.call_later(TELL_AFTER, self._tell, chat, "error.down", update.language)
        try:
            while not self._stopping.is_set():
                try:
                    await self._take(update)
                    return None
                except StorageError as error:
                    log(Event.UPDATE_WAITS, why=str(error))
                except Exception as error:
                    if failures >= TRIES:
                        log(Event.UPDATE_GIVEN_UP, kind=type(error).__name__, place=place_of(error))
                        return self._tell(chat, "error.internal", update.language)
                    log(Event.UPDATE_WAITS, kind=type(error).__name__, place=place_of(error))
                failures += 1
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), growing_wait(failures))
            return None
        finally:
            telling.cancel()

    def _tell(self, chat: int, key: str, lang: str | None) -> None:
        """Say it in the messenger's language, or in all of them; best effort."""
        langs = (lang,) if lang else locales.LANGUAGES
        text = "\n".join(locales.say(key, each) for each in langs)
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


def _is_numbered(raw: Any) -> bool:
    """Whether this is an update, which can be acknowledged. One that is not stops no other."""
    number = raw.get("update_id") if isinstance(raw, dict) else None
    return type(number) is int and 0 <= number < 2**63
