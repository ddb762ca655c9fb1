"""What is logged: events and facts of two closed lists, and nothing that a parent wrote.

Libraries print tokens and messages when their logs are turned up (RELIABILITY 0.10), so the handler
takes only what is made here. The loggers are the standard library's, named `sesame.*`. A parent is
no more than a short pseudonym, another every day; an error is its kind and its place.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypedDict, Unpack


class Event(StrEnum):
    """All that is ever logged, with its level and its line in docs/operations.md."""

    _value_: str
    level: int
    meaning: str

    def __new__(cls, name: str, level: int, meaning: str) -> "Event":
        """An event of the list."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.level, member.meaning = level, meaning
        return member

    # fmt: off
    TURN = "turn", logging.INFO, "something that a parent did was taken, or a moment came"
    TURN_FAILED = "turn_failed", logging.ERROR, "our own mistake in a turn; the parent was told to try again"
    UPDATE_UNREADABLE = "update_unreadable", logging.ERROR, "Telegram gave something that cannot be read; it is passed over"
    UPDATE_WAITS = "update_waits", logging.ERROR, "a turn could not be stored; it is tried again"
    UPDATE_GIVEN_UP = "update_given_up", logging.ERROR, "a turn failed again and again, and is passed over"
    WAKING_WAITS = "waking_waits", logging.ERROR, "conversations whose moment has come could not be woken; tried again"
    DELIVERY_WAITS = "delivery_waits", logging.WARNING, "the outbox cannot be read or written; it goes on by itself"
    DELIVERY_STOPPED = "delivery_stopped", logging.ERROR, "our own mistake in delivery; it goes on with the chat's next turn"
    NOT_DELIVERED = "not_delivered", logging.WARNING, "Telegram did not take a message; it is tried again"
    CALL_REFUSED = "call_refused", logging.ERROR, "Telegram refuses a message for good; it is given up"
    REPLY_FAILED = "reply_failed", logging.ERROR, "our own mistake in sending a reply; it is tried again"
    REPLY_GIVEN_UP = "reply_given_up", logging.ERROR, "a reply could not be delivered for a day"
    SMS_WAITS = "sms_waits", logging.WARNING, "the SMS sender refuses for now; it is tried again until the code has expired"
    SMS_ACCOUNT = "sms_account", logging.ERROR, "the SMS provider does not take our account: its password, its credit, or `SESAME_SMS` must be mended (`sesame doctor`)"
    SMS_NEXT_SENDER = "sms_next_sender", logging.WARNING, "an SMS sender fails; the next one in `SESAME_SMS` is asked"
    SMS_UNDELIVERED = "sms_undelivered", logging.WARNING, "the SMS provider says that an SMS did not reach the phone"
    SMS_REFUSED = "sms_refused", logging.WARNING, "the SMS sender refuses an SMS for good"
    SMS_UNCLEAR = "sms_unclear", logging.WARNING, "nobody knows whether an SMS left; it is not sent again"
    EMAIL_WAITS = "email_waits", logging.WARNING, "the mail server refuses a mail for now, or is not reached; it is tried again, a code for a quarter of a minute, a notice for a day"
    EMAIL_ACCOUNT = "email_account", logging.ERROR, "the mail server does not take our login, or mail of `SESAME_EMAIL_FROM`: mend `SESAME_EMAIL` (`sesame doctor`)"
    EMAIL_REFUSED = "email_refused", logging.WARNING, "a mail is given up: refused for good (an address that does not exist), or for now too often"
    EMAIL_UNCLEAR = "email_unclear", logging.WARNING, "nobody knows whether a mail left; a code is not sent again, a notice is"
    TELLING_GIVEN_UP = "telling_given_up", logging.ERROR, "our own mistake, three times, in telling a conversation what happened to its account elsewhere"
    SERVICES_UNREADABLE = "services_unreadable", logging.ERROR, "the file `SESAME_SERVICES` is gone, or cannot be read as it is now: `sesame doctor` says why; what it said before is shown"
    STANDING_BY = "standing_by", logging.INFO, "another process asks Telegram for what parents write; this one sends, and takes over when that one stops"
    STANDBY_WAITS = "standby_waits", logging.WARNING, "the database does not say whether another process asks Telegram; it is asked again"
    ACCOUNT_WAITS = "account_waits", logging.WARNING, "the account service does not answer, or its answer was lost; it is looked up and tried again"
    ACCOUNT_REFUSED = "account_refused", logging.ERROR, "the account service refuses: `taken` (another identifier is tried), `password`, `schema` (see `SESAME_ACCOUNTS_MAPPING`), `rights` (see `sesame doctor`)"
    ACCOUNT_FAILED = "account_failed", logging.ERROR, "our own mistake with the account service; it is looked up and tried again"
    PASSWORDS_WAIT = "passwords_wait", logging.ERROR, "passwords whose time is over could not be erased; tried again"
    TELEGRAM_SILENT = "telegram_silent", logging.WARNING, "Telegram did not answer, or asks to wait"
    WEBHOOK_REFUSED = "webhook_refused", logging.ERROR, "Telegram does not take `SESAME_WEBHOOK_URL`; it is asked again"
    WEBHOOK_LOST = "webhook_lost", logging.WARNING, "another program took the bot's webhook away; it is set again"
    WEBHOOK_NOT_REACHED = "webhook_not_reached", logging.ERROR, "Telegram has messages and cannot post them: look at the name, the proxy, the certificate"
    PROFILE_NOT_SET = "profile_not_set", logging.WARNING, "Telegram did not take the bot's commands or description"
    PURGING_WAITS = "purging_waits", logging.ERROR, "what was kept long enough could not be deleted; tried again in an hour"
    CLOCK_WENT_BACK = "clock_went_back", logging.WARNING, "the machine's clock was set back: the time that really passes is counted until it has caught up"
    CLOCK_WAS_SET_BACK = "clock_was_set_back", logging.WARNING, "on start, the clock was behind the last turn: the codes under way are void"
    # Of storage/codes.py, which does not know this list.
    SMS_BUDGET_HIGH = "sms_budget_high", logging.WARNING, "so much of the day's SMS is spent (`SESAME_CODES_WARNING_PERCENT`)"
    CODES_NOT_COMING_BACK = "codes_not_coming_back", logging.WARNING, "few of the last codes were typed: is somebody pumping SMS, or is the sender ill?"
    COUNTRY_PAUSED = "country_paused", logging.WARNING, "hardly a code to this country was typed: none is sent there for a day"
    COUNTS_MISSING = "counts_missing", logging.WARNING, "the database did not say what `/metrics` asks; the rest is told"
    PAGE_REFUSED = "page_refused", logging.INFO, "the page for the password sent what is not taken: too old, unproved, unreadable; or it came while nothing can be stored"
    PAGE_FAILED = "page_failed", logging.ERROR, "our own mistake in answering over HTTP"
    TASK_FAILED = "task_failed", logging.ERROR, "our own mistake in the background"
    # fmt: on


class Facts(TypedDict, total=False):
    """All that is ever said of an event; `FACTS` says what each means."""

    turn: str
    chat: str
    input: str
    before: str
    after: str
    outcome: str
    cause: str
    ms: int
    kind: str
    place: str
    why: str
    seconds: float
    percent: int
    area: str
    sender: str


FACTS = {
    "turn": "the turn, a random name",
    "chat": "the conversation: a keyed pseudonym, another every day",
    "input": "what kind of thing happened: `Said`, `Pressed`, `TimeCame`, …",
    "before": "the state in which it was taken",
    "after": "the state to which it led",
    "outcome": "what became of it, as in `sesame_turns_total`",
    "cause": "of a refusal: see [causes](causes.md)",
    "ms": "milliseconds that the turn took",
    "kind": "the kind of an error",
    "place": "file and line of an error",
    "why": "the fault of the database, in our own words; of the webhook, in Telegram's",
    "seconds": "after which it is tried again; or of which the clock went back",
    "percent": "of the budget that is spent; of the codes that came back",
    "area": "a country",
    "sender": "the SMS sender: `kannel`, `smpp`, …",
}

_about: ContextVar[Facts | None] = ContextVar("about", default=None)


@contextmanager
def about(**facts: Unpack[Facts]) -> Iterator[None]:
    """Say these facts, and none from around, with every event inside and in tasks begun inside."""
    before = _about.set(facts)
    try:
        yield
    finally:
        _about.reset(before)


class Log:
    """The log of one part of the program: `log(Event.TURN, ms=12)`."""

    def __init__(self, part: str) -> None:
        self._logger = logging.getLogger(f"sesame.{part}")

    def __call__(self, event: Event, **facts: Unpack[Facts]) -> None:
        """Log an event. A fact that is not in the list is dropped."""
        said = {**(_about.get() or {}), **facts}
        known = {name: _plain(said[name]) for name in FACTS if name in said}
        text = " ".join([event, *(f"{name}={value}" for name, value in known.items())])
        self._logger.log(event.level, text, extra={"sesame": {"event": event.value, **known}})


def _plain(value: object) -> object:
    """What is neither text nor a number shows its kind only: who knows what it would print."""
    return value if isinstance(value, str | int | float) else type(value).__name__


def place_of(error: BaseException) -> str:
    """File and line where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "from": record.name}
        return json.dumps({**line, **record.__dict__["sesame"]}, ensure_ascii=False)


def start_logging(level: str) -> None:
    """Send our events, from this level, to standard error: readable where it is a terminal."""
    handler = logging.StreamHandler()
    handler.addFilter(lambda record: "sesame" in record.__dict__)  # made by a Log above
    if sys.stderr.isatty():
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    else:
        handler.setFormatter(_JsonLines())
    ours = logging.getLogger("sesame")
    ours.addHandler(handler)
    ours.setLevel(level.upper())
    ours.propagate = False
    logging.getLogger().addHandler(logging.NullHandler())  # libraries: nowhere
