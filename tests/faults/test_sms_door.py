"""A sender of SMS that fails tells nobody who is registered (RELIABILITY T1, T23; I10)."""

import sqlite3
from functools import partial

import pytest

from flows.states import S
from storage.sqlite import Sqlite
from tests.conversations.conftest import MeetCore, meet_core
from tests.conversations.roads import CODE_OF_MARIE
from tests.faults.test_matrix import Sender
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import CoreParent

__all__ = ["meet_core"]

STRANGER = (*CODE_OF_MARIE[:3], "Dupont", "Marie", "06 11 11 11 11", "[yes]")
FAULTS = ["refuses", "breaks down", "is slow", "refuses for good", "sends twice"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender is slow sooner."""
    monkeypatch.setattr("bot.carriers.texting.PATIENCE", 0.1)


async def stranger_beside(marie: Dialogue[CoreParent]) -> Dialogue[CoreParent]:
    """Somebody at the same bot whose number the school does not have, asked for a code."""
    other = Dialogue(marie.parent.beside("stranger", marie.lang), marie.lang)
    await other.follows(*STRANGER)
    other.parent.replies.clear()
    return other


async def settles(parent: Dialogue[CoreParent]) -> None:
    """All that follows is sent."""
    await parent.parent.service.delivery.settle()


@pytest.mark.parametrize("fault", FAULTS)
async def test_known_and_unknown_hear_the_same(meet_core: MeetCore, fault: str, lang: str) -> None:
    sender = Sender()
    marie = await meet_core(lang=lang, sms=sender)
    await marie.follows(*CODE_OF_MARIE)
    marie.parent.replies.clear()
    stranger = await stranger_beside(marie)
    sender.faults = [fault]
    marie.clock.passes(seconds=61)  # a number gets one code a minute
    third = Dialogue(marie.parent.beside("another of her phones", lang), lang)
    await third.follows(*CODE_OF_MARIE)
    await settles(marie)
    assert sender.faults == []
    told = marie.reads
    assert stranger.reads == told
    if fault in ("refuses for good", "sends twice"):
        assert told == ""
    else:
        marie.hears("code.late")
        third.hears("code.late")


async def test_while_it_lasts_each_new_one_hears_it(meet_core: MeetCore, lang: str) -> None:
    """Once for each code, known or not, in the same words; after a success nobody."""
    sender = Sender()
    marie = await meet_core(lang=lang, sms=sender)
    sender.faults = ["breaks down", "breaks down"]
    await marie.follows(*CODE_OF_MARIE)
    await settles(marie)
    marie.hears("code.late")
    stranger = Dialogue(marie.parent.beside("stranger", lang), lang)
    await stranger.follows(*STRANGER)
    await settles(marie)
    stranger.hears("code.late")
    await stranger.follows("/aide")
    await settles(marie)
    stranger.does_not_hear("code.late")
    for parent in (marie, stranger):  # the next code: Marie's breaks down once more
        await parent.follows("(wait 60s)", "[resend]")
        await settles(marie)
        parent.hears("code.late")
    await marie.follows("(wait 2m)", "[resend]", "(code)")
    marie.is_asked(S.PASSWORD)
    await stranger.follows("[resend]")
    await settles(marie)
    stranger.does_not_hear("code.late")


async def test_who_does_not_wait_for_a_code_hears_nothing(meet_core: MeetCore, lang: str) -> None:
    """Nor who has heard it, nor whose code has expired."""
    sender = Sender()
    marie = await meet_core(lang=lang, sms=sender)
    early = await stranger_beside(marie)
    await marie.follows("(wait 31m)")
    early.parent.replies.clear()
    gone = Dialogue(marie.parent.beside("gone", lang), lang)
    await gone.follows(*STRANGER[:-2], "06 22 22 22 22", "[yes]", "/retour")
    gone.parent.replies.clear()
    sender.faults = ["breaks down"]
    await marie.follows(*CODE_OF_MARIE)
    await settles(marie)
    marie.hears("code.late")
    assert (early.reads, gone.reads) == ("", "")


def trace(into: list[str] | None, connection: sqlite3.Connection) -> None:
    """Let a connection note the kind of each statement, or no more."""
    connection.set_trace_callback(None if into is None else lambda sql: into.append(sql.split()[0]))


async def test_the_same_statements_for_both(meet_core: MeetCore, lang: str) -> None:
    """From the request to the last note in the outbox."""
    marie = await meet_core(lang=lang)
    ran: dict[str, list[str]] = {}
    database = marie.parent.service.doors.database
    assert isinstance(database, Sqlite)
    for name, number in (("known", "06 12 34 56 78"), ("unknown", "06 11 11 11 11")):
        other = Dialogue(marie.parent.beside(name, lang), lang)
        await other.follows(*STRANGER[:-2], number)
        ran[name] = []
        await database._in_thread(partial(trace, ran[name]))
        await other.follows("[yes]")
        await settles(marie)
        await database._in_thread(partial(trace, None))
    assert sorted(ran["known"]) == sorted(ran["unknown"])
    rows = await marie.parent.bot.service.doors.database.run(
        marie.parent.bot.service.doors.outbox.by_status()
    )
    assert rows["sms"] == {"sent": 1, "silent": 1}


async def test_a_new_code_does_not_wait_behind_one_that_is_refused(
    meet_core: MeetCore, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before never leaves: who gets two codes types the wrong one."""
    monkeypatch.setattr("bot.carriers.texting.AGAIN", 600)
    sender = Sender()
    marie = await meet_core(lang=lang, sms=sender)
    sender.faults = ["refuses"]
    await marie.follows(*CODE_OF_MARIE)
    marie.clock.passes(seconds=61)
    await marie.presses("resend")
    assert len(sender.received) == 1
    await marie.follows("(code)")
    marie.is_asked(S.PASSWORD)


async def test_a_code_that_was_cancelled_does_not_leave(
    meet_core: MeetCore, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent went back to mend the number: nothing more goes to the wrong one."""
    monkeypatch.setattr("bot.carriers.texting.AGAIN", 600)
    sender = Sender()
    marie = await meet_core(lang=lang, sms=sender)
    sender.faults = ["refuses"]
    await marie.follows(*CODE_OF_MARIE, "/retour")
    doors = marie.parent.service.doors
    assert (await doors.database.run(doors.outbox.by_status()))["sms"] == {"dropped": 1}
    await settles(marie)
    assert sender.received == []
