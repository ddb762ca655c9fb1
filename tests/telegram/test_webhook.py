"""Telegram posts what parents write: nothing is lost, forged or done twice."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from bot.engine import Update
from bot.settings import BadSetting
from bot.telegram.webhook import LARGEST, MOST_AT_ONCE
from bot.web.certificate import read_tls
from flows.states import S
from storage.database import StorageError
from tests.conversations.roads import ALL_TO_DONE
from tests.helpers.dialogue import Dialogue
from tests.helpers.network import free_port, is_open
from tests.helpers.parent import test_settings
from tests.helpers.school import a_school
from tests.telegram.chat_driver import TelegramParent, running_bot, telegram_parent
from tests.telegram.server import BotApi
from tests.telegram.test_channel import TOKEN

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
    answer, headers = None, {**JSON, HEADER: door.secret}
    async with asyncio.timeout(5):
        while answer is None or answer.status_code != 503:  # 400 until the others are there
            answer = await door.client.post(door.url, content=b"{", headers=headers)
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
    async with asyncio.timeout(10):
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


async def test_a_turn_that_cannot_be_finished_is_done_after_the_next_start(tmp_path: Path) -> None:
    async with telegram_parent(tmp_path / "db", a_school(), webhook=True) as marie:
        begun = asyncio.Event()

        async def before_turn(update: Update) -> None:
            begun.set()
            raise StorageError("busy")

        server, works = marie.bot.server, marie.bot.before_turn
        marie.bot.before_turn = before_turn  # type: ignore[method-assign]
        marie.person.starts()
        await begun.wait()
        marie.bot.before_turn = works  # type: ignore[method-assign]
        await marie.restarts()
        await marie.bot.settles()
        assert {status for _, status in server.posts[:-1]} <= {0, 503}
        assert server.posts[-1][1] == 200
        assert len([one for one in marie.person.screen if one.from_bot]) == 1


# ---- `sesame serve` as a process of its own --------------------------------------------------


class Serve:
    """The process, and the address at which it is reached."""

    def __init__(self, server: BotApi, folder: Path, **own: str) -> None:
        self.server = server
        self.folder = folder
        self.port = free_port()
        self.own = {
            "SESAME_TELEGRAM_TOKEN": TOKEN,
            "SESAME_TELEGRAM_API_URL": server.url,
            "SESAME_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'sesame.sqlite3'}",
            "SESAME_SMS": f"file:{folder / 'sms.jsonl'}",
            "SESAME_LISTEN": f"127.0.0.1:{self.port}",
            "SESAME_WEBHOOK_URL": "https://sesame.example/hook",
            **own,
        }

    @property
    def url(self) -> str:
        """Where the webhook really leads."""
        scheme = "https" if "SESAME_TLS_KEY" in self.own else "http"
        return f"{scheme}://127.0.0.1:{self.port}/hook"

    @asynccontextmanager
    async def runs(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """From the moment at which Telegram knows the webhook; killed at the end."""
        before = len(self.server.calls_of("setWebhook"))
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "serve"),
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.own},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            set_again = self.server.until(
                lambda: any(call.ok for call in self.server.calls_of("setWebhook")[before:]), 30
            )
            assert await set_again
            yield running
        finally:
            if running.returncode is None:
                running.kill()
            await running.communicate()


@pytest.fixture
async def server() -> AsyncIterator[BotApi]:
    async with BotApi(TOKEN) as running:
        yield running


@contextmanager
def held(folder: Path) -> Iterator[sqlite3.Connection]:
    """Nobody else can write into the database."""
    with closing(sqlite3.connect(folder / "sesame.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other
        if other.in_transaction:
            other.execute("ROLLBACK")


async def test_a_turn_under_way_is_finished_when_it_stops(server: BotApi, tmp_path: Path) -> None:
    """The update is answered with 200, the reply sent, and the webhook left as it is."""
    marie, serve = server.person(), Serve(server, tmp_path)
    async with serve.runs() as running, server.pushing(serve.url):
        with held(tmp_path) as other:
            marie.starts()
            assert await server.until(lambda: bool(server.calls_of("sendChatAction")), 20)
            running.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
            assert await is_open(serve.port)
            other.execute("ROLLBACK")
        assert await asyncio.wait_for(running.wait(), 20) == 0
        assert [status for _, status in server.posts] == [200]
        assert (await marie.hears(0.1)).text.startswith("Bonjour, je suis Sésame.")
    assert server.pending == []
    assert server.calls_of("deleteWebhook") == []
    assert server.webhook["url"] == "https://sesame.example/hook"


async def test_kill_9_loses_nothing(server: BotApi, tmp_path: Path) -> None:
    marie, serve = server.person(), Serve(server, tmp_path)
    async with serve.runs() as running, server.pushing(serve.url):
        with held(tmp_path):
            marie.starts()
            assert await server.until(lambda: bool(server.calls_of("sendChatAction")), 20)
            running.kill()
            await running.wait()
        async with serve.runs():
            await marie.sees(lambda: len(marie.screen) == 2, 20)
            assert await server.until(lambda: not server.pending)


# ---- the certificate -------------------------------------------------------------------------


def certified(folder: Path, name: str = "sesame.example", by: str | None = None) -> dict[str, str]:
    """Files with a certificate for this name and its key; signed by itself, or by another."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)

    def named(common: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])

    certificate = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(by or name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "own.pem").write_bytes(pem)
    (folder / "own.key").write_bytes(secret)
    return {
        "SESAME_TLS_CERTIFICATE": str(folder / "own.pem"),
        "SESAME_TLS_KEY": str(folder / "own.key"),
    }


async def test_telegram_trusts_the_certificate_that_it_is_given(
    server: BotApi, tmp_path: Path
) -> None:
    own = certified(tmp_path)
    file = tmp_path / "own.pem"
    alone = file.read_bytes()
    file.write_bytes(alone + (tmp_path / "own.key").read_bytes())  # as some keep both in one
    marie, serve = server.person(), Serve(server, tmp_path, **own)
    async with serve.runs() as running:
        assert server.webhook["certificate"] == alone
        async with server.pushing(serve.url):
            marie.starts()
            await marie.hears(20)
            running.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(running.wait(), 20) == 0
        assert [status for _, status in server.posts] == [200]
        assert "PRIVATE" not in str(server.calls)


async def test_a_certificate_of_an_authority_is_not_given(server: BotApi, tmp_path: Path) -> None:
    serve = Serve(server, tmp_path, **certified(tmp_path, by="Some Authority"))
    async with serve.runs():
        assert "certificate" not in server.webhook
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.ConnectError, match="certificate"):
                await client.get(serve.url)
            with pytest.raises(httpx.TransportError):
                await client.get(serve.url.replace("https", "http"))


def test_what_is_wrong_with_the_files_is_one_line(tmp_path: Path) -> None:
    own = certified(tmp_path)
    certificate, key = (Path(own[f"SESAME_TLS_{name}"]) for name in ("CERTIFICATE", "KEY"))
    good = test_settings(tmp_path / "db", tls_certificate=certificate, tls_key=key)
    assert read_tls(good) is not None
    assert read_tls(test_settings(tmp_path / "db")) is None
    empty, locked, other = (tmp_path / name for name in ("empty", "locked", "other"))
    empty.write_bytes(b"")
    other.mkdir()
    certified(other, "other.example")
    loaded = load_pem_private_key(key.read_bytes(), None)
    sealed = BestAvailableEncryption(b"zebra")
    locked.write_bytes(loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
    wrong = [
        (tmp_path / "gone", key, "SESAME_TLS_CERTIFICATE: .+gone cannot be read: No such file"),
        (other, key, "SESAME_TLS_CERTIFICATE: .+other cannot be read: Is a directory"),
        (empty, key, "SESAME_TLS_CERTIFICATE: .+empty holds no certificate in PEM"),
        (key, key, "SESAME_TLS_CERTIFICATE: .+own.key holds no certificate in PEM"),
        (certificate, tmp_path / "gone", "SESAME_TLS_KEY: .+gone cannot be read: No such file"),
        (certificate, empty, "SESAME_TLS_KEY: .+empty is not the key of"),
        (certificate, certificate, "SESAME_TLS_KEY: .+own.pem is not the key of"),
        (certificate, other / "own.key", "SESAME_TLS_KEY: .+own.key is not the key of"),
        (certificate, locked, "SESAME_TLS_KEY: .+locked is not the key of"),
    ]
    for one, its_key, line in wrong:
        settings = test_settings(tmp_path / "db", tls_certificate=one, tls_key=its_key)
        with pytest.raises(BadSetting, match=rf"^{line}[^\n]*\.$"):
            read_tls(settings)
