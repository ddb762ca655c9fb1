"""How little a parent has to do (UX 2.6, MISSION 5): every tap and message is counted.

An action is a message that is sent, a button that is pressed, the number that is shared, or the
page that is filled. A typed entry is a message in the parent's own words, or the page.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from flows.states import S
from storage import accounts
from tests.conversations.roads import everybody
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.school import INVITATION
from tests.telegram.chat_driver import RunningBot, TelegramParent, running_bot
from tests.telegram.mini_app import init_data, open_door
from tests.telegram.server import BotApi


@dataclass
class Counted:
    """A parent at Telegram who counts what they do."""

    bot: RunningBot
    client: httpx.AsyncClient
    lang: str
    actions: list[str] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        person = self.bot.server.person(language_code=self.lang)
        self.parent = TelegramParent(self.bot, person)
        self.dialogue = Dialogue(self.parent, self.lang)

    async def starts(self, payload: str | None = None) -> None:
        """Press Start, after a link or without."""
        self.actions.append("start")
        await self.parent.does(lambda: self.parent.person.starts(payload))

    async def presses(self, *choices: str) -> None:
        """Press buttons, one after the other."""
        for choice in choices:
            self.actions.append(choice)
            await self.dialogue.presses(choice)

    async def types(self, *texts: str) -> None:
        """Write messages, one after the other."""
        for text in texts:
            self.actions.append("types")
            self.typed.append(text)
            await self.dialogue.does(text)

    async def shares_number(self) -> None:
        """Share the own number."""
        self.actions.append("shares")
        await self.parent.shares_own_number("+33612345678")

    async def fills_page(self) -> None:
        """Open the page, fill it and send it."""
        self.actions.append("page")
        self.typed.append("page")
        user = int(self.parent.person.user["id"])
        init = init_data(self.bot.server.token, user, self.bot.clock.now)
        opened = await self.client.post("/password/open", json={"init": init})
        filled = {"init": init, "ticket": opened.json()["ticket"]}
        sent = await self.client.post(
            "/password/choose", json={**filled, "password": PASSWORD, "again": PASSWORD}
        )
        assert sent.json()["outcome"] == "taken"
        await self.bot.settles()

    async def comes_to_the_child(self) -> None:
        """From a personal link to the question about the child."""
        await self.starts(INVITATION)
        await self.presses("yes")
        await self.shares_number()
        await self.presses("yes")
        await self.types("(code)")
        await self.fills_page()


@pytest.fixture(params=["fr", "en"])
async def counted(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Counted]:
    """Marie Dupont, who has one child."""
    monkeypatch.setattr(accounts, "_MEMORY_KIB", 8)
    clock = Clock()
    async with (
        BotApi(now=clock) as server,
        running_bot(
            *(server, tmp_path / "sesame.sqlite3", everybody()),
            clock=clock,
            public_url="https://school.example",
        ) as bot,
        open_door(bot) as (_, url),
        httpx.AsyncClient(base_url=url) as client,
    ):
        yield Counted(bot, client, request.param)


async def test_from_nothing_it_takes_twelve(counted: Counted) -> None:
    await counted.starts()
    await counted.presses("parent", "activate")
    await counted.types("Dupont", "Marie")
    await counted.shares_number()
    await counted.presses("yes")
    await counted.types("(code)")
    await counted.fills_page()
    await counted.presses("yes")
    await counted.types("14/03/2014")
    await counted.presses("activate_now")
    counted.dialogue.is_asked(S.DONE)
    assert len(counted.actions) <= 12
    assert len(counted.typed) <= 5


async def test_from_a_personal_link_it_takes_nine(counted: Counted) -> None:
    await counted.comes_to_the_child()
    await counted.presses("yes")
    await counted.types("14/03/2014")
    await counted.presses("activate_now")
    counted.dialogue.is_asked(S.DONE)
    assert len(counted.actions) <= 9
    assert len(counted.typed) <= 3
    assert counted.parent.person.last.copy_texts == ["m.dupont"]  # one touch away


async def test_yes_and_the_date_can_be_one_message(counted: Counted) -> None:
    """One action less for each child."""
    await counted.comes_to_the_child()
    await counted.types("oui 14/03/2014" if counted.lang == "fr" else "yes 14 March 2014")
    await counted.presses("activate_now")
    counted.dialogue.is_asked(S.DONE)
    assert len(counted.actions) <= 8
