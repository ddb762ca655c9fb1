"""The whole conversation on one screen.

`FLOW` is the table: in this state, when this word is heard, provided that, go there, then do this.
Rows are tried from the top. A word is what the parent pressed or was understood to say
(`flows.hearing`), or what the world answered. `then` and `provided` name methods of `flows.turn`.
`QUESTIONS` says what each state offers under its question. The code that runs, the diagram in the
documentation and the tests are all made from these two tables.

The order is the tutorial's (EDUCONNECT.md): profile (3), "je n'ai pas de compte" (4), name and
mobile (5), send (6), code (7), password twice (8), children (9), identifier (10). Nothing is
created before OPENING, the last check.
"""

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
    MENU = "menu"  # have you an account already?
    HAS_ACCOUNT = "has_account"  # told where a lost identifier or password is mended
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
    PASSWORD = "password"  # noqa: S105
    HASHING = "hashing"
    PASSWORD_AGAIN = "password_again"  # noqa: S105
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


QUESTIONS: dict[S, Question] = {
    S.INVITED: Question(("yes", "no", "language"), step=1, back=False),
    S.LANGUAGE: Question(("fr", "en"), back=False),
    S.PROFILE: Question(("parent", "pupil", "language"), back=False),
    S.PUPIL: Question(("parent",)),
    S.MENU: Question(("activate", "has_account")),
    S.HAS_ACCOUNT: Question(("activate",)),
    S.LAST_NAME: Question(step=1, hint=True),
    S.SPLIT_NAME: Question(("yes", "no"), step=1),
    S.FIRST_NAME: Question(step=1, hint=True),
    S.SAME_NAME: Question(("yes", "no"), step=1),
    S.PHONE: Question(("only_number",), step=2, contact=True, hint=True),
    S.WHICH_PHONE: Question(("first_number", "second_number"), step=2),
    S.CHECK: Question(("yes", "fix_name", "fix_phone"), step=2, hint=True),
    S.CODE: Question(("resend", "nothing_arrives"), step=3, hint=True),
    S.NO_SMS: Question(("resend", "other_number", "ask_school"), step=3),
    S.ASK_SCHOOL: Question(("other_number",), step=2, hint=True),
    S.PASSWORD: Question(step=4, hidden=True, hint=True),
    S.PASSWORD_AGAIN: Question(step=4, hidden=True),
    S.CHILD: Question(("yes", "no"), step=5, hint=True),
    S.NOT_MINE: Question(("yes", "no"), step=5),
    S.BIRTHDATE: Question(step=5, hint=True),
    S.BIRTHDATE_CHECK: Question(("yes", "no"), step=5),
    S.RECAP: Question(("activate_now", "correct", "child_missing"), step=6),
    S.CORRECT: Question(("fix_password", "fix_children"), step=6),
    S.DONE: Question(("services", "text_me", "another"), back=False, copy=True),
    S.ALREADY: Question(("services", "another"), back=False, copy=True),
    S.NOT_LEGAL: Question(("restart",), back=False),
    S.NO_CHILD: Question(("restart",), back=False),
    S.REFUSED: Question(("restart",), back=False),
}

INTERRUPTIONS: dict[str, tuple[str, ...]] = {
    "cancel": ("stop", "continue"),
    "start": ("continue", "restart"),
    "erase": ("erase_all", "continue"),
}
"""Questions about the conversation itself, asked over any state without leaving it."""

COMMANDS = ("back", "cancel", "help", "language", "status", "human", "erase", "start", "fr", "en")
"""Understood at every question, as a command, a button or a plain word."""

ASKING = list(QUESTIONS)
PASSWORDS = [S.PASSWORD, S.PASSWORD_AGAIN]
NAMES = [S.LAST_NAME, S.FIRST_NAME]  # a plain word is a name here, not a command (MISSION 4.1)
WAITING = [
    S.INVITING,
    S.LOOKING_UP,
    S.SENDING,
    S.RESENDING,
    S.LOOKING_FOR_SMS,
    S.CHECKING,
    S.MATCHING,
    S.HASHING,
    S.COMPARING,
    S.HASHING_PAGE,
    S.CHECKING_BIRTHDATE,
    S.OPENING,
    S.LOOKING_FOR_TEXT,
]
ENDED = [S.START, S.STOPPED, S.EXPIRED]  # any message begins (again)
OPENED = [S.DONE, S.ALREADY]  # there is an account
SENT_AWAY = [S.PUPIL, S.NOT_LEGAL, S.NO_CHILD, S.REFUSED]
CLOSED = [S.LANGUAGE, *OPENED, *SENT_AWAY]  # nothing to stop or to resume
ARRIVING = [*ENDED, S.LANGUAGE, S.PROFILE, S.MENU, S.HAS_ACCOUNT, *SENT_AWAY]  # no answers yet
UNDER_WAY = [state for state in ASKING if state not in CLOSED]
TALKING = [*UNDER_WAY, *OPENED, *SENT_AWAY]  # in a language
EVERYWHERE = list(S)
STAY = None

Row = tuple[S | list[S], str, str | None, S | None, str]

# fmt: off
FLOW: list[Row] = [
    # in                  when heard           provided            go to            then
    (ENDED,              "begin",             "language_known",   S.PROFILE,       "welcome"),
    (ENDED,              "begin",             None,               S.LANGUAGE,      "ask"),
    (ARRIVING,           "link",              None,               S.INVITING,      "look_up_invitation"),
    (S.INVITING,         "invited",           None,               S.INVITED,       "welcome"),
    (S.INVITING,         "not_invited",       "language_known",   S.PROFILE,       "welcome"),
    (S.INVITING,         "not_invited",       None,               S.LANGUAGE,      "ask"),
    (S.INVITED,          "yes",               None,               S.PHONE,         "ask"),
    (S.INVITED,          "no",                None,               S.PROFILE,       "ask"),
    (S.LANGUAGE,         "fr",                None,               S.PROFILE,       "welcome"),
    (S.LANGUAGE,         "en",                None,               S.PROFILE,       "welcome"),
    (S.PROFILE,          "parent",            None,               S.MENU,          "ask"),
    (S.PROFILE,          "pupil",             None,               S.PUPIL,         "ask"),
    (S.PUPIL,            "parent",            None,               S.MENU,          "ask"),
    (S.PUPIL,            "back",              None,               S.PROFILE,       "ask"),
    (S.MENU,             "activate",          None,               S.LAST_NAME,     "ask"),
    (S.MENU,             "has_account",       None,               S.HAS_ACCOUNT,   "ask"),
    (S.MENU,             "back",              None,               S.PROFILE,       "ask"),
    (S.HAS_ACCOUNT,      "activate",          None,               S.LAST_NAME,     "ask"),
    (S.HAS_ACCOUNT,      "back",              None,               S.MENU,          "ask"),

    (S.LAST_NAME,        "name",              None,               S.FIRST_NAME,    "ask"),
    (S.LAST_NAME,        "two_names",         None,               S.SPLIT_NAME,    "ask"),
    (S.LAST_NAME,        "back",              "proved",           STAY,            "say_no_way_back"),
    (S.LAST_NAME,        "back",              None,               S.MENU,          "ask"),
    (S.SPLIT_NAME,       "yes",               "proved",           S.MATCHING,      "match"),
    (S.SPLIT_NAME,       "yes",               "phone_given",      S.CHECK,         "ask"),
    (S.SPLIT_NAME,       "yes",               None,               S.PHONE,         "ask"),
    (S.SPLIT_NAME,       "no",                None,               S.FIRST_NAME,    "ask"),
    (S.SPLIT_NAME,       "back",              None,               S.LAST_NAME,     "ask"),
    (S.FIRST_NAME,       "same_name",         None,               S.SAME_NAME,     "ask"),
    (S.FIRST_NAME,       "name",              "proved",           S.MATCHING,      "match"),
    (S.FIRST_NAME,       "name",              "phone_given",      S.CHECK,         "ask"),
    (S.FIRST_NAME,       "name",              None,               S.PHONE,         "ask"),
    (S.FIRST_NAME,       "back",              None,               S.LAST_NAME,     "ask"),
    (S.SAME_NAME,        "yes",               "proved",           S.MATCHING,      "match"),
    (S.SAME_NAME,        "yes",               "phone_given",      S.CHECK,         "ask"),
    (S.SAME_NAME,        "yes",               None,               S.PHONE,         "ask"),
    (S.SAME_NAME,        "no",                None,               S.FIRST_NAME,    "ask"),
    (S.SAME_NAME,        "back",              None,               S.FIRST_NAME,    "ask"),

    (S.PHONE,            "number",            None,               S.CHECK,         "ask"),
    (S.PHONE,            "own_number",        None,               S.LOOKING_UP,    "look_up"),
    (S.PHONE,            "two_numbers",       None,               S.WHICH_PHONE,   "ask"),
    (S.PHONE,            "only_number",       None,               S.ASK_SCHOOL,    "ask"),
    (S.PHONE,            "back",              None,               S.FIRST_NAME,    "ask"),
    (S.LOOKING_UP,       "number_taken",      None,               S.CHECK,         "ask"),
    (S.LOOKING_UP,       "number_not_known",  None,               S.PHONE,         "refuse"),
    (S.WHICH_PHONE,      "first_number",      None,               S.CHECK,         "ask"),
    (S.WHICH_PHONE,      "second_number",     None,               S.CHECK,         "ask"),
    (S.WHICH_PHONE,      "number",            None,               S.CHECK,         "ask"),
    (S.WHICH_PHONE,      "back",              None,               S.PHONE,         "ask"),
    (S.CHECK,            "yes",               None,               S.SENDING,       "request_code"),
    (S.CHECK,            "number",            None,               S.CHECK,         "ask"),
    (S.CHECK,            "fix_name",          None,               S.LAST_NAME,     "ask"),
    (S.CHECK,            "fix_phone",         None,               S.PHONE,         "ask"),
    (S.CHECK,            "back",              None,               S.PHONE,         "ask"),
    (S.ASK_SCHOOL,       "other_number",      None,               S.PHONE,         "ask"),
    (S.ASK_SCHOOL,       "back",              None,               S.PHONE,         "ask"),

    # A number that the register does not know takes the same visible path: the world says
    # "code_on_its_way" for both, and no SMS leaves (promise 6).
    (S.SENDING,          "code_on_its_way",   None,               S.CODE,          "ask"),
    (S.SENDING,          "code_too_soon",     None,               S.CHECK,         "say_too_soon"),
    (S.SENDING,          "budget_spent",      None,               S.CHECK,         "say_budget"),
    ([S.CODE, S.NO_SMS], "code",              None,               S.CHECKING,      "check_code"),
    ([S.CODE, S.NO_SMS], "resend",            None,               S.RESENDING,     "request_code"),
    (S.CODE,             "nothing_arrives",   None,               S.LOOKING_FOR_SMS, "look_for_sms"),
    (S.LOOKING_FOR_SMS,  "sms_found",         None,               S.NO_SMS,        "say_sms_found"),
    ([S.CODE, S.NO_SMS], "sms_failed",        "number_known",     S.NO_SMS,        "say_sms_failed"),
    ([S.CODE, S.NO_SMS], "sms_failed",        None,               STAY,            "say_nothing"),
    (S.CODE,             "nudge",             None,               STAY,            "offer_help"),
    ([S.CODE, S.NO_SMS], "sms_delayed",       "sms_awaited",      STAY,            "say_sms_late"),
    ([S.CODE, S.NO_SMS], "sms_delayed",       None,               STAY,            "say_nothing"),
    (S.CODE,             "back",              None,               S.PHONE,         "cancel_code"),
    (S.NO_SMS,           "other_number",      None,               S.PHONE,         "cancel_code"),
    (S.NO_SMS,           "ask_school",        None,               S.ASK_SCHOOL,    "cancel_code"),
    (S.NO_SMS,           "back",              None,               S.CODE,          "ask"),
    (S.RESENDING,        "code_on_its_way",   None,               S.CODE,          "ask"),
    (S.RESENDING,        "code_too_soon",     None,               S.CODE,          "say_too_soon"),
    (S.RESENDING,        "budget_spent",      None,               S.NO_SMS,        "say_budget"),
    (S.CHECKING,         "code_right",        None,               S.MATCHING,      "match"),
    (S.CHECKING,         "code_wrong",        "tries_left",       S.CODE,          "say_wrong_code"),
    (S.CHECKING,         "code_wrong",        "burnt_before",     S.LOCKED,        "lock"),
    (S.CHECKING,         "code_wrong",        None,               S.CODE,          "say_burnt"),
    (S.CHECKING,         "code_cancelled",    None,               S.CODE,          "say_burnt"),
    (S.CHECKING,         "code_old",          None,               S.CODE,          "say_old_code"),
    (S.CHECKING,         "code_expired",      None,               S.CODE,          "say_expired_code"),

    (S.MATCHING,         "guardian_matched",  None,               S.PASSWORD,      "say_code_right"),
    (S.MATCHING,         "name_differs",      "tries_left",       S.LAST_NAME,     "say_name_differs"),
    (S.MATCHING,         "name_differs",      None,               S.LOCKED,        "lock"),
    (S.MATCHING,         "not_legal",         None,               S.NOT_LEGAL,     "close"),
    (S.MATCHING,         "no_child",          None,               S.NO_CHILD,      "close"),
    (S.MATCHING,         "account_exists",    None,               S.ALREADY,       "close"),

    (S.PASSWORD,         "password",          None,               S.HASHING,       "hash"),
    (S.PASSWORD,         "proof_too_old",     None,               S.CHECK,         "say_prove_again"),
    (S.PASSWORD,         "back",              "all_settled",      S.RECAP,         "ask"),
    (S.PASSWORD,         "back",              None,               STAY,            "say_no_way_back"),
    (S.HASHING,          "password_hashed",   None,               S.PASSWORD_AGAIN, "ask"),
    (S.PASSWORD_AGAIN,   "password",          None,               S.COMPARING,     "compare"),
    (S.PASSWORD_AGAIN,   "proof_too_old",     None,               S.CHECK,         "say_prove_again"),
    (S.PASSWORD_AGAIN,   "back",              None,               S.PASSWORD,      "ask"),
    (PASSWORDS,          "page_opened",       None,               STAY,            "show_page"),
    (PASSWORDS,          "page_refused",      None,               STAY,            "refuse_page"),
    (PASSWORDS,          "page_filled",       None,               S.HASHING_PAGE,  "hash_page"),
    (S.HASHING_PAGE,     "password_hashed",   "all_settled",      S.RECAP,         "ask"),
    (S.HASHING_PAGE,     "password_hashed",   None,               S.CHILD,         "first_child"),
    (S.COMPARING,        "same",              "all_settled",      S.RECAP,         "ask"),
    (S.COMPARING,        "same",              None,               S.CHILD,         "first_child"),
    (S.COMPARING,        "different",         None,               S.PASSWORD,      "say_different"),

    (S.CHILD,            "yes",               "to_confirm",       S.BIRTHDATE,     "ask"),
    (S.CHILD,            "yes",               "more_children",    S.CHILD,         "next_child"),
    (S.CHILD,            "yes",               "may_open",         S.RECAP,         "ask"),
    (S.CHILD,            "yes",               None,               S.REFUSED,       "close"),
    (S.CHILD,            "date",              None,               S.CHECKING_BIRTHDATE, "check_birthdate"),
    (S.CHILD,            "unsure_date",       None,               S.BIRTHDATE_CHECK, "ask"),
    (S.CHILD,            "no",                None,               S.NOT_MINE,      "ask"),
    (S.CHILD,            "back",              "child_before",     S.CHILD,         "previous_child"),
    (S.CHILD,            "back",              None,               S.PASSWORD,      "ask"),
    (S.NOT_MINE,         "yes",               "more_children",    S.CHILD,         "drop_and_next"),
    (S.NOT_MINE,         "yes",               "may_open",         S.RECAP,         "drop"),
    (S.NOT_MINE,         "yes",               None,               S.REFUSED,       "drop_and_close"),
    (S.NOT_MINE,         "no",                None,               S.CHILD,         "ask"),
    (S.NOT_MINE,         "back",              None,               S.CHILD,         "ask"),
    (S.BIRTHDATE,        "date",              None,               S.CHECKING_BIRTHDATE, "check_birthdate"),
    (S.BIRTHDATE,        "unsure_date",       None,               S.BIRTHDATE_CHECK, "ask"),
    (S.BIRTHDATE,        "back",              None,               S.CHILD,         "ask"),
    (S.BIRTHDATE_CHECK,  "yes",               None,               S.CHECKING_BIRTHDATE, "check_birthdate"),
    (S.BIRTHDATE_CHECK,  "date",              None,               S.CHECKING_BIRTHDATE, "check_birthdate"),
    (S.BIRTHDATE_CHECK,  "unsure_date",       None,               S.BIRTHDATE_CHECK, "ask"),
    (S.BIRTHDATE_CHECK,  "no",                None,               S.BIRTHDATE,     "ask"),
    (S.BIRTHDATE_CHECK,  "back",              None,               S.BIRTHDATE,     "ask"),
    (S.CHECKING_BIRTHDATE, "birthdate_right", "more_children",    S.CHILD,         "confirm_and_next"),
    (S.CHECKING_BIRTHDATE, "birthdate_right", "may_open",         S.RECAP,         "confirm"),
    (S.CHECKING_BIRTHDATE, "birthdate_right", None,               S.REFUSED,       "close"),
    (S.CHECKING_BIRTHDATE, "birthdate_wrong", "tries_left",       S.BIRTHDATE,     "say_wrong_date"),
    (S.CHECKING_BIRTHDATE, "birthdate_wrong", "more_children",    S.CHILD,         "put_aside_and_next"),
    (S.CHECKING_BIRTHDATE, "birthdate_wrong", "may_open",         S.RECAP,         "put_aside"),
    (S.CHECKING_BIRTHDATE, "birthdate_wrong", None,               S.REFUSED,       "put_aside_and_close"),

    (S.RECAP,            "activate_now",      None,               S.OPENING,       "open_account"),
    (S.RECAP,            "correct",           None,               S.CORRECT,       "ask"),
    (S.RECAP,            "child_missing",     None,               STAY,            "say_child_missing"),
    (S.RECAP,            "back",              None,               S.CHILD,         "last_child"),
    (S.CORRECT,          "fix_password",      None,               S.PASSWORD,      "ask"),
    (S.CORRECT,          "fix_children",      None,               S.CHILD,         "first_child"),
    (S.CORRECT,          "back",              None,               S.RECAP,         "ask"),
    (S.OPENING,          "account_opened",    None,               S.DONE,          "close"),
    (S.OPENING,          "account_exists",    None,               S.ALREADY,       "close"),
    # Where accounts are opened elsewhere: until that service has answered, and what it may refuse.
    (S.OPENING,          "account_late",      "told_account_late", STAY,           "say_nothing"),
    (S.OPENING,          "account_late",      None,               STAY,            "say_account_late"),
    (S.OPENING,          "wait",              "told_account_late", STAY,           "say_account_waits"),
    (S.OPENING,          "language",          None,               STAY,            "say_language_meanwhile"),
    (S.OPENING,          "human",             None,               STAY,            "say_human_meanwhile"),
    (S.OPENING,          "account_elsewhere", None,               S.RECAP,         "say_account_elsewhere"),
    (S.OPENING,          "password_gone",     None,               S.PASSWORD,      "say_password_gone"),
    (S.OPENING,          "password_not_taken", None,              S.PASSWORD,      "say_password_not_taken"),
    (S.OPENING,          "account_not_opened", None,              S.RECAP,         "say_account_not_opened"),
    (S.DONE,             "text_me",           "not_texted",       STAY,            "text_identifier"),
    (S.DONE,             "text_me",           None,               S.LOOKING_FOR_TEXT, "look_for_text"),
    (S.LOOKING_FOR_TEXT, "sms_found",         None,               S.DONE,          "say_text_found"),
    (S.DONE,             "text_failed",       None,               STAY,            "say_text_failed"),
    (OPENED,             "services",         None,               STAY,            "say_services"),
    (OPENED,             "another",          None,               S.LAST_NAME,     "start_over"),

    (OPENED,             "small_talk",        None,               STAY,            "ask"),

    # Everywhere, without leaving the question.
    (ASKING,             "help",              None,               STAY,            "help"),
    (ASKING,             "status",            None,               STAY,            "say_status"),
    (ASKING,             "language",          None,               STAY,            "say_language"),
    (ASKING,             "return",            None,               STAY,            "welcome_back"),
    (ASKING,             "human",             None,               STAY,            "say_human"),
    (ASKING,             "back",              None,               STAY,            "say_first_question"),
    (ASKING,             "stale",             None,               STAY,            "say_stale"),
    (ASKING,             "edited",            None,               STAY,            "say_edited"),
    (ASKING,             "refused",           None,               STAY,            "refuse"),
    (UNDER_WAY,          "cancel",            None,               STAY,            "interrupt"),
    (UNDER_WAY,          "start",             None,               STAY,            "interrupt"),
    (TALKING,            "erase",             None,               STAY,            "interrupt"),
    (TALKING,            "continue",          None,               STAY,            "ask"),
    (TALKING,            "stop",              None,               S.STOPPED,       "stop"),
    (TALKING,            "erase_all",         None,               S.STOPPED,       "erase"),
    (TALKING,            "restart",           None,               S.PROFILE,       "start_over"),
    (CLOSED,             "cancel",            None,               STAY,            "ask"),
    ([S.LANGUAGE, *OPENED], "start",          None,               STAY,            "ask"),
    (SENT_AWAY,          "start",             None,               S.PROFILE,       "start_over"),
    (S.LANGUAGE,         "erase",             None,               STAY,            "ask"),
    (WAITING,            "wait",              None,               STAY,            "say_wait"),
    (S.LOCKED,           "wait",              None,               STAY,            "say_locked"),
    (S.LOCKED,           "language",          None,               STAY,            "say_locked"),
    (S.LOCKED,           "human",             None,               STAY,            "say_locked"),
    (S.LOCKED,           "erase",             None,               STAY,            "erase_but_locks"),
    (S.LOCKED,           "expire",            None,               STAY,            "forget"),
    (S.LOCKED,           "lift",              "phone_given",      S.CHECK,         "ask"),
    (S.LOCKED,           "lift",              None,               S.PROFILE,       "ask"),
    (S.LOCKED,           "unlocked",          "phone_given",      S.CHECK,         "say_unlocked"),
    (S.LOCKED,           "unlocked",          None,               S.PROFILE,       "say_unlocked"),
    (ASKING,             "unlocked",          None,               STAY,            "say_unlocked"),
    (UNDER_WAY,          "expire",            None,               S.EXPIRED,       "forget"),
    (CLOSED,             "expire",            None,               S.START,         "forget"),
    (EVERYWHERE,         "blocked",           None,               STAY,            "fall_silent"),
    (EVERYWHERE,         "erase_failed",      None,               STAY,            "say_not_erased"),
]
# fmt: on
