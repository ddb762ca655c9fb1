"""The way at the bare engine: for faults of storage and of the clock, thousands of them."""

from bot.channel import said
from bot.engine import Update
from flows.inputs import Input, Pressed, SharedContact
from flows.states import S
from flows.table import OPENED
from storage.database import StorageError, every
from tests.faults.way import ANSWERS
from tests.helpers.dialogue import Dialogue
from tests.helpers.invariants import check
from tests.helpers.parent import CoreParent


class CoreWay:
    """A parent who goes on until there is an account."""

    def __init__(self, dialogue: Dialogue[CoreParent]) -> None:
        self.dialogue = dialogue
        self.parent = dialogue.parent
        self._updates = 0

    async def state(self) -> S:
        """Where the conversation stands in the database."""
        rows = await self.parent.service.doors.database.run(every("SELECT state FROM chats"))
        return S(rows[0][0]) if rows else S.START

    def update(self, state: S) -> Update:
        """The answer to the question, as a channel brings it in."""
        self._updates += 1
        number = str(self._updates)
        return Update(self.parent.address, self._happens(state, number), number, self.parent.lang)

    def _happens(self, state: S, message: str) -> Input:
        line = ANSWERS[state]
        if line == "(own card)":
            return SharedContact("33612345678", own=True)
        if line == "(code)":
            return said(self.parent.sms.last_code, message)
        if line.startswith("["):
            return Pressed(line[1:-1], self.parent.last.asked)
        return said(line, message)

    async def takes(self, update: Update, tries: int = 5) -> int:
        """Give an update until it is taken, as a channel does; how often it was not."""
        for failures in range(tries):
            try:
                await self.parent.service.take(update)
            except StorageError:
                continue
            return failures
        raise AssertionError(f"not taken: {update}")

    async def does(self, state: S) -> None:
        """Answer the question."""
        self.parent.replies.clear()
        await self.takes(self.update(state))

    async def ends_well(self, patience: int = 40) -> int:
        """Go on to the end, an hour later wherever it does not go on: one account.

        Returns how many hours it took. After so many it is too long.
        """
        hours = 0
        while (state := await self.state()) not in OPENED:
            if state in ANSWERS and not (state is S.CODE and not self.parent.sms.received):
                await self.does(state)
            if state is S.NO_SMS or (state is S.CODE and await self.state() is S.CODE):
                await self.dialogue.waits("5m")
                if await self.state() is state:
                    await self.dialogue.presses("resend")
            if await self.state() is state:
                hours += 1
                assert hours <= patience, f"{state} for hours:\n{self.parent.reads}"
                await self.dialogue.waits("1h")
                if state is S.LOCKED:
                    await self.parent.says("bonjour")
        await self.holds()
        return hours

    async def holds(self, accounts: int = 1) -> None:
        """So many accounts, and every invariant."""
        doors, bot = self.parent.service.doors, self.parent.bot
        count = await doors.database.run(every("SELECT count(*) FROM accounts"))
        assert count == [(accounts,)]
        await check(doors.database, doors.accounts.vault, sms=bot.sms.received)
