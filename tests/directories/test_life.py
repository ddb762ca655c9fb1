"""An account later, at the school's own service: other passwords, frozen, closed, erased.

The service is real, and so are its accidents. The old password is good until the parent is told
that the new one is, and never after it; nobody signs in to an account that is frozen or closed.
"""

import asyncio
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from flows.secret import Secret
from flows.states import S
from storage.accounts import hash_password
from storage.database import every, moment
from storage.directories import Directory
from storage.life import Acting
from storage.retention import purge
from storage.told import tell_changes
from tests.conversations.roads import ROADS
from tests.directories.conftest import SERVICES, Service, until_met
from tests.directories.test_opening import (
    OF_HTTP,
    Meet,
    imports,
    lang,
    meet,
    only,
    opened,
    reads_soon,
    rows,
)
from tests.helpers import invariants
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent
from tests.helpers.school import PORT, School

__all__ = ["lang", "meet"]

NEW, NEWER = "Terre&Verte28", "Lune!Rouge29"
CHANGE = ("[manage]", "[change_password]")
FORGOT = ("(comes)", "[parent]", "[forgot_password]", "m.dupont", "(code)", "14/03/2014")


async def has(service: Service, password: str, *dead: str) -> None:
    """Marie signs in with this password, and with none of the others."""
    for other in (PASSWORD, NEW, NEWER):
        if other in dead:
            assert not await service.signs_in("m.dupont", other), other
    assert await service.signs_in("m.dupont", password)


async def is_done(marie: Dialogue[CoreParent]) -> None:
    """Nothing waits, nothing is kept, and every invariant holds."""
    await marie.parent.service.delivery.settle()
    assert await rows(marie, "SELECT count(*) FROM passwords") == [(0,)]
    waiting = "SELECT kind FROM outbox WHERE status IN ('waiting', 'sending')"
    assert await rows(marie, waiting) == []
    doors = marie.parent.service.doors
    await invariants.check(doors.database, doors.accounts.vault, sms=marie.sms.received)


async def happenings(marie: Dialogue[CoreParent]) -> list[str]:
    """What the audit record has about the account."""
    doors = marie.parent.service.doors
    found = await doors.database.run(
        every(
            "SELECT action FROM audit WHERE subject = ? ORDER BY id",
            doors.accounts.vault.key("account", "m.dupont"),
        )
    )
    return [str(action) for (action,) in found]


# ---- another password ------------------------------------------------------------------------


async def test_another_password_from_my_account(meet: Meet, service: Service, lang: str) -> None:
    marie = await meet(lang)
    await marie.presses("activate_now")
    await marie.follows(*CHANGE, NEW, NEW)
    marie.hears("changed.password_set")
    marie.is_asked(S.MANAGE)
    marie.does_not_hear("opening.late.account")
    await has(service, NEW, PASSWORD)
    assert (await happenings(marie)).count("password_set") == 1
    assert await rows(marie, "SELECT password_hash FROM accounts") == [("",)]
    await is_done(marie)


async def test_a_forgotten_one_closes_the_account_elsewhere(meet: Meet, service: Service) -> None:
    marie = await opened(meet, service)
    other = Dialogue(marie.parent.beside("marie's new phone"), "fr")
    marie.clock.passes(minutes=2)
    await other.follows(*FORGOT, NEW, NEW)
    other.hears("changed.password_set")
    await reads_soon(marie, "signed_out.password")
    await has(service, NEW, PASSWORD)
    assert await rows(marie, "SELECT count(*) FROM sign_ins") == [(1,)]
    await is_done(marie)


@only(argvalues=["canaille"])
async def test_another_password_by_the_page(meet: Meet, service: Service) -> None:
    marie = await meet(at=S.PASSWORD, public_url="https://sesame.ecole.fr", listen="127.0.0.1:1")
    await marie.parent.opens_page()
    await marie.parent.fills_page(PASSWORD)
    await marie.follows("[yes]", "14/03/2014", "[activate_now]", *CHANGE)
    await marie.parent.opens_page()
    await marie.parent.fills_page(NEW)
    await reads_soon(marie, "changed.password_set")
    await has(service, NEW, PASSWORD)
    await is_done(marie)


async def test_a_service_that_is_down_is_said_once_and_the_old_one_is_good_until_then(
    meet: Meet, service: Service
) -> None:
    marie = await opened(meet, service)
    await marie.follows(*CHANGE, NEW)
    service.server.kill()
    await marie.says(NEW)
    marie.hears("opening.late.account")
    marie.does_not_hear("changed.password_set")
    await marie.says("Allô ?")
    marie.hears("opening.waits.account")
    await marie.parent.restarts()
    service.server.start()
    await reads_soon(marie, "changed.password_set")
    await has(service, NEW, PASSWORD)
    await is_done(marie)


async def test_a_password_that_waits_behind_something_else(meet: Meet, service: Service) -> None:
    """The parent is told that it takes long, whatever it is that the service does not take."""
    marie = await opened(meet, service)
    marie.clock.passes(minutes=2)
    await marie.follows("[manage]", "[change_phone]", "07 51 23 45 99")
    service.server.kill()
    await marie.follows("(code)", "[no]")
    # It has been down for long: the next try is a minute away.
    await rows(marie, "UPDATE outbox SET attempts = 9 WHERE status = 'waiting' RETURNING id")
    for _ in range(200):
        [(due,)] = await rows(marie, "SELECT max(due_at) FROM outbox WHERE kind = 'account'")
        if moment(due) > marie.clock() + timedelta(seconds=50):  # type: ignore[arg-type]
            break
        await asyncio.sleep(0.05)
    await marie.follows("[change_password]", NEW, NEW)
    await reads_soon(marie, "opening.late.account")
    await marie.says("/annuler")
    marie.hears("interrupt.cancel.changing")
    service.server.start()
    marie.clock.passes(minutes=2)
    await marie.parent.restarts()
    await reads_soon(marie, "changed.password_set")
    await has(service, NEW, PASSWORD)
    await is_done(marie)


async def test_who_does_not_wait_for_the_new_password_keeps_the_old_one(
    meet: Meet, service: Service
) -> None:
    marie = await opened(meet, service)
    await marie.follows(*CHANGE, NEW)
    service.server.kill()
    await marie.says(NEW)
    marie.hears("opening.late.account")
    await marie.follows("/annuler", "[stop]")
    marie.hears("stopped")
    service.server.start()
    await marie.parent.service.delivery.settle()
    assert marie.reads.count("\n") < 2, "nothing more is said"
    await has(service, PASSWORD, NEW)
    assert "password_set" not in await happenings(marie)
    await is_done(marie)


ACCIDENTS = [(name, one) for name in SERVICES for one in ("cut", "lost", "slow")]
ACCIDENTS += [("canaille", one) for one in OF_HTTP]


@pytest.mark.parametrize(("service", "accident"), ACCIDENTS, indirect=["service"])
async def test_whatever_happens_on_the_way_it_is_set(
    meet: Meet, service: Service, accident: str
) -> None:
    marie = await opened(meet, service)
    service.proxy.will(accident, service.changes)
    await marie.follows(*CHANGE, NEW, NEW)
    await reads_soon(marie, "changed.password_set")
    assert service.proxy.met == [accident]
    await has(service, NEW, PASSWORD)
    assert (await happenings(marie)).count("password_set") == 1
    await is_done(marie)


async def test_we_are_killed_while_the_service_is_asked(meet: Meet, service: Service) -> None:
    marie = await opened(meet, service)
    await marie.follows(*CHANGE, NEW)
    service.proxy.will("slow", service.changes)
    typing = asyncio.ensure_future(marie.says(NEW))
    await until_met(service)
    await marie.parent.restarts()
    typing.cancel()
    await asyncio.gather(typing, return_exceptions=True)
    await reads_soon(marie, "changed.password_set")
    await has(service, NEW, PASSWORD)
    await is_done(marie)


@only(argvalues=["canaille"])
async def test_a_password_is_kept_for_30_minutes_and_asked_for_again(
    meet: Meet, service: Service
) -> None:
    marie = await opened(meet, service)
    await marie.follows(*CHANGE, NEW)
    service.server.kill()
    await marie.says(NEW)
    assert await rows(marie, "SELECT count(*) FROM passwords") == [(1,)]
    marie.clock.passes(minutes=31)
    await marie.parent.service.forget_passwords()
    await reads_soon(marie, "opening.password_gone.account")
    marie.is_asked(S.PASSWORD)
    service.server.start()
    await marie.follows(NEWER)
    marie.is_asked(S.PROVE)
    await marie.follows("[send_code]", "(code)", "[change_password]", NEWER, NEWER)
    await reads_soon(marie, "changed.password_set")
    await has(service, NEWER, PASSWORD, NEW)
    await is_done(marie)


@only(argvalues=["slapd"])
async def test_a_hash_may_wait_for_a_day(meet: Meet, service: Service) -> None:
    marie = await opened(meet, service)
    await marie.follows(*CHANGE, NEW)
    service.server.kill()
    await marie.says(NEW)
    marie.clock.passes(hours=25)
    await reads_soon(marie, "account.unchanged")
    service.server.start()
    await has(service, PASSWORD, NEW)
    await is_done(marie)


@only(argvalues=["canaille"])
@pytest.mark.parametrize(
    ("accident", "said", "asked"),
    [
        ("password", "opening.password_not_taken.account", S.PASSWORD),
        ("400", "account.unchanged", S.MANAGE),
    ],
)
async def test_a_password_that_the_service_refuses(
    meet: Meet, service: Service, accident: str, said: str, asked: S
) -> None:
    marie = await opened(meet, service)
    service.proxy.will(accident, service.changes)
    await marie.follows(*CHANGE, NEW, NEW)
    marie.hears(said)
    marie.is_asked(asked)
    await has(service, PASSWORD, NEW)
    assert "password_set" not in await happenings(marie)
    await is_done(marie)


async def test_an_account_that_somebody_removed_there(
    meet: Meet, service: Service, directory: Directory
) -> None:
    marie = await opened(meet, service)
    [person] = (await service.people()).values()
    await directory.remove(None, person.key)
    await marie.follows(*CHANGE, NEW, NEW)
    marie.hears("account.unchanged")
    assert await service.people() == {}
    await is_done(marie)


async def test_of_two_conversations_the_later_password_holds(meet: Meet, service: Service) -> None:
    """Both were asked for while the service was down."""
    marie = await opened(meet, service)
    other = Dialogue(marie.parent.beside("marie's new phone"), "fr")
    marie.clock.passes(minutes=2)
    await other.follows(*FORGOT, NEWER)
    await marie.follows(*CHANGE, NEW)
    service.server.kill()
    await marie.says(NEW)
    await other.says(NEWER)
    service.server.start()
    await reads_soon(other, "signed_out.password")
    await is_done(marie)
    await has(service, NEW, PASSWORD, NEWER)


async def test_an_import_does_not_take_a_password_that_waits(meet: Meet, service: Service) -> None:
    """What has changed in the register is told after it."""
    marie = await opened(meet, service)
    await marie.follows(*CHANGE, NEW)
    service.server.kill()
    await marie.says(NEW)
    doors = marie.parent.service.doors
    moved = School().knows("Marie DUPONT", "06 12 34 56 78", {"Léa DUPONT": "14/03/2014"}, at=PORT)
    left = School().knows("Paul MARTIN", "06 98 76 54 32", {"Zoé MARTIN": "02/02/2012"})
    marie.clock.passes(minutes=2)
    await School([*moved.rows, *left.rows]).fills(doors.database, doors.accounts.vault, marie.clock)
    for _ in range(2):
        await doors.database.run(tell_changes(doors.accounts.vault, b"", marie.clock()))
    service.server.start()
    await reads_soon(marie, "changed.password_set")
    await has(service, NEW, PASSWORD)
    await marie.parent.service.delivery.look()
    await is_done(marie)
    assert PORT[0] in (await service.people())["m.dupont"].children


async def test_the_password_is_in_no_file_while_it_waits(
    meet: Meet, service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    marie = await opened(meet, service)
    await marie.follows(*CHANGE, NEW)
    service.server.kill()
    await marie.says(NEW)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            for form in (NEW.encode(), NEW.encode("utf-16-le")):
                assert form not in path.read_bytes(), path
    assert not [one for one in caplog.records if NEW in one.getMessage()]
    service.server.start()
    await reads_soon(marie, "changed.password_set")


# ---- frozen, closed, erased ------------------------------------------------------------------


async def freezes(marie: Dialogue[CoreParent], *, thaws: bool = False) -> None:
    """Somebody objected; or the school lifts it. What is to be sent is sent."""
    service, acting = marie.parent.service, Acting(b"elsewhere", marie.clock())
    life = service.doors.life
    if thaws:
        await service.doors.database.run(life.unfreeze("m.dupont", "call", acting))
    else:
        await service.doors.database.run(life.freeze("m.dupont", "notice", acting))
    for chat in acting.also:
        service.delivery.post(chat)


async def test_who_is_frozen_cannot_sign_in_within_a_second(meet: Meet, service: Service) -> None:
    marie = await opened(meet, service)
    await marie.parent.service.delivery.settle()
    began = monotonic()
    await freezes(marie)
    await marie.parent.service.delivery.settle()
    assert not (await service.people())["m.dupont"].active
    assert monotonic() - began < 1
    assert not await service.signs_in("m.dupont", PASSWORD)
    await reads_soon(marie, "signed_out.frozen")
    await freezes(marie, thaws=True)
    await reads_soon(marie, "thawed")
    await marie.parent.service.delivery.settle()
    await has(service, PASSWORD)
    await is_done(marie)


async def test_a_freeze_goes_before_a_password_that_waits(meet: Meet, service: Service) -> None:
    """Who was objected to does not get in by a password that was asked for before."""
    marie = await opened(meet, service)
    await marie.follows(*CHANGE, NEW)
    service.server.kill()
    await marie.says(NEW)
    marie.hears("opening.late.account")
    await freezes(marie)
    service.server.start()
    await reads_soon(marie, "signed_out.frozen")
    await marie.parent.service.delivery.settle()
    marie.does_not_hear("changed.password_set")
    assert not (await service.people())["m.dupont"].active
    for password in (PASSWORD, NEW):
        assert not await service.signs_in("m.dupont", password)
    await freezes(marie, thaws=True)
    await marie.parent.service.delivery.settle()
    await has(service, PASSWORD, NEW)


async def test_frozen_while_the_password_is_being_set(meet: Meet, service: Service) -> None:
    """It is the account's, and nobody gets in by it."""
    marie = await opened(meet, service)
    await marie.follows(*CHANGE, NEW)
    service.proxy.will("slow", service.changes)
    typing = asyncio.ensure_future(marie.says(NEW))
    await until_met(service)
    await freezes(marie)
    await typing
    await marie.parent.service.delivery.settle()
    marie.does_not_hear("changed.password_set")
    for password in (PASSWORD, NEW):
        assert not await service.signs_in("m.dupont", password)
    assert (await happenings(marie)).count("password_set") == 1, "it is recorded all the same"
    await freezes(marie, thaws=True)
    await marie.parent.service.delivery.settle()
    await has(service, NEW, PASSWORD)
    await is_done(marie)


async def test_a_password_that_comes_after_the_freeze(meet: Meet, service: Service) -> None:
    """It was just being sent, and failed: it is not sent again."""
    marie = await opened(meet, service)
    await marie.follows(*CHANGE, NEW)
    doors, now = marie.parent.service.doors, marie.clock()
    account = await doors.database.run(doors.accounts.read("m.dupont"))
    assert account is not None
    assert doors.openings is not None
    await freezes(marie)
    await marie.parent.service.delivery.settle()
    chat = doors.conversations.key(marie.parent.address)
    await doors.database.run(doors.openings.passwords.keep(chat, Secret(NEW), now))
    digest = hash_password(Secret(NEW))
    asked = await doors.database.run(doors.openings.set_password(account, digest, chat, now))
    assert isinstance(asked, bytes)
    marie.parent.service.delivery.post(asked)
    await marie.parent.service.delivery.settle()
    await freezes(marie, thaws=True)
    await marie.parent.service.delivery.settle()
    await has(service, PASSWORD, NEW)
    assert "password_set" not in await happenings(marie)
    await is_done(marie)


async def test_closed_and_opened_again(meet: Meet, service: Service) -> None:
    marie = await opened(meet, service)
    await marie.follows("[manage]", "[close_account]", "[close_now]")
    marie.is_asked(S.REOPEN)
    await marie.parent.service.delivery.settle()
    assert not await service.signs_in("m.dupont", PASSWORD)
    await marie.presses("reopen")
    await marie.parent.service.delivery.settle()
    await has(service, PASSWORD)
    await is_done(marie)


async def test_closed_for_good(meet: Meet, service: Service) -> None:
    marie = await opened(meet, service)
    await marie.follows("[manage]", "[close_account]", "[close_now]")
    await marie.parent.service.delivery.settle()
    marie.clock.passes(days=30)
    here = marie.parent.service
    keep = marie.parent.settings.retention
    gone = await purge(here.doors.database, here.doors.accounts.vault, keep, "sesame", here.now())
    assert gone["accounts"] == 1
    await here.delivery.look()
    await here.delivery.settle()
    assert await service.people() == {}


async def test_forget_me_removes_it_there(meet: Meet, service: Service) -> None:
    marie = await opened(meet, service)
    service.server.kill()
    await marie.follows("[manage]", "[my_data]", "[forget_me]", "[yes]")
    marie.hears("account.erased")
    assert await rows(marie, "SELECT count(*) FROM accounts") == [(0,)]
    service.server.start()
    await marie.parent.service.delivery.look()
    await marie.parent.service.delivery.settle()
    assert await service.people() == {}
    await is_done(marie)


async def test_forgotten_and_back_at_once(meet: Meet, service: Service) -> None:
    """The one before is removed, and the new one opened, in this order."""
    marie = await opened(meet, service)
    service.proxy.will("slow", b"DELETE /scim/v2/Users")
    await marie.follows("[manage]", "[my_data]", "[forget_me]", "[yes]")
    marie.clock.passes(minutes=10)
    again = Dialogue(marie.parent.beside("again"), "fr")
    await again.follows(*ROADS[S.RECAP], "[activate_now]")
    await reads_soon(again, "done.ask", identifier="m.dupont2")
    await marie.parent.service.delivery.settle()
    people = await service.people()
    assert set(people) == {"m.dupont2"}
    assert await service.signs_in("m.dupont2", PASSWORD)


async def test_forgotten_and_back_while_the_service_is_down(meet: Meet, service: Service) -> None:
    """The account of before is removed all the same, and not taken for the new one."""
    marie = await opened(meet, service)
    service.server.kill()
    await marie.follows("[manage]", "[my_data]", "[forget_me]", "[yes]")
    await marie.parent.service.delivery.settle(later=False)
    marie.clock.passes(minutes=10)
    again = Dialogue(marie.parent.beside("again"), "fr")
    await again.follows(*ROADS[S.RECAP], "[activate_now]")
    await reads_soon(again, "opening.late")
    service.server.start()
    await reads_soon(again, "done.ask", identifier="m.dupont2")
    await marie.parent.service.delivery.settle()
    assert set(await service.people()) == {"m.dupont2"}
    assert await service.signs_in("m.dupont2", PASSWORD)


# ---- what else it is told --------------------------------------------------------------------


async def test_another_number(meet: Meet, service: Service) -> None:
    marie = await opened(meet, service)
    marie.clock.passes(minutes=2)
    await marie.follows("[manage]", "[change_phone]", "07 51 23 45 99", "(code)")
    marie.is_asked(S.TELL_PHONE)
    await marie.parent.service.delivery.settle()
    phone = (await service.people())["m.dupont"].phone
    assert "+33751234599" in phone
    assert "+33612345678" not in phone
    await has(service, PASSWORD)
    await marie.presses("no")
    await is_done(marie)


async def test_a_child_who_is_not_this_parents(meet: Meet, service: Service) -> None:
    marie = await opened(meet, service)
    await marie.follows("[manage]", "[children]", "[not_my_child]", "[yes]", "[yes]")
    marie.is_asked(S.MY_CHILDREN)
    await marie.parent.service.delivery.settle()
    now = (await service.people())["m.dupont"]
    assert (now.active, now.children) == (False, "")
    await is_done(marie)


async def test_a_new_password_opens_no_account_that_is_closed_there(
    meet: Meet, service: Service
) -> None:
    """Without a child: some directories lift the lock when a password is set."""
    marie = await opened(meet, service)
    others = School().knows("Paul MARTIN", "06 98 76 54 32", {"Zoé MARTIN": "02/02/2012"})
    child = {"Léa DUPONT": "14/03/2014"}
    await imports(
        marie, School([*others.rows]).knows("Marie DUPONT", "06 12 34 56 78", child, legal=False)
    )
    assert not (await service.people())["m.dupont"].active
    await marie.follows("[manage]", "[send_code]", "(code)", "[change_password]", NEW, NEW)
    marie.hears("changed.password_set")
    await marie.parent.service.delivery.settle()
    assert not (await service.people())["m.dupont"].active
    assert not await service.signs_in("m.dupont", NEW)
