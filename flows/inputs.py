"""What can happen to a conversation: facts, in the past tense.

The first group comes from the parent through a channel, the second is the world's answers to the
questions in `outputs`, the third is time.
"""

from dataclasses import dataclass, field
from datetime import date, datetime

# ---- from the parent -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """The parent typed a message.

    `text` is cleaned (`flows.text.clean`), `exact` is as typed, for passwords
    (`flows.text.clean_password`); neither shows in `repr`.
    `means` holds the choices and commands that the words stand for in any of our languages
    ("oui" is `yes`), and `leads` those of the first word; the channel asks `locales` for them.
    `is_command` is true for "/aide".
    `message` names the message in its channel so that it can be erased; None where it left no
    trace. `forwarded` is true for what somebody or something else wrote (RELIABILITY T12).
    """

    text: str = field(repr=False)
    exact: str = field(repr=False)
    means: frozenset[str] = frozenset()
    leads: frozenset[str] = frozenset()
    is_command: bool = False
    message: str | None = None
    forwarded: bool = False


@dataclass(frozen=True, slots=True)
class Pressed:
    """The parent pressed a button of question number `asked`."""

    choice: str
    asked: int


@dataclass(frozen=True, slots=True)
class SharedContact:
    """The parent shared a contact card; `own` when the channel vouches that it is theirs."""

    phone: str = field(repr=False)
    own: bool


@dataclass(frozen=True, slots=True)
class SentOther:
    """The parent sent something that is not text: a photo, a voice message, a sticker, a place."""


@dataclass(frozen=True, slots=True)
class Edited:
    """The parent changed an earlier message; `message` names it, as in `Said`."""

    text: str = field(repr=False)
    message: str | None = None


@dataclass(frozen=True, slots=True)
class CameByLink:
    """The parent came by a link that carries something: perhaps a personal invitation."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PageOpened:
    """The parent opened the page for the password.

    `ticket` is the digest of a secret that only this opening of the page knows.
    """

    ticket: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PageFilled:
    """The parent sent the page with this ticket: the password and, once more, the password.

    Both are as `flows.text.clean_password` leaves them.
    """

    ticket: str = field(repr=False)
    password: str = field(repr=False)
    again: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Returned:
    """The parent opened the conversation again; `lang` is set where they chose a language there."""

    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """The parent blocked the bot: nothing reaches them until they do something again.

    There is no opposite: who comes back presses "Restart", which says /start, or writes.
    """


@dataclass(frozen=True, slots=True)
class EraseFailed:
    """The channel could not erase the message that held a password."""


@dataclass(frozen=True, slots=True)
class SmsDelayed:
    """SMS leave late or not at all. Told to all who wait for a code, known or not (I10, T23)."""


@dataclass(frozen=True, slots=True)
class TextFailed:
    """The SMS with the identifier did not leave or arrive, or nobody knows whether it did."""


@dataclass(frozen=True, slots=True)
class SmsFailed:
    """The SMS with the newest code did not leave ("refused"), or did not arrive ("undelivered").

    Whom it may be told, the conversation knows (invariant I10).
    """

    state: str


# ---- the world's answers ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Invited:
    """The link is an invitation that the school made for this guardian. It proves nothing."""

    last: str = field(repr=False)
    first: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotInvited:
    """It is none, or not any more, or another chat's."""


@dataclass(frozen=True, slots=True)
class CodeOnItsWay:
    """A code was made. Said alike for known and unknown numbers (invariant I10)."""

    sent_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CodeTooSoon:
    """The wait between two codes is not over; `seconds` are left."""

    seconds: int


@dataclass(frozen=True, slots=True)
class CodeBudgetSpent:
    """No more codes for now for this chat or number; `until` is when one can be sent again."""

    until: datetime


@dataclass(frozen=True, slots=True)
class NumberTaken:
    """The parent's own shared number can be used; `known` where the school surely has it."""

    known: bool = False


@dataclass(frozen=True, slots=True)
class SmsFound:
    """What is known of an SMS: `state` is of a closed list, `at` since when, where that is known.

    asked (nothing may be said but that), waiting (it has not left), handed_over, delivered,
    undelivered, refused, unclear (nobody knows whether it left), expired (it came too late).
    """

    state: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NumberNotKnown:
    """The school does not have this number. Only ever said of the parent's own shared contact."""


@dataclass(frozen=True, slots=True)
class CodeRight:
    """The newest code came back in time: the number is proved."""


@dataclass(frozen=True, slots=True)
class CodeWrong:
    """Not the code; `left` tries remain (0: the code is cancelled)."""

    left: int


@dataclass(frozen=True, slots=True)
class CodeCancelled:
    """There is no code to compare with: too many tries, or the parent went back."""


@dataclass(frozen=True, slots=True)
class CodeOld:
    """An earlier code; the newest was sent at `sent_at`. Costs no try twice (RELIABILITY 5)."""

    sent_at: datetime


@dataclass(frozen=True, slots=True)
class CodeExpired:
    """The code is past its 30 minutes (the tutorial, step 7)."""


@dataclass(frozen=True, slots=True)
class ChildKnown:
    """A pupil of the guardian, masked as in the tutorial's step 9."""

    pupil: int
    first: str
    initial: str
    school: str
    uai: str = ""


@dataclass(frozen=True, slots=True)
class GuardianMatched:
    """Name and proven number agree with one person of the register, who may activate."""

    guardians: tuple[int, ...]
    children: tuple[ChildKnown, ...]
    avoid: tuple[str, ...] = field(repr=False)  # names and dates a password must not hold
    identifier: str = field(default="", repr=False)  # kept for the account that may be opened


@dataclass(frozen=True, slots=True)
class NameDiffers:
    """The proven number is in the register under another name; `left` tries remain."""

    left: int


@dataclass(frozen=True, slots=True)
class NotLegalGuardian:
    """The register knows this person, but not as a legal guardian."""


@dataclass(frozen=True, slots=True)
class NoChildYet:
    """A legal guardian with no pupil who can be confirmed (none placed, gone, or no birthdate)."""


@dataclass(frozen=True, slots=True)
class AccountExists:
    """This guardian has an account already, and this is known of it.

    `status`: "open"; "frozen", until the school unfreezes it; "closed", it can be opened again
    before `until`; "moved", it has another number than the one that was proved: then nothing is
    told but that number's last two digits, unless the parent came by a letter of the school.
    """

    identifier: str
    status: str = "open"
    phone: str = field(default="", repr=False)  # the account's own, E.164
    guardians: tuple[int, ...] = ()
    children: tuple[ChildKnown, ...] = field(default=(), repr=False)  # of the account
    avoid: tuple[str, ...] = field(default=(), repr=False)  # what a password must not hold
    email: str = field(default="", repr=False)  # masked
    until: datetime | None = None
    last_digits: str = ""


@dataclass(frozen=True, slots=True)
class PasswordHashed:
    """The password's Argon2id hash."""

    digest: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasswordCompared:
    """Whether the second entry is the same password."""

    same: bool


@dataclass(frozen=True, slots=True)
class BirthdateRight:
    """The date is the register's."""


@dataclass(frozen=True, slots=True)
class BirthdateWrong:
    """It is not; `left` tries remain for this child (0: put aside)."""

    left: int


@dataclass(frozen=True, slots=True)
class Unlocked:
    """An operator lifted the pause and the limits that were spent."""


@dataclass(frozen=True, slots=True)
class AccountOpened:
    """The account exists from now on, under this identifier."""

    identifier: str


@dataclass(frozen=True, slots=True)
class AccountLate:
    """The account service has not answered yet, or could not: it is asked on."""


@dataclass(frozen=True, slots=True)
class AccountElsewhere:
    """The same person's account is being opened by another conversation at this moment."""


@dataclass(frozen=True, slots=True)
class AccountNotOpened:
    """The account service refuses, or was silent for a day: this opening has come to its end."""


@dataclass(frozen=True, slots=True)
class PasswordNotTaken:
    """The account service does not take this password."""


@dataclass(frozen=True, slots=True)
class PasswordGone:
    """The password was kept as long as it may be, and is erased: it is asked for again."""


@dataclass(frozen=True, slots=True)
class LetterRight:
    """The letter's code is good, and from now on this conversation's: whom the letter is for."""

    last: str = field(repr=False)
    first: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LetterWrong:
    """No such code, or not any more; `left` tries remain."""

    left: int


@dataclass(frozen=True, slots=True)
class AccountTied:
    """Several people have an account with the number that was proved: the name tells them apart."""


@dataclass(frozen=True, slots=True)
class NoAccount:
    """Nobody has an account with the number that was proved, or with that identifier."""


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """The account was changed, and this is stored.

    `what` is the word of the table: password_set, phone_changed, email_changed, child_added,
    child_dropped, others_signed_out, account_closed (until `until`), account_reopened,
    account_frozen, account_erased.
    """

    what: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountUnchanged:
    """The account service refuses the change, or was silent for too long."""


@dataclass(frozen=True, slots=True)
class ChildFound:
    """A child of the parent's at that school, who is not on the account yet."""

    child: ChildKnown


@dataclass(frozen=True, slots=True)
class ChildOnAccount:
    """The child is on the account already."""


@dataclass(frozen=True, slots=True)
class ChildNotFound:
    """The parent's record at that school, if there is one, has no such child."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """A conversation in which the account is open: on which channel, since when."""

    channel: str
    since: datetime
    here: bool  # it is this one


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that was done to the account: a word of a closed list (`happening.*`)."""

    what: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SignInsFound:
    """Where the account is open, and what was done to it lately, the newest first."""

    sign_ins: tuple[SignIn, ...]
    happenings: tuple[Happening, ...]


@dataclass(frozen=True, slots=True)
class DataFound:
    """What is kept of the parent, besides this conversation."""

    identifier: str
    name: str = field(repr=False)
    phone: str = field(repr=False)  # E.164
    email: str = field(repr=False)  # whole; empty where there is none
    opened_at: datetime
    children: tuple[str, ...] = field(repr=False)  # first names
    schools: tuple[str, ...]  # whose register knows the parent
    conversations: int  # in which the account is open
    happenings: int  # rows of the audit record
    elsewhere: bool = False  # an outside service has the account, and its password


@dataclass(frozen=True, slots=True)
class ServiceOpen:
    """A service that is open now, for this child's school: its name in each language."""

    school: str
    names: dict[str, str]
    link: str
    closes: date | None


@dataclass(frozen=True, slots=True)
class ServicesFound:
    """All that the children's schools offer today, school by school."""

    services: tuple[ServiceOpen, ...]


@dataclass(frozen=True, slots=True)
class EmailFailed:
    """The e-mail with the code did not leave, or nobody knows whether it did."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something was done to another guardian's account (or to this parent's own).

    `about`: activated, password, phone, identifier, closed. `child` is a first name that both have.
    The parent can object: `notice` stands for it.
    """

    notice: str = field(repr=False)
    about: str
    child: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Objected:
    """The account that the notice was about is frozen from now on."""


@dataclass(frozen=True, slots=True)
class NotObjected:
    """There is no such notice, or not any more."""


@dataclass(frozen=True, slots=True)
class SignedOut:
    """The account is not open in this conversation any more.

    `why`: password (it was changed elsewhere), others (closed from elsewhere), frozen, closed,
    erased.
    """

    identifier: str
    why: str


@dataclass(frozen=True, slots=True)
class Thawed:
    """The school has unfrozen the account."""

    identifier: str


# ---- time ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TimeCame:
    """The moment that the conversation asked to be woken at has passed."""


FromPage = PageOpened | PageFilled
FromChat = Said | CameByLink | Pressed | SharedContact | SentOther | Edited | Returned
FromParent = FromChat | FromPage
FromWorld = (
    Invited
    | NotInvited
    | CodeOnItsWay
    | CodeTooSoon
    | CodeBudgetSpent
    | NumberTaken
    | NumberNotKnown
    | CodeRight
    | CodeWrong
    | CodeCancelled
    | CodeOld
    | CodeExpired
    | GuardianMatched
    | NameDiffers
    | NotLegalGuardian
    | NoChildYet
    | AccountExists
    | PasswordHashed
    | PasswordCompared
    | BirthdateRight
    | BirthdateWrong
    | AccountOpened
    | AccountLate
    | AccountElsewhere
    | AccountNotOpened
    | PasswordNotTaken
    | PasswordGone
    | EraseFailed
    | Unlocked
    | SmsDelayed
    | SmsFailed
    | SmsFound
    | TextFailed
    | LetterRight
    | LetterWrong
    | AccountTied
    | NoAccount
    | AccountChanged
    | AccountUnchanged
    | ChildFound
    | ChildOnAccount
    | ChildNotFound
    | SignInsFound
    | DataFound
    | ServicesFound
    | EmailFailed
    | Noticed
    | Objected
    | NotObjected
    | SignedOut
    | Thawed
)
Input = FromParent | FromWorld | TimeCame | Blocked
