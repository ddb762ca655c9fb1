"""Accounts that are opened, told of changes and removed in the school's own service.

A parcel's `chat` is the account's key, so that what concerns one account happens in order. Nothing
is opened twice: a parcel that may have left is looked up first, under that key (DESIGN 11).
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from time import monotonic
from typing import TypeVar

from bot.carriers.ledger import Ledger, Together
from bot.logs import Event, Log, place_of
from flows.inputs import (
    AccountChanged,
    AccountLate,
    AccountNotOpened,
    AccountOpened,
    AccountUnchanged,
    FromWorld,
    PasswordGone,
    PasswordNotTaken,
)
from flows.secret import Secret
from storage import directories, told
from storage.accounts import Account
from storage.conversations import Address
from storage.database import StorageError, Work
from storage.directories import (
    Directory,
    DirectoryDown,
    DirectoryFault,
    DirectoryRefused,
    DirectoryUnclear,
    There,
)
from storage.life import Acting, Life
from storage.openings import Opening, Openings
from storage.outbox import Parcel
from storage.vault import Vault

log = Log("accounts")

T = TypeVar("T")

PATIENCE = 8  # seconds until the parent is told that it takes long
LONGEST = 30  # seconds for an answer: then nobody knows
AGAIN = 1  # seconds after a failure; then longer
MOST_NAMES = 50  # identifiers that somebody else may have there, tried in one go


class AccountDoor:
    """Hands parcels over to the account service."""

    once = True

    def __init__(
        self,
        ledger: Ledger,
        directory: Directory,
        openings: Openings,
        vault: Vault,
        life: Life,
        post: Callable[[bytes], None],
    ) -> None:
        """`post(chat)` is called where something was put in for another conversation."""
        self._life = life
        self._post = post
        self._ledger = ledger
        self._directory = directory
        self._openings = openings
        self._vault = vault

    async def carry(self, parcel: Parcel, address: Address | None) -> None:
        """Do what it asks for; `address` is nobody's: an account is no conversation."""
        del address
        match parcel.body["do"]:
            case "open":
                await self._open(parcel)
            case "password":
                await self._set_password(parcel)
            case "change":
                await self._change(parcel)
            case _:
                there = parcel.body["there"]
                await self._surely(parcel, lambda: self._directory.remove(there, parcel.chat.hex()))

    async def lost(self, parcel: Parcel) -> None:
        """It is looked up before it is asked for again."""
        await self._ledger.later(parcel, 0)

    # ---- opening -----------------------------------------------------------------------------

    async def _open(self, parcel: Parcel) -> None:
        ledger = self._ledger
        opening = await ledger.note(self._openings.of, parcel)
        if opening is None:  # the person was erased, or does not want it any more
            return await ledger.finish(parcel, "dropped")
        secret = await self._secret(opening.chat, parcel)
        if secret is None:
            needs = self._openings.needs
            return await self._ended(
                opening, parcel, PasswordGone() if needs == "password" else AccountNotOpened()
            )
        again = bool(parcel.attempts or parcel.body["again"])
        try:
            account, there = await self._patiently(
                parcel.chat, self._opens(opening, secret, again=again)
            )
        except DirectoryRefused as refused:
            log(Event.ACCOUNT_REFUSED, kind=refused.kind)
            await self._refused(opening, parcel, refused)
        except (DirectoryDown, DirectoryUnclear) as failed:
            log(Event.ACCOUNT_WAITS, kind=type(failed).__name__)
            await self._late(parcel)
        except Exception as error:  # a library's mistake, or ours: nobody knows what was done
            log(Event.ACCOUNT_FAILED, kind=type(error).__name__, place=place_of(error))
            await self._late(parcel)
        else:
            digest = told.digest(self._vault, account)
            done = partial(self._openings.opened, opening, there, digest, parcel)
            await self._tell(opening.chat, AccountOpened(there.identifier), done)
        return None

    async def _opens(
        self, opening: Opening, secret: Secret, *, again: bool
    ) -> tuple[directories.Account, There]:
        """What the service was told, and has. Where somebody else has the name, it takes the next.

        An account without a child would be a closed one: it is not opened.
        """
        for _ in range(MOST_NAMES):
            account = await self._ledger.note(told.of_opening, self._vault, opening)
            if not account.active:
                raise DirectoryRefused("gone", "No child of the register is the parent's any more.")
            try:
                return account, await self._directory.open(account, secret, again=again)
            except DirectoryRefused as refused:
                if refused.kind != "taken":
                    raise
                log(Event.ACCOUNT_REFUSED, kind=refused.kind)
                opening = await self._ledger.note(self._openings.rename, opening)
        raise DirectoryRefused("schema", "The account service says of every name that it is taken.")

    async def _secret(self, chat: bytes, parcel: Parcel) -> Secret | None:
        """The password or its hash; None where the time for it is over."""
        now = self._ledger.clock()
        if parcel.expires_at and parcel.expires_at <= now:
            return None
        if self._openings.needs == "digest":
            return Secret(parcel.body["digest"])
        return await self._ledger.note(self._openings.passwords.of, chat, now)

    async def _patiently(self, key: bytes, asked: Awaitable[T]) -> T:
        """The answer; whoever waits for this account is told when it takes long."""
        asking, ends = asyncio.ensure_future(asked), monotonic() + LONGEST
        try:
            while (left := ends - monotonic()) > 0:
                done, _ = await asyncio.wait({asking}, timeout=min(PATIENCE, left))
                if done:
                    return asking.result()
                await self._tell_late(key)
            raise DirectoryUnclear("The account service takes too long.")
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await asking

    async def _refused(self, opening: Opening, parcel: Parcel, refused: DirectoryRefused) -> None:
        match refused.kind:
            case "rights":  # the operator's to mend: it goes on by itself then
                await self._late(parcel)
            case "password":
                await self._ended(opening, parcel, PasswordNotTaken())
            case _:
                await self._ended(opening, parcel, AccountNotOpened())

    async def _late(self, parcel: Parcel) -> None:
        await self._ledger.later(parcel, AGAIN)
        await self._tell_late(parcel.chat)

    async def _tell_late(self, key: bytes) -> None:
        """A parent may wait for what goes behind the parcel that takes so long."""
        for chat in await self._ledger.note(self._openings.waiting, key):
            await self._tell(chat, AccountLate())

    async def _ended(self, opening: Opening, parcel: Parcel, why: FromWorld) -> None:
        await self._tell(opening.chat, why, partial(self._openings.ended, opening, parcel))

    async def _tell(
        self,
        chat: bytes,
        happened: FromWorld,
        together: Together | None = None,
    ) -> None:
        """Tell the parent; `together` is noted in the same transaction."""
        ledger = self._ledger
        address = await ledger.note(ledger.conversations.address, chat)
        if address is not None:
            await ledger.tell(address, happened, together)
        elif together is not None:
            await ledger.note(together, ledger.clock())
        if together is not None:
            with suppress(StorageError):  # the password leaves the journal, too; or a little later
                await ledger.database.forget_deleted()

    # ---- another password --------------------------------------------------------------------

    async def _set_password(self, parcel: Parcel) -> None:
        """Set it. After an answer that was lost, or a crash, it is set once more."""
        chat = bytes.fromhex(parcel.body["chat"])
        acting = Acting(chat, self._ledger.clock())
        account = await self._ledger.note(self._may_set, parcel, acting)
        if not isinstance(account, Account):
            return await self._not_set(parcel, account)
        secret = await self._secret(chat, parcel)
        if secret is None:
            kept = self._openings.needs == "password"
            return await self._not_set(parcel, PasswordGone() if kept else AccountUnchanged())
        try:
            await self._patiently(parcel.chat, self._sets(parcel, secret))
        except DirectoryRefused as refused:
            log(Event.ACCOUNT_REFUSED, kind=refused.kind)
            match refused.kind:
                case "rights":  # the operator's to mend: it goes on by itself then
                    await self._late(parcel)
                case "password":
                    await self._not_set(parcel, PasswordNotTaken())
                case _:
                    await self._not_set(parcel, AccountUnchanged())
        except (DirectoryDown, DirectoryUnclear) as failed:
            log(Event.ACCOUNT_WAITS, kind=type(failed).__name__)
            await self._late(parcel)
        except Exception as error:  # a library's mistake, or ours
            log(Event.ACCOUNT_FAILED, kind=type(error).__name__, place=place_of(error))
            await self._late(parcel)
        else:
            await self._password_set(chat, parcel)
        return None

    def _may_set(self, parcel: Parcel, acting: Acting) -> Work[Account | FromWorld]:
        """Whether it may still be set: the account, or what has become of it meanwhile."""
        account = yield from self._life.may_change(parcel.body["identifier"], acting)
        if isinstance(account, Account) and account.key != parcel.chat:  # erased, and opened anew
            return AccountUnchanged()
        return account

    async def _sets(self, parcel: Parcel, secret: Secret) -> None:
        found = await self._ledger.note(told.of_account, self._vault, parcel.chat)
        if found is None:
            raise DirectoryRefused("gone", "The account was erased.")
        await self._directory.set_password(found[0], secret)
        if not found[1].active:  # some directories lift a lock when a password is set
            await self._directory.change(*found)

    async def _password_set(self, chat: bytes, parcel: Parcel) -> None:
        """From now on it is the account's, and the account is open in this conversation alone."""
        acting = Acting(chat, self._ledger.clock())

        def done(_now: datetime) -> Work[bool]:
            account = yield from self._may_set(parcel, acting)
            yield from self._openings.password_asked(parcel, "sent")
            yield from self._life.password_set(parcel.body["identifier"], acting)
            return isinstance(account, Account)  # else the parent was told what came between

        await self._tell(chat, AccountChanged("password_set"), done)
        for other in acting.also:
            self._post(other)

    async def _not_set(self, parcel: Parcel, why: FromWorld) -> None:
        def done(_now: datetime) -> Work[bool]:
            yield from self._openings.password_asked(parcel, "failed")
            return True

        await self._tell(bytes.fromhex(parcel.body["chat"]), why, done)

    # ---- later -------------------------------------------------------------------------------

    async def _change(self, parcel: Parcel) -> None:
        found = await self._ledger.note(told.of_account, self._vault, parcel.chat)
        if found is None:
            return await self._ledger.finish(parcel, "dropped")
        there, account = found
        if await self._surely(parcel, lambda: self._directory.change(there, account)):
            await self._ledger.note(told.note_told, self._vault, parcel.chat, account)
        return None

    async def _surely(self, parcel: Parcel, work: Callable[[], Awaitable[None]]) -> bool:
        """Do it, however often it must be tried; True when it is done. It can be done twice."""
        try:
            await self._patiently(parcel.chat, work())
        except DirectoryRefused as refused:
            log(Event.ACCOUNT_REFUSED, kind=refused.kind)
            if refused.kind == "rights":
                await self._late(parcel)
            else:
                await self._ledger.finish(parcel, "failed", "refused")
        except Exception as error:
            if not isinstance(error, DirectoryFault):
                log(Event.ACCOUNT_FAILED, kind=type(error).__name__, place=place_of(error))
            else:
                log(Event.ACCOUNT_WAITS, kind=type(error).__name__)
            await self._late(parcel)
        else:
            await self._ledger.finish(parcel, "sent")
            return True
        return False
