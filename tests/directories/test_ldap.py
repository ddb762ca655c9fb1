"""A directory with TLS, and what only directories do."""

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from bot.app import directory_of
from flows.secret import Secret
from storage.accounts import hash_password
from storage.directories import Directory, DirectoryDown, DirectoryFault, DirectoryRefused
from tests.directories.conftest import missing
from tests.directories.test_behaviour import ANOTHER, MARIE, PASSWORD
from tests.helpers.parent import test_settings
from tests.servers import slapd as slapd_server
from tests.servers.running import free_port

WHO = f"{quote(slapd_server.SERVICE, safe='')}:{slapd_server.PASSWORD}"
BY_TLS = pytest.mark.parametrize("starts", [False, True], ids=["ldaps", "starttls"])


def by_tls(slapd: slapd_server.Slapd, authority: Path, *, starts: bool) -> Directory:
    """Our own side of it; `starts`: TLS begins after the first words."""
    scheme, port = ("ldap", slapd.server.port) if starts else ("ldaps", slapd.tls_port)
    more = f"?starttls&ca={authority}" if starts else f"?ca={authority}"
    url = f"{scheme}://{WHO}@127.0.0.1:{port}/{slapd_server.PARENTS}{more}"
    found = directory_of(test_settings(slapd.folder / "none.sqlite3", accounts=url))
    assert found is not None
    return found


def digest(password: str = PASSWORD) -> Secret:
    return Secret(hash_password(Secret(password)))


@BY_TLS
async def test_a_parent_signs_in_after_all_was_said_by_tls(
    slapd: slapd_server.Slapd, starts: bool
) -> None:
    directory = by_tls(slapd, slapd.authority, starts=starts)
    assert "127.0.0.1" in await directory.check()
    there = await directory.open(MARIE, digest(), again=False)
    assert await slapd_server.binds(slapd, "m.dupont", PASSWORD)
    await directory.set_password(there.id, digest(ANOTHER))
    assert await slapd_server.binds(slapd, "m.dupont", ANOTHER)
    await directory.change(there.id, replace(MARIE, active=False))
    assert not await slapd_server.binds(slapd, "m.dupont", ANOTHER)
    await directory.remove(there.id, MARIE.key)
    assert await slapd_server.entries(slapd) == []


@pytest.fixture
def collected() -> Iterator[None]:
    """What is left is collected before the next test."""
    yield
    gc.collect()


@BY_TLS
@pytest.mark.usefixtures("collected")
# After a handshake that failed the library leaves its sockets to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_directory_of_another_authority_is_told_nothing(
    slapd: slapd_server.Slapd, starts: bool, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    slapd_server.certificate(stranger)
    directory = by_tls(slapd, stranger / "cert.pem", starts=starts)
    with pytest.raises(DirectoryDown):
        await directory.open(MARIE, digest(), again=False)
    with pytest.raises(DirectoryDown, match="certificate"):
        await directory.check()
    with pytest.raises(DirectoryFault, match="ca="):
        await by_tls(slapd, tmp_path / "none.pem", starts=starts).check()
    assert await slapd_server.entries(slapd) == []


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[tuple[slapd_server.Slapd, int]]:
    """A directory that sends whoever asks for what it has not to another port."""
    if reason := missing("slapd"):
        pytest.skip(reason)
    there = free_port()
    with slapd_server.running(tmp_path, f"referral ldap://127.0.0.1:{there}/\n") as running:
        yield running, there


async def test_nothing_is_sent_to_where_a_referral_points(
    copy: tuple[slapd_server.Slapd, int],
) -> None:
    """The operator's to mend: our name and password, and the parents', are for one server alone."""
    slapd, there = copy
    asked: list[object] = []
    elsewhere = await asyncio.start_server(lambda *one: asked.append(one), "127.0.0.1", there)
    url = f"ldap://{WHO}@127.0.0.1:{slapd.server.port}/dc%3Dother"
    directory = directory_of(test_settings(slapd.folder / "none.sqlite3", accounts=url))
    assert directory is not None
    for again in (False, True):
        with pytest.raises(DirectoryRefused) as refused:
            await directory.open(MARIE, digest(), again=again)
        assert refused.value.kind == "rights"
    assert asked == []
    elsewhere.close()
    await elsewhere.wait_closed()
