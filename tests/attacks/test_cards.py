"""Somebody with a contact card that is not theirs, or with what others wrote (T11, T12)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import locales
from flows.refusals import Reason
from tests.helpers.school import a_school
from tests.telegram.chat_driver import TelegramParent, telegram_parent
from tests.telegram.phone import Person

MARIE, SOPHIE = "33612345678", "33698765432"
OTHER_BOT = {"id": 5, "is_bot": True, "first_name": "Other"}

Share = Callable[[Person], object]


def own(phone: str) -> Share:
    """The sender's own card, as Telegram's server would give it, with this number."""
    return lambda marie: marie.shares_contact(phone)


def card(**content: Any) -> Share:
    """A card with whatever a changed app writes into it."""
    return lambda marie: marie.sends(
        contact={"phone_number": MARIE, "first_name": "Marie", "user_id": marie.user["id"]}
        | content
    )


def _of_ann(marie: Person) -> object:
    return marie.shares_contact(of_another=marie.server.person(first_name="Ann", phone=SOPHIE))


def _by_bot(marie: Person) -> object:
    contact = {"phone_number": MARIE, "first_name": "Marie", "user_id": marie.user["id"]}
    return marie.sends(contact=contact, via_bot=OTHER_BOT)


NOT_THEIRS: dict[str, Share] = {
    "of another user": _of_ann,
    "of nobody at Telegram": lambda marie: marie.shares_contact(of_another=True),
    "own number, another's id": lambda marie: marie.shares_contact(MARIE, user_id=9),
    "another's number and id": lambda marie: marie.shares_contact(SOPHIE, user_id=9),
    "id zero": card(user_id=0),
    "negative id": lambda marie: card(user_id=-marie.user["id"])(marie),
    "id as text": lambda marie: card(user_id=str(marie.user["id"]))(marie),
    "forwarded": lambda marie: marie.shares_contact(MARIE, forwarded=True),
    "forwarded, of another": lambda marie: marie.shares_contact(of_another=True, forwarded=True),
    "by way of another bot": _by_bot,
    "with a vCard that says otherwise": lambda marie: marie.sends(
        contact={"phone_number": SOPHIE, "first_name": "Marie", "vcard": "TEL:+33612345678"}
    ),
}

NO_MOBILE: dict[str, Share] = {
    "anonymous number": own("+88812345678"),
    "anonymous number, no plus": own("88812345678"),
    "satellite": own("870776001234"),
    "landline": own("33142685300"),
    "premium": own("33899123456"),
    "national form": own("0612345678"),
    "extension": own("33612345678;ext=12"),
    "extension in words": own("33612345678 poste 12"),
    "letters": own("33612345SIX"),
    "spaces": own("+33 6 12 34 56 78"),
    "two plus": own("++33612345678"),
    "two numbers": own("33612345678,33698765432"),
    "zero after the country": own("330612345678"),
    "Arabic digits": own("٣٣٦١٢٣٤٥٦٧٨"),
    "full-width digits": own("３３６１２３４５６７８"),
    "direction mark": own("\u202e33612345678"),
    "line feed": own("33612345678\n"),
    "NUL": own("33612345678\0"),
    "lone surrogate": own("33612345678\ud800"),
    "4,096 digits": own("3" * 4096),
    "one digit": own("3"),
    "empty": own(""),
    "a sign": own("+"),
    "no such number": own("33600000000"),
}


async def at_the_phone(marie: TelegramParent) -> None:
    for text in ("/start", "parent", "1", "Dupont", "Marie"):
        await marie.says(text)


async def test_cards_that_are_not_the_senders(tmp_path: Path) -> None:
    """All get one answer, and the number is not taken."""
    said = locales.say(f"refused.{Reason.CONTACT_OF_ANOTHER}", "fr")
    async with telegram_parent(tmp_path / "db", a_school()) as marie:
        await at_the_phone(marie)
        for kind, shares in NOT_THEIRS.items():
            await marie.does(partial(shares, marie.person))
            assert marie.reads.startswith(said), kind
            assert await marie.bot.query("SELECT state FROM chats") == [("phone",)], kind
        assert marie.sms.received == []


async def test_own_cards_that_hold_no_mobile(tmp_path: Path) -> None:
    async with telegram_parent(tmp_path / "db", a_school()) as marie:
        await at_the_phone(marie)
        for kind, shares in NO_MOBILE.items():
            await marie.does(partial(shares, marie.person))
            assert len(marie.said) == 1, kind
            assert "Quel numéro de portable" in marie.reads, kind
            assert await marie.bot.query("SELECT state FROM chats") == [("phone",)], kind
        await marie.shares_own_number(MARIE)  # the control
        assert "06 12 34 56 78. C'est exact" in marie.reads
        assert marie.sms.received == []


async def test_a_card_tells_nothing_of_others(tmp_path: Path) -> None:
    """Known or unknown to the school: a card that is not one's own is answered alike."""
    async with telegram_parent(tmp_path / "db", a_school()) as marie:
        await at_the_phone(marie)
        heard = set()
        for phone in (MARIE, SOPHIE, "33611223344", "33142685300", "x"):
            await marie.does(partial(marie.person.shares_contact, phone, user_id=9))
            heard.add(marie.reads)
        assert len(set(map(_first_line, heard))) == 1


def _first_line(text: str) -> str:
    return text.splitlines()[0]


ELSEWHERE = ("parent", "1", "Dupont", "Marie", "06 12 34 56 78", "oui")


async def test_a_card_at_any_other_question_is_not_taken(tmp_path: Path) -> None:
    async with telegram_parent(tmp_path / "db", a_school()) as marie:
        await marie.says("/start")
        for text in (*ELSEWHERE, None):
            if "Quel numéro de portable" not in marie.reads:
                before = await marie.bot.query("SELECT state FROM chats")
                await marie.does(lambda: marie.person.shares_contact(SOPHIE))
                assert len(marie.said) == 1
                assert await marie.bot.query("SELECT state FROM chats") == before
            if text:
                await marie.says(text)
        assert {to for to, _ in marie.sms.received} == {"+33612345678"}


@pytest.mark.parametrize("origin", ["user", "hidden_user", "chat", "channel", "bot"])
async def test_a_forwarded_code_is_no_answer(tmp_path: Path, origin: str) -> None:
    """Whoever it was written by; and no try is lost."""
    user = {"id": 77, "is_bot": False, "first_name": "Ann"}
    chat = {"id": -100, "type": "channel", "title": "News"}
    origins: dict[str, dict[str, Any]] = {
        "user": {"type": "user", "date": 1, "sender_user": user},
        "hidden_user": {"type": "hidden_user", "date": 1, "sender_user_name": "Ann"},
        "chat": {"type": "chat", "date": 1, "sender_chat": chat},
        "channel": {"type": "channel", "date": 1, "chat": chat, "message_id": 3},
    }
    said = locales.say(f"refused.{Reason.FORWARDED}", "fr")
    async with telegram_parent(tmp_path / "db", a_school()) as marie:
        await at_the_phone(marie)
        for text in ("06 12 34 56 78", "oui"):
            await marie.says(text)
        from_there = (
            {"via_bot": OTHER_BOT} if origin == "bot" else {"forward_origin": origins[origin]}
        )
        for code in ("111111", marie.sms.last_code) * 3:
            await marie.does(partial(marie.person.sends, text=code, **from_there))
            assert marie.reads.startswith(said)
        tries = "SELECT status, tries_left FROM codes"
        assert await marie.bot.query(tries) == [("current", 5)]
        await marie.says(marie.sms.last_code)
        assert "C'est le bon code" in marie.reads
