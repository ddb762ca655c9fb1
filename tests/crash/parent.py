"""A patient parent: does what a script says, and waits for the bot's words, whatever happens to it.

When the bot says the same thing twice they know that it is the same. Where no SMS comes they ask
for another one.
"""

import asyncio
import hashlib
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

from tests.crash.scripts import SCRIPTS, Family, family_of, script_of
from tests.helpers.dialogue import _button_keys, pattern
from tests.telegram.phone import Person
from tests.telegram.server import BotApi, Message

PATIENCE = 60.0  # seconds of a living bot without a word of it, before the run has failed
NO_SMS = 2.0  # seconds of a living bot after which a parent asks for another code
TICK = 0.1
_NO_VOWEL = str.maketrans("0123456789abcdef", "bcdfghjkmnpqrtvw")  # so that no name is in it


class World(Protocol):
    """What a parent knows of the rest."""

    seed: str
    server: BotApi
    chats: "list[Parent]"
    starts: list[dict[int, int]]

    @property
    def alive(self) -> bool:
        """Whether there is a bot that may answer."""

    def sms_to(self, number: str) -> list[str]:
        """The SMS that arrived there, oldest first."""

    def mails_to(self, address: str) -> list[str]:
        """The e-mails that arrived there, oldest first."""


class Parent:
    """Somebody with a phone, who follows a script."""

    def __init__(
        self,
        universe: World,
        script: str,
        family: Family,
        meeting: asyncio.Barrier | None = None,
    ) -> None:
        self.universe = universe
        self.script = script
        self.family = family
        self.meeting = meeting or asyncio.Barrier(2)
        self.number = f"+33{family.mobile.replace(' ', '')[1:]}"
        self.person: Person = universe.server.person(family.first, phone=self.number[1:])
        self.lang = "fr"
        self.end = ""
        self.turns = 0
        self.asked_for = 0  # codes
        self.resends = 0  # of these, because no SMS came
        self.repeats = 0  # replies heard twice
        self.notices = 0  # SMS to the other guardian
        own = f"{self.person.chat.id} {universe.seed}".encode()
        mark = hashlib.blake2b(own, digest_size=5).hexdigest().translate(_NO_VOWEL)
        self.email = f"marie.{mark}@example.org"
        self.passwords = (f"Soleil&7V{mark}", f"Lune!7R{mark}")
        self._seen = 0  # messages of the chat, looked at
        self._last: Message | None = None
        self._old_sms = 0  # before the code under way was asked for
        self._guessed = 111110

    async def talks(self) -> None:
        """Do what the script says, and hear what it says."""
        for does, hears in SCRIPTS[self.script]:
            try:
                await self._does(does, hears)
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError):
                    raise
                raise AssertionError(
                    f"{self.script}: {does} should be answered by {hears}\n{self.person}"
                ) from error

    async def _does(self, does: str, hears: str) -> None:
        match does.strip("()").split():
            case ["meet"]:
                await self.meeting.wait()
            case ["pause"]:
                await asyncio.sleep(1.1)
            case ["code"]:
                await self._types_code(hears)
            case ["mailed", "code"]:
                await self._types_mailed_code(hears)
            case ["again", choice]:
                await self._presses_until(choice, hears)
            case ["both", *names]:
                for name in names:
                    self.person.says(getattr(self.family, name))
                for key in hears.split():
                    await self._hears(key)
            case _:
                self._uses_phone(does)
                await self._hears(hears)

    async def _presses_until(self, choice: str, hears: str) -> None:
        """Press; where the guardian's other chat is at it, press again once that one has ended."""
        self._presses(choice)
        if await self._hears(hears, "opening.elsewhere") == "opening.elsewhere":
            for _ in self._ticks(PATIENCE):
                if any(one.end == "done.ask" for one in self._same_phone()):
                    break
                await asyncio.sleep(TICK)
            self._presses(choice)
            await self._hears(hears)

    def _uses_phone(self, does: str) -> None:
        person, family = self.person, self.family
        match does.strip("()").split():
            case ["comes"]:
                person.starts()
            case ["contact"]:
                person.shares_contact()
            case ["english"]:
                self.lang = "en"
                person.says("/english")
            case ["old", "button"]:
                first = next(one for one in person.chat.messages if one.from_bot)
                person.presses_old(first, first.offered[1].label)
            case ["twice", choice]:
                last, label = person.last, self._label(choice)
                for _ in range(2):
                    person.presses_old(last, label)
            case ["password"]:
                person.says(self.passwords[0])
            case ["other", "password"]:
                person.says(self.passwords[1])
            case ["wrong", "code"]:
                person.says(self._wrong_code())
            case ["birthdate"]:
                [born] = [born for first, born in family.children if first in person.last.text]
                person.says(born)
            case ["email"]:
                person.says(self.email)
            case ["last" | "first" | "mobile" as name]:
                person.says(getattr(family, name))
            case [button]:
                self._presses(button[1:-1])

    def _presses(self, choice: str) -> None:
        if choice == "resend" or (choice == "yes" and self._is_asked("check")):
            self.asked_for += 1
        if choice == "yes":
            self._old_sms = len(self.universe.sms_to(self.number))
        self.person.presses_old(self.person.last, self._label(choice))

    def _is_asked(self, state: str) -> bool:
        return bool(re.search(pattern(f"{state}.ask", self.lang, {}), self.person.last.text))

    def _label(self, choice: str) -> str:
        words = [pattern(key, self.lang, {}) for key in _button_keys(choice)]
        labels = [button.label for button in self.person.last.offered]
        return next(one for one in labels if any(re.fullmatch(word, one) for word in words))

    def _wrong_code(self) -> str:
        sent = {text[:6] for text in self.universe.sms_to(self.number)}
        self._guessed += 1
        while f"{self._guessed}" in sent:
            self._guessed += 1
        return f"{self._guessed}"

    async def _types_code(self, hears: str) -> None:
        """Type the newest code; where none arrives, ask for another."""
        known = 0
        while True:
            codes = await self._codes(known)
            while not codes:
                await asyncio.sleep(1.1)  # the wait between two codes
                self.resends += 1
                self._presses("resend")
                await self._hears("code.ask")
                codes = await self._codes(known)
            known = len(codes)
            self.person.says(codes[-1][:6])
            if await self._hears(hears, "code.old") == hears:
                return

    async def _types_mailed_code(self, hears: str) -> None:
        """Type the code of the newest mail; where the bot could not send it, ask for another."""
        known, typed = 0, False
        for _ in self._ticks(PATIENCE):
            mails = self.universe.mails_to(self.email)
            if len(mails) > known:
                known, typed = len(mails), True
                [code] = re.findall(r"\b[0-9]{6}\b", mails[-1])
                self.person.says(code)
            if not typed and not self._has_news():
                await asyncio.sleep(TICK)
                continue
            if await self._hears(hears, "email.failed") == hears:
                return
            if typed:  # the code comes too late, and is no address
                await self._hears("email.ask")
            typed = False
            self.person.says(self.email)
            await self._hears("email_code.ask")
        raise AssertionError(f"no mail in {PATIENCE} s")

    def _has_news(self) -> bool:
        return any(one.from_bot for one in self.person.chat.messages[self._seen :])

    async def _codes(self, known: int) -> list[str]:
        """The SMS to this number once there are more than these; none if that takes too long."""
        for _ in self._ticks(NO_SMS):
            codes = self.universe.sms_to(self.number)[self._old_sms :]
            if len(codes) > known:
                return codes
            await asyncio.sleep(TICK)
        return []

    def _ticks(self, length: float) -> Iterator[None]:
        """So much time of a living bot: however slow the machine, being dead does not count."""
        while length > 0:
            yield
            length -= TICK * self.universe.alive

    async def _hears(self, *keys: str) -> str:
        """Wait for the bot's next words, which are new, and say which of the keys they are."""
        self.turns += 1
        message = await self._next()
        for key in "|".join(keys).split("|"):
            if re.search(pattern(key, self.lang, {}), message.text):
                self.end = key
                return key
        raise AssertionError(f"heard none of {keys}:\n{message.text}")

    async def _next(self) -> Message:
        """The bot's next message that says something new."""
        messages = self.person.chat.messages
        for _ in self._ticks(PATIENCE):
            await self.universe.server.until(lambda: len(messages) > self._seen, TICK)
            for message in messages[self._seen :]:
                self._seen += 1
                old = self._last is not None and _is_same(message, self._last)
                if message.from_bot and not old and not self._is_beside(message):
                    self._last = message
                    return message
        raise AssertionError(f"not a word in {PATIENCE} s")

    def _is_beside(self, message: Message) -> bool:
        """Whether it is no reply: the keyboard goes, or the database is away for a while."""
        received, down = (
            [pattern(key, lang, {}) for lang in ("fr", "en")]
            for key in ("telegram.number_received", "error.down")
        )
        return any(re.fullmatch(words, message.text) for words in (*received, "\n".join(down)))

    def checks_what_was_said(self) -> None:
        """Each reply once; again only after a kill, next to itself; no password left in sight."""
        told = [
            (at, message)
            for at, message in enumerate(self.person.chat.messages)
            if message.from_bot and not self._is_beside(message)
        ]
        repeats = [
            (before, at) for (before, one), (at, other) in pairwise(told) if _is_same(one, other)
        ]
        said = f"{self.script}:\n{self.person}"
        assert len(told) - len(repeats) == self.turns, f"replies and turns differ; {said}"
        starts = [start.get(self.person.chat.id, 0) for start in self.universe.starts]
        for before, at in repeats:
            assert any(before < start <= at for start in starts), f"repeated, not killed; {said}"
        self.repeats = len(repeats)
        for message in self.person.chat.messages:
            if message.text in self.passwords:
                assert message.deleted, f"a password is still in the chat; {said}"
        self._checks_what_others_were_told()
        codes = [text for text in self.universe.sms_to(self.number) if text[:6].isdigit()]
        asked = sum(one.asked_for for one in self._same_phone())
        assert len(codes) <= asked, f"{len(codes)} SMS, asked for {asked} times; {said}"

    def _checks_what_others_were_told(self) -> None:
        """The other guardian of each event once at most, as all SMS; the own address at least."""
        notices = self.universe.sms_to(self.family.other)
        happened = {
            "activated": self.script != "unknown number",
            "password": self.script == "my account",
        }
        for about, is_so in happened.items():
            words = pattern(f"sms.notice.{about}", "fr", {})
            told = [text for text in notices if re.fullmatch(words, text)]
            assert len(told) <= is_so, f"{self.script}: {notices}"
            self.notices += len(told)
        if self.script == "my account":
            closed = pattern("notice.closed", self.lang, {})
            mails = self.universe.mails_to(self.email)
            assert any(re.search(closed, mail) for mail in mails), f"not told: {mails}"

    def _same_phone(self) -> Iterator["Parent"]:
        return (one for one in self.universe.chats if one.number == self.number)


def _is_same(one: Message, other: Message) -> bool:
    """Whether it says and offers the same, though one of the two has lost its buttons since."""
    return (one.content, one.offered) == (other.content, other.offered)


async def converse(world: World, conversation: int) -> str:
    """Let the n-th conversation of a run take place; the name of its script."""
    script = script_of(world.seed, conversation)
    people = [Parent(world, script, family_of(script, conversation))]
    if script == "race":
        people.append(Parent(world, "race, other chat", people[0].family, people[0].meeting))
    world.chats += people
    await asyncio.gather(*(parent.talks() for parent in people))
    if script == "race":
        ends = sorted(parent.end for parent in people)
        assert ends == ["already.ask", "done.ask"], ends
    return script
