"""What happened to an account elsewhere is told once, whenever the bot is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.database import every
from tests.conversations.roads import ALL_TO_DONE
from tests.helpers.clock import Clock
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import core_parent
from tests.helpers.school import a_school

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("point", ["before", "inside", "after"])
async def test_a_conversation_is_told_once(tmp_path: Path, point: str) -> None:
    database, clock = tmp_path / "sesame.sqlite3", Clock()
    async with core_parent(database, a_school(), clock=clock) as parent:
        await Dialogue(parent, "fr").follows(*ALL_TO_DONE)
    killed = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
        [sys.executable, "-m", "tests.crash.telling", point, database, clock.now.isoformat()],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    async with core_parent(database, a_school(), clock=clock) as parent:
        marie = Dialogue(parent, "fr")
        await parent.service.delivery.look()
        await parent.service.delivery.settle()
        told = [reply.text for reply in parent.replies]
        assert len(told) == 1
        marie.hears("signed_out.password")
        waiting = await parent.service.doors.database.run(
            every("SELECT kind, status FROM outbox WHERE status IN ('waiting', 'sending')")
        )
        assert waiting == []
        await parent.restarts()
        await parent.service.delivery.settle()
        assert len(parent.replies) == 1
