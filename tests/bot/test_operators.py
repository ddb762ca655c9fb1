"""What an operator does about people and keys, by the command line: all is told and recorded."""

import asyncio
import json
import os
import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import Result

from bot import app
from bot.app import open_storage
from flows.states import S
from storage.audit import check
from storage.backups import backups_of, write_backup
from storage.database import every, run
from storage.place import Place, is_url
from storage.retention import RULES, Retention
from tests.bot.test_command_line import Run, _machine, database, failed
from tests.bot.test_command_line import run as command
from tests.conversations.roads import ALL_TO_DONE, CODE_OF_MARIE, MARIE
from tests.conversations.test_secrets import files, found
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import SECRET, core_parent, test_settings
from tests.helpers.school import School, a_school

__all__ = ["_machine", "command", "database"]  # the machine on which every command runs

T = TypeVar("T")
WRONG = ("111111", "222222", "333333", "444444", "555555")
PAUSE = (*CODE_OF_MARIE, *WRONG, "(wait 1m)", "[resend]", *WRONG)
CALL = ("--reason", "call")
NEW = "the next secret for tests, long enough as well"


@pytest.fixture
def place(place: Place, _machine: None, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Where the machine's settings say that the database is."""
    if is_url(place):
        monkeypatch.setenv("SESAME_DATABASE_URL", str(place))
    return place


def done(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def talks(
    place: Place, *lines: str, at: datetime | None = None, who: str = "marie", **own: Any
) -> str:
    """A parent says this, in a bot that was just started; the bot's last words."""
    clock = Clock(at or datetime.now(UTC))
    async with core_parent(place, a_school(), clock=clock, **own) as parent:
        person = Dialogue(parent if who == "marie" else parent.beside(who), "fr")
        await person.follows(*lines)
        return person.reads


async def rows(place: Place, sql: str) -> list[tuple[Any, ...]]:
    async with open_storage(test_settings(place)) as (opened, _):
        return await opened.run(every(sql))


async def imports(place: Place, school: School) -> None:
    async with open_storage(test_settings(place)) as (opened, vault):
        await school.fills(opened, vault, Clock())


def recorded(place: Place) -> list[tuple[Any, ...]]:
    """Who did what; and the chain is whole."""

    async def look() -> list[tuple[Any, ...]]:
        async with open_storage(test_settings(place)) as (opened, vault):
            assert await opened.run(check(vault)) is None
            return await opened.run(every("SELECT actor, action, facts FROM audit ORDER BY id"))

    return done(look())


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


# ---- unlock ----------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["06 12 34 56 78", "+33612345678", "0612345678"])
def test_a_pause_is_lifted_and_told(command: Run, place: Place, who: str) -> None:
    locked = done(talks(place, *PAUSE))
    assert "pause" in locked
    assert "1" in ok(command("unlock", who, *CALL))

    async def later() -> None:
        async with core_parent(place, a_school(), clock=Clock(datetime.now(UTC))) as parent:
            marie = Dialogue(parent, "fr")
            await parent.service.delivery.settle()
            marie.hears("unlocked")  # told in the chat, without having written
            marie.is_asked(S.CHECK)
            await marie.follows("[yes]", "(code)", PASSWORD, PASSWORD, "[yes]", "14/03/2014")
            await marie.follows("[activate_now]")
            marie.hears("done.ask")

    done(later())
    [(actor, facts)] = [(who, said) for who, did, said in recorded(place) if did == "unlocked"]
    assert actor.split(":")[0] == "operator"
    assert json.loads(facts) == {"reason": "call", "conversations": 1}


def test_a_spent_budget_is_lifted(command: Run, place: Place) -> None:
    """Five codes a day and number, whichever chat asked for them."""

    async def spend() -> None:
        async with core_parent(place, a_school(), clock=Clock(datetime.now(UTC))) as parent:
            for number in range(6):
                other = Dialogue(parent.beside(str(number)), "fr")
                await other.follows(*CODE_OF_MARIE)
                parent.clock.passes(hours=1, minutes=1)
            other.hears("code.budget")

    done(spend())
    later = datetime.now(UTC) + timedelta(hours=7)
    assert "22" not in ok(command("unlock", MARIE[2], *CALL))

    async def asks_again() -> None:
        async with core_parent(place, a_school(), clock=Clock(later)) as parent:
            fresh = Dialogue(parent.beside("fresh"), "fr")
            await fresh.follows(*CODE_OF_MARIE)
            fresh.is_asked(S.CODE)

    done(asks_again())


def test_unlock_needs_a_person_and_a_reason(command: Run, place: Place) -> None:
    done(talks(place, *PAUSE))
    assert command("unlock", MARIE[2]).exit_code == 2
    assert command("unlock", MARIE[2], "--reason", "Mme Dupont called").exit_code == 2
    assert "06 12 34 56 78" in failed(command("unlock", "Marie", *CALL))
    assert "06 12 34 56 78" in failed(command("unlock", "01 42 68 53 00", *CALL))
    failed(command("unlock", "m.nobody", *CALL))
    assert [action for _, action, _ in recorded(place)] == ["imported"]


def test_unlock_without_a_pause_is_told_too(command: Run, place: Place) -> None:
    done(talks(place, *CODE_OF_MARIE))
    ok(command("unlock", MARIE[2], *CALL))

    async def look() -> None:
        async with core_parent(place, a_school(), clock=Clock(datetime.now(UTC))) as parent:
            await parent.service.delivery.settle()
            Dialogue(parent, "fr").is_asked(S.CODE)  # where she was

    done(look())


# ---- erase -----------------------------------------------------------------------------------

TRACES = ("guardians", "accounts", "account_guardians", "account_pupils", "codes")


def left(place: Place) -> dict[str, int]:
    names = (*TRACES, "chats", "outbox", "guardian_phones", "links")
    return {name: done(rows(place, f"SELECT count(*) FROM {name}"))[0][0] for name in names}


@pytest.mark.parametrize("who", [MARIE[2], "m.dupont", "M.Dupont"])
def test_a_person_is_erased_for_good(command: Run, place: Place, who: str) -> None:
    done(talks(place, *ALL_TO_DONE))
    before = left(place)
    sealed = done(rows(place, "SELECT sealed FROM accounts"))[0][0]
    ok(command("erase", who, *CALL, "--yes"))
    after = left(place)
    assert (after["accounts"], after["account_guardians"], after["account_pupils"]) == (0, 0, 0)
    assert (after["codes"], after["chats"], after["outbox"]) == (0, 0, 0)
    assert after["guardians"] == before["guardians"] - 1
    assert after["guardian_phones"] == before["guardian_phones"] - 1
    assert after["links"] == before["links"] - 1
    assert recorded(place)[-1][1] == "person_erased"
    if isinstance(place, Path):
        assert sealed not in files(place.parent)
        assert found(("Dupont", "Marie", "33612345678", "m.dupont"), files(place.parent)) == []


def test_an_import_does_not_bring_them_back(command: Run, place: Place) -> None:
    done(talks(place, *ALL_TO_DONE))
    ok(command("erase", MARIE[2], *CALL, "--yes"))
    for who in ("one", "two"):
        done(imports(place, a_school()))
        done(talks(place, *CODE_OF_MARIE, who=who))
        sent = done(rows(place, "SELECT real FROM codes ORDER BY id DESC LIMIT 1"))
        assert sent == [(0,)]  # a number that the register does not know
    ok(command("erase", MARIE[2], *CALL, "--undo"))
    done(imports(place, a_school()))
    later = datetime.now(UTC) + timedelta(hours=2)
    text = done(talks(place, *ALL_TO_DONE, at=later, who="again"))
    assert "m.dupont" in text
    assert [action for _, action, _ in recorded(place)].count("person_readmitted") == 1


def test_the_report_of_the_import_names_the_reason(
    command: Run, place: Place, tmp_path: Path
) -> None:
    register = tmp_path / "register.csv"
    register.write_text(
        "uai;guardian_last;guardian_first;mobile;child_last;child_first;child_birthdate\n"
        "0750001U;DUPONT;Marie;0612345678;DUPONT;Léa;14/03/2014\n"
        "0750001U;NOIR;Paul;0698765432;NOIR;Ana;20/10/2015\n",
        encoding="utf-8",
    )
    first = json.loads(ok(command("import", "--json", str(register))).splitlines()[-1])
    assert first["totals"]["guardians"] == first["totals"]["activable"] == 2
    assert "erased" not in first["totals"]["refused"]
    ok(command("erase", MARIE[2], *CALL, "--yes"))
    again = json.loads(ok(command("import", "--json", str(register))).splitlines()[-1])
    assert again["totals"]["refused"]["erased"] == 1
    assert again["totals"]["activable"] == 1
    assert again["totals"]["added"] == 0


def test_who_shares_the_number_is_left_alone(command: Run, place: Place) -> None:
    """An and Lan Nguyen have one phone: the operator says whom."""
    an = ("(comes)", "[parent]", "[activate]", "Nguyen", "An", "07 51 23 45 67", "[yes]", "(code)")
    done(talks(place, *an, PASSWORD, PASSWORD, "oui 30/11/2012", "[activate_now]"))
    lan = ("(comes)", "[parent]", "[activate]", "Nguyen", "Lan", "07 51 23 45 67", "[yes]")
    later = datetime.now(UTC) + timedelta(minutes=5)
    done(talks(place, *lan, at=later, who="lan"))
    assert "2" in failed(command("erase", "07 51 23 45 67", *CALL, "--yes"))
    ok(command("erase", "07 51 23 45 67", "--name", "Nguyen An", *CALL, "--yes"))
    after = left(place)
    assert (after["accounts"], after["chats"]) == (0, 1)  # Lan is still talking
    failed(command("erase", "07 51 23 45 67", "--name", "An", *CALL, "--yes"))


def test_a_stranger_who_only_wrote(command: Run, place: Place) -> None:
    unknown = ("(comes)", "[parent]", "[activate]", "Personne", "Paul", "06 99 99 99 98", "[yes]")
    done(talks(place, *unknown))
    assert left(place)["chats"] == 1
    ok(command("erase", "06 99 99 99 98", *CALL, "--yes"))
    assert (left(place)["chats"], left(place)["codes"]) == (0, 0)
    failed(command("erase", "06 99 99 99 98", *CALL, "--yes"))


def test_erasing_is_asked_about(command: Run, place: Place) -> None:
    done(talks(place, *ALL_TO_DONE))
    refused = command("erase", MARIE[2], *CALL, typed="n\n")
    assert refused.exit_code == 1
    assert "Marie" in refused.output
    assert left(place)["accounts"] == 1
    ok(command("erase", MARIE[2], *CALL, typed="y\n"))
    assert left(place)["accounts"] == 0


def test_backups_that_still_hold_the_person_are_named(command: Run, database: Path) -> None:
    done(talks(database, *ALL_TO_DONE))
    write_backup(database, 2)
    [backup] = backups_of(database)
    assert str(backup) in ok(command("erase", MARIE[2], *CALL, "--yes"))


# ---- the parent's own wish ---------------------------------------------------------------------


def test_a_parents_own_wish_is_recorded(place: Place) -> None:
    done(talks(place, *CODE_OF_MARIE, "/effacer", "[erase_all]"))
    actor, action, _ = recorded(place)[-1]
    assert (actor, action) == ("parent", "answers_erased")


# ---- purge -----------------------------------------------------------------------------------


def test_what_was_kept_long_enough_goes(command: Run, place: Place) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=400)
    done(talks(place, *ALL_TO_DONE, at=long_ago))
    done(talks(place, *CODE_OF_MARIE, at=long_ago, who="silent"))
    guardians = left(place)["guardians"]
    gone = json.loads(ok(command("purge", "--json")))
    assert set(gone) == {*RULES, "accounts", "passwords", "openings", "backups"}
    after = left(place)
    assert (after["chats"], after["codes"]) == (1, 0), "where an account is open it is kept"
    assert done(rows(place, "SELECT count(*) FROM tallies")) == [(0,)]
    assert (after["accounts"], after["guardians"]) == (1, guardians)  # these are kept
    assert recorded(place)[-1][1] == "purged"
    assert not any(json.loads(ok(command("purge", "--json"))).values())


def test_what_is_young_stays(command: Run, place: Place) -> None:
    done(talks(place, *ALL_TO_DONE))
    before = left(place)
    assert not any(json.loads(ok(command("purge", "--json"))).values())
    assert left(place) == before
    assert "updates" in ok(command("purge"))


def test_passwords_and_openings_have_lengths_of_their_own(command: Run, place: Place) -> None:
    """Of storage/passwords.py and storage/openings.py: no setting makes them longer."""
    done(talks(place, "(comes)"))
    now = int(datetime.now(UTC).timestamp())
    fill = (
        ("passwords", "INSERT INTO passwords VALUES (NEW, KEY, AT)", 0),
        (
            "openings",
            "INSERT INTO openings SELECT NEW, (SELECT id FROM guardians WHERE id"
            " NOT IN (SELECT guardian FROM openings) LIMIT 1), KEY, KEY, 0, AT",
            24 * 3600,
        ),
    )

    async def put(statement: str, moment: int) -> None:
        async with open_storage(test_settings(place)) as (opened, _):
            text, parameters = _filled(statement, moment)
            await opened.run(run(text, *parameters))

    for table, statement, kept in fill:
        done(put(statement, now - kept + 60))
        assert json.loads(ok(command("purge", "--json")))[table] == 0
        done(put(statement, now - kept - 60))
        assert json.loads(ok(command("purge", "--json")))[table] == 1
    asked = done(rows(place, "SELECT count(*) FROM outbox WHERE kind = 'account'"))
    assert asked == [(1,)], "what may be there is removed there"


def _filled(text: str, moment: int) -> tuple[str, list[object]]:
    """A statement for a row of this moment, and its parameters: AT, any KEY, a NEW one, a NAME."""
    words = {"AT": moment, "KEY": b"\0", "NEW": str(moment).encode(), "NAME": f"{moment}"}
    found = re.findall(r"\b(?:AT|KEY|NEW|NAME)\b", text)
    return re.sub(r"\b(?:AT|KEY|NEW|NAME)\b", "?", text), [words[word] for word in found]


@pytest.mark.parametrize("table", RULES)
def test_each_length_to_the_second(command: Run, place: Place, table: str) -> None:
    """One row at the limit stays, one a second older goes."""
    length = getattr(Retention(), RULES[table][0])
    limit = datetime.now(UTC) - length
    old, young = (int((limit + timedelta(seconds=s)).timestamp()) for s in (-60, 60))
    fill: dict[str, str] = {
        "updates": "INSERT INTO updates VALUES (NAME, AT)",
        "codes": "INSERT INTO codes (chat, phone_key, salt, hash, real, tries_left, old_pardons,"
        " sent_at, expires_at) VALUES (KEY, KEY, KEY, KEY, 1, 1, 1, AT, AT)",
        "outbox": "INSERT INTO outbox (chat, kind, status, created_at, due_at)"
        " VALUES (KEY, 'reply', 'sent', AT, AT)",
        "tallies": "INSERT INTO tallies VALUES ('k', KEY, KEY, AT)",
        "chats": "INSERT INTO chats SELECT NEW, state, record, address, NULL, AT"
        " FROM chats LIMIT 1",
        "invitations": "INSERT INTO invitations (token_key, guardian, expires_at)"
        " SELECT NEW, min(id), AT FROM guardians",
        "letters": "INSERT INTO letters (code_key, guardian, expires_at)"
        " SELECT NEW, min(id), AT FROM guardians",
        "notices": "INSERT INTO notices SELECT NEW, id, AT FROM accounts",
        "sign_ins": "INSERT INTO sign_ins SELECT id, NEW, AT FROM accounts",
        "school_notes": "INSERT INTO school_notes (about, uai, guardian, pupil, at)"
        " VALUES ('not_mine', '', 1, 1, AT)",
        "guardians": "INSERT INTO guardians (id, uai, source_key, name_key, digest, sealed,"
        " gone_at) SELECT AT, uai, KEY, KEY, KEY, sealed, AT FROM guardians LIMIT 1",
        "pupils": "INSERT INTO pupils (id, uai, source_key, name_key, digest, sealed,"
        " gone_at) SELECT AT, uai, KEY, KEY, KEY, sealed, AT FROM pupils LIMIT 1",
        "audit": "UPDATE audit SET at = AT WHERE id = (SELECT min(id) FROM audit)",
    }
    has_account = table in ("notices", "sign_ins")
    done(talks(place, *(ALL_TO_DONE if has_account else ("(comes)",))))

    async def put(moment: int) -> None:
        async with open_storage(test_settings(place)) as (opened, _):
            text, parameters = _filled(fill[table], moment)
            await opened.run(run(text, *parameters))

    done(put(young))
    assert json.loads(ok(command("purge", "--json")))[table] == 0
    done(put(old))
    assert json.loads(ok(command("purge", "--json")))[table] == 1


def test_what_still_waits_is_not_purged(command: Run, place: Place) -> None:
    done(talks(place, "(comes)", at=datetime.now(UTC) - timedelta(days=60)))

    async def wait() -> None:
        async with open_storage(test_settings(place)) as (opened, _):
            await opened.run(run("UPDATE outbox SET status = 'waiting'"))

    done(wait())
    ok(command("purge"))
    assert (left(place)["chats"], left(place)["outbox"]) == (1, 1)


def test_old_backups_are_deleted(command: Run, database: Path) -> None:
    done(talks(database, "(comes)"))
    write_backup(database, 1)
    [backup] = backups_of(database)
    assert json.loads(ok(command("purge", "--json")))["backups"] == 0
    month_ago = (datetime.now(UTC) - timedelta(days=30, minutes=1)).timestamp()
    os.utime(backup, (month_ago, month_ago))
    assert json.loads(ok(command("purge", "--json")))["backups"] == 1
    assert backups_of(database) == []


# ---- rotate-key ------------------------------------------------------------------------------


def test_a_new_secret_in_the_settings(command: Run, place: Place) -> None:
    done(talks(place, *CODE_OF_MARIE))
    first = command("rotate-key")
    assert first.exit_code == 1
    assert "SESAME_OLD_SECRET" in first.output
    text = ok(command("rotate-key", SESAME_SECRET=NEW, SESAME_OLD_SECRET=SECRET))
    assert "SESAME_OLD_SECRET" in text
    assert "SESAME_SECRET" in failed(command("status"))  # the old one alone
    ok(command("status", SESAME_SECRET=NEW))
    assert ok(command("rotate-key", SESAME_SECRET=NEW, SESAME_OLD_SECRET=SECRET))[:1] == "0"


def test_a_new_secret_beside_the_database(command: Run, database: Path) -> None:
    file = database.with_name(f"{database.name}.secret")
    ok(command("status", SESAME_SECRET=""))
    before = file.read_text()
    ok(command("rotate-key", SESAME_SECRET=""))
    after = file.read_text()
    assert before != after
    assert re.fullmatch("[0-9a-f]{64}", after)
    assert sorted(path.name for path in database.parent.glob("*.secret*")) == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600
    ok(command("status", SESAME_SECRET=""))
    file.write_text(before)
    failed(command("status", SESAME_SECRET=""))


@pytest.mark.parametrize("killed_after", ["set aside", "made anew"])
def test_killed_between_two_secrets(
    command: Run, database: Path, monkeypatch: pytest.MonkeyPatch, killed_after: str
) -> None:
    """Whatever is left on the disk opens, and the next run comes to the end."""
    file = database.with_name(f"{database.name}.secret")
    ok(command("status", SESAME_SECRET=""))
    target: dict[str, str] = {"set aside": "token_hex", "made anew": "secrets_of"}

    def killed(*_: object) -> Any:
        raise KeyboardInterrupt

    calls: list[Callable[..., Any]] = []
    real: Callable[..., Any] = getattr(app, target[killed_after])

    def once_then_killed(*arguments: Any) -> Any:
        calls.append(real)
        if killed_after == "made anew" and len(calls) == 1:
            return real(*arguments)
        return killed()

    with monkeypatch.context() as patch:
        patch.setattr(app, target[killed_after], once_then_killed)
        assert command("rotate-key", SESAME_SECRET="").exit_code == 130
    assert file.with_name(f"{file.name}.old").exists()
    ok(command("status", SESAME_SECRET=""))
    ok(command("rotate-key", SESAME_SECRET=""))
    assert not file.with_name(f"{file.name}.old").exists()
    ok(command("status", SESAME_SECRET=""))
