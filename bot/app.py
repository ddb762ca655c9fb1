"""The one place where real parts are chosen and put together."""

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from zoneinfo import ZoneInfo

from bot.carriers import Carrier
from bot.carriers.ledger import Ledger
from bot.carriers.replies import Erasures, Replies
from bot.carriers.texting import Texting
from bot.channel import Channel
from bot.clock import utc_now
from bot.delivery import Delivery
from bot.engine import Doors, Engine, PageAnswer, Update
from bot.rendering import Renderer
from bot.seen import Observe, nobody
from bot.settings import BadSetting, Settings
from bot.sms import ConsoleSms, FileSms, SmsSender
from flows.inputs import FromWorld
from flows.secret import Secret
from storage.accounts import Accounts
from storage.codes import Codes
from storage.conversations import Address, Conversations
from storage.database import Database, Place, is_url, open_database
from storage.invitations import Invitations
from storage.outbox import ERASE, REPLY, SMS, Outbox
from storage.register import Register
from storage.vault import Vault, check_secret


@dataclass(frozen=True, slots=True)
class Service:
    """A running Sésame, without its channels' own loops."""

    engine: Engine
    delivery: Delivery
    doors: Doors
    now: Callable[[], datetime]

    async def take(self, update: Update) -> PageAnswer | None:
        """One turn, and all that it sends now."""
        answer = await self.engine.take(update)
        await self.delivery.settle(later=False)
        return answer


@asynccontextmanager
async def run_service(
    settings: Settings,
    database: Database,
    vault: Vault,
    channels: Mapping[str, Channel],
    sms: SmsSender,
    clock: Callable[[], datetime] = utc_now,
    make_code: Callable[[], str] | None = None,
    observe: Observe = nobody,
    paged: Container[str] = (),
) -> AsyncIterator[Service]:
    """Everything that takes and answers updates, put together; stopped in order at the end.

    The channels in `paged` show a page for the password.
    """
    policy = settings.policy
    accounts = Accounts(vault)
    conversations = Conversations(vault)
    doors = Doors(
        database=database,
        conversations=conversations,
        register=Register(vault, policy, accounts),
        codes=Codes(vault, policy, make_code, set(map(conversations.key, settings.desk_chats))),
        accounts=accounts,
        invitations=Invitations(vault),
        outbox=Outbox(vault),
    )

    async def tell(address: Address, happened: FromWorld) -> None:
        await engine.take(Update(address, happened))

    ledger = Ledger(database, conversations, doors.outbox, clock, tell, observe)
    delivery = Delivery(ledger, carriers(ledger, channels, sms), channels)
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
        )
        try:
            yield Service(engine, delivery, doors, clock)
        finally:
            await delivery.close()


def carriers(ledger: Ledger, channels: Mapping[str, Channel], sms: SmsSender) -> dict[str, Carrier]:
    """How each kind of parcel leaves. A message with a password goes before what answers it."""
    return {
        ERASE: Erasures(ledger, channels),
        REPLY: Replies(ledger, channels),
        SMS: Texting(ledger, sms, channels),
    }


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


def sms_sender(url: str | None, show: Callable[[str, str], None]) -> SmsSender:
    """The sender that SESAME_SMS names; `show` displays what `console:` sends."""
    if url is None:
        raise BadSetting(
            "SESAME_SMS is not set: say where codes are sent, for example file:/tmp/sms.jsonl"
            " to try it, or console: to read them on this screen."
        )
    kind, _, rest = url.partition(":")
    if kind == "console":
        return ConsoleSms(show)
    if kind == "file" and rest:
        return FileSms(Path(rest.removeprefix("//")))
    raise BadSetting("SESAME_SMS: write console: or file:PATH.")
