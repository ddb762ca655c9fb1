"""Asking another machine over HTTP, and why it is not reached, in words of a closed list."""

import socket
import ssl
from collections.abc import Iterator

import httpx2

PATIENCE = 4.0
"""Seconds for one step of asking."""

# OpenSSL's numbers of what is wrong with a certificate (x509_vfy.h).
_CERTIFICATES = {
    9: "certificate_early",
    10: "certificate_expired",
    18: "certificate_unknown",
    19: "certificate_unknown",
    20: "certificate_chain",
    21: "certificate_chain",
    62: "certificate_name",
    64: "certificate_name",
}
_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "no_name"),
    (ConnectionRefusedError, "port_closed"),
    (TimeoutError, "slow"),  # before TLS: a greeting that is cut off leaves an error of TLS, too
    (httpx2.TimeoutException, "slow"),
    (ssl.SSLError, "no_https"),
)


class NotReached(Exception):
    """`why` is the end of a key: doctor.why_<why>."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


async def ask(url: str, *, verify: bool = True) -> httpx2.Response:
    """The answer to a GET, whatever its status; no redirection is followed. Raises NotReached."""
    try:
        async with httpx2.AsyncClient(verify=verify, timeout=PATIENCE) as client:
            return await client.get(url)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as error:
        raise NotReached(why_unreached(error)) from error


def why_unreached(error: BaseException) -> str:
    """Why, by the first of the errors behind this one that tells."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _CERTIFICATES.get(cause.verify_code, "certificate_unknown")
    for kind, why in _KINDS:
        if any(isinstance(cause, kind) for cause in causes):
            return why
    return "unreached"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came from, also where the libraries hid that from tracebacks."""
    for _ in range(20):
        if error is None:
            return
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _causes(inner)
        error = error.__cause__ or error.__context__
