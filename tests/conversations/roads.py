"""The way to every question, as one parent goes it."""

from flows.states import S
from tests.helpers.dialogue import PASSWORD
from tests.helpers.school import School, a_school

MARIE = ("Dupont", "Marie", "06 12 34 56 78")
CODE_OF_MARIE = ("(comes)", "[parent]", "[activate]", *MARIE, "[yes]")
PROVED = (*CODE_OF_MARIE, "(code)")
CHILDREN = (*PROVED, PASSWORD, PASSWORD)
ALL_TO_DONE = (*CHILDREN, "[yes]", "14/03/2014", "[activate_now]")
INSIDE = (*ALL_TO_DONE, "[manage]")
AGAIN = ("/effacer", "[erase_all]", "(wait 61s)", "(comes)", "[parent]")
NEW_PHONE = "07 51 99 88 77"
NEW_MAIL = "marie@exemple.fr"


def everybody() -> School:
    """All the families of the tests, and one for each dead end."""
    return a_school().knows(
        "Rose PETIT", "06 45 67 89 02", {"Lou PETIT": ""}
    )  # no birthdate: no child who can be confirmed


ROADS: dict[S, tuple[str, ...]] = {
    S.INVITED: ("(invited)",),
    S.LANGUAGE: ("(comes)",),
    S.PROFILE: ("(comes)",),
    S.PUPIL: ("(comes)", "[pupil]"),
    S.MENU: ("(comes)", "[parent]"),
    S.LAST_NAME: ("(comes)", "[parent]", "[activate]"),
    S.SPLIT_NAME: ("(comes)", "[parent]", "[activate]", "DUPONT Marie"),
    S.FIRST_NAME: ("(comes)", "[parent]", "[activate]", "Dupont"),
    S.SAME_NAME: ("(comes)", "[parent]", "[activate]", "Dupont", "Dupont"),
    S.PHONE: ("(comes)", "[parent]", "[activate]", "Dupont", "Marie"),
    S.WHICH_PHONE: (
        *("(comes)", "[parent]", "[activate]", "Dupont", "Marie"),
        "06 12 34 56 78 ou 07 51 23 45 67",
    ),
    S.CHECK: ("(comes)", "[parent]", "[activate]", *MARIE),
    S.CODE: CODE_OF_MARIE,
    S.NO_SMS: (*CODE_OF_MARIE, "[nothing_arrives]"),
    S.ASK_SCHOOL: ("(comes)", "[parent]", "[activate]", "Dupont", "Marie", "[only_number]"),
    S.PASSWORD: PROVED,
    S.PASSWORD_AGAIN: (*PROVED, PASSWORD),
    S.CHILD: CHILDREN,
    S.NOT_MINE: (*CHILDREN, "[no]"),
    S.BIRTHDATE: (*CHILDREN, "[yes]"),
    S.BIRTHDATE_CHECK: (*CHILDREN, "[yes]", "14/03/14"),
    S.RECAP: (*CHILDREN, "[yes]", "14/03/2014"),
    S.CORRECT: (*CHILDREN, "[yes]", "14/03/2014", "[correct]"),
    S.DONE: ALL_TO_DONE,
    S.ALREADY: (*ALL_TO_DONE, "[another]", *MARIE, "(wait 61s)", "[yes]", "(code)"),
    S.LETTER: ("(comes)", "[parent]", "[letter]"),
    S.WHICH_ACCOUNT: ("(comes)", "[parent]", "[forgot_password]"),
    S.NO_ACCOUNT: ("(comes)", "[parent]", "[manage]", MARIE[2], "(code)"),
    S.OTHER_PHONE: (
        *(*INSIDE, "[change_phone]", NEW_PHONE, "(code)", "[no]"),
        *(*AGAIN, "[activate]", *MARIE, "[yes]", "(code)"),
    ),
    S.FROZEN: (*INSIDE, "[back]", "[not_me]", "[yes]"),
    S.REOPEN: (*INSIDE, "[close_account]", "[close_now]"),
    S.NOT_RECOVERED: (
        *(*ALL_TO_DONE, *AGAIN, "[forgot_password]", MARIE[2], "(code)"),
        *("15/03/2014", "16/03/2014", "17/03/2014"),
    ),
    S.NOT_ME: (*INSIDE, "[back]", "[not_me]"),
    S.PROVE: (*ALL_TO_DONE, "(wait 11m)", "[manage]"),
    S.MANAGE: INSIDE,
    S.NEW_PHONE: (*INSIDE, "[change_phone]"),
    S.TELL_PHONE: (*INSIDE, "[change_phone]", NEW_PHONE, "(code)"),
    S.EMAIL: (*INSIDE, "[change_email]"),
    S.EMAIL_TYPO: (*INSIDE, "[change_email]", "marie@gmial.com"),
    S.EMAIL_CODE: (*INSIDE, "[change_email]", NEW_MAIL),
    S.MY_CHILDREN: (*INSIDE, "[children]"),
    S.CHILD_SCHOOL: (*INSIDE, "[children]", "[add_child]"),
    S.CHILD_NAME: (*INSIDE, "[children]", "[add_child]", "Les Lilas"),
    S.WRONG_CHILD: (*INSIDE, "[children]", "[not_my_child]"),
    S.WRONG_CHILD_SURE: (*INSIDE, "[children]", "[not_my_child]", "[yes]"),
    S.SIGN_INS: (*INSIDE, "[sign_ins]"),
    S.MY_DATA: (*INSIDE, "[my_data]"),
    S.FORGET_ME: (*INSIDE, "[my_data]", "[forget_me]"),
    S.CLOSE: (*INSIDE, "[close_account]"),
    S.NOT_LEGAL: (
        *("(comes)", "[parent]", "[activate]", "Bernard", "Julie", "06 45 67 89 01"),
        *("[yes]", "(code)"),
    ),
    S.NO_CHILD: (
        *("(comes)", "[parent]", "[activate]", "Petit", "Rose", "06 45 67 89 02"),
        *("[yes]", "(code)"),
    ),
    S.REFUSED: (*CHILDREN, "[no]", "[yes]"),
}
"""LANGUAGE is only asked where the messenger's language is neither of ours, the questions about
an e-mail address where mail can be sent."""
