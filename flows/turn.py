"""What the rows of the table look at (`provided`) and do (`then`).

A Turn wraps the copy of a chat on which one event is fired. Its conditions only look; its actions
only write outputs and tidy the chat's record.
"""

from collections import defaultdict
from datetime import datetime

from flows import outputs as o
from flows.chat import Chat
from flows.heard import Heard
from flows.hearing import offered
from flows.outputs import Ask, Exact, Say, Style, Words
from flows.policy import Policy
from flows.questions.password import Rule
from flows.questions.phone import mask, pretty
from flows.refusals import Reason
from flows.secret import Secret
from flows.states import S
from flows.table import QUESTIONS
from flows.waking import zone_of

STATUS = {"identifier": "identifier", "password": "password"}
"""What a parent came for, for whoever asks where we are: `status.…`; "manage" for all others."""

ENDS = {
    S.ALREADY: Reason.ALREADY_ACTIVE,
    S.NOT_LEGAL: Reason.NOT_LEGAL,
    S.NO_CHILD: Reason.NO_CHILD,
    S.REFUSED: Reason.NO_CHILD_CONFIRMED,
    S.OTHER_PHONE: Reason.ACCOUNT_MOVED,
    S.FROZEN: Reason.ACCOUNT_FROZEN,
    S.REOPEN: Reason.ACCOUNT_CLOSED,
    S.NOT_RECOVERED: Reason.NOT_RECOVERED,
}
"""Ends without a new account, and why."""

STEPS = 6  # as the parent counts them: name, phone, code, password, children, done (UX R6)

VARIANTS: dict[str, tuple[str, ...]] = {
    "phone.ask": ("letter",),
    "phone.help": ("letter",),
    "check.hint": ("letter",),
    "code.hint": ("login", "sure"),
    "no_sms.ask": ("login",),
    "no_sms.asked": ("login",),
    "no_sms.late": ("login",),
    "code.wrong": ("email",),
    "code.old": ("email",),
    "refused.code_length": ("email",),
    "refused.code_several": ("email",),
    "refused.code_is_password": ("email",),
    "interrupt.cancel": ("opening", "changing", "account"),
    "interrupt.erase": ("opening",),
    "privacy.password": ("sealed",),
    "stopped": ("opening",),
    "erased": ("opening",),
    "interrupt.start": ("account",),
    "opening.late": ("account",),
    "opening.waits": ("account",),
    "opening.password_gone": ("account",),
    "opening.password_not_taken": ("account",),
}
"""Texts that are said in other words where they would be wrong: "<key>.<circumstance>"."""


_ACCOUNT = ("identifier", "phone", "proved_at", "email", "dated")
_KEPT: defaultdict[S, tuple[str, ...]] = defaultdict(
    tuple,
    {
        S.DONE: _ACCOUNT,
        S.ALREADY: _ACCOUNT,
        S.FROZEN: _ACCOUNT,
        S.REOPEN: (*_ACCOUNT, "reopen_until"),
        S.OTHER_PHONE: ("last_digits",),
    },
)
"""What is not forgotten where a conversation comes to its end."""


class Turn:
    """One event on one chat: the model that the state machine moves."""

    def __init__(self, chat: Chat, now: datetime, policy: Policy) -> None:
        self.chat = chat
        self.now = now
        self.policy = policy
        self.heard = Heard()
        self.outputs: list[o.Output] = []
        self.came_from = chat.state

    @property
    def state(self) -> S:
        """The chat's state, read and written by the machine."""
        return self.chat.state

    @state.setter
    def state(self, state: S) -> None:
        self.chat.state = state
        self.chat.misses = 0
        self.chat.interruption = ""
        self.chat.asked += 1  # a new visit: the buttons of the one before are old
        if state in (S.PROFILE, S.MENU):
            self.chat.goal = ""  # it is asked for again

    # ---- provided ----------------------------------------------------------------------------

    def language_known(self) -> bool:
        """The messenger's language is one of ours, or the parent chose."""
        return self.chat.lang is not None

    def proved(self) -> bool:
        """The code came back already in this conversation."""
        return self.chat.proved_at is not None

    def phone_given(self) -> bool:
        """The number was given already; the parent came back to mend the name."""
        return bool(self.chat.phone)

    def tries_left(self) -> bool:
        """The answer was wrong, but not for the last time."""
        return self.heard.left > 0

    def burnt_before(self) -> bool:
        """This is at least the second code cancelled by too many tries."""
        return self.chat.burnt > 1

    def all_settled(self) -> bool:
        """Password and children are there: the parent came back to change something."""
        waiting = any(child.status == "waiting" for child in self.chat.children)
        return bool(self.chat.digest) and not waiting and self.may_open()

    def to_confirm(self) -> bool:
        """This child's date has not been confirmed yet."""
        return self.chat.children[self.chat.child].status != "confirmed"

    def more_children(self) -> bool:
        """A child comes after this one that is not put aside."""
        return self._neighbour(+1) is not None

    def child_before(self) -> bool:
        """A child comes before this one that is not put aside."""
        return self._neighbour(-1) is not None

    def may_open(self) -> bool:
        """Enough children are confirmed: one, or all where the school is strict."""
        statuses = [child.status for child in self.chat.children]
        if self.chat.letter and set(statuses) != {"confirmed"}:
            return False  # a letter can fall into other hands: the birthdates are the proof
        if self.policy.strict_children and "aside" in statuses:
            return False
        return "confirmed" in statuses

    def not_texted(self) -> bool:
        """The identifier was not sent by SMS yet."""
        return not self.chat.texted

    def sms_awaited(self) -> bool:
        """A code is under way, and it can be told, and was not yet, that SMS are late."""
        chat, expires = self.chat, self.chat.code_expires_at
        return not (chat.told_late or chat.away) and expires is not None and self.now < expires

    def number_known(self) -> bool:
        """It is no secret whether an SMS left for this number: the truth may be told."""
        return self.chat.phone_known or self._sure()

    def _sure(self) -> bool:
        """A code is sent, whatever the register has (I10 does not matter)."""
        chat = self.chat
        return chat.letter or bool(chat.new_phone or chat.identifier)

    def told_account_late(self) -> bool:
        """The parent knows that the account service does not answer."""
        return self.chat.told_opening

    def _neighbour(self, way: int) -> int | None:
        children, at = self.chat.children, self.chat.child + way
        while 0 <= at < len(children):
            if children[at].status != "aside":
                return at
            at += way
        return None

    # ---- then: asking ------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask the question of the present state."""
        self._ask(hint=True)

    def _ask(self, hint: bool) -> None:
        self.chat.interruption = ""
        state = self.chat.state
        question = QUESTIONS[state]
        if question.step and not self.chat.goal:
            self._progress(question.step)
        on_page = self._on_page()
        ask = "password.page" if on_page else self._variant(f"{state.value}.ask")
        self._say(ask, Style.STRONG)
        self._list()
        if question.hint and hint and not on_page:
            self._say(self._variant(f"{state.value}.hint"))
        self._choices()

    def _list(self) -> None:
        """What stands under the question, one a line."""
        if self.chat.state is S.RECAP:
            self._list_children()

    def _variant(self, key: str) -> str:
        """The key of the words that fit the circumstances."""
        chat = self.chat
        circumstances = {
            "letter": chat.letter,
            "login": bool(chat.login),
            "sure": self._sure(),
            "email": chat.state is S.EMAIL_CODE,
            "account": bool(chat.goal or chat.identifier),
            "sealed": self.policy.password_sealed,
            "opening": self.came_from is S.OPENING,
            "changing": self.came_from is S.CHANGING,
        }
        own = (word for word in VARIANTS.get(key, ()) if circumstances[word])
        return next((f"{key}.{word}" for word in own), key)

    def _on_page(self) -> bool:
        """Whether the answer is given on a page of its own, and never in the chat."""
        question = QUESTIONS.get(self.chat.state)
        return bool(question and question.hidden and self.policy.password_page)

    def _progress(self, step: int) -> None:
        key = "progress"
        if step == 5 and len(self.chat.children) > 1:
            key = "progress_child"
        self._say(
            key,
            Style.SMALL,
            n=step,
            total=STEPS,
            child_number=self.chat.child + 1,
            children=len(self.chat.children),
        )

    def _say(self, key: str, style: Style = Style.PLAIN, /, **facts: object) -> None:
        self.outputs.append(Say(key, {**self._facts(), **facts}, style))

    def _facts(self) -> dict[str, object]:
        """What any sentence may show. A number is only ever shown masked, save to be checked."""
        chat = self.chat
        number = chat.new_phone or chat.phone
        facts: dict[str, object] = {
            "last": chat.last,
            "first": chat.first,
            "phone": pretty(number) if number else "",
            "masked": mask(number) if number else "",
            "last_digits": number[-2:] or chat.last_digits,
            "until": chat.code_expires_at,
            "minutes": int(self.policy.code_validity.total_seconds() // 60),
            "digits": self.policy.code_digits,
            "example": "12345678"[: self.policy.code_digits],
            "minimum": self.policy.password_min,
            "day": chat.pending_date,
            "identifier": Exact(chat.identifier),
            "new_email": chat.new_email,
        }
        if chat.children:
            child = chat.children[chat.child]
            facts |= {"child": child.first, "initial": child.initial, "school": child.school}
        if chat.pending and chat.state is S.SPLIT_NAME:
            facts |= {"pending_last": chat.pending[0], "pending_first": chat.pending[1]}
        if chat.pending and chat.state is S.EMAIL_TYPO:
            facts["suggestion"] = chat.pending[0]
        if chat.state in (S.CLOSE, S.REOPEN):
            until = chat.reopen_until or self.now + self.policy.reopen_within
            facts["reopen_until"] = until.astimezone(zone_of(chat, self.policy)).date()
        return facts

    def _choices(self, silent: bool = False) -> None:
        chat = self.chat
        question = QUESTIONS.get(chat.state)
        facts: dict[str, object] = {}
        if chat.state is S.WHICH_PHONE:
            facts = {
                "first_number": pretty(chat.pending[0]),
                "second_number": pretty(chat.pending[1]),
            }
        over = bool(chat.interruption)
        self.outputs.append(
            Ask(
                question=chat.interruption or chat.state.value,
                choices=offered(chat),
                asked=chat.asked,
                facts=facts,
                contact=bool(question and question.contact and not over),
                hidden=bool(question and question.hidden and not over),
                page=self._on_page() and not over,
                copy=bool(question and question.copy and not over),
                silent=silent,
            )
        )

    def _refusal(self, cause: Reason) -> None:
        """Each action that refuses says so once, for whoever counts."""
        self.outputs.append(o.Refusal(cause))

    def _say_and_ask(self, key: str, **facts: object) -> None:
        """A remark, then the question again."""
        self._say(key, **facts)
        self.ask()

    def _say_and_ask_briefly(self, key: str, **facts: object) -> None:
        """A wrong answer, then the question again, without what was explained before."""
        self._say(key, **facts)
        self._ask(hint=False)

    def welcome(self) -> None:
        """Greet, say what is needed and what becomes of the answers, and ask."""
        if self.came_from is S.EXPIRED:
            self._refusal(Reason.CONVERSATION_EXPIRED)
            self._say("expired")
        self._say("welcome")
        self._say("need")
        self._say("privacy")
        self.ask()

    def welcome_back(self) -> None:
        """The parent opened the conversation again: the question as it was left."""
        self._say("welcome_back")
        if self.chat.interruption == "notice":  # it came while the parent was away
            return self.interrupt()
        return self.ask()

    def fall_silent(self) -> None:
        """The parent blocked the bot. What they said expires as if they had only fallen silent."""
        self.chat.away = True

    def help(self) -> None:
        """Help for this very question, then the question."""
        self._help()
        self._say("help.commands")
        self.ask()

    def _help(self) -> None:
        own = self._variant(f"{self.chat.state.value}.help")
        self._say("password.page_help" if self._on_page() else own)

    def refuse(self) -> None:
        """Say why the answer was not taken and what to do; longer help the second time (UX 2.3)."""
        refused = self.heard.refused
        assert refused is not None  # noqa: S101 - every "refused" carries its reason
        self._refusal(refused.reason)
        self._say(self._variant(f"refused.{refused.reason}"), **refused.facts)
        if self.chat.interruption:
            return self.interrupt()
        self._rules()
        if self.chat.misses == 2:
            self._help()
        if self.chat.misses > 2:
            self._say("human")
        return self._ask(hint=False)

    def _rules(self) -> None:
        """All five rules of the password, met and missing (the tutorial, step 8)."""
        verdict, refused = self.heard.verdict, self.heard.refused
        if verdict is None or refused is None or refused.reason is not Reason.PASSWORD_RULES:
            return
        for rule in Rule:
            key = "rule.met" if rule in verdict.met else "rule.missing"
            words = Words(f"rule.{rule}", {"minimum": self.policy.password_min})
            self._say(key, Style.ITEM, rule=words)

    def interrupt(self) -> None:
        """Ask about the conversation itself, over the question."""
        key = self._variant(f"interrupt.{self.chat.interruption}")
        self._say(key, Style.STRONG, **self._step())
        self._choices()

    def _step(self) -> dict[str, object]:
        question = QUESTIONS.get(self.chat.state)
        step = max(question.step, 1) if question else 1
        left = STEPS + 1 - step
        return {"step": Words(f"step.{step}"), "n": step, "total": STEPS, "steps": left}

    # ---- then: remarks at any question -------------------------------------------------------

    def say_status(self) -> None:
        """Where we are, and how long the code lasts."""
        if self.chat.goal:
            self._say(f"status.{STATUS.get(self.chat.goal, 'manage')}")
        elif QUESTIONS[self.chat.state].step:
            self._say("status", **self._step())
        if self.chat.state in (S.CODE, S.NO_SMS):
            self._say("status.code")
        self.ask()

    def say_language(self) -> None:
        """Confirm the language and ask again in it."""
        self._say_and_ask("language.done")

    def say_human(self) -> None:
        """Where a person helps."""
        self._say_and_ask("human")

    def say_first_question(self) -> None:
        """There is nothing before this question."""
        self._refusal(Reason.NOTHING_BEFORE)
        self._say_and_ask("back.none")

    def say_no_way_back(self) -> None:
        """The code is used up: what stands behind it is not asked again."""
        self._refusal(Reason.NO_WAY_BACK)
        self._say_and_ask("back.proved")

    def say_stale(self) -> None:
        """An old button: here is the present question."""
        self._refusal(Reason.STALE_BUTTON)
        self._say_and_ask("stale")

    def say_edited(self) -> None:
        """A changed message is not an answer."""
        self._refusal(Reason.EDITED)
        self._say_and_ask("edited")

    def say_wait(self) -> None:
        """The world has not answered yet."""
        self._refusal(Reason.BUSY)
        self._say("wait")

    def say_not_erased(self) -> None:
        """The password is still in the chat: the parent should delete it."""
        self._refusal(Reason.ERASE_FAILED)
        self._say("password.not_erased")

    # ---- then: the code ----------------------------------------------------------------------

    def look_up_invitation(self) -> None:
        """Whom was the link made for by which the parent came? An account before it is left."""
        self.chat.forget()
        self.chat.seen_at = self.now
        self.outputs.append(o.LookUpInvitation(self.heard.token))

    def look_up(self) -> None:
        """Does the school have the parent's own number?"""
        self.outputs.append(o.LookUpNumber(self.chat.phone))

    def request_code(self) -> None:
        """Ask for a code, the first or another."""
        chat = self.chat
        if chat.new_phone:
            asked = o.RequestCode(chat.new_phone, chat.last, chat.first, because="change")
        elif chat.login:
            asked = o.RequestCode("", "", "", login=chat.login)
        else:
            because = "letter" if chat.letter else "known"
            asked = o.RequestCode(chat.phone, chat.last, chat.first, because=because)
        self.outputs.append(asked)

    def check_code(self) -> None:
        """Is it the newest code?"""
        chat = self.chat
        login = "" if chat.new_phone else chat.login
        phone = chat.new_phone or ("" if login else chat.phone)
        self.outputs.append(o.CheckCode(phone, self._secret(), login=login))

    def _secret(self) -> Secret:
        assert self.heard.secret is not None  # noqa: S101 - set when "code" or "password" is heard
        return self.heard.secret

    def cancel_code(self) -> None:
        """Going back makes the code useless (MISSION 4.1)."""
        self.outputs.append(o.CancelCode())
        self.chat.code_sent_at = self.chat.code_expires_at = None
        self.chat.new_phone = ""
        self.ask()

    def say_too_soon(self) -> None:
        """The next code must wait."""
        self._refusal(Reason.CODE_TOO_SOON)
        self._say_and_ask_briefly("code.too_soon", seconds=self.heard.seconds)

    def say_budget(self) -> None:
        """No more codes for now."""
        self._refusal(Reason.CODE_BUDGET)
        self._say_and_ask("code.budget", at=self.heard.moment)

    def offer_help(self) -> None:
        """No code typed after a while: offer help unasked."""
        self.chat.nudged, self.chat.interruption = True, ""
        self._say("code.nudge")
        self._choices()

    def say_sms_late(self) -> None:
        """SMS are late for everybody: said once for each code, in place of the help unasked."""
        self.chat.told_late = self.chat.nudged = True
        self._say("code.late")
        self._choices()

    def look_for_sms(self) -> None:
        """What became of the code's SMS? For a typed number the answer says nothing of it."""
        self.outputs.append(o.LookForSms(code=True, honest=self.number_known()))

    def say_sms_found(self) -> None:
        """What is known, and what to check."""
        found = self.heard.found
        if found == "asked" and self.chat.told_late:
            found = "late"
        at = self.heard.moment or self.chat.code_sent_at
        self._say_and_ask(self._variant(f"no_sms.{found}"), at=at)

    def say_sms_failed(self) -> None:
        """It did not leave, or arrive: said unasked, with what else there is to do."""
        self.chat.nudged = True
        self._say_and_ask(f"no_sms.{self.heard.found}", at=self.chat.code_sent_at)

    def say_nothing(self) -> None:
        """It was told already, or it does not matter any more."""

    def say_wrong_code(self) -> None:
        """Not the code; so many tries left."""
        self._refusal(Reason.CODE_WRONG)
        self._say_and_ask_briefly(self._variant("code.wrong"), n=self.heard.left)

    def say_burnt(self) -> None:
        """Too many tries: this code is cancelled."""
        self._refusal(Reason.CODE_CANCELLED)
        self._say_and_ask_briefly("code.burnt")

    def say_old_code(self) -> None:
        """An earlier code: take the newest."""
        self._refusal(Reason.CODE_OLD)
        self._say_and_ask_briefly(self._variant("code.old"), at=self.heard.moment)

    def say_expired_code(self) -> None:
        """The 30 minutes are over."""
        self._refusal(Reason.CODE_EXPIRED)
        self._say_and_ask_briefly("code.expired")

    def lock(self) -> None:
        """Too many tries in all: a pause, longer each time."""
        self._refusal(Reason.TOO_MANY_TRIES)
        self.outputs.append(o.CancelCode())
        self.chat.lock(self.policy, self.now)
        self._pause()

    def say_locked(self) -> None:
        """Until when the pause lasts."""
        self._refusal(Reason.LOCKED)
        self._pause()

    def _pause(self) -> None:
        self._say("locked", at=self.chat.locked_until)

    def say_unlocked(self) -> None:
        """An operator lifted the pause, and the parent may go on."""
        self._say_and_ask("unlocked")

    # ---- then: who it is ---------------------------------------------------------------------

    def match(self) -> None:
        """Look for the person with this name among those of the proven number."""
        chat = self.chat
        self.outputs.append(o.MatchGuardian(chat.phone, chat.last, chat.first, chat.letter))

    def say_code_right(self) -> None:
        """The number is proved and the person found."""
        self._say_and_ask("code.right")

    def say_name_differs(self) -> None:
        """The number is right, the name is not the school's."""
        self._refusal(Reason.NAME_DIFFERS)
        self._say_and_ask("name.differs", n=self.heard.left)

    # ---- then: the password ------------------------------------------------------------------

    def hash(self) -> None:
        """Only the hash is kept, until the account is opened (DESIGN, decision 9)."""
        assert self.heard.verdict is not None  # noqa: S101 - looked at when "password" was heard
        self._say("password.strength", strength=Words(f"strength.{self.heard.verdict.strength}"))
        self.outputs.append(o.HashPassword(self._secret()))

    def show_page(self) -> None:
        """The page was opened: the form, and the identifier that goes with the password."""
        self.outputs.append(o.Show(o.Page.OPEN, identifier=self.chat.reserved))

    def refuse_page(self) -> None:
        """The page says why; the chat says nothing."""
        refused = self.heard.refused
        assert refused is not None  # noqa: S101 - every "page_refused" carries its reason
        self._refusal(refused.reason)
        different = refused.reason is Reason.PASSWORDS_DIFFER
        key = "password.different" if different else f"refused.{refused.reason}"
        says = (Say(key, {**self._facts(), **refused.facts}),)
        self.outputs.append(o.Show(o.Page.AGAIN, says))

    def hash_page(self) -> None:
        """Both entries of the page are the same good password: only its hash is kept."""
        self.outputs.append(o.Show(o.Page.TAKEN, (Say("page.taken"),)))
        self._say("password.taken")
        self.outputs.append(o.HashPassword(self._secret()))

    def compare(self) -> None:
        """Is the second entry the same?"""
        self.outputs.append(o.ComparePassword(self._secret(), self.chat.first_digest))

    def say_different(self) -> None:
        """The two entries differ: choose again."""
        self._refusal(Reason.PASSWORDS_DIFFER)
        self._say_and_ask("password.different")

    def say_prove_again(self) -> None:
        """The proof is too old to set a password: another code."""
        self._refusal(Reason.PROOF_EXPIRED)
        self.chat.proved_at = None
        self._say_and_ask("password.prove_again")

    # ---- then: the children ------------------------------------------------------------------

    def first_child(self) -> None:
        """Begin with the first child, and say how many there are."""
        self.chat.child = -1
        self.chat.child = self._neighbour(+1) or 0
        self._say("children", n=len(self.chat.children))
        if self.chat.letter:
            self._say("children.letter")
        self.ask()

    def last_child(self) -> None:
        """Back from the recap."""
        self.chat.child = len(self.chat.children)
        self.chat.child = self._neighbour(-1) or 0
        self.ask()

    def next_child(self) -> None:
        """Go on with the next child."""
        self._move(+1)
        self.ask()

    def previous_child(self) -> None:
        """Go back to the child before."""
        self._move(-1)
        self.ask()

    def _move(self, way: int) -> None:
        at = self._neighbour(way)
        assert at is not None  # noqa: S101 - the row's condition looked
        self.chat.child = at

    def check_birthdate(self) -> None:
        """Is it the register's date?"""
        assert self.chat.pending_date is not None  # noqa: S101 - noted when "date" was heard
        pupil = self.chat.children[self.chat.child].pupil
        self.outputs.append(o.CheckBirthdate(pupil, self.chat.pending_date))

    def confirm(self) -> None:
        """The date was right."""
        self._say("child.confirmed")
        self.chat.pending_date = None
        self.ask()

    def confirm_and_next(self) -> None:
        """The date was right; the next child."""
        self._say("child.confirmed")
        self.chat.pending_date = None
        self.next_child()

    def say_wrong_date(self) -> None:
        """The date is not the school's; so many tries left."""
        self._refusal(Reason.BIRTHDATE_WRONG)
        self._say("birthdate.wrong", n=self.heard.left)
        self.chat.pending_date = None
        self._ask(hint=False)

    def put_aside(self) -> None:
        """Three wrong dates: this child waits for the school, the others go on."""
        self._refusal(Reason.CHILD_ASIDE)
        self._note_aside()
        self.ask()

    def put_aside_and_next(self) -> None:
        """The same, and the next child."""
        self._refusal(Reason.CHILD_ASIDE)
        self._note_aside()
        self.next_child()

    def put_aside_and_close(self) -> None:
        """The same, and nobody is left."""
        self._note_aside()
        self.close()

    def _note_aside(self) -> None:
        self._say("child.aside")
        self.chat.pending_date = None
        self._tell_school("birthdate")

    def drop(self) -> None:
        """Not this parent's child: the school is told."""
        self._note_not_mine()
        self.ask()

    def drop_and_next(self) -> None:
        """The same, and the next child."""
        self._note_not_mine()
        self.next_child()

    def drop_and_close(self) -> None:
        """The same, and nobody is left."""
        self._note_not_mine()
        self.close()

    def _note_not_mine(self) -> None:
        self._say("child.not_mine")
        self._tell_school("not_mine")

    def _tell_school(self, about: str) -> None:
        pupil = self.chat.children[self.chat.child].pupil
        self.outputs.append(o.TellSchool(about, pupil, self.chat.guardians))

    # ---- then: the end -----------------------------------------------------------------------

    def _list_children(self) -> None:
        for child in self.chat.children:
            self._say(
                f"recap.{child.status}",
                Style.ITEM,
                child=child.first,
                initial=child.initial,
                school=child.school,
            )

    def say_child_missing(self) -> None:
        """A child is missing from the list: why, and what to do."""
        self._say_and_ask("recap.child_missing")

    def open_account(self) -> None:
        """Everything is proved: open the account (the tutorial, step 9, "Confirmer")."""
        chat = self.chat
        confirmed = tuple(child.pupil for child in chat.children if child.status == "confirmed")
        self.outputs.append(
            o.OpenAccount(chat.guardians, confirmed, chat.last, chat.first, chat.phone, chat.digest)
        )

    def say_account_late(self) -> None:
        """The account service does not answer yet: said once, unasked."""
        self.chat.told_opening = True
        self._say(self._variant("opening.late"))

    def say_account_waits(self) -> None:
        """The same, to a parent who writes meanwhile."""
        self._refusal(Reason.BUSY)
        self._say(self._variant("opening.waits"))

    def say_language_meanwhile(self) -> None:
        """Confirm the language while nothing can be asked."""
        self._say("language.done")
        self._say(self._variant("opening.waits"))

    def say_human_meanwhile(self) -> None:
        """Where a person helps, while nothing can be asked."""
        self._say("human")
        self._say(self._variant("opening.waits"))

    def say_help_meanwhile(self) -> None:
        """What is going on, and what else can be written."""
        self._say(self._variant("opening.waits"))
        self._say("help.commands")

    def wait_on(self) -> None:
        """The parent does not want to leave: the buttons that asked are old."""
        self.chat.interruption = ""
        self.chat.asked += 1
        self._say(self._variant("opening.waits"))

    def say_password_gone(self) -> None:
        """The password could not be kept any longer: it is asked for again."""
        self._refusal(Reason.PASSWORD_GONE)
        self._say_again_at_password("opening.password_gone")

    def say_password_not_taken(self) -> None:
        """The account service wants another password than our rules do."""
        self._refusal(Reason.PASSWORD_NOT_TAKEN)
        self._say_again_at_password("opening.password_not_taken")

    def _say_again_at_password(self, key: str) -> None:
        self.chat.digest, self.chat.told_opening = "", False
        self._say_and_ask(self._variant(key))

    def say_account_elsewhere(self) -> None:
        """Two of the parent's conversations came to the end at once: the other one was first."""
        self._refusal(Reason.ACCOUNT_ELSEWHERE)
        self._say_and_ask("opening.elsewhere")

    def say_account_not_opened(self) -> None:
        """It refuses for good, or was silent for too long: the school is told, and may mend it."""
        self._refusal(Reason.ACCOUNT_NOT_OPENED)
        self.chat.told_opening = False
        confirmed = [child for child in self.chat.children if child.status == "confirmed"]
        for child in confirmed[:1]:  # a note is about a child; one tells of the family
            self.outputs.append(o.TellSchool("not_opened", child.pupil, self.chat.guardians))
        self._say_and_ask("opening.refused")

    def close(self) -> None:
        """An end: erase what is no longer needed, and tell."""
        chat = self.chat
        found_again = chat.state is S.ALREADY and chat.goal == "identifier"
        if chat.state in ENDS and not found_again:  # that is what the parent came for
            self._refusal(ENDS[chat.state])
        if chat.state is S.DONE:
            self._tell_others("activated")
        if found_again:
            self._tell_others("identifier")
        if chat.state is S.REFUSED and chat.letter:
            self._say("refused.letter")
        self._end()

    def _end(self) -> None:
        """Keep of an account only what opens it again, and ask."""
        self._keep_account()
        self.ask()

    def _keep_account(self) -> None:
        chat = self.chat
        known = {name: getattr(chat, name) for name in _KEPT[chat.state]}
        chat.forget()
        chat.seen_at = self.now
        for name, value in known.items():
            setattr(chat, name, value)
        if chat.identifier:
            chat.burnt, chat.locks = 0, 0

    def _tell_others(self, about: str) -> None:
        """The child's other guardians, and the account's e-mail (RELIABILITY T6)."""
        self.outputs.append(o.TellOthers(self.chat.identifier, about))

    def text_identifier(self) -> None:
        """Send the identifier by SMS, once."""
        self.chat.texted = True
        self.outputs.append(o.TextIdentifier(self.chat.phone, self.chat.identifier))
        self._say_and_ask("done.texted")

    def look_for_text(self) -> None:
        """It was sent already: what became of it?"""
        self.outputs.append(o.LookForSms(code=False, honest=True))

    def say_text_found(self) -> None:
        """It was sent already, and this is known of it."""
        if self.heard.found in ("refused", "unclear", "undelivered"):
            self.say_text_failed()  # we were killed before it was told
            return
        self._refusal(Reason.ALREADY_TEXTED)
        if self.heard.found in ("handed_over", "delivered"):
            self._say(f"done.text_{self.heard.found}", at=self.heard.moment)
        self._say_and_ask("done.texted_already")

    def say_text_failed(self) -> None:
        """It did not leave: it can be asked for again."""
        self.chat.texted = False
        self._say_and_ask("done.text_failed")

    def start_over(self) -> None:
        """Forget the answers and ask from the beginning."""
        self._drop_code()
        self.chat.forget()
        self.chat.seen_at = self.now
        self.ask()

    def stop(self) -> None:
        """The parent stopped: everything is erased."""
        self._drop_code()
        self.chat.forget()
        self._say(self._variant("stopped"))

    def erase(self) -> None:
        """The parent asked to be forgotten."""
        self._drop_code()
        self._forget_for_good()
        self._say(self._variant("erased"))

    def erase_but_locks(self) -> None:
        """The same during a pause, which goes on."""
        self._forget_for_good()
        self._say("erased")
        self._pause()

    def _forget_for_good(self) -> None:
        self.chat.forget()
        self.outputs.append(o.AnswersErased())

    def forget(self) -> None:
        """A long silence: erase, and say so when the parent comes back."""
        self._drop_code()
        self.chat.forget()

    def _drop_code(self) -> None:
        if self.chat.code_sent_at:
            self.outputs.append(o.CancelCode())
