"""Names: read as typed, compared folded, and by equality only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.questions.name import (
    MAX_NAME,
    TwoNames,
    fold,
    is_same_name,
    read_name,
    same_first,
    same_last,
)
from flows.refusals import Reason, Refused
from flows.text import clean
from tests.flows.hostile import LONG_TEXTS, any_text


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Dupont", "Dupont"),
        ("dupont", "Dupont"),
        ("  Dupont  ", "Dupont"),
        ("O", "O"),
        ("Ng", "Ng"),
        ("O'Brien", "O'Brien"),
        ("N’Guessan", "N’Guessan"),
        ("Jean-Pierre", "Jean-Pierre"),
        ("Marie Anne Louise", "Marie Anne Louise"),
        ("DE LA TOUR D'AUVERGNE", "De La Tour D'Auvergne"),
        ("jean-pierre", "Jean-Pierre"),
        ("n’guessan", "N’Guessan"),
        ("ÉLOÏSE", "Éloïse"),
        ("McDonald", "McDonald"),
        ("de Gaulle", "de Gaulle"),
        ("St. John", "St. John"),
        ("Łukasz", "Łukasz"),
        ("Nguyễn", "Nguyễn"),
        ("İbrahim", "İbrahim"),
        ("محمد", "محمد"),
        ("Иванов", "Иванов"),
        ("李", "李"),
        ("ठाकुर", "ठाकुर"),
        ("Dupont.", "Dupont."),
        ("Dupont !", "Dupont"),
        ("« Dupont »,", "Dupont"),
        ("Mme Dupont", "Dupont"),
        ("M. Dupont", "Dupont"),
        ("M.Dupont", "Dupont"),
        ("mr dupont", "Dupont"),
        ("Mrs. Smith", "Smith"),
        ("Monsieur et Madame Dupont", "Dupont"),
        ("M. et Mme Dupont", "Dupont"),
        ("M HAMED", "M Hamed"),
        ("Mmeka", "Mmeka"),
        ("Mme", "Mme"),
        ("Drouet", "Drouet"),
        ("x" * MAX_NAME, "X" + "x" * (MAX_NAME - 1)),
    ],
)
def test_a_name_is_kept_as_typed_but_for_titles_stray_signs_and_lost_capitals(
    typed: str, name: str
) -> None:
    assert read_name(typed) == name


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", Reason.NAME_MISSING),
        ("   ", Reason.NAME_MISSING),
        ("-", Reason.NAME_MISSING),
        ("12345678", Reason.NAME_MISSING),
        ("😀", Reason.NAME_MISSING),
        ("\u0301", Reason.NAME_MISSING),
        ("marie@free.fr", Reason.NAME_UNLIKELY),
        ("Dupont 0612345678", Reason.NAME_UNLIKELY),
        ("Dup0nt", Reason.NAME_UNLIKELY),
        ("12 rue Dupont 75011", Reason.NAME_UNLIKELY),
        ("<b>Dupont</b>", Reason.NAME_UNLIKELY),
        ("Dupont'; DROP TABLE", Reason.NAME_UNLIKELY),
        ("Dupont, Marie", Reason.NAME_UNLIKELY),
        ("https://dupont.fr", Reason.NAME_UNLIKELY),
        ("x" * (MAX_NAME + 1), Reason.NAME_TOO_LONG),
    ],
)
def test_what_is_no_name_is_refused_with_its_reason(typed: str, reason: Reason) -> None:
    assert read_name(typed) == Refused(reason)


@pytest.mark.parametrize(
    ("typed", "last", "first"),
    [
        ("DUPONT Marie", "Dupont", "Marie"),
        ("Marie DUPONT", "Dupont", "Marie"),
        ("Dupont Marie", "Dupont", "Marie"),
        ("dupont Marie", "Dupont", "Marie"),
        ("DUPONT MARIE", "Dupont", "Marie"),
        ("DUPONT Marie Anne", "Dupont", "Marie Anne"),
        ("DUPONT-MARTIN Anne-Marie", "Dupont-Martin", "Anne-Marie"),
        ("DE LA TOUR Marie", "De La Tour", "Marie"),
        ("BEN ALI Fatima", "Ben Ali", "Fatima"),
        ("D'Angelo Marie", "D'Angelo", "Marie"),
        ("Mme Dupont Marie", "Dupont", "Marie"),
        ("Dupont, Marie", "Dupont", "Marie"),
        ("dupont, marie anne", "Dupont", "Marie Anne"),
        ("Иванов Иван", "Иванов", "Иван"),
    ],
)
def test_two_names_in_the_answer_to_the_last_name(typed: str, last: str, first: str) -> None:
    assert read_name(typed, splittable=True) == TwoNames(last, first)


@pytest.mark.parametrize(
    "typed",
    [
        *("Dupont", "dupont marie", "Ben Ali", "LE GALL", "Le Gall", "De Gaulle", "Da Silva"),
        *("Van Gogh", "EL AMRANI", "Al Masri", "Mac Mahon", "Saint Exupery", "DI STEFANO"),
        *("De La Tour", "DE LA TOUR", "M HAMED", "N Guessan", "Dupont-Martin", "محمد علي"),
        *("Colin De Montmorency", "DUPONT Marie MARTIN"),
    ],
)
def test_one_last_name_of_several_words_is_not_split(typed: str) -> None:
    assert read_name(typed, splittable=True) == read_name(typed)


@pytest.mark.parametrize("typed", ["Dupont, 12", "Dupont, Marie, Anne", ", ,a@b"])
def test_a_comma_without_two_names_is_no_name(typed: str) -> None:
    assert read_name(typed, splittable=True) == Refused(Reason.NAME_UNLIKELY)


def test_only_the_last_name_question_splits() -> None:
    assert read_name("DUPONT Marie") == "DUPONT Marie"


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("Dupont", "DUPONT"),
        ("eloise", "Éloïse"),
        ("BENALI", "Ben Ali"),
        ("Dupont Martin", "DUPONT-MARTIN"),
        ("d'angelo", "D’Angelo"),
        ("NGuessan", "N'GUESSAN"),
        ("M'Hamed", "M HAMED"),
        ("Lecoeur", "LECŒUR"),
        ("Aether", "Æther"),
        ("Strasse", "Straße"),
        ("Lukasz", "Łukasz"),
        ("Oster", "Øster"),
        ("Dordevic", "Đorđević"),
        ("Thor", "Þór"),
        ("Ibrahim", "İbrahim"),
        ("Isik", "Işık"),
        ("Nguyen", "Nguyễn"),
        ("Munoz", "Muñoz"),
        ("E\u0301lise", "Élise"),
        ("Mme Dupont", "DUPONT"),
        ("Dupont", "M. DUPONT"),
    ],
)
def test_case_accents_separators_and_titles_make_no_difference(typed: str, known: str) -> None:
    assert fold(typed) == fold(known) != ""
    assert same_last(typed, known)
    assert same_first(typed, known)
    assert is_same_name(typed, known)


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("Lefebvre", "Lefèvre"),
        ("Martin", "Martine"),
        ("Lina", "Lila"),
        ("Muller", "Mueller"),
        ("Paul", "Paule"),
        ("Marie", "Marie-Anne"),
        ("", ""),
        ("", "Dupont"),
        ("Dupont", ""),
        ("-", "'"),
        ("Иван", "Ivan"),
        ("Ivan", "Иван"),
        ("Иван", "Иван"),
        ("محمد", "Mohamed"),
        ("محمد", "mhmd"),
        ("Dupоnt", "Dupont"),  # a Cyrillic о
    ],
)
def test_names_that_only_look_or_sound_alike_differ(typed: str, known: str) -> None:
    assert not same_last(typed, known)
    assert not same_first(typed, known)
    assert not is_same_name(typed, known)


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("Dupont", True),
        ("Martin", True),
        ("Dupont Martin", True),
        ("Martin-Dupont", True),
        ("Dupontmartin", True),
        ("Dupont Dupont", False),
        ("Mart", False),
        ("Durand", False),
    ],
)
def test_birth_name_usage_name_or_both_in_either_order(typed: str, same: bool) -> None:
    assert same_last(typed, birth="DUPONT", usage="MARTIN") is same


def test_without_usage_name_only_the_birth_name_counts() -> None:
    assert same_last("Dupont", "DUPONT")
    assert not same_last("Dupont Dupont", "DUPONT")


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("Marie", True),
        ("Anne", True),
        ("Louise", True),
        ("Marie Anne", True),
        ("Marie-Anne", True),
        ("Marie Anne Louise", True),
        ("Anne Marie", False),
        ("Marie Louise", False),
        ("Mari", False),
        ("Marie Anne Louise Rose", True),
    ],
)
def test_one_or_the_leading_of_several_first_names(typed: str, same: bool) -> None:
    assert same_first(typed, "Marie Anne Louise") is same
    assert same_first(typed, "MARIE, ANNE, LOUISE") is same


def test_a_hyphen_makes_one_first_name_however_it_is_typed() -> None:
    assert same_first("Marie Anne", "Marie-Anne")
    assert same_first("marieanne", "Marie-Anne")
    assert not same_first("Anne", "Marie-Anne")


def test_an_initial_is_no_first_name() -> None:
    assert not same_first("A", "Marie A.")
    assert same_first("O", "O")


@pytest.mark.parametrize(
    ("typed", "known", "same"),
    [
        ("Lukasz", "?ukasz", True),
        ("Łukasz", "?ukasz", True),
        ("Ayşe", "Ay?e", True),
        ("Ayde", "Ay?e", True),  # one letter, whichever
        ("Dvořák", "DVO?ÁK", True),
        ("Aye", "Ay?e", False),
        ("Aysse", "Ay?e", False),
        ("Ay7e", "Ay?e", False),
        ("?ukasz", "?ukasz", False),
        ("Ay?e", "Ayşe", False),
        ("Dupont", "??????", False),
        ("Ng", "N?", False),
    ],
)
def test_a_question_mark_of_the_register_is_one_lost_letter(
    typed: str, known: str, same: bool
) -> None:
    assert same_last(typed, known) is same
    assert same_first(typed, known) is same


@given(st.text("uponté-'’ œßıİŁ", min_size=1))
def test_its_capitals_are_nothing_to_compare(typed: str) -> None:
    name = read_name(clean(typed))
    assert not isinstance(name, str) or fold(name) == fold(typed)


@given(any_text, any_text)
def test_no_text_breaks_the_reader_or_the_comparisons(a: str, b: str) -> None:
    name = read_name(clean(a), splittable=True)
    if isinstance(name, str):
        assert 1 <= len(name) <= MAX_NAME
        assert read_name(name) == name
    assert fold(a) == "" or fold(a).isascii()
    same_last(clean(a), clean(b))
    same_first(clean(a), clean(b))


@pytest.mark.parametrize("text", LONG_TEXTS, ids=lambda text: repr(text[:8]))
def test_a_long_text_is_no_name(text: str) -> None:
    assert isinstance(read_name(clean(text), splittable=True), Refused)
    assert not same_last(clean(text), "Dupont", "Martin")
