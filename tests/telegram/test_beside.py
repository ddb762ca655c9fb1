"""What operators do while `sesame serve` runs: each a process of its own, on one database."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from storage.vault import VaultError
from tests.helpers.dialogue import PASSWORD
from tests.storage.test_rotation import opened_by
from tests.telegram.phone import Person
from tests.telegram.server import BotApi
from tests.telegram.test_channel import TOKEN, process

ROOT = Path(__file__).parents[2]
REGISTER = (
    "uai;guardian_last;guardian_first;mobile;child_last;child_first;child_birthdate\n"
    "0750001U;DUPONT;Marie;0612345678;DUPONT;Léa;14/03/2014\n"
)
ROAD = ("/start", "parent", "1", "Dupont", "Marie", "06 12 34 56 78", "oui")


@pytest.fixture
async def server() -> AsyncIterator[BotApi]:
    async with BotApi(TOKEN) as running:
        yield running


@dataclass
class Machine:
    """A folder with the bot's database, and its operator."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "sesame.sqlite3"

    async def sesame(self, *words: str, status: int = 0) -> str:
        """Run a command to its end; what it printed."""
        own = {"SESAME_DATABASE_URL": f"sqlite+aiosqlite:///{self.database}", "LANG": "en"}
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", *words),
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **own},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await running.communicate()
        assert running.returncode == status, err.decode()
        return (out + err).decode()

    async def code(self, already: int = 0) -> str:
        """The newest code, once there are more SMS than these."""
        file = self.folder / "sms.jsonl"
        async with asyncio.timeout(20):
            while len(_lines(file)) <= already:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
        return str(json.loads(_lines(file)[-1])["text"])[:6]


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines() if file.exists() else []


@pytest.fixture
async def machine(tmp_path: Path) -> Machine:
    there = Machine(tmp_path)
    (tmp_path / "register.csv").write_text(REGISTER, "utf-8")
    await there.sesame("import", "register.csv")
    return there


async def says(person: Person, *lines: str) -> None:
    """One after the other, each answered with a question."""
    for line in lines:
        spoken = person.says(line)
        await person.sees(partial(_is_asked, person, spoken.id), 20)


def _is_asked(person: Person, after: int) -> bool:
    last = person.chat.messages[-1]
    return last.from_bot and last.id > after and bool(last.offered)


async def test_a_parent_hears_that_the_school_lifted_the_pause(
    server: BotApi, machine: Machine
) -> None:
    marie = server.person()
    async with process(server, machine.folder):
        await says(marie, *ROAD)
        await machine.code()
        await says(marie, *(f"{n}{n}{n}{n}{n}{n}" for n in range(1, 6)))
        await says(marie, "retour", "06 12 34 56 78")  # another code would be too soon
        assert "1" in await machine.sesame("unlock", "06 12 34 56 78", "--reason", "call")
        await marie.sees(lambda: "L'école a levé la limite" in marie.last.text, 20)
        await says(marie, "oui")
        assert "Étape 3 sur 6" in marie.last.text
        await says(marie, await machine.code(1))
        assert "mot de passe" in marie.last.text


async def test_the_secret_changes_while_parents_talk(server: BotApi, machine: Machine) -> None:
    """With the secret beside the database the bot is never stopped, and no word is lost."""
    file = machine.folder / "sesame.sqlite3.secret"
    old = file.read_text("ascii")
    marie, paul = server.person(), server.person()
    async with process(server, machine.folder):
        await says(marie, *ROAD)
        await says(marie, await machine.code())
        await says(paul, *ROAD[:3])
        await machine.sesame("rotate-key")
        new = file.read_text("ascii")
        assert new != old
        await says(marie, PASSWORD, PASSWORD, "oui 14/03/2014")
        await says(paul, "Noir")
        await says(marie, "activer")
        assert "m.dupont" in marie.last.text
        await says(paul, "Paul")
        assert "portable" in paul.last.text
        late = server.person()
        await says(late, "/start")  # who was not there before
    assert await opened_by(machine.database, new.strip()) >= 8
    with pytest.raises(VaultError):
        await opened_by(machine.database, old.strip())
    async with process(server, machine.folder):  # started with the new one alone
        await says(paul, "06 99 99 99 99")
        assert "06 99 99 99 99" in paul.last.text


async def test_an_import_and_an_erasure_beside(server: BotApi, machine: Machine) -> None:
    """Nobody waits, and what the parent says next finds a register without them."""
    marie = server.person()
    async with process(server, machine.folder):
        await says(marie, *ROAD)
        await says(marie, await machine.code())
        await machine.sesame("import", "register.csv")
        await says(marie, PASSWORD)
        done = await machine.sesame("erase", "0612345678", "--reason", "letter", "--yes")
        assert "records of the register: 1" in done
        await says(marie, PASSWORD)  # her conversation is gone: it begins again
        assert "Vous êtes parent ou élève" in marie.last.text
        assert await server.until(lambda: len(marie.screen) > 0 and not server.pending)
        assert PASSWORD not in "".join(message.text for message in marie.screen)
        await machine.sesame("import", "register.csv")
        assert '"guardians": 0' in await machine.sesame("status", "--json")
