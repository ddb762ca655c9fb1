"""Somebody who wants to know who is in the register: not by words, not by work, not by time (T1).

What is written is compared in `tests/conversations/test_unknown.py`. Here: the statements that the
database is given, and how long a stranger waits for the answer.
"""

import asyncio
from bisect import bisect_right
from datetime import datetime
from math import exp, sqrt
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import TypeVar

import pytest

from bot.channel import Reply
from bot.engine import Update
from flows.chat import Chat
from flows.inputs import Pressed
from flows.policy import MINUTE
from flows.states import S
from storage.conversations import Address, Conversations
from storage.database import Work, run
from storage.outbox import REPLY
from storage.sqlite import Sqlite
from tests.conversations.roads import CODE_OF_MARIE, MARIE
from tests.conversations.test_unknown import NEVER_SENT, SCRIPTS, WRONG, school
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import core_parent
from tests.helpers.school import School

T = TypeVar("T")

# ---- the same statements ---------------------------------------------------------------------


def watched(work: Work[T], given: list[str]) -> Work[T]:
    """The same work; the text of each statement is noted. The values in it may differ."""
    try:
        statement = next(work)
        while True:
            given.append(str(getattr(statement, "text", "a lock")))
            statement = work.send((yield statement))
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        work.close()


async def statements(
    path: Path, script: tuple[str, ...], known: bool, patch: pytest.MonkeyPatch
) -> list[tuple[str, list[str]]]:
    """All statements of every turn, sending included, line by line."""
    given: list[str] = []
    plain = Sqlite.run

    async def run_watched(database: Sqlite, work: Work[T]) -> T:
        return await plain(database, watched(work, given))

    seen = []
    async with core_parent(
        path, school(with_marie=known), lang="fr", make_code=lambda: NEVER_SENT
    ) as parent:
        dialogue = Dialogue(parent, "fr")
        patch.setattr(Sqlite, "run", run_watched)
        for line in script:
            given.clear()
            await dialogue.does(line)
            # Replies and SMS leave side by side: their order is of no turn's making.
            seen.append((line, sorted(given)))
        patch.undo()
    return seen


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
async def test_known_and_unknown_give_the_database_the_same_statements(
    tmp_path: Path, script: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await statements(tmp_path / "known.sqlite3", script, True, monkeypatch)
    unknown = await statements(tmp_path / "unknown.sqlite3", script, False, monkeypatch)
    for (line, one), (_, other) in zip(known, unknown, strict=True):
        assert one == other, line
    assert any("INSERT INTO codes" in text for _, texts in known for text in texts)


# ---- who has an account ----------------------------------------------------------------------

LOGIN = "m.dupont"
FORGOTTEN = ("(comes)", "[parent]", "[forgot_password]")
ASKED = {
    "login": (*FORGOTTEN, LOGIN),
    "number": (*FORGOTTEN, MARIE[2]),
    "my account": ("(comes)", "[parent]", "[manage]", LOGIN),
    "identifier": ("(comes)", "[parent]", "[forgot_identifier]", *MARIE, "[yes]"),
    "activation": CODE_OF_MARIE,
}
TRIED = {
    "wrong codes": (*WRONG, "666666", "[resend]"),
    "a pause": (*WRONG, "(wait 1m)", "[resend]", *WRONG, "hm", "(wait 15m)", "hm", "hm"),
    "too early": ("[resend]", "(wait 59s)", "[resend]", "(wait 1s)", "[resend]", "111111"),
    "all resends": (
        *("(wait 1m)", "[resend]", "(wait 2m)", "[resend]", "(wait 5m)", "[resend]"),
        *("(wait 9m)", "[resend]", "[resend]", "[back]"),
    ),
    "expired": ("(wait 30m)", "111111", "[resend]", "111111"),
    "nothing arrives": ("(wait 90s)", "[nothing_arrives]", "[resend]", "111111", "[back]"),
    "stop and erase": ("/annuler", "[stop]", *FORGOTTEN, LOGIN, "111111", "/effacer", "hm"),
    "both, by turns": ("[back]", "/annuler", "[stop]", *FORGOTTEN, MARIE[2], "111111"),
    "a day later": ("(wait 24h)", "111111", "hm"),
    "a restart": ("(restart)", "111111", "(restart)", "[resend]"),
}
BY_ITSELF = {
    "no letter": ("(comes)", "[parent]", "[letter]", *("ABCD-EFGH-JKMN",) * 6, "hm"),
    "no notice": ("(comes)", *("NON ABCD-EFGH-JKMN",) * 12),
    "many logins": (*FORGOTTEN, LOGIN, "[back]", "m.durand", "[back]", LOGIN, "(wait 61s)", LOGIN),
    "many conversations": (*(("(anew)", *FORGOTTEN, LOGIN, "111111", "(wait 2m)") * 6),),
    "numbers after logins": (
        *(("(anew)", *FORGOTTEN, LOGIN, "111111", "(wait 2m)") * 4),
        *("(anew)", *CODE_OF_MARIE, "111111", "(anew)", *FORGOTTEN, MARIE[2], "111111"),
    ),
}
ABOUT_ACCOUNTS = {
    **{
        f"{how}: {what}": (*way, *then)
        for how, way in ASKED.items()
        for what, then in TRIED.items()
    },
    **BY_ITSELF,
}


async def of_stranger(
    path: Path, script: tuple[str, ...], has_account: bool, patch: pytest.MonkeyPatch
) -> tuple[list[tuple[str, object]], list[tuple[str, object]], int]:
    """What a stranger reads line by line, the statements, and how many SMS it makes leave.

    Marie has activated a month ago, or has only asked for a code.
    """
    codes, given = iter(["123456"]), list[str]()
    read, done = list[tuple[str, object]](), list[tuple[str, object]]()
    plain = Sqlite.run

    async def run_watched(database: Sqlite, work: Work[T]) -> T:
        return await plain(database, watched(work, given))

    async with core_parent(
        path, school(with_marie=True), make_code=lambda: next(codes, NEVER_SENT)
    ) as parent:
        marie = Dialogue(parent, "fr")
        await marie.follows(*CODE_OF_MARIE)
        if has_account:
            await marie.follows("(code)", PASSWORD, PASSWORD, "oui 14/03/2014", "[activate_now]")
            marie.hears("done.ask")
        await parent.waits(days=31)
        sent = len(parent.sms.received)
        strangers = 1
        stranger = Dialogue(parent.beside("stranger 1", "fr"), "fr")
        patch.setattr(Sqlite, "run", run_watched)
        for line in script:
            given.clear()
            if line == "(anew)":
                strangers += 1
                stranger = Dialogue(parent.beside(f"stranger {strangers}", "fr"), "fr")
                continue
            if not line.startswith("[") or stranger.offers(line[1:-1]):
                await stranger.does(line)
            if line.startswith("(wait"):
                continue  # Marie's own conversation expires meanwhile, or does not
            read.append((line, [reply.to_dict() for reply in stranger.parent.replies]))
            done.append((line, sorted(given)))
        patch.undo()
        return read, done, len(parent.sms.received) - sent


@pytest.mark.parametrize("script", ABOUT_ACCOUNTS.values(), ids=ABOUT_ACCOUNTS)
async def test_who_has_an_account_is_not_told(
    tmp_path: Path, script: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a proof all is the same, by the number and by the identifier: words and work."""
    one = await of_stranger(tmp_path / "one.sqlite3", script, True, monkeypatch)
    other = await of_stranger(tmp_path / "other.sqlite3", script, False, monkeypatch)
    for (line, known), (_, unknown) in zip(one[0], other[0], strict=True):
        assert known == unknown, line
    for (line, known), (_, unknown) in zip(one[1], other[1], strict=True):
        assert known == unknown, line
    if LOGIN in script:
        assert one[2] > other[2]  # and yet the one who has it gets the code


# ---- whose numbers ---------------------------------------------------------------------------

SECOND, THIRD = "06 11 22 33 44", "06 22 33 44 55"
FIVE_CODES = (
    *CODE_OF_MARIE,
    *("[back]", SECOND, "[yes]", "[back]", THIRD, "[yes]", "(wait 61s)", "[resend]", "111111"),
    *("[back]", MARIE[2], "[yes]", "222222", "[back]", SECOND, "(wait 2m)", "[yes]", "333333"),
)


async def test_whose_numbers_these_are_is_not_seen(tmp_path: Path) -> None:
    """The fifth code of an hour goes to nobody where all are one guardian's; nothing shows it."""
    transcripts, texted = [], []
    for owners in ("one", "three", "none"):
        families = School().knows("Paul NOIR", "06 99 99 99 99", {"Ana NOIR": "20/10/2015"})
        if owners != "none":
            families.knows("Marie DUPONT", MARIE[2], {"Léa DUPONT": "14/03/2014"})
        if owners == "three":
            families.knows("Anne BRUN", SECOND, {"Tom BRUN": "14/03/2014"})
            families.knows("Jean VERT", THIRD, {"Lou VERT": "14/03/2014"})
        async with core_parent(tmp_path / owners, families, make_code=lambda: NEVER_SENT) as parent:
            if owners == "one":
                doors = parent.service.doors
                for phone in ("+33611223344", "+33622334455"):
                    key = doors.codes._vault.key("phone", phone)
                    await doors.database.run(
                        run("INSERT INTO guardian_phones SELECT ?, max(id) FROM guardians", key)
                    )
            dialogue, seen = Dialogue(parent, "fr"), []
            for line in FIVE_CODES:
                await dialogue.does(line)
                seen.append((line, [reply.to_dict() for reply in parent.replies]))
            transcripts.append(seen)
            texted.append([to for to, _ in parent.sms.received])
    assert transcripts[0] == transcripts[1] == transcripts[2]
    assert [len(phones) for phones in texted] == [4, 5, 0]


# ---- the same time ---------------------------------------------------------------------------

TURNS = 2000
MUCH = "999999999/1m"
NO_LIMIT = {
    **dict.fromkeys(("codes_per_number", "codes_per_guardian", "codes_per_chat"), MUCH),
    **dict.fromkeys(("codes_per_prefix", "codes_in_all", "identities_per_chat"), MUCH),
    "codes_per_day": 999_999_999,
    "conversion_warning_percent": 0,
    "conversion_pause_percent": 0,
}


class Stopwatch:
    """The channel: when the reply comes, the stranger looks at the clock."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    async def send(self, place: str, reply: Reply, instead: str | None = None) -> str | None:
        """Take a reply."""
        self.heard.set()
        return None

    async def answered(self, place: str, message: str) -> None:
        """Take it."""

    async def erase(self, place: str, message: str) -> None:
        """Take a wish to erase."""


def phone_of(number: int) -> str:
    return f"+336{number:04d}5678"


def same_law(one: list[float], other: list[float]) -> float:
    """The probability (Kolmogorov and Smirnov, two samples) of a gap as wide by chance alone."""
    one, other = sorted(one), sorted(other)
    gap = max(
        abs(bisect_right(one, x) / len(one) - bisect_right(other, x) / len(other))
        for x in (*one, *other)
    )
    scaled = gap * sqrt(len(one) * len(other) / (len(one) + len(other)))
    tail = sum((-1) ** (k - 1) * exp(-2 * k * k * scaled * scaled) for k in range(1, 101))
    return min(1.0, 2 * tail) if scaled > 0.2 else 1.0


def test_the_comparison_finds_what_is_there() -> None:
    """A shift of a fifth of the spread is seen in 2,000 turns; none is not."""
    dice = Random(1)
    base = [dice.gauss(10, 1) for _ in range(TURNS)]
    assert same_law(base, [dice.gauss(10, 1) for _ in range(TURNS)]) > 0.01
    assert same_law(base, [dice.gauss(10.2, 1) for _ in range(TURNS)]) < 0.01
    assert same_law([1.0, 2.0], [1.0, 2.0]) == 1.0


def _strangers(
    conversations: Conversations, phones: list[str], now: datetime
) -> Work[list[Address]]:
    """One conversation for each number, at "Is this right?"."""
    addresses = [Address("core", f"stranger {number}") for number in range(len(phones))]
    for address, phone in zip(addresses, phones, strict=True):
        chat = Chat(S.CHECK, "fr", asked=1, last="Dupont", first="Marie", phone=phone)
        yield from conversations.save(conversations.key(address), address, chat, None, now)
    return addresses


async def _times(path: Path, dice: Random) -> dict[bool, list[float]]:
    """How long the answer to "send the code" takes, for known and unknown numbers in turn."""
    families = School()
    for number in range(0, 200, 2):
        families.knows("Marie DUPONT", phone_of(number), {"Léa DUPONT": "14/03/2014"})
    known = [either for _ in range(TURNS) for either in dice.choice([(True, False), (False, True)])]
    phones = [phone_of(2 * dice.randrange(100) + (not one)) for one in known]
    watch, times = Stopwatch(), dict[bool, list[float]]({True: [], False: []})
    async with core_parent(path, families, **NO_LIMIT) as parent:  # type: ignore[arg-type]
        doors, delivery = parent.service.doors, parent.service.delivery
        delivery._carriers[REPLY]._channels = {"core": watch}  # type: ignore[attr-defined]
        work = _strangers(doors.conversations, phones, parent.clock.now)
        for address, one in zip(await doors.database.run(work), known, strict=True):
            watch.heard.clear()
            begin = perf_counter()
            await parent.service.engine.take(Update(address, Pressed("yes", 1)))
            await watch.heard.wait()
            times[one].append(perf_counter() - begin)
            await delivery.settle()
            parent.clock.now += MINUTE
    return times


async def test_known_and_unknown_take_as_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of three runs must not tell them apart: a busy machine disturbs, it never helps."""
    verdicts = []
    for attempt in range(3):
        times = await _times(tmp_path / f"{attempt}.sqlite3", Random(attempt))
        known, unknown = median(times[True]), median(times[False])
        apart, likely = abs(known / unknown - 1), same_law(times[True], times[False])
        with capsys.disabled():
            print(
                f"\n  {TURNS} turns each: median {1e3 * known:.3f} ms known,"
                f" {1e3 * unknown:.3f} ms unknown ({apart:.1%} apart), KS p = {likely:.3f}"
            )
        verdicts.append((apart < 0.10, likely > 0.01))
        if all(verdicts[-1]):
            return
    raise AssertionError(verdicts)
