"""XML read as a stream: no DTD, no entity, nothing fetched, flat memory (RELIABILITY T19)."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException, DTDForbidden, EntitiesForbidden
from defusedxml.ElementTree import DefusedXMLParser

from storage.importing.files import MAX_UNPACKED, Source, found_encoding

_BEGINNING = 1_000_000  # bytes
_MAX_DEPTH = 50
_MAX_ELEMENT = 1_000_000  # bytes of one wanted element, of one tag, of one comment
_MAX_NAMES = 5_000  # different names of elements and attributes, which expat never forgets
_INVALID_TOKEN = 4  # expat's XML_ERROR_INVALID_TOKEN
_BETWEEN = "\x1f"  # between the values of one field: a character that XML does not allow

# AAF files name their DTD. It is never looked at (REGISTER 3).
_AAF_DOCTYPE = ("ficAlimMENESR", "ficAlimMENESR.dtd")


class Element(NamedTuple):
    """An element that was asked for, and the values of its fields."""

    tag: str
    fields: dict[str, str]

    def get(self, *names: str) -> str:
        """Return the first value of the first of the fields that has one; else ""."""
        for name in names:
            if name in self.fields:
                return self.fields[name].partition(_BETWEEN)[0]
        return ""

    def values(self, name: str) -> list[str]:
        """Return all values of a field."""
        return self.fields[name].split(_BETWEEN) if name in self.fields else []


class Wanted(NamedTuple):
    """Which elements are asked for, with which fields.

    A field is an attribute of the element, or any element in it. The latter goes by its tag or,
    in AAF, by the `name` of the element around it. Empty fields count as absent.
    """

    elements: Mapping[str, frozenset[str]]
    by_name: bool = False


def elements(source: Source, wanted: Wanted) -> Iterator[Element]:
    """Yield the wanted elements of the file as it is read."""
    return _Reading(source, wanted).elements()


def root_and_first(source: Source, wanted: Wanted) -> tuple[str, Element | None]:
    """Return the name of the root, and the first wanted element of the file's beginning."""
    reading = _Reading(source, wanted)
    first = next(reading.elements(at_most=_BEGINNING), None)
    return reading.root, first


class _Reading:
    """One file being read: takes the parser's events and gathers elements."""

    def __init__(self, source: Source, wanted: Wanted) -> None:
        self.root = ""
        self._source = source
        self._wanted = wanted
        declared = _declares_encoding(source.head())
        self._parser = _Parser(self, None if declared else found_encoding(source))
        self._expat = self._parser.parser
        self._text: list[str] = []
        # Most events go straight to the list's own method: half of the time is calls.
        self._expat.CharacterDataHandler = self._text.append
        self._depth = 0
        self._tag, self._around, self._began = "", "", 0
        self._kept: frozenset[str] = frozenset()
        self._fields: dict[str, str] = {}
        self._complete: list[Element] = []
        self._watch_outside()

    def elements(self, at_most: int = MAX_UNPACKED) -> Iterator[Element]:
        fed = 0
        for chunk in self._source.chunks():
            self._feed(chunk, fed)
            fed += len(chunk)
            yield from self._complete
            self._complete.clear()
            if fed >= at_most:
                return
        self._feed(b"", fed)

    def _feed(self, chunk: bytes, fed: int) -> None:
        try:
            if chunk:
                self._parser.feed(chunk)
            else:
                self._parser.close()
        except DefusedXmlException as error:
            raise self._source.refuse("forbidden_xml") from error
        except ParseError as error:
            wrong = chunk[max(self._expat.ErrorByteIndex - fed, 0) :][:1]
            if error.code == _INVALID_TOKEN and wrong >= b"\x80":
                raise self._source.refuse("encoding") from error
            raise self._source.refuse("malformed", line=error.position[0]) from error
        except (LookupError, ValueError) as error:  # an encoding that Python does not know
            raise self._source.refuse("encoding") from error
        began = self._began if self._tag else self._expat.CurrentByteIndex
        if fed + len(chunk) - began > _MAX_ELEMENT or len(self._expat.intern) > _MAX_NAMES:
            raise self._source.refuse("long_line")
        if not self._tag:
            self._text.clear()

    # ---- the parser's events, outside of wanted elements -------------------------------------

    def _watch_outside(self) -> None:
        self._tag = ""
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            self.root = tag
        elif self._depth > _MAX_DEPTH:
            raise self._source.refuse("malformed", line=self._expat.CurrentLineNumber)
        kept = self._wanted.elements.get(tag)
        if kept is not None:
            self._tag, self._kept, self._began = tag, kept, self._expat.CurrentByteIndex
            self._fields = {name: text for name, text in attributes.items() if name in kept}
            self._around = ""
            self._text.clear()
            self._expat.StartElementHandler = self._start_inside if self._wanted.by_name else None
            self._expat.EndElementHandler = self._end_inside

    def _end(self, _: str) -> None:
        self._depth -= 1

    # ---- and inside of one -------------------------------------------------------------------

    def _start_inside(self, _: str, attributes: dict[str, str]) -> None:
        self._around = attributes.get("name", self._around)

    def _end_inside(self, tag: str) -> None:
        if tag == self._tag:
            self._complete.append(Element(tag, self._fields))
            self._depth -= 1
            self._watch_outside()
        elif (name := self._around or tag) in self._kept:
            if text := "".join(self._text).strip():
                before = self._fields.get(name)
                self._fields[name] = f"{before}{_BETWEEN}{text}" if before else text
        self._text.clear()


class _Parser(DefusedXMLParser):
    """Refuses entities and DTDs, but for the bare doctype of an AAF file."""

    def __init__(self, target: object, encoding: str | None) -> None:
        super().__init__(target=target, encoding=encoding, forbid_dtd=True)
        self.parser.ordered_attributes = False
        self.parser.DefaultHandlerExpand = None
        self.parser.SkippedEntityHandler = self.skipped_entity

    def defused_start_doctype_decl(
        self, name: str, sysid: str | None, pubid: str | None, has_internal_subset: bool
    ) -> None:
        if has_internal_subset or (name, sysid) != _AAF_DOCTYPE:
            raise DTDForbidden(name, sysid, pubid)

    def skipped_entity(self, name: str, _: bool) -> None:
        """Refuse an entity that the DTD, which is not read, would explain."""
        raise EntitiesForbidden(name, None, None, None, None, None)


def _declares_encoding(head: bytes) -> bool:
    """Tell whether expat finds the encoding by itself: by a mark or by the declaration."""
    if head.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return True
    return b"encoding" in head.partition(b"?>")[0][:200] and head.lstrip().startswith(b"<?xml")
