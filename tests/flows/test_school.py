"""A school as a parent names it."""

import pytest
from hypothesis import given

from flows.questions.school import MAX_SCHOOL, is_school, read_school
from flows.refusals import Reason, Refused
from flows.text import clean
from tests.flows.hostile import LONG_TEXTS, any_text

MOULIN = ("0750001U", "Collège Jean-Moulin, Saint-Denis")
LILAS = ("0750002V", "ECOLE ELEMENTAIRE PUBLIQUE LES LILAS")


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("Collège Jean Moulin", "Collège Jean Moulin"),
        ("  Saint-Denis ", "Saint-Denis"),
        ("0750001U", "0750001U"),
        ("0750001u", "0750001U"),
        ("075 0001 u", "0750001U"),
        ("٠٧٥٠٠٠١u", "0750001U"),
        ("مدرسة", "مدرسة"),
        ("Eu", "Eu"),
        ("x" * MAX_SCHOOL, "x" * MAX_SCHOOL),
    ],
)
def test_what_names_a_school_is_kept(typed: str, read: str) -> None:
    assert read_school(typed) == read


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", Reason.SCHOOL_MISSING),
        (" . ", Reason.SCHOOL_MISSING),
        ("x", Reason.SCHOOL_MISSING),
        ("😀😀", Reason.SCHOOL_MISSING),
        ("\ud800\ud800", Reason.SCHOOL_MISSING),
        ("x" * (MAX_SCHOOL + 1), Reason.SCHOOL_TOO_LONG),
    ],
)
def test_what_names_none_is_refused_with_its_reason(typed: str, reason: Reason) -> None:
    assert read_school(typed) == Refused(reason)


@pytest.mark.parametrize(
    "typed",
    [
        *("0750001U", "0750001u", "075 0001U", "Collège Jean-Moulin, Saint-Denis", "jean moulin"),
        *("COLLEGE JEAN MOULIN", "le collège Jean-Moulin de St Denis", "clg moulin", "Moulin"),
        *("saint denis", "St-Denis", "jeanmoulin", "Collège", "lycée Jean Moulin", "Jèan Moulïn"),
    ],
)
def test_a_school_is_known_by_its_code_name_or_town(typed: str) -> None:
    assert is_school(typed, *MOULIN)
    assert not is_school(typed, *LILAS) or typed == "Collège"


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "0750002V",
            "0750001",
            "Victor Hugo",
            "Jean Jaurès",
            "Jean Moulin Paris",
            "Lycée",
            "",
            ".",
        ),
        *("an", "oul", "Marie-Moulin", "مولان", "Les Lilas"),
    ],
)
def test_another_school_is_not_it(typed: str) -> None:
    assert not is_school(typed, *MOULIN)


@pytest.mark.parametrize(
    "typed", ["les lilas", "l'école des Lilas", "Ecole élémentaire Lilas", "école"]
)
def test_the_kind_of_school_may_be_left_out_or_said_otherwise(typed: str) -> None:
    assert is_school(typed, *LILAS)


def test_a_school_without_a_name_is_known_by_its_code_alone() -> None:
    assert is_school("0750001U", "0750001U", "")
    assert not is_school("école", "0750001U", "")
    assert not is_school("", "0750001U", "")


@given(any_text, any_text, any_text)
def test_no_text_breaks_the_reader_or_the_comparison(typed: str, uai: str, name: str) -> None:
    answer = read_school(typed)
    if isinstance(answer, str):
        assert 2 <= len(answer) <= MAX_SCHOOL
        assert read_school(answer) == answer
        assert is_school(answer, "0750001U", answer)
    assert isinstance(is_school(typed, uai, name), bool)
    assert isinstance(is_school(clean(typed), clean(uai), clean(name)), bool)


@pytest.mark.parametrize("text", LONG_TEXTS, ids=lambda text: repr(text[:8]))
def test_a_long_text_is_no_school(text: str) -> None:
    assert isinstance(read_school(text), Refused)
    assert not is_school(text, *MOULIN)
