"""A parent who waits for an account service that does not answer, on every channel."""

import pytest

from flows.states import S
from tests.conversations.conftest import Meet
from tests.conversations.roads import ROADS
from tests.helpers.network import free_port


@pytest.mark.parametrize("channel", ["postgresql", "terminal", "telegram", "web"])
async def test_whoever_waits_is_never_stuck(meet: Meet, lang: str) -> None:
    nobody = f"scim+http://:the-token-of-the-tests@127.0.0.1:{free_port()}/scim/v2"
    parent = await meet(accounts=nobody)
    await parent.follows(*ROADS[S.RECAP], "[activate_now]")
    parent.hears("opening.late")
    for said in ("?", "/privacy", "/human", "/start", "/back"):
        await parent.says(said)
        parent.hears("opening.waits")
    await parent.says("/cancel")
    parent.hears("interrupt.cancel.opening")
    await parent.presses("continue")
    parent.hears("opening.waits")
    await parent.follows("/forget", "[erase_all]")
    parent.hears("erased.opening")
    await parent.comes()
    parent.hears("welcome")
