"""A value that must not be seen: it neither prints, nor formats, nor pickles, nor is copied."""

import hmac
from typing import NoReturn


class Secret:
    """Holds a password or a code for as long as a turn lasts.

    Everything that turns values into text by accident (`repr`, `str`, f-strings, logging,
    tracebacks that show locals) gets a mask; what makes copies (pickle, `copy`,
    `dataclasses.asdict`) raises TypeError. Two secrets are compared in constant time. `reveal` is
    the one way in, and easy to search for.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the hidden text. Only the code that hashes or compares it may call this."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, wanted: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._bytes(), other._bytes())

    def __hash__(self) -> int:
        return hash(self._value)

    def _bytes(self) -> bytes:
        return self._value.encode(errors="surrogatepass")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret is never pickled or copied")

    def __reduce__(self) -> NoReturn:
        self.__getstate__()
