"""Text is cleaned once, at the door."""

import unicodedata

import pytest
from hypothesis import example, given

from flows.text import (
    MAX_TEXT,
    ascii_digits,
    clean,
    clean_password,
    half_width,
    is_invisible,
    plain,
)
from tests.flows.hostile import LONG_TEXTS, any_text


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Marie", "Marie"),
        ("  Marie \n Anne\t", "Marie Anne"),
        ("Marie\r\nAnne", "Marie Anne"),
        ("Marie\u00a0\u2003Anne\u2028Louise", "Marie Anne Louise"),
        ("Ma\x00r\x07ie", "Marie"),
        ("Ma\ud800rie\udfff", "Marie"),
        ("\u202eMarie\u202c", "Marie"),
        ("\u2068Marie\u2069", "Marie"),
        ("\ufeffMa\u200brie\u200d", "Marie"),
        ("Ma\u00adrie\u034f\ufe0f", "Marie"),
        ("\u3164\u2800", ""),
        ("E\u0301lise", "Élise"),
        ("\u212b", "Å"),
        ("ﬁ ² µ", "ﬁ ² µ"),
        ("😀 محمد 李", "😀 محمد 李"),
        ("", ""),
    ],
)
def test_clean_keeps_what_can_be_seen_and_stored(typed: str, kept: str) -> None:
    assert clean(typed) == kept


def test_clean_cuts_even_when_composing_makes_the_text_longer() -> None:
    assert len(clean("a" * 9999)) == MAX_TEXT
    assert len(clean("\ufb2c" * 9999)) == MAX_TEXT


@given(any_text)
@example("\ufb2c" * MAX_TEXT)
@example("a" * (MAX_TEXT - 1) + " b")
def test_clean_text_is_bounded_well_formed_and_cleaning_it_again_changes_nothing(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert clean(cleaned) == cleaned
    assert len(cleaned) <= MAX_TEXT
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned == cleaned.strip()
    assert "  " not in cleaned
    assert not any(map(is_invisible, cleaned))


@pytest.mark.parametrize("text", LONG_TEXTS, ids=lambda text: repr(text[:8]))
def test_clean_bounds_any_length(text: str) -> None:
    assert len(clean(text)) <= MAX_TEXT


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Zorg lu1!  ", " Zorg lu1!  "),
        ("E\u0301", "É"),
        ("\u00b5\u03bc", "\u00b5\u03bc"),
        ("ﬁ²\u00a0\u200b\n", "ﬁ²\u00a0\u200b\n"),
        ("a\ud800b", "a\ufffdb"),
        ("a" * 300, "a" * 300),
        ("a" * 5000, "a" * MAX_TEXT),
    ],
)
def test_clean_password_changes_nothing_but_what_cannot_be_stored(typed: str, kept: str) -> None:
    assert clean_password(typed) == kept


@given(any_text)
def test_a_cleaned_password_can_always_be_encoded(text: str) -> None:
    clean_password(text).encode()


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("0123456789", "0123456789"),
        ("٠١٢٣٤٥٦٧٨٩", "0123456789"),
        ("۰۱۲۳۴۵۶۷۸۹", "0123456789"),
        ("०१२३४५६७८९", "0123456789"),
        ("０１２３４５６７８９", "0123456789"),
        ("²½Ⅷ①", "²½Ⅷ①"),
        ("é 1", "é 1"),
    ],
)
def test_digits_of_all_scripts_become_ascii_and_nothing_else_does(typed: str, digits: str) -> None:
    assert ascii_digits(typed) == digits


def test_full_width_signs_become_ascii() -> None:
    assert half_width("＋３３（０）／Ａ é") == "+33(0)/A é"


@pytest.mark.parametrize(
    ("text", "reduced"),
    [
        ("Éloïse", "eloise"),
        ("Cœur-Æther", "coeuraether"),
        ("Straße", "strasse"),
        ("Łukasz Øster Đorđe Þór", "lukaszosterdordethor"),
        ("İbrahim Işık", "ibrahimisik"),
        ("O'Brien ’‘ʼ", "obrien"),
        ("🌹 7!", "7"),
    ],
)
def test_plain_keeps_letters_and_digits_only(text: str, reduced: str) -> None:
    assert plain(text) == reduced
