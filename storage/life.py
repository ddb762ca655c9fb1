"""What happens to an account later: how it is found, shown, changed, frozen, closed and erased.

Who proved what is the conversation's business (flows/account). What is looked at again here, with
the account's guardians locked, is what another conversation may have done meanwhile: whether the
account still stands open, and still in the conversation that changes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flows.inputs import (
    AccountChanged,
    AccountExists,
    AccountTied,
    ChildFound,
    ChildNotFound,
    ChildOnAccount,
    DataFound,
    Happening,
    NoAccount,
    SignedOut,
    SignIn,
    SignInsFound,
)
from flows.outputs import ReadAccount, TellSchool
from flows.policy import Policy
from flows.questions.email import mask
from flows.questions.name import same_first
from flows.questions.school import is_school
from storage import sign_ins
from storage.accounts import Account, Accounts, account_place, account_subject, lock_guardians
from storage.audit import PARENT, Action, note
from storage.conversations import Conversations
from storage.database import Work, every, moment, one, run, stamp
from storage.erasure import erase_account
from storage.family import (
    Pupil,
    children_of,
    identities,
    names_and_dates,
    pupils_of,
    records_of,
    same_person,
)
from storage.told import tell_now
from storage.vault import Vault

_NO_NUMBER = "none"
"""What nobody's number is."""

HAPPENINGS = 10
"""Rows of the audit record that are shown in the chat."""

Changed = AccountChanged | SignedOut


@dataclass(slots=True)
class Acting:
    """Something is being done: in which conversation, when, by whom.

    `also` gathers who else has something to send then (the `chat` of parcels).
    """

    chat: bytes
    now: datetime
    actor: str = PARENT
    also: set[bytes] = field(default_factory=set)


class Life:
    """Accounts after they were opened."""

    def __init__(self, vault: Vault, policy: Policy, accounts: Accounts) -> None:
        self._vault = vault
        self._policy = policy
        self._accounts = accounts
        self._conversations = Conversations(vault)

    # ---- found, and shown --------------------------------------------------------------------

    def read(self, identifier: str) -> Work[Account | None]:
        """The account of this identifier."""
        return (yield from self._accounts.read(identifier))

    def find(
        self, asked: ReadAccount, acting: Acting
    ) -> Work[AccountExists | AccountTied | NoAccount]:
        """Whose account it is that was proved."""
        # What was proved is the number, where there is one; else that of whoever has the login.
        by_name = asked.identifier or ("" if asked.phone else asked.login)
        if by_name:
            account = yield from self._accounts.read(by_name)
            found = [account] if account else []
        else:
            found = yield from self._with_phone(asked.phone)
        alive = yield from self.alive(found, acting)
        if len(alive) > 1:
            return AccountTied()
        if not alive:
            return NoAccount()
        own = "" if asked.login == alive[0].identifier else _NO_NUMBER
        return (yield from self.show(alive[0], asked.phone or own, acting))

    def _with_phone(self, phone: str) -> Work[list[Account]]:
        """Those that have this number; else those of the people of whom the register has it."""
        own = yield from self._accounts.with_phone(phone)
        if own:
            return own
        rows = yield from every(
            "SELECT guardian FROM guardian_phones WHERE phone_key = ?",
            self._vault.key("phone", phone),
        )
        return (yield from self._accounts.of_guardians(guardian for (guardian,) in rows))

    def alive(self, accounts: Iterable[Account], acting: Acting) -> Work[list[Account]]:
        """All but those whose time is over: they are erased, as if they had never been.

        They are locked, and as they are now: nobody closes or erases what is shown meanwhile.
        """
        left = []
        for account in accounts:
            yield from lock_guardians(account.guardians)
            fresh = yield from self._accounts.numbered(account.number)
            if fresh is not None and _is_over(fresh, acting.now):
                yield from self._erase(fresh, acting)
            elif fresh is not None:
                left.append(fresh)
        return left

    def show(
        self, account: Account, phone: str, acting: Acting, *, letter: bool = False
    ) -> Work[AccountExists]:
        """What a conversation is told that has proved this number; "" is the account's own.

        By a `letter` its person may be told all, and the account is not open here before its number
        was changed. To who has another number of theirs than the account's, nothing is told.
        """
        digits = account.phone[-2:]
        moved = phone not in ("", account.phone)
        if moved and not letter:
            return AccountExists("", "moved", last_digits=digits)
        status = account.status
        if status == "frozen":
            if letter:
                return AccountExists(account.identifier, "frozen")
            yield from sign_ins.wait_for_thaw(account, acting.chat, acting.now)
            return AccountExists(account.identifier, "frozen", account.phone)
        if status == "open" and not letter:
            yield from sign_ins.sign_in(self._vault, account, acting.chat, acting.now)
        children = yield from self.children(account)
        if letter and not children:
            children = yield from self._all_children(account)
        avoid = yield from self._avoid(account, children)
        return AccountExists(
            account.identifier,
            "moved" if moved and status == "open" else status,
            account.phone,
            account.guardians,
            tuple(child.known for child in children),
            avoid,
            mask(account.email) if account.email else "",
            account.erase_at,
            digits,
        )

    def children(self, account: Account) -> Work[list[Pupil]]:
        """The account's children, at their schools of today."""
        return (
            yield from children_of(self._vault, account.guardians, account.pupils, [account.phone])
        )

    def _all_children(self, account: Account) -> Work[list[Pupil]]:
        """All who could be on it: pupils of whom the person is a legal guardian, with a date."""
        same = yield from same_person(self._vault, account.guardians, [account.phone])
        pupils = yield from pupils_of(self._vault, same)
        return [pupil for pupil in pupils if pupil.birthdate is not None]

    def _avoid(self, account: Account, children: list[Pupil]) -> Work[tuple[str, ...]]:
        """Names and dates that a password must not hold, those of the account, too."""
        people = yield from records_of(self._vault, account.guardians)
        told = names_and_dates(people, children) | {account.last, account.first}
        return tuple(sorted(told - {""}))

    # ---- changed -----------------------------------------------------------------------------

    def _open(self, identifier: str, acting: Acting) -> Work[Account | Changed]:
        """The account, locked, if it is open and open here; else what has become of it."""
        account = yield from self._locked(identifier, acting)
        if not isinstance(account, Account):
            return account
        if account.status != "open":
            return _standing(account)
        if not (yield from sign_ins.is_signed_in(account.number, acting.chat)):
            return SignedOut(identifier, "others")
        return account

    def _locked(self, identifier: str, acting: Acting) -> Work[Account | AccountChanged]:
        account = yield from self._accounts.read(identifier)
        if account is None:
            return AccountChanged("account_erased")
        alive = yield from self.alive([account], acting)
        return alive[0] if alive else AccountChanged("account_erased")

    def set_password(self, identifier: str, digest: str, acting: Acting) -> Work[Changed]:
        """Another password, of accounts that are kept here: the one before is dead at once."""
        account = yield from self._open(identifier, acting)
        if not isinstance(account, Account):
            return account
        yield from run("UPDATE accounts SET password_hash = ? WHERE id = ?", digest, account.number)
        return (yield from self._password_set(account, acting))

    def password_set(self, identifier: str, acting: Acting) -> Work[AccountChanged]:
        """An outside service has taken it, whatever else became of the account meanwhile."""
        account = yield from self._locked(identifier, acting)
        if not isinstance(account, Account):
            return account
        return (yield from self._password_set(account, acting))

    def _password_set(self, account: Account, acting: Acting) -> Work[AccountChanged]:
        keep = account.status == "frozen"
        chats = yield from sign_ins.sign_out(
            self._vault, account.number, "password", acting.now, acting.chat, keep=keep
        )
        acting.also.update(chats)
        subject = account_subject(self._vault, account.identifier)
        yield from note(self._vault, acting.actor, Action.PASSWORD_SET, subject, acting.now)
        return AccountChanged(Action.PASSWORD_SET.value)

    def may_change(self, identifier: str, acting: Acting) -> Work[Account | Changed]:
        """The same look, for a change that is made elsewhere."""
        return (yield from self._open(identifier, acting))

    def change_phone(self, identifier: str, phone: str, acting: Acting) -> Work[Changed]:
        """Another number: of an account that is open here, or by a letter for its guardian."""
        account = yield from self._locked(identifier, acting)
        if not isinstance(account, Account):
            return account
        if account.status == "frozen":
            return _standing(account)
        by_letter = yield from self._has_letter(account, acting)
        if not by_letter:
            still = yield from self._open(identifier, acting)
            if not isinstance(still, Account):
                return still
        if phone != account.phone:
            yield from self._reseal(account, phone=phone, phone_before=account.phone)
            yield from run(
                "UPDATE accounts SET phone_key = ? WHERE id = ?",
                self._vault.key("phone", phone),
                account.number,
            )
        if by_letter:
            for guardian in account.guardians:
                yield from run("DELETE FROM letters WHERE guardian = ?", guardian)
        facts = {"by": "letter" if by_letter else "code"}
        return (yield from self._changed(account, Action.PHONE_CHANGED, acting, **facts))

    def _has_letter(self, account: Account, acting: Acting) -> Work[bool]:
        same = yield from same_person(self._vault, account.guardians, [account.phone])
        for guardian in same:
            row = yield from one(
                "SELECT 1 FROM letters WHERE guardian = ? AND chat = ? AND expires_at > ?",
                guardian,
                acting.chat,
                stamp(acting.now),
            )
            if row:
                return True
        return False

    def change_email(self, identifier: str, email: str, acting: Acting) -> Work[Changed]:
        """Another address, which was proved."""
        account = yield from self._open(identifier, acting)
        if not isinstance(account, Account):
            return account
        yield from self._reseal(account, email=email)
        return (yield from self._changed(account, Action.EMAIL_CHANGED, acting))

    def find_child(
        self, identifier: str, school: str, first: str, acting: Acting
    ) -> Work[ChildFound | ChildOnAccount | ChildNotFound | SignedOut]:
        """A child of the same person, at the school that was typed."""
        account = yield from self._shown(identifier, acting)
        if not isinstance(account, Account):
            return account
        on_account = {pupil.identity for pupil in (yield from self.children(account))}
        found = [
            pupil
            for pupil in (yield from self._all_children(account))
            if same_first(first, pupil.first) and is_school(school, pupil.uai, pupil.school)
        ]
        new = [pupil for pupil in found if pupil.identity not in on_account]
        if new:
            return ChildFound(new[0].known)
        return ChildOnAccount() if found else ChildNotFound()

    def add_child(self, identifier: str, pupil: int, acting: Acting) -> Work[Changed]:
        """One whose birthdate was right; nobody's but the person's own."""
        account = yield from self._open(identifier, acting)
        if not isinstance(account, Account):
            return account
        own = {child.number for child in (yield from self._all_children(account))}
        if pupil in own:
            yield from run(
                "INSERT INTO account_pupils VALUES (?, ?) ON CONFLICT DO NOTHING",
                account.number,
                pupil,
            )
        return (yield from self._changed(account, Action.CHILD_ADDED, acting))

    def drop_child(self, identifier: str, pupil: int, acting: Acting) -> Work[Changed]:
        """Not this parent's child: off at once, whichever school's record it is."""
        account = yield from self._open(identifier, acting)
        if not isinstance(account, Account):
            return account
        who = yield from identities(self._vault, [pupil])
        for one_of_them in account.pupils:
            if who & (yield from identities(self._vault, [one_of_them])):
                yield from run(
                    "DELETE FROM account_pupils WHERE account = ? AND pupil = ?",
                    account.number,
                    one_of_them,
                )
        return (yield from self._changed(account, Action.CHILD_DROPPED, acting))

    def sign_out_others(self, identifier: str, acting: Acting) -> Work[Changed]:
        """Close it in all other conversations."""
        account = yield from self._open(identifier, acting)
        if not isinstance(account, Account):
            return account
        chats = yield from sign_ins.sign_out(
            self._vault, account.number, "others", acting.now, acting.chat
        )
        acting.also.update(chats)
        number = len(chats)
        return (yield from self._changed(account, Action.OTHERS_SIGNED_OUT, acting, number=number))

    # ---- frozen, closed, erased --------------------------------------------------------------

    def close(self, identifier: str, acting: Acting) -> Work[Changed]:
        """Until it is erased, whoever proves it can open it again."""
        account = yield from self._open(identifier, acting)
        if not isinstance(account, Account):
            return account
        until = moment(stamp(acting.now + self._policy.reopen_within))
        yield from run(
            "UPDATE accounts SET closed_at = ?, erase_at = ? WHERE id = ?",
            stamp(acting.now),
            stamp(until),
            account.number,
        )
        yield from self._sign_out_all(account, "closed", acting)
        yield from self._changed(account, Action.ACCOUNT_CLOSED, acting)
        return AccountChanged("account_closed", until)

    def reopen(self, identifier: str, acting: Acting) -> Work[Changed]:
        """Open it again, here."""
        account = yield from self._locked(identifier, acting)
        if not isinstance(account, Account):
            return account
        if account.status == "frozen":
            return _standing(account)
        if account.status == "open":  # by another conversation, meanwhile
            yield from sign_ins.sign_in(self._vault, account, acting.chat, acting.now)
            return AccountChanged("account_reopened")
        yield from run(
            "UPDATE accounts SET closed_at = NULL, erase_at = NULL WHERE id = ?", account.number
        )
        yield from sign_ins.sign_in(self._vault, account, acting.chat, acting.now)
        return (yield from self._changed(account, Action.ACCOUNT_REOPENED, acting))

    def freeze(
        self, identifier: str, reason: str, acting: Acting, *, here: bool = True
    ) -> Work[AccountChanged]:
        """Nothing of it can be shown or changed, until the school unfreezes it.

        `here`: the conversation that freezes it is one of the account's, and hears it as an answer.
        """
        account = yield from self._locked(identifier, acting)
        if not isinstance(account, Account):
            return account
        if account.status == "frozen":
            return _standing(account)
        yield from run(
            "UPDATE accounts SET frozen_at = ? WHERE id = ?", stamp(acting.now), account.number
        )
        chats = yield from sign_ins.sign_out(
            self._vault,
            account.number,
            "frozen",
            acting.now,
            acting.chat if here else None,
            keep=True,
        )
        acting.also.update(chats)
        yield from run("DELETE FROM notices WHERE account = ?", account.number)
        children = yield from self.children(account)
        if children:
            yield from self._note_for_school("frozen", account, children[0].number, acting)
        return (yield from self._changed(account, Action.ACCOUNT_FROZEN, acting, reason=reason))

    def unfreeze(self, identifier: str, reason: str, acting: Acting) -> Work[bool]:
        """By an operator alone; False where it was not frozen. The conversations are told.

        Each of them has to prove the number again before it is shown anything.
        """
        account = yield from self._locked(identifier, acting)
        if not isinstance(account, Account) or account.status != "frozen":
            return False
        yield from run("UPDATE accounts SET frozen_at = NULL WHERE id = ?", account.number)
        for chat in (yield from sign_ins.chats_of(account.number)):
            yield from sign_ins.tell(
                self._vault, chat, "Thawed", acting.now, identifier=account.identifier
            )
            acting.also.add(chat)
        yield from run("DELETE FROM sign_ins WHERE account = ?", account.number)
        yield from self._changed(account, Action.ACCOUNT_UNFROZEN, acting, reason=reason)
        return True

    def erase(self, identifier: str, acting: Acting) -> Work[Changed]:
        """Erase it, and all that was kept beside the register."""
        account = yield from self._open(identifier, acting)
        if not isinstance(account, Account):
            return account
        yield from self._erase(account, acting)
        return AccountChanged("account_erased")

    def _erase(self, account: Account, acting: Acting) -> Work[None]:
        yield from self._sign_out_all(account, "erased", acting)
        elsewhere = yield from erase_account(self._vault, account.number, acting.actor, acting.now)
        acting.also.update([elsewhere] if elsewhere else [])

    def _sign_out_all(self, account: Account, why: str, acting: Acting) -> Work[None]:
        """All are told but the conversation that does it, which hears it as an answer."""
        chats = yield from sign_ins.sign_out(
            self._vault, account.number, why, acting.now, acting.chat
        )
        acting.also.update(chats)
        yield from run(
            "DELETE FROM sign_ins WHERE account = ? AND chat = ?", account.number, acting.chat
        )

    # ---- what is known of it -----------------------------------------------------------------

    def _shown(self, identifier: str, acting: Acting) -> Work[Account | SignedOut]:
        """The account, if it may be shown here; else why it is not open here any more."""
        account = yield from self._accounts.read(identifier)
        if account is None or _is_over(account, acting.now):
            return SignedOut(identifier, "erased")
        if account.status != "open":
            return SignedOut(identifier, account.status)
        if not (yield from sign_ins.is_signed_in(account.number, acting.chat)):
            return SignedOut(identifier, "others")
        return account

    def list_sign_ins(self, identifier: str, acting: Acting) -> Work[SignInsFound | SignedOut]:
        """Where it is open, and what was done to it lately, the newest first."""
        account = yield from self._shown(identifier, acting)
        if not isinstance(account, Account):
            return account
        rows = yield from every(
            "SELECT chat, at FROM sign_ins WHERE account = ? ORDER BY at DESC, chat",
            account.number,
        )
        found = []
        for chat, at in rows:
            address = yield from self._conversations.address(chat)
            if address is not None:
                found.append(SignIn(address.channel, moment(at), chat == acting.chat))
        happenings = yield from every(
            "SELECT action, at FROM audit WHERE subject = ? ORDER BY id DESC LIMIT ?",
            account_subject(self._vault, identifier),
            HAPPENINGS,
        )
        return SignInsFound(
            tuple(found), tuple(Happening(what, moment(at)) for what, at in happenings)
        )

    def gather(self, identifier: str, acting: Acting) -> Work[DataFound | SignedOut]:
        """What is kept of the parent."""
        account = yield from self._shown(identifier, acting)
        if not isinstance(account, Account):
            return account
        same = yield from same_person(self._vault, account.guardians, [account.phone])
        schools = []
        for guardian in same:
            row = yield from one(
                "SELECT name, schools.uai FROM guardians JOIN schools"
                " ON schools.uai = guardians.uai WHERE id = ?",
                guardian,
            )
            schools += [row[0] or row[1]] if row else []
        children = yield from self.children(account)
        happenings = yield from one(
            "SELECT count(*) FROM audit WHERE subject = ?",
            account_subject(self._vault, identifier),
        )
        return DataFound(
            account.identifier,
            f"{account.first} {account.last}",
            account.phone,
            account.email,
            account.opened_at,
            tuple(child.first for child in children),
            tuple(dict.fromkeys(schools)),
            len((yield from sign_ins.chats_of(account.number))),
            happenings[0] if happenings else 0,
            account.key is not None,
        )

    def schools(
        self, identifier: str, acting: Acting
    ) -> Work[tuple[tuple[str, str], ...] | SignedOut]:
        """The schools of the account's children: UAI and name, each once."""
        account = yield from self._shown(identifier, acting)
        if not isinstance(account, Account):
            return account
        children = yield from self.children(account)
        return tuple(dict.fromkeys((child.uai, child.school) for child in children))

    # ---- each change -------------------------------------------------------------------------

    def _changed(
        self, account: Account, action: Action, acting: Acting, **facts: int | str
    ) -> Work[AccountChanged]:
        """It is in the audit record, and an outside service is told: in the same transaction."""
        subject = account_subject(self._vault, account.identifier)
        yield from note(self._vault, acting.actor, action, subject, acting.now, **facts)
        elsewhere = yield from tell_now(self._vault, account.number, acting.now)
        acting.also.update([elsewhere] if elsewhere else [])
        return AccountChanged(action.value)

    def _reseal(self, account: Account, **facts: str) -> Work[None]:
        row = yield from one(
            "SELECT identifier_key, sealed FROM accounts WHERE id = ?", account.number
        )
        assert row is not None  # noqa: S101 - locked, and read in this transaction
        known: dict[str, Any] = self._vault.open(row[1], account_place(row[0]))
        yield from run(
            "UPDATE accounts SET sealed = ? WHERE id = ?",
            self._vault.seal({**known, **facts}, account_place(row[0])),
            account.number,
        )

    def forget_phone_before(self, account: Account) -> Work[None]:
        """Whoever has the number before the last change was told of it."""
        yield from self._reseal(account, phone_before="")

    def _note_for_school(
        self, about: str, account: Account, pupil: int, acting: Acting
    ) -> Work[None]:
        """Note it of the record that ties the person to the pupil."""
        same = yield from same_person(self._vault, account.guardians, [account.phone])
        rows = yield from every("SELECT guardian FROM links WHERE pupil = ?", pupil)
        tied = [guardian for (guardian,) in rows if guardian in same]
        told = TellSchool(about, pupil, tuple(tied) or account.guardians)
        yield from self._accounts.tell_school(told, acting.now)


def _is_over(account: Account, now: datetime) -> bool:
    """Closed, and not opened again in time. What is frozen waits for the school."""
    over = account.erase_at is not None and account.erase_at <= now
    return over and account.frozen_at is None


def _standing(account: Account) -> AccountChanged:
    return AccountChanged(f"account_{account.status}", account.erase_at)
