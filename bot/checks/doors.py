"""The doors that providers are behind: whether codes would leave, and accounts be opened."""

from urllib.parse import urlsplit

from bot.app import directory_of
from bot.checks import Case, Finding
from bot.checks.reach import why_unreached
from bot.sms import SmsFault
from bot.sms.choosing import sms_sender
from storage.directories import DirectoryFault


async def sms(case: Case) -> list[Finding]:
    """Ask each sender whether it would send, and what credit is left."""
    found = []
    for sender in sms_sender(case.settings, lambda _to, _text: None).each():
        try:
            credit = await sender.check()
        except SmsFault as fault:
            found.append(_told(case, "sms", sender.name, fault))
            continue
        key = "doctor.sms" if credit is None else "doctor.sms_credit"
        found.append(case.good("sms", key, url=sender.name, credit=credit))
    return found


async def accounts(case: Case) -> list[Finding]:
    """Ask the account service whether it knows us."""
    directory = directory_of(case.settings)
    if directory is None:
        return [case.good("accounts", "doctor.accounts_here")]
    try:
        what = await directory.check()
    except DirectoryFault as fault:
        name = urlsplit(case.settings.accounts.get_secret_value()).hostname or "?"
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
    return Finding(check, False, str(fault))
