"""Other people are told of what is done to an account, and can object: then it is frozen.

The children's other legal guardians are told in the conversations where they have an account open,
else by SMS; the account's own e-mail and, where its number was changed, the number before are told,
too (RELIABILITY T5, T6). That it was closed is nobody's business but its own e-mail's. Each gets a
code of its own, of which only a keyed hash is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from flows.inputs import NotObjected, Objected
from flows.outputs import TellOthers
from flows.policy import DAY, Policy
from flows.questions.letter import pretty
from flows.questions.name import fold
from flows.questions.phone import read_contact
from storage import sign_ins
from storage.accounts import Account, Accounts, account_subject
from storage.audit import Action, note
from storage.database import Work, every, lock, one, run, stamp
from storage.family import Pupil, guardian_place, same_person
from storage.letters import code_key, new_code
from storage.life import Acting, Life
from storage.outbox import EMAIL, SMS, Outbox
from storage.tallies import count, open_again
from storage.vault import Vault

Words = Callable[[str, dict[str, str]], str]
"""A text of `locales` in one language: its key and the facts that it shows."""

LONGEST = 15
"""Characters of a first name that an SMS has room for."""


@dataclass(slots=True)
class _Other:
    """Another legal guardian of one of the children: all records of one person."""

    child: str  # the first name of one whom both have
    guardians: list[int] = field(default_factory=list)
    phones: list[str] = field(default_factory=list, repr=False)  # E.164, of the register


class Notices:
    """What others are told, and what they object to."""

    def __init__(self, vault: Vault, policy: Policy, accounts: Accounts, life: Life) -> None:
        self._vault = vault
        self._policy = policy
        self._accounts = accounts
        self._life = life
        self._outbox = Outbox(vault)

    # ---- telling -----------------------------------------------------------------------------

    def tell(self, wanted: TellOthers, acting: Acting, theirs: Words, own: Words) -> Work[None]:
        """Tell all who should know. `own` is in the parent's language, `theirs` in the school's."""
        account = yield from self._accounts.read(wanted.identifier)
        alive = (yield from self._life.alive([account], acting)) if account else []
        if not alive:
            return
        [account] = alive
        about = wanted.about
        before = account.phone_before if about == "phone" else ""
        if before:
            yield from self._life.forget_phone_before(account)
        children = yield from self._life.children(account)
        reached = 0
        others = [] if about == "closed" else (yield from self._others(account, children))
        for other in others:
            reached += yield from self._tell_other(other, account, about, acting, theirs, before)
        child = children[0].first[:LONGEST] if children else account.first[:LONGEST]
        if before:
            key, to = "sms.phone_changed", _of_account(account)
            yield from self._text(before, to, own, key, {"child": child}, account, acting)
        if account.email:
            code = yield from self._notice(account, acting.now)
            what = own(f"notice.{about}", {"child": child})
            body = {
                "to": account.email,
                "subject": own("mail.notice.subject", {}),
                "text": own("mail.notice.text", {"what": what, "code": pretty(code)}),
                "code": False,
            }
            yield from self._outbox.add(_of_account(account), EMAIL, body, acting.now)
            acting.also.add(_of_account(account))
        if not (reached or before or account.email):
            return
        subject = account_subject(self._vault, account.identifier)
        yield from note(
            self._vault,
            acting.actor,
            Action.OTHERS_TOLD,
            subject,
            acting.now,
            about=about,
            guardians=reached,
            email=int(bool(account.email)),
        )

    def _others(self, account: Account, children: list[Pupil]) -> Work[list[_Other]]:
        """The other legal guardians of these children, each person once."""
        own = yield from same_person(self._vault, account.guardians, [account.phone])
        found: dict[tuple[str, str], _Other] = {}
        for child in children:
            rows = yield from every(
                "SELECT guardians.id, uai, source_key, sealed FROM links"
                " JOIN guardians ON guardians.id = guardian"
                " WHERE pupil = ? AND legal = 1 AND gone_at IS NULL ORDER BY guardians.id",
                child.number,
            )
            for guardian, uai, source_key, sealed in rows:
                if guardian in own:
                    continue
                known = self._vault.open(sealed, guardian_place(uai, source_key))
                name = fold(known["birth"]), fold(known["first"])
                other = found.setdefault(name, _Other(child.first[:LONGEST]))
                other.guardians.append(guardian)
                other.phones += known["phones"]
        return list(found.values())

    def _tell_other(
        self,
        other: _Other,
        account: Account,
        about: str,
        acting: Acting,
        words: Words,
        before: str,
    ) -> Work[bool]:
        """In the chat, if they have an account open in one; else by SMS. Whether anything went."""
        phones = other.phones
        for theirs in (yield from self._accounts.of_guardians(other.guardians)):
            if theirs.number == account.number or theirs.status != "open":
                continue
            chats = yield from sign_ins.chats_of(theirs.number)
            for chat in chats:
                code = yield from self._notice(account, acting.now)
                yield from sign_ins.tell(
                    self._vault,
                    chat,
                    "Noticed",
                    acting.now,
                    notice=code,
                    about=about,
                    child=other.child,
                )
                acting.also.add(chat)
            if chats:
                return True
            phones = [theirs.phone, *phones]
        # Who was just proved to be at a number need not be told there; nor is it, if two share it.
        spared = {account.phone, before}
        for phone in dict.fromkeys(phones):
            if phone in spared or read_contact(phone) != phone:
                continue
            to = f"notice:{other.guardians[0]}".encode()
            facts = {"child": other.child}
            key = f"sms.notice.{about}"
            if (yield from self._text(phone, to, words, key, facts, account, acting)):
                return True
        return False

    def _text(
        self,
        phone: str,
        chat: bytes,
        words: Words,
        key: str,
        facts: dict[str, str],
        account: Account,
        acting: Acting,
    ) -> Work[bool]:
        """Send it with a code, if this number did not get enough of them lately."""
        number, now = self._vault.key("phone", phone), acting.now
        limits = self._policy.notice_texts
        if key == "sms.notice.identifier":  # changes nothing: it must not use up what may matter
            limits = ((DAY, 1),)
        if (yield from open_again("notice.sms", number, limits, now)):
            return False
        yield from count("notice.sms", number, now)
        code = yield from self._notice(account, now)
        text = words(key, {**facts, "code": pretty(code)})
        yield from self._outbox.add(chat, SMS, {"to": phone, "text": text}, now)
        acting.also.add(chat)
        return True

    def _notice(self, account: Account, now: datetime) -> Work[str]:
        code = new_code()
        yield from run(
            "INSERT INTO notices (notice_key, account, expires_at) VALUES (?, ?, ?)",
            self._key(code),
            account.number,
            stamp(now + self._policy.notice_validity),
        )
        return code

    # ---- objecting ---------------------------------------------------------------------------

    def object(self, notice: str, code: str, acting: Acting) -> Work[Objected | NotObjected]:
        """Freeze the account, by the notice that the conversation got, or by the code of another.

        Who types codes that are none is counted: after so many a right one is none, either.
        """
        yield from lock("chat", acting.chat)
        if not notice:
            full = yield from open_again(
                "objection", acting.chat, self._policy.object_tries, acting.now
            )
            if full is not None:
                return NotObjected()
        row = yield from one(
            "SELECT account FROM notices WHERE notice_key = ? AND expires_at > ?",
            self._key(notice or code),
            stamp(acting.now),
        )
        account = (yield from self._accounts.numbered(row[0])) if row else None
        if account is None:
            if not notice:
                yield from count("objection", acting.chat, acting.now)
            return NotObjected()
        yield from self._life.freeze(account.identifier, "notice", acting, here=False)
        return Objected()

    def _key(self, code: str) -> bytes:
        return code_key(self._vault, "notice", code)


def _of_account(account: Account) -> bytes:
    """The `chat` of parcels for the account's own address, or for the number that it had."""
    return f"account:{account.number}".encode()
