"""What the rows about accounts look at (`provided`) and do (`then`)."""

from datetime import UTC

from flows import inputs as i
from flows import outputs as o
from flows.account.hearing import is_fresh
from flows.outputs import Style, Words
from flows.questions.phone import pretty
from flows.refusals import Reason
from flows.states import S
from flows.table import QUESTIONS
from flows.turn import Turn

HAPPENINGS = (
    *("account_opened", "signed_in", "password_set", "phone_changed", "email_changed"),
    *("child_added", "child_dropped", "others_signed_out", "others_told"),
    *("account_closed", "account_reopened", "account_frozen", "account_unfrozen"),
)
"""What the audit record tells a parent of the own account: words of `happening.*`."""

CHANNELS = ("telegram", "web", "terminal")
"""Where conversations are: words of `channel.*`; any other is `channel.other`."""


class AccountTurn(Turn):
    """The model that the state machine moves, with all that the second table names."""

    # ---- provided ----------------------------------------------------------------------------

    def by_letter(self) -> bool:
        """The parent came by a letter of the school."""
        return self.chat.letter

    def letter_in_vain(self) -> bool:
        """By a letter, but the account has no child whose birthdate could be the proof."""
        return self.chat.letter and not self.chat.children

    def settled_for_phone(self) -> bool:
        """By letter: all birthdates were right, the proved number becomes the account's."""
        settled = all(child.status == "confirmed" for child in self.chat.children)
        return self.chat.goal == "letter_phone" and settled

    def first_for_phone(self) -> bool:
        """By letter, at the first child: what stands before it is proved."""
        return self.chat.goal == "letter_phone" and not self.child_before()

    def gives_phone(self) -> bool:
        """The code under way is for the number that shall be the account's."""
        return bool(self.chat.new_phone)

    def signed_in(self) -> bool:
        """The account is known in this conversation: its number was proved once."""
        return bool(self.chat.identifier)

    def asked_which(self) -> bool:
        """The parent said which account it is, by its number or its identifier."""
        return self.chat.goal in ("password", "manage")

    def about_account(self) -> bool:
        """The parent did not come to activate."""
        return bool(self.chat.goal)

    def matched(self) -> bool:
        """The register's person is found, so that the activation can go on from there."""
        return bool(self.chat.guardians) and self.proved()

    def without_child(self) -> bool:
        """A new password is wanted, and no child's birthdate can be asked."""
        return self.for_password() and not self.chat.children

    def for_password(self) -> bool:
        """The password was forgotten."""
        return self.chat.goal == "password"

    def for_account(self) -> bool:
        """The parent wants to see the account."""
        return self.chat.goal == "manage"

    def for_new_child(self) -> bool:
        """The child asked about is not on the account yet."""
        return self.chat.goal == "new_child"

    def sets_password(self) -> bool:
        """A new password is wanted, whether or not the old one was forgotten."""
        return self.chat.goal in ("password", "new_password")

    def dated(self) -> bool:
        """A child's birthdate was right since the account was opened here: it is the parent."""
        return self.chat.dated

    def password_refused(self) -> bool:
        """No birthdate was right: no new password."""
        return self.sets_password() and not self.tries_left()

    def child_refused(self) -> bool:
        """No birthdate was right: the child stays off the account."""
        return self.for_new_child() and not self.tries_left()

    def from_done(self) -> bool:
        """The services were asked for right after the activation."""
        return self.chat.home == S.DONE.value

    def from_manage(self) -> bool:
        """They were asked for in "my account"."""
        return self.chat.home == S.MANAGE.value

    def mail_works(self) -> bool:
        """E-mail can be sent."""
        return self.policy.email

    def code_sent(self) -> bool:
        """An e-mail with a code is under way."""
        return self.chat.code_sent_at is not None

    def has_children(self) -> bool:
        """There are children on the account."""
        return bool(self.chat.children)

    def signed_in_as(self) -> bool:
        """What happened concerns the account that is open here."""
        answer = self.heard.answer
        if not isinstance(answer, i.SignedOut | i.Thawed):
            return False
        return bool(answer.identifier) and answer.identifier == self.chat.identifier

    def closed(self) -> bool:
        """The account is closed, and can still be opened again."""
        until = self.chat.reopen_until
        return until is not None and self.now < until

    # ---- then: letters -----------------------------------------------------------------------

    def check_letter(self) -> None:
        """Is it the code of a letter?"""
        self.outputs.append(o.CheckLetter(self._secret()))

    def say_wrong_letter(self) -> None:
        """No such code, or not any more; so many tries left."""
        self._refusal(Reason.LETTER_WRONG)
        self._say_and_ask_briefly("letter.wrong", n=self.heard.left)

    def first_child_for_phone(self) -> None:
        """There is an account: all birthdates stand between the letter and a new number for it."""
        self._say("letter.account")
        self.first_child()

    def change_phone(self) -> None:
        """The number is proved: it is the account's from now on."""
        chat = self.chat
        if chat.goal == "letter_phone":
            self._say("child.confirmed")
            chat.pending_date = None
        identifier = chat.identifier or chat.reserved
        self.outputs.append(o.ChangePhone(identifier, chat.new_phone or chat.phone))

    # ---- then: the proof, and what it shows --------------------------------------------------

    def say_other_number(self) -> None:
        """The code goes to the account's own number, and nowhere else."""
        self._refusal(Reason.ACCOUNT_NUMBER_ONLY)
        self._say_and_ask("account.own_number")

    def read_account(self) -> None:
        """Which account is it, and how does it stand?"""
        chat = self.chat
        self.outputs.append(o.ReadAccount(chat.identifier, chat.login, chat.phone))

    def read_changed_account(self) -> None:
        """The same, after what opens it was changed."""
        what = self._changed()
        if what == "phone_changed":
            self._tell_others("phone")
        self._say(f"changed.{what}")
        self.chat.letter, self.chat.goal = False, "manage"
        self.read_account()

    def say_tied(self) -> None:
        """Several people have an account with this number: the name tells them apart."""
        self._say_and_ask("account.tied")

    def say_no_account(self) -> None:
        """There is none yet: it can be activated."""
        self._refusal(Reason.NO_ACCOUNT)
        self.ask()

    def ask_one_child(self) -> None:
        """Only who knows a child's birthdate gets a new password."""
        self.chat.child = 0
        self._say_and_ask("account.one_child")

    def say_frozen(self) -> None:
        """The parent asked for it, or another guardian did meanwhile."""
        self._end()

    def say_closed(self) -> None:
        """It is closed; others are told by the conversation that did it."""
        if self.chat.goal == "close":
            self._tell_others("closed")
        self._end()

    def freeze_account(self) -> None:
        """Somebody else opened it: nothing goes before the school has looked."""
        self.outputs.append(o.FreezeAccount(self.chat.identifier))

    def leave(self) -> None:
        """Out of "my account": nothing of it stays in the conversation."""
        self._drop_code()
        self._end()

    # ---- then: what is changed ---------------------------------------------------------------

    def _changed(self) -> str:
        changed = self.heard.answer
        return changed.what if isinstance(changed, i.AccountChanged) else ""

    def say_changed(self) -> None:
        """It is stored."""
        self._say_and_ask(f"changed.{self._changed()}")

    def say_unchanged(self) -> None:
        """The account service refuses, or was silent: everything is as before."""
        chat = self.chat
        self._refusal(Reason.ACCOUNT_UNCHANGED)
        if chat.goal == "new_child":
            self._forget_new_child()
        chat.digest = chat.new_phone = chat.new_email = ""
        chat.goal, chat.told_opening = "manage", False
        self._say_and_ask("account.unchanged")

    def set_password(self) -> None:
        """The new password was entered twice."""
        self.outputs.append(o.SetPassword(self.chat.identifier, self.chat.digest))

    def say_password_set(self) -> None:
        """The old one is dead, the other sign-ins are closed, the other guardians know."""
        self._tell_others("password")
        self.chat.digest, self.chat.goal = "", "manage"
        self._say_and_ask("changed.password_set")

    def leave_phone(self) -> None:
        """The number stays as it is."""
        self.chat.new_phone = ""
        self.ask()

    def say_phone_changed(self) -> None:
        """From now on codes go to the new number."""
        self._tell_others("phone")
        self._say_and_ask("changed.phone_changed")

    def tell_school_phone(self) -> None:
        """The parent wants the school to write the new number down."""
        if self.chat.children:  # a note is about a child; one tells of the family
            self._tell_school("phone")
        self._say_and_ask("tell_phone.done")

    def say_no_mail(self) -> None:
        """No e-mail can be sent here."""
        self._refusal(Reason.MAIL_OFF)
        self._say_and_ask("mail.off")

    def request_email_code(self) -> None:
        """Does the address reach the parent?"""
        if self.came_from is not S.EMAIL_CODE:  # what is under way is of another address, or an SMS
            self.chat.code_sent_at = self.chat.code_expires_at = None
        self.outputs.append(o.RequestEmailCode(self.chat.new_email))

    def check_email_code(self) -> None:
        """Is it the newest code?"""
        self.outputs.append(o.CheckEmailCode(self.chat.new_email, self._secret()))

    def say_email_failed(self) -> None:
        """The e-mail did not leave."""
        self._refusal(Reason.EMAIL_FAILED)
        self._say_and_ask("email.failed")

    def change_email(self) -> None:
        """The code came back: the address is the account's."""
        self.outputs.append(o.ChangeEmail(self.chat.identifier, self.chat.new_email))

    # ---- then: the children ------------------------------------------------------------------

    def _list(self) -> None:
        super()._list()
        if self.chat.state is S.MY_CHILDREN and is_fresh(self.chat, self.now, self.policy):
            for child in self.chat.children:
                self._say(
                    "my_children.child",
                    Style.ITEM,
                    child=child.first,
                    initial=child.initial,
                    school=child.school,
                )

    def ask_which_child(self) -> None:
        """One by one: which is not the parent's?"""
        self.chat.child = 0
        self.ask()

    def say_no_children(self) -> None:
        """None is on the account."""
        self._say_and_ask("my_children.none")

    def find_child(self) -> None:
        """Has the parent such a child at that school?"""
        chat = self.chat
        [first] = chat.pending
        self.outputs.append(o.FindChild(chat.identifier, chat.child_school, first))

    def say_child_on_account(self) -> None:
        """Nothing to add."""
        self._refusal(Reason.CHILD_ON_ACCOUNT)
        self._say_and_ask("child.on_account")

    def say_child_not_found(self) -> None:
        """The same words whether or not there is such a pupil."""
        self._refusal(Reason.CHILD_NOT_FOUND)
        self._say_and_ask("child.not_found")

    def drop_new_child(self) -> None:
        """The parent goes back without the birthdate."""
        self._forget_new_child()
        self.ask()

    def _forget_new_child(self) -> None:
        del self.chat.children[self.chat.child]
        self.chat.child, self.chat.pending_date = 0, None

    def add_child(self) -> None:
        """The birthdate was right."""
        child = self.chat.children[self.chat.child]
        self._say("child.confirmed")
        self.chat.pending_date = None
        self.outputs.append(o.AddChild(self.chat.identifier, child.pupil))

    def put_new_child_aside(self) -> None:
        """Three wrong dates: the school looks at it."""
        self._refusal(Reason.CHILD_ASIDE)
        self._note_aside()
        self._forget_new_child()
        self.ask()

    def drop_child(self) -> None:
        """Off the account at once."""
        child = self.chat.children[self.chat.child]
        self.outputs.append(o.DropChild(self.chat.identifier, child.pupil))

    def say_child_dropped(self) -> None:
        """It is done, and the school is told."""
        self._tell_school("not_mine")
        self._say("changed.child_dropped")
        self._forget_new_child()
        self.ask()

    # ---- then: sign-ins, data, services, the end ---------------------------------------------

    def list_sign_ins(self) -> None:
        """Where is the account open, and what was done to it?"""
        self.outputs.append(o.ListSignIns(self.chat.identifier))

    def say_sign_ins(self) -> None:
        """Every conversation, then what happened, the newest first."""
        found = self.heard.answer
        assert isinstance(found, i.SignInsFound)  # noqa: S101 - the row's word says so
        self._say("sign_ins.open")
        for one in found.sign_ins:
            channel = one.channel if one.channel in CHANNELS else "other"
            key = "sign_ins.here" if one.here else "sign_ins.elsewhere"
            self._say(key, Style.ITEM, channel=Words(f"channel.{channel}"), at=one.since)
        told = [one for one in found.happenings if one.what in HAPPENINGS]
        if told:
            self._say("sign_ins.happened")
        for happening in told:
            self._say(f"happening.{happening.what}", Style.ITEM, at=happening.at)
        self.ask()

    def sign_out_others(self) -> None:
        """Only this conversation stays."""
        self.outputs.append(o.SignOutOthers(self.chat.identifier))

    def gather_data(self) -> None:
        """What is known of the parent?"""
        self.outputs.append(o.GatherData(self.chat.identifier))

    def say_data(self) -> None:
        """All of it, in the parent's words (the right of access)."""
        found = self.heard.answer
        assert isinstance(found, i.DataFound)  # noqa: S101 - the row's word says so
        self._say("data.intro")
        self._item("data.name", name=found.name)
        self._item("data.identifier")
        self._item("data.phone", phone=pretty(found.phone) if found.phone else "")
        self._item("data.email" if found.email else "data.no_email", email=found.email)
        self._item("data.opened", day=found.opened_at.astimezone(UTC).date())
        if found.children:
            self._item("data.children", names=found.children)
        if found.schools:
            self._item("data.schools", names=found.schools)
        self._item("data.password_elsewhere" if found.elsewhere else "data.password")
        self._item("data.conversations", n=found.conversations)
        self._item("data.happenings", n=found.happenings)
        self._say("data.register")
        self.ask()

    def _item(self, key: str, /, **facts: object) -> None:
        self._say(key, Style.ITEM, **facts)

    def erase_account(self) -> None:
        """The account, and all that Sésame made."""
        self.outputs.append(o.EraseAccount(self.chat.identifier))

    def say_account_erased(self) -> None:
        """Nothing is left but the school's register."""
        self._forget_for_good()
        self._say("account.erased")

    def close_account(self) -> None:
        """It can be opened again until a day."""
        self.chat.goal = "close"
        self.outputs.append(o.CloseAccount(self.chat.identifier))

    def reopen_account(self) -> None:
        """Open it again."""
        self.outputs.append(o.ReopenAccount(self.chat.identifier))

    def list_services(self) -> None:
        """What do the children's schools offer today?"""
        self.outputs.append(o.ListServices(self.chat.identifier))

    def say_services(self) -> None:
        """What the account opens (the tutorial, step 3): only what is open, and until when."""
        found = self.heard.answer
        assert isinstance(found, i.ServicesFound)  # noqa: S101 - the row's word says so
        self._say("services" if found.services else "services.none")
        lang = self.chat.lang or "fr"
        for one in found.services:
            name = one.names.get(lang) or next(iter(one.names.values()), "")
            facts = {"school": one.school, "name": name, "link": one.link, "day": one.closes}
            key = "services.until" if one.closes else "services.item"
            self._say(key, Style.ITEM, **facts)
        self.ask()

    # ---- then: at any question ---------------------------------------------------------------

    def say_privacy(self) -> None:
        """What this conversation keeps, how long, and how to have it erased."""
        self._say_kept()
        self.ask()

    def say_privacy_meanwhile(self) -> None:
        """The same, while nothing can be asked."""
        self._say_kept()
        self._say(self._variant("opening.waits"))

    def _say_kept(self) -> None:
        chat = self.chat
        kept = {
            "name": bool(chat.last or chat.first),
            "phone": bool(chat.phone or chat.new_phone),
            "email": bool(chat.email or chat.new_email),
            "login": bool(chat.login),
            "password": bool(chat.digest or chat.first_digest),
            "children": bool(chat.children),
            "identifier": bool(chat.identifier),
        }
        self._say("privacy.kept" if any(kept.values()) else "privacy.nothing")
        for kind, is_kept in kept.items():
            if is_kept:
                self._item(self._variant(f"privacy.{kind}"), n=len(chat.children))
        expires = chat.expires_at(self.policy)
        if expires and any(kept.values()):
            self._say("privacy.until", at=expires)
        self._say("privacy.account")
        self._say("privacy.erase")

    def remind(self) -> None:
        """After a silence in the middle of an activation, once, without a sound (UX 2.4)."""
        self.chat.reminded, self.chat.interruption = True, "remind"
        self._say("interrupt.remind", Style.STRONG, **self._step())
        self._choices(silent=True)

    def mute(self) -> None:
        """No reminder any more."""
        self.chat.muted = True
        self._say_and_ask("remind.muted")

    # ---- then: unasked -----------------------------------------------------------------------

    def interrupt(self) -> None:
        """The question over the question; the notice's stands below what it is about."""
        chat = self.chat
        if chat.interruption == "notice" and chat.notice_about:
            self._say(f"notice.{chat.notice_about}", child=chat.notice_child)
        super().interrupt()

    def object(self) -> None:
        """It is not: by the notice that came here, or by the code of an SMS or a letter."""
        chat = self.chat
        code = self.heard.secret
        notice = "" if code else chat.notice
        if not code:
            self._forget_notice()
        self.outputs.append(o.Object(notice, code))

    def say_not_object(self) -> None:
        """It is normal."""
        self._forget_notice()
        self._say("object.normal")
        self._ask_on()

    def say_objected(self) -> None:
        """The account is frozen, until the school has looked."""
        self._say("object.done")
        self._ask_on()

    def say_not_objected(self) -> None:
        """No such notice, or not any more."""
        self._refusal(Reason.NOT_OBJECTED)
        self._say("object.unknown")
        self._ask_on()

    def _forget_notice(self) -> None:
        chat = self.chat
        chat.notice = chat.notice_about = chat.notice_child = chat.interruption = ""

    def _ask_on(self) -> None:
        """The question that was open, where there is one."""
        if self.chat.state in QUESTIONS:
            self.ask()

    def say_signed_out(self) -> None:
        """The account is not open here any more; why stands in what is said."""
        gone = self.heard.answer
        assert isinstance(gone, i.SignedOut)  # noqa: S101 - the row's word says so
        self._drop_code()
        self.chat.forget()
        self._say(f"signed_out.{gone.why}")

    def say_thawed(self) -> None:
        """The school has looked, and the account is as before."""
        self._say("thawed")
        self._ask_on()
