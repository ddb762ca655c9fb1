"""The file of services: whether what the schools wrote can be shown, and is not over."""

from datetime import datetime
from zoneinfo import ZoneInfo

from bot.checks import Case, Finding
from bot.services import Problem, expired, read


async def services(case: Case) -> list[Finding]:
    """Read it, as the bot does; one finding for each entry that is to be mended."""
    path = case.settings.services
    if path is None:
        return []
    today = datetime.now(ZoneInfo(case.settings.timezone)).date()
    offer = read(path)
    wrong = sorted((*offer.problems, *expired(offer, today)), key=lambda one: one.number)
    found = [_told(case, problem, str(path)) for problem in wrong]
    shown = sum(entry.is_open(today) for entry in offer.entries)
    if all(problem.number for problem in wrong):
        found.insert(0, case.good("services", "doctor.services", file=str(path), n=shown))
    return found


def _told(case: Case, problem: Problem, file: str) -> Finding:
    facts = {"file": file, "number": problem.number, "what": problem.what}
    why = case.say(f"doctor.service_{problem.why}", **facts)
    if not problem.number:
        return Finding("services", False, why)
    return case.bad("services", "doctor.service", **facts, why=why)
