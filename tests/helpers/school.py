"""A school's register, written the way schools' files are read."""

import csv
import io
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.app import open_storage, secret_of
from bot.settings import Settings
from storage.database import Database, one
from storage.importing.load import load
from storage.importing.staging import Unwatched
from storage.invitations import Invitations
from storage.place import Place, is_url
from storage.vault import Vault
from tests.helpers.clock import Clock

COLUMNS = (
    *("uai", "school", "guardian_last", "guardian_usage", "guardian_first", "mobile", "legal"),
    *("child_last", "child_first", "child_birthdate"),
)
LILAS, PORT = ("0750001U", "Collège des Lilas"), ("0750002V", "École du Port")


INVITATION = "the-link-of-the-first-1"
"""The token of a personal link for the school's first guardian: in most tests, Marie Dupont."""

_FILLED: dict[tuple[str, str], bytes] = {}


@dataclass
class School:
    """Families, in the words of the test."""

    rows: list[dict[str, str]] = field(default_factory=list)

    def knows(
        self,
        person: str,
        mobile: str,
        children: dict[str, str],
        *,
        usage: str = "",
        legal: bool = True,
        at: tuple[str, str] = LILAS,
    ) -> "School":
        """A guardian ("Marie DUPONT") with children ("Léa DUPONT": "14/03/2014")."""
        first, last = _split(person)
        for child, birthdate in children.items():
            child_first, child_last = _split(child)
            cells = (*at, last, usage, first, mobile, str(int(legal)), child_last, child_first)
            self.rows.append(dict(zip(COLUMNS, (*cells, birthdate), strict=True)))
        return self

    async def fills_place(self, place: Place, settings: Settings) -> None:
        """Import the families, into a file where that is one."""
        if is_url(place):
            await self._fills_server(settings)
        else:
            await self.fills_file(Path(place), settings)

    async def _fills_server(self, settings: Settings) -> None:
        async with open_storage(settings) as (database, vault):
            if await database.run(one("SELECT id FROM guardians LIMIT 1")) is None:
                await self.fills(database, vault, Clock())

    async def fills_file(self, path: Path, settings: Settings) -> None:
        """Import the families into a new database file; the same school is only read once."""
        if path.exists():
            return
        key = (repr(self.rows), secret_of(settings, path).reveal())
        if key not in _FILLED:
            with TemporaryDirectory() as folder:
                draft = Path(folder) / "register.sqlite3"
                url = f"sqlite+aiosqlite:///{draft}"
                async with open_storage(settings.model_copy(update={"database_url": url})) as (
                    database,
                    vault,
                ):
                    await self.fills(database, vault, Clock())
                _FILLED[key] = draft.read_bytes()
        path.write_bytes(_FILLED[key])

    async def fills(self, database: Database, vault: Vault, clock: Clock) -> None:
        """Import the families."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, delimiter=";")
        writer.writeheader()
        writer.writerows(self.rows)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "register.csv"
            path.write_text(text.getvalue(), encoding="utf-8")
            await load([path], database=database, vault=vault, watch=Unwatched(), now=clock.now)
        first = await database.run(one("SELECT min(id) FROM guardians"))
        assert first is not None
        if first[0] is not None:
            until = clock.now + timedelta(days=3650)
            await database.run(Invitations(vault).keep(first[0], INVITATION, until))


def _split(person: str) -> tuple[str, str]:
    words = person.split()
    last = [word for word in words if word.isupper() and len(word) > 1]
    first = [word for word in words if word not in last]
    return " ".join(first), " ".join(last)


def a_school() -> School:
    """The families that most tests use."""
    return (
        School()
        .knows("Marie DUPONT", "06 12 34 56 78", {"Léa DUPONT": "14/03/2014"})
        .knows("Sophie MARTIN", "06 98 76 54 32", {"Hugo LEFÈVRE": "01/09/2011"}, usage="Lefèvre")
        .knows(
            "Sophie MARTIN",
            "06 98 76 54 32",
            {"Zoé LEFÈVRE": "12/06/2017", "Tom LEFÈVRE": "03/05/2015"},
            usage="Lefèvre",
            at=PORT,
        )
        .knows("An NGUYEN", "07 51 23 45 67", {"Minh NGUYEN": "30/11/2012"})
        .knows("Lan NGUYEN", "07 51 23 45 67", {"Minh NGUYEN": "30/11/2012"})
        .knows("Inès PAYET", "0692 12 34 56", {"Ava PAYET": "05/04/2018"}, at=PORT)
        .knows("Łukasz KOWALCZYK", "+32 470 12 34 56", {"Ola KOWALCZYK": "29/02/2016"})
        .knows("Julie BERNARD", "06 45 67 89 01", {"Tom PETIT": "03/05/2012"}, legal=False)
    )
