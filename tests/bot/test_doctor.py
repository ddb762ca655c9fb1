"""`sesame doctor`: each fault is made for real, and named with what to do about it."""

import asyncio
import json
import os
import socket
import sqlite3
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import trustme
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from telegram import Bot

import locales
from bot import doctor
from bot.app import open_storage
from bot.checks import Case, Finding, doors
from bot.checks.machine import MB, TOLERANCE
from bot.doctor import examine
from bot.settings import BadSetting, Settings
from bot.web.certificate import read_tls
from bot.web.password import Door
from bot.web.password import routes as page_routes
from bot.web.server import application, listening
from bot.web.watch import Watch
from bot.web.watch import routes as watch_routes
from flows.secret import Secret
from storage import postgresql, sqlite
from storage.backups import backups_of, write_backup
from storage.database import migrations
from storage.vault import Vault, VaultError
from tests.bot.test_command_line import REGISTER, TOKEN, Run, _machine, database, telegram
from tests.bot.test_command_line import run as command
from tests.conversations.roads import CODE_OF_MARIE
from tests.helpers.dialogue import Dialogue
from tests.helpers.network import free_port
from tests.helpers.parent import SECRET, core_parent, test_settings
from tests.helpers.school import a_school
from tests.servers.mail import PASSWORD, USER, PostOffice
from tests.telegram.server import BotApi

if TYPE_CHECKING:
    from tests.helpers.postgres import Postgres

__all__ = ["_machine", "command", "database", "telegram"]  # the machine on which it runs

ALL = ["database", "register", "audit", "secret", "disk", "clock", "sms", "accounts", "telegram"]
UPGRADES = Path(__file__).parents[1] / "upgrade"

Findings = dict[str, tuple[bool, str]]


async def examined(run: Run, telegram: BotApi, **own: str) -> tuple[int, Findings]:
    """Its exit status, and what each check found."""
    healthy = {
        "SESAME_TELEGRAM_TOKEN": telegram.token,
        "SESAME_TELEGRAM_API_URL": telegram.url,
        "SESAME_SMS": "console:",
        "LC_ALL": "en",
    }
    result = await asyncio.to_thread(run, "doctor", "--json", **{**healthy, **own})
    assert result.stderr == ""
    assert "Traceback" not in result.stdout
    for hidden in (TOKEN, SECRET):
        assert hidden not in result.stdout
    [line] = result.stdout.splitlines()
    found = json.loads(line)
    assert all(list(finding) == ["check", "ok", "line"] for finding in found)
    assert all("\n" not in finding["line"] for finding in found)
    checks = [finding["check"] for finding in found]
    assert len(set(checks)) == len(checks)
    assert result.exit_code == (0 if all(finding["ok"] for finding in found) else 1)
    return result.exit_code, {each["check"]: (each["ok"], each["line"]) for each in found}


def bad(found: Findings) -> dict[str, str]:
    """What is to be done."""
    return {check: line for check, (ok, line) in found.items() if not ok}


def says(key: str, **facts: object) -> str:
    return locales.say(f"doctor.{key}", "en", facts)


@pytest.fixture
async def register(database: Path) -> None:
    async with core_parent(database, a_school()) as parent:
        await Dialogue(parent, "fr").follows(*CODE_OF_MARIE)


# ---- all is well -----------------------------------------------------------------------------


@pytest.mark.usefixtures("register")
async def test_a_healthy_machine(command: Run, telegram: BotApi) -> None:
    status, found = await examined(command, telegram)
    assert (status, bad(found)) == (0, {})
    assert list(found) == ALL
    assert found["register"][1] == says("register", n=8)
    assert found["secret"][1] == says("secret_set")
    assert found["sms"][1] == says("sms", url="console")
    assert found["telegram"][1] == says("telegram", name="@sesame_test_bot")
    assert found["database"][1] == says("database", version=migrations()[-1][0])


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize("lang", locales.LANGUAGES)
async def test_for_a_person(command: Run, telegram: BotApi, lang: str) -> None:
    own = {"SESAME_TELEGRAM_TOKEN": TOKEN, "SESAME_TELEGRAM_API_URL": telegram.url, "LC_ALL": lang}
    result = await asyncio.to_thread(command, "doctor", **own)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line[0] for line in lines] == [*"✓✓✓✓✓✓", "✗", "✓", "✓"]
    assert lines[1] == "✓ " + locales.say("doctor.register", lang, {"n": 8})
    assert lines[6] == "✗ " + locales.say("setting.sms_unset", lang)


async def test_everything_is_missing(command: Run, telegram: BotApi) -> None:
    nothing = {"SESAME_SMS": "", "SESAME_TELEGRAM_TOKEN": ""}
    status, found = await examined(command, telegram, **nothing)
    assert status == 1
    assert set(bad(found)) == {"database", "sms", "telegram"}
    assert found["database"][1].startswith("There is no database yet: ")


async def test_nothing_is_made_by_looking(
    command: Run, telegram: BotApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SESAME_SECRET")
    before = sorted(tmp_path.iterdir())
    files = {
        "SESAME_SMS": f"file:{tmp_path}/sms.jsonl",
        "SESAME_EMAIL": f"file:{tmp_path}/mails.jsonl",
        "SESAME_EMAIL_FROM": "sesame@ecole.example",
    }
    _, found = await examined(command, telegram, **files)
    assert sorted(tmp_path.iterdir()) == before
    assert found["secret"][0]
    assert found["sms"][0]


async def test_a_setting_that_cannot_be_read_is_told_to_a_program_too(
    command: Run, telegram: BotApi
) -> None:
    _, found = await examined(command, telegram, SESAME_CODE_TRIES="zebra")
    assert list(found) == ["settings"]
    assert bad(found)["settings"].startswith("SESAME_CODE_TRIES: ")
    assert "zebra" not in found["settings"][1]


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize(
    ("setting", "value", "check", "named"),
    [
        ("SESAME_SMS", "", "sms", "SESAME_SMS is not set"),
        ("SESAME_SMS", "pigeon:", "sms", "SESAME_SMS: "),
        ("SESAME_TELEGRAM_TOKEN", "", "telegram", "SESAME_TELEGRAM_TOKEN is missing"),
        ("SESAME_TELEGRAM_TOKEN", "123456:zebra", "telegram", "Telegram does not know SESAME_TEL"),
        ("SESAME_TELEGRAM_TOKEN", "zebra", "telegram", "Telegram does not know SESAME_TEL"),
    ],
)
async def test_what_is_missing(
    command: Run, telegram: BotApi, setting: str, value: str, check: str, named: str
) -> None:
    """One thing is wrong, and exactly that is said."""
    _, found = await examined(command, telegram, **{setting: value})
    assert list(bad(found)) == [check]
    assert found[check][1].startswith(named)
    assert "zebra" not in found[check][1]


# ---- the database ----------------------------------------------------------------------------


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("mysql://u:zebra@h/d", "SESAME_DATABASE_URL: "),
        ("sqlite+aiosqlite:///text", "The file is not a database"),
        ("sqlite+aiosqlite:///.", "The database file cannot be opened"),
        ("sqlite+aiosqlite:///new", "There is no database yet"),
        ("sqlite+aiosqlite:///empty", "The database is empty"),
    ],
)
async def test_a_database_that_is_not_there(
    command: Run, telegram: BotApi, tmp_path: Path, value: str, named: str
) -> None:
    (tmp_path / "text").write_text("not a database " * 100)
    (tmp_path / "empty").touch()
    _, found = await examined(command, telegram, SESAME_DATABASE_URL=value)
    assert found["database"][1].startswith(named)
    assert "zebra" not in str(found)
    assert {"clock", "sms", "telegram"}.isdisjoint(bad(found))


async def test_an_older_schema_is_told_and_left_alone(
    command: Run, telegram: BotApi, database: Path
) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript((UPGRADES / "0002.sql").read_text("utf-8"))
        connection.execute("PRAGMA user_version = 2")
        connection.execute("PRAGMA journal_mode = WAL")
    before = database.read_bytes()
    _, found = await examined(command, telegram)
    facts = {"there": 2, "wanted": migrations()[-1][0]}
    assert bad(found) == {"database": says("schema_older", **facts)}
    assert database.read_bytes() == before
    assert backups_of(database) == []
    assert "register" not in found  # this version may not know how to count it


@pytest.mark.usefixtures("register")
async def test_a_newer_schema(command: Run, telegram: BotApi, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 9999")
    _, found = await examined(command, telegram)
    assert bad(found) == {"database": says("schema_newer")}


@pytest.mark.usefixtures("register")
async def test_a_damaged_database(command: Run, telegram: BotApi, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        [root] = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'outbox'"
        ).fetchone()
    content = bytearray(database.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    database.write_bytes(content)
    _, found = await examined(command, telegram)
    damaged = "The database file is damaged: restore it from a backup."
    assert bad(found) == {"database": damaged}


@pytest.mark.usefixtures("register")
async def test_a_database_that_another_one_holds(
    command: Run, telegram: BotApi, database: Path
) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        _, found = await examined(command, telegram)
    assert bad(found) == {"database": "The database is in use by another process; try again."}


@pytest.mark.usefixtures("register")
async def test_whoever_loses_patience_does_not_wait(
    telegram: BotApi, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that takes minutes to read holds nobody up."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE much (x)")
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)"
        connection.execute(f"INSERT INTO much {numbers} SELECT randomblob(60) FROM n")
        connection.execute("CREATE INDEX more ON much (x)")
        connection.commit()
    check, _ = doctor.CHECKS["database"]
    monkeypatch.setitem(doctor.CHECKS, "database", (check, 0.05))
    began = asyncio.get_running_loop().time()
    found = await _looked(test_settings(database), "database")
    assert found == [Finding("database", False, says("slow", check="database", n=0))]
    assert asyncio.get_running_loop().time() - began < 0.5


async def _looked(settings: Settings, name: str) -> list[Finding]:
    check, seconds = doctor.CHECKS[name]
    return await doctor._look(Case(settings, "en"), name, check, seconds)


def _postgres_settings(url: str, telegram: BotApi, **own: Any) -> Settings:
    return test_settings(
        url,
        telegram_token=telegram.token,
        telegram_api_url=telegram.url,
        sms="console:",
        **own,
    )


async def _on_postgres(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> dict[str, tuple[bool, str]]:
    await examine(settings, "en", as_json=True)
    found = json.loads(capsys.readouterr().out)
    return {each["check"]: (each["ok"], each["line"]) for each in found}


async def test_postgresql_is_well(
    postgres: "Postgres", telegram: BotApi, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.with_school(a_school())
    found = await _on_postgres(_postgres_settings(url, telegram), capsys)
    assert bad(found) == {}
    assert list(found) == [check for check in ALL if check != "disk"]  # it is the server's
    assert found["register"][1] == says("register", n=8)


async def test_postgresql_is_not_reached(
    postgres: "Postgres", telegram: BotApi, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each fault in its own words; the password is in none of them."""
    port = free_port()
    whole = postgres.with_school(a_school())
    where = f"?host={postgres.socket}"
    urls = {
        f"postgresql://sesame:zebra@127.0.0.1:{port}/sesame": says("why_port_closed"),
        f"postgresql://nobody:zebra@/postgres{where}": "does not let us in",
        f"postgresql://postgres:zebra@/nothing{where}": "no such database",
    }
    for url, words in urls.items():
        found = await _on_postgres(_postgres_settings(url, telegram), capsys)
        assert list(bad(found)) == ["database"], url
        assert words in found["database"][1]
        assert "zebra" not in str(found)
    assert bad(await _on_postgres(_postgres_settings(whole, telegram), capsys)) == {}


@pytest.mark.parametrize("lang", locales.LANGUAGES)
async def test_postgresql_and_tls(
    command: Run, telegram: BotApi, site: "Site", tmp_path: Path, lang: str
) -> None:
    """A server that has none, one that another authority vouches for, and one of another name."""

    async def told(query: str, name: str | None) -> str:
        certificate = name and site.authority.issue_cert(name)
        async with _greeting(certificate) as port:
            url = f"postgresql+asyncpg://u:zebra@localhost:{port}/d?{query}"
            _, found = await examined(command, telegram, SESAME_DATABASE_URL=url, LC_ALL=lang)
        assert list(bad(found)) == ["database"]
        assert "zebra" not in found["database"][1]
        return found["database"][1]

    def unreached(why: str) -> str:
        why = locales.say(f"doctor.why_{why}", lang)
        return locales.say("doctor.database_not_reached", lang, {"why": why})

    trusts = f"sslmode=verify-full&sslrootcert={tmp_path}/authority.pem"
    assert await told(trusts, None) == locales.say("fault.database_no_tls", lang)
    assert await told(trusts, "other.example") == unreached("certificate_name")
    trustme.CA().cert_pem.write_to_path(tmp_path / "authority.pem")
    assert await told(trusts, "localhost") == unreached("certificate_chain")
    assert "root certificate" in await told("sslmode=verify-full", "localhost")


@asynccontextmanager
async def _greeting(certificate: "trustme.LeafCert | str | None") -> AsyncIterator[int]:
    """What answers PostgreSQL's SSLRequest (its manual, 54.2.11) and says no more: its port."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        if isinstance(certificate, trustme.LeafCert):
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(tls)
            writer.write(b"S")
            with suppress(OSError):
                await writer.start_tls(tls)
        else:
            writer.write(b"N")
        writer.close()

    server = await asyncio.start_server(greet, "localhost")
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_postgresql_of_another_schema(
    postgres: "Postgres", telegram: BotApi, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = postgres.empty()
    found = await _on_postgres(_postgres_settings(empty, telegram), capsys)
    assert bad(found) == {"database": says("database_empty")}
    assert postgres.says("SELECT to_regclass('canary')", _name(empty)) == [(None,)]
    whole, newest = postgres.with_school(a_school()), migrations()[-1][0]
    versions = {newest - 1: "schema_older_server", newest + 1: "schema_newer"}
    for version, key in versions.items():
        postgres.says(f"UPDATE schema_version SET version = {version}", _name(whole))
        found = await _on_postgres(_postgres_settings(whole, telegram), capsys)
        assert bad(found) == {"database": says(key, there=version, wanted=newest)}
    assert postgres.says("SELECT version FROM schema_version", _name(whole)) == [(newest + 1,)]


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def test_every_fault_is_told_in_both_languages() -> None:
    """What the database says in English is a text of the catalogues, word by word; and no other."""
    faults = [*sqlite._FAULTS.values(), *postgresql._FAULTS.values()]
    lines = {str(fault) for fault in faults}
    with pytest.raises(VaultError) as sealed:
        Vault(Secret(SECRET)).open(b"x" * 40, "nowhere")
    lines |= {str(sealed.value), postgresql._NO_TLS}
    known = {key: say for key, (say, *_) in locales._catalogue("en").texts.items()}
    assert lines == {say for key, say in known.items() if key.startswith("fault.")}
    for line in lines:
        assert locales.translated(line, "en") == line
        assert locales.translated(line, "fr") != line
    assert locales.translated("Anything else.", "fr") == "Anything else."


SETTINGS: dict[str, dict[str, str]] = {
    "sms_unset": {"SESAME_SMS": ""},
    "sms_unknown": {"SESAME_SMS": "pigeon:"},
    "sms_url": {"SESAME_SMS": "kannel://u:zeb/ra@127.0.0.1"},
    "email_unknown": {"SESAME_EMAIL": "pigeon:"},
    "email_url": {"SESAME_EMAIL": "smtps://u:zeb/ra@mail.ecole.example"},
    "email_clear": {"SESAME_EMAIL": "smtp://u:zebra@mail.ecole.example"},
    "email_from_unset": {"SESAME_EMAIL": "smtps://mail.ecole.example", "SESAME_EMAIL_FROM": ""},
    "accounts_unknown": {"SESAME_ACCOUNTS": "pigeon:"},
    "accounts_url": {"SESAME_ACCOUNTS": "scim+https://u:zeb[ra@127.0.0.1/scim/v2"},
    "database_unknown": {"SESAME_DATABASE_URL": "mysql://u:zebra@127.0.0.1/sesame"},
    "database_url": {"SESAME_DATABASE_URL": "postgresql+asyncpg://u:zeb/ra@127.0.0.1/sesame"},
    "database_authority": {
        "SESAME_DATABASE_URL": "postgresql+asyncpg://u:zebra@127.0.0.1/d?sslrootcert=/nowhere.pem",
    },
    "secret_unset": {
        "SESAME_SECRET": "",
        "SESAME_DATABASE_URL": "postgresql+asyncpg://u:zebra@127.0.0.1:1/sesame",
    },
}
"""What is written wrong, by the key of what is said of it."""


@pytest.mark.parametrize("key", SETTINGS)
async def test_a_setting_that_is_wrong_is_told_in_both_languages(
    key: str, command: Run, telegram: BotApi
) -> None:
    own = {"SESAME_EMAIL_FROM": "sesame@ecole.example", **SETTINGS[key]}
    for lang in locales.LANGUAGES:
        _, found = await examined(command, telegram, **own, LC_ALL=lang)
        lines = list(bad(found).values())
        assert lines.count(locales.say(f"setting.{key}", lang)) == 1  # of several checks only one
        assert "zeb" not in str(lines)


def test_these_are_all_settings_that_are_told_in_both_languages() -> None:
    keys = locales._catalogue("en").texts
    assert {f"setting.{key}" for key in SETTINGS} == {one for one in keys if "setting." in one}


@pytest.mark.parametrize("secret", ["ze/bra", "ze#bra", "ze?bra", "ze@bra", "ze[bra", "12/bra"])
def test_a_password_in_a_url_of_postgresql_must_be_encoded(secret: str) -> None:
    wrong = test_settings(f"postgresql://sesame:{secret}@127.0.0.1:5432/sesame")
    with pytest.raises(BadSetting, match="the URL cannot be read") as told:
        _ = wrong.database
    assert "bra" not in str(told.value)


@pytest.mark.parametrize(
    "place",
    [
        "sesame:ze%2Fbra@127.0.0.1:5432/sesame?sslmode=verify-full",
        "sesame@/sesame?host=/run/postgresql",
        "/sesame",
        "%2Frun%2Fpostgresql/sesame",
        "sesame:zebra@[::1]:5432/sesame",
        "sesame:zebra@one.example:5432,two.example:5433/sesame",
    ],
)
def test_urls_of_postgresql_that_can_be_read(place: str) -> None:
    url = test_settings(f"postgresql://{place}").database
    assert str(url).startswith(f"postgresql://{place.partition('?')[0]}")


# ---- the secret, the register, the audit record ------------------------------------------------


async def test_a_secret_beside_the_database_is_told(
    command: Run, telegram: BotApi, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SESAME_SECRET")
    result = await asyncio.to_thread(command, "import", REGISTER)
    assert result.exit_code == 0
    status, found = await examined(command, telegram)
    assert status == 0
    assert found["secret"][1] == says("secret_beside")
    own = database.with_name("sesame.sqlite3.secret")
    own.chmod(0o644)
    _, found = await examined(command, telegram)
    assert bad(found) == {"secret": says("secret_open", file=str(own))}
    own.unlink()
    _, found = await examined(command, telegram)
    assert bad(found) == {"secret": says("secret_missing", file=str(own))}
    assert not own.exists()


@pytest.mark.usefixtures("register")
async def test_another_secret(command: Run, telegram: BotApi) -> None:
    _, found = await examined(command, telegram, SESAME_SECRET="z" * 40)
    assert list(bad(found)) == ["secret"]
    assert found["secret"][1].startswith("The stored data does not open")


async def test_an_empty_register(command: Run, telegram: BotApi, database: Path) -> None:
    async with open_storage(test_settings(database)):
        pass
    _, found = await examined(command, telegram)
    assert bad(found) == {"register": says("register_empty", n=0)}


@pytest.mark.usefixtures("register")
async def test_a_chat_that_was_altered(command: Run, telegram: BotApi, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE chats SET record = zeroblob(length(record))")
        connection.commit()
    _, found = await examined(command, telegram)
    assert list(bad(found)) == ["secret"]
    assert found["secret"][1].startswith("The stored data does not open")


@pytest.mark.usefixtures("register")
async def test_an_audit_record_that_was_altered(
    command: Run, telegram: BotApi, database: Path
) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE audit SET actor = 'operator:nobody'")
        connection.commit()
    _, found = await examined(command, telegram)
    assert bad(found) == {"audit": says("audit_altered", n=1)}


@pytest.mark.usefixtures("register")
async def test_a_key_that_lies_with_the_backups(
    command: Run, telegram: BotApi, database: Path
) -> None:
    write_backup(database, 1)
    key = backups_of(database)[0].with_name("sesame.sqlite3.secret")
    key.write_text("x" * 64)
    _, found = await examined(command, telegram)
    assert bad(found) == {"secret": says("secret_in_backups")}


# ---- the disk --------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of this size, where root may make one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root may mount a small disk, and not in every container")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.usefixtures("register")
async def test_a_disk_with_little_room(
    command: Run, telegram: BotApi, database: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "small", "100M") as folder:
        (folder / database.name).write_bytes(database.read_bytes())
        url = f"sqlite+aiosqlite:///{folder}/{database.name}"
        _, found = await examined(command, telegram, SESAME_DATABASE_URL=url)
        assert list(bad(found)) == ["disk"]
        assert found["disk"][1].startswith("Disk: 10")
        assert found["disk"][1].endswith(f"MB free for {folder}, and 200 are needed: make room.")


@pytest.mark.usefixtures("register")
async def test_a_small_disk_for_the_copies(
    telegram: BotApi, database: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "backups", "10M") as folder:
        found = await _looked(test_settings(database), "disk")
        assert [finding.ok for finding in found] == [True, False]
        assert str(folder) in found[1].line


@pytest.mark.usefixtures("register")
async def test_an_upgrade_needs_a_copy(database: Path) -> None:
    """The larger the file, the more room is wanted: twice its size, and a reserve."""
    os.truncate(database, 10**12)  # of holes
    [found] = await _looked(test_settings(database), "disk")
    assert not found.ok
    assert f"{2 * 10**12 // MB + 200:,} are needed" in found.line


# ---- the clock -------------------------------------------------------------------------------


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize(
    ("seconds", "key"),
    [
        (0, None),
        (TOLERANCE - 5, None),
        (5 - TOLERANCE, None),
        (TOLERANCE + 5, "clock_slow"),
        (-TOLERANCE - 5, "clock_fast"),
        (86400 * 365, "clock_slow"),
    ],
)
async def test_the_clock(command: Run, seconds: int, key: str | None) -> None:
    """Telegram's is so many seconds ahead."""
    off = timedelta(seconds=seconds)
    async with BotApi(token=TOKEN, now=lambda: datetime.now(UTC) + off) as telegram:
        _, found = await examined(command, telegram)
    assert list(bad(found)) == ([] if key is None else ["clock"])
    words = {"clock_slow": "seconds slow", "clock_fast": "seconds fast", None: "is right"}[key]
    assert words in found["clock"][1]
    near = [f"{abs(seconds) + shift:,} second" for shift in (-1, 0, 1)]
    assert any(number in found["clock"][1] for number in near)


# ---- Telegram --------------------------------------------------------------------------------


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 502}, {"drop": True}])
async def test_telegram_is_ill(command: Run, telegram: BotApi, fault: dict[str, int]) -> None:
    telegram.fail_next("getMe", **fault)  # type: ignore[arg-type]
    _, found = await examined(command, telegram)
    assert list(bad(found)) == ["telegram"]
    assert found["telegram"][1].startswith("Telegram is not reached: ")


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """A machine that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_why_telegram_is_not_reached(command: Run, telegram: BotApi) -> None:
    port = free_port()
    async with silent() as nobody:
        urls = {
            f"http://127.0.0.1:{port}": "why_port_closed",
            f"https://127.0.0.1:{telegram.url.rpartition(':')[2]}": "why_no_https",
            "https://no-such-name.invalid": "why_no_name",
            nobody: "why_slow",
            nobody.replace("http:", "https:"): "why_slow",
        }
        for url, key in urls.items():
            _, found = await examined(command, telegram, SESAME_TELEGRAM_API_URL=url)
            assert found["telegram"][1] == says("telegram_silent", why=says(key)), url
            assert found["clock"][1] == says("clock_unknown")
    _, found = await examined(command, telegram, SESAME_TELEGRAM_API_URL="zebra")
    assert not found["telegram"][0]


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize("lang", locales.LANGUAGES)
async def test_a_webhook_that_telegram_reaches_or_not(
    command: Run, telegram: BotApi, lang: str
) -> None:
    url = "https://sesame.example/hook"
    own = {"SESAME_WEBHOOK_URL": url, "SESAME_LISTEN": "127.0.0.1:8080", "LC_ALL": lang}
    _, found = await examined(command, telegram, **own)
    assert bad(found) == {"webhook": locales.say("doctor.webhook_not_set", lang, {"url": url})}
    async with Bot(telegram.token, base_url=f"{telegram.url}/bot") as bot:
        await bot.set_webhook(url, allowed_updates=["message"])
        _, found = await examined(command, telegram, **own)
        assert bad(found) == {}
        assert found["webhook"][1] == locales.say("doctor.webhook", lang, {"url": url, "n": 0})
        telegram.person().says("hello")
        await telegram.push("http://127.0.0.1:1/hook")
        _, found = await examined(command, telegram, **own)
        [line] = bad(found).values()
        assert url in line
        assert "All connection attempts failed" in line
        assert "1 message" in line


class Site:
    """A machine on which the public page is, with the certificates of an authority of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(folder / "authority.pem")
        self.port = free_port()

    @property
    def trusted(self) -> dict[str, str]:
        """What makes this machine trust the authority."""
        return {
            "SSL_CERT_FILE": str(self.folder / "authority.pem"),
            "SESAME_PUBLIC_URL": f"https://localhost:{self.port}",
        }

    @asynccontextmanager
    async def answers(
        self, days: float = 90, since: float = -1, name: str = "localhost", ours: bool = True
    ) -> AsyncIterator[None]:
        now = datetime.now(UTC)
        certificate = self.authority.issue_cert(
            name,
            not_before=now + timedelta(days=since),
            not_after=now + timedelta(days=days, minutes=5),
        )
        certificate.private_key_and_cert_chain_pem.write_to_path(self.folder / "site.pem")
        files = {"tls_certificate": self.folder / "site.pem", "tls_key": self.folder / "site.pem"}
        tls = read_tls(test_settings(self.folder / "db", **files))
        pages = page_routes(Door(TOKEN, 12)) if ours else watch_routes(Watch(self.folder / "db"))
        async with listening(f"127.0.0.1:{self.port}", application(pages), tls):
            yield


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# ---- the doors that providers are behind -----------------------------------------------------


@asynccontextmanager
async def provider(status: int, answer: object = None) -> AsyncIterator[str]:
    """A machine that answers every question like this: its host and port."""

    async def told(_request: Request) -> Response:
        return JSONResponse(answer, status)

    port = free_port()
    pages = [Route("/{path:path}", told, methods=["GET", "POST"])]
    async with listening(f"127.0.0.1:{port}", application(pages)):
        yield f"127.0.0.1:{port}"


@pytest.mark.usefixtures("register")
async def test_senders_of_sms(command: Run, telegram: BotApi, site: Site, tmp_path: Path) -> None:
    """Of each what is wrong with it; the password is in no line."""
    closed = free_port()
    async with provider(403) as stranger, provider(500) as ill, site.answers():
        senders = {
            f"kannel://u:zebra@127.0.0.1:{closed}": says("why_port_closed"),
            f"kannel://u:zebra@{stranger}": says("sms_account", name="kannel"),
            f"kannel://u:zebra@{ill}": "answers 500",
            f"kannel://u:zebra@localhost:{site.port}?tls=yes": says("why_certificate_chain"),
            "kannel://u:zebra@no-such-name.invalid": says("why_no_name"),
            f"smpp://u:zebra@127.0.0.1:{closed}": says("why_port_closed"),
            f"file:{tmp_path}": "the file cannot be written",
        }
        for url, words in senders.items():
            _, found = await examined(command, telegram, SESAME_SMS=url)
            assert list(bad(found)) == ["sms"], url
            assert words in found["sms"][1], url
            assert "zebra" not in found["sms"][1]
    for credit, key in ((12.5, "sms_credit"), (0, "sms_no_credit"), (-0.5, "sms_no_credit")):
        async with provider(200, {"plan": [{"type": "sms", "credits": credit}]}) as good:
            own = {"SESAME_SMS": f"brevo://:zebra@{good}?tls=no"}
            _, found = await examined(command, telegram, **own)
            told = says(key, url="brevo", credit=str(credit))
            assert found["sms"] == (key == "sms_credit", told)


@pytest.mark.usefixtures("register")
async def test_several_senders_have_a_line_each(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that is silent hides no other."""
    monkeypatch.setattr(doors, "PATIENCE", 0.5)
    async with silent() as nobody:
        urls = f"console: kannel://u:p@{nobody.removeprefix('http://')} file:/nowhere/at/all"
        found = await _looked(test_settings(database, sms=urls), "sms")
    assert [finding.ok for finding in found] == [True, False, False]
    assert found[1].line == says("sms_not_reached", name="kannel", why=says("why_slow"))


@pytest.mark.usefixtures("register")
async def test_an_account_service_that_is_silent(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "PATIENCE", 0.5)
    async with silent() as nobody:
        url = f"scim+http://:zebra@{nobody.removeprefix('http://')}/scim/v2"
        [found] = await _looked(test_settings(database, accounts=url), "accounts")
    assert not found.ok
    assert found.line == says("accounts_not_reached", name="127.0.0.1", why=says("why_slow"))


@pytest.mark.usefixtures("register")
async def test_the_account_service(command: Run, telegram: BotApi, site: Site) -> None:
    closed = free_port()
    async with provider(401) as stranger, site.answers():
        services = {
            f"scim+http://:zebra@127.0.0.1:{closed}/scim/v2": says("why_port_closed"),
            f"scim+http://:zebra@{stranger}/scim/v2": says("accounts_account", name="127.0.0.1"),
            f"scim+https://:zebra@localhost:{site.port}/scim/v2": "certificate",
            "pigeon://u:zebra@127.0.0.1": "SESAME_ACCOUNTS: write embedded:",
        }
        for url, words in services.items():
            _, found = await examined(command, telegram, SESAME_ACCOUNTS=url)
            assert list(bad(found)) == ["accounts"], url
            assert words in found["accounts"][1], found["accounts"]
            assert "zebra" not in found["accounts"][1]
    _, found = await examined(command, telegram)
    assert found["accounts"] == (True, says("accounts_here"))


# ---- the public page -------------------------------------------------------------------------


@pytest.mark.usefixtures("register")
async def test_the_page_is_reached(command: Run, telegram: BotApi, site: Site) -> None:
    url = site.trusted["SESAME_PUBLIC_URL"]
    async with site.answers(days=90):
        status, found = await examined(command, telegram, **site.trusted)
    assert (status, found["page"]) == (0, (True, says("page", url=url, n=90)))


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize(
    ("own", "key"),
    [
        ({"days": -0.5}, "why_certificate_expired"),
        ({"since": 1}, "why_certificate_early"),
        ({"name": "other.example"}, "why_certificate_name"),
    ],
)
async def test_a_page_with_a_wrong_certificate(
    command: Run, telegram: BotApi, site: Site, own: dict[str, Any], key: str
) -> None:
    url = site.trusted["SESAME_PUBLIC_URL"]
    async with site.answers(**own):
        _, found = await examined(command, telegram, **site.trusted)
    assert bad(found) == {"page": says("page_not_reached", url=url, why=says(key))}


@pytest.mark.usefixtures("register")
async def test_a_page_that_is_not_there(command: Run, telegram: BotApi, site: Site) -> None:
    url = site.trusted["SESAME_PUBLIC_URL"]
    _, found = await examined(command, telegram, **site.trusted)
    closed = says("page_not_reached", url=url, why=says("why_port_closed"))
    assert bad(found) == {"page": closed}
    async with site.answers(ours=False):
        _, found = await examined(command, telegram, **site.trusted)
    assert bad(found) == {"page": says("page_not_ours", url=url, status=404)}
    async with site.answers(days=5):
        _, found = await examined(command, telegram, **site.trusted)
    assert bad(found) == {"page": says("page_ends", url=url, n=5)}
    async with site.answers():  # of an authority that nobody knows
        unknown = {"SESAME_PUBLIC_URL": url}
        _, found = await examined(command, telegram, **unknown)
    why = {says("why_certificate_unknown"), says("why_certificate_chain")}
    assert found["page"][1] in {says("page_not_reached", url=url, why=one) for one in why}


def test_openssl_knows_these_certificates() -> None:
    """The numbers of what may be wrong are OpenSSL's own, in every version."""
    assert ssl.OPENSSL_VERSION_INFO >= (1, 1)


# ---- what must never be ----------------------------------------------------------------------


@pytest.mark.usefixtures("register")
async def test_our_own_mistake_hides_nothing(
    command: Run, telegram: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mistaken(case: Case) -> list[Finding]:
        raise KeyError(f"what nobody may see: {case.settings.telegram_token}")

    monkeypatch.setitem(doctor.CHECKS, "disk", (mistaken, 5))
    _, found = await examined(command, telegram)
    assert list(bad(found)) == ["disk"]
    assert list(found) == ALL
    assert "KeyError" in found["disk"][1]
    assert "test_doctor.py:" in found["disk"][1]
    assert "what nobody may see" not in found["disk"][1]


@pytest.mark.usefixtures("register")
async def test_each_check_has_its_own_time(
    command: Run, telegram: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(_case: Case) -> list[Finding]:
        await asyncio.sleep(60)
        return []

    for name in ("disk", "clock", "sms"):
        monkeypatch.setitem(doctor.CHECKS, name, (slow, 1))
    began = asyncio.get_running_loop().time()
    _, found = await examined(command, telegram)
    assert asyncio.get_running_loop().time() - began < 5  # side by side
    assert bad(found) == {name: says("slow", check=name, n=1) for name in ("disk", "clock", "sms")}


SECRETS: dict[str, Callable[[str], str]] = {
    "SESAME_SECRET": lambda secret: secret,
    "SESAME_OLD_SECRET": lambda secret: secret,
    "SESAME_WEBHOOK_SECRET": lambda secret: secret,
    "SESAME_TELEGRAM_TOKEN": lambda secret: f"123456:{secret}",
    "SESAME_SMS": lambda secret: f"console: kannel://sesame:{secret}@127.0.0.1",
    "SESAME_ACCOUNTS": lambda secret: f"scim+https://client:{secret}@localhost/scim/v2",
    "SESAME_DATABASE_URL": lambda secret: f"postgresql://sesame:{secret}@127.0.0.1/sesame",
}


@pytest.mark.parametrize("setting", SECRETS)
async def test_no_credential_is_printed(
    setting: str, telegram: BotApi, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Whatever another program answers: it may say what it was shown."""
    secret = "zebra-zebra-zebra-zebra-zebra-zebra"
    own = {setting.removeprefix("SESAME_").lower(): SECRETS[setting](secret)}
    settings = test_settings(Path("nowhere"), **{"telegram_api_url": telegram.url, **own})

    async def tells(case: Case) -> list[Finding]:
        shown = case.settings.model_dump()[setting.removeprefix("SESAME_").lower()]
        text = shown.get_secret_value() if hasattr(shown, "get_secret_value") else shown
        return [Finding("disk", False, f"It answers: {text} is wrong, and so is {secret}")]

    monkeypatch.setitem(doctor.CHECKS, "disk", (tells, 5))
    await examine(settings, "en")
    out = capsys.readouterr().out
    assert "It answers: " in out
    assert "zebra" not in out


@pytest.mark.usefixtures("register")
async def test_the_name_of_a_user_is_no_credential(
    command: Run, telegram: BotApi, tmp_path: Path
) -> None:
    """As the documents name PostgreSQL's socket: what holds this name is printed as it is."""
    url = f"postgresql+asyncpg://sesame@/sesame?host={tmp_path}/none"
    _, found = await examined(command, telegram, SESAME_DATABASE_URL=url)
    assert "SESAME" in found["secret"][1]
    assert found["telegram"][1] == says("telegram", name="@sesame_test_bot")


# ---- e-mail ----------------------------------------------------------------------------------


@asynccontextmanager
async def post_office(
    folder: Path, mood: str = "", tls: str = "starttls", name: str = "localhost"
) -> AsyncIterator[tuple[PostOffice, dict[str, str]]]:
    """A mail server, and the settings that name it."""
    office = PostOffice(mood=mood)
    async with office.answering(tls, name=name):
        login = f"{USER}:{quote(PASSWORD, safe='')}"
        url = f"smtp://{login}@localhost:{office.port}?starttls&ca={office.authorities(folder)}"
        yield office, {"SESAME_EMAIL": url, "SESAME_EMAIL_FROM": "Sésame <sesame@ecole.example>"}


@pytest.mark.usefixtures("register")
async def test_a_mail_server_that_takes_our_mail(
    command: Run, telegram: BotApi, tmp_path: Path
) -> None:
    async with post_office(tmp_path) as (office, own):
        _, found = await examined(command, telegram, **own)
    assert found["email"] == (True, says("email", name="localhost"))
    assert (office.tried, office.received) == (1, [])  # asked, and nothing sent
    assert office.logins == [(USER, PASSWORD)]


@pytest.mark.usefixtures("register")
@pytest.mark.parametrize("lang", locales.LANGUAGES)
async def test_a_mail_server_that_does_not(
    command: Run, telegram: BotApi, tmp_path: Path, lang: str
) -> None:
    async def told(own: dict[str, str]) -> str:
        _, found = await examined(command, telegram, **{**own, "LC_ALL": lang})
        ok, line = found["email"]
        assert not ok
        assert PASSWORD not in line
        return line

    def wanted(key: str, **facts: object) -> str:
        return locales.say(f"doctor.{key}", lang, {"name": "localhost", **facts})

    async with post_office(tmp_path) as (office, own):
        office.password = "another"
        line = await told(own)
        assert line.startswith(wanted("email_account", said="535"))
        without = {**own, "SESAME_EMAIL_FROM": ""}
        assert "SESAME_EMAIL_FROM" in await told(without)
        stranger = {**own, "SESAME_EMAIL": own["SESAME_EMAIL"].partition("&ca=")[0]}
        unknown = wanted("why_certificate_chain")
        assert await told(stranger) == wanted("email_not_reached", why=unknown)
        at_once = {**own, "SESAME_EMAIL": own["SESAME_EMAIL"].replace("smtp:", "smtps:")}
        no_tls = wanted("why_no_tls")
        assert await told(at_once) == wanted("email_not_reached", why=no_tls)
    assert await told(own) == wanted("email_not_reached", why=wanted("why_port_closed"))
    async with post_office(tmp_path, "no sender") as (_, own):
        assert (await told(own)).startswith(wanted("email_sender", said="553"))
    async with post_office(tmp_path, tls="") as (office, own):
        line = await told(own)
        assert line.startswith(wanted("email_fault", said=""))
        assert "STARTTLS" in line
        assert office.logins == []
    async with post_office(tmp_path, name="another.example") as (_, own):
        name = wanted("why_certificate_name")
        assert await told(own) == wanted("email_not_reached", why=name)
