"""What every account service does for us, whatever its protocol."""

from dataclasses import replace

import pytest

from flows.secret import Secret
from storage.accounts import hash_password
from storage.directories import (
    Account,
    Child,
    Directory,
    DirectoryDown,
    DirectoryFault,
    DirectoryRefused,
    DirectoryUnclear,
)
from tests.directories.conftest import Service

LEA = Child("a" * 32, "Léa", "D", "0750001U", "Collège des Lilas")
TOM = Child("b" * 32, "Tom", "D", "0750002V", "École du Port")
MARIE = Account("1" * 32, "m.dupont", "Dupont", "Marie", "+33612345678", (LEA, TOM))
PASSWORD, ANOTHER = "Soleil&Vert27", "Étoile(Bleue)38"


def secret(directory: Directory, password: str) -> Secret:
    """What this service wants of a password."""
    chosen = Secret(password)
    return chosen if directory.needs == "password" else Secret(hash_password(chosen))


async def opens(directory: Directory, account: Account, *, again: bool = False) -> str:
    there = await directory.open(account, secret(directory, PASSWORD), again=again)
    assert there.identifier == account.identifier
    return there.id


async def test_an_account_is_opened_and_its_parent_signs_in(
    service: Service, directory: Directory
) -> None:
    await opens(directory, MARIE)
    people = await service.people()
    marie = people["m.dupont"]
    assert set(people) == {"m.dupont"}
    assert marie.key == MARIE.key
    assert "+33612345678" in marie.phone
    assert marie.active
    for said in ("Léa", "0750001U", "Tom"):
        assert said in marie.children
    assert marie.schools == "Collège des Lilas, École du Port"
    assert await service.signs_in("m.dupont", PASSWORD)
    assert not await service.signs_in("m.dupont", "Soleil&Vert28")


async def test_asked_again_it_finds_the_account_that_is_there(
    service: Service, directory: Directory
) -> None:
    first = await opens(directory, MARIE)
    assert await opens(directory, MARIE, again=True) == first
    assert set(await service.people()) == {"m.dupont"}


async def test_the_password_of_an_account_that_is_found_is_the_newest(
    service: Service, directory: Directory
) -> None:
    await opens(directory, MARIE)
    await directory.open(MARIE, secret(directory, ANOTHER), again=True)
    assert await service.signs_in("m.dupont", ANOTHER)
    assert not await service.signs_in("m.dupont", PASSWORD)


async def test_an_identifier_that_somebody_else_has_is_taken(
    service: Service, directory: Directory
) -> None:
    await opens(directory, MARIE)
    other = replace(MARIE, key="2" * 32, last="Dupond")
    with pytest.raises((DirectoryRefused, DirectoryUnclear)):  # unclear where it answers 500
        await opens(directory, other)
    with pytest.raises(DirectoryRefused) as refused:
        await opens(directory, other, again=True)
    assert refused.value.kind == "taken"
    assert (await service.people())["m.dupont"].key == MARIE.key
    assert await service.signs_in("m.dupont", PASSWORD)


async def test_an_answer_that_is_lost_is_unclear_and_nothing_is_made_twice(
    service: Service, directory: Directory
) -> None:
    await directory.check()
    service.proxy.will("lost", service.creates)
    with pytest.raises(DirectoryUnclear):
        await opens(directory, MARIE)
    await opens(directory, MARIE, again=True)
    assert set(await service.people()) == {"m.dupont"}


@pytest.mark.parametrize("service", ["canaille"], indirect=True)
async def test_somebody_elses_account_is_never_taken_for_ours(
    service: Service, directory: Directory
) -> None:
    """The password of the next change would be set there."""
    service.proxy.will("another", service.creates)
    with pytest.raises(DirectoryUnclear):
        await opens(directory, MARIE)
    await opens(directory, MARIE, again=True)
    assert set(await service.people()) == {"m.dupont"}


@pytest.mark.parametrize("service", ["canaille"], indirect=True)
async def test_nothing_is_sent_to_where_an_answer_points(
    service: Service, directory: Directory
) -> None:
    await directory.check()
    service.proxy.will("307", service.creates)
    service.proxy.will("lost", b"POST /elsewhere")
    with pytest.raises(DirectoryUnclear, match="HTTP 307"):
        await opens(directory, MARIE)
    assert service.proxy.met == ["307"]


@pytest.mark.parametrize("service", ["canaille"], indirect=True)
async def test_rules_that_have_changed_are_read_anew(
    service: Service, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await directory.check()
    service.proxy.will("400", service.creates, times=2)
    monkeypatch.setattr("storage.directories.scim._KNOWN", 0)
    with pytest.raises(DirectoryDown, match="read anew"):
        await opens(directory, MARIE)
    monkeypatch.undo()
    with pytest.raises(DirectoryRefused):  # they are new, and it refuses all the same
        await opens(directory, MARIE)


async def test_what_never_reached_it_can_be_asked_again(
    service: Service, directory: Directory
) -> None:
    service.server.kill()
    with pytest.raises(DirectoryDown):
        await opens(directory, MARIE)
    service.server.start()
    await opens(directory, MARIE, again=True)
    assert await service.signs_in("m.dupont", PASSWORD)


async def test_children_who_change_and_an_account_that_is_closed_and_opened(
    service: Service, directory: Directory
) -> None:
    there = await opens(directory, MARIE)
    await directory.change(there, replace(MARIE, children=(TOM,)))
    marie = (await service.people())["m.dupont"]
    assert "Léa" not in marie.children
    assert marie.schools == "École du Port"
    await directory.change(there, replace(MARIE, children=(), active=False))
    marie = (await service.people())["m.dupont"]
    assert (marie.children, marie.schools, marie.active) == ("", "", False)
    assert not await service.signs_in("m.dupont", PASSWORD)
    await directory.change(there, MARIE)
    assert (await service.people())["m.dupont"].active
    assert await service.signs_in("m.dupont", PASSWORD), "the password has not changed"


async def test_another_password(service: Service, directory: Directory) -> None:
    there = await opens(directory, MARIE)
    await directory.set_password(there, secret(directory, ANOTHER))
    assert await service.signs_in("m.dupont", ANOTHER)
    assert not await service.signs_in("m.dupont", PASSWORD)


async def test_a_password_is_set_twice_where_an_answer_was_lost(
    service: Service, directory: Directory
) -> None:
    there = await opens(directory, MARIE)
    service.proxy.will("lost", service.changes)
    with pytest.raises(DirectoryUnclear):
        await directory.set_password(there, secret(directory, ANOTHER))
    assert not await service.signs_in("m.dupont", PASSWORD), "the one before is dead already"
    await directory.set_password(there, secret(directory, ANOTHER))
    assert await service.signs_in("m.dupont", ANOTHER)


async def test_a_password_that_never_reached_it_can_be_set_again(
    service: Service, directory: Directory
) -> None:
    there = await opens(directory, MARIE)
    service.server.kill()
    with pytest.raises((DirectoryDown, DirectoryUnclear)):  # unclear on a connection that was open
        await directory.set_password(there, secret(directory, ANOTHER))
    service.server.start()
    assert await service.signs_in("m.dupont", PASSWORD)
    await directory.set_password(there, secret(directory, ANOTHER))
    assert await service.signs_in("m.dupont", ANOTHER)


async def test_the_password_of_an_account_that_is_gone_is_refused(
    service: Service, directory: Directory
) -> None:
    there = await opens(directory, MARIE)
    await directory.remove(there, MARIE.key)
    with pytest.raises(DirectoryRefused) as refused:
        await directory.set_password(there, secret(directory, ANOTHER))
    assert refused.value.kind == "gone"
    assert await service.people() == {}


async def test_an_account_that_is_closed_can_be_told_again_and_again(
    service: Service, directory: Directory
) -> None:
    """Whatever order a password and a freeze come in: told last that it is closed, it is."""
    there = await opens(directory, MARIE)
    closed = replace(MARIE, active=False)
    for _ in range(2):
        await directory.change(there, closed)
        assert not await service.signs_in("m.dupont", PASSWORD)
    await directory.set_password(there, secret(directory, ANOTHER))
    await directory.change(there, closed)
    assert not await service.signs_in("m.dupont", ANOTHER)
    await directory.change(there, MARIE)
    assert await service.signs_in("m.dupont", ANOTHER)
    assert not await service.signs_in("m.dupont", PASSWORD)


async def test_a_number_that_changes(service: Service, directory: Directory) -> None:
    there = await opens(directory, MARIE)
    await directory.change(there, replace(MARIE, phone="+33798765432"))
    marie = (await service.people())["m.dupont"]
    assert "+33798765432" in marie.phone
    assert MARIE.phone not in marie.phone
    assert await service.signs_in("m.dupont", PASSWORD)


async def test_an_account_is_removed_once_and_for_all(
    service: Service, directory: Directory
) -> None:
    there = await opens(directory, MARIE)
    await directory.remove(there, MARIE.key)
    assert await service.people() == {}
    await directory.remove(there, MARIE.key)  # gone already: fine
    await directory.change(there, MARIE)  # somebody else's decision


async def test_an_account_is_removed_by_our_key_alone(
    service: Service, directory: Directory
) -> None:
    await opens(directory, replace(MARIE, key="2" * 32, identifier="m.dupond"))
    await opens(directory, MARIE)
    await directory.remove(None, MARIE.key)
    assert set(await service.people()) == {"m.dupond"}
    await directory.remove(None, MARIE.key)


@pytest.mark.parametrize(
    "name", ["*", "m)(uid=*", 'm"or"1', "a,b=c", "é\u202eà", "x" * 200, "\\2a", "m.o'brien"]
)
async def test_strange_names_are_only_names(
    service: Service, directory: Directory, name: str
) -> None:
    await opens(directory, MARIE)
    strange = replace(MARIE, key="3" * 32, identifier="m.strange", last=name, first=name)
    await opens(directory, strange, again=True)
    await directory.remove(None, "*")
    assert set(await service.people()) == {"m.dupont", "m.strange"}


async def test_check_says_what_answers(service: Service, directory: Directory) -> None:
    line = await directory.check()
    assert "127.0.0.1" in line or "localhost" in line
    service.server.kill()
    with pytest.raises(DirectoryDown):
        await directory.check()
    service.server.start()


async def test_no_secret_is_shown(service: Service, directory: Directory) -> None:
    """Not by `repr`, and by no error."""
    shown = [repr(directory), repr(MARIE)]
    service.server.kill()
    for work in (directory.check(), opens(directory, MARIE), directory.remove("x", "y")):
        with pytest.raises(DirectoryFault) as fault:
            await work
        shown += [str(fault.value), repr(fault.value)]
    service.server.start()
    secrets = service.url.partition("//")[2].partition("@")[0].split(":")
    for text in shown:
        for hidden in (secrets[-1], PASSWORD, "Dupont", "+33612345678"):
            assert hidden not in text
