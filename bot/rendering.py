"""From what the conversation says (keys and facts) to one message in the parent's language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

import locales
from bot.channel import Button, Mark, Reply
from flows.outputs import Ask, Exact, Output, Say, Style, Words

# Private characters that fence a fact to be copied while it is inside a sentence.
_OPEN, _CLOSE = "\ue000", "\ue001"


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
                part, exact = self._part(output, langs, now)
                marks += [Mark("exact", len(text) + start, length) for start, length in exact]
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
        )

    def text(self, said: Say, lang: str, now: datetime) -> str:
        """One part of what is said, alone."""
        return self._part(said, [lang], now)[0]

    def say(self, key: str, lang: str, **facts: object) -> str:
        """One sentence in words."""
        return self._words(key, lang, facts, None)

    def _words(self, key: str, lang: str, facts: Mapping[str, object], now: datetime | None) -> str:
        contact = self.contact or locales.say("contact.default", lang)
        words = {name: self._fact(fact, lang) for name, fact in facts.items()}
        return locales.say(key, lang, {"contact": contact, **words}, self.zone, now=now)

    def _fact(self, fact: object, lang: str) -> object:
        if isinstance(fact, Words):
            return locales.say(fact.key, lang, fact.facts)
        if isinstance(fact, Exact):
            return f"{_OPEN}{fact.text}{_CLOSE}"
        return fact

    def _part(
        self, said: Say, langs: Sequence[str], now: datetime | None
    ) -> tuple[str, list[tuple[int, int]]]:
        """The words of one part, and where the stretches to be copied are."""
        words = dict.fromkeys(self._words(said.key, lang, said.facts, now) for lang in langs)
        text, exact = "\n".join(words), list[tuple[int, int]]()
        while _OPEN in text:
            start = text.index(_OPEN)
            end = text.index(_CLOSE) - 1
            text = text.replace(_OPEN, "", 1).replace(_CLOSE, "", 1)
            exact.append((start, end - start))
        return text, exact


def _label(choice: str, ask: Ask, langs: Sequence[str]) -> str:
    labels = (locales.label(choice, ask.question, lang, ask.facts) for lang in langs)
    return " / ".join(dict.fromkeys(labels))


def _gap(before: str, style: Style) -> str:
    if not before:
        return ""
    return "\n" if style is Style.ITEM else "\n\n"
