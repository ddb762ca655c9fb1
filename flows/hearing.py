"""From what happened to one word of the table; what was learnt is noted in the chat on the way.

What counts (misses, burnt codes) is counted here, before a row is chosen: conditions only look.
"""

from datetime import datetime

from flows import inputs as i
from flows.account.hearing import (
    child_of,
    is_proof,
    is_too_late,
    needs_proof,
    note_about_account,
    read_about_account,
    take_own_new_phone,
    wants,
    word_about_account,
)
from flows.account.table import GOALS, LASTING
from flows.chat import Chat
from flows.heard import Heard
from flows.policy import Policy
from flows.questions.birthdate import Birthdate, read_birthdate
from flows.questions.code import read_code
from flows.questions.letter import read_objection
from flows.questions.name import TwoNames, is_same_name, read_name
from flows.questions.password import canonical, check_password
from flows.questions.phone import SeveralPhones, read_contact, read_phone
from flows.refusals import Reason, Refused
from flows.secret import Secret
from flows.states import S
from flows.table import (
    ARRIVING,
    COMMANDS,
    ENDED,
    INTERRUPTIONS,
    NAMES,
    PASSWORDS,
    QUESTIONS,
    WAITING,
)
from flows.waking import is_decent, remind_at

UNASKED = ("remind", "notice")
"""Interruptions that the parent did not ask for: the question below can be answered as well."""

MEANWHILE = ("cancel", "help", "language", "human", "privacy", "erase", "fr", "en")
"""Commands that are understood while an account service takes its time."""

_NOTICE = INTERRUPTIONS["notice"]


def offered(chat: Chat) -> tuple[str, ...]:
    """The choices under the present question, in the order in which they are numbered."""
    if chat.interruption:
        return INTERRUPTIONS[chat.interruption]
    return _own(chat)


def _own(chat: Chat) -> tuple[str, ...]:
    """The choices of the question itself, whatever stands over it."""
    question = QUESTIONS.get(chat.state)
    if question is None:
        return ()
    other = "fr" if chat.lang == "en" else "en"
    own = tuple(other if choice == "language" else choice for choice in question.choices)
    return own + (("back",) if question.back else ()) + ("help",)


def hear(
    chat: Chat,
    happened: i.FromParent | i.TimeCame | i.Blocked,
    now: datetime,
    policy: Policy,
    heard: Heard,
) -> str | None:
    """The word for the table of what the parent did or of the time, or None for nothing."""
    if isinstance(happened, i.TimeCame):
        return _time(chat, now, policy)
    if isinstance(happened, i.Blocked):
        return "blocked"
    chat.seen_at = now
    was_away, chat.away = chat.away, False
    if isinstance(happened, i.FromPage):
        return _page(chat, happened, now, policy, heard)
    if isinstance(happened, i.Returned) and happened.lang:
        chat.lang = happened.lang
    if isinstance(happened, i.Pressed) and happened.choice in _NOTICE and chat.notice:
        return _of_notice(chat, happened)
    if isinstance(happened, i.Said):
        word = _objection(chat, happened, heard)
        if word:
            chat.misses = 0
            return word
    if isinstance(happened, i.CameByLink) and chat.state in ARRIVING:
        heard.token = happened.token
        return "link"
    if chat.state in ENDED:
        return _begins(chat, happened)
    if chat.state in WAITING:
        return None if _is_second_tap(chat, happened) else _waiting(chat, happened)
    if chat.state is S.LOCKED:
        return _locked(chat, happened, now, policy)
    over = chat.interruption
    word = _parent(chat, happened, now, policy, heard)
    if word == "start" and was_away:  # of "Restart", which lifts the block: no wish to begin anew
        chat.interruption = over if over == "notice" else ""
        word = "return"
    chat.misses = chat.misses + 1 if word == "refused" else 0
    return word


def _time(chat: Chat, now: datetime, policy: Policy) -> str | None:
    """Help for the code, or the reminder; what has expired was erased before anything is heard."""
    remind = remind_at(chat, policy)
    if remind and now >= remind:
        decent = is_decent(chat, policy, now)
        chat.reminded = chat.nudged = True  # also where the bot was stopped until it was too late
        return "remind" if decent else None
    nudge = chat.nudge_at(policy)
    return "nudge" if nudge and now >= nudge else None


# ---- another guardian's account ---------------------------------------------------------------


def _of_notice(chat: Chat, pressed: i.Pressed) -> str | None:
    """Its buttons work as long as it can be objected to, whatever is being asked."""
    if _is_second_tap(chat, pressed):
        return None
    chat.pressed = (pressed.asked, pressed.choice)
    return pressed.choice


def _objection(chat: Chat, said: i.Said, heard: Heard) -> str | None:
    """A NO with a code holds everywhere; alone, where the question has no "no" of its own."""
    code = read_objection(said.text)
    if code:
        heard.secret = Secret(code)
        return "object"
    if chat.interruption == "notice":
        return _by_number(said, _NOTICE) or next((w for w in _NOTICE if w in said.means), None)
    if not chat.notice or chat.interruption or chat.state in NAMES:
        return None
    return "object" if "object" in said.means and not _meant(said, _own(chat)) else None


def _by_number(said: i.Said, choices: tuple[str, ...]) -> str | None:
    """A choice by its number, as they are shown on a terminal."""
    if said.text.isascii() and said.text.isdigit() and len(said.text) < 3:
        number = int(said.text)
        if 1 <= number <= len(choices):
            return choices[number - 1]
    return None


def _begins(chat: Chat, happened: i.FromChat) -> str | None:
    """Any message begins; a second tap on "stop" or a change to an old message does not."""
    if isinstance(happened, i.Edited):
        return None
    return None if _is_second_tap(chat, happened) else "begin"


def _is_second_tap(chat: Chat, happened: i.FromChat) -> bool:
    """On the button that was taken last: it is answered already, or will be."""
    return isinstance(happened, i.Pressed) and chat.pressed == (happened.asked, happened.choice)


def _waiting(chat: Chat, happened: i.FromChat) -> str:
    """The world has not answered. Where that takes long, the parent may leave, or ask meanwhile."""
    if chat.state not in LASTING or not chat.told_opening:
        return "wait"
    choices, word = offered(chat), None
    match happened:
        case i.Pressed(choice, asked) if asked == chat.asked and choice in choices:
            chat.pressed, word = (asked, choice), choice
        case i.Said():
            word = _by_number(happened, choices) or _meant(happened, choices)
    return _chosen(chat, word) if word in (*choices, *MEANWHILE) else "wait"


def _locked(chat: Chat, happened: i.FromChat, now: datetime, policy: Policy) -> str:
    """During a pause only what cannot help a guesser is understood."""
    if chat.locked_until is None or now >= chat.locked_until:
        return "lift"
    # A clock that was ahead for a moment must not lock a parent until then (T22).
    chat.locked_until = min(chat.locked_until, now + chat.lock_length(policy, chat.locks - 1))
    if isinstance(happened, i.Said):
        word = _meant(happened, ())
        if word in ("language", "fr", "en"):
            return _chosen(chat, word)
        if word in ("human", "erase"):
            return word
    return "wait"


# ---- the page for the password ---------------------------------------------------------------


def _page(
    chat: Chat, happened: i.FromPage, now: datetime, policy: Policy, heard: Heard
) -> str | None:
    """None where the page is of no use: it is told so, and the chat hears nothing of it."""
    if chat.state not in PASSWORDS or not policy.password_page:
        return None
    if _is_proof_old(chat, now, policy):
        return "proof_too_old"
    if isinstance(happened, i.PageFilled):
        return _page_filled(chat, happened, now, policy, heard)
    chat.ticket, chat.ticket_until = happened.ticket, now + policy.ticket_validity
    return "page_opened"


def _page_filled(
    chat: Chat, filled: i.PageFilled, now: datetime, policy: Policy, heard: Heard
) -> str | None:
    """A ticket is good until a password is taken, another page is opened, or its time is over."""
    if not chat.ticket or filled.ticket != chat.ticket:
        return None
    if chat.ticket_until is None or now >= chat.ticket_until:
        return None
    heard.verdict = check_password(filled.password, chat.avoid, policy.password_min)
    heard.refused = heard.verdict.refused
    if heard.refused is None and canonical(filled.password) != canonical(filled.again):
        heard.refused = Refused(Reason.PASSWORDS_DIFFER)
    if heard.refused:
        return "page_refused"
    chat.ticket, chat.ticket_until = "", None
    heard.secret = Secret(canonical(filled.password))
    return "page_filled"


# ---- the parent ------------------------------------------------------------------------------


def _parent(
    chat: Chat, happened: i.FromChat, now: datetime, policy: Policy, heard: Heard
) -> str | None:
    if chat.interruption in UNASKED and not _answers_it(chat, happened):
        chat.interruption = ""  # the question below it is answered, or asked again
    match happened:
        case i.Pressed(choice, asked):
            return _pressed(chat, choice, asked, now, policy)
        case i.CameByLink():
            return _chosen(chat, "start")  # the answers that are there already count for more
        case i.Said():
            return _said(chat, happened, now, policy, heard)
        case i.SharedContact(phone, own):
            return _contact(chat, phone, own, now, policy, heard)
        case i.Edited():
            return "edited"
        case i.Returned():
            return "return"
        case i.SentOther():
            return _refuse(heard, Refused(Reason.TEXT_ONLY))


def _answers_it(chat: Chat, happened: i.FromChat) -> bool:
    """Whether this is about what came unasked."""
    choices = INTERRUPTIONS[chat.interruption]
    match happened:
        case i.Pressed(choice, asked):
            return asked == chat.asked and choice in choices
        case i.Said():
            return bool(_by_number(happened, choices) or _meant(happened, choices) in choices)
        case i.Returned():
            return True
        case _:
            return False


def _pressed(chat: Chat, choice: str, asked: int, now: datetime, policy: Policy) -> str | None:
    if chat.pressed == (asked, choice) and asked != chat.asked:
        return None  # a double tap: the first one moved the conversation on
    if asked != chat.asked or choice not in offered(chat):
        return "stale"
    chat.pressed = (asked, choice)
    return _choose(chat, choice, now, policy)


def _choose(chat: Chat, choice: str, now: datetime, policy: Policy) -> str:
    """Take a choice, or ask for a fresh proof first. What the parent wants is kept until then."""
    if choice == "resend" and _is_change_old(chat, now, policy):
        return "proof_too_old"
    if needs_proof(chat, choice, now, policy):
        chat.goal = GOALS.get(choice, chat.goal)
        return "proof_too_old"
    return _chosen(chat, choice)


def _said(chat: Chat, said: i.Said, now: datetime, policy: Policy, heard: Heard) -> str:
    choices = offered(chat)
    if said.is_command:
        for command in COMMANDS:
            if command in said.means:
                return _chosen(chat, command)
        if chat.state not in PASSWORDS:  # a password may begin with "/"
            return "help"
    number = _by_number(said, choices)
    if number:
        return _choose(chat, number, now, policy)
    if chat.state not in NAMES or chat.interruption:
        word = _meant(said, choices)
        if word:
            return _choose(chat, word, now, policy)
    if chat.interruption:
        return _refuse(heard, Refused(Reason.CHOOSE))
    answer = _answer(chat, said, now, policy, heard)
    if isinstance(answer, str):
        return answer
    if chat.state in NAMES:  # not a name: perhaps a button's label ("← Retour", "?")
        word = _meant(said, choices)
        if word:
            return _choose(chat, word, now, policy)
    return _refuse(heard, answer)


def _meant(said: i.Said, choices: tuple[str, ...]) -> str | None:
    return next((word for word in (*choices, *COMMANDS) if word in said.means), None)


def _refuse(heard: Heard, refused: Refused) -> str:
    heard.refused = refused
    return "refused"


def _chosen(chat: Chat, choice: str) -> str:
    """Note what a choice says, and return its word."""
    if choice in ("fr", "en"):
        chat.lang = choice
        return choice if chat.state is S.LANGUAGE else "language"
    if choice == "language":
        chat.lang = "en" if chat.lang == "fr" else "fr"
    elif choice in INTERRUPTIONS:
        chat.interruption = choice
    elif choice in GOALS:
        wants(chat, choice)
    elif choice == "services":
        chat.home = chat.state.value
    elif choice == "send_code":
        chat.new_phone = ""  # the proof is of the account's own number, and of no other
    elif choice in ("first_number", "second_number"):
        chat.phone, chat.phone_known = chat.pending[choice == "second_number"], False
        chat.pending = ()
    elif chat.state is S.SPLIT_NAME and choice == "yes":
        chat.last, chat.first = chat.pending
    elif chat.state is S.INVITED and choice == "no":
        chat.last = chat.first = ""
        chat.letter = False
    elif chat.state is S.EMAIL_TYPO and choice in ("yes", "no"):
        chat.new_email = chat.pending[0] if choice == "yes" else chat.new_email
        chat.pending = ()
    elif chat.state is S.NOT_MINE and choice == "yes":
        chat.children[chat.child].status = "not_mine"
    return choice


def _answer(chat: Chat, said: i.Said, now: datetime, policy: Policy, heard: Heard) -> str | Refused:
    """Read the text as an answer to the present question."""
    text = said.text
    match chat.state:
        case _ if is_too_late(chat, now, policy):
            return "proof_too_old"
        case S.LAST_NAME:
            return _last_name(chat, text)
        case S.FIRST_NAME:
            return _first_name(chat, text)
        case S.PHONE | S.WHICH_PHONE | S.CHECK:
            return _phone(chat, text)
        case S.CODE | S.NO_SMS | S.EMAIL_CODE:
            return _code(chat, said, now, policy, heard)
        case S.PASSWORD | S.PASSWORD_AGAIN if policy.password_page:
            return Refused(Reason.PASSWORD_IN_CHAT)
        case S.PASSWORD | S.PASSWORD_AGAIN:
            return _password(chat, said.exact, now, policy, heard)
        case S.CHILD | S.BIRTHDATE | S.BIRTHDATE_CHECK:
            return _birthdate(chat, said, now)
        case S.DONE | S.ALREADY:
            return "small_talk"  # "merci": nothing is asked any more
        case _:
            return read_about_account(chat, text, heard)


def _last_name(chat: Chat, text: str) -> str | Refused:
    name = read_name(text, splittable=True)
    if isinstance(name, TwoNames):
        chat.pending = (name.last, name.first)
        chat.last = f"{name.last} {name.first}"
        return "two_names"
    if isinstance(name, Refused):
        return name
    chat.last = name
    return "name"


def _first_name(chat: Chat, text: str) -> str | Refused:
    name = read_name(text)
    if isinstance(name, Refused):
        return name
    assert isinstance(name, str)  # noqa: S101 - only the last name's question splits
    chat.first = name
    return "same_name" if is_same_name(name, chat.last) else "name"


def _phone(chat: Chat, text: str) -> str | Refused:
    number = read_phone(text)
    if isinstance(number, Refused):
        # Elsewhere than at PHONE a number is a shortcut; what is none was meant as a choice.
        return number if chat.state is S.PHONE else Refused(Reason.CHOOSE)
    if isinstance(number, SeveralPhones):
        if chat.state is not S.PHONE:
            return Refused(Reason.CHOOSE)
        chat.pending = number.numbers[:2]
        return "two_numbers"
    chat.phone, chat.phone_known = number, False
    return "number"


def _contact(chat: Chat, phone: str, own: bool, now: datetime, policy: Policy, heard: Heard) -> str:
    if chat.state not in (S.PHONE, S.NEW_PHONE, S.WHICH_ACCOUNT) or chat.interruption:
        return _refuse(heard, Refused(Reason.TEXT_ONLY))
    if not own:
        return _refuse(heard, Refused(Reason.CONTACT_OF_ANOTHER))
    number = read_contact(phone)
    if isinstance(number, Refused):
        return _refuse(heard, number)
    if chat.state is S.NEW_PHONE:
        taken = take_own_new_phone(chat, number, now, policy)
        return taken if isinstance(taken, str) else _refuse(heard, taken)
    chat.phone, chat.phone_known, chat.login = number, False, ""
    # By letter any number will do: the register is not looked at.
    return "number" if chat.letter and chat.state is S.PHONE else "own_number"


def _code(chat: Chat, said: i.Said, now: datetime, policy: Policy, heard: Heard) -> str | Refused:
    code = read_code(said.text, policy.code_digits)
    if isinstance(code, Refused):
        return Refused(Reason.CHOOSE) if chat.state is S.NO_SMS else code
    if _is_change_old(chat, now, policy):
        return "proof_too_old"
    if said.forwarded:
        return Refused(Reason.FORWARDED)
    heard.secret = Secret(code)
    return "code"


def _password(chat: Chat, text: str, now: datetime, policy: Policy, heard: Heard) -> str | Refused:
    if _is_proof_old(chat, now, policy):
        return "proof_too_old"
    if chat.state is S.PASSWORD:  # the second entry is only compared with the first
        verdict = check_password(text, chat.avoid, policy.password_min)
        heard.verdict = verdict
        if verdict.refused:
            return verdict.refused
    heard.secret = Secret(canonical(text))
    return "password"


def _is_proof_old(chat: Chat, now: datetime, policy: Policy) -> bool:
    """The time between the code and the password is over."""
    return chat.proved_at is None or now - chat.proved_at > policy.proof_validity


def _is_change_old(chat: Chat, now: datetime, policy: Policy) -> bool:
    """The code under way is for a new number, and the one before was proved too long ago."""
    return bool(chat.new_phone) and _is_proof_old(chat, now, policy)


def _birthdate(chat: Chat, said: i.Said, now: datetime) -> str | Refused:
    text = said.text
    if chat.state is S.CHILD and "no" in said.leads:
        return Refused(Reason.CHOOSE)
    if chat.state is S.CHILD and "yes" in said.leads:  # "oui 12/06/2010": both in one message
        text = text.partition(" ")[2]
    answer = read_birthdate(text, now.date(), english=chat.lang == "en")
    if isinstance(answer, Birthdate):
        chat.pending_date = answer.day
        return "date" if answer.sure else "unsure_date"
    return Refused(Reason.CHOOSE) if chat.state is S.CHILD else answer


# ---- the world -------------------------------------------------------------------------------

_WORDS: dict[type, str] = {
    i.Invited: "invited",
    i.NotInvited: "not_invited",
    i.NumberTaken: "number_taken",
    i.NumberNotKnown: "number_not_known",
    i.CodeOnItsWay: "code_on_its_way",
    i.CodeTooSoon: "code_too_soon",
    i.CodeBudgetSpent: "budget_spent",
    i.CodeRight: "code_right",
    i.CodeWrong: "code_wrong",
    i.CodeCancelled: "code_cancelled",
    i.CodeOld: "code_old",
    i.CodeExpired: "code_expired",
    i.GuardianMatched: "guardian_matched",
    i.NameDiffers: "name_differs",
    i.NotLegalGuardian: "not_legal",
    i.NoChildYet: "no_child",
    i.PasswordHashed: "password_hashed",
    i.BirthdateRight: "birthdate_right",
    i.BirthdateWrong: "birthdate_wrong",
    i.AccountOpened: "account_opened",
    i.AccountLate: "account_late",
    i.AccountElsewhere: "account_elsewhere",
    i.AccountNotOpened: "account_not_opened",
    i.PasswordNotTaken: "password_not_taken",
    i.PasswordGone: "password_gone",
    i.EraseFailed: "erase_failed",
    i.Unlocked: "unlocked",
    i.SmsDelayed: "sms_delayed",
    i.SmsFailed: "sms_failed",
    i.SmsFound: "sms_found",
    i.TextFailed: "text_failed",
}


def word_of(answer: i.FromWorld) -> str:
    """The word for the table that an answer of the world is."""
    if isinstance(answer, i.PasswordCompared):
        return "same" if answer.same else "different"
    if isinstance(answer, i.GuardianMatched) and not answer.children:
        return "no_child"
    return word_about_account(answer) or _WORDS[type(answer)]


def note(chat: Chat, answer: i.FromWorld, now: datetime, heard: Heard) -> None:
    """Keep what an answer says. Only ever called for one that the state waits for."""
    heard.answer = answer
    match answer:
        case i.CodeOnItsWay(sent_at, expires_at):
            chat.code_sent_at, chat.code_expires_at = sent_at, expires_at
            chat.nudged = chat.told_late = False
        case i.Invited(last, first) | i.LetterRight(last, first):
            chat.last, chat.first = last, first
            chat.letter, chat.goal, chat.login = isinstance(answer, i.LetterRight), "", ""
            chat.lang = chat.lang or "fr"  # the question offers the other one
        case i.CodeTooSoon(seconds):
            heard.seconds = seconds
        case i.CodeBudgetSpent(moment) | i.CodeOld(moment):
            heard.moment = moment
        case i.NumberNotKnown():
            chat.phone, chat.phone_known = "", False
            heard.refused = Refused(Reason.CONTACT_NOT_KNOWN)
        case i.CodeRight():
            if is_proof(chat):
                chat.proved_at = now
        case i.CodeWrong(left):
            heard.left = left
            chat.burnt += left == 0 and chat.state is not S.CHECKING_EMAIL
        case i.GuardianMatched():
            _matched(chat, answer)
        case i.NameDiffers(left):
            heard.left = left
        case i.Unlocked():
            chat.locks, chat.burnt, chat.locked_until = 0, 0, None
        case _:
            _note_more(chat, answer, heard)
            note_about_account(chat, answer, now, heard)


def _note_more(chat: Chat, answer: i.FromWorld, heard: Heard) -> None:
    match answer:
        case i.AccountOpened(identifier):
            chat.identifier = identifier
        case i.NumberTaken(known):
            chat.phone_known = known
        case i.SmsFound(state, at):
            heard.found, heard.moment = state, at
        case i.SmsFailed(state):
            heard.found = state
        case i.PasswordHashed(digest) if chat.state is S.HASHING_PAGE:
            chat.digest, chat.first_digest = digest, ""
        case i.PasswordHashed(digest):
            chat.first_digest = digest
        case i.PasswordCompared(same):
            if same:
                chat.digest = chat.first_digest
            chat.first_digest = ""
        case i.BirthdateRight():
            chat.children[chat.child].status = "confirmed"
            chat.dated = True
        case i.BirthdateWrong(left):
            heard.left = left
            if left == 0:
                chat.children[chat.child].status = "aside"


def _matched(chat: Chat, matched: i.GuardianMatched) -> None:
    """Take the children over; what was already confirmed in this conversation stays so."""
    before = {child.pupil: child.status for child in chat.children}
    chat.guardians, chat.avoid, chat.child = matched.guardians, matched.avoid, 0
    chat.reserved, chat.identifier = matched.identifier, ""  # this person has no account
    chat.digest = chat.first_digest = ""
    chat.children = [
        child_of(known, before.get(known.pupil, "waiting")) for known in matched.children
    ]
