"""Promises 4 and 5: no password or code anywhere, and no person in the database file alone."""

import asyncio
import base64
import json
import logging
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from flows.states import S
from storage.database import every
from tests.conversations.conftest import Arrive, MeetCore
from tests.conversations.roads import CODE_OF_MARIE
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import SECRET, CoreParent

OTHER = "Lune!Rouge28"
SECRETS = (PASSWORD, "Soleil&Vert28", OTHER, "Faux#Code99")
PEOPLE = (
    *("Dupont", "DUPONT", "Marie", "Léa", "0612345678", "+33612345678", "06 12 34 56 78"),
    *("612345678", "14/03/2014", "2014-03-14", "m.dupont", "dupont"),
)
LONG = (
    *(
        "court",
        "Soleil&Vert28",
        PASSWORD,
        OTHER,
        PASSWORD,
        PASSWORD,
        PASSWORD,
        "[yes]",
        "15/03/2014",
    ),
    *("14/03/2014", "[activate_now]", "[text_me]"),
)


def shapes(secret: str) -> set[bytes]:
    """The forms in which a text leaks (RELIABILITY 4, leak scan)."""
    plain = secret.encode()
    return {
        plain,
        plain.lower(),
        plain.upper(),
        plain[::-1],
        plain.hex().encode(),
        base64.b64encode(plain).rstrip(b"=")[:-1],
        base64.urlsafe_b64encode(plain).rstrip(b"=")[:-1],
        quote(secret).encode(),
        json.dumps(secret)[1:-1].encode(),
        secret.encode("utf-16-le"),
        secret.encode("utf-16-be"),
    }


def found(secrets: tuple[str, ...], where: bytes) -> list[str]:
    return [s for s in secrets if any(shape in where for shape in shapes(s))]


def files(folder: Path) -> bytes:
    """Every byte of every file: the database, its journal, whatever else was written."""
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_the_scan_finds_what_it_looks_for() -> None:
    for shape in shapes(PASSWORD):
        assert found((PASSWORD,), b"..." + shape + b"...") == [PASSWORD]


async def test_no_password_and_no_code_in_any_file_or_log(
    core: Dialogue[CoreParent], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    codes: list[str] = []
    await core.follows(*CODE_OF_MARIE, "Faux#Code99")
    for line in ("(wrong code)", "(wait 1m)", "[resend]", "(code)", *LONG):
        wrong = core.wrong_code()
        await core.does(line)
        codes = [text[:6] for _, text in core.sms.received if text[:6].isdigit()]
        written = files(tmp_path)
        # A code is short: a run of six digits by chance is not one between other digits.
        assert found(SECRETS, written) == [], line
        for code in (*codes, wrong):
            assert f'"{code}'.encode() not in written, line
            assert f" {code}".encode() not in written, line
            assert code.encode("utf-16-le") not in written, line
    assert len(codes) == 2
    asyncio.get_running_loop().set_debug(False)
    logged = "\n".join(
        f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records
    )
    assert found(SECRETS, logged.encode()) == []
    for code in codes:
        assert not re.search(rf"(?<![\w.]){code}(?!\w)", logged)
    assert found(PEOPLE, logged.encode()) == []
    core.hears("done.texted")


async def test_nothing_of_the_password_in_the_stored_conversation(
    core: Dialogue[CoreParent],
) -> None:
    """Opened with the key, too: only the hash is there, and no longer than needed."""
    await core.follows(*CODE_OF_MARIE, "(code)")
    for line in (PASSWORD, PASSWORD, "[yes]", "14/03/2014", "[activate_now]"):
        await core.does(line)
        doors = core.parent.service.doors
        chat = await doors.database.run(
            doors.conversations.load(doors.conversations.key(core.parent.address))
        )
        assert chat is not None
        record = json.dumps(chat.to_dict(), ensure_ascii=False)
        assert found((PASSWORD, core.sms.received[0][1][:6]), record.encode()) == []
        kept = chat.first_digest + chat.digest  # after one entry, after two
        assert kept.startswith("$argon2id$") or line == "[activate_now]"
    assert chat is not None
    assert chat.first_digest + chat.digest == ""
    rows = await doors.database.run(every("SELECT password_hash FROM accounts"))
    assert str(rows[0][0]).startswith("$argon2id$")


async def test_what_was_sent_keeps_no_text(core: Dialogue[CoreParent]) -> None:
    await core.follows(*CODE_OF_MARIE, "(code)", *LONG)
    rows = await core.parent.service.doors.database.run(
        every("SELECT status, body FROM outbox GROUP BY status, body")
    )
    assert rows == [("sent", None)]


async def test_the_database_alone_shows_nobody(core: Dialogue[CoreParent], tmp_path: Path) -> None:
    await core.follows(*CODE_OF_MARIE, "(code)", *LONG)
    written = files(tmp_path)
    assert len(written) > 50_000
    assert found(PEOPLE, written) == []
    assert found((SECRET,), written) == []
    assert b"marie" not in written  # nor the channel's name for the chat


async def test_erased_is_erased(core: Dialogue[CoreParent], tmp_path: Path) -> None:
    """What a sealed record said cannot be opened any more: it is overwritten."""
    await core.follows(*CODE_OF_MARIE)
    doors = core.parent.service.doors
    key = doors.conversations.key(core.parent.address)
    (before,) = (await doors.database.run(every("SELECT record FROM chats")))[0]
    await core.follows("/effacer", "[erase_all]")
    chat = await doors.database.run(doors.conversations.load(key))
    assert chat is not None
    assert (chat.last, chat.first, chat.phone, chat.pending) == ("", "", "", ())
    await core.parent.bot.closes()  # the journal goes into the file
    assert before not in files(tmp_path)


async def test_an_error_of_ours_logs_no_message(
    meet_core: MeetCore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where our own code fails on what was typed, the log says where, not what."""
    caplog.set_level(logging.DEBUG)
    parent = await meet_core()
    await parent.follows(*CODE_OF_MARIE, "(code)")

    def fails(password: object) -> str:
        raise RuntimeError(f"cannot hash {PASSWORD}")

    monkeypatch.setattr("bot.engine.hash_password", fails)
    await parent.follows(PASSWORD)
    parent.hears("error.internal")
    assert found((PASSWORD,), caplog.text.encode()) == []
    assert "RuntimeError" in caplog.text
    monkeypatch.undo()
    await parent.follows(PASSWORD, PASSWORD)  # nothing is lost
    parent.hears("child.ask")


async def test_a_failed_turn_still_erases_the_password(
    meet_core: MeetCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T9: a password in the chat is deleted whatever happens to the turn."""
    parent = await meet_core()
    await parent.follows(*CODE_OF_MARIE, "(code)")

    def fails(password: object) -> str:
        raise RuntimeError

    monkeypatch.setattr("bot.engine.hash_password", fails)
    await parent.follows(PASSWORD)
    assert len(parent.parent.erased) == 1


@pytest.mark.parametrize("state", [S.LAST_NAME, S.MENU, S.BIRTHDATE, S.DONE])
async def test_a_password_typed_anywhere_leaves_the_chat(arrive: Arrive, state: S) -> None:
    """T9: also where none was asked for; an ordinary answer stays."""
    parent = await arrive(state)
    before = len(parent.parent.erased)
    await parent.follows(PASSWORD)
    assert len(parent.parent.erased) == before + 1
    await parent.follows("Jean-Pierre")
    assert len(parent.parent.erased) == before + 1
    await parent.follows(f"mon mot de passe est {PASSWORD} merci")
    assert len(parent.parent.erased) == before + 2
