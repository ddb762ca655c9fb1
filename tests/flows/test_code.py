"""The SMS code, alone or with the whole message around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.questions.code import read_code
from flows.refusals import Reason, Refused
from flows.text import clean
from tests.flows.hostile import LONG_TEXTS, any_text


@pytest.mark.parametrize(
    "typed",
    [
        *("123456", " 123456 ", "123 456", "123-456", "123.456", "12 34 56", "1 2 3 4 5 6"),
        *("123–456", "12-3456", "123\u00a0456", "1-2-3-4-5-6", "١٢٣٤٥٦", "۱۲۳ ۴۵۶", "１２３４５６"),
        *("123456.", "(123456)", "« 123456 »", "123456 123456", "code : 123456", "code:123456"),
        "le code est 123456 merci",
        "je l'ai reçu à 14:32 123456",
        "123456 30 minutes",
        "Sésame : 123456 est votre code, valable 30 minutes. Saisissez-le dans la conversation."
        " Ne le donnez à personne.",
        "Sésame: your code is 123456, valid for 30 minutes. Type it in the chat."
        " Do not give it to anyone.",
    ],
)
def test_the_code_is_found(typed: str) -> None:
    assert read_code(typed) == "123456"


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        *(("", 0), ("bonjour", 0), ("je n'ai rien reçu", 0), ("rendez-vous", 0), ("²²²²²²", 0)),
        *(
            ("12-345", 5),
            ("12345", 5),
            ("1234567", 7),
            ("123 45", 5),
            ("123 4567", 7),
            ("12345678", 8),
        ),
        *(("06 12 34 56 78", 10), ("j'ai 2 messages de 12345", 5), ("9" * 5000, 4096)),
        *(("valable 30 minutes", 2), ("https://exemple.fr", 0), ("marie@free.fr", 0), ("00", 2)),
    ],
)
def test_another_number_of_digits_is_counted(typed: str, digits: int) -> None:
    assert read_code(typed) == Refused(Reason.CODE_LENGTH, {"n": digits})


@pytest.mark.parametrize(
    "typed",
    [
        *("12345678", "1234 5678", "1234-5678", "code:12345678", "12 34 56 78", "14 12345678"),
        "Sésame : 12345678 est votre code, valable 30 minutes.",
    ],
)
def test_a_code_of_eight_digits(typed: str) -> None:
    assert read_code(typed, 8) == "12345678"
    assert isinstance(read_code(typed), Refused)


@pytest.mark.parametrize("typed", ["123456 654321", "123456 ou 654321", "123456\n654 321, 000000"])
def test_several_codes_are_asked_about(typed: str) -> None:
    assert read_code(typed) == Refused(Reason.CODE_SEVERAL)


@pytest.mark.parametrize(
    "typed",
    [
        *("Bleu!2024x", "Azerty123456!", "123456Azerty", "Motdepasse#x", "mon mdp Bleu2024!"),
        *("Zorglub1µ", "abc123456", "é123456", "{Zorglub}"),
    ],
)
def test_a_password_is_recognised_even_around_six_digits(typed: str) -> None:
    assert read_code(typed) == Refused(Reason.CODE_IS_PASSWORD)


@given(st.from_regex("[0-9]{6}", fullmatch=True))
def test_every_code_is_read_alone_and_in_the_sms(code: str) -> None:
    assert read_code(code) == read_code(f"{code[:3]} {code[3:]}") == code
    assert read_code(f"Sésame : {code} est votre code, valable 30 minutes.") == code


@given(any_text, st.sampled_from((6, 8)))
def test_whatever_is_read_is_as_many_ascii_digits(text: str, digits: int) -> None:
    answer = read_code(clean(text), digits)
    if isinstance(answer, str):
        assert len(answer) == digits
        assert answer.isascii()
        assert answer.isdigit()


@pytest.mark.parametrize("text", LONG_TEXTS, ids=lambda text: repr(text[:8]))
def test_long_texts_are_read_too(text: str) -> None:
    read_code(clean(text))
