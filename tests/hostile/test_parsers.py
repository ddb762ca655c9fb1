"""Every parser under generated input: it answers or refuses in its own words (RELIABILITY 4, Fuzz).

Which parser is fuzzed where:

    names, phones, codes, dates, passwords, text   tests/flows (hypothesis on `any_text`)
    letters, identifiers, e-mail, schools          tests/flows, too
    contact cards, stored records, settings, .env  here
    updates and buttons of Telegram                tests/hostile/test_updates.py
    lines of a terminal                            tests/hostile/test_pipe.py
    import files: any bytes                        tests/storage/test_import_hostile.py
    import files: changed real ones                here
"""

import json
import string
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.channel import Reply, said
from bot.settings import BadSetting, Settings, read_desks
from flows.chat import Chat
from flows.questions.phone import Kind, area, classify, read_contact
from flows.refusals import Refused
from flows.secret import Secret
from flows.states import S
from storage.conversations import Address
from storage.database import every
from storage.importing.load import load
from storage.importing.records import RefusedFile
from storage.importing.staging import Unwatched
from storage.place import open_database
from storage.vault import Vault
from tests.flows.hostile import any_text
from tests.flows.samples import a_chat
from tests.storage import exports
from tests.storage.test_import_hostile import (
    AAF_GUARDIANS,
    AAF_PUPILS,
    GUARDIANS,
    ONDE_GUARDIANS,
    ONDE_PUPILS,
    OUR_ROWS,
    PUPILS,
)

# ---- contact cards ---------------------------------------------------------------------------

cards = any_text | st.from_regex(r"\+?[0-9]{0,20}[;x ]?[0-9]{0,4}", fullmatch=True)


@given(cards)
def test_a_card_is_a_mobile_or_refused(card: str) -> None:
    number = read_contact(card)
    assert isinstance(number, Refused) or number == f"+{card.removeprefix('+')}"
    if isinstance(number, str):
        assert classify(number)[1] is Kind.MOBILE
        assert area(number)
        assert read_contact(number) == number


@given(cards | st.from_regex(r"\+[0-9]{1,15}", fullmatch=True))
def test_every_number_has_an_area_or_none(card: str) -> None:
    assert len(area(card)) in (0, 2, 3)
    assert area(card).isascii()


# ---- what a channel hears --------------------------------------------------------------------


@given(any_text)
def test_whatever_is_typed_is_heard_clean(text: str) -> None:
    heard = said(text)
    (heard.text + heard.exact).encode()
    assert len(heard.text) <= 4096
    assert heard.text == " ".join(heard.text.split())
    assert said(heard.text).text == heard.text


# ---- stored records --------------------------------------------------------------------------

times = st.none() | st.datetimes(timezones=st.just(UTC))
sound = any_text.map(lambda text: said(text).text)


@given(
    st.sampled_from(S),
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("last", "first", "phone", "digest", "identifier"), sound),
            **dict.fromkeys(("login", "new_phone", "new_email", "email", "child_school"), sound),
            **dict.fromkeys(("notice", "notice_about", "notice_child", "home", "goal"), sound),
            **dict.fromkeys(("letter", "reminded", "muted", "dated", "away"), st.booleans()),
            **dict.fromkeys(("code_sent_at", "proved_at", "locked_until", "seen_at"), times),
            "reopen_until": times,
            **dict.fromkeys(("asked", "misses", "burnt", "locks"), st.integers(0, 2**31)),
            "pending": st.lists(sound, max_size=2).map(tuple),
            "pressed": st.none() | st.tuples(st.integers(0, 99), sound),
            "pending_date": st.none() | st.dates(),
            "guardians": st.lists(st.integers(1, 2**40)).map(tuple),
            "lang": st.sampled_from((None, "fr", "en")),
        },
    ),
)
def test_a_record_reads_back(state: S, values: dict[str, Any]) -> None:
    chat = a_chat(state, **values)
    stored = json.loads(json.dumps(chat.to_dict()))
    assert Chat.from_dict(stored) == chat


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | any_text, lambda i: st.lists(i, max_size=3)
)


@given(st.data())
def test_a_damaged_record_is_an_error_and_never_another_conversation(data: st.DataObject) -> None:
    """It cannot be altered outside (AES-GCM); should it ever be, nothing is guessed."""
    record = a_chat(S.CODE).to_dict()
    name = data.draw(st.sampled_from(sorted(record)))
    if data.draw(st.booleans()):
        del record[name]
    else:
        record[name] = data.draw(junk)
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        chat = Chat.from_dict(record)
        assert isinstance(chat.state, S)
        if name != "state":
            assert chat.state is S.CODE


@given(any_text, st.lists(st.tuples(sound, sound), max_size=3))
def test_a_reply_reads_back(text: str, buttons: list[tuple[str, str]]) -> None:
    reply = Reply.from_dict(
        {
            **Reply(text, "fr").to_dict(),
            "buttons": [{"label": label, "choice": choice} for label, choice in buttons],
        }
    )
    assert Reply.from_dict(json.loads(json.dumps(reply.to_dict()))) == reply


# ---- settings --------------------------------------------------------------------------------

NAMES = sorted(Settings.model_fields)
values = (
    any_text
    | st.text(string.digits + "smhd/ .-:", max_size=30)
    | st.sampled_from(
        (
            "1e5",
            "0x10",
            "٣m",
            "1m" * 999,
            "9" * 5000,
            "-1",
            "NaN",
            "true",
            "telegram:1",
            "1/1s 2/2s",
        )
    )
)


@settings(max_examples=500)
@given(st.dictionaries(st.sampled_from(NAMES), values, min_size=1, max_size=3))
def test_any_setting_is_taken_or_named(own: dict[str, str]) -> None:
    try:
        taken = Settings.model_validate(own)
    except ValidationError:
        return  # `read_settings` says which one in one line
    except BadSetting as wrong:
        taken, said_so = None, str(wrong)
    if taken is None:
        assert said_so.startswith("SESAME_")
        assert "\n" not in said_so
        return
    policy = taken.policy
    assert policy.resend_waits[-1] <= policy.code_validity
    assert policy.keep_unproved <= policy.keep_idle
    assert all(limit > 0 and length for length, limit in policy.codes_per_number)


@given(any_text)
def test_desks_are_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        for desk in read_desks(text):
            assert isinstance(desk, Address)
            assert desk.channel
            assert desk.place


# ---- import files ----------------------------------------------------------------------------

FILES: dict[str, list[bytes]] = {
    "SIECLE": [PUPILS, GUARDIANS],
    "ONDE": [ONDE_PUPILS, ONDE_GUARDIANS],
    "AAF": [AAF_PUPILS, AAF_GUARDIANS],
    "our own": [exports.table(list(OUR_ROWS)).encode()],
}


@st.composite
def changed(draw: Callable[..., Any]) -> tuple[str, list[bytes]]:
    """The files of a real export, cut, doubled, swapped or written over in a few places."""
    kind = draw(st.sampled_from(sorted(FILES)))
    files = [bytearray(content) for content in FILES[kind]]
    for _ in range(draw(st.integers(1, 5))):
        file = draw(st.sampled_from(files))
        at = draw(st.integers(0, len(file)))
        length = draw(st.integers(0, 40))
        match draw(st.sampled_from(("cut", "end", "double", "bytes", "text"))):
            case "cut":
                del file[at : at + length]
            case "end":
                del file[at:]
            case "double":
                file[at:at] = file[at : at + length]
            case "bytes":
                file[at : at + length] = draw(st.binary(max_size=20))
            case _:
                file[at:at] = draw(any_text).encode("utf-8", "surrogatepass")
    return kind, [bytes(file) for file in files]


@pytest.mark.parametrize(
    "examples", [100, pytest.param(20_000, marks=pytest.mark.long)], ids="{} exports".format
)
async def test_a_changed_export_is_read_or_refused(examples: int) -> None:
    """All or nothing: what is refused leaves no trace, what is read is sound."""
    tried: list[tuple[str, list[bytes]]] = []

    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(changed())
    def gather(export: tuple[str, list[bytes]]) -> None:
        tried.append(export)

    gather()
    for kind, files in tried:
        async with open_database(":memory:") as database:
            with TemporaryDirectory() as folder:
                paths = [Path(folder) / f"{at}.xml" for at in range(len(files))]
                for path, content in zip(paths, files, strict=True):
                    path.write_bytes(content)
                try:
                    await load(
                        paths,
                        database=database,
                        vault=Vault(Secret("s" * 32)),
                        watch=Unwatched(),
                        now=datetime(2026, 3, 10, tzinfo=UTC),
                        uai="0750001U" if kind == "ONDE" else "",
                    )
                except RefusedFile:
                    for table in ("schools", "guardians", "pupils", "links", "guardian_phones"):
                        work = every(f"SELECT count(*) FROM {table}")
                        assert await database.run(work) == [(0,)], (kind, files)
