"""The file of services: whether what the schools wrote can be shown, and is not over."""

from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.checks import Case, Finding
from bot.checks.database import ask
from bot.services import Offer, Problem, expired, read
from bot.settings import BadSetting
from storage.database import Work, every
from storage.vault import Vault, VaultError


async def services(case: Case) -> list[Finding]:
    """Read it, as the bot does; one finding for each entry that is to be mended."""
    path = case.settings.services
    if path is None:
        return []
    today = datetime.now(ZoneInfo(case.settings.timezone)).date()
    offer = read(path)
    wrong = sorted((*offer.problems, *expired(offer, today)), key=lambda one: one.number)
    found = [_told(case, problem, str(path)) for problem in wrong]
    unknown = await _unknown(case, offer)
    shown = sum(entry.is_open(today) for entry in offer.entries)
    if all(problem.number for problem in wrong):
        found.insert(0, case.good("services", "doctor.services", file=str(path), n=shown))
    for number, uai in unknown:
        facts = {"file": str(path), "number": number, "uai": uai}
        found.append(case.bad("services", "doctor.service_elsewhere", **facts))
    return found


async def _unknown(case: Case, offer: Offer) -> list[tuple[int, str]]:
    """Schools of which the register knows nothing, by entry: nobody would see it there."""

    def known(_vault: Vault) -> Work[set[str]]:
        return {uai for (uai,) in (yield from every("SELECT uai FROM schools"))}

    schools = None
    with suppress(BadSetting, VaultError):  # said of the secret already
        schools = await ask(case, known)
    if not schools:  # nor where there is no register yet, which is said, too
        return []
    return [(one.number, uai) for one in offer.entries for uai in sorted(one.schools - schools)]


def _told(case: Case, problem: Problem, file: str) -> Finding:
    facts = {"file": file, "number": problem.number, "what": problem.what}
    why = case.say(f"doctor.service_{problem.why}", **facts)
    if not problem.number:
        return Finding("services", False, why)
    return case.bad("services", "doctor.service", **facts, why=why)
