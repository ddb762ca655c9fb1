"""What is hostile comes the way parents come: the same fixtures."""

from tests.conversations.conftest import (
    arrive,
    core,
    lang,
    meet_core,
    quick_hash,
    stack,
    tmp_path,
)

__all__ = ["arrive", "core", "lang", "meet_core", "quick_hash", "stack", "tmp_path"]
