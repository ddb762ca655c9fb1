"""A person who talks with the bot on their phone, and what they see there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.telegram.server import Alert, BotApi, Button, Chat, Message

JSON = dict[str, Any]

COMMAND = re.compile(r"(?<![\w/@])/[A-Za-z0-9_]{1,64}(?:@\w+)?")
LONGEST = 4096


@dataclass(eq=False, repr=False)
class Person:
    """A person in one chat: their private chat with the bot, or a group."""

    server: BotApi
    user: JSON
    phone: str
    chat: Chat
    opened: list[str] = field(default_factory=list)
    clipboard: str = ""
    _heard: int = 0
    _alerts_heard: int = 0
    _cleared: int = 0

    # What they do

    def says(self, text: str) -> Message:
        """Write a message; a long one leaves in pieces, and the last is returned."""
        *first, last = _pieces(text)
        for piece in first:
            self._writes(piece)
        return self._writes(last)

    def starts(self, payload: str | None = None) -> Message:
        """Press Start (and lift a block), or follow a link that carries a payload."""
        if self.chat.is_private and self.chat.member == "kicked":
            self.unblocks()
        name = "" if self.chat.is_private else f"@{self.server.bot['username']}"
        return self.says(f"/start{name}" if payload is None else f"/start{name} {payload}")

    def presses(self, label: str) -> None:
        """Press a button of the newest message that has it, else one of the keyboard."""
        for message in reversed(self.screen):
            for button in message.inline:
                if button.label == label:
                    return self._presses_inline(message, button)
        holder = self._keyboard_message
        for button in self._keys:
            if button.label == label:
                assert holder is not None
                if holder.markup.get("one_time_keyboard"):
                    self.chat.keyboard_from = None
                return self._presses_key(button)
        raise AssertionError(f"No button {label!r} on the screen.\n{self}")

    def presses_old(self, message: Message, label: str) -> None:
        """Press a button that a message has or once had."""
        for button in message.offered:
            if button.label == label:
                return self._presses_inline(message, button)
        raise AssertionError(f"The message never had a button {label!r}: {message}")

    def forges(self, message: Message, data: str) -> None:
        """Send a press that no button offers, as a changed app can."""
        self.server.press(self.user, message, data)

    def shares_contact(
        self,
        phone: str | None = None,
        user_id: int | None = None,
        *,
        of_another: Person | bool = False,
        forwarded: bool = False,
    ) -> Message:
        """Share a contact card: their own, or another's, who may be unknown to Telegram."""
        card: JSON = {"phone_number": self.phone, "first_name": self.user["first_name"]}
        owner: int | None = self.user["id"]
        if isinstance(of_another, Person):
            card = {"phone_number": of_another.phone, "first_name": of_another.user["first_name"]}
            owner = of_another.user["id"]
        elif of_another:
            card["first_name"] = "Someone"
            owner = None
        if phone is not None:
            card["phone_number"] = phone
        owner = owner if user_id is None else user_id
        if owner is not None:
            card["user_id"] = owner
        return self.sends(contact=card, **(self._forwarded() if forwarded else {}))

    def sends_photo(self, caption: str | None = None) -> Message:
        """Send a photo."""
        size = _file("photo") | {"width": 90, "height": 67}
        return self.sends(photo=[size], **({"caption": caption} if caption else {}))

    def sends_voice(self) -> Message:
        """Send a voice message."""
        return self.sends(voice=_file("voice") | {"duration": 2, "mime_type": "audio/ogg"})

    def sends_sticker(self) -> Message:
        """Send a sticker."""
        kind = {"type": "regular", "is_animated": False, "is_video": False}
        return self.sends(sticker=_file("sticker") | kind | {"width": 512, "height": 512})

    def sends_location(self) -> Message:
        """Send a place."""
        return self.sends(location={"latitude": 48.8566, "longitude": 2.3522})

    def sends_document(self, name: str = "facture.pdf", caption: str | None = None) -> Message:
        """Send a file."""
        caption_too = {"caption": caption} if caption else {}
        return self.sends(document=_file("document") | {"file_name": name}, **caption_too)

    def sends(self, **content: Any) -> Message:
        """Send any content, in the words of the Bot API."""
        assert self.chat.member != "kicked" or not self.chat.is_private, "she blocked the bot"
        message = self.server.post(self.chat, self.user, content)
        if self.chat.is_private or self.chat.member == "member":
            self.chat.known = True
        if self._reaches_the_bot(message):
            self.server.deliver("message", message.api())
        return message

    def edits(self, message: Message, text: str) -> None:
        """Change the words of a message of theirs."""
        assert message.sender == self.user, "only their own messages"
        message.change({}, self.server.now(), _worded(text))
        self.server.ring()
        if self._reaches_the_bot(message):
            self.server.deliver("edited_message", message.api())

    def forwards(self, text: str) -> Message:
        """Forward a text that somebody else wrote."""
        return self.sends(**_worded(text), **self._forwarded())

    def blocks(self) -> None:
        """Block the bot."""
        self.chat.known = True
        self.server.membership(self.chat, self.user, "kicked")

    def unblocks(self) -> None:
        """Lift the block."""
        self.server.membership(self.chat, self.user, "member")

    def clears(self) -> None:
        """Empty the chat on their own phone."""
        self._cleared = len(self.chat.messages)
        self.chat.keyboard_from = None

    def in_group(self, group: Chat | str) -> Person:
        """Go and speak in a group, to which the bot is added if it never was in it."""
        chat = self.server.group(group) if isinstance(group, str) else group
        there = Person(self.server, self.user, self.phone, chat, _heard=len(chat.messages))
        if chat.member is None:
            there.adds_bot()
        return there

    def adds_bot(self) -> None:
        """Add the bot to the group."""
        self.chat.known = True
        self.server.membership(self.chat, self.user, "member")
        self.sends(new_chat_members=[self.server.bot])

    def removes_bot(self) -> None:
        """Put the bot out of the group."""
        self.server.membership(self.chat, self.user, "kicked")

    # What they see

    @property
    def screen(self) -> list[Message]:
        """The messages that they see now."""
        return [one for one in self.chat.messages[self._cleared :] if not one.deleted]

    @property
    def last(self) -> Message:
        """The newest message of the bot."""
        for message in reversed(self.screen):
            if message.from_bot:
                return message
        raise AssertionError(f"The bot has said nothing.\n{self}")

    @property
    def keyboard(self) -> list[str] | None:
        """The words on the keys that the bot put in place of the keyboard."""
        return [button.label for button in self._keys] or None

    @property
    def alerts(self) -> list[Alert]:
        """What the bot answered to their presses, oldest first."""
        return list(self.server.alerts[self.user["id"]])

    @property
    def menu(self) -> list[str]:
        """The commands of the menu, in their language where the bot has it."""
        kind = "private" if self.chat.is_private else "group"
        scopes = [f"chat:{self.chat.id}", f"all_{kind}_chats", "default"]
        for scope in scopes:
            for language in (self.user.get("language_code", "")[:2], ""):
                found = self.server.commands.get((scope, language))
                if found:
                    return [one["command"] for one in found]
        return []

    def __str__(self) -> str:
        lines = [str(message) for message in self.screen] or ["(empty)"]
        return "\n".join(["Screen:", *lines, f"Keyboard: {self.keyboard}"])

    __repr__ = __str__

    # How they wait

    async def hears(self, timeout: float = 5) -> Message:  # noqa: ASYNC109
        """Wait for the bot's next message that was not heard yet."""
        found: list[Message] = []

        def spoken() -> bool:
            found[:] = [one for one in self.chat.messages[self._heard :] if one.from_bot][:1]
            return bool(found)

        if not await self.server.until(spoken, timeout):
            raise AssertionError(f"The bot said nothing more in {timeout} s.\n{self}")
        self._heard = found[0].id
        return found[0]

    async def hears_nothing(self, within: float = 0.2) -> None:
        """Check that the bot says nothing more for a moment."""
        heard = self._heard

        def spoken() -> bool:
            return any(one.from_bot for one in self.chat.messages[heard:])

        if await self.server.until(spoken, within):
            raise AssertionError(f"The bot said something.\n{self}")

    async def sees(self, what: Callable[[], object], timeout: float = 5) -> None:  # noqa: ASYNC109
        """Wait until something is so: an edit, a deletion, a keyboard."""
        if not await self.server.until(lambda: bool(what()), timeout):
            raise AssertionError(f"It did not come in {timeout} s.\n{self}")

    async def is_alerted(self, timeout: float = 5) -> Alert:  # noqa: ASYNC109
        """Wait for the bot's next answer to a press."""
        if not await self.server.until(lambda: len(self.alerts) > self._alerts_heard, timeout):
            raise AssertionError(f"No answer to the press in {timeout} s.\n{self}")
        self._alerts_heard += 1
        return self.alerts[self._alerts_heard - 1]

    # Within

    def _writes(self, text: str) -> Message:
        return self.sends(**_worded(text))

    def _reaches_the_bot(self, message: Message) -> bool:
        """In a group the bot reads only what is meant for it."""
        if self.chat.is_private:
            return True
        if self.chat.member != "member":
            return False
        name = f"@{self.server.bot['username']}"
        named = re.search(r"@\w+", message.text)
        return (
            "new_chat_members" in message.content
            or name in message.text
            or (message.text.startswith("/") and named is None)
        )

    def _presses_inline(self, message: Message, button: Button) -> None:
        match button.kind:
            case "callback_data":
                self.server.press(self.user, message, button.value)
            case "copy_text":
                self.clipboard = button.value["text"]
            case "url":
                self.opened.append(button.value)
            case "web_app":
                self.opened.append(button.value["url"])
            case kind:
                raise AssertionError(f"This phone cannot press a button of kind {kind}.")

    def _presses_key(self, button: Button) -> None:
        match button.kind:
            case "text":
                self.says(button.label)
            case "request_contact":
                self.shares_contact()
            case "request_location":
                self.sends_location()
            case "web_app":
                self.opened.append(button.value["url"])
            case kind:
                raise AssertionError(f"This phone cannot press a key of kind {kind}.")

    @property
    def _keyboard_message(self) -> Message | None:
        return self.chat.keyboard_from

    @property
    def _keys(self) -> list[Button]:
        holder = self._keyboard_message
        return [] if holder is None else list(holder.offered)

    def _forwarded(self) -> JSON:
        date = int(self.server.now().timestamp()) - 60
        return {"forward_origin": {"type": "hidden_user", "date": date, "sender_user_name": "Ann"}}


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _pieces(text: str) -> list[str]:
    assert text, "nobody can send an empty message"
    pieces = [""]
    size = 0
    for character in text:
        size += _units(character)
        if size > LONGEST:
            pieces.append("")
            size = _units(character)
        pieces[-1] += character
    return pieces


def _worded(text: str) -> JSON:
    commands = [
        {"type": "bot_command", "offset": _units(text[: m.start()]), "length": _units(m.group())}
        for m in COMMAND.finditer(text)
    ]
    return {"text": text, **({"entities": commands} if commands else {})}


def _file(kind: str) -> JSON:
    return {"file_id": f"{kind}-1", "file_unique_id": f"{kind}1", "file_size": 1234}
