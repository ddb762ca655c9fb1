"""The way out for e-mail: whether the server takes our login, and mail of our sender."""

from bot.checks import Case, Finding
from bot.checks.reach import why_unreached
from bot.mail import MailFault
from bot.mail.choosing import mail_sender


async def email(case: Case) -> list[Finding]:
    """Greet the server, secure the connection, log in, and begin a mail that is not sent."""
    sender = mail_sender(case.settings, lambda _to, _subject, _text: None)
    if sender is None:
        return []
    try:
        await sender.check()
    except MailFault as fault:
        return [_told(case, sender.name, fault)]
    return [case.good("email", "doctor.email", name=sender.name)]


def _told(case: Case, name: str, fault: MailFault) -> Finding:
    facts = {"name": name, "said": fault.said}
    match fault.kind:
        case "account" | "sender" | "settings":
            return case.bad("email", f"doctor.email_{fault.kind}", **facts)
    why = why_unreached(fault)
    if why == "unreached":
        return case.bad("email", "doctor.email_fault", **facts)
    reason = case.say("doctor.why_no_tls" if why == "no_https" else f"doctor.why_{why}")
    return case.bad("email", "doctor.email_not_reached", why=reason, **facts)
