"""Identifier forgotten, password forgotten: by an SMS code, and for the password a birthdate."""

import pytest

from flows.secret import Secret
from flows.states import S
from storage.accounts import is_password
from storage.database import every
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import ALL_TO_DONE, MARIE
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent, Parent

NEW = "Lune!Bleue48"
LATER = ("/effacer", "[erase_all]", "(wait 61s)", "(comes)", "[parent]")
"""The parent had this conversation erased, and comes back. A minute lies between two codes."""


async def hashes(parent: Dialogue[CoreParent]) -> list[str]:
    """The passwords of all accounts, as they are kept."""
    database = parent.parent.service.doors.database
    return [row[0] for row in await database.run(every("SELECT password_hash FROM accounts"))]


# ---- the identifier --------------------------------------------------------------------------


async def test_the_identifier_is_given_again(parent: Dialogue[Parent]) -> None:
    await parent.follows(*ALL_TO_DONE, *LATER, "[forgot_identifier]", *MARIE, "[yes]")
    parent.is_asked(S.CODE)
    await parent.does("(code)")
    parent.is_asked(S.ALREADY, identifier="m.dupont")


async def test_who_has_no_account_yet_can_open_one_at_once(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)", "[parent]", "[forgot_identifier]", *MARIE, "[yes]", "(code)")
    parent.is_asked(S.NO_ACCOUNT)
    await parent.follows("[activate]", PASSWORD, PASSWORD, "[yes]", "14/03/2014", "[activate_now]")
    parent.is_asked(S.DONE, identifier="m.dupont")


# ---- the password ----------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["06 12 34 56 78", "m.dupont", "Mon identifiant : M.Dupont"])
async def test_a_new_password(parent: Dialogue[Parent], typed: str) -> None:
    await parent.follows(*ALL_TO_DONE, *LATER, "[forgot_password]")
    parent.is_asked(S.WHICH_ACCOUNT)
    await parent.does(typed)
    parent.is_asked(S.CODE)
    await parent.does("(code)")
    parent.is_asked(S.BIRTHDATE, child="Léa")
    await parent.does("14/03/2014")
    parent.is_asked(S.PASSWORD)
    await parent.does(NEW)
    parent.is_asked(S.PASSWORD_AGAIN)
    await parent.does(NEW)
    parent.hears("changed.password_set")
    parent.is_asked(S.MANAGE)


async def test_the_old_password_is_dead_at_once(core: Dialogue[CoreParent]) -> None:
    await core.follows(*ALL_TO_DONE)
    [before] = await hashes(core)
    assert is_password(Secret(PASSWORD), before)
    await core.follows(*LATER, "[forgot_password]", MARIE[2], "(code)", "14/03/2014", NEW, NEW)
    [after] = await hashes(core)
    assert is_password(Secret(NEW), after)
    assert not is_password(Secret(PASSWORD), after)


async def test_every_other_sign_in_is_closed(core: Dialogue[CoreParent]) -> None:
    """The conversation on the lost phone does not show the account any more."""
    await core.follows(*ALL_TO_DONE, "(wait 61s)")
    other = Dialogue(core.parent.beside("tablet", core.lang), core.lang)
    await other.follows("(comes)", "[parent]", "[forgot_password]", MARIE[2], "(code)")
    core.parent.replies.clear()
    await other.follows("14/03/2014", NEW, NEW)
    await core.parent.service.delivery.settle()
    core.hears("signed_out.password")
    assert "m.dupont" not in core.reads
    await core.says("bonjour")
    core.hears("welcome")


async def test_the_birthdate_must_be_right(parent: Dialogue[Parent]) -> None:
    await parent.follows(*ALL_TO_DONE, *LATER, "[forgot_password]", MARIE[2], "(code)")
    await parent.follows("15/03/2014", "16/03/2014")
    parent.hears("birthdate.wrong", n=1)
    await parent.does("17/03/2014")
    parent.is_asked(S.NOT_RECOVERED)
    parent.does_not_hear("password.ask")
    assert "m.dupont" not in parent.reads


async def test_a_phone_of_two_parents_needs_the_name(core: Dialogue[CoreParent]) -> None:
    phone = "07 51 23 45 67"
    rest = ("[yes]", "(code)", PASSWORD, PASSWORD, "oui 30/11/2012", "[activate_now]")
    await core.follows("(comes)", "[parent]", "[activate]", "Nguyen", "An", phone, *rest)
    await core.follows("[another]", "Nguyen", "Lan", phone, "(wait 2m)", *rest)
    core.is_asked(S.DONE, identifier="l.nguyen")
    await core.follows("/effacer", "[erase_all]", "(wait 10m)", "(comes)", "[parent]")
    await core.follows("[forgot_password]", phone, "(code)")
    core.hears("account.tied")
    core.is_asked(S.LAST_NAME)
    await core.follows("Nguyen", "Lan")
    core.is_asked(S.BIRTHDATE, child="Minh")
    await core.follows("30/11/2012", NEW, NEW)
    core.hears("changed.password_set")
    an, lan = await hashes(core)
    assert is_password(Secret(PASSWORD), an)
    assert is_password(Secret(NEW), lan)


async def test_who_has_no_account_is_told_so_after_the_proof(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)", "[parent]", "[forgot_password]", MARIE[2])
    parent.is_asked(S.CODE)
    await parent.does("(code)")
    parent.is_asked(S.NO_ACCOUNT)
    await parent.follows("[activate]", *MARIE[:2])
    parent.is_asked(S.PASSWORD)


@pytest.mark.parametrize("typed", ["m.dupont", "06 12 34 56 78"])
async def test_before_the_proof_nothing_tells_whether_there_is_an_account(
    meet_core: MeetCore, typed: str, lang: str
) -> None:
    """Word for word: with the account, and in the eyes of a stranger who made it up."""
    marie = await meet_core(lang=lang)
    await marie.follows(*ALL_TO_DONE)
    read, now = [], marie.clock.now
    for guess in (typed, {"m.dupont": "m.durand", "06 12 34 56 78": "06 11 11 11 78"}[typed]):
        marie.clock.now = now  # both at the same time of day
        stranger = Dialogue(marie.parent.beside(guess, lang), lang)
        words = []
        await stranger.follows("(comes)", "(wait 61s)", "[parent]", "[forgot_password]")
        for line in (guess, "000000", "000001", "(wait 90s)", "[nothing_arrives]", "[resend]"):
            await stranger.does(line)
            words.append((stranger.reads, stranger.buttons))
        read.append(str(words))
    assert read[0] == read[1]


async def test_no_sms_leaves_for_an_identifier_that_nobody_has(parent: Dialogue[Parent]) -> None:
    await parent.follows("(comes)", "[parent]", "[forgot_password]", "x.personne")
    parent.is_asked(S.CODE)
    assert parent.sms.received == []


async def test_the_proof_grows_old_before_the_password_is_chosen(
    core: Dialogue[CoreParent],
) -> None:
    await core.follows(*ALL_TO_DONE, *LATER, "[forgot_password]", MARIE[2], "(code)")
    await core.follows("14/03/2014", "(wait 31m)", NEW)
    core.hears("password.prove_again")
    core.is_asked(S.PROVE)
    await core.follows("[send_code]", "(code)")
    core.is_asked(S.BIRTHDATE)


async def test_a_new_password_follows_the_same_five_rules(parent: Dialogue[Parent]) -> None:
    await parent.follows(*ALL_TO_DONE, *LATER, "[forgot_password]", MARIE[2], "(code)")
    await parent.follows("14/03/2014", "court")
    parent.hears("refused.password_rules")
    await parent.follows(NEW, "Autre!Mot49")
    parent.hears("password.different")
