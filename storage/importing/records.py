"""What every format is read into, and the small rules that all readers share."""

import re
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from flows.questions.name import fold
from flows.questions.school import looks_like_uai
from flows.text import clean, plain

MAX_VALUE = 254
"""Longest value kept, in code points: the formats' own longest field, the e-mail (REGISTER 1)."""


class RefusedFile(Exception):
    """A file that is not imported: `key` names the sentence in `locales`, `facts` fill it."""

    def __init__(self, key: str, **facts: object) -> None:
        super().__init__(key, facts)
        self.key = key
        self.facts = facts


class Format(StrEnum):
    """The formats we read, by the names of the public JSON."""

    SIECLE = "siecle"
    ONDE = "onde"
    AAF = "aaf"
    CSV = "csv"


class Pupil(NamedTuple):
    """A child of a school. `ref` is what the links of the same export call them."""

    school: str
    ref: str
    last: str
    first: str
    usage: str = ""
    birthdate: date | None = None
    ine: str = ""
    class_name: str = ""
    left: bool = False


class Guardian(NamedTuple):
    """A person of the guardians' file. `source` identifies them from one export to the next.

    `school` is empty where the file does not say it (AAF): then it is that of their children.
    """

    school: str
    ref: str
    source: str
    birth: str
    first: str
    usage: str = ""
    title: str = ""
    email: str = ""
    mobiles: tuple[str, ...] = ()
    other_phones: tuple[str, ...] = ()


class Link(NamedTuple):
    """A guardian of a pupil. Where several pupils share the `ref`, the class tells them apart."""

    school: str
    guardian: str
    pupil: str
    legal: bool
    class_name: str = ""


Record = Pupil | Guardian | Link

_DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", re.ASCII)
_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_CHECK_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def tidy(text: str) -> str:
    """Return a file's value as it can be kept: cleaned like an answer, trimmed, not too long."""
    if text.isascii() and text.isprintable():  # nearly all values; `clean` would change nothing
        return " ".join(text.split())[:MAX_VALUE]
    return _cleaned(text)


@lru_cache(maxsize=20_000)  # a school's names come back again and again
def _cleaned(text: str) -> str:
    return clean(text)[:MAX_VALUE]


@lru_cache(maxsize=20_000)
def folded(name: str) -> str:
    """Return a name as files are compared by it: folded, and not empty in other scripts."""
    return fold(name) or plain(name)


def read_date(text: str) -> date | None:
    """Return the date of a file: 31/12/2015 or 2015-12-31; None if there is no such day."""
    if found := _DAY_FIRST.fullmatch(text.strip()):
        day, month, year = found.groups()
    elif found := _YEAR_FIRST.fullmatch(text.strip()):
        year, month, day = found.groups()
    else:
        return None
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def birth_and_usage(birth: str, usage: str) -> tuple[str, str]:
    """Return the birth name, and the usage name where it is another one.

    Where only one is known it stands as the birth name.
    """
    birth = birth or usage
    return birth, "" if usage == birth else usage


def is_uai(text: str) -> bool:
    """Tell whether the text is a school's code with the right check letter (REGISTER 7)."""
    return looks_like_uai(text) and _CHECK_LETTERS[int(text[:7]) % 23] == text[7]
