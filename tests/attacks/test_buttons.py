"""Somebody who presses what they should not: old buttons, and buttons that never were (T14)."""

import logging
from pathlib import Path
from typing import Any

import pytest

from bot.channel import Reply
from bot.telegram.incoming import press_data
from flows.chat import Chat
from flows.hearing import _WORDS
from flows.inputs import Pressed
from flows.table import FLOW
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import CHILDREN, CODE_OF_MARIE
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent
from tests.helpers.school import a_school
from tests.telegram.chat_driver import TelegramParent, telegram_parent

WALK = (
    *("(comes)", "[help]", "[pupil]", "[parent]", "[activate]"),
    *("DUPONT Marie", "[no]", "[back]", "Dupont", "Dupont", "[no]", "Marie"),
    *("[only_number]", "[other_number]", "06 12 34 56 78 ou 07 51 23 45 67", "[first_number]"),
    *("[fix_name]", "Dupont", "Marie", "[yes]", "[nothing_arrives]", "[back]", "(wrong code)"),
    *("(wait 1m)", "[resend]", "/statut", "/annuler", "[continue]", "(code)", "non", PASSWORD),
    *(PASSWORD, "[no]", "[no]", "[yes]", "14/03/14", "[no]", "14/03/2014", "[correct]", "[back]"),
    *("[child_missing]", "/effacer", "[continue]", "[activate_now]", "[services]", "[text_me]"),
)
"""From the first word to the account, by way of nearly every button."""


async def chat_of(parent: CoreParent) -> Chat:
    """What the bot remembers of a parent."""
    doors = parent.service.doors
    chat = await doors.database.run(
        doors.conversations.load(doors.conversations.key(parent.address))
    )
    assert chat is not None
    return chat


async def record(parent: CoreParent) -> dict[str, Any]:
    """The same, save that the parent was there, was not understood, and a question put over."""
    chat = await chat_of(parent)
    return {**chat.to_dict(), "seen_at": None, "misses": None, "interruption": None}


async def test_every_old_button_at_every_later_question(meet_core: MeetCore) -> None:
    """Nothing moves, nothing is sent, nothing is erased; the present question comes again."""
    core = await meet_core()
    parent, seen, replayed = core.parent, set[tuple[int, str]](), 0
    for line in WALK:
        await core.does(line)
        before, last, texted = await chat_of(parent), parent.last, len(core.sms.received)
        present = {(last.asked, button.choice) for button in last.buttons}
        for asked, choice in sorted(seen - present):
            known = await record(parent)
            await parent.does(Pressed(choice, asked))
            # The second tap on a button that moved on is the only one without an answer.
            again = before.pressed == (asked, choice) and asked != last.asked
            assert [reply.asked for reply in parent.replies] == [last.asked] * (not again)
            assert await record(parent) == known
            replayed += 1
            if before.interruption:  # the question came again, and its own buttons are good now
                await returns_to(parent, before, last)
        assert len(core.sms.received) == texted
        seen |= present
        await returns_to(parent, before, last)
    core.hears("done.texted")
    assert replayed > 2000


async def returns_to(parent: CoreParent, chat: Chat, last: Reply) -> None:
    """The conversation as it was before the attack: with what was asked over the question."""
    doors, address = parent.service.doors, parent.address
    key = doors.conversations.key(address)
    await doors.database.run(doors.conversations.save(key, address, chat, None, parent.clock.now))
    parent.replies[:] = [last]
    parent.receives(last)


async def test_old_buttons_of_another_life(core: Dialogue[CoreParent]) -> None:
    """After stopping and starting again the numbers go on: no old button fits by chance."""
    await core.follows(*CODE_OF_MARIE)
    old = core.parent.last
    await core.follows("/annuler", "[stop]", "(restart)", *CODE_OF_MARIE[:3])
    before = await record(core.parent)
    for button in old.buttons:
        await core.parent.does(Pressed(button.choice, old.asked))
        core.hears("stale")
    assert await record(core.parent) == before


@pytest.mark.parametrize("road", [("(comes)",), CODE_OF_MARIE, CHILDREN], ids=["1", "2", "3"])
async def test_words_of_the_table_are_no_buttons(
    core: Dialogue[CoreParent], road: tuple[str, ...]
) -> None:
    """Not what the world answers, nor what another question offers, nor what time does."""
    await core.follows(*road)
    last, before = core.parent.last, await record(core.parent)
    offered = {button.choice for button in last.buttons}
    words = {word for _, word, *_ in FLOW} | set(_WORDS.values()) | {"__class__", "trigger", ""}
    for word in sorted(words - offered):
        await core.parent.does(Pressed(word, last.asked))
        core.hears("stale")
        assert await record(core.parent) == before
    assert not core.sms.received[1:]


FORGED = {
    "nothing": "",
    "a space": " ",
    "no version": "{asked}:{choice}",
    "older version": "0:{asked}:{choice}",
    "newer version": "2:{asked}:{choice}",
    "version as a word": "one:{asked}:{choice}",
    "version in Arabic": "١:{asked}:{choice}",
    "no number": "1::{choice}",
    "negative": "1:-{asked}:{choice}",
    "plus": "1:+{asked}:{choice}",
    "float": "1:{asked}.0:{choice}",
    "exponent": "1:1e1:{choice}",
    "hexadecimal": "1:0x{asked}:{choice}",
    "underscore": "1:0_{asked}:{choice}",
    "2^31": "1:2147483648:{choice}",
    "2^63": "1:9223372036854775808:{choice}",
    "2^64 and more": "1:340282366920938463463374607431768211456:{choice}",
    "Arabic digits": "1:١:{choice}",
    "full-width digits": "1:１:{choice}",
    "superscript": "1:²:{choice}",
    "NUL": "1:{asked}:{choice}\0",
    "NUL before": "\0001:{asked}:{choice}",
    "line feed": "1:{asked}:{choice}\n",
    "space": "1:{asked}:{choice} ",
    "capitals": "1:{asked}:YES",
    "no choice": "1:{asked}:",
    "no choice, no colon": "1:{asked}",
    "two choices": "1:{asked}:{choice}:{choice}",
    "one more part": "1:{asked}:{choice}:",
    "65 bytes": "1:{asked}:" + "a" * 65,
    "4096 bytes": "1:{asked}:" + "a" * 4096,
    "choice of another question": "1:{asked}:activate_now",
    "answer of the world": "1:{asked}:code_right",
    "time": "1:{asked}:expire",
    "next question": "1:{next}:{choice}",
    "question before": "1:{before}:{choice}",
    "lone surrogate": "1:{asked}:\ud800",
    "right to left": "1:{asked}:\u202eyes",
    "JSON": '{{"asked": {asked}, "choice": "{choice}"}}',
    "SQL": "1:{asked}:yes'; DROP TABLE chats; --",
    "template": "1:{asked}:{{choice}}",
}


async def test_data_that_no_button_carries(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is answered at once, so that the app stops waiting, and moves nothing."""
    async with telegram_parent(tmp_path / "db", a_school()) as marie:
        for text in ("/start", "parent", "1", "Dupont", "Marie", "06 12 34 56 78"):
            await marie.says(text)
        asked = int(marie.person.last.inline[0].value.split(":")[1])
        assert marie.person.last.inline[0].value == press_data(asked, "yes")
        before = await marie.bot.query("SELECT state, (SELECT count(*) FROM codes) FROM chats")
        for number, forged in enumerate(FORGED.values(), 1):
            facts = {"asked": asked, "choice": "yes", "next": asked + 1, "before": asked - 1}
            await press(marie, forged.format(**facts))
            assert marie.reads.startswith("Ce bouton est ancien.")
            assert (
                await marie.bot.query("SELECT state, (SELECT count(*) FROM codes) FROM chats")
                == before
            )
            assert len(marie.person.alerts) == number
        await press(marie, press_data(asked, "yes"))  # the true one still works
        assert "Quel est le code" in marie.reads
        assert marie.bot.server.refused == []
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


async def press(marie: TelegramParent, data: str) -> None:
    await marie.does(lambda: marie.person.forges(marie.person.last, data))
