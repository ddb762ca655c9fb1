"""What is counted is what happened, and no label is anything that a parent wrote."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from bot.app import open_storage, run_service
from bot.channel import Reply, TryLater, Undeliverable, said
from bot.engine import Update
from bot.metrics import Metrics, count
from bot.seen import Outcome
from bot.sms import Sms, SmsRefused, Taken
from flows import inputs as i
from flows.refusals import Reason
from flows.states import S
from storage import accounts
from storage.database import StorageError, every
from tests.conversations.roads import CODE_OF_MARIE, everybody
from tests.flows.hostile import LONG_TEXTS
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreBot, CoreParent, Phone, test_settings


@pytest.fixture(autouse=True)
def _quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_MEMORY_KIB", 8)


class Outside(CoreBot):
    """The channel and the SMS provider, with what goes wrong there."""

    fault: Exception | None = None

    async def send(self, place: str, reply: Reply, instead: str | None = None) -> str | None:
        if self.fault:
            raise self.fault
        return await super().send(place, reply)


class Provider(Phone):
    """An SMS provider that may fail."""

    fault: BaseException | None = None

    async def send(self, sms: Sms) -> Taken:
        if self.fault:
            raise self.fault
        return await super().send(sms)


@dataclass
class Counted:
    """A parent at a service that is counted."""

    outside: Outside
    provider: Provider
    metrics: Metrics
    marie: Dialogue[CoreParent]

    async def reads(self, name: str, **labels: str) -> float | None:
        """One number of the page."""
        service = self.outside.service
        database = service.doors.database
        self.metrics.counts = await database.prepare(count(service.doors, service.now()))
        self.metrics.database_errors = database.failures
        for sample in self.samples():
            if (sample.name, sample.labels) == (f"sesame_{name}", labels):
                return float(sample.value)
        return None

    def samples(self) -> list[Sample]:
        page = self.metrics.page().decode()
        families = text_string_to_metric_families(page)
        return [sample for family in families for sample in family.samples]


@asynccontextmanager
async def service(path: Path) -> AsyncIterator[Counted]:
    settings, metrics, provider = test_settings(path), Metrics(), Provider()
    await everybody().fills_file(path, settings)
    outside = Outside(settings, Clock(), provider)
    async with (
        open_storage(settings) as (database, vault),
        run_service(
            *(settings, database, vault, {"core": outside}, provider, outside.clock),
            observe=metrics.observe,
        ) as outside.service,
    ):
        await outside.service.delivery.look()
        marie = Dialogue(CoreParent(outside, "marie", "fr"), "fr")
        yield Counted(outside, provider, metrics, marie)


@pytest.fixture
async def counted(tmp_path: Path) -> AsyncIterator[Counted]:
    async with service(tmp_path / "sesame.sqlite3") as opened:
        yield opened


async def test_a_pause_is_counted_while_it_lasts(counted: Counted) -> None:
    marie = counted.marie
    await marie.follows(*CODE_OF_MARIE, *["(wrong code)"] * 5, "(wait 61s)", "[resend]")
    assert await counted.reads("locks_total") == 0
    await marie.follows(*["(wrong code)"] * 5)
    await marie.says("bonjour")
    marie.hears("locked")
    assert await counted.reads("locks_total") == 1
    assert await counted.reads("refusals_total", cause="locked") == 1
    assert await counted.reads("refusals_total", cause="too_many_tries") == 1
    assert await counted.reads("refusals_total", cause="code_wrong") == 8
    assert await counted.reads("refusals_total", cause="code_cancelled") == 1
    assert await counted.reads("chats_locked") == 1
    counted.outside.clock.passes(minutes=16)
    assert await counted.reads("chats_locked") == 0
    assert await counted.reads("conversations", state="locked") == 1  # she has not come back yet


async def test_a_turn_that_fails_is_counted(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistake(*_: object) -> None:
        raise KeyError

    with monkeypatch.context() as patch:
        patch.setattr("bot.engine.step", mistake)
        await counted.marie.says("bonjour")
    assert await counted.reads("turns_total", state="unknown", outcome="failed") == 1


async def test_faults_of_the_database_are_counted(counted: Counted, tmp_path: Path) -> None:
    doors = counted.outside.service.doors
    await doors.database.prepare(every("PRAGMA busy_timeout = 20"))
    other = sqlite3.connect(tmp_path / "sesame.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError):
        await counted.marie.says("bonjour")
    other.close()
    assert await counted.reads("database_errors_total") == 1
    assert await counted.reads("turns_total", state="unknown", outcome="failed") == 1


FATES = [
    (SmsRefused("no_such_number", final=True), "refused"),
    (TimeoutError(), "unclear"),
    (None, "sent"),
]


@pytest.mark.parametrize(("fault", "status"), FATES, ids=[status for _, status in FATES])
async def test_the_fate_of_an_sms_is_counted(
    counted: Counted, fault: Exception | None, status: str
) -> None:
    counted.provider.fault = fault
    await counted.marie.follows(*CODE_OF_MARIE)
    fates = ("sent", "refused", "unclear", "expired", "silent")
    found = {fate: await counted.reads("sms_total", status=fate) for fate in fates}
    assert found == dict.fromkeys(fates, 0) | {status: 1}
    assert await counted.reads("sms_budget_used") == 1 / 200


async def test_an_sms_that_nobody_gets_is_silent(counted: Counted) -> None:
    await counted.marie.follows(*CODE_OF_MARIE[:3], "Inconnue", "Marie", "07 51 23 45 99", "[yes]")
    assert await counted.reads("sms_total", status="silent") == 1
    assert await counted.reads("sms_total", status="sent") == 0
    assert await counted.reads("sms_budget_used") == 0


async def test_an_sms_under_way_at_a_crash_is_unclear(tmp_path: Path) -> None:
    path = tmp_path / "sesame.sqlite3"
    async with service(path) as first:
        first.provider.fault = asyncio.CancelledError()  # killed before the provider answers
        await first.marie.follows(*CODE_OF_MARIE)
    async with service(path) as second:
        assert await second.reads("sms_total", status="unclear") == 1


async def test_a_parent_who_cannot_be_reached(counted: Counted) -> None:
    counted.outside.fault = Undeliverable()
    await counted.marie.says("bonjour")
    assert await counted.reads("replies_total", status="refused") == 1
    assert await counted.reads("outbox_waiting") == 0


async def test_the_outbox_ages(counted: Counted) -> None:
    assert await counted.reads("outbox_waiting") == 0
    counted.outside.fault = TryLater(120)
    running = counted.outside.service
    await running.engine.take(Update(counted.marie.parent.address, said("bonjour")))
    tried = "SELECT id FROM outbox WHERE attempts = 1"
    async with asyncio.timeout(10):
        while not await running.doors.database.prepare(every(tried)):
            pass
    counted.outside.clock.passes(seconds=100)
    assert await counted.reads("outbox_waiting") == 1
    assert await counted.reads("outbox_age_seconds") == 100
    assert await counted.reads("outbox_overdue_seconds") == 0  # it is to be tried again later
    counted.outside.clock.passes(seconds=50)
    assert await counted.reads("outbox_age_seconds") == 150
    assert await counted.reads("outbox_overdue_seconds") == 30


async def test_no_label_is_a_persons(counted: Counted) -> None:
    """Whatever is typed, every label is of a closed list."""
    await counted.marie.follows(*CODE_OF_MARIE, "(code)")
    for text in (PASSWORD, *LONG_TEXTS[:3], '"}\n', "état", "14/03/2014"):
        await counted.marie.says(text)
    await counted.marie.parent.does(i.Pressed('x"} 1', 3))
    await counted.reads("accounts")
    closed = {state.value for state in S} | {outcome.value for outcome in Outcome} | {"unknown"}
    closed |= {reason.value for reason in Reason}
    closed |= {"sent", "refused", "unclear", "expired", "silent"}
    closed |= {"handed_over", "undelivered", "delivered", "dropped"}
    for sample in counted.samples():
        for label, value in sample.labels.items():
            assert value in closed or label == "le", (sample.name, label, value)
