"""Promise 6: nobody learns here who is in the register (RELIABILITY T1, invariant I10).

Two bots, the same words; the one knows Marie, the other does not. Without a proof of the code the
two transcripts are the same, sign for sign.
"""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.channel import said
from flows.inputs import Edited, FromParent, Pressed, Returned, SentOther, SharedContact
from flows.policy import DAY
from flows.questions.code import read_code
from flows.states import S
from flows.table import FLOW
from storage.database import every
from tests.conversations.roads import CODE_OF_MARIE, MARIE
from tests.flows.hostile import any_text
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent, core_parent
from tests.helpers.school import School

NEVER_SENT = "000000"
WRONG = ("111111", "222222", "333333", "444444", "555555")
SCRIPTS = {
    "five wrong codes": (*CODE_OF_MARIE, *WRONG, "666666"),
    "a pause": (*CODE_OF_MARIE, *WRONG, "(wait 1m)", "[resend]", *WRONG, "hm", "(wait 15m)", "hm"),
    "too early": (*CODE_OF_MARIE, "[resend]", "(wait 59s)", "[resend]"),
    "all resends": (
        *(*CODE_OF_MARIE, "(wait 1m)", "[resend]", "(wait 2m)", "[resend]", "(wait 5m)"),
        *("[resend]", "(wait 9m)", "[resend]", "[resend]", "[ask_school]", "[other_number]"),
    ),
    "expired": (*CODE_OF_MARIE, "(wait 30m)", "111111", "[resend]", "111111"),
    "nothing arrives": (*CODE_OF_MARIE, "(wait 90s)", "[nothing_arrives]", "[back]", "111111"),
    "another number": (
        *(*CODE_OF_MARIE, "[nothing_arrives]", "[other_number]", "07 51 11 22 33", "[yes]"),
        *("111111", "[back]", MARIE[2], "[yes]", "(wait 61s)", "[yes]"),
    ),
    "another name": (
        *("(comes)", "[parent]", "[activate]", "Nobody", "Marie", MARIE[2], "[yes]", "123456"),
        *("[back]", "[back]", "[back]", "Dupont", "Marie", "(wait 61s)", "[yes]", "123456"),
    ),
    "not six digits": (*CODE_OF_MARIE, "12345", "hm", "123456 654321", PASSWORD, "/statut", "?"),
    "stop": (*CODE_OF_MARIE, "/annuler", "[stop]", *CODE_OF_MARIE, "(wait 2m)", "[yes]", *WRONG),
    "erase": (*CODE_OF_MARIE, "111111", "/effacer", "[erase_all]", "hm", "hm"),
    "a day later": (*CODE_OF_MARIE, "(wait 24h)", "111111", "[parent]"),
    "restart of the bot": (*CODE_OF_MARIE, "111111", "(restart)", "222222", "(restart)", "333333"),
}


def school(*, with_marie: bool) -> School:
    families = School().knows("Paul NOIR", "06 99 99 99 99", {"Ana NOIR": "20/10/2015"})
    if with_marie:
        families.knows("Marie DUPONT", MARIE[2], {"Léa DUPONT": "14/03/2014"})
    return families


async def transcript(
    path: Path, script: tuple[str, ...], lang: str, *, known: bool
) -> tuple[list[object], int]:
    """All that can be seen, and how many SMS left."""
    seen: list[object] = []
    async with core_parent(
        path, school(with_marie=known), lang=lang, make_code=lambda: NEVER_SENT
    ) as parent:
        dialogue = Dialogue(parent, lang)
        for line in script:
            if line == "(stale)":
                await parent.does(Pressed("yes", 0))
            else:
                await dialogue.does(line)
            seen.append((line, [reply.to_dict() for reply in parent.replies]))
        rows = await parent.service.doors.database.run(every("SELECT state, wake_at FROM chats"))
        seen.append(rows)
        seen.append(parent.erased)
        return seen, len(parent.sms.received)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
async def test_known_and_unknown_read_the_same(
    tmp_path: Path, script: tuple[str, ...], lang: str
) -> None:
    known, texted = await transcript(tmp_path / "known.sqlite3", script, lang, known=True)
    unknown, silent = await transcript(tmp_path / "unknown.sqlite3", script, lang, known=False)
    assert known == unknown
    assert texted >= 1
    assert silent == 0


MOVES = (
    *("[yes]", "[back]", "[resend]", "[nothing_arrives]", "[other_number]", "[ask_school]"),
    *("[fix_name]", "[fix_phone]", "[help]", "[continue]", "[stop]", "[restart]", "[parent]"),
    *("[activate]", "Dupont", "Marie", MARIE[2], "07 51 11 22 33", "111111", "222222", "12345"),
    *("/annuler", "/start", "/langue", "/statut", "(wait 61s)", "(wait 6m)", "(wait 31m)"),
)


# ---- any script at all -----------------------------------------------------------------------

WORDS = sorted({word for _, word, *_ in FLOW})
lines = st.one_of(
    st.sampled_from(MOVES),
    st.sampled_from(MOVES).filter(lambda move: move.startswith("[")),
    st.sampled_from(WRONG),
    st.integers(1, 5).map(str),
    st.builds(Pressed, st.sampled_from(WORDS), st.integers(0, 60)),
    any_text.filter(lambda text: read_code(text) != NEVER_SENT).map(said),
    st.builds(SharedContact, st.sampled_from(("+33612345678", "x")), st.just(False)),
    st.just(SentOther()),
    st.just(Returned()),
    st.builds(Edited, st.sampled_from(WRONG)),
)


class Twin:
    """A bot, and a stranger who begins a new conversation for each script."""

    def __init__(self, parent: CoreParent) -> None:
        self.bot = parent.bot
        self.scripts = 0

    async def follows(self, script: list[str | FromParent], lang: str) -> list[object]:
        """All that the stranger sees. A month has passed since the last script."""
        self.scripts += 1
        self.bot.clock.now += 31 * DAY
        stranger = CoreParent(self.bot, f"stranger {self.scripts}", lang)
        dialogue, seen = Dialogue(stranger, lang), list[object]()
        for line in (*CODE_OF_MARIE, *script):
            if not isinstance(line, str):
                await stranger.does(line)
            elif not line.startswith("[") or dialogue.offers(line[1:-1]):
                await dialogue.does(line)
            dialogue.lang = stranger.last.lang
            seen.append((line, [reply.to_dict() for reply in stranger.replies]))
        seen.append(stranger.erased)
        doors = self.bot.service.doors
        key = doors.conversations.key(stranger.address)
        seen.append(await doors.database.run(doors.conversations.load(key)))
        return seen


@pytest.mark.parametrize(
    "examples", [300, pytest.param(100_000, marks=pytest.mark.long)], ids="{} scripts".format
)
def test_any_script(tmp_path: Path, examples: int) -> None:
    """RELIABILITY T1: for any script that never proves a code, sign for sign."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def opens(known: bool) -> Twin:
            path = tmp_path / f"{known}.sqlite3"
            clock, families = Clock(), school(with_marie=known)
            opened = core_parent(path, families, clock=clock, make_code=lambda: NEVER_SENT)
            return Twin(await stack.enter_async_context(opened))

        known, unknown = runner.run(opens(True)), runner.run(opens(False))

        @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
        @given(st.lists(lines, max_size=25), st.sampled_from(("fr", "en")))
        def check(script: list[str | FromParent], lang: str) -> None:
            seen = runner.run(known.follows(script, lang))
            assert seen == runner.run(unknown.follows(script, lang))

        try:
            check()
            assert len(known.bot.sms.received) >= examples
            assert unknown.bot.sms.received == []
        finally:
            runner.run(stack.aclose())


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_is_tried(tmp_path: Path, seed: int) -> None:
    """Thirty lines at random after the code was asked for; the seed brings a failure back."""
    dice = random.Random(seed)
    script = list(CODE_OF_MARIE)
    path = tmp_path / "scout.sqlite3"
    async with core_parent(path, school(with_marie=False), make_code=lambda: NEVER_SENT) as scout:
        dialogue = Dialogue(scout, "fr")
        await dialogue.follows(*script)
        for _ in range(30):
            dialogue.lang = (scout.last.lang if scout.replies else dialogue.lang) or "fr"
            possible = [m for m in MOVES if m[0] != "[" or dialogue.offers(m[1:-1])]
            line = dice.choice(possible)
            if line.startswith("["):
                line = str(scout.buttons.index(dialogue.button(line[1:-1])) + 1)
            await dialogue.does(line)
            script.append(line)
    known, texted = await transcript(tmp_path / "a.sqlite3", tuple(script), "fr", known=True)
    unknown, silent = await transcript(tmp_path / "b.sqlite3", tuple(script), "fr", known=False)
    assert known == unknown
    assert texted >= 1
    assert silent == 0


async def test_the_account_is_no_hint_either(tmp_path: Path, lang: str) -> None:
    """A stranger sees no difference when Marie has activated."""
    transcripts = []
    for active in (False, True):
        path, codes = tmp_path / f"{active}.sqlite3", iter(["123456", NEVER_SENT])
        async with core_parent(
            path,
            school(with_marie=True),
            lang=lang,
            make_code=lambda: next(codes),  # noqa: B023
        ) as marie:
            dialogue = Dialogue(marie, lang)
            await dialogue.follows(*CODE_OF_MARIE)
            if active:
                await dialogue.follows("(code)", PASSWORD, PASSWORD, "oui 14 mars 2014")
                await dialogue.follows("[activate_now]")
                dialogue.hears("done.ask")
            stranger = Dialogue(marie.beside("a stranger", lang), lang)
            seen = []
            marie.clock.passes(minutes=2)
            for line in (*CODE_OF_MARIE, *WRONG, "hm"):
                await stranger.does(line)
                seen.append((line, stranger.reads, stranger.buttons))
            stranger.hears("refused.code_length")
            transcripts.append(seen)
    assert transcripts[0] == transcripts[1]


async def test_the_code_that_was_never_sent_is_wrong(tmp_path: Path, lang: str) -> None:
    """Even who guesses the number that stands for it proves nothing."""
    async with core_parent(
        tmp_path / "unknown.sqlite3",
        school(with_marie=False),
        lang=lang,
        make_code=lambda: NEVER_SENT,
    ) as parent:
        dialogue = Dialogue(parent, lang)
        await dialogue.follows(*CODE_OF_MARIE, NEVER_SENT)
        dialogue.hears("code.wrong", n=4)


async def test_no_sms_for_a_name_alone(core: Dialogue[CoreParent]) -> None:
    """The register's number decides, not its name."""
    await core.follows("(comes)", "[parent]", "[activate]", "Dupont", "Marie", "07 51 11 22 33")
    await core.follows("[yes]")
    core.is_asked(S.CODE)
    assert core.sms.received == []
