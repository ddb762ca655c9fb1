"""Parents who do anything at all, in any order: what must hold after every single event.

The machine below does not know the table. It keeps its own account of what was proved, confirmed
and typed, and compares.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import ClassVar, TypeVar, get_args

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

import locales
from bot.channel import Reply, said
from bot.rendering import Renderer
from flows import inputs as i
from flows import outputs as o
from flows import step as stepping
from flows.account.turn import AccountTurn
from flows.chat import Chat
from flows.hearing import offered
from flows.policy import DEFAULT
from flows.states import S
from flows.step import step
from flows.table import CLOSED, COMMANDS, ENDED, FLOW, INTERRUPTIONS, QUESTIONS, WAITING
from tests.flows.hostile import any_text
from tests.flows.samples import LEA, NOW, TOM, WORLD, Line, answers_to, lines, ways

# ---- what is typed ---------------------------------------------------------------------------

PASSWORDS = ("Velo-Rouge-42!", "Lampe_Verte_77?", "Nuage#Orange8", "/Carotte&Bleue9")
CODES = ("918273", "564738")
"""Canaries: typed only where they are asked for, and to be seen nowhere."""

PHONES = ("+33645127890", "+33645127891", "+33751234962", "+32470123456")
NUMBERS = ("06 45 12 78 90", "0645127891", "+33 7 51 23 49 62", "+32 470 12 34 56")
TWO_NUMBERS = ("06 45 12 78 90 ou 06 45 12 78 91", "0751234962 / 0645127891")
LAST_NAMES = ("Martin", "O'Brien", "DUPONT Marie", "Nguyên", "שלום")
FIRST_NAMES = ("Marie", "Jean-Luc", "Martin", "محمد")
DATES = ("14/03/2014", "01/02/2015", "14 mars 2013", "3 May 2012", "05/06/12")
BIRTH_YEAR = "2009"  # of every child in the register: shown only after a parent typed it
BIRTH_DATES = ("01/02/2009", "12/06/09", "oui 30/11/2009")

HOPED: dict[S, tuple[str, ...]] = {
    S.INVITED: ("oui", "non"),
    S.LANGUAGE: ("fr", "English", "/effacer"),
    S.PROFILE: ("parent",),
    S.MENU: ("activer mon compte", "activate my account"),
    S.HAS_ACCOUNT: ("activer mon compte",),
    S.LAST_NAME: LAST_NAMES,
    S.SPLIT_NAME: ("oui", "no"),
    S.FIRST_NAME: FIRST_NAMES,
    S.SAME_NAME: ("oui", "no"),
    S.PHONE: (*NUMBERS, *TWO_NUMBERS),
    S.WHICH_PHONE: ("premier", "2", *NUMBERS),
    S.CHECK: ("oui", "yes"),
    S.CODE: CODES,
    S.NO_SMS: CODES,
    S.ASK_SCHOOL: ("1",),
    S.PASSWORD: PASSWORDS,
    S.PASSWORD_AGAIN: PASSWORDS,
    S.CHILD: ("oui", "yes", "non", "oui 14/03/2014", *BIRTH_DATES),
    S.NOT_MINE: ("oui", "yes", "no"),
    S.BIRTHDATE: (*DATES, *BIRTH_DATES),
    S.BIRTHDATE_CHECK: ("oui", "yes", "no", "14 mars 2013", "14/03/13"),
    S.RECAP: ("activer", "activate", "corriger"),
    S.CORRECT: ("1", "2"),
    S.PUPIL: ("/retour",),
    S.LOCKED: ("bonjour", "/langue", "/humain", "/effacer"),
    S.DONE: ("un autre compte", "another account", "sms", "services"),
    S.ALREADY: ("un autre compte", "another account"),
    S.NOT_LEGAL: ("recommencer",),
    S.NO_CHILD: ("recommencer",),
    S.REFUSED: ("recommencer",),
}
"""What helps a parent on."""

COMMANDS_TYPED = (
    *("/retour", "/back", "/annuler", "/cancel", "/aide", "/help", "/langue", "/language"),
    *("/statut", "/status", "/humain", "/human", "/effacer", "/erase", "/recommencer", "/start"),
    *("/francais", "/french", "/anglais", "/english", "← Retour", "back", "?", "stop", "aide"),
)
RUBBISH = (
    *(
        "oui",
        "non",
        "1",
        "2",
        "3",
        "4",
        "0",
        "99",
        "...",
        "",
        "😀",
        "x" * 5000,
        "12345",
        "31/02/2014",
    ),
    *("renvoyer", "école", "continuer", "tout effacer", "recommencer", "/x", "a@b.fr", "٣"),
    *(*NUMBERS, *LAST_NAMES, *DATES),
)
LEAPS = (
    *(timedelta(seconds=1), timedelta(seconds=91), timedelta(minutes=5), timedelta(minutes=16)),
    *(timedelta(minutes=31), timedelta(minutes=62), timedelta(hours=-1), timedelta(hours=2)),
    *(timedelta(hours=5), timedelta(hours=25), timedelta(days=-2), timedelta(days=8)),
)
FORGED = ("code_right", "account_opened", "activate_now", "erase_all", "restart", "", "yes", "back")

PARENT = (
    *(*["answers"] * 8, *["presses"] * 8, "interrupts", "commands", "commands", "errs", "errs"),
    *("presses_what_is_not_there", "taps_again", "shares_a_contact", "does_something_else"),
    *("hears_a_late_answer", "time_passes", "time_comes", "waits", "opens_a_page", "fills_a_page"),
)
WORLDLY = (
    *(*["hopes"] * 8, *["surprises"] * 8, "is_impatient"),
    *("hears_a_late_answer", "time_passes", "time_comes"),
)
"""What may happen next, the likely more than once; while the world is asked, less."""

picks = st.integers(0, 5039)  # 7!: each choice of a few is as likely as any other

T = TypeVar("T")


def any_of(choices: Sequence[T], pick: int) -> T:
    """One of them."""
    return choices[pick % len(choices)]


# ---- what is read ----------------------------------------------------------------------------

NOT_SENTENCES = ("words.", "button.", "cli.", "report.", "import.", "doctor.", "telegram.")


@cache
def foreign(lang: str) -> list[str]:
    """Pieces of sentences that only the other language has."""
    here, there = (_sentences(other) for other in (lang, "en" if lang == "fr" else "fr"))
    own = "\n".join(here)
    pieces = {piece.strip() for text in there for piece in re.split(r"\{+\w*\}+", text)}
    return sorted(piece for piece in pieces if len(piece) > 11 and piece not in own)


def _sentences(lang: str) -> list[str]:
    texts = locales._catalogue(lang).texts
    return [form for key in texts if not key.startswith(NOT_SENTENCES) for form in texts[key]]


@cache
def button_words(lang: str) -> frozenset[str]:
    """All that can stand on a button."""
    texts = locales._catalogue(lang).texts
    return frozenset(texts[key][0] for key in texts if key.startswith("button."))


# ---- the machine's own account ---------------------------------------------------------------


@dataclass(slots=True)
class Account:
    """What an account may be opened on, gathered from the world's answers alone."""

    phone: str = ""  # proved by its code
    proved_at: datetime | None = None
    guardians: tuple[int, ...] = ()
    pupils: frozenset[int] = frozenset()
    confirmed: set[int] = field(default_factory=set)
    not_mine: set[int] = field(default_factory=set)
    digest: str = ""  # of a password that was typed twice
    on_page: bool = False  # the password that is being hashed was, on a page

    def hears(self, question: o.Question, answer: i.FromWorld, now: datetime) -> None:
        """Take note of an answer."""
        match question, answer:
            case o.CheckCode(phone), i.CodeRight():
                self.phone, self.proved_at = phone, now
            case _, i.GuardianMatched(guardians, children):
                self.guardians, self.digest = guardians, ""
                self.pupils = frozenset(child.pupil for child in children)
            case o.HashPassword(), i.PasswordHashed(digest) if self.on_page:
                self.digest = digest
            case o.ComparePassword(_, digest), i.PasswordCompared(True):
                self.digest = digest  # until then an earlier one that was typed twice stands
            case o.CheckBirthdate(pupil), i.BirthdateRight():
                self.confirmed.add(pupil)
                self.not_mine.discard(pupil)
            case o.CheckBirthdate(pupil), i.BirthdateWrong(0):
                self.confirmed.discard(pupil)

    def allows(self, opened: o.OpenAccount, strict: bool) -> None:
        """I11: a proved number, a password typed twice, a child confirmed by its birthdate."""
        assert self.phone == opened.phone, "the number was not proved"
        assert self.digest == opened.digest != "", "the password was not confirmed"
        assert self.guardians == opened.guardians
        assert set(opened.confirmed) == self.confirmed & self.pupils != set(), "no child confirmed"
        if strict:
            assert self.pupils <= self.confirmed | self.not_mine, "a child is missing"


class Walk(RuleBasedStateMachine):
    """One conversation."""

    events: ClassVar[int] = 0
    fired: ClassVar[Counter[Line]] = Counter()

    @initialize(
        lang=st.sampled_from(["fr", "en", None]),
        strict=st.booleans(),
        page=st.booleans(),
        ahead=st.integers(0, 35),
        pick=picks,
    )
    def begins(self, lang: str | None, strict: bool, page: bool, ahead: int, pick: int) -> None:
        """A parent to whom all goes well for a while."""
        self.chat = Chat(lang=lang)
        self.record = self.chat.to_dict()
        self.now = NOW
        self.policy = replace(DEFAULT, strict_children=strict, password_page=page)
        self.renderer = Renderer(UTC)
        self.question: o.Question | None = None
        self.reply: Reply | None = None  # the newest with buttons
        self.last: i.Pressed | None = None
        self.account = Account()
        self.typed = ""
        self.made = 0
        self.tickets: list[str] = []  # of the pages that were opened
        self.open_until: datetime | None = None  # the newest of them, until it has served
        for n in range(ahead):
            self.goes_on(pick + n)

    def goes_on(self, pick: int) -> None:
        if self.question is None:
            self.answers(pick)
        else:
            self.hopes(pick)

    # ---- what happens ------------------------------------------------------------------------

    @rule(act=st.sampled_from(PARENT), pick=picks)
    @precondition(lambda self: self.question is None)
    def parent(self, act: str, pick: int) -> None:
        getattr(self, act)(pick)

    @rule(act=st.sampled_from(WORLDLY), pick=picks)
    @precondition(lambda self: self.question is not None)
    def world(self, act: str, pick: int) -> None:
        getattr(self, act)(pick)

    @rule(text=any_text)
    @precondition(lambda self: self.question is None and self.chat.asked % 8 == 7)  # slow to draw
    def says_anything(self, text: str) -> None:
        self.types(text)

    def answers(self, pick: int) -> None:
        """What the question wants to hear."""
        if self.is_hidden() and self.policy.password_page:
            self.opens_a_page(pick)
            self.fills_a_page(0)
            return
        self.types(any_of(HOPED.get(self.chat.state, ("bonjour", "1", "2")), pick))

    def presses(self, pick: int) -> None:
        """A button of the newest message."""
        if self.reply:
            self.happens(i.Pressed(any_of(self.reply.buttons, pick).choice, self.reply.asked))

    def interrupts(self, pick: int) -> None:
        """Both halves: a question over the question, and one of its answers."""
        self.types(any_of(("/annuler", "/effacer", "/start"), pick))
        self.presses(pick // 3)

    def commands(self, pick: int) -> None:
        self.types(any_of(COMMANDS_TYPED, pick))

    def errs(self, pick: int) -> None:
        self.types(any_of(RUBBISH, pick))

    def presses_what_is_not_there(self, pick: int) -> None:
        """An old button, one of another question, one that never was."""
        choices = (*FORGED, *QUESTIONS[S.PROFILE].choices, *COMMANDS, *offered(self.chat))
        self.happens(i.Pressed(any_of(choices, pick), self.chat.asked - pick % 3))

    def taps_again(self, pick: int) -> None:
        if self.last is not None:
            self.happens(self.last)

    def shares_a_contact(self, pick: int) -> None:
        phone = any_of((*PHONES, "33645127890", "", "+33142685300"), pick)
        self.happens(i.SharedContact(phone, own=pick % 3 > 0))

    def does_something_else(self, pick: int) -> None:
        edited = PASSWORDS[0] if self.is_hidden() else "Dupond"
        others: tuple[i.Input, ...] = (
            *(i.SentOther(), i.Edited(edited, "17"), i.Edited("x")),
            *(i.Returned(), i.Returned("en"), i.Returned("fr"), i.CameByLink("token"), i.Blocked()),
        )
        self.happens(any_of(others, pick))

    def opens_a_page(self, _pick: int) -> None:
        self.tickets.append(f"ticket {len(self.tickets)}")
        self.happens(i.PageOpened(self.tickets[-1]))
        if self.shown == [o.Page.OPEN]:
            self.open_until = self.now + self.policy.ticket_validity

    def fills_a_page(self, pick: int) -> None:
        """The newest page or an old one, well or not."""
        ticket = self.tickets[-1 - pick % min(len(self.tickets), 3)] if self.tickets else ""
        password = any_of((*PASSWORDS, "abc", "Azerty123!"), pick // 3)
        again = any_of((password, password, "Autre-Chose-1"), pick // 18)
        good = password in PASSWORDS and password == again and ticket in self.tickets[-1:]
        open_until, self.filled_well = self.open_until, good
        self.happens(i.PageFilled(ticket, password, again))
        if isinstance(self.question, o.HashPassword):
            assert open_until is not None, "no page was open"
            assert self.now < open_until, "the page was too old"
            self.open_until = None
            self.account.on_page = True

    def is_impatient(self, pick: int) -> None:
        """Anything while the world thinks."""
        acts = (self.commands, self.errs, self.presses_what_is_not_there, self.blocks)
        any_of(acts, pick)(pick // 4)

    def blocks(self, pick: int) -> None:
        self.happens(i.Blocked())

    def surprises(self, pick: int) -> None:
        """One of the answers that are promised."""
        assert self.question is not None
        self.is_answered(self.made_up(any_of(answers_to(self.question), pick), pick))

    def hopes(self, pick: int) -> None:
        assert self.question is not None
        self.is_answered(self.made_up(answers_to(self.question)[0], pick))

    def made_up(self, answer: i.FromWorld, pick: int) -> i.FromWorld:
        """The answer with other numbers."""
        soon = self.now + timedelta(minutes=30)
        match answer:
            case i.CodeOnItsWay():
                return i.CodeOnItsWay(self.now, soon)
            case i.CodeBudgetSpent():
                return i.CodeBudgetSpent(soon)
            case i.CodeTooSoon():
                return i.CodeTooSoon(pick)
            case i.CodeWrong(left) | i.NameDiffers(left) if left:
                return type(answer)(1 + pick % 4)
            case i.PasswordHashed():
                self.made += 1
                return i.PasswordHashed(f"$argon2id${self.made}")
            case i.Invited():
                return i.Invited("Martin", any_of(("Marie", "Jean-Luc"), pick))
            case i.GuardianMatched():
                return self.a_family(pick)
        return answer

    def a_family(self, pick: int) -> i.GuardianMatched:
        """0 to 12 children, seldom many; families overlap."""
        number, first = any_of((1, 2, 1, 3, 2, 1, 3, 12, 2, 0), pick), pick // 10 % 3
        children = tuple(
            i.ChildKnown(pupil, f"Enfant{pupil}", "D", "Collège Jean-Moulin, Saint-Denis")
            for pupil in range(first, first + number)
        )
        avoid = ("Martin", f"{BIRTH_YEAR}-02-01")
        return i.GuardianMatched((1 + pick % 2, 3), children, avoid)

    def is_answered(self, answer: i.FromWorld) -> None:
        question = self.question
        assert question is not None
        self.question = None
        self.account.hears(question, answer, self.now)
        self.happens(answer)

    def hears_a_late_answer(self, pick: int) -> None:
        """One that nobody waits for changes nothing; some are told at any time."""
        if self.is_overdue():
            return
        late = any_of(WORLD, pick)
        awaited = answers_to(self.question) if self.question else []
        if type(late) in map(type, awaited):
            return
        before = self.chat
        self.happens(late)
        if before.away:
            assert self.outputs == []
        elif isinstance(late, i.EraseFailed):
            assert self.said == ["password.not_erased"]
        elif isinstance(late, i.Unlocked) and self.said:
            assert "unlocked" in self.said
            assert (self.chat.locks, self.chat.locked_until) == (0, None)
        elif isinstance(late, i.SmsDelayed) and before.state in (S.CODE, S.NO_SMS):
            expires = before.code_expires_at
            due = expires is not None and self.now < expires and not before.told_late
            assert self.said == (["code.late"] if due else [])
        elif isinstance(late, i.SmsFailed) and before.state in (S.CODE, S.NO_SMS):
            told = [f"no_sms.{late.state}", "progress", "no_sms.ask"] if before.phone_known else []
            assert self.said == told
        elif isinstance(late, i.TextFailed) and before.state is S.DONE:
            assert (self.said[0], self.chat.texted) == ("done.text_failed", False)
        else:
            assert (self.chat, self.outputs) == (before, [])

    def time_passes(self, pick: int) -> None:
        self.now += any_of(LEAPS, pick)

    def waits(self, pick: int) -> None:
        """As long as it takes for something to happen by itself."""
        nudge, expires = self.chat.nudge_at(self.policy), self.chat.expires_at(self.policy)
        self.now = nudge or (expires if pick % 5 == 0 else None) or self.now
        self.time_comes(pick)

    def time_comes(self, pick: int) -> None:
        """The alarm rings: on time, late, or for nothing."""
        wake, before = self.chat.wake_at(self.policy), self.chat
        due = wake is not None and wake <= self.now
        self.happens(i.TimeCame())
        assert due or (self.chat, self.outputs) == (before, [])

    def types(self, text: str) -> None:
        self.typed += f" {text}"
        self.happens(said(text, message="17"))

    # ---- what must hold ----------------------------------------------------------------------

    def happens(self, happened: i.Input) -> None:
        """Let it happen, and look at everything."""
        was, late, hidden = self.chat, self.is_overdue(), self.is_hidden()
        Walk.events += 1
        chat, self.outputs = step(was, happened, self.now, self.policy)
        assert was == Chat.from_dict(self.record), "the chat given was changed"
        record = json.dumps(chat.to_dict(), ensure_ascii=False)
        self.record = json.loads(record)
        self.chat = Chat.from_dict(self.record)
        assert self.chat == chat
        self.shown = [output.page for output in self.outputs if isinstance(output, o.Show)]
        self.said = [said.key for said in self.outputs if isinstance(said, o.Say)]
        self.keeps_its_numbers(was)
        self.keeps_locks(was, happened)
        self.keeps_nothing_too_long()
        self.asks_the_world(was, happened)
        self.answers_the_parent(was, happened, ended=late or was.state in ENDED)
        self.refuses_for_one_cause()
        self.is_silent_while_blocked(was, happened, late)
        self.erases_passwords(happened, hidden)
        self.shows_no_secret(record)
        self.speaks()
        self.last = happened if isinstance(happened, i.Pressed) else None

    def is_overdue(self) -> bool:
        expires = self.chat.expires_at(self.policy)
        return expires is not None and expires <= self.now

    def is_hidden(self) -> bool:
        return self.chat.state in (S.PASSWORD, S.PASSWORD_AGAIN)

    def keeps_its_numbers(self, was: Chat) -> None:
        assert self.chat.asked >= was.asked
        if self.chat.state is not was.state:
            assert self.chat.asked > was.asked

    def keeps_locks(self, was: Chat, happened: i.Input) -> None:
        """Only an account or an operator lifts a lock before its time; a lock ends a proof."""
        chat = self.chat
        if isinstance(happened, i.Unlocked):
            return
        if not chat.identifier:
            assert (chat.locks, chat.burnt) >= (was.locks, was.burnt)
            assert chat.burnt >= was.burnt
            assert was.locked_until is None or chat.locked_until is not None
        if was.state is S.LOCKED and was.locked_until and self.now < was.locked_until:
            assert chat.state is S.LOCKED or isinstance(happened, i.TimeCame)
        if chat.state is S.LOCKED:
            assert chat.proved_at is None
            assert chat.locked_until is not None

    def keeps_nothing_too_long(self) -> None:
        """What a parent said has an end, and at an end nothing is left of it (I18)."""
        chat = self.chat
        children = (chat.children, chat.guardians, chat.avoid, chat.pending, chat.pending_date)
        answers = (chat.last, chat.first, chat.digest, *children)
        if chat.state in ENDED + CLOSED and chat.state is not S.PUPIL:
            assert not any(answers)
            assert not chat.phone or chat.state in (S.DONE, S.ALREADY)
        if chat.state in ENDED:
            assert not chat.identifier
        if chat.state not in WAITING and (any(answers) or chat.phone):
            assert chat.expires_at(self.policy) is not None

    def asks_the_world(self, was: Chat, happened: i.Input) -> None:
        """At most one question at a time, and only those that are allowed now."""
        asked = [output for output in self.outputs if isinstance(output, get_args(o.Question))]
        assert len(asked) <= (self.question is None)
        self.question = asked[0] if asked else self.question
        assert (self.chat.state in WAITING) == (self.question is not None)
        for output in self.outputs:
            match output:
                case o.RequestCode():
                    assert wants_a_code(was, happened)
                case o.LookUpNumber(phone):
                    assert happened in (
                        i.SharedContact(phone, True),
                        i.SharedContact(phone[1:], True),
                    )
                case o.HashPassword() | o.ComparePassword():
                    self.account.on_page = False
                    if self.policy.password_page:
                        assert isinstance(happened, i.PageFilled), "a password of the chat"
                        assert self.filled_well, "not a good password, twice, on the newest page"
                    assert self.account.proved_at is not None
                    assert self.now - self.account.proved_at <= self.policy.proof_validity
                case o.TellSchool("not_mine", pupil):
                    self.account.confirmed.discard(pupil)
                    self.account.not_mine.add(pupil)
                case o.OpenAccount():
                    self.account.allows(output, self.policy.strict_children)
        over = self.chat.state in ENDED + CLOSED or (self.chat.state, self.chat.last) == (
            S.PROFILE,
            "",
        )
        if over:
            self.account = Account()
        if self.chat.state is S.LOCKED or "password.prove_again" in self.said:
            self.account.phone, self.account.proved_at = "", None

    def answers_the_parent(self, was: Chat, happened: i.Input, ended: bool) -> None:
        """Whatever is done gets an answer, and a question is asked again (promise 7).

        But for a second tap on a button that moved the conversation on, and for a change to an old
        message when all is over.
        """
        if isinstance(happened, i.FromPage):  # the page gets one answer, or is of no use
            assert len(self.shown) <= 1
            assert not self.said or self.chat.state is not was.state
            return
        assert not self.shown
        if not isinstance(happened, i.FromParent):
            return
        if isinstance(happened, i.Pressed):
            moved_on = ended or happened.asked != was.asked
            if moved_on and was.pressed == (happened.asked, happened.choice):
                return
        if ended and isinstance(happened, i.Edited):
            return
        assert self.said or self.question
        if self.chat.state in QUESTIONS:
            ask = next(part for part in reversed(self.outputs) if isinstance(part, o.Ask))
            assert (ask.asked, ask.choices) == (self.chat.asked, offered(self.chat))

    def is_silent_while_blocked(self, was: Chat, happened: i.Input, late: bool) -> None:
        """Nothing unasked reaches who blocked the bot, and their answers expire as they would."""
        if isinstance(happened, i.FromParent):
            assert not self.chat.away
        elif was.away or isinstance(happened, i.Blocked):
            assert self.chat.away
            assert self.said == []
        if isinstance(happened, i.Blocked) and not late:
            assert self.chat == replace(was, away=True)
            assert self.outputs == []

    def refuses_for_one_cause(self) -> None:
        """A turn refuses once at most, and says so; nothing is asked of the world beside it."""
        causes = [output.cause for output in self.outputs if isinstance(output, o.Refusal)]
        assert len(causes) <= 1
        asked = [output for output in self.outputs if isinstance(output, get_args(o.Question))]
        assert not causes or ((self.said or self.shown) and not asked)

    def erases_passwords(self, happened: i.Input, hidden: bool) -> None:
        """What was typed where a password was expected goes away; nothing else does."""
        erased = [output.message for output in self.outputs if isinstance(output, o.Erase)]
        assert erased in ([], ["17"])
        if hidden and isinstance(happened, i.Said | i.Edited) and happened.message:
            assert erased or happened.text not in PASSWORDS
        if erased:
            assert isinstance(happened, i.Said | i.Edited)

    def shows_no_secret(self, record: str) -> None:
        """I9, I14: canaries are in nothing that is stored or shown."""
        shown = record + repr(self.outputs)
        for canary in (*PASSWORDS, *CODES):
            assert canary not in shown

    def speaks(self) -> None:
        """What is said is one message in one language, that its buttons agree with."""
        reply = self.renderer.reply(self.outputs, self.chat.lang, self.now)
        if reply is None:
            return
        lang = self.chat.lang or "fr"
        assert self.chat.lang or self.chat.state in (*ENDED, S.LANGUAGE), "in which language?"
        assert reply.lang == lang
        assert len(reply.text) <= 4096
        if self.chat.lang:  # until then everything is said in both
            assert [piece for piece in foreign(lang) if piece in reply.text] == []
        labels = {button.label for button in reply.buttons} | {
            reply.contact,
            reply.copy,
            reply.page,
        }
        assert max(map(len, labels)) <= 24
        ask = next((part for part in reversed(self.outputs) if isinstance(part, o.Ask)), None)
        if ask is not None:
            assert "help" in ask.choices or ask.question in INTERRUPTIONS
            self.reply = reply
            named = set(re.findall(r"[«“]\s?([^»”]*?)\s?[»”]", reply.text)) & button_words(lang)
            assert named <= labels | {self.chat.last, self.chat.first}, "no such button below"
        digits = re.sub(r"\D", "", reply.text)
        if ask is None or ask.question != "check":
            assert not any(phone[-8:] in digits for phone in PHONES)
        if re.search(BIRTH_YEAR, reply.text):
            assert any(day in self.typed for day in BIRTH_DATES)


def wants_a_code(was: Chat, happened: i.Input) -> bool:
    """Only a yes at CHECK, or the wish for another code, may send one."""
    word = {S.CHECK: "yes", S.CODE: "resend", S.NO_SMS: "resend"}.get(was.state, "")
    match happened:
        case i.Pressed(choice):
            return choice == word
        case i.Said(text, means=means):
            return word in means or text.isdigit()
    return False


# ---- roads that a walk seldom finds ----------------------------------------------------------


def a_walk(to: S, strict: bool = False, page: bool = False) -> Walk:
    """Someone with two children, who arrived there without a detour."""
    walk = Walk()
    walk.begins("fr", strict, page, 0, 0)
    while walk.chat.state is not to:
        if isinstance(walk.question, o.MatchGuardian):
            walk.is_answered(i.GuardianMatched((1,), (LEA, TOM), ()))
        else:
            walk.goes_on(0)
    return walk


def says(walk: Walk, *texts: str) -> Walk:
    """Types one after the other; the world answers as hoped."""
    for text in texts:
        walk.types(text)
        while walk.question and not isinstance(walk.question, o.OpenAccount):
            walk.hopes(0)
    return walk


def test_the_roads_are_roads() -> None:
    walk = says(a_walk(S.RECAP), "activer")
    assert walk.question == o.OpenAccount(
        *((1,), (1, 2), "Martin", "Marie", PHONES[0], walk.account.digest)
    )


def test_a_new_password_counts_only_when_it_was_typed_twice() -> None:
    """RECAP, another password, back instead of typing it again."""
    walk = says(a_walk(S.RECAP), "corriger", "mot de passe", PASSWORDS[1])
    says(walk, "/retour", "/retour", "activer")


def test_two_different_passwords_are_none() -> None:
    walk = says(a_walk(S.RECAP), "corriger", "mot de passe", PASSWORDS[1])
    walk.types(PASSWORDS[2])
    walk.is_answered(i.PasswordCompared(False))
    says(walk, "/retour", "activer")


def test_a_parent_without_children_goes_back_to_no_account() -> None:
    """Both children are taken off the list, the second time round."""
    walk = says(a_walk(S.CHILD), "oui", "14/03/2014", "non", "oui")
    says(walk, "corriger", "enfants", "non", "oui", "/retour", "/retour", "/retour", "activer")


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("children", [(TOM,), (LEA, TOM, replace(TOM, pupil=3))])
def test_a_new_proof_asks_about_new_children(
    strict: bool, children: tuple[i.ChildKnown, ...]
) -> None:
    """The proof was too old, and meanwhile the register has other children."""
    walk = says(a_walk(S.CHILD, strict), "oui", "14/03/2014", "non", "oui")
    says(walk, "corriger", "mot de passe")
    walk.now += timedelta(minutes=62)
    says(walk, PASSWORDS[0], NUMBERS[1], "oui")
    walk.types(CODES[0])
    walk.hopes(0)
    walk.is_answered(i.GuardianMatched((2,), children, ()))
    says(walk, PASSWORDS[1], PASSWORDS[1], "activer")


def test_the_school_is_strict_about_a_brother_who_came_later() -> None:
    """Strict: his birthdate is not found, and his sister's, confirmed before, is not enough."""
    walk = a_walk(S.MATCHING, strict=True)
    walk.is_answered(i.GuardianMatched((1,), (TOM,), ()))
    says(walk, *[PASSWORDS[0]] * 2, "oui", "14/03/2014", "corriger", "mot de passe")
    walk.now += timedelta(minutes=62)
    says(walk, PASSWORDS[0], "oui")
    walk.types(CODES[0])
    walk.hopes(0)
    walk.is_answered(i.GuardianMatched((1,), (LEA, TOM), ()))
    says(walk, *[PASSWORDS[0]] * 2, "oui")
    walk.types("15/03/2014")
    walk.is_answered(i.BirthdateWrong(0))
    assert says(walk, "oui").chat.state is S.REFUSED


def test_the_second_code_that_is_burnt_brings_a_pause() -> None:
    walk = a_walk(S.CHECKING)
    walk.is_answered(i.CodeWrong(0))
    says(walk, "renvoyer").types(CODES[1])
    walk.is_answered(i.CodeWrong(0))
    assert says(walk, "/humain", "/langue").chat.state is S.LOCKED
    walk.now += timedelta(minutes=16)
    assert says(walk, "bonjour").chat.state is S.CHECK


@pytest.mark.parametrize("names", [("Martin", "Martin", "oui"), ("DUPONT Marie", "oui")])
def test_a_name_is_mended(names: tuple[str, ...]) -> None:
    """Before the code was asked for, and after it was right."""
    walk = a_walk(S.CHECK)
    assert says(walk, "nom", *names).chat.state is S.CHECK
    says(walk, "oui").types(CODES[0])
    walk.hopes(0)
    walk.is_answered(i.NameDiffers(1))
    assert says(walk, *names).chat.state is S.PASSWORD


def test_a_family_without_children_is_told_so() -> None:
    walk = a_walk(S.CODE)
    walk.types(CODES[0])
    walk.hopes(0)
    walk.is_answered(i.GuardianMatched((1,), (), ()))
    says(walk, "?", PASSWORDS[0], PASSWORDS[0], "oui", "non")


def test_a_password_is_erased_even_after_a_long_silence() -> None:
    walk = a_walk(S.PASSWORD)
    walk.now += timedelta(days=8)
    walk.types(PASSWORDS[0])


@pytest.mark.parametrize("name", ["/annuler", "/effacer", "/start"])
def test_help_that_nobody_asked_for_comes_with_its_button(name: str) -> None:
    walk = says(a_walk(S.CODE), name)
    walk.waits(0)
    assert walk.said == ["code.nudge"]


def test_a_pause_outlives_what_is_erased() -> None:
    """The world answers late: the pause has just begun when the answers' time is over."""
    walk = a_walk(S.CHECKING)
    walk.is_answered(i.CodeWrong(0))
    says(walk, "renvoyer").types(CODES[1])
    walk.now += timedelta(days=8)
    walk.is_answered(i.CodeWrong(0))
    says(walk, "bonjour", "/start", "/effacer", "/start")
    assert walk.chat.state is S.LOCKED


def test_who_was_unlocked_begins_anew() -> None:
    """The next pause is as short as the first, and needs as many wrong codes."""
    for typed, state in (((), S.CHECK), (("/effacer",), S.PROFILE)):
        walk = a_walk(S.CHECKING)
        walk.is_answered(i.CodeWrong(0))
        says(walk, "renvoyer").types(CODES[1])
        walk.is_answered(i.CodeWrong(0))
        says(walk, *typed)
        assert walk.chat.state is S.LOCKED
        walk.happens(i.Unlocked())
        assert "unlocked" in walk.said
        assert (walk.chat.state, walk.chat.locked_until) == (state, None)
        assert (walk.chat.locks, walk.chat.burnt) == (0, 0)


def test_an_identifier_that_did_not_leave_can_be_sent_again() -> None:
    walk = a_walk(S.DONE)
    says(walk, "par sms")
    assert walk.chat.texted
    walk.happens(i.TextFailed())
    assert (walk.said[0], walk.chat.texted) == ("done.text_failed", False)


def test_late_sms_are_told_once() -> None:
    walk = a_walk(S.CODE)
    walk.happens(i.SmsDelayed())
    assert walk.said == ["code.late"]
    walk.happens(i.SmsDelayed())
    assert walk.said == []


def test_a_password_is_changed_on_the_page() -> None:
    walk = says(a_walk(S.RECAP, page=True), "corriger", "mot de passe")
    before = walk.account.digest
    walk.opens_a_page(0)
    walk.fills_a_page(6)
    walk.hopes(0)
    assert walk.chat.state is S.RECAP
    assert walk.account.digest == walk.chat.digest != before
    says(walk, "activer")


def test_the_page_comes_while_the_password_is_typed_for_the_second_time() -> None:
    """The page was switched on between the two."""
    walk = says(a_walk(S.PASSWORD), PASSWORDS[0])
    walk.policy = replace(walk.policy, password_page=True)
    walk.opens_a_page(0)
    walk.fills_a_page(12)  # "abc"
    assert walk.shown == [o.Page.AGAIN]
    walk.fills_a_page(3)
    walk.hopes(0)
    assert walk.chat.state is S.CHILD


def test_a_proof_grows_old_while_the_page_is_open() -> None:
    walk = a_walk(S.PASSWORD, page=True)
    walk.now += timedelta(minutes=31)
    walk.opens_a_page(0)
    assert (walk.chat.state, walk.shown) == (S.CHECK, [])


def test_nobody_starts_again_without_a_language() -> None:
    walk = Walk()
    walk.begins(None, False, False, 1, 0)
    says(walk, "/start", "recommencer")
    assert walk.chat.state is S.LANGUAGE


def test_no_and_a_date_is_not_yes() -> None:
    walk = a_walk(S.CHILD)
    walk.types("non 14/03/2014")
    assert not isinstance(walk.question, o.CheckBirthdate)


def test_who_blocked_the_bot_is_asked_where_they_left() -> None:
    """ "Restart" says /start; what was typed for a password is erased, and that is not."""
    for state in (S.CODE, S.PASSWORD, S.RECAP, S.DONE):
        walk = a_walk(state)
        walk.happens(i.Blocked())
        for happened in (i.Unlocked(), i.SmsDelayed(), i.TextFailed(), i.TimeCame()):
            walk.happens(happened)
            assert walk.said == []
        walk.types("/start")
        assert walk.said[0] == "welcome_back"
        assert f"{state.value}.ask" in walk.said
        assert walk.chat.state is state
        assert not [one for one in walk.outputs if isinstance(one, o.Erase)]
        walk.types("/start")  # a wish, this time
        assert walk.said[0] != "welcome_back"


def test_help_is_not_offered_to_who_blocked_the_bot() -> None:
    walk = a_walk(S.CODE)
    due = walk.chat.nudge_at(walk.policy)
    expires = walk.chat.expires_at(walk.policy)
    assert due is not None
    walk.happens(i.Blocked())
    assert walk.chat.nudge_at(walk.policy) is None
    assert walk.chat.wake_at(walk.policy) == walk.chat.expires_at(walk.policy) == expires
    walk.now = due
    walk.types("/aide")  # back without a word to begin with
    assert walk.chat.nudge_at(walk.policy) == due


def test_answers_of_who_blocked_the_bot_expire() -> None:
    walk = a_walk(S.CHECK)
    expires = walk.chat.expires_at(walk.policy)
    assert expires is not None
    walk.happens(i.Blocked())
    walk.now = expires
    walk.happens(i.TimeCame())
    assert (walk.chat.state, walk.chat.last, walk.chat.away) == (S.EXPIRED, "", True)
    walk.types("/start")
    assert walk.said[0] == "expired"


# ---- the walks -------------------------------------------------------------------------------


@contextmanager
def rows_counted() -> Iterator[None]:
    """Note which rows of the table act."""
    fire, table = stepping.fire, ways()

    def fire_and_count(turn: AccountTurn, word: str) -> None:
        for row in table[turn.state, word]:
            if row[2] is None or getattr(turn, row[2])():
                Walk.fired[row] += 1
                break
        fire(turn, word)

    stepping.fire = fire_and_count
    try:
        yield
    finally:
        stepping.fire = fire


def walk(examples: int, steps: int) -> int:
    """Walk so many conversations of so many steps; how many events there were."""
    Walk.events = 0
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
        ),
    )
    print(f"{Walk.events} events")
    return Walk.events


def test_nothing_a_parent_does_breaks_what_must_hold() -> None:
    assert walk(examples=200, steps=60) >= 15_000


@pytest.mark.long
def test_nothing_that_many_parents_do_breaks_what_must_hold() -> None:
    """The same at length; between them they go through every row of the table."""
    Walk.fired.clear()
    with rows_counted():
        test_the_school_is_strict_about_a_brother_who_came_later()  # seldom come by
        test_the_second_code_that_is_burnt_brings_a_pause()
        test_a_name_is_mended(("Martin", "Martin", "oui"))
        test_a_name_is_mended(("DUPONT Marie", "oui"))
        test_who_was_unlocked_begins_anew()
        test_late_sms_are_told_once()
        test_an_identifier_that_did_not_leave_can_be_sent_again()
        test_a_password_is_changed_on_the_page()
        test_the_page_comes_while_the_password_is_typed_for_the_second_time()
        test_a_proof_grows_old_while_the_page_is_open()
        assert walk(examples=2_000, steps=100) >= 200_000
    missed = [row for row in FLOW if not any(Walk.fired[one] for one in lines([row]))]
    assert missed == []
