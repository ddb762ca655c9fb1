"""One database, one Telegram, some parents, and a bot that is killed again and again.

The server and the parents live in this process and go on; `sesame serve` is a real process. Parents
are patient: they do one thing, and wait for the bot's next words, however often it is killed
meanwhile. They know a repeated message when they see one.
"""

import asyncio
import csv
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.settings import Settings
from flows.secret import Secret
from storage import database as storage
from storage.backups import backups_of
from storage.place import open_database
from storage.vault import Vault
from tests.conversations.test_secrets import files, found
from tests.conversations.test_terminal import environment
from tests.crash.parent import Parent, converse
from tests.crash.points import CALLS, Point, schedule
from tests.crash.scripts import families
from tests.crash.victim import migrations
from tests.helpers.invariants import check, done_at, told_on
from tests.helpers.parent import SECRET, test_settings
from tests.helpers.school import COLUMNS
from tests.telegram.server import BotApi, Call, Fault

TOKEN = "123456:CRASH"
TALKING = 6  # parents at once
LATEST = 8.0  # seconds of life after which a bot that has not come to its point is killed anyhow
CONVERSATIONS = 180  # that the register has families for
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
ROOT = Path(__file__).parents[2]

POLICY = {  # parents in a hurry may ask for many codes, and nobody is nudged
    "codes_in_all": "1000/1m",
    "resend_waits": "1s 1s 1s 1s 1s 1s 1s 1s",
    "codes_per_number": "40/1h",
    "codes_per_chat": "20/1h",
    "nudge_after": "30m",
}


@dataclass
class Figures:
    """What happened."""

    kills: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    imports_killed: int = 0
    turns: int = 0
    repeats: int = 0
    sms: int = 0
    resends: int = 0
    checks: int = 0
    accounts: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*(getattr(self, one) + getattr(other, one) for one in vars(self)))

    def __str__(self) -> str:
        kills = ", ".join(f"{what} {number}" for what, number in sorted(self.kills.items()))
        ends = ", ".join(f"{script} {number}" for script, number in sorted(self.finished.items()))
        return (
            f"kills {self.kills.total()} ({kills})\n"
            f"imports killed as well {self.imports_killed}\n"
            f"starts {self.starts}, checks of all invariants {self.checks}\n"
            f"conversations finished {self.finished.total()} ({ends})\n"
            f"turns {self.turns}, replies repeated {self.repeats}\n"
            f"SMS {self.sms}, asked for again {self.resends}"
        )


@cache
def filled_database(conversations: int) -> bytes:
    """A database of the present schema with the register, made by the real import."""
    with TemporaryDirectory(dir=MEMORY, prefix="sesame-crash-") as name:
        folder = Path(name)
        _write_register(folder / "register.csv", conversations, 0)
        own = environment(
            folder,
            PYTHONPATH=str(ROOT),
            SESAME_SECRET=SECRET,
            SESAME_DATABASE_URL=f"sqlite+aiosqlite:///{folder / 'sesame.sqlite3'}",
        )
        command = [sys.executable, "-m", "bot", "import", str(folder / "register.csv")]
        subprocess.run(command, env=own, cwd=folder, check=True, capture_output=True)
        return (folder / "sesame.sqlite3").read_bytes()


def _write_register(path: Path, conversations: int, more: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter=";")
        writer.writeheader()
        writer.writerows(families(conversations, more).rows)


def sent_in(file: Path) -> list[tuple[str, str]]:
    """What `file:` sent, SMS or e-mail, oldest first: (to, text)."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return [(one["to"], one["text"]) for one in map(json.loads, lines)]


class Universe:
    """All of it. `run` does the whole run, and raises AssertionError where a promise is broken."""

    def __init__(
        self, seed: str, kills: int, folder: Path, server: BotApi, accounts: str = "embedded:"
    ) -> None:
        self.seed = seed
        self.points = schedule(seed, kills)
        self.folder = folder
        self.server = server
        self.accounts = accounts  # SESAME_ACCOUNTS
        self.figures = Figures()
        self.database = folder / "sesame.sqlite3"
        self.log = folder / "stderr.log"
        self.alive = False
        self.closing = False
        self.imported = 0
        self.chats: list[Parent] = []
        self.starts: list[dict[int, int]] = []  # how much each chat had been told at each start
        self._bot: asyncio.subprocess.Process | None = None
        self._calls: Point | None = None
        self._left = 0
        self._begun = 0
        server.faults = self._on_call

    async def run(self) -> Figures:
        """Let parents talk, kill the bot at every point, let all come to an end, and check."""
        self.database.write_bytes(filled_database(CONVERSATIONS))
        async with asyncio.TaskGroup() as group:
            talking = [group.create_task(self._talks()) for _ in range(TALKING)]
            for point in self.points:
                await self._lives_until(point)
                await self._checks()
            self.closing = True
            async with self._running(None) as bot:
                await asyncio.wait(talking)
                for task in talking:
                    task.result()
                await self._settles()
                bot.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(bot.wait(), 20) == 0
        await self._checks()
        self._checks_the_end()
        return self.figures

    # ---- the bot -----------------------------------------------------------------------------

    def _environment(self, point: Point | None) -> dict[str, str]:
        own = {f"SESAME_{name.upper()}": value for name, value in POLICY.items()}
        return environment(
            self.folder,
            PYTHONPATH=str(ROOT),
            SESAME_SECRET=SECRET,
            SESAME_TIMEZONE="UTC",
            SESAME_DATABASE_URL=f"sqlite+aiosqlite:///{self.database}",
            SESAME_TELEGRAM_TOKEN=TOKEN,
            SESAME_TELEGRAM_API_URL=self.server.url,
            SESAME_SMS=f"file:{self.folder / 'sms.jsonl'}",
            SESAME_EMAIL=f"file:{self.folder / 'mail.jsonl'}",
            SESAME_ACCOUNTS=self.accounts,
            CRASH_AT=str(point) if point else "",
            **own,
        )

    async def _starts(self, point: Point | None, *words: str) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.crash.victim", *words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(point),
                cwd=self.folder,
            )

    @asynccontextmanager
    async def _running(self, point: Point | None) -> AsyncIterator[asyncio.subprocess.Process]:
        outside = point is None or point.what in CALLS or point.what in ("instant", "import")
        self._calls, self._left = (point, point.n) if point and point.what in CALLS else (None, 0)
        self._bot = bot = await self._starts(None if outside else point, "serve")
        self.figures.starts += 1
        try:
            yield bot
        finally:
            self.alive = False
            self._calls = None
            if bot.returncode is None:
                bot.kill()
            await bot.wait()

    def _on_call(self, call: Call) -> Fault | None:
        """Telegram hears from the bot: it is alive, or killed for it."""
        if call.method == "getMe":
            self.starts.append({key: len(chat.messages) for key, chat in self.server.chats.items()})
        self.alive = self.alive or call.method == "getUpdates"
        if self._calls is None or call.method != CALLS[self._calls.what]:
            return None
        self._left -= 1
        if self._left or self._bot is None or self._bot.returncode is not None:
            return None
        self._bot.kill()
        return Fault(drop=True, after_effect=self._calls.when == "after")

    async def _lives_until(self, point: Point) -> None:
        async with self._running(point) as bot:
            if point.what == "instant":
                await self._is_alive(bot)
                await asyncio.sleep(point.n / 1000)
            elif point.what == "import":
                await self._is_alive(bot)
                await self._imports(point)
            else:
                await self._is_alive_or_dead(bot)
                with suppress(TimeoutError):
                    await asyncio.wait_for(bot.wait(), LATEST)
            missed = bot.returncode is None and point.what not in ("instant", "import")
            if bot.returncode is None:
                bot.kill()
            await bot.wait()
            assert bot.returncode == -signal.SIGKILL, self._end_of_log()
            self.figures.kills["too late" if missed else f"{point.when} {point.what}"] += 1

    async def _is_alive(self, bot: asyncio.subprocess.Process) -> None:
        await self._is_alive_or_dead(bot)
        assert bot.returncode is None, self._end_of_log()

    async def _is_alive_or_dead(self, bot: asyncio.subprocess.Process) -> None:
        either = [
            asyncio.create_task(bot.wait()),
            asyncio.create_task(self.server.until(lambda: self.alive, 60)),
        ]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        for one in either:
            one.cancel()
        assert self.alive or bot.returncode is not None, self._end_of_log()

    def _end_of_log(self) -> str:
        return self.log.read_text("utf-8")[-2000:]

    def situation(self) -> str:
        """Where it stands, for whoever must find out what went wrong."""
        points = ", ".join(map(str, self.points[: self.figures.starts]))
        waiting = self._ask(
            "SELECT kind, status, attempts, due_at, count(*) FROM outbox"
            " WHERE status <> 'sent' GROUP BY 1, 2, 3, 4"
        )
        return (
            f"Points so far: {points}\nAlive: {self.alive}, at {time.time():.0f}\n"
            f"Not acknowledged: {[update.id for update in self.server.pending]}\n"
            f"Outbox: {waiting}\nEnd of the log:\n{self._end_of_log()}"
        )

    async def _imports(self, point: Point) -> None:
        """Another process reads an export with one family more, and may be killed meanwhile."""
        path = self.folder / "register.csv"
        _write_register(path, CONVERSATIONS, self.imported + 1)
        before = self._register()
        statement = Point(point.when, "statement", point.n)
        importing = await self._starts(statement, "import", str(path))
        end = await asyncio.wait_for(importing.wait(), 60)
        assert end in (0, -signal.SIGKILL), self._end_of_log()
        after = self._register()
        whole = tuple(number + 1 for number in before)
        assert after == whole if end == 0 else after in (before, whole), (before, after)
        self.imported += after == whole
        self.figures.imports_killed += end != 0

    def _register(self) -> tuple[int, ...]:
        return tuple(
            self._ask(f"SELECT count(*) FROM {table}")[0][0]
            for table in ("guardians", "guardian_phones", "pupils", "links")
        )

    def _ask(self, sql: str) -> list[tuple[int, ...]]:
        with closing(sqlite3.connect(self.database, timeout=30)) as other:
            return other.execute(sql).fetchall()

    # ---- the parents -------------------------------------------------------------------------

    async def _talks(self) -> None:
        """One parent after another, until the last kill."""
        while not self.closing:
            conversation, self._begun = self._begun, self._begun + 1
            assert conversation < CONVERSATIONS, "the register has no more families"
            self.figures.finished[await converse(self, conversation)] += 1

    async def _settles(self) -> None:
        """Everything is acknowledged and sent."""
        assert await self.server.until(lambda: not self.server.pending, 30)
        until = time.monotonic() + 30
        while self._ask("SELECT count(*) FROM outbox WHERE status IN ('waiting', 'sending')")[0][0]:
            assert time.monotonic() < until, "I15: the outbox does not drain"
            await asyncio.sleep(0.05)

    def sms_to(self, number: str) -> list[str]:
        """The SMS that arrived there, oldest first."""
        return [text for to, text in self._sms() if to == number]

    def _sms(self) -> list[tuple[str, str]]:
        return sent_in(self.folder / "sms.jsonl")

    def mails_to(self, address: str) -> list[str]:
        """The e-mails that arrived there, oldest first."""
        return [text for to, text in sent_in(self.folder / "mail.jsonl") if to == address]

    # ---- what must be true -------------------------------------------------------------------

    async def _checks(self) -> None:
        """Every invariant, while the bot is dead."""
        [(version,)] = self._ask("PRAGMA user_version")
        newest = storage.migrations()[-1][0]
        if version != newest:
            assert version == newest - 1
            assert not self._ask("SELECT 1 FROM sqlite_master WHERE name = 'crash'")
            return
        settings: Settings = test_settings(self.database, **POLICY)
        async with open_database(self.database) as database:
            await check(
                database,
                Vault(Secret(SECRET)),
                sms=self._sms(),
                told=told_on(self.server),
                acknowledged=done_at(self.server),
                policy=settings.policy,
            )
        self.figures.checks += 1

    def _checks_the_end(self) -> None:
        """What the whole run must show."""
        self.figures.sms = len(self._sms())
        [(self.figures.accounts,)] = self._ask("SELECT count(*) FROM accounts")
        for parent in self.chats:
            parent.checks_what_was_said()
            self.figures.turns += parent.turns
            self.figures.repeats += parent.repeats
            self.figures.resends += parent.resends
        [backup, *_] = backups_of(self.database)
        with closing(sqlite3.connect(backup)) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        log = self.log.read_text("utf-8")
        for trouble in ("Traceback", "our mistake", "turn failed", "given up", "stopped:"):
            assert trouble not in log, log[log.index(trouble) - 500 :][:2000]
        self._checks_that_nothing_leaks()

    def _checks_that_nothing_leaks(self) -> None:
        """No password or code in the database, its journal, a backup or a log (I9)."""
        sms = self._sms()
        for sent in ("sms.jsonl", "mail.jsonl"):
            (self.folder / sent).unlink(missing_ok=True)
        (self.folder / "register.csv").unlink(missing_ok=True)
        written = files(self.folder)
        passwords = tuple(word for parent in self.chats for word in parent.passwords)
        assert found(passwords, written) == []
        codes = {code for _, text in sms for code in re.findall(r"\b[0-9]{6}\b", text)}
        for code in codes:
            assert not re.search(rb"(?<![0-9.:])%b(?![0-9])" % code.encode(), written), code
        names = tuple(parent.family.last for parent in self.chats)
        assert found((*names, SECRET, TOKEN), self.log.read_bytes()) == []


async def run_universe(seed: str, kills: int, accounts: str = "embedded:") -> Figures:
    """A whole run; its AssertionError names the seed."""
    with TemporaryDirectory(dir=MEMORY, prefix="sesame-crash-") as folder:
        async with BotApi(token=TOKEN) as server:
            universe = Universe(seed, kills, Path(folder), server, accounts)
            try:
                return await universe.run()
            except BaseException as error:
                error.add_note(f"Replay: python -m tests.crash --universe {seed} --kills {kills}")
                error.add_note(universe.situation())
                raise


def outcome_of(seed: str, kills: int) -> Figures | str:
    """Run one universe, alone in this process: its figures, or what went wrong."""
    storage.migrations = migrations
    try:
        return asyncio.run(run_universe(seed, kills))
    except BaseException:
        return traceback.format_exc()
