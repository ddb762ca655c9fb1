"""`sesame backup`: a copy of the database, while the bot goes on."""

from pathlib import Path

import click

import locales
from bot.settings import BadSetting, Settings
from storage.sqlite import copy


async def back_up(settings: Settings, target: Path, lang: str) -> None:
    """Copy the SQLite file; nothing is written over. Raises BadSetting or StorageError."""
    file = settings.database_file
    if file is None:
        raise BadSetting(
            f"PostgreSQL is copied with its own program: pg_dump --format=custom --file={target}"
            " NAME (docs/deploy/postgresql.md)."
        )
    size = await copy(file, target)
    click.echo(
        locales.say("backup.done", lang, {"file": str(target), "kilobytes": -(-size // 1000)})
    )
