"""What is seen of the bot before a word is said: its commands and descriptions."""

from functools import partial

from telegram import Bot, BotCommand, BotCommandScopeAllPrivateChats
from telegram.error import TelegramError

import locales
from bot.logs import Event, Log

log = Log("telegram")

COMMANDS = ("help", "back", "status", "language", "human", "start", "cancel", "erase")


async def introduce(bot: Bot) -> None:
    """Tell Telegram, in each language and in all of them for everybody else.

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
            partial(bot.set_my_description, _text("telegram.description", lang), lang),
            partial(bot.set_my_short_description, _text("telegram.short_description", lang), lang),
        ):
            try:
                await call()
            except TelegramError as error:
                log(Event.PROFILE_NOT_SET, kind=type(error).__name__)


def _text(key: str, lang: str | None, gap: str = "\n\n") -> str:
    """The text in one language, or in all, one after the other."""
    languages = (lang,) if lang else locales.LANGUAGES
    return gap.join(dict.fromkeys(locales.say(key, each) for each in languages))
