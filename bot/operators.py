"""What an operator does about people, accounts and keys. All is recorded."""

import getpass
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeVar

import click

import locales
from bot.app import (
    old_secret_file,
    open_storage,
    renew_secret_file,
    run_service,
    secret_file,
)
from bot.clock import utc_now
from bot.engine import Update
from bot.settings import Settings, Unclear
from bot.sms import ConsoleSms
from bot.status import show_counts
from flows.inputs import AccountChanged, Unlocked
from flows.questions.name import fold
from flows.questions.phone import SeveralPhones, read_phone
from flows.refusals import Refused
from storage.accounts import Accounts
from storage.backups import backups_of
from storage.database import Database, Work
from storage.erasure import Person, conversations_of, erase, people, readmit
from storage.life import Acting, Life
from storage.retention import purge
from storage.rotation import rotate
from storage.unlocking import lift
from storage.vault import Vault

T = TypeVar("T")


def operator() -> str:
    """Who is named in the audit record: the login, also behind sudo."""
    return f"operator:{os.environ.get('SUDO_USER') or getpass.getuser()}"


async def unlock(settings: Settings, who: str, reason: str, lang: str) -> None:
    """Lift pauses and spent limits of a number or identifier, and tell the parent in the chat."""
    async with open_storage(settings) as (database, vault):
        found, phones = await find_people(database, vault, who, lang)
        chats = await database.prepare(conversations_of(vault, found, phones))
        await database.run(lift(vault, found, phones, chats, operator(), reason, utc_now()))
        nothing = ConsoleSms(lambda _to, _text: None)
        # Without a channel here the replies stay in the outbox, and the running bot sends them.
        async with run_service(settings, database, vault, {}, nothing) as service:
            for chat in chats:
                address = await database.run(service.doors.conversations.address(chat))
                if address is not None:
                    await service.engine.take(Update(address, Unlocked()))
    click.echo(locales.say("unlock.done", lang, {"n": len(chats)}))


async def freeze(settings: Settings, who: str, reason: str, lang: str) -> None:
    """Freeze an account. Its conversations are told by the running bot, from the outbox."""
    async with _whose_account(settings, who, lang) as (database, life, identifier):
        acting = Acting(b"", utc_now(), operator())
        done = await database.run(life.freeze(identifier, reason, acting))
    if done != AccountChanged("account_frozen"):
        raise Unclear(locales.say("freeze.none", lang))
    click.echo(locales.say("freeze.done", lang, {"identifier": identifier}))


async def unfreeze(settings: Settings, who: str, reason: str, lang: str) -> None:
    """Unfreeze an account, and let its conversations know."""
    async with _whose_account(settings, who, lang) as (database, life, identifier):
        acting = Acting(b"", utc_now(), operator())
        thawed = await database.run(life.unfreeze(identifier, reason, acting))
    if not thawed:
        raise Unclear(locales.say("freeze.not_frozen", lang, {"identifier": identifier}))
    click.echo(locales.say("freeze.unfrozen", lang, {"identifier": identifier}))


@asynccontextmanager
async def _whose_account(
    settings: Settings, who: str, lang: str
) -> AsyncIterator[tuple[Database, Life, str]]:
    """The identifier of the one account that the line means, and what changes it."""
    async with open_storage(settings) as (database, vault):
        identifier = await _account(database, vault, who, lang)
        yield database, Life(vault, settings.policy, Accounts(vault)), identifier


async def erase_person(
    settings: Settings, who: str, name: str, reason: str, sure: bool, lang: str
) -> int:
    """Erase a person everywhere, for good, and name the backups that still hold them."""
    async with open_storage(settings) as (database, vault):
        found, phones = await find_people(database, vault, who, lang)
        person = _the_one(found, name, lang) if found else Person("", "", phones)
        # A conversation about a number that several share is only theirs if it goes further.
        own = phones if len(found) < 2 else set[str]()
        chats = await database.prepare(conversations_of(vault, [person], own))
        if not found and not chats:
            raise Unclear(locales.say("erase.nobody", lang))
        shown = {"name": f"{person.first} {person.last}".strip() or who}
        if not sure and not click.confirm(locales.say("erase.sure", lang, shown)):
            return 1
        gone = await database.run(erase(vault, person, chats, operator(), reason, utc_now()))
        await database.forget_deleted()
    click.echo(locales.say("erase.done", lang, asdict(gone)))
    if gone.elsewhere:
        click.echo(locales.say("erase.elsewhere", lang, {"n": gone.elsewhere}))
    for backup in backups(settings):
        click.echo(locales.say("erase.backup", lang, {"file": str(backup)}))
    return 0


async def readmit_person(settings: Settings, who: str, reason: str, lang: str) -> None:
    """Let a person who was erased come back with the next import."""
    async with open_storage(settings) as (database, vault):
        phone = _phone(who, lang)
        number = await database.run(readmit(vault, phone, operator(), reason, utc_now()))
    if not number:
        raise Unclear(locales.say("erase.nobody", lang))
    click.echo(locales.say("erase.readmitted", lang, {"n": number}))


async def purge_old(settings: Settings, as_json: bool, lang: str) -> None:
    """Delete what was kept long enough."""
    async with open_storage(settings) as (database, vault):
        gone = await purge(database, vault, settings.retention, operator(), utc_now())
    gone["backups"] = purge_backups(settings)
    if as_json:
        click.echo(json.dumps(gone))
        return
    click.echo(locales.say("purge.done", lang))
    show_counts(gone)


def purge_backups(settings: Settings) -> int:
    """Delete the backups that were kept long enough; how many."""
    before = (utc_now() - settings.retention.keep_backups).timestamp()
    old = [one for one in backups(settings) if one.stat().st_mtime < before]
    for backup in old:
        backup.unlink(missing_ok=True)
    return len(old)


def backups(settings: Settings) -> list[Path]:
    """The copies that we made. Those of PostgreSQL are made by others, and are theirs to keep."""
    path = settings.database_file
    return backups_of(path) if path else []


async def rotate_key(settings: Settings, lang: str) -> int:
    """Seal everything with the new secret; with one beside the database, make it first."""
    if settings.secret is not None and settings.old_secret is None:
        click.echo(locales.say("rotate.how", lang), err=True)
        return 1
    async with open_storage(settings):
        pass  # the secret of today is the database's, and is in its file
    path = settings.database_file
    if settings.secret is None and path:
        renew_secret_file(path)
    async with open_storage(settings) as (database, vault):
        watch = partial(_progress, [0])
        values = await rotate(database, vault, watch, operator(), utc_now())
    if settings.secret is None and path:
        old_secret_file(path).unlink(missing_ok=True)
        click.echo(
            locales.say("rotate.done_file", lang, {"n": values, "file": str(secret_file(path))})
        )
    else:
        click.echo(locales.say("rotate.done", lang, {"n": values}))
    return 0


def _progress(total: list[int], number: int) -> None:
    """A line now and then: a country's register takes minutes."""
    total[0] += number
    if total[0] // 100_000 > (total[0] - number) // 100_000:
        click.echo(f"{total[0]:,}", err=True)


async def every_page(
    database: Database, page: Callable[[int], Work[tuple[list[T], int | None]]]
) -> list[T]:
    """All that the pages hold: each is a transaction of its own, and no turn waits for more."""
    found, after = list[T](), 0
    while True:
        more, last = await database.run(page(after))
        found += more
        if last is None:
            return found
        after = last


# ---- whom a line means -----------------------------------------------------------------------


async def find_people(
    database: Database, vault: Vault, who: str, lang: str
) -> tuple[list[Person], set[str]]:
    """Who has this number or identifier, and all their numbers."""
    if re.fullmatch(r"[a-z0-9?]?\.[a-z0-9]+", who.strip().lower()):
        found = await database.run(people(vault, identifier=who.strip().lower()))
        if not found:
            raise Unclear(locales.say("erase.nobody", lang))
        return found, set[str]().union(*(person.phones for person in found))
    phone = _phone(who, lang)
    found = await database.run(people(vault, phone=phone))
    return found, {phone}.union(*(person.phones for person in found))


async def _account(database: Database, vault: Vault, who: str, lang: str) -> str:
    """The identifier of the one account that the line means."""
    found, _ = await find_people(database, vault, who, lang)
    identifiers = {identifier for person in found for identifier in person.identifiers}
    wanted = who.strip().lower()
    if wanted in identifiers:
        return wanted
    if len(identifiers) > 1:
        raise Unclear(locales.say("freeze.which", lang))
    if not identifiers:
        raise Unclear(locales.say("freeze.none", lang))
    return identifiers.pop()


def _phone(who: str, lang: str) -> str:
    phone = read_phone(who)
    if isinstance(phone, Refused | SeveralPhones):
        raise Unclear(locales.say("operator.who", lang))
    return phone


def _spellings(person: Person) -> tuple[str, ...]:
    last, first = person.last, person.first
    return first, f"{first} {last}", f"{last} {first}"


def _the_one(found: list[Person], name: str, lang: str) -> Person:
    """The person with this name; where nobody shares the number, a name is not needed."""
    fitting = [one for one in found if not name or fold(name) in map(fold, _spellings(one))]
    if len(fitting) != 1:
        raise Unclear(locales.say("erase.which", lang, {"n": len(found)}))
    return fitting[0]
