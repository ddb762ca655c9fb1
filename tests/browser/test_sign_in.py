"""A parent signs in at the school's identity provider, with what the chat gave them."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from flows.states import S
from storage.life import Acting
from tests.conversations.roads import ROADS, everybody
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import CoreParent, core_parent
from tests.servers import canaille


@pytest.fixture(scope="module")
def provider() -> Iterator[canaille.Canaille]:
    """Canaille, called by its own port."""
    if canaille.MISSING:
        pytest.skip(canaille.MISSING)
    with (
        TemporaryDirectory(prefix="sesame-") as folder,
        canaille.running(Path(folder), proxied=False) as running,
    ):
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def marie(provider: canaille.Canaille, tmp_path: Path) -> AsyncIterator[Dialogue[CoreParent]]:
    """A parent who has opened their account in the chat."""
    provider.empties()
    path, url = tmp_path / "sesame.sqlite3", provider.url
    async with core_parent(path, everybody(), lang="fr", accounts=url) as one:
        parent = Dialogue(one, "fr")
        await parent.follows(*ROADS[S.DONE])
        parent.is_asked(S.DONE)
        yield parent


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, provider: canaille.Canaille) -> AsyncIterator[Page]:
    """The parent's browser, in French, and the service that they sign in to."""
    welcome = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nBienvenue"

    async def welcomes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(welcome)
        await writer.drain()
        writer.close()

    service = await asyncio.start_server(welcomes, "127.0.0.1", provider.back)
    context = await browser.new_context(locale="fr-FR")
    page = await context.new_page()
    page.set_default_timeout(15_000)
    yield page
    await context.close()
    service.close()


async def types(page: Page, provider: canaille.Canaille, identifier: str, password: str) -> None:
    """Follow the service's link, and type what the chat gave."""
    await page.goto(provider.sign_in)
    await page.locator("input[name=login]").fill(identifier)
    await page.locator("input[name=login]").press("Enter")
    await page.locator("input[name=password]").fill(password)
    await page.locator("input[name=password]").press("Enter")


async def test_a_parent_signs_in_with_the_identifier_and_the_password_of_the_chat(
    provider: canaille.Canaille, marie: Dialogue[CoreParent], page: Page
) -> None:
    found = re.search(r"\b[a-z]\.[a-z]+[0-9]*\b", marie.reads)
    assert found, marie.reads
    await types(page, provider, found[0], PASSWORD)
    await page.locator("button[value=accept]").click()
    await expect(page.get_by_text("Bienvenue")).to_be_visible()
    query = parse_qs(urlsplit(page.url).query)
    assert query["state"] == ["of-the-tests"]
    async with httpx2.AsyncClient(base_url=provider.root) as service:
        form = {"grant_type": "authorization_code", "code": query["code"][0]}
        token = await service.post(
            "/oauth/token",
            data={**form, "redirect_uri": provider.redirect},
            auth=(canaille.CLIENT, canaille.SECRET),
        )
        bearer = {"Authorization": f"Bearer {token.json()['access_token']}"}
        person = (await service.get("/oauth/userinfo", headers=bearer)).json()
    assert person["sub"] == found[0]
    assert person["family_name"].upper() == "DUPONT"


async def is_let_in(page: Page, provider: canaille.Canaille, password: str) -> bool:
    """Whether the provider takes it; it says no by asking again."""
    await page.context.clear_cookies()
    await types(page, provider, "m.dupont", password)
    again, accept = page.locator("input[name=password]"), page.locator("button[value=accept]")
    await expect(again.or_(accept).or_(page.get_by_text("Bienvenue")).first).to_be_visible()
    return not await again.is_visible()


async def test_a_password_that_was_changed_in_the_chat(
    provider: canaille.Canaille, marie: Dialogue[CoreParent], page: Page
) -> None:
    """The new one is good as soon as the chat says so, and the old one never again."""
    assert await is_let_in(page, provider, PASSWORD)
    await marie.follows("[manage]", "[change_password]", "Terre&Verte28", "Terre&Verte28")
    marie.hears("changed.password_set")
    assert not await is_let_in(page, provider, PASSWORD)
    assert await is_let_in(page, provider, "Terre&Verte28")


async def test_an_account_that_is_frozen_and_frozen_no_more(
    provider: canaille.Canaille, marie: Dialogue[CoreParent], page: Page
) -> None:
    life, acting = marie.parent.service.doors.life, Acting(b"elsewhere", marie.clock())
    database, delivery = marie.parent.service.doors.database, marie.parent.service.delivery
    for work, lets_in in (
        (life.freeze("m.dupont", "notice", acting), False),
        (life.unfreeze("m.dupont", "call", acting), True),
    ):
        await database.run(work)
        await delivery.look()
        await delivery.settle()
        assert await is_let_in(page, provider, PASSWORD) is lets_in


async def test_a_wrong_password_is_refused(
    provider: canaille.Canaille, marie: Dialogue[CoreParent], page: Page
) -> None:
    await types(page, provider, "m.dupont", "Soleil&Vert28")
    await expect(page.locator("input[name=password]")).to_be_visible()
    assert page.url.startswith(provider.root)
    assert "code=" not in page.url
