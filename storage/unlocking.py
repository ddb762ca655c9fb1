"""An operator lifts what too many tries brought: counters, spent budgets, waits."""

from datetime import datetime

from storage import tallies
from storage.audit import Action, note
from storage.codes import login_key
from storage.database import Work, every, lock, run
from storage.erasure import Person
from storage.vault import Vault


def lift(
    vault: Vault,
    people: list[Person],
    phones: set[str],
    chats: list[bytes],
    actor: str,
    reason: str,
    now: datetime,
) -> Work[None]:
    """Forget what was counted of these numbers, of the guardians' children, and in these chats.

    The pause itself is in the conversation and ends with `flows.inputs.Unlocked`.
    """
    for chat in sorted(chats):
        yield from lock("chat", chat)
    for number in sorted(phones):
        yield from tallies.clear(vault.key("phone", number))
    for identifier in sorted(identifier for person in people for identifier in person.identifiers):
        yield from tallies.clear(login_key(vault, identifier))
    for guardian in (guardian for person in people for guardian in person.guardians):
        for (pupil,) in (yield from every("SELECT pupil FROM links WHERE guardian = ?", guardian)):
            yield from tallies.clear(vault.key("pupil", pupil))
    for chat in chats:
        yield from tallies.clear(chat)
        yield from run("DELETE FROM codes WHERE chat = ? AND status <> 'current'", chat)
    subject = vault.key("person", *sorted(phones))
    count = len(chats)
    yield from note(vault, actor, Action.UNLOCKED, subject, now, reason=reason, conversations=count)
