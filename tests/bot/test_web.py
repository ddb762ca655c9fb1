"""Health, readiness and metrics tell the truth: real HTTP against what `sesame serve` runs."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request

from bot.app import open_storage
from bot.serve import serve
from bot.settings import BadSetting
from bot.web.watch import is_near
from storage.database import migrations
from tests.helpers.clock import Clock
from tests.helpers.network import free_port, is_open
from tests.helpers.parent import test_settings
from tests.helpers.school import a_school
from tests.telegram.phone import Person
from tests.telegram.server import BotApi, Fault

ROOT = Path(__file__).parents[2]
TOKEN = "123456:TEST-token_of_35_characters"
PASSWORD = "Soleil&Vert27"


class Site:
    """What an operator's machines see."""

    def __init__(self, port: int, folder: Path, server: BotApi) -> None:
        self.port = port
        self.folder = folder
        self.server = server
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10)

    async def says(self, path: str) -> tuple[int, list[str]]:
        """The status, and what fails."""
        answer = await self.client.get(path)
        said = answer.json()
        assert said["ok"] == (answer.status_code == 200) == (not said["failing"])
        return answer.status_code, said["failing"]

    async def comes_to(self, path: str, expected: tuple[int, list[str]]) -> None:
        """It says so before long."""
        said: object = None
        with suppress(TimeoutError):
            async with asyncio.timeout(15):
                while (said := await self.says(path)) != expected:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        assert said == expected

    async def metrics(self) -> dict[str, float]:
        """Every sample, as `name{label="value"}`."""
        page = (await self.client.get("/metrics")).text
        return {
            name(sample.name, sample.labels): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }

    def database(self) -> sqlite3.Connection:
        """Another process's way into the database."""
        return sqlite3.connect(self.folder / "sesame.sqlite3", isolation_level=None)


def name(sample: str, labels: dict[str, str]) -> str:
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{sample}{{{inside}}}" if inside else sample


@pytest.fixture
async def server() -> AsyncIterator[BotApi]:
    async with BotApi(TOKEN) as running:
        yield running


@asynccontextmanager
async def serving(server: BotApi, folder: Path, **own: object) -> AsyncIterator[Site]:
    port = free_port()
    settings = test_settings(
        folder / "sesame.sqlite3",
        telegram_token=TOKEN,
        telegram_api_url=server.url,
        sms=f"file:{folder / 'sms.jsonl'}",
        listen=f"127.0.0.1:{port}",
        **own,
    )
    async with open_storage(settings) as (database, vault):
        await a_school().fills(database, vault, Clock())
    running = asyncio.create_task(serve(settings))
    site = Site(port, folder, server)
    try:
        async with asyncio.timeout(15):
            while not running.done() and not await is_open(port):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        async with site.client:
            yield site
        assert not running.done(), running.result()
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            await running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@pytest.fixture
async def site(server: BotApi, tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(server, tmp_path) as opened:
        await opened.comes_to("/ready", (200, []))
        yield opened


# ---- pages -----------------------------------------------------------------------------------


async def test_all_is_well(site: Site) -> None:
    assert await site.says("/health") == (200, [])
    assert await site.says("/ready") == (200, [])
    page = await site.client.get("/metrics")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_there_is_nothing_else(site: Site) -> None:
    for path in ("/", "/health/", "/metrics/x", "/docs", "/../.env", "//ready"):
        assert (await site.client.get(path)).status_code == 404, path


FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")


@pytest.mark.parametrize("header", FORWARDED)
async def test_nothing_of_it_is_for_who_comes_by_a_proxy(site: Site, header: str) -> None:
    """The webhook and the password's page share the port with them."""
    for path in ("/metrics", "/health", "/ready"):
        for value in ("203.0.113.7", "127.0.0.1", ""):
            answer = await site.client.get(path, headers={header: value})
            nothing = await site.client.get("/nothing", headers={header: value})
            assert (answer.status_code, answer.content) == (404, nothing.content)
            for told in (answer, nothing):
                told.headers.pop("date")
            assert answer.headers == nothing.headers


@pytest.mark.parametrize(
    ("peer", "near"),
    [
        *(("127.0.0.1", True), ("::1", True), ("10.1.2.3", True), ("192.168.1.9", True)),
        *(("fd00::1", True), ("fe80::1%eth0", True), ("::ffff:10.0.0.1", True)),
        *(("8.8.8.8", False), ("2001:4860:4860::8888", False), ("::ffff:8.8.8.8", False)),
        *(("100.64.0.1", False), ("testclient", False), ("", False)),
    ],
)
def test_who_is_near(peer: str, near: bool) -> None:
    scope = {"type": "http", "headers": [], "client": (peer, 1)}
    assert is_near(Request(scope)) is near
    assert not is_near(Request(scope | {"client": None}))


async def test_it_is_only_for_reading(site: Site) -> None:
    for path in ("/health", "/ready", "/metrics"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert (await site.client.request(method, path)).status_code == 405, (method, path)


async def test_it_says_little_of_itself(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    answer = await site.client.get("/health?token=canary")
    assert "server" not in answer.headers
    with suppress(httpx.NetworkError):  # refused before the whole of it was sent
        assert (await site.client.get("/health", headers={"x": "y" * 200_000})).is_client_error
    assert "canary" not in "".join(capfd.readouterr())


# ---- ready -----------------------------------------------------------------------------------


async def test_not_ready_while_the_database_is_held(site: Site) -> None:
    with closing(site.database()) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await site.says("/ready") == (503, ["database"])
        assert await site.says("/health") == (200, [])
        other.execute("ROLLBACK")
    await site.comes_to("/ready", (200, []))


async def test_not_ready_without_the_database(site: Site) -> None:
    path = site.folder / "sesame.sqlite3"
    path.rename(path.with_name("moved"))
    assert await site.says("/ready") == (503, ["database"])
    assert not path.exists()  # looking makes no new one
    path.with_name("moved").rename(path)
    await site.comes_to("/ready", (200, []))


async def test_not_ready_with_another_schema(site: Site) -> None:
    with closing(site.database()) as other:
        for version in (migrations()[-1][0] + 1, migrations()[-1][0] - 1):
            other.execute(f"PRAGMA user_version = {version}")
            assert await site.says("/ready") == (503, ["schema"])
        other.execute(f"PRAGMA user_version = {migrations()[-1][0]}")
    await site.comes_to("/ready", (200, []))


async def test_not_ready_while_telegram_is_silent(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.web.watch.SILENCE", 0.5)
    site.server.faults = lambda call: Fault(status=502) if call.method == "getUpdates" else None
    marie = site.server.person()
    marie.says("/start")  # ends the poll under way
    await site.comes_to("/ready", (503, ["telegram"]))
    assert await site.says("/health") == (200, [])
    site.server.faults = lambda call: None
    async with asyncio.timeout(30):
        while (await site.says("/ready"))[0] != 200:
            marie.says("/aide")  # a poll with nothing new is held for long
            await asyncio.sleep(0.2)


async def test_not_ready_while_the_outbox_is_stuck(site: Site) -> None:
    marie = site.server.person()
    site.server.fail_next("sendMessage", delay=4)
    marie.says("/start")
    with closing(site.database()) as other:
        late = "UPDATE outbox SET due_at = due_at - ? WHERE status = 'waiting' RETURNING id"
        async with asyncio.timeout(10):
            while not other.execute(late, (0,)).fetchall():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await site.says("/ready") == (200, [])
        other.execute(late, (100,))
        assert await site.says("/ready") == (503, ["outbox"])
        assert (await site.metrics())["sesame_outbox_overdue_seconds"] >= 100
    await site.comes_to("/ready", (200, []))


async def test_alive_but_not_ready_until_telegram_is_there(server: BotApi, tmp_path: Path) -> None:
    server.faults = lambda call: Fault(status=502)
    async with serving(server, tmp_path) as site:
        assert await site.says("/health") == (200, [])
        assert await site.says("/ready") == (503, ["outbox", "telegram"])
        assert "sesame_telegram_silence_seconds" not in await site.metrics()
        server.faults = lambda call: None
        await site.comes_to("/ready", (200, []))


async def test_ready_when_telegram_has_the_webhook(
    server: BotApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It says why it has not; and where another program takes it away it is set again."""
    monkeypatch.setattr("bot.telegram.webhook.LOOK_EVERY", 0.05)
    url, refusal = "https://sesame.example/hook", "Bad Request: bad webhook: failed to resolve host"
    server.faults = lambda call: (
        Fault(status=400, description=refusal) if call.method == "setWebhook" else None
    )
    async with serving(server, tmp_path, webhook_url=url) as site:
        assert await server.until(lambda: len(server.calls_of("setWebhook")) > 1)
        assert await site.says("/ready") == (503, ["telegram"])
        assert "webhook_refused why=Bad webhook: failed to resolve host" in caplog.text
        server.faults = lambda call: None
        await site.comes_to("/ready", (200, []))
        assert server.webhook["url"] == url
        server.webhook = {}
        assert await server.until(lambda: bool(server.webhook))
        assert "webhook_lost" in caplog.text
        server.person().says("/start")
        await server.push(f"http://127.0.0.1:{site.port}/wrong")
        before = len(server.calls_of("getWebhookInfo"))
        assert await server.until(lambda: len(server.calls_of("getWebhookInfo")) > before + 1)
        unreached = "webhook_not_reached why=Wrong response from the webhook: 404 Not Found"
        assert unreached in caplog.text
        assert await server.push(f"http://127.0.0.1:{site.port}/hook") == [200]


# ---- health ----------------------------------------------------------------------------------


async def test_not_alive_without_its_loop(site: Site) -> None:
    [waking] = [task for task in asyncio.all_tasks() if task.get_name() == "waking"]
    waking.cancel()
    await site.comes_to("/health", (503, ["waking"]))


# ---- metrics ---------------------------------------------------------------------------------


async def hears(person: Person, words: str) -> None:
    while words not in (await person.hears(20)).text:
        pass


async def test_metrics_are_what_happened(site: Site) -> None:
    marie, paul = site.server.person(), site.server.person(phone="33751234599")
    for person in (marie, paul):
        for text in ("/start", "parent", "1", "1234", "Dupont", "Marie", "01 42 68 53 00"):
            person.says(text)
        await hears(person, "fixe")
    marie.says("06 12 34 56 78")
    paul.says("07 51 23 45 99")  # nobody has it: no SMS
    for person in (marie, paul):
        person.says("oui")
        await hears(person, "Étape 3")
    sms = site.folder / "sms.jsonl"
    async with asyncio.timeout(10):
        while not sms.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    code = sms.read_text("utf-8").partition('"text": "')[2][:6]
    paul.says(code)
    await hears(paul, "essai")
    for text in (code, PASSWORD, PASSWORD, "oui 15/03/2014"):
        marie.says(text)
    await hears(marie, "essai")
    marie.says("14/03/2014")
    marie.says("activer")
    await hears(marie, "m.dupont")
    assert await site.server.until(lambda: not site.server.pending)
    site.server.redeliver(site.server.last_update_id)
    async with asyncio.timeout(10):
        seen = await site.metrics()
        while turn("unknown", "duplicate") not in seen or seen["sesame_outbox_waiting"]:
            await asyncio.sleep(0.02)
            seen = await site.metrics()
        seen = await site.metrics()  # what the outbox has noted is counted by now

    refused = {key: value for key, value in seen.items() if "refusals_total" in key and value}
    assert refused == {
        'sesame_refusals_total{cause="name_missing"}': 2,
        'sesame_refusals_total{cause="phone_landline"}': 2,
        'sesame_refusals_total{cause="code_wrong"}': 1,
        'sesame_refusals_total{cause="birthdate_wrong"}': 1,
    }
    turns = {key: value for key, value in seen.items() if "turns_total" in key}
    assert turns == {
        turn("start", "answered"): 2,
        turn("profile", "answered"): 2,
        turn("menu", "answered"): 2,
        turn("last_name", "answered"): 2,
        turn("last_name", "refused"): 2,
        turn("first_name", "answered"): 2,
        turn("phone", "answered"): 2,
        turn("phone", "refused"): 2,
        turn("check", "answered"): 2,
        turn("code", "answered"): 1,
        turn("code", "refused"): 1,
        turn("password", "answered"): 1,
        turn("password_again", "answered"): 1,
        turn("child", "refused"): 1,
        turn("birthdate", "answered"): 1,
        turn("recap", "answered"): 1,
        turn("unknown", "duplicate"): 1,
    }
    told = sum(turns.values()) - 1
    assert seen["sesame_turn_seconds_count"] == told
    assert seen['sesame_replies_total{status="sent"}'] == told
    assert seen['sesame_erasures_total{status="sent"}'] == 2
    sms_by_status = {key: value for key, value in seen.items() if "sms_total" in key}
    assert sms_by_status == {
        'sesame_sms_total{status="sent"}': 1,
        'sesame_sms_total{status="silent"}': 1,
        'sesame_sms_total{status="refused"}': 0,
        'sesame_sms_total{status="unclear"}': 0,
        'sesame_sms_total{status="expired"}': 0,
    }
    assert seen["sesame_password_hash_seconds_count"] == 2
    assert seen["sesame_accounts"] == 1
    assert seen['sesame_conversations{state="done"}'] == 1
    assert seen['sesame_conversations{state="code"}'] == 1
    assert seen["sesame_sms_budget_used"] == 1 / 200
    assert seen["sesame_locks_total"] == seen["sesame_chats_locked"] == 0
    assert seen["sesame_outbox_waiting"] == seen["sesame_outbox_age_seconds"] == 0
    assert seen["sesame_database_errors_total"] == 0
    assert 0 <= seen["sesame_telegram_silence_seconds"] < 60
    page = (await site.client.get("/metrics")).text
    for secret in ("Dupont", "612345678", code, "m.dupont", str(marie.user["id"])):
        assert f'"{secret}' not in page


def turn(state: str, outcome: str) -> str:
    return name("sesame_turns_total", {"outcome": outcome, "state": state})


async def test_metrics_without_the_database(site: Site) -> None:
    """What is counted here is told; what only the database knows is left out, not made up."""
    path = site.folder / "sesame.sqlite3"
    assert "sesame_accounts" in await site.metrics()
    path.rename(path.with_name("moved"))
    seen = await site.metrics()
    assert seen["sesame_locks_total"] == 0
    asked = ("sesame_accounts", "sesame_conversations", "sesame_outbox", "sesame_sms_budget")
    assert not [key for key in seen if key.startswith(asked)]


async def test_our_own_mistake_tells_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistake(*_: object) -> None:
        raise KeyError("canary")

    monkeypatch.setattr("bot.web.watch.count", mistake)
    answer = await site.client.get("/metrics")
    assert (answer.status_code, answer.content) == (500, b"")
    ours = [record for record in caplog.records if record.name == "sesame.web"]
    assert [record.getMessage()[:36] for record in ours] == ["page_failed kind=KeyError place=test"]
    asyncio.get_running_loop().call_soon(mistake)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert "task_failed kind=KeyError place=test_web.py:" in caplog.text
    assert "canary" not in "".join(r.getMessage() for r in caplog.records if "uvi" not in r.name)


# ---- start -----------------------------------------------------------------------------------


async def test_a_busy_address_is_one_line(server: BotApi, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        settings = test_settings(
            tmp_path / "sesame.sqlite3",
            telegram_token=TOKEN,
            telegram_api_url=server.url,
            sms="console:",
            listen=address,
        )
        with pytest.raises(BadSetting, match=f"SESAME_LISTEN: {address} cannot be had: Addr"):
            await serve(settings)
        end = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "bot", "serve"],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "SESAME_TELEGRAM_TOKEN": TOKEN,
                "SESAME_TELEGRAM_API_URL": server.url,
                "SESAME_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'other.sqlite3'}",
                "SESAME_SMS": "console:",
                "SESAME_LISTEN": address,
            },
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert (end.returncode, end.stdout) == (1, b"")
    [line] = end.stderr.decode().splitlines()
    assert line.startswith("sesame: SESAME_LISTEN: ")


def test_nothing_of_it_is_loaded_where_it_is_not_wanted(tmp_path: Path) -> None:
    """The first prompt of `sesame chat` comes at once; so does a `serve` that nobody watches."""
    script = """
import sys
import bot.chat, bot.serve
print(*{"uvicorn", "starlette", "prometheus_client"} & set(sys.modules))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    loaded = subprocess.check_output([sys.executable, "-c", script], env=environment, cwd=tmp_path)
    assert loaded.strip() == b""


async def test_it_stops_with_the_service(server: BotApi, tmp_path: Path) -> None:
    async with serving(server, tmp_path) as site:
        assert await is_open(site.port)
    assert not await is_open(site.port)
