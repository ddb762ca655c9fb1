"""SMS by SMPP 3.4, straight to an operator's centre (aiosmpplib)."""

import asyncio
import logging
import re
import struct
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from secrets import token_hex

from aiosmpplib import (
    ESME,
    NPI,
    TON,
    AbstractBroker,
    AbstractHook,
    AbstractThrottleHandler,
    DeliverSm,
    GenericNack,
    PduHeader,
    PhoneNumber,
    SmppCommand,
    SmppCommandStatus,
    SmppError,
    SmppMessage,
    SubmitSm,
    SubmitSmResp,
)
from aiosmpplib.correlator import SimpleCorrelator
from aiosmpplib.retrytimer import SimpleExponentialBackoff

from bot.clock import utc_now
from bot.logs import Event, Log, place_of
from bot.settings import BadSetting
from bot.sms.port import (
    Hear,
    Report,
    Simple,
    Sms,
    SmsFault,
    SmsRefused,
    SmsUnclear,
    Status,
    Taken,
    Token,
)

log = Log("sms")

LEAVES, ANSWERS = 2.5, 5.0
"""Seconds to be put on the line, and then to be answered."""

HEADER = 16  # bytes before what a PDU says: its length, what it is, its state, its number
BIND_RESPONSE = b"\x80\x00\x00\x09"
AGAIN_AFTER, DOUBLED = 1000, 4
"""Milliseconds after which a lost connection is tried again, and how often that is doubled."""

# Of SMPP 3.4, section 5.1.3. What is not here is for now: it surely did not leave.
_REFUSALS: dict[int, tuple[str, bool]] = {
    SmppCommandStatus.ESME_RINVDSTADR: ("number", True),
    SmppCommandStatus.ESME_RINVMSGLEN: ("content", True),
    SmppCommandStatus.ESME_RINVSRCADR: ("settings", False),
    SmppCommandStatus.ESME_RINVSRCTON: ("settings", False),
    SmppCommandStatus.ESME_RINVSRCNPI: ("settings", False),
    SmppCommandStatus.ESME_RTHROTTLED: ("busy", False),
    SmppCommandStatus.ESME_RMSGQFUL: ("busy", False),
}
_ACCOUNT = (
    SmppCommandStatus.ESME_RBINDFAIL,
    SmppCommandStatus.ESME_RINVPASWD,
    SmppCommandStatus.ESME_RINVSYSID,
)

# A receipt's text (appendix B of SMPP 3.4). Read here: the library wants numbers where operators
# write letters (err:), and would drop the connection over it.
RECEIPT = re.compile(rb"id:([!-~]{1,65})")
STATE = re.compile(rb"stat:([A-Z]{1,10})")
_STATES = {
    b"DELIVRD": Status.DELIVERED,
    b"ACCEPTD": Status.HANDED_OVER,
    b"ENROUTE": Status.HANDED_OVER,
    b"EXPIRED": Status.UNDELIVERED,
    b"DELETED": Status.UNDELIVERED,
    b"UNDELIV": Status.UNDELIVERED,
    b"REJECTD": Status.UNDELIVERED,
}
RECEIPTED_MESSAGE_ID, MESSAGE_STATE, MESSAGE_PAYLOAD = 0x001E, 0x0427, 0x0424
_NUMBERED = {
    1: Status.HANDED_OVER,
    2: Status.DELIVERED,
    3: Status.UNDELIVERED,
    4: Status.UNDELIVERED,
    5: Status.UNDELIVERED,
    6: Status.HANDED_OVER,
    8: Status.UNDELIVERED,
}
"""The same as a number, in a parameter of its own (5.3.2.35)."""


class _Queue(AbstractBroker):  # type: ignore[misc]  # the library has no types
    """What is to be put on the line."""

    def __init__(self, wanted: Container[str]) -> None:
        """`wanted` are the names of those that are still waited for."""
        self._waiting: asyncio.Queue[SmppMessage] = asyncio.Queue()
        self._wanted = wanted

    async def enqueue(self, smpp_message: SmppMessage) -> None:
        """One more."""
        await self._waiting.put(smpp_message)

    async def dequeue(self) -> SmppMessage:
        """The next one. Only asked for while the centre lets us in."""
        while True:
            message = await self._waiting.get()
            if not isinstance(message, SubmitSm) or message.log_id in self._wanted:
                return message


class _Unhurried(AbstractThrottleHandler):  # type: ignore[misc]
    """The outbox waits where a centre has enough of us; the library would hold all SMS back."""

    async def allow_request(self) -> bool:
        """Always."""
        return True

    async def not_throttled(self) -> None:
        """Nothing is counted."""

    async def throttled(self) -> None:
        """Nothing is counted."""

    async def throttle_delay(self) -> float:
        """Never asked for."""
        return 0.0


class _Correlator(SimpleCorrelator):  # type: ignore[misc]
    """Which answer belongs to what, and no more: receipts find their SMS in the outbox."""

    async def put_delivery(self, smsc_message_id: str, submit_sm: SubmitSm) -> None:
        """Forget number and text, which the library would keep for three days."""


class _Session(ESME):  # type: ignore[misc]
    """A connection that knows whether the centre lets us in, and reads any receipt."""

    _line: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        """Connect and bind, or remember the centre's refusal."""
        self.hang_up()
        try:
            await super().connect()
        except SmppError as error:
            self.hook.refused = int(error.command_status)
            raise
        finally:
            self._line = self._writer
        self.hook.refused = None

    def hang_up(self) -> None:
        """Close the connection, which the library leaves open."""
        if self._line is not None:
            self._line.close()
            self._line = None

    async def _end_task(self, task: asyncio.Task[object]) -> None:
        """End what read and wrote on a connection that is lost.

        At once: the library leaves each half a second, in which what is to be sent goes to nobody,
        and nobody would know that.
        """
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _handle_request(self, pdu: bytes, header: PduHeader) -> SmppMessage | None:
        if header.smpp_command is SmppCommand.DELIVER_SM:
            # Read by `_delivered`: what the library cannot read, it does not acknowledge, and it
            # would come for ever.
            return DeliverSm(header.sequence_num, short_message="-")
        return await super()._handle_request(pdu, header)


class SmppSms(Simple):
    """An operator's centre. There is no TLS: docs/sms.md says how to tunnel it."""

    name = "smpp"

    def __init__(
        self, host: str, port: int, system_id: str, password: str, more: dict[str, str]
    ) -> None:
        """`more` may have `from`, `type` (the system type) and `ids`.

        `ids=hex` is for centres that name an SMS in hexadecimal when they take it, and in decimal
        in its receipt. Raises BadSetting for what SMPP has no room for.
        """
        for what, text, most in (
            ("system id", system_id, 15),
            ("password", password, 8),
            ("type=", more.get("type", ""), 12),
        ):
            if len(text) > most or not text.isascii():
                raise BadSetting(f"SESAME_SMS: smpp: a {what} has {most} ASCII letters at most.")
        if more.get("ids", "hex") != "hex":
            raise BadSetting("SESAME_SMS: smpp: ids= is hex, or left out.")
        self._decimal = "ids" in more
        self._where = (host, port)
        self._account = (system_id, password)
        self._type = more.get("type", "")
        self._from = _source(more.get("from", "Sesame"))
        self._on_line: dict[str, asyncio.Event] = {}
        self._queue = _Queue(self._on_line)
        self._session: _Session | None = None
        self._answers: dict[str, asyncio.Future[SmppMessage]] = {}
        self._hear: Hear | None = None

    def _new_session(self) -> _Session:
        return _Session(
            *self._where,
            *self._account,
            system_type=self._type,
            hook=_Hook(self),
            broker=self._queue,
            throttle_handler=_Unhurried(),
            correlator=_Correlator(self.name),
            retry_timer=SimpleExponentialBackoff(AGAIN_AFTER, DOUBLED),
            socket_timeout=LEAVES,
            enquire_link_interval=30.0,
            log_level=logging.CRITICAL,
            log_handler=logging.NullHandler(),  # it logs numbers and texts
        )

    @asynccontextmanager
    async def running(self, hear: Hear, token: Token) -> AsyncIterator[None]:
        """Be connected meanwhile, and again after each loss."""
        del token
        self._hear, self._session = hear, self._new_session()
        connected = asyncio.create_task(_stay_connected(self._session))
        try:
            yield
        finally:
            with suppress(Exception, asyncio.TimeoutError):
                async with asyncio.timeout(1):
                    await self._session.stop()
            connected.cancel()
            await asyncio.gather(connected, return_exceptions=True)
            self._session.hang_up()
            self._session = self._hear = None

    async def send(self, sms: Sms) -> Taken:
        """Put it on the line, and wait for the answer."""
        session = self._session
        if session is None:
            raise SmsRefused("down", final=False)
        validity = None
        if sms.expires is not None:
            validity = max(sms.expires - utc_now(), timedelta(seconds=1))
        name = token_hex(8)  # of this try: one that was taken back must not come to life again
        submit = SubmitSm(
            short_message=sms.text,
            source=self._from,
            destination=PhoneNumber(sms.to.removeprefix("+"), TON.INTERNATIONAL, NPI.ISDN),
            registered_delivery=1,
            validity_period=validity,
            log_id=name,
        )
        on_line = self._on_line[name] = asyncio.Event()
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        try:
            await self._queue.enqueue(submit)
            await self._leaves(on_line, session)
            try:
                async with asyncio.timeout(ANSWERS):
                    said = await answer
            except TimeoutError:
                raise SmsUnclear("no_answer") from None
        finally:
            self._on_line.pop(name, None)
            self._answers.pop(name, None)
        name_there = _name_of(said)
        return Taken(self.name, self._named(name_there, 16) if name_there else None)

    def _named(self, name: str, base: int) -> str:
        """The centre's name for an SMS, as answers and receipts both have it.

        Two operators may count alike. Several centres of one know us by one system id, and each may
        have the receipt of an SMS that another took.
        """
        if self._decimal:
            with suppress(ValueError):
                name = str(int(name, base))
        return f"{self._account[0]}/{name}"

    async def _leaves(self, on_line: asyncio.Event, session: _Session) -> None:
        try:
            async with asyncio.timeout(LEAVES):
                await on_line.wait()
        except TimeoutError:
            kind = "account" if session.hook.refused in _ACCOUNT else "down"
            raise SmsRefused(kind, final=False) from None

    async def check(self) -> str | None:
        """Be let in once, on a connection of its own."""
        session = self._new_session()
        host, port = self._where
        try:
            await session.connect()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, SmppError):
            refused = session.hook.refused
            if refused in _ACCOUNT:
                raise SmsFault(
                    f"SESAME_SMS: smpp at {host}:{port} does not know this system id and password.",
                    "account",
                ) from None
            what = "is not reached"
            if refused is not None:
                what = f"lets nobody in now (0x{refused:08x})"
            raise SmsFault(f"SESAME_SMS: smpp at {host}:{port} {what}.") from None
        finally:
            session.hang_up()
        return None

    # ---- what comes in -----------------------------------------------------------------------

    def leaving(self, message: SmppMessage) -> None:
        """It is about to be written: from now on nobody knows, until there is an answer.

        Raises ValueError, by which the library lets it be, for one of which it was said that it
        surely did not leave: wherever it was held up, it must not leave now.
        """
        if isinstance(message, SubmitSm):
            if message.log_id not in self._on_line:
                raise ValueError
            self._on_line[message.log_id].set()

    def answered(self, message: SubmitSmResp | GenericNack) -> None:
        """The centre's answer."""
        answer = self._answers.get(message.log_id)
        if answer is not None and not answer.done():
            answer.set_result(message)

    def lost(self, message: SmppMessage) -> None:
        """It could not be written whole, perhaps."""
        if isinstance(message, SubmitSm):
            answer = self._answers.get(message.log_id)
            if answer is not None and not answer.done():
                answer.set_exception(SmsUnclear("connection_lost"))

    async def delivered(self, pdu: bytes) -> None:
        """A receipt, perhaps of a run before this one."""
        report = _report(self.name, pdu)
        if report is not None and self._hear is not None:
            await self._hear(replace(report, message=self._named(report.message, 10)))


class _Hook(AbstractHook):  # type: ignore[misc]
    """What the library tells us."""

    def __init__(self, sender: SmppSms) -> None:
        self._sender = sender
        self.refused: int | None = None  # the centre's answer to the last bind, if it was a no

    async def sending(self, smpp_message: SmppMessage, pdu: bytes, client_id: str) -> None:
        """Just before it is written."""
        del pdu, client_id
        self._sender.leaving(smpp_message)

    async def received(self, smpp_message: SmppMessage | None, pdu: bytes, client_id: str) -> None:
        """An answer, or a receipt."""
        del client_id
        if smpp_message is None and pdu[4:8] == BIND_RESPONSE:  # without a body, as some refuse
            self.refused = int.from_bytes(pdu[8:12], "big")
        if isinstance(smpp_message, DeliverSm):
            await self._sender.delivered(pdu)
        elif isinstance(smpp_message, SubmitSmResp | GenericNack):
            self._sender.answered(smpp_message)

    async def send_error(self, smpp_message: SmppMessage, error: Exception, client_id: str) -> None:
        """It was not written."""
        del error, client_id
        self._sender.lost(smpp_message)


async def _stay_connected(session: _Session) -> None:
    """The library tries again by itself; whatever it did not think of does not end it."""
    while True:
        try:
            await session.start()
        except Exception as error:
            log(Event.TASK_FAILED, kind=type(error).__name__, place=place_of(error))
        await asyncio.sleep(AGAIN_AFTER / 1000)


def _source(sender: str) -> PhoneNumber:
    """A name, a number, or an operator's short number."""
    digits = sender.removeprefix("+")
    if not digits.isdigit():
        return PhoneNumber(sender, TON.ALPHANUMERIC, NPI.UNKNOWN)
    if len(digits) <= 6 and digits == sender:
        return PhoneNumber(digits, TON.NETWORK_SPECIFIC, NPI.UNKNOWN)
    return PhoneNumber(digits, TON.INTERNATIONAL, NPI.ISDN)


def _name_of(said: SmppMessage) -> str:
    """What the centre calls the SMS that it took. Raises SmsRefused where it did not."""
    status = getattr(said, "command_status", None)
    if not isinstance(said, SubmitSmResp):
        raise SmsRefused("down", final=False)
    if status == SmppCommandStatus.ESME_ROK:
        return str(said.message_id or "")
    kind, final = _REFUSALS.get(int(status or 0), ("down", False))
    raise SmsRefused(kind, final=final)


@dataclass(frozen=True, slots=True)
class _Delivered:
    """What matters of a deliver_sm (4.6.1)."""

    is_receipt: bool  # else somebody wrote to our number
    text: bytes
    more: dict[int, bytes]  # parameters, by their tags; operators have their own


def _delivered(pdu: bytes) -> _Delivered:
    """Read it. Raises ValueError, IndexError or struct.error."""
    at = pdu.index(0, HEADER) + 1  # behind the service type; then two addresses
    for _ in range(2):
        at = pdu.index(0, at + 2) + 1
    is_receipt = pdu[at] & 0b00111100 == 0b00000100  # 5.2.12
    at += 3
    for _ in range(2):  # two times
        at = pdu.index(0, at) + 1
    at += 4
    end = at + 1 + pdu[at]
    text, at, more = pdu[at + 1 : end], end, {}
    while at < len(pdu):
        tag, length = struct.unpack_from("!HH", pdu, at)
        more[tag] = pdu[at + 4 : at + 4 + length]
        at += 4 + length
    return _Delivered(is_receipt, text, more)


def _report(sender: str, pdu: bytes) -> Report | None:
    try:
        said = _delivered(pdu)
    except (ValueError, IndexError, struct.error):
        return None
    text = said.text or said.more.get(MESSAGE_PAYLOAD, b"")
    found, state = RECEIPT.search(text), STATE.search(text)
    status = _STATES.get(state[1]) if state else None
    if status is None:
        status = _NUMBERED.get(int.from_bytes(said.more.get(MESSAGE_STATE, b"")[:1], "big"))
    name = found[1] if found else said.more.get(RECEIPTED_MESSAGE_ID, b"").rstrip(b"\0")
    if not said.is_receipt or status is None or not name:
        return None
    return Report(sender, name.decode("ascii", "replace"), status)
