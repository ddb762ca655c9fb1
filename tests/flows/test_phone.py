"""Phones: every way to write a mobile is read, and nothing else ever passes."""

from itertools import product

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from flows.questions.phone import (
    Kind,
    SeveralPhones,
    classify,
    mask,
    pretty,
    read_contact,
    read_phone,
    region_of_uai,
)
from flows.refusals import Reason, Refused
from flows.text import clean
from tests.flows.hostile import LONG_TEXTS, any_text


def refusal(text: str) -> tuple[Reason, dict[str, object]] | object:
    answer = read_phone(text)
    return (answer.reason, answer.facts) if isinstance(answer, Refused) else answer


@pytest.mark.parametrize(
    "typed",
    [
        *("0612345678", "06 12 34 56 78", "06.12.34.56.78", "06-12-34-56-78", "06/12/34/56/78"),
        *("06,12,34,56,78", "06_12_34_56_78", "06 – 12 – 34 – 56 – 78", "06·12·34·56·78"),
        *("+33612345678", "+33 6 12 34 56 78", "+33 (0)6 12 34 56 78", "+33(0) 6 12 34 56 78"),
        *("(+33) 6 12 34 56 78", "+(33) 6 12 34 56 78", "+ 33 6 12 34 56 78", "+33 06 12 34 56 78"),
        *("0033612345678", "00 33 6 12 34 56 78", "0033 (0)6 12 34 56 78", "+0033612345678"),
        *("33612345678", "33 6 12 34 56 78", "612345678", "6 12 34 56 78", "330612345678"),
        *("O612345678", "o6 12 34 56 78", "OO33612345678"),
        *("٠٦١٢٣٤٥٦٧٨", "۰۶ ۱۲ ۳۴ ۵۶ ۷۸", "０６１２３４５６７８", "＋３３６１２３４５６７８"),
        *("0️⃣6️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣8️⃣", "06\u00a012\u202f34\u200956\u00a078", "06\n12\n34\n56\n78"),
        "06 12 34 56 78 (papa)",
        "tel: 06 12 34 56 78 merci",
        "tél.06.12.34.56.78",
        "tel:0612345678",
        *("Mon numéro est le 06 12 34 56 78.", "(06 12 34 56 78)", "06 12 34 56 78 ; merci !"),
        "06 12 34 56 78 depuis 2019",
        "j'ai 2 enfants, 06 12 34 56 78",
        "06 12 34 56 78 poste 12",
        "appelez-moi au 0612345678 après 18h",
        "Portable=0612345678",
        "06 12 34 56 78#",
        *("06 12 34 56 78 ou 06 12 34 56 78", "06 12 34 56 78 / +33612345678"),
        *("06 12 34 56 78 ou 01 42 34 56 78", "fixe 01 42 34 56 78, portable 0612345678"),
        *("marie@free.fr 0612345678", "06 12 34 56 78 https://exemple.fr/1234567890"),
        *("\u202a+33612345678\u202c", "\u20680612345678\u2069"),
    ],
)
def test_a_french_mobile_however_it_is_written(typed: str) -> None:
    assert read_phone(typed) == "+33612345678"


@pytest.mark.parametrize(
    ("typed", "e164"),
    [
        ("0692 12 34 56", "+262692123456"),  # Réunion
        ("0693 12 34 56", "+262693123456"),
        ("692123456", "+262692123456"),
        ("262692123456", "+262692123456"),
        ("O692123456", "+262692123456"),
        ("+262 692 12 34 56", "+262692123456"),
        ("+262 (0)692 12 34 56", "+262692123456"),
        ("00262692123456", "+262692123456"),
        ("0639 01 23 45", "+262639012345"),  # Mayotte
        ("0690 12 34 56", "+590690123456"),  # Guadeloupe, Saint-Martin, Saint-Barthélemy
        ("590690123456", "+590690123456"),
        ("0694 12 34 56", "+594694123456"),  # Guyane
        ("0696 12 34 56", "+596696123456"),  # Martinique
        ("0697 12 34 56", "+596697123456"),
        ("0709 12 34 56", "+596709123456"),
        ("0508 55 12 34", "+508551234"),  # Saint-Pierre-et-Miquelon
        ("+508 55 12 34", "+508551234"),
        ("87 12 34 56", "+68987123456"),  # Polynésie
        ("+689 87 12 34 56", "+68987123456"),
        ("+687 75 12 34", "+687751234"),  # Nouvelle-Calédonie
        ("00 687 75 12 34", "+687751234"),
        ("+681 82 12 34", "+681821234"),  # Wallis-et-Futuna
        ("+32 470 12 34 56", "+32470123456"),
        ("+32 (0)470 12 34 56", "+32470123456"),
        ("0032470123456", "+32470123456"),
        ("+41 79 123 45 67", "+41791234567"),
        ("+49 1512 3456789", "+4915123456789"),
        ("+352 621 123 456", "+352621123456"),
        ("+39 347 123 4567", "+393471234567"),
        ("+44 7912 345678", "+447912345678"),
        ("+212 6 12 34 56 78", "+212612345678"),
        ("+213 551 23 45 67", "+213551234567"),
        ("+1 212-555-1234", "+12125551234"),  # its country does not tell mobiles apart
    ],
)
def test_mobiles_overseas_need_no_prefix_and_mobiles_abroad_need_one(typed: str, e164: str) -> None:
    assert read_phone(typed) == e164


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("06 12 34 56 78 ou 07 66 34 56 78", ("+33612345678", "+33766345678")),
        ("06 12 34 56 78 / 07 66 34 56 78", ("+33612345678", "+33766345678")),
        ("0612345678 0766345678", ("+33612345678", "+33766345678")),
        ("06 12 34 56 78 - 07 66 34 56 78", ("+33612345678", "+33766345678")),
        ("0612345678,0766345678", ("+33612345678", "+33766345678")),
        ("07 66 34 56 78\n0692 12 34 56", ("+33766345678", "+262692123456")),
        ("+32470123456 +33612345678", ("+32470123456", "+33612345678")),
        ("0033612345678 / 0033766345678", ("+33612345678", "+33766345678")),
    ],
)
def test_two_different_mobiles_are_asked_about(typed: str, numbers: tuple[str, ...]) -> None:
    assert read_phone(typed) == SeveralPhones(numbers)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        *(
            (text, Reason.PHONE_MISSING)
            for text in (
                *("", "bonjour", "+", "²²²²²²²²²²", "zéro six", "©®", "-" * 50),
                *("https://exemple.fr/0612345678", "wa.me/33612345678", "t.me/+33612345678"),
                *("www.exemple.fr?tel=0612345678", "0612345678@free.fr", "@marie0612345678"),
                *("mailto:0612345678@free.fr", "exemple.com:0612345678", "0612345678.fr"),
            )
        ),
        *(
            (text, Reason.PHONE_LANDLINE)
            for text in (
                *("01 42 34 56 78", "+33 1 42 34 56 78", "02 40 12 34 56", "03 20 12 34 56"),
                *("0262 12 34 56", "0590 81 12 34", "0594 30 12 34", "0596 60 12 34"),
                *("+32 12 34 56 78", "01 00 00 00 00", "142345678"),
            )
        ),
        *((text, Reason.PHONE_BOX) for text in ("09 72 34 56 78", "+33972345678", "0976 12 34 56")),
        *(
            (text, Reason.PHONE_SPECIAL)
            for text in (
                *("0899 12 34 56", "0800 12 34 56", "0810 12 34 56", "0836 65 65 65", "3949"),
                *("118 218", "15", "112", "36 39", "31300", "0700 12 34 56", "0700 1234 567890"),
                *("+33 700 12 34 56", "+870 773 111 632", "+881 6 1234 5678", "881612345678"),
                *("+882 16 1234567", "+883 5100 1234 5678", "+888 1234 5678", "+878 10 1234567890"),
                *("+979 1 2345 6789", "+800 1234 5678", "+808 1234 5678", "00870773111632"),
                *("+1 800 555 1234", "+44 70 1234 5678", "+44 909 879 0000"),
            )
        ),
        *(
            (text, Reason.PHONE_COUNTRY)
            for text in (
                "75 12 34",
                "55 12 34",
                "82 12 34",
                "32470123456",
                "+999 12345678",
                "+0612345678",
            )
        ),
        *(
            (text, Reason.PHONE_UNKNOWN)
            for text in (
                *("06 39 98 12 34", "0691 00 00 00", "+33 692 12 34 56", "0000000000"),
                *("6123456789", "+262 612 34 56 78"),
            )
        ),
    ],
)
def test_what_cannot_get_an_sms_is_refused_with_its_reason(typed: str, reason: Reason) -> None:
    assert refusal(typed) == (reason, {})


@pytest.mark.parametrize(
    ("typed", "reason", "digits"),
    [
        ("06 12 34 56", Reason.PHONE_TOO_SHORT, 8),
        ("06 12 34 56 7", Reason.PHONE_TOO_SHORT, 9),
        ("+33 6 12 34 56 7", Reason.PHONE_TOO_SHORT, 9),
        ("0033 6 12 34 56 7", Reason.PHONE_TOO_SHORT, 9),
        ("123456", Reason.PHONE_TOO_SHORT, 6),
        ("06", Reason.PHONE_TOO_SHORT, 2),
        ("06 12 34 56 789", Reason.PHONE_TOO_LONG, 11),
        ("+33 6 12 34 56 789", Reason.PHONE_TOO_LONG, 11),
        ("06 12 34 56 78 90", Reason.PHONE_TOO_LONG, 12),
        ("FR76 3000 6000 0112 3456 7890 189", Reason.PHONE_TOO_LONG, 25),
        ("14/03/2014", Reason.PHONE_TOO_SHORT, 8),
        ("0" * 4096, Reason.PHONE_TOO_LONG, 4096),
        ("+" + "9" * 20, Reason.PHONE_TOO_LONG, 20),
        ("+32 470 12", Reason.PHONE_TOO_SHORT, 7),
        ("+1 212 555 12345", Reason.PHONE_TOO_LONG, 12),
    ],
)
def test_missing_and_spare_digits_are_counted(typed: str, reason: Reason, digits: int) -> None:
    assert refusal(typed) == (reason, {"n": digits})


ALL_REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
SPELT = (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.RFC3966)


MOBILE = (PhoneNumberType.MOBILE,)


def examples(*kinds: int) -> list[str]:
    """The library's own example of each kind in each country, in E.164.

    Where a country does not tell its kinds apart, an example is of both: kept with mobiles only.
    """
    found = (phonenumbers.example_number_for_type(*each) for each in product(ALL_REGIONS, kinds))
    wanted = [one for one in found if one and is_mobile(one) is (kinds == MOBILE)]
    return sorted({phonenumbers.format_number(one, PhoneNumberFormat.E164) for one in wanted})


def is_mobile(number: phonenumbers.PhoneNumber) -> bool:
    mobiles = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
    return phonenumbers.number_type(number) in mobiles


@pytest.mark.parametrize("e164", examples(*MOBILE))
def test_a_mobile_of_every_country_is_read_in_every_international_form(e164: str) -> None:
    number = phonenumbers.parse(e164)
    for form in SPELT:
        assert read_phone(phonenumbers.format_number(number, form)) == e164
    assert read_phone(e164.replace("+", "00")) == e164
    assert read_contact(e164) == read_contact(e164[1:]) == e164
    assert read_phone(pretty(e164)) == e164


@pytest.mark.parametrize(
    "e164",
    examples(
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.VOIP,
        PhoneNumberType.PERSONAL_NUMBER,
        PhoneNumberType.PAGER,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
        PhoneNumberType.FIXED_LINE,
    ),
)
def test_no_other_kind_of_any_country_ever_passes(e164: str) -> None:
    assert isinstance(read_phone(e164), Refused)
    assert isinstance(read_contact(e164), Refused)
    assert classify(e164)[1] is not Kind.MOBILE


NO_COUNTRY = ["870", "878", "881", "882", "883", "888", "979", "800", "808"]


@given(st.sampled_from(NO_COUNTRY), st.integers(0))
def test_satellites_and_worldwide_services_never_pass(code: str, rest: int) -> None:
    assert isinstance(read_phone(f"+{code}{rest}"), Refused)
    assert isinstance(read_phone(f"00{code}{rest}"), Refused)
    assert isinstance(read_contact(f"+{code}{rest}"), Refused)


ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@given(st.integers(600_000_000, 799_999_999))
def test_every_valid_french_mobile_reads_the_same_in_many_spellings(number: int) -> None:
    e164 = f"+33{number}"
    assume(phonenumbers.is_valid_number(phonenumbers.parse(e164)))
    pairs = [f"0{number}"[at : at + 2] for at in range(0, 10, 2)]
    spellings = [*(sign.join(pairs) for sign in ("", " ", ".", "-", "/"))]
    spellings += [e164, f"0033{number}", f"+33 (0){number}", f"33{number}", str(number)]
    spellings += [f"tel : {' '.join(pairs)} (maman)", e164.translate(ARABIC)]
    assert {read_phone(spelling) for spelling in spellings} == {e164}
    assert classify(spellings[0]) == (e164, Kind.MOBILE)


OVERSEAS = {690: 590, 692: 262, 693: 262, 639: 262, 694: 594, 696: 596, 697: 596}


@given(st.sampled_from(sorted(OVERSEAS)), st.integers(0, 999_999))
def test_every_valid_overseas_mobile_reads_without_prefix(prefix: int, rest: int) -> None:
    number = f"{prefix}{rest:06}"
    parsed = phonenumbers.parse(f"+{OVERSEAS[prefix]}{number}")
    assume(phonenumbers.is_valid_number(parsed))
    e164 = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    assert read_phone(f"0{number}") == read_phone(number) == e164
    assert read_phone(pretty(e164)) == e164


@given(any_text)
def test_whatever_is_read_is_a_valid_mobile(text: str) -> None:
    answer = read_phone(clean(text))
    accepted = {str: (answer,), SeveralPhones: getattr(answer, "numbers", ())}.get(type(answer), ())
    for e164 in accepted:
        number = phonenumbers.parse(str(e164))
        assert phonenumbers.is_valid_number(number)
        assert is_mobile(number)
    classify(clean(text), "NC")
    read_contact(text)


@pytest.mark.parametrize("text", LONG_TEXTS, ids=lambda text: repr(text[:8]))
def test_long_texts_are_read_too(text: str) -> None:
    read_phone(clean(text))
    assert isinstance(read_contact(text), Refused)


@pytest.mark.parametrize("card", ["+33612345678", "33612345678"])
def test_a_contact_card_is_always_international(card: str) -> None:
    assert read_contact(card) == "+33612345678"


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("", Reason.PHONE_MISSING),
        ("Marie", Reason.PHONE_MISSING),
        ("+33 6 12 34 56 78", Reason.PHONE_MISSING),
        (" +33612345678", Reason.PHONE_MISSING),
        ("+33612345678\n", Reason.PHONE_MISSING),
        ("+33612345678;ext=9", Reason.PHONE_MISSING),
        ("+33612345678x9", Reason.PHONE_MISSING),
        ("٣٣٦١٢٣٤٥٦٧٨", Reason.PHONE_MISSING),
        ("++33612345678", Reason.PHONE_MISSING),
        ("+123456", Reason.PHONE_MISSING),
        ("+" + "3" * 16, Reason.PHONE_MISSING),
        ("3" * 4096, Reason.PHONE_MISSING),
        ("0612345678", Reason.PHONE_COUNTRY),
        ("0033612345678", Reason.PHONE_COUNTRY),
        ("+330612345678", Reason.PHONE_UNKNOWN),
        ("+33639981234", Reason.PHONE_UNKNOWN),
        ("+33142345678", Reason.PHONE_LANDLINE),
        ("+33972345678", Reason.PHONE_BOX),
        ("+870773111632", Reason.PHONE_SPECIAL),
        ("+881612345678", Reason.PHONE_SPECIAL),
        ("+88812345678", Reason.PHONE_SPECIAL),
    ],
)
def test_a_contact_card_that_is_not_strictly_a_mobile_is_refused(card: str, reason: Reason) -> None:
    assert read_contact(card) == Refused(reason)


@pytest.mark.parametrize(
    ("cell", "region", "e164", "kind"),
    [
        ("+33612345678", "FR", "+33612345678", Kind.MOBILE),
        ("06.12.34.56.78", "FR", "+33612345678", Kind.MOBILE),
        ("0692123456", "RE", "+262692123456", Kind.MOBILE),
        ("0692123456", "FR", "+262692123456", Kind.MOBILE),
        ("0612345678", "RE", "+33612345678", Kind.MOBILE),
        ("751234", "NC", "+687751234", Kind.MOBILE),
        ("75.12.34", "NC", "+687751234", Kind.MOBILE),
        ("821234", "WF", "+681821234", Kind.MOBILE),
        ("551234", "PM", "+508551234", Kind.MOBILE),
        ("551234", "NC", "+687551234", Kind.MOBILE),
        ("751234", "FR", None, Kind.COUNTRY),
        ("87123456", "PF", "+68987123456", Kind.MOBILE),
        ("0142345678", "FR", "+33142345678", Kind.LANDLINE),
        ("0262123456", "RE", "+262262123456", Kind.LANDLINE),
        ("0972345678", "FR", "+33972345678", Kind.BOX),
        ("0899123456", "FR", "+33899123456", Kind.SPECIAL),
        ("+881612345678", "FR", None, Kind.SPECIAL),
        ("LISTE ROUGE", "FR", None, Kind.MISSING),
        ("", "FR", None, Kind.MISSING),
        ("06123", "FR", None, Kind.TOO_SHORT),
        ("06123456789012345", "FR", None, Kind.TOO_LONG),
        ("0639981234", "FR", None, Kind.UNKNOWN),
        ("0142345678 / 0612345678", "FR", "+33612345678", Kind.MOBILE),
    ],
)
def test_a_cell_of_the_register_is_sorted_by_kind(
    cell: str, region: str, e164: str | None, kind: Kind
) -> None:
    assert classify(cell, region) == (e164, kind)


@pytest.mark.parametrize(
    ("uai", "region"),
    [
        *(("0750001A", "FR"), ("6200001A", "FR"), ("9710001A", "GP"), ("9720001A", "MQ")),
        *(("9730001A", "GF"), ("9740001A", "RE"), ("9750001C", "PM"), ("9760127J", "YT")),
        *(("9830002K", "NC"), ("9880001A", "NC"), ("9840002D", "PF"), ("9870026R", "PF")),
        *((" 9860004K ", "WF"), ("", "FR"), ("123ABC", "FR")),
    ],
)
def test_a_school_number_tells_the_region(uai: str, region: str) -> None:
    assert region_of_uai(uai) == region


@pytest.mark.parametrize(
    ("e164", "shown", "masked"),
    [
        ("+33612345678", "06 12 34 56 78", "06 •• •• •• 78"),
        ("+262692123456", "0692 12 34 56", "0692 •• •• 56"),
        ("+590690123456", "0690 12 34 56", "0690 •• •• 56"),
        ("+32470123412", "+32 470 12 34 12", "+32 ••• •• •• 12"),
        ("+687751234", "+687 75.12.34", "+687 ••.••.34"),
        ("+508551234", "+508 55 12 34", "+508 •• •• 34"),
        ("+12125551234", "+1 212-555-1234", "+1 •••-•••-••34"),
    ],
)
def test_a_number_is_shown_and_masked(e164: str, shown: str, masked: str) -> None:
    assert pretty(e164) == shown
    assert mask(e164) == masked


@pytest.mark.parametrize("e164", examples(*MOBILE))
def test_a_mask_shows_the_first_group_and_two_digits_of_any_number(e164: str) -> None:
    shown, masked = pretty(e164), mask(e164)
    assert len(shown) == len(masked)
    head, _, tail = masked.partition(" ")
    assert shown.startswith(head)
    assert "".join(filter(str.isdigit, tail)) == e164[-2:]
