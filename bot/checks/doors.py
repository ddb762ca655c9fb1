"""The doors that providers are behind: SMS, and accounts."""

from bot.app import sms_sender
from bot.checks import Case, Finding


async def sms(case: Case) -> list[Finding]:
    """Whether codes would leave."""
    sms_sender(case.settings.sms, lambda _to, _text: None)
    kind = str(case.settings.sms).partition(":")[0]
    return [case.good("sms", "doctor.sms", url=kind)]
