"""A SCIM service that knows our own schema: children travel in it, and docs/accounts.md is true."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.app import directory_of
from flows.secret import Secret
from storage.directories import Account, Child, Directory, DirectoryRefused
from storage.directories.scim import GUARDIAN
from tests.helpers.parent import test_settings
from tests.servers import scim

ROOT = Path(__file__).parents[2]
LEA = Child("9f2c4d0e8b7a6c5d4e3f2a1b0c9d8e7f", "Léa", "D", "0750001U", "Collège des Lilas")
MARIE = Account(
    "0c1d2e3f405162738495a6b7c8d9eafb", "m.dupont", "Dupont", "Marie", "+33612345678", (LEA,)
)
SECRET = Secret("Soleil&Vert27")


@pytest.fixture(params=[True, False], ids=["patch", "replace"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[scim.ScimServer]:
    """With PATCH, and without."""
    with scim.running(tmp_path, patch=request.param) as running:
        yield running


@pytest.fixture
async def directory(service: scim.ScimServer, tmp_path: Path) -> AsyncIterator[Directory]:
    found = directory_of(test_settings(tmp_path / "none.sqlite3", accounts=service.url))
    assert found is not None
    yield found
    await found.close()


async def test_children_travel_in_our_own_schema(
    service: scim.ScimServer, directory: Directory
) -> None:
    there = await directory.open(MARIE, SECRET, again=False)
    [marie] = service.people()
    assert marie["externalId"] == MARIE.key
    assert [child["givenName"] for child in marie[GUARDIAN]["children"]] == ["Léa"]
    assert "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User" not in marie
    tom = Child("b" * 32, "Tom", "D", "0750002V", "École du Port")
    await directory.change(there.id, replace(MARIE, children=(LEA, tom)))
    [marie] = service.people()
    assert [child["givenName"] for child in marie[GUARDIAN]["children"]] == ["Léa", "Tom"]
    await directory.change(there.id, replace(MARIE, children=(), active=False))
    [marie] = service.people()
    assert not marie.get(GUARDIAN, {}).get("children")
    assert marie["active"] is False
    await directory.remove(there.id, MARIE.key)
    assert service.people() == []


async def test_it_is_found_by_a_filter(service: scim.ScimServer, directory: Directory) -> None:
    first = await directory.open(MARIE, SECRET, again=False)
    assert await directory.open(MARIE, SECRET, again=True) == first
    assert await directory.open(MARIE, SECRET, again=False) == first, "refused with 409: looked up"
    with pytest.raises(DirectoryRefused) as refused:
        await directory.open(replace(MARIE, key="2" * 32), SECRET, again=False)
    assert refused.value.kind == "taken"
    assert len(service.people()) == 1


async def test_it_is_removed_by_our_key_alone(
    service: scim.ScimServer, directory: Directory
) -> None:
    await directory.open(replace(MARIE, key="2" * 32, identifier="m.dupond"), SECRET, again=False)
    await directory.open(MARIE, SECRET, again=False)
    await directory.remove(None, MARIE.key)
    assert [one["userName"] for one in service.people()] == ["m.dupond"]


async def test_check_says_that_it_knows_our_schema(directory: Directory) -> None:
    assert "children in our own schema: yes" in await directory.check()


async def test_the_example_of_the_documentation_is_what_is_sent(
    service: scim.ScimServer, directory: Directory
) -> None:
    await directory.open(MARIE, SECRET, again=False)
    [marie] = service.people()
    page = (ROOT / "docs" / "accounts.md").read_text("utf-8")
    found = re.search(r"<!-- example -->\n```json\n(.*?)```", page, re.DOTALL)
    assert found
    shown = json.loads(found[1])
    assert shown.pop("password") == "…"
    assert {name: marie[name] for name in shown} == shown
    assert set(marie) - {"id", "meta"} == set(shown)
