"""An e-mail address, and what its typist may have meant: "gmial.com".

The syntax is the library's affair (email-validator). Nothing is asked of the network: whether the
address exists, the code shows that is sent to it.
"""

import re
from dataclasses import dataclass, field
from difflib import get_close_matches

from email_validator import EmailNotValidError, validate_email

from flows.refusals import Reason, Refused
from flows.text import clean, half_width

MAX_EMAIL = 254
"""Longest address (RFC 5321 4.5.3.1.3, less its brackets)."""

_BRACKETED = re.compile(r"<([^<> ]{3,320})>")  # "Marie Dupont <marie@free.fr>"
_AT = re.compile(r" ?@ ?")
_AROUND = " ,;:!?…\"'’«»“”„()[]<>.`*"

# Before an address, in a sentence: another word would be the address's own, cut off by a space.
_LEADING = frozenset(
    {"est", "is", "mail", "email", "e-mail", "mél", "adresse", "address", "c'est", "it's", "voici"}
)

# Where parents have their addresses. Those in the first group are the ones that are mistyped.
_COMMON = (
    *("gmail.com", "hotmail.com", "hotmail.fr", "outlook.com", "outlook.fr", "live.fr", "live.com"),
    *("yahoo.fr", "yahoo.com", "icloud.com", "orange.fr", "wanadoo.fr", "laposte.net", "free.fr"),
    *("sfr.fr", "bbox.fr", "numericable.fr", "neuf.fr", "club-internet.fr", "aliceadsl.fr"),
    *("protonmail.com", "googlemail.com"),
)
# fmt: off
_KNOWN = frozenset({
    *_COMMON, "gmx.fr", "gmx.com", "gmx.net", "gmx.de", "msn.com", "me.com", "mac.com", "aol.com",
    "aol.fr", "ymail.com", "rocketmail.com", "mail.com", "email.com", "mail.fr", "mail.ru",
    "proton.me", "pm.me", "protonmail.ch", "tutanota.com", "tuta.com", "zoho.com", "voila.fr",
    "cegetel.net", "noos.fr", "tele2.fr", "dbmail.com", "caramail.fr", "caramail.com", "lilo.org",
    "mailo.com", "netcourrier.com", "hotmail.be", "hotmail.ch", "hotmail.it", "hotmail.es",
    "hotmail.de", "hotmail.co.uk", "live.be", "live.it", "live.nl", "live.co.uk", "outlook.be",
    "outlook.es", "outlook.it", "outlook.de", "outlook.pt", "yahoo.co.uk", "yahoo.es", "yahoo.it",
    "yahoo.de", "yahoo.be", "yahoo.ca", "free.org", "web.de", "t-online.de", "mediaserv.net",
    "only.fr", "izi-mobile.com", "lagoon.nc", "mls.nc", "nautile.nc", "mail.pf", "canl.nc",
})
# fmt: on

# Domains that are too far from what is meant, or that exist and are somebody else's.
_MEANT = {
    "gmail.fr": "gmail.com",
    "icloud.fr": "icloud.com",
    "laposte.fr": "laposte.net",
    "laposte.com": "laposte.net",
    "orange.com": "orange.fr",
    "wanadoo.com": "wanadoo.fr",
    "free.com": "free.fr",
    "sfr.com": "sfr.fr",
    "sfr.net": "sfr.fr",
}
_LIKENESS = 0.85
"""Of two letters swapped, one too many or one too few, in the shortest of these domains."""


@dataclass(frozen=True, slots=True)
class Email:
    """An address that can exist; `suggestion` is what is more likely meant, if anything is."""

    address: str = field(repr=False)
    suggestion: str | None = field(default=None, repr=False)


def read_email(text: str) -> Email | Refused:
    """Return the one address that the text holds, its domain in ASCII (IDNA)."""
    written = _AT.sub("@", half_width(clean(text)))
    words = [word for word in written.split() if "@" in word]
    if not words:
        return Refused(Reason.EMAIL_MISSING)
    bracketed = _BRACKETED.findall(written)
    if len({*map(_bare, bracketed or words)}) > 1:
        return Refused(Reason.EMAIL_SEVERAL)
    if not bracketed and not _may_stand_before(written.partition(words[0])[0]):
        return Refused(Reason.EMAIL_UNLIKELY)
    return _checked(_bare((bracketed or words)[0]))


def mask(address: str) -> str:
    """Hide all of an address but its first letter and its domain: "m•••@gmail.com"."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{_readable(domain)}"


def _checked(written: str) -> Email | Refused:
    try:
        found = validate_email(written, check_deliverability=False, strict=True)
    except EmailNotValidError:
        return Refused(Reason.EMAIL_UNLIKELY)
    address = f"{found.local_part}@{found.ascii_domain}"
    if len(address.encode()) > MAX_EMAIL:
        return Refused(Reason.EMAIL_UNLIKELY)
    domain = _meant(found.ascii_domain)
    return Email(address, f"{found.local_part}@{domain}" if domain else None)


def _may_stand_before(words: str) -> bool:
    before = [word for word in words.casefold().split() if word.strip(_AROUND) or ":" in word]
    return not before or before[-1].endswith(":") or before[-1].strip(_AROUND) in _LEADING


def _bare(word: str) -> str:
    """An address without the signs around it and the "mailto:" of a link."""
    bare = word.strip(_AROUND)
    if bare[:7].casefold() == "mailto:":
        bare = bare[7:].partition("?")[0]
    return bare


def _meant(domain: str) -> str | None:
    """The common domain of which this one is a typing error."""
    if domain in _KNOWN:
        return None
    close = get_close_matches(domain, _COMMON, n=1, cutoff=_LIKENESS)
    return _MEANT.get(domain) or next(iter(close), None)


def _readable(domain: str) -> str:
    """In letters: "élan.fr", stored as "xn--lan-9la.fr"."""
    try:
        return domain.encode().decode("idna")
    except UnicodeError:
        return domain
