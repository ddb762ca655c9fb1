"""From our replies to calls of the Bot API: text with entities, never markup."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from telegram import (
    Bot,
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    LinkPreviewOptions,
    MessageEntity,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    WebAppInfo,
)
from telegram.constants import (
    InlineKeyboardButtonLimit,
    MessageEntityDateTimeFormats,
    MessageLimit,
)
from telegram.error import BadRequest, Forbidden, RetryAfter, TelegramError

from bot.channel import Button, Mark, Reply, TryLater, Undeliverable
from bot.logs import Event, Log
from bot.telegram.client import wanted_wait
from bot.telegram.incoming import press_data
from bot.telegram.pace import Pace

log = Log("telegram")

Markup = InlineKeyboardMarkup | ReplyKeyboardMarkup | ReplyKeyboardRemove

PATIENCE = 5  # seconds for taking old buttons away; the next reply waits
AGAIN = 1  # seconds after a fault of Telegram or of the network; then longer
HALF_WIDTH = 12  # characters of a label that leaves room for another beside it (UX R3)
WAYS_OUT = ("back", "help")
_ENTITIES = {"strong": MessageEntity.BOLD, "exact": MessageEntity.CODE}
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_NO_KEYS = ReplyKeyboardRemove()
_NOT_MODIFIED = "message is not modified"


class TelegramChannel:
    """Telegram as a bot.channel.Channel."""

    def __init__(self, bot: Bot, public_url: str | None = None, pace: Pace | None = None) -> None:
        """`public_url` is where the page for the password is; None where there is none."""
        self._bot = bot
        self._public_url = public_url
        self._pace = pace or Pace()

    async def send(self, place: str, reply: Reply, instead: str | None = None) -> str | None:
        """Show the reply, in one message wherever possible. Raises TryLater or Undeliverable.

        A message carries one keyboard: taking the contact button away needs a message of its own
        where the reply has buttons. When the second of the two fails, both are sent again.
        """
        markup = _markup(reply, self._public_url)
        under = markup if isinstance(markup, InlineKeyboardMarkup) else None
        with self._what_refusals_mean(place):
            if instead and await self._rewrite(place, instead, reply, under):
                return instead
            if reply.leaves_contact and reply.buttons:
                await self._write(place, Reply(reply.leaves_contact, reply.lang), _NO_KEYS)
            number = await self._write(place, reply, markup)
        return str(number) if under else None

    async def answered(self, place: str, message: str) -> None:
        """Take the buttons away under a question that is answered: once, and if it can be done now.

        A button that stays is answered as an old one.
        """
        if not self._pace.is_free:
            return  # replies go first
        await self._pace.turn()
        with suppress(TelegramError):
            try:
                await self._bot.edit_message_reply_markup(
                    int(place), int(message), read_timeout=PATIENCE, write_timeout=PATIENCE
                )
            except RetryAfter as error:
                self._pace.told_to_wait(place, wanted_wait(error))

    async def erase(self, place: str, message: str) -> None:
        """Delete the parent's message, on both sides. Raises TryLater or Undeliverable."""
        with self._what_refusals_mean(place):
            await self._pace.turn()
            try:
                await self._bot.delete_message(int(place), int(message))
            except BadRequest as error:
                if "message to delete not found" not in error.message.lower():
                    raise  # too old, most likely

    async def _write(self, place: str, reply: Reply, markup: Markup | None) -> int:
        """Send it, and return the message's number."""
        text = _cut(reply.text)

        async def send(entities: Sequence[MessageEntity]) -> int:
            await self._pace.turn()
            message = await self._bot.send_message(
                int(place),
                text,
                entities=entities,
                reply_markup=markup,
                link_preview_options=_NO_PREVIEW,
                disable_notification=reply.silent,
            )
            return message.message_id

        try:
            return await send(_entities(text, reply.marks))
        except BadRequest as error:
            if "entit" not in error.message.lower():
                raise
            log(Event.CALL_REFUSED, kind="MessageEntity")  # an older server: the words are enough
            return await send(())

    async def _rewrite(
        self, place: str, message: str, reply: Reply, markup: InlineKeyboardMarkup | None
    ) -> bool:
        """Let the message say this instead; False where it cannot be changed."""
        text = _cut(reply.text)
        await self._pace.turn()
        try:
            await self._bot.edit_message_text(
                text,
                int(place),
                int(message),
                entities=_entities(text, reply.marks),
                reply_markup=markup,
                link_preview_options=_NO_PREVIEW,
            )
        except BadRequest as error:
            return _NOT_MODIFIED in error.message.lower()
        return True

    @contextmanager
    def _what_refusals_mean(self, place: str) -> Iterator[None]:
        """Tell the outbox whether trying again makes sense. Only the kind of a refusal is logged.

        Everything else than these two kinds of refusal is tried again: a token that is not good
        any more, or no network, says nothing about the chat.
        """
        try:
            yield
        except RetryAfter as error:
            # One second more: the outbox keeps whole seconds.
            wait = wanted_wait(error) + 1
            self._pace.told_to_wait(place, wait)
            raise TryLater(wait) from None
        except Forbidden as error:
            raise Undeliverable from error  # blocked, or the account is gone
        except BadRequest as error:  # the library counts it among the network's errors
            if "chat not found" not in error.message.lower():
                log(Event.CALL_REFUSED, kind=type(error).__name__)
            raise Undeliverable from error
        except TelegramError as error:
            log(Event.NOT_DELIVERED, kind=type(error).__name__)
            raise TryLater(AGAIN) from error


def _cut(text: str) -> str:
    """At most what one message holds, in UTF-16 units; no reply of ours comes near."""
    longest = int(MessageLimit.MAX_TEXT_LENGTH)
    units = text.encode("utf-16-le", "replace")  # a lone surrogate becomes "?"
    return units[: 2 * longest].decode("utf-16-le", "ignore")


def _entities(text: str, marks: Iterable[Mark]) -> Sequence[MessageEntity]:
    entities = []
    for mark in marks:
        length = min(mark.length, len(text) - mark.start)
        if length > 0:
            entities.append(_entity(mark, length))
    return MessageEntity.adjust_message_entities_to_utf_16(text, entities)


def _entity(mark: Mark, length: int) -> MessageEntity:
    if mark.kind != "time":
        return MessageEntity(_ENTITIES[mark.kind], mark.start, length)
    # Shown in the time zone of the parent's phone; by older apps as the words under it.
    formats = MessageEntityDateTimeFormats
    return MessageEntity(
        MessageEntity.DATE_TIME,
        mark.start,
        length,
        date_time_format=formats.LONG_DATE_SHORT_TIME if mark.day else formats.SHORT_TIME,
        unix_time=datetime.fromtimestamp(mark.at, UTC),
    )


def _markup(reply: Reply, public_url: str | None) -> Markup | None:
    if reply.contact:
        share = [KeyboardButton(reply.contact, request_contact=True)]
        rows = [[KeyboardButton(button.label) for button in row] for row in _rows(reply.buttons)]
        return ReplyKeyboardMarkup([share, *rows], resize_keyboard=True, one_time_keyboard=False)
    choices = [
        [
            InlineKeyboardButton(button.label, callback_data=press_data(reply.asked, button.choice))
            for button in row
        ]
        for row in _rows(reply.buttons)
    ]
    below = [*_page_row(reply, public_url), *_copy_row(reply), *choices]
    if below:
        return InlineKeyboardMarkup(below)
    return ReplyKeyboardRemove() if reply.leaves_contact else None


def _copy_row(reply: Reply) -> list[list[InlineKeyboardButton]]:
    """The button that copies what is marked as "exact"; direction marks are never inside it."""
    mark = next((mark for mark in reply.marks if mark.kind == "exact"), None)
    if not reply.copy or mark is None:
        return []
    text = reply.text[mark.start : mark.start + mark.length]
    if not 1 <= len(text) <= InlineKeyboardButtonLimit.MAX_COPY_TEXT:
        return []
    return [[InlineKeyboardButton(reply.copy, copy_text=CopyTextButton(text))]]


def _page_row(reply: Reply, public_url: str | None) -> Iterator[list[InlineKeyboardButton]]:
    """The button that opens the page for the password, alone and in front."""
    if reply.page and public_url:
        page = WebAppInfo(f"{public_url}/password?lang={reply.lang}")
        yield [InlineKeyboardButton(reply.page, web_app=page)]


def _rows(buttons: Sequence[Button]) -> list[list[Button]]:
    """One choice a row, two where all are short; the ways out share the last row."""
    choices = [button for button in buttons if button.choice not in WAYS_OUT]
    ways_out = [button for button in buttons if button.choice in WAYS_OUT]
    wide = 2 if all(len(button.label) <= HALF_WIDTH for button in choices) else 1
    rows = [choices[at : at + wide] for at in range(0, len(choices), wide)]
    return [*rows, ways_out] if ways_out else rows
