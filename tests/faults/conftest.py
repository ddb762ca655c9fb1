"""A quick hash, files in memory, and short waits: how long they are is tested elsewhere."""

import pytest

from tests.conversations.conftest import lang, quick_hash, stack, tmp_path

__all__ = ["lang", "quick_hash", "stack", "tmp_path"]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of a second where the bot waits for a fault to end."""
    for name in (
        "bot.delivery.STORAGE_AGAIN",
        "bot.carriers.ledger.STORAGE_AGAIN",
        "bot.carriers.texting.AGAIN",
        "bot.carriers.ledger.GROWS_TO",
    ):
        monkeypatch.setattr(name, 0.05)
    monkeypatch.setattr("bot.telegram.outgoing.AGAIN", 0.05)
    monkeypatch.setattr("bot.telegram.updates.growing_wait", lambda failures: 0.05)
    monkeypatch.setattr("bot.telegram.client.growing_wait", lambda failures: 0.05)
