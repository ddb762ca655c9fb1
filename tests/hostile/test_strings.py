"""Every naughty string at every question, in both languages: one clear answer (RELIABILITY T20)."""

import logging
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest

from flows.chat import Chat
from flows.inputs import Edited
from flows.questions.password import MAX_LENGTH
from flows.states import S
from flows.table import ENDED, QUESTIONS
from tests.conversations.conftest import Arrive
from tests.flows.samples import a_chat
from tests.hostile.strings import NAUGHTY, STRINGS

READ = (
    *(S.LAST_NAME, S.FIRST_NAME, S.PHONE, S.WHICH_PHONE, S.CODE, S.NO_SMS, S.PASSWORD),
    *(S.PASSWORD_AGAIN, S.CHILD, S.BIRTHDATE, S.BIRTHDATE_CHECK),
)
"""The questions that read text, besides the words of their buttons."""

OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u200e\u200f\u061c"


def test_the_list_has_every_kind() -> None:
    assert len(STRINGS) > 300
    assert all(len(texts) >= 7 for texts in NAUGHTY.values())


@pytest.mark.parametrize(
    "state",
    [
        state if state in READ else pytest.param(state, marks=pytest.mark.long)
        for state in QUESTIONS
        if state is not S.LANGUAGE
    ],
    ids=lambda state: state.value,
)
async def test_every_string_at_a_question(
    arrive: Arrive, state: S, caplog: pytest.LogCaptureFixture
) -> None:
    parent = (await arrive(state)).parent
    doors = parent.service.doors
    key = doors.conversations.key(parent.address)
    there = await doors.database.run(doors.conversations.load(key))
    assert there is not None
    for text in STRINGS:
        await doors.database.run(
            doors.conversations.save(key, parent.address, there, None, parent.clock.now)
        )
        await parent.says(text)
        [reply] = parent.replies
        assert reply.text.strip()
        assert not set(unsound(reply.text)), ascii(text)
        assert len(reply.text.encode("utf-16-le")) <= 2 * 4096, ascii(text)
        after = await doors.database.run(doors.conversations.load(key))
        assert after is not None
        assert list(unsound_record(after)) == [], ascii(text)
        # Always a way on: choices, or the question again.
        assert reply.buttons or after.state in (*ENDED, S.LOCKED)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("state", [S.CODE, S.PASSWORD], ids=lambda state: state.value)
async def test_every_string_as_a_change_of_an_earlier_message(arrive: Arrive, state: S) -> None:
    parent = await arrive(state)
    for text in STRINGS:
        await parent.parent.does(Edited(text, "1"))
        assert len(parent.parent.replies) == 1
        parent.hears("edited")
        parent.is_asked(state)


def unsound(text: str) -> Iterator[str]:
    """Characters that disguise or break: none is ever shown, save what isolates a foreign name."""
    text.encode()  # no lone surrogates
    for char in text:
        if char in OVERRIDES or (unicodedata.category(char) in ("Cc", "Co", "Cs") and char != "\n"):
            yield char
    if text.count("\u2068") != text.count("\u2069"):
        yield "\u2068"


def unsound_record(chat: Chat) -> Iterator[str]:
    """What is stored is well-formed, bounded, and on one line (invariant I16)."""
    for name, value in chat.to_dict().items():
        for text in _texts(value):
            if list(unsound(text)) or "\n" in text or len(text) > MAX_LENGTH:
                yield f"{name}: {text!a}"


@pytest.mark.parametrize("text", ["Du\u202epont", "a\x07", "a\0b", "\u2068x", "\ue001", "\u200f"])
def test_what_is_unsound_is_found(text: str) -> None:
    assert list(unsound(text))
    assert list(unsound_record(a_chat(S.CODE, last=text)))
    assert list(unsound_record(a_chat(S.CODE, avoid=("Marie", text))))
    assert not list(unsound_record(a_chat(S.CODE)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for part in value.values() for text in _texts(part))
    elif isinstance(value, list | tuple):
        yield from (text for part in value for text in _texts(part))


async def test_names_of_every_script_are_shown_as_they_are(arrive: Arrive) -> None:
    """The control: what is no attack is not cut down."""
    parent = await arrive(S.LAST_NAME)
    for name in ("O'Brien", "Nguyễn", "Łukasz", "Œdipe", "שלום", "محمد", "田中", "Þór"):
        await parent.follows(name, "Marie", "06 12 34 56 78")
        parent.is_asked(S.CHECK)
        assert name in parent.reads
        await parent.follows("/start", "[restart]", "[parent]", "[activate]")
