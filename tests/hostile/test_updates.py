"""Fuzzed updates at Telegram's door: whatever comes, the next good one is answered (T12, T26)."""

import asyncio
import copy
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import telegram
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from telegram.error import NetworkError

from bot.telegram.incoming import _OLD_BUTTON, _press, press_data, read_group, read_update
from bot.telegram.polling import Polling
from flows.inputs import Pressed
from flows.table import COMMANDS, INTERRUPTIONS, QUESTIONS
from tests.flows.hostile import any_text
from tests.hostile.strings import STRINGS
from tests.telegram.chat_driver import TelegramParent, telegram_parent
from tests.telegram.server import BotApi, Update

JSON = Any

USER = {"id": 41, "is_bot": False, "first_name": "Marie", "language_code": "fr"}
CHAT = {"id": 41, "type": "private", "first_name": "Marie"}
MESSAGE = {"message_id": 7, "date": 1773133200, "from": USER, "chat": CHAT}
GROUP = {"id": -4001, "type": "supergroup", "title": "Parents"}
FILE = {"file_id": "f-1", "file_unique_id": "f1", "file_size": 1234}
MEMBER = {"user": {"id": 5, "is_bot": True, "first_name": "Bot"}, "status": "member"}
REAL: tuple[JSON, ...] = (
    {"message": {**MESSAGE, "text": "Dupont"}},
    {
        "message": {
            **MESSAGE,
            "text": "/start x",
            "entities": [{"type": "bot_command", "offset": 0, "length": 6}],
        }
    },
    {
        "message": {
            **MESSAGE,
            "text": "123456",
            "forward_origin": {"type": "user", "date": 1, "sender_user": USER},
        }
    },
    {
        "message": {
            **MESSAGE,
            "contact": {"phone_number": "33612345678", "first_name": "M", "user_id": 41},
        }
    },
    {"message": {**MESSAGE, "photo": [{**FILE, "width": 90, "height": 67}], "caption": "Moi"}},
    {"message": {**MESSAGE, "voice": {**FILE, "duration": 2}}},
    {"message": {**MESSAGE, "location": {"latitude": 48.85, "longitude": 2.35}}},
    {"message": {**MESSAGE, "dice": {"emoji": "🎲", "value": 3}, "reply_to_message": MESSAGE}},
    {"message": {**MESSAGE, "poll": {"id": "1", "question": "?", "options": []}}},
    {"message": {**MESSAGE, "pinned_message": MESSAGE}},
    {"message": {**MESSAGE, "chat": GROUP, "text": "/start"}},
    {"edited_message": {**MESSAGE, "edit_date": 1773133300, "text": "Durand"}},
    {
        "callback_query": {
            "id": "4000000000000",
            "from": USER,
            "chat_instance": "1",
            "data": "1:1:parent",
            "message": {**MESSAGE, "text": "?", "reply_markup": {"inline_keyboard": []}},
        }
    },
    {
        "my_chat_member": {
            "chat": CHAT,
            "from": USER,
            "date": 1773133200,
            "old_chat_member": MEMBER,
            "new_chat_member": {**MEMBER, "status": "kicked", "until_date": 0},
        }
    },
    {"inline_query": {"id": "1", "from": USER, "query": "x", "offset": ""}},
    {"channel_post": {**MESSAGE, "chat": GROUP, "sender_chat": GROUP, "text": "x"}},
    {"message_reaction": {"chat": CHAT, "message_id": 7, "date": 1, "user": USER}},
    {"a_kind_of_next_year": {"id": 1, "from": USER, "chat": CHAT}},
)
"""One of each kind, in the words of the Bot API, without its number."""

anything: st.SearchStrategy[JSON] = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.floats(allow_nan=False), any_text),
        *(st.integers(-(2**70), 2**70), st.sampled_from(STRINGS), st.just(41), st.just("private")),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=5,
)


def places(tree: JSON, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@st.composite
def mutated(draw: Callable[..., Any]) -> JSON:
    """A real update, changed in one to four places: left out, replaced, renamed, put in."""
    update = copy.deepcopy(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from([*places(update)] or [("message",)]))
        holder = update
        for key in way:
            holder = holder[key]
        match draw(st.sampled_from(("drop", "replace", "rename", "add", "nest"))):
            case "drop" if isinstance(holder, dict):
                holder.pop(last, None)
            case "rename" if isinstance(holder, dict) and last in holder:
                holder[draw(any_text)] = holder.pop(last)
            case "add" if isinstance(holder, dict):
                holder[draw(st.sampled_from(("text", "contact", "chat", "x")))] = draw(anything)
            case "nest":
                holder[last] = {"message": copy.deepcopy(update)}
            case _:
                holder[last] = draw(anything)
    return update


@dataclass(eq=False)
class Raw(Update):
    """An update in whatever words."""

    content: Any = field(default=None, kw_only=True)

    def api(self) -> JSON:
        """As it is: with a number of its own only where it has none."""
        return {"update_id": self.id, **self.content} if self.kind == "raw" else self.content


def injects(server: BotApi, content: JSON, kind: str = "raw") -> None:
    """Put it among what the bot fetches."""
    later = server.now() + timedelta(days=1)
    update = Raw(server._next_update, kind, {}, later, content=content)
    server._next_update += 1
    server._queue.append(update)
    server.ring()


@pytest.mark.parametrize(
    "examples", [60, pytest.param(20_000, marks=pytest.mark.long)], ids="{} batches".format
)
def test_the_next_good_update_is_answered(
    tmp_path: Path, examples: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten at a time, and a parent who writes in between, on real HTTP."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        marie: TelegramParent = runner.run(
            stack.enter_async_context(telegram_parent(tmp_path / "db"))
        )

        @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
        @given(st.lists(mutated(), min_size=8, max_size=10))
        def check(contents: list[JSON]) -> None:
            def comes() -> None:
                for content in contents:
                    content.pop("update_id", None)
                    injects(marie.bot.server, content)
                marie.person.says("/langue")

            caplog.clear()
            runner.run(marie.does(comes))
            assert marie.said
            for record in caplog.records:
                assert "turn failed" not in record.getMessage()
                assert record.name != "asyncio", record.getMessage()

        try:
            check()
        finally:
            runner.run(stack.aclose())


@settings(max_examples=500, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_what_can_be_read_is_ours(content: JSON) -> None:
    """The reader gives what the conversation knows, or nothing; or it is not readable."""
    try:
        update = telegram.Update.de_json({**content, "update_id": 1}, None)
        ours, group = read_update(update), read_group(update)
    except Exception:
        return  # the poller says so and goes on; what is left over must be sound
    assert ours is None or ours.id == "telegram:1"
    assert ours is None or group is None


BROKEN = {
    "empty": b"",
    "half": b'{"ok": true, "result": [{"update_id": 5',
    "no JSON": b"<html>",
    "null": b"null",
    "a list": b"[]",
    "no result": b'{"ok": true}',
    "result null": b'{"ok": true, "result": null}',
    "result a number": b'{"ok": true, "result": 7}',
    "result text": b'{"ok": true, "result": "abc"}',
    "NUL": b"\x00\x00",
    "not UTF-8": b'{"ok": true, "result": [{"update_id": 5, "x": "\xff"}]}',
    "UTF-16": '{"ok": true, "result": []}'.encode("utf-16")[:-1],
    "deep": b'{"ok": true, "result": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no number": b'{"ok": true, "result": [{"message": {}}]}',
    "number a text": b'{"ok": true, "result": [{"update_id": "5"}]}',
    "number true": b'{"ok": true, "result": [{"update_id": true}]}',
    "number a fraction": b'{"ok": true, "result": [{"update_id": 5.5}]}',
    "number infinite": b'{"ok": true, "result": [{"update_id": 1e999}]}',
    "number negative": b'{"ok": true, "result": [{"update_id": -5}]}',
    "number of 5,000 digits": b'{"ok": true, "result": [{"update_id": ' + b"9" * 5000 + b"}]}",
    "2^63": b'{"ok": true, "result": [{"update_id": 9223372036854775808}]}',
    "entries of other types": b'{"ok": true, "result": [null, 7, "x", [], true]}',
}


class Answers:
    """A Bot API that answers every fetch with these bytes."""

    base_url = "http://127.0.0.1/bot"

    def __init__(self, payload: bytes) -> None:
        self.payload, self.request = payload, self

    async def retrieve(self, url: str, read_timeout: float) -> bytes:
        """What a fetch gets."""
        return self.payload


NO_DATABASE: Any = None
"""A fetch asks nobody whether it may."""


async def nobody(_: object) -> None:
    raise AssertionError("there is nothing to take")


@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN)
async def test_an_answer_that_is_no_answer(payload: bytes) -> None:
    """It counts as a fault of the network: the poller waits, and asks again."""
    poller = Polling(Answers(payload), nobody, NO_DATABASE)  # type: ignore[arg-type]
    with pytest.raises(NetworkError):
        await poller._fetch()


@given(st.lists(anything, max_size=4))
async def test_what_has_no_number_holds_nothing_up(others: list[JSON]) -> None:
    good = {"update_id": 77, "message": {}}
    payload = json.dumps({"ok": True, "result": [*others, good, *others]}).encode()
    poller = Polling(Answers(payload), nobody, NO_DATABASE)  # type: ignore[arg-type]
    fetched = await poller._fetch()
    assert (77, good) in fetched
    assert all(type(number) is int for number, _ in fetched)


async def test_an_update_without_a_number_among_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with telegram_parent(tmp_path / "db") as marie:

        def comes() -> None:
            nameless: list[JSON] = [{"message": {}}, None, 7, {"update_id": "x"}]
            for content in nameless:
                injects(marie.bot.server, content, "without a number")
            marie.person.says("/start")

        await marie.does(comes)
        assert marie.reads.startswith("Bonjour, je suis Sésame.")
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


# ---- what a button carries -------------------------------------------------------------------

CHOICES = sorted(
    {choice for question in QUESTIONS.values() for choice in question.choices}
    | {choice for choices in INTERRUPTIONS.values() for choice in choices}
    | set(COMMANDS)
)


@given(st.integers(0, 999_999_999), st.sampled_from(CHOICES))
def test_what_a_button_carries_reads_back(asked: int, choice: str) -> None:
    data = press_data(asked, choice)
    assert len(data.encode()) <= 64
    assert _press(data) == Pressed(choice, asked)


@given(any_text | st.from_regex(r"[0-9]:[0-9²-]{0,12}:[a-z_]{0,50}.?"))
def test_other_data_is_an_old_button(data: str) -> None:
    press = _press(data)
    assert press == _OLD_BUTTON or press_data(press.asked, press.choice) == data or "0" in data
    assert press.asked < 10**9
