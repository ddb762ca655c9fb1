"""What Telegram's app hands to a page that a button opens: signed here as Telegram signs it."""

import base64
import hmac
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bot.web.password import Door, routes
from bot.web.server import application, listening
from tests.telegram.chat_driver import RunningBot

Fields = Mapping[str, str]

TELEGRAM = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""In the place of the key that only Telegram has."""
TELEGRAM_PUBLIC = TELEGRAM.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def fields_of(user: int, now: datetime, lang: str | None = "fr") -> dict[str, str]:
    """What stands in it, before it is signed."""
    about = {"id": user, "first_name": "Zoé", "last_name": "", "allows_write_to_pm": True}
    about |= {"language_code": lang} if lang else {}
    return {
        "query_id": "AAHdF6IQAAAAAN0XohDhrOrc",
        "user": json.dumps(about, ensure_ascii=False, separators=(",", ":")),
        "auth_date": str(int(now.timestamp())),
    }


def lines(fields: Fields) -> str:
    """The text that is signed."""
    return "\n".join(f"{name}={fields[name]}" for name in sorted(fields))


def with_hash(fields: Fields, token: str) -> dict[str, str]:
    """Signed with the bot's token."""
    key = hmac.digest(b"WebAppData", token.encode(), sha256)
    proof = hmac.digest(key, lines(fields).encode("utf-8", "surrogatepass"), sha256).hex()
    return {**fields, "hash": proof}


def with_signature(fields: Fields, token: str, key: Ed25519PrivateKey = TELEGRAM) -> dict[str, str]:
    """Signed by Telegram for those who do not have the token."""
    text = f"{token.partition(':')[0]}:WebAppData\n{lines(fields)}".encode()
    proof = base64.urlsafe_b64encode(key.sign(text)).decode().rstrip("=")
    return {**fields, "signature": proof}


def written(fields: Fields) -> str:
    """As the app writes it."""
    return urlencode(fields, quote_via=quote, errors="surrogatepass")


def init_data(token: str, user: int, now: datetime, lang: str | None = "fr") -> str:
    """All of it, as today's apps send it: with both proofs."""
    return written(with_hash(with_signature(fields_of(user, now, lang), token), token))


@asynccontextmanager
async def open_door(bot: RunningBot) -> AsyncIterator[tuple[Door, str]]:
    """The page for the password of this bot, on loopback: its door, and its address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as bound:
        port = bound.getsockname()[1]
    door = Door(bot.server.token, bot.settings.password_min, bot.service)
    async with listening(f"127.0.0.1:{port}", application(routes(door))):
        yield door, f"http://127.0.0.1:{port}"
