"""Kannel for real: bearerbox and smsbox, a centre behind them, and reports to our own server."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bot.sms import Report, Sms, SmsFault, SmsRefused, Status
from bot.sms.choosing import sms_sender
from bot.sms.http import HttpSms
from bot.web.reports import routes
from bot.web.server import application, listening
from flows.states import S
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import CODE_OF_MARIE
from tests.helpers.parent import test_settings
from tests.servers.kannel import MISSING, PASSWORD, FakeCentre, Kannel, running
from tests.servers.running import free_port
from tests.servers.smpp import Centre

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

HERE = "+33612345678"
TEXT = "482913 est votre code Sésame, valable 30 minutes. Écrivez-le ici."


async def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for it."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - another program does it
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def kannel() -> Iterator[Kannel]:
    """Kannel with the centre of its own tests."""
    with TemporaryDirectory() as folder, running(Path(folder)) as kannel:
        centre = FakeCentre(Path(folder), kannel.centre)
        centre.start()
        try:
            yield kannel
        finally:
            centre.stop()


def shown(kannel: Kannel) -> str:
    """What the fake centre says that it got."""
    return (kannel.folder / "fakesmsc.log").read_text("utf-8", "replace")


@dataclass
class Desk:
    """A sender that runs, with the page for its reports."""

    sender: HttpSms
    heard: list[Report]

    def of(self, name: str | None) -> list[Status]:
        """What was reported of this SMS."""
        return [report.status for report in self.heard if report.message == name]


@asynccontextmanager
async def desk(
    kannel: Kannel, while_away: Callable[[HttpSms], Awaitable[object]] | None = None
) -> AsyncIterator[Desk]:
    """Run the sender of this Kannel, and answer to its reports; first do what is done without."""
    address = f"127.0.0.1:{free_port()}"
    settings = test_settings(Path("unused"), sms=kannel.url, listen=address)
    sender, heard = sms_sender(settings, lambda _to, _text: None), list[Report]()
    assert isinstance(sender, HttpSms)

    async def hear(report: Report) -> None:
        heard.append(report)

    async with sender.running(hear, lambda purpose: purpose.replace(" ", "-") + "-token"):
        if while_away is not None:
            await while_away(sender)
        async with listening(address, application(routes(sender))):
            yield Desk(sender, heard)


def sms(text: str = TEXT, to: str = HERE) -> Sms:
    return Sms(1, to, text, datetime.now(UTC) + timedelta(minutes=30))


async def test_it_arrives_and_is_reported(kannel: Kannel) -> None:
    async with desk(kannel) as own:
        await until(lambda: "Connecting" in shown(kannel))
        taken = await own.sender.send(sms())
        assert taken.sender == "kannel"
        await until(lambda: Status.DELIVERED in own.of(taken.message))
        assert own.of(taken.message) == [Status.HANDED_OVER, Status.DELIVERED]
        assert f"<Sesame {HERE} text {TEXT}>" in shown(kannel)
        assert shown(kannel).count(TEXT) == 1


async def test_reports_that_come_while_we_are_away_are_repeated(kannel: Kannel) -> None:
    """As docs/deploy/kannel.conf sets it up: between two runs of ours nothing is lost."""

    async def sends(sender: HttpSms) -> None:
        before = shown(kannel).count(TEXT)
        await sender.send(sms())
        await until(lambda: shown(kannel).count(TEXT) > before)
        await asyncio.sleep(0.5)  # it has tried to tell us

    async with desk(kannel, sends) as own:
        both = {Status.HANDED_OVER, Status.DELIVERED}
        await until(lambda: {report.status for report in own.heard} == both)


async def test_what_the_phones_alphabet_does_not_have_arrives_too(kannel: Kannel) -> None:
    async with desk(kannel) as own:
        taken = await own.sender.send(sms("111111 reçu"))
        await until(lambda: Status.DELIVERED in own.of(taken.message))
        assert "ucs-2" in shown(kannel)
        assert "%00%E7%00u" in shown(kannel)


async def test_sesame_doctor_knows_whether_it_would_send(kannel: Kannel) -> None:
    before = shown(kannel)
    async with desk(kannel) as own:
        assert await own.sender.check() is None
    assert shown(kannel) == before  # nothing was sent for that


async def test_a_wrong_password(kannel: Kannel) -> None:
    settings = test_settings(Path("unused"), sms=kannel.url.replace(PASSWORD, "another"))
    sender = sms_sender(settings, lambda _to, _text: None)
    with pytest.raises(SmsFault, match="does not know this user and password"):
        await sender.check()
    with pytest.raises(SmsRefused) as refused:
        await sender.send(sms())
    assert (refused.value.kind, refused.value.final) == ("account", False)


async def test_a_parent_gets_the_code_and_hears_of_it(
    kannel: Kannel, meet_core: MeetCore, lang: str, stack: AsyncExitStack
) -> None:
    """The whole way: engine, outbox, Kannel, centre, report, conversation."""
    address = f"127.0.0.1:{free_port()}"
    settings = test_settings(Path("unused"), sms=kannel.url, listen=address)
    sender = sms_sender(settings, lambda _to, _text: None)
    parent = await meet_core(lang=lang, sms=sender)
    await stack.enter_async_context(listening(address, application(routes(sender))))
    await parent.follows(*CODE_OF_MARIE[:5])
    await parent.parent.shares_own_number(HERE)
    await parent.follows("[yes]")
    await parent.parent.service.delivery.settle()
    outbox = parent.parent.service.doors.outbox
    chat = parent.parent.service.doors.conversations.key(parent.parent.address)

    async def known() -> str:
        found = outbox.sms_found(chat, code=True)
        return (await parent.parent.service.doors.database.run(found)).state

    await eventually(known, "delivered")
    await parent.follows("[nothing_arrives]")
    parent.hears("no_sms.delivered")
    (code,) = re.findall(r"\b([0-9]{6}) (?:est votre|is your)", shown(kannel))[-1:]
    await parent.follows(code)
    parent.is_asked(S.PASSWORD)


async def eventually(look: Callable[[], Awaitable[str]], wanted: str) -> None:
    """Wait for what is to come."""
    async with asyncio.timeout(20):
        while await look() != wanted:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)


def left(kannel: Kannel, folder: Path) -> list[str]:
    """Files of Kannel that hold the code, and are not the centre's own."""
    files = [file for file in folder.rglob("*") if file.is_file() and "fakesmsc" not in file.name]
    return [file.name for file in files if b"482913" in file.read_bytes()]


async def test_its_files_keep_no_code(kannel: Kannel) -> None:
    """As docs/sms.md sets it up: warnings only in the logs; the store forgets what was sent."""
    async with desk(kannel) as own:
        taken = await own.sender.send(sms())
        await until(lambda: Status.DELIVERED in own.of(taken.message))
        await until(lambda: left(kannel, kannel.folder) == [], 30)


# ---- over SMPP, and killed -------------------------------------------------------------------


async def test_it_is_killed_while_an_sms_waits(tmp_path: Path) -> None:
    """kill -9 of bearerbox: the message leaves after its restart, and its report comes, too."""
    centre_port = free_port()
    with running(tmp_path, centre=centre_port) as kannel:
        async with desk(kannel) as own:
            async with Centre(centre_port) as centre:
                await until(lambda: centre.esme)
                centre.verdicts = [0x58] * 3  # it is kept, and tried again
                taken = await own.sender.send(sms())
                await until(lambda: centre.submitted)
                kannel.bearerbox.kill()
                assert own.of(taken.message) == []
            kannel.smsbox.kill()
            kannel.start()
            async with Centre(centre_port) as centre:
                await until(lambda: centre.accepted, 40)
                assert TEXT[:30] in centre.accepted[0].text
                await until(lambda: Status.HANDED_OVER in own.of(taken.message))
                # Once more, between "taken" and the receipt: what is to be reported is on disk.
                kannel.bearerbox.kill()
                kannel.smsbox.kill()
                kannel.start()
                await until(lambda: centre.bound > 1, 40)
                await centre.reports(centre.accepted[0], "DELIVRD")
                await until(lambda: Status.DELIVERED in own.of(taken.message))
                assert len(centre.accepted) == 1


async def test_the_operator_refuses_the_number(tmp_path: Path) -> None:
    """Kannel has taken it by then: so it is a report, and no refusal."""
    centre_port = free_port()
    with running(tmp_path, centre=centre_port) as kannel:
        async with desk(kannel) as own, Centre(centre_port) as centre:
            await until(lambda: centre.esme)
            centre.verdicts = [0x0B]
            taken = await own.sender.send(sms())
            await until(lambda: Status.UNDELIVERED in own.of(taken.message))
