"""Which numbers of a guardian can get a code, and if none, what the school has to mend."""

import re
from typing import Any, NamedTuple

from phonenumbers import PhoneMetadata

from flows.questions.phone import Kind, classify
from storage.importing.records import Guardian

OWN, ELSEWHERE = "own", "elsewhere"
"""A mobile stands in its own field, or only in another one: the work phone, the home phone."""

NO_MOBILE, LANDLINE, NOT_A_NUMBER, SPECIAL = (
    "no_mobile",
    "landline_only",
    "not_a_number",
    "special_number",
)

_WHY_NOT = {Kind.LANDLINE: LANDLINE, Kind.BOX: LANDLINE, Kind.SPECIAL: SPECIAL}


class Mobiles(NamedTuple):
    """A guardian's mobiles in E.164, those of the mobile field first, and where they stood.

    Without any, `found` is the reason: NO_MOBILE, LANDLINE, NOT_A_NUMBER or SPECIAL.
    """

    numbers: tuple[str, ...]
    found: str


# Nearly all cells hold a plain French number, for which the library's own patterns say at once
# what the library needs 30 microseconds to find out: most of the time of an import. 0508 is how
# Saint-Pierre is dialled, so that is left to `classify`.
_METADATA: Any = PhoneMetadata.metadata_for_region("FR", None)
_FRENCH = re.compile(r"(0|\+33|0033)((?!508)[1-9][0-9]{8})")
_FRENCH_MOBILE = re.compile(_METADATA.mobile.national_number_pattern)
_FRENCH_LANDLINE = re.compile(_METADATA.fixed_line.national_number_pattern)


def mobiles_of(guardian: Guardian, region: str) -> Mobiles:
    """Look at all phone fields; `region` is the school's (`region_of_uai`)."""
    own = [_classify(text, region) for text in guardian.mobiles]
    others = [_classify(text, region) for text in guardian.other_phones]
    numbers = {e164: None for e164, kind in (*own, *others) if e164 and kind is Kind.MOBILE}
    if any(kind is Kind.MOBILE for _, kind in own):
        return Mobiles(tuple(numbers), OWN)
    if numbers:
        return Mobiles(tuple(numbers), ELSEWHERE)
    if own:
        return Mobiles((), _WHY_NOT.get(own[0][1], NOT_A_NUMBER))
    is_landline = any(_WHY_NOT.get(kind) == LANDLINE for _, kind in others)
    return Mobiles((), LANDLINE if is_landline else NO_MOBILE)


def _classify(text: str, region: str) -> tuple[str | None, Kind]:
    """Do as `classify`, and at once for plain French numbers."""
    found = _FRENCH.fullmatch(text.replace(" ", "").replace(".", ""))
    if found and (region == "FR" or found[1] != "0"):
        number = found[2]
        if _FRENCH_MOBILE.fullmatch(number):
            return f"+33{number}", Kind.MOBILE
        if _FRENCH_LANDLINE.fullmatch(number):
            return f"+33{number}", Kind.LANDLINE
    return classify(text, region)
