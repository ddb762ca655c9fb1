"""Every `sesame` command, as it is started: what it prints, where, and its exit status."""

import asyncio
import importlib.util
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import resources
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import bot.__main__ as sesame
import locales
from bot.diagram import MAIN_ROAD
from bot.settings import Settings
from flows.states import S
from flows.table import FLOW
from tests.conversations.roads import ALL_TO_DONE
from tests.conversations.test_terminal import environment
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import SECRET, core_parent
from tests.helpers.school import a_school
from tests.telegram.server import BotApi

COMMANDS = (
    *("chat", "serve", "import", "status", "diagram", "doctor", "unlock", "erase", "purge"),
    *("rotate-key", "backup", "invite", "letters", "letter", "freeze", "unfreeze"),
)
TOKEN = "123456:TEST"
REGISTER = str(resources.files("bot").joinpath("demo_register.csv"))

Run = Callable[..., Result]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "sesame.sqlite3"


@pytest.fixture(autouse=True)
def _machine(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine of its own, and logging as it was before."""
    for name in [name for name in os.environ if name.startswith(("SESAME_", "LANG", "LC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SESAME_DATABASE_URL", f"sqlite+aiosqlite:///{database}")
    monkeypatch.setenv("SESAME_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    ours, root = logging.getLogger("sesame"), logging.getLogger()
    before = (ours.handlers[:], ours.level, ours.propagate, root.handlers[:])
    yield
    ours.handlers[:], ours.level, ours.propagate, root.handlers[:] = before


def program() -> click.Group:
    """The program as it starts on this machine: its help is written when it is loaded."""
    spec = importlib.util.spec_from_file_location("sesame_here", sesame.__file__)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    group = module.main
    assert isinstance(group, click.Group)
    return group


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def invoke(*arguments: str, typed: str = "", **own: str) -> Result:
        with monkeypatch.context() as patch:
            for name, value in own.items():
                patch.setenv(name, value)
            return CliRunner().invoke(program(), arguments, input=typed, prog_name="sesame")

    return invoke


@pytest.fixture
def filled(database: Path) -> None:
    """A register, a parent who is done and one who waits for the code."""

    async def fill() -> None:
        async with core_parent(database, a_school()) as parent:
            await Dialogue(parent, "fr").follows(*ALL_TO_DONE)
            other = Dialogue(parent.beside("sophie"), "fr")
            await other.follows("(comes)", "[parent]", "[activate]", "Martin", "Sophie")
            await other.follows("06 98 76 54 32", "[yes]")

    asyncio.run(fill())


def failed(result: Result) -> str:
    """The one clear line of a run that failed."""
    assert result.exit_code == 1, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("sesame: ")
    assert "Traceback" not in result.output
    assert SECRET not in result.output
    return lines[0].removeprefix("sesame: ")


def one_line(end: "subprocess.CompletedProcess[str]") -> str:
    """The same, of a process."""
    assert end.returncode == 1, end.stderr
    [line] = end.stderr.splitlines()
    assert line.startswith("sesame: ")
    return line.removeprefix("sesame: ")


def process(folder: Path, *arguments: str, **own: str) -> "subprocess.CompletedProcess[str]":
    """A real one, started as `python -m bot`."""
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=environment(folder, PYTHONPATH=str(Path(__file__).parents[2]), **own),
        cwd=folder,
        timeout=30,
        check=False,
    )


# ---- help and usage --------------------------------------------------------------------------

MACHINES = [
    ({}, "fr"),
    ({"LC_ALL": "C.UTF-8"}, "fr"),
    ({"LC_ALL": "C"}, "fr"),
    ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, "fr"),  # LC_ALL is stronger, whatever it says
    ({"LC_ALL": "", "LANG": "en_US.UTF-8"}, "en"),
    ({"LANG": "fr_CA.UTF-8"}, "fr"),
    ({"LANG": "de_DE.UTF-8"}, "fr"),
    ({"LC_MESSAGES": "en_GB", "LANG": "fr_FR"}, "en"),
    ({"LC_ALL": "fr_FR", "LC_MESSAGES": "en_GB", "LANG": "en_GB"}, "fr"),
    ({"LC_ALL": "en"}, "en"),
]


@pytest.mark.parametrize(("machine", "lang"), MACHINES)
def test_help_speaks_the_machines_language(run: Run, machine: dict[str, str], lang: str) -> None:
    result = run("--help", **machine)
    assert (result.exit_code, result.stderr) == (0, "")
    assert locales.say("cli.sesame", lang)[:30] in result.stdout
    for command in COMMANDS:
        assert f"\n  {command} " in result.stdout
        assert locales.say(f"cli.{command}", lang)[:25] in result.stdout


@pytest.mark.parametrize("lang", locales.LANGUAGES)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Run, command: str, lang: str) -> None:
    for option in ("--help", "-h"):
        result = run(command, option, LC_ALL=lang)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.startswith(f"Usage: sesame {command}")
        assert locales.say(f"cli.{command}", lang)[:25] in result.stdout


def test_every_command_is_tested_here() -> None:
    assert set(program().commands) >= set(COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--nonsense"], ["nonsense"], ["status", "--nonsense"], ["status", "more"]),
        *(["import"], ["import", "--dry-run"], ["chat", "--lang", "de"], ["diagram", "x"]),
        *(["chat", "--port", "80"], ["chat", "--web", "--port", "web"]),
        *(["doctor", "now"], ["serve", "now"], []),
    ],
)
def test_bad_usage(run: Run, arguments: list[str], database: Path) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Usage: sesame")
    assert not database.exists()


@pytest.mark.parametrize(("machine", "lang"), [("C.UTF-8", "fr"), ("en_US.UTF-8", "en")])
def test_a_real_process(tmp_path: Path, machine: str, lang: str) -> None:
    shown = process(tmp_path, "--help", LC_ALL=machine)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert locales.say("cli.sesame", lang)[:30] in shown.stdout
    assert process(tmp_path, "nonsense", LC_ALL=machine).returncode == 2


# ---- status ----------------------------------------------------------------------------------

NONE = {"frozen": 0, "closed": 0, "letters": 0, "notices": 0, "school_notes": 0}
COUNTS = {
    # Marie, Sophie at both schools, An, Lan, Inès, Łukasz, Julie; Minh has two parents.
    "register": {"schools": 2, "guardians": 8, "pupils": 8},
    "conversations": {"code": 1, "done": 1},
    "accounts": {"open": 1, **NONE},
    "sms": {"sent": 2, "segments": 2},
}


@pytest.mark.usefixtures("filled")
def test_status_as_json(run: Run) -> None:
    result = run("status", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    counts = json.loads(result.stdout)
    outbox = counts.pop("outbox")
    assert counts == COUNTS
    assert set(outbox) == {"reply", "erase"}
    assert set(outbox["reply"]) == {"sent"}
    assert outbox["erase"]["sent"] >= 2  # the password, twice
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.usefixtures("filled")
def test_status_says_what_the_sms_cost(run: Run) -> None:
    """The code and the identifier, at what the school pays for one."""
    counts = json.loads(run("status", "--json", SESAME_SMS_PRICE="0.045").stdout)
    assert counts["sms"] == {"sent": 2, "segments": 2, "cost": 0.09}


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("lang", locales.LANGUAGES)
def test_status_for_people(run: Run, lang: str) -> None:
    result = run("status", LC_ALL=lang)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    for part, numbers in COUNTS.items():
        assert locales.say(f"counts.{part}", lang) in lines
        for name, number in numbers.items():
            assert f"{name} {number}" in lines
    assert any(line.startswith("reply sent ") for line in lines)
    for person in ("Dupont", "DUPONT", "Marie", "612345678", "m.dupont"):
        assert person not in result.stdout


def test_status_of_nothing(run: Run) -> None:
    result = run("status", "--json")
    assert json.loads(result.stdout) == {
        "register": {"schools": 0, "guardians": 0, "pupils": 0},
        "conversations": {},
        "accounts": {"open": 0, **NONE},
        "sms": {"segments": 0},
        "outbox": {},
    }


# ---- diagram ---------------------------------------------------------------------------------


def test_the_diagram(run: Run) -> None:
    result = run("diagram")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> start"]
    arrows = [line.split() for line in lines if " --> " in line and "[*]" not in line]
    places = {arrow[0] for arrow in arrows} | {arrow[2] for arrow in arrows}
    boxes = {line.split()[0] for line in lines if " : " in line and " --> " not in line}
    forks = {line.split()[1] for line in lines if "<<choice>>" in line}
    assert places <= {state.value for state in S} | boxes | forks  # nothing is drawn by a slip
    assert {state.value for state in MAIN_ROAD} <= places
    entered = {to.value for _, _, _, to, _ in FLOW if to is not None}
    assert entered <= {arrow[2] for arrow in arrows}  # every state that can be reached is
    pairs = [(arrow[0], arrow[2]) for arrow in arrows]
    assert len(set(pairs)) == len(pairs)
    for fork in forks:
        assert any(to == fork for _, to in pairs)
        assert sum(at == fork for at, _ in pairs) > 1


def test_the_diagram_needs_no_settings(run: Run, database: Path) -> None:
    assert run("diagram", SESAME_SECRET="short").exit_code == 0
    assert not database.exists()


# ---- import ----------------------------------------------------------------------------------


def test_import(run: Run) -> None:
    """A dry run keeps nothing, a run does, and a second one changes nothing."""
    dry = run("import", "--dry-run", "--json", REGISTER)
    assert dry.exit_code == 0, dry.output
    totals = json.loads(dry.stdout)["totals"]
    assert totals["guardians"] == 9  # Sophie is at both schools
    assert totals["pupils"] == 9
    assert json.loads(run("status", "--json").stdout)["register"]["guardians"] == 0
    real = json.loads(run("import", "--json", REGISTER).stdout)
    assert real["totals"] == totals
    assert json.loads(run("status", "--json").stdout)["register"]["schools"] == 2
    again = json.loads(run("import", "--json", REGISTER).stdout)["totals"]
    assert (again["added"], again["changed"], again["gone"]) == (0, 0, 0)


@pytest.mark.parametrize("lang", locales.LANGUAGES)
def test_import_for_people(run: Run, lang: str, tmp_path: Path) -> None:
    details = tmp_path / "details.csv"
    result = run("import", "--dry-run", "--details", str(details), REGISTER, LC_ALL=lang)
    assert result.exit_code == 0
    assert locales.say("import.dry_run", lang) in result.stdout
    assert locales.say("import.details", lang, {"file": str(details)}) in result.stdout
    assert locales.say("details.columns", lang).split("|")[0] in details.read_text("utf-8-sig")


@pytest.mark.parametrize("lang", locales.LANGUAGES)
@pytest.mark.parametrize("content", [None, b"", b"hello", b"%PDF-1.7\n\xff\xfe", b"<a><b></a>"])
def test_a_refused_file(run: Run, tmp_path: Path, content: bytes | None, lang: str) -> None:
    file = tmp_path / "export.xml"
    if content is not None:
        file.write_bytes(content)
    for options in ([], ["--json"], ["--dry-run"]):
        result = run("import", *options, str(file), REGISTER, LC_ALL=lang)
        assert "export.xml" in failed(result)
        assert result.stdout == ""
    register = json.loads(run("status", "--json").stdout)["register"]
    assert register == {"schools": 0, "guardians": 0, "pupils": 0}  # not even the good file


# ---- what is wrong, in one line --------------------------------------------------------------

STORING = (["status"], ["import", REGISTER], ["chat"], ["serve"])


@pytest.mark.parametrize("arguments", [*STORING, ["doctor"]])
def test_a_bad_setting(run: Run, arguments: list[str]) -> None:
    for name, value in (
        *(("SESAME_CODE_VALIDITY", "zebra"), ("SESAME_SECRET", "zebra")),
        *(("SESAME_TIMEZONE", "zebra"), ("SESAME_LOCKS", "zebra")),
    ):
        line = failed(run(*arguments, **{name: value}))
        assert line.startswith(f"{name}: ")
        assert "zebra" not in line


@pytest.mark.parametrize("arguments", STORING)
def test_a_bad_database(run: Run, arguments: list[str], tmp_path: Path) -> None:
    own = {"SESAME_TELEGRAM_TOKEN": TOKEN, "SESAME_SMS": "console:"}
    (tmp_path / "text").write_text("not a database " * 100)
    said = failed(run(*arguments, SESAME_DATABASE_URL="mysql://u:zebra@h/d", **own))
    assert said.startswith("SESAME_DATABASE_URL: ")
    assert "zebra" not in said
    url = "sqlite+aiosqlite:///"
    said = failed(run(*arguments, SESAME_DATABASE_URL=f"{url}{tmp_path}/text", **own))
    assert said == "The file is not a database: check SESAME_DATABASE_URL."
    said = failed(run(*arguments, SESAME_DATABASE_URL=f"{url}{tmp_path}", **own))
    assert said == "The database file cannot be opened: check its folder and rights."


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("arguments", STORING)
def test_another_secret(run: Run, arguments: list[str]) -> None:
    own = {"SESAME_TELEGRAM_TOKEN": TOKEN, "SESAME_SMS": "console:"}
    line = failed(run(*arguments, SESAME_SECRET="z" * 40, **own))
    assert line == "The stored data does not open: SESAME_SECRET is not the one that sealed it."


@pytest.mark.usefixtures("filled")
def test_our_own_mistake(run: Run, database: Path) -> None:
    """One line that says where, without a traceback and without what it was about."""
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE guardians RENAME TO zebra")
    connection.close()
    line = failed(run("status"))
    assert line.startswith("our mistake (OperationalError at sqlite.py:")
    assert line.endswith("please report it.")
    assert "guardians" not in line


@pytest.mark.usefixtures("filled")
def test_one_line_in_a_real_process_too(tmp_path: Path, database: Path) -> None:
    url = "sqlite+aiosqlite:///"
    own = {"SESAME_DATABASE_URL": f"{url}{database}", "SESAME_SECRET": "z" * 40}
    assert "SESAME_SECRET" in one_line(process(tmp_path, "status", **own))
    for _ in range(3):  # the thread of a database that does not open says nothing afterwards
        end = process(tmp_path, "status", SESAME_DATABASE_URL=f"{url}{tmp_path}")
        assert "cannot be opened" in one_line(end)
    (tmp_path / ".env").write_bytes(b"SESAME_CONTACT=\xe9cole\n")
    assert ".env" in one_line(process(tmp_path, "status"))


def test_whoever_reads_may_leave(tmp_path: Path) -> None:
    """As in `sesame chat | head -1`: no word of ours about it."""
    running = subprocess.Popen(
        [sys.executable, "-m", "bot", "chat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(tmp_path, PYTHONPATH=str(Path(__file__).parents[2])),
    )
    assert running.stdin
    assert running.stdout
    assert running.stderr
    running.stdout.readline()
    running.stdout.close()
    running.stdin.write(b"bonjour\nparent\n")
    running.stdin.close()
    assert running.wait(30) == 0
    assert running.stderr.read() == b""
    running.stderr.close()


def test_an_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    async def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        sesame.run(interrupted())
    assert end.value.code == 130
    assert capsys.readouterr() == ("", "")


# ---- chat ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", locales.LANGUAGES)
def test_chat_on_the_fictional_register(
    run: Run, lang: str, monkeypatch: pytest.MonkeyPatch, database: Path
) -> None:
    monkeypatch.delenv("SESAME_DATABASE_URL")
    result = run("chat", typed="1\n:nonsense\n\n", LC_ALL=lang)
    assert (result.exit_code, result.stderr) == (0, "")
    for key in ("welcome", "profile.ask", "menu.ask"):
        assert locales.say(key, lang) in result.stdout
    assert "Marie Dupont" in result.stdout
    assert ":restart" in result.stdout
    assert not database.exists()


# ---- serve -----------------------------------------------------------------------------------


def test_serve_says_what_is_missing(run: Run) -> None:
    assert failed(run("serve")).startswith("SESAME_TELEGRAM_TOKEN is not set: ")
    assert failed(run("serve", SESAME_TELEGRAM_TOKEN=TOKEN)).startswith("SESAME_SMS is not set: ")
    line = failed(run("serve", SESAME_TELEGRAM_TOKEN=TOKEN, SESAME_SMS="pigeon:"))
    assert line.startswith("SESAME_SMS: ")


@pytest.mark.parametrize("token", ["zebra", "123456", "123456:zeb ra", "bot123456:zebra"])
def test_serve_with_what_is_no_token(run: Run, token: str) -> None:
    line = failed(run("serve", SESAME_TELEGRAM_TOKEN=token, SESAME_SMS="console:"))
    assert line.startswith("SESAME_TELEGRAM_TOKEN does not look like one")
    assert "zeb" not in line


@pytest.fixture
async def telegram() -> AsyncIterator[BotApi]:
    async with BotApi(token=TOKEN) as server:
        yield server


async def _serves(folder: Path, **own: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "serve"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(folder, PYTHONPATH=str(Path(__file__).parents[2]), **own),
        cwd=folder,
    )


async def test_serve_with_a_token_that_telegram_does_not_know(
    tmp_path: Path, database: Path, telegram: BotApi
) -> None:
    own = {"SESAME_TELEGRAM_API_URL": telegram.url, "SESAME_SMS": "console:"}
    own["SESAME_DATABASE_URL"] = f"sqlite+aiosqlite:///{database}"
    running = await _serves(tmp_path, SESAME_TELEGRAM_TOKEN="123456:zebra", **own)
    out, err = await asyncio.wait_for(running.communicate(), 20)
    assert (running.returncode, out) == (1, b"")
    [line] = err.decode().splitlines()
    assert line.startswith("sesame: Telegram does not know SESAME_TELEGRAM_TOKEN: ")
    assert "zebra" not in line


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_serve_until_it_is_told_to_stop(
    tmp_path: Path, database: Path, telegram: BotApi, stop: signal.Signals
) -> None:
    own = {"SESAME_TELEGRAM_API_URL": telegram.url, "SESAME_SMS": "console:"}
    own["SESAME_DATABASE_URL"] = f"sqlite+aiosqlite:///{database}"
    running = await _serves(tmp_path, SESAME_TELEGRAM_TOKEN=TOKEN, **own)
    assert running.stdout
    first = await asyncio.wait_for(running.stdout.readline(), 20)
    assert first.decode().startswith("https://t.me/sesame_test_bot ")
    marie = telegram.person()
    marie.says("/start")
    assert await telegram.until(lambda: len(marie.chat.messages) > 1)
    running.send_signal(stop)
    _, err = await asyncio.wait_for(running.communicate(), 20)
    assert running.returncode == 0
    assert "Traceback" not in err.decode()
    assert TOKEN not in err.decode()


def test_settings_are_not_changed_by_looking(run: Run) -> None:
    """Every command reads the same settings; none writes into the environment."""
    before = dict(os.environ)
    run("status")
    assert dict(os.environ) == before
    assert Settings().secret is not None
