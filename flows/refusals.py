"""The closed list of reasons why an answer is not taken, each with its sentence in `locales/`."""

from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """Why an answer was not taken. The value is the cause code and ends a text key `refused.*`."""

    # Names (MISSION 4.3, FAMILY_NAME and FIRST_NAME)
    NAME_MISSING = "name_missing"  # nothing, digits or signs only
    NAME_UNLIKELY = "name_unlikely"  # an address, a sentence with five digits or more
    NAME_TOO_LONG = "name_too_long"  # over 80 characters
    # Phones (MISSION 1.4 and 4.3, PHONE)
    PHONE_MISSING = "phone_missing"  # no digits
    PHONE_TOO_SHORT = "phone_too_short"  # facts: n digits read
    PHONE_TOO_LONG = "phone_too_long"  # facts: n digits read
    PHONE_LANDLINE = "phone_landline"
    PHONE_BOX = "phone_box"  # 09…, an internet box
    PHONE_SPECIAL = "phone_special"  # premium, shared cost, short, satellite, machine
    PHONE_COUNTRY = "phone_country"  # cannot be placed without + and the country's code
    PHONE_UNKNOWN = "phone_unknown"  # right length, but no such mobile number exists
    CONTACT_OF_ANOTHER = "contact_of_another"  # a contact card that is not the sender's own
    CONTACT_NOT_KNOWN = "contact_not_known"  # own card, not in the register (decision 2)
    # Code (MISSION 4.3, CODE)
    CODE_LENGTH = "code_length"  # facts: n digits read
    CODE_SEVERAL = "code_several"
    FORWARDED = "forwarded"  # a code in somebody else's message (RELIABILITY T12)
    CODE_IS_PASSWORD = "code_is_password"  # noqa: S105 - a cause code, not a password
    # Password (the tutorial's step 8; RELIABILITY 5)
    PASSWORD_RULES = "password_rules"  # noqa: S105 - facts: the rules met and missing
    PASSWORD_TOO_LONG = "password_too_long"  # noqa: S105
    PASSWORD_EDGE_SPACE = "password_edge_space"  # noqa: S105 - begins or ends with a space
    PASSWORD_CHARACTERS = "password_characters"  # noqa: S105 - control or invisible characters
    PASSWORD_COMMON = "password_common"  # noqa: S105
    PASSWORD_PERSONAL = "password_personal"  # noqa: S105 - holds a name or a birthdate of the family
    # Birthdates (MISSION 4.3, CHILD_DOB)
    DATE_UNREADABLE = "date_unreadable"
    DATE_INCOMPLETE = "date_incomplete"  # no year, or no day
    DATE_IMPOSSIBLE = "date_impossible"  # 31/02
    DATE_FUTURE = "date_future"
    DATE_AGE = "date_age"  # under 2 or over 25 years: perhaps the parent's own
    # Any question
    TEXT_ONLY = "text_only"  # a photo, a voice message, a sticker
    CHOOSE = "choose"  # the question has buttons and the text is none of them


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that is not taken: the reason, and the facts its sentence needs."""

    reason: Reason
    facts: dict[str, object] = field(default_factory=dict)
