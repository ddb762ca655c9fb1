"""Each limit of RELIABILITY 5 at limit - 1, limit and limit + 1, and held over a restart."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from flows.inputs import (
    BirthdateRight,
    BirthdateWrong,
    CodeBudgetSpent,
    CodeOnItsWay,
    CodeRight,
    CodeTooSoon,
    CodeWrong,
    GuardianMatched,
    NameDiffers,
)
from flows.policy import DAY, DEFAULT, HOUR, MINUTE, Policy, Windows
from flows.secret import Secret
from flows.states import S
from storage.accounts import Accounts
from storage.codes import Codes
from storage.database import Database, Work, every, run
from storage.place import open_database
from storage.register import Register
from storage.vault import Vault
from tests.conversations.roads import everybody
from tests.helpers.clock import Clock
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import SECRET, CoreParent, test_settings

NOW = Clock().now
OPEN = replace(
    DEFAULT,
    codes_per_number=(),
    codes_per_guardian=(),
    codes_per_chat=(),
    codes_per_prefix=(),
    codes_in_all=(),
    identities_per_chat=(),
)
"""No budget at all: a test closes the one that it is about."""

WHAT_VARIES = {
    "codes_per_number": "chat",
    "codes_per_chat": "number",
    "codes_per_prefix": "chat and last digits",
    "codes_in_all": "everything",
    "identities_per_chat": "number",
}


def windows(field: str) -> Windows:
    value: Windows = getattr(DEFAULT, field)
    return value


LIMITS = [
    pytest.param(field, window, id=f"{field}: {window[1]} in {window[0]}")
    for field in WHAT_VARIES
    for window in windows(field)
]


def phone_of(number: int) -> str:
    return f"+336{number + 1000:04d}5678"


def asker(varies: str, number: int) -> tuple[bytes, str, str]:
    """The chat, the number and the first name of somebody who asks for a code."""
    chat, phone, first = b"chat", "+33612345678", "Marie"
    if "chat" in varies or varies == "everything":
        chat = b"chat %d" % number
    if "last digits" in varies:
        phone = f"+3361234{number:04d}"
    if "Belgian number" in varies:
        phone = f"+3247{number:07d}"
    elif "number" in varies or varies == "everything":
        phone, first = phone_of(number), f"Marie{number}"
    return chat, phone, first


class World:
    """The doors, on a database that can be closed and opened again."""

    def __init__(self, database: Database, policy: Policy, desks: Sequence[bytes] = ()) -> None:
        vault = self.vault = Vault(Secret(SECRET))
        self.database = database
        self.codes = Codes(vault, policy, lambda: "123456", desks)
        self.register = Register(vault, policy, Accounts(vault))

    async def asks_for_a_code(
        self, varies: str, number: int, now: datetime, *, known: bool = True
    ) -> object:
        """Somebody asks for a code; the answer."""
        return (await self.requests(varies, number, now, known=known))[0]

    async def is_sent_a_code(self, varies: str, number: int, now: datetime) -> bool:
        """Somebody asks for a code, and is told that it comes; whether it does."""
        answer, secret, sends = await self.requests(varies, number, now)
        assert isinstance(answer, CodeOnItsWay), answer
        assert secret is not None
        return sends

    async def requests(
        self, varies: str, number: int, now: datetime, *, known: bool = True
    ) -> tuple[object, Secret | None, bool]:
        """Somebody asks for a code: the answer, the code, and whether it is sent."""
        chat, phone, first = asker(varies, number)
        work = self.codes.request(chat, phone, "Dupont", first, known, now)
        return await self.database.run(work)


@asynccontextmanager
async def world(path: Path, policy: Policy, desks: Sequence[bytes] = ()) -> AsyncIterator[World]:
    async with open_database(path) as database:
        yield World(database, policy, desks)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize(("field", "window"), LIMITS)
async def test_codes(
    tmp_path: Path, field: str, window: tuple[timedelta, int], known: bool
) -> None:
    length, limit = window
    policy = replace(OPEN, **{field: (window,)})  # type: ignore[arg-type]
    varies, path = WHAT_VARIES[field], tmp_path / "limits.sqlite3"
    counted = known or field != "codes_in_all"  # what nobody gets uses up nothing
    step = min(timedelta(seconds=1), length / (2 * limit))
    async with world(path, policy) as one:
        await one.database.run(_many_guardians())
        for number in range(limit):
            answer = await one.asks_for_a_code(varies, number, NOW + number * step, known=known)
            assert isinstance(answer, CodeOnItsWay), number
        answer = await one.asks_for_a_code(varies, limit, NOW + limit * step, known=known)
        assert isinstance(answer, CodeBudgetSpent if counted else CodeOnItsWay)
    if not counted:
        return
    assert isinstance(answer, CodeBudgetSpent)
    assert answer.until == NOW + length
    async with world(path, policy) as restarted:
        second = timedelta(seconds=1)
        for moment, kind in (
            (NOW + length - second, CodeBudgetSpent),
            (NOW + length, CodeOnItsWay),
        ):
            got = await restarted.asks_for_a_code(varies, limit, moment, known=known)
            assert isinstance(got, kind)


def _many_guardians() -> Work[None]:
    """So many that the budget of a day, a tenth of them, is not in the way."""
    yield from run("INSERT INTO schools VALUES ('0750001U', 'plain', '', '', 0, 12000)")


async def test_the_numbers_are_those_that_were_decided() -> None:
    """RELIABILITY 5."""
    assert (
        Policy(
            code_validity=30 * MINUTE,
            code_tries=5,
            old_code_pardons=2,
            resend_waits=(MINUTE, 2 * MINUTE, 5 * MINUTE),
            code_digits=6,
            codes_per_number=((MINUTE, 1), (HOUR, 4), (DAY, 5), (30 * DAY, 15)),
            codes_per_guardian=((HOUR, 4), (DAY, 5), (30 * DAY, 15)),
            codes_per_chat=((DAY, 5), (30 * DAY, 15)),
            codes_per_prefix=((HOUR, 20),),
            codes_in_all=((MINUTE, 60), (HOUR, 1000)),
            codes_per_day=200,
            codes_per_day_percent=10,
            codes_warning_percent=50,
            conversion_sample=100,
            conversion_warning_percent=30,
            conversion_pause_percent=10,
            identities_per_chat=((DAY, 5), (7 * DAY, 10)),
            birthdate_tries=3,
            birthdates_per_activation=6,
            birthdates_per_child=((30 * DAY, 9),),
            locks=(15 * MINUTE, HOUR, DAY),
            password_min=8,
            proof_validity=30 * MINUTE,
            keep_unproved=DAY,
            keep_idle=7 * DAY,
        )
        == DEFAULT
    )


@pytest.mark.parametrize(("guardians", "limit"), [(0, 200), (1990, 200), (2020, 202)])
async def test_the_budget_of_a_day(tmp_path: Path, guardians: int, limit: int) -> None:
    """200 SMS, or one for ten guardians who have not activated."""
    async with world(tmp_path / "day.sqlite3", OPEN) as one:
        await one.database.run(_many_guardians())
        await one.database.run(run("UPDATE schools SET guardians = ?", guardians))
        for number in range(limit):
            answer = await one.asks_for_a_code("everything", number, NOW)
            assert isinstance(answer, CodeOnItsWay), number
        answer = await one.asks_for_a_code("everything", limit, NOW)
        assert answer == CodeBudgetSpent(NOW + DAY)
        answer = await one.asks_for_a_code("everything", limit, NOW + DAY)
        assert isinstance(answer, CodeOnItsWay)


@pytest.mark.parametrize(("percent", "warned_at"), [(25, 50), (50, 100), (100, 200)])
async def test_before_the_days_budget_is_spent_the_log_warns_once(
    tmp_path: Path, percent: int, warned_at: int, caplog: pytest.LogCaptureFixture
) -> None:
    path, policy = tmp_path / "day.sqlite3", replace(OPEN, codes_warning_percent=percent)
    async with world(path, policy) as one:
        for number in range(warned_at - 1):
            await one.asks_for_a_code("everything", number, NOW)
    assert not warnings(caplog)
    for number in range(warned_at - 1, 201):
        if number in (warned_at - 1, warned_at):  # the bot starts again
            async with world(path, policy) as two:
                await two.asks_for_a_code("everything", number, NOW)
        assert warnings(caplog) == [f"sms_budget_high percent={warned_at // 2}"]
    async with world(path, policy) as three:
        for number in range(warned_at):
            await three.asks_for_a_code("everything", number, NOW + DAY)
    assert len(warnings(caplog)) == 2


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "sesame.codes"]


async def test_the_budget_of_a_day_is_a_setting(tmp_path: Path) -> None:
    policy = replace(OPEN, codes_per_day=3, codes_per_day_percent=1)
    for guardians, limit in ((399, 3), (400, 4)):
        async with world(tmp_path / f"{guardians}.sqlite3", policy) as one:
            await one.database.run(_many_guardians())
            await one.database.run(run("UPDATE schools SET guardians = ?", guardians))
            answers = [await one.asks_for_a_code("everything", n, NOW) for n in range(5)]
        sent = [isinstance(answer, CodeOnItsWay) for answer in answers]
        assert sent == [True] * limit + [False] * (5 - limit)


# ---- limits that are not seen ----------------------------------------------------------------


def _a_guardian_with(vault: Vault, *phones: str) -> Work[None]:
    yield from run("INSERT OR IGNORE INTO schools VALUES ('0750001U', 'plain', '', '', 0, 0)")
    rows = yield from run(
        "INSERT INTO guardians (uai, source_key, name_key, digest, sealed)"
        " VALUES ('0750001U', x'00', x'00', x'00', x'00') RETURNING id"
    )
    for phone in phones:
        key = vault.key("phone", phone)
        yield from run("INSERT INTO guardian_phones VALUES (?, ?)", key, rows[0][0])


@pytest.mark.parametrize("window", windows("codes_per_guardian"), ids=str)
async def test_codes_of_a_guardian_over_all_their_numbers(
    tmp_path: Path, window: tuple[timedelta, int]
) -> None:
    """Told alike, since a stranger must not learn whose numbers these are (I10)."""
    (length, limit), path = window, tmp_path / "guardian.sqlite3"
    policy = replace(OPEN, codes_per_guardian=(window,))
    second = timedelta(seconds=1)
    async with world(path, policy) as one:
        await one.database.run(_a_guardian_with(one.vault, *map(phone_of, range(20))))
        await one.database.run(_a_guardian_with(one.vault, phone_of(30)))
        for number in range(limit):
            assert await one.is_sent_a_code("number and chat", number, NOW + number * second)
    last = NOW + length - second
    async with world(path, policy) as restarted:
        assert not await restarted.is_sent_a_code("number and chat", limit, last)
        assert await restarted.is_sent_a_code("number and chat", 30, last)  # somebody else
    async with world(path, OPEN) as unlimited:
        assert await unlimited.is_sent_a_code("number and chat", limit + 1, last)


async def test_a_guardian_gets_codes_again_when_the_window_has_moved(tmp_path: Path) -> None:
    policy = replace(OPEN, codes_per_guardian=((HOUR, 1),))
    async with world(tmp_path / "guardian.sqlite3", policy) as one:
        await one.database.run(_a_guardian_with(one.vault, phone_of(1), phone_of(2)))
        assert await one.is_sent_a_code("number and chat", 1, NOW)
        assert await one.is_sent_a_code("number and chat", 2, NOW + HOUR)


async def _sends(one: World, varies: str, back: int, sent: int) -> None:
    """So many codes an hour ago, of which so many came back."""
    ago = NOW - HOUR
    for number in range(sent):
        assert await one.is_sent_a_code(varies, number, ago)
        if number < back:
            chat, phone, _ = asker(varies, number)
            answer = one.codes.check(chat, phone, Secret("123456"), ago)
            assert await one.database.run(answer) == CodeRight()


@pytest.mark.parametrize(
    ("back", "sent", "warns"), [(29, 100, 1), (30, 100, 0), (0, 99, 0), (0, 100, 1)]
)
async def test_when_few_codes_come_back_the_log_warns_once(
    tmp_path: Path, back: int, sent: int, warns: int, caplog: pytest.LogCaptureFixture
) -> None:
    path, policy = tmp_path / "watch.sqlite3", replace(OPEN, codes_warning_percent=100)
    async with world(path, policy) as one:
        await _sends(one, "everything", back, sent)
        assert not warnings(caplog)  # their half hour is not over
    for number in (501, 502):
        async with world(path, policy) as restarted:
            assert await restarted.is_sent_a_code("everything", number, NOW)  # never France
        assert warnings(caplog) == [f"codes_not_coming_back percent={back}"] * warns


@pytest.mark.parametrize(
    ("back", "sent", "pauses"), [(9, 100, True), (10, 100, False), (0, 99, False)]
)
async def test_a_country_from_which_no_codes_come_back_gets_none_for_a_day(
    tmp_path: Path, back: int, sent: int, pauses: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path, policy = tmp_path / "country.sqlite3", replace(OPEN, conversion_warning_percent=10)
    belgian = "Belgian number and chat"
    async with world(path, policy) as one:
        await _sends(one, belgian, back, sent)
        assert await one.is_sent_a_code(belgian, 501, NOW) is not pauses
        assert await one.is_sent_a_code("number and chat", 501, NOW)  # to France
    async with world(path, policy) as restarted:
        second, day = timedelta(seconds=1), NOW + DAY
        assert await restarted.is_sent_a_code(belgian, 502, day - second) is not pauses
        assert await restarted.is_sent_a_code(belgian, 503, day)
    told = [line for line in warnings(caplog) if "BE" in line]
    assert len(told) == pauses
    assert "+32" not in caplog.text


async def test_desks_are_spared_by_the_limits_of_a_chat_alone(tmp_path: Path) -> None:
    policy = replace(
        DEFAULT, codes_per_prefix=(), codes_per_chat=((DAY, 1),), identities_per_chat=((DAY, 1),)
    )
    async with world(tmp_path / "desk.sqlite3", policy, desks=[b"chat"]) as one:
        for number in range(20):
            answer = await one.asks_for_a_code("number", number, NOW)
            assert isinstance(answer, CodeOnItsWay)
        assert await one.asks_for_a_code("number", 1, NOW) == CodeTooSoon(60)
        answer = await one.asks_for_a_code("number and chat", 1, NOW)
        assert answer == CodeBudgetSpent(NOW + MINUTE)  # of the number
        assert isinstance(await one.asks_for_a_code("number and chat", 100, NOW), CodeOnItsWay)


async def test_waits_between_codes(tmp_path: Path) -> None:
    path, now = tmp_path / "waits.sqlite3", NOW
    async with world(path, OPEN) as one:
        assert isinstance(await one.asks_for_a_code("nothing", 0, now), CodeOnItsWay)
    for wait in (60, 120, 300):
        async with world(path, OPEN) as one:
            early = now + timedelta(seconds=wait - 1)
            assert await one.asks_for_a_code("nothing", 0, early) == CodeTooSoon(1)
            now += timedelta(seconds=wait)
            assert isinstance(await one.asks_for_a_code("nothing", 0, now), CodeOnItsWay)
    async with world(path, OPEN) as one:
        answer = await one.asks_for_a_code("nothing", 0, now + 10 * MINUTE)
        assert answer == CodeBudgetSpent(NOW + DAY)


async def test_tries_of_a_code(tmp_path: Path) -> None:
    path = tmp_path / "tries.sqlite3"
    async with world(path, DEFAULT) as one:
        await one.asks_for_a_code("nothing", 0, NOW)
    for left in (4, 3, 2, 1):
        async with world(path, DEFAULT) as one:
            work = one.codes.check(b"chat", "+33612345678", Secret("000000"), NOW)
            assert await one.database.run(work) == CodeWrong(left)
    async with world(path, DEFAULT) as one:
        work = one.codes.check(b"chat", "+33612345678", Secret("123456"), NOW)
        assert await one.database.run(work) == CodeRight()


async def test_two_bots_share_the_budgets(tmp_path: Path) -> None:
    """A hundred ask at once, at two processes' connections: as many get a code as may."""
    path = tmp_path / "shared.sqlite3"
    policy = replace(OPEN, codes_per_prefix=((HOUR, 20),))
    async with world(path, policy) as one, world(path, policy) as two:
        answers = await asyncio.gather(
            *(
                bot.asks_for_a_code("chat and last digits", number, NOW)
                for number in range(50)
                for bot in (one, two)
            )
        )
    # Each number asks in one chat at each bot; the wait of a minute takes the other half.
    assert sum(isinstance(answer, CodeOnItsWay) for answer in answers) == 20


# ---- the register ----------------------------------------------------------------------------


@asynccontextmanager
async def filled(path: Path, policy: Policy = DEFAULT) -> AsyncIterator[World]:
    await everybody().fills_file(path, test_settings(path))
    async with world(path, policy) as one:
        yield one


async def test_names_that_differ(tmp_path: Path) -> None:
    path, phone = tmp_path / "names.sqlite3", "+33612345678"
    for left in (4, 3, 2, 1, 0, 0):
        async with filled(path) as one:
            work = one.register.match(b"chat", phone, "Durand", "Marie", NOW)
            assert await one.database.run(work) == NameDiffers(left)
    async with filled(path) as one:
        work = one.register.match(b"other", phone, "Durand", "Marie", NOW)
        assert await one.database.run(work) == NameDiffers(4)  # counted by chat
        work = one.register.match(b"chat", phone, "Durand", "Marie", NOW + HOUR)
        assert await one.database.run(work) == NameDiffers(4)


async def _pupils(one: World) -> list[int]:
    work = one.register.match(b"x", "+33698765432", "Martin", "Sophie", NOW)
    matched = await one.database.run(work)
    assert isinstance(matched, GuardianMatched)
    return [child.pupil for child in matched.children]


async def _tries(one: World, chat: bytes, pupil: int, right: bool, now: datetime = NOW) -> object:
    day = date(2011, 9, 1) if right else date(2011, 9, 2)
    return await one.database.run(one.register.check_birthdate(chat, pupil, day, now))


async def test_birthdates_of_a_child(tmp_path: Path) -> None:
    """Three; then the right one comes too late, in this chat and on this day."""
    path = tmp_path / "dates.sqlite3"
    for left in (2, 1, 0):
        async with filled(path) as one:
            hugo = (await _pupils(one))[0]
            assert await _tries(one, b"chat", hugo, right=left == 9) == BirthdateWrong(left)
    async with filled(path) as one:
        assert await _tries(one, b"chat", hugo, right=True) == BirthdateWrong(0)
        assert await _tries(one, b"other", hugo, right=True) == BirthdateRight()
        assert await _tries(one, b"chat", hugo, right=True, now=NOW + DAY) == BirthdateRight()


async def test_the_right_birthdate_on_the_last_try(tmp_path: Path) -> None:
    async with filled(tmp_path / "dates.sqlite3") as one:
        hugo = (await _pupils(one))[0]
        for _ in range(2):
            await _tries(one, b"chat", hugo, right=False)
        assert await _tries(one, b"chat", hugo, right=True) == BirthdateRight()


async def test_birthdates_of_an_activation(tmp_path: Path) -> None:
    """Six over all children."""
    path, got = tmp_path / "dates.sqlite3", []
    for turn in range(7):
        async with filled(path) as one:
            pupils = await _pupils(one)
            got.append(await _tries(one, b"chat", pupils[turn % 3], right=False))
    assert [answer.left for answer in got if isinstance(answer, BirthdateWrong)] == [
        *(2, 2, 2, 1, 1, 0, 0)
    ]


async def test_birthdates_of_a_child_over_all_chats(tmp_path: Path) -> None:
    """Nine in thirty days, whoever asks."""
    path = tmp_path / "dates.sqlite3"
    for turn in range(8):
        async with filled(path) as one:
            hugo = (await _pupils(one))[0]
            assert await _tries(one, b"chat %d" % (turn // 2), hugo, right=False) != BirthdateWrong(
                0
            )
    async with filled(path) as one:
        assert await _tries(one, b"last", hugo, right=True) == BirthdateRight()
        assert await _tries(one, b"last", hugo, right=False) == BirthdateWrong(0)
        assert await _tries(one, b"later", hugo, right=True) == BirthdateWrong(0)
        month = NOW + 30 * DAY
        assert await _tries(one, b"later", hugo, right=True, now=month) == BirthdateRight()


# ---- as a parent meets them ------------------------------------------------------------------


async def test_five_people_a_day_and_chat(core: Dialogue[CoreParent]) -> None:
    """The sixth name or number of a day is not taken; what is said does not tell why."""
    await core.follows("(comes)", "[parent]", "[activate]")
    for number in range(6):
        await core.follows("Dupont", f"Marie{'abcdefg'[number]}", f"06 1{number} 34 56 78")
        await core.follows("(wait 11m)", "[yes]")
        if number < 5:
            core.is_asked(S.CODE)
            await core.follows("/start", "[restart]", "[parent]", "[activate]")
    core.hears("code.budget")
    core.hears("check.ask")
    assert len(core.sms.received) <= 1


async def test_erasing_does_not_open_a_budget(core: Dialogue[CoreParent]) -> None:
    for _ in range(4):
        await core.follows("(comes)", "[parent]", "[activate]", "Dupont", "Marie")
        await core.follows("06 12 34 56 78", "(wait 10m)", "[yes]", "/effacer", "[erase_all]")
    await core.follows("(comes)", "[parent]", "[activate]", "Dupont", "Marie", "06 12 34 56 78")
    await core.follows("(wait 10m)", "[yes]")
    core.hears("code.budget")
    assert len(core.sms.received) == 4
    rows = await core.parent.service.doors.database.run(every("SELECT count(*) FROM codes"))
    assert rows == [(4,)]
