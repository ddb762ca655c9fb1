"""A real browser: the system's Chromium, one for all tests, and a fresh profile for each page.

All async fixtures of these tests are made with `pytest_asyncio.fixture(loop_scope="session")`.
"""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

OPTIONS = [
    "--no-sandbox",  # tests may run as root
    "--disable-features=LocalNetworkAccessChecks",  # a site that a test makes up frames loopback
]

PageOf = Callable[..., Awaitable[Page]]
Scheme = Literal["light", "dark"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One browser serves all tests here, so one loop does too; without a browser, none runs."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    found = _program() is not None
    for item in here:
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
        if not found:
            reason = "no Chromium here: `apt install chromium-headless-shell` (or chromium)"
            item.add_marker(pytest.mark.skip(reason=reason))


def _program() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, without a window."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=_program(), args=OPTIONS)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page_of(browser: Browser) -> AsyncIterator[PageOf]:
    """Open an empty page: `await page_of(width=320, scheme="dark")`, and any option of a context.

    When the test is over it fails if a page met an error of its own script, broke its own content
    security policy, or asked anything of another machine.
    """
    wrong: list[str] = []
    async with AsyncExitStack() as opened:

        async def opens(width: int = 390, scheme: Scheme = "light", **options: object) -> Page:
            context = await browser.new_context(
                viewport={"width": width, "height": 700},
                color_scheme=scheme,
                **options,  # type: ignore[arg-type]
            )
            opened.push_async_callback(context.close)
            page = await context.new_page()
            page.set_default_timeout(10_000)
            page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
            page.on("console", lambda said: _policy(said.text, wrong))
            page.on("request", lambda request: _elsewhere(request.url, wrong))
            return page

        yield opens
    assert not wrong, "\n".join(wrong)


def _policy(said: str, wrong: list[str]) -> None:
    if "Content Security Policy" in said:
        wrong.append(said)


def _elsewhere(url: str, wrong: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"data", "blob", "about"} and parts.hostname != "127.0.0.1":
        wrong.append(f"asked elsewhere: {url}")
