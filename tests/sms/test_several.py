"""Several senders: who is asked, and when the next one is."""

from pathlib import Path

import pytest

from bot.settings import BadSetting
from bot.sms import ConsoleSms, Report, Sms, SmsFault, SmsRefused, SmsUnclear, Taken
from bot.sms.choosing import sms_sender
from bot.sms.port import OPERATORS_FAULT, Simple
from bot.sms.several import LONGEST_REST, REST, SeveralSms
from tests.helpers.parent import test_settings

DOWN = SmsRefused("down", final=False)
ONE = Sms(1, "+33612345678", "482913")


class Sender(Simple):
    """A sender that does what it is told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.says: BaseException | None = None
        self.asked = 0

    async def send(self, sms: Sms) -> Taken:
        self.asked += 1
        if self.says is not None:
            raise self.says
        return Taken(self.name, "a")

    async def check(self) -> str | None:
        if self.says is not None:
            raise SmsFault(self.name)
        return None


class Desk:
    """Two senders, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.first, self.second = Sender("first"), Sender("second")
        self.both = SeveralSms([self.first, self.second], lambda: self.now)

    async def sends(self) -> str:
        return (await self.both.send(ONE)).sender


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_the_first_is_preferred(desk: Desk) -> None:
    assert [await desk.sends() for _ in range(3)] == ["first"] * 3
    assert desk.second.asked == 0


@pytest.mark.parametrize("kind", ["down", "busy", "account", "credit", "settings"])
async def test_what_surely_did_not_leave_goes_to_the_next(
    desk: Desk, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What the operator must mend is an error all the same."""
    desk.first.says = SmsRefused(kind, final=False)
    assert await desk.sends() == "second"
    assert ("sms_account" in caplog.text) == (kind in OPERATORS_FAULT)


@pytest.mark.parametrize(
    "says", [SmsRefused("number", final=True), SmsUnclear("no_answer"), TimeoutError()]
)
async def test_nothing_else_does(desk: Desk, says: Exception) -> None:
    """It was refused for good, or may have left: never twice."""
    desk.first.says = says
    with pytest.raises(type(says)):
        await desk.sends()
    assert desk.second.asked == 0


async def test_a_dead_one_is_not_waited_for_each_time(desk: Desk) -> None:
    desk.first.says = DOWN
    assert [await desk.sends() for _ in range(5)] == ["second"] * 5
    assert desk.first.asked == 1
    desk.now += REST
    assert await desk.sends() == "second"
    assert desk.first.asked == 2
    desk.now += REST  # its rest is twice as long now
    await desk.sends()
    assert desk.first.asked == 2
    desk.first.says = None
    desk.now += REST
    assert await desk.sends() == "first"
    desk.first.says = DOWN  # as good as new: the rest is short again
    await desk.sends()
    desk.now += REST
    await desk.sends()
    assert desk.first.asked == 5


async def test_the_rest_does_not_grow_for_ever(desk: Desk) -> None:
    desk.first.says = DOWN
    for _ in range(20):
        await desk.sends()
        desk.now += LONGEST_REST
    assert desk.first.asked == 20


async def test_one_of_which_nobody_knows_rests_too(desk: Desk) -> None:
    desk.first.says = SmsUnclear("no_answer")
    with pytest.raises(SmsUnclear):
        await desk.sends()
    assert await desk.sends() == "second"


async def test_when_all_are_down_all_are_asked(desk: Desk) -> None:
    """Rest or not: somebody may be back."""
    desk.first.says = desk.second.says = DOWN
    for _ in range(2):
        with pytest.raises(SmsRefused) as refused:
            await desk.sends()
        assert not refused.value.final
    assert (desk.first.asked, desk.second.asked) == (2, 2)
    desk.first.says = None
    assert await desk.sends() == "first"


async def test_each_is_checked_by_itself(desk: Desk) -> None:
    desk.second.says = DOWN
    assert [one.name for one in desk.both.each()] == ["first", "second"]
    with pytest.raises(SmsFault, match="second"):
        await desk.both.check()


async def test_blanks_part_them_in_the_setting(tmp_path: object) -> None:
    shown: list[str] = []
    settings = test_settings(Path("unused"), sms=f"file:{tmp_path} \t console:")
    sender = sms_sender(settings, lambda _to, text: shown.append(text))
    assert isinstance(sender, SeveralSms)
    assert [one.name for one in sender.each()] == ["file", "console"]

    async def hear(report: Report) -> None:
        raise AssertionError(report)

    async with sender.running(hear, lambda purpose: purpose):
        assert (await sender.send(ONE)).sender == "console"  # the file is a folder
    assert shown == ["482913"]
    assert isinstance(
        next(iter(sms_sender(test_settings(Path("unused"), sms="console:"), print).each())),
        ConsoleSms,
    )
    with pytest.raises(BadSetting):
        sms_sender(test_settings(Path("unused"), sms="console: pigeon:"), print)
