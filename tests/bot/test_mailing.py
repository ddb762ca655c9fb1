"""E-mail and words to other conversations leave: once or at least once, whatever goes wrong."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.app import carriers
from bot.carriers.ledger import Ledger, Together
from bot.carriers.mailing import CODE_TRIES, UNCLEAR_TRIES, Mailing
from bot.carriers.telling import INPUTS, TRIES
from bot.delivery import Delivery
from bot.mail import Mail, MailFault, MailRefused, MailUnclear
from bot.sms import SmsRefused, SmsUnclear
from flows.chat import Chat
from flows.inputs import EmailFailed, FromWorld, Noticed, SignedOut, SmsDelayed, Thawed
from flows.secret import Secret
from storage.conversations import Address
from storage.database import Busy, Work, every, run
from storage.outbox import EMAIL, SMS, TELL
from storage.place import connect
from storage.vault import Vault
from tests.bot.test_delivery import Desk, clock, slept
from tests.helpers.clock import Clock
from tests.helpers.parent import SECRET

__all__ = ["clock", "slept"]

TO = "marie.dupont@exemple.example"
CODE = "Votre code : 482913"
NOTICE = "Un compte parent vient d'être activé"


class Post:
    """A mail server, with the faults that a test plans."""

    name = "post"

    def __init__(self) -> None:
        self.got: list[Mail] = []
        self.tried: list[Mail] = []
        self.faults: deque[Exception | asyncio.Event | None] = deque()

    async def send(self, mail: Mail) -> None:
        self.tried.append(mail)
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        self.got.append(mail)
        if fault is not None:
            await fault.wait()

    async def check(self) -> None:
        raise MailFault("down")


class PostDesk(Desk):
    """A delivery with e-mail; what conversations hear is stored as a turn is."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self.post = Post()
        self.mistakes: deque[Exception | None] = deque()

    async def opens(self) -> None:
        self.database = await connect(self.path)
        await self.database.run(run("CREATE TABLE IF NOT EXISTS heard (place TEXT, what TEXT)"))
        vault = Vault(Secret(SECRET))
        ledger = Ledger(self.database, self.conversations, self.outbox, self._now, self._tell)
        channels = {"here": self.messenger}
        ways = {
            **carriers(ledger, channels, self.provider),
            EMAIL: Mailing(ledger, self.post, vault),
        }
        self.delivery = Delivery(ledger, ways, channels)

    async def _tell(
        self, address: Address, happened: FromWorld, together: Together | None = None, /
    ) -> None:
        """As the engine does: one transaction, and our own mistake is no one else's."""

        def turn() -> Work[None]:
            if together is not None and not (yield from together(self.clock())):
                return
            yield from run(
                "INSERT INTO heard VALUES (?, ?)", address.place, type(happened).__name__
            )
            mistake = self.mistakes.popleft() if self.mistakes else None
            if mistake is not None:
                raise mistake

        try:
            await self.database.run(turn())
        except ZeroDivisionError:
            return
        self.told.append((address.place, happened))

    async def heard(self) -> list[tuple[str, str]]:
        rows = await self.database.run(every("SELECT place, what FROM heard"))
        return [(place, what) for place, what in rows]

    async def mails(self, text: str = CODE, *, code: bool = True, minutes: int = 30) -> bytes:
        """A mail, as a turn puts it in: a code for a conversation, or a notice of an account."""
        now = self.clock()
        if code:
            address = Address("here", "marie")
            chat = self.conversations.key(address)
            await self.database.run(self.conversations.save(chat, address, Chat(), None, now))
        else:
            chat = b"account:1"
        body = {"to": TO, "subject": "Sésame", "text": text, "code": code}
        expires = now + timedelta(minutes=minutes) if code else None
        await self.database.run(self.outbox.add(chat, EMAIL, body, now, expires))
        return chat

    async def tells(self, what: FromWorld, place: str = "marie", channel: str = "here") -> bytes:
        """Something that a conversation is to be told."""
        address, now = Address(channel, place), self.clock()
        chat = self.conversations.key(address)
        await self.database.run(self.conversations.save(chat, address, Chat(), None, now))
        facts = {name: getattr(what, name) for name in type(what).__slots__}
        body = {"input": type(what).__name__, "facts": facts}
        await self.database.run(self.outbox.add(chat, TELL, body, now))
        return chat


@pytest.fixture
async def desk(tmp_path: Path, clock: Clock, slept: list[float]) -> AsyncIterator[PostDesk]:
    desk = PostDesk(tmp_path / "outbox.sqlite3", clock)
    await desk.opens()
    yield desk
    await desk.closes()


def texts(mails: list[Mail]) -> list[str]:
    return [mail.text for mail in mails]


# ---- a code ----------------------------------------------------------------------------------


async def test_a_code_leaves_and_its_text_is_forgotten(desk: PostDesk) -> None:
    await desk.mails()
    await desk.sends()
    await desk.sends()
    [mail] = desk.post.got
    assert (mail.to, mail.subject, mail.text) == (TO, "Sésame", CODE)
    assert (await desk.statuses(), await desk.bodies_left()) == (["sent"], 0)
    assert desk.told == []


async def test_a_code_that_has_expired_stays_here(desk: PostDesk, clock: Clock) -> None:
    await desk.mails(minutes=30)
    clock.passes(minutes=30)
    await desk.sends()
    assert (desk.post.tried, await desk.statuses()) == ([], ["failed"])
    assert desk.told == []


async def test_a_code_that_is_refused_for_good_is_told_at_once(desk: PostDesk) -> None:
    desk.post.faults.append(MailRefused("address", final=True))
    await desk.mails()
    await desk.sends()
    assert desk.told == [("marie", EmailFailed())]
    assert (texts(desk.post.tried), await desk.statuses()) == ([CODE], ["failed"])
    assert await desk.bodies_left() == 0


async def test_a_login_that_is_not_good_is_told_at_once(desk: PostDesk) -> None:
    """A parent who waits for a code waits for no operator."""
    desk.post.faults.append(MailRefused("account", final=False))
    await desk.mails()
    await desk.sends()
    assert desk.told == [("marie", EmailFailed())]
    assert len(desk.post.tried) == 1


async def test_a_code_that_is_refused_for_now_is_sent_a_little_later(
    desk: PostDesk, slept: list[float]
) -> None:
    desk.post.faults.append(MailRefused("busy", final=False))
    await desk.mails()
    await desk.sends()
    assert texts(desk.post.got) == [CODE]
    assert desk.post.tried[0].name == desk.post.tried[1].name != ""
    assert desk.told == []
    assert sum(slept) == pytest.approx(5, abs=1)


async def test_a_code_that_is_refused_again_and_again_is_told(
    desk: PostDesk, slept: list[float]
) -> None:
    desk.post.faults.extend([MailRefused("busy", final=False)] * CODE_TRIES)
    await desk.mails()
    await desk.sends()
    assert len(desk.post.tried) == CODE_TRIES
    assert (desk.post.got, desk.told) == ([], [("marie", EmailFailed())])
    assert sum(slept) < 30  # seconds


@pytest.mark.parametrize("fault", [MailUnclear("slow"), ValueError("ours")])
async def test_a_code_that_may_have_left_is_never_sent_again(
    desk: PostDesk, fault: Exception
) -> None:
    desk.post.faults.append(fault)
    await desk.mails()
    await desk.sends()
    await desk.restarts()
    assert len(desk.post.tried) == 1
    assert (await desk.statuses(), desk.told) == (["failed"], [("marie", EmailFailed())])


async def test_a_code_that_was_leaving_when_we_died_is_never_sent_again(desk: PostDesk) -> None:
    desk.post.faults.append(asyncio.Event())
    chat = await desk.mails()
    desk.delivery.post(chat)
    await desk.until(lambda: bool(desk.post.got))
    await desk.restarts()
    await desk.delivery.settle()
    assert len(desk.post.tried) == 1
    assert desk.told == [("marie", EmailFailed())]


async def test_a_code_that_was_replaced_is_not_told_of(desk: PostDesk) -> None:
    """It was leaving when we died; the parent has asked for another one, which arrives."""
    desk.post.faults.append(asyncio.Event())
    chat = await desk.mails()
    desk.delivery.post(chat)
    await desk.until(lambda: bool(desk.post.got))
    await desk.mails("the other code")
    await desk.restarts()
    await desk.delivery.settle()
    assert texts(desk.post.got) == [CODE, "the other code"]
    assert desk.told == []


# ---- a notice --------------------------------------------------------------------------------


async def test_a_notice_that_may_have_left_is_sent_again_by_the_same_name(desk: PostDesk) -> None:
    """It rather comes twice than never, and mail programs show it once."""
    desk.post.faults.append(MailUnclear("down"))
    await desk.mails(NOTICE, code=False)
    await desk.sends()
    assert [mail.name for mail in desk.post.tried] == [desk.post.tried[0].name] * 2
    assert (texts(desk.post.got), await desk.statuses()) == ([NOTICE], ["sent"])
    assert desk.told == []


async def test_a_notice_is_not_sent_for_ever_where_nobody_knows(desk: PostDesk) -> None:
    desk.post.faults.extend([MailUnclear("down")] * 99)
    await desk.mails(NOTICE, code=False)
    await desk.sends()
    assert len(desk.post.tried) == 1 + UNCLEAR_TRIES
    assert (await desk.statuses(), desk.told) == (["failed"], [])


@pytest.mark.parametrize("kind", ["busy", "account", "sender", "down"])
async def test_a_notice_waits_until_what_is_wrong_is_mended(desk: PostDesk, kind: str) -> None:
    desk.post.faults.extend([MailRefused(kind, final=False)] * 20)
    await desk.mails(NOTICE, code=False)
    await desk.sends()
    assert texts(desk.post.got) == [NOTICE]


async def test_a_notice_that_is_refused_for_good_is_told_to_nobody(desk: PostDesk) -> None:
    desk.post.faults.append(MailRefused("address", final=True))
    await desk.mails(NOTICE, code=False)
    await desk.sends()
    assert (await desk.statuses(), desk.told) == (["failed"], [])


async def test_two_mails_have_two_names(desk: PostDesk) -> None:
    await desk.mails()
    await desk.mails(NOTICE, code=False)
    await desk.sends()
    assert len({mail.name for mail in desk.post.got}) == 2


# ---- an SMS to a guardian who has no conversation --------------------------------------------


async def test_a_notice_by_sms_belongs_to_no_conversation(
    desk: PostDesk, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"to": "+33612345678", "text": NOTICE}
    for fault in (None, SmsRefused("number", final=True), SmsUnclear("slow")):
        desk.provider.faults["+33612345678"].append(fault)
        await desk.database.run(desk.outbox.add(b"notice:1", SMS, body, desk.clock()))
        await desk.sends()
    assert desk.provider.got == [("+33612345678", NOTICE)]
    assert await desk.statuses() == ["sent", "failed", "failed"]
    assert [what for _, what in desk.told if not isinstance(what, SmsDelayed)] == []
    assert "delivery_stopped" not in caplog.text


# ---- words to other conversations ------------------------------------------------------------

TOLD: tuple[FromWorld, ...] = (
    SignedOut("m.dupont", "password"),
    Noticed("notice", "activated", "Léa"),
    Thawed("m.dupont"),
)


@pytest.mark.parametrize("what", TOLD)
async def test_a_conversation_is_told(desk: PostDesk, what: FromWorld) -> None:
    await desk.tells(what)
    await desk.sends()
    await desk.restarts()
    await desk.delivery.settle()
    assert desk.told == [("marie", what)]
    assert (await desk.statuses(), await desk.bodies_left()) == (["sent"], 0)


def test_all_that_is_told_this_way() -> None:
    assert set(INPUTS) == {type(what).__name__ for what in TOLD}


async def test_they_are_told_in_order(desk: PostDesk) -> None:
    for what in TOLD:
        await desk.tells(what)
    await desk.sends()
    assert [what for _, what in desk.told] == list(TOLD)


async def test_what_was_told_elsewhere_meanwhile_is_not_told_again(desk: PostDesk) -> None:
    """Another process has taken it for dead, and told it."""
    chat = await desk.tells(TOLD[0])
    parcel = await desk.database.run(desk.outbox.head(chat, TELL))
    assert parcel is not None
    assert await desk.database.run(desk.outbox.finish_once(parcel, "sent"))
    assert not await desk.database.run(desk.outbox.finish_once(parcel, "sent"))
    await desk.sends()
    assert (desk.told, await desk.heard()) == ([], [])


async def test_a_turn_that_cannot_be_stored_is_taken_again(desk: PostDesk) -> None:
    desk.mistakes.append(Busy("locked"))
    await desk.tells(TOLD[0])
    await desk.sends()
    assert await desk.heard() == [("marie", "SignedOut")]
    assert await desk.statuses() == ["sent"]


async def test_our_own_mistake_is_tried_again_and_not_for_ever(desk: PostDesk) -> None:
    desk.mistakes.append(ZeroDivisionError())
    await desk.tells(TOLD[0])
    await desk.sends()
    assert await desk.heard() == [("marie", "SignedOut")]
    desk.mistakes.extend([ZeroDivisionError()] * 99)
    await desk.tells(TOLD[1])
    await desk.sends()
    assert len(desk.mistakes) == 99 - TRIES
    assert await desk.heard() == [("marie", "SignedOut")]
    assert await desk.statuses() == ["sent", "failed"]


async def test_a_conversation_that_is_stored_no_more(desk: PostDesk) -> None:
    chat = await desk.tells(TOLD[0])
    await desk.database.run(run("DELETE FROM chats WHERE chat = ?", chat))
    await desk.sends()
    assert (desk.told, await desk.statuses()) == ([], ["dropped"])


async def test_a_conversation_of_another_channel_is_left_to_it(desk: PostDesk) -> None:
    await desk.tells(TOLD[0], channel="elsewhere")
    await desk.sends()
    assert (desk.told, await desk.statuses()) == ([], ["waiting"])


async def test_a_process_without_channels_sends_nothing(desk: PostDesk, tmp_path: Path) -> None:
    """A command puts in, and the running bot sends: also what belongs to no conversation."""
    await desk.mails(NOTICE, code=False)
    ledger = Ledger(desk.database, desk.conversations, desk.outbox, desk.clock, desk._tell)
    ways = {EMAIL: Mailing(ledger, desk.post, Vault(Secret(SECRET)))}
    command = Delivery(ledger, ways, {})
    await command.look()
    await command.settle()
    await command.close()
    assert (desk.post.tried, await desk.statuses()) == ([], ["waiting"])
