"""The code on a letter of the school, and the one with which a notice is objected to.

Both are 12 characters of an alphabet without what looks alike on paper: no 0 and O, no 1, I and L.
31^12 codes are too many to guess in 5 tries a day.
"""

import re

from flows.refusals import Reason, Refused
from flows.text import ascii_digits, clean, half_width

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
LENGTH = 12

_GROUP = 4

_LINK = re.compile(r"[?&]start=([0-9A-Za-z_-]{1,64})")  # of a deep link that was pasted
_ADDRESS = re.compile(r"\S{0,99}(?:://|@)\S{0,999}")  # whose pieces are no code
_WORD = re.compile(r"[^\W_](?:[.\-‐-―_]{0,3}[^\W_])*")
_JOINERS = str.maketrans("", "", ".-_" + "".join(map(chr, range(0x2010, 0x2016))))
_JOINER = re.compile(r"[^0-9A-Z]")
_NO = re.compile(r"\W{0,9}NON?\b\W{0,9}")


def read_letter(text: str) -> str | Refused:
    """Return the code, in capitals and without what stands between its characters.

    Words around it do not disturb. LETTER_LENGTH tells `n`, the characters read.
    """
    written = half_width(ascii_digits(clean(text)))
    links = [_joined(token.upper()) for token in _LINK.findall(written)]
    words = [_joined(word) for word in _WORD.findall(_ADDRESS.sub(" ", written).upper())]
    whole = "".join(words)
    for candidates in (links, _in_fours(words), words, [whole], _endings(words)):
        codes = {one for one in candidates if _is_code(one)}
        if len(codes) > 1:
            return Refused(Reason.LETTER_SEVERAL)
        if codes:
            return codes.pop()
    if any(_is_misread(one) for one in (*links, *words, whole)):
        return Refused(Reason.LETTER_SIGN)
    longest = max(words, key=len, default="")
    return Refused(Reason.LETTER_LENGTH, {"n": len(whole if len(whole) < 2 * LENGTH else longest)})


def read_objection(text: str) -> str | None:
    """Return the code of "NON ABCD-EFGH-JKMN" or "no abcdefghjkmn"; None for anything else.

    This is understood at every question, so the code stands alone, in one piece or in fours.
    """
    written = half_width(ascii_digits(clean(text))).upper()
    refusal = _NO.match(written)
    rest = written[refusal.end() :] if refusal else ""
    pieces = [piece for piece in _JOINER.split(rest) if piece]
    code = "".join(filter(str.isalnum, rest))
    in_fours = all(len(piece) % _GROUP == 0 for piece in pieces)
    return code if in_fours and _is_code(code) else None


def pretty(code: str) -> str:
    """Write a code for people: "ABCD-EFGH-JKMN"."""
    return "-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP))


def _is_code(text: str) -> bool:
    return len(text) == LENGTH and set(text) <= set(ALPHABET)


def _is_misread(text: str) -> bool:
    """As long as a code, but with a 0, O, 1, I or L; a long word without digits is only a word."""
    return len(text) == LENGTH and any(map(str.isdigit, text))


def _joined(word: str) -> str:
    return word.translate(_JOINERS)


def _in_fours(words: list[str]) -> list[str]:
    """Three words of four characters that follow each other: "ABCD EFGH JKMN"."""
    threes = zip(words, words[1:], words[2:], strict=False)
    return ["".join(three) for three in threes if {*map(len, three)} == {_GROUP}]


def _endings(words: list[str]) -> list[str]:
    """The last words together: "code: ABC DEF GHJ KMN". A code is cut into equal pieces."""
    lasts = (words[-count:] for count in range(2, min(LENGTH, len(words)) + 1))
    return ["".join(last) for last in lasts if _in_pieces(last)]


def _in_pieces(words: list[str]) -> bool:
    lengths = {len(word) for word in words}
    return len(lengths) == 1 or all(length % _GROUP == 0 for length in lengths)
