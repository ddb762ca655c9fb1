"""Telegram posts what parents write: nothing is lost, forged or done twice."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.engine import Update
from bot.telegram.webhook import LARGEST, MOST_AT_ONCE
from flows.table import S
from storage.database import StorageError
from tests.conversations.roads import ALL_TO_DONE
from tests.helpers.dialogue import Dialogue
from tests.helpers.school import a_school
from tests.telegram.chat_driver import TelegramParent, running_bot, telegram_parent
from tests.telegram.server import BotApi

ROOT = Path(__file__).parents[2]
JSON = {"Content-Type": "application/json"}
HEADER = "X-Telegram-Bot-Api-Secret-Token"


# ---- the whole conversation ------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["fr", "en"])
async def test_a_parent_activates_their_account(tmp_path: Path, lang: str) -> None:
    async with telegram_parent(tmp_path / "db", a_school(), lang=lang, webhook=True) as parent:
        marie = Dialogue(parent, lang)
        await marie.follows(*ALL_TO_DONE)
        marie.is_asked(S.DONE)
        server = parent.bot.server
        assert server.calls_of("getUpdates") == []
        assert [status for _, status in server.posts] == [200] * len(ALL_TO_DONE)
        [asked] = server.calls_of("setWebhook")
        assert asked.parameters["allowed_updates"][0] == "message"
        assert asked.parameters["max_connections"] == MOST_AT_ONCE
        assert "certificate" not in asked.parameters
        assert "drop_pending_updates" not in asked.parameters


# ---- at the door -----------------------------------------------------------------------------


class Door:
    """What anybody on the internet can reach."""

    def __init__(self, parent: TelegramParent, url: str, secret: str) -> None:
        self.parent = parent
        self.url = url
        self.secret = secret
        self.client = httpx.AsyncClient(trust_env=False, timeout=20)

    async def post(self, body: bytes | str | object, **own: str | bytes) -> int:
        """Post with the right secret, unless `own` has another; the status."""
        headers: dict[str, Any] = {**JSON, HEADER: self.secret}
        for name, value in own.items():
            headers[{"secret": HEADER, "kind": "Content-Type"}[name]] = value
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return (await self.client.post(self.url, content=content, headers=headers)).status_code

    def a_message(self, number: int, text: str = "/start") -> dict[str, Any]:
        """What Telegram would post."""
        person = self.parent.person
        said = person.says(text)
        self.parent.bot.server._queue.clear()
        return {"update_id": number, "message": said.api()}

    async def raw(self, head: str, *body: bytes) -> bytes:
        """Speak without a client's manners: the first line of the answer."""
        url = httpx.URL(self.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        lines = (
            f"POST {url.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}\r\n"
        )
        writer.write(lines.encode())
        for part in body:
            writer.write(part)
        answer = await reader.readline()
        writer.close()
        return answer.split()[1]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with telegram_parent(tmp_path / "db", a_school(), webhook=True) as parent:
        server = parent.bot.server
        assert await server.until(lambda: bool(server.webhook))
        secret = server.webhook["secret_token"]
        opened = Door(parent, parent.bot.hook, secret)
        async with opened.client:
            yield opened


async def test_the_secret_is_made_and_strong(door: Door) -> None:
    assert len(door.secret) == 64
    assert door.secret == door.parent.bot.vault.token("webhook")
    before = door.secret
    await door.parent.restarts()
    server = door.parent.bot.server
    assert await server.until(lambda: len(server.calls_of("setWebhook")) == 2)
    assert server.webhook["secret_token"] == before


@pytest.mark.parametrize(
    "forged", [b"", b"x", b"\xe9", "ü€".encode(), b"f" * 64, b"0" * 5000, "right "], ids=repr
)
async def test_a_forged_post_is_refused(door: Door, forged: bytes | str) -> None:
    if forged == "right ":
        forged = (door.secret[:-1] + ("0" if door.secret[-1] != "0" else "1")).encode()
    assert await door.post(door.a_message(1), secret=forged) == 403
    await door.parent.bot.settles()
    assert await door.parent.bot.query("SELECT count(*) FROM updates") == [(0,)]


async def test_a_post_without_secret_is_refused_unread(door: Door) -> None:
    """Not a byte of its body is waited for."""
    assert await door.raw("Content-Length: 1000000\r\n") == b"403"
    twice = f"{HEADER}: {door.secret}\r\n" * 2
    assert await door.raw(f"Content-Length: 2\r\n{twice}", b"{}") == b"403"
    answer = await door.client.post(door.url, content=b"{}", headers=JSON)
    assert (answer.status_code, answer.content) == (403, b"")


async def test_what_is_too_long_is_refused(door: Door) -> None:
    secret = f"{HEADER}: {door.secret}\r\n"
    body = b"x" * (LARGEST + 1)
    assert await door.raw(f"{secret}Content-Length: {len(body)}\r\n", body) == b"413"
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n"
    assert await door.raw(f"{secret}Transfer-Encoding: chunked\r\n", chunk) == b"413"
    update = door.a_message(1)
    padded = json.dumps(update).encode() + b" " * (LARGEST - 10_000)
    assert await door.post(padded) == 200


MALFORMED = {
    "empty": b"",
    "words": b"hello",
    "half": b'{"update_id": 1, "mess',
    "not UTF-8": b'{"update_id": 1, "x": "\xff"}',
    "deep": b"[" * 100_000,
    "a list": b'[{"update_id": 1}]',
    "no number": b'{"message": {}}',
    "a text for a number": b'{"update_id": "1"}',
    "true for a number": b'{"update_id": true}',
    "a number too large": b'{"update_id": 9223372036854775808}',
    "a number of 5000 digits": b'{"update_id": ' + b"9" * 5000 + b"}",
    "a negative number": b'{"update_id": -1}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_update_is_refused(door: Door, body: bytes) -> None:
    assert await door.post(body) == 400


async def test_another_kind_of_content_is_refused(door: Door) -> None:
    update = door.a_message(1)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"):
        assert await door.post(update, kind=kind) == 400, kind
    assert await door.post(update, kind="Application/JSON; charset=utf-8") == 200


UNREADABLE: tuple[dict[str, Any], ...] = (
    {"message": {"date": "yesterday"}},
    {"message": 7},
    {"callback_query": {"id": []}},
    {"message": {"message_id": 1, "date": 1, "chat": {"id": "x", "type": "private"}}},
)


@pytest.mark.parametrize("content", UNREADABLE, ids=repr)
async def test_what_cannot_be_read_does_not_come_for_ever(
    door: Door, content: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert await door.post({"update_id": 5, **content}) == 200
    assert "update_unreadable" in caplog.text


async def test_there_is_nothing_else(door: Door) -> None:
    for path in ("/", "/hook/", "/hook/x", "/hooks", "//hook", "/telegram"):
        url = httpx.URL(door.url).copy_with(raw_path=path.encode())
        answer = await door.client.post(url, headers={**JSON, HEADER: door.secret}, content=b"{}")
        assert answer.status_code == 404, path
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = await door.client.request(method, door.url, headers={HEADER: door.secret})
        assert answer.status_code == 405, method


async def test_no_more_at_once_than_was_agreed(door: Door) -> None:
    """Telegram keeps what comes above that, and gives it again."""
    free, begun = asyncio.Event(), asyncio.Event()
    taken: list[str | None] = []

    async def before_turn(update: Update) -> None:
        taken.append(update.id)
        begun.set()
        await free.wait()

    door.parent.bot.before_turn = before_turn  # type: ignore[method-assign]
    bodies = [door.a_message(number) for number in range(1, MOST_AT_ONCE + 1)]
    posts = [asyncio.create_task(door.post(body)) for body in bodies]
    await begun.wait()
    answer = None
    while answer is None or answer.status_code != 503:
        headers = {**JSON, HEADER: door.secret}
        asking = door.client.post(door.url, content=b"{", headers=headers)
        answer = await asking  # 400 until all the others are there
    assert answer.headers["retry-after"] == "2"
    assert taken == ["telegram:1"]  # of one chat: the others wait
    free.set()
    assert await asyncio.gather(*posts) == [200] * MOST_AT_ONCE
    assert await door.post(b"{") == 400


# ---- once, and in order ----------------------------------------------------------------------


async def test_an_update_that_comes_twice_is_taken_once(door: Door) -> None:
    update = door.a_message(1)
    assert await asyncio.gather(*(door.post(update) for _ in range(5))) == [200] * 5
    await door.parent.bot.settles()
    assert len([one for one in door.parent.person.screen if one.from_bot]) == 1


async def test_what_comes_side_by_side_is_taken_in_order(door: Door) -> None:
    free = asyncio.Event()
    taken: list[str | None] = []

    async def before_turn(update: Update) -> None:
        taken.append(update.id)
        if len(taken) == 1:
            await free.wait()

    door.parent.bot.before_turn = before_turn  # type: ignore[method-assign]
    posts = []
    for number in (3, 9, 4, 8, 5, 7, 6):
        posts.append(asyncio.create_task(door.post(door.a_message(number))))
        webhook = door.parent.bot.hooked
        assert webhook is not None
        while webhook._at_once < len(posts):  # noqa: ASYNC110
            await asyncio.sleep(0)
        while not webhook._updates or len(webhook._updates._turns) < len(posts):  # noqa: ASYNC110
            await asyncio.sleep(0)
    free.set()
    assert await asyncio.gather(*posts) == [200] * 7
    assert taken == [f"telegram:{number}" for number in (3, 4, 5, 6, 7, 8, 9)]


async def test_chats_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async with (
        BotApi() as server,
        running_bot(server, tmp_path / "db", a_school(), webhook=True) as bot,
    ):
        slow, quick = server.person(), server.person()
        free = asyncio.Event()

        async def before_turn(update: Update) -> None:
            if update.address.place == str(slow.chat.id):
                await free.wait()

        bot.before_turn = before_turn  # type: ignore[method-assign]
        slow.starts()
        quick.starts()
        await quick.hears()
        assert [one.payload["chat"]["id"] for one in server.pending] == [slow.chat.id]
        free.set()
        await slow.hears()


# ---- when it cannot be stored ----------------------------------------------------------------


async def test_what_cannot_be_stored_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent is told once, and the message is taken once."""
    monkeypatch.setattr("bot.telegram.webhook.PATIENCE", 0.2)
    monkeypatch.setattr("bot.telegram.webhook.AGAIN", 0)
    monkeypatch.setattr("bot.telegram.updates.TELL_AFTER", 0.1)
    monkeypatch.setattr("bot.telegram.updates.growing_wait", lambda failures: 0.05)
    async with telegram_parent(tmp_path / "db", a_school(), webhook=True) as marie:
        server, down = marie.bot.server, True

        async def before_turn(update: Update) -> None:
            if down:
                raise StorageError("busy")

        marie.bot.before_turn = before_turn  # type: ignore[method-assign]
        marie.person.starts()
        assert await server.until(lambda: len(server.posts) > 3)
        assert {status for _, status in server.posts} == {503}
        down = False
        await marie.bot.settles()
        assert server.posts[-1][1] == 200
        heard = [one.text for one in marie.person.screen if one.from_bot]
        assert len(heard) == 2
        assert heard[0].startswith("Un service")
        assert heard[1].startswith("Bonjour")


async def test_telegram_is_told_when_to_come_again(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.telegram.webhook.PATIENCE", 0)

    async def before_turn(update: Update) -> None:
        raise StorageError("busy")

    door.parent.bot.before_turn = before_turn  # type: ignore[method-assign]
    headers = {**JSON, HEADER: door.secret}
    content = json.dumps(door.a_message(1))
    answer = await door.client.post(door.url, content=content, headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


async def test_a_database_that_is_held_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.telegram.webhook.PATIENCE", 0.2)
    monkeypatch.setattr("bot.telegram.webhook.AGAIN", 0)
    async with telegram_parent(tmp_path / "db", a_school(), webhook=True) as marie:
        await marie.says("/start")
        await marie.bot.query("PRAGMA busy_timeout = 20")
        with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            marie.person.says("parent")
            server = marie.bot.server
            assert await server.until(lambda: server.posts[-1][1] == 503)
            other.execute("ROLLBACK")
        await marie.bot.settles()
        Dialogue(marie, "fr").is_asked(S.MENU)
