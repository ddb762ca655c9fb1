"""Conversations and the updates they have taken."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime

from flows.chat import Chat
from flows.states import S
from storage.database import Work, every, one, run, stamp
from storage.vault import Vault, keep_up


@dataclass(frozen=True, slots=True)
class Address:
    """Where a conversation lives. Never a phone number or a person (DESIGN, decision 15)."""

    channel: str
    place: str


class Conversations:
    """Each conversation is one sealed record, found by the keyed hash of its address."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def key(self, address: Address) -> bytes:
        """The name of the conversation in every table."""
        return self._vault.key("chat", address.channel, address.place)

    def pseudonym(self, chat: bytes, now: datetime) -> str:
        """What the logs call a conversation: short, keyed, and another every day (UTC)."""
        return self._vault.key("log", f"{now:%Y-%m-%d}", chat.hex())[:4].hex()

    def take(self, update: str, now: datetime) -> Work[bool]:
        """Note that an update is being taken; False if it was taken before."""
        rows = yield from run(
            "INSERT INTO updates (id, at) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING id",
            update,
            stamp(now),
        )
        return bool(rows)

    def load(self, chat: bytes) -> Work[Chat | None]:
        """The stored conversation, or None for a new one. The turn seals as all others do."""
        yield from keep_up(self._vault)
        row = yield from one("SELECT record FROM chats WHERE chat = ?", chat)
        if row is None:
            return None
        return Chat.from_dict(self._vault.open(row[0], chat_place(chat)))

    def save(
        self, chat: bytes, address: Address, record: Chat, wake: datetime | None, now: datetime
    ) -> Work[None]:
        """Store the conversation as it is now."""
        yield from run(
            "INSERT INTO chats (chat, state, record, address, wake_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (chat) DO UPDATE SET state = excluded.state,"
            " record = excluded.record, wake_at = excluded.wake_at,"
            " updated_at = excluded.updated_at",
            chat,
            record.state.value,
            self._vault.seal(record.to_dict(), chat_place(chat)),
            self._vault.seal([address.channel, address.place], address_place(chat)),
            wake and stamp(wake),
            stamp(now),
        )

    def address(self, chat: bytes) -> Work[Address | None]:
        """Where a conversation lives; None where it is stored no more."""
        row = yield from one("SELECT address FROM chats WHERE chat = ?", chat)
        return None if row is None else Address(*self._vault.open(row[0], address_place(chat)))

    def to_wake(self, now: datetime, channels: Container[str]) -> Work[list[Address]]:
        """Conversations of these channels whose moment has come, the oldest hundred."""
        rows = yield from every(
            "SELECT chat FROM chats WHERE wake_at <= ? ORDER BY wake_at", stamp(now)
        )
        return (yield from self._on(channels, rows, most=100))

    def awaiting_sms(self, channels: Container[str]) -> Work[list[Address]]:
        """Conversations of these channels that were told that a code is coming."""
        rows = yield from every(
            "SELECT chat FROM chats WHERE state IN (?, ?)", S.CODE.value, S.NO_SMS.value
        )
        return (yield from self._on(channels, rows, most=len(rows)))

    def _on(
        self, channels: Container[str], chats: Iterable[tuple[bytes]], most: int
    ) -> Work[list[Address]]:
        addresses: list[Address] = []
        for (chat,) in chats:
            address = yield from self.address(chat)
            if address is not None and address.channel in channels:
                addresses.append(address)
            if len(addresses) == most:
                break
        return addresses

    def let_sleep(self, chat: bytes) -> Work[None]:
        """Do not wake this conversation until its parent comes back."""
        yield from run("UPDATE chats SET wake_at = NULL WHERE chat = ?", chat)

    def locked(self, now: datetime) -> Work[int]:
        """How many are in a pause that is not over."""
        rows = yield from every("SELECT chat FROM chats WHERE state = ?", S.LOCKED.value)
        pauses = 0
        for (chat,) in rows:
            record = yield from self.load(chat)
            pauses += bool(record and record.locked_until and record.locked_until > now)
        return pauses

    def by_state(self) -> Work[dict[str, int]]:
        """How many conversations stand in each state."""
        rows = yield from every("SELECT state, count(*) FROM chats GROUP BY state ORDER BY state")
        return dict(rows)


def chat_place(chat: bytes) -> str:
    """What a conversation's sealed record is bound to."""
    return f"chats:{chat.hex()}"


def address_place(chat: bytes) -> str:
    """What a conversation's sealed address is bound to."""
    return f"address:{chat.hex()}"
