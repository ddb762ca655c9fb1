"""The numbers that bound the conversation (RELIABILITY 5). All are settings; these are defaults."""

from dataclasses import dataclass
from datetime import timedelta

from flows.questions.password import MIN_LENGTH

Windows = tuple[tuple[timedelta, int], ...]
"""At most so many in any moving window of such a length."""

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """Tries, waits, budgets and how long things are kept."""

    code_digits: int = 6  # or 8
    code_validity: timedelta = 30 * MINUTE  # the tutorial, step 7
    code_tries: int = 5
    old_code_pardons: int = 2  # an older code costs no try, so many times
    resend_waits: tuple[timedelta, ...] = (MINUTE, 2 * MINUTE, 5 * MINUTE)  # one resend each
    codes_per_number: Windows = ((MINUTE, 1), (HOUR, 4), (DAY, 5), (30 * DAY, 15))
    codes_per_guardian: Windows = ((HOUR, 4), (DAY, 5), (30 * DAY, 15))  # over all their numbers
    codes_per_chat: Windows = ((DAY, 5), (30 * DAY, 15))
    codes_per_prefix: Windows = ((HOUR, 20),)
    codes_in_all: Windows = ((MINUTE, 60), (HOUR, 1000))
    codes_per_day: int = 200  # of the whole service; or the next, where that is more
    codes_per_day_percent: int = 10  # of the guardians who have not activated yet
    codes_warning_percent: int = 50  # of the day's budget: the log warns
    conversion_sample: int = 100  # the last codes sent within a day
    conversion_warning_percent: int = 30  # of these come back: with fewer, the log warns
    conversion_pause_percent: int = 10  # with fewer from a country, no SMS goes there for a day
    identities_per_chat: Windows = ((DAY, 5), (7 * DAY, 10))
    name_tries: Windows = ((HOUR, 5),)  # names that differ from the register, after the proof
    birthdate_tries: int = 3  # per child
    birthdates_per_activation: int = 6
    birthdates_per_child: Windows = ((30 * DAY, 9),)
    locks: tuple[timedelta, ...] = (15 * MINUTE, HOUR, DAY)
    password_min: int = MIN_LENGTH
    password_page: bool = False  # the channel shows a page for it: none is typed in the chat
    password_sealed: bool = False  # the password itself is kept for an account service, sealed
    page_tries: Windows = ((15 * MINUTE, 30),)  # openings and sendings of it in one chat
    ticket_validity: timedelta = 15 * MINUTE  # of a page that was opened
    proof_validity: timedelta = 30 * MINUTE  # between the code and the password
    proof_shows: timedelta = 10 * MINUTE  # between the code and "my account"
    letter_tries: Windows = ((DAY, 5),)  # wrong codes of letters in one chat
    email: bool = False  # e-mail can be sent
    email_codes: Windows = ((DAY, 5), (30 * DAY, 15))  # of one chat, and to one address
    notice_texts: Windows = ((DAY, 5),)  # SMS about other guardians' accounts to one number
    notice_validity: timedelta = 30 * DAY  # until then it can be objected to
    object_tries: Windows = ((DAY, 10),)  # wrong codes of notices in one chat
    reopen_within: timedelta = 30 * DAY  # a closed account is erased then
    remind: bool = True  # once, on the day after a silence in the middle of an activation
    remind_from: int = 9  # o'clock at the school
    remind_until: int = 20
    timezone: str = "Europe/Paris"  # of schools and numbers of which nothing else is known
    keep_unproved: timedelta = DAY
    keep_idle: timedelta = 7 * DAY
    nudge_after: timedelta = 90 * timedelta(seconds=1)  # no code typed: offer help unasked
    trust_shared_contact: bool = True  # say at once that the school does not have a shared number
    strict_children: bool = False  # all children confirmed, or no account (as on the web site)


DEFAULT = Policy()
