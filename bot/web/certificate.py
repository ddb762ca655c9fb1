"""The certificate with which `serve` itself speaks https, where no proxy does it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, load_pem_x509_certificates

from bot.settings import BadSetting, Settings


@dataclass(frozen=True, slots=True)
class Tls:
    """Two files that were read and go together, and the server's own certificate."""

    certificate_file: Path
    key_file: Path
    certificate: Certificate

    def self_signed(self) -> bytes | None:
        """The certificate alone (PEM), where nobody but itself vouches for it; None for others.

        Telegram has to be given it then. Never the file: it may hold the key as well.
        """
        if self.certificate.issuer != self.certificate.subject:
            return None
        return self.certificate.public_bytes(Encoding.PEM)


def read_tls(settings: Settings) -> Tls | None:
    """The certificate of the settings; None where a proxy has it. Raises BadSetting."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        return None
    try:
        first = load_pem_x509_certificates(certificate.read_bytes())[0]
    except OSError as error:
        raise BadSetting(
            f"SESAME_TLS_CERTIFICATE: {certificate} cannot be read: {error.strerror}."
        ) from None
    except ValueError:
        raise BadSetting(
            f"SESAME_TLS_CERTIFICATE: {certificate} holds no certificate in PEM."
        ) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        key.read_bytes()  # what is wrong with it is said more clearly here
        context.load_cert_chain(certificate, key, password="")  # or it would ask for one
    except ssl.SSLError:
        raise BadSetting(
            f"SESAME_TLS_KEY: {key} is not the key of SESAME_TLS_CERTIFICATE, in PEM and without a"
            " password."
        ) from None
    except OSError as error:
        raise BadSetting(f"SESAME_TLS_KEY: {key} cannot be read: {error.strerror}.") from None
    return Tls(certificate, key, first)
