"""One parent's way to an account on Telegram, whatever comes in between."""

import asyncio
import re

from flows.states import S
from tests.helpers.dialogue import PASSWORD, Dialogue, _button_keys, pattern
from tests.helpers.invariants import check, done_at, told_on
from tests.telegram.chat_driver import TelegramParent
from tests.telegram.phone import Person

ANSWERS: dict[S, str] = {
    S.START: "/start",
    S.EXPIRED: "/start",
    S.PROFILE: "[parent]",
    S.MENU: "[activate]",
    S.LAST_NAME: "Dupont",
    S.FIRST_NAME: "Marie",
    S.PHONE: "(own card)",
    S.CHECK: "[yes]",
    S.CODE: "(code)",
    S.PASSWORD: PASSWORD,
    S.PASSWORD_AGAIN: PASSWORD,
    S.CHILD: "[yes]",
    S.BIRTHDATE: "14/03/2014",
    S.RECAP: "[activate_now]",
    S.DONE: "[text_me]",
}
"""What a parent does at each question on the way."""

NEXT: dict[S, S] = {
    S.START: S.PROFILE,
    S.LAST_NAME: S.FIRST_NAME,
    S.PHONE: S.CHECK,
    S.CHECK: S.CODE,
    S.CODE: S.PASSWORD,
    S.PASSWORD: S.PASSWORD_AGAIN,
    S.PASSWORD_AGAIN: S.CHILD,
    S.BIRTHDATE: S.RECAP,
    S.RECAP: S.DONE,
    S.DONE: S.DONE,
}
"""The question that follows where nothing is wrong."""


class Way:
    """A parent who goes on until there is an account."""

    def __init__(self, parent: TelegramParent, lang: str, restart: bool = False) -> None:
        self.restart = restart  # after the action of a fault's step
        self.parent = parent
        self.bot = parent.bot
        self.person: Person = parent.person
        self.dialogue = Dialogue(parent, lang)

    async def state(self) -> S:
        """Where the conversation stands in the database."""
        rows = await self.bot.query("SELECT state FROM chats")
        return S(rows[0][0]) if rows else S.START

    def act(self, state: S) -> None:
        """Answer the question with the phone, and wait for nothing."""
        self.parent._read = len(self.person.chat.messages)
        line = ANSWERS[state]
        if line == "(own card)":
            self.person.shares_contact("33612345678")
        elif line == "(code)":
            self.person.says(self.parent.sms.last_code)
        elif line.startswith("["):
            self.presses(line[1:-1])
        else:
            self.person.says(line)

    def presses(self, choice: str) -> None:
        """Press the newest button of a choice; a remark may stand below it."""
        keys = [pattern(key, self.dialogue.lang, {}) for key in _button_keys(choice)]
        for message in reversed(self.person.screen):
            for label in message.buttons:
                if any(re.fullmatch(key, label) for key in keys):
                    return self.person.presses_old(message, label)
        raise AssertionError(f"no button {choice!r}:\n{self.person}")

    async def does(self, state: S) -> None:
        """Answer the question, and wait until the bot has answered; it may be killed between."""
        self.act(state)
        if self.restart:
            await self.bot.restarts()
        await self.bot.settles()

    async def goes_to(self, goal: S) -> None:
        """Answer questions until this one is asked; a code that does not work is sent again."""
        for _ in range(40):
            state = await self.state()
            if state is goal:
                return
            waits = state in (S.CODE, S.NO_SMS)  # told that the SMS was refused: it is their own
            if not waits or (state is S.CODE and self.parent.sms.received):
                await self.does(state)
            if waits and await self.state() is state:
                before = len(self.parent.sms.received)
                await self.parent.waits(minutes=5)
                await self.parent.does(lambda: self.presses("resend"))
                assert len(self.parent.sms.received) == before + 1
        raise AssertionError(f"never came to {goal}:\n{self.person}")

    async def ends_well(self, expired: bool = False) -> None:
        """Go on to the end: one account, told to the parent, and every invariant holds.

        `expired` where Telegram itself has dropped an update, as it does with old presses.
        """
        await self.goes_to(S.DONE)
        assert await self.bot.query("SELECT count(*) FROM accounts") == [(1,)]
        doors = self.bot.service.doors
        await check(
            doors.database,
            self.bot.vault,
            sms=set(self.parent.sms.received),
            told=told_on(self.bot.server),
            acknowledged=() if expired else done_at(self.bot.server),
        )

    async def is_told_once(self, key: str) -> None:
        """Wait for this sentence; a while later it was still said only once."""
        words = pattern(key, self.dialogue.lang, {})
        await self.person.sees(lambda: re.search(words, self.parent.reads), timeout=10)
        await asyncio.sleep(0.3)
        assert len(re.findall(words, self.parent.reads)) == 1, self.person
