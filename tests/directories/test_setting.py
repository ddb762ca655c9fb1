"""SESAME_ACCOUNTS and its mapping: what can be written, and what is said of the rest."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bot.app import directory_of
from bot.settings import BadSetting
from flows.secret import Secret
from storage.accounts import hash_password
from storage.directories import Directory, DirectoryRefused
from tests.directories.conftest import Service, missing
from tests.directories.test_behaviour import MARIE, PASSWORD
from tests.helpers.parent import test_settings
from tests.servers import canaille as canaille_server
from tests.servers import slapd as slapd_server

SECRET = "very-secret-indeed"
BAD = (
    f"https://sesame:{SECRET}@host/scim/v2",
    f"scim+http://sesame:{SECRET}@auth.ecole.fr/scim/v2?token_url=https://auth.ecole.fr/token",
    f"scim+https://sesame:{SECRET}@auth.ecole.fr/scim/v2?token_url=http://auth.ecole.fr/token",
    "scim+https://auth.ecole.fr/scim/v2",
    f"scim+https://sesame:{SECRET}@/scim/v2",
    f"postgresql://sesame:{SECRET}@host/x",
    "accounts",
)
BAD_LDAP = (
    f"ldap://cn%3Dsesame:{SECRET}@ldap.ecole.fr/dc%3Decole",
    f"ldaps://cn%3Dsesame:{SECRET}@ldap.ecole.fr",
    "ldaps://ldap.ecole.fr/dc%3Decole",
)


@pytest.mark.parametrize("url", BAD)
def test_a_bad_setting_is_one_line_without_the_secret(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting) as bad:
        directory_of(test_settings(tmp_path / "none.sqlite3", accounts=url))
    line = str(bad.value)
    assert line.startswith("SESAME_ACCOUNTS")
    assert "\n" not in line
    assert SECRET not in line


@pytest.mark.parametrize("url", BAD_LDAP)
def test_a_bad_ldap_setting_too(url: str, tmp_path: Path) -> None:
    if reason := missing("slapd"):
        pytest.skip(reason)
    test_a_bad_setting_is_one_line_without_the_secret(url, tmp_path)


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        (f"scim+https://:{SECRET}@host/scim", "scim2_client", "scim"),
        (f"ldaps://cn%3Da:{SECRET}@host/dc%3Da", "bonsai", "ldap"),
    ],
)
def test_a_library_that_is_missing_says_what_to_install(
    url: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("storage.directories.scim", "storage.directories.ldap"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadSetting, match=rf"pip install 'sesame-activation\[{extra}\]'"):
        directory_of(test_settings(tmp_path / "none.sqlite3", accounts=url))


@pytest.mark.parametrize("content", ["[scim", "\udcff"])
def test_a_mapping_that_cannot_be_read(content: str, tmp_path: Path) -> None:
    file = tmp_path / "mapping.toml"
    file.write_bytes(content.encode(errors="surrogateescape"))
    settings = test_settings(
        tmp_path / "none.sqlite3", accounts="scim+https://:t@host/", accounts_mapping=file
    )
    with pytest.raises(BadSetting, match="SESAME_ACCOUNTS_MAPPING"):
        directory_of(settings)


MAPPING = """
[scim]
emails = "{identifier}@parents.ecole-du-port.fr"
title = "Parent de {children}"
"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization" = ""

[ldap]
key = "employeeType"
children = ""
schools = "ou"
[ldap.attributes]
mail = "{identifier}@parents.ecole-du-port.fr"
displayName = ""
title = "Parent de {children}"
"""


def mapped(service: Service, folder: Path, mapping: str) -> tuple[Directory, Secret]:
    """The service with other attributes, and what it wants of the password."""
    file = folder / "mapping.toml"
    file.write_text(mapping, "utf-8")
    directory = directory_of(
        test_settings(folder / "none.sqlite3", accounts=service.url, accounts_mapping=file)
    )
    assert directory is not None
    secret = Secret(PASSWORD)
    return directory, secret if directory.needs == "password" else Secret(hash_password(secret))


async def test_other_attributes(service: Service, tmp_path: Path) -> None:
    directory, digest = mapped(service, tmp_path, MAPPING)
    there = await directory.open(MARIE, digest, again=False)
    assert await directory.open(MARIE, digest, again=True) == there, "it is found under our key"
    await directory.change(there.id, MARIE)
    if isinstance(service.running, canaille_server.Canaille):  # type: ignore[attr-defined]
        [(emails, title, schools)] = service.running.query(  # type: ignore[attr-defined]
            "SELECT emails, title, organization FROM user"
        )
        assert "m.dupont@parents.ecole-du-port.fr" in emails
        assert title == "Parent de Léa D. (0750001U); Tom D. (0750002V)"
        assert not schools
    else:
        [entry] = await slapd_server.entries(service.running)  # type: ignore[attr-defined]
        assert entry["mail"] == ["m.dupont@parents.ecole-du-port.fr"]
        assert entry["employeeType"] == [MARIE.key]
        assert entry["ou"] == ["Collège des Lilas", "École du Port"]
        assert {"displayName", "description", "o", "employeeNumber"}.isdisjoint(entry)
    await directory.close()


async def test_without_a_child_nothing_of_one_is_left(service: Service, tmp_path: Path) -> None:
    """An attribute that is empty then does not keep the account from being closed."""
    mapping = '[scim]\ntitle = "{children}"\n[ldap.attributes]\ntitle = "{children}"\n'
    directory, digest = mapped(service, tmp_path, mapping)
    there = await directory.open(MARIE, digest, again=False)
    await directory.change(there.id, replace(MARIE, children=(), active=False))
    assert not (await service.people())["m.dupont"].active
    assert not await service.signs_in("m.dupont", PASSWORD)
    if isinstance(service.running, canaille_server.Canaille):  # type: ignore[attr-defined]
        [(title,)] = service.running.query("SELECT title FROM user")  # type: ignore[attr-defined]
        assert not title
    else:
        [entry] = await slapd_server.entries(service.running)  # type: ignore[attr-defined]
        assert "title" not in entry
    await directory.close()


async def test_a_mapping_that_names_what_there_is_not(service: Service, tmp_path: Path) -> None:
    mapping = '[scim]\ntitle = "{birthdate}"\n[ldap.attributes]\ntitle = "{birthdate}"\n'
    directory, digest = mapped(service, tmp_path, mapping)
    with pytest.raises(DirectoryRefused, match="mapping"):
        await directory.open(MARIE, digest, again=False)
    await directory.close()
