"""E-mail: codes that prove an address, and notices of what was done to an account.

A code leaves once at most: it would only be typed once, and its conversation is told at once when
it did not leave. A notice is what protects an account (RELIABILITY T6), so it rather comes twice
than never: what may have left is given once or twice more, under the same Message-ID.
"""

from bot.carriers.ledger import MOST_TRIES, Ledger
from bot.logs import Event, Log
from bot.mail import Mail, MailRefused, MailSender, MailUnclear
from bot.mail.port import OPERATORS_FAULT
from flows.inputs import EmailFailed
from storage.conversations import Address
from storage.outbox import Parcel
from storage.vault import Vault

log = Log("delivery")

AGAIN = 5  # seconds after a server's refusal for now; then longer
CODE_TRIES = 3  # within a quarter of a minute: then the parent is told, and asks again
UNCLEAR_TRIES = 2  # of a notice, after one that may have left


class Mailing:
    """Hands mail over to its sender."""

    once = True

    def __init__(self, ledger: Ledger, sender: MailSender, vault: Vault) -> None:
        self._ledger = ledger
        self._sender = sender
        self._vault = vault

    async def carry(self, parcel: Parcel, address: Address | None) -> None:
        """Hand it over. A notice belongs to an account and not to a conversation."""
        del address
        if parcel.expires_at and parcel.expires_at <= self._ledger.clock():
            return await self._ledger.finish(parcel, "failed", "expired")  # dead on arrival
        body = parcel.body
        name = self._vault.key("mail", parcel.number, parcel.created_at.isoformat()).hex()
        try:
            await self._sender.send(Mail(body["to"], body["subject"], body["text"], name))
        except MailRefused as refused:
            await self._refused(parcel, refused)
        except Exception as error:
            kind = error.kind if isinstance(error, MailUnclear) else type(error).__name__
            log(Event.EMAIL_UNCLEAR, kind=kind)
            await self.lost(parcel)
        else:
            await self._ledger.finish(parcel, "sent")
        return None

    async def _refused(self, parcel: Parcel, refused: MailRefused) -> None:
        is_code, is_ours = parcel.body["code"], refused.kind in OPERATORS_FAULT
        if is_ours:
            log(Event.EMAIL_ACCOUNT, kind=refused.kind)
        if refused.final or (is_code and is_ours):
            log(Event.EMAIL_REFUSED, kind=refused.kind)
            await self._not_sent(parcel, "refused")
        elif parcel.attempts + 1 < (CODE_TRIES if is_code else MOST_TRIES):
            log(Event.EMAIL_WAITS, kind=refused.kind)
            await self._ledger.later(parcel, AGAIN)
        else:
            log(Event.EMAIL_REFUSED, kind=refused.kind)
            await self._not_sent(parcel, "refused")

    async def lost(self, parcel: Parcel) -> None:
        """It may have left."""
        if not parcel.body["code"] and parcel.attempts < UNCLEAR_TRIES:
            await self._ledger.later(parcel, AGAIN)
        else:
            await self._not_sent(parcel, "unclear")

    async def _not_sent(self, parcel: Parcel, failure: str) -> None:
        """A notice that does not leave is told to nobody: its account may be in wrong hands.

        Nor is a code in whose place there is another one by now.
        """
        ledger = self._ledger
        if not parcel.body["code"]:
            return await ledger.finish(parcel, "failed", failure)
        address = await ledger.note(ledger.conversations.address, parcel.chat)
        is_last = await ledger.note(ledger.outbox.is_last, parcel)
        await ledger.finish(parcel, "failed", failure)
        if address is not None and is_last:
            await ledger.tell(address, EmailFailed())
        return None
