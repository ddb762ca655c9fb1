"""Everything that is refused carries one cause from one closed list."""

import pytest

from flows import inputs as i
from flows import outputs as o
from flows.account.turn import AccountTurn
from flows.heard import Heard
from flows.policy import DEFAULT
from flows.refusals import Reason, Refused
from flows.states import S
from flows.step import fire, step
from flows.table import FLOW
from tests.flows.samples import NOW, Line, a_chat, a_heard, lines, ways

CAUSES: dict[str, Reason | dict[S, Reason]] = {
    # then                 cause, or in which state it ends with which
    "welcome": {},  # but after the answers have expired: below
    "say_first_question": Reason.NOTHING_BEFORE,
    "say_no_way_back": Reason.NO_WAY_BACK,
    "say_stale": Reason.STALE_BUTTON,
    "say_edited": Reason.EDITED,
    "say_wait": Reason.BUSY,
    "say_locked": Reason.LOCKED,
    "say_not_erased": Reason.ERASE_FAILED,
    "say_text_found": Reason.ALREADY_TEXTED,
    "say_too_soon": Reason.CODE_TOO_SOON,
    "say_budget": Reason.CODE_BUDGET,
    "say_wrong_code": Reason.CODE_WRONG,
    "say_burnt": Reason.CODE_CANCELLED,
    "say_old_code": Reason.CODE_OLD,
    "say_expired_code": Reason.CODE_EXPIRED,
    "lock": Reason.TOO_MANY_TRIES,
    "say_name_differs": Reason.NAME_DIFFERS,
    "say_prove_again": Reason.PROOF_EXPIRED,
    "say_different": Reason.PASSWORDS_DIFFER,
    "say_account_waits": Reason.BUSY,
    "say_account_elsewhere": Reason.ACCOUNT_ELSEWHERE,
    "say_account_not_opened": Reason.ACCOUNT_NOT_OPENED,
    "say_password_gone": Reason.PASSWORD_GONE,
    "say_password_not_taken": Reason.PASSWORD_NOT_TAKEN,
    "say_wrong_date": Reason.BIRTHDATE_WRONG,
    "put_aside": Reason.CHILD_ASIDE,
    "put_aside_and_next": Reason.CHILD_ASIDE,
    "put_aside_and_close": Reason.NO_CHILD_CONFIRMED,
    "drop_and_close": Reason.NO_CHILD_CONFIRMED,
    "say_wrong_letter": Reason.LETTER_WRONG,
    "say_other_number": Reason.ACCOUNT_NUMBER_ONLY,
    "say_no_account": Reason.NO_ACCOUNT,
    "say_unchanged": Reason.ACCOUNT_UNCHANGED,
    "say_no_mail": Reason.MAIL_OFF,
    "say_email_failed": Reason.EMAIL_FAILED,
    "say_child_on_account": Reason.CHILD_ON_ACCOUNT,
    "say_child_not_found": Reason.CHILD_NOT_FOUND,
    "put_new_child_aside": Reason.CHILD_ASIDE,
    "say_not_objected": Reason.NOT_OBJECTED,
    "close": {
        S.NOT_RECOVERED: Reason.NOT_RECOVERED,
        S.OTHER_PHONE: Reason.ACCOUNT_MOVED,
        S.FROZEN: Reason.ACCOUNT_FROZEN,
        S.REOPEN: Reason.ACCOUNT_CLOSED,
        S.NOT_LEGAL: Reason.NOT_LEGAL,
        S.NO_CHILD: Reason.NO_CHILD,
        S.ALREADY: Reason.ALREADY_ACTIVE,
        S.REFUSED: Reason.NO_CHILD_CONFIRMED,
    },
    "refuse_page": Reason.CHOOSE,  # the same, on the page
    "refuse": Reason.CHOOSE,  # the reason that was heard, whatever it is
}
"""The actions of the table that refuse. All others do what was asked, or ask on."""

ELSEWHERE = {
    Reason.CONVERSATION_EXPIRED,
    *(Reason.PAGE_GONE, Reason.PAGE_TOO_OFTEN),  # of the engine, for the page
    *(cause for cause in CAUSES.values() if isinstance(cause, Reason)),
    *(cause for ends in CAUSES.values() if isinstance(ends, dict) for cause in ends.values()),
} - {Reason.CHOOSE}
AT_THE_DOOR = [reason for reason in Reason if reason not in ELSEWHERE]
"""What the readers of answers refuse: each has a sentence of its own."""


def cause_of(line: Line, ends: S) -> list[Reason]:
    """What the table above says of a row that ends in a state."""
    cause = CAUSES.get(line[4], {})
    if isinstance(cause, Reason):
        return [cause]
    return [cause[ends]] if ends in cause else []


def refusals(outputs: list[o.Output]) -> list[Reason]:
    return [output.cause for output in outputs if isinstance(output, o.Refusal)]


def acted(line: Line, **own: object) -> AccountTurn:
    """The row's action, done alone where the row leads."""
    turn = AccountTurn(a_chat(line[3] or line[0], interruption="cancel", **own), NOW, DEFAULT)
    turn.heard = a_heard(line[1])
    getattr(turn, line[4])()
    return turn


@pytest.mark.parametrize("line", lines(), ids=lambda line: f"{line[0].name} {line[1]} {line[4]}")
def test_a_row_that_refuses_says_so_once_and_no_other_does(line: Line) -> None:
    turn = acted(line, child=int(line[4] == "previous_child"))
    assert refusals(turn.outputs) == cause_of(line, turn.state)


@pytest.mark.parametrize("reason", AT_THE_DOOR)
def test_an_answer_that_is_not_taken_carries_its_reason(reason: Reason) -> None:
    for interruption in ("", "cancel"):
        turn = AccountTurn(a_chat(S.PHONE, interruption=interruption), NOW, DEFAULT)
        turn.heard = Heard(Refused(reason))
        fire(turn, "refused")
        assert refusals(turn.outputs) == [reason]


def test_a_conversation_that_has_expired_says_so_when_the_parent_comes_back() -> None:
    for happened in (i.SentOther(), i.Returned()):
        chat = a_chat(S.PHONE, seen_at=NOW - DEFAULT.keep_idle)
        assert refusals(step(chat, happened, NOW)[1]) == [Reason.CONVERSATION_EXPIRED]
    silent, outputs = step(a_chat(S.PHONE, seen_at=NOW - DEFAULT.keep_idle), i.TimeCame(), NOW)
    assert refusals(outputs) == []  # nobody asked for anything
    assert refusals(step(silent, i.Returned(), NOW)[1]) == [Reason.CONVERSATION_EXPIRED]


def test_every_cause_is_met() -> None:
    """None stands in the list that nothing refuses for."""
    assert set(CAUSES) <= {row[4] for row in FLOW}
    assert ELSEWHERE.isdisjoint(AT_THE_DOOR)
    ends = {way[3] for rows in ways().values() for way in rows if way[4] == "close"}
    closing = CAUSES["close"]
    assert isinstance(closing, dict)
    assert ends - {S.DONE} == set(closing)


def test_every_cause_has_its_line() -> None:
    for reason in Reason:
        for words in (reason.meaning, reason.remedy):
            assert words
            assert set("\n|").isdisjoint(words), reason


def test_causes_never_change() -> None:
    """Dashboards and alerts know them: a new meaning gets a new code."""
    assert [reason.value for reason in Reason] == FROZEN.split()
    assert [reason.name for reason in Reason] == FROZEN.upper().split()


FROZEN = """
name_missing name_unlikely name_too_long
phone_missing phone_too_short phone_too_long phone_landline phone_box phone_special phone_country
phone_unknown contact_of_another contact_not_known
code_length code_several forwarded code_is_password
password_rules password_too_long password_edge_space password_characters password_common
password_personal password_in_chat
date_unreadable date_incomplete date_impossible date_future date_age
letter_length letter_sign letter_several login_unreadable email_missing email_unlikely email_several
school_missing school_too_long phone_same
text_only choose
page_gone page_too_often
stale_button edited nothing_before no_way_back busy conversation_expired locked too_many_tries
erase_failed already_texted
code_too_soon code_budget code_wrong code_cancelled code_old code_expired
name_differs not_legal no_child already_active proof_expired passwords_differ
birthdate_wrong child_aside no_child_confirmed
password_gone account_elsewhere password_not_taken account_not_opened letter_wrong no_account
account_moved account_frozen account_closed not_recovered account_number_only account_unchanged
child_on_account child_not_found mail_off email_failed not_objected
"""
