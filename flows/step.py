"""The one function of the conversation: `step(chat, happened, now)`.

One module-level machine, built from the table, serves all chats: a chat is never added to it
(DESIGN). The event fires on a copy, so that nothing is half done when something raises.
"""

import logging
from copy import deepcopy
from datetime import datetime

from transitions import Machine

from flows.account.turn import AccountTurn
from flows.chat import Chat
from flows.hearing import hear, note, word_of
from flows.inputs import Edited, FromWorld, Input, Said
from flows.outputs import Ask, Erase, Output, Refusal, Say
from flows.policy import DEFAULT, Policy
from flows.questions.password import looks_like_password
from flows.states import S
from flows.table import COMMANDS, FLOW, PASSWORDS

logging.getLogger("transitions").setLevel(logging.WARNING)  # three lines a turn otherwise

MACHINE = Machine(
    model=None,
    states=S,
    initial=S.START,
    auto_transitions=False,
    transitions=[
        {"source": source, "trigger": word, "conditions": provided, "dest": to, "after": then}
        for source, word, provided, to, then in FLOW
    ],
)


_TOLD = (Say, Ask, Refusal)


def step(
    chat: Chat, happened: Input, now: datetime, policy: Policy = DEFAULT
) -> tuple[Chat, list[Output]]:
    """What the conversation becomes, and what it asks of the world.

    `now` is an aware time. The chat given is not changed. An answer of the world that the state
    does not wait for (late, or given twice) changes nothing.
    """
    turn = AccountTurn(deepcopy(chat), now, policy)
    if isinstance(happened, FromWorld):
        word = word_of(happened)
        if knows(chat.state, word):
            note(turn.chat, happened, now, turn.heard)
            fire(turn, word)
        if turn.chat.away:  # nothing reaches the parent; it is asked again when they are back
            return turn.chat, [one for one in turn.outputs if not isinstance(one, _TOLD)]
        return turn.chat, turn.outputs
    expires = chat.expires_at(policy)
    if expires and now >= expires:  # the timer may be late, the parent came first
        fire(turn, "expire")
    heard = hear(turn.chat, happened, now, policy, turn.heard)
    message = _to_erase(chat.state, happened, heard)
    if message:
        turn.outputs.append(Erase(message))
    if heard is not None and knows(turn.state, heard):
        fire(turn, heard)
    return turn.chat, turn.outputs


def _to_erase(state: S, happened: Input, word: str | None) -> str | None:
    """The message that leaves the chat: it holds a password, or looks like one (promise 4)."""
    if word in (*COMMANDS, "return"):
        return None
    if isinstance(happened, Said | Edited) and looks_like_password(happened.text):
        return happened.message
    return password_message(state, happened)


def password_message(state: S, happened: Input) -> str | None:
    """The message that was typed where a password is expected; None if it was none."""
    secret = (*PASSWORDS, S.HASHING, S.COMPARING, S.HASHING_PAGE)
    if state in secret and isinstance(happened, Said | Edited):
        return happened.message
    return None


def knows(state: S, word: str) -> bool:
    """Whether the table has a row for this word in this state."""
    event = MACHINE.events.get(word)
    return event is not None and state.name in event.transitions


def fire(turn: AccountTurn, word: str) -> None:
    """Let one row of the table act on the turn."""
    turn.came_from = turn.state
    MACHINE.events[word].trigger(turn)
