"""What is heard and noted of accounts: the part of `flows.hearing` for the second table."""

from datetime import datetime

from flows import inputs as i
from flows.account.table import GOALS, GUARDED, HOME
from flows.chat import Chat, Child
from flows.heard import Heard
from flows.policy import Policy
from flows.questions.email import Email, read_email
from flows.questions.email import mask as mask_email
from flows.questions.letter import read_letter
from flows.questions.login import read_login
from flows.questions.name import read_name
from flows.questions.phone import SeveralPhones, read_phone
from flows.questions.school import read_school
from flows.refusals import Reason, Refused
from flows.secret import Secret
from flows.states import S
from flows.table import COMMANDS, INTERRUPTIONS

GIVEN = {S.NEW_PHONE, S.EMAIL, S.EMAIL_TYPO, S.EMAIL_CODE, S.CHILD_SCHOOL, S.CHILD_NAME}
"""Questions of "my account" that are answered in the parent's own words."""

_FREE = {  # what needs no fresh proof: it neither shows nor changes anything of the account
    *(*COMMANDS, *(choice for choices in INTERRUPTIONS.values() for choice in choices)),
    *("another", "text_me"),
}

# ---- the proof -------------------------------------------------------------------------------


def is_fresh(chat: Chat, now: datetime, policy: Policy) -> bool:
    """The proof is recent enough to show and change what is the account's (RELIABILITY 5)."""
    return chat.proved_at is not None and now - chat.proved_at <= policy.proof_shows


def needs_proof(chat: Chat, choice: str, now: datetime, policy: Policy) -> bool:
    """The choice shows or changes something, and the proof is too old for that."""
    free = choice in _FREE or (chat.state in HOME and choice == "services")
    guarded = chat.state in GUARDED or _dates_new_child(chat)
    return guarded and not free and not is_fresh(chat, now, policy)


def is_too_late(chat: Chat, now: datetime, policy: Policy) -> bool:
    """The same of what is typed: an answer of the parent's own words."""
    given = chat.state in GIVEN or _dates_new_child(chat)
    return given and not is_fresh(chat, now, policy)


def _dates_new_child(chat: Chat) -> bool:
    """The birthdate that is asked for adds a child to the account."""
    return chat.goal == "new_child" and chat.state in (S.BIRTHDATE, S.BIRTHDATE_CHECK)


def is_proof(chat: Chat) -> bool:
    """The code that is right proves the account's number: one of an address or a new number not."""
    return chat.state is not S.CHECKING_EMAIL and not chat.new_phone


# ---- the parent ------------------------------------------------------------------------------


def wants(chat: Chat, choice: str) -> None:
    """Note what the parent came for."""
    chat.goal = GOALS[choice]
    if chat.state is S.MENU:
        chat.letter, chat.login = False, ""


def read_about_account(chat: Chat, text: str, heard: Heard) -> str | Refused:
    """Read the text as an answer to the present question, where that is about an account."""
    match chat.state:
        case S.LETTER:
            code = read_letter(text)
            if isinstance(code, Refused):
                return code
            heard.secret = Secret(code)
            return "letter_code"
        case S.WHICH_ACCOUNT:
            return _which_account(chat, text)
        case S.NEW_PHONE:
            return _new_phone(chat, text)
        case S.EMAIL | S.EMAIL_TYPO:
            return _email(chat, text)
        case S.CHILD_SCHOOL:
            school = read_school(text)
            if isinstance(school, Refused):
                return school
            chat.child_school = school
            return "school"
        case S.CHILD_NAME:
            name = read_name(text)
            if isinstance(name, Refused):
                return name
            assert isinstance(name, str)  # noqa: S101 - only the last name's question splits
            chat.pending = (name,)
            return "name"
        case _:
            return Refused(Reason.CHOOSE)


def _which_account(chat: Chat, text: str) -> str | Refused:
    """The mobile number or the identifier. Nothing tells whether there is such an account."""
    number, login = _one_number(text), read_login(text)
    if isinstance(number, str):
        chat.phone, chat.phone_known, chat.login = number, False, ""
        return "number"
    if isinstance(login, str):
        chat.phone, chat.phone_known, chat.login = "", False, login
        return "login"
    return login if number.reason is Reason.PHONE_MISSING else number


def _new_phone(chat: Chat, text: str) -> str | Refused:
    number = _one_number(text)
    if isinstance(number, Refused):
        return number
    if number == chat.phone:
        return Refused(Reason.PHONE_SAME)
    chat.new_phone = number
    return "number"


def _one_number(text: str) -> str | Refused:
    number = read_phone(text)
    if isinstance(number, SeveralPhones):
        return Refused(Reason.PHONE_TOO_LONG, {"n": sum(map(str.isdigit, text))})
    return number


def _email(chat: Chat, text: str) -> str | Refused:
    email = read_email(text)
    if not isinstance(email, Email):  # a yes or no was expected: not every word is an address
        return email if chat.state is S.EMAIL else Refused(Reason.CHOOSE)
    chat.new_email = email.address
    if email.suggestion is None:
        chat.pending = ()
        return "address"
    chat.pending = (email.suggestion,)
    return "doubtful_address"


def take_own_new_phone(chat: Chat, number: str, now: datetime, policy: Policy) -> str | Refused:
    """The parent shared their own number as the account's new one."""
    if not is_fresh(chat, now, policy):
        return "proof_too_old"
    if number == chat.phone:
        return Refused(Reason.PHONE_SAME)
    chat.new_phone = number
    return "own_number"


# ---- the world -------------------------------------------------------------------------------

_WORDS: dict[type, str] = {
    i.LetterRight: "letter_right",
    i.LetterWrong: "letter_wrong",
    i.AccountTied: "account_tied",
    i.NoAccount: "no_account",
    i.AccountUnchanged: "account_unchanged",
    i.ChildFound: "child_found",
    i.ChildOnAccount: "child_on_account",
    i.ChildNotFound: "child_not_found",
    i.SignInsFound: "sign_ins_found",
    i.DataFound: "data_found",
    i.ServicesFound: "services_found",
    i.EmailFailed: "email_failed",
    i.Noticed: "noticed",
    i.Objected: "objected",
    i.NotObjected: "not_objected",
    i.SignedOut: "signed_out",
    i.Thawed: "thawed",
}

_STATUSES = {
    "open": "account_exists",
    "frozen": "found_frozen",
    "closed": "found_closed",
    "moved": "found_moved",
}


def word_about_account(answer: i.FromWorld) -> str | None:
    """The word for the table of an answer about accounts; None for any other."""
    if isinstance(answer, i.AccountExists):
        return _STATUSES[answer.status]
    if isinstance(answer, i.AccountChanged):
        return answer.what
    return _WORDS.get(type(answer))


def note_about_account(chat: Chat, answer: i.FromWorld, now: datetime, heard: Heard) -> None:
    """Keep what an answer about accounts says."""
    match answer:
        case i.LetterWrong(left):
            heard.left = left
        case i.AccountExists():
            _account(chat, answer)
        case i.AccountChanged():
            _changed(chat, answer, now)
        case i.NoAccount():  # also where it was erased since it was opened here
            chat.identifier = chat.login = chat.email = ""
            chat.dated = False
            chat.guardians, chat.avoid, chat.children = (), (), []
            if not chat.phone:  # only an identifier was given, whose number nobody said here
                chat.proved_at = None
        case i.Thawed(identifier) if identifier == chat.identifier:
            chat.proved_at = None  # whoever it is proves the number again, before anything is shown
        case i.ChildFound(child):
            chat.children.append(child_of(child, "waiting"))
            chat.child = len(chat.children) - 1
        case i.Noticed(notice, about, child):
            chat.notice, chat.notice_about, chat.notice_child = notice, about, child
            chat.interruption = "notice"
            if chat.pressed and chat.pressed[1] in INTERRUPTIONS["notice"]:  # of the one before
                chat.pressed = None


def _account(chat: Chat, account: i.AccountExists) -> None:
    """Keep what is known of the account. One with another number is told of and not kept."""
    chat.last_digits, chat.reopen_until = account.last_digits, account.until
    by_letter = chat.letter and chat.state is S.MATCHING
    if (account.status == "frozen") if by_letter else (account.status == "moved"):
        chat.identifier = chat.login = ""
        return
    if by_letter:  # nobody is signed in before all birthdates were right
        chat.goal, chat.reserved = "letter_phone", account.identifier
    else:
        chat.dated = chat.dated and chat.identifier == account.identifier
        chat.identifier, chat.login = account.identifier, ""
        chat.phone, chat.email = account.phone or chat.phone, account.email
    status = "waiting" if by_letter else "confirmed"
    chat.guardians, chat.avoid, chat.child = account.guardians, account.avoid, 0
    chat.children = [child_of(known, status) for known in account.children]


def _changed(chat: Chat, changed: i.AccountChanged, now: datetime) -> None:
    chat.told_opening = False
    match changed.what:
        case "phone_changed":
            chat.identifier, chat.reserved = chat.identifier or chat.reserved, ""
            chat.phone, chat.new_phone = chat.new_phone or chat.phone, ""
            chat.phone_known, chat.proved_at = False, now
        case "email_changed":
            chat.email, chat.new_email = mask_email(chat.new_email), ""
        case "account_closed":
            chat.reopen_until = changed.until
        case "account_reopened":
            chat.reopen_until = None


def child_of(known: i.ChildKnown, status: str) -> Child:
    """A pupil as the conversation keeps it."""
    return Child(known.pupil, known.first, known.initial, known.school, known.uai, status)
