"""One example of everything that the conversation can hold or be told."""

import re
from datetime import UTC, date, datetime, timedelta
from inspect import getdoc
from itertools import groupby
from operator import itemgetter

from flows import inputs as i
from flows import outputs as o
from flows.chat import Chat, Child
from flows.states import Row, S
from flows.table import FLOW

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
LEA, TOM = i.ChildKnown(1, "Léa", "D", "Collège"), i.ChildKnown(2, "Tom", "D", "École")

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
    i.AccountExists("m.dupont12"),
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
)
"""Every answer of the world in each of its meanings, the hoped one first."""

TIDINGS = (
    i.EraseFailed,
    i.Unlocked,
    i.SmsDelayed,
    i.SmsFailed,
    i.TextFailed,
    i.AccountLate,
)
"""What the world tells without being asked."""


def a_chat(state: S, **own: object) -> Chat:
    """A conversation that stands there, with all that it could have learnt on the way."""
    names, numbers = ("Dupont", "Marie"), ("+33645127890", "+33645127891")
    known: dict[str, object] = {
        "lang": "fr",
        "asked": 7,
        "seen_at": NOW,
        "last": "Dupont",
        "first": "Marie",
        "phone": "+33645127890",
        "pending": names if state is S.SPLIT_NAME else numbers,
        "pending_date": date(2014, 3, 14),
        "code_sent_at": NOW,
        "code_expires_at": NOW + timedelta(minutes=30),
        "proved_at": NOW,
        "guardians": (1, 2),
        "avoid": ("Dupont",),
        "digest": "$argon2id$1",
        "children": [Child(1, "Léa", "D", "Collège", "confirmed"), Child(2, "Tom", "D", "École")],
        "identifier": "m.dupont12",
        "locked_until": NOW + timedelta(minutes=15),
    }
    return Chat(state, **(known | own))  # type: ignore[arg-type]


def answers_to(question: o.Question) -> list[i.FromWorld]:
    """The answers that the question's docstring promises, one example of each meaning."""
    promised = (getdoc(type(question)) or "").partition("Answered by")[2]
    names = re.findall(r"\w+", promised.partition(".")[0])
    return [answer for answer in WORLD if type(answer).__name__ in names]


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
