"""Parents who do anything at all, in any order: what must hold after every single event.

The machine below does not know the table. It keeps its own account of what was proved, confirmed
and typed, and compares.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from inspect import signature
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
from flows.hearing import offered, word_of
from flows.policy import DEFAULT, Policy
from flows.states import S
from flows.step import step
from flows.table import CLOSED, COMMANDS, ENDED, FLOW, INTERRUPTIONS, QUESTIONS, WAITING
from flows.waking import remind_at, wake_at, zone_of
from tests.flows.hostile import any_text
from tests.flows.samples import LEA, NOW, TOM, WORLD, Line, answers_to, lines, ways

# ---- what is typed ---------------------------------------------------------------------------

PASSWORDS = ("Velo-Rouge-42!", "Lampe_Verte_77?", "Nuage#Orange8", "/Carotte&Bleue9")
CODES = ("918273", "564738")
LETTERS = ("AB2D-EF3H-JK4N", "qr5s tu6v wx7y")
"""Canaries: typed only where they are asked for, and to be seen nowhere."""

ADDRESSES = ("canari.un@exemple.fr", "canari.deux@gmial.com")
IDENTIFIERS = ("k.canari", "k.canari2")
THEIRS = ("Comptine", "Comptoir")  # first names of children that only an account knows
"""Canaries as well: shown only where an account was opened by a fresh proof."""

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
    S.MENU: ("activer mon compte", "activate my account", "1", "1", "2", "3", "4", "5"),
    S.LETTER: LETTERS,
    S.WHICH_ACCOUNT: (NUMBERS[0], "m.martin", NUMBERS[2], "M. Martin 2"),
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
    S.DONE: ("1", "2", "3", "3", "4"),
    S.ALREADY: ("1", "2", "3", "3", "4", "5"),
    S.NO_ACCOUNT: ("1",),
    S.OTHER_PHONE: ("1", "2"),
    S.FROZEN: ("1",),
    S.REOPEN: ("1",),
    S.NOT_RECOVERED: ("1", "2"),
    S.NOT_ME: ("oui", "yes", "no"),
    S.PROVE: ("1",),
    S.MANAGE: ("2", "3", "4", "5", "6", "7", "8", "1"),
    S.NEW_PHONE: (NUMBERS[1], NUMBERS[3], *NUMBERS),
    S.TELL_PHONE: ("oui", "no"),
    S.EMAIL: ADDRESSES,
    S.EMAIL_TYPO: ("oui", "no", *ADDRESSES),
    S.EMAIL_CODE: CODES,
    S.MY_CHILDREN: ("1", "2"),
    S.CHILD_SCHOOL: ("Collège Jean-Moulin", "0750001U"),
    S.CHILD_NAME: ("Ève", "Jean-Luc"),
    S.WRONG_CHILD: ("non", "oui"),
    S.WRONG_CHILD_SURE: ("oui", "no"),
    S.SIGN_INS: ("1",),
    S.MY_DATA: ("1",),
    S.FORGET_ME: ("no", "oui"),
    S.CLOSE: ("1",),
    S.NOT_LEGAL: ("recommencer",),
    S.NO_CHILD: ("recommencer",),
    S.REFUSED: ("recommencer",),
}
"""What helps a parent on."""

COMMANDS_TYPED = (
    *("/retour", "/back", "/annuler", "/cancel", "/aide", "/help", "/langue", "/language"),
    *("/statut", "/status", "/humain", "/human", "/effacer", "/erase", "/recommencer", "/start"),
    *("/francais", "/french", "/anglais", "/english", "← Retour", "back", "?", "stop", "aide"),
    *("/confidentialite", "/privacy"),
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
    *("NON", "c'est normal", f"NON {LETTERS[0]}", "m.martin", "0750001U"),
    *(*NUMBERS, *LAST_NAMES, *DATES),
)
LEAPS = (
    *(timedelta(seconds=1), timedelta(seconds=91), timedelta(minutes=5), timedelta(minutes=16)),
    *(timedelta(minutes=31), timedelta(minutes=62), timedelta(hours=-1), timedelta(hours=2)),
    *(timedelta(hours=5), timedelta(hours=25), timedelta(days=-2), timedelta(days=8)),
)
FORGED = (
    *("code_right", "account_opened", "activate_now", "erase_all", "restart", "", "yes", "back"),
    *("change_phone", "new_password", "my_data", "close_now", "object", "password_set"),
)

PARENT = (
    *(*["answers"] * 8, *["presses"] * 8, "interrupts", "commands", "commands", "errs", "errs"),
    *("presses_what_is_not_there", "taps_again", "shares_a_contact", "does_something_else"),
    *("hears_a_late_answer", "time_passes", "time_comes", "waits", "opens_a_page", "fills_a_page"),
    *("hears_a_late_answer", "hears_of_an_objection"),
)
WORLDLY = (
    *(*["hopes"] * 8, *["surprises"] * 8, "is_impatient", "hears_of_an_objection"),
    *("hears_a_late_answer", "time_passes", "time_comes"),
)
"""What may happen next, the likely more than once; while the world is asked, less."""

picks = st.integers(0, 5039)  # 7!: each choice of a few is as likely as any other

T = TypeVar("T")


WITH_ACCOUNT = (S.DONE, S.ALREADY, S.FROZEN, S.REOPEN)
"""Ends at which the conversation knows an account."""


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
    """What an account may be opened, shown and changed on, from the world's answers alone."""

    phone: str = ""  # proved by its code
    login: str = ""  # the number of this identifier was
    proved_at: datetime | None = None
    letter: bool = False  # of the school: it served
    guardians: tuple[int, ...] = ()
    pupils: frozenset[int] = frozenset()
    confirmed: set[int] = field(default_factory=set)
    not_mine: set[int] = field(default_factory=set)
    digest: str = ""  # of a password that was typed twice
    on_page: bool = False  # the password that is being hashed was, on a page

    identifier: str = ""  # of an account that exists, and is open in this conversation
    status: str = ""
    behind_letter: str = ""  # the identifier that the letter leads to
    because: str = ""  # of the code asked for last
    new_phone: str = ""  # its code came back
    email: str = ""  # its code came back
    found: int = 0  # the child to add
    dated: int = 0  # the child whose birthdate was right last
    is_parent: bool = False  # a birthdate was right since the account was opened here

    def hears(self, question: o.Question, answer: i.FromWorld, now: datetime) -> None:
        """Take note of an answer."""
        match question, answer:
            case o.CheckCode(phone), i.CodeRight() if self.because == "change":
                self.new_phone = phone
            case o.CheckCode(phone, _, login), i.CodeRight():
                self.phone, self.login, self.proved_at = phone, login, now
            case _, i.LetterRight():
                self.letter = True
            case _, i.Invited():
                self.letter = False
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
                self.dated, self.is_parent = pupil, True
            case o.CheckBirthdate(pupil), i.BirthdateWrong(0):
                self.confirmed.discard(pupil)
            case _:
                self.hears_of_the_account(question, answer, now)

    def hears_of_the_account(
        self, question: o.Question, answer: i.FromWorld, now: datetime
    ) -> None:
        match question, answer:
            case o.MatchGuardian(), i.AccountExists(identifier, status) if self.letter:
                self.behind_letter = "" if status == "frozen" else identifier
                self.pupils = frozenset(child.pupil for child in answer.children)
                self.confirmed, self.not_mine = set(), set()
                if status == "frozen":
                    self.identifier, self.status = identifier, status
            case _, i.AccountExists(identifier, status):
                self.is_parent = self.is_parent and identifier == self.identifier
                self.identifier, self.status = ("" if status == "moved" else identifier), status
                self.pupils = frozenset(child.pupil for child in answer.children)
            case _, i.AccountOpened(identifier):
                self.identifier, self.status = identifier, "open"
            case o.FindChild(), i.ChildFound(child):
                self.found = child.pupil
            case o.CheckEmailCode(email), i.CodeRight():
                self.email = email
            case _, i.AccountChanged(what):
                self.changed(question, what, now)

    def changed(self, question: o.Question, what: str, now: datetime) -> None:
        match question, what:
            case o.ChangePhone(identifier, phone), "phone_changed":
                self.identifier, self.status, self.behind_letter = identifier, "open", ""
                self.phone, self.login, self.proved_at, self.letter = phone, "", now, False
            case o.AddChild(_, pupil), "child_added":
                self.pupils |= {pupil}
            case _, "account_reopened":
                self.status = "open"
            case _, "account_frozen" | "account_closed":
                self.status = what.removeprefix("account_")

    def allows(self, opened: o.OpenAccount, strict: bool) -> None:
        """I11: a proved number, a password typed twice, a child confirmed by its birthdate."""
        assert self.phone == opened.phone, "the number was not proved"
        assert self.digest == opened.digest != "", "the password was not confirmed"
        assert self.guardians == opened.guardians
        assert set(opened.confirmed) == self.confirmed & self.pupils != set(), "no child confirmed"
        if strict:
            assert self.pupils <= self.confirmed | self.not_mine, "a child is missing"
        if self.letter:
            assert self.pupils <= self.confirmed, "a letter is good for all children or none"

    def is_fresh(self, at: datetime, limit: timedelta) -> bool:
        """Whether the number was proved so little before."""
        return self.proved_at is not None and at - self.proved_at <= limit

    def allows_to_ask(self, question: o.Question, acted_at: datetime, policy: Policy) -> None:
        """What shows or changes an account: its own number was proved, and lately."""
        fresh = self.is_fresh(acted_at, policy.proof_shows)
        match question:
            case o.ReadAccount("", login, phone):
                assert fresh, "an account is looked for without a proof"
                assert login == self.login if login else phone == self.phone, "another number"
            case o.ChangePhone(identifier, phone) if identifier == self.behind_letter:
                assert self.letter, "no letter"
                assert phone == self.phone, "the number was not proved"
                assert self.pupils, "no child to prove it by"
                assert self.pupils <= self.confirmed, "a child was not confirmed"
            case o.SetPassword(identifier, digest):
                assert identifier == self.identifier, "another account"
                assert self.is_parent, "no birthdate was right"
                assert self.status == "open"
                assert self.digest == digest != "", "the password was not confirmed"
                assert self.is_fresh(acted_at, policy.proof_validity)
            case o.ChangePhone(identifier, phone):
                assert identifier == self.identifier, "another account"
                assert self.status == "open"
                assert phone == self.new_phone, "the new number was not proved"
                assert self.is_fresh(acted_at, policy.proof_validity), "the old one: too long ago"
            case o.ListServices(identifier):
                assert identifier == self.identifier, "another account"
                assert self.status == "open"
            case o.ReopenAccount(identifier):
                assert fresh, "the proof is too old"
                assert identifier == self.identifier, "another account"
                assert self.status == "closed"
            case _ if hasattr(question, "identifier"):
                assert fresh, "the proof is too old"
                assert question.identifier == self.identifier != "", "another account"
                assert self.status == "open" or isinstance(question, o.ReadAccount)
        self.allows_its_details(question)

    def allows_its_details(self, question: o.Question) -> None:
        match question:
            case o.ChangeEmail(_, email):
                assert email == self.email, "the address was not proved"
            case o.AddChild(_, pupil):
                assert pupil == self.found == self.dated, "the birthdate was not right"
            case o.DropChild(_, pupil):
                assert pupil in self.pupils

    def closes(self) -> "Account":
        """What is left of it at an end, where an account is."""
        return Account(
            phone=self.phone,
            proved_at=self.proved_at,
            identifier=self.identifier,
            status=self.status,
            is_parent=self.is_parent,
        )


class Walk(RuleBasedStateMachine):
    """One conversation."""

    events: ClassVar[int] = 0
    fired: ClassVar[Counter[Line]] = Counter()

    @initialize(
        lang=st.sampled_from(["fr", "en", None]),
        strict=st.booleans(),
        page=st.booleans(),
        email=st.booleans(),
        ahead=st.integers(0, 60),
        pick=picks,
    )
    def begins(
        self, lang: str | None, strict: bool, page: bool, ahead: int, pick: int, email: bool = True
    ) -> None:
        """A parent to whom all goes well for a while."""
        self.chat = Chat(lang=lang)
        self.record = self.chat.to_dict()
        self.now = NOW
        self.policy = replace(DEFAULT, strict_children=strict, password_page=page, email=email)
        self.renderer = Renderer(UTC)
        self.question: o.Question | None = None
        self.objections: list[o.Object] = []  # asked beside it
        self.acted_at = NOW  # when the parent did something last
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
        answers = answers_to(self.question)
        if isinstance(self.question, o.MatchGuardian) and self.chat.goal:
            answers = [answer for answer in answers if isinstance(answer, i.AccountExists)]
        self.is_answered(self.made_up(answers[0], pick))

    def hears_of_an_objection(self, pick: int) -> None:
        """The world answers it beside everything else."""
        if self.objections:
            self.objections.pop()
            self.happens(i.Objected() if pick % 2 else i.NotObjected())
            assert self.chat.away or self.said

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
            case i.LetterRight():
                return i.LetterRight("Martin", any_of(("Marie", "Jean-Luc"), pick))
            case i.GuardianMatched():
                return self.a_family(pick)
            case i.AccountExists(_, status):
                return self.an_account(status, pick)
            case i.AccountOpened():
                return i.AccountOpened(any_of(IDENTIFIERS, pick))
            case i.AccountChanged("account_closed"):
                return replace(answer, until=self.now + timedelta(days=30))
            case i.ChildFound():
                return i.ChildFound(a_child(20 + pick % 2, any_of(THEIRS, pick)))
            case i.SignedOut(_, why):
                return i.SignedOut(any_of((self.chat.identifier, "p.dupont"), pick), why)
            case i.Noticed(_, about):
                return i.Noticed(f"notice-{pick}", about, "Noé")
        return answer

    def an_account(self, status: str, pick: int) -> i.AccountExists:
        """As the world tells of it: of one with another number, nothing but two digits."""
        question = self.question
        identifier = getattr(question, "identifier", "") or any_of(IDENTIFIERS, pick)
        if status == "moved" and not getattr(question, "letter", False):
            return i.AccountExists("", status, last_digits="77")
        number = getattr(question, "phone", "") if status != "moved" else PHONES[3]
        count = any_of((2, 1, 2, 0), pick)
        return i.AccountExists(
            identifier,
            status,
            phone=number or any_of(PHONES, pick),
            guardians=(1 + pick % 2, 3),
            children=tuple(a_child(10 + n, THEIRS[n]) for n in range(count)),
            avoid=("Martin", f"{BIRTH_YEAR}-02-01"),
            email=any_of(("", "c•••@exemple.fr"), pick),
            until=self.now + timedelta(days=30) if status == "closed" else None,
            last_digits="77" if status == "moved" else "",
        )

    def a_family(self, pick: int) -> i.GuardianMatched:
        """0 to 12 children, seldom many; families overlap."""
        number, first = any_of((1, 2, 1, 3, 2, 1, 3, 12, 2, 0), pick), pick // 10 % 3
        children = tuple(a_child(n, f"Enfant{n}") for n in range(first, first + number))
        avoid = ("Martin", f"{BIRTH_YEAR}-02-01")
        return i.GuardianMatched((1 + pick % 2, 3), children, avoid)

    def is_answered(self, answer: i.FromWorld) -> None:
        question = self.question
        assert question is not None
        self.question = None
        self.account.hears(question, answer, self.now)
        if isinstance(answer, i.CodeRight) and self.account.proved_at == self.now:
            self.acted_at = self.now  # a clock may be set while the world thinks
        self.happens(answer)

    def hears_a_late_answer(self, pick: int) -> None:
        """One that nobody waits for changes nothing; some are told at any time."""
        if self.is_overdue():
            return
        late = self.made_up(any_of(WORLD, pick), pick)
        awaited = answers_to(self.question) if self.question else []
        if word_of(late) in map(word_of, awaited):
            return
        if self.chat.state is S.CHANGING and stepping.knows(S.CHANGING, word_of(late)):
            return  # one state waits for all changes: which one it is, storage knows
        before = self.chat
        signed_in = isinstance(late, i.SignedOut) and bool(before.identifier)
        signed_in = signed_in and getattr(late, "identifier", "") == before.identifier
        if signed_in:
            self.question = None
            self.account = Account()
        self.happens(late)
        if signed_in:
            assert self.chat.state in (S.STOPPED, S.LOCKED)
            assert before.away or self.said[0].startswith("signed_out.")
        elif isinstance(late, i.Noticed):
            assert self.chat.notice == late.notice
            assert self.chat.interruption == "notice"
            assert before.away or f"notice.{late.about}" in self.said
        elif before.away:
            assert self.outputs == []
        elif isinstance(late, i.Objected):
            assert "object.done" in self.said
        elif isinstance(late, i.NotObjected):
            assert "object.unknown" in self.said
        elif isinstance(late, i.Thawed):
            assert "thawed" in self.said
        elif isinstance(late, i.EmailFailed) and before.state is S.EMAIL_CODE:
            assert self.chat.state is S.EMAIL
        elif isinstance(late, i.AccountLate) and before.state in (S.OPENING, S.CHANGING):
            assert self.said == [] or self.chat.told_opening
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
            account = (
                before.letter or before.new_phone or before.identifier
            )  # it left, known or not
            told = [f"no_sms.{late.state}"] if before.phone_known or account else []
            assert self.said[:1] == told
        elif isinstance(late, i.TextFailed) and before.state is S.DONE:
            assert (self.said[0], self.chat.texted) == ("done.text_failed", False)
        else:
            assert (self.chat, self.outputs) == (before, [])

    def time_passes(self, pick: int) -> None:
        self.now += any_of(LEAPS, pick)

    def waits(self, pick: int) -> None:
        """As long as it takes for something to happen by itself."""
        nudge, expires = self.chat.nudge_at(self.policy), self.chat.expires_at(self.policy)
        remind = remind_at(self.chat, self.policy)
        self.now = nudge or (expires if pick % 5 == 0 else None) or remind or self.now
        self.time_comes(pick)

    def time_comes(self, pick: int) -> None:
        """The alarm rings: on time, late, or for nothing."""
        wake, before = wake_at(self.chat, self.policy), self.chat
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
        if isinstance(happened, i.FromParent) and was.state not in WAITING:
            self.acted_at = self.now
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
        self.reminds_once(was, happened)
        self.erases_passwords(happened, hidden)
        self.shows_no_secret(record)
        self.speaks(happened)
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
        account = (chat.login, chat.new_phone, chat.new_email, chat.child_school)
        answers = (chat.last, chat.first, chat.digest, *children, *account)
        if chat.state in ENDED + CLOSED and chat.state is not S.PUPIL:
            assert not any(answers)
            assert not (chat.phone or chat.email) or chat.state in WITH_ACCOUNT
        if chat.state in ENDED:
            assert not chat.identifier
        if chat.state not in WAITING and (any(answers) or chat.phone):
            assert chat.expires_at(self.policy) is not None

    def is_left(self, was: Chat, happened: i.Input) -> bool:
        """Who was told that an account service takes its time need not wait for it."""
        left = was.state in WAITING and self.chat.state is S.STOPPED
        if not (left and isinstance(happened, i.FromParent)):
            return False
        assert was.state in (S.OPENING, S.CHANGING)
        assert was.told_opening
        assert was.interruption in ("cancel", "erase"), "left without being asked"
        return True

    def asks_the_world(self, was: Chat, happened: i.Input) -> None:
        """At most one question at a time, and only those that are allowed now."""
        asked = [output for output in self.outputs if isinstance(output, get_args(o.Question))]
        objections = [output for output in asked if isinstance(output, o.Object)]
        asked = [output for output in asked if output not in objections]
        self.objections += objections
        assert len(objections) <= 1
        assert len(asked) <= (self.question is None)
        self.question = asked[0] if asked else self.question
        if self.is_left(was, happened):
            self.question = None
        assert (self.chat.state in WAITING) == (self.question is not None)
        for output in asked:
            self.account.allows_to_ask(output, self.acted_at, self.policy)
        for output in self.outputs:
            match output:
                case o.RequestCode(phone, _, _, login, because):
                    assert wants_a_code(was, happened)
                    self.asks_for_a_code(phone, login, because)
                case o.RequestEmailCode():
                    assert wants_a_code(was, happened)
                case o.Object(notice, code):
                    assert bool(notice) != bool(code)
                    assert notice in (was.notice, "")
                case o.TellOthers(identifier) | o.TextIdentifier(_, identifier):
                    assert identifier == self.account.identifier != ""
                    assert self.account.status in ("open", "closed")
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
        self.known = self.account  # of this turn: an end still tells of it
        if over:
            known = self.chat.state in WITH_ACCOUNT
            self.account = self.account.closes() if known else Account()
        self.account = replace(self.account)
        if not self.chat.identifier:  # what the conversation forgot, it may not use any more
            self.account.identifier = ""
        if self.chat.proved_at is None:
            self.account.proved_at = None
        if not self.chat.letter:
            self.account.letter = False
        if self.chat.state is S.LOCKED or "password.prove_again" in self.said:
            self.account.phone, self.account.proved_at = "", None

    def asks_for_a_code(self, phone: str, login: str, because: str) -> None:
        """For whom, and why a code leaves that the register would not send."""
        self.account.because = because
        assert bool(phone) != bool(login)
        match because:
            case "letter":
                assert self.account.letter, "no letter"
            case "change":
                assert self.account.identifier, "no account"
                fresh = self.account.is_fresh(self.acted_at, self.policy.proof_shows)
                assert fresh, "the proof is too old"
            case _:
                assert because == "known"

    def reminds_once(self, was: Chat, happened: i.Input) -> None:
        """After a silence in an activation, at a decent hour, silently, and never again."""
        if "interrupt.remind" not in self.said or isinstance(happened, i.FromParent):
            return
        assert isinstance(happened, i.TimeCame)
        assert (was.reminded, was.muted, was.away, was.goal) == (False, False, False, "")
        assert self.chat.reminded
        there = self.now.astimezone(zone_of(was, self.policy))
        assert self.policy.remind_from <= there.hour < self.policy.remind_until
        assert [ask.silent for ask in self.outputs if isinstance(ask, o.Ask)] == [True]

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
        objected = any(isinstance(output, o.Object) for output in self.outputs)
        assert self.said or self.question or objected
        if self.chat.state in QUESTIONS and not objected:
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
        for canary in (*PASSWORDS, *CODES, *LETTERS, "AB2DEF3HJK4N", "QR5STU6VWX7Y"):
            assert canary not in shown

    def shows_no_account(self, text: str, happened: i.Input) -> None:
        """Nothing of an account before its number is proved, after its end, or while frozen."""
        account = self.known
        for identifier in IDENTIFIERS:
            if re.search(rf"\b{re.escape(identifier)}\b", text):
                assert identifier == account.identifier, "an account is told of"
                assert account.status in ("open", "closed")
        if any(first in text for first in THEIRS):
            assert account.proved_at is not None, "its children are told of"
            assert account.status in ("open", "closed") or account.letter
        for address in ADDRESSES:
            if address in text:
                assert self.chat.state in (S.EMAIL_TYPO, S.EMAIL_CODE, S.SENDING_EMAIL)
        if "m.dupont@exemple.fr" in text:
            assert isinstance(happened, i.DataFound)

    def speaks(self, happened: i.Input) -> None:
        """What is said is one message in one language, that its buttons agree with."""
        reply = self.renderer.reply(self.outputs, self.chat.lang, self.now)
        if reply is None:
            return
        lang = self.chat.lang or "fr"
        unasked = isinstance(happened, i.Noticed | i.Objected | i.NotObjected | i.Thawed)
        known = self.chat.lang or self.chat.state in (*ENDED, S.LANGUAGE) or unasked
        assert known, "in which language?"
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
        self.shows_no_account(reply.text, happened)
        digits = re.sub(r"\D", "", reply.text)
        if (ask is None or ask.question != "check") and not isinstance(happened, i.DataFound):
            assert not any(phone[-8:] in digits for phone in PHONES)
        if re.search(BIRTH_YEAR, reply.text):
            assert any(day in self.typed for day in BIRTH_DATES)


def wants_a_code(was: Chat, happened: i.Input) -> bool:
    """Only a yes at CHECK, the wish for another code, or where it shall go, may send one."""
    words = {
        S.CHECK: ("yes",),
        S.CODE: ("resend",),
        S.NO_SMS: ("resend",),
        S.PROVE: ("send_code",),
        S.EMAIL_TYPO: ("yes", "no"),
        S.EMAIL_CODE: ("resend",),
    }.get(was.state, ())
    match happened:
        case i.Pressed(choice):
            return choice in words
        case i.Said(text, means=means):
            answers = was.state in (S.WHICH_ACCOUNT, S.NEW_PHONE, S.EMAIL, S.EMAIL_TYPO)
            return answers or text.isdigit() or bool(means & set(words))
        case i.SharedContact():
            return was.state in (S.WHICH_ACCOUNT, S.NEW_PHONE)
    return False


def a_child(pupil: int, first: str) -> i.ChildKnown:
    return i.ChildKnown(pupil, first, "D", "Collège Jean-Moulin, Saint-Denis", "0750001U")


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
    assert wake_at(walk.chat, walk.policy) == walk.chat.expires_at(walk.policy) == expires
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


# ---- the same about an account -----------------------------------------------------------------


def inside() -> Walk:
    """Somebody whose account was just opened, in "my account"."""
    walk = says(a_walk(S.RECAP), "activer")
    walk.hopes(0)
    return says(walk, "3")


def proves() -> Walk:
    """The same, of whom another proof is asked."""
    walk = says(inside(), "/retour")
    walk.now += timedelta(minutes=11)
    assert says(walk, "3").chat.state is S.PROVE
    return walk


def by_letter() -> Walk:
    """Somebody who came by a letter; the world looks whom it knows."""
    walk = says(a_walk(S.MENU), "2", LETTERS[0], "oui", NUMBERS[0], "oui")
    walk.types(CODES[0])
    walk.hopes(0)
    assert isinstance(walk.question, o.MatchGuardian)
    assert walk.question.letter
    return walk


def burns(walk: Walk) -> Walk:
    """Types wrong codes until there is a pause."""
    for _ in range(2):
        walk.types(CODES[0])
        walk.is_answered(i.CodeWrong(0))
        if walk.chat.state is S.CODE:
            says(walk, "renvoyer")
    assert walk.chat.state is S.LOCKED
    return walk


@pytest.mark.parametrize("status", ["open", "closed", "moved"])
def test_a_letter_alone_opens_no_account(status: str) -> None:
    """There is no child whose birthdate could be the proof."""
    walk = by_letter()
    walk.is_answered(replace(walk.an_account(status, 0), children=()))
    assert walk.chat.state is S.NOT_RECOVERED
    assert not walk.chat.identifier


@pytest.mark.parametrize("status", ["open", "closed", "moved"])
def test_a_letter_and_all_birthdates_change_the_number(status: str) -> None:
    walk = by_letter()
    walk.is_answered(walk.an_account(status, 0))
    says(walk, "oui 14/03/2014", "/retour", "/retour", "oui")
    assert not walk.chat.identifier
    walk.types("oui 15/03/2014")
    walk.hopes(0)
    assert isinstance(walk.question, o.ChangePhone)
    assert says(walk, "bonjour").chat.state is S.MANAGE


def test_one_birthdate_of_two_is_not_enough_for_a_letter() -> None:
    walk = by_letter()
    walk.is_answered(walk.an_account("moved", 0))
    says(walk, "oui 14/03/2014", "oui").types("15/03/2014")
    walk.is_answered(i.BirthdateWrong(0))
    assert walk.chat.state is S.REFUSED


def test_a_password_needs_a_birthdate_in_my_account_too() -> None:
    """Whoever holds the phone, or got its number from the operator, does not know it."""
    walk = says(a_walk(S.MENU), "5", NUMBERS[0])
    says(walk, CODES[0])
    assert says(walk, "2").chat.state is S.BIRTHDATE
    assert says(walk, "/retour", "2").chat.state is S.BIRTHDATE
    walk.types("14/03/2014")
    walk.is_answered(i.BirthdateWrong(0))
    assert walk.chat.state is S.NOT_RECOVERED


def test_a_birthdate_is_asked_once_in_a_sign_in() -> None:
    walk = says(a_walk(S.MENU), "5", NUMBERS[0], CODES[0], "2", "14/03/2014", *[PASSWORDS[0]] * 2)
    assert says(walk, "2").chat.state is S.PASSWORD


def test_no_password_where_there_is_no_child_to_ask_about() -> None:
    walk = says(a_walk(S.MENU), "5", NUMBERS[0])
    walk.types(CODES[0])
    walk.hopes(0)
    walk.is_answered(replace(walk.an_account("open", 0), children=()))
    assert says(walk, "2").said[0] == "human"


def test_a_code_that_proves_goes_to_no_other_number() -> None:
    """The new number was given, but its code must wait; meanwhile the proof gets old."""
    walk = says(inside(), "3")
    walk.types(NUMBERS[1])
    walk.is_answered(i.CodeTooSoon(60))
    walk.now += timedelta(minutes=11)
    walk.types(NUMBERS[1])
    assert walk.chat.state is S.PROVE
    walk.types("1")
    assert isinstance(walk.question, o.RequestCode)
    assert (walk.question.phone, walk.question.because) == (PHONES[0], "known")


def test_a_new_number_is_proved_soon_after_the_old_one() -> None:
    for text in (CODES[0], "renvoyer"):
        walk = says(inside(), "3", NUMBERS[1])
        walk.now += timedelta(minutes=31)
        assert says(walk, text).chat.state is S.PROVE
        assert not walk.chat.new_phone


def test_the_code_of_an_account_goes_to_its_own_number_only() -> None:
    walk = says(proves(), "1", "2", "2")
    assert walk.said[0] == "account.own_number"


def test_after_a_pause_the_account_is_proved_again() -> None:
    for walk, state in (
        (burns(says(proves(), "1")), S.PROVE),
        (burns(says(a_walk(S.MENU), "4", "m.martin")), S.WHICH_ACCOUNT),
    ):
        walk.now += timedelta(minutes=16)
        assert says(walk, "bonjour").chat.state is state


def test_whoever_is_unlocked_proves_the_account_again() -> None:
    for walk, state in (
        (burns(says(proves(), "1")), S.PROVE),
        (burns(says(a_walk(S.MENU), "5", NUMBERS[0])), S.WHICH_ACCOUNT),
    ):
        walk.happens(i.Unlocked())
        assert walk.chat.state is state


def test_a_pause_outlasts_the_account() -> None:
    walk = burns(says(proves(), "1"))
    walk.account = Account()
    walk.happens(i.SignedOut(walk.chat.identifier, "others"))
    assert (walk.chat.state, walk.chat.identifier) == (S.LOCKED, "")


def test_a_mail_that_did_not_leave() -> None:
    walk = says(inside(), "4", ADDRESSES[0])
    walk.happens(i.EmailFailed())
    assert walk.chat.state is S.EMAIL


def test_another_address_or_another_code_by_e_mail() -> None:
    assert says(inside(), "4", ADDRESSES[0], "2").chat.state is S.EMAIL
    walk = says(inside(), "4", ADDRESSES[0])
    walk.types("1")
    walk.is_answered(i.CodeTooSoon(42))
    assert (walk.chat.state, walk.said[0]) == (S.EMAIL_CODE, "code.too_soon")
    for answer in (i.CodeCancelled(), i.CodeExpired()):
        walk.types(CODES[0])
        walk.is_answered(answer)
        assert walk.chat.state is S.EMAIL_CODE


def test_a_new_number_is_given_again_when_no_sms_comes() -> None:
    assert says(inside(), "3", NUMBERS[1], "2", "2").chat.state is S.NEW_PHONE


def test_a_child_s_birthdate_comes_too_late_for_the_proof() -> None:
    """A code is asked for again before a child is added to the account."""
    walk = says(inside(), "5", "1", "Les Lilas")
    walk.types(THEIRS[1])
    walk.hopes(0)
    assert walk.chat.state is S.BIRTHDATE
    walk.now += timedelta(minutes=11)
    assert says(walk, "14/03/2014").chat.state is S.PROVE


def test_a_closed_account_is_left_closed() -> None:
    """The proof has grown old; who does not want another code stays where they were."""
    walk = says(inside(), "8", "1")
    assert walk.chat.state is S.REOPEN
    walk.now += timedelta(minutes=11)
    assert says(walk, "1").chat.state is S.PROVE
    assert says(walk, "/retour").chat.state is S.REOPEN


def test_the_account_was_opened_elsewhere_meanwhile() -> None:
    walk = says(a_walk(S.RECAP), "activer")
    walk.is_answered(replace(walk.an_account("open", 0), status="open"))
    assert walk.chat.state is S.ALREADY


def test_the_account_service_takes_its_time_over_a_password() -> None:
    walk = says(inside(), "2", PASSWORDS[0])
    walk.types(PASSWORDS[0])
    walk.hopes(0)
    assert isinstance(walk.question, o.SetPassword)
    walk.happens(i.AccountLate())
    assert walk.said == ["opening.late.account"]
    walk.happens(i.AccountLate())
    assert walk.said == []
    for text in ("bonjour", "/langue", "/humain", "/confidentialite", "/retour", "/start", "1"):
        walk.types(text)
        assert walk.said[-1] == "opening.waits.account"
    walk.types("/aide")
    assert walk.said == ["opening.waits.account", "help.commands"]
    walk.types("/annuler")
    assert walk.said == ["interrupt.cancel.changing"]
    walk.types("continuer")
    assert walk.said == ["opening.waits.account"]
    walk.is_answered(i.AccountUnchanged())
    assert walk.chat.state is S.MANAGE


@pytest.mark.parametrize(
    ("command", "asks", "choice", "ends"),
    [
        ("/annuler", "interrupt.cancel.opening", "stop", "stopped.opening"),
        ("/effacer", "interrupt.erase.opening", "erase_all", "erased.opening"),
    ],
)
def test_who_waits_for_the_account_service_can_leave(
    command: str, asks: str, choice: str, ends: str
) -> None:
    walk = says(a_walk(S.RECAP), "activer", command)
    assert walk.said == ["wait"], "that the service takes its time is not known yet"
    walk.happens(i.AccountLate())
    walk.types(command)
    assert walk.said == [asks]
    asked = walk.chat.asked
    walk.happens(i.Pressed("continue", asked))
    assert walk.said == ["opening.waits"]
    walk.happens(i.Pressed(choice, asked))
    assert (walk.said, walk.chat.state) == (["opening.waits"], S.OPENING), "an old button"
    walk.types(command)
    walk.types("hm")
    assert walk.said == ["opening.waits"]
    walk.happens(i.Pressed(choice, walk.chat.asked))
    assert (walk.said, walk.chat.state) == ([ends], S.STOPPED)
    walk.happens(i.AccountOpened(IDENTIFIERS[0]))
    assert (walk.outputs, walk.chat.state) == ([], S.STOPPED)


def test_a_frozen_account_is_thawed_by_the_school() -> None:
    walk = says(inside(), "/retour", "4", "oui")
    assert walk.said == ["frozen.ask"]
    walk.account.status = "open"
    walk.happens(i.Thawed(walk.chat.identifier))
    assert walk.chat.state is S.ALREADY


def test_an_account_that_is_left_by_a_link_is_left() -> None:
    """Frozen or closed: what comes next is about somebody else, perhaps."""
    for road in (("/retour", "4", "oui"), ("8", "1")):
        walk = says(inside(), *road)
        assert walk.chat.identifier
        walk.happens(i.CameByLink("token"))
        assert not walk.chat.identifier
        walk.is_answered(i.NotInvited())
        says(walk, "parent", "5", NUMBERS[2], CODES[0])


def test_an_account_that_is_gone_is_forgotten() -> None:
    walk = says(inside(), "/retour")
    walk.types("3")
    walk.is_answered(i.NoAccount())
    assert (walk.chat.identifier, walk.chat.children) == ("", [])


def test_a_link_of_nobody_is_asked_about_in_both_languages() -> None:
    walk = Walk()
    walk.begins(None, False, False, 0, 0)
    walk.happens(i.CameByLink("token"))
    walk.is_answered(i.NotInvited())
    assert walk.chat.state is S.LANGUAGE


def test_a_reminder_is_answered() -> None:
    for answer in ("1", "2", "Marie"):
        walk = says(a_walk(S.FIRST_NAME))
        walk.now = remind_at(walk.chat, walk.policy) or walk.now
        walk.happens(i.TimeCame())
        assert walk.said == ["interrupt.remind"]
        says(walk, answer)


def test_sms_that_fail_and_sms_that_are_late() -> None:
    walk = a_walk(S.CODE)
    walk.happens(i.SmsDelayed())
    walk.happens(i.SmsDelayed())
    walk = says(proves(), "1")
    walk.happens(i.SmsFailed("refused"))
    assert walk.said[0] == "no_sms.refused"


def named() -> list[Callable[[], None]]:
    """The roads of this page, each of which asserts for itself."""
    return [
        road
        for name, road in globals().items()
        if name.startswith("test_") and "_nothing_" not in name and not signature(road).parameters
    ]


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
        for road in named():  # seldom come by
            road()
        test_a_name_is_mended(("Martin", "Martin", "oui"))
        test_a_name_is_mended(("DUPONT Marie", "oui"))
        for status in ("open", "closed", "moved"):
            test_a_letter_alone_opens_no_account(status)
            test_a_letter_and_all_birthdates_change_the_number(status)
        assert walk(examples=2_000, steps=100) >= 200_000
    missed = [row for row in FLOW if not any(Walk.fired[one] for one in lines([row]))]
    assert missed == []
