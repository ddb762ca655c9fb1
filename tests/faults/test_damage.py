"""Bytes of the database file that are flipped: no account by mistake, nothing made anew.

SQLite notices damage to its own structure, the vault damage to what is sealed; either way the
update is not taken, or it is and the conversation goes on. Once the file is restored from a copy
everything is there.
"""

import random
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

import locales
from bot.doctor import examine
from flows.states import S
from storage.database import StorageError
from storage.place import connect
from storage.vault import VaultError
from tests.conversations.conftest import Arrive, arrive
from tests.faults.core import CoreWay
from tests.faults.way import NEXT, Way
from tests.helpers.parent import test_settings
from tests.helpers.school import a_school
from tests.telegram.chat_driver import telegram_parent

__all__ = ["arrive"]

STATES = [state for state in NEXT if state not in (S.START, S.DONE)]
SEEDS = [range(8), pytest.param(range(8, 100), marks=pytest.mark.long)]
PAGE = 4096


def damage(path: Path, seed: int) -> None:
    """Flip some bits in one page, in its head or anywhere."""
    dice = random.Random(seed)
    content = bytearray(path.read_bytes())
    page = dice.randrange(len(content) // PAGE) * PAGE
    for _ in range(dice.choice((1, 8, 64))):
        content[page + dice.randrange(dice.choice((16, 100, PAGE)))] ^= dice.randrange(1, 256)
    path.write_bytes(content)


@pytest.mark.parametrize("lang", ["fr"])
@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("state", STATES)
async def test_flipped_bytes(arrive: Arrive, state: S, seeds: range, tmp_path: Path) -> None:
    path = tmp_path / "sesame.sqlite3"
    for seed in seeds:
        way = CoreWay(await arrive(state))
        bot = way.parent.bot
        await bot.closes()
        whole = path.read_bytes()
        damage(path, seed)
        size = path.stat().st_size
        update = way.update(state)
        with suppress(StorageError, VaultError):
            await bot.opens()
            await way.parent.service.engine.take(update)
        await bot.closes()
        assert path.stat().st_size >= size, f"seed {seed}: it was made anew"
        assert _accounts(path) in (None, 0, state is S.RECAP), f"seed {seed}"
        path.write_bytes(whole)
        await bot.opens()
        way.parent.replies.clear()
        await way.takes(update)
        assert await way.state() is NEXT[state]
        way.dialogue.is_asked(NEXT[state])
        await bot.closes()


def _accounts(path: Path) -> int | None:
    """How many there are; None where nobody can say."""
    connection = sqlite3.connect(path)
    try:
        if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            return None
        return int(connection.execute("SELECT count(*) FROM accounts").fetchone()[0])
    except sqlite3.DatabaseError:
        return None
    finally:
        connection.close()


def _break_table(path: Path, table: str) -> None:
    connection = sqlite3.connect(path)
    query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
    [root] = connection.execute(query, (table,)).fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    content[(root - 1) * PAGE : root * PAGE] = b"\xff" * PAGE
    path.write_bytes(content)


@pytest.mark.parametrize("lang", ["fr", "en"])
@pytest.mark.parametrize("table", ["chats", "updates"])
async def test_the_parent_and_the_operator_are_told(
    tmp_path: Path,
    lang: str,
    table: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It goes on refusing, and goes on by itself when a copy is restored."""
    monkeypatch.setattr("bot.telegram.updates.TELL_AFTER", 0.2)
    path = tmp_path / "sesame.sqlite3"
    async with telegram_parent(path, a_school(), lang=lang) as marie:
        way = Way(marie, lang)
        await way.goes_to(S.LAST_NAME)
        await marie.bot.closes()
        whole = path.read_bytes()
        _break_table(path, table)
        await marie.bot.opens()
        way.act(S.LAST_NAME)
        await way.is_told_once("error.down")
        assert len(marie.bot.server.pending) == 1
        await marie.bot.closes()
        await examine(test_settings(path), lang)
        damaged = "The database file is damaged: restore it from a backup."
        assert f"✗ {locales.translated(damaged, lang)}" in capsys.readouterr().out
        path.write_bytes(whole)
        await marie.bot.opens()
        await marie.bot.settles()
        way.dialogue.is_asked(S.FIRST_NAME)
        await way.ends_well()


@pytest.mark.parametrize(
    ("at", "new"), [(0, b"X"), (16, b"\x03"), (60, b"\0\0\0\0"), (60, b"\0\0\1\0"), (100, b"\xff")]
)
async def test_a_damaged_head_is_refused_in_one_line(tmp_path: Path, at: int, new: bytes) -> None:
    """Also where it says that there is no schema yet: nothing is made over what is there."""
    path = tmp_path / "sesame.sqlite3"
    await a_school().fills_file(path, test_settings(path))
    content = bytearray(path.read_bytes())
    content[at : at + len(new)] = new
    path.write_bytes(content)
    with pytest.raises(StorageError) as refused:
        await connect(path)
    assert "\n" not in str(refused.value)
    assert path.read_bytes()[PAGE:] == content[PAGE:]
