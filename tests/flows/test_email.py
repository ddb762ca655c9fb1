"""An e-mail address, read, masked, and its common typing errors."""

import pytest
from email_validator import validate_email
from hypothesis import given
from hypothesis import strategies as st

from flows.questions.email import _COMMON, _KNOWN, MAX_EMAIL, Email, mask, read_email
from flows.refusals import Reason, Refused
from flows.text import clean
from tests.flows.hostile import LONG_TEXTS, any_text


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "marie@free.fr",
            " marie@free.fr ",
            "marie@FREE.fr",
            "mailto:marie@free.fr",
            "<marie@free.fr>",
        ),
        *("Marie Dupont <marie@free.fr>", "marie @ free.fr", "marie@free.fr.", "« marie@free.fr »"),
        *("mon mail est marie@free.fr", "mail : marie@free.fr", "C'EST marie@free.fr, merci"),
        *("MAILTO:marie@free.fr?subject=bonjour", "marie＠free.fr", "\u202amarie@free.fr\u202c"),
        *("ma\u200brie@free.fr", "marie@free.fr\ud800", "marie@free.fr marie@free.fr"),
    ],
)
def test_the_address_is_found(typed: str) -> None:
    assert read_email(typed) == Email("marie@free.fr")


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("m.dupont+ecole@exemple.fr", "m.dupont+ecole@exemple.fr"),
        ("o'brien@exemple.ie", "o'brien@exemple.ie"),
        ("Marie.Dupont@Exemple.FR", "Marie.Dupont@exemple.fr"),
        ("marie@élan.fr", "marie@xn--lan-9la.fr"),
        ("éloïse@exemple.fr", "éloïse@exemple.fr"),
        ("marie@xn--lan-9la.fr", "marie@xn--lan-9la.fr"),
        ("a@ac-paris.fr", "a@ac-paris.fr"),
        ("a@b.c.d.exemple.museum", "a@b.c.d.exemple.museum"),
    ],
)
def test_addresses_of_every_kind(typed: str, address: str) -> None:
    assert read_email(typed) == Email(address)


UNLIKELY = (
    *("@", "marie@", "@free.fr", "marie@free", "a@b@c.fr", "a@localhost", "a@free,fr", "a@b_c.fr"),
    *("a..b@free.fr", "a@[127.0.0.1]", "a@127.0.0.1", "a@[IPv6:::1]", '"a b"@free.fr'),
    "marie dupont@free.fr",  # a space within: whose would it be?
    *("x" * 65 + "@free.fr", "a@" + "x" * 64 + ".fr", "a@" + "x." * 130 + "fr"),
)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        *((typed, Reason.EMAIL_MISSING) for typed in ("", "marie", "free.fr", "06 12 34 56 78")),
        *((typed, Reason.EMAIL_UNLIKELY) for typed in UNLIKELY),
        ("a@free.fr ou b@free.fr", Reason.EMAIL_SEVERAL),
        ("<a@free.fr>, <b@free.fr>", Reason.EMAIL_SEVERAL),
    ],
)
def test_what_is_no_address_is_refused_with_its_reason(typed: str, reason: Reason) -> None:
    assert read_email(typed) == Refused(reason)


@pytest.mark.parametrize(
    ("domain", "meant"),
    [
        *(("gmial.com", "gmail.com"), ("gmai.com", "gmail.com"), ("gmail.con", "gmail.com")),
        *(("gmail.fr", "gmail.com"), ("gmail.co", "gmail.com"), ("gamil.com", "gmail.com")),
        *(("hotmial.fr", "hotmail.fr"), ("hotmal.com", "hotmail.com"), ("hotmai.fr", "hotmail.fr")),
        *(("orange.f", "orange.fr"), ("ornage.fr", "orange.fr"), ("orange.com", "orange.fr")),
        *(
            ("laposte.fr", "laposte.net"),
            ("lapost.net", "laposte.net"),
            ("wanado.fr", "wanadoo.fr"),
        ),
        *(
            ("free.f", "free.fr"),
            ("fre.fr", "free.fr"),
            ("sfr.f", "sfr.fr"),
            ("yaho.fr", "yahoo.fr"),
        ),
        *(("yahou.fr", "yahoo.fr"), ("outlok.fr", "outlook.fr"), ("iclou.com", "icloud.com")),
    ],
)
def test_a_typing_error_is_asked_about(domain: str, meant: str) -> None:
    assert read_email(f"marie@{domain}") == Email(f"marie@{domain}", f"marie@{meant}")


@pytest.mark.parametrize(
    "domain",
    [*sorted(_KNOWN), "exemple.fr", "ac-creteil.fr", "univ-paris8.fr", "edu.paris.fr"],
)
def test_a_good_domain_is_never_doubted(domain: str) -> None:
    assert read_email(f"marie@{domain}") == Email(f"marie@{domain}")
    assert read_email(f"marie@{domain.upper()}") == Email(f"marie@{domain}")


@given(st.sampled_from(_COMMON), st.data())
def test_two_letters_swapped_are_seen(domain: str, data: st.DataObject) -> None:
    name = domain.partition(".")[0]
    at = data.draw(st.integers(0, len(name) - 2))
    swapped = domain[:at] + domain[at + 1] + domain[at] + domain[at + 2 :]
    answer = read_email(f"marie@{swapped}")
    assert isinstance(answer, Email)
    if swapped not in _KNOWN and len(domain) > 7:
        assert answer.suggestion is not None
        assert answer.suggestion.partition("@")[2] in _COMMON


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("marie@gmail.com", "m•••@gmail.com"),
        ("m@gmail.com", "m•••@gmail.com"),
        ("éloïse@free.fr", "é•••@free.fr"),
        ("marie@xn--lan-9la.fr", "m•••@élan.fr"),
        ("marie@xn--.fr", "m•••@xn--.fr"),
    ],
)
def test_a_masked_address_shows_its_first_letter_and_domain(address: str, shown: str) -> None:
    assert mask(address) == shown


def test_an_address_is_not_seen_by_accident() -> None:
    assert "marie" not in repr(read_email("marie@gmial.com"))


@given(any_text | st.emails() | st.builds("{}@{}".format, any_text, any_text))
def test_whatever_is_read_is_an_address_that_can_be_written_to(text: str) -> None:
    for typed in (text, clean(text), f"{text}@free.fr", f"a@{text}"):
        answer = read_email(typed)
        if isinstance(answer, Email):
            validate_email(answer.address, check_deliverability=False)
            assert len(answer.address.encode()) <= MAX_EMAIL
            assert answer.address.rpartition("@")[2].isascii()
            assert read_email(answer.address) == answer
            assert mask(answer.address)[1:4] == "•••"
            if answer.suggestion:
                assert read_email(answer.suggestion) == Email(answer.suggestion)


@pytest.mark.parametrize("text", LONG_TEXTS, ids=lambda text: repr(text[:8]))
def test_a_long_text_is_no_address(text: str) -> None:
    for typed in (text, f"a@{text}", f"{text}@free.fr", "@" * 5000):
        assert isinstance(read_email(typed), Refused)
