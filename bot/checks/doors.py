"""The doors that providers are behind: whether codes would leave, and accounts be opened."""

import asyncio
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

import locales
from bot.app import directory_of
from bot.checks import Case, Finding
from bot.checks.reach import why_unreached
from bot.sms import SmsFault, SmsSender
from bot.sms.choosing import sms_sender
from storage.directories import DirectoryFault

PATIENCE = 10
"""Seconds for one sender of several, and for the account service."""


async def sms(case: Case) -> list[Finding]:
    """Ask each sender whether it would send, and what credit is left."""
    senders = sms_sender(case.settings, lambda _to, _text: None).each()
    return await asyncio.gather(*(_sender(case, sender) for sender in senders))


async def _sender(case: Case, sender: SmsSender) -> Finding:
    try:
        async with asyncio.timeout(PATIENCE):
            credit = await sender.check()
    except TimeoutError:
        why = case.say("doctor.why_slow")
        return case.bad("sms", "doctor.sms_not_reached", name=sender.name, why=why)
    except SmsFault as fault:
        return _told(case, "sms", sender.name, fault)
    if credit is None:
        return case.good("sms", "doctor.sms", url=sender.name)
    key = "doctor.sms_no_credit" if _is_spent(credit) else "doctor.sms_credit"
    return Finding("sms", not _is_spent(credit), case.say(key, url=sender.name, credit=credit))


def _is_spent(credit: str) -> bool:
    """Whether nothing is left, where it is told as a number."""
    try:
        return Decimal(credit) <= 0
    except InvalidOperation:
        return False


async def accounts(case: Case) -> list[Finding]:
    """Ask the account service whether it knows us."""
    directory = directory_of(case.settings)
    if directory is None:
        return [case.good("accounts", "doctor.accounts_here")]
    name = urlsplit(case.settings.accounts.get_secret_value()).hostname or "?"
    try:
        async with asyncio.timeout(PATIENCE):
            what = await directory.check()
    except TimeoutError:
        why = case.say("doctor.why_slow")
        return [case.bad("accounts", "doctor.accounts_not_reached", name=name, why=why)]
    except DirectoryFault as fault:
        return [_told(case, "accounts", name, fault)]
    finally:
        await directory.close()
    return [case.good("accounts", "doctor.accounts", what=what)]


def _told(case: Case, check: str, name: str, fault: Exception) -> Finding:
    """Why the other side is not reached, in words for everybody; or what the door itself says."""
    why = why_unreached(fault)
    if why != "unreached":
        reason = case.say(f"doctor.why_{why}")
        return case.bad(check, f"doctor.{check}_not_reached", name=name, why=reason)
    if getattr(fault, "kind", "") in ("account", "rights"):
        return case.bad(check, f"doctor.{check}_account", name=name)
    return Finding(check, False, locales.translated(str(fault), case.lang))
