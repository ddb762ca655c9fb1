"""From what the conversation says (keys and facts) to one message in the parent's language."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

import locales
from bot.channel import Button, Mark, Reply
from flows.outputs import Ask, Exact, Output, Say, Style, Words

# Private characters that fence a special fact while it is inside a sentence: one that opens, one
# that says which fact it is, and one that closes. No text of a parent holds them (flows/text.py).
_OPEN, _CLOSE, _FIRST = "\ue000", "\ue001", 0xE100


@dataclass(frozen=True, slots=True)
class Renderer:
    """Words for one school or country: its time zone, and who helps."""

    zone: tzinfo
    contact: str = ""  # whom parents can ask; empty: "the school office"

    def reply(
        self,
        outputs: Sequence[Output],
        lang: str | None,
        now: datetime | None = None,
        leaves_contact: bool = False,
    ) -> Reply | None:
        """All that is said in one turn as one message; None when nothing is.

        Times far from `now` are shown with their day. Until the language is known (`lang` is
        None) everything is said in all of them.
        """
        langs = (lang,) if lang else locales.LANGUAGES
        text, marks = "", list[Mark]()
        for output in outputs:
            if isinstance(output, Say):
                text += _gap(text, output.style)
                part, special = self._part(output, langs, now)
                marks += [replace(mark, start=len(text) + mark.start) for mark in special]
                if output.style is Style.STRONG:
                    marks.append(Mark("strong", len(text), len(part)))
                text += part
        if not text:
            return None
        ask = next((output for output in reversed(outputs) if isinstance(output, Ask)), None)
        leave = self.say("telegram.number_received", langs[0]) if leaves_contact else ""
        if ask is None:
            return Reply(text, langs[0], tuple(marks), leaves_contact=leave)
        buttons = (Button(_label(choice, ask, langs), choice) for choice in ask.choices)
        return Reply(
            text,
            langs[0],
            tuple(marks),
            tuple(buttons),
            asked=ask.asked,
            contact=_label("share_phone", ask, langs) if ask.contact else "",
            hidden=ask.hidden,
            copy=_label("copy", ask, langs) if ask.copy else "",
            page=_label("page", ask, langs) if ask.page else "",
            leaves_contact=leave,
            silent=ask.silent,
        )

    def text(self, said: Say, lang: str, now: datetime) -> str:
        """One part of what is said, alone."""
        return self._part(said, [lang], now)[0]

    def say(self, key: str, lang: str, **facts: object) -> str:
        """One sentence in words."""
        contact = self.contact or locales.say("contact.default", lang)
        return locales.say(key, lang, {"contact": contact, **facts}, self.zone)

    def _part(
        self, said: Say, langs: Sequence[str], now: datetime | None
    ) -> tuple[str, list[Mark]]:
        """The words of one part, and its special stretches."""
        facts = list(said.facts.values())
        text = "\n".join(dict.fromkeys(self._fenced(said, lang, now) for lang in langs))
        marks = list[Mark]()
        while _OPEN in text:
            before, _, rest = text.partition(_OPEN)
            stretch, _, after = rest[1:].partition(_CLOSE)
            marks.append(_mark(facts[ord(rest[0]) - _FIRST], len(before), len(stretch), now))
            text = before + stretch + after
        return text, marks

    def _fenced(self, said: Say, lang: str, now: datetime | None) -> str:
        words = {
            name: self._fact(fact, lang, now, chr(_FIRST + at))
            for at, (name, fact) in enumerate(said.facts.items())
        }
        return self.say(said.key, lang, **words)

    def _fact(self, fact: object, lang: str, now: datetime | None, which: str) -> object:
        match fact:
            case Words():
                return locales.say(fact.key, lang, fact.facts)
            case Exact():
                return f"{_OPEN}{which}{fact.text}{_CLOSE}"
            case datetime():
                words = locales.clock_time(fact, lang, self.zone, now)
                return f"{_OPEN}{which}{words}{_CLOSE}"
        return fact


def _mark(fact: object, start: int, length: int, now: datetime | None) -> Mark:
    if isinstance(fact, datetime):
        day = locales.tells_day(fact, now)
        return Mark("time", start, length, at=int(fact.timestamp()), day=day)
    return Mark("exact", start, length)


def _label(choice: str, ask: Ask, langs: Sequence[str]) -> str:
    labels = (locales.label(choice, ask.question, lang, ask.facts) for lang in langs)
    return " / ".join(dict.fromkeys(labels))


def _gap(before: str, style: Style) -> str:
    if not before:
        return ""
    return "\n" if style is Style.ITEM else "\n\n"
