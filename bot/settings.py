"""Settings: from the environment or an `.env` file, read once and checked on start."""

import re
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit
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
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.mail.message import read_sender
from flows.policy import DEFAULT, Policy
from flows.policy import Windows as PolicyWindows
from storage.conversations import Address
from storage.place import Place
from storage.retention import Retention

KEPT = Retention()
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class BadSetting(Exception):
    """A setting is wrong: the operator's to mend, in one line that names it."""


class Unclear(Exception):
    """The operator's line names nobody, or more than one: what to write instead."""


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


def read_desks(text: object) -> tuple[Address, ...]:
    """Chats, each with its channel: "telegram:123456 terminal:me"."""
    if isinstance(text, tuple):
        return text
    found = [re.fullmatch(r"([a-z]{1,20}):(\S{1,64})", part) for part in str(text).split()]
    if None in found:
        raise ValueError("chats are written telegram:123456 terminal:me")
    return tuple(Address(*chat.groups()) for chat in found if chat)


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
Desks = Annotated[tuple[Address, ...], _Whole, BeforeValidator(read_desks)]
Tries = Annotated[int, Field(ge=1, le=20)]
_WEBHOOK = re.compile(
    r"https://[A-Za-z0-9.-]{1,100}(?::(?:443|80|88|8443))?(?P<path>(?:/[A-Za-z0-9._~-]{1,64}){1,8})"
)
_SQLITE = re.compile(r"sqlite(?:\+aiosqlite)?:///(.+)")
_POSTGRESQL = re.compile(r"postgres(?:ql)?(?:\+asyncpg)?://(.+)")
_HOST = re.compile(r"(?:[A-Za-z0-9._%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_SSL = re.compile(r"^ssl=")
_TAKEN = ("health", "ready", "metrics", "password", "sms")  # pages of ours, and what is below them
_WINDOWS = (
    *("codes_per_number", "codes_per_guardian", "codes_per_chat", "codes_per_prefix"),
    *("page_tries", "codes_in_all", "identities_per_chat", "name_tries", "birthdates_per_child"),
    *("letter_tries", "email_codes", "notice_texts", "object_tries"),
)
Percent = Annotated[int, Field(ge=0, le=100)]


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
        repr=False,  # it may hold a password
        description="`sqlite+aiosqlite:///PATH`, or `postgresql+asyncpg://USER:PASSWORD@HOST:PORT/"
        "NAME` (needs `SESAME_SECRET`; `?host=/FOLDER` for a socket, "
        "`?sslmode=verify-full&sslrootcert=FILE` for TLS); "
        "by default a SQLite file in the user's data folder",
    )
    secret: SecretStr | None = Field(
        None,
        description="the key from which encryption and look-up keys are derived; by default made "
        "on first run into a file that only its owner can read, beside the database",
    )
    old_secret: SecretStr | None = Field(
        None,
        description="the secret before, from the moment that `SESAME_SECRET` is changed until "
        "`sesame rotate-key` has come to its end",
    )
    sms: SecretStr | None = Field(
        None,
        description="where codes are sent: `console:`, `file:PATH` (a JSON object a line), "
        "`kannel://…`, `smpp://…`, `gammu:FILE` and others (docs/sms.md); several, separated by "
        "blanks, take over from one another; `chat` uses `console:`, `serve` insists on a choice",
    )
    sms_profiles: Path | None = Field(
        None, description="TOML file with SMS providers of your own (docs/sms.md)"
    )
    sms_price: Decimal | None = Field(
        None, ge=0, description="what one SMS costs, for the sum in `sesame status`"
    )
    email: SecretStr | None = Field(
        None,
        description="where e-mail is sent: `smtps://USER:PASSWORD@HOST`, "
        "`smtp://USER:PASSWORD@HOST:587?starttls`, `file:PATH` (a JSON object a line), `console:` "
        "(docs/email.md); by default nowhere, and parents are not asked for an address; `chat` "
        "uses `console:`",
    )
    email_from: str | None = Field(
        None, description="the address that it comes from, with a name: `Sésame <sesame@ecole.fr>`"
    )
    services: Path | None = Field(
        None,
        description="TOML file that says which services the schools offer, and until when "
        "(docs/services.md)",
    )
    accounts: SecretStr = Field(
        SecretStr("embedded:"),
        description="where accounts are opened: `embedded:` (here), "
        "`scim+https://CLIENT:SECRET@HOST/scim/v2?token_url=…`, "
        "`ldaps://BIND-DN:PASSWORD@HOST/BASE`, `ldap://…?starttls` (docs/accounts.md)",
    )
    accounts_mapping: Path | None = Field(
        None,
        description="TOML file that says which attributes of the account service hold what, where "
        "it wants others (docs/accounts.md)",
    )
    listen: str | None = Field(
        None,
        description="`HOST:PORT` on which `serve` answers over HTTP: `/health`, `/ready` and "
        "`/metrics` to your own network, the webhook and the password's page to all; by default "
        "nowhere",
    )
    webhook_url: str | None = Field(
        None,
        description="`https://NAME/PATH` to which Telegram posts what parents write, at port 443, "
        "80, 88 or 8443; needs `SESAME_LISTEN`; by default `serve` asks Telegram (long polling)",
    )
    webhook_secret: SecretStr | None = Field(
        None,
        description="what Telegram shows with each post, 1 to 256 of `A-Za-z0-9_-`; by default "
        "made from `SESAME_SECRET`",
    )
    tls_certificate: Path | None = Field(
        None,
        description="PEM file with the certificate, and those between it and its authority, where "
        "`serve` speaks https itself; by default it speaks http, to a proxy",
    )
    tls_key: Path | None = Field(
        None, description="PEM file with the certificate's key, without a password"
    )
    public_url: str | None = Field(
        None,
        description="where `serve` is reached from outside, `https://…`: then the password is "
        "given on a page of its own; by default it is typed in the chat, and deleted there",
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

    code_digits: int = Field(DEFAULT.code_digits, description="digits of a code: 6 or 8")
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
    codes_per_guardian: Windows = Field(
        DEFAULT.codes_per_guardian, description="codes for one guardian, over all their numbers"
    )
    codes_per_chat: Windows = Field(DEFAULT.codes_per_chat, description="codes for one chat")
    codes_per_prefix: Windows = Field(
        DEFAULT.codes_per_prefix, description="codes for numbers that differ in the last 4 digits"
    )
    codes_in_all: Windows = Field(DEFAULT.codes_in_all, description="SMS of the whole service")
    codes_per_day: int = Field(
        DEFAULT.codes_per_day,
        ge=1,
        description="SMS of the whole service in a day, or as many as the next line allows, where "
        "that is more",
    )
    codes_per_day_percent: Percent = Field(
        DEFAULT.codes_per_day_percent,
        description="SMS of the whole service in a day, for 100 guardians without an account",
    )
    codes_warning_percent: Percent = Field(
        DEFAULT.codes_warning_percent, description="part of the day's SMS at which the log warns"
    )
    conversion_sample: int = Field(
        DEFAULT.conversion_sample,
        ge=10,
        le=10_000,
        description="the last codes sent within a day, of which it is counted how many come back",
    )
    conversion_warning_percent: Percent = Field(
        DEFAULT.conversion_warning_percent, description="when fewer come back, the log warns"
    )
    conversion_pause_percent: Percent = Field(
        DEFAULT.conversion_pause_percent,
        description="when fewer come back from a foreign country, no SMS goes there for a day",
    )
    identities_per_chat: Windows = Field(
        DEFAULT.identities_per_chat, description="different names and numbers tried in one chat"
    )
    desk_chats: Desks = Field(
        (),
        description="chats in which a school helps many parents, which `codes_per_chat` and "
        "`identities_per_chat` spare: `telegram:123456 terminal:me`",
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
    password_min: int = Field(
        DEFAULT.password_min, ge=8, le=64, description="characters of a password, at least"
    )
    page_tries: Windows = Field(
        DEFAULT.page_tries,
        description="how often one chat may open or send the page for the password",
    )
    proof_validity: Duration = Field(
        DEFAULT.proof_validity, description="time between the code and the password"
    )
    proof_shows: Duration = Field(
        DEFAULT.proof_shows,
        description="time after the code in which an account can be shown and changed",
    )
    letter_tries: Windows = Field(
        DEFAULT.letter_tries, description="wrong codes of letters in one chat"
    )
    email_codes: Windows = Field(
        DEFAULT.email_codes, description="codes by e-mail for one chat, and for one address"
    )
    notice_texts: Windows = Field(
        DEFAULT.notice_texts,
        description="SMS to one number that tell of another guardian's account",
    )
    notice_validity: Duration = Field(
        DEFAULT.notice_validity,
        description="how long whoever was told of another guardian's account can object",
    )
    object_tries: Windows = Field(
        DEFAULT.object_tries, description="wrong codes of objections in one chat"
    )
    reopen_within: Duration = Field(
        DEFAULT.reopen_within,
        description="how long a closed account can be opened again; then it is erased",
    )
    remind: bool = Field(
        DEFAULT.remind,
        description="remind a parent once, on the day after a silence in the middle of an "
        "activation",
    )
    remind_from: int = Field(
        DEFAULT.remind_from, ge=0, le=23, description="the hour from which it is done there"
    )
    remind_until: int = Field(
        DEFAULT.remind_until, ge=1, le=24, description="the hour until which it is done there"
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
    keep_updates: Duration = Field(
        KEPT.keep_updates, description="numbers of Telegram's updates, so that none counts twice"
    )
    keep_codes: Duration = Field(
        KEPT.keep_codes, description="keyed hashes of codes, after they have expired"
    )
    keep_sent: Duration = Field(
        KEPT.keep_sent, description="that and when something was sent; its text goes at once"
    )
    keep_counters: Duration = Field(
        KEPT.keep_counters, description="counters of all limits, and conversations without answers"
    )
    keep_notes: Duration = Field(
        KEPT.keep_notes, description="notes for the school: not my child, a birthdate to verify"
    )
    keep_gone: Duration = Field(
        KEPT.keep_gone, description="people who have left the register and have no account"
    )
    keep_audit: Duration = Field(KEPT.keep_audit, description="the audit record")
    keep_backups: Duration = Field(
        KEPT.keep_backups, description="copies made before the database's form changes"
    )

    @field_validator("listen")
    @classmethod
    def _an_address(cls, listen: str | None) -> str | None:
        if listen is not None:
            read_address(listen)
        return listen

    @field_validator("email_from")
    @classmethod
    def _a_sender(cls, sender: str | None) -> str | None:
        if sender is not None:
            read_sender(sender)
        return sender

    @field_validator("public_url")
    @classmethod
    def _a_site(cls, url: str | None) -> str | None:
        """Telegram opens pages over https only."""
        if url is not None and not re.fullmatch(r"https://[^\s/?#@]+(/[^\s?#]*)?", url):
            raise ValueError("write https://NAME, or https://NAME/PATH")
        return url and url.rstrip("/")

    @field_validator("webhook_url")
    @classmethod
    def _a_webhook(cls, url: str | None) -> str | None:
        """What Telegram takes, with a path that is only the webhook's."""
        found = _WEBHOOK.fullmatch(url or "")
        if url is not None and not found:
            raise ValueError(
                "write https://NAME/PATH; Telegram posts to the ports 443, 80, 88 and 8443 only"
            )
        if found and found["path"].split("/")[1] in _TAKEN:
            raise ValueError("its path is that of another page; take one such as /telegram")
        return url

    @field_validator("webhook_secret")
    @classmethod
    def _a_token(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and not re.fullmatch("[A-Za-z0-9_-]{1,256}", secret.get_secret_value()):
            raise ValueError("1 to 256 letters, digits, _ and - are what Telegram takes")
        return secret

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

    @field_validator("code_digits")
    @classmethod
    def _six_or_eight(cls, digits: int) -> int:
        if digits not in (6, 8):
            raise ValueError("a code has 6 or 8 digits")
        return digits

    @field_validator(*_WINDOWS)
    @classmethod
    def _wider_and_higher(cls, windows: PolicyWindows) -> PolicyWindows:
        lengths, limits = [timedelta(), *(one[0] for one in windows)], [one[1] for one in windows]
        if not windows or any(after <= before for before, after in pairwise(lengths)):
            raise ValueError("limits are for longer and longer times, as in 4/1h 5/1d")
        if any(after <= before for before, after in pairwise(limits)):
            raise ValueError("limits for longer times are higher, as in 4/1h 5/1d")
        return windows

    @field_validator("resend_waits", "locks")
    @classmethod
    def _longer_and_longer(cls, waits: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
        if not waits[0] or any(after < before for before, after in pairwise(waits)):
            raise ValueError("none is shorter than the one before, as in 1m 2m 5m")
        return waits

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """What must hold between two settings."""
        needs = {
            "WEBHOOK_URL": "LISTEN",
            "TLS_CERTIFICATE": "TLS_KEY",
            "TLS_KEY": "TLS_CERTIFICATE",
        }
        at_most = {
            "RESEND_WAITS": (self.resend_waits[-1], "CODE_VALIDITY"),
            "NUDGE_AFTER": (self.nudge_after, "CODE_VALIDITY"),
            "PROOF_VALIDITY": (self.proof_validity, "KEEP_IDLE"),
            "PROOF_SHOWS": (self.proof_shows, "KEEP_IDLE"),
            "CONVERSION_PAUSE_PERCENT": (
                self.conversion_pause_percent,
                "CONVERSION_WARNING_PERCENT",
            ),
        }
        at_least = {
            "KEEP_UNPROVED": (self.keep_unproved, "CODE_VALIDITY"),
            "KEEP_IDLE": (self.keep_idle, "KEEP_UNPROVED"),
            "BIRTHDATES_PER_ACTIVATION": (self.birthdates_per_activation, "BIRTHDATE_TRIES"),
            "KEEP_COUNTERS": (self.keep_counters, "KEEP_IDLE"),
        }
        for name, needed in needs.items():
            if getattr(self, name.lower()) and not getattr(self, needed.lower()):
                raise BadSetting(f"SESAME_{name}: set SESAME_{needed} as well.") from None
        for name, (value, other) in at_most.items():
            if value > getattr(self, other.lower()):
                raise BadSetting(f"SESAME_{name}: not more than SESAME_{other}.") from None
        for name, (value, other) in at_least.items():
            if value < getattr(self, other.lower()):
                raise BadSetting(f"SESAME_{name}: not less than SESAME_{other}.") from None
        for name in _WINDOWS:
            if self.keep_counters < getattr(self, name)[-1][0]:
                raise BadSetting(f"SESAME_KEEP_COUNTERS: not less than SESAME_{name.upper()}.")
        if self.keep_counters < self.locks[-1]:
            raise BadSetting("SESAME_KEEP_COUNTERS: not less than SESAME_LOCKS.")
        if self.remind_from >= self.remind_until:
            raise BadSetting("SESAME_REMIND_FROM: earlier than SESAME_REMIND_UNTIL.") from None
        if self.keep_updates < timedelta(days=1):
            raise BadSetting("SESAME_KEEP_UPDATES: not less than 1d, as long as Telegram repeats.")
        return self

    @field_validator("secret", "old_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < 32:
            raise ValueError("at least 32 characters; make one with: openssl rand -hex 32")
        return secret

    @property
    def policy(self) -> Policy:
        """The numbers that the conversation needs."""
        others = {"strict_children", "password_page", "ticket_validity", "email", "password_sealed"}
        own = {known.name for known in fields(Policy)} - others
        values = {name: getattr(self, name) for name in own}
        strict = self.children_policy == "strict"
        return Policy(**values, strict_children=strict, email=self.email is not None)

    @property
    def retention(self) -> Retention:
        """How long things are kept."""
        return Retention(**{known.name: getattr(self, known.name) for known in fields(Retention)})

    @property
    def webhook_path(self) -> str | None:
        """Where the webhook is on our own server; None for long polling."""
        return urlsplit(self.webhook_url).path if self.webhook_url else None

    @property
    def database(self) -> Place:
        """The SQLite file, or the URL of PostgreSQL as its library takes it. Raises BadSetting."""
        of_sqlite = _SQLITE.fullmatch(self.database_url)
        if of_sqlite:
            return Path(of_sqlite[1])
        of_postgresql = _POSTGRESQL.fullmatch(self.database_url)
        if of_postgresql:
            where, _, query = of_postgresql[1].partition("?")
            if not _is_place(where):
                raise BadSetting(
                    "SESAME_DATABASE_URL: the URL cannot be read; write @ : / ? # in a password as"
                    " %40 %3A %2F %3F %23."
                )
            options = [_SSL.sub("sslmode=", option) for option in query.split("&")]
            for option in options:
                name, _, value = option.partition("=")
                if name == "sslrootcert" and not Path(unquote(value)).is_file():
                    raise BadSetting(
                        "SESAME_DATABASE_URL: the file that sslrootcert= names is not there, or may"
                        " not be read."
                    )
            return f"postgresql://{where}?{'&'.join(options)}"
        raise BadSetting(
            "SESAME_DATABASE_URL: write sqlite+aiosqlite:///PATH (four slashes before an absolute"
            " path), or postgresql+asyncpg://USER:PASSWORD@HOST:PORT/NAME."
        )

    @property
    def database_file(self) -> Path | None:
        """The file, where it is one: backups, the lock and the secret are beside it."""
        place = self.database
        return place if isinstance(place, Path) else None


def read_settings() -> Settings:
    """The settings in force. Raises BadSetting with one line for the first that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        problem = str(first["msg"]).removeprefix("Value error, ")
        raise BadSetting(f"SESAME_{name}: {problem}." if name else f"{problem}.") from None
    except (OSError, UnicodeError) as error:  # its text may hold what stands in the file
        raise BadSetting(f".env cannot be read as UTF-8 ({type(error).__name__}).") from None


def settings_table() -> str:
    """All settings with their meaning and default, in Markdown, for the README."""
    rows = ["| setting | meaning | default |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default_factory else _written(field.default)
        rows.append(f"| `SESAME_{name.upper()}` | {field.description} | {default} |")
    return "\n".join(rows)


def _is_place(where: str) -> bool:
    """Whether it is USER:PASSWORD@HOST:PORT/NAME: a sign in the password may have cut it elsewhere.

    There may be several hosts, with commas between them.
    """
    before, _, name = where.partition("/")
    who, _, hosts = before.rpartition("@")
    return not set("@#[]") & set(who + name) and all(map(_HOST.fullmatch, hosts.split(",")))


def _written(default: object) -> str:
    """A default as it is written in the environment."""
    match default:
        case None | "" | ():
            return ""
        case bool():
            return "`true`" if default else "`false`"
        case timedelta():
            return f"`{_duration(default)}`"
        case SecretStr():
            return f"`{default.get_secret_value()}`"
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
