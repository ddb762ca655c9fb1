"""An account later, on both databases: found, shown, changed, frozen, closed, erased."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from flows.inputs import (
    AccountChanged,
    AccountExists,
    AccountTied,
    ChildFound,
    ChildNotFound,
    ChildOnAccount,
    DataFound,
    GuardianMatched,
    NameDiffers,
    NoAccount,
    SignedOut,
    SignIn,
    SignInsFound,
)
from flows.outputs import ReadAccount
from flows.policy import DAY
from flows.text import clean
from storage import audit
from storage.accounts import bring_up_to_date
from storage.database import every, one, run, stamp
from storage.erasure import erase_closed
from storage.place import Place
from storage.retention import Retention, purge
from storage.sign_ins import leave
from tests.helpers.school import LILAS
from tests.storage.town import AN, MARIE, NOW, PAUL, SOPHIE, Town, town

NEW = "+33644556677"


@pytest.fixture
async def lilas(place: Place) -> AsyncIterator[Town]:
    async with town(place) as opened:
        yield opened


def read(identifier: str = "", login: str = "", phone: str = "") -> ReadAccount:
    return ReadAccount(identifier, login, phone)


# ---- found, and shown ------------------------------------------------------------------------


async def test_it_is_open_where_it_was_opened(lilas: Town) -> None:
    chat = await lilas.talks("marie")
    identifier = await lilas.activates("Marie DUPONT", MARIE, chat)
    assert identifier == "m.dupont"
    assert await lilas.sign_ins(identifier) == {chat}
    assert await lilas.happened(identifier) == ["account_opened"]
    assert await lilas.run(audit.check(lilas.vault)) is None


async def test_the_number_shows_the_account(lilas: Town) -> None:
    chat = await lilas.talks("marie")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    other = await lilas.talks("elsewhere")
    proofs = (
        *(read(phone=MARIE), read("m.dupont", phone=MARIE), read(login="m.dupont")),
        *(read("m.dupont", login="m.dupont"), read(login="p.dupont", phone=MARIE)),
    )
    for asked in proofs:
        found = await lilas.run(lilas.life.find(asked, lilas.by(other)))
        assert isinstance(found, AccountExists)
        assert (found.identifier, found.status, found.phone) == ("m.dupont", "open", MARIE)
        [lea] = found.children
        assert (lea.first, lea.initial, lea.uai) == ("Léa", "D", LILAS[0])
        assert {"Léa", "Marie", "DUPONT", "2014-03-14"} <= set(found.avoid)
        assert found.last_digits == "78"
    assert await lilas.sign_ins("m.dupont") == {chat, other}
    assert await lilas.happened("m.dupont") == ["account_opened", "signed_in"]


async def test_nobody_has_an_account(lilas: Town) -> None:
    chat = await lilas.talks("marie")
    for asked in (read(phone=MARIE), read(phone=NEW), read(login="m.dupont"), read("x.y")):
        assert await lilas.run(lilas.life.find(asked, lilas.by(chat))) == NoAccount()


async def test_two_accounts_with_one_number_are_told_apart_by_name(lilas: Town) -> None:
    an, lan = await lilas.talks("an"), await lilas.talks("lan")
    await lilas.activates("An NGUYEN", AN, an)
    found = await lilas.run(lilas.life.find(read(phone=AN), lilas.by(lan)))
    assert isinstance(found, AccountExists)  # Lan has none yet
    await lilas.activates("Lan NGUYEN", AN, lan)
    assert await lilas.run(lilas.life.find(read(phone=AN), lilas.by(lan))) == AccountTied()
    named = await lilas.run(lilas.register.match(lan, AN, "Nguyen", "Lan", NOW))
    assert isinstance(named, AccountExists)
    assert named.identifier == "l.nguyen"


async def test_a_stranger_is_told_nothing_of_who_is_named(lilas: Town) -> None:
    chat = await lilas.talks("marie")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    found = await lilas.run(lilas.register.match(chat, MARIE, "Noir", "Jean", NOW))
    assert found == NameDiffers(4)


async def test_an_account_with_another_number_tells_two_digits(lilas: Town) -> None:
    chat = await lilas.talks("marie")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(lilas.life.change_phone("m.dupont", NEW, lilas.by(chat)))
    other = await lilas.talks("elsewhere")
    moved = AccountExists("", "moved", last_digits="77")
    matched = await lilas.run(lilas.register.match(other, MARIE, "Dupont", "Marie", NOW))
    by_number = await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(other)))
    by_name = await lilas.run(lilas.life.find(read("m.dupont", phone=MARIE), lilas.by(other)))
    assert matched == by_number == by_name == moved
    assert await lilas.sign_ins("m.dupont") == {chat}


async def test_the_new_number_is_the_accounts_own(lilas: Town) -> None:
    chat = await lilas.talks("marie")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(lilas.life.change_phone("m.dupont", NEW, lilas.by(chat)))
    other = await lilas.talks("elsewhere")
    assert await lilas.run(lilas.accounts.knows(NEW))
    assert not await lilas.run(lilas.accounts.knows(MARIE))
    assert not await lilas.run(lilas.register.knows(NEW))
    for asked in ("Dupont", "DUPONT"):
        found = await lilas.run(lilas.register.match(other, NEW, asked, "Marie", NOW))
        assert isinstance(found, AccountExists)
        assert (found.identifier, found.status) == ("m.dupont", "open")
    named = await lilas.run(lilas.register.match(other, NEW, "Noir", "Jean", NOW))
    assert isinstance(named, NameDiffers)
    assert await lilas.run(lilas.accounts.number_of("m.dupont")) == NEW
    assert await lilas.run(lilas.accounts.number_of("nobody")) == ""


async def test_one_proof_opens_no_other_account(lilas: Town) -> None:
    """An identifier that the conversation knows from before is not what was proved now."""
    marie, paul = await lilas.talks("marie"), await lilas.talks("paul")
    await lilas.activates("Marie DUPONT", MARIE, marie)
    await lilas.activates("Paul DUPONT", PAUL, paul)
    for asked in (
        read("m.dupont", phone=PAUL),
        read("m.dupont", login="p.dupont"),
        read("m.dupont", login="m.dupont", phone=PAUL),
        read("m.dupont"),
    ):
        found = await lilas.run(lilas.life.find(asked, lilas.by(paul)))
        assert found == AccountExists("", "moved", last_digits="78"), asked
    assert await lilas.sign_ins("m.dupont") == {marie}


# ---- changed ---------------------------------------------------------------------------------


async def test_a_new_password_closes_the_other_conversations(lilas: Town) -> None:
    chat, other = await lilas.talks("marie"), await lilas.talks("elsewhere")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(other)))
    acting = lilas.by(other)
    answer = await lilas.run(lilas.life.set_password("m.dupont", "new", acting))
    assert answer == AccountChanged("password_set")
    assert acting.also == {chat}
    assert await lilas.sign_ins("m.dupont") == {other}
    assert await lilas.told(chat) == [("SignedOut", {"identifier": "m.dupont", "why": "password"})]
    assert await lilas.told(other) == []
    assert await lilas.rows("SELECT password_hash FROM accounts") == [("new",)]
    assert (await lilas.happened("m.dupont"))[-1] == "password_set"


async def test_a_conversation_that_was_signed_out_changes_nothing(lilas: Town) -> None:
    chat, other = await lilas.talks("marie"), await lilas.talks("elsewhere")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    life, by = lilas.life, lilas.by(other)
    before = await lilas.rows("SELECT * FROM accounts")
    child = (await lilas.run(lilas.life.children(await lilas.account("m.dupont"))))[0].number
    for work in (
        life.set_password("m.dupont", "new", by),
        life.change_phone("m.dupont", NEW, by),
        life.change_email("m.dupont", "a@example.org", by),
        life.add_child("m.dupont", child, by),
        life.drop_child("m.dupont", child, by),
        life.sign_out_others("m.dupont", by),
        life.close("m.dupont", by),
        life.erase("m.dupont", by),
        life.find_child("m.dupont", "Lilas", "Léa", by),
        life.list_sign_ins("m.dupont", by),
        life.gather("m.dupont", by),
        life.schools("m.dupont", by),
    ):
        assert await lilas.run(work) == SignedOut("m.dupont", "others")
    assert await lilas.rows("SELECT * FROM accounts") == before
    assert await lilas.sign_ins("m.dupont") == {chat}


async def test_the_address_is_kept_sealed_and_shown_masked(lilas: Town) -> None:
    chat = await lilas.talks("marie")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(lilas.life.change_email("m.dupont", "marie@example.org", lilas.by(chat)))
    assert (await lilas.account("m.dupont")).email == "marie@example.org"
    found = await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(chat)))
    assert isinstance(found, AccountExists)
    assert found.email.startswith("m")
    assert "marie" not in found.email
    assert found.email.endswith("@example.org")


async def test_a_child_is_taken_off_and_put_on_again(lilas: Town) -> None:
    chat = await lilas.talks("sophie")
    identifier = await lilas.activates("Sophie MARTIN", SOPHIE, chat)
    life, by = lilas.life, lilas.by(chat)
    children = await lilas.run(life.children(await lilas.account(identifier)))
    assert [child.first for child in children] == ["Hugo", "Zoé"]
    zoe = children[1].number
    answer = await lilas.run(life.drop_child(identifier, zoe, by))
    assert answer == AccountChanged("child_dropped")
    left = await lilas.run(life.children(await lilas.account(identifier)))
    assert [child.first for child in left] == ["Hugo"]
    assert await lilas.run(life.schools(identifier, by)) == (LILAS,)
    found = await lilas.run(life.find_child(identifier, "port", "Zoé", by))
    assert isinstance(found, ChildFound)
    assert found.child.pupil == zoe
    assert await lilas.run(life.add_child(identifier, zoe, by)) == AccountChanged("child_added")
    again = await lilas.run(life.children(await lilas.account(identifier)))
    assert [child.first for child in again] == ["Hugo", "Zoé"]


async def test_only_the_persons_own_children_are_found(lilas: Town) -> None:
    chat = await lilas.talks("sophie")
    identifier = await lilas.activates("Sophie MARTIN", SOPHIE, chat)

    async def found(school: str, first: str) -> object:
        return await lilas.run(
            lilas.life.find_child(identifier, clean(school), first, lilas.by(chat))
        )

    assert await found("Lilas", "Hugo") == ChildOnAccount()
    assert await found("0750001U", "Hugo") == ChildOnAccount()
    assert await found("école du port", "Hugo") == ChildNotFound()  # it is Zoé's
    assert await found("Lilas", "Léa") == ChildNotFound()  # another parent's
    assert await found("Lilas", "Max") == ChildNotFound()
    assert await found("Lilas", "Nobody") == ChildNotFound()


async def test_nobody_adds_another_parents_child(lilas: Town) -> None:
    marie, sophie = await lilas.talks("marie"), await lilas.talks("sophie")
    await lilas.activates("Marie DUPONT", MARIE, marie)
    identifier = await lilas.activates("Sophie MARTIN", SOPHIE, sophie)
    [lea] = await lilas.run(lilas.life.children(await lilas.account("m.dupont")))
    before = await lilas.rows("SELECT * FROM account_pupils ORDER BY account, pupil")
    await lilas.run(lilas.life.add_child(identifier, lea.number, lilas.by(sophie)))
    assert await lilas.rows("SELECT * FROM account_pupils ORDER BY account, pupil") == before


async def test_sign_ins_and_what_happened(lilas: Town) -> None:
    chat, other = await lilas.talks("marie"), await lilas.talks("phone", "telegram")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    later = NOW + timedelta(hours=1)
    await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(other, later)))
    found = await lilas.run(lilas.life.list_sign_ins("m.dupont", lilas.by(chat)))
    assert isinstance(found, SignInsFound)
    moment = NOW.replace(microsecond=0)
    assert found.sign_ins == (
        SignIn("telegram", moment + timedelta(hours=1), here=False),
        SignIn("web", moment, here=True),
    )
    assert [one.what for one in found.happenings] == ["signed_in", "account_opened"]
    acting = lilas.by(chat)
    answer = await lilas.run(lilas.life.sign_out_others("m.dupont", acting))
    assert answer == AccountChanged("others_signed_out")
    assert await lilas.told(other) == [("SignedOut", {"identifier": "m.dupont", "why": "others"})]
    assert acting.also == {other}
    assert await lilas.sign_ins("m.dupont") == {chat}


async def test_a_conversation_that_stops_is_no_sign_in(lilas: Town) -> None:
    chat = await lilas.talks("marie")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(leave(chat))
    assert await lilas.sign_ins("m.dupont") == set()


async def test_what_is_known_of_the_parent(lilas: Town) -> None:
    chat = await lilas.talks("sophie")
    identifier = await lilas.activates("Sophie MARTIN", SOPHIE, chat)
    found = await lilas.run(lilas.life.gather(identifier, lilas.by(chat)))
    assert isinstance(found, DataFound)
    assert found.name == "Sophie MARTIN"
    assert (found.phone, found.email) == (SOPHIE, "")
    assert found.children == ("Hugo", "Zoé")
    assert found.schools == ("Collège des Lilas", "École du Port")
    assert (found.conversations, found.happenings) == (1, 1)


# ---- frozen, closed, erased ------------------------------------------------------------------


async def test_frozen_nothing_is_shown_or_changed(lilas: Town) -> None:
    chat, other = await lilas.talks("marie"), await lilas.talks("elsewhere")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(other)))
    acting = lilas.by(chat)
    frozen = AccountChanged("account_frozen")
    assert await lilas.run(lilas.life.freeze("m.dupont", "parent", acting)) == frozen
    assert acting.also == {other}
    assert await lilas.told(other) == [("SignedOut", {"identifier": "m.dupont", "why": "frozen"})]
    life, by = lilas.life, lilas.by(other)
    for work in (
        life.set_password("m.dupont", "new", by),
        life.change_phone("m.dupont", NEW, by),
        life.change_email("m.dupont", "a@example.org", by),
        life.sign_out_others("m.dupont", by),
        life.close("m.dupont", by),
        life.reopen("m.dupont", by),
        life.erase("m.dupont", by),
    ):
        assert await lilas.run(work) == frozen
    for shown in (life.list_sign_ins("m.dupont", by), life.gather("m.dupont", by)):
        assert await lilas.run(shown) == SignedOut("m.dupont", "frozen")
    found = await lilas.run(life.find(read(phone=MARIE), by))
    assert found == AccountExists("m.dupont", "frozen", MARIE)
    matched = await lilas.run(lilas.register.match(other, MARIE, "Dupont", "Marie", NOW))
    assert matched == AccountExists("m.dupont", "frozen", MARIE)
    notes = await lilas.rows("SELECT about, uai FROM school_notes")
    assert notes == [("frozen", LILAS[0])]


async def test_the_school_unfreezes_it_and_all_are_told(lilas: Town) -> None:
    chat, other = await lilas.talks("marie"), await lilas.talks("elsewhere")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(lilas.life.freeze("m.dupont", "parent", lilas.by(chat)))
    await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(other)))  # and is told: frozen
    acting = lilas.by(b"")
    acting.actor = "operator:ann"
    assert await lilas.run(lilas.life.unfreeze("m.dupont", "visit", acting))
    assert acting.also == {chat, other}
    thawed = ("Thawed", {"identifier": "m.dupont"})
    assert await lilas.told(chat) == await lilas.told(other) == [thawed]
    assert await lilas.sign_ins("m.dupont") == set()
    assert (await lilas.account("m.dupont")).status == "open"
    assert not await lilas.run(lilas.life.unfreeze("m.dupont", "visit", acting))
    rows = await lilas.rows(
        "SELECT actor, action, facts FROM audit WHERE action LIKE '%frozen' ORDER BY id"
    )
    assert rows == [
        ("parent", "account_frozen", '{"reason": "parent"}'),
        ("operator:ann", "account_unfrozen", '{"reason": "visit"}'),
    ]


async def test_closed_it_can_be_opened_again(lilas: Town) -> None:
    chat, other = await lilas.talks("marie"), await lilas.talks("elsewhere")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(other)))
    until = NOW.replace(microsecond=0) + 30 * DAY
    closed = AccountChanged("account_closed", until)
    assert await lilas.run(lilas.life.close("m.dupont", lilas.by(chat))) == closed
    assert await lilas.told(other) == [("SignedOut", {"identifier": "m.dupont", "why": "closed"})]
    assert await lilas.told(chat) == []
    assert await lilas.sign_ins("m.dupont") == set()
    assert await lilas.run(lilas.life.set_password("m.dupont", "x", lilas.by(chat))) == closed
    found = await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(other)))
    assert isinstance(found, AccountExists)
    assert (found.status, found.until) == ("closed", until)
    assert await lilas.sign_ins("m.dupont") == set()
    answer = await lilas.run(lilas.life.reopen("m.dupont", lilas.by(other)))
    assert answer == AccountChanged("account_reopened")
    assert await lilas.sign_ins("m.dupont") == {other}
    account = await lilas.account("m.dupont")
    assert (account.status, account.erase_at) == ("open", None)


@pytest.mark.parametrize(("seconds", "is_there"), [(-1, True), (0, False), (1, False)])
async def test_closed_for_thirty_days(lilas: Town, seconds: int, is_there: bool) -> None:
    """To the second: then it is as if there had never been one."""
    chat = await lilas.talks("marie")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(lilas.life.close("m.dupont", lilas.by(chat)))
    then = NOW.replace(microsecond=0) + 30 * DAY + timedelta(seconds=seconds)
    found = await lilas.run(lilas.register.match(chat, MARIE, "Dupont", "Marie", then))
    assert isinstance(found, AccountExists if is_there else GuardianMatched)
    left = await lilas.rows("SELECT id FROM accounts")
    assert bool(left) is is_there
    if not is_there:
        assert (await lilas.happened("m.dupont"))[-1] == "account_erased"


@pytest.mark.parametrize(("seconds", "is_there"), [(-1, True), (0, False)])
async def test_nobody_reopens_it_later(lilas: Town, seconds: int, is_there: bool) -> None:
    chat = await lilas.talks("marie")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(lilas.life.close("m.dupont", lilas.by(chat)))
    then = NOW.replace(microsecond=0) + 30 * DAY + timedelta(seconds=seconds)
    answer = await lilas.run(lilas.life.reopen("m.dupont", lilas.by(chat, then)))
    assert answer == AccountChanged("account_reopened" if is_there else "account_erased")
    found = await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(chat, then)))
    assert isinstance(found, AccountExists if is_there else NoAccount)


async def test_purge_erases_what_was_closed_but_not_what_is_frozen(lilas: Town) -> None:
    marie, paul = await lilas.talks("marie"), await lilas.talks("paul")
    await lilas.activates("Marie DUPONT", MARIE, marie)
    await lilas.activates("Paul DUPONT", PAUL, paul)
    await lilas.run(lilas.life.close("m.dupont", lilas.by(marie)))
    await lilas.run(lilas.life.close("p.dupont", lilas.by(paul)))
    await lilas.run(lilas.life.freeze("p.dupont", "school", lilas.by(b"")))
    gone = await purge(lilas.database, lilas.vault, Retention(), "sesame", NOW + 31 * DAY)
    assert gone["accounts"] == 1
    assert await lilas.run(lilas.life.read("m.dupont")) is None
    assert (await lilas.account("p.dupont")).status == "frozen"
    assert not await lilas.run(erase_closed(lilas.vault, "sesame", NOW + 31 * DAY))


async def test_a_frozen_one_that_was_closed_waits_for_the_school(lilas: Town) -> None:
    """And can then be opened again no more: its time was over meanwhile."""
    marie, later = await lilas.talks("marie"), NOW + 31 * DAY
    await lilas.activates("Marie DUPONT", MARIE, marie)
    await lilas.run(lilas.life.close("m.dupont", lilas.by(marie)))
    await lilas.run(lilas.life.freeze("m.dupont", "school", lilas.by(b"")))
    found = await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(marie, later)))
    assert found == AccountExists("m.dupont", "frozen", MARIE)
    assert await lilas.run(lilas.life.unfreeze("m.dupont", "visit", lilas.by(b"", later)))
    found = await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(marie, later)))
    assert found == NoAccount()


async def test_erased_all_goes_but_the_register(lilas: Town) -> None:
    chat, other = await lilas.talks("marie"), await lilas.talks("elsewhere")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(other)))
    await lilas.tells("m.dupont", "activated", chat)
    answer = await lilas.run(lilas.life.erase("m.dupont", lilas.by(chat)))
    assert answer == AccountChanged("account_erased")
    assert await lilas.told(other) == [("SignedOut", {"identifier": "m.dupont", "why": "erased"})]
    for table in ("accounts", "account_guardians", "account_pupils", "sign_ins", "notices"):
        assert await lilas.rows(f"SELECT * FROM {table}") == [], table
    assert await lilas.rows("SELECT id FROM guardians WHERE reserved IS NOT NULL") == []
    assert await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(chat))) == NoAccount()
    found = await lilas.run(lilas.register.match(chat, MARIE, "Dupont", "Marie", NOW))
    assert isinstance(found, GuardianMatched)
    assert await lilas.run(audit.check(lilas.vault)) is None


async def test_gone_meanwhile(lilas: Town) -> None:
    chat = await lilas.talks("marie")
    gone = AccountChanged("account_erased")
    assert await lilas.run(lilas.life.set_password("m.dupont", "x", lilas.by(chat))) == gone
    assert await lilas.run(lilas.life.reopen("m.dupont", lilas.by(chat))) == gone
    assert await lilas.run(lilas.life.freeze("m.dupont", "parent", lilas.by(chat))) == gone
    left = await lilas.run(lilas.life.gather("m.dupont", lilas.by(chat)))
    assert left == SignedOut("m.dupont", "erased")


# ---- two at once, and what is older ----------------------------------------------------------


@pytest.mark.parametrize("attempt", range(5))
async def test_two_new_passwords_at_once(lilas: Town, attempt: int) -> None:
    """One of the two conversations is left, and its password is the account's."""
    chats = [await lilas.talks("one"), await lilas.talks("other")]
    await lilas.activates("Marie DUPONT", MARIE, chats[0])
    await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(chats[1])))
    answers = await asyncio.gather(
        *(
            lilas.run(lilas.life.set_password("m.dupont", chat.hex(), lilas.by(chat)))
            for chat in chats
        )
    )
    done = [
        chat
        for chat, answer in zip(chats, answers, strict=True)
        if answer == AccountChanged("password_set")
    ]
    assert len(done) == 1, (attempt, answers)
    assert SignedOut("m.dupont", "others") in answers
    assert await lilas.rows("SELECT password_hash FROM accounts") == [(done[0].hex(),)]
    assert await lilas.sign_ins("m.dupont") == set(done)


@pytest.mark.parametrize("attempt", range(5))
async def test_closing_and_freezing_at_once(lilas: Town, attempt: int) -> None:
    chats = [await lilas.talks("one"), await lilas.talks("other")]
    await lilas.activates("Marie DUPONT", MARIE, chats[0])
    await lilas.run(lilas.life.find(read(phone=MARIE), lilas.by(chats[1])))
    closed, frozen = await asyncio.gather(
        lilas.run(lilas.life.close("m.dupont", lilas.by(chats[0]))),
        lilas.run(lilas.life.freeze("m.dupont", "parent", lilas.by(chats[1]))),
    )
    assert frozen == AccountChanged("account_frozen"), attempt
    assert (await lilas.account("m.dupont")).status == "frozen"
    assert isinstance(closed, AccountChanged)
    happened = await lilas.happened("m.dupont")
    assert ("account_closed" in happened) == (closed.what == "account_closed")
    assert await lilas.run(audit.check(lilas.vault)) is None


@pytest.mark.parametrize("attempt", range(5))
async def test_reopening_and_erasing_at_once(lilas: Town, attempt: int) -> None:
    """At the very last second: the account is there whole, or not at all."""
    chat = await lilas.talks("marie")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(lilas.life.close("m.dupont", lilas.by(chat)))
    late, early = NOW + 31 * DAY, NOW + 29 * DAY
    reopened, _ = await asyncio.gather(
        lilas.run(lilas.life.reopen("m.dupont", lilas.by(chat, early))),
        lilas.run(erase_closed(lilas.vault, "sesame", late)),
    )
    account = await lilas.run(lilas.life.read("m.dupont"))
    assert (account is not None) == (reopened == AccountChanged("account_reopened")), attempt


async def test_accounts_of_before_have_their_number_noted(lilas: Town) -> None:
    """Those of an older Sésame: in batches, and the conversation that still shows it."""
    marie, paul = await lilas.talks("marie"), await lilas.talks("paul")
    await lilas.activates("Marie DUPONT", MARIE, marie)
    await lilas.activates("Paul DUPONT", PAUL, paul)
    await lilas.run(run("UPDATE accounts SET phone_key = NULL"))
    await lilas.run(run("DELETE FROM sign_ins"))
    address = await lilas.run(lilas.conversations.address(marie))
    record = await lilas.run(lilas.conversations.load(marie))
    assert address is not None
    assert record is not None
    record.identifier = "m.dupont"
    await lilas.run(lilas.conversations.save(marie, address, record, None, NOW))
    assert await lilas.run(bring_up_to_date(lilas.vault)) == 2
    assert await lilas.run(bring_up_to_date(lilas.vault)) == 0
    assert await lilas.run(lilas.accounts.knows(MARIE))
    assert await lilas.run(lilas.accounts.knows(PAUL))
    assert await lilas.sign_ins("m.dupont") == {marie}
    assert await lilas.sign_ins("p.dupont") == set()
    at = await lilas.run(one("SELECT at FROM sign_ins"))
    assert at == (stamp(NOW),)


async def test_the_number_is_nowhere_to_be_read(lilas: Town) -> None:
    chat = await lilas.talks("marie")
    await lilas.activates("Marie DUPONT", MARIE, chat)
    await lilas.run(lilas.life.change_phone("m.dupont", NEW, lilas.by(chat)))
    await lilas.run(lilas.life.change_email("m.dupont", "marie@example.org", lilas.by(chat)))
    for table in ("accounts", "sign_ins", "notices", "audit", "outbox"):
        rows = await lilas.run(every(f"SELECT * FROM {table}"))
        text = repr(rows)
        for secret in (NEW, NEW[3:], MARIE[3:], "example", "dupont"):
            assert secret not in text, (table, secret)
