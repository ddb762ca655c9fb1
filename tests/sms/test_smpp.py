"""SMPP straight to an operator, against two unrelated centres."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
import smpp34
from aiosmpplib import SubmitSm

from bot.settings import BadSetting
from bot.sms import Report, Sms, SmsFault, SmsRefused, SmsUnclear, Status
from bot.sms.choosing import sms_sender
from bot.sms.smpp import SmppSms
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import CODE_OF_MARIE
from tests.helpers.parent import test_settings
from tests.servers.running import free_port
from tests.servers.smpp import NODE_MISSING, Centre, NodeCentre
from tests.sms.test_kannel import HERE, TEXT, until

AnyCentre = Centre | NodeCentre

NODE = pytest.mark.skipif(NODE_MISSING is not None, reason=str(NODE_MISSING))
BOTH = [pytest.param(Centre, id="smpp34"), pytest.param(NodeCentre, id="node", marks=NODE)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tries again sooner."""
    monkeypatch.setattr("bot.sms.smpp.AGAIN_AFTER", 50)
    monkeypatch.setattr("bot.sms.smpp.DOUBLED", 1)


def sender_at(
    port: int, password: str = "centre", more: str = "from=Sesame", user: str = "sesame"
) -> SmppSms:
    url = f"smpp://{user}:{password}@127.0.0.1:{port}?{more}"
    sender = sms_sender(test_settings(Path("unused"), sms=url), lambda _to, _text: None)
    assert isinstance(sender, SmppSms)
    return sender


@asynccontextmanager
async def running(sender: SmppSms) -> AsyncIterator[list[Report]]:
    """The sender, and what is reported meanwhile."""
    heard: list[Report] = []

    async def hear(report: Report) -> None:
        heard.append(report)

    async with sender.running(hear, lambda purpose: purpose):
        yield heard


async def orders(centre: AnyCentre, *verdicts: int) -> None:
    """What the centre is to answer next."""
    if isinstance(centre, Centre):
        centre.verdicts.extend(verdicts)
    else:
        await centre.orders(verdicts=verdicts)
        await asyncio.sleep(0.2)


def sms(text: str = TEXT, minutes: int = 30, parcel: int = 1) -> Sms:
    return Sms(parcel, HERE, text, datetime.now(UTC) + timedelta(minutes=minutes))


@pytest.mark.parametrize("kind", BOTH)
async def test_it_is_taken_and_reported(kind: Callable[[int], AnyCentre]) -> None:
    async with kind(free_port()) as centre:
        sender = sender_at(centre.port)
        async with running(sender) as heard:
            taken = await sender.send(sms())
            await until(lambda: centre.accepted)
            (one,) = centre.accepted
            assert (taken.sender, taken.message) == ("smpp", f"sesame/{one.name}")
            assert (one.to, one.source) == ("33612345678", "Sesame")
            await centre.reports(one, "ENROUTE")
            await centre.reports(one, "DELIVRD")
            await until(lambda: len(heard) == 2)
            assert heard == [
                Report("smpp", f"sesame/{one.name}", Status.HANDED_OVER),
                Report("smpp", f"sesame/{one.name}", Status.DELIVERED),
            ]


@NODE
async def test_the_text_arrives_whole_and_says_how_long_it_is_of_use() -> None:
    async with NodeCentre(free_port()) as centre:
        sender = sender_at(centre.port)
        async with running(sender):
            for text in (TEXT, "111111 reçu, ça va ?"):
                await sender.send(sms(text))
            await until(lambda: len(centre.accepted) == 2)
            assert [one.text for one in centre.accepted] == [TEXT, "111111 reçu, ça va ?"]
            assert all(one.validity not in ("", "undefined") for one in centre.accepted)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("status", "word", "final"),
    [(0x0B, "number", True), (0x58, "busy", False), (0x14, "busy", False), (0x08, "down", False)],
)
async def test_it_is_refused(
    kind: Callable[[int], AnyCentre], status: int, word: str, final: bool
) -> None:
    async with kind(free_port()) as centre:
        sender = sender_at(centre.port)
        async with running(sender):
            await until(lambda: centre.bound)
            await orders(centre, status)
            with pytest.raises(SmsRefused) as refused:
                await sender.send(sms())
            assert (refused.value.kind, refused.value.final) == (word, final)
            await sender.send(sms())  # and the next one is taken
            await until(lambda: len(centre.accepted) == 1)


async def test_what_was_throttled_is_tried_again_by_the_outbox(
    meet_core: MeetCore, lang: str, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.carriers.texting.AGAIN", 0.1)
    centre = await stack.enter_async_context(Centre(free_port()))
    parent = await meet_core(lang=lang, sms=sender_at(centre.port))
    await until(lambda: centre.bound)
    centre.verdicts = [0x58, 0x58]
    await parent.follows(*CODE_OF_MARIE)
    await until(lambda: centre.accepted)
    assert len(centre.submitted) == 3
    assert len({one.text for one in centre.submitted}) == 1
    await parent.parent.service.delivery.settle()
    parent.hears("code.late")


@NODE
async def test_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the parent's fault, and not for ever: it is told to whoever runs it."""
    monkeypatch.setattr("bot.sms.smpp.LEAVES", 1.0)
    async with NodeCentre(free_port()) as centre:
        sender = sender_at(centre.port, "wrong")
        with pytest.raises(SmsFault, match="does not know this system id and password"):
            await sender.check()
        async with running(sender):
            with pytest.raises(SmsRefused) as refused:
                await sender.send(sms())
            assert (refused.value.kind, refused.value.final) == ("account", False)
            assert centre.submitted == []
        assert await sender_at(centre.port).check() is None


@NODE
async def test_the_centre_dies_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was never on the line is sent by nobody but who asks again. (kill -9 of node.)"""
    monkeypatch.setattr("bot.sms.smpp.LEAVES", 1.0)
    port = free_port()
    sender = sender_at(port)
    async with running(sender):
        with pytest.raises(SmsRefused) as refused:
            await sender.send(sms())
        assert (refused.value.kind, refused.value.final) == ("down", False)
        with pytest.raises(SmsFault, match="is not reached"):
            await sender_at(port).check()
        for _ in range(2):
            async with NodeCentre(port) as centre:
                await until(lambda: centre.bound)
                await asyncio.sleep(0.3)
                assert centre.submitted == []
                await sender.send(sms())
                await until(lambda: len(centre.accepted) == 1)
            await asyncio.sleep(0.1)
            with pytest.raises(SmsRefused):  # it is seen at once that nobody is there
                await sender.send(sms())


async def test_what_was_said_not_to_have_left_never_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long it was held up on its way to the line: the outbox sends it anew."""
    monkeypatch.setattr("bot.sms.smpp.LEAVES", 0.2)
    async with Centre(free_port()) as centre:
        sender = sender_at(centre.port)
        async with running(sender):
            await sender.send(sms("111111"))
            session = sender._session
            assert session is not None
            session._bound.clear()  # the library takes the next one, and then waits for this
            with pytest.raises(SmsRefused) as refused:
                await sender.send(sms("222222"))
            assert (refused.value.kind, refused.value.final) == ("down", False)
            session._bound.set()
            await sender.send(sms("333333"))
            assert [one.text for one in centre.submitted] == ["111111", "333333"]


async def test_one_that_was_throttled_does_not_hold_the_others_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By itself the library would send nothing for minutes, once it has seen fifty answers."""
    monkeypatch.setattr("bot.sms.smpp.LEAVES", 0.5)
    async with Centre(free_port()) as centre:
        sender = sender_at(centre.port)
        async with running(sender):
            await until(lambda: centre.bound)
            centre.verdicts = [0x58]
            for _ in range(2):
                sendings = (sender.send(sms()) for _ in range(30))
                await asyncio.gather(*sendings, return_exceptions=True)
            await sender.send(sms())
            assert len(centre.accepted) == 60
            gc.collect()
            kept = [one for one in gc.get_objects() if isinstance(one, SubmitSm)]
            assert len(kept) < 5  # it would keep numbers and texts for days, in case of a receipt


async def test_no_answer_means_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.sms.smpp.ANSWERS", 0.3)
    async with Centre(free_port(), silent=True) as centre:
        sender = sender_at(centre.port)
        async with running(sender):
            with pytest.raises(SmsUnclear):
                await sender.send(sms())
            await asyncio.sleep(0.5)
            assert len(centre.submitted) == 1


@NODE
async def test_a_connection_that_is_cut_means_that_nobody_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The centre took it, and is gone before it says so."""
    monkeypatch.setattr("bot.sms.smpp.ANSWERS", 1.0)
    async with Centre(free_port(), silent=True) as centre:
        sender = sender_at(centre.port)
        async with running(sender):
            sending = asyncio.create_task(sender.send(sms()))
            await until(lambda: centre.submitted)
            await centre.__aexit__(None, None, None)
            with pytest.raises(SmsUnclear):
                await sending
        await centre.__aenter__()


# ---- receipts --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("error", ["000", "e1A", "0x0b", "-", "SYS:1"])
async def test_receipts_of_operators_who_write_letters(
    kind: Callable[[int], AnyCentre], error: str
) -> None:
    """The library would drop the connection over `err:` that is no number."""
    async with kind(free_port()) as centre:
        sender = sender_at(centre.port)
        async with running(sender) as heard:
            await sender.send(sms())
            await until(lambda: centre.accepted)
            await centre.reports(centre.accepted[0], "UNDELIV", error)
            await until(lambda: heard)
            assert heard == [
                Report("smpp", f"sesame/{centre.accepted[0].name}", Status.UNDELIVERED)
            ]
            await sender.send(sms())
            assert centre.bound == 1


@pytest.mark.parametrize("kind", BOTH)
async def test_a_receipt_that_comes_after_our_restart(
    kind: Callable[[int], AnyCentre], meet_core: MeetCore, lang: str, stack: AsyncExitStack
) -> None:
    """It is found by the centre's own name for it, which the outbox keeps."""
    centre = cast(AnyCentre, await stack.enter_async_context(kind(free_port())))
    parent = await meet_core(lang=lang, sms=sender_at(centre.port))
    await until(lambda: centre.bound)
    await parent.follows(*CODE_OF_MARIE[:5])
    await parent.parent.shares_own_number(HERE)
    await parent.follows("[yes]")
    await parent.parent.service.delivery.settle()
    await until(lambda: centre.accepted)
    await parent.follows("(restart)")
    await until(lambda: centre.bound == 2)
    await asyncio.sleep(0.1)
    parent.parent.replies.clear()
    await centre.reports(centre.accepted[0], "REJECTD", "XYZ")
    await until(lambda: parent.reads)
    parent.hears("no_sms.undelivered")


async def test_two_operators_who_count_alike() -> None:
    """The receipt of one is not taken for that of the other's SMS."""
    async with Centre(free_port()) as one, Centre(free_port()) as other:
        first, second = sender_at(one.port), sender_at(other.port, user="school")
        async with running(first) as heard, running(second):
            names = [(await sender.send(sms())).message for sender in (first, second)]
            assert one.accepted[0].name == other.accepted[0].name
            assert names[0] != names[1]
            await one.reports(one.accepted[0], "DELIVRD")
            await until(lambda: heard)
            assert heard[0].message == names[0]


async def test_a_receipt_that_writes_the_name_in_another_base() -> None:
    """Old centres: hexadecimal when they take it, decimal (and long) in the receipt."""
    async with Centre(free_port()) as centre:
        sender = sender_at(centre.port, more="from=Sesame&ids=hex")
        async with running(sender) as heard:
            taken = await sender.send(sms())
            (one,) = centre.accepted
            assert (one.name, taken.message) == ("A0000", "sesame/655360")
            await centre.reports(replace(one, name="0000655360"), "DELIVRD")
            await until(lambda: heard)
            assert heard == [Report("smpp", "sesame/655360", Status.DELIVERED)]


async def test_a_receipt_in_parameters_of_its_own() -> None:
    """Some centres write no text: the name and the state stand in TLVs."""
    async with Centre(free_port()) as centre:
        sender = sender_at(centre.port)
        async with running(sender) as heard:
            await sender.send(sms())
            (one,) = centre.accepted
            assert centre.esme is not None
            for state, status in ((b"\x05", Status.UNDELIVERED), (b"\x02", Status.DELIVERED)):
                await centre.esme.deliver_sm(
                    "Sesame",
                    b"-",
                    source_addr=one.to,
                    esm_class=4,
                    tlvs=[
                        smpp34.Tlv(0x1400, b"\xff of the operator's own"),
                        smpp34.Tlv(0x001E, one.name.encode() + b"\0"),
                        smpp34.Tlv(0x0427, state),
                    ],
                )
                await until(lambda: heard)
                assert heard.pop() == Report("smpp", f"sesame/{one.name}", status)
            await sender.send(sms())
            assert centre.bound == 1


async def test_what_a_person_writes_to_our_number_is_no_receipt() -> None:
    async with Centre(free_port()) as centre:
        sender = sender_at(centre.port)
        async with running(sender) as heard:
            await sender.send(sms())
            (one,) = centre.accepted
            assert centre.esme is not None
            text = f"id:{one.name} stat:UNDELIV err:000 text:-".encode()
            await centre.esme.deliver_sm("Sesame", text, source_addr=one.to, esm_class=0)
            await centre.esme.deliver_sm("Sesame", b"hello", source_addr=one.to, esm_class=4)
            await centre.reports(one, "DELIVRD")
            await until(lambda: heard)
            assert [report.status for report in heard] == [Status.DELIVERED]


# ---- no secret -------------------------------------------------------------------------------


async def test_nothing_is_printed_or_logged(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Centre(free_port()) as centre:
        sender = sender_at(centre.port)
        async with running(sender):
            await sender.send(sms())
            centre.verdicts = [0x0B]
            with pytest.raises(SmsRefused):
                await sender.send(sms())
    written = caplog.text + "".join(capfd.readouterr())
    for secret in ("482913", HERE[1:], "sesame:centre"):
        assert secret not in written
    assert "centre" not in repr(sender)


@pytest.mark.parametrize(
    "url",
    [
        "smpp://sesame:ninechars@here",
        "smpp://sixteencharacters:pw@here",
        "smpp://:pw@here",
        "smpp://a:pw@",
        "smpp://sesame:mötdepa@here",
        "smpp://sesame:pw@here:99999",
        "smpp://sesame:pw@here?from=much-too-long-a-name",
        "smpp://sesame:pw@here?type=much-too-long-a-type",
        "smpp://sesame:pw@here?ids=octal",
    ],
)
def test_what_smpp_has_no_room_for(url: str) -> None:
    with pytest.raises(BadSetting) as wrong:
        sms_sender(test_settings(Path("unused"), sms=url), lambda _to, _text: None)
    assert str(wrong.value).startswith("SESAME_SMS: ")
    for secret in ("ninechars", "mötdepa", ":pw"):
        assert secret not in str(wrong.value)
