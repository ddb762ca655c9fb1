"""What is seen of the bot before a word is said: its commands and descriptions."""

from functools import partial

from telegram import Bot, BotCommand, BotCommandScopeAllPrivateChats
from telegram.constants import BotDescriptionLimit
from telegram.error import TelegramError

import locales
from bot.logs import Event, Log

log = Log("telegram")

COMMANDS = (
    *("help", "back", "status", "language", "human", "start", "cancel", "privacy", "erase"),
)


async def introduce(bot: Bot, contact: str = "") -> None:
    """Tell Telegram, in each language and in all of them for everybody else.

    `contact` is whom parents can ask, by default the school's office.

    A refusal is logged and no more: Telegram allows few changes a day, and what was said stays.
    """
    for lang in (None, *locales.LANGUAGES):
        commands = [
            BotCommand(
                locales.command(meaning, lang or locales.LANGUAGES[0]),
                _text(f"telegram.command.{meaning}", lang, " / "),
            )
            for meaning in COMMANDS
        ]
        scope = BotCommandScopeAllPrivateChats()
        for call in (
            partial(bot.set_my_commands, commands, scope=scope, language_code=lang),
            partial(bot.set_my_description, _description(lang, contact), lang),
            partial(bot.set_my_short_description, _text("telegram.short_description", lang), lang),
        ):
            try:
                await call()
            except TelegramError as error:
                log(Event.PROFILE_NOT_SET, kind=type(error).__name__)


def _description(lang: str | None, contact: str) -> str:
    """With the contact; one that is too long for it is the conversation's to tell."""
    text = _text("telegram.description", lang, contact=contact)
    fits = len(text.encode("utf-16-le")) // 2 <= BotDescriptionLimit.MAX_DESCRIPTION_LENGTH
    return text if fits else _text("telegram.description", lang)


def _text(key: str, lang: str | None, gap: str = "\n\n", contact: str = "") -> str:
    """The text in one language, or in all, one after the other."""
    languages = (lang,) if lang else locales.LANGUAGES
    texts = (
        locales.say(key, each, {"contact": contact or locales.say("contact.default", each)})
        for each in languages
    )
    return gap.join(dict.fromkeys(texts))
