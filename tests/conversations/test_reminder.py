"""One reminder after a silence in the middle of an activation, at a decent hour (UX 2.4)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from flows.inputs import Blocked
from flows.states import S
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import ALL_TO_DONE, CHILDREN, MARIE
from tests.helpers.clock import Clock
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import CoreParent

REACHED = ("(comes)", "[parent]", "[activate]", "Dupont")


async def reminders(parent: Dialogue[CoreParent], hours: int) -> list[datetime]:
    """The moments of the next hours at which the parent is reminded; time goes on by minutes."""
    found = []
    for _ in range(hours * 6):
        await parent.parent.waits(minutes=10)
        if parent.parent.replies:
            parent.hears("interrupt.remind")
            found.append(parent.clock())
    return found


async def test_once_on_the_next_day(meet_core: MeetCore, lang: str) -> None:
    met = await meet_core(lang=lang)
    await met.follows(*CHILDREN)
    [at] = await reminders(met, 7 * 24 - 1)
    began = Clock()()
    assert at.date() == (began + timedelta(days=1)).date()
    assert 9 <= at.astimezone(ZoneInfo("Europe/Paris")).hour < 20
    assert met.parent.last.silent


async def test_it_names_nobody_and_offers_to_go_on(meet_core: MeetCore, lang: str) -> None:
    met = await meet_core(lang=lang)
    await met.follows(*CHILDREN)
    await reminders(met, 48)
    said = met.parent.last.text
    assert not any(name in said for name in ("Marie", "Dupont", "DUPONT", "Léa"))
    await met.does("[continue]")
    met.is_asked(S.CHILD)


@pytest.mark.parametrize("hour", range(0, 24, 3))
async def test_answers_without_a_proof_are_kept_a_day_only(meet_core: MeetCore, hour: int) -> None:
    """So the reminder comes before they are erased, by day, or not at all."""
    clock = Clock()
    clock.passes(hours=(hour - clock().hour) % 24)
    met = await meet_core(clock=clock)
    await met.follows(*REACHED)
    began = clock()
    for at in await reminders(met, 24):
        assert 9 <= at.hour < 20
        assert at - began >= timedelta(hours=4)


async def test_don_t_remind_me(meet_core: MeetCore) -> None:
    met = await meet_core()
    await met.follows(*CHILDREN)
    await reminders(met, 48)
    await met.does("[mute]")
    met.hears("remind.muted")
    met.is_asked(S.CHILD)
    assert await reminders(met, 5 * 24) == []


async def test_never_a_second_one(meet_core: MeetCore) -> None:
    met = await meet_core()
    await met.follows(*CHILDREN)
    await reminders(met, 48)
    await met.follows("[continue]", "?")
    assert await reminders(met, 5 * 24) == []


async def test_none_after_a_block(meet_core: MeetCore) -> None:
    met = await meet_core()
    await met.follows(*CHILDREN)
    await met.parent.does(Blocked())
    assert await reminders(met, 48) == []


@pytest.mark.parametrize(
    "lines", [ALL_TO_DONE, ("(comes)", "[parent]"), (*REACHED, "/annuler", "[stop]")]
)
async def test_none_where_nothing_is_unfinished(
    meet_core: MeetCore, lines: tuple[str, ...]
) -> None:
    met = await meet_core()
    await met.follows(*lines)
    assert await reminders(met, 48) == []


async def test_a_parent_of_reunion_is_reminded_by_day_there(meet_core: MeetCore) -> None:
    """Her number is of Réunion, four hours before UTC."""
    met = await meet_core()
    await met.follows("(comes)", "[parent]", "[activate]", "Payet", "Inès", "0692 12 34 56")
    [at] = await reminders(met, 24)
    assert 9 <= at.astimezone(ZoneInfo("Indian/Reunion")).hour < 20
    assert at.astimezone(UTC).hour < 16


async def test_it_survives_a_restart(meet_core: MeetCore) -> None:
    met = await meet_core()
    await met.follows(*CHILDREN, "(restart)")
    assert len(await reminders(met, 30)) == 1
    assert MARIE[0] not in met.parent.last.text
