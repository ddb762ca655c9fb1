"""Where accounts are opened when that is not here: a school's identity provider, or its directory.

One port for all of them. The account carries a key of ours, made of who it is for, so that after an
answer that was lost, or a crash, it is found again instead of opened a second time (DESIGN 11).
"""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from flows.secret import Secret

Kind = Literal["taken", "password", "schema", "rights", "gone"]


class DirectoryFault(Exception):
    """Something is wrong with the account service: one clear line that holds no secret."""


class DirectoryDown(DirectoryFault):
    """It did not answer, or not now: what was asked is surely not done, and can be asked later."""


class DirectoryUnclear(DirectoryFault):
    """Nobody knows whether it is done: look the account up before it is asked again."""


class DirectoryRefused(DirectoryFault):
    """It is surely not done, and will not be, asked in the same way.

    `kind`: `taken`, somebody else has the identifier; `password`, it does not take this one;
    `schema`, it wants other attributes; `rights`, we may not; `gone`, there is no such account.
    """

    def __init__(self, kind: Kind, line: str) -> None:
        super().__init__(line)
        self.kind: Kind = kind


@dataclass(frozen=True, slots=True)
class Child:
    """A pupil for whom the parent is a legal guardian: no more than services need to know."""

    reference: str  # stands for the child at this school, and tells nothing: 32 hex digits
    first: str = field(repr=False)
    initial: str = field(repr=False)  # of the family name
    uai: str
    school: str


@dataclass(frozen=True, slots=True)
class Account:
    """What the directory is told of a parent."""

    key: str  # ours, 32 hex digits: the same for the same person, whenever it is asked
    identifier: str = field(repr=False)
    last: str = field(repr=False)
    first: str = field(repr=False)
    phone: str = field(repr=False)  # E.164
    children: tuple[Child, ...] = field(repr=False)
    active: bool = True

    @property
    def schools(self) -> tuple[str, ...]:
        """The names of the children's schools, each once."""
        return tuple(dict.fromkeys(child.school for child in self.children))

    def facts(self) -> dict[str, str]:
        """What a template of the mapping may name."""
        return {
            "key": self.key,
            "identifier": self.identifier,
            "last": self.last,
            "first": self.first,
            "name": f"{self.first} {self.last}",
            "phone": self.phone,
            "schools": ", ".join(self.schools),
            "children": "; ".join(_in_words(child) for child in self.children),
        }


def _in_words(child: Child) -> str:
    initial = f" {child.initial}." if child.initial else ""
    return f"{child.first}{initial} ({child.uai})"


@dataclass(frozen=True, slots=True)
class There:
    """The account as the directory has it."""

    id: str = field(repr=False)
    identifier: str = field(repr=False)


class Directory(Protocol):
    """An account service. Every call raises DirectoryDown, DirectoryUnclear or DirectoryRefused."""

    needs: Literal["password", "digest"]
    """What `open` is given: the password itself, or our Argon2id hash of it."""

    async def open(self, account: Account, secret: Secret, *, again: bool) -> There:
        """Open the account. `again`: it may be there, so it is looked for before it is made.

        One that is found under our key gets the password and all else anew, and is not made twice.
        """

    async def change(self, there: str, account: Account) -> None:
        """Tell what is known of the account now: the children, the schools, whether it is active.

        One that is not there any more is somebody else's decision, and stays so.
        """

    async def set_password(self, there: str, secret: Secret) -> None:
        """Give the account another password: the one before is dead when this returns.

        It can be done twice. One that is not there any more is refused as `gone`.
        """

    async def remove(self, there: str | None, account_key: str) -> None:
        """Remove it for good; without its id it is looked for. If there is none, that is fine."""

    async def check(self) -> str:
        """See that it answers, knows us and lets us write; what it is, in one line.

        Raises DirectoryFault.
        """

    async def close(self) -> None:
        """Let go of its connections."""


Mapping = dict[str, Any]
"""The operator's mapping (SESAME_ACCOUNTS_MAPPING), read from TOML: docs/accounts.md."""


def fill(template: str, account: Account) -> str:
    """A template of the mapping, filled. Raises DirectoryRefused for a name that there is not."""
    try:
        return template.format_map(account.facts())
    except (KeyError, ValueError, IndexError, AttributeError):
        raise DirectoryRefused(
            "schema", "The mapping names a fact that there is not: see docs/accounts.md."
        ) from None
