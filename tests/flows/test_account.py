"""What is heard and said about accounts, straight at the conversation."""

from datetime import timedelta

import pytest

from bot.channel import said
from flows import inputs as i
from flows import outputs as o
from flows.chat import Chat
from flows.policy import DEFAULT
from flows.secret import Secret
from flows.states import S
from flows.step import step
from flows.table import ENDED, WAITING
from tests.flows.samples import LEA, NOW, a_chat

NOTICED = i.Noticed("17", "activated", "Léa")


def noticed(state: S, **own: object) -> Chat:
    """A conversation to which another guardian's account was just told."""
    return step(a_chat(state, **own), NOTICED, NOW)[0]


def said_in(outputs: list[o.Output]) -> list[str]:
    return [output.key for output in outputs if isinstance(output, o.Say)]


def objections(outputs: list[o.Output]) -> list[o.Object]:
    return [output for output in outputs if isinstance(output, o.Object)]


def told(outputs: list[o.Output]) -> list[o.TellOthers]:
    return [output for output in outputs if isinstance(output, o.TellOthers)]


# ---- notices ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [S.CHILD, S.PHONE, S.DONE, *WAITING, *ENDED, S.LOCKED])
def test_a_no_to_the_notice_objects_wherever_it_comes(state: S) -> None:
    for no in (said("NON"), said("no"), said("1"), i.Pressed("object", 7)):
        after, outputs = step(noticed(state), no, NOW)
        assert objections(outputs) == [o.Object(notice="17")]
        assert after.state is state
        assert after.notice == ""


@pytest.mark.parametrize("state", [S.CHILD, S.PHONE, S.CODE, *WAITING, *ENDED, S.LOCKED])
def test_a_yes_to_the_notice_objects_to_nothing(state: S) -> None:
    after, outputs = step(noticed(state), said("oui"), NOW)
    assert objections(outputs) == []
    assert said_in(outputs)[0] == "object.normal"
    assert (after.state, after.notice) == (state, "")


@pytest.mark.parametrize(
    ("state", "objects"), [(S.CHILD, False), (S.RECAP, False), (S.LAST_NAME, False), (S.MENU, True)]
)
def test_a_no_of_the_question_is_no_objection(state: S, objects: bool) -> None:
    """Later, when the question was asked again."""
    asked_again, _ = step(noticed(state), said("/aide"), NOW)
    assert asked_again.interruption == ""
    _, outputs = step(asked_again, said("non"), NOW)
    assert bool(objections(outputs)) is objects


def test_the_button_of_a_notice_is_never_too_old() -> None:
    chat = noticed(S.CHILD)
    later, _ = step(chat, said("oui 14/03/2014"), NOW)  # is this normal? a date is no answer to it
    later, _ = step(later, i.BirthdateRight(), NOW)
    assert later.asked > chat.asked
    objected, outputs = step(later, i.Pressed("object", chat.asked), NOW)
    assert objections(outputs) == [o.Object(notice="17")]
    assert step(objected, i.Pressed("object", chat.asked), NOW)[1] == []  # a second tap


def test_the_question_below_a_notice_can_be_answered() -> None:
    chat = noticed(S.CHECK)
    for answer in (i.Pressed("yes", chat.asked), i.Pressed("fix_name", chat.asked)):
        assert step(chat, answer, NOW)[0].state in (S.SENDING, S.LAST_NAME)
    assert step(noticed(S.CODE), said("123456"), NOW)[0].state is S.CHECKING


@pytest.mark.parametrize("state", S)
def test_a_no_with_a_code_is_understood_everywhere(state: S) -> None:
    for chat in (a_chat(state), Chat(state)):
        after, outputs = step(chat, said("NON abcd-efgh-jkmn"), NOW)
        if chat.expires_at(DEFAULT) is None or after.state is state:
            assert objections(outputs) == [o.Object(code=Secret("ABCDEFGHJKMN"))]
            assert after.state is state


def test_a_notice_that_came_while_the_parent_was_away_is_shown_on_return() -> None:
    away, outputs = step(a_chat(S.PHONE, away=True), NOTICED, NOW)
    assert said_in(outputs) == []
    for back in (i.Returned(), said("/start")):
        _, outputs = step(away, back, NOW)
        assert said_in(outputs) == ["welcome_back", "notice.activated", "interrupt.notice"]


# ---- what is kept of an account ----------------------------------------------------------------


def test_an_account_with_another_number_is_not_kept() -> None:
    moved = i.AccountExists("p.dupont", "moved", children=(LEA,), last_digits="44")
    for state in (S.MATCHING, S.READING, S.OPENING):
        after, outputs = step(a_chat(state, identifier=""), moved, NOW)
        assert after.state is S.OTHER_PHONE
        assert "p.dupont" not in repr(after.to_dict()) + repr(outputs)
        assert (after.last_digits, after.proved_at, after.phone) == ("44", None, "")


@pytest.mark.parametrize("status", ["open", "moved", "closed"])
def test_by_letter_nobody_is_signed_in_before_all_birthdates_were_right(status: str) -> None:
    exists = i.AccountExists("p.dupont", status, "+33600000000", (1,), (LEA,))
    came = a_chat(S.MATCHING, identifier="", letter=True, new_phone="")
    chat, outputs = step(came, exists, NOW)
    assert (chat.state, chat.identifier) == (S.CHILD, "")
    assert "p.dupont" not in repr(outputs)
    assert [child.status for child in chat.children] == ["waiting"]
    chat, _ = step(chat, said("oui 14/03/2014"), NOW)
    chat, outputs = step(chat, i.BirthdateRight(), NOW)
    assert o.ChangePhone("p.dupont", "+33645127890") in outputs
    assert chat.identifier == ""
    chat, outputs = step(chat, i.AccountChanged("phone_changed"), NOW)
    assert chat.identifier == "p.dupont"
    assert told(outputs) == [o.TellOthers("p.dupont", "phone")]


def test_by_letter_a_frozen_account_stays_unknown() -> None:
    exists = i.AccountExists("p.dupont", "frozen")
    chat, _ = step(a_chat(S.MATCHING, identifier="", letter=True), exists, NOW)
    assert (chat.state, chat.identifier) == (S.FROZEN, "")


def test_by_letter_an_account_without_children_stays_closed_to_it() -> None:
    for status in ("open", "moved", "closed"):
        chat, _ = step(
            a_chat(S.MATCHING, identifier="", letter=True), i.AccountExists("p.dupont", status), NOW
        )
        assert (chat.state, chat.identifier) == (S.NOT_RECOVERED, "")


# ---- the proof ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [S.MANAGE, S.FORGET_ME, S.CLOSE, S.REOPEN, S.NOT_ME])
def test_an_old_proof_changes_nothing(state: S) -> None:
    chat = a_chat(state, proved_at=NOW - DEFAULT.proof_shows - timedelta(seconds=1))
    for word in ("yes", "close_now", "reopen", "my_data"):
        after, outputs = step(chat, i.Pressed(word, chat.asked), NOW)
        asks_world = [one for one in outputs if isinstance(one, o.Question)]
        assert asks_world == []
        assert after.state in (S.PROVE, state)


def test_what_was_wanted_is_kept_until_the_proof() -> None:
    chat = a_chat(S.ALREADY, proved_at=None)
    chat, _ = step(chat, i.Pressed("new_password", chat.asked), NOW)
    assert (chat.state, chat.goal) == (S.PROVE, "password")


def test_a_code_of_an_address_is_no_proof_of_the_number() -> None:
    long_ago = NOW - timedelta(hours=1)
    chat, _ = step(a_chat(S.CHECKING_EMAIL, proved_at=long_ago), i.CodeRight(), NOW)
    assert chat.proved_at == long_ago


# ---- others are told ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chat", "answer", "about"),
    [
        (a_chat(S.OPENING), i.AccountOpened("m.dupont"), ["activated"]),
        (a_chat(S.MATCHING, goal="identifier"), i.AccountExists("m.dupont"), ["identifier"]),
        (a_chat(S.MATCHING), i.AccountExists("m.dupont"), []),
        (a_chat(S.CHANGING, goal="password"), i.AccountChanged("password_set"), ["password"]),
        (a_chat(S.CHANGING), i.AccountChanged("phone_changed"), ["phone"]),
        (a_chat(S.CHANGING, goal="close"), i.AccountChanged("account_closed", NOW), ["closed"]),
        (a_chat(S.CHANGING, goal="manage"), i.AccountChanged("account_closed", NOW), []),
    ],
)
def test_others_are_told_once(chat: Chat, answer: i.FromWorld, about: list[str]) -> None:
    """Closed: by the conversation that closed it, not by one that meets it closed."""
    assert [one.about for one in told(step(chat, answer, NOW)[1])] == about


# ---- at any question ---------------------------------------------------------------------------


def test_privacy_names_what_is_kept_and_nothing_else() -> None:
    fresh, outputs = step(Chat(S.MENU, lang="fr"), said("/confidentialite"), NOW)
    assert said_in(outputs)[:2] == ["privacy.nothing", "privacy.account"]
    assert fresh.state is S.MENU
    _, outputs = step(a_chat(S.CHILD, identifier=""), said("/privacy"), NOW)
    kept = [key for key in said_in(outputs) if key.startswith("privacy.")]
    assert kept[:6] == [
        f"privacy.{kind}" for kind in ("kept", "name", "phone", "email", "password", "children")
    ]
    assert {"privacy.until", "privacy.erase"} <= set(kept)
    assert not any("+33645127890" in repr(one) for one in outputs)


def test_at_the_menu_everything_begins_anew() -> None:
    chat = a_chat(S.WHICH_ACCOUNT, goal="manage", login="m.dupont", identifier="", proved_at=None)
    chat, _ = step(chat, said("/retour"), NOW)
    assert (chat.state, chat.goal) == (S.MENU, "")
    chat, _ = step(chat, i.Pressed("activate", chat.asked), NOW)
    assert (chat.goal, chat.login, chat.letter) == ("", "", False)
