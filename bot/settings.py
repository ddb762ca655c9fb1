"""Settings: from the environment or an `.env` file, read once and checked on start."""

import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from platformdirs import user_data_path
from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from flows.policy import DEFAULT, Policy
from flows.policy import Windows as PolicyWindows

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class BadSetting(Exception):
    """A setting is wrong: the operator's to mend, in one line that names it."""


def read_duration(text: object) -> timedelta:
    """A length of time: "90s", "30m", "24h", "7d"."""
    if isinstance(text, timedelta):
        return text
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", str(text).strip())
    if not found:
        raise ValueError("a length of time is written 90s, 30m, 24h or 7d")
    length = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if length > timedelta(days=9999):  # or moments so far away are no moments
        raise ValueError("a length of time is 9999d at most")
    return length


def read_durations(text: object) -> tuple[timedelta, ...]:
    """Lengths of time, each longer or equal: "1m 2m 5m"."""
    if isinstance(text, tuple):
        return text
    durations = tuple(read_duration(part) for part in str(text).split())
    if not durations:
        raise ValueError("lengths of time are written 1m 2m 5m")
    return durations


def read_windows(text: object) -> PolicyWindows:
    """At most so many in such a time: "4/1h 5/24h 15/30d"."""
    if isinstance(text, tuple):
        return text
    windows = []
    for part in str(text).split():
        limit, slash, length = part.partition("/")
        if not slash or not re.fullmatch(r"0*[1-9][0-9]{0,8}", limit):
            raise ValueError("limits are written 4/1h 5/24h")
        windows.append((read_duration(length), int(limit)))
    return tuple(windows)


def read_address(text: str) -> tuple[str, int]:
    """Host and port: "127.0.0.1:8080", "[::1]:8080"."""
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})", text.strip())
    if not found or not 1 <= int(found[3]) <= 65535:
        raise ValueError("an address is written 127.0.0.1:8080 or [::1]:8080")
    return found[1] or found[2], int(found[3])


def _own_reader(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    """What our reader made is what it should be; pydantic has nothing to add."""
    del handler
    return value


_Whole = WrapValidator(_own_reader)
Duration = Annotated[timedelta, BeforeValidator(read_duration)]
Durations = Annotated[tuple[timedelta, ...], _Whole, BeforeValidator(read_durations)]
Windows = Annotated[PolicyWindows, _Whole, BeforeValidator(read_windows)]
Tries = Annotated[int, Field(ge=1, le=20)]


def default_database() -> str:
    """A SQLite file in the user's data folder."""
    return f"sqlite+aiosqlite:///{user_data_path('sesame') / 'sesame.sqlite3'}"


class Settings(BaseSettings):
    """Every setting, with its meaning. The name of each in the environment is SESAME_ + its name.

    Numbers are RELIABILITY 5's.
    """

    model_config = SettingsConfigDict(
        env_prefix="SESAME_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        enable_decoding=False,
    )

    telegram_token: SecretStr | None = Field(
        None, description="the bot's token, given by Telegram's @BotFather"
    )
    telegram_api_url: str = Field(
        "https://api.telegram.org", description="root of the Bot API server, for one of your own"
    )
    database_url: str = Field(
        default_factory=default_database,
        description="`sqlite+aiosqlite:///PATH`; by default a file in the user's data folder",
    )
    secret: SecretStr | None = Field(
        None,
        description="the key from which encryption and look-up keys are derived; by default made "
        "on first run into a file that only its owner can read, beside the database",
    )
    sms: str | None = Field(
        None,
        description="where codes are sent: `console:` or `file:PATH` (a JSON object a line); "
        "`chat` uses `console:`, `serve` insists on a choice",
    )
    listen: str | None = Field(
        None,
        description="`HOST:PORT` on which `serve` answers `/health`, `/ready` and `/metrics`; not "
        "for the open internet; by default nowhere",
    )
    contact: str = Field(
        "", description="whom parents are told to ask for help; by default the school's office"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="how much `serve` logs; at no level what parents write, or who they are"
    )
    timezone: str = Field("Europe/Paris", description="the zone in which times are shown")
    trust_shared_contact: bool = Field(
        True,
        description="tell a parent who shares their own Telegram number at once that the school "
        "does not have it",
    )
    children_policy: Literal["partial", "strict"] = Field(
        "partial",
        description="`partial`: the children that are confirmed open the account; `strict`: all "
        "must be confirmed, as on the web site",
    )

    code_validity: Duration = Field(DEFAULT.code_validity, description="how long a code is valid")
    code_tries: Tries = Field(DEFAULT.code_tries, description="tries for one code")
    old_code_pardons: int = Field(
        DEFAULT.old_code_pardons, ge=0, le=10, description="how often an older code costs no try"
    )
    resend_waits: Durations = Field(
        DEFAULT.resend_waits,
        description="waits before each further code; their number is the limit",
    )
    codes_per_number: Windows = Field(
        DEFAULT.codes_per_number, description="codes for one phone number"
    )
    codes_per_chat: Windows = Field(DEFAULT.codes_per_chat, description="codes for one chat")
    codes_per_prefix: Windows = Field(
        DEFAULT.codes_per_prefix, description="codes for numbers that differ in the last 4 digits"
    )
    codes_in_all: Windows = Field(DEFAULT.codes_in_all, description="SMS of the whole service")
    identities_per_chat: Windows = Field(
        DEFAULT.identities_per_chat, description="different names and numbers tried in one chat"
    )
    name_tries: Windows = Field(
        DEFAULT.name_tries, description="names that differ from the register, after the code"
    )
    birthdate_tries: Tries = Field(
        DEFAULT.birthdate_tries, description="wrong birthdates for one child"
    )
    birthdates_per_activation: Tries = Field(
        DEFAULT.birthdates_per_activation, description="wrong birthdates in one activation"
    )
    birthdates_per_child: Windows = Field(
        DEFAULT.birthdates_per_child, description="wrong birthdates for one child, over all chats"
    )
    locks: Durations = Field(DEFAULT.locks, description="pauses after too many tries, each longer")
    proof_validity: Duration = Field(
        DEFAULT.proof_validity, description="time between the code and the password"
    )
    keep_unproved: Duration = Field(
        DEFAULT.keep_unproved, description="answers are erased after this silence, before the code"
    )
    keep_idle: Duration = Field(
        DEFAULT.keep_idle, description="answers are erased after this silence, at any step"
    )
    nudge_after: Duration = Field(
        DEFAULT.nudge_after, description="no code typed: help is offered after this time"
    )

    @field_validator("listen")
    @classmethod
    def _an_address(cls, listen: str | None) -> str | None:
        if listen is not None:
            read_address(listen)
        return listen

    @field_validator("timezone")
    @classmethod
    def _a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("not a time zone; for example Europe/Paris, Indian/Reunion") from error
        return name

    @field_validator("code_validity")
    @classmethod
    def _minutes(cls, validity: timedelta) -> timedelta:
        if not timedelta(minutes=5) <= validity <= timedelta(minutes=30):
            raise ValueError("a code is valid for 5m to 30m")
        return validity

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < 32:
            raise ValueError("at least 32 characters; make one with: openssl rand -hex 32")
        return secret

    @property
    def policy(self) -> Policy:
        """The numbers that the conversation needs."""
        own = {known.name for known in fields(Policy)} - {"strict_children"}
        values = {name: getattr(self, name) for name in own}
        return Policy(**values, strict_children=self.children_policy == "strict")

    @property
    def database_path(self) -> Path:
        """The SQLite file. Raises BadSetting for what is no SQLite URL."""
        found = re.fullmatch(r"sqlite(?:\+aiosqlite)?:///(.+)", self.database_url)
        if not found:
            raise BadSetting(
                "SESAME_DATABASE_URL: write sqlite+aiosqlite:///PATH (four slashes before an"
                " absolute path)."
            )
        return Path(found[1])


def read_settings() -> Settings:
    """The settings in force. Raises BadSetting with one line for the first that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        problem = str(first["msg"]).removeprefix("Value error, ")
        raise BadSetting(f"SESAME_{name}: {problem}.") from None
    except (OSError, UnicodeError) as error:  # its text may hold what stands in the file
        raise BadSetting(f".env cannot be read as UTF-8 ({type(error).__name__}).") from None


def settings_table() -> str:
    """All settings with their meaning and default, in Markdown, for the README."""
    rows = ["| setting | meaning | default |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default_factory else _written(field.default)
        rows.append(f"| `SESAME_{name.upper()}` | {field.description} | {default} |")
    return "\n".join(rows)


def _written(default: object) -> str:
    """A default as it is written in the environment."""
    match default:
        case None | "":
            return ""
        case bool():
            return "`true`" if default else "`false`"
        case timedelta():
            return f"`{_duration(default)}`"
        case tuple():
            parts = [
                f"{part[1]}/{_duration(part[0])}" if isinstance(part, tuple) else _duration(part)
                for part in default
            ]
            return f"`{' '.join(parts)}`"
        case _:
            return f"`{default}`"


def _duration(length: timedelta) -> str:
    """A length of time in the largest unit that divides it: the opposite of `read_duration`."""
    seconds = int(length.total_seconds())
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    unit, size = next((unit, size) for unit, size in units if seconds % size == 0)
    return f"{seconds // size}{unit}"
