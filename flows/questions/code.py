"""The six digits of the SMS: typed, spaced, or with the whole SMS pasted around them."""

import re

from flows.refusals import Reason, Refused
from flows.text import ascii_digits, clean

CODE_DIGITS = 6
"""Digits of a code (DESIGN, decision 8)."""

# Digits and what people put between them: "123 456", "123-456", "1 2 3 4 5 6".
_RUN = re.compile(r"[0-9](?:[ .\-‐-―]?[0-9])*")

_LABELLED = re.compile(r"[^\W\d_]+:[0-9]{6}\W?")  # "code:123456"

# Signs of passwords that sentences, addresses and times do not hold.
_PASSWORD_SIGNS = frozenset("#$(){}[]_&=+%*<>£µ^~|\\")


def read_code(text: str) -> str | Refused:
    """Return the code, six ASCII digits.

    Other numbers beside it ("valable 30 minutes") do not disturb. CODE_LENGTH tells `n`, the
    digits of the longest number read; CODE_IS_PASSWORD asks the caller to erase the message.
    """
    words = ascii_digits(clean(text))
    if any(map(_looks_like_password, words.split())):
        return Refused(Reason.CODE_IS_PASSWORD)
    numbers = [number for run in _RUN.findall(words) for number in _numbers(run)]
    codes = set(filter(_is_code, numbers))
    if len(codes) > 1:
        return Refused(Reason.CODE_SEVERAL)
    if not codes:
        return Refused(Reason.CODE_LENGTH, {"n": max(map(len, numbers), default=0)})
    return codes.pop()


def _numbers(run: str) -> list[str]:
    """The whole run is one number, unless codes stand in it by themselves: "14 123456"."""
    return list(filter(_is_code, run.split(" "))) or ["".join(re.findall("[0-9]+", run))]


def _is_code(digits: str) -> bool:
    return len(digits) == CODE_DIGITS


def _looks_like_password(word: str) -> bool:
    """Letters in one word with digits or with a password's signs.

    A code is never glued to letters, so a password that holds six digits costs no try.
    """
    if _LABELLED.fullmatch(word):
        return False
    letters = any(map(str.isalpha, word))
    digits = any(map(str.isdigit, word)) and len(word) > CODE_DIGITS
    signs = not _PASSWORD_SIGNS.isdisjoint(word) and len(word) > CODE_DIGITS
    return letters and (digits or signs)
