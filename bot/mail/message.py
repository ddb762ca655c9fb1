"""A mail as it goes over the wire (RFC 5322, 2045, 3834)."""

import re
import secrets
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from email_validator import EmailNotValidError, validate_email

from bot.mail.port import Mail

_USER = re.compile(r"""[^\s@<>()\[\],;:\\"\x00-\x1f]{1,64}""")


def read_sender(text: str) -> Address:
    """An address with a name: "Sésame <sesame@ecole.fr>". Raises ValueError."""
    name, _, address = text.strip().rpartition("<")
    name = name.strip().strip(
        '"'
    )  # with a comma or an accent: in the mail it is written as need be
    try:
        found = validate_email(
            address.removesuffix(">") if name else address, check_deliverability=False
        )
    except EmailNotValidError:
        found = None
    if found is None or not (name or "_").isprintable() or set(name) & set('<>"'):
        raise ValueError("an address is written Sésame <sesame@ecole.fr>")
    return Address(name, found.local_part, found.ascii_domain)


def plain_address(text: str) -> Address:
    """The address, its domain in the letters that every server knows: xn--….

    Raises ValueError (UnicodeError too) for what is none.
    """
    user, _, domain = text.rpartition("@")
    if not _USER.fullmatch(user) or not domain:
        raise ValueError("no address")
    return Address(username=user, domain=domain.encode("idna").decode("ascii"))


def message(mail: Mail, sender: Address, now: datetime) -> EmailMessage:
    """The whole mail: UTF-8, plain text. Raises ValueError for what is no address.

    It says that no person wrote it, so that no absence note is sent back (RFC 3834, 5.1; the
    second is Exchange's own word for the same).
    """
    to = plain_address(mail.to)
    made = EmailMessage(policy=SMTP if to.username.isascii() else SMTPUTF8)
    made["From"] = sender
    made["To"] = to
    made["Subject"] = mail.subject
    made["Date"] = format_datetime(now)
    made["Message-ID"] = f"<{mail.name or secrets.token_hex(16)}@{sender.domain}>"
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    made.set_content(mail.text, charset="utf-8", cte="quoted-printable")
    return made
