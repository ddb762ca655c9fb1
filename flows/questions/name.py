"""The parent's last and first names: read as typed, compared folded.

Names are compared by equality, never by distance: couples share a phone, so the first name is
what tells two parents apart (REGISTER 8; DESIGN, decision 3).
"""

import re
import unicodedata
from dataclasses import dataclass

from flows.refusals import Reason, Refused
from flows.text import clean, plain

MAX_NAME = 80
"""Longest name taken, in code points (MISSION 4.3, FAMILY_NAME)."""

_APOSTROPHES = "'’‘ʼʻ`´"
_HYPHENS = "-‐‑–"
_EDGES = ' ,;:!?…"«»“”„()' + _HYPHENS

# "M" without a dot is no title: the register writes "M HAMED" for M'Hamed.
_TITLE = (
    r"(?:m\.|(?:mr|mrs|ms|mx|mme|mmes|mlle|melle|dr|miss|mister|monsieur|madame|mademoiselle"
    r"|docteur)(?:\.|(?= )))"
)
_TITLES = re.compile(
    rf"(?:{_TITLE} ?(?:(?:et|and|ou|or|&|/) ?(?={_TITLE}))?){{1,6}}(?=\S)", re.IGNORECASE
)

# Words that begin a family name: "Ben Ali" and "LE GALL" are one name, not a last and a first.
# fmt: off
_PARTICLES = frozenset({
    "de", "du", "des", "da", "das", "do", "dos", "di", "del", "della", "la", "le",
    "les", "van", "von", "vander", "ver", "ter", "ten", "ben", "ibn", "bin", "bou",
    "abou", "abu", "abd", "ait", "oulad", "ould", "el", "al", "mac", "mc", "st", "ste",
    "saint", "sainte", "san", "santa",
})
# fmt: on


@dataclass(frozen=True, slots=True)
class TwoNames:
    """A last and a first name found in one answer; the parent must confirm them."""

    last: str
    first: str


def read_name(text: str, *, splittable: bool = False) -> str | TwoNames | Refused:
    """Read a last or a first name: 1 to 80 letters of any script, spaces, - ' ’ and dots.

    Leading titles ("Mme") and stray punctuation around the name are dropped; a name typed without
    capitals, or in capitals only, is written as names are ("De La Tour"): it is read back, and
    becomes the account's. TwoNames is only returned where `splittable` is set, for the last-name
    question ("DUPONT Marie").
    """
    written = clean(text).strip(_EDGES)
    if not any(map(str.isalpha, written)):
        return Refused(Reason.NAME_MISSING)
    if len(written) > MAX_NAME:
        return Refused(Reason.NAME_TOO_LONG)
    name = _without_titles(written).strip(_EDGES)
    if splittable and name.count(",") == 1:
        last, first = (part.strip(_EDGES) for part in name.split(","))
        if _is_name(last) and _is_name(first):
            return TwoNames(_cased(last), _cased(first))
    if not _is_name(name):
        return Refused(Reason.NAME_UNLIKELY)
    two = _split(name) if splittable else None
    return TwoNames(*map(_cased, two)) if two else _cased(name)


def fold(name: str) -> str:
    """Return the key under which a name is compared: a-z and 0-9 only, without titles.

    Empty for a name with letters of another script than Latin: the register holds Latin names
    only, and a transliteration is a guess, so such a name equals none. A "?" is dropped.
    """
    return plain(_without_titles(name)) if _is_latin(name) else ""


def same_last(typed: str, birth: str, usage: str = "") -> bool:
    """Tell whether `typed` is the birth name, the usage name, or both in either order.

    A "?" in the register's name stands for one letter that its export could not write
    (REGISTER 1); in what was typed it stands for nothing.
    """
    known = (birth, usage, f"{birth} {usage}", f"{usage} {birth}")
    return any(_equal(typed, name) for name in known)


def same_first(typed: str, known: str) -> bool:
    """Tell whether `typed` is the first name `known`, or one or the leading of several.

    The register's "Marie Anne" is two first names: "Marie", "Anne" and "Marie Anne" are right.
    "Marie-Anne" is one: "Marie Anne" and "Marie-Anne" are right, "Marie" is not. Whoever copies
    all first names from an identity card, "Marie Anne Louise", is right for "Marie" too.
    """
    names = _without_titles(known).replace(",", " ").split()
    leading = (" ".join(names[:count]) for count in range(1, len(names) + 1))
    alone = (name for name in names if len(name.strip(".")) > 1)  # an initial alone is no name
    words = typed.split()
    copied = (" ".join(words[:count]) for count in range(1, len(words)))
    return any(_equal(typed, name) for name in (*leading, *alone)) or any(
        _equal(name, known) for name in copied
    )


def is_same_name(a: str, b: str) -> bool:
    """Tell whether two answers are one name: was the last name typed twice?"""
    return fold(a) == fold(b) != ""


def _is_name(text: str) -> bool:
    """Letters with their marks, and the four signs of names; at least one letter."""
    return any(map(str.isalpha, text)) and all(
        char in f" .{_HYPHENS}{_APOSTROPHES}" or unicodedata.category(char)[0] in "LM"
        for char in text
    )


def _without_titles(name: str) -> str:
    title = _TITLES.match(name)
    return name[title.end() :] if title else name


def _cased(name: str) -> str:
    if not (name.islower() or name.isupper()):
        return name
    cased = name.title()
    return cased if len(cased) == len(name) else name  # "ß" has no capital of one letter


def _split(name: str) -> tuple[str, str] | None:
    """Last and first name: one stands behind (or before) the other, by capitals or by two words."""
    words = name.split()
    if any(len(word) == 1 for word in words):  # "M BAPPE", "N GUESSAN"
        return None
    shouted = [word.isupper() for word in words]
    if all(word[0].isupper() for word in words) and any(shouted) and not all(shouted):
        count = shouted.count(True)
        if all(shouted[:count]):  # "DE LA TOUR Marie Anne"
            return " ".join(words[:count]), " ".join(words[count:])
        if all(shouted[-count:]):  # "Marie DUPONT"
            return " ".join(words[-count:]), " ".join(words[:-count])
    if len(words) == 2 and words[1][0].isupper() and plain(words[0]) not in _PARTICLES:
        return words[0], words[1]
    return None


def _equal(typed: str, known: str) -> bool:
    """Equal when folded; each "?" of `known` is any one letter, if most letters are known."""
    key = fold(typed)
    if not key or not _is_latin(known):
        return False
    pieces = [plain(piece) for piece in _without_titles(known).split("?")]
    lost = len(pieces) - 1
    if not lost:
        return key == pieces[0]
    letters = "".join(pieces)
    return len(letters) > lost and bool(re.fullmatch("[a-z]".join(pieces), key))


def _is_latin(name: str) -> bool:
    """No letter of another script; modifier letters are apostrophes here (Hawaiian ʻ)."""
    return name.isascii() or all(
        "LATIN" in unicodedata.name(char, "")
        for char in name
        if char.isalpha() and unicodedata.category(char) != "Lm"
    )
