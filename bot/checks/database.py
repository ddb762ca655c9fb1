"""The database, and what is in it: reached, whole, of this version, opened by our secret."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from bot.app import secret_file, secrets_of
from bot.checks import Case, Finding
from bot.checks.reach import why_unreached
from bot.settings import BadSetting
from storage.audit import check
from storage.backups import backups_of
from storage.conversations import chat_place
from storage.database import NothingThere, StorageError, Work, is_current, migrations, one
from storage.place import visit
from storage.vault import Vault, VaultError, is_known

T = TypeVar("T")

PATIENCE = 5
"""Seconds. Other checks begin at the same moment, and load their libraries meanwhile."""


async def database(case: Case) -> list[Finding]:
    """Whether it is reached, of this version, can be written, and is not damaged."""
    try:
        return [await _visited(case)]
    except NothingThere:
        return [case.bad("database", "doctor.database_empty")]
    except StorageError as error:
        why = why_unreached(error)
        if why == "unreached":
            raise
        reason = case.say(f"doctor.why_{why}")
        return [case.bad("database", "doctor.database_not_reached", why=reason)]


async def _visited(case: Case) -> Finding:
    file, newest = case.settings.database_file, migrations()[-1][0]
    if file is not None and not file.exists():
        return case.bad("database", "doctor.no_database", file=str(file))
    async with visit(case.settings.database, PATIENCE) as opened:
        there = await opened.schema()
        if there == 0:
            return case.bad("database", "doctor.database_empty")
        if there > newest:
            return case.bad("database", "doctor.schema_newer")
        await opened.check()
        await opened.run(is_current())  # takes the right to write, and changes nothing
        if there < newest:
            key = "doctor.schema_older_server" if file is None else "doctor.schema_older"
            return case.bad("database", key, there=there, wanted=newest)
    return case.good("database", "doctor.database", version=there)


async def secret(case: Case) -> list[Finding]:
    """Whether it is there, opens what is stored, and does not lie with the backups."""
    settings, file = case.settings, case.settings.database_file
    if file is not None:
        # A key that lies with the backups protects nothing (RELIABILITY 5).
        folders = {backup.parent for backup in backups_of(file)}
        if any(list(folder.glob("*.secret*")) for folder in folders):
            return [case.bad("secret", "doctor.secret_in_backups")]
        if settings.secret is None:
            own = secret_file(file)
            if not own.exists():
                made = not file.exists()
                key = "doctor.secret_to_be_made" if made else "doctor.secret_missing"
                return [Finding("secret", made, case.say(key, file=str(own)))]
            if own.stat().st_mode & 0o077:
                return [case.bad("secret", "doctor.secret_open", file=str(own))]
    await ask(case, _opens)
    return [
        case.good(
            "secret", "doctor.secret_beside" if settings.secret is None else "doctor.secret_set"
        )
    ]


def _opens(vault: Vault) -> Work[None]:
    """Open what is sealed in some place. Raises VaultError."""
    row = yield from one("SELECT chat, record FROM chats LIMIT 1")
    if row is not None:
        vault.open(row[1], chat_place(row[0]))


async def register(case: Case) -> list[Finding]:
    """Whether it holds anybody."""

    def guardians(_vault: Vault) -> Work[int]:
        row = yield from one("SELECT count(*) FROM guardians WHERE gone_at IS NULL")
        return int(row[0]) if row else 0

    with suppress(BadSetting, VaultError):  # said of the secret already
        number = await ask(case, guardians)
        if number is not None:
            key = "doctor.register" if number else "doctor.register_empty"
            return [Finding("register", bool(number), case.say(key, n=number))]
    return []


async def audit(case: Case) -> list[Finding]:
    """Whether somebody changed the record of who did what."""

    def altered(vault: Vault) -> Work[int]:
        return (yield from check(vault)) or 0  # rows are counted from 1

    with suppress(BadSetting, VaultError):  # as above
        row = await ask(case, altered)
        if row:
            return [case.bad("audit", "doctor.audit_altered", n=row)]
        if row == 0:
            return [case.good("audit", "doctor.audit")]
    return []


async def ask(case: Case, work: Callable[[Vault], Work[T]]) -> T | None:
    """What the work finds; None where the database cannot be asked, which `database` says.

    Raises BadSetting and VaultError of the secret.
    """
    place, file = case.settings.database, case.settings.database_file
    if case.settings.secret is None and file is not None and not secret_file(file).exists():
        return None  # none is made by looking
    vault = Vault(*secrets_of(case.settings, place))
    with suppress(StorageError):
        async with visit(place, PATIENCE) as opened:
            if await opened.schema() == migrations()[-1][0]:
                await opened.prepare(is_known(vault))
                return await opened.prepare(work(vault))
    return None
