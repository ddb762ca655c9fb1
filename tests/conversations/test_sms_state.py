"""What a parent is told of their SMS (issue 5; RELIABILITY T23; I10)."""

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from bot.sms import Report, Sms, SmsRefused, SmsUnclear, Status, Taken
from flows.states import S
from storage.database import every, run
from storage.outbox import SMS
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import ALL_TO_DONE, CODE_OF_MARIE, MARIE, everybody
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import CoreParent, Phone, core_parent

if TYPE_CHECKING:
    from tests.helpers.postgres import Postgres

OWN = "+33612345678"
TO_PHONE = CODE_OF_MARIE[:5]


class Provider(Phone):
    """Phones behind a provider that can be told what to say."""

    says: Exception | None = None
    hangs: asyncio.Event | None = None

    async def send(self, sms: Sms) -> Taken:
        """Take it, unless something else was ordered."""
        if self.hangs is not None:
            self.hangs.set()
            await asyncio.Event().wait()
        if self.says is not None:
            raise self.says
        return await super().send(sms)


async def shares(meet_core: MeetCore, lang: str, **own: object) -> Dialogue[CoreParent]:
    """Marie shares her own number, and asks for the code."""
    parent = await meet_core(lang=lang, sms=Provider(), **own)
    await parent.follows(*TO_PHONE)
    await parent.parent.shares_own_number(OWN)
    return parent


def provider(parent: Dialogue[CoreParent]) -> Provider:
    found = parent.sms
    assert isinstance(found, Provider)
    return found


async def reports(parent: Dialogue[CoreParent], *statuses: Status, of: int | None = None) -> None:
    """The provider reports of the SMS at this place, or of the last one; told one by one."""
    parent.parent.replies.clear()
    name = str(len(parent.sms.received) if of is None else of)
    for status in statuses:
        await parent.parent.service.reports.hear(Report("phone", name, status))
        await parent.parent.service.reports.settle()
    await parent.parent.service.delivery.settle()


# ---- the parent's own number, which the school has -------------------------------------------


async def test_when_it_was_handed_over_and_delivered(meet_core: MeetCore, lang: str) -> None:
    parent = await shares(meet_core, lang)
    await parent.follows("[yes]")
    handed = parent.clock.now
    await parent.follows("(wait 2m)", "[nothing_arrives]")
    parent.hears("no_sms.handed_over", at=handed)
    parent.is_asked(S.NO_SMS)
    await reports(parent, Status.HANDED_OVER)
    assert parent.reads == ""
    await parent.follows("[back]", "(wait 1m)", "[nothing_arrives]")
    parent.hears("no_sms.handed_over", at=handed)
    await reports(parent, Status.DELIVERED)
    assert parent.reads == ""
    delivered = parent.clock.now
    await parent.follows("[back]", "(wait 1m)", "[nothing_arrives]")
    parent.hears("no_sms.delivered", at=delivered)
    await parent.follows("(code)")
    parent.hears("code.right")


async def test_a_refusal_is_told_at_once(meet_core: MeetCore, lang: str) -> None:
    parent = await shares(meet_core, lang)
    provider(parent).says = SmsRefused("number", final=True)
    await parent.follows("[yes]")
    await parent.parent.service.delivery.settle()
    parent.hears("no_sms.refused")
    parent.is_asked(S.NO_SMS)
    assert parent.offers("other_number")
    await parent.follows("[back]", "[nothing_arrives]")
    parent.hears("no_sms.refused")


async def test_what_did_not_arrive_is_told_at_once_and_once(meet_core: MeetCore, lang: str) -> None:
    parent = await shares(meet_core, lang)
    await parent.follows("[yes]", "(wait 1m)")
    await reports(parent, Status.UNDELIVERED)
    parent.hears("no_sms.undelivered")
    parent.is_asked(S.NO_SMS)
    await reports(parent, Status.UNDELIVERED)
    assert parent.reads == ""
    await parent.follows("[back]", "[nothing_arrives]")
    parent.hears("no_sms.undelivered")


@pytest.mark.parametrize(
    ("says", "key"),
    [
        (SmsRefused("busy", final=False), "no_sms.waiting"),
        (SmsUnclear("no_answer"), "no_sms.unclear"),
    ],
)
async def test_a_provider_that_is_ill(
    meet_core: MeetCore, lang: str, says: Exception, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.carriers.texting.AGAIN", 600)
    parent = await shares(meet_core, lang)
    provider(parent).says = says
    await parent.follows("[yes]", "[nothing_arrives]")
    parent.hears(key)


async def test_it_came_too_late_to_be_sent(meet_core: MeetCore, lang: str) -> None:
    parent = await shares(meet_core, lang)
    await parent.follows("[yes]")
    doors = parent.parent.service.doors
    chat = doors.conversations.key(parent.parent.address)
    text = {"to": OWN, "text": "123456"}
    now = parent.clock.now
    await doors.database.run(doors.outbox.add(chat, SMS, text, now, now))
    parent.parent.service.delivery.post(chat)
    await parent.parent.service.delivery.settle()
    await parent.follows("[nothing_arrives]")
    parent.hears("no_sms.expired")


async def test_a_report_of_the_code_before_is_not_told(meet_core: MeetCore, lang: str) -> None:
    parent = await shares(meet_core, lang)
    await parent.follows("[yes]", "(wait 1m)", "[resend]")
    again = parent.clock.now
    await reports(parent, Status.UNDELIVERED, of=1)
    assert parent.reads == ""
    await parent.follows("[nothing_arrives]")
    parent.hears("no_sms.handed_over", at=again)


async def test_who_has_gone_on_is_not_disturbed(meet_core: MeetCore, lang: str) -> None:
    parent = await shares(meet_core, lang)
    await parent.follows("[yes]", "(code)")
    await reports(parent, Status.UNDELIVERED)
    assert parent.reads == ""
    parent = await shares_again(parent)
    await reports(parent, Status.UNDELIVERED)
    assert parent.reads == ""


async def shares_again(parent: Dialogue[CoreParent]) -> Dialogue[CoreParent]:
    """The same parent types another number after all."""
    await parent.follows("/start", "[restart]", "[parent]", "[activate]", *MARIE[:2])
    await parent.parent.shares_own_number(OWN)
    await parent.follows("06 98 76 54 32", "(wait 2m)", "[yes]")
    parent.is_asked(S.CODE)
    return parent


@pytest.mark.parametrize("way", ["typed at once", "typed after sharing", "not trusted"])
async def test_otherwise_nothing_is_said_of_it(meet_core: MeetCore, lang: str, way: str) -> None:
    """It would tell that the number is in the register."""
    parent = await shares(meet_core, lang, trust_shared_contact=way != "not trusted")
    if way == "typed at once":
        await parent.follows("[back]", MARIE[2])
    elif way == "typed after sharing":
        await parent.follows(MARIE[2])
    await parent.follows("[yes]")
    asked = parent.clock.now
    await reports(parent, Status.UNDELIVERED, Status.DELIVERED)
    assert parent.reads == ""
    await parent.follows("(wait 1m)", "[nothing_arrives]")
    parent.hears("no_sms.asked", at=asked)


async def test_late_sms_are_said_to_be_late(
    meet_core: MeetCore, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.carriers.texting.AGAIN", 600)
    parent = await meet_core(lang=lang, sms=Provider())
    provider(parent).says = SmsRefused("busy", final=False)
    await parent.follows(*CODE_OF_MARIE)
    asked = parent.clock.now
    await parent.follows("[nothing_arrives]")
    parent.hears("no_sms.late", at=asked)


# ---- the identifier, after the proof ---------------------------------------------------------


async def test_the_identifiers_sms(meet_core: MeetCore, lang: str) -> None:
    parent = await meet_core(lang=lang, sms=Provider())
    await parent.follows(*ALL_TO_DONE, "[text_me]")
    handed = parent.clock.now
    await parent.follows("(wait 1m)", "[text_me]")
    parent.hears("done.text_handed_over", at=handed)
    parent.hears("done.texted_already")
    await reports(parent, Status.DELIVERED)
    assert parent.reads == ""
    delivered = parent.clock.now
    await parent.follows("(wait 1m)", "[text_me]")
    parent.hears("done.text_delivered", at=delivered)
    assert len(parent.sms.received) == 2  # the code, and this


async def test_an_identifier_that_did_not_arrive(meet_core: MeetCore, lang: str) -> None:
    """Told unasked, and it can be asked for again."""
    parent = await meet_core(lang=lang, sms=Provider())
    await parent.follows(*ALL_TO_DONE, "[text_me]")
    await reports(parent, Status.HANDED_OVER, Status.UNDELIVERED)
    parent.hears("done.text_failed")
    await parent.follows("[text_me]")
    parent.hears("done.texted")
    assert len(parent.sms.received) == 3


@pytest.mark.parametrize("when", ["before it is told", "before that is noted"])
async def test_an_identifier_of_which_nobody_knows_after_a_kill(
    meet_core: MeetCore, lang: str, when: str
) -> None:
    """That it was sent is not said any more: it can be asked for again."""
    parent = await meet_core(lang=lang, sms=Provider())
    await parent.follows(*ALL_TO_DONE)
    sender = provider(parent)
    sender.hangs = asyncio.Event()
    pressing = asyncio.create_task(parent.does("[text_me]"))
    await sender.hangs.wait()
    doors = parent.parent.service.doors
    if when == "before it is told":  # the outbox knows of it, and the conversation does not
        await doors.database.run(run(
            "UPDATE outbox SET status = 'failed', report = 'unclear', body = NULL"
            " WHERE kind = 'sms' AND status = 'sending'"
        ))  # fmt: skip
    sender.hangs = None
    parent.parent.replies.clear()
    await parent.follows("(restart)")
    await pressing
    await parent.parent.service.delivery.settle()
    if when == "before that is noted":
        parent.hears("done.text_failed")
    else:
        assert parent.reads == ""
        await parent.follows("[text_me]")
        parent.hears("done.text_failed")
    await parent.follows("[text_me]")
    parent.hears("done.texted")
    assert len(parent.sms.received) == 2  # the code, and this


# ---- reports as they come --------------------------------------------------------------------

ORDERS = [
    ((Status.DELIVERED, Status.HANDED_OVER), "delivered"),
    ((Status.DELIVERED, Status.UNDELIVERED), "delivered"),
    ((Status.UNDELIVERED, Status.HANDED_OVER), "undelivered"),
    ((Status.UNDELIVERED, Status.DELIVERED), "delivered"),
    ((Status.DELIVERED, Status.DELIVERED, Status.DELIVERED), "delivered"),
]


@pytest.mark.parametrize(("order", "known"), ORDERS)
async def test_reports_in_any_order(
    meet_core: MeetCore, lang: str, order: tuple[Status, ...], known: str
) -> None:
    parent = await shares(meet_core, lang)
    await parent.follows("[yes]")
    await reports(parent, *order)
    if parent.buttons and parent.offers("other_number"):
        await parent.follows("[back]")
    await parent.follows("[nothing_arrives]")
    parent.hears(f"no_sms.{known}")


async def test_reports_of_what_nobody_sent(
    meet_core: MeetCore, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.carriers.reports.ONCE_MORE", (0.0, 0.01))
    parent = await shares(meet_core, lang)
    await parent.follows("[yes]")
    handed = parent.clock.now
    service = parent.parent.service
    parent.parent.replies.clear()
    for sender, name in (("phone", "77"), ("kannel", "1"), ("phone", ""), ("", "\0'; --")):
        await service.reports.hear(Report(sender, name, Status.UNDELIVERED))
    await service.reports.settle()
    assert parent.reads == ""
    await parent.follows("[nothing_arrives]")
    parent.hears("no_sms.handed_over", at=handed)


async def test_reports_of_others_do_not_keep_ours_away(
    meet_core: MeetCore, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody sends thousands of SMS by the same account, and their reports come to us, too."""
    monkeypatch.setattr("bot.carriers.reports.ONCE_MORE", (0.0, 60.0))
    monkeypatch.setattr("bot.carriers.reports.MOST_AT_ONCE", 20)
    monkeypatch.setattr("bot.carriers.reports.MOST_UNKNOWN", 10)
    parent = await shares(meet_core, lang)
    await parent.follows("[yes]")
    at = parent.clock.now
    for number in range(100):
        await parent.parent.service.reports.hear(Report("phone", f"x{number}", Status.DELIVERED))
    await parent.parent.service.reports.hear(Report("phone", "1", Status.DELIVERED))
    await parent.follows("[nothing_arrives]")
    parent.hears("no_sms.delivered", at=at)


async def test_a_report_that_comes_before_the_outbox_knows_its_name(
    meet_core: MeetCore, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Providers may be quicker than we are."""
    monkeypatch.setattr("bot.carriers.reports.ONCE_MORE", (0.0, 0.05, 5.0))
    parent = await shares(meet_core, lang)
    service = parent.parent.service
    await service.reports.hear(Report("phone", "1", Status.DELIVERED))
    await asyncio.sleep(0)
    await parent.follows("[yes]")
    await service.reports.settle()
    await parent.follows("[nothing_arrives]")
    parent.hears("no_sms.delivered")


async def test_what_a_provider_was_told_that_we_have_survives_a_kill(
    meet_core: MeetCore, lang: str
) -> None:
    parent = await shares(meet_core, lang)
    await parent.follows("[yes]")
    at = parent.clock.now
    await parent.parent.service.reports.hear(Report("phone", "1", Status.DELIVERED))
    await parent.follows("(restart)", "[nothing_arrives]")
    parent.hears("no_sms.delivered", at=at)


async def test_a_report_after_a_restart(meet_core: MeetCore, lang: str) -> None:
    parent = await shares(meet_core, lang)
    await parent.follows("[yes]", "(restart)")
    await reports(parent, Status.UNDELIVERED)
    parent.hears("no_sms.undelivered")


async def test_a_report_after_the_person_was_forgotten(meet_core: MeetCore, lang: str) -> None:
    parent = await shares(meet_core, lang)
    await parent.follows("[yes]", "/effacer", "[erase_all]")
    await reports(parent, Status.UNDELIVERED)
    assert parent.reads == ""


async def test_the_same_on_postgresql(
    postgres: "Postgres", stack: AsyncExitStack, lang: str
) -> None:
    """Reports in any order, what is found, what was paid for."""
    url = postgres.with_school(everybody())
    parent = Dialogue(
        await stack.enter_async_context(core_parent(url, everybody(), lang=lang, sms=Provider())),
        lang,
    )
    await parent.follows(*TO_PHONE)
    await parent.parent.shares_own_number(OWN)
    await parent.follows("[yes]")
    for status, known in (
        (Status.HANDED_OVER, "handed_over"),
        (Status.DELIVERED, "delivered"),
        (Status.UNDELIVERED, "delivered"),
    ):
        await reports(parent, status)
        assert parent.reads == ""
        await parent.follows("[nothing_arrives]")
        parent.hears(f"no_sms.{known}")
        await parent.follows("[back]")
    doors = parent.parent.service.doors
    assert await doors.database.run(doors.outbox.segments()) == 1


async def test_what_the_outbox_keeps_of_an_sms(meet_core: MeetCore, lang: str) -> None:
    """Neither its text nor its number; the provider's name for it only as a keyed hash."""
    parent = await shares(meet_core, lang)
    await parent.follows("[yes]")
    doors = parent.parent.service.doors
    (row,) = await doors.database.run(
        every("SELECT body, sender, segments, message_key, status FROM outbox WHERE kind = 'sms'")
    )
    assert row[:3] == (None, "phone", 1)
    assert row[4] == "sent"
    assert len(row[3]) == 16
    assert await doors.database.run(doors.outbox.segments()) == 1
