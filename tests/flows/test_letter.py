"""The code of a letter, alone, on its link, or with a sentence around it; and "NON" with a code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.questions.letter import ALPHABET, LENGTH, pretty, read_letter, read_objection
from flows.refusals import Reason, Refused
from flows.text import clean
from tests.flows.hostile import LONG_TEXTS, any_text

codes = st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH)
CODE = "AB2DEF3HJK4N"


def test_no_two_signs_of_a_code_look_alike_on_paper() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET) == 31
    assert set("0O1IL").isdisjoint(ALPHABET)
    assert ALPHABET.isascii()
    assert ALPHABET.isupper()


@pytest.mark.parametrize(
    "typed",
    [
        *("AB2D-EF3H-JK4N", "ab2d-ef3h-jk4n", " AB2DEF3HJK4N ", "ab2d ef3h jk4n", "AB2D.EF3H.JK4N"),
        *("A B 2 D E F 3 H J K 4 N", "AB2D–EF3H—JK4N", "AB2D-EF3H JK4N", "AB2DEF-3HJK4N"),
        *(
            "AB٢D-EF٣H-JK٤N",
            "ＡＢ２Ｄ－ＥＦ３Ｈ－ＪＫ４Ｎ",
            "AB2D\u00a0EF3H\u00a0JK4N",
            "AB2 DEF 3HJ K4N",
        ),
        *("code : AB2D-EF3H-JK4N", "Code:ab2d-ef3h-jk4n.", "« AB2D-EF3H-JK4N »", "(AB2DEF3HJK4N)"),
        "c'est écrit AB2D EF3H JK4N sur la lettre de l'école, merci",
        "Le code de la lettre est AB2D-EF3H-JK4N. Valable jusqu'au 3 mars 2026.",
        "the code of my letter: ab2 def 3hj k4n",
        "/start AB2DEF3HJK4N",
        "https://t.me/SesameBot?start=AB2DEF3HJK4N",
        "voici le lien https://t.me/Sesame_Collegebot?start=ab2d-ef3h-jk4n",
        "\u202eAB2D-EF3H-JK4N\u202c",
        "A\u200bB2D-EF3H-JK4N\ud800",
        "AB2D-EF3H-JK4N AB2D-EF3H-JK4N",
    ],
)
def test_the_code_is_found(typed: str) -> None:
    assert read_letter(typed) == CODE


@pytest.mark.parametrize("typed", ["mon code est abcd efgh jkmn", "abcdefghjkmn", "ABCD-EFGH-JKMN"])
def test_a_code_without_digits_is_one_too(typed: str) -> None:
    assert read_letter(typed) == "ABCDEFGHJKMN"


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        *(("", 0), ("...", 0), ("😀", 0), ("AB2D-EF3H-JK4", 11), ("AB2D-EF3H-JK4NP", 13)),
        *(("bonjour", 7), ("123456", 6), ("https://t.me/SesameBot?start=AB2D", 0)),
        *(("ab2def3hjk4n@free.fr", 0), ("je n'ai pas reçu de lettre de votre part", 6)),
        ("oui non peut-être 99999 @", 19),
    ],
)
def test_another_number_of_signs_is_counted(typed: str, read: int) -> None:
    assert read_letter(typed) == Refused(Reason.LETTER_LENGTH, {"n": read})


@pytest.mark.parametrize(
    "typed", ["AB2D-EF3H-JK0N", "ab2d ef3h jkl1", "O82DEF3HJK4N", "code AB1DEFGHJKMN"]
)
def test_a_sign_that_no_code_has_was_misread(typed: str) -> None:
    assert read_letter(typed) == Refused(Reason.LETTER_SIGN)


@pytest.mark.parametrize(
    "typed", ["AB2D-EF3H-JK4N ou AB2D-EF3H-JK4P", "AB2D EF3H JK4N / QR2S TU3V WX4Y"]
)
def test_several_codes_are_asked_about(typed: str) -> None:
    assert read_letter(typed) == Refused(Reason.LETTER_SEVERAL)


@given(codes)
def test_every_code_is_read_as_it_is_printed_and_typed(code: str) -> None:
    assert pretty(code) == f"{code[:4]}-{code[4:8]}-{code[8:]}"
    for written in (code, code.lower(), pretty(code), pretty(code).replace("-", " ")):
        assert read_letter(written) == code
        assert read_letter(f"https://t.me/SesameBot?start={written.replace(' ', '-')}") == code
        assert read_objection(f"NON {written}") == read_objection(f"no: {written}.") == code
        assert read_objection(written) is None


@pytest.mark.parametrize(
    "typed",
    [
        *("NON AB2D-EF3H-JK4N", "no ab2def3hjk4n", "Non: AB2D EF3H JK4N", "NON, AB2D-EF3HJK4N."),
        *(
            "«\u00a0NON AB2D-EF3H-JK4N\u00a0»",
            "non\nab2d-ef3h-jk4n",
            "ＮＯＮ ＡＢ２Ｄ－ＥＦ３Ｈ－ＪＫ４Ｎ",
        ),
    ],
)
def test_an_objection_is_the_word_and_the_code(typed: str) -> None:
    assert read_objection(typed) == CODE


@pytest.mark.parametrize(
    "typed",
    [
        *("", "non", "NON", "no", "non merci", "AB2D-EF3H-JK4N", "oui AB2D-EF3H-JK4N", "NON AB2D"),
        *("nom AB2D-EF3H-JK4N", "NONAB2DEF3HJK4N", "non AB2D-EF3H-JK0N", "non AB2D-EF3H-JK4NP"),
        *(
            "no that was my dad",
            "non AB2D-EF3H-JK4N merci",
            "non é AB2D-EF3H-JK4N",
            "non 14/03/2014",
        ),
        *("je dis non AB2D-EF3H-JK4N", "Nondépartements", "no " * 2000, "NON " + "A" * 5000),
    ],
)
def test_nothing_else_is_an_objection(typed: str) -> None:
    assert read_objection(typed) is None


@given(any_text)
def test_whatever_is_read_is_a_code(text: str) -> None:
    for typed in (text, clean(text), f"non {text}"):
        for answer in (read_letter(typed), read_objection(typed)):
            if isinstance(answer, str):
                assert len(answer) == LENGTH
                assert set(answer) <= set(ALPHABET)


@pytest.mark.parametrize("text", LONG_TEXTS, ids=lambda text: repr(text[:8]))
def test_long_texts_are_read_too(text: str) -> None:
    read_letter(text)
    assert read_objection(text) is None
