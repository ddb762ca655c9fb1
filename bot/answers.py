"""What the world answers to a conversation's questions, inside the turn's transaction.

The conversation knows what may be asked when (flows); storage knows what is so. Here the one is put
into the other's words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from bot.rendering import Renderer
from bot.sms.segments import spelled
from flows import inputs as i
from flows import outputs as o
from flows.policy import Policy
from storage import sign_ins
from storage.accounts import Account, Accounts
from storage.codes import Codes
from storage.conversations import Conversations
from storage.database import Database, Work
from storage.invitations import Invitations
from storage.letters import Letters
from storage.life import Acting, Life
from storage.notices import LONGEST, Notices
from storage.openings import Openings
from storage.outbox import EMAIL, SMS, Outbox
from storage.register import Register

Services = Callable[[Sequence[tuple[str, str]], date], tuple[i.ServiceOpen, ...]]
"""What these schools (UAI and name) offer on this day."""

Slow = o.HashPassword | o.ComparePassword
Quick = (
    o.LookUpInvitation
    | o.LookUpNumber
    | o.RequestCode
    | o.CheckCode
    | o.LookForSms
    | o.MatchGuardian
    | o.CheckBirthdate
    | o.OpenAccount
    | o.CheckLetter
    | o.ReadAccount
    | o.SetPassword
    | o.ChangePhone
    | o.RequestEmailCode
    | o.CheckEmailCode
    | o.ChangeEmail
    | o.FindChild
    | o.AddChild
    | o.DropChild
    | o.SignOutOthers
    | o.CloseAccount
    | o.ReopenAccount
    | o.FreezeAccount
    | o.EraseAccount
    | o.ListSignIns
    | o.GatherData
    | o.ListServices
    | o.Object
)

SCHOOLS_LANGUAGE = "fr"
"""Of texts to people of whom nothing else is known: the schools' own."""


def no_services(schools: Sequence[tuple[str, str]], today: date) -> tuple[i.ServiceOpen, ...]:
    """Where no file says what schools offer."""
    del schools, today
    return ()


@dataclass(frozen=True, slots=True)
class Doors:
    """The parts of storage that a turn uses."""

    database: Database
    conversations: Conversations
    register: Register
    codes: Codes
    accounts: Accounts
    invitations: Invitations
    outbox: Outbox
    life: Life
    letters: Letters
    notices: Notices
    openings: Openings | None = None  # where accounts are opened in an outside service


class Answers:
    """Answers of storage, and what is sent with them."""

    def __init__(
        self, doors: Doors, policy: Policy, renderer: Renderer, services: Services = no_services
    ) -> None:
        self._doors = doors
        self._policy = policy
        self._renderer = renderer
        self._services = services

    def answer(  # noqa: PLR0912 - one case for each question
        self, question: Quick, acting: Acting, lang: str
    ) -> Work[i.FromWorld | None]:
        """The answer; None where it comes later."""
        doors, key, now = self._doors, acting.chat, acting.now
        match question:
            case o.LookUpInvitation(token):
                invited = yield from doors.invitations.look_up(token, key, now)
                if isinstance(invited, i.Invited):
                    return invited
                return (yield from doors.letters.look_up(token, key, now))
            case o.CheckLetter(code):
                return (yield from doors.letters.check(code.reveal(), key, now))
            case o.LookUpNumber(phone):
                trusted = self._policy.trust_shared_contact
                if trusted and not (yield from self._knows(phone)):
                    return i.NumberNotKnown()
                return i.NumberTaken(known=trusted)
            case o.RequestCode():
                return (yield from self._request_code(question, acting, lang))
            case o.CheckCode(phone, code, login):
                if login:
                    phone = yield from doors.accounts.number_of(login)
                return (yield from doors.codes.check(key, phone, code, now, login))
            case o.LookForSms(code, honest):
                found = yield from doors.outbox.sms_found(key, code=code)
                return found if honest else i.SmsFound("asked")
            case o.RequestEmailCode(email):
                return (yield from self._request_email_code(email, acting, lang))
            case o.CheckEmailCode(email, code):
                return (yield from doors.codes.check_by_email(key, email, code, now))
            case o.MatchGuardian(phone, last, first, letter):
                return (
                    yield from doors.register.match(
                        key, phone, last, first, now, letter=letter, also=acting.also
                    )
                )
            case o.CheckBirthdate(pupil, birthdate):
                return (yield from doors.register.check_birthdate(key, pupil, birthdate, now))
            case o.OpenAccount():
                return (yield from self._open(question, acting))
            case o.SetPassword():
                return (yield from self._set_password(question, acting))
            case o.Object(notice, secret):
                code_typed = secret.reveal() if secret else ""
                return (yield from doors.notices.object(notice, code_typed, acting))
            case _:
                return (yield from self._of_account(question, acting))

    def _of_account(  # noqa: PLR0912 - as above
        self, question: Quick, acting: Acting
    ) -> Work[i.FromWorld]:
        life = self._doors.life
        match question:
            case o.ReadAccount():
                return (yield from life.find(question, acting))
            case o.ChangePhone(identifier, phone):
                return (yield from life.change_phone(identifier, phone, acting))
            case o.ChangeEmail(identifier, email):
                return (yield from life.change_email(identifier, email, acting))
            case o.FindChild(identifier, school, first):
                return (yield from life.find_child(identifier, school, first, acting))
            case o.AddChild(identifier, pupil):
                return (yield from life.add_child(identifier, pupil, acting))
            case o.DropChild(identifier, pupil):
                return (yield from life.drop_child(identifier, pupil, acting))
            case o.SignOutOthers(identifier):
                return (yield from life.sign_out_others(identifier, acting))
            case o.CloseAccount(identifier):
                return (yield from life.close(identifier, acting))
            case o.ReopenAccount(identifier):
                return (yield from life.reopen(identifier, acting))
            case o.FreezeAccount(identifier):
                return (yield from life.freeze(identifier, "parent", acting))
            case o.EraseAccount(identifier):
                return (yield from life.erase(identifier, acting))
            case o.ListSignIns(identifier):
                return (yield from life.list_sign_ins(identifier, acting))
            case o.GatherData(identifier):
                return (yield from life.gather(identifier, acting))
            case o.ListServices(identifier):
                schools = yield from life.schools(identifier, acting)
                if isinstance(schools, i.SignedOut):
                    return schools
                today = acting.now.astimezone(self._renderer.zone).date()
                return i.ServicesFound(self._services(schools, today))
        raise AssertionError(f"nobody answers {type(question).__name__}")

    def tell_others(self, wanted: o.TellOthers, acting: Acting, lang: str) -> Work[None]:
        """Let the other guardians and the account's own addresses know."""

        def words(lang: str, key: str, facts: dict[str, str]) -> str:
            if key.startswith("sms."):  # one letter outside their alphabet makes two SMS of one
                facts = {name: spelled(fact)[:LONGEST] for name, fact in facts.items()}
            return self._renderer.say(key, lang, **facts)

        theirs, own = partial(words, SCHOOLS_LANGUAGE), partial(words, lang)
        yield from self._doors.notices.tell(wanted, acting, theirs, own)

    # ---- codes -------------------------------------------------------------------------------

    def _knows(self, phone: str) -> Work[bool]:
        """Whether the register or an account has the number: always the same two questions."""
        in_register = yield from self._doors.register.knows(phone)
        on_account = yield from self._doors.accounts.knows(phone)
        return in_register or on_account

    def _request_code(self, wanted: o.RequestCode, acting: Acting, lang: str) -> Work[i.FromWorld]:
        doors, key, now = self._doors, acting.chat, acting.now
        phone, login = wanted.phone, wanted.login
        if login:
            phone = yield from doors.accounts.number_of(login)
            known = bool(phone)
        elif wanted.because == "letter":
            known = bool((yield from doors.letters.held_by(key, now)))
        elif wanted.because == "change":
            known = yield from sign_ins.has_account_open(key)
        else:
            known = yield from self._knows(phone)
        answer, code, sends = yield from doors.codes.request(
            key, phone, wanted.last, wanted.first, known, now, login
        )
        if code is not None and isinstance(answer, i.CodeOnItsWay):
            # A number that nobody has takes the same steps to the end; its SMS is for nobody, and
            # never handed to the sender (I8, I10).
            text = self._renderer.say("sms.code", lang, code=code.reveal(), minutes=self._minutes)
            yield from doors.outbox.drop_codes(key)
            body = {"to": phone if sends else "", "text": text}
            yield from doors.outbox.add(key, SMS, body, now, answer.expires_at)
        return answer

    def _request_email_code(self, email: str, acting: Acting, lang: str) -> Work[i.FromWorld]:
        doors, key, now = self._doors, acting.chat, acting.now
        answer, code = yield from doors.codes.request_by_email(key, email, now)
        if code is not None and isinstance(answer, i.CodeOnItsWay):
            facts = {"code": code.reveal(), "minutes": self._minutes}
            body = {
                "to": email,
                "subject": self._renderer.say("mail.code.subject", lang, **facts),
                "text": self._renderer.say("mail.code.text", lang, **facts),
                "code": True,
            }
            yield from doors.outbox.drop_codes(key)
            yield from doors.outbox.add(key, EMAIL, body, now, answer.expires_at)
        return answer

    @property
    def _minutes(self) -> int:
        return int(self._policy.code_validity.total_seconds() // 60)

    # ---- opened and changed elsewhere --------------------------------------------------------

    def _open(self, wanted: o.OpenAccount, acting: Acting) -> Work[i.FromWorld | None]:
        """Open the account here; elsewhere, ask for it, and the answer comes later."""
        doors, key, now = self._doors, acting.chat, acting.now
        answer: i.FromWorld | bytes
        if doors.openings is None:
            answer = yield from doors.accounts.open(wanted, key, now)
        else:
            answer = yield from doors.openings.begin(wanted, key, now)
        if isinstance(answer, i.AccountExists):
            account = yield from doors.life.read(answer.identifier)
            if account is not None:
                return (yield from doors.life.show(account, wanted.phone, acting))
        if isinstance(answer, bytes):
            acting.also.add(answer)
            return None
        return answer

    def _set_password(self, wanted: o.SetPassword, acting: Acting) -> Work[i.FromWorld | None]:
        """The same for another password."""
        doors = self._doors
        if doors.openings is None:
            return (yield from doors.life.set_password(wanted.identifier, wanted.digest, acting))
        account = yield from doors.life.may_change(wanted.identifier, acting)
        if not isinstance(account, Account):
            return account
        asked = yield from doors.openings.set_password(
            account, wanted.digest, acting.chat, acting.now
        )
        if isinstance(asked, bytes):
            acting.also.add(asked)
            return None
        return asked
