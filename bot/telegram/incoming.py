"""From Telegram's updates to ours. Only private chats hold conversations (RELIABILITY T12, T13)."""

import re
from dataclasses import dataclass

import telegram
from telegram.constants import ChatMemberStatus, ChatType, MessageAttachmentType

import locales
from bot.channel import said
from bot.engine import Update
from flows.inputs import Blocked, CameByLink, Edited, FromParent, Pressed, SentOther, SharedContact
from storage.conversations import Address

CHANNEL = "telegram"

ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")

_PRESS = re.compile(r"1:([0-9]{1,9}):([a-z_]{1,40})")
_BY_LINK = re.compile(r"/start(?:@\w+)? ([A-Za-z0-9_-]{1,64})", re.ASCII)
_OLD_BUTTON = Pressed("", -1)  # no question has such a number: the parent is told that it is old


@dataclass(frozen=True, slots=True)
class Group:
    """A chat of several people into which the bot was brought, and the language spoken to it."""

    chat: int
    lang: str


def press_data(asked: int, choice: str) -> str:
    """What a button carries: a version, the question's number and the choice."""
    return f"1:{asked}:{choice}"


def read_update(update: telegram.Update) -> Update | None:
    """What the conversation hears; None for what is not for it."""
    chat, user = update.effective_chat, update.effective_user
    if chat is None or user is None or chat.type != ChatType.PRIVATE or chat.id != user.id:
        return None  # not from the owner of a private chat
    happened = _happened(update)
    if happened is None:
        return None
    return Update(
        Address(CHANNEL, str(chat.id)),
        happened,
        id=f"{CHANNEL}:{update.update_id}",
        language=locales.guess(user.language_code),
    )


def read_group(update: telegram.Update) -> Group | None:
    """The group or channel to be left, if that is where the update comes from."""
    chat, user, member = update.effective_chat, update.effective_user, update.my_chat_member
    if chat is None or chat.type == ChatType.PRIVATE:
        return None
    if member and member.new_chat_member.status in (ChatMemberStatus.LEFT, ChatMemberStatus.BANNED):
        return None
    return Group(chat.id, locales.guess(user.language_code if user else None) or "fr")


def _happened(update: telegram.Update) -> FromParent | Blocked | None:
    if update.callback_query:
        return _press(update.callback_query.data)
    if update.edited_message:
        return _edit(update.edited_message)
    if update.message:
        return _message(update.message)
    if update.my_chat_member:
        return _change(update.my_chat_member)
    return None


def _change(change: telegram.ChatMemberUpdated) -> Blocked | None:
    """Only that the bot was blocked: who lifts the block says /start, or nothing yet."""
    return Blocked() if change.new_chat_member.status == ChatMemberStatus.BANNED else None


def _press(data: str | None) -> Pressed:
    """Read a button's data strictly: a changed app can send anything."""
    found = _PRESS.fullmatch(data or "")
    return Pressed(found[2], int(found[1])) if found else _OLD_BUTTON


def _edit(message: telegram.Message) -> Edited | None:
    """A changed text. Captions and places that move are of no interest."""
    if message.text is None:
        return None
    return Edited(said(message.text).text, f"{message.message_id:d}")


def _message(message: telegram.Message) -> FromParent | None:
    if message.text is not None:
        if by_link := _BY_LINK.fullmatch(message.text):
            return CameByLink(by_link[1])
        return said(message.text, f"{message.message_id:d}", _is_of_another(message))
    if message.contact:
        return SharedContact(message.contact.phone_number, own=_is_own_contact(message))
    if any(message[kind] for kind in MessageAttachmentType) or message.checklist:
        return SentOther()
    if message.api_kwargs:  # content that the library does not know yet
        return SentOther()
    return None  # a service message: pinned, a changed timer, …


def _is_of_another(message: telegram.Message) -> bool:
    """Forwarded, or written by another bot: the sender passes it on (RELIABILITY T12)."""
    return bool(message.forward_origin or message.via_bot)


def _is_own_contact(message: telegram.Message) -> bool:
    """Telegram's server itself says whose card it is (UX 0.5); a forwarded one proves nothing."""
    contact, sender = message.contact, message.from_user
    if contact is None or sender is None or _is_of_another(message):
        return False
    return contact.user_id == sender.id
