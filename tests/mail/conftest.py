"""The same fixtures as conversations have."""

from tests.conversations.conftest import lang, meet_core, quick_hash, stack, tmp_path

__all__ = ["lang", "meet_core", "quick_hash", "stack", "tmp_path"]
