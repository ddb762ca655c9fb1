"""Profiles of SMS providers: how they are spoken to over HTTP, read from TOML and checked."""

import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bot.settings import BadSetting

Verdict = Literal[
    "accepted",
    "number",
    "content",
    "refused",
    "busy",
    "down",
    "account",
    "credit",
    "settings",
    "unclear",
]
"""What an answer means. number, content and refused are final; unclear is never tried again."""

FINAL = ("number", "content", "refused")
NAME = re.compile(r"[a-z][a-z0-9_]{0,19}")


class _Part(BaseModel):
    """Exactly what is written here: a slip of the pen is found on start."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Answer(_Part):
    """A rule for the provider's answers: all of its conditions must hold."""

    status: tuple[int, ...]
    field: str = ""  # a path in the answer's JSON where something stands
    says: str = ""  # words in the answer, in small or large letters
    verdict: Verdict = Field(alias="is")


class Reports(_Part):
    """What a report says, and where: paths in its JSON, or names in its form or its address."""

    id: str
    status: str
    handed_over: tuple[str, ...] = ()
    undelivered: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()


class Check(_Part):
    """What is asked of a provider to see whether it would send."""

    url: str
    query: dict[str, str] = {}
    good: tuple[int, ...]
    credit: str = ""
    credit_where: dict[str, str] = {}


class Profile(_Part):
    """One provider."""

    tried: Literal["live", "documentation", "own"] = "own"
    tls: bool = True
    host: str = ""
    near: bool = False
    method: Literal["GET", "POST"]
    url: str
    auth: Literal["", "basic", "oauth", "ovh"] = ""
    token_url: str = ""
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    form: dict[str, str] = {}
    json_body: dict[str, Any] = Field({}, alias="json")
    answers: tuple[Answer, ...]
    id: str = ""
    id_ends_after: str = ""
    report: Reports | None = None
    check: Check | None = None

    @field_validator("answers")
    @classmethod
    def _accepts(cls, answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
        if not any(answer.verdict == "accepted" for answer in answers):
            raise ValueError('no answer is = "accepted"')
        return answers


@cache
def profiles(own: Path | None = None) -> dict[str, Profile]:
    """All profiles: ours, and those of a file of one's own, which may replace ours.

    Raises BadSetting.
    """
    found = _read(resources.files("bot.sms").joinpath("profiles.toml").read_text("utf-8"), "ours")
    if own is not None:
        try:
            text = own.read_text("utf-8")
        except (OSError, UnicodeError) as error:
            kind = type(error).__name__
            raise BadSetting(f"SESAME_SMS_PROFILES: {own} cannot be read ({kind}).") from None
        found |= _read(text, str(own))
    return found


def _read(text: str, where: str) -> dict[str, Profile]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"SESAME_SMS_PROFILES: {where} is not TOML: {error}.") from None
    found = {}
    for name, table in tables.items():
        if not NAME.fullmatch(name):
            raise BadSetting(f"SESAME_SMS_PROFILES: {name!r} is no name: small letters and digits.")
        try:
            found[name] = Profile.model_validate(table)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in (name, *first["loc"]))
            problem = str(first["msg"]).removeprefix("Value error, ")
            raise BadSetting(f"SESAME_SMS_PROFILES: {place}: {problem}.") from None
    return found
