"""`sesame status`: counts of everything, for a person or as JSON."""

import json
from decimal import Decimal
from typing import Any

import click

import locales
from bot.app import open_storage
from bot.settings import Settings
from storage.conversations import Conversations
from storage.database import Work, one
from storage.outbox import Outbox
from storage.vault import Vault


async def show_status(settings: Settings, as_json: bool, lang: str) -> None:
    """Print the counts."""
    async with open_storage(settings) as (database, vault):
        counts = await database.run(_counts(vault, settings.sms_price))
    if as_json:
        click.echo(json.dumps(counts))
        return
    for part, numbers in counts.items():
        click.echo(locales.say(f"counts.{part}", lang))
        show_counts(numbers)


def show_counts(numbers: dict[str, Any]) -> None:
    """One line each, aligned."""
    for name, number in _flat(numbers):
        click.echo(f"  {name:<28}{number:>10}")


def _flat(numbers: dict[str, Any]) -> list[tuple[str, int]]:
    flat = []
    for name, number in numbers.items():
        if isinstance(number, dict):
            flat += [(f"{name} {inner}", count) for inner, count in number.items()]
        else:
            flat.append((name, number))
    return flat


def _counts(vault: Vault, price: Decimal | None) -> Work[dict[str, dict[str, Any]]]:
    by_state = yield from Conversations(vault).by_state()
    outbox = yield from Outbox(vault).by_status()
    segments = yield from Outbox(vault).segments()
    cost = {} if price is None else {"cost": float(segments * price)}
    return {
        "register": {
            "schools": (yield from _count("schools")),
            "guardians": (yield from _count("guardians WHERE gone_at IS NULL")),
            "pupils": (yield from _count("pupils WHERE gone_at IS NULL")),
        },
        "conversations": by_state,
        "accounts": {
            "opened": (yield from _count("accounts")),
            "school_notes": (yield from _count("school_notes")),
        },
        "sms": {**outbox.pop("sms", {}), "segments": segments, **cost},
        "outbox": outbox,
    }


def _count(rows: str) -> Work[int]:
    row = yield from one(f"SELECT count(*) FROM {rows}")  # noqa: S608 - only our own words
    assert row is not None  # noqa: S101 - count(*) always has a row
    return int(row[0])
