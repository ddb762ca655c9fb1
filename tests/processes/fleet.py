"""One PostgreSQL, one Telegram, many parents, and several bots that are killed and come back.

The parents and their scripts are those of `tests.crash`. Each bot is `sesame serve` as it is, in a
process of its own.
"""

import asyncio
import csv
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flows.secret import Secret
from storage.database import every
from storage.place import open_database
from storage.vault import Vault
from tests.conversations.test_secrets import files, found
from tests.conversations.test_terminal import environment
from tests.crash.parent import Parent, converse
from tests.crash.scripts import families
from tests.crash.universe import POLICY, ROOT, TOKEN, sent_in
from tests.helpers.invariants import check, done_at, told_on
from tests.helpers.network import free_port
from tests.helpers.parent import SECRET, test_settings
from tests.helpers.postgres import Postgres
from tests.helpers.school import COLUMNS
from tests.processes.balancer import Balancer
from tests.telegram.server import BotApi, Call, Fault

_LEFT = "SELECT kind, status FROM outbox WHERE status IN ('waiting', 'sending')"
STARTING = 60.0  # seconds that a process may take to be ready on a busy machine


@dataclass
class Bot:
    """One of the processes."""

    port: int
    process: asyncio.subprocess.Process | None = None

    @property
    def lives(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.returncode is None


@dataclass
class Figures:
    """What happened."""

    seconds: float = 0
    kills: int = 0
    crashes: int = 0  # of PostgreSQL
    starts: int = 0
    turns: int = 0
    repeats: int = 0
    sms: int = 0
    resends: int = 0
    notices: int = 0  # to other guardians
    finished: Counter[str] = field(default_factory=Counter)
    shares: dict[int, int] = field(default_factory=dict)  # connections that each bot got

    def __str__(self) -> str:
        return (
            f"{self.finished.total()} conversations of {len(self.finished)} scripts,"
            f" {self.turns} turns in {self.seconds:.0f} s; {self.kills} kills,"
            f" {self.starts} starts, {self.crashes} crashes of PostgreSQL; replies repeated"
            f" {self.repeats}; SMS {self.sms}, asked for again {self.resends}, notices"
            f" {self.notices}; shares {self.shares}"
        )


class Fleet:
    """All of it; `run` does the whole run, and raises AssertionError where a promise is broken."""

    def __init__(
        self,
        seed: str,
        folder: Path,
        server: BotApi,
        postgres: Postgres,
        *,
        bots: int,
        webhook: bool,
    ) -> None:
        self.seed = seed
        self.folder = folder
        self.server = server
        self.postgres = postgres
        self.url = postgres.empty()
        self.webhook = webhook
        self.bots = [Bot(free_port()) for _ in range(bots)]
        self.balancer = Balancer([bot.port for bot in self.bots])
        self.chats: list[Parent] = []
        self.starts: list[dict[int, int]] = []  # how much each chat had been told at each accident
        self.figures = Figures()
        self.log = folder / "stderr.log"
        self._random = random.Random(seed)
        self._ready = asyncio.Event()
        server.faults = self._on_call

    @property
    def alive(self) -> bool:
        """Whether any of them runs, so that a parent can hope for an answer."""
        return any(bot.lives for bot in self.bots)

    async def run(self, parents: int, at_once: int, kills: int, crashes: int = 0) -> Figures:
        """Let parents talk, kill bots and the database meanwhile, let all end, and check."""
        self._import(parents)
        begun = time.monotonic()
        async with self._everything():
            waiting = list(range(parents))
            talking = [asyncio.create_task(self._talk(waiting)) for _ in range(at_once)]
            killing = asyncio.create_task(self._kill(kills, crashes))
            try:
                await asyncio.gather(*talking, killing)
            finally:
                for task in (*talking, killing):
                    task.cancel()
            await self._settles()
            self.figures.seconds = time.monotonic() - begun
        await self._checks()
        return self.figures

    # ---- the bots ----------------------------------------------------------------------------

    def _environment(self, bot: Bot) -> dict[str, str]:
        own = {f"SESAME_{name.upper()}": value for name, value in POLICY.items()}
        own |= {"SESAME_CODES_PER_DAY": "10000", "SESAME_CODES_PER_PREFIX": "1000/1h"}
        own["SESAME_LISTEN"] = f"127.0.0.1:{bot.port}"
        if self.webhook:
            own["SESAME_WEBHOOK_URL"] = "https://sesame.example/telegram"
        return environment(
            self.folder,
            PYTHONPATH=str(ROOT),
            SESAME_SECRET=SECRET,
            SESAME_TIMEZONE="UTC",
            SESAME_DATABASE_URL=self.url,
            SESAME_TELEGRAM_TOKEN=TOKEN,
            SESAME_TELEGRAM_API_URL=self.server.url,
            SESAME_SMS=f"file:{self.folder / 'sms.jsonl'}",
            SESAME_EMAIL=f"file:{self.folder / 'mail.jsonl'}",
            **own,
        )

    def _import(self, parents: int) -> None:
        path = self.folder / "register.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, delimiter=";")
            writer.writeheader()
            writer.writerows(families(parents).rows)
        command = [sys.executable, "-m", "bot", "import", str(path)]
        own = self._environment(self.bots[0])
        subprocess.run(command, env=own, cwd=self.folder, check=True, capture_output=True)
        path.unlink()

    @asynccontextmanager
    async def _everything(self) -> AsyncIterator[None]:
        """All bots but the last, which joins when they are busy; and Telegram posting to them."""
        try:
            for bot in self.bots[:-1]:
                await self._start(bot)
            assert await self.server.until(self._ready.is_set, STARTING), self._end_of_log()
            async with self.balancer.listening() as hook:
                if self.webhook:
                    async with self.server.pushing(f"{hook}/telegram"):
                        yield
                else:
                    yield
            await self._stop()
        finally:
            for bot in self.bots:
                if bot.process is not None and bot.lives:
                    bot.process.kill()

    async def _start(self, bot: Bot) -> None:
        with self.log.open("ab") as log:
            bot.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "serve"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(bot),
                cwd=self.folder,
            )
        self.figures.starts += 1

    async def _stop(self) -> None:
        """Tell all of them to stop: each ends in order."""
        for bot in self.bots:
            if bot.process is not None and bot.lives:
                bot.process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(bot.process.wait(), 30) == 0, self._end_of_log()

    async def _kill(self, kills: int, crashes: int) -> None:
        """The last one joins; then, again and again, one dies and comes back a moment later."""
        await asyncio.sleep(2)
        await self._start(self.bots[-1])
        for _ in range(crashes):
            await asyncio.sleep(self._random.uniform(1, 4))
            await self._crash()
        for _ in range(kills):
            await asyncio.sleep(self._random.uniform(1, 4))
            bot = self._random.choice([bot for bot in self.bots if bot.lives])
            assert bot.process is not None
            bot.process.kill()
            await bot.process.wait()
            self._accident()
            self.figures.kills += 1
            await asyncio.sleep(self._random.uniform(0, 2))
            await self._start(bot)

    async def _crash(self) -> None:
        """The database dies with all connections, and comes back."""
        await asyncio.to_thread(self.postgres.stops, "immediate")
        self._accident()
        await asyncio.to_thread(self.postgres.starts)
        self.figures.crashes += 1
        for _ in range(3):  # what was being sent when they lost it may be sent by another one
            self._accident()
            await asyncio.sleep(1)

    def _accident(self) -> None:
        self.starts.append({key: len(chat.messages) for key, chat in self.server.chats.items()})

    def _on_call(self, call: Call) -> Fault | None:
        if call.method == "getMe":
            self._accident()
        if call.method in ("setWebhook", "getUpdates"):
            self._ready.set()
        return None

    def _end_of_log(self) -> str:
        return self.log.read_text("utf-8")[-3000:] if self.log.exists() else ""

    # ---- the parents -------------------------------------------------------------------------

    async def _talk(self, waiting: list[int]) -> None:
        """One parent after another, until all have come."""
        while waiting:
            self.figures.finished[await converse(self, waiting.pop(0))] += 1

    def sms_to(self, number: str) -> list[str]:
        """The SMS that arrived there, oldest first."""
        return [text for to, text in self._sms() if to == number]

    def _sms(self) -> list[tuple[str, str]]:
        return sent_in(self.folder / "sms.jsonl")

    def mails_to(self, address: str) -> list[str]:
        """The e-mails that arrived there, oldest first."""
        return [text for to, text in sent_in(self.folder / "mail.jsonl") if to == address]

    # ---- what must be true -------------------------------------------------------------------

    async def _settles(self) -> None:
        """Everything is acknowledged and sent."""
        assert await self.server.until(lambda: not self.server.pending, 60), self._end_of_log()
        async with open_database(self.url) as database:
            until = time.monotonic() + 60
            while await database.run(every(_LEFT)):
                assert time.monotonic() < until, f"I15: it does not drain\n{self._end_of_log()}"
                await asyncio.sleep(0.2)

    async def _checks(self) -> None:
        """Every invariant, and what parents were told."""
        settings = test_settings(
            self.url, **POLICY, codes_per_day=10000, codes_per_prefix="1000/1h"
        )
        async with open_database(self.url) as database:
            await check(
                database,
                Vault(Secret(SECRET)),
                sms=self._sms(),
                told=told_on(self.server),
                acknowledged=done_at(self.server),
                policy=settings.policy,
            )
        figures = self.figures
        figures.sms = len(self._sms())
        figures.shares = dict(enumerate(self.balancer.taken.values()))
        for parent in self.chats:
            parent.checks_what_was_said()
            figures.turns += parent.turns
            figures.repeats += parent.repeats
            figures.resends += parent.resends
            figures.notices += parent.notices
        log = self.log.read_text("utf-8")
        for trouble in ("Traceback", "our mistake", "turn_failed", "given_up", "delivery_stopped"):
            assert trouble not in log, log[max(log.index(trouble) - 500, 0) :][:2000]
        self._checks_that_nothing_leaks()

    def _checks_that_nothing_leaks(self) -> None:
        """No password or name in a log or a file (I9)."""
        for sent in ("sms.jsonl", "mail.jsonl"):
            (self.folder / sent).unlink(missing_ok=True)
        written = files(self.folder)
        passwords = tuple(word for parent in self.chats for word in parent.passwords)
        names = tuple(parent.family.last for parent in self.chats)
        assert found((*passwords, *names, SECRET, TOKEN), written) == []
