"""A secret, and every way out of it that somebody may take without thinking."""

import copy
import dataclasses
import hmac
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable

import pytest

from flows.outputs import CheckCode, HashPassword
from flows.secret import Secret

HIDDEN = "Soleil&Vert27"
SECRET = Secret(HIDDEN)
HOLDER = HashPassword(SECRET)


def _traceback() -> str:
    try:
        kept = SECRET
        raise RuntimeError(kept)
    except RuntimeError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        return "".join(shown.format())


SHOWN: dict[str, Callable[[], str]] = {
    "repr": lambda: repr(SECRET),
    "str": lambda: str(SECRET),
    "f-string": lambda: f"{SECRET}",
    "f-string, repr": lambda: f"{SECRET!r}",
    "f-string, wide": lambda: f"{SECRET:>40}",
    "f-string, short": lambda: f"{SECRET:.3}",
    "format": lambda: "{:s} {!a}".format(SECRET, SECRET),  # noqa: UP032
    "percent": lambda: "%s %r %a" % (SECRET, SECRET, SECRET),  # noqa: UP031
    "list": lambda: str([SECRET]) + pprint.pformat({"code": SECRET}),
    "holder": lambda: repr(HOLDER) + repr(CheckCode("+33612345678", SECRET)),
    "exception": lambda: repr(ValueError(SECRET)) + str(ValueError(SECRET)),
    "traceback": _traceback,
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_it_is_not_shown(show: Callable[[], str]) -> None:
    text = show()
    assert HIDDEN not in text
    assert HIDDEN[:3] not in text


def test_it_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    log = logging.getLogger("sesame.test")
    log.warning("%s %r %40s", SECRET, SECRET, SECRET)
    log.info(SECRET)
    log.error("holder: %s", HOLDER, extra={"what": SECRET}, stack_info=True)
    assert len(caplog.records) == 3
    assert HIDDEN not in caplog.text


COPIED: dict[str, Callable[[], object]] = {
    "pickle 0": lambda: pickle.dumps(SECRET, 0),
    "pickle": lambda: pickle.dumps(SECRET),
    "pickled holder": lambda: pickle.dumps(HOLDER),
    "copy": lambda: copy.copy(SECRET),
    "deepcopy": lambda: copy.deepcopy(SECRET),
    "deepcopy of a holder": lambda: copy.deepcopy([HOLDER]),
    "asdict": lambda: dataclasses.asdict(HOLDER),
    "json": lambda: json.dumps({"password": SECRET}),
    "getstate": SECRET.__getstate__,
    "reduce": lambda: SECRET.__reduce_ex__(2),
    "vars": lambda: vars(SECRET),
    "bytes": lambda: bytes(SECRET),  # type: ignore[call-overload]
    "join": lambda: "".join([SECRET]),  # type: ignore[list-item]
    "iteration": lambda: list(SECRET),  # type: ignore[call-overload]
}


@pytest.mark.parametrize("copied", COPIED.values(), ids=COPIED)
def test_it_is_not_copied(copied: Callable[[], object]) -> None:
    with pytest.raises(TypeError) as refused:
        copied()
    assert HIDDEN not in str(refused.value)


def test_it_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, two: bytes) -> bool:
        compared.append((one, two))
        return one == two

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert Secret("é1") == Secret("é1")
    assert Secret("é1") != Secret("é2")
    assert Secret("\ud800") != SECRET  # as an attacker may type it
    assert len(compared) == 3
    assert SECRET != HIDDEN


def test_it_serves_as_a_key() -> None:
    assert {HashPassword(Secret("a")): 1}[HashPassword(Secret("a"))] == 1
    assert Secret("a").reveal() == "a"
