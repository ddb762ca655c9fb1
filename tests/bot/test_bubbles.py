"""`sesame chat` on a terminal: bubbles, a phone beside them, and a password that nobody sees."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len

import locales
from bot.bubbles import Bubbles
from bot.channel import Button, Mark, Reply
from bot.terminal import MASK
from tests.conversations.test_terminal import environment
from tests.helpers.dialogue import PASSWORD

# The terminal becomes the program's own, as in a login: getpass asks it by name.
PROGRAM = """
import os, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # else the background ignores it
os.close(os.open(os.ttyname(0), os.O_RDWR))
runpy.run_module("bot", run_name="__main__", alter_sys=True)
"""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Typist:
    """A person at a terminal of so many columns."""

    def __init__(self, terminal: int, process: subprocess.Popen[bytes]) -> None:
        self.terminal = terminal
        self.process = process
        self.raw = b""
        self._since = 0

    def types(self, line: str) -> None:
        """Type a line, then Enter."""
        self._since = len(self.raw)
        os.write(self.terminal, f"{line}\r".encode())

    def reads(self, *marks: str, prompt: str = "> ") -> str:
        """Read up to the next prompt, and past every mark; return what was shown since."""
        deadline = time.monotonic() + 10
        while True:
            shown = self.shown(self._since)
            words = _plain(re.sub(r"[│╭╮╰╯─]", " ", shown))
            if shown.endswith(prompt) and all(_plain(mark) in words for mark in marks):
                return words
            wait = deadline - time.monotonic()
            ready, _, _ = select.select([self.terminal], [], [], max(wait, 0))
            assert ready, f"{marks} did not come:\n{self.shown(0)}"
            self.raw += os.read(self.terminal, 65536)

    def shown(self, since: int) -> str:
        """What stands on the screen, more or less."""
        return ESCAPES.sub("", self.raw[since:].decode("utf-8", "ignore")).replace("\r", "")

    def leaves(self, key: bytes = b"\x04") -> int:
        """End of the input; or Ctrl-C."""
        os.write(self.terminal, key)
        deadline = time.monotonic() + 10
        while select.select([self.terminal], [], [], 0.02)[0] or self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end:\n{self.shown(0)}"
            if select.select([self.terminal], [], [], 0)[0]:
                self.raw += os.read(self.terminal, 65536)
        return self.process.wait(timeout=10)


def _plain(text: str) -> str:
    """Without what narrow lines do to it."""
    return " ".join(text.split())


@contextmanager
def sits_down(folder: Path, columns: int, *options: str, **own: str) -> Iterator[Typist]:
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    machine = environment(folder, PYTHONPATH=str(Path(__file__).parents[2]), TERM="xterm", **own)
    del machine["COLUMNS"]
    machine.pop("LINES", None)
    try:
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "chat", *options],
            stdin=there,
            stdout=there,
            stderr=there,
            env=machine,
            cwd=folder,
            start_new_session=True,
        ) as process:
            try:
                yield Typist(here, process)
            finally:
                if process.poll() is None:
                    process.kill()
    finally:
        os.close(here)
        os.close(there)


def words(key: str) -> str:
    """The first words of a text, as far as no line of 36 columns parts them from their place."""
    return locales.say(key, "fr").split("\n")[0]


@pytest.mark.parametrize("columns", [40, 100])
def test_a_whole_activation(tmp_path: Path, columns: int) -> None:
    with sits_down(tmp_path, columns, "--lang", "fr") as person:
        shown = person.reads(words("profile.ask"))
        assert "Marie Dupont" in shown  # whom one can play
        assert "1. " + _plain(locales.label("parent", "profile", "fr")) in shown
        person.types("1")
        person.reads(locales.label("activate", "menu", "fr"))
        person.types("1")
        person.reads(words("last_name.ask"))
        person.types("Dupont")
        person.reads(words("first_name.ask"))
        person.types("Marie")
        person.reads(words("phone.ask"))
        person.types("06 12 34 56 78")
        person.reads("06 12 34 56 78")
        person.types("oui")
        shown = person.reads("SMS → +33612345678", words("code.ask").split("{")[0][:20])
        code = re.search(r"(?<!\+)\b[0-9]{6}\b", shown)
        assert code, shown
        person.types(":restart")  # everything is closed and opened: the same question
        person.reads(words("welcome_back"))
        person.types(code[0])
        person.reads(words("code.right"), prompt="🔒 > ")
        for _ in range(2):
            person.types(PASSWORD)
            person.reads(MASK, prompt="> ")
        person.types("1")
        person.reads("Léa", "date de naissance")
        person.types("14/03/2014")
        person.reads(locales.label("activate_now", "recap", "fr"))
        person.types("1")
        person.reads("m.dupont")
        assert person.leaves() == 0
        assert _echoes(person.terminal)
    whole = person.shown(0)
    assert PASSWORD not in whole
    assert PASSWORD.encode() not in person.raw
    assert "Traceback" not in whole
    assert b"\x1b[1A\x1b[2K" in person.raw  # a bubble takes the place of the typed line
    assert max(cell_len(line) for line in whole.splitlines()) <= columns
    bubbles = [line for line in whole.splitlines() if line.startswith("╭─ Sésame ")]
    assert {len(line) for line in bubbles} == {min(60, columns - 4)}
    phone = next(line for line in whole.splitlines() if "SMS → " in line)
    assert len(phone) == columns  # at the right
    assert phone.lstrip(" ").startswith("╭")


def _echoes(terminal: int) -> bool:
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


def test_the_terminals_own_commands(tmp_path: Path) -> None:
    with sits_down(tmp_path, 80, "--lang", "en") as person:
        person.reads(locales.label("parent", "profile", "en"))
        person.types(":nonsense")
        person.reads(":restart", ":wait 31m", ":export FILE")
        person.types("1")
        person.reads(locales.label("activate", "menu", "en"))
        person.types(":wait 25h")
        person.reads("(25h later)")
        person.types(":export talk.txt")
        person.reads("talk.txt written")
        assert person.leaves() == 0
    assert (tmp_path / "talk.txt").read_text("utf-8").count("> 1\n") == 1


@pytest.mark.parametrize("at", ["a question", "the password"])
def test_ctrl_c(tmp_path: Path, at: str) -> None:
    """It ends at once, and what is typed next is seen again."""
    with sits_down(tmp_path, 80, "--lang", "fr") as person:
        person.reads(words("profile.ask"))
        if at == "the password":
            for line in ("parent", "activer", "Dupont", "Marie", "06 12 34 56 78"):
                person.types(line)
                person.reads()
            person.types("oui")
            code = re.search(r"(?<!\+)\b[0-9]{6}\b", person.reads("SMS → +33612345678"))
            assert code
            person.types(code[0])
            person.reads(prompt="🔒 > ")
        assert person.leaves(b"\x03") == 130
        assert _echoes(person.terminal)
        assert "Traceback" not in person.shown(0)


# ---- the screen alone ------------------------------------------------------------------------

REPLY = Reply(
    "Bonjour Marie\n\nQuel est votre nom ?",
    "fr",
    marks=(Mark("strong", 15, 20), Mark("exact", 8, 5)),
    buttons=(Button("Oui", "yes"), Button("Non", "no")),
)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bubbles]:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    here, there = pty.openpty()
    with os.fdopen(there) as stdin, os.fdopen(here):
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr("atexit.register", lambda *_: None)
        yield Bubbles()


def test_a_reply(screen: Bubbles, capsys: pytest.CaptureFixture[str]) -> None:
    screen.reply(REPLY)
    out = capsys.readouterr().out
    plain = ESCAPES.sub("", out).splitlines()
    assert plain[0] == "╭─ Sésame ────────────────────────" + "─╮"
    assert plain[1] == "│ Bonjour Marie                    │"
    assert plain[3] == "│ Quel est votre nom ?             │"
    assert plain[-2:] == ["  1. Oui", "  2. Non"]
    assert "\x1b[1mQuel est votre nom ?" in out  # bold
    assert "\x1b[1;7mMarie" in out  # to be copied


def test_an_sms_is_at_the_right(screen: Bubbles, capsys: pytest.CaptureFixture[str]) -> None:
    screen.sms("+33612345678", "482913 est votre code Sésame, valable 30 minutes.")
    plain = ESCAPES.sub("", capsys.readouterr().out).splitlines()
    assert all(len(line) == 40 and line.startswith("    ") for line in plain)
    assert "SMS → +33612345678" in plain[0]


def test_an_e_mail_is_at_the_right(screen: Bubbles, capsys: pytest.CaptureFixture[str]) -> None:
    screen.email(
        "marie@exemple.example", "Votre code [bold]", "482913 est votre code.\n\nÀ vous.\n"
    )
    plain = ESCAPES.sub("", capsys.readouterr().out).splitlines()
    assert all(len(line) == 40 and line.startswith("    ") for line in plain)
    assert "E-mail → marie@exemple.example" in plain[0]
    inside = [line.strip(" │") for line in plain[1:-1]]
    assert inside == ["Votre code [bold]", "", "482913 est votre code.", "", "À vous."]


def test_a_remark(screen: Bubbles, capsys: pytest.CaptureFixture[str]) -> None:
    screen.note("[bold]not markup[/bold]")
    assert "[bold]not markup[/bold]" in ESCAPES.sub("", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("hidden", "line", "bubble"),
    [
        (False, "Dupont", "│ Dupont │"),
        (True, PASSWORD, f"│ {MASK} │"),
        (False, "[red]x[/red]", "│ [red]x[/red] │"),
        (False, "  ", ""),
        (False, ":restart", ""),
        (True, ":restart", ""),
    ],
)
def test_a_line_becomes_a_bubble(
    screen: Bubbles,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    hidden: bool,
    line: str,
    bubble: str,
) -> None:
    monkeypatch.setattr("builtins.input" if not hidden else "getpass.getpass", lambda _: line)
    assert screen.read(hidden) == line
    out = ESCAPES.sub("", capsys.readouterr().out)
    assert (bubble in out) if bubble else out == ""
    assert PASSWORD not in out
