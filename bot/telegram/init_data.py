"""Who opened a page: Telegram's `initData`, read and checked before anything in it is believed.

Two proofs exist (https://core.telegram.org/bots/webapps). The first is an HMAC keyed with the bot's
token. The second is Telegram's own Ed25519 signature, meant for those who do not hold the token. It
serves here when @BotFather has given the bot a new token while this process still has the old one:
pages that parents have open go on. Either proof is enough; the age counts for both.
"""

import base64
import hmac
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import locales

TELEGRAM_KEY = bytes.fromhex("e7bf03a2fa4602af4580703d88dda5bb59f32ed8b02a56c187fe7d34caed242d")
"""With which Telegram's production servers sign (the same page, "Validating data for Third-Party
Use")."""

LONGEST = 4096  # characters; the longest name that Telegram allows makes half of them
OLDEST = timedelta(minutes=15)  # UX 4.2, P10
AHEAD = timedelta(minutes=1)  # two clocks never agree
_FIELDS = 32  # at most; Telegram sends ten
_HIGHEST_USER = 2**52  # "at most 52 significant bits" (Bot API, User)


class Cause(StrEnum):
    """Why it is not believed."""

    UNREADABLE = "unreadable"  # Telegram does not write like this
    FORGED = "forged"  # neither proof holds: altered, or for another bot
    STALE = "stale"  # too old, or from the future
    NOBODY = "nobody"  # no person in it


class BadInitData(Exception):
    """It proves nothing. It never holds what was sent."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Opener:
    """The person who opened the page: Telegram's id, and our language where theirs is one."""

    user: int
    lang: str | None


def read_init_data(
    text: str, token: str, now: datetime, telegram_key: bytes = TELEGRAM_KEY
) -> Opener:
    """The person whom Telegram vouches for. Raises BadInitData, and nothing else whatever comes."""
    fields = _read(text)
    if not (_by_token(fields, token) or _by_telegram(fields, token, telegram_key)):
        raise BadInitData(Cause.FORGED)
    signed_at = fields.get("auth_date", "")
    if not re.fullmatch("[0-9]{1,12}", signed_at, re.ASCII):
        raise BadInitData(Cause.UNREADABLE)
    age = now.timestamp() - int(signed_at)
    if not -AHEAD.total_seconds() <= age <= OLDEST.total_seconds():
        raise BadInitData(Cause.STALE)
    return _opener(fields.get("user", ""))


def _read(text: str) -> dict[str, str]:
    """Name and value of each field. No name comes twice: which of the two was signed?"""
    if len(text) > LONGEST:
        raise BadInitData(Cause.UNREADABLE)
    try:
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_FIELDS,
        )
        "".join(name + value for name, value in pairs).encode()  # no lone surrogates
    except ValueError:
        raise BadInitData(Cause.UNREADABLE) from None
    fields = dict(pairs)
    # What is signed is a text of lines: a line feed within could pass for two fields.
    if len(fields) < len(pairs) or any("\n" in name + value for name, value in pairs):
        raise BadInitData(Cause.UNREADABLE)
    return fields


def _lines(fields: dict[str, str], *without: str) -> str:
    """What is signed: the fields sorted by their names, a line each."""
    names = sorted(fields.keys() - set(without))
    return "\n".join(f"{name}={fields[name]}" for name in names)


def _by_token(fields: dict[str, str], token: str) -> bool:
    key = hmac.digest(b"WebAppData", token.encode(), sha256)
    proof = hmac.digest(key, _lines(fields, "hash").encode(), sha256).hex()
    # As bytes: given text that is not ASCII, compare_digest raises.
    return hmac.compare_digest(proof.encode(), fields.get("hash", "").encode())


def _by_telegram(fields: dict[str, str], token: str, telegram_key: bytes) -> bool:
    bot = token.partition(":")[0]
    signed = f"{bot}:WebAppData\n{_lines(fields, 'hash', 'signature')}"
    written = fields.get("signature", "")
    if not re.fullmatch("[A-Za-z0-9_-]{86}(==)?", written, re.ASCII):  # 64 bytes in base64url
        return False
    signature = base64.urlsafe_b64decode(written[:86] + "==")
    try:
        Ed25519PublicKey.from_public_bytes(telegram_key).verify(signature, signed.encode())
    except InvalidSignature:
        return False
    return True


def _opener(written: str) -> Opener:
    try:
        user: Any = json.loads(written)
    except (ValueError, RecursionError):
        raise BadInitData(Cause.NOBODY) from None
    number = user.get("id") if isinstance(user, dict) else None
    if type(number) is not int or not 0 < number < _HIGHEST_USER:  # true is an int, and nobody
        raise BadInitData(Cause.NOBODY)
    code = user.get("language_code")
    return Opener(number, locales.guess(code) if isinstance(code, str) else None)
