"""The catalogues hold every sentence, whole, in plain words; and what is typed is understood."""

import ast
import re
import string
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import combinations
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from flows.account.turn import CHANNELS, HAPPENINGS
from flows.outputs import Exact
from flows.policy import DEFAULT
from flows.questions.code import read_code
from flows.questions.password import MIN_LENGTH, SPECIALS, Rule
from flows.states import S
from flows.table import COMMANDS, INTERRUPTIONS, QUESTIONS
from flows.turn import STATUS, STEPS, VARIANTS
from locales import LANGUAGES, command, guess, label, recognise, say
from tests.flows.test_causes import AT_THE_DOOR

ROOT = Path(__file__).parents[2]


def _read(lang: str) -> dict[str, Message]:
    with (ROOT / "locales" / f"{lang}.po").open("rb") as file:
        messages = list(read_po(file, locale=lang, abort_invalid=True))
    keys = [m.id if isinstance(m.id, str) else m.id[0] for m in messages]
    return {key: message for key, message in zip(keys, messages, strict=True) if key}


CATALOGUES = {lang: _read(lang) for lang in LANGUAGES}
KEYS = sorted(CATALOGUES["fr"])
NOON = datetime(2026, 11, 23, 12, 32, tzinfo=UTC)
NBSP = "\u00a0"

EXAMPLES: dict[str, object] = {
    "at": NOON,
    "channel": "Telegram",
    "child": "Marie-Charlotte",
    "child_number": 2,
    "children": 3,
    "code": "123456",
    "contact": "secretariat@college-jean-moulin.fr",
    "day": date(2008, 6, 12),
    "digits": 8,
    "email": "marie-charlotte.dupont@example.org",
    "example": "12345678",
    "first": "Jean-Christophe",
    "first_number": "06 12 34 56 78",
    "identifier": "m.de-la-rochefoucauld12",
    "initial": "D",
    "last": "Dupont de la Tour",
    "last_digits": "78",
    "link": "https://t.me/SesameBot",
    "new_email": "marie-charlotte.dupont@example.org",
    "names": "Jean-Christophe et Marie-Charlotte",
    "reopen_until": date(2026, 9, 28),
    "steps": 3,
    "suggestion": "marie-charlotte.dupont@example.org",
    "masked": "06 •• •• •• 78",
    "minimum": 12,
    "minutes": 30,
    "n": 3,
    "pending_first": "Jean-Christophe",
    "pending_last": "Dupont de la Tour",
    "phone": "06 12 34 56 78",
    "rule": "8 caractères au moins",
    "school": "Collège Jean Moulin, Saint-Denis",
    "second_number": "07 12 34 56 78",
    "seconds": 42,
    "step": "le code reçu par SMS",
    "strength": "très faible",
    "total": 6,
    "until": NOON,
    "credit": "12.5",
    "what": "SCIM at accounts.ecole.example",
    "url": "file",
    "added": 3,
    "changed": 2,
    "gone": 1,
    "columns": "Nom, Prénom",
    "expected": "0750002V",
    "file": "ElevesSansAdresses.xml",
    "format": "SIECLE",
    "guardians": 400,
    "line": 12,
    "other": "ResponsablesAvecAdresses.xml",
    "other_year": "2025",
    "percent": 86.9,
    "pupils": 300,
    "rate": 20_000,
    "records": 2,
    "accounts": 1,
    "conversations": 1,
    "root": "BEE_NOMENCLATURES",
    "uai": "0750001U",
    "year": "2024",
    "why": "TimedOut",
    "check": "database",
    "folder": "/var/lib/sesame",
    "free": 20_000,
    "host": "api.telegram.org",
    "kind": "KeyError",
    "kilobytes": 12_000,
    "place": "bot/doctor.py:60",
    "status": 502,
    "there": 3,
    "version": 7,
    "wanted": 400,
    "name": "@sesame_bot",
    "bot": "@sesame_bot",
    "number": 12,
    "said": "535 5.7.8 Error: authentication failed",
}
"""Every fact that a text may show, at its longest likely."""

OPERATORS = (
    "cli.",
    "report.",
    "import.",
    "doctor.",
    "letters.",
    "freeze.",
    "fault.",
    "setting.",
    "backup.",
    "status.",
)  # read by staff: other words are known there
NOT_SENTENCES = ("words.", "button.", *OPERATORS)


def _forms(key: str, lang: str) -> tuple[str, ...]:
    told = CATALOGUES[lang][key].string
    return (told,) if isinstance(told, str) else tuple(told or ())


def _facts_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


FORMS = [
    (key, lang, form)
    for lang in LANGUAGES
    for key in sorted(CATALOGUES[lang])
    for form in _forms(key, lang)
]
SENTENCES = [(key, lang, form) for key, lang, form in FORMS if not key.startswith(NOT_SENTENCES)]


def _offered(state: S) -> tuple[str, ...]:
    question = QUESTIONS[state]
    return question.choices + (("back",) if question.back else ()) + ("help",)


MENUS: dict[str, tuple[str, ...]] = {state.value: _offered(state) for state in QUESTIONS}
MENUS |= INTERRUPTIONS
CHOICES = sorted({choice for menu in MENUS.values() for choice in menu})


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.?!…])\s+|\n", text) if re.search(r"[^\W\d]", part)]


def _words(sentence: str) -> int:
    return sum(bool(re.search(r"[^\W\d_]", word)) for word in sentence.split())


# ---- complete --------------------------------------------------------------------------------


def test_the_catalogues_have_the_same_keys() -> None:
    assert set(CATALOGUES["fr"]) == set(CATALOGUES["en"])


def test_no_key_is_written_twice() -> None:
    for lang in LANGUAGES:
        written = re.findall(
            r'^msgid "(.+)"$', (ROOT / "locales" / f"{lang}.po").read_text("utf-8"), re.MULTILINE
        )
        assert len(written) == len(set(written)), lang


def test_a_text_shows_the_same_facts_in_both_languages() -> None:
    for key in KEYS:
        shown = {lang: set().union(*map(_facts_of, _forms(key, lang))) for lang in LANGUAGES}
        assert shown["fr"] == shown["en"], key
        assert shown["fr"] <= EXAMPLES.keys(), key


def test_braces_hold_the_name_of_a_fact() -> None:
    for key, lang, form in FORMS:
        for _, name, spec, conversion in string.Formatter().parse(form):
            assert name is None or re.fullmatch("[a-z_]+", name), (key, lang)
            assert not spec, (key, lang)
            assert conversion is None, (key, lang)


def test_counted_texts_have_every_form_and_count_the_same_fact() -> None:
    for key in KEYS:
        french, english = (CATALOGUES[lang][key] for lang in ("fr", "en"))
        assert french.id == english.id
        for lang in LANGUAGES:
            forms = _forms(key, lang)
            assert all(forms), (key, lang)
            assert len(forms) == (2 if french.pluralizable else 1), (key, lang)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_text_can_be_said(lang: str) -> None:
    for key in KEYS:
        said = say(key, lang, EXAMPLES)
        assert said == said.strip(), key
        assert "  " not in said, key


# ---- what the code says ----------------------------------------------------------------------

SAYERS = {
    *("_say", "_say_and_ask", "_say_and_ask_briefly", "_item", "_variant"),
    *("say", "Say", "Words", "label", "_"),
}


def _pattern(node: ast.AST) -> str | None:
    """A regular expression for a string of the source, f-strings included."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.escape(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_pattern(part) or ".+" for part in node.values)
    return None


def _trees(*rooms: str) -> Iterator[ast.AST]:
    for room in rooms:
        for path in (ROOT / room).rglob("*.py"):
            yield ast.parse(path.read_text("utf-8"))


PAGES = [path.read_text("utf-8") for path in (ROOT / "bot").rglob("*.html")]


def _said(*rooms: str) -> dict[str, set[str]]:
    """Patterns of the keys that the code says: names of the facts given along."""
    said: dict[str, set[str]] = {}
    for tree in _trees(*rooms):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            key = node.args[0]
            if isinstance(key, ast.Call) and getattr(key.func, "attr", "") == "_variant":
                key = key.args[0]
            pattern = _pattern(key) if name in SAYERS else None
            if pattern:
                pattern = rf"button\.{pattern}" if name == "label" else pattern
                given_facts = {word.arg for word in node.keywords if word.arg}
                said.setdefault(pattern, set()).update(given_facts)
    return said


# Words of closed lists in `flows.inputs`, and what `say_privacy` can name.
CHANGED = {
    *("password_set", "phone_changed", "email_changed", "child_added", "child_dropped"),
    *("others_signed_out", "account_reopened"),
}
SIGNED_OUT = {"password", "others", "frozen", "closed", "erased"}
NOTICES = {"activated", "password", "phone", "identifier", "closed"}
KEPT = {"name", "phone", "login", "password", "children", "identifier"}


def _core_keys() -> set[str]:
    """Every key that the conversation can say, built from its tables."""
    keys = {pattern.replace("\\", "") for pattern in _said("flows") if ".+" not in pattern}
    for state, question in QUESTIONS.items():
        keys |= {f"{state.value}.ask", f"{state.value}.help"}
        keys |= {f"{state.value}.hint"} if question.hint else set()
    keys |= {f"refused.{reason}" for reason in AT_THE_DOOR}
    keys |= {f"rule.{rule}" for rule in Rule} | {"rule.met", "rule.missing"}
    keys |= {f"interrupt.{name}" for name in INTERRUPTIONS}
    keys |= {f"step.{step}" for step in range(1, STEPS + 1)} | {"progress", "progress_child"}
    keys |= {f"strength.{strength}" for strength in range(5)}
    keys |= {f"{key}.{word}" for key, words in VARIANTS.items() for word in words}
    keys |= {f"status.{word}" for word in {*STATUS.values(), "manage"}}
    keys |= {f"channel.{channel}" for channel in (*CHANNELS, "other")}
    keys |= {f"happening.{what}" for what in HAPPENINGS}
    keys |= {f"changed.{what}" for what in CHANGED} | {f"signed_out.{why}" for why in SIGNED_OUT}
    keys |= {f"notice.{about}" for about in NOTICES} | {f"privacy.{kind}" for kind in KEPT}
    return keys | {f"recap.{said}" for said in ("waiting", "confirmed", "aside", "not_mine")}


def _choice_keys() -> set[str]:
    keys = {f"words.{meaning}" for meaning in {*CHOICES, *COMMANDS}}
    keys |= {f"button.{choice}" for choice in CHOICES}
    keys |= {
        f"button.{choice}.{menu}" for menu, offered in MENUS.items() for choice in offered
    } & set(KEYS)
    return keys


def test_nothing_the_conversation_says_is_missing() -> None:
    optional = {f"words.{choice}" for choice in CHOICES if choice not in COMMANDS}
    assert _core_keys() | _choice_keys() - optional <= set(KEYS)


NOT_YET_SAID = ("cli.", "error.", "telegram.")
"""Areas whose code is being written: shorten this as it comes, down to nothing."""


def test_no_text_is_unused() -> None:
    """A text is said by the core's tables, or named by the other rooms' code."""
    rooms = ("bot", "storage")
    named = {_pattern(node) for tree in _trees(*rooms) for node in ast.walk(tree)} - {None}
    named |= {re.escape(key) for page in PAGES for key in re.findall('"([a-z_.]+)"', page)}
    patterns = {pattern for pattern in named | set(_said(*rooms)) if pattern and "." in pattern}
    unused = {
        key
        for key in set(KEYS) - _core_keys() - _choice_keys()
        if not key.startswith((*NOT_YET_SAID, "fault.", "setting."))  # tests/bot/test_doctor.py
        and not any(re.fullmatch(pattern, key) for pattern in patterns if pattern != ".+")
    }
    assert unused == set()


def test_what_a_page_says_exists() -> None:
    said = {key for page in PAGES for key in re.findall(r'say(?:_in)?\("([^"]+)"', page)}
    assert said
    assert said <= set(KEYS)


@pytest.mark.parametrize("pattern", sorted(_said("bot", "storage")))
def test_what_the_other_rooms_say_exists(pattern: str) -> None:
    assert any(re.fullmatch(pattern, key) for key in KEYS)


ABOUT_A_CHILD = (
    *("child.", "not_mine.", "birthdate.", "birthdate_check.", "recap."),
    *("wrong_child.", "wrong_child_sure."),
)
NO_SMS = ("no_sms.asked", "no_sms.late")


def test_a_text_shows_only_facts_that_the_conversation_gives_it() -> None:
    always = {"last", "first", "phone", "masked", "last_digits", "identifier", "contact"}
    always |= {"minutes", "digits", "example", "minimum"}  # the policy's
    child = {"child", "initial", "school"}
    counted = {"n", "total"}
    somewhere: dict[str, set[str]] = {  # facts that only some turns have
        **{f"code.hint{own}": {"until"} for own in ("", ".login", ".sure")},
        "email_code.hint": {"until", "new_email"},
        "email_typo.ask": {"suggestion"},
        **{f"{state}.ask": {"reopen_until"} for state in ("close", "reopen")},
        "status.code": {"until"},
        "birthdate.wrong": {"day"},
        "birthdate_check.ask": {"day"},
        "split_name.ask": {"pending_last", "pending_first"},
        "progress": counted,
        "progress_child": {*counted, "child_number", "children"},
        "status": {*counted, "step"},
        "rule.met": {"rule"},
        "rule.missing": {"rule"},
        "refused.phone_too_short": {"n"},
        "refused.phone_too_long": {"n"},
        "refused.code_length": {"n"},
        "refused.code_length.email": {"n"},
        "code.wrong.email": {"n"},
        "refused.letter_length": {"n"},
    }
    somewhere |= {f"interrupt.{name}": {*counted, "step", "steps"} for name in INTERRUPTIONS}
    somewhere |= {f"changed.{what}": {"child"} for what in ("child_added", "child_dropped")}
    somewhere |= {f"{key}.{own}": {"at"} for key in NO_SMS for own in VARIANTS[key]}
    somewhere["code.old.email"] = {"at"}
    said = _said("flows")
    for key in _core_keys():
        allowed = always | somewhere.get(key, set())
        for pattern, facts in said.items():
            if re.fullmatch(pattern, key):
                allowed |= facts
        if key.startswith(ABOUT_A_CHILD):
            allowed |= child
        assert _facts_of(_forms(key, "fr")[0]) <= allowed, key


# ---- promises --------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_before_the_proof_nothing_tells_whether_a_number_is_known(lang: str) -> None:
    known = {"fr": "Si ce numéro est connu de l'école", "en": "If the school knows this number"}
    for key in ("check.hint", "code.hint"):
        assert say(key, lang, EXAMPLES).startswith(known[lang])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_password_hint_shows_the_26_special_characters(lang: str) -> None:
    hint = say("password.hint", lang, {"minimum": MIN_LENGTH})
    assert len(SPECIALS) == 26
    assert " ".join(SPECIALS) in hint.splitlines()
    assert str(MIN_LENGTH) in hint
    assert str(MIN_LENGTH) in say("rule.length", lang, {"minimum": MIN_LENGTH})


@pytest.mark.parametrize("lang", LANGUAGES)
def test_texts_tell_the_default_numbers(lang: str) -> None:
    minutes = DEFAULT.code_validity // timedelta(minutes=1)
    for key in ("code.hint", "code.expired", "status.code"):
        assert f"{minutes} minutes" in say(key, lang, EXAMPLES)


def test_the_language_is_asked_in_both_languages() -> None:
    for key in ("language.ask", "language.help", "button.fr", "button.en"):
        assert say(key, "fr") == say(key, "en")
    assert label("language", "profile", "fr") == "English"
    assert label("language", "profile", "en") == "Français"


# ---- SMS and Telegram ------------------------------------------------------------------------

# 3GPP TS 23.038, 6.2.1; the second row costs two septets each.
GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_EXTENDED = frozenset("^{}\\[~]|€")


def _septets(text: str) -> int:
    assert set(text) <= GSM_7 | GSM_7_EXTENDED
    return sum(2 if char in GSM_7_EXTENDED else 1 for char in text)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("key", [key for key in KEYS if key.startswith("sms.")])
def test_an_sms_fits_one_segment(key: str, lang: str) -> None:
    own = {"identifier": "m." + "rochefoucauld" * 3 + "12"}
    own |= {} if key == "sms.code" else {"code": "ABCD-EFGH-JKMN"}
    text = say(key, lang, EXAMPLES | own)
    assert _septets(text) <= 160
    assert "Sésame" in text
    assert "http" not in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_code_comes_first_and_a_pasted_sms_is_read(lang: str) -> None:
    text = say("sms.code", lang, {"code": "012345", "minutes": 30})
    assert text.startswith("012345 ")
    assert "30 minutes" in text
    assert read_code(text) == "012345"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_telegram_takes_the_texts(lang: str) -> None:
    assert len(say("telegram.name", lang)) <= 64
    for meaning in set(COMMANDS) - {"fr", "en"}:
        assert 1 <= len(say(f"telegram.command.{meaning}", lang)) <= 256
        assert re.fullmatch("[a-z0-9_]{1,32}", command(meaning, lang))


@pytest.mark.parametrize(
    ("key", "limit"), [("telegram.description", 512), ("telegram.short_description", 120)]
)
def test_both_languages_fit_in_telegrams_default_texts(key: str, limit: int) -> None:
    whom = {lang: {"contact": say("contact.default", lang)} for lang in LANGUAGES}
    assert len("\n\n".join(say(key, lang, whom[lang]) for lang in LANGUAGES)) <= limit


# ---- plain language (UX R3, R4) --------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("state", QUESTIONS, ids=lambda state: state.value)
def test_a_question_is_short(state: S, lang: str) -> None:
    question = QUESTIONS[state]
    parts = ["progress_child" if question.step == 5 else "progress"] if question.step else []
    parts.append(f"{state.value}.ask")
    parts += [f"{state.value}.hint"] if question.hint else []
    message = "\n".join(say(part, lang, EXAMPLES) for part in parts)
    assert len(message) <= 300
    assert len(message.splitlines()) <= 6


def test_sentences_are_short() -> None:
    for key, _, form in SENTENCES:
        for sentence in _sentences(form.format_map(dict.fromkeys(EXAMPLES, "X"))):
            assert _words(sentence) <= 20, (key, sentence)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_sentences_are_twelve_words_on_average(lang: str) -> None:
    texts = [say(key, lang, EXAMPLES) for key in KEYS if not key.startswith(NOT_SENTENCES)]
    lengths = [_words(sentence) for text in texts for sentence in _sentences(text)]
    assert sum(lengths) / len(lengths) <= 12


@pytest.mark.parametrize("lang", LANGUAGES)
def test_labels_are_short(lang: str) -> None:
    for key in KEYS:
        if key.startswith("button."):
            assert len(say(key, lang, EXAMPLES)) <= 24, key


FORBIDDEN = {
    "fr": (
        "otp|pin|invalide|incorrecte?|erreur|token|jeton|clé|identifiant unique|mauvaise?"
        "|vous avez mal|texto|cellulaire|login|mdp|échec|code (?:secret|d'activation|de sécurité)"
    ),
    "en": (
        "otp|pin|invalid|incorrect|error|token|passcode|key|failed|failure|text message|texts"
        "|login|username|cell|security code|activation code"
    ),
}
"""Hard words, blame, and second words for a thing that has one: always "code", "SMS"."""


def test_no_hard_word_and_one_word_a_thing() -> None:
    for key, lang, form in SENTENCES:
        found = re.search(rf"\b(?:{FORBIDDEN[lang]})\b", form, re.IGNORECASE)
        assert not found, (key, found)


def test_no_markup() -> None:
    for key, _, form in SENTENCES:
        assert not re.search(r"</?\w|&\w+;|\*\*|__|`", form), key


def test_commands_shown_are_understood() -> None:
    for key, lang, form in SENTENCES:
        for shown in re.findall(r"(?<![\w/.:])/[a-z]+", form):
            assert shown[1:] in {command(meaning, lang) for meaning in COMMANDS}, key


def test_quoted_buttons_exist() -> None:
    """« Renvoyer le code » is the exact label of a button, of the very question that names it."""
    for key, lang, form in SENTENCES:
        state, _, part = key.rpartition(".")
        menus = [state] if part in ("ask", "hint", "help") and state in MENUS else list(MENUS)
        labels = {label(choice, menu, lang, EXAMPLES) for menu in menus for choice in MENUS[menu]}
        labels.add(label("page", state, lang))  # it stands under the password's question only
        for quoted in re.findall(r"«\u00a0([^{«»]+)\u00a0»|“([^{“”]+)”", form):
            words = "".join(quoted)
            assert words in labels or words.startswith("Bonjour"), (key, words)


def test_parents_are_told_vous_and_pupils_tu() -> None:
    polite = re.compile(r"\b(?:vous|votre|vos|vôtre)\b", re.IGNORECASE)
    familiar = re.compile(r"\b(?:tu|te|toi|ton|ta|tes)\b|\bt'", re.IGNORECASE)
    for key, lang, form in SENTENCES:
        wrong = polite if key.startswith("pupil.") else familiar
        assert lang == "en" or not wrong.search(form), key


def test_french_signs_have_their_spaces() -> None:
    for key, lang, form in FORMS:
        if lang == "en" or key.startswith(("words.", "setting.")):  # the latter are full of URLs
            continue
        text = form.replace(" ".join(SPECIALS).replace("{ }", "{{ }}"), "")
        text = text.replace("Which language do you prefer?", "").removeprefix("? ")
        space = " " if key.startswith("sms.") else "[\u00a0\u202f]"
        assert not re.search(rf"(?<!{space})[:;?!»](?!//)", text), key
        assert not re.search(rf"«(?!{space})", text), key
        assert "’" not in text, key


# ---- say -------------------------------------------------------------------------------------


def test_plurals() -> None:
    assert say("code.wrong", "fr", {"n": 1}).endswith("Il vous reste un seul essai.")
    assert say("code.wrong", "fr", {"n": 4}).endswith("Il vous reste 4 essais.")
    assert say("code.wrong", "en", {"n": 1}).endswith("You have one try left.")
    assert say("code.wrong", "en", {"n": 2}).endswith("You have 2 tries left.")
    assert "0 seconde " in say("code.too_soon", "fr", {"seconds": 0})
    assert "0 more seconds " in say("code.too_soon", "en", {"seconds": 0})


@pytest.mark.parametrize(
    ("day", "french", "english"),
    [
        (date(2012, 3, 1), "1er mars 2012", "1 March 2012"),
        (date(2008, 6, 12), "12 juin 2008", "12 June 2008"),
        (date(2010, 8, 31), "31 août 2010", "31 August 2010"),
    ],
)
def test_dates(day: date, french: str, english: str) -> None:
    facts = {"child": "Léa", "initial": "D", "day": day}
    assert say("birthdate_check.ask", "fr", facts) == f"Léa D.{NBSP}: c'est bien le {french}{NBSP}?"
    assert say("birthdate_check.ask", "en", facts) == f"Léa D.: is it {english}?"


def test_times_are_shown_in_the_zone() -> None:
    facts = {"at": NOON}
    assert f"13{NBSP}h{NBSP}32" in say("code.old", "fr", facts, ZoneInfo("Europe/Paris"))
    assert f"1:32{NBSP}pm" in say("code.old", "en", facts, ZoneInfo("Europe/Paris"))
    assert f"16{NBSP}h{NBSP}32" in say("code.old", "fr", facts, ZoneInfo("Indian/Reunion"))
    early = {"at": datetime(2026, 11, 23, 0, 5, tzinfo=UTC)}
    assert f"0{NBSP}h{NBSP}05" in say("code.old", "fr", early)
    assert f"12:05{NBSP}am" in say("code.old", "en", early)


def test_a_far_time_has_its_day() -> None:
    facts = {"at": datetime(2026, 12, 1, 8, 0, tzinfo=UTC)}
    paris = ZoneInfo("Europe/Paris")
    far, near = NOON, facts["at"] - timedelta(hours=1)
    told = say("code.budget", "fr", facts, paris, now=far)
    assert told.endswith(f"à partir de 9{NBSP}h{NBSP}00 le 1er décembre.")
    told = say("code.budget", "en", facts, paris, now=far)
    assert told.endswith(f"from 9:00{NBSP}am on 1 December.")
    told = say("code.budget", "fr", facts, paris, now=near)
    assert told.endswith(f"à partir de 9{NBSP}h{NBSP}00.")


def test_lists_and_numbers() -> None:
    assert say("human", "fr", {"contact": ["a", "b", "c"]}).endswith("a, b et c.")
    assert say("human", "en", {"contact": ["a", "b", "c"]}).endswith("a, b and c.")
    assert "12\u202f345 essais" in say("code.wrong", "fr", {"n": 12345})
    assert "12,345 tries" in say("code.wrong", "en", {"n": 12345})


def test_a_right_to_left_name_does_not_turn_the_sentence() -> None:
    facts = {"first": "يوسف", "last": "Benali", "phone": "06 12 34 56 78"}
    assert say("check.ask", "en", facts).startswith("\u2068يوسف\u2069 Benali, 06")


def test_a_fact_is_never_read_as_a_template() -> None:
    assert "{n}" in say("human", "fr", {"contact": "{n}"})


def test_what_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match=r"no text 'nothing\.here' in fr\.po"):
        say("nothing.here", "fr")
    with pytest.raises(KeyError, match=r"text 'human' needs the fact 'contact'"):
        say("human", "fr")
    with pytest.raises(KeyError, match=r"text 'code\.hint' needs the fact 'until'"):
        say("code.hint", "fr", {"masked": "06", "digits": 6, "minutes": 30, "until": None})
    with pytest.raises(KeyError, match=r"text 'code\.wrong' needs the fact 'n'"):
        say("code.wrong", "fr")
    with pytest.raises(KeyError, match="no language 'de'"):
        say("human", "de")


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot show a Exact"):
        say("done.ask", "fr", {"identifier": Exact("m.dupont")})
    with pytest.raises(TypeError, match="counts 'three'"):
        say("code.wrong", "fr", {"n": "three"})
    with pytest.raises(ValueError, match="without a zone"):
        say("code.old", "fr", {"at": datetime(2026, 11, 23)})  # noqa: DTZ001


def test_labels() -> None:
    assert label("yes", "child", "fr") == "Oui"
    assert label("yes", "check", "fr") == "Oui, envoyer le code"
    assert label("yes", "check", "en") == "Yes, send the code"
    numbers = {"first_number": "06 12 34 56 78", "second_number": "07 12 34 56 78"}
    assert label("second_number", "which_phone", "fr", numbers) == "07 12 34 56 78"


def test_guess() -> None:
    assert [guess(code) for code in ("fr", "fr-FR", "FR_ca", "en", "en-GB", "EN")] == (
        ["fr"] * 3 + ["en"] * 3
    )
    assert [guess(code) for code in (None, "", "ar", "pt-BR", "frr", "eng")] == [None] * 6


_ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
_FACTS = {
    name: {
        str: _ANY_TEXT,
        int: st.integers(0, 10**9),
        float: st.floats(0, 100),
        date: st.dates(date(1900, 1, 1), date(2100, 1, 1)),
        datetime: st.datetimes(
            datetime(2000, 1, 1),  # noqa: DTZ001
            datetime(2100, 1, 1),  # noqa: DTZ001
            timezones=st.sampled_from([UTC, timezone(timedelta(hours=4))]),
        ),
    }[type(value)]
    for name, value in EXAMPLES.items()
}


@given(
    st.sampled_from(KEYS),
    st.sampled_from(LANGUAGES),
    st.fixed_dictionaries(_FACTS),
    st.sampled_from([None, NOON]),
)
def test_say_never_raises_when_its_facts_are_there(
    key: str, lang: str, facts: dict[str, object], now: datetime | None
) -> None:
    assert isinstance(say(key, lang, facts, ZoneInfo("America/Martinique"), now=now), str)


# ---- what is typed ---------------------------------------------------------------------------

WORDS = sorted(
    {
        word
        for lang in LANGUAGES
        for key in KEYS
        for word in say(key, lang, EXAMPLES).split("|")
        if key.startswith(("words.", "button."))
    }
)


@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_recognise_never_raises(text: str) -> None:
    assert isinstance(recognise(text), frozenset)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("menu", MENUS)
def test_every_choice_can_be_typed(menu: str, lang: str) -> None:
    for choice in MENUS[menu]:
        words = say(f"words.{choice}", lang) if f"words.{choice}" in KEYS else ""
        typed = [word for word in words.split("|") if word]
        if choice not in ("language", "first_number", "second_number"):
            typed.append(label(choice, menu, lang))
        assert typed
        for word in typed:
            assert choice in recognise(word), word


@pytest.mark.parametrize("menu", MENUS)
def test_no_word_means_two_choices_of_one_question(menu: str) -> None:
    for word in WORDS:
        assert len(recognise(word) & set(MENUS[menu])) <= 1, word


def test_no_word_means_two_commands() -> None:
    for word in WORDS:
        assert len(recognise(word) & set(COMMANDS)) <= 1, word


def test_a_choice_that_hides_a_command_is_its_own_answer() -> None:
    """At a question its choices win over commands (flows.hearing): only where they agree."""
    agree = {("cancel", "stop"), ("start", "restart"), ("erase", "erase_all")}
    agree |= {("my_data", "privacy")}
    for word in WORDS:
        for menu in MENUS.values():
            for one, other in combinations(sorted(recognise(word) & {*menu, *COMMANDS}), 2):
                assert {(one, other), (other, one)} & agree, word


@pytest.mark.parametrize("meaning", COMMANDS)
def test_commands_work_in_both_languages(meaning: str) -> None:
    for lang in LANGUAGES:
        typed = f"/{command(meaning, lang)}"
        for variant in (typed, typed.upper(), f"{typed}@SesameBot", f" {typed} "):
            assert meaning in recognise(variant)


def test_commands_of_a_language_differ() -> None:
    for lang in LANGUAGES:
        assert len({command(meaning, lang) for meaning in COMMANDS}) == len(COMMANDS)


@pytest.mark.parametrize(
    ("typed", "meaning"),
    [
        ("oui", "yes"),
        ("Oui !", "yes"),
        ("  OUI. ", "yes"),
        ("D’accord", "yes"),
        ("👍🏽", "yes"),
        ("Yes.", "yes"),
        ("non merci", "no"),
        ("PRECEDENT", "back"),
        ("← Retour", "back"),
        ("← back", "back"),
        ("?", "help"),
        ("??", "help"),
        ("? Aide", "help"),
        ("/aide@sesame_bot", "help"),
        ("/start", "start"),
        ("/start 0750123A-x_1", "start"),
        ("pere", "parent"),
        ("Mère", "parent"),
        ("jai deja un compte", "manage"),
        ("Je n’ai que ce numéro", "only_number"),
        ("2ème", "second_number"),
        ("STOP", "cancel"),
        ("English", "en"),
        ("FRANCAIS", "fr"),
    ],
)
def test_recognised(typed: str, meaning: str) -> None:
    assert meaning in recognise(typed)


@pytest.mark.parametrize(
    "typed",
    [
        *("", " ", "!", "1", "123456", "oui 12/06/2010", "Dupont", "Ouiii", "!?@#"),
        *("retour de Marie", "/start a b", "/aide moi", "🎉", "x" * 5000, "oui " * 1000),
    ],
)
def test_not_recognised(typed: str) -> None:
    assert recognise(typed) == frozenset()


def test_a_language_named_is_that_language_whichever_is_spoken() -> None:
    """The button "English" of the French side must not turn an English conversation to French."""
    assert recognise("English") == {"en"}
    assert recognise("Français") == {"fr"}
