"""From the first word to the identifier: every kind of family."""

import pytest

from flows.states import S
from tests.conversations.conftest import Meet, MeetCore
from tests.conversations.roads import ALL_TO_DONE, MARIE
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent, Parent
from tests.helpers.school import LILAS, PORT, School, a_school


async def test_one_child(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)")
    parent.hears("welcome", "need", "privacy", "profile.ask")
    await parent.follows("[parent]")
    parent.hears("menu.ask")
    await parent.follows("[activate]")
    parent.hears("progress", n=1, total=6)
    parent.hears("last_name.ask", "last_name.hint")
    await parent.follows("Dupont")
    parent.hears("first_name.ask", "first_name.hint")
    await parent.follows("Marie")
    parent.hears("progress", n=2, total=6)
    parent.hears("phone.ask", "phone.hint")
    await parent.follows("06 12 34 56 78")
    parent.hears("check.ask", first="Marie", last="Dupont", phone="06 12 34 56 78")
    assert parent.sms.received == []
    await parent.follows("[yes]")
    parent.hears("progress", n=3, total=6)
    parent.hears("code.ask")
    parent.hears("code.hint", masked="06 •• •• •• 78")
    (sms,) = parent.sms.received
    assert sms[0] == "+33612345678"
    await parent.follows("(code)")
    parent.hears("code.right", "password.ask", "password.hint")
    parent.hears("progress", n=4, total=6)
    await parent.follows(PASSWORD)
    parent.hears("password.strength", "password_again.ask")
    await parent.follows(PASSWORD)
    parent.hears("children", n=1)
    parent.hears("progress", n=5, total=6)
    parent.hears("child.ask", child="Léa", initial="D", school="Collège des Lilas")
    await parent.follows("[yes]")
    parent.hears("birthdate.ask", child="Léa", initial="D")
    await parent.follows("14/03/2014")
    parent.hears("child.confirmed", child="Léa")
    parent.hears("progress", n=6, total=6)
    parent.hears("recap.ask")
    parent.hears("recap.confirmed", child="Léa", initial="D", school="Collège des Lilas")
    await parent.follows("[activate_now]")
    parent.hears("done.ask", identifier="m.dupont")
    assert len(parent.sms.received) == 1
    await parent.follows("[text_me]")
    parent.hears("done.texted", masked="06 •• •• •• 78")
    assert parent.sms.received[1][0] == "+33612345678"
    assert "m.dupont" in parent.sms.received[1][1]
    await parent.follows("[text_me]")
    parent.hears("done.texted_already")
    assert len(parent.sms.received) == 2


@pytest.mark.parametrize("channel", ["core", "telegram"], indirect=True)
async def test_a_number_shared_by_its_owner(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)", "[parent]", "[activate]", "Dupont", "Marie")
    await parent.parent.shares_own_number("+33612345678")
    parent.hears("check.ask", phone="06 12 34 56 78")
    await parent.follows("[yes]", "(code)", PASSWORD, PASSWORD, "[yes]", "14/03/2014")
    await parent.follows("[activate_now]")
    parent.hears("done.ask", identifier="m.dupont")


async def test_three_children_of_two_schools(parent: Dialogue[Parent]) -> None:
    await parent.follows(
        *("(comes)", "[parent]", "[activate]", "Lefèvre", "Sophie", "06 98 76 54 32"),
        *("[yes]", "(code)", PASSWORD, PASSWORD),
    )
    parent.hears("children", n=3)
    parent.hears("progress_child", n=5, total=6, child_number=1, children=3)
    parent.hears("child.ask", child="Hugo", school=LILAS[1])
    await parent.follows("[yes]", "1er septembre 2011")
    parent.hears("progress_child", child_number=2, children=3)
    parent.hears("child.ask", child="Zoé", school=PORT[1])
    await parent.follows("[yes]", "le 12 juin 2017")
    parent.hears("child.ask", child="Tom", school=PORT[1])
    await parent.follows("[yes]", "3 May 2015")
    parent.hears("recap.ask")
    for child, school in (("Hugo", LILAS), ("Zoé", PORT), ("Tom", PORT)):
        parent.hears("recap.confirmed", child=child, initial="L", school=school[1])
    await parent.follows("[activate_now]")
    parent.hears("done.ask", identifier="s.lefevre")


@pytest.mark.parametrize(
    ("typed", "texted", "shown"),
    [
        ("0692 12 34 56", "+262692123456", "0692 12 34 56"),  # Réunion, without its prefix
        ("+262 692 12 34 56", "+262692123456", "0692 12 34 56"),
    ],
)
async def test_overseas(parent: Dialogue[Parent], typed: str, texted: str, shown: str) -> None:
    await parent.follows("(comes)", "[parent]", "[activate]", "Payet", "Inès", typed)
    parent.hears("check.ask", first="Inès", last="Payet")
    await parent.follows("[yes]")
    assert parent.sms.received[0][0] == texted
    await parent.follows("(code)", PASSWORD, PASSWORD, "[yes]", "05/04/2018 ")
    if parent.lang == "en":
        parent.hears("birthdate_check.ask", child="Ava")
        await parent.follows("[yes]")
    await parent.follows("[activate_now]")
    parent.hears("done.ask", identifier="i.payet")


async def test_foreign_number_and_letters_that_are_not_french(parent: Dialogue[Parent]) -> None:
    await parent.follows(
        *("(comes)", "[parent]", "[activate]", "kowalczyk", "Lukasz", "0032 470 12 34 56", "[yes]"),
        *("(code)", PASSWORD, PASSWORD, "[yes]", "29/02/2016", "[activate_now]"),
    )
    assert parent.sms.received[0][0] == "+32470123456"
    parent.hears("done.ask", identifier="l.kowalczyk")


@pytest.mark.parametrize(
    ("known", "last", "first", "identifier"),
    [
        ("Zoë LE GOFF", "Le Goff", "Zoe", "z.legoff"),
        ("Jean-Luc D'ARCY", "d’Arcy", "jean luc", "j.darcy"),
        ("Łucja WAŁĘSA", "Walesa", "Łucja", "l.walesa"),
        ("Đorđe ĐURIĆ", "Đurić", "Djordje", "d.duric"),
        ("Đorđe ĐURIĆ", "Duric", "Dorde", "d.duric"),
        ("Marie-Ève SAINT-EXUPÉRY", "SAINT EXUPERY", "marie-eve", "m.saintexupery"),
        ("Marie-Ève SAINT-EXUPÉRY", "saint-exupéry", "MARIE ÈVE", "m.saintexupery"),
        ("François MÜLLER", "Mme Müller", "François", "f.muller"),
    ],
)
async def test_signs_and_accents_do_not_matter(
    meet_core: MeetCore, known: str, last: str, first: str, identifier: str
) -> None:
    parent = await meet_core(School().knows(known, "0611223344", {"Ana XU": "20/10/2015"}))
    await parent.follows(
        *("(comes)", "[parent]", "[activate]", last, first, "0611223344", "[yes]", "(code)")
    )
    if last == "Đurić" and first == "Djordje":
        parent.hears("name.differs")  # another spelling is another name: never by likeness
        await parent.follows("Đurić", "Đorđe")
    await parent.follows(PASSWORD, PASSWORD, "[yes]", "20/10/2015", "[activate_now]")
    parent.hears("done.ask", identifier=identifier)


@pytest.mark.parametrize("last", ["Martin", "Lefèvre", "Martin Lefèvre", "LEFEVRE-MARTIN"])
async def test_usage_name_birth_name_or_both(core: Dialogue[CoreParent], last: str) -> None:
    parent = core
    await parent.follows("(comes)", "[parent]", "[activate]", last)
    if parent.offers("yes"):
        await parent.follows("[no]")  # a double name
    await parent.follows("Sophie", "06 98 76 54 32", "[yes]", "(code)")
    parent.hears("code.right", "password.ask")


async def test_both_parents_on_one_phone(meet: Meet) -> None:
    parent = await meet()
    await parent.follows("(comes)", "[parent]", "[activate]", "Nguyen", "An", "07 51 23 45 67")
    await parent.follows("[yes]", "(code)", PASSWORD, PASSWORD, "[yes]", "30/11/2012")
    await parent.follows("[activate_now]")
    parent.hears("done.ask", identifier="a.nguyen")
    await parent.follows("[another]", "Nguyen", "Lan", "07 51 23 45 67", "(wait 61s)")
    await parent.follows("[yes]", "(code)", PASSWORD, PASSWORD, "[yes]", "30/11/2012")
    await parent.follows("[activate_now]")
    parent.hears("done.ask", identifier="l.nguyen")


async def test_foster_family_of_twelve(meet: Meet) -> None:
    children = {f"{name} ROY": f"{day:02d}/11/2014" for day, name in enumerate(NAMES, start=13)}
    parent = await meet(School().knows("Odile FAURE", "0611223344", children))
    await parent.follows("(comes)", "[parent]", "[activate]", "Faure", "Odile", "0611223344")
    await parent.follows("[yes]", "(code)", PASSWORD, PASSWORD)
    parent.hears("children", n=12)
    for number, (child, birthdate) in enumerate(children.items(), start=1):
        parent.hears("progress_child", child_number=number, children=12)
        parent.hears("child.ask", child=child.split()[0])
        await parent.follows(f"oui {birthdate}")
    for child in children:
        parent.hears("recap.confirmed", child=child.split()[0])
    await parent.follows("[activate_now]")
    parent.hears("done.ask", identifier="o.faure")


NAMES = ["Ana", "Ben", "Cléo", "Dan", "Eva", "Fay", "Gus", "Hal", "Ida", "Jo", "Kim", "Léo"]


async def test_an_adult_pupil_is_their_own_guardian(meet: Meet) -> None:
    school = School().knows("Karim SAIDI", "0611223344", {"Karim SAIDI": "15/01/2007"})
    parent = await meet(school)
    await parent.follows("(comes)", "[parent]", "[activate]", "Saïdi", "Karim", "0611223344")
    await parent.follows("[yes]", "(code)", PASSWORD, PASSWORD, "[yes]", "15 01 2007")
    await parent.follows("[activate_now]")
    parent.hears("done.ask", identifier="k.saidi")


async def test_known_but_not_a_legal_guardian(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)", "[parent]", "[activate]", "Bernard", "Julie", "0645678901")
    await parent.follows("[yes]", "(code)")
    parent.hears("not_legal.ask")
    await parent.follows("[restart]")
    parent.hears("profile.ask")


async def test_no_child_who_can_be_confirmed(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)", "[parent]", "[activate]", "Petit", "Rose", "0645678902")
    await parent.follows("[yes]", "(code)")
    parent.hears("no_child.ask")
    await parent.follows("[restart]")
    parent.hears("profile.ask")


async def test_already_active(parent: Dialogue[Parent]) -> None:
    await parent.follows(*ALL_TO_DONE, "[another]", *MARIE, "(wait 61s)", "[yes]")
    assert "m.dupont" not in parent.reads  # only after a new proof
    await parent.follows("(code)")
    parent.hears("already.ask", identifier="m.dupont")
    await parent.follows("[services]")
    parent.hears("services.none", "already.ask")


async def test_the_second_of_one_name_gets_a_number(meet: Meet) -> None:
    school = a_school().knows("Michel DUPONT", "06 11 22 33 44", {"Noé DUPONT": "20/10/2015"})
    parent = await meet(school)
    await parent.follows(*ALL_TO_DONE)
    parent.hears("done.ask", identifier="m.dupont")
    await parent.follows("[another]", "Dupont", "Michel", "06 11 22 33 44", "[yes]", "(code)")
    await parent.follows(PASSWORD, PASSWORD, "oui 20/10/2015", "[activate_now]")
    parent.hears("done.ask", identifier="m.dupont2")


async def test_everything_by_words(parent: Dialogue[Parent]) -> None:
    fr = parent.lang == "fr"
    await parent.follows("(comes)", "maman" if fr else "mum", "activer" if fr else "activate")
    await parent.follows(*MARIE, "oui" if fr else "yes", "(code)", PASSWORD, PASSWORD)
    await parent.follows("Oui !" if fr else "Yes!", "14 mars 2014" if fr else "March 14, 2014")
    await parent.follows("activer" if fr else "activate")
    parent.hears("done.ask", identifier="m.dupont")


async def test_everything_by_numbers(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)", "1", "1", *MARIE, "1", "(code)", PASSWORD, PASSWORD, "1")
    await parent.follows("14/03/2014", "1")
    parent.hears("done.ask", identifier="m.dupont")


async def test_the_shortest_way(parent: Dialogue[Parent]) -> None:
    """MISSION 5: twelve actions at most, from a cold start (the password is typed twice here)."""
    lines = (
        *("(comes)", "[parent]", "[activate]", "DUPONT Marie", "[yes]", "06 12 34 56 78", "[yes]"),
        *("(code)", PASSWORD, PASSWORD, "oui 14/03/2014", "[activate_now]"),
    )
    await parent.follows(*lines)
    parent.hears("done.ask", identifier="m.dupont")
    assert len(lines) <= 12


async def test_a_pupil_is_sent_to_their_school(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)", "[pupil]")
    parent.is_asked(S.PUPIL)
    await parent.follows("[back]")
    parent.is_asked(S.PROFILE)
    await parent.follows("élève" if parent.lang == "fr" else "pupil")
    parent.is_asked(S.PUPIL)


async def test_a_parent_who_has_an_account(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)", "[parent]")
    await parent.follows("j'ai déjà un compte" if parent.lang == "fr" else "I have an account")
    parent.is_asked(S.WHICH_ACCOUNT)
    await parent.follows("[back]", "[activate]")
    parent.is_asked(S.LAST_NAME)
