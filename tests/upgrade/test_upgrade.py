"""Databases of every earlier schema, with a conversation in every state: each goes on from there.

A file of `tests/upgrade` is one schema's (`freeze.py`). The conversations of all of them must go on
with today's code, whatever was migrated meanwhile.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flows.account import table as account
from flows.states import S
from flows.table import ASKING
from storage import accounts, database
from storage.backups import backups_of
from storage.database import every, moment
from storage.outbox import ERASE, REPLY, SMS
from storage.place import Place, is_url, open_database
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.invariants import check
from tests.helpers.parent import CoreBot, CoreParent, Inbox, Phone, test_settings
from tests.helpers.postgres import Postgres
from tests.upgrade import freeze
from tests.upgrade.freeze import CODE, theirs
from tests.upgrade.test_starting import MORE

FROZEN = sorted(freeze.FOLDER.glob("[0-9]*.sql"))
SHARED = [frozen for frozen in FROZEN if frozen.stem >= "0004"]
"""Since the fourth schema there are databases on PostgreSQL."""

PROVE = ("[send_code]", CODE)
RECAP = ("[activate_now]",)
BIRTHDATE = ("14/03/2014", *RECAP)
CHILD = ("[yes]", *BIRTHDATE)
CHOOSE = (PASSWORD, PASSWORD, *CHILD)
CODE_COMES = (CODE, *CHOOSE)
CHECK = ("[yes]", *CODE_COMES)
PHONE = ("06 12 34 56 78", *CHECK)
FIRST = ("Marie", *PHONE)
LAST = ("Dupont", *FIRST)
MENU = ("[activate]", *LAST)
PROFILE = ("[parent]", *MENU)

TO_DONE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("start", "stopped", "expired", "profile", "pupil"), PROFILE),
    **dict.fromkeys(("menu", "has_account"), MENU),
    **dict.fromkeys(("phone", "english"), PHONE),
    **dict.fromkeys(("code", "no_sms", "not_sent", "unclear"), CODE_COMES),
    **dict.fromkeys(("password_again", "not_erased"), CHOOSE[1:]),
    **dict.fromkeys(("birthdate", "missed"), BIRTHDATE),
    **dict.fromkeys(("recap", "interrupted"), RECAP),
    "invited": ("[no]", *PROFILE),
    "language": ("[fr]", *PROFILE),
    "last_name": LAST,
    "split_name": ("[yes]", *PHONE),
    "first_name": FIRST,
    "same_name": ("[no]", *FIRST),
    "which_phone": ("[first_number]", *CHECK),
    "ask_school": ("[other_number]", *PHONE),
    "check": CHECK,
    "password": CHOOSE,
    "child": CHILD,
    "not_mine": ("[no]", *CHILD),
    "birthdate_check": ("[yes]", *RECAP),
    "correct": ("[back]", *RECAP),
    **dict.fromkeys(("letter", "which_account"), ("[back]", *MENU)),
    "no_account": ("[activate]", "Dupont", "Marie", *CHOOSE),
    "done": ("[text_me]", "[services]"),
}
"""How each place gets its account."""

ELSEWHERE: dict[str, tuple[tuple[str, ...], S]] = {
    "already": (("[services]",), S.ALREADY),
    **dict.fromkeys(("not_legal", "no_child", "refused"), (("[restart]",), S.PROFILE)),
    **dict.fromkeys(("other_phone", "not_recovered"), (("[restart]",), S.PROFILE)),
    "frozen": (("[another]",), S.LAST_NAME),
    "not_me": (("[back]",), S.ALREADY),
    "reopen": (("[reopen]", *PROVE, "[reopen]"), S.MANAGE),
    "prove": (("(wait 11m)", *PROVE), S.MANAGE),  # from here on every proof is old
    "manage": (("[change_password]", *PROVE), S.MANAGE),
    "new_phone": (("07 51 99 88 77", *PROVE), S.MANAGE),
    "email": (("marie@exemple.fr", *PROVE), S.MANAGE),
    "email_code": (("[resend]", *PROVE), S.MANAGE),
    "my_children": (("[add_child]", *PROVE), S.MANAGE),
    "child_school": (("Les Lilas", *PROVE), S.MANAGE),
    "child_name": (("Léa", *PROVE), S.MANAGE),
    "sign_ins": (("[sign_out_others]", *PROVE), S.MANAGE),
    "my_data": (("[forget_me]", *PROVE), S.MANAGE),
    "close": (("[close_now]", *PROVE), S.MANAGE),
    **dict.fromkeys(
        ("tell_phone", "email_typo", "wrong_child", "wrong_child_sure", "forget_me"),
        (("[yes]", *PROVE), S.MANAGE),
    ),
    "locked": (("(wait 16m)", "bonjour"), S.CHECK),  # the last: time passes for all of them
}
"""How the others go on, and to where."""

ABOUT_ACCOUNTS = {state.value for state in account.QUESTIONS}
SINCE = {"invited": 3} | dict.fromkeys(ABOUT_ACCOUNTS, 5)
"""The schema with which a place came, where that was not the first."""

UNTIL = {"has_account": 4}
"""The last schema of a place that is no more: the conversation stands elsewhere now."""

WITHOUT_ACCOUNT = {"not_legal", "no_child", "refused", "locked"}
"""The others in ELSEWHERE have one."""


def places(frozen: Path) -> list[str]:
    """Where conversations live in a frozen file."""
    schema = int(frozen.stem)
    known = (*TO_DONE, *ELSEWHERE)
    return [p for p in known if SINCE.get(p, 1) <= schema <= UNTIL.get(p, schema)]


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_MEMORY_KIB", 8)


@pytest.fixture(params=["today's", "one more"])
def schema(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Today's schema, and one that is to come: what is frozen today will go through the same."""
    known = database.migrations()
    if request.param == "one more":
        more = [*known, (known[-1][0] + 1, MORE)]
        monkeypatch.setattr(database, "migrations", lambda: more)
    return str(request.param)


@pytest.fixture
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where a database will be."""
    if request.param == "sqlite":
        yield tmp_path / "sesame.sqlite3"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.empty()
    yield url
    server.drop(url)


on_both = pytest.mark.parametrize(
    ("frozen", "schema", "empty"),
    [
        *(
            pytest.param(frozen, schema, "sqlite", id=f"{frozen.stem} to {schema}")
            for frozen in FROZEN
            for schema in ("today's", "one more")
        ),
        # Old ones to today's, and today's to the one to come.
        *(
            pytest.param(frozen, schema, "postgresql", id=f"{frozen.stem} to {schema} on a server")
            for frozen in SHARED
            for schema in ["one more" if frozen is FROZEN[-1] else "today's"]
        ),
    ],
    indirect=["schema", "empty"],
)


async def load(frozen: Path, place: Place) -> None:
    """Make the database of a frozen file, with the schema of that time."""
    if not is_url(place):
        freeze.load(frozen, Path(place))
        return
    then = database.migrations()[: int(frozen.stem)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "migrations", lambda: then)
        async with open_database(place) as opened:
            await opened.run(freeze.rows_on_server(frozen))


@asynccontextmanager
async def opened(frozen: Path, place: Place) -> AsyncIterator[CoreBot]:
    """Today's bot on a frozen database, at the moment when it was frozen, with all the parents."""
    await load(frozen, place)
    bot = CoreBot(test_settings(place), Clock(), Phone(), lambda: CODE, Inbox())
    for name in [*TO_DONE, *ELSEWHERE]:
        CoreParent(bot, name, "fr")
    async with open_database(place) as raw:
        [(last,)] = await raw.run(every("SELECT max(updated_at) FROM chats"))
    bot.clock.now = moment(last)
    await bot.opens()
    try:
        await bot.service.delivery.settle()
        yield bot
    finally:
        await bot.closes()


async def state_of(parent: CoreParent) -> S:
    doors = parent.service.doors
    chat = await doors.database.run(
        doors.conversations.load(doors.conversations.key(parent.address))
    )
    assert chat is not None, f"no conversation at {parent.address.place}"
    return chat.state


def test_there_is_a_place_for_every_state() -> None:
    """What is frozen now: every state at which a conversation can stand."""
    places = {*freeze.PLACES, "expired", "start"}
    assert places == {*TO_DONE, *ELSEWHERE} - set(UNTIL)
    assert {state.value for state in (*ASKING, S.START, S.STOPPED, S.EXPIRED, S.LOCKED)} <= places


@on_both
async def test_every_conversation_goes_on(frozen: Path, schema: str, empty: Place) -> None:
    async with opened(frozen, empty) as bot:
        await check(bot.service.doors.database, bot.service.doors.conversations._vault)
        for place in places(frozen):
            parent = bot.parents[place]
            lines, end = ELSEWHERE.get(place, (TO_DONE.get(place, ()), S.DONE))
            try:
                await goes_on(parent, *(theirs(place, line) for line in lines))
                assert await state_of(parent) is end
            except Exception as error:
                raise AssertionError(f"{frozen.name}: the conversation at {place!r}") from error
        doors = bot.service.doors
        await check(doors.database, doors.conversations._vault)
        rows = await doors.database.run(
            every("SELECT count(*) FROM outbox WHERE status IN ('waiting', 'sending')")
        )
        assert rows == [(0,)]
        [(accounts_opened,)] = await doors.database.run(every("SELECT count(*) FROM accounts"))
        assert accounts_opened == len(set(places(frozen)) - WITHOUT_ACCOUNT)


async def goes_on(parent: CoreParent, *lines: str) -> None:
    """The same question first, then the rest of the way; every line gets an answer."""
    place, state = parent.address.place, await state_of(parent)
    dialogue = Dialogue(parent, "en" if place == "english" else "fr")
    await parent.returns()
    if state in ASKING:
        dialogue.hears("welcome_back")
        dialogue.is_asked(state)
    for line in lines:
        await dialogue.does(line)
        assert dialogue.reads or line.startswith("(wait"), line


@on_both
async def test_what_was_on_its_way_arrives(frozen: Path, schema: str, empty: Place) -> None:
    """A reply, an SMS and a deletion; an SMS that may have left does not leave again."""
    async with opened(frozen, empty) as bot:
        for place in ("not_sent", "unclear"):
            Dialogue(bot.parents[place], "fr").is_asked(S.CODE)
        Dialogue(bot.parents["not_erased"], "fr").is_asked(S.PASSWORD_AGAIN)
        assert bot.parents["not_erased"].erased == ["99"]
        [(to, text)] = bot.sms.received
        assert to == f"+33{freeze.mobile('not_sent')[1:]}"
        assert text.startswith(CODE)
        rows = await bot.service.doors.database.run(
            every("SELECT DISTINCT kind, status FROM outbox WHERE status <> 'sent'")
        )
        assert rows == [(SMS, "failed")]


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda frozen: frozen.stem)
async def test_a_backup_is_made_where_something_is_migrated(
    frozen: Path, tmp_path: Path, schema: str
) -> None:
    path = tmp_path / "sesame.sqlite3"
    old = int(frozen.stem)
    async with opened(frozen, path):
        pass
    names = [backup.name for backup in backups_of(path)]
    if old == database.migrations()[-1][0]:
        assert names == []
    else:
        assert [name.split(".")[2] for name in names] == [f"schema-{old}"]
    assert schema == "today's" or names


async def test_the_present_schema_is_frozen(tmp_path: Path) -> None:
    """Whoever adds a migration freezes what it makes: `python -m tests.upgrade.freeze`."""
    newest = database.migrations()[-1][0]
    assert [int(frozen.stem) for frozen in FROZEN] == list(range(1, newest + 1))
    path, fresh = tmp_path / "frozen.sqlite3", tmp_path / "fresh.sqlite3"
    freeze.load(FROZEN[-1], path)
    schema = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
    async with open_database(path) as one, open_database(fresh) as other:
        assert await one.run(every(schema)) == await other.run(every(schema))
        for kind in (REPLY, ERASE, SMS):
            waits = every("SELECT 1 FROM outbox WHERE kind = ? AND status = 'waiting'", kind)
            assert await one.run(waits), kind
