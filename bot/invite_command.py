"""`sesame invite`: personal links for the guardians who have no account yet, as a list to print."""

from datetime import timedelta
from pathlib import Path

import click
from telegram.helpers import create_deep_linked_url

import locales
from bot.app import open_storage
from bot.clock import utc_now
from bot.operators import every_page, operator
from bot.settings import BadSetting, Settings
from bot.spreadsheet import harmless, write_list
from bot.telegram.client import bot_name
from storage.audit import Action, note
from storage.invitations import Invitation, Invitations


async def invite(settings: Settings, file: Path, uai: str, days: int, lang: str) -> None:
    """Make a link for everybody who could activate, and write who gets which.

    Whoever had one gets another: the one before opens the conversation as any link does. Raises
    BadSetting where the bot is not known to Telegram, or the file cannot be written.
    """
    if settings.telegram_token is None:
        raise BadSetting("SESAME_TELEGRAM_TOKEN is not set: a link needs the bot's name.")
    name = await bot_name(settings.telegram_token, settings.telegram_api_url)
    made = await _invited(settings, uai, days)
    try:
        with write_list(file) as write:
            write(locales.say("invite.columns", lang).split("|"))
            for one in made:
                link = create_deep_linked_url(name, one.token)
                write([*map(harmless, (one.school, one.last, one.first)), link])
    except OSError as error:
        raise BadSetting(f"{file} cannot be written: {error.strerror}.") from error
    click.echo(locales.say("invite.done", lang, {"n": len(made), "file": str(file)}))


async def _invited(settings: Settings, uai: str, days: int) -> list[Invitation]:
    now = utc_now()
    until = now + timedelta(days=days)
    async with open_storage(settings) as (database, vault):
        invitations = Invitations(vault)
        made = await every_page(database, lambda after: invitations.invite(uai, after, until, now))
        done = note(vault, operator(), Action.INVITED, None, now, guardians=len(made))
        await database.run(done)
    return made
