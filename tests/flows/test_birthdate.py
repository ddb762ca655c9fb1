"""Birthdates: every common way to write one, and never a wrong date."""

from datetime import date, timedelta

import pytest
from babel.dates import format_date
from hypothesis import given
from hypothesis import strategies as st

from flows.questions.birthdate import Birthdate, read_birthdate
from flows.refusals import Reason, Refused
from flows.text import clean
from tests.flows.hostile import LONG_TEXTS, any_text

TODAY = date(2026, 11, 23)
PI_DAY = date(2014, 3, 14)


@pytest.mark.parametrize("english", [False, True])
@pytest.mark.parametrize(
    "typed",
    [
        *("14/03/2014", "14/3/2014", "14-3-2014", "14.03.2014", "14 03 2014", "14 / 03 / 2014"),
        *("14_03_2014", "14,03,2014", "14–03–2014", "14\\03\\2014", "14032014"),
        *("2014-03-14", "2014/3/14", "2014.03.14", "2014 03 14", "20140314"),
        *("14 mars 2014", "14 MARS 2014", "14mars2014", "14-mars-2014", "le 14 mars 2014"),
        "né le 14 mars 2014",
        "née le 14/03/2014.",
        "vendredi 14 mars 2014",
        "14/03/2014 (Léa)",
        "14° mars 2014",
        "Friday, March 14, 2014",
        "c'est 14/03/2014 !",
        *("March 14 2014", "March 14, 2014", "March 14th 2014", "14th of March 2014"),
        "14 March 2014",
        "14 Mar 2014",
        "Mar 14th, 2014",
        "2014 March 14",
        "born on 14 March 2014",
        *("١٤/٠٣/٢٠١٤", "۱۴/۰۳/۲۰۱۴", "１４／０３／２０１４", "१४-०३-२०१४"),
        *("14 مارس 2014", "14 março 2014", "14 de marzo de 2014", "14 Mart 2014", "14 marzo 2014"),
        *("14 März 2014", "14. März 2014", "14 marca 2014", "14 martie 2014", "14 марта 2014"),
        *("14 maart 2014", "14 березня 2014", "14\u00a0mars\u00a02014", "\u202a14/03/2014\u202c"),
    ],
)
def test_a_full_date_is_read_for_sure(typed: str, english: bool) -> None:
    assert read_birthdate(typed, TODAY, english=english) == Birthdate(PI_DAY, sure=True)


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        ("1er mars 2012", date(2012, 3, 1)),
        ("le 1er janv. 2012", date(2012, 1, 1)),
        ("4 févr. 2012", date(2012, 2, 4)),
        ("4 fevrier 2012", date(2012, 2, 4)),
        ("4 fev 2012", date(2012, 2, 4)),
        ("4 avr. 2012", date(2012, 4, 4)),
        ("4 mai 2012", date(2012, 5, 4)),
        ("4 juin 2012", date(2012, 6, 4)),
        ("4 juil. 2012", date(2012, 7, 4)),
        ("4 août 2012", date(2012, 8, 4)),
        ("4 aout 2012", date(2012, 8, 4)),
        ("4 AOU\u0302T 2012", date(2012, 8, 4)),
        ("4 sept 2012", date(2012, 9, 4)),
        ("4 oct. 2012", date(2012, 10, 4)),
        ("4 nov 2012", date(2012, 11, 4)),
        ("4 décembre 2012", date(2012, 12, 4)),
        ("May 5th, 2015", date(2015, 5, 5)),
        ("Sept 2nd 2015", date(2015, 9, 2)),
        ("4 ağustos 2012", date(2012, 8, 4)),
        ("4 Kasım 2012", date(2012, 11, 4)),
        ("4 kasim 2012", date(2012, 11, 4)),
        ("4 أوت 2012", date(2012, 8, 4)),
        ("4 غشت 2012", date(2012, 8, 4)),
        ("4 października 2012", date(2012, 10, 4)),
        ("29/02/2012", date(2012, 2, 29)),
        ("20102014", date(2014, 10, 20)),
        ("20121012", date(2012, 10, 12)),
        ("23/11/2001", date(2001, 11, 23)),
        ("24/11/2000", date(2000, 11, 24)),
        ("23/11/2024", date(2024, 11, 23)),
    ],
)
def test_months_have_names_and_abbreviations(typed: str, day: date) -> None:
    assert read_birthdate(typed, TODAY) == Birthdate(day, sure=True)


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        ("14/03/14", PI_DAY),
        ("14.3.14", PI_DAY),
        ("14 mars 14", PI_DAY),
        ("140314", PI_DAY),
        ("01/02/03", date(2003, 2, 1)),
    ],
)
def test_a_year_of_two_digits_is_confirmed(typed: str, day: date) -> None:
    assert read_birthdate(typed, TODAY) == Birthdate(day, sure=False)
    assert read_birthdate(typed, TODAY, english=True) == Birthdate(day, sure=False)


@pytest.mark.parametrize(
    ("typed", "sure_in_english"),
    [
        ("03/04/2014", False),
        ("3-4-2014", False),
        ("03042014", False),
        ("3 4 2014", False),
        ("04/04/2014", True),
        ("13/04/2014", True),
        ("12/04/2014", False),
        ("2014-04-03", True),
        ("20140403", True),
        ("3 April 2014", True),
        ("April 3 2014", True),
    ],
)
def test_numbers_that_english_readers_may_swap_are_confirmed_in_english(
    typed: str, sure_in_english: bool
) -> None:
    french = read_birthdate(typed, TODAY)
    english = read_birthdate(typed, TODAY, english=True)
    assert isinstance(french, Birthdate)
    assert isinstance(english, Birthdate)
    assert french.day == english.day
    assert french.day.month == 4
    assert (french.sure, english.sure) == (True, sure_in_english)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        *(
            (text, Reason.DATE_UNREADABLE)
            for text in (
                *("", "bonjour", "hier", "²", "12/6/8", "14/03/201", "14/03/20145", "1432014"),
                *("14/03/2014 ou 15/03/2014", "14/03/2014 14/03/2014", "14 mars 2014 15 mars 2014"),
                *("14:03:2014", "14+03+2014", "14 marss 2014", "14 mars avril 2014", "014/03/2014"),
                *("mars 14/03/2014", "14 mars 2014 8h30", "2014-03-14T00:00", "06 12 34 56 78"),
                *("1" * 4096, "2014 mars 2015", "114 mars 2014", "14//03//2014", "x" * 4096),
            )
        ),
        *(
            (text, Reason.DATE_INCOMPLETE)
            for text in (
                "14 mars",
                "March 14",
                "mars 2014",
                "14/03",
                "06/2008",
                "2014",
                "14",
                "mars",
            )
        ),
        *(
            (text, Reason.DATE_IMPOSSIBLE)
            for text in (
                *("31/02/2014", "30 février 2014", "29/02/2013", "31/04/2014", "32/01/2014"),
                *("00/03/2014", "14/00/2014", "5/13/2008", "2014-14-03", "14/03/0000", "990314"),
                *("31 juin 2014", "February 30 2014", "31132014", "20141303"),
            )
        ),
        *(
            (text, Reason.DATE_FUTURE)
            for text in ("24/11/2026", "14/03/2030", "14/03/9999", "24/11/26")
        ),
        *(
            (text, Reason.DATE_AGE)
            for text in (
                "23/11/2026",
                "24/11/2024",
                "14/03/2026",
                "23/11/2000",
                "14/03/1980",
                "14/03/80",
                "14/03/27",
            )
        ),
    ],
)
@pytest.mark.parametrize("english", [False, True])
def test_what_is_no_birthdate_of_a_pupil_is_refused(
    typed: str, reason: Reason, english: bool
) -> None:
    assert read_birthdate(clean(typed), TODAY, english=english) == Refused(reason)


school_days = st.dates(TODAY - timedelta(days=25 * 365), TODAY - timedelta(days=2 * 366))


@given(school_days, st.booleans())
def test_every_date_written_with_numbers_reads_back(day: date, english: bool) -> None:
    for form in ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d %m %Y", "%Y-%m-%d", "%d%m%Y", "%Y%m%d"):
        read = read_birthdate(day.strftime(form), TODAY, english=english)
        assert isinstance(read, Birthdate)
        assert read.day == day
    for form in ("%d/%m/%y", "%d%m%y"):
        assert read_birthdate(day.strftime(form), TODAY, english=english) == Birthdate(
            day, sure=False
        )


LANGUAGES = "fr en en_GB ar ar_DZ ar_MA ar_TN pt es tr it de pl ro ru nl uk"


@pytest.mark.parametrize("language", LANGUAGES.split())
@given(day=school_days)
def test_every_date_written_with_words_reads_back(language: str, day: date) -> None:
    for form in ("d MMMM y", "dd MMM y"):
        written = format_date(day, form, locale=language)
        assert read_birthdate(written, TODAY, english=True) == Birthdate(day, sure=True)


@given(any_text, st.booleans())
def test_whatever_is_read_is_a_school_age(text: str, english: bool) -> None:
    answer = read_birthdate(clean(text), TODAY, english=english)
    if isinstance(answer, Birthdate):
        assert date(2000, 11, 24) <= answer.day <= date(2024, 11, 23)


@pytest.mark.parametrize("text", LONG_TEXTS, ids=lambda text: repr(text[:8]))
def test_long_texts_hold_no_birthdate(text: str) -> None:
    assert isinstance(read_birthdate(clean(text), TODAY), Refused)
