"""One conversation's record: where it stands and what is known so far."""

from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Any

from flows.policy import Policy
from flows.states import S
from flows.table import CLOSED, ENDED, WAITING

VERSION = 3
"""Of the record's shape. A record of an earlier version is brought up to date by `from_dict`."""


_MOMENTS = {
    *("seen_at", "code_sent_at", "code_expires_at", "proved_at", "ticket_until", "locked_until"),
    *("reopen_until",),
}


_RENAMED = {"has_account": "menu"}
"""States of an older Sésame that are no more, and where such a conversation stands now."""


@dataclass(slots=True)
class Child:
    """A pupil of the guardian, masked as in the tutorial's step 9, and what the parent said."""

    pupil: int
    first: str
    initial: str
    school: str
    uai: str = ""
    status: str = "waiting"  # waiting, confirmed, aside (three wrong dates), not_mine


@dataclass(slots=True)
class Chat:
    """Everything a conversation must remember. It holds no password and no code."""

    state: S = S.START
    lang: str | None = None  # "fr", "en"; None until it is known
    asked: int = 0  # counts visits to questions: an old button carries an old number
    pressed: tuple[int, str] | None = None  # the last press taken: a double tap is not a second one
    interruption: str = ""  # a key of INTERRUPTIONS that is open over the state
    misses: int = 0  # answers not taken in a row at this question
    seen_at: datetime | None = None  # the parent's last sign of life
    away: bool = False  # blocked the bot, and has not come back: nothing is said unasked

    last: str = field(default="", repr=False)
    first: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)  # E.164
    phone_known: bool = False  # it is the parent's own, and they were told that the school has it
    pending: tuple[str, ...] = field(default=(), repr=False)  # two names or numbers to choose from
    pending_date: date | None = field(default=None, repr=False)

    code_sent_at: datetime | None = None
    code_expires_at: datetime | None = None
    nudged: bool = False  # help was offered for the code under way
    told_late: bool = False  # for the code under way: that SMS are late
    burnt: int = 0  # codes cancelled by too many tries
    proved_at: datetime | None = None  # the code came back: the number is the parent's

    guardians: tuple[int, ...] = ()
    avoid: tuple[str, ...] = field(default=(), repr=False)
    first_digest: str = field(default="", repr=False)  # typed once
    digest: str = field(default="", repr=False)  # typed twice: the password of the account
    children: list[Child] = field(default_factory=list, repr=False)
    child: int = 0  # the one being asked about

    ticket: str = field(default="", repr=False)  # digest: of the page opened last
    ticket_until: datetime | None = None
    reserved: str = field(default="", repr=False)  # the identifier that the account will have
    identifier: str = field(default="", repr=False)
    told_opening: bool = False  # that the account service does not answer
    texted: bool = False  # the identifier was sent by SMS

    goal: str = ""  # what the parent came for: flows.account.table.GOALS; "" is an activation
    letter: bool = False  # came by a letter of the school: no number of the register is needed
    login: str = field(default="", repr=False)  # an identifier that was typed, and proves nothing
    new_phone: str = field(default="", repr=False)  # E.164: to be proved, then the account's
    new_email: str = field(default="", repr=False)
    email: str = field(default="", repr=False)  # the account's, masked
    child_school: str = field(default="", repr=False)  # of the child to add, as it was typed
    home: str = ""  # the state that a list of services was asked for from
    last_digits: str = ""  # of the account's number, where another one was proved
    dated: bool = False  # a child's birthdate was right since the account was opened here
    reopen_until: datetime | None = None  # a closed account is erased then

    notice: str = ""  # of another guardian's account, to which the parent can still object
    notice_about: str = ""  # what it tells: activated, password, phone, identifier, closed
    notice_child: str = field(default="", repr=False)
    reminded: bool = False  # of this activation: never a second time
    muted: bool = False  # "don't remind me": of no activation in this conversation

    locks: int = 0  # how many pauses so far: each is longer
    locked_until: datetime | None = None

    def forget(self) -> None:
        """Erase what the parent said. Locks, the numbering of questions and notices stay."""
        fresh = Chat(
            state=self.state,
            lang=self.lang,
            asked=self.asked,
            pressed=self.pressed,
            locks=self.locks,
            locked_until=self.locked_until,
            burnt=self.burnt,
            away=self.away,
            notice=self.notice,
            notice_about=self.notice_about,
            notice_child=self.notice_child,
            muted=self.muted,
        )
        for known in fields(Chat):
            setattr(self, known.name, getattr(fresh, known.name))

    def expires_at(self, policy: Policy) -> datetime | None:
        """When the answers are erased if the parent stays silent; None when there are none."""
        if self.seen_at is None or self.state in ENDED + WAITING:
            return None
        unproved = self.proved_at is None and self.state not in CLOSED
        return self.seen_at + (policy.keep_unproved if unproved else policy.keep_idle)

    def nudge_at(self, policy: Policy) -> datetime | None:
        """When help is offered to a parent who waits for the code; None when not waiting."""
        if self.state is not S.CODE or self.nudged or self.away or self.code_sent_at is None:
            return None
        return self.code_sent_at + policy.nudge_after

    def lock(self, policy: Policy, now: datetime) -> None:
        """Begin the next, longer pause."""
        self.locked_until = now + self.lock_length(policy, self.locks)
        self.locks += 1
        self.proved_at = None

    def lock_length(self, policy: Policy, before: int) -> timedelta:
        """How long a pause lasts that comes after so many others."""
        return policy.locks[max(0, min(before, len(policy.locks) - 1))]

    def to_dict(self) -> dict[str, Any]:
        """A plain JSON value; `from_dict` takes it back."""
        record = asdict(self)
        for name, value in record.items():
            if isinstance(value, date):  # datetime is one too
                record[name] = value.isoformat()
        return {"version": VERSION, **record, "state": self.state.value}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "Chat":
        """The record that `to_dict` made; what an older Sésame did not know has its default.

        Raises ValueError for one of a newer Sésame.
        """
        values = dict(record)
        if values.pop("version") > VERSION:
            raise ValueError("this conversation was saved by a newer Sésame")
        for name in _MOMENTS & values.keys():  # what came with a later version is missing
            values[name] = values[name] and datetime.fromisoformat(values[name])
        if values.get("pending_date"):
            values["pending_date"] = date.fromisoformat(values["pending_date"])
        for name in ("pending", "guardians", "avoid"):
            values[name] = tuple(values.get(name, ()))
        values["pressed"] = values.get("pressed") and tuple(values["pressed"])
        values["children"] = [Child(**child) for child in values.get("children", ())]
        state = _RENAMED.get(values["state"], values["state"])
        return cls(**{**values, "state": S(state)})
