"""`sesame letters` and `sesame letter`: codes on paper, which stand in for a phone number.

What is written is as good as the numbers of all these people: the file can be read by its owner
alone, holds no more than goes on the sheet, and asks nothing of any other machine.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import segno
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from telegram.helpers import create_deep_linked_url

import locales
from bot.app import open_storage
from bot.clock import utc_now
from bot.operators import every_page, find_people, operator
from bot.settings import BadSetting, Settings, Unclear
from bot.telegram.client import bot_name
from storage.audit import Action, note
from storage.database import Database, Work
from storage.letters import Letter, Letters
from storage.vault import Vault

LANGUAGES = {**{lang: (lang,) for lang in locales.LANGUAGES}, "both": locales.LANGUAGES}


@dataclass(frozen=True, slots=True)
class Sheet:
    """How letters are written: in which languages, until when, and for which bot."""

    langs: tuple[str, ...]
    days: int
    zone: ZoneInfo
    contact: str
    bot: str = ""  # its name at Telegram; empty where it has none

    def page(self, letters: Sequence[Letter], until: datetime) -> str:
        """All letters, one a sheet."""

        def say(key: str, lang: str, **facts: object) -> str:
            contact = self.contact or locales.say("contact.default", lang)
            return locales.say(key, lang, {"contact": contact, **facts})

        pages = Environment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        template = resources.files("bot").joinpath("letter.html").read_text("utf-8")
        return pages.from_string(template).render(
            say=say,
            langs=self.langs,
            bot=self.bot,
            until=until.astimezone(self.zone).date(),
            letters=[self._shown(letter) for letter in letters],
        )

    def _shown(self, letter: Letter) -> dict[str, object]:
        picture = Markup(_picture(self.bot, letter.code)) if self.bot else ""  # noqa: S704 - ours
        return {
            "school": letter.school,
            "first": letter.first,
            "last": letter.last,
            "code": letter.code,
            "picture": picture,
        }


@dataclass(slots=True)
class _Draft:
    """A file that is only there once it is whole."""

    path: Path
    text: str = field(default="", repr=False)


async def letters(
    settings: Settings, uai: str, everybody: bool, days: int, langs: str, folder: Path, lang: str
) -> None:
    """A letter for each legal guardian who has no account; with `everybody`, for all.

    Whoever had one gets another: the code before is void.
    """
    sheet = await _sheet(settings, langs, days, lang)
    now = utc_now()
    until = now + timedelta(days=days)
    with _written(folder, uai or "all", now) as draft:
        async with open_storage(settings) as (database, vault):
            door = Letters(vault, settings.policy)
            made = await every_page(
                database, lambda after: door.write(uai, after, until, now, everybody)
            )
            await database.run(_written_note(vault, made, now))
        if made:
            draft.text = sheet.page(made, until)
    _tell(made, draft, lang)


async def letter(
    settings: Settings, who: str, uai: str, days: int, langs: str, folder: Path, lang: str
) -> None:
    """A letter for one person, also if they have an account: their phone is lost."""
    sheet = await _sheet(settings, langs, days, lang)
    now = utc_now()
    until = now + timedelta(days=days)
    async with open_storage(settings) as (database, vault):
        door = Letters(vault, settings.policy)
        guardians = await _guardians(database, vault, door, who, uai, lang)
        with _written(folder, "one", now) as draft:
            made = await database.run(door.write_for(guardians, until, now))
            await database.run(_written_note(vault, made, now))
            if made:
                draft.text = sheet.page(made, until)
    _tell(made, draft, lang)


def _written_note(vault: Vault, made: Sequence[Letter], now: datetime) -> Work[None]:
    return note(vault, operator(), Action.LETTERS_WRITTEN, None, now, guardians=len(made))


def _picture(bot: str, code: str) -> str:
    """A QR code that opens the conversation with the letter's code, as SVG."""
    link = create_deep_linked_url(bot, code.replace("-", ""))
    drawn = segno.make(link, error="m", micro=False)
    return drawn.svg_inline(omitsize=True, light="white", border=4)


async def _sheet(settings: Settings, langs: str, days: int, lang: str) -> Sheet:
    """Ask Telegram for the bot's name: a QR code needs it."""
    name = ""
    if settings.telegram_token is None:
        click.echo(locales.say("letters.no_bot", lang), err=True)
    else:
        name = await bot_name(settings.telegram_token, settings.telegram_api_url)
    zone = ZoneInfo(settings.timezone)
    return Sheet(LANGUAGES[langs], days, zone, settings.contact, name)


async def _guardians(
    database: Database, vault: Vault, door: Letters, who: str, uai: str, lang: str
) -> list[int]:
    """The records of the one person whom the line means."""
    words = who.split()
    if len(words) > 1 and not any(sign.isdecimal() for sign in who):
        if not uai:
            raise Unclear(locales.say("letters.school_needed", lang))
        found = set[int]()
        for at in range(1, len(words)):
            before, after = " ".join(words[:at]), " ".join(words[at:])
            for last, first in ((before, after), (after, before)):
                found |= set(await database.run(door.named(uai, last, first)))
        if len(found) > 1:
            raise Unclear(locales.say("letters.which", lang))
        if not found:
            raise Unclear(locales.say("letters.nobody", lang))
        return sorted(found)
    people, _ = await find_people(database, vault, who, lang)
    if not people:
        raise Unclear(locales.say("erase.nobody", lang))
    if len(people) > 1:
        raise Unclear(locales.say("letters.which", lang))
    return people[0].guardians


@contextmanager
def _written(folder: Path, whose: str, now: datetime) -> Iterator[_Draft]:
    """A new file of the folder, readable by its owner alone, begun before a code is made.

    A code that is made voids the one before: where nothing can be written, none is. Raises
    BadSetting.
    """
    draft = _Draft(folder / f"letters-{whose}-{now:%Y%m%d-%H%M%S}.html")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = os.open(draft.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadSetting(f"{draft.path} cannot be written: {error.strerror}.") from error
    with os.fdopen(number, "w", encoding="utf-8") as file:
        try:
            yield draft
            file.write(draft.text)
        except OSError as error:
            raise BadSetting(f"{draft.path} cannot be written: {error.strerror}.") from error
        finally:
            if not draft.text:
                draft.path.unlink()


def _tell(made: Sequence[Letter], draft: _Draft, lang: str) -> None:
    if not made:
        click.echo(locales.say("letters.none", lang))
        return
    click.echo(locales.say("letters.done", lang, {"n": len(made), "file": str(draft.path)}))
