"""The machine's clock jumps, for a moment or for good (RELIABILITY T22, I19).

The service's own clock is steadier than this; here the engine is given the worst.
"""

from datetime import timedelta

import pytest

from flows.policy import DEFAULT
from flows.states import S
from tests.conversations.conftest import Arrive, arrive
from tests.conversations.roads import MARIE
from tests.faults.core import CoreWay
from tests.faults.way import NEXT

__all__ = ["arrive"]

HOUR, MONTH = timedelta(hours=1), timedelta(days=30)
JUMPS = {"-30d": -MONTH, "-1h": -HOUR, "+1h": HOUR, "+30d": MONTH}
STATES = [state for state in NEXT if state is not S.START]


@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("state", STATES)
async def test_it_ends_well(arrive: Arrive, state: S, jump: str, for_good: bool) -> None:
    """Whatever is said meanwhile, the parent comes to one account, and not in a month."""
    way = CoreWay(await arrive(state))
    way.parent.clock.now += JUMPS[jump]
    await way.parent.service.engine.wake()
    await way.does(await way.state())
    if not for_good:
        way.parent.clock.now -= JUMPS[jump]
        await way.parent.service.engine.wake()
    await way.ends_well(patience=24)


async def test_an_expired_code_stays_expired(arrive: Arrive) -> None:
    """Also when the clock goes back to where it was good."""
    parent = await arrive(S.CODE)
    await parent.follows("(wait 30m)", "(code)")
    parent.hears("code.expired")
    parent.clock.passes(minutes=-29)
    await parent.follows("(code)")
    parent.hears("code.expired")
    parent.is_asked(S.CODE)


async def test_a_pause_is_no_longer_than_the_policy_says(arrive: Arrive) -> None:
    """It began while the clock was a month ahead for a moment; it still lasts its whole length."""
    parent = await arrive(S.CODE)
    parent.clock.now += MONTH
    await parent.follows("(comes)", "[parent]", "[activate]", *MARIE, "[yes]")
    await parent.follows(*["(wrong code)"] * 5, "(wait 1m)", "[resend]", *["(wrong code)"] * 5)
    parent.hears("locked", at=parent.clock.now + DEFAULT.locks[0])
    parent.clock.now -= MONTH
    end = parent.clock.now + DEFAULT.locks[0]
    await parent.follows("bonjour")
    parent.hears("locked", at=end)
    await parent.follows("(wait 899s)", "bonjour")
    parent.hears("locked", at=end)
    await parent.follows("(wait 1s)", "bonjour")
    parent.is_asked(S.CHECK)
