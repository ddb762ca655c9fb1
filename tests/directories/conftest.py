"""The account services of the tests: real ones, each behind a proxy with accidents."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from urllib.parse import quote

import pytest

from bot.app import directory_of
from storage import accounts
from storage.directories import Directory
from tests.helpers.parent import test_settings
from tests.servers import canaille as canaille_server
from tests.servers import slapd as slapd_server
from tests.servers.proxy import LDAP_ADD, LDAP_MODIFY, Proxy, between
from tests.servers.running import Server, free_port


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hash with as little memory as it can be asked for."""
    monkeypatch.setattr(accounts, "_MEMORY_KIB", 8)


@dataclass(frozen=True)
class Person:
    """An account, as the service itself has it."""

    identifier: str
    key: str
    phone: str
    children: str
    schools: str
    active: bool


class Service(Protocol):
    """An account service of the tests, seen from its own side."""

    name: str
    server: Server
    proxy: Proxy
    url: str
    creates: bytes
    """How the request begins that makes an account."""
    changes: bytes
    """The same of one that changes it: all that is known of it, or its password."""

    async def people(self) -> dict[str, Person]:
        """Its accounts, by identifier."""

    async def signs_in(self, identifier: str, password: str) -> bool:
        """Whether somebody signs in there."""


class CanailleService:
    """SCIM. Its own database says what it holds."""

    name = "canaille"
    creates, changes = b"POST /scim/v2/Users", b"PATCH /scim/v2/Users"

    def __init__(self, running: canaille_server.Canaille, proxy: Proxy) -> None:
        self.running, self.proxy = running, proxy
        self.server, self.url = running.server, running.url

    async def people(self) -> dict[str, Person]:
        """As the protocol says."""
        rows = self.running.query(
            "SELECT user_name, employee_number, phone_numbers, department, organization,"
            " lock_date FROM user"
        )
        return {
            row[0]: Person(row[0], row[1] or "", row[2], row[3] or "", row[4] or "", row[5] is None)
            for row in rows
        }

    async def signs_in(self, identifier: str, password: str) -> bool:
        """By its own page, as a browser without JavaScript does."""
        return await asyncio.to_thread(canaille_server.signs_in, self.running, identifier, password)


class SlapdService:
    """LDAP. A search and a bind say what it holds."""

    name = "slapd"
    creates, changes = LDAP_ADD, LDAP_MODIFY

    def __init__(self, running: slapd_server.Slapd, proxy: Proxy) -> None:
        self.running, self.proxy, self.server = running, proxy, running.server
        who = f"{quote(slapd_server.SERVICE, safe='')}:{slapd_server.PASSWORD}"
        self.url = f"ldap://{who}@127.0.0.1:{proxy.port}/{slapd_server.PARENTS}"

    async def people(self) -> dict[str, Person]:
        """As the protocol says."""
        found = await slapd_server.entries(self.running)
        return {
            one["uid"][0]: Person(
                one["uid"][0],
                one["employeeNumber"][0],
                one["mobile"][0],
                "; ".join(one.get("description", [])),
                ", ".join(one.get("o", [])),
                "pwdAccountLockedTime" not in one,
            )
            for one in found
        }

    async def signs_in(self, identifier: str, password: str) -> bool:
        """A bind, as every service behind a directory does it."""
        return await slapd_server.binds(self.running, identifier, password)


async def until_met(service: Service) -> None:
    """The accident has happened."""
    for _ in range(500):
        if service.proxy.met:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("no accident")


SERVICES = ("canaille", "slapd")


def missing(name: str) -> str | None:
    """Why this service cannot be started here."""
    if name == "canaille":
        return canaille_server.MISSING
    return slapd_server.MISSING or (
        None if find_spec("bonsai") else "bonsai is not installed: make test-servers"
    )


@pytest.fixture(scope="session")
def canaille() -> Iterator[canaille_server.Canaille]:
    """One for all tests: it takes seconds to start."""
    if reason := canaille_server.MISSING:
        pytest.skip(reason)
    with (
        TemporaryDirectory(prefix="sesame-") as folder,
        canaille_server.running(Path(folder)) as running,
    ):
        yield running


@pytest.fixture
def slapd() -> Iterator[slapd_server.Slapd]:
    """One for each test: it starts at once."""
    if reason := missing("slapd"):
        pytest.skip(reason)
    with (
        TemporaryDirectory(prefix="sesame-") as folder,
        slapd_server.running(Path(folder)) as running,
    ):
        yield running


@pytest.fixture(params=SERVICES)
async def service(request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    """Each account service, empty and well."""
    running = request.getfixturevalue(request.param)
    if request.param == "canaille":
        if not running.server.is_running():
            running.server.start()
        running.empties()
        async with between(running.server.port, running.door) as proxy:
            yield CanailleService(running, proxy)
    else:
        async with between(running.server.port, free_port()) as proxy:
            yield SlapdService(running, proxy)


@pytest.fixture
async def directory(service: Service, tmp_path: Path) -> AsyncIterator[Directory]:
    """Our own side of it."""
    found = directory_of(test_settings(tmp_path / "none.sqlite3", accounts=service.url))
    assert found is not None
    yield found
    await found.close()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is open until the end of the test."""
    async with AsyncExitStack() as opened:
        yield opened
