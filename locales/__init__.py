"""Every sentence that a person reads, one gettext catalogue a language.

Catalogues are read by Babel as they are (no compiled files), once. How they are written is said
at the head of `fr.po`: the msgid is the text's key, the msgid_plural names the fact that is
counted, {name} is a fact.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from gettext import c2py
from pathlib import Path

from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LANGUAGES = ("fr", "en")

_LOCALES = {"fr": "fr_FR", "en": "en_GB"}
_NEAR = timedelta(hours=20)
"""A time of day further away than this is told with its day."""


@dataclass(frozen=True, slots=True)
class _Catalogue:
    texts: dict[str, tuple[str, ...]]  # one, or one for each plural form
    counted: dict[str, str]  # key: name of the fact that chooses the form
    form: Callable[[int], int]


def say(
    key: str,
    lang: str,
    facts: Mapping[str, object] = {},
    zone: tzinfo = UTC,
    *,
    now: datetime | None = None,
) -> str:
    """The text of a key, with its facts written as the language writes them.

    Facts are text, numbers, dates, aware times (shown in `zone`; with their day where they are
    far from `now`) and lists of these. A fact that is None is missing. Raises KeyError for an
    unknown key and for a missing fact that the text shows.
    """
    catalogue = _catalogue(lang)
    texts = catalogue.texts.get(key)
    if texts is None:
        raise KeyError(f"no text {key!r} in {lang}.po")
    shown = _Facts(key, lang, facts, zone, now)
    text = texts[0]
    if key in catalogue.counted:
        count = shown.value(catalogue.counted[key])
        if not isinstance(count, int):
            raise TypeError(f"text {key!r} counts {count!r}")
        text = texts[catalogue.form(abs(count))]
    return text.format_map(shown)


def translated(line: str, lang: str) -> str:
    """A fixed English line about a fault, or a setting (`fault.…`, `setting.…`), in this language.

    Any other as it is.
    """
    for key, (text, *_) in _catalogue("en").texts.items():
        if text == line and key.startswith(("fault.", "setting.")):
            return say(key, lang)
    return line


def label(choice: str, question: str, lang: str, facts: Mapping[str, object] = {}) -> str:
    """The words on the button of a choice: those for this question, or else the usual ones."""
    own = f"button.{choice}.{question}"
    return say(own if own in _catalogue(lang).texts else f"button.{choice}", lang, facts)


def clock_time(moment: datetime, lang: str, zone: tzinfo, now: datetime | None = None) -> str:
    """An aware time in words, as `say` writes it. Raises ValueError for one without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    local = moment.astimezone(zone)
    pattern = "H\u00a0'h'\u00a0mm" if lang == "fr" else "h:mm\u00a0a"
    time = format_time(local.time(), pattern, locale=_LOCALES[lang])
    if not tells_day(moment, now):
        return time
    joint = " le " if lang == "fr" else " on "
    return time + joint + _date(local.date(), lang, "d MMMM")


def tells_day(moment: datetime, now: datetime | None) -> bool:
    """Whether `clock_time` tells the day of this time too: it is far from now."""
    return now is not None and abs(moment - now) > _NEAR


def command(meaning: str, lang: str) -> str:
    """The name of a command in a messenger's menu, without its "/"."""
    words = say(f"words.{meaning}", lang).split("|")
    return next(word for word in words if word.startswith("/"))[1:]


def recognise(text: str) -> frozenset[str]:
    """The choices and commands that a whole message stands for, in any of our languages.

    Case, accents, spaces and punctuation do not matter: "Oui !", "D’ACCORD", "← retour" and
    "/aide@sesame_bot" are understood.
    """
    if len(text) > _LONGEST:
        return frozenset()
    return _meanings().get(_fold(text), frozenset())


def guess(language_code: str | None) -> str | None:
    """Our language for a messenger's language tag ("fr-FR"), or None where we have none."""
    primary = re.split("[-_]", language_code or "")[0].lower()
    return primary if primary in LANGUAGES else None


# ---- catalogues ------------------------------------------------------------------------------


@cache
def _catalogue(lang: str) -> _Catalogue:
    if lang not in LANGUAGES:
        raise KeyError(f"no language {lang!r}")
    with Path(__file__).with_name(f"{lang}.po").open("rb") as file:
        catalog = read_po(file, locale=lang, abort_invalid=True)
    texts: dict[str, tuple[str, ...]] = {}
    counted: dict[str, str] = {}
    for message in catalog:
        if isinstance(message.id, str):
            texts[message.id] = (str(message.string),)
        else:
            key, fact = message.id
            texts[key], counted[key] = tuple(message.string or ()), fact
    del texts[""]  # the header
    return _Catalogue(texts, counted, c2py(catalog.plural_expr))


# ---- facts -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Facts(Mapping[str, str]):
    """The facts of one text, written on demand: those that it does not show may be anything."""

    key: str
    lang: str
    facts: Mapping[str, object]
    zone: tzinfo
    now: datetime | None

    def __getitem__(self, name: str) -> str:
        return self._written(self.value(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.facts)

    def __len__(self) -> int:
        return len(self.facts)

    def value(self, name: str) -> object:
        value = self.facts.get(name)
        if value is None:
            raise KeyError(f"text {self.key!r} needs the fact {name!r}")
        return value

    def _written(self, value: object) -> str:
        match value:
            case str():
                return _isolated(value)
            case datetime():
                return clock_time(value, self.lang, self.zone, self.now)
            case date():
                return _date(value, self.lang)
            case int() | float():
                return format_decimal(value, locale=_LOCALES[self.lang])
            case list() | tuple():
                items = [self._written(item) for item in value]
                return format_list(items, locale=_LOCALES[self.lang])
            case _:
                raise TypeError(f"text {self.key!r} cannot show a {type(value).__name__}")


def _date(day: date, lang: str, pattern: str = "d MMMM y") -> str:
    if lang == "fr" and day.day == 1:
        pattern = pattern.replace("d ", "d'er' ")  # "1er mars": CLDR does not know it
    return format_date(day, pattern, locale=_LOCALES[lang])


def _isolated(text: str) -> str:
    """Text with right-to-left letters, kept from turning the sentence around (UX 2.5)."""
    if any(unicodedata.bidirectional(char) in {"R", "AL"} for char in text):
        return f"\u2068{text}\u2069"
    return text


# ---- what is typed ---------------------------------------------------------------------------

_LONGEST = 200
"""Nothing that means a choice is longer, in code points."""

_COMMAND = re.compile(r"(/\w+)(?:@\w+)?$", re.ASCII)
_START = re.compile(r"(/start)(?:@\w+)? [\w-]{1,64}$", re.ASCII)  # what a link brings along


@cache
def _meanings() -> dict[str, frozenset[str]]:
    """Folded words: what they mean."""
    found: dict[str, set[str]] = {}
    for lang in LANGUAGES:
        for key, (text, *_) in _catalogue(lang).texts.items():
            area, _, rest = key.partition(".")
            meaning = rest.partition(".")[0]
            # The label of `language` names the other one: "English" means English, always.
            if area == "words" or (area == "button" and meaning != "language" and "{" not in text):
                for word in text.split("|"):
                    found.setdefault(_fold(word), set()).add(meaning)
    return {word: frozenset(meanings) for word, meanings in found.items()}


def _fold(text: str) -> str:
    """What is left of a message when case, accents, spaces and punctuation do not matter."""
    text = " ".join(text.split())
    command = _COMMAND.match(text) or _START.match(text)
    if command:
        text = command[1]
    text = unicodedata.normalize("NFKD", text.casefold())
    if text and set(text) <= {"?", " "}:
        return "?"
    kept = []
    for char in text:
        kind = unicodedata.category(char)
        if kind[0] in "LN" or kind == "So":  # letters, digits, 👍
            kept.append(char)
        elif char not in "'’‘`´" and kind[0] in "PZ":
            kept.append(" ")
    return " ".join("".join(kept).split())
