"""How fast and how flat the import is: `python benchmarks/import_register.py [URL] [PUPILS…]`.

URL is that of an empty PostgreSQL database for one size; without it each size has a SQLite file.

Each size is imported in a process of its own, and so is the baseline: the same files parsed by
ElementTree, bare rows inserted. Figures are ratios, since machines differ (PERFORMANCE.md).
"""

import asyncio
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import iterparse

from make_register import write

from flows.secret import Secret
from storage.importing.load import load
from storage.importing.staging import Unwatched
from storage.place import Place, is_url, open_database
from storage.vault import Vault

_BARE = {
    "ELEVE": ("ID_NATIONAL", "NOM_DE_FAMILLE", "PRENOM", "DATE_NAISS"),
    "PERSONNE": ("NOM_DE_FAMILLE", "PRENOM", "TEL_PORTABLE", "MEL"),
    "RESPONSABLE_ELEVE": ("ELEVE_ID", "PERSONNE_ID", "NIVEAU_RESPONSABILITE", "CODE_PARENTE"),
}


def baseline(files: list[Path], database: Path) -> None:
    """Parse the files and insert bare rows, and nothing else."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE bare (a, b, c, d)")
    for path in files:
        connection.executemany("INSERT INTO bare VALUES (?, ?, ?, ?)", _bare_rows(path))
    connection.commit()


def _bare_rows(path: Path):  # type: ignore[no-untyped-def]
    for _, element in iterparse(path):
        if fields := _BARE.get(element.tag):
            yield [element.findtext(field) for field in fields]
            element.clear()


def ours(files: list[Path], database: Place) -> None:
    """Import the files as `sesame import` does."""
    asyncio.run(_import(files, database))


async def _import(files: list[Path], place: Place) -> None:
    async with open_database(place) as database:
        vault = Vault(Secret("benchmark"))
        await load(files, database=database, vault=vault, watch=Unwatched(), now=datetime.now(UTC))


def _measured(what: Callable[[list[Path], Any], None], folder: Path, url: str = "") -> None:
    """Do it here, and print seconds and peak memory as JSON."""
    files = sorted(folder.glob("*.xml"))
    began = time.perf_counter()
    what(files, url or folder / f"{what.__name__}.sqlite3")
    seconds = time.perf_counter() - began
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": megabytes}))


def _in_process(what: str, folder: Path, *url: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", what, str(folder), *url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main(sizes: list[int], *url: str) -> None:
    """Print one line for each size."""
    print("pupils   baseline s  first s  again s  rate/baseline   again   MB base  MB ours")
    for pupils in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(pupils, folder)
            bare = _in_process("baseline", folder)
            first = _in_process("ours", folder, *url)
            again = _in_process("ours", folder, *url)
        print(
            f"{pupils:>7} {bare['seconds']:>10.2f} {first['seconds']:>9.2f}"
            f" {again['seconds']:>8.2f} {bare['seconds'] / first['seconds']:>10.2f}"
            f" {bare['seconds'] / again['seconds']:>12.2f}"
            f" {bare['megabytes']:>9.0f} {max(first['megabytes'], again['megabytes']):>8.0f}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _measured(
            {"baseline": baseline, "ours": ours}[sys.argv[2]], Path(sys.argv[3]), *sys.argv[4:]
        )
    elif is_url(sys.argv[1] if sys.argv[1:] else ""):
        main([int(size) for size in sys.argv[2:]] or [30_000], sys.argv[1])
    else:
        main([int(size) for size in sys.argv[1:]] or [1_200, 30_000, 300_000])
