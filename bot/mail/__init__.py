"""A way out for e-mail: what a sender is, and how one is chosen (`bot.mail.choosing`)."""

from bot.mail.local import ConsoleMail, FileMail
from bot.mail.port import Mail, MailFault, MailRefused, MailSender, MailUnclear

__all__ = [
    "ConsoleMail",
    "FileMail",
    "Mail",
    "MailFault",
    "MailRefused",
    "MailSender",
    "MailUnclear",
]
