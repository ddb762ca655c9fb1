"""The doors that providers are behind: whether codes would leave, and accounts be opened."""

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
            found.append(_told(case, "sms", fault))
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
        return [_told(case, "accounts", fault)]
    finally:
        await directory.close()
    return [case.good("accounts", "doctor.accounts", what=what)]


def _told(case: Case, check: str, fault: Exception) -> Finding:
    """What is wrong, in the words of the door, and why the other side is not reached."""
    why = why_unreached(fault)
    line = case.say("doctor.door", what=str(fault), why=case.say(f"doctor.why_{why}"))
    return Finding(check, False, str(fault) if why == "unreached" else line)
