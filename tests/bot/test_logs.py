"""What is logged: our own events, whole, and nothing of what parents write, at any level."""

import ast
import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from bot.app import open_storage
from bot.engine import Update
from bot.logs import FACTS, Event, Facts, Log, about, start_logging
from bot.settings import BadSetting
from bot.telegram.client import open_bot
from flows import inputs as i
from flows.states import S
from storage.database import Busy
from tests.conversations.roads import CODE_OF_MARIE, everybody
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent, core_parent, test_settings
from tests.helpers.school import a_school
from tests.telegram.chat_driver import TelegramParent, running_bot
from tests.telegram.server import BotApi

ROOT = Path(__file__).parents[2]
TOKEN = "123456:TEST-token_of_35_characters"
CHAT = 987_654_321
SECRETS = (
    *(TOKEN, TOKEN.partition(":")[2], str(CHAT), PASSWORD, "Faux#Code99", "unreadable-canary"),
    *("Dupont", "DUPONT", "Marie", "Léa", "612345678", "06 12 34 56 78", "14/03/2014"),
    *("2014-03-14", "m.dupont"),
)
"""All that one parent types or is, but for the code, which differs every time."""


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    ours, root = logging.getLogger("sesame"), logging.getLogger()
    before = (ours.handlers[:], ours.level, ours.propagate, root.handlers[:], root.level)
    yield
    ours.handlers[:], level, ours.propagate, root.handlers[:], roots = before
    ours.setLevel(level)
    root.setLevel(roots)


Lines = list[dict[str, Any]]


def lines(err: str) -> Lines:
    """Standard error, each line of it one JSON object."""
    return [json.loads(line) for line in err.splitlines()]


def leaks(text: str, *more: str) -> list[str]:
    """What must not be in a log, in any spelling that JSON or a URL gives it."""
    plain = text.encode().decode("unicode_escape", "replace") + text.replace("%3A", ":")
    return [secret for secret in (*SECRETS, *more) if secret in plain]


# ---- one event -------------------------------------------------------------------------------


def test_an_event_is_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("info")
    with about(turn="1f2e", chat="aa00"):
        Log("engine")(Event.TURN_FAILED, kind="KeyError", place="turn.py:7")
    [line] = lines(capsys.readouterr().err)
    assert re.fullmatch(r"20..-..-..T..:..:..\....\+00:00", line.pop("at"))
    assert line == {
        "level": "error",
        "from": "sesame.engine",
        "event": "turn_failed",
        "turn": "1f2e",
        "chat": "aa00",
        "kind": "KeyError",
        "place": "turn.py:7",
    }


def test_a_person_at_a_terminal_reads_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    start_logging("info")
    Log("serve")(Event.WAKING_WAITS, why="The disk is full.")
    end = " ERROR sesame.serve waking_waits why=The disk is full.\n"
    assert capsys.readouterr().err.endswith(end)


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_the_level_is_a_setting(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(level)
    for event in Event:
        Log("serve")(event)
    shown = [line["event"] for line in lines(capsys.readouterr().err)]
    least = logging.getLevelNamesMapping()[level.upper()]
    assert shown == [event.value for event in Event if event.level >= least]


def test_what_is_not_in_the_list_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("debug")
    with about(name="Dupont"):  # type: ignore[call-arg]
        Log("engine")(Event.TURN, text=PASSWORD, kind=KeyError(PASSWORD))  # type: ignore[call-arg, arg-type]
    [line] = lines(capsys.readouterr().err)
    assert set(line) == {"at", "level", "from", "event", "kind"}
    assert line["kind"] == "KeyError"


def test_nobody_else_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even one who uses a name of ours: only what is made by a Log has facts of the list."""
    start_logging("debug")
    logging.getLogger().setLevel(logging.DEBUG)
    for name in ("", "telegram.Bot", "httpx", "httpcore.http11", "asyncio", "aiosqlite", "uvicorn"):
        logging.getLogger(name).critical("%s", PASSWORD)
    logging.getLogger("sesame.engine").critical("%s", PASSWORD, exc_info=KeyError(PASSWORD))
    assert capsys.readouterr().err == ""


def test_facts_and_events_have_their_lines() -> None:
    assert set(FACTS) == set(get_type_hints(Facts))
    for meaning in (*FACTS.values(), *(event.meaning for event in Event)):
        assert meaning
        assert set("\n|").isdisjoint(meaning)


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_all_is_logged_by_way_of_the_list() -> None:
    """No free text, no logger of its own, no print of what happened; every event is used."""
    used = set()
    for room in ("bot", "flows", "storage", "locales"):
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text("utf-8"))
            used |= {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Event"
            }
            for call in calls(tree):
                if ast.unparse(call.func) == "_alert":  # storage may not know the list
                    used |= {
                        event.name for event in Event if event == ast.literal_eval(call.args[0])
                    }
                    assert {word.arg for word in call.keywords} <= FACTS.keys()
            for call in calls(tree) if path.name not in ("logs.py", "codes.py") else ():
                if ast.unparse(call.func) == "logging.getLogger":
                    # Only to make others silent.
                    assert ".setLevel(" in path.read_text("utf-8"), path
                    assert "sesame" not in ast.unparse(call), path
                if ast.unparse(call.func) in ("log.error", "log.warning", "log.info", "log.debug"):
                    raise AssertionError(f"{path.name}:{call.lineno}: log(Event.…)")
    assert used == {event.name for event in Event}


# ---- one turn --------------------------------------------------------------------------------


@pytest.fixture
async def marie(tmp_path: Path) -> Any:
    async with core_parent(tmp_path / "sesame.sqlite3", everybody()) as parent:
        yield parent


async def test_a_turn_says_what_became_of_it(
    marie: CoreParent, capsys: pytest.CaptureFixture[str]
) -> None:
    await Dialogue(marie, "fr").follows(*CODE_OF_MARIE)
    start_logging("info")
    await marie.says("12")  # not six digits
    await marie.presses("Je ne reçois rien")
    await marie.does(i.Pressed("help", 999))  # a button of no question
    for _ in range(2):
        await marie.does(i.SentOther(), update="1")
    await marie.does(i.TimeCame())
    told = lines(capsys.readouterr().err)
    names = ("input", "before", "after", "outcome", "cause")
    assert [tuple(line[name] for name in names) for line in told] == [
        ("Said", "code", "code", "refused", "code_length"),
        ("Pressed", "code", "no_sms", "answered", ""),
        ("Pressed", "no_sms", "no_sms", "refused", "stale_button"),
        ("SentOther", "no_sms", "no_sms", "refused", "text_only"),
        ("SentOther", "", "", "duplicate", ""),
        ("TimeCame", "no_sms", "no_sms", "silent", ""),
    ]
    assert {line["event"] for line in told} == {"turn"}
    assert len({line["turn"] for line in told}) == len(told)
    assert all(0 <= line["ms"] < 60_000 for line in told)


async def test_a_turn_that_fails_says_so_under_its_own_name(
    marie: CoreParent, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_logging("info")

    def mistake(*_: object) -> None:
        raise KeyError(PASSWORD)

    with monkeypatch.context() as patch:
        patch.setattr("bot.engine.step", mistake)
        await marie.says(PASSWORD)
    failed, turn = lines(capsys.readouterr().err)
    assert (failed["event"], failed["kind"]) == ("turn_failed", "KeyError")
    assert failed["place"].startswith("test_logs.py:")
    assert (turn["outcome"], turn["before"]) == ("failed", "")
    assert (turn["turn"], turn["chat"]) == (failed["turn"], failed["chat"])


async def test_a_turn_that_cannot_be_stored_says_so(
    marie: CoreParent, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_logging("info")

    async def busy(*_: object) -> None:
        raise Busy("in use")

    with monkeypatch.context() as patch:
        patch.setattr("storage.sqlite.Sqlite.run", busy)
        with pytest.raises(Busy):
            await marie.service.engine.take(Update(marie.address, i.SentOther()))
    [turn] = lines(capsys.readouterr().err)
    assert turn["outcome"] == "failed"


async def test_a_parent_is_a_pseudonym_that_changes_every_day(
    marie: CoreParent, capsys: pytest.CaptureFixture[str]
) -> None:
    start_logging("info")

    async def name(parent: CoreParent) -> str:
        await parent.says("bonjour")
        return str(lines(capsys.readouterr().err)[0]["chat"])

    here = await name(marie)
    assert re.fullmatch("[0-9a-f]{8}", here)
    assert await name(marie) == here
    assert await name(marie.beside("sophie")) != here
    marie.clock.passes(days=1)
    assert await name(marie) != here
    key = marie.service.doors.conversations.key(marie.address)
    assert here not in key.hex()  # the name that the database has for it


async def test_delivery_speaks_of_the_same_parent(
    marie: CoreParent, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_logging("info")

    async def broken(place: str, reply: object, after: object) -> None:
        raise KeyError(PASSWORD)

    monkeypatch.setattr(marie.bot, "send", broken)
    await marie.says("bonjour")
    turn, stopped = lines(capsys.readouterr().err)
    assert (stopped["event"], stopped["kind"]) == ("reply_failed", "KeyError")
    assert stopped["chat"] == turn["chat"]
    assert "turn" not in stopped  # it sends what several turns left


# ---- a whole conversation --------------------------------------------------------------------


async def test_nothing_of_a_parent_is_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over Telegram's real library, with every logger at DEBUG, and faults on the way."""
    start_logging("debug")
    logging.getLogger().setLevel(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    async with BotApi(TOKEN, now=Clock()) as server:
        async with running_bot(server, tmp_path / "sesame.sqlite3", a_school()) as bot:
            for name in ("telegram", "telegram.Bot", "httpx", "httpcore", "aiosqlite", "asyncio"):
                logging.getLogger(name).setLevel(logging.DEBUG)
            person = server.person("Marie", user_id=CHAT, last_name="Dupont", phone="33612345678")
            marie = Dialogue(TelegramParent(bot, person), "fr")
            server.fail_next("sendMessage", status=502)
            server.fail_next("getUpdates", status=502)
            server.deliver("message", {"text": "unreadable-canary"})
            await marie.follows(*CODE_OF_MARIE, "Faux#Code99", "(code)")
            code = marie.sms.last_code
            server.fail_next("deleteMessage", drop=True)
            server.fail_next("sendMessage", status=400, description="Dupont")
            await marie.follows(PASSWORD, "/aide", PASSWORD, "oui 14/03/2014", "[activate_now]")
            marie.hears("done.ask")
        with pytest.raises(BadSetting):
            async with open_bot("999:WRONG-token", server.url):
                pass
    asyncio.get_running_loop().set_debug(False)
    err = capsys.readouterr().err
    assert leaks(err, code, "WRONG-token") == []
    told = lines(err)
    assert {line["from"] for line in told} == {"sesame.engine", "sesame.telegram"}
    seen = {line["event"] for line in told}
    assert {"turn", "update_unreadable", "not_delivered", "telegram_silent", "call_refused"} <= seen
    turns = [line for line in told if line["event"] == "turn"]
    assert [line["after"] for line in turns][-1] == S.DONE.value
    assert len({line["chat"] for line in turns}) == 1
    for library in ("telegram", "telegram.Bot", "httpx", "httpcore", "aiosqlite", "asyncio"):
        logging.getLogger(library).setLevel(logging.NOTSET)


SERVE = """
import logging
logging.getLogger().setLevel(logging.DEBUG)
from bot.__main__ import main
main(["serve"])
"""


async def test_nor_in_that_of_a_real_process(tmp_path: Path) -> None:
    """`sesame serve` with all that can be turned up turned up: standard error, every byte of it."""
    database, sms = tmp_path / "sesame.sqlite3", tmp_path / "sms.jsonl"
    settings = test_settings(database)
    async with open_storage(settings) as (opened, vault):
        await a_school().fills(opened, vault, Clock())
    assert settings.secret
    async with BotApi(TOKEN) as server:
        own = {
            "SESAME_TELEGRAM_TOKEN": TOKEN,
            "SESAME_TELEGRAM_API_URL": server.url,
            "SESAME_DATABASE_URL": settings.database_url,
            "SESAME_SECRET": settings.secret.get_secret_value(),
            "SESAME_SMS": f"file:{sms}",
            "SESAME_LOG_LEVEL": "debug",
            "PYTHONASYNCIODEBUG": "1",
            "PYTHONPATH": str(ROOT),
        }
        serving = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "dev", "-c", SERVE),
            cwd=tmp_path,
            env={**os.environ, **own},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            person = server.person("Marie", user_id=CHAT, last_name="Dupont")
            server.fail_next("getUpdates", status=502)
            server.deliver("message", {"text": "unreadable-canary"})
            for text in ("/start", "parent", "1", "Dupont", "Marie", "06 12 34 56 78"):
                person.says(text)
                await person.hears(20)
            person.says("oui")
            async with asyncio.timeout(20):
                while not sms.exists() or not sms.read_bytes().endswith(b"\n"):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            code = json.loads(sms.read_text("utf-8"))["text"][:6]
            server.fail_next("deleteMessage", drop=True)
            for text in (code, PASSWORD, PASSWORD, "oui 14/03/2014", "activer"):
                person.says(text)
            while "m.dupont" not in (await person.hears(20)).text:
                pass
            serving.terminate()
            out, err = await asyncio.wait_for(serving.communicate(), 20)
        finally:
            if serving.returncode is None:
                serving.kill()
            await serving.wait()
    assert serving.returncode == 0
    assert leaks(err.decode(), code, own["SESAME_SECRET"]) == []
    assert leaks(out.decode(), code) == []
    told = lines(err.decode())
    assert "update_unreadable" in {line["event"] for line in told}
    turns = [line for line in told if line["event"] == "turn"]
    assert [line["after"] for line in turns if line["input"] == "Said"][-1] == "done"


def test_the_search_finds_what_it_looks_for() -> None:
    assert leaks(f'{{"text": "{PASSWORD}"}}') == [PASSWORD]
    assert leaks(json.dumps("Léa")) == ["Léa"]
    assert leaks("https://api.telegram.org/bot" + TOKEN.replace(":", "%3A"))[0] == TOKEN
