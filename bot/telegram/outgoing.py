"""From our replies to calls of the Bot API: text with entities, never markup."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    LinkPreviewOptions,
    MessageEntity,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    WebAppInfo,
)
from telegram.constants import MessageLimit
from telegram.error import BadRequest, Forbidden, RetryAfter, TelegramError

from bot.channel import Button, Mark, Reply, TryLater, Undeliverable
from bot.logs import Event, Log
from bot.telegram.client import wanted_wait
from bot.telegram.incoming import press_data

log = Log("telegram")

Markup = InlineKeyboardMarkup | ReplyKeyboardMarkup | ReplyKeyboardRemove

AGAIN = 1  # seconds after a fault of Telegram or of the network; then longer
HALF_WIDTH = 12  # characters of a label that leaves room for another beside it (UX R3)
WAYS_OUT = ("back", "help")
_ENTITIES = {"strong": MessageEntity.BOLD, "exact": MessageEntity.CODE}
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


class TelegramChannel:
    """Telegram as a bot.channel.Channel."""

    def __init__(self, bot: Bot, public_url: str | None = None) -> None:
        """`public_url` is where the page for the password is; None where there is none."""
        self._bot = bot
        self._public_url = public_url

    async def send(self, place: str, reply: Reply, after: str | None = None) -> str | None:
        """Show the reply, in one message wherever possible. Raises TryLater or Undeliverable.

        A message carries one keyboard: taking the contact button away needs a message of its own
        where the reply has buttons. When the second of the two fails, both are sent again.
        """
        del after
        with _what_refusals_mean():
            if reply.leaves_contact and reply.buttons:
                await self._write(place, reply.leaves_contact, (), ReplyKeyboardRemove())
            await self._write(place, reply.text, reply.marks, _markup(reply, self._public_url))
        return None

    async def erase(self, place: str, message: str) -> None:
        """Delete the parent's message, on both sides. Raises TryLater or Undeliverable."""
        with _what_refusals_mean():
            try:
                await self._bot.delete_message(int(place), int(message))
            except BadRequest as error:
                if "message to delete not found" not in error.message.lower():
                    raise  # too old, most likely

    async def _write(
        self, place: str, text: str, marks: Iterable[Mark], markup: Markup | None
    ) -> None:
        shown = _cut(text)
        await self._bot.send_message(
            int(place),
            shown,
            entities=_entities(shown, marks),
            reply_markup=markup,
            link_preview_options=_NO_PREVIEW,
        )


@contextmanager
def _what_refusals_mean() -> Iterator[None]:
    """Tell the outbox whether trying again makes sense. Only the kind of a refusal is logged."""
    try:
        yield
    except RetryAfter as error:
        # One second more: the outbox keeps whole seconds.
        raise TryLater(wanted_wait(error) + 1) from None
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
            entities.append(MessageEntity(_ENTITIES[mark.kind], mark.start, length))
    return MessageEntity.adjust_message_entities_to_utf_16(text, entities)


def _markup(reply: Reply, public_url: str | None) -> Markup | None:
    if reply.contact:
        share = [KeyboardButton(reply.contact, request_contact=True)]
        rows = [[KeyboardButton(button.label) for button in row] for row in _rows(reply.buttons)]
        return ReplyKeyboardMarkup([share, *rows], resize_keyboard=True, one_time_keyboard=False)
    if reply.buttons:
        presses = [
            [
                InlineKeyboardButton(
                    button.label, callback_data=press_data(reply.asked, button.choice)
                )
                for button in row
            ]
            for row in _rows(reply.buttons)
        ]
        return InlineKeyboardMarkup([*_page_row(reply, public_url), *presses])
    return ReplyKeyboardRemove() if reply.leaves_contact else None


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
