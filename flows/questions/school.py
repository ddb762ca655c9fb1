"""A school as a parent names it: its code (UAI), or its name and town."""

import re

from flows.refusals import Reason, Refused
from flows.text import ascii_digits, clean, half_width, plain

MAX_SCHOOL = 80
"""Longest answer taken, in code points."""

_UAI = re.compile(r"[0-9]{7}[A-Z]")
_WORD = re.compile(r"[^\W_]+")

_SAME = {"st": "saint", "ste": "sainte", "clg": "college", "lyc": "lycee"}

# Words that a parent may leave out, or use for each other.
# fmt: off
_OPTIONAL = frozenset({
    "college", "lycee", "ecole", "groupe", "cite", "scolaire", "school", "high", "middle",
    "elementaire", "maternelle", "primaire", "primary", "prive", "privee", "public", "publique",
    "general", "generale", "professionnel", "polyvalent",
    "a", "au", "aux", "d", "de", "des", "du", "en", "et", "in", "l", "la", "le", "les", "mon",
    "my", "of", "sur", "the",
})
# fmt: on

_LEAST = 4
"""Letters of a word that may stand within the name's letters, run together: "jeanmoulin"."""


def looks_like_uai(text: str) -> bool:
    """Tell whether the text has the form of a school's code: seven digits and a capital."""
    return _UAI.fullmatch(text) is not None


def read_school(text: str) -> str | Refused:
    """Return what names a school: a UAI in its usual form, else the text itself, cleaned."""
    written = clean(text)
    if looks_like_uai(_as_uai(written)):
        return _as_uai(written)
    if len(written) > MAX_SCHOOL:
        return Refused(Reason.SCHOOL_TOO_LONG)
    if min(len(written), len(plain(written))) < 2:  # "Þ" is written with two letters elsewhere
        return Refused(Reason.SCHOOL_MISSING)
    return written


def is_school(typed: str, uai: str, name: str) -> bool:
    """Tell whether `typed` (as read above) names this school.

    By its UAI, or by words that all stand in its name; "collège" and its like may be left out.
    """
    if looks_like_uai(_as_uai(typed)):
        return _as_uai(typed) == _as_uai(uai)
    asked, known = _words(typed), _words(name)
    telling = [word for word in asked if word not in _OPTIONAL] or asked
    letters = "".join(known)
    return bool(telling) and all(
        word in known or (len(word) >= _LEAST and word in letters) for word in telling
    )


def _as_uai(text: str) -> str:
    return half_width(ascii_digits(text)).upper().replace(" ", "")


def _words(text: str) -> list[str]:
    folded = [plain(word) for word in _WORD.findall(text)]
    return [_SAME.get(word, word) for word in folded if word]
