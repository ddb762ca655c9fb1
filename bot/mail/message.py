"""A mail as it goes over the wire (RFC 5322, 2045, 3834)."""

import secrets
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr

from bot.mail.port import Mail


def read_sender(text: str) -> Address:
    """An address with a name: "Sésame <sesame@ecole.fr>". Raises ValueError."""
    name, address = parseaddr(text)
    try:
        sender = Address(display_name=name, addr_spec=address)
    except (ValueError, IndexError) as error:  # what the library raises depends on what is wrong
        raise ValueError("an address is written Sésame <sesame@ecole.fr>") from error
    if not sender.username or "." not in sender.domain or not address.isascii():
        raise ValueError("an address is written Sésame <sesame@ecole.fr>")
    return sender


def plain_domain(address: str) -> str:
    """The address with its domain in the letters that every server knows: École.fr, xn--….

    Raises UnicodeError for what is no domain.
    """
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.encode('idna').decode('ascii')}"


def message(mail: Mail, sender: Address, now: datetime) -> EmailMessage:
    """The whole mail: UTF-8, plain text. Raises ValueError for what is no address.

    It says that no person wrote it, so that no absence note is sent back (RFC 3834, 5.1; the
    second is Exchange's own word for the same).
    """
    ascii_only = mail.to.isascii()
    made = EmailMessage(policy=SMTP if ascii_only else SMTPUTF8)
    made["From"] = sender
    made["To"] = Address(addr_spec=mail.to)
    made["Subject"] = mail.subject
    made["Date"] = format_datetime(now)
    made["Message-ID"] = f"<{mail.name or secrets.token_hex(16)}@{sender.domain}>"
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    made.set_content(mail.text, charset="utf-8", cte="quoted-printable")
    return made
