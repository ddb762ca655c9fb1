"""An identifier as its parent types it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.questions.login import MAX_LOGIN, read_login
from flows.refusals import Reason, Refused
from storage.accounts import stem
from tests.flows.hostile import LONG_TEXTS, any_text


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "m.dupont12",
            "M.DUPONT12",
            " m.dupont12 ",
            "m. dupont 12",
            "M . Dupont 12",
            "m.dûpont12",
        ),
        *(
            "mon identifiant est m.dupont12",
            "Identifiant:m.dupont12",
            "c'est « m.dupont12 ».",
            "m.dupont12.",
        ),
        *(
            "m.dupont12, je crois",
            "m.dupont12 m.dupont12",
            "m.du-pont12",
            "m.d'upont12",
            "m.dupont１２",
        ),
        *(
            "ｍ．ｄｕｐｏｎｔ１２",
            "m.dupont١٢",
            "\u202am.dupont12\u202c",
            "m.dup\u200bont12",
            "m.dupont12\ud800",
        ),
        "my identifier is m.dupont12 (I think)",
    ],
)
def test_the_identifier_is_found(typed: str) -> None:
    assert read_login(typed) == "m.dupont12"


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "",
            "m.",
            ".",
            ".dupont",
            "mdupont",
            "Marie Dupont",
            "marie.dupont",
            "dupont",
            "6.12",
            "m.12",
        ),
        *(
            "06 12 34 56 78",
            "06.12.34.56.78",
            "m.dupont@free.fr",
            "https://m.dupont/x",
            "www.exemple.fr",
        ),
        *("m.dupont ou p.dupont", "m..dupont", "je ne sais pas", "m.dupont.martin", "😀", "/aide"),
    ],
)
def test_nothing_else_is_an_identifier(typed: str) -> None:
    assert read_login(typed) == Refused(Reason.LOGIN_UNREADABLE)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        *(("Marie", "Dupont"), ("Éloïse", "de La Tour d'Auvergne"), ("Jean-Luc", "Nguyễn")),
        *(("Łukasz", "Dupont-Martin"), ("O", "Ng"), ("Mme Marie", "Lecœur"), ("Þór", "Æther" * 16)),
    ],
)
def test_every_identifier_that_is_made_is_read(first: str, last: str) -> None:
    login = stem(first, last)
    for number in ("", "2", "12345"):
        for typed in (login + number, login.upper() + number, f"c'est {login}{number}."):
            assert read_login(typed) == login + number


@given(any_text)
def test_whatever_is_read_is_an_identifier(text: str) -> None:
    for typed in (text, f"m.{text}"):
        login = read_login(typed)
        if isinstance(login, str):
            assert login.isascii()
            assert login == login.lower()
            assert len(login) <= MAX_LOGIN
            assert read_login(login) == login


@given(st.text("m. dupont12", max_size=30))
def test_dots_and_spaces_anywhere(text: str) -> None:
    login = read_login(text)
    assert isinstance(login, Refused) or read_login(login) == login


@pytest.mark.parametrize("text", LONG_TEXTS, ids=lambda text: repr(text[:8]))
def test_a_long_text_is_no_identifier(text: str) -> None:
    assert isinstance(read_login(text), Refused) or text.startswith("M. M. ")
