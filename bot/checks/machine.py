"""The machine itself: room on its disk, and its clock."""

import shutil
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from bot.checks import Case, Finding
from bot.checks.reach import NotReached, ask

LEAST_ROOM = 200
"""MB for what is to come: the journal, new conversations, an import."""

TOLERANCE = 30
"""Seconds. What Telegram signs is refused when it seems to come from the future, or is too old."""

MB = 1_000_000


async def disk(case: Case) -> list[Finding]:
    """Whether there is room where the database lies, and where its copies do."""
    file = case.settings.database_file
    if file is None:  # the server's own disk cannot be seen from here
        return []
    size = file.stat().st_size if file.exists() else 0
    here = next(folder for folder in file.absolute().parents if folder.exists())
    found = [_room(case, here, 2 * size)]  # an upgrade copies the file before it changes it
    copies = file.parent / "backups"
    if copies.exists() and copies.stat().st_dev != here.stat().st_dev:
        found.append(_room(case, copies, size))
    return found


def _room(case: Case, folder: Path, wanted: int) -> Finding:
    free, wanted = shutil.disk_usage(folder).free // MB, wanted // MB + LEAST_ROOM
    key = "doctor.disk" if free >= wanted else "doctor.disk_full"
    facts = {"folder": str(folder), "free": free, "wanted": wanted}
    return Finding("disk", free >= wanted, case.say(key, **facts))


async def clock(case: Case) -> list[Finding]:
    """Whether this machine's time is Telegram's, as far as whole seconds tell."""
    url = case.settings.telegram_api_url
    try:
        # A wrong clock makes good certificates invalid, so they are not looked at: no more than
        # the time is asked, and nothing is told.
        answer = await ask(url, verify=False)
    except NotReached:
        return [case.bad("clock", "doctor.clock_unknown")]
    now = datetime.now(UTC)
    try:
        theirs = parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, ValueError):
        return [case.bad("clock", "doctor.clock_unknown")]
    seconds = round((now - theirs).total_seconds())
    facts = {"n": abs(seconds), "host": urlsplit(url).hostname or url}
    if abs(seconds) <= TOLERANCE:
        return [case.good("clock", "doctor.clock", **facts)]
    return [case.bad("clock", "doctor.clock_fast" if seconds > 0 else "doctor.clock_slow", **facts)]
