"""The one place where real parts are chosen and put together."""

import os
import tempfile
import tomllib
from collections.abc import AsyncIterator, Callable, Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from zoneinfo import ZoneInfo

from bot.answers import Doors
from bot.carriers import Carrier
from bot.carriers.accounts import AccountDoor
from bot.carriers.ledger import Ledger, Together
from bot.carriers.mailing import Mailing
from bot.carriers.replies import Erasures, Replies
from bot.carriers.reports import SmsReports
from bot.carriers.telling import Telling
from bot.carriers.texting import Texting
from bot.channel import Channel
from bot.clock import utc_now
from bot.delivery import Delivery
from bot.engine import Engine, PageAnswer, Update
from bot.mail import MailSender
from bot.rendering import Renderer
from bot.seen import Observe, nobody
from bot.services import Services
from bot.settings import BadSetting, Settings
from bot.sms import SmsSender
from flows.inputs import FromWorld
from flows.secret import Secret
from storage.accounts import Accounts, bring_up_to_date
from storage.codes import Codes
from storage.conversations import Address, Conversations
from storage.database import Database
from storage.directories import Directory, DirectoryFault
from storage.directories import Mapping as AccountMapping
from storage.invitations import Invitations
from storage.letters import Letters
from storage.life import Life
from storage.notices import Notices
from storage.openings import Openings
from storage.outbox import ACCOUNT, EMAIL, ERASE, REPLY, SMS, TELL, Outbox
from storage.place import Place, is_url, open_database
from storage.register import Register
from storage.vault import Vault, check_secret


@dataclass(frozen=True, slots=True)
class Service:
    """A running Sésame, without its channels' own loops."""

    engine: Engine
    delivery: Delivery
    doors: Doors
    now: Callable[[], datetime]
    reports: SmsReports

    async def take(self, update: Update) -> PageAnswer | None:
        """One turn, and all that it sends now."""
        answer = await self.engine.take(update)
        await self.delivery.settle(later=False)
        return answer

    async def forget_passwords(self) -> None:
        """Erase those that were kept for the account service as long as may be."""
        if self.doors.openings is None:
            return
        database = self.doors.database
        if await database.run(self.doors.openings.passwords.forget_old(self.now())):
            await database.forget_deleted()


@asynccontextmanager
async def run_service(  # noqa: PLR0913 - all real parts meet here
    settings: Settings,
    database: Database,
    vault: Vault,
    channels: Mapping[str, Channel],
    sms: SmsSender,
    clock: Callable[[], datetime] = utc_now,
    make_code: Callable[[], str] | None = None,
    observe: Observe = nobody,
    paged: Container[str] = (),
    mail: MailSender | None = None,
) -> AsyncIterator[Service]:
    """Everything that takes and answers updates, put together; stopped in order at the end.

    The channels in `paged` show a page for the password. Without `mail` no e-mail is offered.
    """
    directory = directory_of(settings)
    policy = replace(
        settings.policy,
        email=mail is not None,
        password_sealed=directory is not None and directory.needs == "password",
    )
    accounts = Accounts(vault)
    life = Life(vault, policy, accounts)
    conversations, outbox = Conversations(vault), Outbox(vault)
    openings = Openings(accounts, outbox, directory.needs) if directory else None
    doors = Doors(
        database=database,
        conversations=conversations,
        register=Register(vault, policy, accounts),
        codes=Codes(vault, policy, make_code, set(map(conversations.key, settings.desk_chats))),
        accounts=accounts,
        invitations=Invitations(vault),
        outbox=outbox,
        life=life,
        letters=Letters(vault, policy),
        notices=Notices(vault, policy, accounts, life),
        openings=openings,
    )

    async def tell(
        address: Address, happened: FromWorld, together: Together | None = None, /
    ) -> None:
        await engine.take(Update(address, happened, together=together))

    def post(chat: bytes) -> None:
        delivery.post(chat)

    ledger = Ledger(database, conversations, outbox, clock, tell, observe)
    ways = carriers(ledger, channels, sms)
    if mail is not None:
        ways[EMAIL] = Mailing(ledger, mail, vault)
    if directory is not None and openings is not None:
        ways[ACCOUNT] = AccountDoor(ledger, directory, openings, vault, life, post)
    delivery = Delivery(ledger, ways, channels)
    reports = SmsReports(ledger)
    # Two hashes at a time: each takes a core and 19 MiB (RELIABILITY 5).
    with ThreadPoolExecutor(2, "argon2") as executor:
        engine = Engine(
            doors,
            policy,
            Renderer(ZoneInfo(settings.timezone), settings.contact),
            clock,
            delivery.post,
            executor,
            channels,
            observe,
            paged,
            Services(settings.services),
        )
        async with sms.running(reports.hear, vault.token):
            try:
                yield Service(engine, delivery, doors, clock, reports)
            finally:
                await delivery.close()
                await reports.close()
                if directory is not None:
                    await directory.close()


def carriers(ledger: Ledger, channels: Mapping[str, Channel], sms: SmsSender) -> dict[str, Carrier]:
    """How each kind of parcel leaves. A message with a password goes before what answers it."""
    return {
        ERASE: Erasures(ledger, channels),
        REPLY: Replies(ledger, channels),
        SMS: Texting(ledger, sms, channels),
        TELL: Telling(ledger),
    }


def directory_of(settings: Settings) -> Directory | None:
    """The account service that SESAME_ACCOUNTS names; None where accounts are opened here.

    Raises BadSetting. Nothing is asked of the service yet.
    """
    url = settings.accounts.get_secret_value()
    kind = url.partition(":")[0]
    if kind == "embedded":
        return None
    try:
        mapping = _mapping(settings.accounts_mapping)
        if kind in ("scim+https", "scim+http"):
            from storage.directories.scim import Scim  # noqa: PLC0415 - an extra, and slow

            return Scim(url, mapping)
        if kind in ("ldap", "ldaps"):
            from storage.directories.ldap import Ldap  # noqa: PLC0415 - an extra

            return Ldap(url, mapping)
    except ModuleNotFoundError as error:
        extra = "ldap" if kind.startswith("ldap") else "scim"
        raise BadSetting(
            f"SESAME_ACCOUNTS needs {error.name}: pip install 'sesame-activation[{extra}]'"
        ) from None
    except DirectoryFault as fault:
        raise BadSetting(f"SESAME_ACCOUNTS: {fault}") from None
    except ValueError:  # of the URL
        raise BadSetting(
            "SESAME_ACCOUNTS: the URL cannot be read; write @ : / ? # in a password as %40 %3A %2F"
            " %3F %23."
        ) from None
    raise BadSetting(
        "SESAME_ACCOUNTS: write embedded:, scim+https://…, ldaps://… or ldap://…?starttls"
    )


def _mapping(path: Path | None) -> AccountMapping:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadSetting(
            f"SESAME_ACCOUNTS_MAPPING: {path} cannot be read as TOML ({type(error).__name__})."
        ) from None


@asynccontextmanager
async def open_storage(settings: Settings) -> AsyncIterator[tuple[Database, Vault]]:
    """The database of the settings, and the vault that opens what is sealed in it."""
    place = settings.database
    secrets = partial(secrets_of, settings, place)
    if is_url(place):
        secrets()  # before anything is made there
    async with open_database(place) as database:
        vault = Vault(*secrets(), reread=secrets)
        await database.run(check_secret(vault))
        while await database.run(bring_up_to_date(vault)):
            pass
        yield database, vault


def secrets_of(settings: Settings, database: Place) -> list[Secret]:
    """The secret, and behind it the one before while `sesame rotate-key` is under way."""
    found = [secret_of(settings, database)]
    if settings.old_secret is not None:
        found.append(Secret(settings.old_secret.get_secret_value()))
    elif settings.secret is None and old_secret_file(Path(database)).exists():
        found.append(_read_secret(old_secret_file(Path(database))))
    return found


def secret_of(settings: Settings, database: Place) -> Secret:
    """SESAME_SECRET, or the one that was made beside the database's file on first run."""
    if settings.secret is not None:
        return Secret(settings.secret.get_secret_value())
    if is_url(database):
        raise BadSetting(
            "SESAME_SECRET is not set: with PostgreSQL it must be, the same on every machine; make"
            " one with: openssl rand -hex 32"
        )
    path = secret_file(Path(database))
    if not path.exists():
        _write_once(path, token_hex(32))
    return _read_secret(path)


def secret_file(database: Path) -> Path:
    """Where the secret is where SESAME_SECRET is not set."""
    return database.with_name(f"{database.name}.secret")


def old_secret_file(database: Path) -> Path:
    """Where the one before is while `sesame rotate-key` is under way."""
    return database.with_name(f"{database.name}.secret.old")


def renew_secret_file(database: Path) -> None:
    """Make a new secret beside the database and keep the one before; once, however often called.

    The one before is set aside first: whatever happens, each of the two is in a file.
    """
    path, before = secret_file(database), old_secret_file(database)
    _write_once(before, _read_secret(path).reveal())
    if _read_secret(path) == _read_secret(before):
        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        _write_once(fresh, token_hex(32))
        fresh.replace(path)


def _read_secret(path: Path) -> Secret:
    try:
        found = path.read_text("ascii").strip()
    except (OSError, UnicodeError) as error:
        raise BadSetting(f"{path} cannot be read ({type(error).__name__}).") from None
    if len(found) < 32:  # one that was cut short, or emptied, would protect nothing
        raise BadSetting(f"{path} does not hold the whole secret: restore it from a backup.")
    return Secret(found)


def _write_once(path: Path, text: str) -> None:
    """Write a file that only its owner can read; the first of two writers wins, whole."""
    try:
        draft, name = tempfile.mkstemp(dir=path.parent, prefix=".secret-")  # made with mode 0600
        with os.fdopen(draft, "w", encoding="ascii") as file:
            file.write(text)
        with suppress(FileExistsError):
            os.link(name, path)
        Path(name).unlink()
    except OSError as error:
        raise BadSetting(f"{path} cannot be written: {error.strerror}.") from error
