"""Text at the door: whatever a parent sends becomes text that every later step can hold.

Lone surrogates break SQLite and Argon2, NUL cuts strings short, direction marks disguise
(RELIABILITY 0.11, T20). It is mended here once, before anything looks at the text.
"""

import unicodedata

from anyascii import anyascii

MAX_TEXT = 4096
"""Code points kept of a message: Telegram's own limit, and what bounds every parser (T21)."""

# Invisible although Unicode counts them as letters, marks or symbols: the combining joiner,
# Hangul fillers, the empty Braille cell, variation selectors.
_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
)
_SPACES = frozenset("\t\n\v\f\r\x85")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


def clean(text: str) -> str:
    """Return an answer ready to be read and stored; for everything but passwords.

    At most MAX_TEXT code points, NFC, on one line, single spaced and trimmed, without lone
    surrogates, controls, zero-width or direction marks. Cleaning twice changes nothing.
    """
    kept = "".join(map(_cleaned, text[:MAX_TEXT]))
    composed = unicodedata.normalize("NFC", kept)[:MAX_TEXT]  # NFC may lengthen
    return " ".join(composed.split())


def clean_password(text: str) -> str:
    """Return a password as typed, in NFC, cut at MAX_TEXT, with its spaces.

    A lone surrogate becomes U+FFFD, which `check_password` refuses: what cannot be stored is
    said, never silently dropped from a secret.
    """
    whole = "".join("\ufffd" if _is_surrogate(char) else char for char in text[:MAX_TEXT])
    return unicodedata.normalize("NFC", whole)


def is_invisible(char: str) -> bool:
    """Tell whether nothing is seen where this character stands, spaces apart."""
    return unicodedata.category(char) in {"Cc", "Cf", "Cs"} or char in _INVISIBLE


def ascii_digits(text: str) -> str:
    """Write the decimal digits of any script as 0-9: Arabic, full-width… but never "²"."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(char, char)) for char in text)


def half_width(text: str) -> str:
    """Write the full-width signs of East Asian keyboards ("＋", "／") as ASCII."""
    return text.translate(_FULL_WIDTH)


def plain(text: str) -> str:
    """Reduce text to a-z and 0-9: accents, case and signs dropped, "œ" as "oe", "ł" as "l".

    Other scripts are transliterated, so this shows likeness; it does not prove identity.
    """
    letters = "".join(filter(str.isalnum, text))  # first: anyascii spells emoji out in words
    return "".join(filter(str.isalnum, str(anyascii(letters)))).lower()


def _cleaned(char: str) -> str:
    if char in _SPACES or unicodedata.category(char) in {"Zs", "Zl", "Zp"}:
        return " "
    return "" if is_invisible(char) else char


def _is_surrogate(char: str) -> bool:
    return "\ud800" <= char <= "\udfff"
