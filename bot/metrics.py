"""What is counted, for Prometheus: turns, refusals, SMS, the outbox, pauses; and no persons.

No label is ever a person or anything that a parent wrote: labels are states, outcomes, causes and
kinds, all of closed lists.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bot.answers import Doors
from bot.seen import Handled, Hashed, Outcome, Reported, Seen, TurnTaken
from flows.refusals import Reason
from flows.states import S
from storage.database import Work, one
from storage.outbox import ACCOUNT, EMAIL, ERASE, REPLY, SMS, TELL

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""A reply is to come within one second (RELIABILITY 5)."""


GAUGES = {
    "accounts": "accounts opened, and not erased",
    "accounts_frozen": "accounts that wait for the school to unfreeze them",
    "chats_locked": "pauses after too many tries that are not over",
    "outbox_waiting": "parcels to be sent: replies, SMS, messages to be erased",
    "outbox_age_seconds": "age of the oldest parcel to be sent",
    "outbox_overdue_seconds": "how long ago the first parcel should have left",
    "sms_budget_used": "the share of the day's SMS that is sent, 0 to 1",
    "telegram_silence_seconds": "since Telegram last answered a poll, or had our webhook",
}
"""What is asked when the page is asked for; absent while nobody knows."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the database says."""

    gauges: dict[str, float]
    conversations: dict[str, int]  # by state


def count(doors: Doors, now: datetime) -> Work[Counts]:
    """Ask the database."""
    accounts = yield from one("SELECT count(*), count(frozen_at) FROM accounts")
    assert accounts is not None  # noqa: S101 - count(*) always has a row
    backlog = yield from doors.outbox.backlog(now)
    gauges = {
        "accounts": accounts[0],
        "accounts_frozen": accounts[1],
        "chats_locked": (yield from doors.conversations.locked(now)),
        "outbox_waiting": backlog.waiting,
        "outbox_age_seconds": backlog.age,
        "outbox_overdue_seconds": backlog.overdue,
        "sms_budget_used": (yield from doors.codes.budget_used(now)),
    }
    return Counts(gauges, (yield from doors.conversations.by_state()))


class Metrics(Collector):
    """Everything that is counted in one running service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.counts = Counts({}, {})
        self.database_errors = 0
        self._turns = Counter(
            "sesame_turns",
            "turns, by the `state` in which they were taken and their `outcome`",
            ["state", "outcome"],
            registry=self.registry,
        )
        self._refusals = Counter(
            "sesame_refusals",
            "refusals, by `cause`: see [causes](causes.md)",
            ["cause"],
            registry=self.registry,
        )
        self._handled = {
            SMS: Counter(
                "sesame_sms",
                "SMS, by `status`: sent, refused, unclear (nobody knows), expired (too late to be"
                " sent), silent (asked for by a number that gets none)",
                ["status"],
                registry=self.registry,
            ),
            REPLY: Counter(
                "sesame_replies",
                "replies, by `status`: sent, refused (the parent cannot be reached)",
                ["status"],
                registry=self.registry,
            ),
            EMAIL: Counter(
                "sesame_emails",
                "e-mails, by `status`: sent, refused, unclear (nobody knows), expired (too late to"
                " be sent)",
                ["status"],
                registry=self.registry,
            ),
            TELL: Counter(
                "sesame_tellings",
                "conversations told of what happened to their account elsewhere, by `status`: sent,"
                " refused (our own mistake), dropped (the conversation is stored no more)",
                ["status"],
                registry=self.registry,
            ),
            ACCOUNT: Counter(
                "sesame_account_changes",
                "changes that were told to the account service, by `status`: sent, refused, dropped"
                " (the account is no more)",
                ["status"],
                registry=self.registry,
            ),
            ERASE: Counter(
                "sesame_erasures",
                "messages with a password, by `status`: sent (gone), refused (still there)",
                ["status"],
                registry=self.registry,
            ),
        }
        self._segments = Counter(
            "sesame_sms_segments",
            "SMS that are paid for: a long text takes several",
            registry=self.registry,
        )
        self._reports = Counter(
            "sesame_sms_reports",
            "what providers said later of SMS, by `status`: handed_over, undelivered, delivered,"
            " unknown (none of ours)",
            ["status"],
            registry=self.registry,
        )
        self._locks = Counter(
            "sesame_locks", "pauses begun after too many tries", registry=self.registry
        )
        self._turn_seconds = Histogram(
            "sesame_turn_seconds",
            "how long turns took, from taking the update to its commit",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._hash_seconds = Histogram(
            "sesame_password_hash_seconds",
            "how long it took to hash or to compare a password",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._begin_at_zero()
        self.registry.register(self)

    def _begin_at_zero(self) -> None:
        """What has not happened yet is 0, not absent, so that an alert on it works."""
        for cause in Reason:
            self._refusals.labels(cause.value)
        for status in ("sent", "refused", "unclear", "expired", "silent"):
            self._handled[SMS].labels(status)
        for status in ("handed_over", "undelivered", "delivered", "unknown"):
            self._reports.labels(status)
        for status in ("sent", "refused", "unclear", "expired"):
            self._handled[EMAIL].labels(status)
        for kind in (TELL, ACCOUNT):
            self._handled[kind].labels("dropped")
        for kind in (REPLY, ERASE, TELL, ACCOUNT):
            for status in ("sent", "refused"):
                self._handled[kind].labels(status)

    def observe(self, seen: Seen) -> None:
        """Count what the engine and the delivery tell."""
        match seen:
            case TurnTaken():
                self._take(seen)
            case Hashed(seconds):
                self._hash_seconds.observe(seconds)
            case Handled(kind, status, segments):
                self._handled[kind].labels(status).inc()
                self._segments.inc(segments)
            case Reported(status):
                self._reports.labels(status).inc()

    def _take(self, turn: TurnTaken) -> None:
        self._turns.labels(turn.before or "unknown", turn.outcome.value).inc()
        if turn.outcome is not Outcome.DUPLICATE:
            self._turn_seconds.observe(turn.seconds)
        if turn.cause is not None:
            self._refusals.labels(turn.cause.value).inc()
        if turn.cause is Reason.TOO_MANY_TRIES:
            self._locks.inc()

    def collect(self) -> Iterator[Metric]:
        """What is known when it is asked for (the library's own interface)."""
        yield CounterMetricFamily(
            "sesame_database_errors",
            "work that the database did not do: busy, full, read-only, damaged",
            value=self.database_errors,
        )
        for name, meaning in GAUGES.items():
            gauge = GaugeMetricFamily(f"sesame_{name}", meaning)
            if name in self.counts.gauges:
                gauge.add_metric([], self.counts.gauges[name])
            yield gauge
        meaning = "conversations that stand in each `state`"
        by_state = GaugeMetricFamily("sesame_conversations", meaning, labels=["state"])
        for state in S if self.counts.conversations else ():
            by_state.add_metric([state.value], self.counts.conversations.get(state.value, 0))
        yield by_state

    def page(self) -> bytes:
        """All of it in the text format of Prometheus."""
        return generate_latest(self.registry)
