"""The way of an import: from files to the register in one transaction, or not at all."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from storage.audit import SESAME, Action, note
from storage.database import Database, Work, lock
from storage.importing.difference import Changes, compare, write
from storage.importing.recognise import gather
from storage.importing.report import Report, find_problems, make_report
from storage.importing.staging import Staging, Watch
from storage.vault import Vault, keep_up


async def load(
    paths: Sequence[Path],
    *,
    database: Database,
    vault: Vault,
    watch: Watch,
    now: datetime,
    uai: str = "",
    school: str = "",
    dry_run: bool = False,
    actor: str = SESAME,
) -> Report:
    """Read the files into the register; with `dry_run`, only tell what that would change.

    `school` is the name that parents know, for exports that do not say it (SIECLE, ONDE); `actor`
    stands in the audit record.
    Raises RefusedFile, and then nothing has changed. Reading takes no lock; what differs is
    written in one short transaction. In a database that is `apart` the TEMP tables stay for
    `report.problems`.
    """
    async with database.apart() as own:
        report = await own.prepare(_read(paths, uai, school, Staging(vault, watch), vault))
        if dry_run:
            changes = await own.prepare(compare(vault))
        else:
            changes = await own.run(_bring_up_to_date(vault, actor, now))
    return replace(report, changes=changes)


def _read(
    paths: Sequence[Path], uai: str, school: str, staging: Staging, vault: Vault
) -> Work[Report]:
    yield from staging.stage(gather(paths, uai))
    if school:
        yield from staging.name_school(school)
    yield from find_problems()
    return (yield from make_report(vault))


def _bring_up_to_date(vault: Vault, actor: str, now: datetime) -> Work[dict[str, Changes]]:
    yield from lock("register")
    yield from keep_up(vault)
    changes = yield from compare(vault)
    yield from write(now)
    counts = {
        f"{people}_{what}": number
        for people, change in changes.items()
        for what, number in change._asdict().items()
    }
    yield from note(vault, actor, Action.IMPORTED, None, now, **counts)
    return changes
