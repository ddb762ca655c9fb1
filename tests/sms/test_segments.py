"""How many SMS a text takes, and that ours take one (GSM 03.38)."""

import string
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from gsm0338 import Codec
from hypothesis import example, given
from hypothesis import strategies as st

from bot.rendering import Renderer
from bot.sms.segments import is_gsm, segments, spelled
from flows.policy import Policy

GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
TWO = "\f^{}\\[~]|€"
"""The table of 3GPP TS 23.038, 6.2.1 and its extension, as it is printed there."""

LONGEST = "abcdefghijklmnopqrstuvwxyz1234"  # 30 letters and digits


def test_the_alphabet_is_the_standards() -> None:
    assert len(set(GSM)) == 127  # and the escape
    assert all(is_gsm(letter) for letter in GSM + TWO)
    others = (chr(number) for number in range(0x20, 0x3000) if chr(number) not in GSM + TWO)
    assert not any(map(is_gsm, others))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # the € is not cut: 152 + (2 + 151) + 1
        ("ç" * 70, 1),
        ("ç" * 71, 2),
        ("ç" * 134, 2),
        ("ç" * 135, 3),
        ("𝒩" * 35, 1),
        ("𝒩" * 36, 2),
        ("ç" * 66 + "𝒩" + "ç" * 66, 3),
    ],
)
def test_how_many(text: str, number: int) -> None:
    assert segments(text) == number


@given(st.text(alphabet=GSM + TWO, max_size=400))
def test_as_many_as_the_bytes_need(text: str) -> None:
    size = len(Codec().encode(text)[0])
    least = 1 if size <= 160 else -(-size // 153)
    assert least <= segments(text) <= least + 1


@given(st.text(max_size=300), st.text(max_size=20))
def test_more_text_never_takes_fewer(text: str, more: str) -> None:
    assert segments(text) <= segments(text + more)


@given(st.text(max_size=40))
@example("عمر")
@example("N`Golo")
def test_every_name_can_be_spelled(name: str) -> None:
    assert is_gsm(spelled(name))


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_our_texts_take_one(lang: str) -> None:
    """With the longest facts: a code of eight digits, the longest validity, 30 letters."""
    renderer = Renderer(ZoneInfo("Europe/Paris"), "")
    minutes = int(Policy().code_validity / timedelta(minutes=1))
    texts = [
        renderer.say("sms.code", lang, code="12345678", minutes=minutes),
        renderer.say("sms.identifier", lang, identifier=LONGEST),
    ]
    for text in texts:
        assert is_gsm(text), [letter for letter in text if not is_gsm(letter)]
        assert segments(text) == 1, len(text)
    assert texts[0].startswith("12345678 ")
    assert set(LONGEST) <= set(string.ascii_lowercase + string.digits)
