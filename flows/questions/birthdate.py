"""A child's birthdate: a strict grammar, since lenient date libraries return wrong dates.

Day, month, year, in this order, or ISO's year first; never swapped to make a date possible
(ECOSYSTEM 6.2: no wrong date in 59 forms, against 4 to 33 with the known libraries).
"""

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from functools import cache

from babel import Locale

from flows.refusals import Reason, Refused
from flows.text import ascii_digits, clean, half_width

YOUNGEST = 2
OLDEST = 25
"""Ages, in whole years, between which a pupil's birthdate is taken (MISSION 4.3, CHILD_DOB)."""

# The languages whose month names are read; Arabic names its months differently by country.
_LANGUAGES = "fr en ar ar_DZ ar_MA ar_TN pt es tr it de pl ro ru nl uk"

_NUMBER = "([0-9]{1,2})"
_YEAR = "([0-9]{4})"
_BETWEEN = r"(?: ?[.,/\\\-‐-―_؍] ?| )"
_AROUND = "[^0-9]*"
_DAY_FIRST = re.compile(_AROUND + _NUMBER + _BETWEEN + _NUMBER + _BETWEEN + "([0-9]+)" + _AROUND)
_YEAR_FIRST = re.compile(_AROUND + _YEAR + _BETWEEN + _NUMBER + _BETWEEN + _NUMBER + _AROUND)
_TWO_NUMBERS = re.compile(_AROUND + _NUMBER + _BETWEEN + f"(?:{_NUMBER}|{_YEAR})" + _AROUND)
_WORD = re.compile(r"[0-9]+|[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Birthdate:
    """A date that exists, of a person of school age.

    `sure` is False where the parent must confirm it in words: a year of two digits, or, in
    English, numbers alone that a reader of month-day-year dates would swap.
    """

    day: date
    sure: bool


@dataclass(frozen=True, slots=True)
class _Written:
    """Day, month and year as written. `plain_order` tells that nobody can swap day and month."""

    day: str
    month: str
    year: str
    plain_order: bool = False


def read_birthdate(text: str, today: date, *, english: bool = False) -> Birthdate | Refused:
    """Return the birthdate that the text holds.

    `today` gives the century of a year of two digits and the ages that are possible. `english`
    is the language of the conversation.
    """
    written = _find(_simplified(text))
    if isinstance(written, Reason):
        return Refused(written)
    if len(written.day) > 2 or len(written.year) not in {2, 4}:
        return Refused(Reason.DATE_UNREADABLE)
    try:
        day = date(_year(written.year, today), int(written.month), int(written.day))
    except ValueError:
        return Refused(Reason.DATE_IMPOSSIBLE)
    if day > today:
        return Refused(Reason.DATE_FUTURE)
    if not YOUNGEST <= _age(day, today) <= OLDEST:
        return Refused(Reason.DATE_AGE)
    could_swap = english and not written.plain_order and day.month != day.day <= 12
    return Birthdate(day, sure=len(written.year) == 4 and not could_swap)


def _find(text: str) -> _Written | Reason:
    """Find the one date of the text, whether it exists or not."""
    parts = [word for word in _WORD.findall(text) if word[0] in "0123456789" or word in _months()]
    match [_months().get(part, 0) for part in parts]:
        case [0, month, 0] if month and len(parts[0]) == 4:  # 2014 March 14
            return _Written(parts[2], str(month), parts[0], plain_order=True)
        case [0, month, 0] if month:  # 14 mars 2014
            return _Written(parts[0], str(month), parts[2], plain_order=True)
        case [month, 0, 0] if month:  # March 14th 2014
            return _Written(parts[1], str(month), parts[2], plain_order=True)
        case [0, 0, 0] if found := _DAY_FIRST.fullmatch(text):
            return _Written(found[1], found[2], found[3])
        case [0, 0, 0] if found := _YEAR_FIRST.fullmatch(text):
            return _Written(found[3], found[2], found[1], plain_order=True)
        case [0]:
            return _glued(parts[0])
        case [0, 0] if _TWO_NUMBERS.fullmatch(text):
            return Reason.DATE_INCOMPLETE
        case [_] | [0, _] | [_, 0] if any(part in _months() for part in parts):
            return Reason.DATE_INCOMPLETE
    return Reason.DATE_UNREADABLE


def _glued(digits: str) -> _Written | Reason:
    """Read 14032014, 20140314 and 140314. No date of our centuries fits the first two forms."""
    if len(digits) == 8 and digits[:2] in {"19", "20"} and digits[4:6] <= "12":
        return _Written(digits[6:], digits[4:6], digits[:4], plain_order=True)
    if len(digits) in {6, 8}:
        return _Written(digits[:2], digits[2:4], digits[4:])
    return Reason.DATE_INCOMPLETE if len(digits) <= 4 else Reason.DATE_UNREADABLE


def _year(written: str, today: date) -> int:
    """Four digits as they are; two digits in the century that is not to come."""
    if len(written) == 4:
        return int(written)
    year = today.year // 100 * 100 + int(written)
    return year if year <= today.year else year - 100


def _age(day: date, today: date) -> int:
    return today.year - day.year - ((today.month, today.day) < (day.month, day.day))


def _simplified(text: str) -> str:
    """Without case, accents, and the scripts' own digits: "Août" is "aout", "Kasım" "kasim"."""
    folded = half_width(ascii_digits(clean(text))).casefold().replace("ı", "i")
    letters = unicodedata.normalize("NFD", folded)
    return "".join(char for char in letters if unicodedata.category(char) != "Mn")


@cache
def _months() -> dict[str, int]:
    """Each month name of one word, of CLDR's long and short ones, that means one month only."""
    meanings: dict[str, set[int]] = defaultdict(set)
    for language in _LANGUAGES.split():
        for forms in Locale.parse(language).months.values():
            for width in ("wide", "abbreviated"):
                for month, name in forms[width].items():
                    meanings[_simplified(name).rstrip(".")].add(month)
    return {
        name: months.pop()
        for name, months in meanings.items()
        if len(months) == 1 and _WORD.fullmatch(name)
    }
