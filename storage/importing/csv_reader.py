"""CSV read as a stream: encoding and separator found, headers compared folded."""

import csv
from collections.abc import Iterator
from typing import NamedTuple

from flows.text import plain
from storage.importing.files import Source, found_encoding, lines
from storage.importing.records import tidy

_SEPARATORS = ";,\t"


class Row(NamedTuple):
    """One line of the table: its number in the file, and its tidied cells."""

    number: int
    cells: list[str]

    def cell(self, index: int | None) -> str:
        """Return a cell; "" where the row is too short or the table has no such column."""
        return self.cells[index] if index is not None and index < len(self.cells) else ""


class Table:
    """A CSV file: its header, folded, and its rows."""

    def __init__(self, source: Source) -> None:
        encoding = found_encoding(source)
        self._source = source
        self._lines = lines(source, encoding)
        first = next(self._lines, "")
        separator = max(_SEPARATORS, key=first.count)
        self._reader = csv.reader(self._whole(first), delimiter=separator, strict=True)
        self.titles = next(self._rows(), Row(1, [])).cells
        self.header = [plain(title) for title in self.titles]

    def column(self, *names: str) -> int | None:
        """Return the place of the first column that bears one of the folded names."""
        return next((self.header.index(name) for name in names if name in self.header), None)

    def rows(self) -> Iterator[Row]:
        """Yield the rows that hold something."""
        return (row for row in self._rows() if any(row.cells))

    def _whole(self, first: str) -> Iterator[str]:
        yield first
        yield from self._lines

    def _rows(self) -> Iterator[Row]:
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise self._source.refuse("malformed", line=self._reader.line_num) from error
            yield Row(self._reader.line_num, [_tidied(cell) for cell in cells])


def _tidied(cell: str) -> str:
    return tidy(cell) if cell else ""
