"""How many SMS a text takes: what is paid for (GSM 03.38, 3GPP TS 23.038 and 23.040)."""

from anyascii import anyascii
from gsm0338 import Codec

_GSM = Codec()
_UCS2 = "utf-16-be"

GSM_ALONE, GSM_JOINED = 160, 153  # characters; a part of several leaves room for a header
UCS2_ALONE, UCS2_JOINED = 70, 67


def is_gsm(text: str) -> bool:
    """Whether the phones' own alphabet has all of it: else each SMS holds less than half."""
    try:
        _GSM.encode(text)
    except UnicodeEncodeError:
        return False
    return True


def spelled(text: str) -> str:
    """The text in the phones' own alphabet: "Loïc" becomes "Loic", and "N`Golo" "N'Golo"."""
    plain = (letter if is_gsm(letter) else anyascii(letter) for letter in text)
    return "".join(sign if is_gsm(sign) else "'" for sign in "".join(plain))


def segments(text: str) -> int:
    """How many SMS the text takes."""
    if is_gsm(text):
        sizes = [len(_GSM.encode(letter)[0]) for letter in text]
        alone, joined = GSM_ALONE, GSM_JOINED
    else:
        sizes = [len(letter.encode(_UCS2, "surrogatepass")) // 2 for letter in text]
        alone, joined = UCS2_ALONE, UCS2_JOINED
    if sum(sizes) <= alone:
        return 1
    parts, filled = 1, 0
    for size in sizes:  # a character of two units is not cut in the middle
        if filled + size > joined:
            parts, filled = parts + 1, 0
        filled += size
    return parts
