"""`sesame status`: counts of everything, for a person or as JSON."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

import locales
from bot.app import open_storage
from bot.clock import utc_now
from bot.settings import Settings
from storage.conversations import Conversations
from storage.database import Work, one, stamp
from storage.outbox import Outbox
from storage.vault import Vault


async def show_status(settings: Settings, as_json: bool, lang: str) -> None:
    """Print the counts."""
    async with open_storage(settings) as (database, vault):
        counts = await database.run(_counts(vault, settings.sms_price, utc_now()))
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


def _counts(vault: Vault, price: Decimal | None, now: datetime) -> Work[dict[str, dict[str, Any]]]:
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
            **(yield from _accounts()),
            "letters": (yield from _count("letters WHERE expires_at > ?", stamp(now))),
            "notices": (yield from _count("notices WHERE expires_at > ?", stamp(now))),
            "school_notes": (yield from _count("school_notes")),
        },
        "sms": {**outbox.pop("sms", {}), "segments": segments, **cost},
        "outbox": outbox,
    }


def _accounts() -> Work[dict[str, int]]:
    """How they stand. A closed one can be frozen, too: that counts for more."""
    return {
        "open": (yield from _count("accounts WHERE frozen_at IS NULL AND closed_at IS NULL")),
        "frozen": (yield from _count("accounts WHERE frozen_at IS NOT NULL")),
        "closed": (yield from _count("accounts WHERE frozen_at IS NULL AND closed_at IS NOT NULL")),
    }


def _count(rows: str, *facts: int) -> Work[int]:
    row = yield from one(f"SELECT count(*) FROM {rows}", *facts)  # noqa: S608 - only our own words
    assert row is not None  # noqa: S101 - count(*) always has a row
    return int(row[0])
