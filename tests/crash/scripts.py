"""What parents do, and what they must hear: the same words whether or not the bot is killed.

A line is what the parent does, in the words of `tests.helpers.dialogue`, and the key of what the
bot must say next. Some things the parent knows: (last), (first), (mobile), (email), (code),
(mailed code), (wrong code), (password), (birthdate). Others are ways of doing: (contact) shares the
own number, (old button) presses a button of the first question, (twice choice) taps a button twice,
(both a b) writes two messages at once, (english) changes the language, (pause) waits a second, and
(meet) waits for the other chat of the same guardian. (again choice) presses a button, and once more
after the other chat has ended, where the bot says that this one is at it: an outside account
service takes its time.
"""

from dataclasses import dataclass, replace
from random import Random

from tests.helpers.school import School

Line = tuple[str, str]
Script = tuple[Line, ...]

BEGIN: Script = (
    ("(comes)", "profile.ask"),
    ("[parent]", "menu.ask"),
    ("[activate]", "last_name.ask"),
)
NAME: Script = (("(last)", "first_name.ask"), ("(first)", "phone.ask"))
CHECK: Script = (("(mobile)", "check.ask"), ("[yes]", "code.ask"))
PROVED: Script = (("(code)", "password.ask"),)
PASSWORD: Script = (("(password)", "password_again.ask"), ("(password)", "child.ask"))
CHILD: Script = (("[yes]", "birthdate.ask"), ("(birthdate)", "recap.ask"))
NEXT: Script = (("[yes]", "birthdate.ask"), ("(birthdate)", "child.ask"))
OPEN: Script = (("[activate_now]", "done.ask"),)
REST: Script = (*PROVED, *PASSWORD, *CHILD, *OPEN)

SCRIPTS: dict[str, Script] = {
    "happy": (*BEGIN, *NAME, *CHECK, *REST, ("[text_me]", "done.texted")),
    "wrong code": (
        *(*BEGIN, *NAME, *CHECK),
        *(("(wrong code)", "code.wrong"), ("(wrong code)", "code.wrong"), *REST),
    ),
    "back": (
        *(*BEGIN, ("(last)", "first_name.ask"), ("[back]", "last_name.ask"), *NAME, *CHECK),
        *(("[back]", "phone.ask"), ("(pause)", ""), *CHECK, *REST),
    ),
    "language": (*BEGIN, *NAME, ("(english)", "language.done"), *CHECK, *REST),
    "old button": (
        *(*BEGIN, ("(last)", "first_name.ask"), ("(old button)", "stale")),
        *(("(first)", "phone.ask"), *CHECK, ("(old button)", "stale"), *REST),
    ),
    "two at once": (*BEGIN, ("(both last first)", "first_name.ask phone.ask"), *CHECK, *REST),
    "double tap": (
        *BEGIN[:2],
        ("(twice activate)", "last_name.ask"),
        *(*NAME, *CHECK, *PROVED, *PASSWORD, *CHILD, ("(twice activate_now)", "done.ask")),
    ),
    "contact": (*BEGIN, *NAME, ("(contact)", "check.ask"), CHECK[1], *REST),
    "two passwords": (
        *(*BEGIN, *NAME, *CHECK, *PROVED, PASSWORD[0], ("(other password)", "password.different")),
        *(*PASSWORD, *CHILD, *OPEN),
    ),
    "my account": (
        *(*BEGIN, *NAME, *CHECK, *REST, ("[manage]", "manage.ask")),
        *(("[change_password]", "password.ask"), ("(other password)", "password_again.ask")),
        *(("(other password)", "changed.password_set"), ("[change_email]", "email.ask")),
        *(("(email)", "email_code.ask"), ("(mailed code)", "changed.email_changed")),
        ("[children]", "my_children.ask"),
        *(("[back]", "manage.ask"), ("[close_account]", "close.ask")),
        *(("[close_now]", "reopen.ask"), ("[reopen]", "changed.account_reopened")),
    ),
    "three children": (*BEGIN, *NAME, *CHECK, *PROVED, *PASSWORD, *NEXT, *NEXT, *CHILD, *OPEN),
    "unknown number": (
        *(*BEGIN, *NAME, *CHECK, ("(wrong code)", "code.wrong")),
        *(("[nothing_arrives]", "no_sms.ask"), ("[ask_school]", "ask_school.ask")),
    ),
    "race": (
        *(*BEGIN, *NAME, *CHECK, *PROVED, ("(meet)", ""), *PASSWORD, *CHILD, ("(meet)", "")),
        ("(again activate_now)", "done.ask|already.ask"),
    ),
    "race, other chat": (
        *(("(meet)", ""), *BEGIN, *NAME, *CHECK, *PROVED, *PASSWORD, *CHILD, ("(meet)", "")),
        ("(again activate_now)", "done.ask|already.ask"),
    ),
}
ALONE = [name for name in SCRIPTS if not name.startswith("race")]


def script_of(seed: str, conversation: int) -> str:
    """Which script the n-th conversation of a run follows: all of them first, then any."""
    names = [*ALONE, "race"]
    random = Random(f"scripts of {seed}")
    random.shuffle(names)
    if conversation < len(names):
        return names[conversation]
    return Random(f"{seed} {conversation}").choice(names)


@dataclass(frozen=True)
class Family:
    """A guardian and children."""

    last: str
    first: str
    mobile: str
    children: tuple[tuple[str, str], ...]

    @property
    def other(self) -> str:
        """The number of the other guardian, who is told what happens to the account (E.164)."""
        return f"+33{self.mobile.replace(' ', '')[1:-2]}87"


_SYLLABLES = [consonant + vowel for consonant in "bcdfglmnprst" for vowel in "aeiou"]
_CHILDREN = (("Léa", "14/03/2014"), ("Hugo", "01/09/2011"), ("Zoé", "12/06/2017"))


def family(number: int, children: int = 1) -> Family:
    """The n-th family, all different."""
    ends = "".join(_SYLLABLES[number // 60**power % 60] for power in (1, 0))
    mobile = f"06 {12 + number // 90 % 60:02} {10 + number % 90} 56 78"
    return Family(f"Val{ends}", "Marie", mobile, _CHILDREN[:children])


def families(conversations: int, more: int = 0) -> School:
    """Who is in the register: a small and a large family for each conversation, and some more."""
    school = School()
    for number in range(conversations):
        for one in (family(2 * number), family(2 * number + 1, children=3)):
            _joins(school, one)
            _joins(school, replace(one, first="Paul", mobile=one.other))
    for number in range(more):
        _joins(school, family(_MORE + number))
    return school


_MORE, _UNKNOWN = 2000, 3000


def family_of(script: str, conversation: int) -> Family:
    """Who a conversation is with."""
    if script == "unknown number":
        return family(_UNKNOWN + conversation)
    large = script == "three children"
    return family(2 * conversation + large, children=3 if large else 1)


def _joins(school: School, one: Family) -> None:
    last = one.last.upper()
    children = {f"{first} {last}": born for first, born in one.children}
    school.knows(f"{one.first} {last}", one.mobile, children)
