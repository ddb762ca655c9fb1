"""One update, one turn, one transaction.

`Engine.take` loads the chat, steps it, answers its questions to the world, and stores the chat and
all that must be sent, in one transaction; sending comes after the commit (bot/delivery.py).

A password's hash takes tens of milliseconds, too long for a transaction: the turn is then rolled
back, the hash made in a thread, and the whole turn run again with the answer at hand. Nothing of
the password was written meanwhile, and the update is not acknowledged yet, so nothing can be lost.
"""

import asyncio
import secrets
from collections.abc import Callable, Container
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter
from weakref import WeakValueDictionary

from bot.answers import Answers, Doors, Services, Slow, no_services
from bot.channel import Reply
from bot.logs import Event, Log, about, place_of
from bot.rendering import Renderer
from bot.seen import Hashed, Observe, Outcome, TurnTaken, nobody
from flows import inputs as i
from flows import outputs as o
from flows.chat import Chat
from flows.policy import Policy
from flows.refusals import Reason
from flows.secret import Secret
from flows.states import S
from flows.step import password_message, step
from flows.waking import wake_at
from storage import sign_ins
from storage.accounts import hash_password, is_password
from storage.audit import PARENT, Action, note
from storage.conversations import Address
from storage.database import StorageError, Work, lock
from storage.life import Acting
from storage.outbox import ERASE, REPLY, SMS
from storage.tallies import count, open_again

log = Log("engine")

WAITS = (Reason.CODE_TOO_SOON, Reason.CODE_BUDGET, Reason.BUSY)
"""Refusals that tell no more than to wait: they need not be repeated one under the other."""


@dataclass(frozen=True, slots=True)
class Update:
    """What a channel brings in."""

    address: Address
    happened: i.Input
    id: str | None = None  # unique over all channels; None where nothing is delivered twice
    language: str | None = None  # "fr", "en": the messenger's, for a new conversation
    together: Callable[[datetime], Work[bool]] | None = None
    """What is noted in the turn's transaction, before it; where it is False there is no turn."""


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What the page for the password is told, in the parent's language."""

    outcome: o.Page
    lang: str
    text: str = ""
    identifier: str = field(default="", repr=False)  # that the account will have
    minimum: int = 8  # characters of a password


class _NeedsTime(Exception):
    """A question that must be answered outside the transaction."""

    def __init__(self, question: Slow) -> None:
        super().__init__(type(question).__name__)
        self.question = question


@dataclass(slots=True)
class _Turn:
    """What one attempt at a turn gathers."""

    update: Update
    key: bytes
    now: datetime
    chat: Chat
    said: list[o.Output] = field(default_factory=list)
    shown: o.Show | None = None  # to the page, if it asked
    cause: Reason | None = None  # of the refusal, if it was one
    before: S | None = None  # None: the update had been taken before, and nothing was loaded
    kinds: tuple[str, ...] | None = None  # of what waits to be sent here; None: of any
    also: set[bytes] = field(default_factory=set)  # who else has something to send

    @property
    def lang(self) -> str:
        """The parent's, as far as it is known."""
        return self.chat.lang or "fr"


class Engine:
    """Takes updates, whatever the channel."""

    def __init__(  # noqa: PLR0913 - each is needed once, by name
        self,
        doors: Doors,
        policy: Policy,
        renderer: Renderer,
        clock: Callable[[], datetime],
        sent: Callable[[bytes, Container[str] | None], None],
        executor: Executor,
        channels: Container[str],
        observe: Observe = nobody,
        paged: Container[str] = (),
        services: Services = no_services,
    ) -> None:
        """`sent(chat, kinds)` is called after a commit that may have left such things to send.

        `channels` are this process's own: another one wakes the conversations of others. Those in
        `paged` show a page for the password.
        """
        self._doors = doors
        self._policy = policy
        self._policy_with_page = replace(policy, password_page=True)
        self._renderer = renderer
        self._answers = Answers(doors, policy, renderer, services)
        self._clock = clock
        self._sent = sent
        self._executor = executor
        self._channels = channels
        self._observe = observe
        self._paged = paged
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def take(self, update: Update) -> PageAnswer | None:
        """Do one turn. When this returns, the turn is stored and the update may be acknowledged.

        What comes from the page for the password is answered here, all else in the chat. Raises
        StorageError when it could not be stored: the update must be given again.
        """
        key = self._doors.conversations.key(update.address)
        name = self._doors.conversations.pseudonym(key, self._clock())
        turn, began = None, perf_counter()
        with about(turn=secrets.token_hex(4), chat=name):
            try:
                turn = await self._take(update, key)
            finally:
                self._report(update, turn, perf_counter() - began)
        return self._page_answer(update, turn) if isinstance(update.happened, i.FromPage) else None

    async def _take(self, update: Update, key: bytes) -> _Turn | None:
        """The turn that was stored; None where our own mistake took its place."""
        turn = None
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:  # two messages of one chat are taken in order
            try:
                turn = await self._attempt(update, key)
            except StorageError:
                raise
            except Exception as error:
                # Our own mistake. One bad update must not stop the bot, nor be given for ever.
                # Only the kind and the place are logged: a message may hold what was typed.
                log(Event.TURN_FAILED, kind=type(error).__name__, place=place_of(error))
                await self._doors.database.run(self._apologise(update, key))
        self._sent(key, turn.kinds if turn is not None else None)
        for other in turn.also if turn is not None else ():
            self._sent(other, None)
        return turn

    def _report(self, update: Update, turn: _Turn | None, seconds: float) -> None:
        """One line a turn, and a word to whoever counts."""
        taken = _taken(turn, seconds)
        log(
            Event.TURN,
            input=type(update.happened).__name__,
            before=taken.before,
            after=taken.after,
            outcome=taken.outcome.value,
            cause=taken.cause or "",
            ms=round(seconds * 1000),
        )
        self._observe(taken)

    async def wake(self) -> None:
        """Tell every conversation of our channels whose moment has come."""
        to_wake = self._doors.conversations.to_wake(self._clock(), self._channels)
        due = await self._doors.database.run(to_wake)
        for address in due:
            await self.take(Update(address, i.TimeCame()))

    async def _attempt(self, update: Update, key: bytes) -> _Turn:
        ready: dict[Slow, i.FromWorld] = {}
        while True:
            try:
                return await self._doors.database.run(self._turn(update, key, ready))
            except _NeedsTime as needs:
                began = perf_counter()
                ready[needs.question] = await self._take_time(needs.question)
                self._observe(Hashed(perf_counter() - began))

    async def _take_time(self, question: Slow) -> i.FromWorld:
        loop = asyncio.get_running_loop()
        match question:
            case o.HashPassword(password):
                digest = await loop.run_in_executor(self._executor, hash_password, password)
                return i.PasswordHashed(digest)
            case o.ComparePassword(password, digest):
                same = await loop.run_in_executor(self._executor, is_password, password, digest)
                return i.PasswordCompared(same)

    # ---- inside the transaction --------------------------------------------------------------

    def _turn(self, update: Update, key: bytes, ready: dict[Slow, i.FromWorld]) -> Work[_Turn]:
        yield from lock("chat", key)
        now, doors = self._clock(), self._doors
        if update.id and not (yield from doors.conversations.take(update.id, now)):
            return _Turn(update, key, now, Chat())
        if update.together is not None and not (yield from update.together(now)):
            return _Turn(update, key, now, Chat())
        chat = (yield from doors.conversations.load(key)) or Chat(lang=update.language)
        turn = _Turn(update, key, now, chat, before=chat.state)
        policy = self._policy_of(update.address)
        if isinstance(update.happened, i.FromPage) and not (yield from self._lets_page_in(turn)):
            return turn
        if isinstance(update.happened, i.SignedOut):
            yield from self._signed_out(update.happened, key)
        happened: list[i.Input] = [update.happened]
        while happened:
            turn.chat, outputs = step(turn.chat, happened.pop(0), now, policy)
            for output in outputs:
                answer = yield from self._do(turn, output, ready)
                if answer is not None:
                    happened.append(answer)
        if isinstance(update.happened, i.FromPage) and turn.shown is None:
            turn.cause = turn.cause or Reason.PAGE_GONE
        reply = self._reply(turn, was=chat)
        if reply is not None:
            yield from doors.outbox.add(key, REPLY, reply.to_dict(), now)
        if doors.openings is not None and not turn.chat.digest:
            yield from doors.openings.passwords.forget(key)  # it is not wanted any more
        stopped = turn.chat.state is S.STOPPED and chat.state is not S.STOPPED
        if stopped and not isinstance(update.happened, i.SignedOut):  # that is of one account
            yield from self._leave(turn)
        wake = wake_at(turn.chat, self._policy)
        yield from doors.conversations.save(key, update.address, turn.chat, wake, now)
        turn.kinds = yield from doors.outbox.kinds(key)
        return turn

    def _policy_of(self, address: Address) -> Policy:
        return self._policy_with_page if address.channel in self._paged else self._policy

    def _lets_page_in(self, turn: _Turn) -> Work[bool]:
        """Whether the page may come in once more: a guesser, or a script, has to wait."""
        full = yield from open_again("page", turn.key, self._policy.page_tries, turn.now)
        if full is not None:
            turn.shown = o.Show(o.Page.LATER, (o.Say("page.later", {"at": full}),))
            turn.cause = Reason.PAGE_TOO_OFTEN
            return False
        yield from count("page", turn.key, turn.now)
        return True

    def _page_answer(self, update: Update, turn: _Turn | None) -> PageAnswer:
        """What the conversation had to say; where it had nothing, the page is of no use."""
        lang = (turn.chat.lang if turn else None) or update.language or "fr"
        shown = turn.shown if turn else None
        if shown is None:
            return PageAnswer(o.Page.GONE, lang, self._renderer.say("page.gone", lang))
        now = self._clock()
        text = "\n".join(self._renderer.text(said, lang, now) for said in shown.says)
        minimum = self._policy.password_min
        return PageAnswer(shown.page, lang, text, shown.identifier, minimum)

    def _reply(self, turn: _Turn, was: Chat) -> Reply | None:
        asks = [said for said in turn.said if isinstance(said, o.Ask)]
        leaves_contact = was.state is S.PHONE and not (asks and asks[-1].contact)
        reply = self._renderer.reply(turn.said, turn.chat.lang, turn.now, leaves_contact)
        if reply is None:
            return None
        pressed = isinstance(turn.update.happened, i.Pressed)
        return replace(
            reply,
            waits=pressed and turn.cause in WAITS and bool(asks),
            keeps_buttons=not asks and turn.chat.asked == was.asked,
        )

    def _do(
        self, turn: _Turn, output: o.Output, ready: dict[Slow, i.FromWorld]
    ) -> Work[i.FromWorld | None]:
        """Do what the conversation asks; the answer, if it was a question."""
        doors, key, now = self._doors, turn.key, turn.now
        match output:
            case o.Say() | o.Ask():
                turn.said.append(output)
            case o.Show():
                turn.shown = output
            case o.Refusal(cause):
                turn.cause = cause
            case o.Erase(message):
                yield from doors.outbox.add(key, ERASE, {"message": message}, now)
            case o.CancelCode():
                yield from doors.codes.cancel(key)
                yield from doors.outbox.drop_codes(key)
            case o.TellSchool():
                yield from doors.accounts.tell_school(output, now)
            case o.TextIdentifier(phone, identifier):
                text = self._renderer.say("sms.identifier", turn.lang, identifier=identifier)
                yield from doors.outbox.add(key, SMS, {"to": phone, "text": text}, now)
            case o.AnswersErased():
                yield from note(doors.accounts.vault, PARENT, Action.ANSWERS_ERASED, key, now)
                yield from self._leave(turn)
            case o.TellOthers():
                yield from self._answers.tell_others(output, self._acting(turn), turn.lang)
            case o.HashPassword() | o.ComparePassword():
                if output not in ready:
                    raise _NeedsTime(output)
                yield from self._keep(turn, output.password, ready[output])
                return ready[output]
            case _:
                return (yield from self._answers.answer(output, self._acting(turn), turn.lang))
        return None

    def _acting(self, turn: _Turn) -> Acting:
        return Acting(turn.key, turn.now, also=turn.also)

    def _leave(self, turn: _Turn) -> Work[None]:
        """The parent has left: no account is open in the conversation, and none comes to be."""
        yield from sign_ins.leave(turn.key)
        if self._doors.openings is not None:
            turn.also.update((yield from self._doors.openings.cancel(turn.key, turn.now)))

    def _signed_out(self, told: i.SignedOut, key: bytes) -> Work[None]:
        """Whatever came between, the account that it is about is not open here any more."""
        account = yield from self._doors.accounts.read(told.identifier)
        if account is not None and account.frozen_at is None:
            yield from sign_ins.close_in(account.number, key)

    def _keep(self, turn: _Turn, password: Secret, answer: i.FromWorld) -> Work[None]:
        """Keep the password for an account service that wants it itself, once it is chosen."""
        openings = self._doors.openings
        chosen = answer == i.PasswordCompared(True) or turn.chat.state is S.HASHING_PAGE
        if chosen and openings is not None and openings.needs == "password":
            yield from openings.passwords.keep(turn.key, password, turn.now)

    def _apologise(self, update: Update, key: bytes) -> Work[None]:
        yield from lock("chat", key)
        now, doors = self._clock(), self._doors
        if isinstance(update.happened, i.TimeCame):  # or it would fail for ever
            yield from doors.conversations.let_sleep(key)
            return
        if update.id and not (yield from doors.conversations.take(update.id, now)):
            return
        lang = update.language or "fr"
        reply = Reply(self._renderer.say("error.internal", lang), lang, keeps_buttons=True)
        yield from doors.outbox.add(key, REPLY, reply.to_dict(), now)
        chat = yield from doors.conversations.load(key)
        if chat is None:
            yield from doors.conversations.save(key, update.address, Chat(lang=lang), None, now)
            return
        message = password_message(chat.state, update.happened)
        if message:
            yield from doors.outbox.add(key, ERASE, {"message": message}, now)


def _taken(turn: _Turn | None, seconds: float) -> TurnTaken:
    """What became of a turn, in the words of whoever counts."""
    if turn is None:
        return TurnTaken(Outcome.FAILED, seconds)
    if turn.before is None:
        return TurnTaken(Outcome.DUPLICATE, seconds)
    outcome = Outcome.REFUSED if turn.cause else Outcome.ANSWERED if turn.said else Outcome.SILENT
    before, after = turn.before.value, turn.chat.state.value
    return TurnTaken(outcome, seconds, before, after, turn.cause)
