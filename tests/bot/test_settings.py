"""Settings: what is written is what is in force, and what is wrong is named in one line."""

import re
import stat
import subprocess
import sys
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.app import secret_of
from bot.settings import (
    BadSetting,
    Settings,
    _written,
    read_duration,
    read_durations,
    read_settings,
    read_windows,
    settings_table,
)
from flows.policy import DEFAULT, Policy
from storage.conversations import Address
from storage.retention import Retention
from tests.helpers.parent import SECRET, test_settings

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = timedelta(days=9999)


def _length(number: int, unit: str) -> timedelta:
    return timedelta(seconds=number * UNITS[unit])


durations = st.builds(_length, st.integers(0, 999_999), st.sampled_from("smhd")).filter(
    lambda length: length <= LONGEST
)
windows = st.lists(st.tuples(durations, st.integers(1, 999_999_999)), max_size=5).map(tuple)


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a setting, and without an .env file."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SESAME_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


# ---- what is written reads back --------------------------------------------------------------


@given(durations)
def test_a_duration_reads_back(length: timedelta) -> None:
    assert read_duration(_written(length).strip("`")) == length
    assert read_duration(length) is length


@given(st.lists(durations, min_size=1, max_size=6).map(tuple))
def test_waits_read_back(lengths: tuple[timedelta, ...]) -> None:
    assert read_durations(_written(lengths).strip("`")) == lengths
    assert read_durations(lengths) is lengths


@given(windows)
def test_windows_read_back(limits: tuple[tuple[timedelta, int], ...]) -> None:
    assert read_windows(_written(limits).strip("`")) == limits
    assert read_windows(limits) is limits


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        (" 24h ", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("0s", timedelta()),
        ("9999d", LONGEST),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert read_duration(text) == length


NO_DURATIONS = ("", "30", "m", "30 m", "-1m", "+1m", "1.5h", "1h30m", "٣m", "3M", "1w", "10000d")


@pytest.mark.parametrize("text", [*NO_DURATIONS, "1000000s", "1" * 5000 + "s", "1m\n2m"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a length of time is"):
        read_duration(text)


@pytest.mark.parametrize(
    "text", ["4", "/1h", "4/", "0/1h", "-1/1h", "4/1h,5/1d", "²/1h", "٣/1h", "4/1h/2", "4 / 1h"]
)
def test_no_windows(text: str) -> None:
    with pytest.raises(ValueError, match="written"):
        read_windows(text)


@pytest.mark.parametrize("limit", ["9" * 20, "9" * 5000])
def test_a_limit_that_no_database_can_count(limit: str) -> None:
    with pytest.raises(ValueError, match="limits are written"):
        read_windows(f"{limit}/1h")


def table() -> dict[str, str]:
    """The README's table: name and default as it is written there."""
    rows = re.findall(r"^\| `(SESAME_[A-Z_]+)` \| .+ \| (.*) \|$", settings_table(), re.MULTILINE)
    return {name: default.strip("`") for name, default in rows}


def test_the_table_names_every_setting() -> None:
    assert list(table()) == [f"SESAME_{name.upper()}" for name in Settings.model_fields]
    assert all(field.description for field in Settings.model_fields.values())


def test_the_defaults_of_the_table_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every default, written into the environment as the table writes it, changes nothing."""
    undisturbed = read_settings()
    written = {name: default for name, default in table().items() if default}
    assert len(written) > 20
    for name, default in written.items():
        monkeypatch.setenv(name, default)
    assert read_settings() == undisturbed


def test_defaults_are_the_policys() -> None:
    assert read_settings().policy == DEFAULT


OTHERS: dict[str, tuple[str, object]] = {
    "code_digits": ("8", 8),
    "codes_per_guardian": ("1/9h", ((timedelta(hours=9), 1),)),
    "page_tries": ("2/8h", ((timedelta(hours=8), 2),)),
    "trust_shared_contact": ("false", False),
    "codes_per_day": ("201", 201),
    "codes_per_day_percent": ("11", 11),
    "codes_warning_percent": ("60", 60),
    "conversion_sample": ("50", 50),
    "conversion_warning_percent": ("31", 31),
    "conversion_pause_percent": ("9", 9),
    "password_min": ("12", 12),
    "code_validity": ("5m", timedelta(minutes=5)),
    "code_tries": ("3", 3),
    "old_code_pardons": ("0", 0),
    "resend_waits": ("1s 2s", (timedelta(seconds=1), timedelta(seconds=2))),
    "codes_per_number": ("1/2h", ((timedelta(hours=2), 1),)),
    "codes_per_chat": ("2/3h", ((timedelta(hours=3), 2),)),
    "codes_per_prefix": ("3/4h", ((timedelta(hours=4), 3),)),
    "codes_in_all": ("4/5h 6/7d", ((timedelta(hours=5), 4), (timedelta(days=7), 6))),
    "identities_per_chat": ("5/6h", ((timedelta(hours=6), 5),)),
    "name_tries": ("6/7h", ((timedelta(hours=7), 6),)),
    "birthdate_tries": ("4", 4),
    "birthdates_per_activation": ("7", 7),
    "birthdates_per_child": ("7/8d", ((timedelta(days=8), 7),)),
    "locks": ("1m", (timedelta(minutes=1),)),
    "proof_validity": ("11m", timedelta(minutes=11)),
    "keep_unproved": ("12h", timedelta(hours=12)),
    "keep_idle": ("13d", timedelta(days=13)),
    "nudge_after": ("14s", timedelta(seconds=14)),
    "children_policy": ("strict", True),
    "proof_shows": ("9m", timedelta(minutes=9)),
    "letter_tries": ("2/2d", ((timedelta(days=2), 2),)),
    "email_codes": ("3/2d", ((timedelta(days=2), 3),)),
    "notice_texts": ("2/3d", ((timedelta(days=3), 2),)),
    "notice_validity": ("12d", timedelta(days=12)),
    "object_tries": ("9/3d", ((timedelta(days=3), 9),)),
    "reopen_within": ("15d", timedelta(days=15)),
    "remind": ("false", False),
    "remind_from": ("10", 10),
    "remind_until": ("19", 19),
    "timezone": ("Indian/Reunion", "Indian/Reunion"),
    "email": ("console:", True),
}


@pytest.mark.parametrize("name", OTHERS)
def test_each_number_reaches_the_conversation(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = OTHERS[name]
    monkeypatch.setenv(f"SESAME_{name.upper()}", text)
    policy = read_settings().policy
    own = "strict_children" if name == "children_policy" else name
    assert getattr(policy, own) == value != getattr(DEFAULT, own)
    rest = [field.name for field in fields(Policy) if field.name != own]
    assert [getattr(policy, one) for one in rest] == [getattr(DEFAULT, one) for one in rest]


def test_no_number_is_left_out() -> None:
    own = {"strict_children", "password_page", "ticket_validity", "password_sealed"}
    known = {field.name for field in fields(Policy)} - own | {"children_policy"}
    assert set(OTHERS) == known


@pytest.mark.parametrize("name", [field.name for field in fields(Retention)])
def test_each_length_reaches_what_is_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().retention == Retention()
    monkeypatch.setenv(f"SESAME_{name.upper()}", "99d")
    assert read_settings().retention == replace(Retention(), **{name: timedelta(days=99)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keep_counters", "29d"),  # limits look back 30 days
        ("keep_idle", "31d"),
        ("locks", "15m 31d"),
        ("codes_per_chat", "5/1d 15/31d"),
        ("keep_updates", "23h"),
    ],
)
def test_nothing_is_forgotten_while_a_limit_needs_it(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SESAME_{name.upper()}", value)
    with pytest.raises(BadSetting, match=r"^SESAME_KEEP_(COUNTERS|UPDATES): [^\n]+[^.]\.$"):
        read_settings()


# ---- what is wrong is named ------------------------------------------------------------------

_DURATIONS = (
    *("code_validity", "proof_validity", "keep_unproved", "keep_idle", "nudge_after"),
    *("proof_shows", "notice_validity", "reopen_within"),
)
_WAITS = ("resend_waits", "locks")
_WINDOWS = (
    *("codes_per_number", "codes_per_guardian", "codes_per_chat", "codes_per_prefix"),
    *("page_tries", "codes_in_all", "identities_per_chat", "name_tries", "birthdates_per_child"),
    *("letter_tries", "email_codes", "notice_texts", "object_tries"),
)
_PERCENTS = (
    *("codes_per_day_percent", "codes_warning_percent"),
    *("conversion_warning_percent", "conversion_pause_percent"),
)
_TRIES = ("code_tries", "birthdate_tries", "birthdates_per_activation")
WRONG = [
    *[(name, "zebra") for name in (*_DURATIONS, *_WAITS, *_WINDOWS, *_TRIES)],
    *[(name, "1m zebra") for name in _WAITS],
    *[(name, "4/zebra") for name in _WINDOWS],
    *[(name, value) for name in _TRIES for value in ("0", "21", "-77", "2.75")],
    *[(name, value) for name in _WINDOWS for value in (" ", "4/0s", "5/1d 4/1h", "4/1h 4/1d")],
    *[(name, value) for name in _WINDOWS for value in ("4/1h 5/1h", "5/1h 4/1d")],
    *[(name, value) for name in _WAITS for value in ("2m 1m", "0s", "1m 3m 2m")],
    *[(name, value) for name in _PERCENTS for value in ("-1", "101", "zebra", "2.75")],
    *[("sms_price", value) for value in ("-1", "zebra")],
    *[("codes_per_day", value) for value in ("0", "-1", "zebra")],
    *[("conversion_sample", value) for value in ("9", "10001", "zebra")],
    *[("code_digits", value) for value in ("5", "7", "9", "zebra")],
    *[("password_min", value) for value in ("7", "65", "zebra")],
    *[("desk_chats", value) for value in ("123456", "telegram:", ":me", "Telegram:1", "a:1 zebra")],
    # Two settings that do not go together.
    *[("resend_waits", "1m 31m"), ("nudge_after", "31m"), ("keep_unproved", "29m")],
    *[("keep_idle", "23h"), ("birthdates_per_activation", "2"), ("proof_validity", "8d")],
    *[("conversion_pause_percent", "31")],
    *[("old_code_pardons", value) for value in ("-77", "11", "zebra")],
    *[("code_validity", value) for value in ("299s", "31m", "0s")],
    *[("listen", value) for value in ("zebra", "zebra:0", ":8080", "::1:8080", "zebra:65536")],
    *[("public_url", value) for value in ("zebra", "http://zebra", "https://", "https://a b")],
    *[("webhook_url", value) for value in ("zebra", "http://zebra/hook", "https://zebra")],
    *[("webhook_url", f"https://{at}") for at in ("zebra/", "z.fr:8080/a", "z.fr/a?b", "u@z.fr/a")],
    *[("webhook_url", f"https://z.fr/{path}") for path in ("health", "metrics", "password/x")],
    *[("webhook_url", value) for value in ("https://z.fr/{zebra}", "https://[::1]/zebra")],
    ("webhook_url", "https://zebra.fr/hook"),  # without SESAME_LISTEN
    *[("webhook_secret", value) for value in ("a b", "zébra", "z" * 257, "a\nb")],
    *[("tls_certificate", "/zebra.pem"), ("tls_key", "/zebra.pem")],  # one without the other
    *[("log_level", value) for value in ("zebra", "DEBUG", "0")],
    *[("timezone", value) for value in ("Mars/Zebra", "../zebra", "/etc/zebra", "Europe")],
    *[("children_policy", "zebra"), ("trust_shared_contact", "zebra"), ("remind", "zebra")],
    *[("remind_from", value) for value in ("-1", "24", "zebra", "20")],  # 20: not before the end
    *[("remind_until", value) for value in ("0", "25", "zebra")],
    *[("email_from", value) for value in ("zebra", "Zebra <zebra>", "a@zebra", "z@ze bra.fr")],
    ("proof_shows", "8d"),
    *[("secret", "zebra"), ("secret", "z" * 31), ("old_secret", "zebra")],
    *[(field.name, "zebra") for field in fields(Retention)],
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_named_in_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SESAME_{name.upper()}", value)
    with pytest.raises(BadSetting) as said:
        read_settings()
    line = str(said.value)
    assert re.fullmatch(rf"SESAME_{name.upper()}: [^\n]{{10,}}[^.]\.", line)
    assert "zebra" not in line.lower()  # it may be something secret, in the wrong place
    assert said.value.__cause__ is None
    assert said.value.__suppress_context__


def test_every_setting_that_can_be_wrong_was_tried() -> None:
    free = {"telegram_token", "telegram_api_url", "sms", "sms_profiles", "contact", "database_url"}
    free |= {"accounts", "accounts_mapping"}  # in tests/directories
    free |= {"email", "services"}  # in tests/mail, tests/bot/test_services.py
    assert {name for name, _ in WRONG} == set(Settings.model_fields) - free


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("resend_waits", "1m 30m"), ("resend_waits", "5m 5m"), ("nudge_after", "30m")),
        *(("keep_unproved", "30m"), ("keep_idle", "24h"), ("birthdates_per_activation", "3")),
        *(("conversion_pause_percent", "30"), ("proof_validity", "7d"), ("locks", "1s 1s")),
        *(("password_min", "64"), ("codes_per_number", "1/1s 2/2s"), ("conversion_sample", "10")),
    ],
)
def test_what_is_just_right_is_taken(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SESAME_{name.upper()}", value)
    assert getattr(read_settings(), name) != Settings.model_fields[name].default


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://sesame.ecole.fr/telegram", "/telegram"),
        ("https://sesame.ecole.fr:8443/a/B-c_d~e.f", "/a/B-c_d~e.f"),
        ("https://203.0.113.7:88/healthy", "/healthy"),
    ],
)
def test_webhooks(url: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().webhook_path is None
    monkeypatch.setenv("SESAME_WEBHOOK_URL", url)
    monkeypatch.setenv("SESAME_LISTEN", "127.0.0.1:8080")
    assert (read_settings().webhook_url, read_settings().webhook_path) == (url, path)


def test_desk_chats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESAME_DESK_CHATS", " telegram:123456  terminal:me ")
    assert read_settings().desk_chats == (Address("telegram", "123456"), Address("terminal", "me"))


@pytest.mark.parametrize("value", ["5m", "30m", "1800s"])
def test_the_ends_of_a_codes_life(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESAME_CODE_VALIDITY", value)
    assert read_settings().code_validity == read_duration(value)


# ---- the .env file ---------------------------------------------------------------------------


def test_the_env_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(
        'SESAME_CONTACT="école des Lilas"\nSESAME_CODE_TRIES=3\nSESAME_SMS=\nOTHER=x\n', "utf-8"
    )
    monkeypatch.setenv("SESAME_CODE_TRIES", "4")  # the environment is nearer
    settings = read_settings()
    assert (settings.contact, settings.code_tries, settings.sms) == ("école des Lilas", 4, None)


def test_a_wrong_line_of_the_env_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SESAME_LOCKS=zebra\n", "utf-8")
    with pytest.raises(BadSetting, match=r"^SESAME_LOCKS: "):
        read_settings()


def test_an_env_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("SESAME_SECRET=zebra école".encode("latin-1"))
    with pytest.raises(BadSetting) as said:
        read_settings()
    assert re.fullmatch(r"\.env cannot be read[^\n]+\.", str(said.value))
    assert "zebra" not in str(said.value)


def test_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"SESAME_{name.upper()}", "")
    settings = read_settings()
    assert settings.policy == DEFAULT
    assert settings.model_fields_set == set()


# ---- the database ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite+aiosqlite:////var/lib/sesame.sqlite3", "/var/lib/sesame.sqlite3"),
        ("sqlite+aiosqlite:///data/sesame.sqlite3", "data/sesame.sqlite3"),
        ("sqlite:////tmp/été et hiver.sqlite3", "/tmp/été et hiver.sqlite3"),
        ("sqlite:///:memory:", ":memory:"),
    ],
)
def test_database_urls(url: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESAME_DATABASE_URL", url)
    assert Path(read_settings().database) == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        *("postgresql+psycopg://u:zebra@h/d", "mysql://zebra", "sqlite://", "sqlite:///"),
        *("sqlite+aiosqlite://x", "/zebra.sqlite3", "sqlite+pysqlite:///zebra", "zebra"),
    ],
)
def test_no_database_urls(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESAME_DATABASE_URL", url)
    with pytest.raises(BadSetting) as said:
        _ = read_settings().database
    assert re.fullmatch(r"SESAME_DATABASE_URL: [^\n]+\.", str(said.value))
    assert "zebra" not in str(said.value)  # a URL may hold a password


def test_the_database_is_in_the_users_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    path = Path(read_settings().database)
    assert path.name == "sesame.sqlite3"
    assert path.is_relative_to(tmp_path)


# ---- the secret ------------------------------------------------------------------------------


def test_a_secret_of_32_characters_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESAME_SECRET", "z" * 32)
    assert read_settings().secret == SecretStr("z" * 32)


def test_secrets_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESAME_SECRET", SECRET)
    monkeypatch.setenv("SESAME_TELEGRAM_TOKEN", "123456:zebra-token")
    settings = read_settings()
    shown = [
        *(repr(settings), str(settings), f"{settings}", settings.model_dump_json()),
        *(str(settings.model_dump()), repr(secret_of(settings, tmp_path / "x"))),
        *(f"{secret_of(settings, tmp_path / 'x')}", settings_table()),
    ]
    for text in shown:
        assert SECRET not in text
        assert "zebra" not in text
    monkeypatch.setenv("SESAME_LOCKS", "soon")
    with pytest.raises(BadSetting) as said:
        read_settings()
    assert SECRET not in repr(said.value)
    assert secret_of(settings, tmp_path / "x").reveal() == SECRET  # it was there all the time


def test_the_secret_file_is_made_once(tmp_path: Path) -> None:
    database = tmp_path / "sesame.sqlite3"
    settings = test_settings(database, secret=None)
    secret = secret_of(settings, database)
    file = tmp_path / "sesame.sqlite3.secret"
    assert re.fullmatch(r"[0-9a-f]{64}", secret.reveal())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secret_of(settings, database) == secret
    assert [path.name for path in tmp_path.iterdir()] == [file.name]  # no draft is left
    assert secret_of(settings, tmp_path / "other") != secret


def test_a_secret_of_the_settings_makes_no_file(tmp_path: Path) -> None:
    assert secret_of(test_settings(tmp_path / "x"), tmp_path / "x").reveal() == SECRET
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\n", b"a" * 31, "é".encode("latin-1") * 64])
def test_a_secret_file_that_was_cut_short(tmp_path: Path, content: bytes) -> None:
    """Going on with it would protect nothing, and lock out everything sealed before."""
    (tmp_path / "db.secret").write_bytes(content)
    with pytest.raises(BadSetting) as said:
        secret_of(test_settings(tmp_path / "db", secret=None), tmp_path / "db")
    assert re.fullmatch(rf"{re.escape(str(tmp_path))}/db\.secret [^\n]+\.", str(said.value))
    assert (tmp_path / "db.secret").read_bytes() == content


def test_a_secret_file_that_cannot_be_read_or_made(tmp_path: Path) -> None:
    (tmp_path / "db.secret").mkdir()
    for database in (tmp_path / "db", tmp_path / "missing" / "db"):
        with pytest.raises(BadSetting) as said:
            secret_of(test_settings(database, secret=None), database)
        assert str(said.value).startswith(f"{database}.secret cannot be ")
        assert "\n" not in str(said.value)


WORKER = """
import sys
from pathlib import Path
from bot.app import secret_of
from bot.settings import Settings
print("ready", flush=True)
for line in sys.stdin:
    print(secret_of(Settings(), Path(line.strip())).reveal(), flush=True)
"""


def test_two_processes_make_one_secret(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
            cwd=tmp_path,
        )
        for _ in range(2)
    ]
    try:
        assert [_line(worker) for worker in workers] == ["ready", "ready"]
        for number in range(50):
            for worker in workers:
                assert worker.stdin
                worker.stdin.write(f"{tmp_path / str(number)}\n")
            for worker in workers:
                assert worker.stdin
                worker.stdin.flush()
            one, two = (_line(worker) for worker in workers)
            assert one == two == (tmp_path / f"{number}.secret").read_text("ascii")
            assert len(one) == 64
    finally:
        for worker in workers:
            worker.communicate(timeout=10)


def _line(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout
    return worker.stdout.readline().strip()


def test_no_waits_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="lengths of time"):
        read_durations(" ")
