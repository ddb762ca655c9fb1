"""Whom Telegram vouches for: many kinds of initData, and none that raises what it should not."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bot.telegram.init_data import TELEGRAM_KEY, BadInitData, Cause, Opener, read_init_data
from tests.flows.hostile import any_text
from tests.helpers.clock import Clock
from tests.hostile.strings import STRINGS
from tests.telegram.mini_app import (
    TELEGRAM_PUBLIC,
    fields_of,
    init_data,
    with_hash,
    with_signature,
    written,
)

TOKEN = "123456:TEST-token_of_35_characters"
RENEWED = "123456:NEXT-token_of_35_characters"  # the same bot, after @BotFather's /revoke
OTHER_BOT = "654321:TEST-token_of_35_characters"
NOW = Clock().now
ZOE = 987_654_321
FIELDS = fields_of(ZOE, NOW)


def read(text: str, token: str = TOKEN) -> Opener:
    return read_init_data(text, token, NOW, TELEGRAM_PUBLIC)


def cause(text: str, token: str = TOKEN) -> Cause:
    with pytest.raises(BadInitData) as refused:
        read(text, token)
    assert refused.value.__cause__ is None
    assert refused.value.args == (refused.value.cause.value,)  # nothing of what was sent
    return refused.value.cause


def hashed(**changed: str) -> str:
    """Signed with the token, whatever it says."""
    return written(with_hash({**FIELDS, **changed}, TOKEN))


def signed(token: str = TOKEN, **changed: str) -> str:
    """Signed by Telegram, and with a token that is not ours."""
    return written(with_hash(with_signature({**FIELDS, **changed}, token), RENEWED))


def user(**about: object) -> str:
    return hashed(user=json.dumps(about))


def at(**later: float) -> str:
    return str(int((NOW + timedelta(**later)).timestamp()))


# ---- believed --------------------------------------------------------------------------------

GOOD: dict[str, tuple[str, Opener]] = {
    "signed with the token": (hashed(), Opener(ZOE, "fr")),
    "both proofs": (init_data(TOKEN, ZOE, NOW), Opener(ZOE, "fr")),
    "signed by Telegram, the token is new": (signed(), Opener(ZOE, "fr")),
    "signed by Telegram, no hash": (written(with_signature(FIELDS, TOKEN)), Opener(ZOE, "fr")),
    "signed by Telegram, a broken hash": (
        written({**with_signature(FIELDS, TOKEN), "hash": "é"}),
        Opener(ZOE, "fr"),
    ),
    "signed with the token, a broken signature": (hashed(signature="x"), Opener(ZOE, "fr")),
    "a padded signature": (
        written({**(s := with_signature(FIELDS, TOKEN)), "signature": s["signature"] + "=="}),
        Opener(ZOE, "fr"),
    ),
    "other fields": (hashed(chat_type="sender", start_param="a_b-c", new=""), Opener(ZOE, "fr")),
    "in another order": ("&".join(reversed(hashed().split("&"))), Opener(ZOE, "fr")),
    "spaces as plus signs": (hashed(start_param="a b").replace("%20", "+"), Opener(ZOE, "fr")),
    "English": (user(id=ZOE, language_code="en-GB"), Opener(ZOE, "en")),
    "another language": (user(id=ZOE, language_code="pt-br"), Opener(ZOE, None)),
    "no language": (user(id=ZOE), Opener(ZOE, None)),
    "a language that is none": (user(id=ZOE, language_code=["fr"]), Opener(ZOE, None)),
    "the first person": (user(id=1), Opener(1, None)),
    "the longest id": (user(id=2**52 - 1), Opener(2**52 - 1, None)),
    "a name in emoji": (
        user(id=ZOE, first_name="😀" * 64, last_name="é" * 64),
        Opener(ZOE, None),
    ),
    "exactly 15 minutes old": (hashed(auth_date=at(minutes=-15)), Opener(ZOE, "fr")),
    "a minute ahead": (hashed(auth_date=at(minutes=1)), Opener(ZOE, "fr")),
}


@pytest.mark.parametrize("kind", GOOD)
def test_believed(kind: str) -> None:
    text, opener = GOOD[kind]
    assert read(text) == opener


# ---- not believed ----------------------------------------------------------------------------

_GOOD = hashed()
_HASH = _GOOD.rpartition("hash=")[2]

BAD: dict[str, tuple[str, Cause]] = {
    # altered, or of another
    "nothing": ("", Cause.FORGED),
    "no proof": (written(FIELDS), Cause.FORGED),
    "another bot's token": (written(with_hash(FIELDS, OTHER_BOT)), Cause.FORGED),
    "a new token": (written(with_hash(FIELDS, RENEWED)), Cause.FORGED),
    "another person": (_GOOD.replace(str(ZOE), "987654322"), Cause.FORGED),
    "another time": (_GOOD.replace(at(), at(seconds=1)), Cause.FORGED),
    "a field more": (f"{_GOOD}&chat_type=sender", Cause.FORGED),
    "a field less": (_GOOD.partition("&")[2], Cause.FORGED),
    "an empty hash": (_GOOD.replace(_HASH, ""), Cause.FORGED),
    "a short hash": (_GOOD[:-1], Cause.FORGED),
    "a long hash": (f"{_GOOD}0", Cause.FORGED),
    "a hash in capitals": (_GOOD.replace(_HASH, _HASH.upper()), Cause.FORGED),
    "a hash that is not ASCII": (_GOOD.replace(_HASH, "é" * 64), Cause.FORGED),
    "a hash in full-width digits": (_GOOD.replace(_HASH, "０" * 64), Cause.FORGED),
    "a hash with NUL": (_GOOD.replace(_HASH, f"{_HASH}%00"), Cause.FORGED),
    "a hash of the token": (written({**FIELDS, "hash": TOKEN}), Cause.FORGED),
    "a plain SHA-256 as hash": (written({**FIELDS, "hash": "0" * 64}), Cause.FORGED),
    "another's signature": (
        written(with_signature(FIELDS, TOKEN, Ed25519PrivateKey.generate())),
        Cause.FORGED,
    ),
    "signed for another bot": (signed(OTHER_BOT), Cause.FORGED),
    "signed for another person": (signed().replace(str(ZOE), "987654322"), Cause.FORGED),
    "an empty signature": (written({**FIELDS, "signature": ""}), Cause.FORGED),
    "a short signature": (written({**FIELDS, "signature": "A" * 85}), Cause.FORGED),
    "a long signature": (written({**FIELDS, "signature": "A" * 87}), Cause.FORGED),
    "a zero signature": (written({**FIELDS, "signature": "A" * 86}), Cause.FORGED),
    "a signature in another alphabet": (written({**FIELDS, "signature": "é" * 86}), Cause.FORGED),
    "a signature with a line feed": (
        written({**FIELDS, "signature": "A" * 86 + "\n"}),
        Cause.UNREADABLE,
    ),
    # not as Telegram writes
    "a name twice": (f"{_GOOD}&user=%7B%22id%22%3A1%7D", Cause.UNREADABLE),
    "a name twice, in front": (f"user=%7B%22id%22%3A1%7D&{_GOOD}", Cause.UNREADABLE),
    "the hash twice": (f"{_GOOD}&hash={_HASH}", Cause.UNREADABLE),
    "the time twice": (f"{_GOOD}&auth_date={at()}", Cause.UNREADABLE),
    "a name twice, once escaped": (f"{_GOOD}&us%65r=%7B%7D", Cause.UNREADABLE),
    "no value": (f"{_GOOD}&x", Cause.UNREADABLE),
    "an empty field": (f"{_GOOD}&&x=1", Cause.UNREADABLE),
    "no field": ("&", Cause.UNREADABLE),
    "JSON": (json.dumps(FIELDS), Cause.UNREADABLE),
    "a lone surrogate": (f"{_GOOD}&x=\ud800", Cause.UNREADABLE),
    "a lone surrogate, escaped": (f"{_GOOD}&x=%ED%A0%80", Cause.UNREADABLE),
    "not UTF-8": (f"{_GOOD}&x=%FF", Cause.UNREADABLE),
    "a line feed in a value": (hashed(x=f"1\nauth_date={at()}"), Cause.UNREADABLE),
    "a line feed in a name": (hashed(**{"x\ny": "1"}), Cause.UNREADABLE),
    "very many fields": (hashed(**{f"x{n}": "" for n in range(40)}), Cause.UNREADABLE),
    "very long": (hashed(x="x" * 4096), Cause.UNREADABLE),
    "no time": (written(with_hash({"user": FIELDS["user"]}, TOKEN)), Cause.UNREADABLE),
    **{
        f"a time that is none: {value!r}": (hashed(auth_date=value), Cause.UNREADABLE)
        for value in ("", " ", "x", "-1", "+1", "1.5", "1e9", "1_0", "１２", "²", "1" * 13, "0x1")
    },
    # too old, too new
    "15 minutes and a second old": (hashed(auth_date=at(minutes=-15, seconds=-1)), Cause.STALE),
    "of yesterday": (hashed(auth_date=at(days=-1)), Cause.STALE),
    "of 1970": (hashed(auth_date="0"), Cause.STALE),
    "a minute and a second ahead": (hashed(auth_date=at(minutes=1, seconds=1)), Cause.STALE),
    "in milliseconds": (hashed(auth_date="999999999999"), Cause.STALE),
    "signed by Telegram, of yesterday": (signed(auth_date=at(days=-1)), Cause.STALE),
    # nobody
    "no user": (written(with_hash({"auth_date": at()}, TOKEN)), Cause.NOBODY),
    **{
        f"a user that is none: {value[:20]!r}": (hashed(user=value), Cause.NOBODY)
        for value in (
            *("", "{", "null", "1", '"x"', "[]", '[{"id":1}]', "{}", '{"id":null}', '{"id":true}'),
            *('{"id":"1"}', '{"id":1.0}', '{"id":1e3}', '{"id":0}', '{"id":-1}', '{"id":[1]}'),
            *('{"id":NaN}', '{"id":Infinity}', '{"ID":1}', "{'id':1}", '{"id":1}x', "[" * 1000),
            *(f'{{"id":{2**52}}}', f'{{"id":{"9" * 3000}}}', "\ufeff{}", '{"id":{"id":1}}'),
        )
    },
}


def test_there_are_many_kinds() -> None:
    assert len(GOOD) + len(BAD) >= 100


@pytest.mark.parametrize("kind", BAD)
def test_not_believed(kind: str) -> None:
    text, why = BAD[kind]
    assert cause(text) is why


def test_the_key_is_telegrams() -> None:
    """As in "Validating data for Third-Party Use"; what our own key signs is not taken for it."""
    assert TELEGRAM_KEY.hex().startswith("e7bf03a2fa4602af4580703d88dda5bb")
    with pytest.raises(BadInitData):
        read_init_data(signed(), TOKEN, NOW)


@given(any_text | st.sampled_from(STRINGS))
def test_any_text_is_refused(text: str) -> None:
    assert cause(text) in (Cause.UNREADABLE, Cause.FORGED)


@given(st.dictionaries(st.sampled_from(["user", "auth_date", "query_id", "x"]), any_text))
def test_any_fields_that_are_signed_raise_nothing_else(fields: dict[str, str]) -> None:
    """Even if Telegram itself signed what nobody expects."""
    with suppress(BadInitData):
        read(written(with_hash(fields, TOKEN)))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["id", "language_code", "x"]), _JSON))
def test_any_user(about: dict[str, object]) -> None:
    known = type(about.get("id")) is int and 0 < about["id"] < 2**52  # type: ignore[operator]
    if known and len(user(**about)) < 4000:
        assert read(user(**about)).user == about["id"]
    else:
        assert cause(user(**about)) in (Cause.NOBODY, Cause.UNREADABLE)


@given(st.integers(0, len(_GOOD) - 1), st.characters(codec="ascii"))
def test_no_character_can_be_changed(place: int, char: str) -> None:
    changed = _GOOD[:place] + char + _GOOD[place + 1 :]
    same: Callable[[str], str] = lambda text: text.replace("+", "%20").lower()  # noqa: E731
    if same(changed) != same(_GOOD):  # %3a is %3A
        cause(changed)
