"""The conversation's diagram in Mermaid, made from the table that runs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from flows.account import table as account
from flows.states import Row, S
from flows.table import FLOW, OPENED, SENT_AWAY, UNDER_WAY, WAITING

MAIN_ROAD = (
    *(S.START, S.PROFILE, S.MENU, S.LAST_NAME, S.FIRST_NAME, S.PHONE, S.CHECK, S.SENDING, S.CODE),
    *(S.CHECKING, S.MATCHING, S.PASSWORD, S.HASHING, S.PASSWORD_AGAIN, S.COMPARING, S.CHILD),
    *(S.BIRTHDATE, S.CHECKING_BIRTHDATE, S.RECAP, S.OPENING, S.DONE),
)
"""The way of a parent to whom nothing happens: drawn first, from top to bottom, and in colour."""

_BOXES: dict[str, list[S]] = {
    "any_state": [state for state in S if state is not S.LOCKED],  # a pause goes on
    "any_question": UNDER_WAY,
    "sent_away": SENT_AWAY,
    "opened": OPENED,
    "my_account": account.INSIDE,
}
"""One box stands for many states."""

_WORDS = {
    "any_state": "wherever it stands",
    "any_question": "any question under way",
    "my_account": "any question of my account",
    "about_accounts": "with an account (a picture of its own)",
}

Fork = tuple[tuple[str | None, str], ...]  # provided that, go there; tried from the first
Arrows = dict[tuple[str, str], list[str]]  # from, to: the words along it


def diagram() -> str:
    """The whole conversation in one picture."""
    return _picture(FLOW)


def activation_diagram() -> str:
    """The way to an account. One box stands for what parents come back for."""
    own = [row for row in FLOW if row not in (*account.FLOW, *account.EVERYWHERE)]
    states = {name for states, _, _, to, _ in own if to for name in [*_names(states), to.value]}
    leaving: Arrows = {}
    for at, word, _, to, _ in account.FLOW:
        if to and to.value not in states:
            for name in _names(at):
                if name in states:
                    leaving.setdefault((name, "about_accounts"), []).append(word)
    return _picture(own, leaving)


def account_diagram() -> str:
    """What parents come back for once there is an account."""
    return _picture([*account.FLOW, *account.EVERYWHERE])


def _picture(rows: Sequence[Row], more: Arrows | None = None) -> str:
    """A state diagram: one arrow for each pair of states, with the words that lead along it.

    Left out is what would hide the rest: rows that stay at their question (help, language, a
    refused answer), and "back" along an arrow that is drawn.
    """
    arrows, forks = _arrows(rows)
    arrows |= {ends: list(dict.fromkeys(words)) for ends, words in (more or {}).items()}
    road = [arrow for at, to in pairwise(MAIN_ROAD) for arrow in _drawn(at.value, to.value, arrows)]
    drawn = {name for ends in arrows for name in ends}
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {S.START.value}"] if S.START.value in drawn else []
    boxes = _WORDS | {box: _listed(_BOXES[box]) for box in ("sent_away", "opened")}
    lines += [f"    {box} : {words}" for box, words in boxes.items() if box in drawn]
    lines += [f"    state {fork} <<choice>>" for fork in forks]
    lines += [
        f"    {at} --> {to} : {', '.join(arrows[at, to])}"
        for at, to in dict.fromkeys([*road, *arrows])
    ]
    lines += [
        "    classDef road fill:#1d4f91,color:#fff",
        "    classDef wait stroke-dasharray:4",
        f"    class {_listed(state for state in MAIN_ROAD if state.value in drawn)} road",
        f"    class {_listed(state for state in WAITING if state.value in drawn)} wait",
    ]
    return "\n".join(lines) + "\n"


def _arrows(rows: Sequence[Row]) -> tuple[Arrows, list[str]]:
    """What is drawn. Where several words part in the same way, they part at one fork."""
    ways = _ways(rows)
    shared = Counter(tail for way in ways.values() for tail in _tails(way))
    forks: dict[Fork, str] = {}
    arrows: Arrows = {}
    for (at, word), way in ways.items():
        tail = next((tail for tail in _tails(way) if shared[tail] > 1), ())
        ends = [to for _, to in way[: len(way) - len(tail)]]
        if tail:
            fork = forks.setdefault(tail, f"fork{len(forks) + 1}")
            arrows |= {(fork, to): [provided or "else"] for provided, to in tail}
            ends.append(fork)
        for to in dict.fromkeys(ends):
            if word != "back" or not _drawn(to, at, arrows):
                arrows.setdefault((at, to), []).append(word)
    return arrows, list(forks.values())


def _ways(rows: Sequence[Row]) -> dict[tuple[str, str], Fork]:
    """Where a word leads from a state; "back" comes last."""
    ways: dict[tuple[str, str], Fork] = {}
    for states, word, provided, to, _ in sorted(rows, key=lambda row: row[1] == "back"):
        if to is not None:
            for at in _names(states):
                ways[at, word] = (*ways.get((at, word), ()), (provided, to.value))
    return ways


def _names(states: S | list[S]) -> list[str]:
    if isinstance(states, S):
        return [states.value]
    boxes, boxed = list[str](), set[S]()
    for box, group in _BOXES.items():
        if set(group) <= set(states) and not set(group) <= boxed:
            boxes.append(box)
            boxed |= set(group)
    return boxes + [state.value for state in states if state not in boxed]


def _listed(states: Iterable[S]) -> str:
    return ", ".join(state.value for state in states)


def _tails(way: Fork) -> list[Fork]:
    """Its last rows, the most first: what it may share with another way."""
    return [way[start:] for start in range(len(way) - 1)]


def _drawn(at: str, to: str, arrows: Arrows) -> list[tuple[str, str]]:
    """The arrows that lead from one state to the other, straight or by a fork."""
    if (at, to) in arrows:
        return [(at, to)]
    forks = [fork for fork, end in arrows if end == to and (at, fork) in arrows]
    return next(([(at, fork), (fork, to)] for fork in forks if fork.startswith("fork")), [])
