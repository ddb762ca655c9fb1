"""The public page: reached as parents reach it, with a certificate that their browsers take."""

import ssl
from datetime import UTC, datetime

from bot.checks import Case, Finding
from bot.checks.reach import NotReached, ask

DAYS_LEFT = 14
"""A certificate that is renewed by itself has more than that left."""


async def page(case: Case) -> list[Finding]:
    """Open it, where there is one."""
    url = case.settings.public_url
    if url is None:
        return []
    try:
        answer = await ask(f"{url}/password")
    except NotReached as error:
        why = case.say(f"doctor.why_{error.why}")
        return [case.bad("page", "doctor.page_not_reached", url=url, why=why)]
    if answer.status_code != 200 or b"password/password.js" not in answer.content:
        return [case.bad("page", "doctor.page_not_ours", url=url, status=answer.status_code)]
    secured: ssl.SSLObject = answer.extensions["network_stream"].get_extra_info("ssl_object")
    ends = secured.getpeercert() or {}
    seconds = ssl.cert_time_to_seconds(str(ends["notAfter"]))
    days = (datetime.fromtimestamp(seconds, UTC) - datetime.now(UTC)).days
    if days < DAYS_LEFT:
        return [case.bad("page", "doctor.page_ends", url=url, n=days)]
    return [case.good("page", "doctor.page", url=url, n=days)]
