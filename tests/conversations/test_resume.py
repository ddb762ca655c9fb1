"""Wherever the bot is killed, whatever comes twice or at once: the parent notices nothing."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.channel import said
from bot.engine import Update
from flows.account.table import INSIDE
from flows.inputs import Pressed, Returned
from flows.states import S
from flows.table import UNDER_WAY
from storage.database import Busy, every
from tests.conversations.conftest import Arrive, Meet, MeetCore
from tests.conversations.roads import ALL_TO_DONE, CODE_OF_MARIE, MARIE, ROADS, everybody
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue, pattern
from tests.helpers.parent import CoreBot, CoreParent, Phone, core_parent, test_settings
from tests.helpers.school import School

SOPHIE = ("Martin", "Sophie", "06 98 76 54 32")
THREE_LONG_CONVERSATIONS = {
    "a mother of three who makes every mistake": (
        *("(comes)", "hm", "[parent]", "[activate]", "12345", "MARTIN Sophie", "[no]", "Sophie"),
        *("[back]", "[back]", "Martin", "Martin", "[no]", "Sophie", "01 42 68 53 00", "06 98 76"),
        *("06 98 76 54 32 ou 06 12 34 56 78", "[first_number]", "[yes]", "12345", "(wrong code)"),
        *("(wrong code)", "[resend]", "(wait 90s)", "[resend]", "(wrong code)", "(code)"),
        *("court", "Sophie!Lac27", PASSWORD, "Soleil&Vert28", PASSWORD, PASSWORD, "[yes]", "hm"),
        *("15 mars 2012", "15 mars 2012", "1er septembre 2011", "[no]", "[yes]", "[yes]"),
        *("03/05/15", "[yes]", "[child_missing]", "[correct]", "[fix_password]", "Lune&Vert27"),
        *("Lune&Vert27", "[activate_now]", "[services]", "[text_me]", "[text_me]"),
    ),
    "a father who does not find the code": (
        *("(comes)", "[parent]", "[activate]", *MARIE, "[fix_name]", "Dupont", "Marie", "[yes]"),
        *("(wait 90s)", "[nothing_arrives]", "[ask_school]", "[other_number]", MARIE[2], "[yes]"),
        *("/statut", "?", "/langue", "/langue", *["(wrong code)"] * 5, "(code)", "(wait 2m)"),
        *("[resend]", *["(wrong code)"] * 5, "hm", "(wait 15m)", "hm", "[yes]", "(code)"),
        *("/annuler", "hm", "[continue]", PASSWORD, "[back]", PASSWORD, PASSWORD, "[no]", "[no]"),
        *("[yes]", "15/03/2014", "[back]", "[yes]", "14/03/14", "[yes]", "[activate_now]"),
    ),
    "somebody who gives another name and goes away": (
        *("(comes)", "[pupil]", "[back]", "[parent]", "[activate]", "Durand"),
        *("Marie", MARIE[2], "[yes]", "(code)", "Durand", "Anne", "Dupont", "Marie", "(wait 31m)"),
        *(PASSWORD, "[yes]", "(code)", PASSWORD, PASSWORD, "oui 15/03/2014", "15/03/2014"),
        *("15/03/2014", "hm", "[restart]", "[parent]", "[activate]", *MARIE, "/effacer"),
        *("[erase_all]", "(comes)", "[parent]", "[activate]", "Dupont", "(wait 25h)", "bonjour"),
    ),
}


def code_maker() -> Iterator[str]:
    """Codes that are the same in every run."""
    return (f"{number:06d}" for number in range(700001, 700100))


async def _transcript(
    folder: Path, lines: tuple[str, ...], lang: str, *, restarts: bool
) -> tuple[list[tuple[str, str, list[str], int]], list[tuple[str, str]]]:
    codes = code_maker()
    async with core_parent(
        folder / f"{restarts}.sqlite3", everybody(), lang=lang, make_code=lambda: next(codes)
    ) as parent:
        dialogue = Dialogue(parent, lang)
        seen: list[tuple[str, str, list[str], int]] = []
        for line in lines:
            try:
                await dialogue.does(line)
            except AssertionError as error:
                raise AssertionError(f"{line!r} after:\n{seen[-1][1] if seen else ''}") from error
            seen.append((line, dialogue.reads, dialogue.buttons, parent.last.asked))
            if restarts:
                await parent.restarts()
        return seen, parent.sms.received


@pytest.mark.parametrize("lines", THREE_LONG_CONVERSATIONS.values(), ids=THREE_LONG_CONVERSATIONS)
async def test_killed_after_every_line(tmp_path: Path, lines: tuple[str, ...], lang: str) -> None:
    """Word for word what a bot says that never stops: same question, same tries, same SMS."""
    undisturbed = await _transcript(tmp_path, lines, lang, restarts=False)
    killed = await _transcript(tmp_path, lines, lang, restarts=True)
    assert killed == undisturbed
    assert all(reads for line, reads, _, _ in killed[0] if not line.startswith("(wait"))


@pytest.mark.parametrize("state", ROADS, ids=lambda state: state.value)
async def test_killed_at_every_question(arrive: Arrive, state: S) -> None:
    """Killed and started, then opened again: the same question with the same buttons."""
    parent = await arrive(state)
    buttons, asked = parent.buttons, parent.parent.last.asked
    await parent.follows("(restart)")
    await parent.parent.does(Returned())
    parent.hears("welcome_back")
    parent.is_asked(state)
    assert (parent.buttons, parent.parent.last.asked) == (buttons, asked)


async def test_restart_on_every_channel(meet: Meet) -> None:
    parent = await meet()
    await parent.follows(*CODE_OF_MARIE, "(wrong code)", "(restart)", "(wrong code)")
    parent.hears("code.wrong", n=3)
    await parent.follows("(restart)", "(code)")
    parent.hears("code.right")
    await parent.follows("(restart)", PASSWORD, "(restart)", PASSWORD)
    parent.is_asked(S.CHILD)
    await parent.follows("(restart)")
    await parent.follows("oui 14/03/2014", "(restart)")
    await parent.presses("activate_now")
    parent.hears("done.ask", identifier="m.dupont")


# ---- silence ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", UNDER_WAY, ids=lambda state: state.value)
async def test_answers_are_erased_after_a_long_silence(arrive: Arrive, state: S) -> None:
    """24 hours while the number is not proved, then seven days."""
    parent = await arrive(state)
    rows = await parent.parent.service.doors.database.run(every("SELECT state FROM chats"))
    assert rows == [(state.value,)]
    limit = 7 * 86400 if state in _PROVED else 86400
    waited = 90 if state is S.CODE else 0
    if waited:
        await parent.follows("(wait 90s)")  # the nudge is not the parent's sign of life
    await parent.follows(f"(wait {limit - waited - 1}s)")
    assert parent.reads == ""
    assert await _state(parent) == state.value
    await parent.follows("(wait 1s)")
    assert parent.reads == ""  # nobody is woken up for this
    assert await _state(parent) == S.EXPIRED.value
    await parent.follows("bonjour")
    if state is S.LANGUAGE:
        parent.hears("language.ask")
    else:
        parent.hears("expired", "welcome", "profile.ask")


_PROVED = {
    *(S.PASSWORD, S.PASSWORD_AGAIN, S.CHILD, S.NOT_MINE, S.BIRTHDATE, S.BIRTHDATE_CHECK),
    *(S.RECAP, S.CORRECT, S.NO_ACCOUNT, S.NOT_ME, S.PROVE, *INSIDE),
}


async def test_the_parent_comes_before_the_timer(arrive: Arrive) -> None:
    """The timer is late; what was said 24 hours ago is gone all the same."""
    parent = await arrive(S.CHECK)
    parent.clock.passes(hours=24)
    await parent.follows("[yes]")
    parent.hears("expired", "profile.ask")
    assert parent.sms.received == []


async def _state(parent: Dialogue[CoreParent]) -> str:
    rows = await parent.parent.service.doors.database.run(every("SELECT state FROM chats"))
    return str(rows[0][0])


# ---- twice, and at once ----------------------------------------------------------------------


async def test_everything_delivered_twice(meet_core: MeetCore, lang: str) -> None:
    """The same update again changes nothing, says nothing and sends nothing, restart or not."""
    parent = await meet_core(lang=lang)
    core = parent.parent
    for number, line in enumerate(ALL_TO_DONE):
        if line.startswith("["):
            label = parent.button(line[1:-1])
            choice = next(button.choice for button in core.last.buttons if button.label == label)
            happened: Pressed | object = Pressed(choice, core.last.asked)
        else:
            text = {"(comes)": "/start", "(code)": None}.get(line, line)
            happened = said(text or core.sms.last_code, message=str(number))
        update = f"telegram:{1000 + number}"
        await core.does(happened, update)  # type: ignore[arg-type]
        assert core.reads
        texted, erased = len(core.sms.received), len(core.erased)
        for again in range(3):
            await core.does(happened, update)  # type: ignore[arg-type]
            assert core.reads == ""
            if again == 1:
                await core.restarts()
        assert (len(core.sms.received), len(core.erased)) == (texted, erased)
    accounts = await core.service.doors.database.run(every("SELECT id FROM accounts"))
    assert len(accounts) == 1


@pytest.mark.parametrize("state", ROADS, ids=lambda state: state.value)
@pytest.mark.parametrize("button", [0, -1], ids=["first", "last"])
async def test_a_press_delivered_twice_at_every_question(
    arrive: Arrive, state: S, button: int
) -> None:
    """Not a row is another, nothing is said and nothing is sent, before and after a restart."""
    core = (await arrive(state)).parent
    pressed = Pressed(core.last.buttons[button].choice, core.last.asked)
    await core.does(pressed, "telegram:1000")
    assert core.reads
    texted, stored = len(core.sms.received), await _everything(core)
    for restarts in (False, True):
        if restarts:
            await core.restarts()
        await core.does(pressed, "telegram:1000")
        assert core.reads == ""
        assert len(core.sms.received) == texted
        assert await _everything(core) == stored


async def _everything(core: CoreParent) -> dict[str, list[tuple[object, ...]]]:
    """What is stored of conversations and accounts."""
    tables = ("chats", "outbox", "codes", "tallies", "accounts", "account_pupils")
    more = ("sign_ins", "notices", "letters", "school_notes", "audit")
    database = core.service.doors.database
    return {
        table: list(await database.run(every(f"SELECT * FROM {table}")))
        for table in (*tables, *more)
    }


@pytest.mark.parametrize("state", ROADS, ids=lambda state: state.value)
async def test_the_database_does_not_answer(
    arrive: Arrive, state: S, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is half done: the update is given again, and then it counts once (T24)."""
    parent = await arrive(state)
    core = parent.parent
    happened = Pressed("help", core.last.asked)
    with monkeypatch.context() as patch:
        patch.setattr(type(core.service.doors.conversations), "save", _busy)
        with pytest.raises(Busy):
            await core.does(happened, "telegram:1")
    assert core.reads == ""
    await core.does(happened, "telegram:1")
    parent.is_asked(state)
    await core.does(happened, "telegram:1")
    assert core.reads == ""


def _busy(*_: object) -> Iterator[None]:
    raise Busy("in use")
    yield


async def test_messages_at_once_are_taken_in_order(meet_core: MeetCore, lang: str) -> None:
    parent = await meet_core(lang=lang)
    await parent.follows("(comes)", "[parent]", "[activate]")
    core = parent.parent
    core.replies.clear()
    updates = [
        Update(core.address, said(text), f"u{number}", lang)
        for number, text in enumerate(("Dupont", "Marie", MARIE[2], "1"))
    ]
    await asyncio.gather(*(core.service.take(update) for update in updates))
    keys = [state.value for state in (S.FIRST_NAME, S.PHONE, S.CHECK, S.CODE)]
    assert len(core.replies) == len(keys)
    for key, reply in zip(keys, list(core.replies), strict=True):
        core.replies[:] = [reply]
        parent.hears(f"{key}.ask")
    assert len(core.sms.received) == 1


async def test_fifty_right_codes_at_once_count_once(core: Dialogue[CoreParent]) -> None:
    """RELIABILITY T4."""
    await core.follows(*CODE_OF_MARIE)
    parent, code = core.parent, core.sms.last_code
    parent.replies.clear()
    updates = [Update(parent.address, said(code), f"u{n}", core.lang) for n in range(50)]
    await asyncio.gather(*(parent.service.take(update) for update in updates))
    right = [reply for reply in parent.replies if core_says("code.right", core.lang, reply.text)]
    assert len(right) == 1
    used = await parent.service.doors.database.run(every("SELECT status FROM codes"))
    assert used == [("used",)]


async def test_a_hundred_wrong_codes_at_once_are_five_tries(core: Dialogue[CoreParent]) -> None:
    """RELIABILITY T3: exactly five guesses of one code are judged."""
    await core.follows(*CODE_OF_MARIE)
    parent = core.parent
    parent.replies.clear()
    guesses = [core.wrong_code(number) for number in range(100)]
    updates = [Update(parent.address, said(g), f"u{g}", core.lang) for g in guesses]
    await asyncio.gather(*(parent.service.take(update) for update in updates))
    wrong = [reply for reply in parent.replies if core_says("code.wrong", core.lang, reply.text)]
    burnt = [reply for reply in parent.replies if core_says("code.burnt", core.lang, reply.text)]
    assert (len(wrong), len(burnt)) == (4, 96)
    await core.follows("(code)")
    core.does_not_hear("code.right")


def core_says(key: str, lang: str, text: str) -> bool:
    """Whether the text holds what the key says."""
    return bool(re.search(pattern(key, lang, {}), text))


async def test_two_chats_finish_for_one_guardian(meet_core: MeetCore, lang: str) -> None:
    """One account; the second is told so, with the same identifier (RELIABILITY T16)."""
    one = await meet_core(lang=lang)
    two = Dialogue(one.parent.beside("the same on another phone", lang), lang)
    await one.follows(*ALL_TO_DONE[:-1])
    await two.follows("(wait 61s)", *ALL_TO_DONE[:-1])
    await asyncio.gather(one.presses("activate_now"), two.presses("activate_now"))
    states = sorted(
        "done" if core_says("done.ask", lang, chat.reads) else "already" for chat in (one, two)
    )
    assert states == ["already", "done"]
    for chat in (one, two):
        is_done = core_says("done.ask", lang, chat.reads)
        chat.hears("done.ask" if is_done else "already.ask", identifier="m.dupont")
    rows = await one.parent.service.doors.database.run(every("SELECT id FROM accounts"))
    assert len(rows) == 1


ROUNDS = 50


async def test_two_parents_of_one_name_at_one_instant(tmp_path: Path) -> None:
    """m.dupont and m.dupont2, whoever comes first: two bots on one database, fifty rounds."""
    school, names = School(), []
    for number in range(ROUNDS):
        last = f"DUPONT{chr(65 + number // 26)}{chr(65 + number % 26)}"
        names.append(last)
        for which, first in enumerate(("Marie", "Michel")):
            mobile = f"06{which}1{number:02d}{number:02d}{which}7"
            child = ("Léa", "Tom")[which]  # of one child both would be told of each other
            school.knows(f"{first} {last}", mobile, {f"{child} {last}": "14/03/2014"})
    settings, clock, sms = test_settings(tmp_path / "race.sqlite3"), Clock(), Phone()
    await school.fills_file(Path(settings.database), settings)
    async with AsyncExitStack() as stack:
        bots = [CoreBot(settings, clock, Phone()) for _ in range(2)]
        for bot in bots:
            await bot.opens()
            stack.push_async_callback(bot.closes)
        for number, last in enumerate(names):
            chats = []
            for which, (bot, first) in enumerate(zip(bots, ("Marie", "Michel"), strict=True)):
                chat = Dialogue(CoreParent(bot, f"{last} {first}", "fr"), "fr")
                mobile = f"06{which}1{number:02d}{number:02d}{which}7"
                await chat.follows("(comes)", "[parent]", "[activate]", last, first, mobile)
                await chat.follows("[yes]", "(code)", PASSWORD, PASSWORD, "oui 14/03/2014")
                chats.append(chat)
                clock.passes(minutes=2)
            await asyncio.gather(*(chat.presses("activate_now") for chat in chats))
            got = [re.findall(r"\bm\.\w+", chat.reads) for chat in chats]
            assert {one for (one,) in got} == {f"m.{last.lower()}", f"m.{last.lower()}2"}
    assert sms.received == []
