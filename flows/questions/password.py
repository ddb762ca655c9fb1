"""The password of the tutorial's step 8: its five rules, and what the rules forget.

One vector file (tests/flows/passwords.json) drives this module and the web page alike (UX 4.2,
P1).
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from zxcvbn_rs_py import Warning as Advice
from zxcvbn_rs_py import zxcvbn

from flows.refusals import Reason, Refused
from flows.text import is_invisible, plain

SPECIALS = "!?@#$(){}[]_&=+-%*<>£µ/.:;"
"""The 26 special characters of the tutorial's step 8, in its order."""

MIN_LENGTH = 8
MAX_LENGTH = 256
"""In code points: the tutorial's step 8, and RELIABILITY 5. A school may ask for more."""


class Rule(StrEnum):
    """The five rules, in the tutorial's order."""

    UPPER = "upper"  # É counts: any capital letter of Unicode (Lu)
    LOWER = "lower"  # é counts: any small letter of Unicode (Ll), but not µ, which is a sign here
    DIGIT = "digit"  # 0-9 only, which every keyboard of a later sign-in can type
    SPECIAL = "special"  # one of SPECIALS; other signs are allowed and count for nothing
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is right and wrong with a password.

    `strength` is zxcvbn's, 0 to 4: advice, it never decides. `refused` is None where the
    password is taken.
    """

    met: tuple[Rule, ...]
    missing: tuple[Rule, ...]
    strength: int
    refused: Refused | None


# Words that French parents start from, those of school and of this product, as `plain` writes
# them. The library's own lists are English first; its common words are asked for by rank.
_COMMON_WORDS = frozenset(
    """
    azerty azertyuiop qsdfgh qsdfghjklm wxcvbn qwerty qwertyuiop qwertz
    motdepasse motdepass monmotdepasse mot2passe mdp password passwort secret login admin
    administrateur test changeme letmein user
    bonjour bonsoir salut coucou bienvenue welcome merci soleil amour amours mamour jetaime
    moncoeur iloveyou doudou loulou chouchou nounou chaton chouette bebe cheri cherie
    maman papa famille enfant enfants maison vacances chocolat princesse licorne papillon cheval
    chien football olympique allezlom
    france paris marseille lyon toulouse bordeaux bretagne reunion guadeloupe martinique mayotte
    guyane algerie maroc tunisie portugal
    ecole college lycee eleve parent parents rentree cantine classe cartable maitresse
    education educonnect pronote sesame compte activation identifiant telegram
    """.split()  # noqa: SIM905 - words are read more easily as words
)
_COMMON_WHOLE = frozenset(
    """
    abcd1234 1234abcd abc12345 abc123456 aa123456 aa12345678 a1234567 a12345678 a123456789
    a1b2c3d4 a1z2e3r4 a1z2e3r4t5 1a2z3e4r 1a2z3e4r5t q1w2e3r4 1q2w3e4r 1qaz2wsx zaq12wsx
    azer1234 1234azer qwer1234
    """.split()  # noqa: SIM905
)
_COMMON_RANK = 3000
"""A listed word found in fewer guesses is common (RELIABILITY 5, Password)."""
_COMMON_ENDS = 7
"""Digits and signs around a common word that do not make it uncommon: "Azerty123456!"."""

_LISTED_WORD = (
    Advice.ThisIsATop10Password,
    Advice.ThisIsATop100Password,
    Advice.ThisIsACommonPassword,
    Advice.AWordByItselfIsEasyToGuess,
    Advice.NamesAndSurnamesByThemselvesAreEasyToGuess,
)
_AS_LETTERS = (
    str.maketrans("@4&€301!$57", "aaaeeoiisst"),
    str.maketrans("@4&€301!$57", "aaaeeollsst"),
)
_NOT_LETTERS = "0123456789" + SPECIALS + "^~|,\"'\\€§ `"
_DATE_FORMS = ("%d%m%Y", "%d%m%y", "%Y%m%d", "%y%m%d", "%m%d%Y", "%m%d%y")


def canonical(text: str) -> str:
    """Return the one form of a password that is checked, hashed and compared.

    NFC, never NFKC, which turns the tutorial's µ (U+00B5) into the Greek letter μ (U+03BC);
    keyboards give either, so the letter becomes the sign (MISSION 1.5).
    """
    return unicodedata.normalize("NFC", text).replace("\u03bc", "µ")


def check_password(text: str, avoid: Sequence[str] = (), minimum: int = MIN_LENGTH) -> Verdict:
    """Judge a password, given as `clean_password` leaves it; `canonical` is applied here.

    `avoid` holds what it may not contain: names, and dates as "2014-03-14". `minimum` is the
    school's least length. The five rules are always reported, whatever else is wrong.
    """
    password = canonical(text)
    met = tuple(rule for rule in Rule if _meets(password, rule, minimum))
    missing = tuple(rule for rule in Rule if rule not in met)
    reason = _reason(password, missing, avoid)
    facts: dict[str, object] = {}
    if reason is Reason.PASSWORD_RULES:
        facts = {"met": [rule.value for rule in met], "missing": [rule.value for rule in missing]}
    refused = Refused(reason, facts) if reason else None
    return Verdict(met, missing, _strength(password, avoid), refused)


def looks_like_password(text: str) -> bool:
    """Tell whether a message typed elsewhere may hold a password: a word that meets all rules."""
    return any(all(_meets(word, rule) for rule in Rule) for word in text.split())


def _meets(password: str, rule: Rule, minimum: int = MIN_LENGTH) -> bool:
    match rule:
        case Rule.UPPER:
            return any(unicodedata.category(char) == "Lu" for char in password)
        case Rule.LOWER:
            return any(unicodedata.category(char) == "Ll" and char != "µ" for char in password)
        case Rule.DIGIT:
            return any("0" <= char <= "9" for char in password)
        case Rule.SPECIAL:
            return any(char in SPECIALS for char in password)
        case Rule.LENGTH:
            return len(password) >= minimum


def _reason(password: str, missing: Sequence[Rule], avoid: Sequence[str]) -> Reason | None:
    if len(password) > MAX_LENGTH:
        return Reason.PASSWORD_TOO_LONG
    if password != password.strip():
        return Reason.PASSWORD_EDGE_SPACE
    if any(map(_is_unfit, password)):
        return Reason.PASSWORD_CHARACTERS
    if missing:
        return Reason.PASSWORD_RULES
    if _is_personal(password, avoid):
        return Reason.PASSWORD_PERSONAL
    if _is_common(password):
        return Reason.PASSWORD_COMMON
    return None


def _is_unfit(char: str) -> bool:
    """Not seen, not the common space, or not to be typed again on another keyboard."""
    hidden = is_invisible(char) or char == "\ufffd"
    return hidden or (char != " " and unicodedata.category(char)[0] in "ZC")


def _is_personal(password: str, avoid: Sequence[str]) -> bool:
    spellings = [plain(text) for text in (password, *_without_signs(password))]
    return any(part in text for part in _parts(avoid) for text in spellings)


def _parts(avoid: Sequence[str]) -> Iterator[str]:
    """What may not stand in a password: whole names, their longer words, dates in digits."""
    for item in avoid:
        with suppress(ValueError):
            day = date.fromisoformat(item)
            yield from (f"{day:{form}}" for form in _DATE_FORMS)
            yield f"{day.day}{day.month}{day.year}"
            continue
        words = [plain(word) for word in re.split(r"[\s\-'’]", item)]
        yield from (word for word in words if len(word) > 3)
        if len(plain(item)) >= 3:
            yield plain(item)


def _is_common(password: str) -> bool:
    """A common word between digits and signs, or written with them ("P@ssw0rd1")."""
    if plain(password) in _COMMON_WHOLE:
        return True
    inner = password.rstrip(_NOT_LETTERS)
    for core in (inner, inner.lstrip(_NOT_LETTERS)):
        if len(password) - len(core) <= _COMMON_ENDS:
            words = {plain(word) for word in (core, *_without_signs(core))}
            if any(word in _COMMON_WORDS or _is_listed(word) for word in words):
                return True
    return False


def _without_signs(password: str) -> Iterator[str]:
    """Read signs as the letters that they stand for; 1 and ! are i or l."""
    return (password.lower().translate(letters) for letters in _AS_LETTERS)


def _is_listed(word: str) -> bool:
    if not 4 <= len(word) <= 20:
        return False
    found = zxcvbn(word)
    advice = found.feedback.warning if found.feedback else None
    return advice in _LISTED_WORD and found.guesses <= _COMMON_RANK


def _strength(password: str, avoid: Sequence[str]) -> int:
    """Ask zxcvbn about the first 72 characters: it takes 9 ms for 256, and 72 say enough."""
    readable = password[:72].encode(errors="replace").decode()
    return int(zxcvbn(readable, [plain(item) for item in avoid]).score)
