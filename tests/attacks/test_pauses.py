"""Somebody who does not want to wait: no pause and no budget gets shorter (RELIABILITY 5, Lock)."""

from datetime import datetime, timedelta

import pytest

from flows.inputs import Edited, Pressed, Returned, SharedContact
from flows.states import S
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import CODE_OF_MARIE, MARIE
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import CoreParent

LOCKED = (*CODE_OF_MARIE, *["(wrong code)"] * 5, "(wait 1m)", "[resend]", *["(wrong code)"] * 5)
PAUSE = timedelta(minutes=15)

TRICKS: dict[str, tuple[str, ...]] = {
    "talk": ("bonjour", "oui", "1", "?", "123456"),
    "commands": ("/start", "/annuler", "/aide", "/statut", "/retour", "/humain", "/start"),
    "restart of the bot": ("(restart)", "bonjour", "(restart)"),
    "another language": ("/langue", "/language", "English", "Français"),
    "erase": ("/effacer", "bonjour", "/effacer"),
    "erase and restart": ("/effacer", "(restart)", "/start", "[restart]"),
    "old buttons": ("[restart]", "[stop]", "[erase_all]", "[yes]", "[parent]"),
    "everything": ("/start", "/effacer", "(restart)", "/langue", "bonjour", "(code)", *MARIE),
}


async def does(parent: Dialogue[CoreParent], line: str) -> None:
    """Buttons are pressed by force: those of every number that a question had."""
    if line.startswith("["):
        for asked in range(40):
            await parent.parent.does(Pressed(line[1:-1], asked))
    else:
        await parent.does(line)


async def pause_of(parent: Dialogue[CoreParent]) -> datetime | None:
    doors = parent.parent.service.doors
    chat = await doors.database.run(
        doors.conversations.load(doors.conversations.key(parent.parent.address))
    )
    assert chat is not None
    assert chat.state is S.LOCKED
    return chat.locked_until


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
async def test_a_pause_is_as_long_as_it_was(meet_core: MeetCore, trick: tuple[str, ...]) -> None:
    parent = await meet_core()
    await parent.follows(*LOCKED)
    parent.hears("locked")
    until, texted = parent.clock.now + PAUSE, len(parent.sms.received)
    for line in trick:
        await does(parent, line)
        parent.does_not_hear("error.internal")
        assert await pause_of(parent) == until
    await parent.parent.does(SharedContact("+33612345678", own=True))
    await parent.parent.does(Edited("123456", "1"))
    await parent.parent.does(Returned("en"))
    await parent.parent.does(Returned("fr"))
    parent.clock.now = until - timedelta(seconds=1)
    await parent.parent.service.engine.wake()
    await parent.follows("bonjour")
    assert await pause_of(parent) == until
    assert len(parent.sms.received) == texted
    parent.clock.now = until
    await parent.follows("bonjour")
    parent.does_not_hear("locked")


async def test_the_next_pause_is_longer_whatever_was_erased(meet_core: MeetCore) -> None:
    """Erasing, stopping and a week of silence do not make a first pause of the second."""
    parent = await meet_core()
    await parent.follows(*LOCKED, "/effacer", "(wait 15m)", "bonjour", "/effacer", "[erase_all]")
    await parent.follows("(wait 7d)", "(restart)", "(comes)", *CODE_OF_MARIE[1:])
    parent.is_asked(S.CODE)
    await parent.follows(*["(wrong code)"] * 5)
    parent.hears("locked")
    assert await pause_of(parent) == parent.clock.now + timedelta(hours=1)


async def test_another_chat_of_the_same_number_waits_for_its_sms(meet_core: MeetCore) -> None:
    """It is no pause of the number, which would be a weapon; but its SMS are counted."""
    parent = await meet_core()
    await parent.follows(*LOCKED)
    until = parent.clock.now + PAUSE
    for number in range(4):
        other = Dialogue(parent.parent.beside(f"other {number}"), "fr")
        await other.follows(*CODE_OF_MARIE)
        if not other.offers("nothing_arrives"):
            other.hears("code.budget")
        await other.follows("(wait 61s)")
    assert len(parent.sms.received) == 4  # an hour's, those before the pause among them
    assert await pause_of(parent) == until
    assert parent.clock.now < until


async def test_waits_between_codes_are_no_shorter(meet_core: MeetCore) -> None:
    parent = await meet_core()
    await parent.follows(*CODE_OF_MARIE, "(wait 59s)")
    for line in ("/effacer", "[erase_all]", "(restart)", *CODE_OF_MARIE):
        await parent.does(line)
    parent.hears("code.too_soon", seconds=1)
    await parent.follows("/langue")
    parent.lang = "en"
    await parent.follows("[yes]")
    parent.hears("code.too_soon", seconds=1)
    other = Dialogue(parent.parent.beside("other"), "fr")
    await other.follows(*CODE_OF_MARIE)
    other.hears("code.budget")
    assert len(parent.sms.received) == 1
