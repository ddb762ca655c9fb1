"""What a conversation asks of the world: requests, in the imperative.

`Say` is for the parent. The others are for storage and for senders; each of the kind `Question`
is answered by exactly one input of `flows.inputs`. `Refusal` is for whoever counts.
"""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from flows.refusals import Reason
from flows.secret import Secret


class Style(StrEnum):
    """How a part of a message looks. The channel decides what that means."""

    PLAIN = "plain"
    STRONG = "strong"  # the question itself
    SMALL = "small"  # progress
    ITEM = "item"  # one line of a list


@dataclass(frozen=True, slots=True)
class Words:
    """A fact that is itself a text of `locales/`: the name of a step, of a rule."""

    key: str
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exact:
    """A fact to be copied exactly as it stands: the identifier."""

    text: str


@dataclass(frozen=True, slots=True)
class Say:
    """One part of the reply: the key of a text in `locales/` and the facts that it shows.

    All the `Say` of a turn make one message, in order.
    """

    key: str
    facts: dict[str, object] = field(default_factory=dict)
    style: Style = Style.PLAIN


class Page(StrEnum):
    """What the page for the password shows now."""

    OPEN = "open"  # the form
    AGAIN = "again"  # the form, and why the password was not taken
    TAKEN = "taken"  # that it was taken; the conversation goes on in the chat
    LATER = "later"  # too many tries for now
    GONE = "gone"  # this page is of no use any more


@dataclass(frozen=True, slots=True)
class Show:
    """The answer to the page, which nobody reads in the chat. One a turn, for what it sent.

    `identifier` is the one that the account will have, for the parent's password manager.
    """

    page: Page
    says: tuple["Say", ...] = ()
    identifier: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """The choices under the message: keys of `button.*`, in the order they are numbered.

    `question` is the state that asks, `asked` the number of its visit, so that an old button is
    recognised. `facts` serve the labels. `contact` offers the channel's own "share my number".
    `hidden` means that the answer is a password, `page` that it is given on the page for it.
    `copy` offers to copy what the message shows as `Exact`.
    """

    question: str
    choices: tuple[str, ...]
    asked: int
    facts: dict[str, object] = field(default_factory=dict)
    contact: bool = False
    hidden: bool = False
    page: bool = False
    copy: bool = False
    silent: bool = False  # nobody asked for it: it comes without a sound


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something was refused, for this cause. At most one a turn; the parent reads a `Say`."""

    cause: Reason


@dataclass(frozen=True, slots=True)
class Erase:
    """Remove the parent's message from the chat: it held a password."""

    message: str


# ---- questions to the world ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LookUpInvitation:
    """Whom was this link made for? Answered by Invited, LetterRight or NotInvited."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LookUpNumber:
    """Does the school have the number that the channel knows to be the parent's own?

    Answered by NumberTaken or NumberNotKnown. A typed number never gets this answer: it would
    tell a stranger who is in the register (DESIGN, decision 2).
    """

    phone: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RequestCode:
    """Make a code for this number and send it if the register, or an account, knows the number.

    Answered by CodeOnItsWay, CodeTooSoon or CodeBudgetSpent, whether it is known or not. With a
    `login` there is no number: the code goes to the account's own, if there is such an account.
    `because`: "known", as said; "letter", this conversation came by a letter of the school;
    "change", the parent proved the account's number and wants this one instead.
    """

    phone: str = field(repr=False)
    last: str = field(repr=False)
    first: str = field(repr=False)
    login: str = field(default="", repr=False)
    because: str = "known"


@dataclass(frozen=True, slots=True)
class CheckCode:
    """Is this the newest code?

    Answered by CodeRight, CodeWrong, CodeCancelled, CodeOld or CodeExpired.
    """

    phone: str = field(repr=False)
    code: Secret
    login: str = field(default="", repr=False)  # where the code was asked for by it


@dataclass(frozen=True, slots=True)
class LookForSms:
    """What became of the SMS with the code, or with the identifier? Answered by SmsFound.

    `honest` where the truth may be told: the number was proved, or is the parent's own and known
    to be the school's. Else the answer is that it was asked for, whatever became of it (I10).
    """

    code: bool
    honest: bool


@dataclass(frozen=True, slots=True)
class CancelCode:
    """The parent went back: the code under way works no more. Not a question."""


@dataclass(frozen=True, slots=True)
class MatchGuardian:
    """Who is this, now that the number is proved?

    Answered by GuardianMatched, NameDiffers, NotLegalGuardian, NoChildYet or AccountExists. By a
    `letter`, it is the person whom the letter is for, whatever number the register has.
    """

    phone: str = field(repr=False)
    last: str = field(repr=False)
    first: str = field(repr=False)
    letter: bool = False


@dataclass(frozen=True, slots=True)
class HashPassword:
    """Answered by PasswordHashed. Slow: done outside the transaction."""

    password: Secret


@dataclass(frozen=True, slots=True)
class ComparePassword:
    """Is this the password of `digest`? Answered by PasswordCompared. Slow, as above."""

    password: Secret
    digest: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckBirthdate:
    """Answered by BirthdateRight or BirthdateWrong."""

    pupil: int
    birthdate: date = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """Open the account, here or in an outside service: there the answer comes later.

    Answered by AccountOpened, AccountExists, AccountElsewhere, PasswordGone, PasswordNotTaken or
    AccountNotOpened. AccountLate tells that it takes long.
    """

    guardians: tuple[int, ...]
    confirmed: tuple[int, ...]
    last: str = field(repr=False)
    first: str = field(repr=False)
    phone: str = field(repr=False)
    digest: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckLetter:
    """Is this the code of a letter of the school? Answered by LetterRight or LetterWrong."""

    code: Secret


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """Which account is it whose number was proved, and how does it stand?

    By `identifier` where it is known, else by the `login` that was typed, else by the number.
    Answered by AccountExists, AccountTied or NoAccount.
    """

    identifier: str
    login: str = field(repr=False)
    phone: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetPassword:
    """Give the account this password, close all other sign-ins: the one before is dead at once.

    Answered by AccountChanged, PasswordGone, PasswordNotTaken or AccountUnchanged; in an outside
    service later. AccountLate tells that it takes long.
    """

    identifier: str
    digest: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChangePhone:
    """The account's number is this one from now on. Answered by AccountChanged."""

    identifier: str
    phone: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RequestEmailCode:
    """Make a code and send it to this address.

    Answered by CodeOnItsWay, CodeTooSoon or CodeBudgetSpent.
    """

    email: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckEmailCode:
    """Is this the newest code for the address?

    Answered by CodeRight, CodeWrong, CodeCancelled, CodeOld or CodeExpired.
    """

    email: str = field(repr=False)
    code: Secret


@dataclass(frozen=True, slots=True)
class ChangeEmail:
    """The account's address is this one from now on. Answered by AccountChanged."""

    identifier: str
    email: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FindChild:
    """Has the parent a child of this first name at this school (its name, town or UAI)?

    Answered by ChildFound, ChildOnAccount or ChildNotFound.
    """

    identifier: str
    school: str
    first: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AddChild:
    """The child's birthdate was right: on the account from now on. Answered by AccountChanged."""

    identifier: str
    pupil: int


@dataclass(frozen=True, slots=True)
class DropChild:
    """Not this parent's child: off the account at once. Answered by AccountChanged."""

    identifier: str
    pupil: int


@dataclass(frozen=True, slots=True)
class SignOutOthers:
    """Close the account in all other conversations. Answered by AccountChanged."""

    identifier: str


@dataclass(frozen=True, slots=True)
class CloseAccount:
    """Close it; it can be opened again until a day. Answered by AccountChanged."""

    identifier: str


@dataclass(frozen=True, slots=True)
class ReopenAccount:
    """Open it again. Answered by AccountChanged."""

    identifier: str


@dataclass(frozen=True, slots=True)
class FreezeAccount:
    """Its own guardian says that somebody else opened it. Answered by AccountChanged."""

    identifier: str


@dataclass(frozen=True, slots=True)
class EraseAccount:
    """Erase it and all that was kept beside the register. Answered by AccountChanged."""

    identifier: str


@dataclass(frozen=True, slots=True)
class ListSignIns:
    """Answered by SignInsFound."""

    identifier: str


@dataclass(frozen=True, slots=True)
class GatherData:
    """Answered by DataFound."""

    identifier: str


@dataclass(frozen=True, slots=True)
class ListServices:
    """What do the schools of the account's children offer today? Answered by ServicesFound."""

    identifier: str


@dataclass(frozen=True, slots=True)
class Object:
    """Freeze the account that a notice was about: by the notice, or by the code in its SMS or mail.

    Answered by Objected or NotObjected.
    """

    notice: str = field(default="", repr=False)
    code: Secret | None = None


# ---- requests without an answer --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TellSchool:
    """Note for the school.

    `about` is "not_mine", "birthdate" (a child put aside), "not_opened" (the account service
    refused) or "phone" (the account has another number, which the parent wants written down).
    """

    about: str
    pupil: int
    guardians: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TextIdentifier:
    """Send the identifier by SMS to the proven number, at the parent's wish."""

    phone: str = field(repr=False)
    identifier: str


@dataclass(frozen=True, slots=True)
class TellOthers:
    """Let the child's other guardians and the account's e-mail know: activated, identifier,
    password, phone, closed (RELIABILITY T6). They can object.
    """

    identifier: str
    about: str


@dataclass(frozen=True, slots=True)
class AnswersErased:
    """The parent had their answers erased: it is recorded that it was done, not what."""


Question = (
    LookUpInvitation
    | LookUpNumber
    | RequestCode
    | CheckCode
    | LookForSms
    | MatchGuardian
    | HashPassword
    | ComparePassword
    | CheckBirthdate
    | OpenAccount
    | CheckLetter
    | ReadAccount
    | SetPassword
    | ChangePhone
    | RequestEmailCode
    | CheckEmailCode
    | ChangeEmail
    | FindChild
    | AddChild
    | DropChild
    | SignOutOthers
    | CloseAccount
    | ReopenAccount
    | FreezeAccount
    | EraseAccount
    | ListSignIns
    | GatherData
    | ListServices
    | Object
)
Output = (
    Say
    | Ask
    | Show
    | Refusal
    | Erase
    | CancelCode
    | TellSchool
    | TextIdentifier
    | TellOthers
    | AnswersErased
    | Question
)
