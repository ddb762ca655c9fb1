"""What schools offer on the web, from a file of theirs (SESAME_SERVICES; docs/services.md).

The file is read again when it has changed. What is wrong in it is left out, and said by `sesame
doctor` with the entry's number: the rest goes on.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import locales
from bot.logs import Event, Log
from flows.inputs import ServiceOpen
from flows.questions.school import looks_like_uai
from flows.text import clean

log = Log("services")

KINDS = ("ent", "livret", "fiche", "bourse", "orientation", "paiement", "other")
"""What "accéder à mes services" offers (the tutorial, step 10), and anything else by its name."""

LANGS = locales.LANGUAGES
_FIELDS = {"kind", "schools", "name", "link", "opens", "closes"}
_LONGEST_NAME, _LONGEST_LINK, _MOST = 60, 300, 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One service of the file, sound."""

    number: int  # its place in the file, counted from 1
    kind: str
    schools: frozenset[str]  # UAIs; empty: all
    names: dict[str, str]
    link: str
    opens: date | None
    closes: date | None

    def is_open(self, today: date) -> bool:
        """Whether it can be used today; its first and its last day count."""
        return (self.opens or today) <= today <= (self.closes or today)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an entry (0: with the file): the end of a key `doctor.service_<why>`."""

    number: int
    why: str
    what: str = ""  # the word of the file that it is about


@dataclass(frozen=True, slots=True)
class Offer:
    """All that a file says."""

    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()


class Services:
    """The file, as it is now."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._offer = Offer()

    def __call__(self, schools: Sequence[tuple[str, str]], today: date) -> tuple[ServiceOpen, ...]:
        """What is open today at these schools (UAI and name): school by school, as in the file."""
        entries = [entry for entry in self._now().entries if entry.is_open(today)]
        return tuple(
            ServiceOpen(name, entry.names, entry.link, entry.closes)
            for uai, name in schools
            for entry in entries
            if not entry.schools or uai in entry.schools
        )

    def _now(self) -> Offer:
        """What the file says; while it cannot be read, what it said before."""
        if self._path is None:
            return self._offer
        try:
            found = self._path.stat()
        except OSError as error:
            if self._seen is not None:
                log(Event.SERVICES_UNREADABLE, kind=type(error).__name__)
            self._seen, self._offer = None, Offer()
            return self._offer
        seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            self._seen = seen
            offer = read(self._path)
            if any(problem.number == 0 for problem in offer.problems):
                log(Event.SERVICES_UNREADABLE, kind=offer.problems[0].why)
            else:
                self._offer = offer
        return self._offer


def read(path: Path) -> Offer:
    """The file, with what is wrong in it. Nothing of it is raised."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Offer(problems=(Problem(0, "missing"),))
    except (OSError, UnicodeError) as error:
        return Offer(problems=(Problem(0, "unreadable", type(error).__name__),))
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Offer(problems=(Problem(0, "toml", str(error)),))
    listed = found.get("service", [])
    if set(found) - {"service"} or not isinstance(listed, list):
        return Offer(problems=(Problem(0, "tables"),))
    entries, problems = [], []
    for number, one in enumerate(listed[:_MOST], start=1):
        wrong = next(_wrong(number, one), None)
        if wrong is not None:
            problems.append(wrong)
        else:
            entries.append(_entry(number, one))
    if len(listed) > _MOST:
        problems.append(Problem(_MOST + 1, "too_many"))
    return Offer(tuple(entries), tuple(problems))


def expired(offer: Offer, today: date) -> tuple[Problem, ...]:
    """Entries whose last day is over: the school forgot to take them out, or to give a new day."""
    return tuple(
        Problem(entry.number, "expired", entry.closes.isoformat())
        for entry in offer.entries
        if entry.closes is not None and entry.closes < today
    )


def _entry(number: int, one: dict[str, Any]) -> Entry:
    names = one.get("name") or {lang: locales.say(f"service.{one['kind']}", lang) for lang in LANGS}
    schools = frozenset() if one["schools"] == "*" else frozenset(one["schools"])
    return Entry(
        number,
        one["kind"],
        schools,
        {lang: clean(names[lang]) for lang in LANGS},
        one["link"],
        one.get("opens"),
        one.get("closes"),
    )


def _wrong(number: int, one: object) -> Iterator[Problem]:
    """What is wrong with an entry, the first thing first."""
    if not isinstance(one, dict):
        yield Problem(number, "tables")
        return
    for name in sorted(set(one) - _FIELDS):  # "close = …" would leave it open for ever
        yield Problem(number, "field", name)
    if one.get("kind") not in KINDS:
        yield Problem(number, "kind", _word(one.get("kind")))
    yield from _wrong_schools(number, one.get("schools"))
    yield from _wrong_name(number, one)
    if not _is_link(one.get("link")):
        yield Problem(number, "link", _word(one.get("link")))
    for name in ("opens", "closes"):
        day = one.get(name)
        if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
            yield Problem(number, "day", name)
    if one.get("opens") and one.get("closes") and one["opens"] > one["closes"]:
        yield Problem(number, "days")


def _wrong_schools(number: int, schools: object) -> Iterator[Problem]:
    if schools == "*":
        return
    if not isinstance(schools, list) or not schools:
        yield Problem(number, "schools", _word(schools))
        return
    for uai in schools:
        if not isinstance(uai, str) or not looks_like_uai(uai):
            yield Problem(number, "schools", _word(uai))


def _wrong_name(number: int, one: dict[str, Any]) -> Iterator[Problem]:
    name = one.get("name")
    if name is None and one.get("kind") != "other":
        return
    if not isinstance(name, dict) or set(name) != set(LANGS):
        yield Problem(number, "name")
        return
    for words in name.values():
        if not isinstance(words, str) or not 1 <= len(clean(words)) <= _LONGEST_NAME:
            yield Problem(number, "name_length")


def _is_link(link: object) -> bool:
    """Whether parents can be sent there: https, a name, and nobody's login."""
    if not isinstance(link, str) or len(link) > _LONGEST_LINK or re.search(r"[\s\x00-\x1f]", link):
        return False
    try:
        parts = urlsplit(link)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "https" and "." in host and "@" not in parts.netloc


def _word(value: object) -> str:
    return "" if value is None else str(value)[:60]
