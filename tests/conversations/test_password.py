"""The password (the tutorial, step 8; MISSION 4.3, PASSWORD; RELIABILITY T9)."""

import pytest

from flows.inputs import Edited
from flows.questions.password import SPECIALS
from flows.states import S
from tests.conversations.conftest import Arrive, Meet
from tests.conversations.roads import CODE_OF_MARIE
from tests.helpers.dialogue import PASSWORD, pattern

RULES = {"upper", "lower", "digit", "special", "length"}


@pytest.mark.parametrize(
    ("typed", "missing"),
    [
        ("a", {"upper", "digit", "special", "length"}),
        ("soleil&vert27", {"upper"}),
        ("SOLEIL&VERT27", {"lower"}),
        ("Soleil&Vert", {"digit"}),
        ("SoleilVert27", {"special"}),
        ("Sol&27x", {"length"}),
        ("SOLEIL&VERT27µ", {"lower"}),  # µ is a sign here, not a small letter
        ("Soleil~Vert27^", {"special"}),  # signs that are not among the 26
    ],
)
async def test_all_five_rules_are_ticked(arrive: Arrive, typed: str, missing: set[str]) -> None:
    parent = await arrive(S.PASSWORD)
    await parent.follows(typed)
    parent.hears("refused.password_rules")
    for rule in RULES:
        key = "rule.missing" if rule in missing else "rule.met"
        words = pattern(f"rule.{rule}", parent.lang, {"minimum": 8})
        shown = pattern(key, parent.lang, {"rule": "RULE"}).replace("RULE", words)
        lines = parent.reads.splitlines()
        assert any(line == shown.replace("\\", "") for line in lines), (shown, lines)
    parent.is_asked(S.PASSWORD)


async def test_a_school_wants_longer_passwords(meet: Meet) -> None:
    parent = await meet(password_min=14)
    await parent.follows(*CODE_OF_MARIE, "(code)")
    parent.hears("password.hint", minimum=14)
    await parent.follows(PASSWORD)  # has 13
    parent.hears("refused.password_rules")
    words = pattern("rule.length", parent.lang, {"minimum": 14}).replace("\\", "")
    parent.hears("rule.missing", rule=words)
    await parent.follows(f"{PASSWORD}!")
    parent.is_asked(S.PASSWORD_AGAIN)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("Aa1!" * 65, "password_too_long"),
        (" Soleil&Vert27", "password_edge_space"),
        ("Soleil&Vert27 ", "password_edge_space"),
        ("Soleil\u200b&Vert27", "password_characters"),
        ("Soleil\x07&Vert27", "password_characters"),
        ("Azerty123456!", "password_common"),
        ("Password1!", "password_common"),
        ("Bonjour2024!", "password_common"),
        ("Dupont&Lac27", "password_personal"),
        ("Marie!Lac271", "password_personal"),
        ("Léa!Tulipe27", "password_personal"),
        ("Tulipe!14032014", "password_personal"),
    ],
)
async def test_what_the_rules_forget(arrive: Arrive, typed: str, reason: str) -> None:
    parent = await arrive(S.PASSWORD)
    await parent.follows(typed)
    parent.hears(f"refused.{reason}")
    parent.is_asked(S.PASSWORD)


@pytest.mark.parametrize("sign", SPECIALS)
async def test_each_of_the_26_signs(arrive: Arrive, lang: str, sign: str) -> None:
    if lang == "en":
        return  # the language changes nothing here
    parent = await arrive(S.PASSWORD)
    await parent.follows(f"Soleil{sign}Vert27", f"Soleil{sign}Vert27")
    parent.is_asked(S.CHILD)


@pytest.mark.parametrize(("first", "second"), [("µ", "μ"), ("μ", "µ"), ("ô", "o\u0302")])
async def test_the_same_password_from_another_keyboard(
    arrive: Arrive, first: str, second: str
) -> None:
    parent = await arrive(S.PASSWORD)
    await parent.follows(f"Soleil{first}&Vert27", f"Soleil{second}&Vert27")
    parent.is_asked(S.CHILD)


@pytest.mark.parametrize(
    "typed", ["/Soleil&Vert27", "#(){}[]Ab1", "[Yes]&Ab12xyz", "<b>Vert&27</b>"]
)
async def test_a_password_that_looks_like_something_else(arrive: Arrive, typed: str) -> None:
    parent = await arrive(S.PASSWORD)
    for _ in range(2):
        await parent.says(typed)
    parent.is_asked(S.CHILD)


async def test_two_different_passwords(arrive: Arrive) -> None:
    parent = await arrive(S.PASSWORD_AGAIN)
    await parent.follows(PASSWORD.lower())
    parent.hears("password.different")
    parent.is_asked(S.PASSWORD)
    await parent.follows(PASSWORD, PASSWORD)
    parent.is_asked(S.CHILD)


@pytest.mark.parametrize("channel", ["core", "telegram", "web"], indirect=True)
async def test_every_typed_password_is_erased(meet: Meet, channel: str) -> None:
    """Refused ones, accepted ones, the second entry, those typed where a code was asked for."""
    parent = await meet()
    await parent.follows(*CODE_OF_MARIE, "Soleil&Vert27x", "(code)")
    await parent.follows("court", PASSWORD, PASSWORD[:-1], PASSWORD, "[help]", PASSWORD)
    parent.is_asked(S.CHILD)
    if channel == "core":
        core = parent.parent
        typed = {core.said[int(n) - 1] for n in core.erased}  # type: ignore[attr-defined]
        assert typed == {"Soleil&Vert27x", "court", PASSWORD, PASSWORD[:-1]}
        assert len(core.erased) == 6  # type: ignore[attr-defined]
    elif channel == "web":
        html = parent.parent.browser.html  # type: ignore[attr-defined]
        assert "Vert" not in html
        assert "court" not in html
    else:
        person = parent.parent.person  # type: ignore[attr-defined]
        shown = [message.text for message in person.screen]
        assert not [text for text in shown if "Vert" in text or text == "court"]


async def test_an_edited_password_is_erased_too(arrive: Arrive) -> None:
    parent = await arrive(S.PASSWORD)
    await parent.parent.does(Edited(PASSWORD, "77"))
    assert parent.parent.erased == ["77"]
    parent.hears("edited")
    parent.is_asked(S.PASSWORD)


async def test_a_password_that_cannot_be_erased(arrive: Arrive) -> None:
    parent = await arrive(S.PASSWORD)
    parent.parent.can_erase = False
    await parent.follows(PASSWORD)
    parent.hears("password.not_erased")
    parent.hears("password_again.ask")


async def test_an_old_proof_needs_another_code(arrive: Arrive) -> None:
    for state in (S.PASSWORD, S.PASSWORD_AGAIN):
        parent = await arrive(state)
        await parent.follows("(wait 1801s)", PASSWORD)
        parent.hears("password.prove_again")
        parent.is_asked(S.CHECK)
        await parent.follows("[yes]", "(code)")
        parent.hears("code.right", "password.ask")
        await parent.parent.bot.closes()


async def test_a_proof_is_good_for_30_minutes(arrive: Arrive) -> None:
    parent = await arrive(S.PASSWORD)
    await parent.follows("(wait 30m)", PASSWORD)
    parent.is_asked(S.PASSWORD_AGAIN)


async def test_the_password_is_changed_before_the_end(arrive: Arrive) -> None:
    parent = await arrive(S.CORRECT)
    await parent.follows("hm")
    parent.hears("refused.choose")
    await parent.follows("[fix_password]", "Lune&Vert27", "Lune&Vert27")
    parent.is_asked(S.RECAP)
    await parent.follows("[activate_now]")
    parent.hears("done.ask", identifier="m.dupont")
