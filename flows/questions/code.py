"""The digits of the SMS: typed, spaced, or with the whole SMS pasted around them."""

import re

from flows.refusals import Reason, Refused
from flows.text import ascii_digits, clean

# Digits and what people put between them: "123 456", "123-456", "1 2 3 4 5 6".
_RUN = re.compile(r"[0-9](?:[ .\-‐-―]?[0-9])*")

_LABELLED = re.compile(r"[^\W\d_]+:([0-9]+)\W?")  # "code:123456"

# Signs of passwords that sentences, addresses and times do not hold.
_PASSWORD_SIGNS = frozenset("#$(){}[]_&=+%*<>£µ^~|\\")


def read_code(text: str, digits: int = 6) -> str | Refused:
    """Return the code, so many ASCII digits (DESIGN, decision 8).

    Other numbers beside it ("valable 30 minutes") do not disturb. CODE_LENGTH tells `n`, the
    digits of the longest number read; CODE_IS_PASSWORD asks the caller to erase the message.
    """
    words = ascii_digits(clean(text))
    if any(_looks_like_password(word, digits) for word in words.split()):
        return Refused(Reason.CODE_IS_PASSWORD)
    numbers = [number for run in _RUN.findall(words) for number in _numbers(run, digits)]
    codes = {number for number in numbers if len(number) == digits}
    if len(codes) > 1:
        return Refused(Reason.CODE_SEVERAL)
    if not codes:
        return Refused(Reason.CODE_LENGTH, {"n": max(map(len, numbers), default=0)})
    return codes.pop()


def _numbers(run: str, digits: int) -> list[str]:
    """The whole run is one number, unless codes stand in it by themselves: "14 123456"."""
    codes = [part for part in run.split(" ") if len(part) == digits and part.isdigit()]
    return codes or ["".join(re.findall("[0-9]+", run))]


def _looks_like_password(word: str, length: int) -> bool:
    """Letters in one word with digits or with a password's signs.

    A code is never glued to letters, so a password that holds as many digits costs no try.
    """
    labelled = _LABELLED.fullmatch(word)
    if labelled and len(labelled[1]) == length:
        return False
    letters = any(map(str.isalpha, word))
    digits = any(map(str.isdigit, word)) and len(word) > 6
    signs = not _PASSWORD_SIGNS.isdisjoint(word) and len(word) > 6
    return letters and (digits or signs)
