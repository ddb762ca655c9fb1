"""The school's codes on paper, on both databases: made once, bound to one conversation, used up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from flows.inputs import (
    AccountChanged,
    AccountExists,
    GuardianMatched,
    LetterRight,
    LetterWrong,
    NameDiffers,
    NotInvited,
    SignedOut,
)
from flows.policy import DAY
from flows.questions.letter import read_letter
from storage.erasure import people
from storage.letters import Letter, new_code
from storage.place import Place
from tests.helpers.school import LILAS, PORT
from tests.storage.town import MARIE, NOW, SOPHIE, Town, town

UNTIL = NOW + 90 * DAY
NEW, OTHER = "+33644556677", "+33644556688"
NO_CODE = "ABCDEFGHJKMN"


@pytest.fixture
async def lilas(place: Place) -> AsyncIterator[Town]:
    async with town(place) as opened:
        yield opened


async def written(lilas: Town, uai: str = "", *, everybody: bool = False) -> list[Letter]:
    letters, end = await lilas.run(lilas.letters.write(uai, 0, UNTIL, NOW, everybody))
    assert end is None
    return letters


async def letter_to(lilas: Town, first: str) -> str:
    """The code as it is typed."""
    [code] = [one.code for one in await written(lilas, everybody=True) if one.first == first]
    return read_code(code)


def read_code(code: str) -> str:
    typed = read_letter(code)
    assert isinstance(typed, str)
    return typed


# ---- written ---------------------------------------------------------------------------------


async def test_to_whom(lilas: Town) -> None:
    """With and without a mobile; not to who is no legal guardian."""
    letters = await written(lilas)
    names = [(one.first, one.school) for one in letters]
    assert ("Rose", LILAS[1]) in names
    assert ("Sophie", LILAS[1]) in names
    assert ("Sophie", PORT[1]) in names
    assert "Jules" not in {one.first for one in letters}
    assert [one.first for one in await written(lilas, PORT[0])] == ["Sophie"]
    assert len({one.code for one in letters}) == len(letters)
    assert all(len(one.code) == 14 for one in letters)


async def test_who_has_an_account_is_left_out_unless_it_is_for_everybody(lilas: Town) -> None:
    await lilas.activates("Marie DUPONT", MARIE, await lilas.talks("marie"))
    assert "Marie" not in {one.first for one in await written(lilas)}
    assert "Marie" in {one.first for one in await written(lilas, everybody=True)}


async def test_to_one_person(lilas: Town) -> None:
    [sophie] = await lilas.run(people(lilas.vault, phone=SOPHIE))
    letters = await lilas.run(lilas.letters.write_for(sophie.guardians, UNTIL, NOW))
    assert [(one.first, one.school) for one in letters] == [
        ("Sophie", LILAS[1]),
        ("Sophie", PORT[1]),
    ]
    [rose] = await lilas.run(lilas.letters.named(LILAS[0], "petit", "ROSE"))
    [letter] = await lilas.run(lilas.letters.write_for([rose], UNTIL, NOW))
    assert letter.first == "Rose"
    assert await lilas.run(lilas.letters.named(PORT[0], "petit", "ROSE")) == []


async def test_only_keyed_hashes_are_kept(lilas: Town) -> None:
    letters = await written(lilas)
    kept = repr(await lilas.rows("SELECT * FROM letters"))
    assert len(await lilas.rows("SELECT * FROM letters")) == len(letters)
    for one in letters:
        assert one.code not in kept
        assert one.code.replace("-", "") not in kept
    assert "code" not in repr(letters[0])


def test_codes_are_all_alike() -> None:
    codes = [new_code() for _ in range(2000)]
    assert len(set(codes)) == 2000
    counts = [sum(code.count(sign) for code in codes) for sign in sorted(set("".join(codes)))]
    assert len(counts) == 31
    assert max(counts) / min(counts) < 1.4


# ---- typed -----------------------------------------------------------------------------------


async def test_the_first_conversation_is_the_only_one(lilas: Town) -> None:
    code = await letter_to(lilas, "Rose")
    one, other = await lilas.talks("one"), await lilas.talks("other")
    rose = LetterRight("PETIT", "Rose")
    assert await lilas.run(lilas.letters.check(code, one, NOW)) == rose
    assert await lilas.run(lilas.letters.check(code, other, NOW)) == LetterWrong(4)
    assert await lilas.run(lilas.letters.check(code, one, NOW)) == rose
    assert len(await lilas.run(lilas.letters.held_by(one, NOW))) == 1
    assert await lilas.run(lilas.letters.held_by(other, NOW)) == []


@pytest.mark.parametrize("attempt", range(5))
async def test_two_type_it_at_once(lilas: Town, attempt: int) -> None:
    code = await letter_to(lilas, "Rose")
    answers = await asyncio.gather(
        *(lilas.run(lilas.letters.check(code, b"chat %d" % n, NOW)) for n in range(4))
    )
    assert sum(isinstance(answer, LetterRight) for answer in answers) == 1, attempt


async def test_a_newer_letter_takes_its_place(lilas: Town) -> None:
    old = await letter_to(lilas, "Rose")
    new = await letter_to(lilas, "Rose")
    chat = await lilas.talks("rose")
    assert await lilas.run(lilas.letters.check(old, chat, NOW)) == LetterWrong(4)
    assert isinstance(await lilas.run(lilas.letters.check(new, chat, NOW)), LetterRight)


@pytest.mark.parametrize(("seconds", "works"), [(-1, True), (0, False), (1, False)])
async def test_it_expires(lilas: Town, seconds: int, works: bool) -> None:
    code = await letter_to(lilas, "Rose")
    chat, then = await lilas.talks("rose"), UNTIL.replace(microsecond=0)
    then += timedelta(seconds=seconds)
    answer = await lilas.run(lilas.letters.check(code, chat, then))
    assert isinstance(answer, LetterRight) is works
    held = await lilas.run(lilas.letters.held_by(chat, then))
    assert bool(held) is works


@pytest.mark.parametrize("wrong", [4, 5, 6])
async def test_five_tries_a_day(lilas: Town, wrong: int) -> None:
    """With too many a right code is wrong, too; a day later it is right."""
    code = await letter_to(lilas, "Rose")
    chat = await lilas.talks("rose")
    left = [await lilas.run(lilas.letters.check(NO_CODE, chat, NOW)) for _ in range(wrong)]
    assert left == [LetterWrong(n) for n in (4, 3, 2, 1, 0, 0)][:wrong]
    answer = await lilas.run(lilas.letters.check(code, chat, NOW))
    assert answer == (LetterRight("PETIT", "Rose") if wrong < 5 else LetterWrong(0))
    other = await lilas.talks("other")
    if wrong >= 5:  # another conversation has tries of its own, and so has this one tomorrow
        answer = await lilas.run(lilas.letters.check(NO_CODE, other, NOW))
        assert answer == LetterWrong(4)
        later = await lilas.run(lilas.letters.check(code, chat, NOW + DAY))
        assert later == LetterRight("PETIT", "Rose")


async def test_a_link_is_a_letters_or_nothing(lilas: Town) -> None:
    code = await letter_to(lilas, "Rose")
    chat = await lilas.talks("rose")
    for token in ("", "poster", "x" * 64, NO_CODE.lower() + "-", "ABCDEFGHJKL1"):
        assert await lilas.run(lilas.letters.look_up(token, chat, NOW)) == NotInvited()
    assert await lilas.run(lilas.letters.look_up(code, chat, NOW)) == LetterRight("PETIT", "Rose")


async def test_links_are_no_way_to_guess(lilas: Town) -> None:
    """What has the shape of a code costs a try; any other link costs none."""
    code = await letter_to(lilas, "Rose")
    chat = await lilas.talks("rose")
    for _ in range(9):
        await lilas.run(lilas.letters.look_up("poster", chat, NOW))
    for _ in range(5):
        assert await lilas.run(lilas.letters.look_up(NO_CODE, chat, NOW)) == NotInvited()
    assert await lilas.run(lilas.letters.look_up(code, chat, NOW)) == NotInvited()


# ---- what it opens ---------------------------------------------------------------------------


async def test_it_stands_in_for_the_number(lilas: Town) -> None:
    """All children of all schools; then the letter has served."""
    code, chat = await letter_to(lilas, "Rose"), await lilas.talks("rose")
    await lilas.run(lilas.letters.check(code, chat, NOW))
    identifier = await lilas.activates("Rose PETIT", NEW, chat, letter=True)
    assert (await lilas.account(identifier)).phone == NEW
    assert await lilas.run(lilas.letters.held_by(chat, NOW)) == []
    assert await lilas.run(lilas.letters.check(code, chat, NOW)) == LetterWrong(4)


async def test_one_schools_letter_is_for_the_person(lilas: Town) -> None:
    [port] = [one for one in await written(lilas, PORT[0]) if one.first == "Sophie"]
    chat = await lilas.talks("sophie")
    await lilas.run(lilas.letters.check(read_code(port.code), chat, NOW))
    found = await lilas.run(lilas.register.match(chat, NEW, "Martin", "Sophie", NOW, letter=True))
    assert isinstance(found, GuardianMatched)
    assert {child.first for child in found.children} == {"Hugo", "Zoé"}
    other = await lilas.run(lilas.register.match(chat, NEW, "Dupont", "Marie", NOW, letter=True))
    assert isinstance(other, NameDiffers)
    no_letter = await lilas.run(lilas.register.match(chat, NEW, "Martin", "Sophie", NOW))
    assert isinstance(no_letter, NameDiffers)


async def test_it_finds_the_account_and_shows_it_to_nobody_yet(lilas: Town) -> None:
    old, chat = await lilas.talks("old"), await lilas.talks("new")
    await lilas.activates("Marie DUPONT", MARIE, old)
    code = await letter_to(lilas, "Marie")
    await lilas.run(lilas.letters.check(code, chat, NOW))
    found = await lilas.run(lilas.register.match(chat, NEW, "Dupont", "Marie", NOW, letter=True))
    assert isinstance(found, AccountExists)
    assert (found.identifier, found.status, found.phone) == ("m.dupont", "moved", MARIE)
    assert [child.first for child in found.children] == ["Léa"]
    assert await lilas.sign_ins("m.dupont") == {old}
    still = await lilas.run(lilas.life.set_password("m.dupont", "x", lilas.by(chat)))
    assert still == SignedOut("m.dupont", "others")


async def test_the_account_gets_the_new_number_once(lilas: Town) -> None:
    old, chat = await lilas.talks("old"), await lilas.talks("new")
    await lilas.activates("Marie DUPONT", MARIE, old)
    code = await letter_to(lilas, "Marie")
    await lilas.run(lilas.letters.check(code, chat, NOW))
    answer = await lilas.run(lilas.life.change_phone("m.dupont", NEW, lilas.by(chat)))
    assert answer == AccountChanged("phone_changed")
    assert (await lilas.account("m.dupont")).phone == NEW
    again = await lilas.run(lilas.life.change_phone("m.dupont", OTHER, lilas.by(chat)))
    assert again == SignedOut("m.dupont", "others")
    assert await lilas.rows("SELECT facts FROM audit WHERE action = 'phone_changed'") == [
        ('{"by": "letter"}',)
    ]


async def test_a_letter_changes_nothing_of_another_parent(lilas: Town) -> None:
    await lilas.activates("Marie DUPONT", MARIE, await lilas.talks("marie"))
    chat = await lilas.talks("rose")
    await lilas.run(lilas.letters.check(await letter_to(lilas, "Rose"), chat, NOW))
    answer = await lilas.run(lilas.life.change_phone("m.dupont", NEW, lilas.by(chat)))
    assert answer == SignedOut("m.dupont", "others")
    assert (await lilas.account("m.dupont")).phone == MARIE


async def test_no_letter_thaws(lilas: Town) -> None:
    await lilas.activates("Marie DUPONT", MARIE, await lilas.talks("marie"))
    chat = await lilas.talks("new")
    await lilas.run(lilas.letters.check(await letter_to(lilas, "Marie"), chat, NOW))
    await lilas.run(lilas.life.freeze("m.dupont", "school", lilas.by(b"")))
    answer = await lilas.run(lilas.life.change_phone("m.dupont", NEW, lilas.by(chat)))
    assert answer == AccountChanged("account_frozen")
    found = await lilas.run(lilas.register.match(chat, NEW, "Dupont", "Marie", NOW, letter=True))
    assert found == AccountExists("m.dupont", "frozen")
