"""What is sealed opens with its secret, in its place, unaltered; and not otherwise."""

import json
from itertools import combinations
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.app import open_storage
from flows.secret import Secret
from storage.database import every
from storage.place import Place, open_database
from storage.vault import Vault, VaultError, _Ciphers, check_secret
from tests.helpers.parent import SECRET, test_settings
from tests.helpers.school import a_school

VAULT = Vault(Secret(SECRET))
OTHER = Vault(Secret(SECRET + "!"))
MARIE = {"last": "Dupont", "first": "Marié", "phones": ["+33612345678"], "born": None, "n": 3}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=8,
)
parts = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=4)


@given(json_values, st.text(st.characters(codec="utf-8")))
def test_what_is_sealed_opens(value: object, place: str) -> None:
    assert VAULT.open(VAULT.seal(value, place), place) == value


def test_the_same_is_never_sealed_alike() -> None:
    assert len({VAULT.seal(MARIE, "here") for _ in range(100)}) == 100


def test_nothing_of_it_is_to_be_seen() -> None:
    sealed = VAULT.seal(MARIE, "here") + VAULT.key("phone", "+33612345678")
    for word in (b"Dupont", b"Mari", b"336", b"12345678", b"phones"):
        assert word not in sealed


@pytest.mark.parametrize("secret", [SECRET[:-1], SECRET.upper(), SECRET + "\0", " " + SECRET, ""])
def test_another_secret_does_not_open(secret: str) -> None:
    with pytest.raises(VaultError):
        Vault(Secret(secret)).open(VAULT.seal(MARIE, "here"), "here")


def test_the_same_secret_opens_after_a_restart() -> None:
    assert Vault(Secret(SECRET)).open(VAULT.seal(MARIE, "here"), "here") == MARIE


def test_every_altered_byte_is_noticed() -> None:
    sealed = VAULT.seal(MARIE, "here")
    for place in range(len(sealed)):
        for flip in (0x01, 0x80):
            altered = bytearray(sealed)
            altered[place] ^= flip
            with pytest.raises(VaultError):
                VAULT.open(bytes(altered), "here")


def test_every_length_but_its_own_is_noticed() -> None:
    sealed = VAULT.seal(MARIE, "here")
    for cut in [sealed[:end] for end in range(len(sealed))] + [sealed + b"\0", sealed * 2]:
        with pytest.raises(VaultError):
            VAULT.open(cut, "here")


@pytest.mark.parametrize("place", ["", "her", "here ", "Here", "chats:61"])
def test_moved_to_another_place_it_does_not_open(place: str) -> None:
    """A row of one person does not become another's."""
    with pytest.raises(VaultError):
        VAULT.open(VAULT.seal(MARIE, "here"), place)


def test_the_fault_tells_nothing() -> None:
    with pytest.raises(VaultError) as said:
        OTHER.open(VAULT.seal(MARIE, "here"), "here")
    text = str(said.value)
    assert "SESAME_SECRET" in text
    assert "\n" not in text
    assert SECRET not in text
    assert "Dupont" not in text


def test_a_vault_does_not_show_its_secret() -> None:
    assert SECRET not in repr(VAULT) + repr(vars(VAULT))


# ---- look-up keys ----------------------------------------------------------------------------


@given(st.lists(parts, min_size=2, max_size=6, unique_by=tuple))
def test_other_parts_have_another_key(many: list[list[str]]) -> None:
    """However the parts are cut: "ab", "c" is not "a", "bc"."""
    keys = {VAULT.key("purpose", *some) for some in many}
    assert len(keys) == len(many)


@given(parts, st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_another_purpose_has_another_key(some: list[str], purpose: str) -> None:
    assume(purpose != "phone")
    assert VAULT.key("phone", *some) != VAULT.key(purpose, *some)


def test_keys_by_hand() -> None:
    keys = [
        VAULT.key("code", "ab", "c"),
        VAULT.key("code", "a", "bc"),
        VAULT.key("code", "abc"),
        VAULT.key("code", "abc", ""),
        VAULT.key("code", "", "abc"),
        VAULT.key("codeabc"),
        VAULT.key("code"),
        VAULT.key("phone", "abc"),
        OTHER.key("code", "abc"),
    ]
    for one, two in combinations(keys, 2):
        assert one != two
    assert {len(key) for key in keys} == {16}
    assert VAULT.key("code", "abc") == Vault(Secret(SECRET)).key("code", "abc")
    assert VAULT.key("chat", 12) == VAULT.key("chat", "12")  # a number is written


# ---- the canary ------------------------------------------------------------------------------


async def test_a_database_opens_with_its_own_secret_only(place: Place) -> None:
    settings = test_settings(place)
    await a_school().fills_place(place, settings)
    for _ in range(2):
        async with open_storage(settings):
            pass
    with pytest.raises(VaultError) as said:
        async with open_storage(test_settings(place, secret="z" * 40)):
            raise AssertionError("it opened")
    assert str(said.value) == (
        "The stored data does not open: SESAME_SECRET is not the one that sealed it."
    )
    async with open_storage(settings):  # nothing was spoilt by the attempt
        pass


async def test_the_canary_is_set_once(place: Place) -> None:
    async with open_database(place) as database:
        await database.run(check_secret(VAULT))
        first = await database.run(every("SELECT * FROM canary"))
        await database.run(check_secret(VAULT))
        assert await database.run(every("SELECT * FROM canary")) == first
        assert len(first) == 1
        with pytest.raises(VaultError):
            await database.run(check_secret(OTHER))
        assert await database.run(every("SELECT * FROM canary")) == first


async def test_the_file_alone_shows_nobody(tmp_path: Path) -> None:
    """DESIGN, promise 5."""
    path = tmp_path / "sesame.sqlite3"
    await a_school().fills_file(path, test_settings(path))
    content = path.read_bytes()
    assert b"0750001U" in content  # it is the register, and it is readable where it may be
    for row in a_school().rows:
        for column in ("guardian_last", "guardian_first", "child_birthdate"):
            for form in (row[column], json.dumps(row[column])[1:-1]):
                assert len(form) < 4 or form.encode() not in content
        digits = row["mobile"].replace(" ", "")[-8:]
        assert digits.encode() not in content


def test_passwords_have_a_key_of_their_own() -> None:
    """Who has the key of all else, and the same place, cannot open one."""
    secret = Secret("a secret of the tests, long enough")
    own, place = Vault(secret), "passwords:00"
    sealed = own.seal("Soleil&Vert27", place)
    assert own.open(sealed, place) == "Soleil&Vert27"
    ciphers = _Ciphers(secret)
    with pytest.raises(InvalidTag):
        ciphers.of("accounts:00").decrypt(sealed[:12], sealed[12:], place.encode())
