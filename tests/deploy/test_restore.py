"""After a disaster, by the very lines of the documents: the parent goes on at the same question."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.app import open_storage
from bot.settings import Settings
from flows.states import S
from storage.database import every
from storage.place import Place
from tests.bot.test_operators import CALL
from tests.conversations.roads import ALL_TO_DONE, CHILDREN, CODE_OF_MARIE
from tests.helpers.clock import Clock
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import SECRET, core_parent, test_settings
from tests.helpers.school import a_school
from tests.telegram.server import BotApi
from tests.telegram.test_channel import TOKEN

if TYPE_CHECKING:
    from tests.helpers.postgres import Postgres

DOCS = Path(__file__).parents[2] / "docs"
ROOT = DOCS.parent
SOPHIE = ("(comes)", "[parent]", "[activate]", "Martin", "Sophie", "06 98 76 54 32", "[yes]")


def documented(name: str) -> str:
    """The lines of the documents that are marked with this name."""
    pages = (DOCS / "operations.md", DOCS / "deploy" / "postgresql.md")
    marked = re.compile(rf"<!-- try: {name} -->\n```sh\n(.*?)```", re.DOTALL)
    [lines] = [found for page in pages for found in marked.findall(page.read_text("utf-8"))]
    return str(lines)


class Machine:
    """A machine as the documents make it, in a folder; `systemctl` notes what it is told."""

    FOLDERS = ("/etc/sesame", "/var/lib/sesame", "/var/backups/sesame", "/var/backups/postgresql")

    def __init__(self, root: Path, telegram: BotApi) -> None:
        self.root = root
        self.telegram = telegram
        self.environment: dict[str, str] = {}
        self.programs = root / "programs"
        self.programs.mkdir()
        for folder in self.FOLDERS:
            self.at(folder).mkdir(parents=True)
        self._program("systemctl", f'echo "$*" >> {root}/told')
        self._program("sudo", '[ "$1" != -u ] || shift 2; exec "$@"')
        self._program("sesame", f'exec {sys.executable} -m bot "$@"')

    def _program(self, name: str, does: str) -> None:
        file = self.programs / name
        file.write_text(f"#!/bin/sh\n{does}\n")
        file.chmod(0o755)

    def at(self, path: str) -> Path:
        """Where that is in this test."""
        return self.root / path.removeprefix("/")

    def is_set(self, **own: str) -> None:
        """Write the settings."""
        lines = {
            "SESAME_TELEGRAM_TOKEN": TOKEN,
            "SESAME_TELEGRAM_API_URL": self.telegram.url,
            "SESAME_SMS": f"file:{self.root}/sms.jsonl",
            **own,
        }
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        self.at("/etc/sesame").joinpath(".env").write_text(text)

    async def does(self, lines: str) -> str:
        """Run lines of a shell; all must succeed."""
        for folder in self.FOLDERS:
            lines = lines.replace(folder, str(self.at(folder)))
        path = f"{self.programs}:{os.environ['PATH']}"
        done = await asyncio.create_subprocess_exec(
            *("bash", "-euc", f"cd {self.at('/etc/sesame')}\n{lines}"),
            stdin=subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": path, "PYTHONPATH": str(ROOT), "LC_ALL": "en", **self.environment},
        )
        out, _ = await done.communicate()
        assert done.returncode == 0, out.decode()
        return out.decode()

    @property
    def told(self) -> list[str]:
        """What `systemctl` was told."""
        return (self.root / "told").read_text().splitlines()


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with BotApi(TOKEN) as telegram:
        yield Machine(tmp_path, telegram)


async def talks(place: Place, *lines: str, who: str = "marie", clock: Clock | None = None) -> None:
    """A parent writes this, in a bot that was just started."""
    async with core_parent(place, a_school(), clock=clock or Clock()) as parent:
        person = Dialogue(parent if who == "marie" else parent.beside(who), "fr")
        await person.follows(*lines)


async def rows(settings: Settings, sql: str) -> list[tuple[object, ...]]:
    async with open_storage(settings) as (opened, _):
        return await opened.run(every(sql))


async def goes_on(place: Place, clock: Clock) -> None:
    """Marie is asked again what she was asked, and gets to the end."""
    async with core_parent(place, a_school(), clock=clock) as parent:
        marie = Dialogue(parent, "fr")
        await marie.follows("/aide")
        marie.is_asked(S.CHILD)
        await marie.follows("[yes]", "14/03/2014", "[activate_now]")
        marie.is_asked(S.DONE)
        marie.hears("done.ask")


# ---- SQLite ------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["in a file", "in the settings"])
async def test_a_sqlite_file_is_lost(machine: Machine, secret: str) -> None:
    file = machine.at("/var/lib/sesame/sesame.sqlite3")
    own = {"SESAME_DATABASE_URL": f"sqlite+aiosqlite:///{file}"}
    beside = file.with_name("sesame.sqlite3.secret")
    if secret == "in a file":
        beside.write_text(SECRET)
        beside.chmod(0o600)
        machine.is_set(**own)
    else:
        machine.is_set(**own, SESAME_SECRET=SECRET)
    clock = Clock()
    await talks(file, *CHILDREN, clock=clock)
    said = await machine.does("sesame backup /var/backups/sesame/copy.sqlite3")
    assert "The secret is not in it" in said
    assert SECRET.encode() not in machine.at("/var/backups/sesame/copy.sqlite3").read_bytes()
    async with core_parent(file, a_school(), clock=clock) as parent:  # what comes after is lost
        await Dialogue(parent, "fr").follows("oui")
        journal = file.with_name("sesame.sqlite3-wal").read_bytes()
    assert journal

    for part in file.parent.iterdir():  # the disaster: of the file its head is left, and a journal
        part.unlink()
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 9000)
    file.with_name("sesame.sqlite3-wal").write_bytes(journal)
    machine.at("/etc/sesame/.env").unlink()
    if secret == "in a file":
        beside.write_text(SECRET)
        beside.chmod(0o600)
        machine.is_set(**own)
    else:
        machine.is_set(**own, SESAME_SECRET=SECRET)

    said = await machine.does(documented("restore-sqlite"))
    assert "✗" not in said
    assert machine.told == ["stop sesame", "start sesame"]
    assert file.stat().st_mode & 0o777 == 0o600
    await goes_on(file, clock)


async def test_without_the_secret_nothing_opens(machine: Machine) -> None:
    """And the doctor says so before anything is started."""
    file = machine.at("/var/lib/sesame/sesame.sqlite3")
    machine.is_set(SESAME_DATABASE_URL=f"sqlite+aiosqlite:///{file}", SESAME_SECRET="z" * 40)
    await talks(file, *CODE_OF_MARIE)
    shutil.move(file, machine.at("/var/backups/sesame/copy.sqlite3"))
    with pytest.raises(AssertionError, match="SESAME_SECRET is not the one that sealed it"):
        await machine.does(documented("restore-sqlite"))
    assert machine.told == ["stop sesame"]


async def test_who_was_erased_after_the_copy_must_be_erased_again(machine: Machine) -> None:
    """Who was erased before stays erased: the tombstone is in the copy."""
    file = machine.at("/var/lib/sesame/sesame.sqlite3")
    machine.is_set(SESAME_DATABASE_URL=f"sqlite+aiosqlite:///{file}", SESAME_SECRET=SECRET)
    settings, reason = test_settings(file), " ".join(CALL)
    await talks(file, *ALL_TO_DONE)
    await talks(file, *SOPHIE, who="sophie")
    guardians = "SELECT uai, source_key FROM guardians ORDER BY 1, 2"
    everybody = await rows(settings, guardians)
    await machine.does(f"sesame erase '{SOPHIE[5]}' --yes {reason}")  # before the copy
    await machine.does("sesame backup /var/backups/sesame/copy.sqlite3")
    await machine.does(f"sesame erase m.dupont --yes {reason}")  # after it
    assert await rows(settings, "SELECT id FROM accounts") == []

    await machine.does(documented("restore-sqlite"))
    assert len(await rows(settings, "SELECT id FROM accounts")) == 1  # she is back
    await machine.does(f"sesame erase m.dupont --yes {reason}")
    assert await rows(settings, "SELECT id FROM accounts") == []
    others = await rows(settings, guardians)
    assert len(others) < len(everybody)
    async with open_storage(settings) as (opened, vault):
        await a_school().fills(opened, vault, Clock())  # the school's export, with both of them
    assert await rows(settings, guardians) == others


async def test_the_unit_of_the_timer_makes_a_copy_and_deletes_old_ones(machine: Machine) -> None:
    """Its commands, as systemd gives them to the system."""
    file = machine.at("/var/lib/sesame/sesame.sqlite3")
    machine.is_set(SESAME_DATABASE_URL=f"sqlite+aiosqlite:///{file}", SESAME_SECRET=SECRET)
    await talks(file, *CODE_OF_MARIE)
    copies = machine.at("/var/backups/sesame")
    old, young = copies / "sesame-2026-01-01T02-30.sqlite3", copies / "sesame-of-now.sqlite3"
    for copy, days in ((old, 32), (young, 29)):
        copy.touch()
        then = time.time() - days * 86400
        os.utime(copy, (then, then))
    unit = (DOCS / "deploy" / "sesame-backup.service").read_text("utf-8")
    for command in re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE):
        words = command.replace("$$", "$").replace("%%", "%").replace("/opt/sesame/bin/", "")
        await machine.does(f"set -f\n{words}")  # systemd knows no patterns of files
    assert not old.exists()
    assert young.exists()
    [made] = set(copies.iterdir()) - {young}
    assert re.fullmatch(r"sesame-[0-9-]{10}T[0-9]{2}-[0-9]{2}\.sqlite3", made.name)
    assert made.stat().st_size == file.stat().st_size


# ---- PostgreSQL --------------------------------------------------------------------------------


@pytest.fixture
def roles(postgres: "Postgres", machine: Machine) -> Iterator[str]:
    """The role and the database of the documents, and PostgreSQL's own programs."""
    machine.environment = {"PGHOST": postgres.socket, "PGUSER": "postgres"}
    programs = f"{postgres._server.bin_path}"
    machine.programs.joinpath("psql").symlink_to(f"{programs}/psql")
    for name in ("pg_dump", "pg_restore", "createdb", "dropdb"):
        machine.programs.joinpath(name).symlink_to(f"{programs}/{name}")
    postgres.says("CREATE ROLE sesame LOGIN")
    postgres.says("CREATE DATABASE sesame OWNER sesame ENCODING 'UTF8' TEMPLATE template0")
    yield postgres.url("sesame").replace("postgres@", "sesame@")
    postgres.says("DROP DATABASE IF EXISTS sesame WITH (FORCE)")
    postgres.says("DROP ROLE sesame")


async def test_a_postgresql_database_is_lost(
    machine: Machine, postgres: "Postgres", roles: str
) -> None:
    machine.is_set(
        SESAME_DATABASE_URL=roles.replace("postgresql:", "postgresql+asyncpg:"),
        SESAME_SECRET=SECRET,
    )
    clock = Clock()
    await talks(roles, *CHILDREN, clock=clock)
    await machine.does(documented("backup-postgresql"))
    copy = machine.at("/var/backups/postgresql/copy.dump")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert SECRET.encode() not in copy.read_bytes()
    await talks(roles, "oui", clock=clock)
    postgres.drop(roles)
    said = await machine.does(documented("restore-postgresql"))
    assert "✗" not in said
    assert machine.told == ["stop sesame.* sesame@*", "start sesame@8081 sesame@8082"]
    await goes_on(roles, clock)
    [[owner]] = postgres.says(
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'", "sesame"
    )
    assert owner == "sesame"
