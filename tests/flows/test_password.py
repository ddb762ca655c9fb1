"""Passwords: the tutorial's five rules, by the vectors that the web page shares."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.questions.password import (
    MAX_LENGTH,
    SPECIALS,
    Rule,
    canonical,
    check_password,
)
from flows.refusals import Reason, Refused
from flows.text import clean_password
from tests.flows.hostile import LONG_TEXTS, any_text

VECTORS: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("passwords.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["why"])
def test_vector(vector: dict[str, Any]) -> None:
    verdict = check_password(vector["password"], vector.get("avoid", ()))
    missing = tuple(map(Rule, vector["missing"]))
    assert verdict.missing == missing
    assert verdict.met == tuple(rule for rule in Rule if rule not in missing)
    assert (verdict.refused is None) is vector["ok"]
    assert verdict.refused is None or verdict.refused.reason == vector["refused"]


def test_the_signs_are_the_26_of_the_tutorial() -> None:
    assert "! ? @ # $ ( ) { } [ ] _ & = + - % * < > £ µ / . : ;".replace(" ", "") == SPECIALS
    assert len(set(SPECIALS)) == 26


def test_a_refusal_by_the_rules_tells_all_five() -> None:
    assert check_password("Léa2014").refused == Refused(
        Reason.PASSWORD_RULES,
        {"met": ["upper", "lower", "digit"], "missing": ["special", "length"]},
    )


def test_strength_advises_and_names_lower_it() -> None:
    assert _strength("Aaaaaa1!") < _strength("Trois.pommes9vertes") == 4
    assert _strength("Marsupilami1!", "Marsupilami") < _strength("Marsupilami1!")


def _strength(password: str, *avoid: str) -> int:
    return check_password(password, avoid).strength


@pytest.mark.parametrize("form", ["\u00b5", "\u03bc"])
def test_both_mu_are_hashed_as_the_micro_sign(form: str) -> None:
    assert canonical(f"Zorglub1{form}") == "Zorglub1\u00b5"


def test_canonical_composes_and_never_replaces() -> None:
    assert canonical("E\u0301") == "É"
    assert canonical("ﬁ²Ａ") == "ﬁ²Ａ"


@given(any_text)
def test_canonical_twice_is_canonical_once(text: str) -> None:
    once = canonical(clean_password(text))
    assert canonical(once) == once


@given(any_text, st.lists(any_text))
def test_no_password_breaks_the_check_and_a_taken_one_meets_all_rules(
    text: str, avoid: list[str]
) -> None:
    verdict = check_password(text, avoid)
    assert sorted(verdict.met + verdict.missing) == sorted(Rule)
    assert 0 <= verdict.strength <= 4
    if verdict.refused is None:
        assert not verdict.missing
        assert 8 <= len(canonical(text)) <= MAX_LENGTH
        canonical(text).encode()


@given(st.text(st.sampled_from("aZ1!é" + SPECIALS), min_size=8, max_size=20))
def test_the_rules_are_counted_as_a_person_would(text: str) -> None:
    missing = {
        rule
        for rule, letters in {
            Rule.UPPER: "Z",
            Rule.LOWER: "aé",
            Rule.DIGIT: "1",
            Rule.SPECIAL: SPECIALS,
        }.items()
        if not set(letters) & set(text)
    }
    assert set(check_password(text).missing) == missing


@pytest.mark.parametrize("text", LONG_TEXTS, ids=lambda text: repr(text[:8]))
def test_a_long_text_is_no_password(text: str) -> None:
    refused = check_password(clean_password(text), ["Marie", "2014-03-14"]).refused
    assert refused == Refused(Reason.PASSWORD_TOO_LONG)
