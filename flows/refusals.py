"""The one closed list of causes for which anything is refused, each with what to do about it.

A cause is what is counted and logged (`outputs.Refusal`); what the parent reads stands in
`locales/`. `docs/causes.md` is made from here.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """Why something was refused. The value is the cause code: dashboards and alerts know it.

    So a code never changes its value or its meaning; a new meaning gets a new code.
    `meaning` says what happened, `remedy` what the parent or the school can do.
    """

    _value_: str
    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str, remedy: str) -> "Reason":
        """A code with its line in the documentation."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning, member.remedy = meaning, remedy
        return member

    # fmt: off
    # ---- at the door: the answer was not taken. Each has a sentence `refused.<code>` ---------

    # Names (MISSION 4.3, FAMILY_NAME and FIRST_NAME)
    NAME_MISSING = "name_missing", "nothing, or no letters, where a name is asked", "type the name"
    NAME_UNLIKELY = "name_unlikely", "an address or a sentence where a name is asked", "type the name alone"
    NAME_TOO_LONG = "name_too_long", "a name of more than 80 characters", "type the name alone"
    # Phones (MISSION 1.4 and 4.3, PHONE)
    PHONE_MISSING = "phone_missing", "no digits where a number is asked", "type the mobile number"
    PHONE_TOO_SHORT = "phone_too_short", "digits are missing in the number", "type all its digits"
    PHONE_TOO_LONG = "phone_too_long", "the number has too many digits", "type it once, alone"
    PHONE_LANDLINE = "phone_landline", "a landline, which gets no SMS", "give a mobile number"
    PHONE_BOX = "phone_box", "the number of an internet box (09…)", "give a mobile number"
    PHONE_SPECIAL = "phone_special", "a premium, short, satellite or machine's number", "give a mobile number"
    PHONE_COUNTRY = "phone_country", "a number that could be of any country", "add + and the country's code"
    PHONE_UNKNOWN = "phone_unknown", "the right length, but no such mobile exists", "look at the number again"
    CONTACT_OF_ANOTHER = "contact_of_another", "a contact card that is not the sender's own", "share the own number, or type it"
    CONTACT_NOT_KNOWN = "contact_not_known", "the parent's own card, a number that the school does not have", "the school corrects the number in its software, and imports again"
    # Code (MISSION 4.3, CODE)
    CODE_LENGTH = "code_length", "not six digits", "type the six digits of the SMS"
    CODE_SEVERAL = "code_several", "several codes in one message", "type the newest alone"
    FORWARDED = "forwarded", "a code in somebody else's message, forwarded (RELIABILITY T12)", "type the code"
    CODE_IS_PASSWORD = "code_is_password", "a password where the code is asked", "type the code of the SMS; the password comes later"
    # Password (the tutorial's step 8; RELIABILITY 5)
    PASSWORD_RULES = "password_rules", "a rule for passwords is not met", "follow the rules that are shown"
    PASSWORD_TOO_LONG = "password_too_long", "a password of more than 256 characters", "choose a shorter one"
    PASSWORD_EDGE_SPACE = "password_edge_space", "a password that begins or ends with a space", "leave the space out"
    PASSWORD_CHARACTERS = "password_characters", "a password with control or invisible characters", "type it, do not paste it"
    PASSWORD_COMMON = "password_common", "a password that many people use", "choose another one"
    PASSWORD_PERSONAL = "password_personal", "a password that holds a name or a birthdate of the family", "choose another one"
    PASSWORD_IN_CHAT = "password_in_chat", "a password in the chat, where there is a page for it", "choose another one on the page"
    # Birthdates (MISSION 4.3, CHILD_DOB)
    DATE_UNREADABLE = "date_unreadable", "no date where a birthdate is asked", "type day, month and year"
    DATE_INCOMPLETE = "date_incomplete", "a date without its year or its day", "type day, month and year"
    DATE_IMPOSSIBLE = "date_impossible", "a day that does not exist, as 31/02", "look at the date again"
    DATE_FUTURE = "date_future", "a day that is still to come", "look at the year again"
    DATE_AGE = "date_age", "under 2 or over 25 years: perhaps the parent's own", "type the child's birthdate"
    # Accounts (the tutorial's "identifiant" and "adresse mail"; RELIABILITY T6)
    LETTER_LENGTH = "letter_length", "not the 12 characters of a letter's code", "type the code as the letter has it"
    LETTER_SIGN = "letter_sign", "a 0, O, 1, I or L, which no letter's code has", "look at the letter again"
    LETTER_SEVERAL = "letter_several", "several codes in one message", "type the letter's code alone"
    LOGIN_UNREADABLE = "login_unreadable", "no identifier and no mobile number", "type one of them alone"
    EMAIL_MISSING = "email_missing", "no @ where an e-mail address is asked", "type the address"
    EMAIL_UNLIKELY = "email_unlikely", "an address that cannot exist, or with a space in it", "type the address alone"
    EMAIL_SEVERAL = "email_several", "several addresses in one message", "type one address"
    SCHOOL_MISSING = "school_missing", "nothing that names a school", "type its name, its town or its code"
    SCHOOL_TOO_LONG = "school_too_long", "more than 80 characters for a school", "type its name or its town"
    PHONE_SAME = "phone_same", "as a new number the one that the account has already", "give the new number"
    # Any question
    TEXT_ONLY = "text_only", "a photo, a voice message, a sticker where text is read", "type the answer"
    CHOOSE = "choose", "a text that is none of the choices", "press a button, or type its words"

    # ---- the conversation does not allow it --------------------------------------------------

    PAGE_GONE = "page_gone", "the page for the password at the wrong moment, or too old", "close it, and open it again from the chat"
    PAGE_TOO_OFTEN = "page_too_often", "the page for the password opened or sent too often", "wait until the time shown"
    STALE_BUTTON = "stale_button", "a button of an earlier question", "answer the question that is asked again"
    EDITED = "edited", "an earlier message was changed, which is no answer", "write a new message"
    NOTHING_BEFORE = "nothing_before", "back, where nothing comes before", "answer the question, or stop"
    NO_WAY_BACK = "no_way_back", "back behind the code, which is used up", "go on, or start again"
    BUSY = "busy", "a message came before the one before it was answered", "wait a moment"
    CONVERSATION_EXPIRED = "conversation_expired", "the answers were erased after a long silence", "start again"
    LOCKED = "locked", "a message during a pause", "wait for its end; the school can lift it"
    TOO_MANY_TRIES = "too_many_tries", "too many wrong answers: a pause begins", "wait for its end; the school can lift it"
    ERASE_FAILED = "erase_failed", "a message with a password could not be removed from the chat", "the parent deletes it"
    ALREADY_TEXTED = "already_texted", "the identifier was sent by SMS before", "read the SMS, or the chat"

    # ---- the world says no -------------------------------------------------------------------

    CODE_TOO_SOON = "code_too_soon", "another code before the wait is over", "wait the seconds that are shown"
    CODE_BUDGET = "code_budget", "no more codes for now: a limit of the chat, the number or the service", "wait until the time shown; the school raises the limit if many parents meet it"
    CODE_WRONG = "code_wrong", "not the code", "type the code of the newest SMS"
    CODE_CANCELLED = "code_cancelled", "the code was cancelled by too many tries", "ask for another code"
    CODE_OLD = "code_old", "an earlier code", "type the code of the newest SMS"
    CODE_EXPIRED = "code_expired", "the code's time is over", "ask for another code"
    NAME_DIFFERS = "name_differs", "the number is proved, but the school has it under another name", "type the name as the school has it; the school corrects it in its software"
    NOT_LEGAL = "not_legal", "known to the school, but not as a legal guardian", "the school corrects the link in its software"
    NO_CHILD = "no_child", "no pupil who could be confirmed (none placed, gone, or without a birthdate)", "the school completes the pupil in its software"
    ALREADY_ACTIVE = "already_active", "this guardian has an account", "use its identifier"
    PROOF_EXPIRED = "proof_expired", "too long between the code and the password", "ask for another code"
    PASSWORDS_DIFFER = "passwords_differ", "the second entry is not the first", "choose the password again"
    BIRTHDATE_WRONG = "birthdate_wrong", "not the birthdate that the school has", "type it again; the school corrects it in its software"
    CHILD_ASIDE = "child_aside", "too many wrong birthdates: this child waits for the school", "the school checks the birthdate"
    NO_CHILD_CONFIRMED = "no_child_confirmed", "not enough children were confirmed: no account", "the school checks children and birthdates"
    # Accounts in an outside service
    PASSWORD_GONE = "password_gone", "the account service did not answer while the password could be kept (30 minutes): it is erased", "choose a password again; see that the account service answers"
    ACCOUNT_ELSEWHERE = "account_elsewhere", "another conversation of the same person is opening the account at this moment", "look there, or press Activate again"
    PASSWORD_NOT_TAKEN = "password_not_taken", "the account service wants another password than our rules do", "choose a longer one; set the same rules on both sides"
    ACCOUNT_NOT_OPENED = "account_not_opened", "the account service refuses, or was silent for a day", "`sesame doctor` says why; the parent presses Activate again"
    # Life with an account
    LETTER_WRONG = "letter_wrong", "no letter has this code, or it served already, or is too old", "look at the letter again; the school can print another one"
    NO_ACCOUNT = "no_account", "nobody has an account with the proved number, or the proved name", "activate one"
    ACCOUNT_MOVED = "account_moved", "the account has another number than the one that was proved", "use that number; where it is lost, a letter of the school"
    ACCOUNT_FROZEN = "account_frozen", "another guardian, or the parent, said that something is wrong", "the school looks into it; `sesame unfreeze`"
    ACCOUNT_CLOSED = "account_closed", "the parent closed the account", "open it again before the day that is shown"
    NOT_RECOVERED = "not_recovered", "no birthdate was right, or the account has no child to ask about", "a letter of the school, or the school corrects the birthdate"
    ACCOUNT_NUMBER_ONLY = "account_number_only", "another number wanted for the code that opens an account", "use the account's number; where it is lost, a letter of the school"
    ACCOUNT_UNCHANGED = "account_unchanged", "the account service refuses the change, or was silent for too long", "`sesame doctor` says why; the parent tries again"
    CHILD_ON_ACCOUNT = "child_on_account", "a child to add who is on the account already", "nothing to do"
    CHILD_NOT_FOUND = "child_not_found", "the parent's record at that school has no such child", "look at school and first name; the school completes the link in its software"
    MAIL_OFF = "mail_off", "an e-mail address, where no e-mail can be sent", "set SESAME_EMAIL"
    EMAIL_FAILED = "email_failed", "the e-mail with the code did not leave", "look at the address; `sesame doctor` looks at the mail server"
    NOT_OBJECTED = "not_objected", "an objection to a notice that is not, or not any more", "look at the code again; the school can freeze the account"
    # fmt: on


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that is not taken: the reason, and the facts its sentence needs."""

    reason: Reason
    facts: dict[str, object] = field(default_factory=dict)
