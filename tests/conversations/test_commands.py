"""Back, cancel, help, status, language, erase, human, old buttons, photos: at every question."""

import pytest

from bot.channel import said
from flows.account.table import INSIDE
from flows.inputs import Edited, Pressed, Returned
from flows.outputs import Ask, Refusal, Say
from flows.refusals import Reason
from flows.states import S
from flows.step import step
from flows.table import ASKING, CLOSED, NAMES, OPENED, QUESTIONS, UNDER_WAY
from storage.database import every
from tests.conversations.conftest import Arrive, MeetCore
from tests.conversations.roads import CODE_OF_MARIE, MARIE, ROADS
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent

every_question = pytest.mark.parametrize("state", ASKING, ids=lambda state: state.value)
BACK = {
    S.PUPIL: S.PROFILE,
    S.MENU: S.PROFILE,
    S.LAST_NAME: S.MENU,
    S.SPLIT_NAME: S.LAST_NAME,
    S.FIRST_NAME: S.LAST_NAME,
    S.SAME_NAME: S.FIRST_NAME,
    S.PHONE: S.FIRST_NAME,
    S.WHICH_PHONE: S.PHONE,
    S.CHECK: S.PHONE,
    S.CODE: S.PHONE,
    S.NO_SMS: S.CODE,
    S.ASK_SCHOOL: S.PHONE,
    S.PASSWORD_AGAIN: S.PASSWORD,
    S.CHILD: S.PASSWORD,
    S.NOT_MINE: S.CHILD,
    S.BIRTHDATE: S.CHILD,
    S.BIRTHDATE_CHECK: S.BIRTHDATE,
    S.RECAP: S.CHILD,
    S.CORRECT: S.RECAP,
    S.LETTER: S.MENU,
    S.WHICH_ACCOUNT: S.MENU,
    S.NOT_ME: S.ALREADY,
    S.PROVE: S.ALREADY,
    S.MANAGE: S.ALREADY,
    S.NEW_PHONE: S.MANAGE,
    S.EMAIL: S.MANAGE,
    S.EMAIL_TYPO: S.EMAIL,
    S.EMAIL_CODE: S.EMAIL,
    S.MY_CHILDREN: S.MANAGE,
    S.CHILD_SCHOOL: S.MY_CHILDREN,
    S.CHILD_NAME: S.CHILD_SCHOOL,
    S.WRONG_CHILD: S.MY_CHILDREN,
    S.WRONG_CHILD_SURE: S.WRONG_CHILD,
    S.SIGN_INS: S.MANAGE,
    S.MY_DATA: S.MANAGE,
    S.FORGET_ME: S.MANAGE,
    S.CLOSE: S.MANAGE,
}
"""Where back leads; from the other questions nowhere."""

NAMED = {
    S.LAST_NAME: S.FIRST_NAME,
    S.FIRST_NAME: S.PHONE,
    S.CHILD_SCHOOL: S.CHILD_NAME,
    S.CHILD_NAME: S.MY_CHILDREN,  # no child of that name
}
"""Where any word leads, since it is a name."""

ABOUT_ACCOUNT = (S.WHICH_ACCOUNT, S.NO_ACCOUNT, S.NOT_ME, S.PROVE, *INSIDE)


def interrupted(state: S, name: str) -> str:
    """The key of the question over the question."""
    return f"interrupt.{name}.account" if state in ABOUT_ACCOUNT else f"interrupt.{name}"


def test_there_is_a_road_to_every_question() -> None:
    assert set(ROADS) == set(ASKING) == set(QUESTIONS)


def words(lang: str, french: str, english: str) -> str:
    return french if lang == "fr" else english


@every_question
@pytest.mark.parametrize("way", ["button", "command", "word"])
async def test_back(arrive: Arrive, lang: str, state: S, way: str) -> None:
    parent = await arrive(state)
    typed = {"button": "[back]", "command": words(lang, "/retour", "/back")}.get(
        way, words(lang, "retour", "back")
    )
    if way == "button" and not parent.offers("back"):
        assert state not in BACK
        return
    texted = len(parent.sms.received)
    await parent.follows(typed)
    if way == "word" and state in NAMES:  # a plain word is a name there
        parent.is_asked(NAMED[state])
    elif state in BACK:
        parent.is_asked(BACK[state])
    else:
        parent.hears("back.proved" if state is S.PASSWORD else "back.none")
        parent.is_asked(state)
    assert len(parent.sms.received) == texted  # going back sends nothing


@every_question
async def test_remarks(arrive: Arrive, state: S) -> None:
    """Each gets its answer and the question again; none moves the conversation."""
    parent = await arrive(state)
    asked = parent.parent.last.asked
    for typed in ("[help]", "/aide", "/help", "?", "/aide@sesame_bot", "/nonsense"):
        if typed == "/nonsense" and parent.parent.last.hidden:
            continue  # a password may begin with "/"
        await parent.follows(typed)
        parent.hears(f"{state.value}.help", "help.commands")
        parent.is_asked(state)
    for typed in ("/statut", "/status"):
        await parent.follows(typed)
        if QUESTIONS[state].step:
            parent.hears("status", n=QUESTIONS[state].step, total=6)
        if state in (S.CODE, S.NO_SMS):
            parent.hears("status.code")
        parent.is_asked(state)
    for typed in ("/humain", "/human"):
        await parent.follows(typed)
        parent.hears("human")
        parent.is_asked(state)
    await parent.parent.sends_photo()
    parent.hears("refused.text_only")
    parent.is_asked(state)
    await parent.parent.does(Returned())
    parent.hears("welcome_back")
    parent.is_asked(state)
    if not QUESTIONS[state].contact:
        await parent.parent.shares_own_number("+33698765432")
        parent.hears("refused.text_only")
        parent.is_asked(state)
    erased = list(parent.parent.erased)
    await parent.parent.does(Edited("Martin", "a"))  # a changed message is no answer
    parent.hears("edited")
    parent.is_asked(state)
    assert (parent.parent.erased == [*erased, "a"]) == parent.parent.last.hidden
    # Anything is a second password, right or wrong, and nearly anything names a school.
    if state not in (S.PASSWORD_AGAIN, S.CHILD_SCHOOL):
        for typed in ("🤷", "\u200b", "-", "¿¿¿", "0" * 5000, "oui non peut-être 99999 @"):
            await parent.parent.does(said(typed))
            parent.is_asked(state)
    assert parent.parent.last.asked == asked


@every_question
async def test_language(arrive: Arrive, state: S, lang: str) -> None:
    """The current question is asked again in the new language, and again in the old one."""
    parent = await arrive(state)
    if state is S.LANGUAGE:
        await parent.follows(words(lang, "[fr]", "[en]"))
        parent.lang = lang
        parent.hears("welcome", "need", "privacy", "profile.ask")
        return
    other = words(lang, "en", "fr")
    for typed in ("/langue", "/language", words(lang, "/anglais", "/french")):
        await parent.follows(typed)
        parent.lang = other
        parent.hears("language.done")
        parent.is_asked(state)
        assert parent.offers("help")
        await parent.follows(words(lang, "/francais", "/english"))
        parent.lang = lang
        parent.hears("language.done")
        parent.is_asked(state)


@every_question
async def test_old_buttons(arrive: Arrive, state: S) -> None:
    """Every button that was ever there, and every forged one: pressed now, it moves nothing."""
    parent = await arrive(state)
    doors, core = parent.parent.service.doors, parent.parent
    key = doors.conversations.key(core.address)
    chat = await doors.database.run(doors.conversations.load(key))
    assert chat is not None
    choices = {choice for question in QUESTIONS.values() for choice in question.choices}
    choices |= {"back", "help", "stop", "erase_all", "restart", "continue", "nonsense"}
    offered = {button.choice for button in core.last.buttons}
    for asked in (*range(-1, chat.asked + 3), 10**18):
        for choice in choices if asked != chat.asked else choices - offered:
            if (asked, choice) == chat.pressed:
                continue  # a double tap: below
            after, said_now = step(chat, Pressed(choice, asked), core.clock())
            assert after.state is state
            refusal, told, *rest = said_now
            assert refusal == Refusal(Reason.STALE_BUTTON)
            assert told == Say("stale", told.facts)  # type: ignore[union-attr]
            assert [type(output) for output in rest if not isinstance(output, Say)] == [Ask]
    await core.does(Pressed("other_number", core.last.asked - 1))
    parent.hears("stale")
    parent.is_asked(state)


@every_question
async def test_double_tap(arrive: Arrive, state: S) -> None:
    """The second tap of one press does nothing; where the first moved on, it says nothing."""
    for choice in QUESTIONS[state].choices:
        parent = await arrive(state)
        asked = parent.parent.last.asked
        await parent.parent.does(Pressed(choice, asked))
        first, moved = parent.reads, parent.parent.last.asked != asked
        assert first
        texted = len(parent.sms.received)
        await parent.parent.does(Pressed(choice, asked))
        if moved:
            assert parent.reads == ""
        elif choice == "language":
            assert parent.reads in ("", first)
        assert len(parent.sms.received) == texted
        await parent.parent.bot.closes()


@every_question
async def test_cancel(arrive: Arrive, state: S, lang: str) -> None:
    parent = await arrive(state)
    command = words(lang, "/annuler", "/cancel")
    await parent.follows(command)
    if state in CLOSED:
        parent.is_asked(state)
        return
    if state in INSIDE:  # nothing is lost: out of "my account"
        parent.is_asked(S.ALREADY)
        return
    parent.hears(interrupted(state, "cancel"))
    await parent.follows("[continue]")
    parent.is_asked(state)
    await parent.follows(command, "Dupont")
    parent.hears("refused.choose", interrupted(state, "cancel"))
    await parent.follows("[stop]")
    parent.hears("stopped")
    await parent.follows("bonjour")
    parent.hears(*BEGINNING.get(state, ("welcome", "profile.ask")))


@every_question
async def test_erase(arrive: Arrive, state: S, lang: str) -> None:
    parent = await arrive(state)
    command = words(lang, "/effacer", "/forget")
    await parent.follows(command)
    if state is S.LANGUAGE:  # nothing was said yet
        parent.is_asked(state)
        return
    parent.hears("interrupt.erase")
    await parent.follows("[continue]")
    parent.is_asked(state)
    await parent.follows(command, "[erase_all]")
    parent.hears("erased")
    await parent.follows("bonjour")
    parent.hears(*BEGINNING.get(state, ("welcome", "profile.ask")))


BEGINNING = {S.LANGUAGE: ("language.ask",)}


@pytest.mark.parametrize("last", ["stop", "erase_all"])
async def test_double_tap_on_the_end(arrive: Arrive, last: str) -> None:
    """Who presses "stop" twice does not begin again."""
    parent = await arrive(S.PHONE)
    await parent.follows("/annuler" if last == "stop" else "/effacer")
    asked = parent.parent.last.asked
    await parent.parent.does(Pressed(last, asked))
    parent.hears("stopped" if last == "stop" else "erased")
    await parent.parent.does(Pressed(last, asked))
    assert parent.reads == ""


@every_question
async def test_start_never_wipes(arrive: Arrive, state: S) -> None:
    parent = await arrive(state)
    await parent.follows("/start")
    if state in (*OPENED, S.LANGUAGE):
        parent.is_asked(state)
    elif state in CLOSED:
        parent.is_asked(S.PROFILE)
    else:
        parent.hears(interrupted(state, "start"))
        if state not in ABOUT_ACCOUNT:
            parent.hears("interrupt.start", n=max(QUESTIONS[state].step, 1), total=6)
        await parent.follows("[continue]")
        parent.is_asked(state)
        await parent.follows("/start", "[restart]")
        parent.is_asked(S.PROFILE)


@pytest.mark.parametrize("state", [S.PROFILE, S.PHONE, S.CODE, S.BIRTHDATE])
async def test_longer_help_each_time(arrive: Arrive, state: S) -> None:
    """UX 2.3: the same mistake twice gets longer help, three times a person."""
    parent = await arrive(state)
    await parent.follows("hm")
    parent.does_not_hear(f"{state.value}.help", "human")
    await parent.follows("hm")
    parent.hears(f"{state.value}.help")
    await parent.follows("hm")
    parent.hears("human")
    parent.is_asked(state)


async def test_who_helps_is_a_setting(meet_core: MeetCore, lang: str) -> None:
    parent = await meet_core(lang=lang, contact="01 42 68 53 00")
    await parent.follows("(comes)", "/humain")
    parent.hears("human", contact="01 42 68 53 00")


async def test_words_are_names_where_names_are_asked_for(core: Dialogue[CoreParent]) -> None:
    """MISSION 4.1: somebody may be called Stop, Aide, Parent or Non."""
    await core.follows("(comes)", "[parent]", "[activate]", "Stop", "Aide")
    core.is_asked(S.PHONE)
    await core.follows("06 12 34 56 78")
    core.hears("check.ask", first="Aide", last="Stop")


async def test_back_from_the_code_makes_it_useless(core: Dialogue[CoreParent]) -> None:
    await core.follows(*CODE_OF_MARIE, "[back]")
    rows = await core.parent.service.doors.database.run(every("SELECT status FROM codes"))
    assert rows == [("cancelled",)]
    code = core.sms.last_code
    await core.follows(MARIE[2], "(wait 61s)", "[yes]")
    if core.sms.last_code != code:
        await core.follows(code)
        core.hears("code.old")


async def test_back_from_the_code_and_the_number_again(core: Dialogue[CoreParent]) -> None:
    """Going back and forth neither sends a second SMS at once nor locks the parent out."""
    await core.follows(*CODE_OF_MARIE, "[back]", MARIE[2], "[yes]")
    core.hears("code.too_soon", seconds=60)
    core.is_asked(S.CHECK)
    assert len(core.sms.received) == 1
    await core.follows("(wait 60s)", "[yes]", "(code)")
    core.hears("code.right")


async def test_no_way_back_behind_the_proof(core: Dialogue[CoreParent]) -> None:
    await core.follows(*CODE_OF_MARIE, "(code)", "[back]")
    core.hears("back.proved", "password.ask")
    await core.follows(PASSWORD, PASSWORD, "[yes]", "14/03/2014", "[correct]", "[fix_password]")
    core.is_asked(S.PASSWORD)
    await core.follows("[back]")
    core.is_asked(S.RECAP)


async def test_the_language_is_asked_where_it_is_not_known(meet_core: MeetCore, lang: str) -> None:
    parent = await meet_core(lang=None)
    for typed in ("hello", "???", "42"):
        await parent.follows(typed)
        parent.hears("language.ask")
    await parent.follows(words(lang, "français", "english"))
    parent.lang = lang
    parent.hears("welcome", "need", "privacy", "profile.ask")


@pytest.mark.parametrize("state", UNDER_WAY, ids=lambda state: state.value)
async def test_an_interruption_is_over_when_it_is_answered(arrive: Arrive, state: S) -> None:
    """One question at a time: the last of two commands counts."""
    parent = await arrive(state)
    await parent.follows("/start" if state in INSIDE else "/annuler", "/effacer")
    parent.hears("interrupt.erase")
    await parent.follows("/aide")
    parent.hears(f"{state.value}.help")
    await parent.follows("[help]")
    parent.is_asked(state)
