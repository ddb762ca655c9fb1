"""When a parent who fell silent in the middle of an activation is reminded."""

from datetime import datetime
from typing import TYPE_CHECKING

from flows.policy import Policy

if TYPE_CHECKING:
    from flows.chat import Chat


def remind_at(chat: "Chat", policy: Policy) -> datetime | None:
    """To come."""
    return None
