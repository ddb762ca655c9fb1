"""`sesame chat` as a person and as a program meet it."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import locales
from bot.channel import Reply
from bot.terminal import MASK, Pipe, Terminal, numbered
from tests.conversations.roads import MARIE, everybody
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import SECRET, test_settings
from tests.helpers.terminal import TerminalParent, terminal_parent

SMS = re.compile(r"^SMS to (\+33[0-9]+): ([0-9]{6}) ", re.MULTILINE)
UNSET = ("SESAME_", "LANG", "LC_")


def environment(folder: Path, **own: str) -> dict[str, str]:
    """What the machine says about nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(UNSET)}
    return {**kept, "PYTHONIOENCODING": "utf-8", "HOME": str(folder), "COLUMNS": "80", **own}


def sesame(
    folder: Path, *options: str, lines: tuple[str, ...] = (), **own: str
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end on these lines."""
    return subprocess.run(
        [sys.executable, "-m", "bot", "chat", *options],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        encoding="utf-8",
        env=environment(folder, PYTHONPATH=str(Path(__file__).parents[2]), **own),
        cwd=folder,
        timeout=30,
        check=False,
    )


class Running:
    """A program on two pipes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.shown = ""

    def says(self, *lines: str) -> None:
        """Type lines."""
        assert self.process.stdin
        self.process.stdin.write("".join(f"{line}\n" for line in lines))
        self.process.stdin.flush()

    def reads_until(self, pattern: str) -> re.Match[str]:
        """Read up to a line that matches, and say what matched."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.shown += line
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern} did not come:\n{self.shown}")

    def ends(self) -> int:
        """End of the input: the program ends."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.shown += self.process.stdout.read()
        return self.process.wait(timeout=30)


@contextmanager
def running(folder: Path, *options: str, **own: str) -> Iterator[Running]:
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "chat", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=environment(folder, PYTHONPATH=str(Path(__file__).parents[2]), **own),
        cwd=folder,
    ) as process:
        yield Running(process)
        if process.poll() is None:
            process.kill()


# ---- the program -----------------------------------------------------------------------------


def test_the_whole_conversation_on_a_pipe(tmp_path: Path) -> None:
    """Buttons by number and by words, the SMS on its line, no password back, status 0."""
    with running(tmp_path, "--lang", "fr") as run:
        run.says("1", "Activer mon compte", *MARIE, "oui")
        sms = run.reads_until(r"^SMS to (\+33612345678): ([0-9]{6}) est votre code")
        run.says(":wait 2m", sms[2], PASSWORD, PASSWORD, "1", "14/03/2014", ":restart", "activer")
        run.reads_until(r"identifiant : m\.dupont|m\.dupont")
        assert run.ends() == 0
    assert "\x1b" not in run.shown
    assert "\r" not in run.shown
    assert PASSWORD not in run.shown
    assert locales.say("done.ask", "fr", {"identifier": "m.dupont"}) in run.shown
    assert "Traceback" not in run.shown
    assert "  1. Oui\n  2. Non\n" in run.shown


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_language_and_end_of_input(tmp_path: Path, lang: str) -> None:
    ended = sesame(tmp_path, "--lang", lang)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert locales.say("welcome", lang) in ended.stdout
    assert locales.say("profile.ask", lang) in ended.stdout
    assert "\x1b" not in ended.stdout


@pytest.mark.parametrize(
    ("machine", "lang"), [("en_GB.UTF-8", "en"), ("fr_FR.UTF-8", "fr"), ("C", "fr")]
)
def test_the_machines_language(tmp_path: Path, machine: str, lang: str) -> None:
    """By its name, whether or not it is installed there."""
    ended = sesame(tmp_path, LC_ALL=machine)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert locales.say("welcome", lang) in ended.stdout


def test_a_line_without_its_end_is_a_message(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "bot", "chat", "--lang", "fr"],
        input="parent",
        capture_output=True,
        encoding="utf-8",
        env=environment(tmp_path, PYTHONPATH=str(Path(__file__).parents[2])),
        cwd=tmp_path,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 0
    assert locales.say("menu.ask", "fr") in ended.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SESAME_DATABASE_URL", "mysql://nowhere"),
        ("SESAME_SECRET", "short"),
        ("SESAME_TIMEZONE", "Mars/Olympus"),
        ("SESAME_CODE_VALIDITY", "soon"),
        ("SESAME_SMS", "pigeon:"),
        ("SESAME_DATABASE_URL", "sqlite+aiosqlite:////proc/nowhere/sesame.sqlite3"),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path: Path, name: str, value: str) -> None:
    setting: dict[str, Any] = {name: value}
    ended = sesame(tmp_path, "--lang", "fr", **setting)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("sesame: ")
    assert name in line or value.removeprefix("sqlite+aiosqlite:///").startswith(
        line.removeprefix("sesame: ").split(" ")[0].rstrip("/")
    )
    assert "short" not in line  # a secret is not shown back


def test_a_wrong_option_is_bad_usage(tmp_path: Path) -> None:
    ended = sesame(tmp_path, "--lang", "de")
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_a_database_of_ones_own(tmp_path: Path) -> None:
    """Progress outlives the program; its own register is used; nothing fictional is shown."""
    own = {
        "SESAME_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'own' / 'sesame.sqlite3'}",
        "SESAME_SECRET": SECRET,
    }
    first = sesame(tmp_path, "--lang", "en", lines=("1", "1", "Dupont"), **own)
    assert first.returncode == 0
    assert "06 12 34 56 78   Léa" not in first.stdout
    second = sesame(tmp_path, "--lang", "en", lines=("Marie",), **own)
    assert second.returncode == 0
    assert locales.say("welcome_back", "en") in second.stdout
    assert second.stdout.index(locales.say("first_name.ask", "en")) < second.stdout.index(
        locales.say("phone.ask", "en")
    )
    assert locales.say("welcome", "en") not in second.stdout
    assert (tmp_path / "own" / "sesame.sqlite3").stat().st_mode & 0o77 == 0


def test_another_secret_is_one_line(tmp_path: Path) -> None:
    own = {"SESAME_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'sesame.sqlite3'}"}
    assert sesame(tmp_path, lines=("1",), SESAME_SECRET=SECRET, **own).returncode == 0
    ended = sesame(tmp_path, lines=("1",), SESAME_SECRET=SECRET[::-1], **own)
    assert ended.returncode in (0, 1)
    assert "Traceback" not in ended.stderr + ended.stdout
    if ended.returncode:
        assert len(ended.stderr.splitlines()) == 1


def test_sms_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "sms.jsonl"
    ended = sesame(
        tmp_path, "--lang", "fr", lines=("1", "1", *MARIE, "oui"), SESAME_SMS=f"file:{file}"
    )
    assert ended.returncode == 0
    assert "SMS to" not in ended.stdout
    assert file.read_text("utf-8").startswith('{"to": "+33612345678", "text": "')


# ---- the session, in this process ------------------------------------------------------------


@pytest.fixture
async def here(tmp_path: Path, lang: str) -> AsyncIterator[Dialogue[TerminalParent]]:
    async with terminal_parent(tmp_path / "t.sqlite3", everybody(), lang=lang) as parent:
        yield Dialogue(parent, lang)


async def test_commands_of_the_terminal(
    here: Dialogue[TerminalParent], tmp_path: Path, lang: str
) -> None:
    screen, file = here.parent.screen, tmp_path / "talk.txt"
    await here.follows("(comes)", "[parent]", "[activate]", *MARIE, "[yes]")
    await here.parent.types(":wait 31m")
    assert "31m" in screen.notes[0]
    await here.follows("(code)")
    here.hears("code.expired")
    await here.parent.types(":restart")
    here.hears("welcome_back", "code.ask")
    for line in (":nonsense", ":", ":wait", ":wait soon", ":wait 31m x", ":export"):
        await here.parent.types(line)
        assert screen.notes, line
        assert here.reads == "", line
    await here.follows("[resend]", "(code)", "court", PASSWORD, PASSWORD, "[yes]", "14/03/2014")
    await here.parent.types(f":export {file}")
    assert str(file) in screen.notes[0]
    written = file.read_text("utf-8")
    assert PASSWORD not in written
    assert "court" not in written
    for _, text in here.sms.received:
        assert text[:6] not in written
    assert f"> {MASK}" in written
    assert locales.say("code.right", lang) in written


async def test_codes_are_masked_however_they_are_typed(
    here: Dialogue[TerminalParent], tmp_path: Path
) -> None:
    await here.follows(
        "(comes)", "[parent]", "[activate]", *MARIE, "[yes]", "(wait 1m)", "[resend]"
    )
    code = here.sms.last_code
    await here.says(f"{code[:3]} {code[3:]}")
    await here.says(":export nowhere/at/all")  # the password's prompt: not a command
    file = tmp_path / "talk.txt"
    await here.follows(PASSWORD, PASSWORD)
    await here.parent.types(f":export {file}")
    written = file.read_text("utf-8")
    for spaced in (code, f"{code[:3]} {code[3:]}", f"{code[:3]}-{code[3:]}"):
        assert spaced not in written


async def test_a_password_is_typed_unseen(here: Dialogue[TerminalParent]) -> None:
    screen = here.parent.screen
    await here.follows("(comes)", "[parent]", "[activate]", *MARIE, "[yes]")
    await here.follows("(code)")
    assert not screen.hidden
    for line in ("court", PASSWORD, PASSWORD):
        await here.follows(line)
        assert screen.hidden
        assert PASSWORD not in here.reads
    await here.follows("oui 14/03/2014")
    assert not screen.hidden


async def test_a_password_typed_for_the_code_is_not_exported(
    here: Dialogue[TerminalParent], tmp_path: Path
) -> None:
    file = tmp_path / "talk.txt"
    await here.follows("(comes)", "[parent]", "[activate]", *MARIE, "[yes]", PASSWORD)
    here.hears("refused.code_is_password")
    await here.parent.types(f":export {file}")
    assert PASSWORD not in file.read_text("utf-8")


async def test_restart_and_wait_at_the_password(here: Dialogue[TerminalParent]) -> None:
    """Neither can be a password (no capital letter): the terminal's commands work here too."""
    await here.follows("(comes)", "[parent]", "[activate]", *MARIE, "[yes]", "(code)")
    await here.parent.types(":restart")
    here.hears("welcome_back", "password.ask")
    here.does_not_hear("refused.password_rules")
    await here.parent.types(":wait 31m")
    await here.follows(PASSWORD)
    here.hears("password.prove_again")


async def test_empty_lines_are_nothing(here: Dialogue[TerminalParent]) -> None:
    await here.follows("(comes)")
    for line in ("", "   ", "\t"):
        await here.parent.types(line)
        assert here.reads == ""


async def test_the_end_of_the_input(here: Dialogue[TerminalParent]) -> None:
    await here.follows("(comes)")
    assert not await here.parent.session.one_line()


def test_a_pipe_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    reply = Reply("Hello", "en", buttons=())
    terminal = Terminal(Pipe())
    terminal.screen.reply(reply)
    terminal.show_sms("+33698765432", "123456 is your code")
    assert capsys.readouterr().out == "Hello\n\nSMS to +33698765432: 123456 is your code\n\n"
    assert numbered(reply) == []
    assert "123456" not in "\n".join(terminal.transcript.lines)


def test_an_e_mail_on_a_pipe_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """Its subject on a line, its text below, and its code masked in the transcript."""
    terminal = Terminal(Pipe())
    terminal.show_email("a@b.example", "Your code", "123456 is your code.\n\nType it here.\n")
    shown = "E-mail to a@b.example: Your code\n  123456 is your code.\n\n  Type it here.\n\n"
    assert capsys.readouterr().out == shown
    terminal.transcript.heard("123456", hidden=False)
    assert terminal.transcript.lines == [*shown.replace("123456", MASK).splitlines(), f"> {MASK}"]


def test_settings_of_tests_owe_nothing_to_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESAME_CONTACT", "elsewhere")
    assert test_settings(tmp_path / "x", contact="here").contact == "here"
