"""The table of the conversation has no hole: every name exists, every word finds its row.

`transitions` takes a table with typing errors and fails only when a parent reaches the row
(EXAMPLES §6, pitfall 4). So the table is read here instead.
"""

import ast
import json
from copy import deepcopy
from datetime import UTC
from inspect import getsource, signature
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from bot.channel import said
from bot.diagram import MAIN_ROAD, account_diagram, activation_diagram, diagram
from bot.rendering import Renderer
from flows import hearing
from flows import inputs as i
from flows import outputs as o
from flows.account import hearing as account_hearing
from flows.account.table import LASTING
from flows.account.turn import AccountTurn
from flows.chat import VERSION, Chat
from flows.hearing import offered, word_of
from flows.policy import DEFAULT
from flows.refusals import Reason
from flows.states import S
from flows.step import fire, step
from flows.table import (
    ASKING,
    CLOSED,
    COMMANDS,
    ENDED,
    FLOW,
    INTERRUPTIONS,
    QUESTIONS,
    UNDER_WAY,
    WAITING,
)
from flows.turn import Turn
from locales import LANGUAGES
from tests.flows.samples import (
    NOW,
    TIDINGS,
    WORLD,
    Line,
    a_chat,
    a_heard,
    answers_to,
    lines,
    ways,
)

ROOT = Path(__file__).parents[2]
LINES, WAYS = lines(), ways()
RENDERER = Renderer(UTC)
METHODS = {**vars(Turn), **vars(AccountTurn)}
CONDITIONS = {provided for _, _, provided, _, _ in FLOW if provided}
ACTIONS = {then for *_, then in FLOW}


def where(line: Line) -> str:
    """A row's name in a failure."""
    return f"{line[0].name} {line[1]}"


# ---- names -----------------------------------------------------------------------------------


def test_every_name_in_the_table_is_a_method_of_the_turn() -> None:
    for name in CONDITIONS | ACTIONS:
        assert list(signature(getattr(AccountTurn, name)).parameters) == ["self"], name


def test_every_method_of_the_turn_is_named_in_the_table() -> None:
    methods = {name for name, value in METHODS.items() if callable(value) and name[0] != "_"}
    assert methods == CONDITIONS | ACTIONS


def test_conditions_return_a_truth_and_actions_nothing() -> None:
    assert {METHODS[name].__annotations__["return"] for name in CONDITIONS} == {bool}
    assert {METHODS[name].__annotations__["return"] for name in ACTIONS} == {None}


def test_stored_names_never_change() -> None:
    """What is in a database stands for ever: a new meaning gets a new name (DESIGN)."""
    assert {state.name: state.value for state in S} == {
        "START": "start",
        "INVITING": "inviting",
        "INVITED": "invited",
        "LANGUAGE": "language",
        "PROFILE": "profile",
        "PUPIL": "pupil",
        "MENU": "menu",
        "LETTER": "letter",
        "CHECKING_LETTER": "checking_letter",
        "WHICH_ACCOUNT": "which_account",
        "LAST_NAME": "last_name",
        "SPLIT_NAME": "split_name",
        "FIRST_NAME": "first_name",
        "SAME_NAME": "same_name",
        "PHONE": "phone",
        "WHICH_PHONE": "which_phone",
        "LOOKING_UP": "looking_up",
        "CHECK": "check",
        "SENDING": "sending",
        "CODE": "code",
        "RESENDING": "resending",
        "LOOKING_FOR_SMS": "looking_for_sms",
        "NO_SMS": "no_sms",
        "ASK_SCHOOL": "ask_school",
        "CHECKING": "checking",
        "MATCHING": "matching",
        "PASSWORD": "password",
        "HASHING": "hashing",
        "PASSWORD_AGAIN": "password_again",
        "COMPARING": "comparing",
        "HASHING_PAGE": "hashing_page",
        "CHILD": "child",
        "NOT_MINE": "not_mine",
        "BIRTHDATE": "birthdate",
        "BIRTHDATE_CHECK": "birthdate_check",
        "CHECKING_BIRTHDATE": "checking_birthdate",
        "RECAP": "recap",
        "CORRECT": "correct",
        "OPENING": "opening",
        "DONE": "done",
        "LOOKING_FOR_TEXT": "looking_for_text",
        "ALREADY": "already",
        "READING": "reading",
        "NO_ACCOUNT": "no_account",
        "OTHER_PHONE": "other_phone",
        "FROZEN": "frozen",
        "REOPEN": "reopen",
        "NOT_RECOVERED": "not_recovered",
        "NOT_ME": "not_me",
        "PROVE": "prove",
        "MANAGE": "manage",
        "CHANGING": "changing",
        "NEW_PHONE": "new_phone",
        "TELL_PHONE": "tell_phone",
        "EMAIL": "email",
        "EMAIL_TYPO": "email_typo",
        "SENDING_EMAIL": "sending_email",
        "EMAIL_CODE": "email_code",
        "CHECKING_EMAIL": "checking_email",
        "MY_CHILDREN": "my_children",
        "CHILD_SCHOOL": "child_school",
        "CHILD_NAME": "child_name",
        "FINDING_CHILD": "finding_child",
        "WRONG_CHILD": "wrong_child",
        "WRONG_CHILD_SURE": "wrong_child_sure",
        "LOOKING_AT_SIGN_INS": "looking_at_sign_ins",
        "SIGN_INS": "sign_ins",
        "GATHERING": "gathering",
        "MY_DATA": "my_data",
        "FORGET_ME": "forget_me",
        "CLOSE": "close",
        "LISTING": "listing",
        "NOT_LEGAL": "not_legal",
        "NO_CHILD": "no_child",
        "REFUSED": "refused",
        "LOCKED": "locked",
        "STOPPED": "stopped",
        "EXPIRED": "expired",
    }


def test_every_state_is_of_one_kind() -> None:
    kinds = [*UNDER_WAY, *CLOSED, *WAITING, *ENDED, S.LOCKED]
    assert sorted(kinds, key=lambda state: state.name) == sorted(S, key=lambda state: state.name)


# ---- ways ------------------------------------------------------------------------------------


def reached(start: S, arrows: dict[S, set[S]]) -> set[S]:
    """Every state at which an arrow ends, from there on."""
    found, new = {start}, [start]
    while new:
        ahead = arrows[new.pop()] - found
        found |= ahead
        new += ahead
    return found


WORLDS_WORDS = {word_of(answer) for answer in WORLD}
ARROWS = {state: {to for at, _, _, to, _ in LINES if at is state and to} for state in S}


def test_every_state_can_be_reached() -> None:
    assert reached(S.START, ARROWS) == set(S)


@pytest.mark.parametrize("state", S)
def test_the_account_can_be_opened_from_everywhere(state: S) -> None:
    """No dead end: even an end leads back to the beginning."""
    assert S.DONE in reached(state, ARROWS)


def test_no_row_is_hidden() -> None:
    """A row serves at least one state in which nothing before it always takes its word."""
    served = set()
    for rows in WAYS.values():
        for row in rows:
            served.add(row[1:])
            if row[2] is None:
                break
    assert [row for row in FLOW if row[1:] not in served] == []


def test_only_general_rows_are_partly_hidden() -> None:
    """In one state, what comes after a row without condition is meant for many states."""
    special = {(row[0], *row[1:]) for row in FLOW if isinstance(row[0], S)}
    for rows in WAYS.values():
        last = next(n for n, row in enumerate(rows) if row[2] is None)
        assert special.isdisjoint(rows[last + 1 :]), where(rows[0])


def test_no_condition_is_tried_twice() -> None:
    for rows in WAYS.values():
        tried = [row[2] for row in rows if row[2]]
        assert len(tried) == len(set(tried)), where(rows[0])


def test_the_last_row_has_no_condition() -> None:
    """So a word that the state knows always finds a row."""
    for rows in WAYS.values():
        assert any(row[2] is None for row in rows), where(rows[0])


def test_only_the_worlds_answers_leave_a_waiting_state() -> None:
    """And who does not want to wait any more for an account service."""
    for state, word, _, to, then in LINES:
        if state in WAITING and to and not (state in LASTING and to is S.STOPPED):
            assert word in WORLDS_WORDS, (state, word, then)


# ---- words -----------------------------------------------------------------------------------

EVERYWHERE_HEARD = {
    *("help", "language", "status", "human", "privacy", "cancel", "erase", "start", "back"),
    *("return", "stale", "edited", "refused", "expire", "object"),
}
READ = {
    S.LAST_NAME: {"name", "two_names"},
    S.FIRST_NAME: {"name", "same_name"},
    S.PHONE: {"number", "two_numbers", "own_number"},
    S.WHICH_PHONE: {"number"},
    S.CHECK: {"number"},
    S.CODE: {"code", "nudge"},
    S.NO_SMS: {"code"},
    S.PASSWORD: {"password", "proof_too_old"},
    S.PASSWORD_AGAIN: {"password", "proof_too_old"},
    S.LETTER: {"letter_code"},
    S.WHICH_ACCOUNT: {"number", "own_number", "login"},
    S.NEW_PHONE: {"number", "own_number"},
    S.EMAIL: {"address", "doubtful_address"},
    S.EMAIL_TYPO: {"address", "doubtful_address"},
    S.EMAIL_CODE: {"code"},
    S.CHILD_SCHOOL: {"school"},
    S.CHILD_NAME: {"name"},
    S.CHILD: {"date", "unsure_date"},
    S.BIRTHDATE: {"date", "unsure_date"},
    S.BIRTHDATE_CHECK: {"date", "unsure_date"},
}
"""Words that the readers of free text find at a question, and its timer."""


INTERRUPTING = ("interrupt", "remind")


@pytest.mark.parametrize("state", ASKING)
def test_a_question_understands_what_it_offers_and_every_command(state: S) -> None:
    words = {*EVERYWHERE_HEARD, *QUESTIONS[state].choices, *READ.get(state, set())}
    for name, choices in INTERRUPTIONS.items():
        words |= {*choices} if is_interrupted(state, name) else set()
    assert {word for word in words if (state, word) not in WAYS} == set()


def is_interrupted(state: S, name: str) -> bool:
    """Whether this question can stand over that of the state."""
    word = "noticed" if name == "notice" else name
    return any(row[4] in INTERRUPTING for row in WAYS.get((state, word), []))


def test_every_word_of_the_table_is_heard_and_every_word_heard_is_in_the_table() -> None:
    known = {word for _, word, _, _, _ in FLOW}
    chosen = {word for question in QUESTIONS.values() for word in question.choices}
    chosen |= {word for choices in INTERRUPTIONS.values() for word in choices}
    commands = {*COMMANDS} - {"fr", "en"}  # heard as "language", but for the first question
    timed = {"expire"}  # `step` sees to it before anything is heard
    assert (
        known
        == chosen | commands | words_of(hearing) | words_of(account_hearing) | WORLDS_WORDS | timed
    )


def words_of(module: object) -> set[str]:
    """Every text that a function of the module returns, whichever way."""
    functions = [
        node
        for node in ast.parse(getsource(module)).body  # type: ignore[arg-type]
        if isinstance(node, ast.FunctionDef)
    ]
    returned = [
        node.value
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value
    ]
    return {text for value in returned for text in texts_of(value)}


def texts_of(value: ast.expr) -> set[str]:
    match value:
        case ast.IfExp():
            return texts_of(value.body) | texts_of(value.orelse)
        case ast.Constant(value=str(text)):
            return {text}
        case _:
            return set()


TYPED = (
    *("Dupont", "DUPONT Marie", "dupont", "06 45 12 78 90", "0645127890 ou 0645127891"),
    *("123456", "123 456, 654321", "Vélo-Rouge-42 !", "Rouge!Velo42", "14/03/2014", "14/03/14"),
    *("oui 14/03/2014", "non 14/03/2014", "31/02/2014", "2014", "1", "9", "99", "0", "/", "/x"),
    *("oui", "non", "?", "...", "😀", "bonjour à tous", "x" * 300, "", "@", "/retour", "/aide"),
    *("/annuler", "/langue", "/statut", "/humain", "/effacer", "/start", "/francais", "/anglais"),
    *("premier", "second", "renvoyer", "rien", "école", "continuer", "stop", "tout effacer"),
    *("AB2D-EF3H-JK4N", "NON AB2D-EF3H-JK4N", "m.dupont12", "marie@exemple.fr", "marie@gmial.com"),
    *("Collège Jean Moulin", "0750001U", "/confidentialite", "données", "services", "fermer"),
)


ASKED = [
    (state, name)
    for state in ASKING
    for name in ("", *INTERRUPTIONS)
    if not name or is_interrupted(state, name)
]
"""Every question, and every question that can stand over it."""


@pytest.mark.parametrize(("state", "interruption"), ASKED)
def test_nothing_that_is_typed_goes_without_an_answer(state: S, interruption: str) -> None:
    for lang in ("fr", "en"):
        chat = a_chat(state, interruption=interruption, lang=lang)
        for text in TYPED:
            after, outputs = step(chat, said(text), NOW)
            answered = any(isinstance(output, o.Say | o.Question) for output in outputs)
            assert answered, (state, lang, text)
            assert after.state in WAITING or outputs, text


@pytest.mark.parametrize(("state", "interruption"), ASKED)
def test_every_button_works(state: S, interruption: str) -> None:
    chat = a_chat(state, interruption=interruption)
    for choice in offered(chat):
        after, outputs = step(chat, i.Pressed(choice, chat.asked), NOW)
        assert outputs, choice
        assert "stale" not in [said.key for said in outputs if isinstance(said, o.Say)], choice
        assert after.pressed == (chat.asked, choice), choice


@pytest.mark.parametrize("state", S)
def test_every_row_acts_and_can_be_told_in_both_languages(state: S) -> None:
    for (at, word), rows in WAYS.items():
        if at is state:
            turn = AccountTurn(a_chat(state, interruption="cancel"), NOW, DEFAULT)
            turn.heard = a_heard(word)
            fire(turn, word)
            assert turn.state in {row[3] or state for row in rows}
            for lang in LANGUAGES:
                RENDERER.reply(turn.outputs, lang, NOW)


@pytest.mark.parametrize("state", [state for state in ASKING if QUESTIONS[state].back])
def test_back_is_offered_where_it_is_understood(state: S) -> None:
    assert WAYS[state, "back"][0][4] != "say_first_question"


# ---- the world -------------------------------------------------------------------------------


def question_of(line: Line, chat: Chat) -> o.Question:
    """What the row's action asks the world."""
    turn = AccountTurn(chat, NOW, DEFAULT)
    turn.heard = a_heard(line[1])
    getattr(turn, line[4])()
    (question,) = (output for output in turn.outputs if isinstance(output, get_args(o.Question)))
    return question  # type: ignore[no-any-return]


@pytest.mark.parametrize("line", [line for line in LINES if line[3] in WAITING], ids=where)
def test_a_waiting_state_understands_every_answer_to_its_question(line: Line) -> None:
    waiting = line[3]
    assert waiting is not None
    question = question_of(line, a_chat(line[0]))
    answers = answers_to(question)
    assert answers, type(question)
    for answer in answers:
        assert (waiting, word_of(answer)) in WAYS, answer
        after, outputs = step(a_chat(waiting), answer, NOW)
        assert after.state is not waiting, answer
        assert outputs, answer


@pytest.mark.parametrize("state", WAITING)
def test_a_waiting_state_says_that_it_waits(state: S) -> None:
    chat = a_chat(state)
    for happened in (said("bonjour"), i.Pressed("yes", chat.asked), i.SentOther(), i.Returned()):
        waits = o.Say("wait", AccountTurn(chat, NOW, DEFAULT)._facts())
        assert step(chat, happened, NOW)[1] == [o.Refusal(Reason.BUSY), waits]


AWAITED = {
    state: {
        type(answer)
        for line in LINES
        if line[3] is state
        for answer in answers_to(question_of(line, a_chat(line[0])))
    }
    for state in WAITING
}


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    """Late, given twice, or lost on its way: the world has no say unless it is asked."""
    heeded = [
        f"{type(answer).__name__} in {chat.state.name}"
        for chat in [*map(a_chat, S), *map(Chat, S)]
        for answer in WORLD
        if type(answer) not in (*AWAITED.get(chat.state, ()), *TIDINGS)
        and step(chat, answer, NOW) != (chat, [])
    ]
    assert heeded == []


@pytest.mark.parametrize("state", S)
def test_the_chat_given_is_never_changed(state: S) -> None:
    chat = a_chat(state, pressed=(6, "yes"), misses=1)
    before = deepcopy(chat)
    presses = [i.Pressed(choice, chat.asked) for choice in offered(chat)]
    awaited = [answer for answer in WORLD if type(answer) in AWAITED.get(state, ())]
    for happened in (said("Martin"), said("14/03/2014"), *presses, *awaited, i.TimeCame()):
        after, _ = step(chat, happened, NOW)
        assert chat == before, happened
        assert after is not chat


# ---- the record ------------------------------------------------------------------------------


@pytest.mark.parametrize("state", S)
def test_a_record_comes_back_as_it_was(state: S) -> None:
    for chat in (a_chat(state, pressed=(3, "yes")), Chat(state)):
        assert Chat.from_dict(json.loads(json.dumps(chat.to_dict()))) == chat


def test_a_record_of_before_a_field_was_added_comes_back() -> None:
    """Fields are added and none is dropped: what was not known then has its default."""
    record = Chat(S.CODE, asked=3).to_dict()
    for name in [*record]:
        if name not in ("version", "state", "asked"):
            del record[name]
    assert Chat.from_dict(record) == Chat(S.CODE, asked=3)


def test_a_record_of_a_newer_version_is_refused() -> None:
    record = a_chat(S.CODE).to_dict() | {"version": VERSION + 1}
    with pytest.raises(ValueError, match="newer"):
        Chat.from_dict(record)


@pytest.mark.parametrize("state", [*ASKING, S.LOCKED])
def test_what_a_parent_said_is_not_kept_for_ever(state: S) -> None:
    """A conversation that holds answers has a moment at which they are erased (RELIABILITY 5)."""
    expires = a_chat(state).expires_at(DEFAULT)
    assert expires is not None
    assert expires <= NOW + DEFAULT.keep_idle


# ---- the diagram -----------------------------------------------------------------------------


def test_the_diagrams_in_the_documentation_are_the_tables() -> None:
    page = (ROOT / "docs" / "conversation.md").read_text("utf-8")
    drawn = [block.partition("```")[0] for block in page.split("```mermaid\n")[1:]]
    assert drawn == [activation_diagram(), account_diagram()]


def test_the_main_road_is_a_way_through_the_table() -> None:
    for at, to in pairwise(MAIN_ROAD):
        assert to in ARROWS[at], (at, to)
    assert MAIN_ROAD[0] is S.START
    assert MAIN_ROAD[-1] is S.DONE


def test_every_state_is_in_the_diagram() -> None:
    for drawn in (diagram(), activation_diagram() + account_diagram()):
        assert {state.value for state in S} <= set(drawn.replace(",", " ").split())
