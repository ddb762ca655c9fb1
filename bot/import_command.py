"""`sesame import`: the schools' files into the register, and what cannot be activated and why."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import locales
from bot.app import open_storage
from bot.clock import utc_now
from bot.operators import operator
from bot.settings import Settings
from bot.spreadsheet import harmless, write_list
from storage.database import Database, Work
from storage.importing.load import load
from storage.importing.records import RefusedFile
from storage.importing.report import ERASED, REASONS, WARNINGS, Problem, Report, problems
from storage.importing.staging import drop
from storage.told import tell_changes
from storage.vault import Vault

Say = Callable[..., str]
"""say(key, **facts): the text of a key in the language of whoever started the command."""

_ROWS_A_LINE = 100_000


async def import_from_shell(
    settings: Settings,
    files: list[Path],
    uai: str,
    school: str,
    dry_run: bool,
    as_json: bool,
    details: Path | None,
    *,
    lang: str,
) -> int:
    """Run the command on the storage of the settings, and return its exit status."""

    def say(key: str, **facts: object) -> str:
        return locales.say(key, lang, facts)

    async with open_storage(settings) as (database, vault):
        return await import_files(
            files,
            database=database,
            vault=vault,
            uai=uai,
            school=school,
            dry_run=dry_run,
            as_json=as_json,
            details=details,
            say=say,
            out=sys.stdout,
            now=utc_now(),
        )


async def import_files(  # noqa: PLR0913 - all by name
    files: list[Path],
    *,
    database: Database,
    vault: Vault,
    uai: str,
    dry_run: bool,
    as_json: bool,
    details: Path | None,
    say: Say,
    out: TextIO,
    now: datetime,
    err: TextIO | None = None,
    school: str = "",
) -> int:
    """Import the files, write the report to `out`, and return the exit status.

    Progress and the one line of a refusal go to `err`: standard error.
    """
    err = err or sys.stderr
    async with database.apart() as own:
        try:
            with _Following(files, say, err) as following:
                report = await load(
                    files,
                    database=own,
                    vault=vault,
                    watch=following,
                    now=now,
                    actor=operator(),
                    uai=uai.strip().upper(),
                    school=" ".join(school.split()),
                    dry_run=dry_run,
                )
            if not dry_run:
                await _tell_accounts(database, vault, now)
            if details:
                await own.prepare(_write_details(details, vault, say))
        except RefusedFile as refused:
            print(f"sesame: {say(refused.key, **refused.facts)}", file=err)
            return 1
        finally:
            await own.prepare(drop())
    if as_json:
        print(json.dumps(report.as_json()), file=out)
    else:
        _print_report(report, say, out)
        if dry_run:
            print(say("import.dry_run"), file=out)
        if details:
            print(say("import.details", file=str(details)), file=out)
    return 0


async def _tell_accounts(database: Database, vault: Vault, now: datetime) -> None:
    """Have the account service told what has changed for its accounts; `serve` does it."""
    after: bytes | None = b""
    while after is not None:
        after, _ = await database.run(tell_changes(vault, after, now))


class _Stopped(Exception):
    """The person at the terminal does not want to wait for the end of a file."""


class _Following(AbstractContextManager["_Following"]):
    """Follows the reading: a bar on a terminal, elsewhere a line now and then."""

    def __init__(self, files: list[Path], say: Say, err: TextIO) -> None:
        self._say, self._err = say, err
        self._rows, self._told = 0, 0
        self._began = time.monotonic()
        self._stopped = False
        console = Console(file=err)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        total = sum(file.stat().st_size for file in files if file.is_file())
        self._task = self._bar.add_task("", total=total or None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stopped = kind is asyncio.CancelledError
        self._bar.stop()
        if kind is None:
            self._tell()

    def read(self, size: int) -> None:
        """Move the bar. This runs in the database's thread."""
        if self._stopped:
            raise _Stopped
        self._bar.advance(self._task, size)

    def rows(self, count: int) -> None:
        """Say how many records were read, and how fast."""
        self._rows += count
        self._bar.update(self._task, description=self._speed())
        if self._bar.disable and self._rows - self._told >= _ROWS_A_LINE:
            self._told = self._rows
            self._tell()

    def _tell(self) -> None:
        print(self._speed(), file=self._err)

    def _speed(self) -> str:
        seconds = max(time.monotonic() - self._began, 0.001)
        return self._say("import.progress", n=self._rows, rate=round(self._rows / seconds))


def _print_report(report: Report, say: Say, out: TextIO) -> None:
    for uai, counts in report.schools.items():
        facts = {"uai": uai, "format": report.formats[uai].upper(), "pupils": counts.pupils}
        print(say("report.school", **facts, guardians=counts.guardians), file=out)
    totals = report.totals
    can = totals.activable_any_phone_field
    percent = round(100 * can / totals.guardians, 1) if totals.guardians else 0
    print(say("report.headline", n=can, guardians=totals.guardians, percent=percent), file=out)
    for reason in (ERASED, *REASONS):
        if number := totals.refused.get(reason):
            print(f"{number:>8}  {say(f'report.{reason}')}", file=out)
    for warning in WARNINGS:
        if number := report.warnings[warning]:
            print(f"{number:>8}  {say(f'report.{warning}')}", file=out)
    for people, changes in report.changes.items():
        facts = {"added": changes.added, "changed": changes.changed, "gone": changes.gone}
        print(say(f"report.changes.{people}", **facts), file=out)


def _write_details(path: Path, vault: Vault, say: Say) -> Work[None]:
    """Write who is meant and what to mend, page by page, for a spreadsheet of a French office."""
    try:
        with write_list(path) as write:
            write(say("details.columns").split("|"))
            place = 0
            while page := (yield from problems(vault, place)):
                for _, problem in page:
                    write(_detail(problem, say))
                place = page[-1][0]
    except OSError as error:
        raise RefusedFile("import.details_failed", file=str(path)) from error


def _detail(problem: Problem, say: Say) -> list[str]:
    cells = [
        problem.uai,
        say(f"details.{problem.kind}"),
        problem.last,
        problem.usage,
        problem.first,
        say(f"report.{problem.reason}"),
        say(f"mend.{problem.reason}"),
    ]
    return [harmless(cell) for cell in cells]
