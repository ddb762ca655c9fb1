"""The way to every question, as one parent goes it."""

from flows.states import S
from tests.helpers.dialogue import PASSWORD
from tests.helpers.school import School, a_school

MARIE = ("Dupont", "Marie", "06 12 34 56 78")
CODE_OF_MARIE = ("(comes)", "[parent]", "[activate]", *MARIE, "[yes]")
PROVED = (*CODE_OF_MARIE, "(code)")
CHILDREN = (*PROVED, PASSWORD, PASSWORD)
ALL_TO_DONE = (*CHILDREN, "[yes]", "14/03/2014", "[activate_now]")


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
"""LANGUAGE is only asked where the messenger's language is neither of ours."""
