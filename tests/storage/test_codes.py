"""Codes by identifier and by e-mail: their limits, and what each is bound to."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from flows.inputs import (
    CodeBudgetSpent,
    CodeCancelled,
    CodeExpired,
    CodeOnItsWay,
    CodeRight,
    CodeTooSoon,
    CodeWrong,
)
from flows.policy import DAY, DEFAULT, HOUR, MINUTE, Policy
from flows.secret import Secret
from storage.codes import Checked, Codes
from storage.database import Work
from storage.place import Place
from tests.storage.town import MARIE, NOW, PAUL, Town, town

CODE = Secret("123456")
MAIL, OTHER_MAIL = "marie@example.org", "paul@example.org"
NOTHING: dict[str, object] = dict.fromkeys(
    (
        *("codes_per_number", "codes_per_guardian", "codes_per_chat", "codes_per_prefix"),
        *("codes_in_all", "identities_per_chat", "email_codes"),
    ),
    (),
)
"""No budget at all: a test closes the one that it is about."""


@pytest.fixture
async def lilas(place: Place) -> AsyncIterator[Town]:
    async with town(place) as opened:
        marie = await opened.talks("marie")
        await opened.activates("Marie DUPONT", MARIE, marie)
        yield opened


def codes(lilas: Town, **numbers: object) -> Codes:
    policy: Policy = replace(DEFAULT, **{**NOTHING, **numbers})  # type: ignore[arg-type]
    return Codes(lilas.vault, policy, lambda: "123456")


async def by_login(
    lilas: Town, chat: bytes, login: str, now: datetime, source: Codes | None = None
) -> tuple[object, bool]:
    """Somebody types an identifier: the answer, and whether an SMS leaves."""
    phone = await lilas.run(lilas.accounts.number_of(login))
    work = (source or lilas.codes).request(chat, phone, "", "", bool(phone), now, login)
    answer, _, sends = await lilas.run(work)
    return answer, sends


async def by_phone(
    lilas: Town, chat: bytes, phone: str, now: datetime, source: Codes | None = None
) -> tuple[object, bool]:
    work = (source or lilas.codes).request(chat, phone, "Dupont", "Marie", True, now)
    answer, _, sends = await lilas.run(work)
    return answer, sends


async def by_mail(
    lilas: Town, chat: bytes, address: str, now: datetime, source: Codes | None = None
) -> object:
    return (await lilas.run((source or lilas.codes).request_by_email(chat, address, now)))[0]


# ---- by the identifier -----------------------------------------------------------------------


async def test_whose_identifier_it_is_is_not_told(lilas: Town) -> None:
    one = await by_login(lilas, b"a", "m.dupont", NOW)
    other = await by_login(lilas, b"b", "x.nobody", NOW)
    assert one[0] == other[0]
    assert (one[1], other[1]) == (True, False)
    real = await lilas.run(lilas.codes.check(b"a", MARIE, CODE, NOW, "m.dupont"))
    none = await lilas.run(lilas.codes.check(b"b", "", CODE, NOW, "x.nobody"))
    assert (real, none) == (CodeRight(), CodeWrong(4))


@pytest.mark.parametrize("login", ["m.dupont", "x.nobody"])
async def test_limits_that_can_be_seen_are_the_logins(lilas: Town, login: str) -> None:
    """4 in an hour, from any conversations; then the number itself is asked for as before."""
    source = codes(lilas, codes_per_number=((HOUR, 4),))
    for number in range(6):
        answer, _ = await by_login(lilas, b"chat %d" % number, login, NOW, source)
        assert isinstance(answer, CodeOnItsWay if number < 4 else CodeBudgetSpent), number
    answer, _ = await by_phone(lilas, b"another", MARIE, NOW, source)
    assert isinstance(answer, CodeOnItsWay)
    answer, _ = await by_login(lilas, b"chat 9", login, NOW + HOUR, source)
    assert isinstance(answer, CodeOnItsWay)


@pytest.mark.parametrize(("asked", "sent"), [(3, True), (4, False), (5, False)])
async def test_the_numbers_own_limits_hold_in_silence(lilas: Town, asked: int, sent: bool) -> None:
    """4 SMS an hour to a person, whatever was typed to ask for them; the words are the same."""
    source = codes(lilas, codes_per_guardian=((HOUR, 4),))
    for number in range(asked):
        await by_phone(lilas, b"chat %d" % number, MARIE, NOW, source)
    answer, sends = await by_login(lilas, b"a", "m.dupont", NOW, source)
    assert isinstance(answer, CodeOnItsWay)
    assert sends is sent
    answer, sends = await by_login(lilas, b"b", "m.dupont", NOW + HOUR, source)
    assert sends


@pytest.mark.parametrize(("asked", "sent"), [(3, True), (4, False), (5, False)])
async def test_and_by_the_number_after_the_login(lilas: Town, asked: int, sent: bool) -> None:
    source = codes(lilas, codes_per_guardian=((HOUR, 4),))
    for number in range(asked):
        await by_login(lilas, b"chat %d" % number, "m.dupont", NOW, source)
    answer, sends = await by_phone(lilas, b"a", MARIE, NOW, source)
    assert isinstance(answer, CodeOnItsWay)
    assert sends is sent


async def test_nobody_learns_whose_number_it_is(lilas: Town) -> None:
    """What was asked for by the identifier leaves no trace in what the number's own asker sees."""
    for number in range(4):
        await by_login(lilas, b"chat %d" % number, "m.dupont", NOW + number * 2 * MINUTE)
    later = NOW + 9 * MINUTE
    known, _ = await by_phone(lilas, b"a", MARIE, later)
    other, _ = await by_phone(lilas, b"b", PAUL, later)
    assert known == other
    assert isinstance(known, CodeOnItsWay)


async def test_the_waits_are_those_of_every_code(lilas: Town) -> None:
    for login in ("m.dupont", "x.nobody"):
        chat = login.encode()
        await by_login(lilas, chat, login, NOW)
        assert (await by_login(lilas, chat, login, NOW + 59 * MINUTE / 60))[0] == CodeTooSoon(1)
        answer, _ = await by_login(lilas, chat, login, NOW + MINUTE)
        assert isinstance(answer, CodeOnItsWay)


async def test_after_a_change_of_the_number_the_code_is_of_no_use(lilas: Town) -> None:
    await by_login(lilas, b"a", "m.dupont", NOW)
    [chat] = await lilas.sign_ins("m.dupont")
    await lilas.run(lilas.life.change_phone("m.dupont", PAUL, lilas.by(chat)))
    phone = await lilas.run(lilas.accounts.number_of("m.dupont"))
    answer = await lilas.run(lilas.codes.check(b"a", phone, CODE, NOW, "m.dupont"))
    assert answer == CodeWrong(4)


async def test_an_accounts_own_number_is_known_and_bounded(lilas: Town) -> None:
    """One that no school has: the limits of its guardian hold over all of their numbers."""
    [chat] = await lilas.sign_ins("m.dupont")
    new = "+33644556677"
    await lilas.run(lilas.life.change_phone("m.dupont", new, lilas.by(chat)))
    source = codes(lilas, codes_per_guardian=((HOUR, 4),))
    for number in range(4):
        _, sends = await by_phone(lilas, b"chat %d" % number, new, NOW, source)
        assert sends
    for phone in (new, MARIE):
        _, sends = await by_phone(lilas, b"a", phone, NOW, source)
        assert not sends
    _, sends = await by_phone(lilas, b"a", PAUL, NOW, source)
    assert sends


# ---- by e-mail -------------------------------------------------------------------------------


async def test_a_code_by_mail(lilas: Town) -> None:
    assert isinstance(await by_mail(lilas, b"a", MAIL, NOW), CodeOnItsWay)
    work = lilas.codes.check_by_email(b"a", MAIL, CODE, NOW)
    assert await lilas.run(work) == CodeRight()
    work = lilas.codes.check_by_email(b"a", MAIL, CODE, NOW)
    assert await lilas.run(work) == CodeCancelled()


async def test_it_costs_no_sms_and_is_not_watched_as_one(lilas: Town) -> None:
    await by_mail(lilas, b"a", MAIL, NOW)
    assert await lilas.rows("SELECT 1 FROM tallies WHERE kind IN ('sms', 'no sms')") == []
    assert await lilas.rows("SELECT 1 FROM codes WHERE real = 1") == []
    assert await lilas.run(lilas.codes.budget_used(NOW)) == 0


async def test_waits_as_for_an_sms(lilas: Town) -> None:
    moment = NOW
    for minutes in (1, 2, 5):
        assert isinstance(await by_mail(lilas, b"a", MAIL, moment), CodeOnItsWay)
        almost = moment + timedelta(minutes=minutes, seconds=-1)
        assert await by_mail(lilas, b"a", MAIL, almost) == CodeTooSoon(1)
        moment += timedelta(minutes=minutes)
    assert isinstance(await by_mail(lilas, b"a", MAIL, moment), CodeOnItsWay)
    answer = await by_mail(lilas, b"a", MAIL, moment + HOUR)
    assert answer == CodeBudgetSpent((NOW + DAY).replace(microsecond=0))


@pytest.mark.parametrize("varies", ["address", "chat"])
@pytest.mark.parametrize(("length", "limit"), DEFAULT.email_codes)
async def test_so_many_mails(lilas: Town, length: timedelta, limit: int, varies: str) -> None:
    """Of one conversation, whatever the addresses; to one address, whoever asks."""
    source = codes(lilas, email_codes=((length, limit),))
    for number in range(limit + 2):
        chat = b"chat %d" % number if varies == "chat" else b"a"
        address = f"m{number}@example.org" if varies == "address" else MAIL
        answer = await by_mail(lilas, chat, address, NOW, source)
        assert isinstance(answer, CodeOnItsWay if number < limit else CodeBudgetSpent), number
    answer = await by_mail(lilas, b"b", OTHER_MAIL, NOW, source)
    assert isinstance(answer, CodeOnItsWay)
    chat, address = (b"z", MAIL) if varies == "chat" else (b"a", OTHER_MAIL)
    again = await by_mail(lilas, chat, address, NOW + length, source)
    assert isinstance(again, CodeOnItsWay)


async def test_it_expires_as_every_code(lilas: Town) -> None:
    await by_mail(lilas, b"a", MAIL, NOW)
    late = NOW.replace(microsecond=0) + 30 * MINUTE
    work = lilas.codes.check_by_email(b"a", MAIL, CODE, late)
    assert await lilas.run(work) == CodeExpired()


# ---- no code serves for anything else --------------------------------------------------------


async def test_each_code_has_its_place(lilas: Town) -> None:
    """The digits are the same for all: only what they were asked for tells them apart."""
    free = codes(lilas)
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "phone": lambda: by_phone(lilas, b"a", MARIE, NOW, free),
        "login": lambda: by_login(lilas, b"a", "m.dupont", NOW, free),
        "mail": lambda: by_mail(lilas, b"a", MAIL, NOW, free),
    }
    checks: dict[str, Callable[[], Work[Checked]]] = {
        "phone": lambda: free.check(b"a", MARIE, CODE, NOW),
        "login": lambda: free.check(b"a", MARIE, CODE, NOW, "m.dupont"),
        "mail": lambda: free.check_by_email(b"a", MAIL, CODE, NOW),
        "another chat": lambda: free.check(b"b", MARIE, CODE, NOW),
        "another phone": lambda: free.check(b"a", PAUL, CODE, NOW),
        "another login": lambda: free.check(b"a", MARIE, CODE, NOW, "p.dupont"),
        "another mail": lambda: free.check_by_email(b"a", OTHER_MAIL, CODE, NOW),
    }
    for purpose, ask in asked.items():
        await lilas.rows("DELETE FROM codes RETURNING 1")
        await ask()
        for place, check in checks.items():
            if place != purpose:
                assert await lilas.run(check()) == CodeCancelled(), (purpose, place)
        assert await lilas.run(checks[purpose]()) == CodeRight(), purpose


async def test_a_row_that_is_moved_is_of_no_use(lilas: Town) -> None:
    """Even who could write the database: the hash is bound, not only the row."""
    free = codes(lilas)
    await by_mail(lilas, b"a", MAIL, NOW, free)
    key = lilas.vault.key("phone", MARIE)
    await lilas.rows("UPDATE codes SET phone_key = ?, real = 1 RETURNING 1", key)
    assert await lilas.run(free.check(b"a", MARIE, CODE, NOW)) == CodeWrong(4)
