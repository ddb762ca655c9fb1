"""Personal data at rest: sealed with AES-256-GCM, found again by keyed hashes.

Every key is derived from `SESAME_SECRET` (HKDF-SHA-256), so the database file alone shows no name,
phone or birthdate (promise 5), and hashing all French mobiles tells nothing without the secret
(RELIABILITY 0.4).

A vault may hold two secrets, while `sesame rotate-key` goes from one to the other (T30). The one in
force, which seals, is that of the canary: a row that every process looks at in each turn, so that
from one moment on all of them seal with the new secret. Both open. The look-up key of a database is
made from its first secret and kept in the canary: what it hashes cannot all be hashed again.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from flows.secret import Secret
from storage.database import StorageError, Work, lock, lock_shared, one, run

_NONCE = 12  # bytes, NIST SP 800-38D 5.2.1.1
_CANARY = "canary"


class VaultError(Exception):
    """A sealed value does not open: another secret made it, or somebody altered it."""


class SecretChanged(StorageError):
    """The database goes by a secret that this process does not have: nothing may be written."""


class Vault:
    """Seals and opens values, and makes look-up keys."""

    def __init__(
        self, *secrets: Secret, reread: Callable[[], Sequence[Secret]] | None = None
    ) -> None:
        """The newest secret comes first. `reread` looks for secrets that came since the start."""
        self._secrets = list(secrets)
        self._ciphers = [_Ciphers(secret) for secret in secrets]
        self._reread = reread
        self._in_force = 0
        self._lookup = _lookup(secrets[0])
        self._canary = b""

    @property
    def newest(self) -> Secret:
        """The secret that comes first."""
        return self._secrets[0]

    def seal(self, value: object, bound_to: str) -> bytes:
        """Encrypt a JSON value. It opens only with the same `bound_to` (its table or row)."""
        return _seal(self._ciphers[self._in_force], value, bound_to)

    def open(self, sealed: bytes, bound_to: str) -> Any:
        """The value that `seal` took. Raises VaultError when the secret or the place is wrong."""
        return self._opened(sealed, bound_to)[1]

    def reseal(self, sealed: bytes, bound_to: str) -> bytes | None:
        """The same value sealed by the secret in force; None where it already is."""
        by, value = self._opened(sealed, bound_to)
        return None if by == self._in_force else self.seal(value, bound_to)

    def key(self, purpose: str, *parts: object) -> bytes:
        """A look-up key: 16 bytes that stand for the parts, and tell nothing about them."""
        text = "\0".join([purpose, *(str(part) for part in parts)])
        return hmac.new(self._lookup, text.encode(), hashlib.sha256).digest()[:16]

    def token(self, purpose: str) -> str:
        """A secret to be shown to others: 256 bits, the same in every process and for ever."""
        return hmac.new(self._lookup, f"token\0{purpose}".encode(), hashlib.sha256).hexdigest()

    def _opened(self, sealed: bytes, bound_to: str) -> tuple[int, Any]:
        """Which secret opened it, and the value."""
        for at in (self._in_force, *range(len(self._ciphers))):
            try:
                cipher = self._ciphers[at].of(bound_to)
                text = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to.encode())
            except (InvalidTag, ValueError):
                continue
            return at, json.loads(text)
        raise VaultError(
            "The stored data does not open: SESAME_SECRET is not the one that sealed it."
        )

    def learn(self, canary: bytes) -> None:
        """Go by the canary from now on. Raises VaultError where no secret opens it."""
        if canary == self._canary:
            return
        try:
            by, kept = self._opened(canary, _CANARY)
        except VaultError:
            if self._reread is None:
                raise
            self._take(self._reread())
            by, kept = self._opened(canary, _CANARY)
        self._in_force = by
        # The canary of schema 1 held no key: then it is that of the secret that sealed it.
        self._lookup = bytes.fromhex(kept) if kept != "sesame" else _lookup(self._secrets[by])
        self._canary = canary

    def _take(self, secrets: Sequence[Secret]) -> None:
        new = [secret for secret in secrets if secret not in self._secrets]
        self._secrets += new
        self._ciphers += [_Ciphers(secret) for secret in new]

    def canary(self, secret: Secret) -> bytes:
        """The canary that puts this secret in force."""
        return _seal(_Ciphers(secret), self._lookup.hex(), _CANARY)


class _Ciphers:
    """One for passwords alone, and one for all else, made from the same secret.

    What a value is bound to begins with its table, which says which one seals it.
    """

    def __init__(self, secret: Secret) -> None:
        self._all_else = AESGCM(_derive(secret, b"sesame seal 1"))
        self._passwords = AESGCM(_derive(secret, b"sesame password 1"))

    def of(self, bound_to: str) -> AESGCM:
        """The one for this place."""
        return self._passwords if bound_to.startswith("passwords:") else self._all_else


def _seal(ciphers: _Ciphers, value: object, bound_to: str) -> bytes:
    nonce = os.urandom(_NONCE)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return nonce + ciphers.of(bound_to).encrypt(nonce, text, bound_to.encode())


def _lookup(secret: Secret) -> bytes:
    return _derive(secret, b"sesame look-up 1")


def _derive(secret: Secret, label: bytes) -> bytes:
    material = secret.reveal().encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=label).derive(material)


def is_known(vault: Vault) -> Work[bool]:
    """Whether the database has a secret already, and it is the vault's. Raises VaultError if not.

    Nothing is written.
    """
    row = yield from one("SELECT sealed FROM canary")
    if row is not None:
        vault.learn(row[0])
    return row is not None


def check_secret(vault: Vault) -> Work[None]:
    """See on start that the vault's secret is the database's own. Raises VaultError if not."""
    yield from lock("secret")
    row = yield from one("SELECT sealed FROM canary")
    if row is None:
        yield from run("INSERT INTO canary VALUES (1, ?)", vault.canary(vault.newest))
        row = yield from one("SELECT sealed FROM canary")
    assert row is not None  # noqa: S101 - it was just written
    vault.learn(row[0])


def keep_up(vault: Vault) -> Work[None]:
    """See in a transaction that seals that the secret in force is still the vault's.

    Raises SecretChanged when it is not: the process must be started again with the new one.
    """
    yield from lock_shared("secret")  # none comes in force before what this one seals is stored
    row = yield from one("SELECT sealed FROM canary")
    try:
        vault.learn(row[0] if row else b"")
    except VaultError as error:
        raise SecretChanged(
            "SESAME_SECRET was changed meanwhile: start this program again with the new one."
        ) from error


def put_in_force(vault: Vault) -> Work[None]:
    """Seal with the vault's newest secret from now on, in every process."""
    yield from lock("secret")
    canary = vault.canary(vault.newest)
    yield from run("UPDATE canary SET sealed = ?", canary)
    vault.learn(canary)
