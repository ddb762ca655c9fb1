"""Where a process is killed. A schedule is a pure function of its seed."""

from dataclasses import dataclass
from random import Random

MOST = {
    # Killed from outside: so many milliseconds after it answers, or when it calls Telegram.
    "instant": 1500,
    "fetch": 25,
    "send": 25,
    "erase": 4,
    "answer": 8,
    # Killed from inside: at a statement, or at what a statement does.
    "statement": 400,
    "commit": 80,
    "take": 25,
    "queue": 25,
    "mark": 50,
    "code": 4,
    "account": 2,
    "sms": 3,
    "hash": 4,
    # Only on the first start, and only in a process of its own.
    "migration": 4,
    "import": 130,
}
"""How late a point may be: its greatest number."""

CALLS = {
    "fetch": "getUpdates",
    "send": "sendMessage",
    "erase": "deleteMessage",
    "answer": "answerCallbackQuery",
}
_INSTANTS = 15
KINDS = [("before", "migration"), ("after", "migration"), ("at any", "instant")] + [
    (when, what)
    for what in MOST
    for when in ("before", "after")
    if what not in ("migration", "instant")
]


@dataclass(frozen=True)
class Point:
    """Before or after the n-th time of something; after n milliseconds for an instant."""

    when: str
    what: str
    n: int

    def __str__(self) -> str:
        return f"{self.when} {self.what} {self.n}"


def schedule(seed: str, kills: int) -> list[Point]:
    """The points of the universe "RUN/NUMBER".

    The first lies in the migration, while there is one to be done. Over the universes of a run all
    other kinds have their turn, then some random instants, and so on.
    """
    run, _, number = seed.rpartition("/")
    kinds = KINDS[2:]
    Random(run).shuffle(kinds)
    kinds += [("at any", "instant")] * _INSTANTS
    begin = int(number) * (kills - 1)
    drawn = [KINDS[int(number) % 2], *(kinds[(begin + n) % len(kinds)] for n in range(kills - 1))]
    random = Random(seed)
    return [Point(when, what, random.randint(1, MOST[what])) for when, what in drawn]
