"""The mobile number that the school knows: found in what is typed, never guessed.

A number is taken only if the library's metadata calls it a mobile and it is not of a kind that
must never get an SMS (RELIABILITY, finding 6 and T2). Numbers of the French territories need no
prefix: no 06 or 07 number exists in two of them (MISSION 1.4, ECOSYSTEM 6.1; measured).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType, ValidationResult

from flows.refusals import Reason, Refused
from flows.text import ascii_digits, clean, half_width


class Kind(StrEnum):
    """What a number is, or why it is none. Only MOBILE can be texted."""

    MOBILE = "mobile"
    LANDLINE = "landline"
    BOX = "box"  # 09…, an internet box
    SPECIAL = "special"  # premium, shared cost, free, short, satellite, machine
    COUNTRY = "country"  # needs + and the country's code to be placed
    UNKNOWN = "unknown"  # the right length, but no such number exists
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    MISSING = "missing"  # no digits


@dataclass(frozen=True, slots=True)
class SeveralPhones:
    """Different mobiles in one answer, in E.164 and in the order typed: which one?"""

    numbers: tuple[str, ...]


class _Found(NamedTuple):
    """One run of digits, understood: `e164` is set where such a number exists."""

    kind: Kind
    e164: str | None
    digits: int

    @property
    def is_mobile(self) -> bool:
        return self.kind is Kind.MOBILE


# ---- where a number without prefix can be at home --------------------------------------------

# In the order tried; Saint-Barthélemy and Saint-Martin share their numbers with Guadeloupe.
_TERRITORIES = ("FR", "GP", "RE", "YT", "GF", "MQ", "PM", "PF")

# Six digits: a number may exist in two of these, so only the school's own place decides.
_SIX_DIGITS = ("NC", "WF", "PM")

FRENCH_AREAS = frozenset((*_TERRITORIES, *_SIX_DIGITS, "BL", "MF"))
"""Regions of France, overseas included."""

_REGION_OF_DEPARTMENT = {
    "971": "GP",
    "972": "MQ",
    "973": "GF",
    "974": "RE",
    "975": "PM",
    "976": "YT",
    "977": "BL",
    "978": "MF",
    "983": "NC",  # 983, 984 and 985: the ministry's own, older codes
    "984": "PF",
    "985": "YT",
    "986": "WF",
    "987": "PF",
    "988": "NC",
}

# ---- what may never be texted ----------------------------------------------------------------

# Country codes of satellites and of world-wide services; the library calls +870 and +881 valid
# mobiles (RELIABILITY, finding 6), so this list comes before the library.
_NO_COUNTRY = re.compile(r"87|88[1238]|979|80[08]")

_KINDS = {
    PhoneNumberType.MOBILE: Kind.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: Kind.MOBILE,  # the country does not tell, as in the US
    PhoneNumberType.FIXED_LINE: Kind.LANDLINE,
    PhoneNumberType.VOIP: Kind.BOX,
}

# French numbers that the metadata does not know still show by their beginning what they are.
_FRENCH_SHAPES = (
    (re.compile(r"0[1-5]\d{8}"), Kind.LANDLINE),
    (re.compile(r"0700\d{6}(\d{4})?"), Kind.SPECIAL),  # between machines, 10 or 14 digits
    (re.compile(r"08\d{8}"), Kind.SPECIAL),
    (re.compile(r"09\d{8}"), Kind.BOX),
)

_REASONS = {
    Kind.LANDLINE: Reason.PHONE_LANDLINE,
    Kind.BOX: Reason.PHONE_BOX,
    Kind.SPECIAL: Reason.PHONE_SPECIAL,
    Kind.COUNTRY: Reason.PHONE_COUNTRY,
    Kind.UNKNOWN: Reason.PHONE_UNKNOWN,
    Kind.TOO_SHORT: Reason.PHONE_TOO_SHORT,
    Kind.TOO_LONG: Reason.PHONE_TOO_LONG,
    Kind.MISSING: Reason.PHONE_MISSING,
}

# ---- how numbers are written -----------------------------------------------------------------

# Digits and what stands between them. The bounded {0,3} keeps the search linear.
_RUN = re.compile(r"(?:\+[ (]{0,2})?[0-9](?:(?:[/,]|[ .\-‐-―_()·•\u20e3]{0,3})[0-9])*")
_SEVERAL_IN_A_RUN = re.compile(r"(?:0[1-9][0-9]{8}){2,5}")
_ZERO_AS_LETTER = re.compile(r"(?<![^\W\d_])[oO]{1,2}(?=[0-9])|(?<=[0-9])[oO](?![^\W\d_])")
_ADDRESS = re.compile(
    r"@|://|www\.|\.[a-z]{2,}[/?#]|[a-z0-9]\.(?:com|fr|net|org|eu|info|be|re|io|me)\b",
    re.IGNORECASE,
)
_CONTACT = re.compile(r"\+?[0-9]{7,15}")
_FRENCH = re.compile(r"(?:\+00|\+|00)330?(?=[1-9]|$)")
_SAINT_PIERRE = re.compile(r"0(508[0-9]{6})")  # dialled so from the rest of France
_ABROAD = re.compile(r"\+00|\+|00(?=[1-9])")

_MOST_RUNS = 4
"""Runs of digits looked at in one answer: a bound on the work, far above what parents write."""


def read_phone(text: str) -> str | SeveralPhones | Refused:
    """Return the mobile that the text holds, in E.164.

    Where the text also holds a number that cannot be texted, the mobile is meant. Where it holds
    no mobile, the refusal is about its longest run of digits (fact `n`: digits read).
    """
    found = _find(text, "FR")
    mobiles = tuple(
        dict.fromkeys(one.e164 for one in found if one.kind is Kind.MOBILE and one.e164)
    )
    if len(mobiles) > 1:
        return SeveralPhones(mobiles)
    return mobiles[0] if mobiles else _refusal(max(found, key=lambda one: one.digits))


def read_contact(text: str) -> str | Refused:
    """Return the mobile of a shared contact card, in E.164.

    Strict, since nobody reads it back: an optional "+", then 7 to 15 ASCII digits, always in
    international form (UX, conclusion 5; RELIABILITY T11).
    """
    if not _CONTACT.fullmatch(text):
        return Refused(Reason.PHONE_MISSING)
    digits = text.removeprefix("+")
    found = _abroad(digits)
    if found.is_mobile:
        exact = found.e164 == f"+{digits}"  # the library forgives "+33 0 6…"; a card must not
        return f"+{digits}" if exact else Refused(Reason.PHONE_UNKNOWN)
    return _refusal(found)


def classify(text: str, region: str = "FR") -> tuple[str | None, Kind]:
    """Return the number of a register's cell, in E.164 where it exists, and its kind.

    `region` is the school's own (`region_of_uai`): numbers without prefix are tried there first,
    and six-digit ones only there. Where a cell holds several numbers, the first mobile counts.
    """
    found = _find(text, region)
    best = next((one for one in found if one.is_mobile), found[0])
    return best.e164, best.kind


def region_of_uai(uai: str) -> str:
    """Return the region (ISO 3166) of a school's UAI, whose first three digits say where it is."""
    return _REGION_OF_DEPARTMENT.get(uai.strip()[:3], "FR")


def area(e164: str) -> str:
    """Return the region (ISO 3166) to which an E.164 number belongs, "" where it has none."""
    number = _parse(e164)
    return (phonenumbers.region_code_for_number(number) if number else None) or ""


def pretty(e164: str) -> str:
    """Write an E.164 number for people: "06 12 34 56 78", "0692 12 34 56", "+32 470 12 34 56".

    In national form only where `read_phone` reads that form back without a prefix.
    """
    number = phonenumbers.parse(e164)
    national = number.country_code in {33, 262, 590, 594, 596}
    form = PhoneNumberFormat.NATIONAL if national else PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(number, form)


def mask(e164: str) -> str:
    """Hide a number but for its first group and last two digits: "06 •• •• •• 78"."""
    head, _, tail = pretty(e164).partition(" ")
    hidden = sum(map(str.isdigit, tail)) - 2
    return f"{head} {re.sub('[0-9]', '•', tail, count=max(hidden, 0))}"


def _refusal(found: _Found) -> Refused:
    counted = found.kind in {Kind.TOO_SHORT, Kind.TOO_LONG}
    return Refused(_REASONS[found.kind], {"n": found.digits} if counted else {})


def _find(text: str, home: str) -> list[_Found]:
    """Understand each run of digits of the text; at least one answer, MISSING if there is none."""
    written = half_width(ascii_digits(clean(text)))
    outside = " ".join(word for word in written.split() if not _ADDRESS.search(word))
    runs: list[str] = []
    for spaced in _RUN.findall(_ZERO_AS_LETTER.sub(_zeros, outside)):
        run = re.sub(r"[^0-9+]", "", spaced)
        if _SEVERAL_IN_A_RUN.fullmatch(run):
            runs += (run[start : start + 10] for start in range(0, len(run), 10))
        else:
            runs.append(run)
    long_enough = [run for run in runs if len(run) >= 6]
    chosen = (long_enough or sorted(runs, key=len, reverse=True))[:_MOST_RUNS]
    return [_place(run, home) for run in chosen] or [_Found(Kind.MISSING, None, 0)]


def _zeros(letters: re.Match[str]) -> str:
    return "0" * len(letters[0])


def _place(run: str, home: str) -> _Found:
    """Understand one run of digits, with or without "+" or 00 in front."""
    if _FRENCH.match(run):
        return _at_home(_FRENCH.sub("0", run, count=1), ("FR",))
    if _ABROAD.match(run):
        return _abroad(_ABROAD.sub("", run, count=1))
    if saint_pierre := _SAINT_PIERRE.fullmatch(run):
        return _abroad(saint_pierre[1])
    if len(run) == 6:
        return _six_digits(run, home)
    return _at_home(run, (home, *_TERRITORIES))


def _at_home(digits: str, regions: tuple[str, ...]) -> _Found:
    """Understand a number without prefix: the one region where it exists, else its shape."""
    count = len(digits)
    if count <= 15:
        for region in regions:
            number = _parse(digits, region)
            if number and phonenumbers.is_valid_number(number):
                return _existing(number, count)
        if _is_short_number(digits):
            return _Found(Kind.SPECIAL, None, count)
    for shape, kind in _FRENCH_SHAPES:
        if shape.fullmatch(digits):
            return _Found(kind, None, count)
    if 10 < count <= 15 and not digits.startswith("0"):
        found = _abroad(digits)
        if found.e164 or found.kind is Kind.SPECIAL:  # right if it had its "+"
            return _Found(Kind.COUNTRY if found.is_mobile else found.kind, None, count)
    if count == 10:
        return _Found(Kind.UNKNOWN, None, count)
    return _Found(Kind.TOO_SHORT if count < 10 else Kind.TOO_LONG, None, count)


def _six_digits(digits: str, home: str) -> _Found:
    """Understand six digits: a number of the Pacific or of Saint-Pierre, or a truncated one."""
    if home in _SIX_DIGITS:
        return _at_home(digits, (home,))
    if _is_short_number(digits):
        return _Found(Kind.SPECIAL, None, 6)
    exists = any(_at_home(digits, (region,)).e164 for region in _SIX_DIGITS)
    return _Found(Kind.COUNTRY if exists else Kind.TOO_SHORT, None, 6)


def _abroad(digits: str) -> _Found:
    """Understand the digits that follow a "+"."""
    count = len(digits)
    if count > 15:  # E.164's own limit
        return _Found(Kind.TOO_LONG, None, count)
    if _NO_COUNTRY.match(digits):
        return _Found(Kind.SPECIAL, None, count)
    number = _parse(f"+{digits}")
    if number is None:
        return _Found(Kind.COUNTRY, None, count)
    if phonenumbers.is_valid_number(number):
        return _existing(number, count)
    match phonenumbers.is_possible_number_with_reason(number):
        case ValidationResult.TOO_SHORT | ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            return _Found(Kind.TOO_SHORT, None, count)
        case ValidationResult.TOO_LONG:
            return _Found(Kind.TOO_LONG, None, count)
        case _:
            return _Found(Kind.UNKNOWN, None, count)


def _existing(number: PhoneNumber, count: int) -> _Found:
    kind = _KINDS.get(phonenumbers.number_type(number), Kind.SPECIAL)
    return _Found(kind, phonenumbers.format_number(number, PhoneNumberFormat.E164), count)


def _parse(digits: str, region: str | None = None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return None


def _is_short_number(digits: str) -> bool:
    """112, 3949, 118 218…: numbers of emergency, of services and of advertising."""
    if len(digits) > 6 or digits.startswith("0"):
        return False
    number = _parse(digits, "FR")
    return number is not None and phonenumbers.is_valid_short_number_for_region(number, "FR")
