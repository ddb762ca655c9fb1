"""A school, its parents and their accounts, as storage sees them: no conversation between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from flows.chat import Chat
from flows.inputs import AccountOpened, GuardianMatched
from flows.outputs import OpenAccount, TellOthers
from flows.policy import DEFAULT, Policy
from flows.secret import Secret
from storage.accounts import Account, Accounts
from storage.codes import Codes
from storage.conversations import Address, Conversations
from storage.database import Database, Row, Work, every
from storage.letters import Letters
from storage.life import Acting, Life
from storage.notices import Notices
from storage.outbox import EMAIL, SMS, TELL, Outbox, outbox_place
from storage.place import Place, open_database
from storage.register import Register
from storage.vault import Vault, check_secret
from tests.helpers.clock import Clock
from tests.helpers.parent import SECRET
from tests.helpers.school import PORT, School

T = TypeVar("T")

MARIE, PAUL, SOPHIE = "+33612345678", "+33655443322", "+33698765432"
AN = "+33751234567"  # and Lan's
NOW = Clock().now


def families() -> School:
    """Léa has two guardians, Sophie is known to two schools, An and Lan share a mobile."""
    return (
        School()
        .knows("Marie DUPONT", "06 12 34 56 78", {"Léa DUPONT": "14/03/2014"})
        .knows("Paul DUPONT", "06 55 44 33 22", {"Léa DUPONT": "14/03/2014"})
        .knows("Sophie MARTIN", "06 98 76 54 32", {"Hugo LEFÈVRE": "01/09/2011"})
        .knows("Sophie MARTIN", "06 98 76 54 32", {"Zoé LEFÈVRE": "12/06/2017"}, at=PORT)
        .knows("An NGUYEN", "07 51 23 45 67", {"Minh NGUYEN": "30/11/2012"})
        .knows("Lan NGUYEN", "07 51 23 45 67", {"Minh NGUYEN": "30/11/2012"})
        .knows("Rose PETIT", "", {"Lou PETIT": "02/02/2015"})
        .knows("Jules BLANC", "06 11 11 11 11", {"Max PETIT": "03/05/2012"}, legal=False)
    )


class Town:
    """Its database, and all that a turn uses of it."""

    def __init__(self, database: Database, policy: Policy) -> None:
        vault = self.vault = Vault(Secret(SECRET))
        self.database = database
        self.now = NOW
        self.policy = policy
        self.accounts = Accounts(vault)
        self.life = Life(vault, policy, self.accounts)
        self.register = Register(vault, policy, self.accounts)
        self.letters = Letters(vault, policy)
        self.notices = Notices(vault, policy, self.accounts, self.life)
        self.codes = Codes(vault, policy, lambda: "123456")
        self.conversations = Conversations(vault)

    async def run(self, work: Work[T]) -> T:
        """Do it, in one transaction."""
        return await self.database.run(work)

    async def rows(self, text: str, *parameters: object) -> list[Row]:
        """What a query finds."""
        return await self.run(every(text, *parameters))

    def by(self, chat: bytes, now: datetime | None = None) -> Acting:
        """Something is done in this conversation."""
        return Acting(chat, now or self.now)

    async def talks(self, name: str, channel: str = "web") -> bytes:
        """A conversation; its key."""
        address = Address(channel, name)
        key = self.conversations.key(address)
        await self.run(self.conversations.save(key, address, Chat(lang="fr"), None, self.now))
        return key

    async def activates(self, person: str, phone: str, chat: bytes, *, letter: bool = False) -> str:
        """Who is it, then all children's dates, then the account: its identifier."""
        first, last = person.split()
        found = await self.run(
            self.register.match(chat, phone, last, first, self.now, letter=letter)
        )
        assert isinstance(found, GuardianMatched), found
        pupils = tuple(child.pupil for child in found.children)
        wanted = OpenAccount(found.guardians, pupils, last, first, phone, "digest")
        opened = await self.run(self.accounts.open(wanted, chat, self.now))
        assert isinstance(opened, AccountOpened), opened
        return opened.identifier

    async def account(self, identifier: str) -> Account:
        """The account as it is now."""
        account = await self.run(self.life.read(identifier))
        assert account is not None
        return account

    async def tells(self, identifier: str, about: str, chat: bytes) -> None:
        """The conversation has the others told. A text is its key and its facts."""
        acting = self.by(chat)
        wanted = TellOthers(identifier, about)
        await self.run(self.notices.tell(wanted, acting, _words, _words))

    async def waiting(self, kind: str) -> list[tuple[bytes, Any]]:
        """What waits to be sent, and where to."""
        rows = await self.rows(
            "SELECT chat, body FROM outbox WHERE kind = ? AND status = 'waiting' ORDER BY id", kind
        )
        return [(chat, self.vault.open(body, outbox_place(chat))) for chat, body in rows]

    async def told(self, chat: bytes) -> list[tuple[str, dict[str, str]]]:
        """What this conversation is going to hear."""
        found = await self.waiting(TELL)
        return [(body["input"], body["facts"]) for to, body in found if to == chat]

    async def texts(self) -> list[tuple[str, str]]:
        """SMS on their way: to whom, and what."""
        return [(body["to"], body["text"]) for _, body in await self.waiting(SMS)]

    async def mails(self) -> list[Any]:
        """E-mails on their way."""
        return [body for _, body in await self.waiting(EMAIL)]

    async def sent(self) -> None:
        """All that was waiting has left."""
        for kind in (SMS, TELL, EMAIL):
            for chat, _ in await self.waiting(kind):
                await self.run(Outbox(self.vault).drop(chat, kind))

    async def happened(self, identifier: str) -> list[str]:
        """What the audit record says of an account, the oldest first."""
        subject = self.vault.key("account", identifier)
        rows = await self.rows("SELECT action FROM audit WHERE subject = ? ORDER BY id", subject)
        return [action for (action,) in rows]

    async def sign_ins(self, identifier: str) -> set[bytes]:
        """Where an account is open."""
        account = await self.account(identifier)
        rows = await self.rows("SELECT chat FROM sign_ins WHERE account = ?", account.number)
        return {chat for (chat,) in rows}


def _words(key: str, facts: dict[str, str]) -> str:
    return " ".join([key, *facts.values()])


@asynccontextmanager
async def town(
    place: Place, school: School | None = None, **numbers: object
) -> AsyncIterator[Town]:
    """A town on a new database; `numbers` are those of its policy."""
    async with open_database(place) as database:
        opened = Town(database, replace(DEFAULT, **numbers))  # type: ignore[arg-type]
        await database.run(check_secret(opened.vault))
        await (school or families()).fills(database, opened.vault, Clock())
        yield opened
