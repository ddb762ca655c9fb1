"""Personal data at rest: sealed with AES-256-GCM, found again by keyed hashes.

Every key is derived from `SESAME_SECRET` (HKDF-SHA-256), so the database file alone shows no name,
phone or birthdate (promise 5), and hashing all French mobiles tells nothing without the secret
(RELIABILITY 0.4).
"""

import hashlib
import hmac
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from flows.secret import Secret
from storage.database import Work, one, run

_NONCE = 12  # bytes, NIST SP 800-38D 5.2.1.1


class VaultError(Exception):
    """A sealed value does not open: another secret made it, or somebody altered it."""


class Vault:
    """Seals and opens values, and makes look-up keys."""

    def __init__(self, secret: Secret) -> None:
        material = secret.reveal().encode()
        self._cipher = AESGCM(_derive(material, b"sesame seal 1"))
        self._lookup = _derive(material, b"sesame look-up 1")

    def seal(self, value: object, bound_to: str) -> bytes:
        """Encrypt a JSON value. It opens only with the same `bound_to` (its table or row)."""
        nonce = os.urandom(_NONCE)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return nonce + self._cipher.encrypt(nonce, text, bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> Any:
        """The value that `seal` took. Raises VaultError when the secret or the place is wrong."""
        try:
            text = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to.encode())
        except (InvalidTag, ValueError) as error:
            raise VaultError(
                "The stored data does not open: SESAME_SECRET is not the one that sealed it."
            ) from error
        return json.loads(text)

    def key(self, purpose: str, *parts: object) -> bytes:
        """A look-up key: 16 bytes that stand for the parts, and tell nothing about them."""
        text = "\0".join([purpose, *(str(part) for part in parts)])
        return hmac.new(self._lookup, text.encode(), hashlib.sha256).digest()[:16]


def _derive(material: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=label).derive(material)


def check_secret(vault: Vault) -> Work[None]:
    """See that the vault's secret is the database's own. Raises VaultError when it is not."""
    row = yield from one("SELECT sealed FROM canary")
    if row is None:
        yield from run("INSERT INTO canary VALUES (1, ?)", vault.seal("sesame", "canary"))
    else:
        vault.open(row[0], "canary")
