"""One reminder, at a decent hour where the school is."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import inputs as i
from flows import outputs as o
from flows.chat import Chat, Child
from flows.policy import DEFAULT
from flows.questions.phone import FRENCH_AREAS
from flows.states import S
from flows.step import step
from flows.table import QUESTIONS
from flows.waking import ZONES, is_decent, remind_at, wake_at, zone_of
from tests.flows.samples import a_chat

PARIS = ZoneInfo("Europe/Paris")
REMINDED = [
    state for state, question in QUESTIONS.items() if question.step and state is not S.INVITED
]

SCHOOLS = {
    "0750001U": "Europe/Paris",
    "6200001A": "Europe/Paris",  # Corse-du-Sud, in UAI's own numbers
    "7200001B": "Europe/Paris",  # Haute-Corse
    "9710001A": "America/Guadeloupe",
    "9720001A": "America/Martinique",
    "9730001A": "America/Cayenne",
    "9740001A": "Indian/Reunion",
    "9750001A": "America/Miquelon",
    "9760001A": "Indian/Mayotte",
    "9770001A": "America/St_Barthelemy",
    "9780001A": "America/Marigot",
    "9830001A": "Pacific/Noumea",
    "9840001A": "Pacific/Tahiti",
    "9850001A": "Indian/Mayotte",
    "9860001A": "Pacific/Wallis",
    "9870001A": "Pacific/Tahiti",
    "9880001A": "Pacific/Noumea",
}
PHONES = {
    "+33612345678": "Europe/Paris",
    "+590690123456": "America/Guadeloupe",
    "+596696123456": "America/Martinique",
    "+594694123456": "America/Cayenne",
    "+262692123456": "Indian/Reunion",
    "+262639012345": "Indian/Mayotte",
    "+508551234": "America/Miquelon",
    "+687751234": "Pacific/Noumea",
    "+68987123456": "Pacific/Tahiti",
    "+681821234": "Pacific/Wallis",
    "+32470123456": "Europe/Paris",  # who lives abroad has a child at school here
    "+12025550123": "Europe/Paris",
}


def silent(
    state: S = S.PASSWORD, seen: datetime = datetime(2026, 3, 10, 18, tzinfo=UTC), **own: Any
) -> Chat:
    """Somebody in the middle of an activation, who said something then and nothing since."""
    seen = seen.astimezone(UTC)  # as the bot's clock tells it
    known = {"identifier": "", "seen_at": seen, "proved_at": seen, "children": []}
    return a_chat(state, **(known | own))


def at_school(uai: str, **own: Any) -> Chat:
    return silent(S.CHILD, children=[Child(1, "Léa", "D", "Collège", uai)], **own)


@pytest.mark.parametrize("uai", SCHOOLS)
def test_it_is_nine_at_the_school(uai: str) -> None:
    chat = at_school(uai, phone="+33612345678")
    assert chat.seen_at
    due = remind_at(chat, DEFAULT)
    assert due
    there = due.astimezone(ZoneInfo(SCHOOLS[uai]))
    seen = chat.seen_at.astimezone(ZoneInfo(SCHOOLS[uai]))
    assert (there.date(), there.time()) == (seen.date() + timedelta(days=1), time(9))


@pytest.mark.parametrize("phone", PHONES)
def test_before_a_school_is_known_the_mobile_tells_where(phone: str) -> None:
    assert zone_of(silent(phone=phone), DEFAULT).key == PHONES[phone]
    assert zone_of(at_school("", phone=phone), DEFAULT).key == PHONES[phone]
    assert zone_of(at_school("9740001A", phone=phone), DEFAULT).key == "Indian/Reunion"


def test_where_nothing_is_known_the_setting_counts() -> None:
    noumea = replace(DEFAULT, timezone="Pacific/Noumea")
    for phone in ("", "+33612345678", "+32470123456", "+870773111632"):
        assert zone_of(silent(phone=phone), noumea).key == "Pacific/Noumea"
    assert zone_of(at_school("0990001A", phone=""), noumea).key == "Pacific/Noumea"  # abroad


def test_every_french_area_has_its_zone() -> None:
    assert set(ZONES) == FRENCH_AREAS
    for name in ZONES.values():
        ZoneInfo(name)


@pytest.mark.parametrize(
    ("seen", "due"),
    [
        *(((10, 9, 0), (11, 9, 0)), ((10, 23, 59), (11, 9, 0)), ((11, 0, 1), (12, 9, 0))),
        *(((10, 8, 59), (11, 9, 0)), ((28, 12, 0), (29, 9, 0))),  # summer time begins on the 29th
    ],
)
def test_what_was_proved_is_reminded_of_on_the_next_day(
    seen: tuple[int, int, int], due: tuple[int, int, int]
) -> None:
    chat = silent(seen=datetime(2026, 3, *seen, tzinfo=PARIS))
    assert remind_at(chat, DEFAULT) == datetime(2026, 3, *due, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("seen", "due"),
    [
        ((10, 9, 1), (11, 9, 0)),
        ((10, 9, 0), (10, 19, 0)),  # erased at that very moment
        ((10, 8, 0), (10, 19, 0)),
        ((10, 0, 30), (10, 19, 0)),
        ((10, 15, 0), (11, 9, 0)),
        ((28, 9, 30), (29, 9, 0)),  # the night is an hour shorter
        ((28, 8, 30), (29, 9, 0)),  # 23 hours and a half
        ((28, 8, 0), (28, 19, 0)),
    ],
)
def test_what_is_erased_before_the_morning_is_reminded_of_in_the_evening(
    seen: tuple[int, int, int], due: tuple[int, int, int]
) -> None:
    chat = silent(S.CHECK, seen=datetime(2026, 3, *seen, tzinfo=PARIS), proved_at=None)
    assert remind_at(chat, DEFAULT) == datetime(2026, 3, *due, tzinfo=PARIS)


def test_no_evening_comes_too_soon_or_too_late() -> None:
    short = replace(DEFAULT, keep_unproved=timedelta(hours=6))
    for hour, due in ((12, None), (13, None), (14, 19), (15, 19), (16, None), (20, None)):
        chat = silent(S.CHECK, datetime(2026, 3, 10, hour, tzinfo=PARIS), proved_at=None)
        wanted = due and datetime(2026, 3, 10, due, tzinfo=PARIS)
        assert remind_at(chat, short) == wanted, hour


@pytest.mark.parametrize("state", S)
def test_only_in_the_middle_of_an_activation(state: S) -> None:
    assert (remind_at(silent(state), DEFAULT) is not None) == (state in REMINDED)


@pytest.mark.parametrize(
    "own",
    [
        *({"goal": goal} for goal in ("identifier", "password", "manage", "new_phone")),
        *({name: True} for name in ("away", "reminded", "muted")),
        {"seen_at": None},
        {"last": "", "first": "", "phone": ""},
    ],
    ids=str,
)
def test_nobody_is_reminded_who_need_not_be(own: dict[str, Any]) -> None:
    for state in REMINDED:
        assert remind_at(silent(state, **own), DEFAULT) is None


def test_a_school_can_do_without() -> None:
    assert remind_at(silent(), replace(DEFAULT, remind=False)) is None


moments = st.integers(1_577_836_800, 2_051_222_400).map(lambda at: datetime.fromtimestamp(at, UTC))
hours = st.tuples(st.integers(0, 22), st.integers(1, 23)).filter(lambda pair: pair[0] < pair[1])


@given(
    *(moments, st.sampled_from(sorted(SCHOOLS)), st.booleans(), hours),
    st.sampled_from([timedelta(hours=6), timedelta(hours=24), timedelta(days=3)]),
)
def test_it_is_never_outside_the_hours_nor_after_the_answers(
    seen: datetime, uai: str, proved: bool, window: tuple[int, int], kept: timedelta
) -> None:
    policy = replace(DEFAULT, remind_from=window[0], remind_until=window[1], keep_unproved=kept)
    chat = at_school(uai, seen=seen, proved_at=seen if proved else None)
    expires, due, zone = chat.expires_at(policy), remind_at(chat, policy), zone_of(chat, policy)
    assert expires
    there = seen.astimezone(zone).date()
    if due is None:
        morning = datetime.combine(there + timedelta(days=1), time(window[0]), zone)
        assert not proved
        assert morning.astimezone(UTC) >= expires
        return
    assert seen < due < expires
    assert window[0] <= due.astimezone(zone).hour < window[1]
    assert due.astimezone(zone).date() - there in (timedelta(0), timedelta(days=1))
    assert is_decent(chat, policy, due)
    assert wake_at(chat, policy) == due
    for late in (timedelta(days=1), timedelta(hours=24 - window[1] + window[0])):
        assert not is_decent(chat, policy, due + late) or late < timedelta(hours=24)


DUE = datetime(2026, 3, 11, 9, tzinfo=PARIS)


@pytest.mark.parametrize("state", REMINDED)
def test_it_is_said_once_and_silently(state: S) -> None:
    chat, outputs = step(silent(state), i.TimeCame(), DUE)
    assert chat.interruption == "remind"
    assert chat.state is state
    [ask] = [one for one in outputs if isinstance(one, o.Ask)]
    assert ask.silent
    assert ask.choices == ("continue", "mute")
    assert remind_at(chat, DEFAULT) is None
    again, outputs = step(chat, i.TimeCame(), DUE + timedelta(hours=1))
    assert outputs == []
    assert again == chat


def test_the_bot_was_stopped_until_the_evening() -> None:
    """Then there is none; and the alarm does not ring for ever."""
    for hours in (11, 14, 24, 100):
        chat, outputs = step(silent(), i.TimeCame(), DUE + timedelta(hours=hours))
        assert outputs == []
        assert wake_at(chat, DEFAULT) == chat.expires_at(DEFAULT)
    assert step(silent(), i.TimeCame(), DUE + timedelta(hours=10, minutes=59))[1] != []


def test_help_for_the_code_is_not_offered_beside_it() -> None:
    """The alarm of yesterday did not ring: the code is long expired."""
    chat = silent(S.CODE, proved_at=None, seen=DUE - timedelta(hours=23))
    told, _ = step(chat, i.TimeCame(), DUE)
    assert told.interruption == "remind"
    assert step(told, i.TimeCame(), DUE)[1] == []


def test_dont_remind_me_holds_for_the_next_activation_too() -> None:
    chat, _ = step(silent(), i.TimeCame(), DUE)
    chat, outputs = step(chat, i.Pressed("mute", chat.asked), DUE)
    assert chat.muted
    assert outputs
    chat.forget()
    assert chat.muted
    assert not chat.reminded


def test_whoever_comes_back_goes_on() -> None:
    chat, _ = step(silent(S.RECAP), i.TimeCame(), DUE)
    chat, _ = step(chat, i.Pressed("continue", chat.asked), DUE)
    assert (chat.state, chat.interruption) == (S.RECAP, "")
    assert remind_at(chat, DEFAULT) is None
