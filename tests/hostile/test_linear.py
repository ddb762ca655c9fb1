"""No regular expression of ours takes more than linear time (RELIABILITY T21, ASVS 1.3.12).

Every pattern in the sources is found, parsed as `re` itself does, and held to four rules, which are
stricter than need be, and enough:

1. No repeat without a bound stands within another: `(a+)*` has 2^n ways to read n letters.
2. Within such a repeat there is one way to read each letter: no empty body, no two alternatives
   and no two neighbours that share a letter where the first may vary: `(a|a)*`, `(a?a)*`.
3. Two such repeats that share a letter are kept apart by something that neither of them reads:
   `a*a*b` has n^2 ways.
4. Where a pattern is searched and not matched from the beginning, such a repeat ends it, or what
   stands before is no letter of the repeat: `a+b` is tried again from each `a` of a long run.

Repeats with a bound are taken for bounded work; the bounds here are small, and the test says so.
"""

import ast
import re
import re._constants as op  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("bot", "flows", "storage", "locales")
FUNCTIONS = ("compile", "match", "fullmatch", "search", "findall", "finditer", "split", "sub")
FROM_THE_BEGINNING = ("match", "fullmatch")
LARGEST_BOUND = 100

Node = Any
Found = tuple[str, str, int, frozenset[str]]  # the file, the pattern, its flags, the methods used

# ---- finding ---------------------------------------------------------------------------------


def patterns() -> tuple[list[Found], list[str]]:
    """Every pattern of our sources; and the calls whose pattern is made while running."""
    found: list[Found] = []
    made: list[str] = []
    for path in sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re"):
                continue
            if node.func.attr not in FUNCTIONS:
                continue
            where = f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
            compiled = node.func.attr == "compile"
            names = _names(tree, node) if compiled else []
            methods = _methods(tree, names) if compiled else {node.func.attr}
            try:
                pattern, flags = ast.literal_eval(node.args[0]), _flags(node)
            except ValueError:
                if not names:
                    made.append(where)
                    continue
                ready = getattr(import_module(_module(path)), names[0])
                pattern, flags = ready.pattern, ready.flags
            found.append((where, pattern, flags, frozenset(methods)))
    return found, made


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _names(tree: ast.Module, call: ast.Call) -> list[str]:
    """The names that a pattern is given where it is compiled."""
    return [
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and node.value is call
        for target in node.targets
        if isinstance(target, ast.Name)
    ]


def _methods(tree: ast.Module, names: list[str]) -> set[str]:
    """How a pattern with a name is used in its module; "search" where that is not seen."""
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
    }
    return used or {"search"}


def _flags(call: ast.Call) -> int:
    given = [*call.args[1:], *(keyword.value for keyword in call.keywords)]
    names = [one.attr for one in given if isinstance(one, ast.Attribute)]
    return sum(getattr(re, name) for name in names if name.isupper())


# ---- the rules -------------------------------------------------------------------------------

LETTERS = "".join(map(chr, range(256))) + "éΩя٣５Ⅷ²–—\u20e3\u2028\u202e\u0301\ue000漢😀שم·•"
CATEGORIES = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}
REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT)


def problems(pattern: str, flags: int = 0, searched: bool = True) -> list[str]:
    """What is wrong with a pattern, in a few words; nothing where it is linear."""
    tree = parser.parse(pattern, flags)
    found = [*_repeats(list(tree), within=False)]
    if searched:
        found += _restarts(_flat(list(tree)))
    return found


def _unbounded(node: Node) -> bool:
    return node[0] in REPEATS and node[1][1] > LARGEST_BOUND


def _parts(node: Node) -> list[list[Node]]:
    """The sequences within a node."""
    kind, value = node
    if kind in REPEATS:
        return [list(value[2])]
    if kind is op.SUBPATTERN:
        return [list(value[3])]
    if kind is op.BRANCH:
        return [list(branch) for branch in value[1]]
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return [list(value[1])]
    assert kind in (*SINGLE, op.AT), f"this rule book does not know {kind}"
    return []


SINGLE = (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY)


def _flat(sequence: list[Node]) -> list[Node]:
    """The sequence without the brackets of groups that only group."""
    flat: list[Node] = []
    for node in sequence:
        flat += _flat(list(node[1][3])) if node[0] is op.SUBPATTERN else [node]
    return flat


def _letters(node: Node) -> set[str]:
    """Every letter that may stand in what the node reads."""
    kind, value = node
    match kind:
        case op.LITERAL:
            return {chr(value).lower(), chr(value).upper(), chr(value)}
        case op.NOT_LITERAL:
            return set(LETTERS) - {chr(value)}
        case op.ANY:
            return set(LETTERS)
        case op.IN:
            return _of_set(tuple(value))
        case op.ASSERT | op.ASSERT_NOT | op.AT:
            return set()
    return {letter for part in _parts(node) for inner in part for letter in _letters(inner)}


@cache
def _of_set(items: tuple[Node, ...]) -> set[str]:
    letters: set[str] = set()
    for kind, value in items:
        if kind is op.LITERAL:
            letters |= {chr(value)}
        elif kind is op.RANGE:
            letters |= {one for one in LETTERS if value[0] <= ord(one) <= value[1]}
        elif kind is op.CATEGORY:
            letters |= {one for one in LETTERS if re.match(CATEGORIES[value], one)}
    letters |= {letter.lower() for letter in letters} | {letter.upper() for letter in letters}
    if items[0][0] is op.NEGATE:
        return set(LETTERS) - letters
    return letters


def _may_be_empty(node: Node) -> bool:
    kind, value = node
    if kind in SINGLE:
        return False
    if kind in REPEATS:
        return value[0] == 0 or all(map(_may_be_empty, value[2]))
    if kind in (op.ASSERT, op.ASSERT_NOT, op.AT):
        return True
    return any(all(map(_may_be_empty, part)) for part in _parts(node))


def _varies(node: Node) -> bool:
    """Whether a node can read more or fewer letters."""
    if node[0] in REPEATS and node[1][0] != node[1][1]:
        return True
    return any(_varies(inner) for part in _parts(node) for inner in part)


def _repeats(sequence: list[Node], within: bool) -> Iterator[str]:
    """Rules 1 to 3."""
    sequence = _flat(sequence)
    for at, node in enumerate(sequence):
        if _unbounded(node):
            if within:
                yield "a repeat within a repeat"
            yield from _second_ways(list(node[1][2]))
            yield from _neighbours(node, sequence[at + 1 :])
        for part in _parts(node):
            yield from _repeats(part, within or _unbounded(node))


def _second_ways(body: list[Node]) -> Iterator[str]:
    """Rule 2, for the body of a repeat without a bound."""
    body = _flat(body)
    if all(map(_may_be_empty, body)):
        yield "a repeat of nothing"
    for node, after in zip(body, [*body[1:], *body[:1]], strict=True):
        if _varies(node) and len(body) > 1 and _letters(node) & _letters(after):
            yield "neighbours in a repeat share a letter"
        if node[0] is op.BRANCH:
            sets = [set().union(*map(_letters, part)) for part in _parts(node)]
            if sum(map(len, sets)) > len(set().union(*sets)):
                yield "alternatives in a repeat share a letter"


def _neighbours(node: Node, after: list[Node]) -> Iterator[str]:
    """Rule 3, for a repeat and what follows it."""
    letters = _letters(node)
    for other in after:
        shared = letters & _letters(other)
        if _unbounded(other) and shared:
            yield "two repeats share a letter, and nothing keeps them apart"
        if not shared and not _may_be_empty(other):
            return


def _restarts(sequence: list[Node]) -> Iterator[str]:
    """Rule 4: a run of the repeat's letters must not be a place to begin."""
    begins: set[str] = set()
    fixed = False
    for at, node in enumerate(sequence):
        branches = [_flat(part) for part in _parts(node)] if node[0] is op.BRANCH else []
        for branch in branches:
            yield from _restarts([*branch, *sequence[at + 1 :]])
        inner = not fixed or begins & _letters(node)
        if _unbounded(node) and at + 1 < len(sequence) and inner:
            yield "a search begins again in the middle of a repeat"
        if not fixed:
            begins |= _letters(node)
            fixed = not _may_be_empty(node)


# ---- our patterns ----------------------------------------------------------------------------

FOUND, MADE = patterns()


def test_the_patterns_are_found() -> None:
    files = {where.partition(":")[0] for where, *_ in FOUND}
    assert len(FOUND) >= 30
    assert {"flows/questions/phone.py", "bot/telegram/incoming.py", "bot/settings.py"} <= files


@pytest.mark.parametrize(("where", "pattern", "flags", "methods"), FOUND)
def test_a_pattern_is_linear(where: str, pattern: str, flags: int, methods: frozenset[str]) -> None:
    searched = not methods <= set(FROM_THE_BEGINNING)
    assert problems(pattern, flags, searched) == [], where


def test_patterns_that_are_made_while_running_are_known() -> None:
    """They hold nothing that anybody typed but digits, and no repeat without a bound."""
    assert MADE == [
        "bot/terminal.py: re.sub(spaced, MASK, text)",
        "flows/questions/name.py: re.fullmatch('[a-z]'.join(pieces), key)",
    ]


# ---- the rules find what they are for --------------------------------------------------------

BAD = [
    *(r"(a+)+b", r"(a*)*", r"(?:\w+\s?)*$", r"([a-z]+)*:", r"((a|b)+)*c", r"(x+x+)+y"),
    *(r"(a|a)*b", r"(?:a|ab)*c", r"(\w|\d)*;", r"(a?a)*b", r"(?:[0-9]?[0-9 ])*x", r"(?:a?)*b"),
    *(
        r"a*a*b",
        r".*.*x",
        r"\d+\w+;",
        r"\s*,?\s*;",
        r"[a-z]+[0-9]*[a-z]+!",
        r".*x.*y",
        r"^\s+|\s+$",
    ),
    *(r"a+b", r"\s+$", r"[a-z]*:", r"\w+@", r"(?:ab)+c", r"x?y*z", r"(?i:a)[A-Z]+1", r"(\d{2,})-"),
]
GOOD = [
    *(
        r"[0-9]+",
        r"a{1,5}b",
        r"x[0-9]+y",
        r"\.[a-z]{2,}[/?#]",
        r"(?:[ .]?[0-9])*",
        r"[0-9](?:,[0-9])*",
    ),
    *(r"\+?[0-9]{7,15}", r"<[^<>]*>", r"(?:a|b)+", r"^x", r"(?=a)b", r"a|b+"),
]


@pytest.mark.parametrize("pattern", BAD)
def test_a_bad_pattern_is_found(pattern: str) -> None:
    assert problems(pattern)


@pytest.mark.parametrize("pattern", GOOD)
def test_a_good_pattern_is_none_of_them(pattern: str) -> None:
    assert problems(pattern) == []


def test_from_the_beginning_there_is_one_place_to_begin() -> None:
    assert problems(r"[a-z]+:[0-9]+", searched=False) == []
    assert problems(r"[a-z]+:[0-9]+", searched=True)
