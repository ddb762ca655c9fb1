"""One example of everything that the conversation can hold or be told."""

import re
from datetime import UTC, date, datetime, timedelta
from inspect import getdoc
from itertools import groupby
from operator import itemgetter

from flows import inputs as i
from flows import outputs as o
from flows.chat import Chat, Child
from flows.heard import Heard
from flows.hearing import word_of
from flows.questions.password import check_password
from flows.refusals import Reason, Refused
from flows.secret import Secret
from flows.states import Row, S
from flows.table import FLOW

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
DAY = date(2026, 4, 1)
LEA = i.ChildKnown(1, "Léa", "D", "Collège", "0750001U")
TOM = i.ChildKnown(2, "Tom", "D", "École", "0750002V")
EVE = i.ChildKnown(3, "Ève", "D", "Lycée", "9740003W")
ACCOUNT: dict[str, object] = {
    "phone": "+33645127890",
    "guardians": (1, 2),
    "children": (LEA, TOM),
    "avoid": ("Dupont", "2014-03-14"),
    "email": "m•••@exemple.fr",
}
"""What is known of an account that its own number opened."""

WORLD: tuple[i.FromWorld, ...] = (
    i.Invited("Dupont", "Marie"),
    i.NotInvited(),
    i.CodeOnItsWay(NOW, NOW + timedelta(minutes=30)),
    i.CodeTooSoon(42),
    i.CodeBudgetSpent(NOW + timedelta(hours=1)),
    i.NumberTaken(),
    i.NumberTaken(known=True),
    i.NumberNotKnown(),
    i.CodeRight(),
    i.CodeWrong(4),
    i.CodeWrong(0),
    i.CodeCancelled(),
    i.CodeOld(NOW),
    i.CodeExpired(),
    i.GuardianMatched((1, 2), (LEA, TOM), ("Dupont", "2014-03-14")),
    i.NameDiffers(4),
    i.NameDiffers(0),
    i.NotLegalGuardian(),
    i.NoChildYet(),
    i.PasswordHashed("$argon2id$1"),
    i.PasswordCompared(True),
    i.PasswordCompared(False),
    i.BirthdateRight(),
    i.BirthdateWrong(2),
    i.BirthdateWrong(0),
    i.AccountOpened("m.dupont12"),
    i.AccountExists("m.dupont12", **ACCOUNT),  # type: ignore[arg-type]
    i.AccountExists("m.dupont12", "frozen", **ACCOUNT),  # type: ignore[arg-type]
    i.AccountExists("m.dupont12", "closed", until=NOW + timedelta(days=30), **ACCOUNT),  # type: ignore[arg-type]
    i.AccountExists("m.dupont12", "moved", last_digits="91"),
    i.AccountTied(),
    i.NoAccount(),
    i.AccountLate(),
    i.AccountElsewhere(),
    i.AccountNotOpened(),
    i.PasswordNotTaken(),
    i.PasswordGone(),
    i.EraseFailed(),
    i.Unlocked(),
    i.SmsDelayed(),
    i.SmsFailed("refused"),
    i.SmsFailed("undelivered"),
    i.SmsFound("asked"),
    i.SmsFound("waiting"),
    i.SmsFound("handed_over", NOW),
    i.SmsFound("delivered", NOW),
    i.SmsFound("undelivered", NOW),
    i.SmsFound("refused"),
    i.SmsFound("unclear"),
    i.SmsFound("expired"),
    i.TextFailed(),
    i.LetterRight("Dupont", "Marie"),
    i.LetterWrong(4),
    i.LetterWrong(0),
    i.AccountChanged("password_set"),
    i.AccountChanged("phone_changed"),
    i.AccountChanged("email_changed"),
    i.AccountChanged("child_added"),
    i.AccountChanged("child_dropped"),
    i.AccountChanged("others_signed_out"),
    i.AccountChanged("account_closed", NOW + timedelta(days=30)),
    i.AccountChanged("account_reopened"),
    i.AccountChanged("account_frozen"),
    i.AccountChanged("account_erased"),
    i.AccountUnchanged(),
    i.ChildFound(EVE),
    i.ChildOnAccount(),
    i.ChildNotFound(),
    i.SignInsFound(
        (i.SignIn("telegram", NOW, here=True), i.SignIn("terminal", NOW, here=False)),
        (i.Happening("account_opened", NOW),),
    ),
    i.SignInsFound((i.SignIn("core", NOW, here=True),), ()),
    i.DataFound(
        *("m.dupont12", "Marie Dupont", "+33645127890", "m.dupont@exemple.fr", NOW),
        *(("Léa", "Tom"), ("Collège", "École"), 2, 7),
    ),
    i.DataFound("m.dupont12", "Marie Dupont", "+33645127890", "", NOW, (), (), 1, 0),
    i.ServicesFound(
        (
            i.ServiceOpen("Collège", {"fr": "Bourse", "en": "Grant"}, "https://exemple.fr/b", DAY),
            i.ServiceOpen(
                "Collège", {"fr": "ENT", "en": "School site"}, "https://exemple.fr", None
            ),
        )
    ),
    i.ServicesFound(()),
    i.EmailFailed(),
    i.Noticed("notice-1", "activated", "Léa"),
    i.Objected(),
    i.NotObjected(),
    i.SignedOut("m.dupont12", "password"),
    i.SignedOut("m.dupont12", "frozen"),
    i.SignedOut("p.dupont", "others"),
    i.Thawed("m.dupont12"),
)
"""Every answer of the world in each of its meanings, the hoped one first."""

TIDINGS = (
    i.EraseFailed,
    i.Unlocked,
    i.SmsDelayed,
    i.SmsFailed,
    i.TextFailed,
    i.AccountLate,
    i.EmailFailed,
    i.Noticed,
    i.Objected,
    i.NotObjected,
    i.SignedOut,
    i.Thawed,
)
"""What the world tells without being asked."""


def a_chat(state: S, **own: object) -> Chat:
    """A conversation that stands there, with all that it could have learnt on the way."""
    pending = {
        S.SPLIT_NAME: ("Dupont", "Marie"),
        S.EMAIL_TYPO: ("marie@gmail.com",),
        S.CHILD_NAME: ("Ève",),
        S.FINDING_CHILD: ("Ève",),
    }
    known: dict[str, object] = {
        "lang": "fr",
        "asked": 7,
        "seen_at": NOW,
        "last": "Dupont",
        "first": "Marie",
        "phone": "+33645127890",
        "pending": pending.get(state, ("+33645127890", "+33645127891")),
        "pending_date": date(2014, 3, 14),
        "code_sent_at": NOW,
        "code_expires_at": NOW + timedelta(minutes=30),
        "proved_at": NOW,
        "guardians": (1, 2),
        "avoid": ("Dupont",),
        "digest": "$argon2id$1",
        "children": [
            Child(1, "Léa", "D", "Collège", "0750001U", "confirmed"),
            Child(2, "Tom", "D", "École", "0750002V"),
        ],
        "identifier": "m.dupont12",
        "locked_until": NOW + timedelta(minutes=15),
        "new_phone": "+33645127891",
        "new_email": "marie@exemple.fr",
        "email": "m•••@exemple.fr",
        "child_school": "Jean Moulin",
        "home": S.ALREADY.value,
        "last_digits": "91",
        "reopen_until": NOW + timedelta(days=30),
        "notice": "notice-1",
    }
    return Chat(state, **(known | own))  # type: ignore[arg-type]


def a_heard(word: str) -> Heard:
    """What a turn can be about when this word was heard."""
    answers = [answer for answer in WORLD if word_of(answer) == word]
    return Heard(
        refused=Refused(Reason.CHOOSE),
        secret=Secret("123456"),
        verdict=check_password("Velo-Rouge-42"),
        left=1,
        seconds=1,
        moment=NOW,
        answer=next(iter(answers), None),
    )


CHANGES: dict[type, str] = {
    o.SetPassword: "password_set",
    o.ChangePhone: "phone_changed",
    o.ChangeEmail: "email_changed",
    o.AddChild: "child_added",
    o.DropChild: "child_dropped",
    o.SignOutOthers: "others_signed_out",
    o.CloseAccount: "account_closed",
    o.ReopenAccount: "account_reopened",
    o.FreezeAccount: "account_frozen",
    o.EraseAccount: "account_erased",
}
"""What AccountChanged says of each of these questions."""

MEANWHILE = ("account_frozen", "account_closed", "account_erased")
"""What it says, too, where somebody else was first."""


def answers_to(question: o.Question) -> list[i.FromWorld]:
    """The answers that the question's docstring promises, one example of each meaning."""
    promised = (getdoc(type(question)) or "").partition("Answered by")[2]
    names = re.findall(r"\w+", promised.partition(".")[0])
    answers = [answer for answer in WORLD if type(answer).__name__ in names]
    if type(question) not in CHANGES:
        return answers
    changed = [answer for answer in answers if isinstance(answer, i.AccountChanged)]
    hoped = [answer for answer in changed if answer.what == CHANGES[type(question)]]
    meanwhile = [answer for answer in changed if answer.what in MEANWHILE and answer not in hoped]
    return [*hoped, *(answer for answer in answers if answer not in changed), *meanwhile]


Line = tuple[S, str, str | None, S | None, str]


def lines(table: list[Row] = FLOW) -> list[Line]:
    """The table with one state a row."""
    return [
        (state, word, provided, to, then)
        for states, word, provided, to, then in table
        for state in (states if isinstance(states, list) else [states])
    ]


def ways() -> dict[tuple[S, str], list[Line]]:
    """The rows that are tried, from the first, for a word heard in a state."""
    # Sorting is stable: the rows of one state and word keep their order.
    key = itemgetter(0, 1)
    ordered = sorted(lines(), key=lambda line: (line[0].value, line[1]))
    return {(state, word): list(rows) for (state, word), rows in groupby(ordered, key)}
