"""Promises 4 and 5 after a thousand conversations: every byte that was written is searched."""

import asyncio
import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import pytest

from tests.conversations.test_secrets import files, found
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import CoreParent, core_parent
from tests.helpers.school import School
from tests.helpers.terminal import terminal_parent

PARENTS = 1_000
AT_ONCE = 50

# What is secret bears a mark, so that one search finds whosever it is.
TIMES = ("created", "msecs", "relativeCreated")  # of a log record
CODES = tuple(f"73915{digit}" for digit in range(10))
PASSWORD = "Qz7&mark-{n}xW"
MARKS = ("Qz7&mark", "zQVX", "+336987", "06 98 7", "17/11/2013", "2013-11-17")


def name(n: int) -> str:
    """A last name with the mark, in letters alone."""
    return "zQVX" + "".join("abcdefghij"[int(digit)] for digit in f"{n:04d}")


def mobile(n: int) -> str:
    return f"06 98 7{n // 1000} {n // 10 % 100:02d} {n % 10}0"


def thousand() -> School:
    school = School()
    for n in range(PARENTS):
        school.knows(
            f"Anne {name(n).upper()}", mobile(n), {f"Ulysse {name(n).upper()}": "17/11/2013"}
        )
    return school


def lines(n: int) -> tuple[str, ...]:
    """What the n-th parent says: a few hundred of each kind of slip."""
    password, other = PASSWORD.format(n=n), PASSWORD.format(n=f"{n}!")
    slips: tuple[tuple[str, ...], ...] = (
        (),
        (password,),  # for the code
        ("(wrong code)", f"le code est {password}"),
        ("[nothing_arrives]", "[back]"),
    )
    again: tuple[tuple[str, ...], ...] = (
        (password, password),
        (password.lower(), password, password),  # refused by the rules
        (password, other, password, password),  # two that differ
        (f"{password} ", password, password),  # ends with a space
    )
    return (
        *("(comes)", "[parent]", "[activate]", name(n), "Anne", mobile(n), "[yes]"),
        *(*slips[n % 4], "(code)", *again[n // 4 % 4]),
        *("[yes]", *(("12/11/2013",) if n % 3 == 0 else ()), "17/11/2013", "[activate_now]"),
        *(("[text_me]",) if n % 5 == 0 else ()),
    )


def own_code(anybody: CoreParent, n: int) -> str:
    """The code on the n-th parent's phone; all phones are one in these tests."""
    number = f"+33{mobile(n).replace(' ', '')[1:]}"
    return next(text[:6] for to, text in reversed(anybody.sms.received) if to == number)


@contextmanager
def everything_logged(path: Path) -> Iterator[None]:
    """The root logger at DEBUG, with all that a record carries, tracebacks and locals included."""

    class Whole(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # Without the times: "relativeCreated", in milliseconds, looks like one of our codes
            # when the tests have run for so long.
            known = {name: one for name, one in vars(record).items() if name not in TIMES}
            print(known, record.getMessage(), file=log)
            if record.exc_info and record.exc_info[1]:
                trace = traceback.TracebackException.from_exception
                log.writelines(trace(record.exc_info[1], capture_locals=True).format())

    root, handler = logging.getLogger(), Whole()
    before = root.level
    with path.open("w", encoding="utf-8", errors="surrogatepass", buffering=1) as log:
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(before)


def codes_in(written: bytes) -> set[bytes]:
    """Marked codes that stand alone: digits and letters around are something else."""
    return set(re.findall(rb"(?<![\w.])73915[0-9](?!\w)", written)) | {
        code for code in (code.encode("utf-16-le") for code in CODES) if code in written
    }


def test_the_search_finds_what_it_looks_for() -> None:
    for n in (0, 7, 999):
        said = "\n".join((name(n), mobile(n), PASSWORD.format(n=n), "17/11/2013"))
        assert found(MARKS, said.encode())
        for secret in said.splitlines():
            assert found(MARKS, f"({secret})".encode()), secret
    assert codes_in(b'{"code": "739153"}') == {b"739153"}


async def test_a_thousand_conversations_leave_nothing_to_read(tmp_path: Path) -> None:
    codes = cycle(CODES)
    folder = tmp_path / "bot"
    folder.mkdir()
    with everything_logged(folder / "log"):
        async with core_parent(
            folder / "sesame.sqlite3",
            thousand(),
            make_code=lambda: next(codes),
            codes_in_all="9999/1m",  # a thousand parents in one minute are no attack here
            codes_per_prefix="9999/1h",
            codes_per_day=9999,
        ) as first:
            service, finished = first.service, 0
            for start in range(0, PARENTS, AT_ONCE):

                async def talk(n: int) -> bool:
                    parent = Dialogue(first.beside(f"parent {n}"), "fr")
                    for line in lines(n):
                        await parent.does(own_code(first, n) if line == "(code)" else line)
                    parent.hears("done.texted" if n % 5 == 0 else "done.ask")
                    return True

                finished += sum(
                    await asyncio.gather(*(talk(n) for n in range(start, start + AT_ONCE)))
                )
                if start % 500 == 0:  # in the middle of things, the journal full
                    written = files(folder)
                    assert found(MARKS, written) == [], start
                    assert codes_in(written) == set(), start
            await service.delivery.settle()
        assert finished == PARENTS
    written = files(folder)
    assert len(written) > 5_000_000
    assert found(MARKS, written) == []
    assert codes_in(written) == set()


@pytest.mark.parametrize("fault", ["hash_password", "is_password"])
async def test_our_own_mistakes_leave_nothing_to_read(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error whose text is the secret itself."""
    folder = tmp_path / "bot"
    folder.mkdir()

    def fails(password: object, *_: object) -> str:
        raise ValueError(f"{password!r} {password.reveal()}")  # type: ignore[attr-defined]

    with everything_logged(folder / "log"):
        async with core_parent(
            folder / "sesame.sqlite3", thousand(), make_code=lambda: CODES[0]
        ) as parent:
            dialogue = Dialogue(parent, "fr")
            with monkeypatch.context() as patch:
                patch.setattr(f"bot.engine.{fault}", fails)
                said = PASSWORD.format(n=0)
                await dialogue.follows(*lines(0)[:7], "(code)", said)
                if fault == "is_password":
                    await dialogue.follows(said)
                dialogue.hears("error.internal")
            assert "ValueError" in (folder / "log").read_text("utf-8")
    assert found(MARKS, files(folder)) == []
    assert codes_in(files(folder)) == set()


async def test_a_transcript_that_is_kept_leaves_nothing_to_read(tmp_path: Path) -> None:
    """`:export` of the terminal; names and numbers stay in it, what opens an account does not."""
    async with terminal_parent(
        tmp_path / "sesame.sqlite3", thousand(), lang="fr", make_code=lambda: CODES[3]
    ) as parent:
        dialogue = Dialogue(parent, "fr")
        await dialogue.follows(*lines(2))
        dialogue.hears("done.ask")
        export = tmp_path / "export.txt"
        await parent.says(f":export {export}")
        written = export.read_bytes()
    assert name(2).encode() in written
    assert found(MARKS[:1], written) == []
    assert codes_in(written) == set()
