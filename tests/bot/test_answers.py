"""What the engine answers to questions about accounts, where no dialogue gets to the case."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.answers import Answers, Quick
from bot.rendering import Renderer
from flows import inputs as i
from flows import outputs as o
from flows.policy import DAY, DEFAULT
from flows.secret import Secret
from storage.database import every
from storage.life import Acting
from storage.outbox import SMS, outbox_place
from tests.conversations.roads import ALL_TO_DONE, MARIE
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import CoreParent, core_parent
from tests.helpers.school import LILAS, a_school

FOREIGN = "+33644556677"  # nobody's


class Asked:
    """The engine's answers, with nobody in between."""

    def __init__(self, parent: CoreParent) -> None:
        self.parent = parent
        self.doors = parent.service.doors
        self.offered: list[tuple[Sequence[tuple[str, str]], date]] = []
        self.answers = Answers(
            self.doors, DEFAULT, Renderer(ZoneInfo("Pacific/Noumea")), self._services
        )

    def _services(
        self, schools: Sequence[tuple[str, str]], today: date
    ) -> tuple[i.ServiceOpen, ...]:
        self.offered.append((schools, today))
        return ()

    async def __call__(
        self, question: Quick, place: str = "stranger", now: datetime | None = None
    ) -> object:
        """Ask in a conversation."""
        chat = self.doors.conversations.key(self.parent.beside(place).address)
        acting = Acting(chat, now or self.parent.clock.now)
        return await self.doors.database.run(self.answers.answer(question, acting, "fr"))

    async def texted(self) -> list[str]:
        """Where the SMS go that wait, "" for nowhere."""
        rows = await self.doors.database.run(
            every("SELECT chat, body FROM outbox WHERE kind = ? AND status = 'waiting'", SMS)
        )
        vault = self.doors.accounts.vault
        return [str(vault.open(body, outbox_place(chat))["to"]) for chat, body in rows]


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Asked]:
    async with core_parent(tmp_path / "sesame.sqlite3", a_school()) as parent:
        await Dialogue(parent, "fr").follows(*ALL_TO_DONE)
        parent.clock.passes(days=31)
        yield Asked(parent)


@pytest.mark.parametrize("because", ["known", "letter", "change"])
async def test_no_code_goes_to_any_number_without_a_reason(asked: Asked, because: str) -> None:
    """Without a letter, or an account that is open here, another number gets nothing."""
    answer = await asked(o.RequestCode(FOREIGN, "Dupont", "Marie", because=because))
    assert isinstance(answer, i.CodeOnItsWay)
    assert await asked.texted() == [""]


async def test_whoever_has_the_account_open_may_prove_another_number(asked: Asked) -> None:
    wanted = o.RequestCode(FOREIGN, "Dupont", "Marie", because="change")
    assert isinstance(await asked(wanted, "marie"), i.CodeOnItsWay)
    assert await asked.texted() == [FOREIGN]
    account = await asked.doors.database.run(asked.doors.life.read("m.dupont"))
    assert account is not None
    work = asked.doors.life.freeze("m.dupont", "school", Acting(b"", asked.parent.clock.now))
    await asked.doors.database.run(work)
    asked.parent.clock.passes(days=1)
    await asked(wanted, "marie")
    assert await asked.texted() == [""]


async def test_whoever_holds_a_letter_may_prove_any_number(asked: Asked) -> None:
    database, now = asked.doors.database, asked.parent.clock.now
    letters, _ = await database.run(asked.doors.letters.write("", 0, now + DAY, now, False))
    code = letters[0].code.replace("-", "")
    assert isinstance(await asked(o.CheckLetter(Secret(code))), i.LetterRight)
    wanted = o.RequestCode(FOREIGN, "Dupont", "Marie", because="letter")
    assert isinstance(await asked(wanted), i.CodeOnItsWay)
    assert await asked.texted() == [FOREIGN]
    asked.parent.clock.passes(days=2)
    await asked(wanted)
    assert await asked.texted() == [""]  # the letter is too old by now


async def test_a_letters_link_is_an_invitation_or_nothing(asked: Asked) -> None:
    database, now = asked.doors.database, asked.parent.clock.now
    letters, _ = await database.run(asked.doors.letters.write("", 0, now + DAY, now, False))
    code = letters[0].code.replace("-", "")
    assert isinstance(await asked(o.LookUpInvitation(code)), i.LetterRight)
    assert await asked(o.LookUpInvitation(code), "another") == i.NotInvited()
    assert await asked(o.LookUpInvitation("poster")) == i.NotInvited()


async def test_an_accounts_own_number_is_known(asked: Asked) -> None:
    assert await asked(o.LookUpNumber(FOREIGN)) == i.NumberNotKnown()
    await asked(o.ChangePhone("m.dupont", FOREIGN), "marie")
    assert await asked(o.LookUpNumber(FOREIGN)) == i.NumberTaken(known=True)
    await asked(o.RequestCode(FOREIGN, "Dupont", "Marie"))
    assert await asked.texted() == [FOREIGN]


async def test_who_comes_too_late_is_shown_the_account(asked: Asked) -> None:
    """Two conversations came to the end of one activation."""
    account = await asked.doors.database.run(asked.doors.life.read("m.dupont"))
    assert account is not None
    wanted = o.OpenAccount(account.guardians, account.pupils, *MARIE[:2], account.phone, "digest")
    answer = await asked(wanted)
    assert isinstance(answer, i.AccountExists)
    assert (answer.identifier, answer.status, len(answer.children)) == ("m.dupont", "open", 1)
    elsewhere = o.OpenAccount(account.guardians, account.pupils, *MARIE[:2], FOREIGN, "digest")
    assert await asked(elsewhere) == i.AccountExists("", "moved", last_digits="78")


async def test_services_are_those_of_the_day_at_the_school(asked: Asked) -> None:
    late = datetime(2027, 1, 1, 20, tzinfo=UTC)  # the second of January in Nouméa
    found = await asked(o.ListServices("m.dupont"), "marie", late)
    assert found == i.ServicesFound(())
    assert asked.offered == [((LILAS,), date(2027, 1, 2))]
    assert await asked(o.ListServices("m.dupont")) == i.SignedOut("m.dupont", "others")
