"""The code (MISSION 4.3, CODE and NO_SMS; RELIABILITY T3, T4)."""

from datetime import datetime, timedelta

import pytest

from bot.channel import said
from bot.sms import Sms, Taken
from flows.states import S
from tests.conversations.conftest import Arrive, Meet, MeetCore
from tests.conversations.roads import CODE_OF_MARIE, MARIE
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent, Phone


@pytest.mark.parametrize(("typed", "n"), [("12345", 5), ("1234567", 7), ("hm", 0), ("123 45", 5)])
async def test_not_six_digits(arrive: Arrive, typed: str, n: int) -> None:
    """No try is used."""
    parent = await arrive(S.CODE)
    for _ in range(6):
        await parent.follows(typed)
        parent.hears("refused.code_length", n=n)
        parent.is_asked(S.CODE)
    await parent.follows("(wrong code)")
    parent.hears("code.wrong", n=4)


async def test_several_codes(arrive: Arrive) -> None:
    parent = await arrive(S.CODE)
    await parent.follows("123456 ou 654321")
    parent.hears("refused.code_several")
    await parent.follows("(wrong code)")
    parent.hears("code.wrong", n=4)


async def test_a_password_instead_of_the_code(arrive: Arrive) -> None:
    parent = await arrive(S.CODE)
    await parent.follows(PASSWORD)
    parent.hears("refused.code_is_password")
    parent.is_asked(S.CODE)
    assert len(parent.parent.erased) == 1
    await parent.follows("(code)")
    parent.hears("code.right")


@pytest.mark.parametrize(
    "shape",
    ["{0}", "{0:.3} {1}", "{0:.3}-{1}", "le code est {0} merci", "{0} est votre code Sésame"],
)
async def test_ways_to_write_the_code(arrive: Arrive, shape: str) -> None:
    parent = await arrive(S.CODE)
    code = parent.sms.last_code
    await parent.follows(shape.format(code, code[3:]))
    parent.hears("code.right", "password.ask")


@pytest.mark.parametrize("digits", [6, 8])
async def test_a_school_wants_longer_codes(meet: Meet, digits: int) -> None:
    parent = await meet(code_digits=digits)
    await parent.follows(*CODE_OF_MARIE)
    assert len(parent.sms.last_code) == digits
    parent.hears("code.hint", digits=digits)
    await parent.follows("12345")
    parent.hears("refused.code_length", n=5, digits=digits, example="12345678"[:digits])
    await parent.follows("123456789012"[: 14 - digits])
    parent.hears("refused.code_length", n=14 - digits)
    await parent.follows(f"le code est {parent.sms.last_code[:3]} {parent.sms.last_code[3:]}")
    parent.hears("code.right")


async def test_a_code_that_was_forwarded(arrive: Arrive) -> None:
    """Somebody wants it typed for them: no try is used, and it does not count (T12)."""
    parent = await arrive(S.CODE)
    for text in (parent.sms.last_code, "111111", parent.sms.received[-1][1]):
        for _ in range(2):
            await parent.parent.does(said(text, "1", forwarded=True))
            parent.hears("refused.forwarded")
            parent.is_asked(S.CODE)
    await parent.parent.does(said("bonjour", "2", forwarded=True))
    parent.hears("refused.code_length", n=0)
    await parent.follows("[nothing_arrives]")
    await parent.parent.does(said(parent.sms.last_code, "3", forwarded=True))
    parent.hears("refused.forwarded")
    parent.is_asked(S.NO_SMS)
    await parent.follows("(wrong code)")
    parent.hears("code.wrong", n=4)


async def test_the_whole_sms_pasted(arrive: Arrive) -> None:
    parent = await arrive(S.CODE)
    await parent.follows(parent.sms.received[-1][1])
    parent.hears("code.right")


async def test_the_sms_speaks_the_parents_language(arrive: Arrive, lang: str) -> None:
    parent = await arrive(S.CODE)
    text = parent.sms.received[-1][1]
    assert text.startswith(parent.sms.last_code)
    assert ("votre code" in text) == (lang == "fr")
    assert "30" in text
    assert "http" not in text


async def test_wrong_codes(arrive: Arrive) -> None:
    """Five tries; then this code is cancelled, right or wrong."""
    parent = await arrive(S.CODE)
    for left in (4, 3, 2, 1):
        await parent.follows("(wrong code)")
        parent.hears("code.wrong", n=left)
        parent.is_asked(S.CODE)
    await parent.follows("(wrong code)")
    parent.hears("code.burnt")
    parent.is_asked(S.CODE)
    await parent.follows("(code)")
    parent.hears("code.burnt")
    await parent.follows("(wait 1m)", "[resend]", "(code)")
    parent.hears("code.right")


async def test_the_right_code_on_the_last_try(arrive: Arrive) -> None:
    parent = await arrive(S.CODE)
    await parent.follows(*["(wrong code)"] * 4, "(code)")
    parent.hears("code.right")


async def test_wrong_codes_twice_make_a_pause(arrive: Arrive) -> None:
    parent = await arrive(S.CODE)
    await parent.follows(*["(wrong code)"] * 5, "(wait 1m)", "[resend]", *["(wrong code)"] * 5)
    parent.hears("locked")
    await parent.follows("(code)")
    parent.hears("locked")
    await parent.follows("(wait 15m)", "bonjour")
    parent.is_asked(S.CHECK)


async def test_an_old_code(meet_core: MeetCore, lang: str) -> None:
    """Costs no try, twice; then it is a wrong code."""
    codes = iter(["111111", "222222", "333333"])
    parent = await meet_core(lang=lang, make_code=lambda: next(codes))
    await parent.follows(*CODE_OF_MARIE, "(wait 1m)", "[resend]")
    parent.is_asked(S.CODE)
    sent = parent.clock.now
    await parent.follows("(wait 5m)")
    for _ in range(2):
        await parent.follows("111111")
        parent.hears("code.old", at=sent)
        parent.is_asked(S.CODE)
    await parent.follows("111111")
    parent.hears("code.wrong", n=4)
    await parent.follows("222222")
    parent.hears("code.right")


async def test_an_expired_code(arrive: Arrive) -> None:
    parent = await arrive(S.CODE)
    await parent.follows("(wait 30m)", "(code)")
    parent.hears("code.expired")
    parent.is_asked(S.CODE)
    await parent.follows("[resend]", "(code)")
    parent.hears("code.right")


async def test_a_code_a_second_before_it_expires(arrive: Arrive) -> None:
    parent = await arrive(S.CODE)
    await parent.follows("(wait 1799s)", "(code)")
    parent.hears("code.right")


@pytest.mark.parametrize("moment", ["2026-03-29T00:45", "2026-10-25T00:45", "2026-12-31T22:45"])
async def test_clocks_that_change(meet_core: MeetCore, lang: str, moment: str) -> None:
    """Thirty minutes are thirty minutes: on the nights of the hour's change, and at midnight."""
    begin = datetime.fromisoformat(f"{moment}+00:00")
    for wait, key in (("1799s", "code.right"), ("1800s", "code.expired")):
        parent = await meet_core(lang=lang, timezone="Europe/Paris", clock=Clock(begin))
        await parent.follows(*CODE_OF_MARIE, f"(wait {wait})", "(code)")
        parent.hears(key)
        await parent.follows("/effacer", "[erase_all]")
        await parent.parent.bot.closes()
        begin += timedelta(days=1)


async def test_resends(arrive: Arrive) -> None:
    """After 1, 2 and 5 minutes, three times; then no more, and what else there is to do."""
    parent = await arrive(S.CODE)
    await parent.follows("[resend]")
    parent.hears("code.too_soon", seconds=60)
    parent.is_asked(S.CODE)
    for wait in (1, 2, 5):
        await parent.follows(f"(wait {wait * 60 - 1}s)", "[resend]")
        parent.hears("code.too_soon", seconds=1)
        before = len(parent.sms.received)
        await parent.follows("(wait 1s)", "[resend]")
        parent.is_asked(S.CODE)
        parent.does_not_hear("code.too_soon")
        assert len(parent.sms.received) == before + 1
    await parent.follows("(wait 20m)", "[resend]")
    parent.hears("code.budget")
    parent.is_asked(S.NO_SMS)
    assert len(parent.sms.received) == 4
    await parent.follows("(code)")  # the last one still works
    parent.hears("code.right")


async def test_nothing_arrives(arrive: Arrive) -> None:
    parent = await arrive(S.CODE)
    await parent.follows("[nothing_arrives]")
    parent.hears("no_sms.ask", last_digits="78")
    await parent.follows("hm")
    parent.hears("refused.choose")
    parent.is_asked(S.NO_SMS)
    await parent.follows("[ask_school]")
    parent.hears("ask_school.ask", "ask_school.hint")
    await parent.follows("[other_number]")
    parent.is_asked(S.PHONE)


async def test_another_number(arrive: Arrive) -> None:
    """The code of the first number is of no use for the second."""
    parent = await arrive(S.NO_SMS)
    first = parent.sms.last_code
    await parent.follows("[other_number]", "06 98 76 54 32")
    parent.hears("check.ask", phone="06 98 76 54 32")
    await parent.follows("[yes]")
    assert parent.sms.received[-1][0] == "+33698765432"
    if parent.sms.last_code != first:
        await parent.follows(first)
        parent.hears("code.wrong", n=4)


async def test_a_code_typed_where_nothing_arrived(arrive: Arrive) -> None:
    parent = await arrive(S.NO_SMS)
    await parent.follows("(code)")
    parent.hears("code.right")


async def test_a_code_works_once(core: Dialogue[CoreParent]) -> None:
    await core.follows(*CODE_OF_MARIE, "(code)", "/start", "[restart]", "[parent]", "[activate]")
    await core.follows(*MARIE, "(wait 61s)", "[yes]")
    used = core.sms.received[0][1][:6]
    if used != core.sms.last_code:
        await core.follows(used)
        core.does_not_hear("code.right")


async def test_a_code_is_for_one_chat(core: Dialogue[CoreParent]) -> None:
    other = Dialogue(core.parent.beside("another", core.lang), core.lang)
    await core.follows(*CODE_OF_MARIE)
    mine = core.sms.last_code
    await other.follows("(comes)", "[parent]", "[activate]", *MARIE, "(wait 61s)", "[yes]")
    if mine != core.sms.last_code:
        await other.follows(mine)
        other.hears("code.wrong", n=4)
        await core.follows(core.sms.last_code)
        core.hears("code.wrong", n=4)


async def test_a_code_is_dead_after_erasing(arrive: Arrive) -> None:
    parent = await arrive(S.CODE)
    await parent.follows("/effacer", "[erase_all]", "bonjour", "[parent]", "[activate]", *MARIE)
    await parent.follows("(code)")
    parent.is_asked(S.CHECK)
    parent.does_not_hear("code.right")


async def test_help_is_offered_unasked(meet: Meet) -> None:
    parent = await meet()
    await parent.follows(*CODE_OF_MARIE, "(wait 89s)")
    parent.does_not_hear("code.nudge")
    await parent.follows("(wait 1s)")
    parent.hears("code.nudge")
    assert parent.offers("nothing_arrives")
    await parent.follows("(wait 10m)")
    parent.does_not_hear("code.nudge")
    await parent.follows("[nothing_arrives]")
    parent.is_asked(S.NO_SMS)


async def test_the_pause_grows(core: Dialogue[CoreParent]) -> None:
    """15 minutes, an hour, a day; and it holds over a restart."""
    await core.follows(*CODE_OF_MARIE, *["(wrong code)"] * 5, "(wait 1m)", "[resend]")
    for pause in (timedelta(minutes=15), timedelta(hours=1), timedelta(days=1), timedelta(days=1)):
        await core.follows(*["(wrong code)"] * 5)
        core.hears("locked")
        until = core.clock.now + pause
        await core.follows("(restart)")
        core.clock.now = until - timedelta(seconds=1)
        await core.follows("bonjour")
        core.hears("locked")
        core.clock.now = until
        await core.follows("bonjour")
        core.is_asked(S.CHECK)
        await core.follows("[yes]")
        core.is_asked(S.CODE)


async def test_a_pause_still_understands(arrive: Arrive, lang: str) -> None:
    """I12: help and language in every state; and who wants to be forgotten is."""
    parent = await arrive(S.CODE)
    await parent.follows(*["(wrong code)"] * 5, "(wait 1m)", "[resend]", *["(wrong code)"] * 5)
    parent.hears("locked")
    await parent.follows("/langue")
    parent.lang = "en" if lang == "fr" else "fr"
    parent.hears("locked")
    await parent.follows("/effacer")
    parent.hears("erased")
    await parent.follows("bonjour")
    parent.hears("locked")  # erasing does not lift the pause


async def test_stopping_does_not_lift_the_count(arrive: Arrive) -> None:
    """Who stops and comes back is no stranger to the limits."""
    parent = await arrive(S.CODE)
    await parent.follows(*["(wrong code)"] * 5, "/annuler", "[stop]")
    await parent.follows("(comes)", "[parent]", "[activate]", *MARIE, "(wait 2m)", "[yes]")
    await parent.follows(*["(wrong code)"] * 5)
    parent.hears("locked")


async def test_the_sms_provider_is_down(meet_core: MeetCore, lang: str) -> None:
    """The parent is still asked, and can ask for another; nothing is lost."""

    class Down(Phone):
        async def send(self, sms: Sms) -> Taken:
            raise ConnectionError

    parent = await meet_core(lang=lang, sms=Down())
    await parent.follows(*CODE_OF_MARIE)
    parent.is_asked(S.CODE)
    await parent.follows("[nothing_arrives]")
    parent.is_asked(S.NO_SMS)
