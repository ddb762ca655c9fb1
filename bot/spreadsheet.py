"""Lists for the spreadsheet of a French office, that only their owner can read."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

WriteRow = Callable[[Iterable[str]], object]


@contextmanager
def write_list(path: Path) -> Iterator[WriteRow]:
    """A new CSV file at `path`, to be filled row by row. Raises OSError.

    It holds names, and is for its owner's eyes, like the database.
    """
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(opened, "w", encoding="utf-8-sig", newline="") as file:
        yield csv.writer(file, delimiter=";").writerow


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula (RELIABILITY T20)."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
