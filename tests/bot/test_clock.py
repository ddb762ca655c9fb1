"""The machine's clock is set back, forward, a little; the service's time never goes back (T22)."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import SLACK, SteadyClock
from flows.states import S
from storage.database import every, run
from storage.place import open_database
from storage.stamps import mend_future
from tests.conversations.roads import CODE_OF_MARIE, everybody
from tests.helpers.clock import Clock
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import core_parent


class Machine:
    """A machine's two clocks: the one that people set, and the one that only runs."""

    def __init__(self) -> None:
        self.wall = Clock()
        self.ran = 1000.0

    def runs(self, seconds: float) -> None:
        """So much time goes by."""
        self.wall.passes(seconds=seconds)
        self.ran += seconds

    def clock(self) -> SteadyClock:
        return SteadyClock(self.wall, lambda: self.ran)


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=30), SLACK * 2])
def test_set_back(back: timedelta, caplog: pytest.LogCaptureFixture) -> None:
    """The time that has really passed is counted, until the machine has caught up."""
    machine = Machine()
    clock, begin = machine.clock(), machine.wall.now
    machine.runs(60)
    assert clock() == begin + timedelta(seconds=60)
    machine.wall.now -= back
    machine.runs(30)
    assert clock() == begin + timedelta(seconds=90)
    machine.runs(600)
    assert clock() == begin + timedelta(seconds=690)
    assert caplog.text.count("clock_went_back") == 1
    machine.wall.now += back
    machine.runs(1)
    assert clock() == begin + timedelta(seconds=691)


def test_a_code_does_not_come_back_to_life() -> None:
    """29:59 before the clock is set back by an hour, 30:00 a second later."""
    machine = Machine()
    clock = machine.clock()
    sent = clock()
    machine.runs(29 * 60 + 59)
    machine.wall.now -= timedelta(hours=1)
    assert clock() - sent < timedelta(minutes=30)
    machine.runs(1)
    assert clock() - sent == timedelta(minutes=30)


def test_set_forward() -> None:
    """A machine that slept cannot be told from one that was set: its time is taken."""
    machine = Machine()
    clock, begin = machine.clock(), machine.wall.now
    machine.wall.passes(hours=1)
    assert clock() == begin + timedelta(hours=1)


def test_a_little_back_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    clock, begin = machine.clock(), machine.wall.now
    machine.wall.now -= SLACK
    assert clock() == begin
    machine.runs(SLACK.total_seconds() / 2)
    assert clock() == begin
    machine.runs(SLACK.total_seconds())
    assert clock() == machine.wall.now > begin
    assert caplog.text == ""


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e7, 1e7)), max_size=20))
def test_it_never_goes_back(steps: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = machine.clock()
    last = clock()
    for seconds, jump in steps:
        machine.runs(seconds)
        machine.wall.passes(seconds=jump)
        assert clock() >= last
        last = clock()


# ---- a start with another clock ----------------------------------------------------------------


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=30)])
async def test_started_with_a_clock_that_was_set_back(tmp_path: Path, back: timedelta) -> None:
    """The code under way is void, and the parent can ask for another at once."""
    path, clock = tmp_path / "sesame.sqlite3", Clock()
    async with core_parent(path, everybody(), clock=clock) as parent:
        marie = Dialogue(parent, "fr")
        await marie.follows(*CODE_OF_MARIE)
        code = parent.sms.last_code
        clock.now -= back
        async with open_database(path) as other:
            assert await other.run(mend_future(clock()))
            assert not await other.run(mend_future(clock()))
        await marie.follows("(restart)", code)
        marie.hears("code.expired")
        await marie.follows("(wait 61s)", "[resend]", "(code)")
        marie.is_asked(S.PASSWORD)


async def test_started_with_the_right_clock(tmp_path: Path) -> None:
    path, clock = tmp_path / "sesame.sqlite3", Clock()
    async with core_parent(path, everybody(), clock=clock) as parent:
        marie = Dialogue(parent, "fr")
        await marie.follows(*CODE_OF_MARIE)
        for later in (timedelta(), timedelta(minutes=5)):
            async with open_database(path) as other:
                assert not await other.run(mend_future(clock() + later))
        await marie.follows("(code)")
        marie.is_asked(S.PASSWORD)


async def test_nothing_waits_for_a_time_that_was_wrong(tmp_path: Path) -> None:
    """What was to leave in a month leaves in some minutes."""
    path, clock = tmp_path / "sesame.sqlite3", Clock()
    async with core_parent(path, everybody(), clock=clock) as parent:
        await parent.says("bonjour")
    month = clock.now + timedelta(days=30)
    async with open_database(path) as database:
        await database.run(run("UPDATE outbox SET due_at = ?", int(month.timestamp())))
        await database.run(run("UPDATE chats SET updated_at = ?", int(month.timestamp())))
        await database.run(mend_future(clock()))
        [(due,)] = await database.run(every("SELECT due_at FROM outbox"))
    assert due - clock.now.timestamp() <= 600
