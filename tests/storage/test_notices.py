"""Others are told of what is done to an account, and can object, on both databases."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from flows.inputs import NotObjected, Objected
from flows.policy import DAY
from storage.place import Place
from storage.sign_ins import leave
from tests.helpers.school import School
from tests.storage.town import AN, MARIE, NOW, PAUL, Town, families, town

NEW = "+33644556677"
NO_CODE = "ABCDEFGHJKMN"


@pytest.fixture
async def lilas(place: Place) -> AsyncIterator[Town]:
    async with town(place) as opened:
        yield opened


def code_in(text: str) -> str:
    found = re.search(r"[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}", text)
    assert found, text
    return found[0].replace("-", "")


async def marie_has_activated(lilas: Town) -> bytes:
    chat = await lilas.talks("marie")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    return chat


async def objects(lilas: Town, code: str, chat: bytes = b"somebody") -> object:
    return await lilas.run(lilas.notices.object("", code, lilas.by(chat)))


# ---- telling ---------------------------------------------------------------------------------


@pytest.mark.parametrize("about", ["activated", "identifier", "password"])
async def test_the_other_guardian_gets_an_sms(lilas: Town, about: str) -> None:
    marie = await marie_has_activated(lilas)
    await lilas.tells("m.dupont", about, marie)
    [(to, text)] = await lilas.texts()
    assert to == PAUL
    assert text.startswith(f"sms.notice.{about} Léa ")
    assert (await lilas.account("m.dupont")).status == "open"
    assert (await lilas.happened("m.dupont"))[-1] == "others_told"


async def test_that_it_was_closed_is_told_to_its_own_address_alone(lilas: Town) -> None:
    marie, paul = await marie_has_activated(lilas), await lilas.talks("paul")
    await lilas.run(lilas.life.change_email("m.dupont", "m@example.org", lilas.by(marie)))
    await lilas.tells("m.dupont", "closed", marie)
    await lilas.activates("Paul DUPONT", PAUL, paul)
    await lilas.tells("m.dupont", "closed", marie)
    assert len(await lilas.mails()) == 2
    assert await lilas.texts() == []
    assert await lilas.told(paul) == []


async def test_or_is_told_in_every_conversation_of_theirs(lilas: Town) -> None:
    paul, too = await lilas.talks("paul"), await lilas.talks("paul", "telegram")
    await lilas.activates("Paul DUPONT", PAUL, paul)
    account = await lilas.account("p.dupont")
    await lilas.run(lilas.life.show(account, PAUL, lilas.by(too)))
    marie = await marie_has_activated(lilas)
    await lilas.tells("m.dupont", "activated", marie)
    assert await lilas.texts() == []
    codes = set()
    for chat in (paul, too):
        [(word, facts)] = await lilas.told(chat)
        assert word == "Noticed"
        assert (facts["about"], facts["child"]) == ("activated", "Léa")
        codes.add(facts["notice"])
    assert len(codes) == 2
    assert await lilas.told(marie) == []


async def test_a_closed_account_is_none_to_be_told_in(lilas: Town) -> None:
    paul = await lilas.talks("paul")
    await lilas.activates("Paul DUPONT", PAUL, paul)
    await lilas.run(lilas.life.close("p.dupont", lilas.by(paul)))
    await lilas.tells("m.dupont", "activated", await marie_has_activated(lilas))
    assert [to for to, _ in await lilas.texts()] == [PAUL]


async def test_an_account_without_conversations_is_told_at_its_own_number(lilas: Town) -> None:
    paul = await lilas.talks("paul")
    await lilas.activates("Paul DUPONT", PAUL, paul)
    await lilas.run(lilas.life.change_phone("p.dupont", NEW, lilas.by(paul)))
    await lilas.run(leave(paul))
    await lilas.tells("m.dupont", "activated", await marie_has_activated(lilas))
    assert [to for to, _ in await lilas.texts()] == [NEW]


async def test_not_at_the_number_that_was_just_proved(lilas: Town) -> None:
    """Two parents on one phone: it would be told to whoever does it."""
    an = await lilas.talks("an")
    await lilas.activates("An NGUYEN", AN, an)
    await lilas.tells("a.nguyen", "activated", an)
    assert await lilas.texts() == []
    assert "others_told" not in await lilas.happened("a.nguyen")  # nobody was


async def test_who_is_no_legal_guardian_is_not_told(place: Place) -> None:
    school = families().knows(
        "Anne VERT", "06 77 77 77 77", {"Léa DUPONT": "14/03/2014"}, legal=False
    )
    async with town(place, school) as lilas:
        await lilas.tells("m.dupont", "activated", await marie_has_activated(lilas))
        assert [to for to, _ in await lilas.texts()] == [PAUL]


async def test_a_landline_is_not_told(place: Place) -> None:
    school = (
        School()
        .knows("Marie DUPONT", "06 12 34 56 78", {"Léa DUPONT": "14/03/2014"})
        .knows("Paul DUPONT", "01 44 55 66 77", {"Léa DUPONT": "14/03/2014"})
    )
    async with town(place, school) as lilas:
        await lilas.tells("m.dupont", "activated", await marie_has_activated(lilas))
        assert await lilas.texts() == []


async def test_the_accounts_own_addresses(lilas: Town) -> None:
    """Its e-mail each time; the number before, where it was changed, and once."""
    marie = await marie_has_activated(lilas)
    await lilas.run(lilas.life.change_email("m.dupont", "m@example.org", lilas.by(marie)))
    await lilas.run(lilas.life.change_phone("m.dupont", NEW, lilas.by(marie)))
    await lilas.tells("m.dupont", "phone", marie)
    texts = dict(await lilas.texts())
    assert set(texts) == {PAUL, MARIE}
    assert texts[MARIE].startswith("sms.phone_changed ")
    [mail] = await lilas.mails()
    assert (mail["to"], mail["code"]) == ("m@example.org", False)
    assert mail["subject"].startswith("mail.notice.subject")
    assert "notice.phone Léa" in mail["text"]
    codes = {code_in(text) for text in (*texts.values(), mail["text"])}
    assert len(codes) == 3
    await lilas.sent()
    await lilas.tells("m.dupont", "password", marie)
    assert [to for to, _ in await lilas.texts()] == [PAUL]


async def test_a_number_that_was_kept_is_not_told_of(lilas: Town) -> None:
    marie = await marie_has_activated(lilas)
    await lilas.run(lilas.life.change_phone("m.dupont", MARIE, lilas.by(marie)))
    await lilas.tells("m.dupont", "phone", marie)
    assert [to for to, _ in await lilas.texts()] == [PAUL]


@pytest.mark.parametrize("before", [4, 5, 6])
async def test_five_sms_a_day(lilas: Town, before: int) -> None:
    marie = await marie_has_activated(lilas)
    for _ in range(before):
        await lilas.tells("m.dupont", "password", marie)
    assert len(await lilas.texts()) == min(before, 5)
    assert len(await lilas.rows("SELECT 1 FROM notices")) == min(before, 5)
    await lilas.sent()
    lilas.now = NOW + DAY
    await lilas.tells("m.dupont", "password", marie)
    assert len(await lilas.texts()) == 1


async def test_long_names_fit_an_sms(place: Place) -> None:
    child = "Anne-Charlotte-Éléonore DUPONT"
    school = (
        School()
        .knows("Marie DUPONT", "06 12 34 56 78", {child: "14/03/2014"})
        .knows("Paul DUPONT", "06 55 44 33 22", {child: "14/03/2014"})
    )
    async with town(place, school) as lilas:
        await lilas.tells("m.dupont", "activated", await marie_has_activated(lilas))
        [(_, text)] = await lilas.texts()
        assert text.startswith("sms.notice.activated Anne-Charlotte- ")


# ---- objecting -------------------------------------------------------------------------------


async def test_one_word_freezes(lilas: Town) -> None:
    marie = await marie_has_activated(lilas)
    await lilas.tells("m.dupont", "activated", marie)
    [(_, text)] = await lilas.texts()
    acting = lilas.by(b"somebody")
    answer = await lilas.run(lilas.notices.object("", code_in(text), acting))
    assert answer == Objected()
    assert acting.also == {marie}
    assert (await lilas.account("m.dupont")).status == "frozen"
    assert await lilas.told(marie) == [("SignedOut", {"identifier": "m.dupont", "why": "frozen"})]
    rows = await lilas.rows("SELECT facts FROM audit WHERE action = 'account_frozen'")
    assert rows == [('{"reason": "notice"}',)]
    assert await objects(lilas, code_in(text)) == NotObjected()


async def test_the_first_objection_uses_all_up(lilas: Town) -> None:
    marie = await marie_has_activated(lilas)
    await lilas.run(lilas.life.change_email("m.dupont", "m@example.org", lilas.by(marie)))
    await lilas.tells("m.dupont", "activated", marie)
    [mail], [(_, text)] = await lilas.mails(), await lilas.texts()
    assert await objects(lilas, code_in(mail["text"])) == Objected()
    await lilas.run(lilas.life.unfreeze("m.dupont", "visit", lilas.by(b"")))
    assert await objects(lilas, code_in(text)) == NotObjected()
    assert (await lilas.account("m.dupont")).status == "open"


@pytest.mark.parametrize(("seconds", "works"), [(-1, True), (0, False), (1, False)])
async def test_for_thirty_days(lilas: Town, seconds: int, works: bool) -> None:
    marie = await marie_has_activated(lilas)
    await lilas.tells("m.dupont", "activated", marie)
    [(_, text)] = await lilas.texts()
    lilas.now = NOW.replace(microsecond=0) + 30 * DAY + timedelta(seconds=seconds)
    assert isinstance(await objects(lilas, code_in(text)), Objected) is works


@pytest.mark.parametrize("wrong", [9, 10, 11])
async def test_ten_wrong_codes_a_day(lilas: Town, wrong: int) -> None:
    marie = await marie_has_activated(lilas)
    await lilas.tells("m.dupont", "activated", marie)
    [(_, text)] = await lilas.texts()
    for _ in range(wrong):
        assert await objects(lilas, NO_CODE) == NotObjected()
    assert isinstance(await objects(lilas, code_in(text)), Objected) is (wrong < 10)
    if wrong >= 10:
        assert await objects(lilas, code_in(text), b"another") == Objected()


async def test_the_notice_itself_needs_no_tries(lilas: Town) -> None:
    paul = await lilas.talks("paul")
    await lilas.activates("Paul DUPONT", PAUL, paul)
    await lilas.tells("m.dupont", "activated", await marie_has_activated(lilas))
    [(_, facts)] = await lilas.told(paul)
    for _ in range(12):
        await objects(lilas, NO_CODE, paul)
    answer = await lilas.run(lilas.notices.object(facts["notice"], "", lilas.by(paul)))
    assert answer == Objected()


@pytest.mark.parametrize("attempt", range(5))
async def test_two_object_at_once(lilas: Town, attempt: int) -> None:
    """It is frozen once, and is in the record once."""
    marie = await marie_has_activated(lilas)
    await lilas.run(lilas.life.change_email("m.dupont", "m@example.org", lilas.by(marie)))
    await lilas.tells("m.dupont", "activated", marie)
    [mail], [(_, text)] = await lilas.mails(), await lilas.texts()
    await asyncio.gather(
        objects(lilas, code_in(text), b"one"), objects(lilas, code_in(mail["text"]), b"other")
    )
    assert (await lilas.happened("m.dupont")).count("account_frozen") == 1, attempt
    assert await lilas.rows("SELECT 1 FROM notices") == []
