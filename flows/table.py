"""The whole conversation on one screen.

`FLOW` is the table: in this state, when this word is heard, provided that, go there, then do this.
Rows are tried from the top. A word is what the parent pressed or was understood to say
(`flows.hearing`), or what the world answered. `then` and `provided` name methods of `flows.turn`.
`QUESTIONS` says what each state offers under its question. The code that runs, the diagram in the
documentation and the tests are all made from these two tables.

The order is the tutorial's (EDUCONNECT.md): profile (3), "je n'ai pas de compte" (4), name and
mobile (5), send (6), code (7), password twice (8), children (9), identifier (10). Nothing is
created before OPENING, the last check. What parents come back for once there is an account stands
in `flows.account.table`, which has the same shape.
"""

from flows.account import table as account
from flows.states import STAY, Question, Row, S

QUESTIONS: dict[S, Question] = {
    S.INVITED: Question(("yes", "no", "language"), step=1, back=False),
    S.LANGUAGE: Question(("fr", "en"), back=False),
    S.PROFILE: Question(("parent", "pupil", "language"), back=False),
    S.PUPIL: Question(("parent",)),
    S.MENU: Question(("activate", "letter", "forgot_identifier", "forgot_password", "manage")),
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
    S.DONE: Question(("services", "text_me", "manage", "another"), back=False, copy=True),
    S.ALREADY: Question(
        ("services", "new_password", "manage", "not_me", "another"), back=False, copy=True
    ),
    S.NOT_LEGAL: Question(("restart",), back=False),
    S.NO_CHILD: Question(("restart",), back=False),
    S.REFUSED: Question(("restart",), back=False),
} | account.QUESTIONS

INTERRUPTIONS: dict[str, tuple[str, ...]] = {
    "cancel": ("stop", "continue"),
    "start": ("continue", "restart"),
    "erase": ("erase_all", "continue"),
    "remind": ("continue", "mute"),  # after a silence, once
    "notice": ("object", "not_object"),  # another guardian's account: is that normal?
}
"""Questions about the conversation itself, asked over any state without leaving it."""

COMMANDS = (
    *("back", "cancel", "help", "language", "status", "human", "privacy", "erase", "start"),
    *("fr", "en"),
)
"""Understood at every question, as a command, a button or a plain word."""

ASKING = list(QUESTIONS)
PASSWORDS = [S.PASSWORD, S.PASSWORD_AGAIN]
NAMES = [  # a plain word is a name here, not a command (MISSION 4.1)
    *(S.LAST_NAME, S.FIRST_NAME, S.CHILD_SCHOOL, S.CHILD_NAME),
]
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
    *(S.CHECKING_LETTER, S.READING, S.CHANGING, S.SENDING_EMAIL, S.CHECKING_EMAIL),
    *(S.FINDING_CHILD, S.LOOKING_AT_SIGN_INS, S.GATHERING, S.LISTING),
]
ENDED = [S.START, S.STOPPED, S.EXPIRED]  # any message begins (again)
OPENED = [S.DONE, S.ALREADY]  # there is an account
SENT_AWAY = [
    *(S.PUPIL, S.NOT_LEGAL, S.NO_CHILD, S.REFUSED),
    *(S.OTHER_PHONE, S.FROZEN, S.REOPEN, S.NOT_RECOVERED),
]
CLOSED = [S.LANGUAGE, *OPENED, *SENT_AWAY]  # nothing to stop or to resume
ARRIVING = [*ENDED, S.LANGUAGE, S.PROFILE, S.MENU, *SENT_AWAY]  # no answers yet
UNDER_WAY = [state for state in ASKING if state not in CLOSED]
TALKING = [*UNDER_WAY, *OPENED, *SENT_AWAY]  # in a language
EVERYWHERE = list(S)
# fmt: off
FLOW: list[Row] = [
    *account.FLOW,
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
    (S.MENU,             "back",              None,               S.PROFILE,       "ask"),

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
    (account.LASTING,    "account_late",      "told_account_late", STAY,           "say_nothing"),
    (account.LASTING,    "account_late",      None,               STAY,            "say_account_late"),
    (account.LASTING,    "wait",              "told_account_late", STAY,           "say_account_waits"),
    (account.LASTING,    "language",          None,               STAY,            "say_language_meanwhile"),
    (account.LASTING,    "human",             None,               STAY,            "say_human_meanwhile"),
    (account.LASTING,    "privacy",           None,               STAY,            "say_privacy_meanwhile"),
    (account.LASTING,    "help",              None,               STAY,            "say_help_meanwhile"),
    (account.LASTING,    "cancel",            None,               STAY,            "interrupt"),
    (account.LASTING,    "erase",             None,               STAY,            "interrupt"),
    (account.LASTING,    "continue",          None,               STAY,            "wait_on"),
    (S.OPENING,          "stop",              None,               S.STOPPED,       "stop"),
    (S.OPENING,          "erase_all",         None,               S.STOPPED,       "erase"),
    (S.OPENING,          "account_elsewhere", None,               S.RECAP,         "say_account_elsewhere"),
    (S.OPENING,          "password_gone",     None,               S.PASSWORD,      "say_password_gone"),
    (S.OPENING,          "password_not_taken", None,              S.PASSWORD,      "say_password_not_taken"),
    (S.OPENING,          "account_not_opened", None,              S.RECAP,         "say_account_not_opened"),
    (S.DONE,             "text_me",           "not_texted",       STAY,            "text_identifier"),
    (S.DONE,             "text_me",           None,               S.LOOKING_FOR_TEXT, "look_for_text"),
    (S.LOOKING_FOR_TEXT, "sms_found",         None,               S.DONE,          "say_text_found"),
    (S.DONE,             "text_failed",       None,               STAY,            "say_text_failed"),
    (OPENED,             "another",          None,               S.LAST_NAME,     "start_over"),

    (OPENED,             "small_talk",        None,               STAY,            "ask"),

    # Everywhere, without leaving the question.
    (ASKING,             "help",              None,               STAY,            "help"),
    (ASKING,             "status",            None,               STAY,            "say_status"),
    (ASKING,             "language",          None,               STAY,            "say_language"),
    (ASKING,             "return",            None,               STAY,            "welcome_back"),
    (ASKING,             "human",             None,               STAY,            "say_human"),
    (ASKING,             "privacy",           None,               STAY,            "say_privacy"),
    (ASKING,             "back",              None,               STAY,            "say_first_question"),
    (ASKING,             "stale",             None,               STAY,            "say_stale"),
    (ASKING,             "edited",            None,               STAY,            "say_edited"),
    (ASKING,             "refused",           None,               STAY,            "refuse"),
    (UNDER_WAY,          "cancel",            None,               STAY,            "interrupt"),
    (UNDER_WAY,          "start",             None,               STAY,            "interrupt"),
    (UNDER_WAY,          "remind",            None,               STAY,            "remind"),
    (UNDER_WAY,          "mute",              None,               STAY,            "mute"),
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
    *account.EVERYWHERE,
]
# fmt: on
