"""Ways out for codes: senders of SMS, and how one is chosen (`bot.sms.choosing`)."""

from bot.sms.local import ConsoleSms, FileSms
from bot.sms.port import (
    Hear,
    Report,
    Sms,
    SmsFault,
    SmsRefused,
    SmsSender,
    SmsUnclear,
    Status,
    Taken,
    Token,
)

__all__ = [
    "ConsoleSms",
    "FileSms",
    "Hear",
    "Report",
    "Sms",
    "SmsFault",
    "SmsRefused",
    "SmsSender",
    "SmsUnclear",
    "Status",
    "Taken",
    "Token",
]
