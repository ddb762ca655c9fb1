"""A file given to `sesame import`, opened without trust: plain, or the one member of a zip."""

import codecs
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, BinaryIO

from storage.importing.records import RefusedFile

# Caps against zip bombs and endless files (RELIABILITY T19).
MAX_UNPACKED = 2 * 1024**3
MAX_RATIO = 200
MAX_LINE = 1_000_000
"""Longest line of a CSV file, in characters: no export comes near (a row is about 1,000)."""

_CHUNK = 64 * 1024
_MAX_DIRECTORY = 64 * 1024  # bytes of a zip's list of members: one file needs about a hundred
_ZIP, _ZIP_END = b"PK\x03\x04", b"PK\x05\x06"
_BOM = codecs.BOM_UTF8
_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def _unwatched(_: int) -> None:
    """Take no notice of what is read."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read. `watch` is told how many bytes of it (as on the disk) were read."""

    path: Path
    member: str | None = None
    watch: Callable[[int], None] = _unwatched

    @property
    def name(self) -> str:
        """What the file is called in messages."""
        return self.path.name

    def watched(self, watch: Callable[[int], None]) -> "Source":
        """Return the same file, read under watch."""
        return replace(self, watch=watch)

    def refuse(self, key: str, **facts: object) -> RefusedFile:
        """Return the refusal to raise, naming this file."""
        return RefusedFile(f"import.refused.{key}", file=self.name, **facts)

    def head(self) -> bytes:
        """Return the first bytes, unpacked: enough for a CSV header, or for an XML root."""
        return next(self.chunks(), b"")

    def chunks(self) -> Iterator[bytes]:
        """Yield the content, unpacked, in small pieces, and never more than the caps allow."""
        try:
            with self.path.open("rb") as raw:
                if self.member is None:
                    yield from self._counted(raw, raw)
                else:
                    with zipfile.ZipFile(raw) as archive, archive.open(self.member) as content:
                        yield from self._counted(raw, content)
        except _BROKEN_ZIP as error:
            raise self.refuse("broken_zip") from error
        except OSError as error:
            raise self.refuse("unreadable") from error

    def _counted(self, raw: BinaryIO, content: IO[bytes]) -> Iterator[bytes]:
        size = self.path.stat().st_size
        limit = MAX_UNPACKED if self.member is None else min(MAX_UNPACKED, size * MAX_RATIO)
        unpacked = told = 0
        while chunk := content.read(_CHUNK):
            unpacked += len(chunk)
            if unpacked > limit:
                raise self.refuse("too_big")
            yield chunk
            place = raw.tell()
            self.watch(place - told)
            told = place


def open_source(path: Path) -> Source:
    """Look at a path and return its file. Raises RefusedFile in one clear line."""
    source = Source(path)
    try:
        if not path.exists():
            raise source.refuse("missing_file")
        if path.is_dir():
            raise source.refuse("directory")
        if not path.is_file():  # /dev/zero would never end
            raise source.refuse("unreadable")
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise source.refuse("unreadable") from error
    if not size:
        raise source.refuse("empty")
    if size > MAX_UNPACKED:
        raise source.refuse("too_big")
    return _only_member(source) if source.head().startswith((_ZIP, _ZIP_END)) else source


def _only_member(source: Source) -> Source:
    """Return the zip's one file; its directory entries do not count."""
    try:
        with source.path.open("rb") as raw:
            if _directory_size(raw) > _MAX_DIRECTORY:
                raise source.refuse("several_members")
            with zipfile.ZipFile(raw) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
    except (*_BROKEN_ZIP, ValueError) as error:
        raise source.refuse("broken_zip") from error
    except OSError as error:
        raise source.refuse("unreadable") from error
    if any(member.filename == "[Content_Types].xml" for member in members):
        raise source.refuse("spreadsheet")
    if not members:
        raise source.refuse("empty")
    if len(members) > 1:
        raise source.refuse("several_members")
    return replace(source, member=members[0].filename)


def _directory_size(raw: BinaryIO) -> int:
    """Read how long a zip says its list of members is, before anything loads that list."""
    size = raw.seek(0, 2)
    raw.seek(max(0, size - 22 - 65_535))  # the end record, and the longest comment behind it
    tail = raw.read()
    raw.seek(0)
    end = tail.rfind(_ZIP_END)
    return int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0


def found_encoding(source: Source) -> str:
    """Return the encoding of a text that does not declare it.

    UTF-8 if all of it is UTF-8; else the schools' software writes ISO-8859-15, unless there are
    bytes that only Windows-1252 uses.
    """
    utf8 = codecs.getincrementaldecoder("utf-8")()
    is_utf8, is_windows, first = True, False, True
    for chunk in source.chunks():
        if b"\0" in chunk:
            raise source.refuse("binary")
        if first and chunk.startswith(_BOM):
            return "utf-8-sig"
        first = False
        if is_utf8:
            try:
                utf8.decode(chunk)
            except UnicodeDecodeError:
                is_utf8 = False
        is_windows = is_windows or chunk.translate(None, _NOT_WINDOWS) != b""
    if is_utf8 and utf8.getstate()[0]:  # the text ends in the middle of a character
        is_utf8 = False
    if is_utf8:
        return "utf-8"
    return "cp1252" if is_windows else "iso-8859-15"


_NOT_WINDOWS = bytes(code for code in range(256) if not 0x80 <= code < 0xA0)


def lines(source: Source, encoding: str) -> Iterator[str]:
    """Yield the lines of a text with their ends, as the csv module takes them."""
    decoder = codecs.getincrementaldecoder(encoding)()
    rest = ""
    try:
        for chunk in source.chunks():
            *whole, rest = (rest + decoder.decode(chunk)).split("\n")
            if len(rest) > MAX_LINE:
                raise source.refuse("long_line")
            for line in whole:
                yield line + "\n"
        rest += decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise source.refuse("encoding") from error
    if rest:
        yield rest
