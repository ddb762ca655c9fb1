"""A parent whose account is opened in the school's own service: what they press, what they read.

The service is real, and so are its accidents. Whatever happens, one account is opened, nobody is
told what is not so, and the parent need not do anything to be called back.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from bot.carriers import accounts as carrier
from bot.channel import said
from bot.engine import Update
from bot.operators import erase_person
from flows.inputs import Pressed
from flows.secret import Secret
from flows.states import S
from storage.accounts import hash_password
from storage.database import every
from storage.directories import Account, Directory
from storage.openings import abandon
from storage.told import tell_changes
from tests.conversations.roads import MARIE, ROADS, everybody
from tests.directories.conftest import SERVICES, Service, until_met
from tests.helpers import invariants
from tests.helpers.dialogue import PASSWORD, Dialogue, pattern
from tests.helpers.parent import CoreParent, core_parent
from tests.helpers.school import LILAS, PORT, School

Meet = Callable[..., Awaitable[Dialogue[CoreParent]]]


@pytest.fixture(params=["fr", "en"])
def lang(request: pytest.FixtureRequest) -> str:
    """The parent's language."""
    return str(request.param)


@pytest.fixture
def meet(service: Service, tmp_path: Path, stack: AsyncExitStack) -> Meet:
    """Meet Marie where she may open her account at this service."""

    async def met(lang: str = "fr", at: S = S.RECAP, **own: object) -> Dialogue[CoreParent]:
        settings = {"accounts": service.url, **own}
        parent = await stack.enter_async_context(
            core_parent(tmp_path / "sesame.sqlite3", everybody(), lang=lang, **settings)  # type: ignore[arg-type]
        )
        marie = Dialogue(parent, lang)
        await marie.follows(*ROADS[at])
        return marie

    return met


async def reads_soon(parent: Dialogue[CoreParent], key: str, **facts: object) -> None:
    """Nobody presses anything: the bot writes by itself."""
    for _ in range(600):
        if re.search(pattern(key, parent.lang, facts), parent.reads):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{key} was not written:\n{parent.reads}")


async def rows(parent: Dialogue[CoreParent], query: str) -> list[tuple[object, ...]]:
    return await parent.parent.service.doors.database.run(every(query))


async def is_done(
    parent: Dialogue[CoreParent], service: Service, identifier: str = "m.dupont"
) -> None:
    """One account, here and there, with the password of the chat, which is in no file."""
    await parent.parent.service.delivery.settle()
    people = await service.people()
    assert identifier in people
    assert people[identifier].active
    assert "Léa" in people[identifier].children
    assert await service.signs_in(identifier, PASSWORD)
    assert not await service.signs_in(identifier, "Soleil&Vert28")
    assert await rows(parent, "SELECT count(*) FROM accounts") == [(1,)]
    assert await rows(parent, "SELECT password_hash FROM accounts") == [("",)]
    assert await rows(parent, "SELECT count(*) FROM openings") == [(0,)]
    assert await rows(parent, "SELECT count(*) FROM passwords") == [(0,)]
    doors = parent.parent.service.doors
    await invariants.check(doors.database, doors.accounts.vault, sms=parent.sms.received)


async def test_the_account_is_opened_there_and_the_parent_signs_in(
    meet: Meet, service: Service, lang: str
) -> None:
    marie = await meet(lang)
    await marie.presses("activate_now")
    marie.is_asked(S.DONE)
    marie.hears("done.ask", identifier="m.dupont")
    marie.does_not_hear("opening.late")
    await is_done(marie, service)
    assert set(await service.people()) == {"m.dupont"}


async def test_a_service_that_is_down_is_said_once_and_the_parent_is_called_back(
    meet: Meet, service: Service, lang: str
) -> None:
    marie = await meet(lang)
    service.server.kill()
    await marie.presses("activate_now")
    marie.hears("opening.late")
    marie.does_not_hear("done.ask")
    assert await rows(marie, "SELECT count(*) FROM accounts") == [(0,)]
    await marie.says("Allô ?")
    marie.hears("opening.waits")
    await asyncio.sleep(2)  # it tries on
    marie.does_not_hear("opening.late")
    service.server.start()
    await reads_soon(marie, "done.ask", identifier="m.dupont")
    await is_done(marie, service)


OF_HTTP = ("garbage", "twice", "500", "502", "503", "429", "403")
ACCIDENTS = [(name, one) for name in SERVICES for one in ("cut", "lost", "slow")]
ACCIDENTS += [("canaille", one) for one in OF_HTTP]
only = partial(pytest.mark.parametrize, "service", indirect=True)


@pytest.mark.parametrize(("service", "accident"), ACCIDENTS, indirect=["service"])
async def test_whatever_happens_on_the_way_one_account_is_opened(
    meet: Meet, service: Service, accident: str
) -> None:
    marie = await meet()
    service.proxy.will(accident, service.creates)
    await marie.presses("activate_now")
    await reads_soon(marie, "done.ask", identifier="m.dupont")
    assert service.proxy.met == [accident]
    assert marie.reads.count("service des comptes") == (accident != "slow")
    await is_done(marie, service)
    assert set(await service.people()) == {"m.dupont"}


async def test_an_answer_that_is_lost_again_and_again(meet: Meet, service: Service) -> None:
    marie = await meet()
    service.proxy.will("lost", service.creates, times=2)
    service.proxy.will("cut", b"GET /scim/v2/Users", times=2)
    await marie.presses("activate_now")
    await reads_soon(marie, "done.ask", identifier="m.dupont")
    await is_done(marie, service)
    assert set(await service.people()) == {"m.dupont"}


async def test_a_second_tap_while_the_account_is_opened_says_nothing(
    meet: Meet, service: Service
) -> None:
    marie = await meet()
    service.proxy.will("slow", service.creates)
    tapping = asyncio.ensure_future(marie.presses("activate_now"))
    await until_met(service)
    button = marie.parent.last
    await marie.parent.service.engine.take(
        Update(marie.parent.address, Pressed("activate_now", button.asked))
    )
    await tapping
    marie.is_asked(S.DONE)
    marie.does_not_hear("wait")
    await is_done(marie, service)


async def test_a_slow_service_is_said_and_waited_for(
    meet: Meet, service: Service, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrier, "PATIENCE", 0.3)
    marie = await meet(lang)
    service.proxy.will("slow", service.creates)
    await marie.presses("activate_now")
    assert marie.reads.index(locale(marie, "opening.late")) == 0
    marie.is_asked(S.DONE)
    assert service.proxy.met == ["slow"]
    await is_done(marie, service)


def locale(parent: Dialogue[CoreParent], key: str) -> str:
    found = re.search(pattern(key, parent.lang, {}), parent.reads)
    assert found, parent.reads
    return found[0]


async def test_a_service_that_never_answers_is_left_and_looked_up(
    meet: Meet, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrier, "PATIENCE", 0.3)
    monkeypatch.setattr(carrier, "LONGEST", 0.6)
    marie = await meet()
    service.proxy.will("slow", service.creates)  # it takes effect after we have gone
    await marie.presses("activate_now")
    marie.hears("opening.late")
    monkeypatch.undo()
    await reads_soon(marie, "done.ask")
    await is_done(marie, service)
    assert set(await service.people()) == {"m.dupont"}


async def test_the_service_is_killed_after_it_has_opened_the_account(
    meet: Meet, service: Service
) -> None:
    marie = await meet()
    service.proxy.will("lost", service.creates)
    await marie.presses("activate_now")
    service.server.kill()
    marie.hears("opening.late")
    await asyncio.sleep(1.5)
    service.server.start()
    await reads_soon(marie, "done.ask")
    await is_done(marie, service)


async def test_we_are_killed_while_the_service_is_asked(meet: Meet, service: Service) -> None:
    """After the start the account is looked up: it was opened, and is not opened again."""
    marie = await meet()
    service.proxy.will("slow", service.creates)
    pressing = asyncio.ensure_future(marie.presses("activate_now"))
    await until_met(service)
    await marie.parent.restarts()
    pressing.cancel()
    await asyncio.gather(pressing, return_exceptions=True)
    await reads_soon(marie, "done.ask", identifier="m.dupont")
    await is_done(marie, service)
    assert set(await service.people()) == {"m.dupont"}


async def test_we_are_killed_while_the_service_is_down(meet: Meet, service: Service) -> None:
    marie = await meet()
    service.server.kill()
    await marie.presses("activate_now")
    await marie.parent.restarts()
    await marie.says("Allô ?")
    marie.hears("opening.waits")
    await marie.says("/humain")
    marie.hears("human")
    await marie.says("/english")
    marie.lang = "en"
    marie.hears("language.done", "opening.waits")
    service.server.start()
    await reads_soon(marie, "done.ask")
    await is_done(marie, service)


LEAVING = [
    ("fr", "/annuler", "interrupt.cancel.opening", "stop", "stopped.opening"),
    ("en", "/forget", "interrupt.erase.opening", "erase_all", "erased.opening"),
]
leaving = pytest.mark.parametrize(("lang", "command", "asks", "choice", "ends"), LEAVING)


@leaving
async def test_a_parent_who_does_not_want_to_wait_gets_no_account(
    meet: Meet, service: Service, lang: str, command: str, asks: str, choice: str, ends: str
) -> None:
    marie = await meet(lang)
    service.server.kill()
    await marie.presses("activate_now")
    marie.hears("opening.late")
    await marie.says("?")
    marie.hears("opening.waits", "help.commands")
    await marie.says("/privacy")
    marie.hears("privacy.kept", "opening.waits")
    await marie.says(command)
    marie.hears(asks)
    await marie.presses("continue")
    marie.hears("opening.waits")
    await marie.follows(command, f"[{choice}]")
    marie.hears(ends)
    for table in ("openings", "passwords"):
        assert await rows(marie, f"SELECT count(*) FROM {table}") == [(0,)]
    service.server.start()
    await marie.parent.service.delivery.settle()
    assert await service.people() == {}
    assert await rows(marie, "SELECT count(*) FROM accounts") == [(0,)]
    marie.does_not_hear("done.ask")


@leaving
async def test_a_parent_who_leaves_while_the_service_is_asked(
    meet: Meet,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    lang: str,
    command: str,
    asks: str,
    choice: str,
    ends: str,
) -> None:
    """The service opens the account after that: nobody is told of it, and it is removed."""
    monkeypatch.setattr(carrier, "PATIENCE", 0.2)
    marie = await meet(lang)
    service.proxy.will("slow", service.creates)
    engine, address = marie.parent.service.engine, marie.parent.address
    await engine.take(Update(address, Pressed("activate_now", marie.parent.last.asked)))
    await until_met(service)
    await reads_soon(marie, "opening.late")
    await engine.take(Update(address, said(command)))
    await reads_soon(marie, asks)
    await marie.presses(choice)
    await marie.parent.service.delivery.settle()
    marie.hears(ends)
    marie.does_not_hear("done.ask")
    assert await service.people() == {}
    assert await rows(marie, "SELECT count(*) FROM accounts") == [(0,)]


async def test_who_leaves_in_one_conversation_goes_on_in_the_other(
    meet: Meet, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for in the first one has its effect, and is no answer to the second."""
    monkeypatch.setattr(carrier, "PATIENCE", 0.2)
    marie = await meet()
    other = Dialogue(marie.parent.beside("marie's other phone"), "fr")
    marie.clock.passes(minutes=2)
    another = "Terre&Verte28"
    road = (another if line == PASSWORD else line for line in ROADS[S.RECAP])
    await other.follows(*road)
    service.proxy.will("slow", service.creates)
    engine, address = marie.parent.service.engine, marie.parent.address
    await engine.take(Update(address, Pressed("activate_now", marie.parent.last.asked)))
    await until_met(service)
    await reads_soon(marie, "opening.late")
    await engine.take(Update(address, said("/annuler")))
    await reads_soon(marie, "interrupt.cancel.opening")
    await engine.take(Update(address, Pressed("stop", marie.parent.last.asked)))
    await other.presses("activate_now")
    await reads_soon(other, "done.ask", identifier="m.dupont")
    await marie.parent.service.delivery.settle()
    assert set(await service.people()) == {"m.dupont"}
    assert await service.signs_in("m.dupont", another)
    assert not await service.signs_in("m.dupont", PASSWORD)
    assert await rows(marie, "SELECT count(*) FROM accounts") == [(1,)]


async def takes(directory: Directory, *identifiers: str) -> None:
    """Strangers have these identifiers there."""
    chosen = Secret("Autre&Secret12")
    digest = chosen if directory.needs == "password" else Secret(hash_password(chosen))
    for n, identifier in enumerate(identifiers):
        stranger = Account(f"{n:032x}", identifier, "Dupont", "Michel", "+33712345678", ())
        await directory.open(stranger, digest, again=False)


@only(argvalues=["slapd"])
async def test_many_identifiers_that_others_have_cost_no_time(
    meet: Meet, service: Service, directory: Directory
) -> None:
    await takes(directory, "m.dupont", *(f"m.dupont{n}" for n in range(2, 9)))
    marie = await meet()
    await marie.presses("activate_now")
    marie.is_asked(S.DONE)
    marie.hears("done.ask", identifier="m.dupont9")
    marie.does_not_hear("opening.late")


@only(argvalues=["canaille"])
async def test_a_service_that_says_of_every_name_that_it_is_taken(
    meet: Meet, service: Service
) -> None:
    """It means something else, and would say so for ever."""
    marie = await meet()
    service.proxy.will("409", service.creates, times=60)
    await marie.presses("activate_now")
    await reads_soon(marie, "opening.refused")
    marie.is_asked(S.RECAP)
    assert await rows(marie, "SELECT about FROM school_notes") == [("not_opened",)]


async def test_a_child_who_is_no_more_when_the_service_is_back(
    meet: Meet, service: Service
) -> None:
    """An account without a child is a closed one: the parent is not told that it is open."""
    marie = await meet()
    service.server.kill()
    await marie.presses("activate_now")
    left = School().knows("Paul MARTIN", "06 98 76 54 32", {"Zoé MARTIN": "02/02/2012"})
    child = {"Léa DUPONT": "14/03/2014"}
    doors = marie.parent.service.doors
    no_more = School([*left.rows]).knows("Marie DUPONT", MARIE[2], child, legal=False)
    await no_more.fills(doors.database, doors.accounts.vault, marie.clock)
    service.server.start()
    await reads_soon(marie, "opening.refused")
    assert await service.people() == {}
    assert await rows(marie, "SELECT count(*) FROM accounts") == [(0,)]


async def test_an_identifier_that_somebody_has_there_already(
    meet: Meet, service: Service, directory: Directory
) -> None:
    await takes(directory, "m.dupont")
    marie = await meet()
    await marie.presses("activate_now")
    await reads_soon(marie, "done.ask", identifier="m.dupont2")
    await is_done(marie, service, "m.dupont2")
    assert await service.signs_in("m.dupont", "Autre&Secret12"), "the stranger's is as it was"


@only(argvalues=["canaille"])
async def test_a_password_is_kept_for_30_minutes_and_asked_for_again(
    service: Service, meet: Meet, lang: str
) -> None:
    """Only where the service wants the password itself."""
    marie = await meet(lang)
    service.server.kill()
    await marie.presses("activate_now")
    marie.hears("opening.late")
    assert await rows(marie, "SELECT count(*) FROM passwords") == [(1,)]
    marie.clock.passes(minutes=31)
    await marie.parent.service.forget_passwords()
    assert await rows(marie, "SELECT count(*) FROM passwords") == [(0,)]
    await reads_soon(marie, "opening.password_gone")
    marie.is_asked(S.PASSWORD)
    service.server.start()
    await marie.says(PASSWORD)
    marie.hears("password.prove_again")
    await marie.follows("[yes]", "(code)", PASSWORD, PASSWORD, "[activate_now]")
    marie.is_asked(S.DONE)
    await is_done(marie, service)


@only(argvalues=["canaille"])
async def test_a_password_that_was_gone_before_the_last_press(service: Service, meet: Meet) -> None:
    marie = await meet()
    marie.clock.passes(minutes=31)
    await marie.presses("activate_now")
    marie.hears("opening.password_gone")
    marie.is_asked(S.PASSWORD)
    assert await service.people() == {}


@only(argvalues=["slapd"])
async def test_a_hash_may_wait_for_a_day(service: Service, meet: Meet) -> None:
    marie = await meet()
    service.server.kill()
    await marie.presses("activate_now")
    marie.clock.passes(hours=25)
    await reads_soon(marie, "opening.refused")
    marie.is_asked(S.RECAP)
    service.server.start()
    await marie.presses("activate_now")
    marie.is_asked(S.DONE)
    await is_done(marie, service)


@only(argvalues=["canaille"])
async def test_a_service_that_refuses_for_good(service: Service, meet: Meet, lang: str) -> None:
    marie = await meet(lang)
    service.proxy.will("400", service.creates)
    await marie.presses("activate_now")
    marie.hears("opening.refused")
    marie.is_asked(S.RECAP)
    assert await rows(marie, "SELECT about FROM school_notes") == [("not_opened",)]
    await marie.presses("activate_now")
    marie.is_asked(S.DONE)
    await is_done(marie, service)


@only(argvalues=["canaille"])
async def test_a_password_that_the_service_does_not_take(
    service: Service, meet: Meet, lang: str
) -> None:
    marie = await meet(lang)
    service.proxy.will("password", service.creates)
    await marie.presses("activate_now")
    marie.hears("opening.password_not_taken")
    marie.is_asked(S.PASSWORD)
    assert await rows(marie, "SELECT count(*) FROM passwords") == [(0,)]
    await marie.follows(PASSWORD, PASSWORD, "[activate_now]")
    marie.is_asked(S.DONE)
    await is_done(marie, service)


@only(argvalues=["canaille"])
async def test_a_password_of_the_page_is_kept_as_well(service: Service, meet: Meet) -> None:
    marie = await meet(at=S.PASSWORD, public_url="https://sesame.ecole.fr", listen="127.0.0.1:1")
    await marie.parent.opens_page()
    await marie.parent.fills_page("Terre&Verte28")
    await marie.follows("[yes]", "14/03/2014", "[activate_now]")
    marie.is_asked(S.DONE)
    assert await service.signs_in("m.dupont", "Terre&Verte28")


@only(argvalues=["canaille"])
async def test_a_password_is_kept_once_it_was_typed_twice(service: Service, meet: Meet) -> None:
    marie = await meet(at=S.PASSWORD_AGAIN)
    assert await rows(marie, "SELECT count(*) FROM passwords") == [(0,)]
    await marie.says("Soleil&Vert28")
    marie.hears("password.different")
    assert await rows(marie, "SELECT count(*) FROM passwords") == [(0,)]
    await marie.follows(PASSWORD, PASSWORD)
    assert await rows(marie, "SELECT count(*) FROM passwords") == [(1,)]


@only(argvalues=["canaille"])
@pytest.mark.parametrize(
    "lines",
    [
        ("/annuler", "[stop]"),
        ("/effacer", "[erase_all]"),
        ("/start", "[restart]"),
        ("(wait 8d)",),
        ("(wait 31m)",),
    ],
    ids=" ".join,
)
async def test_a_password_goes_with_what_it_was_for(
    service: Service, meet: Meet, lines: tuple[str, ...]
) -> None:
    marie = await meet()
    assert await rows(marie, "SELECT count(*) FROM passwords") == [(1,)]
    await marie.follows(*lines)
    await marie.parent.service.forget_passwords()
    assert await rows(marie, "SELECT count(*) FROM passwords") == [(0,)]


async def test_our_own_name_and_password_are_refused(service: Service, meet: Meet) -> None:
    """The operator's to mend: the parent waits, and loses nothing."""
    secret = service.url.partition("@")[0].rpartition(":")[2]
    marie = await meet(accounts=service.url.replace(secret, "wrong", 1))
    await marie.presses("activate_now")
    marie.hears("opening.late")
    assert await rows(marie, "SELECT count(*) FROM accounts") == [(0,)]


@only(argvalues=["canaille"])
async def test_a_token_that_has_ended_is_renewed(service: Service, meet: Meet) -> None:
    marie = await meet()
    service.proxy.will("401", service.creates)
    await marie.presses("activate_now")
    marie.is_asked(S.DONE)
    marie.does_not_hear("opening.late")
    assert service.proxy.met == ["401"]
    await is_done(marie, service)


async def test_two_phones_of_one_parent_open_one_account(meet: Meet, service: Service) -> None:
    marie = await meet()
    other = Dialogue(marie.parent.beside("marie's other phone"), "fr")
    marie.clock.passes(minutes=2)
    await other.follows(*ROADS[S.RECAP])
    service.proxy.will("slow", service.creates)
    pressing = asyncio.ensure_future(marie.presses("activate_now"))
    await until_met(service)
    pressing_too = asyncio.ensure_future(other.presses("activate_now"))
    await asyncio.gather(pressing, pressing_too)
    marie.is_asked(S.DONE)
    other.hears("opening.elsewhere")
    other.is_asked(S.RECAP)
    await other.presses("activate_now")
    other.is_asked(S.ALREADY)
    await is_done(marie, service)


# ---- later -----------------------------------------------------------------------------------


async def opened(meet: Meet, service: Service) -> Dialogue[CoreParent]:
    marie = await meet()
    await marie.presses("activate_now")
    marie.is_asked(S.DONE)
    assert set(await service.people()) == {"m.dupont"}
    return marie


async def test_erase_removes_the_account_there_too(
    meet: Meet, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    marie = await opened(meet, service)
    service.server.kill()
    await erase_person(marie.parent.settings, "m.dupont", "", "letter", sure=True, lang="en")
    assert "account service is asked to remove 1 account" in capsys.readouterr().out
    delivery = marie.parent.service.delivery
    await delivery.look()
    await delivery.settle(later=False)
    service.server.start()
    await delivery.settle()
    assert await service.people() == {}
    assert await rows(marie, "SELECT status FROM outbox WHERE kind = 'account'") == [
        ("sent",),
        ("sent",),
    ]


async def test_a_person_who_is_erased_while_the_account_is_opened(
    meet: Meet, service: Service
) -> None:
    marie = await meet()
    service.proxy.will("lost", service.creates)
    service.proxy.will("cut", b"GET /scim/v2/Users", times=1)
    await marie.presses("activate_now")
    await erase_person(marie.parent.settings, MARIE[2], "", "letter", sure=True, lang="en")
    assert await rows(marie, "SELECT count(*) FROM passwords") == [(0,)]
    delivery = marie.parent.service.delivery
    await delivery.look()
    await delivery.settle()
    assert await service.people() == {}
    assert await rows(marie, "SELECT count(*) FROM accounts") == [(0,)]


async def test_a_person_who_is_erased_while_the_service_is_asked(
    meet: Meet, service: Service
) -> None:
    """The service opens the account after that: nobody is told of it, and it is removed."""
    marie = await meet()
    service.proxy.will("slow", service.creates)
    pressing = asyncio.ensure_future(marie.presses("activate_now"))
    await until_met(service)
    await erase_person(marie.parent.settings, MARIE[2], "", "letter", sure=True, lang="en")
    await pressing
    await marie.parent.service.delivery.look()
    await marie.parent.service.delivery.settle()
    assert marie.reads == ""
    assert await service.people() == {}
    assert await rows(marie, "SELECT count(*) FROM accounts") == [(0,)]


async def imports(parent: Dialogue[CoreParent], school: School) -> None:
    """The school's next export, and what the command does after it."""
    doors = parent.parent.service.doors
    parent.clock.passes(days=1)
    await school.fills(doors.database, doors.accounts.vault, parent.clock)
    await doors.database.run(tell_changes(doors.accounts.vault, b"", parent.clock()))
    await parent.parent.service.delivery.look()
    await parent.parent.service.delivery.settle()


async def test_after_an_import_the_service_is_told_what_has_changed(
    meet: Meet, service: Service
) -> None:
    marie = await opened(meet, service)
    told = await rows(marie, "SELECT told FROM accounts")
    await imports(marie, everybody())
    assert await rows(marie, "SELECT told FROM accounts") == told, "nothing has"
    child = {"Léa DUPONT": "14/03/2014"}
    moved = School().knows("Marie DUPONT", MARIE[2], child, at=PORT)
    left = School().knows("Paul MARTIN", "06 98 76 54 32", {"Zoé MARTIN": "02/02/2012"}, at=LILAS)
    await imports(marie, School([*moved.rows, *left.rows]))
    now = (await service.people())["m.dupont"]
    assert PORT[0] in now.children
    assert LILAS[0] not in now.children
    assert now.active
    assert await service.signs_in("m.dupont", PASSWORD)


async def test_without_a_child_the_account_is_closed_and_with_one_opened_again(
    meet: Meet, service: Service
) -> None:
    marie = await opened(meet, service)
    child = {"Léa DUPONT": "14/03/2014"}
    others = School().knows("Paul MARTIN", "06 98 76 54 32", {"Zoé MARTIN": "02/02/2012"})
    no_more = School([*others.rows]).knows("Marie DUPONT", MARIE[2], child, legal=False)
    await imports(marie, no_more)
    now = (await service.people())["m.dupont"]
    assert (now.active, now.children) == (False, "")
    assert not await service.signs_in("m.dupont", PASSWORD)
    await imports(marie, School([*others.rows]).knows("Marie DUPONT", MARIE[2], child))
    assert (await service.people())["m.dupont"].active
    assert await service.signs_in("m.dupont", PASSWORD)


@only(argvalues=["canaille"])
async def test_what_nobody_took_up_is_removed_after_a_day(meet: Meet, service: Service) -> None:
    """An answer was lost, the opening came to its end, and the parent never came back."""
    marie = await meet()
    service.proxy.will("lost", service.creates)
    service.proxy.will("cut", b"GET /scim/v2/Users", times=50)
    await marie.presses("activate_now")
    marie.clock.passes(minutes=31)
    await reads_soon(marie, "opening.password_gone")
    assert set(await service.people()) == {"m.dupont"}, "it is there, and nobody knows"
    service.proxy.is_well()
    parent = marie.parent
    vault = parent.service.doors.accounts.vault
    later = parent.clock() + timedelta(days=2)
    assert await parent.service.doors.database.run(abandon(vault, later)) == 1
    await parent.service.delivery.look()
    await parent.service.delivery.settle()
    assert await service.people() == {}


async def test_the_password_is_in_no_file_of_ours(
    meet: Meet, service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even while the service is down and it has to be kept (I9)."""
    caplog.set_level("DEBUG")
    marie = await meet()
    service.server.kill()
    await marie.presses("activate_now")
    secret = service.url.partition("@")[0].rpartition(":")[2]
    forms = [
        form for text in (PASSWORD, secret) for form in (text.encode(), text.encode("utf-16-le"))
    ]
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(files) >= 2, "the database and its journal"
    for path, content in files.items():
        for form in forms:
            assert form not in content, path
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("sesame")]
    assert ours
    for line in ours:
        assert PASSWORD not in line
        assert secret not in line
    service.server.start()
    await reads_soon(marie, "done.ask")
