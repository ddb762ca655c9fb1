"""Where a process is killed. A schedule is a pure function of its seed."""

from dataclasses import dataclass
from random import Random

MOST = {
    # Killed from outside: so many milliseconds after it answers, or when it calls Telegram.
    "instant": 2500,
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
    "import": 150,
}
"""How late a point may be: its greatest number."""

CALLS = {
    "fetch": "getUpdates",
    "send": "sendMessage",
    "erase": "deleteMessage",
    "answer": "answerCallbackQuery",
}
_OFTEN = {"instant": 4, "send": 3, "commit": 3, "statement": 3, "mark": 2}


@dataclass(frozen=True)
class Point:
    """Before or after the n-th time of something."""

    when: str
    what: str
    n: int

    def __str__(self) -> str:
        return f"{self.when} {self.what} {self.n}"


def schedule(seed: str, kills: int) -> list[Point]:
    """The points of a run; the first lies in the migration, while there is one to be done."""
    return [_point(Random(f"{seed} {number}"), first=number == 0) for number in range(kills)]


def _point(random: Random, first: bool) -> Point:
    usual = [what for what in MOST if what != "migration"]
    weights = [_OFTEN.get(what, 1) for what in usual]
    what = "migration" if first else random.choices(usual, weights)[0]
    return Point(random.choice(("before", "after")), what, random.randint(1, MOST[what]))
