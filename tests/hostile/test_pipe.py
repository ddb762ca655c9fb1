"""The terminal's other end: any bytes through the pipe of `sesame chat` (RELIABILITY 6)."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from locales import LANGUAGES, say
from tests.hostile.strings import STRINGS

ROOT = Path(__file__).parents[2]


def chat(given: bytes, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the whole program on these bytes."""
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "bot", "chat", "--lang", "en"],
        input=given,
        capture_output=True,
        env=home | environment,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )


def hostile_lines() -> dict[str, bytes]:
    """Lines that are no text, or not in the terminal's encoding, and all the naughty strings."""
    dice = random.Random(6)
    noise = bytes(dice.randrange(256) for _ in range(20_000)).replace(b"\n:", b"\n")
    strings = "\n".join(text for text in STRINGS if not text.startswith(":") and len(text) < 5000)
    return {
        "not UTF-8": b"\xff\xfe\xfa\n\xc3\n\x80\x80\nDupont\xe9\n",
        "NUL": b"\0\n\0\0\0\nDu\0pont\n",
        "noise": noise,
        "strings": strings.encode("utf-8", "surrogatepass"),
        "one long line": b"a" * 1_000_000,
        "no line at all": b"",
        "only lines": b"\n" * 500,
        "carriage returns": b"\r\r\r\rparent\r",
        "terminal codes": b"\x1b[2J\x1b]0;x\x07\x1b[31m\n",
        "our commands, misused": b":\n:wait\n:wait x\n:wait 99999999d\n:export\n:export /\n:x\n",
    }


LINES = hostile_lines()


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [*((kind, "utf-8") for kind in LINES), ("not UTF-8", "ascii"), ("noise", "latin-1")],
)
def test_any_bytes_and_then_a_good_line(tmp_path: Path, kind: str, encoding: str) -> None:
    """No traceback, status 0, and the next good line is answered, in whatever encoding."""
    ended = chat(LINES[kind] + b"\n/language\n", tmp_path, PYTHONIOENCODING=encoding)
    assert ended.stderr == b""
    assert ended.returncode == 0
    shown = ended.stdout.decode(encoding)
    assert "Traceback" not in shown
    assert not set(shown) & set("\x1b\x07\0")
    problem = say("error.internal", "en").partition(".")[0]
    assert problem not in shown
    assert any(say("language.done", lang)[:8] in shown[-1500:] for lang in LANGUAGES)
