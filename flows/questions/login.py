"""An account's identifier as its parent types it: "m.dupont12" (MISSION 1.3, Identifier)."""

import re
from collections.abc import Iterator

from anyascii import anyascii

from flows.refusals import Reason, Refused
from flows.text import ascii_digits, clean, half_width

MAX_LOGIN = 200
"""Longest identifier read: a name of 80 letters may be twice as long in ASCII ("æ")."""

_LONGEST_NUMBER = 6  # of those who share a name

_AROUND = ' ,;:!?…"«»“”„()[]<>*—'
_WITHIN = str.maketrans("", "", "-‐‑–'’‘`´_")  # a name's own signs, which no identifier has
_ELSEWHERE = re.compile(r"[@/\\]")
_LABEL = re.compile(r"[:=]")

_LOGIN = re.compile(r"[a-z]\.[a-z0-9]+")
_DOT = re.compile(r" ?\. ?")  # some keyboards put a space behind it


def read_login(text: str) -> str | Refused:
    """Return the identifier, in lower-case ASCII as accounts have it.

    Words around it do not disturb, nor do case, accents and a name's own signs.
    """
    outside = " ".join(word for word in clean(text).split() if not _ELSEWHERE.search(word))
    words = [_simplified(word) for word in _LABEL.sub(" ", outside).split()]
    found = {word for word in (word.rstrip(".") for word in words) if _is_login(word)}
    if not found:
        found = set(_spaced(_DOT.sub(".", " ".join(words)).split()))
    return found.pop() if len(found) == 1 else Refused(Reason.LOGIN_UNREADABLE)


def _is_login(word: str) -> bool:
    """An initial, a dot, and a name in which there is a letter: "6.12" is none."""
    fits = len(word) <= MAX_LOGIN and _LOGIN.fullmatch(word)
    return bool(fits) and any(map(str.isalpha, word[2:]))


def _spaced(words: list[str]) -> Iterator[str]:
    """Identifiers whose number may stand apart: "m. dupont 12"."""
    for word, after in zip(words, [*words[1:], ""], strict=False):
        if _is_login(word):
            number = after if len(after) <= _LONGEST_NUMBER and after.isdigit() else ""
            yield word + number


def _simplified(word: str) -> str:
    """Without case, accents and the signs that stand around or within names."""
    written = half_width(ascii_digits(word)).translate(_WITHIN)
    return str(anyascii(written)).lower().strip(_AROUND)
