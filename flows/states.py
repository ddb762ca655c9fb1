"""Where a conversation can stand, and the shape of the tables that say how it moves."""

from dataclasses import dataclass
from enum import Enum


class S(Enum):
    """Where a conversation stands. The value is what is stored: never reuse one (DESIGN)."""

    START = "start"  # nothing said yet
    INVITING = "inviting"  # whom is the link for by which the parent came?
    INVITED = "invited"  # is it you?
    LANGUAGE = "language"  # the messenger's language is neither French nor English
    PROFILE = "profile"  # parent or pupil?
    PUPIL = "pupil"  # told that this is for parents
    MENU = "menu"  # what do you wish to do?
    LETTER = "letter"  # the code on the school's letter
    CHECKING_LETTER = "checking_letter"
    WHICH_ACCOUNT = "which_account"  # the identifier, or the mobile number of an account
    LAST_NAME = "last_name"
    SPLIT_NAME = "split_name"  # "DUPONT Marie": last and first name?
    FIRST_NAME = "first_name"
    SAME_NAME = "same_name"  # the first name equals the last: on purpose?
    PHONE = "phone"
    WHICH_PHONE = "which_phone"  # two numbers in one message
    LOOKING_UP = "looking_up"  # does the school have the parent's own shared number?
    CHECK = "check"  # name and number read back before anything is sent
    SENDING = "sending"  # the world makes the first code
    CODE = "code"
    RESENDING = "resending"  # the world makes another code
    LOOKING_FOR_SMS = "looking_for_sms"  # what became of the code's SMS?
    NO_SMS = "no_sms"  # nothing arrives: what to check
    ASK_SCHOOL = "ask_school"  # what to ask the school for, and the way back
    CHECKING = "checking"  # is it the code?
    MATCHING = "matching"  # who is it, now that the number is proved?
    PASSWORD = "password"  # noqa: S105 - a state
    HASHING = "hashing"
    PASSWORD_AGAIN = "password_again"  # noqa: S105 - as above
    COMPARING = "comparing"
    HASHING_PAGE = "hashing_page"  # typed twice, on the page for it
    CHILD = "child"  # are you this child's legal guardian?
    NOT_MINE = "not_mine"  # sure?
    BIRTHDATE = "birthdate"
    BIRTHDATE_CHECK = "birthdate_check"  # a date that can be read in two ways, in words
    CHECKING_BIRTHDATE = "checking_birthdate"
    RECAP = "recap"
    CORRECT = "correct"  # what to change before the end
    OPENING = "opening"  # the account is being opened
    DONE = "done"
    LOOKING_FOR_TEXT = "looking_for_text"  # what became of the SMS with the identifier?
    ALREADY = "already"  # an account exists
    READING = "reading"  # the world looks for the account that was proved, and reads it
    NO_ACCOUNT = "no_account"  # none yet: it can be activated
    OTHER_PHONE = "other_phone"  # there is one, with another number than the one proved
    FROZEN = "frozen"  # until the school unfreezes it
    REOPEN = "reopen"  # it is closed, and can be opened again until a day
    NOT_RECOVERED = "not_recovered"  # the child's birthdate was not right
    NOT_ME = "not_me"  # freeze the account that somebody else opened: sure?
    PROVE = "prove"  # the proof is older than 10 minutes: another code
    MANAGE = "manage"  # my account
    CHANGING = "changing"  # the world changes the account
    NEW_PHONE = "new_phone"
    TELL_PHONE = "tell_phone"  # shall the school write the new number down, too?
    EMAIL = "email"
    EMAIL_TYPO = "email_typo"  # did you mean gmail.com?
    SENDING_EMAIL = "sending_email"
    EMAIL_CODE = "email_code"
    CHECKING_EMAIL = "checking_email"
    MY_CHILDREN = "my_children"
    CHILD_SCHOOL = "child_school"  # at which school is the child to add?
    CHILD_NAME = "child_name"  # and which first name?
    FINDING_CHILD = "finding_child"
    WRONG_CHILD = "wrong_child"  # which child is not mine?
    WRONG_CHILD_SURE = "wrong_child_sure"
    LOOKING_AT_SIGN_INS = "looking_at_sign_ins"
    SIGN_INS = "sign_ins"  # close the other ones?
    GATHERING = "gathering"  # the world gathers what is known of the parent
    MY_DATA = "my_data"
    FORGET_ME = "forget_me"  # erase the account and all that Sésame made: sure?
    CLOSE = "close"  # close the account: sure?
    LISTING = "listing"  # the world lists the services that are open
    NOT_LEGAL = "not_legal"  # known to the school, but not as a legal guardian
    NO_CHILD = "no_child"  # no pupil who could be confirmed
    REFUSED = "refused"  # no child confirmed: no account
    LOCKED = "locked"  # too many tries: a pause
    STOPPED = "stopped"  # the parent stopped
    EXPIRED = "expired"  # answers erased after a long silence


@dataclass(frozen=True, slots=True)
class Question:
    """What a state offers: its own choices (words of FLOW and keys of `button.*`), and how."""

    choices: tuple[str, ...] = ()
    step: int = 0  # of 6, as the parent counts (UX R6); 0: not counted
    contact: bool = False  # the channel's "share my number"
    hidden: bool = False  # the answer is a password
    copy: bool = False  # the identifier can be copied with one touch
    back: bool = True  # "back" is offered
    hint: bool = False  # a line under the question: `<state>.hint`


STAY = None

Row = tuple[S | list[S], str, str | None, S | None, str]
"""In this state, when this word is heard, provided that, go there, then do this."""
