"""A small Bot API server on loopback, faithful wherever a bot could tell the difference."""

from __future__ import annotations

import asyncio
import json
import math
import re
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from email.utils import format_datetime
from typing import Any, NoReturn, Self
from urllib.parse import parse_qsl, urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as Event
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.telegram.phone import Person

JSON = dict[str, Any]

MESSAGE_UNITS = 4096
MESSAGE_KEPT = timedelta(hours=24)
PRESS_LIVES = timedelta(seconds=150)
DELETABLE = timedelta(hours=48)
LONGEST_POLL = 50

KINDS = {
    "message",
    "edited_message",
    "callback_query",
    "my_chat_member",
    "chat_member",
    "message_reaction",
    "message_reaction_count",
}
KINDS_BY_DEFAULT = KINDS - {"chat_member", "message_reaction", "message_reaction_count"}

ENTITIES = {
    *("mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bold"),
    *("italic", "underline", "strikethrough", "spoiler", "blockquote", "expandable_blockquote"),
    *("code", "pre", "text_link", "text_mention", "custom_emoji", "date_time"),
}
DATE_TIME = re.compile("r|w?[dD]?[tT]?")
BUTTON_KINDS = (
    *("url", "callback_data", "web_app", "copy_text", "login_url", "switch_inline_query"),
    *("switch_inline_query_current_chat", "switch_inline_query_chosen_chat", "callback_game"),
    "pay",
)
ACTIONS = {
    *("typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice"),
    *("upload_document", "choose_sticker", "find_location", "record_video_note"),
    "upload_video_note",
}
SPEAKING = {"sendMessage", "editMessageText", "editMessageReplyMarkup"}
INTEGERS = {"offset", "limit", "timeout", "message_id", "user_id", "max_connections"}
BOOLEANS = {"show_alert", "drop_pending_updates", "protect_content", "disable_notification"}
OBJECTS = {
    *("entities", "reply_markup", "allowed_updates", "commands", "scope", "menu_button"),
    *("message_ids", "link_preview_options", "reply_parameters"),
}
LONGEST = {"name": 64, "description": 512, "short_description": 120}

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
TOO_OLD = "query is too old and response timeout expired or query ID is invalid"
WEBHOOK_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active;"
    " use deleteWebhook to delete the webhook first"
)
OTHER_POLLER = (
    "Conflict: terminated by other getUpdates request;"
    " make sure that only one bot instance is running"
)
OTHER_WEBHOOK = "Conflict: terminated by setWebhook request"

PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
}


class ApiError(Exception):
    """A call that the server refuses."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def refuse(reason: str) -> NoReturn:
    """Refuse a call as the real server does, with a 400."""
    raise ApiError(400, f"Bad Request: {reason}")


@dataclass(eq=False)
class Call:
    """A call that the bot made, and how it went (answer is None while it is under way or cut)."""

    method: str
    parameters: JSON
    time: datetime
    answer: JSON | None = None

    @property
    def ok(self) -> bool:
        """True where the bot was told that it worked."""
        return self.answer is not None and bool(self.answer["ok"])


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a call."""

    status: int | None = None
    retry_after: int | None = None
    description: str | None = None
    after_effect: bool = False
    delay: float = 0
    drop: bool = False


@dataclass(eq=False)
class Flood:
    """How much the server takes, in real time; beyond it says 429, and for how long.

    Telegram names two numbers (UX 1): about one message a second in a chat, bursts let through,
    and thirty a second from a bot.
    """

    overall: int = 30
    window: float = 1
    chat: int = 30
    chat_window: float = 30
    _taken: deque[tuple[float, int]] = field(default_factory=deque)

    def asks_to_wait(self, chat: int) -> int:
        """Whole seconds that a call about this chat comes too early; 0 where it is taken."""
        now = asyncio.get_running_loop().time()
        longest = max(self.window, self.chat_window)
        while self._taken and self._taken[0][0] <= now - longest:
            self._taken.popleft()
        everywhere = [at for at, _ in self._taken if at > now - self.window]
        here = [at for at, where in self._taken if where == chat and at > now - self.chat_window]
        ends = [
            times[-most] + window
            for times, most, window in (
                (everywhere, self.overall, self.window),
                (here, self.chat, self.chat_window),
            )
            if len(times) >= most
        ]
        if ends:
            return max(math.ceil(max(ends) - now), 1)
        self._taken.append((now, chat))
        return 0


@dataclass(eq=False)
class Update:
    """An update that waits for the bot."""

    id: int
    kind: str
    payload: JSON
    expires: datetime
    again: bool = False
    seen: bool = False

    def api(self) -> JSON:
        """Say it as the Bot API does."""
        return {"update_id": self.id, self.kind: self.payload}


@dataclass(frozen=True)
class Button:
    """A button under a message or in place of the keyboard."""

    label: str
    kind: str
    value: Any = None


@dataclass(eq=False, repr=False)
class Message:
    """A message as everybody in its chat sees it now, edits and deletion included."""

    chat: Chat
    id: int
    date: datetime
    sender: JSON
    content: JSON
    markup: JSON = field(default_factory=dict)
    edited: datetime | None = None
    deleted: bool = False
    offered: list[Button] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.offered.extend(buttons_of(self.markup))

    @property
    def text(self) -> str:
        """The words of the message, or of its caption."""
        return str(self.content.get("text", self.content.get("caption", "")))

    @property
    def from_bot(self) -> bool:
        """True where the bot wrote it."""
        return bool(self.sender["is_bot"])

    @property
    def entities(self) -> list[JSON]:
        """The entities, with offsets in UTF-16 units."""
        return list(self.content.get("entities", []))

    def marked(self, kind: str) -> list[str]:
        """The words that bear an entity of this kind."""
        raw = self.text.encode("utf-16-le", "surrogatepass")
        spans = [
            (e["offset"], e["offset"] + e["length"]) for e in self.entities if e["type"] == kind
        ]
        return [raw[2 * a : 2 * b].decode("utf-16-le", "surrogatepass") for a, b in spans]

    @property
    def inline(self) -> list[Button]:
        """The buttons under the message."""
        return buttons_of(self.markup) if "inline_keyboard" in self.markup else []

    @property
    def buttons(self) -> list[str]:
        """The words on the buttons under the message."""
        return [button.label for button in self.inline]

    @property
    def copy_texts(self) -> list[str]:
        """What the copy buttons put on the clipboard."""
        return [button.value["text"] for button in self.inline if button.kind == "copy_text"]

    def change(self, markup: JSON, now: datetime, content: JSON | None = None) -> None:
        """Edit the message."""
        self.content = self.content if content is None else content
        self.markup = markup
        self.offered.extend(buttons_of(markup))
        self.edited = now

    def api(self) -> JSON:
        """Say it as the Bot API does."""
        shown: JSON = {
            "message_id": self.id,
            "from": self.sender,
            "chat": self.chat.api(),
            "date": seconds(self.date),
            **self.content,
        }
        if self.edited is not None:
            shown["edit_date"] = seconds(self.edited)
        if "inline_keyboard" in self.markup:
            shown["reply_markup"] = self.markup
        return shown

    def __str__(self) -> str:
        rest = " ".join(key for key in self.content if key not in {"text", "entities"})
        labels = "".join(f" [{button.label}]" for button in buttons_of(self.markup))
        return f"{self.sender['first_name']}: {self.text or f'<{rest}>'}{labels}"

    __repr__ = __str__


@dataclass(eq=False, repr=False)
class Chat:
    """A private chat with the bot, or a group."""

    id: int
    about: JSON
    messages: list[Message] = field(default_factory=list)
    known: bool = False
    member: str | None = None
    keyboard_from: Message | None = None

    @property
    def is_private(self) -> bool:
        """True for the chat of one person with the bot."""
        return str(self.about["type"]) == "private"

    def api(self) -> JSON:
        """Say it as the Bot API does."""
        return {"id": self.id, **self.about}

    def find(self, message_id: int | None) -> Message | None:
        """The message that has this id and is not deleted."""
        alive = (one for one in self.messages if one.id == message_id and not one.deleted)
        return next(alive, None)


@dataclass(frozen=True)
class Alert:
    """What the bot answered to a press: a pop-up to close, or a line that fades away."""

    text: str
    show_alert: bool
    url: str = ""


@dataclass(eq=False)
class Press:
    """A press on a button, which the bot has to answer."""

    user_id: int
    time: datetime
    answered: bool = False


class _Cut(Response):
    """No answer at all: the connection is cut."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        super().__init__()
        self.transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.transport is not None:
            self.transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class BotApi:
    """The server: `async with BotApi(token="123:ABC") as server`; the bot gets `server.url`."""

    def __init__(
        self,
        token: str = "123456:TEST",
        *,
        username: str = "sesame_test_bot",
        first_name: str = "Sésame",
        now: Callable[[], datetime] | None = None,
        first_update_id: int = 700_000_001,
        port: int = 0,
    ) -> None:
        self.token = token
        self.port = port
        self.now = now or (lambda: datetime.now(UTC))
        self.calls: list[Call] = []
        self.chats: dict[int, Chat] = {}
        self.alerts: dict[int, list[Alert]] = defaultdict(list)
        self.faults: Callable[[Call], Fault | None] = lambda call: None
        self.flood: Flood | None = None
        self.commands: dict[tuple[str, str], list[JSON]] = {}
        self.texts: dict[tuple[str, str], str] = {}
        self.menu_buttons: dict[int | None, JSON] = {}
        self.webhook: JSON = {}
        self.posts: list[tuple[int, int]] = []
        """Each update that was posted to the webhook, and the status that it was answered with."""
        self.url = ""
        self.bot: JSON = {
            "id": int(token.partition(":")[0]),
            "is_bot": True,
            "first_name": first_name,
            "username": username,
        }
        self._kinds = set(KINDS_BY_DEFAULT)
        self._next_update = first_update_id
        self._history: dict[int, Update] = {}
        self._queue: list[Update] = []
        self._presses: dict[str, Press] = {}
        self._planned: dict[str, deque[Fault]] = defaultdict(deque)
        self._bell = asyncio.Event()
        self._poller = 0
        self._lines: dict[tuple[str, int], asyncio.Transport] = {}
        self._methods = self._table()
        self._names = {name.lower(): name for name in [*self._methods, "getUpdates"]}

    # Start and stop

    async def __aenter__(self) -> Self:
        lines = self._lines

        class Line(H11Protocol):
            """A connection that a test can cut."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                lines[transport.get_extra_info("peername")[:2]] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                lines.pop(self.client or ("", 0), None)

        app = Starlette(
            routes=[Route("/bot{token}/{method}", self._endpoint, methods=["GET", "POST"])],
            exception_handlers={404: self._nowhere, 405: self._nowhere},
        )
        config = uvicorn.Config(
            self._dated(app),
            port=self.port,
            http=Line,
            ws="none",
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            date_header=False,
        )
        config.load()
        self._uvicorn = uvicorn.Server(config)
        self._uvicorn.lifespan = config.lifespan_class(config)
        await self._uvicorn.startup()
        [listener] = self._uvicorn.servers[0].sockets
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        return self

    def _dated(self, app: ASGIApp) -> ASGIApp:
        """Answers tell the time of this server's clock."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            async def dated(message: Event) -> None:
                if message["type"] == "http.response.start":
                    date = format_datetime(self.now().astimezone(UTC), usegmt=True)
                    message["headers"] = [*message.get("headers", []), (b"date", date.encode())]
                await send(message)

            await app(scope, receive, dated)

        return answer

    async def __aexit__(self, *_: object) -> None:
        for server in self._uvicorn.servers:
            server.close()
        for transport in list(self._lines.values()):
            transport.abort()
        tasks = list(self._uvicorn.server_state.tasks)
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in self._uvicorn.servers:
            await server.wait_closed()

    # What a test asks of it

    def calls_of(self, method: str) -> list[Call]:
        """The calls of one method, oldest first."""
        return [call for call in self.calls if call.method == method]

    @property
    def refused(self) -> list[Call]:
        """The calls that the bot was told did not work."""
        return [call for call in self.calls if call.answer is not None and not call.ok]

    @property
    def pending(self) -> list[Update]:
        """The updates that the bot has not confirmed."""
        self._forget_the_expired()
        return list(self._queue)

    @property
    def last_update_id(self) -> int:
        """The id of the newest update."""
        return self._next_update - 1

    def person(
        self,
        first_name: str = "Marie",
        language_code: str | None = "fr",
        user_id: int | None = None,
        *,
        last_name: str | None = None,
        username: str | None = None,
        phone: str = "33612345678",
    ) -> Person:
        """Bring in a person who has a phone and has not met the bot yet."""
        user: JSON = {
            "id": user_id or 1001 + len(self.chats),
            "is_bot": False,
            "first_name": first_name,
            "last_name": last_name,
            "username": username,
            "language_code": language_code,
        }
        user = {key: value for key, value in user.items() if value is not None}
        traits = {"first_name", "last_name", "username"}
        about = {"type": "private", **{key: user[key] for key in user if key in traits}}
        chat = self.chats.setdefault(user["id"], Chat(user["id"], about, member="member"))
        return Person(self, user, phone, chat)

    def group(self, title: str = "Parents") -> Chat:
        """Open a group, or find it again by its title."""
        for chat in self.chats.values():
            if chat.about.get("title") == title:
                return chat
        chat = Chat(-4001 - len(self.chats), {"type": "group", "title": title})
        self.chats[chat.id] = chat
        return chat

    def fail_next(
        self,
        method: str,
        times: int = 1,
        *,
        status: int | None = None,
        retry_after: int | None = None,
        description: str | None = None,
        after_effect: bool = False,
        delay: float = 0,
        drop: bool = False,
    ) -> None:
        """Plan faults for the next calls of a method ("*" is any): see the words in `Fault`."""
        if status is None and not delay and not drop:
            status = 429 if retry_after is not None else 500
        fault = Fault(status, retry_after, description, after_effect, delay, drop)
        self._planned[method.lower()].extend([fault] * times)

    def redeliver(self, update_id: int) -> None:
        """Queue an update again, under the same id, whether or not it was confirmed."""
        old = self._history[update_id]
        later = self.now() + MESSAGE_KEPT
        self._queue.append(Update(old.id, old.kind, old.payload, later, again=True))
        self.ring()

    async def push(self, to: str, *update_ids: int) -> list[int]:
        """Post what waits, or these updates in this order, where the webhook really leads."""
        waiting = {update.id: update for update in self.pending}
        async with self._client() as client:
            posted = [waiting[one] for one in update_ids or waiting]
            return [(await self._post(client, to, update))[0] for update in posted]

    @asynccontextmanager
    async def pushing(self, to: str, first_wait: float = 0.05) -> AsyncIterator[None]:
        """Post what comes in, where the webhook really leads, until the end.

        As the real one does (WebhookActor.cpp): the messages of a chat are one queue, the presses
        of a person another; the first of each is repeated until it is answered with success, the
        first time at once, then after longer and longer, or as `Retry-After` says.
        """
        async with self._client() as client:
            posting = asyncio.create_task(self._post_all(client, to, first_wait))
            try:
                yield
                assert not posting.done(), posting.result()
            finally:
                posting.cancel()
                await asyncio.gather(posting, return_exceptions=True)

    async def _post_all(self, client: httpx.AsyncClient, to: str, first_wait: float) -> None:
        queues: dict[object, asyncio.Task[None]] = {}
        try:
            while True:
                bell = self._bell
                for update in self.pending if self.webhook else ():
                    queue = _queue_of(update)
                    if queue not in queues or queues[queue].done():
                        work = self._post_queue(client, to, queue, first_wait)
                        queues[queue] = asyncio.create_task(work)
                await bell.wait()
        finally:
            for task in queues.values():
                task.cancel()
            await asyncio.gather(*queues.values(), return_exceptions=True)

    async def _post_queue(
        self, client: httpx.AsyncClient, to: str, queue: object, first_wait: float
    ) -> None:
        wait = 0.0
        while mine := [update for update in self.pending if _queue_of(update) == queue]:
            status, again = await self._post(client, to, mine[0])
            done = 200 <= status <= 299
            if not done:
                await asyncio.sleep(wait if again is None else again)
            wait = 0.0 if done else max(first_wait, min(2 * wait, 60))

    def _client(self) -> httpx.AsyncClient:
        """Who posts: it trusts the certificate that the bot gave, and no other."""
        given = self.webhook.get("certificate")
        trusts = ssl.create_default_context(cadata=given.decode()) if given else True
        many = httpx.Limits(max_connections=self.webhook.get("max_connections", 40))
        return httpx.AsyncClient(trust_env=False, verify=trusts, limits=many, timeout=60)

    async def _post(
        self, client: httpx.AsyncClient, to: str, update: Update
    ) -> tuple[int, float | None]:
        """Post an update once: the status (0: not reached), and when to come again."""
        assert self.webhook, "no webhook is set"
        secret = self.webhook["secret_token"]
        headers = {"Content-Type": "application/json"}
        headers |= {"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {}
        address = urlsplit(self.webhook["url"])
        headers["Host"] = address.netloc
        try:
            response = await client.post(
                to,
                content=json.dumps(update.api()),
                headers=headers,
                extensions={"sni_hostname": address.hostname},
            )
        except httpx.TransportError as error:
            self._note_failure(str(error) or "Connection closed")
            return 0, None
        self.posts.append((update.id, response.status_code))
        if response.is_success:
            if update in self._queue:
                self._queue.remove(update)
        else:
            reason = f"{response.status_code} {response.reason_phrase}"
            self._note_failure(f"Wrong response from the webhook: {reason}")
        self.ring()
        again = response.headers.get("retry-after")
        return response.status_code, float(again) if again else None

    def _note_failure(self, why: str) -> None:
        self.webhook["last_error_date"] = seconds(self.now())
        self.webhook["last_error_message"] = why
        self.ring()

    async def until(self, condition: Callable[[], bool], within: float = 5) -> bool:
        """Wait for something to become true; False where it did not in time."""
        try:
            async with asyncio.timeout(within):
                while not condition():
                    await self._bell.wait()
        except TimeoutError:
            return False
        return True

    # What phones use

    def ring(self) -> None:
        """Wake whoever waits for news."""
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    def deliver(self, kind: str, payload: JSON, life: timedelta = MESSAGE_KEPT) -> Update | None:
        """Queue an update for the bot, unless it did not ask for this kind."""
        if kind not in self._kinds:
            return None
        update = Update(self._next_update, kind, payload, self.now() + life)
        self._next_update += 1
        self._history[update.id] = update
        self._queue.append(update)
        self.ring()
        return update

    def post(self, chat: Chat, sender: JSON, content: JSON, markup: JSON | None = None) -> Message:
        """Put a message into a chat."""
        number = len(chat.messages) + 1
        message = Message(chat, number, self.now(), sender, content, markup or {})
        chat.messages.append(message)
        if "keyboard" in message.markup:
            chat.keyboard_from = message
        elif "remove_keyboard" in message.markup:
            chat.keyboard_from = None
        self.ring()
        return message

    def press(self, user: JSON, message: Message, data: str) -> str:
        """Tell the bot of a press, and return the id that it has to answer."""
        query_id = str(4_000_000_000_000 + len(self._presses))
        self._presses[query_id] = Press(user["id"], self.now())
        lost = {"chat": message.chat.api(), "message_id": message.id, "date": 0}
        payload = {
            "id": query_id,
            "from": user,
            "message": lost if message.deleted else message.api(),
            "chat_instance": str(abs(message.chat.id) * 1_000_003),
            "data": data,
        }
        self.deliver("callback_query", payload, PRESS_LIVES)
        return query_id

    def membership(self, chat: Chat, by: JSON, status: str) -> None:
        """Change what the bot is in a chat, and tell it."""
        old, chat.member = chat.member or "left", status
        rest = {"kicked": {"until_date": 0}}
        states = [{"user": self.bot, "status": s, **rest.get(s, {})} for s in (old, status)]
        payload = {
            "chat": chat.api(),
            "from": by,
            "date": seconds(self.now()),
            "old_chat_member": states[0],
            "new_chat_member": states[1],
        }
        self.deliver("my_chat_member", payload)

    # HTTP

    async def _endpoint(self, request: Request) -> Response:
        if request.path_params["token"] != self.token:
            return _answer(401, _error(401, "Unauthorized"))
        asked = request.path_params["method"]
        call = Call(self._names.get(asked.lower(), asked), {}, self.now())
        problem: ApiError | None = None
        try:
            call.parameters = await _parameters(request)
        except ApiError as error:
            problem = error
        except ClientDisconnect:  # killed while it was speaking
            return _Cut(None)
        self.calls.append(call)
        self.ring()
        fault = self._fault_of(call)
        late = fault is not None and fault.after_effect
        if fault is not None and not late:
            response = await self._suffer(request, call, fault)
            if response is not None:
                return response
        status, body = await self._act(request, call, problem)
        if fault is not None and late:
            response = await self._suffer(request, call, fault)
            if response is not None:
                return response
        call.answer = body
        self.ring()
        return _answer(status, body)

    async def _act(
        self, request: Request, call: Call, problem: ApiError | None
    ) -> tuple[int, JSON]:
        try:
            if problem is not None:
                raise problem
            if call.method == "getUpdates":
                result = await self._get_updates(request, call.parameters)
            elif call.method in self._methods:
                result = self._methods[call.method](call.parameters)
            else:
                raise ApiError(404, "Not Found: method not found")
        except ApiError as error:
            return error.code, _error(error.code, error.description, error.parameters)
        return 200, {"ok": True, "result": result}

    async def _nowhere(self, _request: Request, _error_: Exception) -> Response:
        return _answer(404, _error(404, "Not Found"))

    def _fault_of(self, call: Call) -> Fault | None:
        for name in (call.method.lower(), "*"):
            if self._planned[name]:
                return self._planned[name].popleft()
        if self.flood and call.method in SPEAKING:
            wait = self.flood.asks_to_wait(call.parameters.get("chat_id", 0))
            if wait:
                return Fault(429, retry_after=wait)
        return self.faults(call)

    async def _suffer(self, request: Request, call: Call, fault: Fault) -> Response | None:
        """Be slow, cut or refuse; None where the true answer is still to come."""
        line = self._lines.get(tuple(request.scope["client"]))
        if fault.delay and await _hangs_up(request, fault.delay):
            return _Cut(line)
        if fault.drop:
            return _Cut(line)
        if fault.status is None:
            return None
        parameters = {}
        description = fault.description or PHRASES.get(fault.status, "Error")
        if fault.status == 429:
            parameters = {"retry_after": 1 if fault.retry_after is None else fault.retry_after}
            description = fault.description or (
                f"Too Many Requests: retry after {parameters['retry_after']}"
            )
        call.answer = _error(fault.status, description, parameters)
        self.ring()
        if fault.status == 502 and fault.description is None:
            page = "<html><head><title>502 Bad Gateway</title></head></html>"
            return Response(page, 502, media_type="text/html")
        return _answer(fault.status, call.answer)

    # Updates

    def _forget_the_expired(self) -> None:
        now = self.now()
        self._queue = [update for update in self._queue if update.expires > now]

    def _confirm(self, offset: int) -> None:
        """Forget what the offset confirms; one that is far ahead of us counts as none."""
        self._forget_the_expired()
        if offset < 0:
            self._queue = self._queue[offset:]
        elif 0 < offset <= self._next_update + 10:
            kept = (u for u in self._queue if u.id >= offset or (u.again and not u.seen))
            self._queue = list(kept)

    async def _get_updates(self, request: Request, given: JSON) -> list[JSON]:
        if self.webhook:
            raise ApiError(409, WEBHOOK_ACTIVE)
        limit = min(max(given.get("limit", 100), 1), 100)
        timeout = min(max(given.get("timeout", 0), 0), LONGEST_POLL)
        self._allow(given)
        self._confirm(given.get("offset", 0))
        self._poller += 1
        mine = self._poller
        self.ring()
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while True:
            self._forget_the_expired()
            ready = sorted(self._queue, key=lambda update: update.id)[:limit]
            left = end - loop.time()
            if ready or left <= 0:
                break
            if await _hangs_up(request, left, self._bell):
                return []
            if self.webhook:
                raise ApiError(409, OTHER_WEBHOOK)
            if self._poller != mine:
                raise ApiError(409, OTHER_POLLER)
        for update in ready:
            update.seen = True
        return [update.api() for update in ready]

    def _allow(self, given: JSON) -> None:
        asked = given.get("allowed_updates")
        if isinstance(asked, list):
            self._kinds = {str(kind).lower() for kind in asked} & KINDS or set(KINDS_BY_DEFAULT)

    # Methods

    def _table(self) -> dict[str, Callable[[JSON], Any]]:
        return {
            "getMe": self._get_me,
            "sendMessage": self._send_message,
            "editMessageText": self._edit_message_text,
            "editMessageReplyMarkup": self._edit_message_reply_markup,
            "deleteMessage": self._delete_message,
            "deleteMessages": self._delete_messages,
            "answerCallbackQuery": self._answer_callback_query,
            "sendChatAction": self._send_chat_action,
            "setMyCommands": self._set_my_commands,
            "getMyCommands": self._get_my_commands,
            "deleteMyCommands": self._delete_my_commands,
            "setMyName": lambda given: self._set_text("name", given),
            "getMyName": lambda given: self._get_text("name", given),
            "setMyDescription": lambda given: self._set_text("description", given),
            "getMyDescription": lambda given: self._get_text("description", given),
            "setMyShortDescription": lambda given: self._set_text("short_description", given),
            "getMyShortDescription": lambda given: self._get_text("short_description", given),
            "setChatMenuButton": self._set_chat_menu_button,
            "getChatMenuButton": self._get_chat_menu_button,
            "getChat": self._get_chat,
            "leaveChat": self._leave_chat,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._delete_webhook,
            "getWebhookInfo": self._get_webhook_info,
        }

    def _get_me(self, _given: JSON) -> JSON:
        return {
            **self.bot,
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }

    def _chat(self, given: JSON, *, to_write: bool = False) -> Chat:
        chat_id = given.get("chat_id", "")
        if chat_id == "":
            refuse("chat_id is empty")
        chat = self.chats.get(chat_id)
        if chat is None or not chat.known:
            refuse("chat not found")
        if to_write and chat.member != "member":
            if chat.is_private:
                raise ApiError(403, "Forbidden: bot was blocked by the user")
            reason = "was kicked from" if chat.member == "kicked" else "is not a member of"
            raise ApiError(403, f"Forbidden: bot {reason} the group chat")
        return chat

    def _message(self, chat: Chat, given: JSON, what: str) -> Message:
        message = chat.find(given.get("message_id"))
        if message is None:
            refuse(f"{what} not found")
        return message

    def _send_message(self, given: JSON) -> JSON:
        content = _content(given)
        chat = self._chat(given, to_write=True)
        markup = _markup(given.get("reply_markup"), chat)
        if given.get("protect_content"):
            content["has_protected_content"] = True
        return self.post(chat, self.bot, content, markup).api()

    def _own(self, given: JSON) -> Message:
        chat = self._chat(given, to_write=True)
        message = self._message(chat, given, "message to edit")
        if not message.from_bot or "keyboard" in message.markup:
            refuse("message can't be edited")
        return message

    def _edit_message_text(self, given: JSON) -> JSON:
        content = _content(given)
        message = self._own(given)
        markup = _markup(given.get("reply_markup"), message.chat, only_inline=True)
        kept = {"has_protected_content": True} if "has_protected_content" in message.content else {}
        if (content | kept, markup) == (message.content, message.markup):
            refuse(NOT_MODIFIED)
        message.change(markup, self.now(), content | kept)
        self.ring()
        return message.api()

    def _edit_message_reply_markup(self, given: JSON) -> JSON:
        message = self._own(given)
        markup = _markup(given.get("reply_markup"), message.chat, only_inline=True)
        if markup == message.markup:
            refuse(NOT_MODIFIED)
        message.change(markup, self.now())
        self.ring()
        return message.api()

    def _delete(self, message: Message) -> None:
        if self.now() - message.date >= DELETABLE:
            refuse("message can't be deleted for everyone")
        if not message.chat.is_private and not message.from_bot:
            refuse("message can't be deleted")
        message.deleted = True
        if message.chat.keyboard_from is message:
            message.chat.keyboard_from = None
        self.ring()

    def _delete_message(self, given: JSON) -> bool:
        chat = self._chat(given)
        self._delete(self._message(chat, given, "message to delete"))
        return True

    def _delete_messages(self, given: JSON) -> bool:
        chat = self._chat(given)
        if not 1 <= len(given.get("message_ids", [])) <= 100:
            refuse("message identifiers are not specified")
        for message in map(chat.find, given["message_ids"]):
            if message is not None:
                self._delete(message)
        return True

    def _answer_callback_query(self, given: JSON) -> bool:
        press = self._presses.get(str(given.get("callback_query_id", "")))
        if press is None or press.answered or self.now() - press.time >= PRESS_LIVES:
            refuse(TOO_OLD)
        text = given.get("text", "")
        if units(text) > 200:
            refuse("MESSAGE_TOO_LONG")
        press.answered = True
        alert = Alert(text, given.get("show_alert", False), given.get("url", ""))
        self.alerts[press.user_id].append(alert)
        self.ring()
        return True

    def _send_chat_action(self, given: JSON) -> bool:
        self._chat(given, to_write=True)
        if given.get("action") not in ACTIONS:
            refuse("wrong parameter action in request")
        return True

    def _audience(self, given: JSON) -> tuple[str, str]:
        """Where and for which language commands hold."""
        scope = given.get("scope") or {"type": "default"}
        ids = [str(scope[key]) for key in ("chat_id", "user_id") if key in scope]
        return ":".join([scope["type"], *ids]), self._language(given)

    def _language(self, given: JSON) -> str:
        language = str(given.get("language_code", ""))
        if not re.fullmatch(r"([a-z]{2})?", language):
            refuse("invalid language code specified")
        return language

    def _set_my_commands(self, given: JSON) -> bool:
        commands = given.get("commands", [])
        if len(commands) > 100:
            refuse("BOT_COMMANDS_TOO_MUCH")
        for one in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", one.get("command", "")):
                refuse("BOT_COMMAND_INVALID")
            if not 1 <= units(one.get("description", "")) <= 256:
                refuse("BOT_COMMAND_DESCRIPTION_INVALID")
        self.commands[self._audience(given)] = commands
        return True

    def _get_my_commands(self, given: JSON) -> list[JSON]:
        return self.commands.get(self._audience(given), [])

    def _delete_my_commands(self, given: JSON) -> bool:
        self.commands.pop(self._audience(given), None)
        return True

    def _set_text(self, which: str, given: JSON) -> bool:
        text = given.get(which, "")
        if units(text) > LONGEST[which]:
            refuse(f"{which.replace('_', ' ')} is too long")
        self.texts[which, self._language(given)] = text
        return True

    def _get_text(self, which: str, given: JSON) -> JSON:
        fallback = self.texts.get((which, "")) or (
            self.bot["first_name"] if which == "name" else ""
        )
        return {which: self.texts.get((which, self._language(given))) or fallback}

    def _set_chat_menu_button(self, given: JSON) -> bool:
        button = given.get("menu_button") or {"type": "default"}
        if button.get("type") not in {"commands", "web_app", "default"}:
            refuse("menuButton has unsupported type")
        if button["type"] == "web_app":
            _only_https(button["web_app"]["url"], "menu button Web App")
        chat = self._chat(given).id if "chat_id" in given else None
        self.menu_buttons[chat] = button
        return True

    def _get_chat_menu_button(self, given: JSON) -> JSON:
        chat = self._chat(given).id if "chat_id" in given else None
        default = self.menu_buttons.get(None, {"type": "commands"})
        return self.menu_buttons.get(chat, default)

    def _get_chat(self, given: JSON) -> JSON:
        gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription")
        return {
            **self._chat(given).api(),
            "accent_color_id": 0,
            "max_reaction_count": 11,
            "accepted_gift_types": dict.fromkeys([*gifts, "gifts_from_channels"], False),
        }

    def _leave_chat(self, given: JSON) -> bool:
        chat = self._chat(given, to_write=True)
        if chat.is_private:
            refuse("chat member status can't be changed in private chats")
        self.membership(chat, self.bot, "left")
        return True

    def _set_webhook(self, given: JSON) -> bool:
        url = given.get("url", "")
        if not url:
            return self._delete_webhook(given)
        secret = given.get("secret_token", "")
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            refuse("bad webhook: An HTTPS URL must be provided for webhook")
        if parts.port not in {None, 80, 88, 443, 8443}:
            refuse("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        if len(secret) > 256:
            refuse("secret token is too long")
        if not re.fullmatch(r"[A-Za-z0-9_-]*", secret):
            refuse("secret token contains unallowed characters")
        self._allow(given)
        self._drop(given)
        many = given.get("max_connections", 40)
        self.webhook = {"url": url, "secret_token": secret, "max_connections": many}
        self.webhook["has_custom_certificate"] = "certificate" in given
        if "certificate" in given:
            self.webhook["certificate"] = given["certificate"]
        self.ring()
        return True

    def _delete_webhook(self, given: JSON) -> bool:
        self._drop(given)
        self.webhook = {}
        return True

    def _drop(self, given: JSON) -> None:
        if given.get("drop_pending_updates"):
            self._queue = []

    def _get_webhook_info(self, _given: JSON) -> JSON:
        hidden = {"secret_token", "certificate"}
        about = {key: self.webhook[key] for key in self.webhook if key not in hidden}
        shown = {"url": "", "has_custom_certificate": False, **about}
        shown["pending_update_count"] = len(self.pending)
        if self._kinds != KINDS_BY_DEFAULT:
            shown["allowed_updates"] = sorted(self._kinds)
        return shown


# Small helpers


def _queue_of(update: Update) -> object:
    """The updates that are posted one after the other."""
    if update.kind == "callback_query":
        return "presses", update.payload["from"]["id"]
    return "messages", update.payload["chat"]["id"]


def seconds(moment: datetime) -> int:
    """Say a moment as Telegram does."""
    return int(moment.timestamp())


def units(text: str) -> int:
    """Count as Telegram does, in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def buttons_of(markup: JSON) -> list[Button]:
    """The buttons of a keyboard, in reading order."""
    found = []
    rows: list[list[Any]] = markup.get("inline_keyboard") or markup.get("keyboard") or []
    for row in rows:
        for button in row:
            given = {"text": button} if isinstance(button, str) else button
            kinds = (*BUTTON_KINDS, "request_contact", "request_location", "request_poll")
            kind = next((kind for kind in kinds if kind in given), "text")
            found.append(Button(given["text"], kind, given.get(kind)))
    return found


def _error(code: int, description: str, parameters: JSON | None = None) -> JSON:
    body = {"ok": False, "error_code": code, "description": description}
    return body | ({"parameters": parameters} if parameters else {})


def _answer(status: int, body: JSON) -> Response:
    return Response(json.dumps(body), status, media_type="application/json")


async def _hangs_up(request: Request, wait: float, bell: asyncio.Event | None = None) -> bool:
    """Wait for a time, or for the bell; True where the caller hung up instead."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    caller = asyncio.create_task(gone())
    waiting = {caller} if bell is None else {caller, asyncio.create_task(_rung(bell))}
    try:
        limit = None if math.isinf(wait) else wait
        await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        return caller.done()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _rung(bell: asyncio.Event) -> None:
    await bell.wait()


async def _parameters(request: Request) -> JSON:
    """Read a call's parameters, however they were sent, with the types that they have."""
    body = await request.body()
    kind = request.headers.get("content-type", "")
    raw: JSON = dict(request.query_params)
    try:
        if kind.startswith("application/json") and body:
            raw |= json.loads(body)
        elif kind.startswith("multipart/form-data"):
            raw |= _multipart(kind, body)
        else:
            raw |= dict(parse_qsl(body.decode(), keep_blank_values=True))
    except (ValueError, TypeError):
        refuse("can't read the parameters")
    return {name: _typed(name, value) for name, value in raw.items()}


def _multipart(kind: str, body: bytes) -> JSON:
    head = b"Content-Type: " + kind.encode() + b"\r\n\r\n"
    whole = BytesParser(EmailMessage, policy=HTTP).parsebytes(head + body)
    found: JSON = {}
    for part in whole.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found[name] = content if part.get_filename() else content.decode()
    return found


def _typed(name: str, value: Any) -> Any:
    if name in OBJECTS:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError:
            refuse(f"can't parse {name.replace('_', ' ')} JSON object")
    if name in BOOLEANS:
        return str(value).lower() in {"true", "yes", "1"}
    if name in INTEGERS or (name == "chat_id" and re.fullmatch(r"-?\d{1,18}", str(value))):
        try:
            return int(value)
        except ValueError:
            refuse(f"{name} must be an Integer")
    return value if isinstance(value, str | bytes) else json.dumps(value)


def _content(given: JSON) -> JSON:
    """Check and clean the text of a message and its entities."""
    if not given.get("text"):
        refuse("message text is empty")
    if given.get("parse_mode"):
        refuse("this test server takes text with entities, not parse_mode")
    text = str(given["text"])
    entities = [_entity(text, entity) for entity in given.get("entities", [])]
    clean = text.strip()
    if not clean:
        refuse("text must be non-empty")
    if units(clean) > MESSAGE_UNITS:
        refuse("message is too long")
    lead, size = units(text) - units(text.lstrip()), units(clean)
    kept = []
    for entity in entities:
        start = max(entity["offset"] - lead, 0)
        length = min(entity["offset"] - lead + entity["length"], size) - start
        if length > 0:
            kept.append({**entity, "offset": start, "length": length})
    return {"text": clean, **({"entities": kept} if kept else {})}


def _entity(text: str, entity: JSON) -> JSON:
    if entity.get("type") not in ENTITIES:
        refuse("can't parse MessageEntity: Unsupported type specified")
    offset, length = entity.get("offset"), entity.get("length")
    if not isinstance(offset, int) or not isinstance(length, int) or offset < 0 or length <= 0:
        refuse("can't parse MessageEntity: wrong offset or length")
    if offset >= units(text):
        refuse(f"entity begins after the end of the text at UTF-16 offset {offset}")
    end = offset + length
    start_words = f"entity beginning at UTF-16 offset {offset}"
    if end > units(text):
        refuse(f"{start_words} ends after the end of the text at UTF-16 offset {end}")
    if entity["type"] == "date_time":
        if not isinstance(entity.get("unix_time"), int) or entity["unix_time"] <= 0:
            refuse("can't parse MessageEntity: invalid unix_time specified")
        if not DATE_TIME.fullmatch(entity.get("date_time_format", "")):
            refuse("can't parse MessageEntity: invalid date_time_format specified")
    edges = {0}
    at = 0
    for character in text:
        at += units(character)
        edges.add(at)
    if offset not in edges:
        refuse(f"entity begins in a middle of a UTF-16 symbol at UTF-16 offset {offset}")
    if end not in edges:
        refuse(f"{start_words} ends in a middle of a UTF-16 symbol at UTF-16 offset {end}")
    return entity


def _markup(markup: Any, chat: Chat, *, only_inline: bool = False) -> JSON:
    """Check what hangs under a message; nothing and an empty keyboard are the same."""
    if not markup:
        return {}
    if not isinstance(markup, dict):
        refuse("object expected as reply markup")
    if "inline_keyboard" in markup:
        for button in _rows(markup["inline_keyboard"], "inline_keyboard"):
            _check_inline(button, chat)
        rows = [row for row in markup["inline_keyboard"] if row]
        return {"inline_keyboard": rows} if rows else {}
    if only_inline:
        refuse("inline keyboard expected")
    if "keyboard" in markup:
        for button in _rows(markup["keyboard"], "keyboard"):
            _check_reply(button, chat)
        if units(markup.get("input_field_placeholder") or "") > 64:
            refuse("input field placeholder is too long")
    known = {"keyboard", "remove_keyboard", "force_reply"}
    return markup if any(markup.get(key) for key in known) else {}


def _rows(rows: Any, name: str) -> list[Any]:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        refuse(f'field "{name}" must be an Array of Arrays')
    return [button for row in rows for button in row]


def _check_inline(button: Any, chat: Chat) -> None:
    if not isinstance(button, dict):
        refuse("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    if not button.get("text"):
        refuse("inline keyboard button text must be non-empty")
    kinds = [kind for kind in BUTTON_KINDS if kind in button]
    if not kinds:
        refuse(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
        )
    if len(kinds) > 1:
        refuse("can't parse inline keyboard button: exactly one optional field must be used")
    value = button[kinds[0]]
    if kinds[0] == "callback_data" and not 1 <= len(value.encode()) <= 64:
        refuse("BUTTON_DATA_INVALID")
    if kinds[0] == "copy_text" and not 1 <= units(value.get("text", "")) <= 256:
        refuse("BUTTON_COPY_TEXT_INVALID")
    if kinds[0] == "url" and not re.match(r"(https?|tg)://[^/]", value):
        refuse(f"inline keyboard button URL '{value}' is invalid: Wrong HTTP URL")
    if kinds[0] == "web_app":
        if not chat.is_private:
            refuse("BUTTON_TYPE_INVALID")
        _only_https(value.get("url", ""), "inline keyboard button Web App")


def _check_reply(button: Any, chat: Chat) -> None:
    given = {"text": button} if isinstance(button, str) else button
    if not isinstance(given, dict):
        refuse("can't parse keyboard button: KeyboardButton must be a String or an Object")
    if not given.get("text"):
        refuse("keyboard button text must be non-empty")
    private = {
        "request_contact": "phone number can be requested in private chats only",
        "request_location": "location can be requested in private chats only",
        "web_app": "web App buttons can be used in private chats only",
    }
    for kind, reason in private.items():
        if given.get(kind) and not chat.is_private:
            refuse(reason)
    if "web_app" in given:
        _only_https(given["web_app"].get("url", ""), "keyboard button Web App")


def _only_https(url: str, what: str) -> None:
    if urlsplit(url).scheme != "https":
        refuse(f"{what} URL '{url}' is invalid: Only HTTPS links are allowed")
