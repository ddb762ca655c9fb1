"""`sesame chat --web` in a real browser, over a real socket: with its script, and without one."""

import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page as Tab
from playwright.async_api import expect

import locales
from bot.terminal import MASK
from bot.web.chat import Page
from bot.web.server import answering, application
from storage import accounts
from tests.browser.conftest import PageOf, Scheme
from tests.helpers.dialogue import PASSWORD
from tests.helpers.parent import test_settings
from tests.helpers.school import a_school

Opened = Callable[..., Awaitable[str]]


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opened]:
    """Start the program, in a language; the address that it prints."""
    monkeypatch.setattr(accounts, "_MEMORY_KIB", 8)
    async with AsyncExitStack() as stack:

        async def opens(lang: str = "fr") -> str:
            settings = test_settings(tmp_path / "sesame.sqlite3")
            await a_school().fills_file(tmp_path / "sesame.sqlite3", settings)
            bound = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            host = f"127.0.0.1:{bound.getsockname()[1]}"
            page = Page(settings, lang, host, invented=True)
            stack.push_async_callback(page.end)
            await page.begin(lang)
            await stack.enter_async_context(answering(bound, application(page.routes())))
            return page.url

        yield opens


async def says(tab: Tab, text: str, answer: str) -> None:
    """Type it, press Enter, and wait for an answer that holds these words."""
    await tab.fill("#field", text)
    await tab.press("#field", "Enter")
    await hears(tab, answer)


async def presses(tab: Tab, choice: str, answer: str) -> None:
    """Press the button of a choice, and wait as above."""
    await tab.click(f'[name=press][value^="{choice}."]')
    await hears(tab, answer)


async def hears(tab: Tab, answer: str) -> None:
    await expect(tab.locator("#said > .bot").last).to_contain_text(answer)


def heard(key: str, lang: str = "fr") -> str:
    """The first words of a text, up to a fact."""
    return re.split(r"[{\n]", locales._catalogue(lang).texts[key][0])[0].strip()


async def to_the_code(tab: Tab, lang: str = "fr") -> str:
    """The way to the code's question; the code that is on the second phone."""
    await presses(tab, "parent", heard("menu.ask", lang))
    await presses(tab, "activate", heard("last_name.ask", lang))
    await says(tab, "Dupont", heard("first_name.ask", lang))
    await says(tab, "Marie", heard("phone.ask", lang))
    await says(tab, "06 12 34 56 78", "06 12 34 56 78")
    await expect(tab.locator("#texts li")).to_have_count(0)
    await presses(tab, "yes", heard("code.ask", lang))
    text = await tab.locator("#texts .sms").last.inner_text()
    found = re.match(r"[0-9]{6}", text)
    assert found, text
    return found[0]


async def to_the_end(tab: Tab, code: str, lang: str = "fr") -> None:
    await says(tab, code, heard("password.ask", lang))
    assert await tab.get_attribute("#field", "type") == "password"
    await says(tab, PASSWORD, heard("password_again.ask", lang))
    await says(tab, PASSWORD, "Léa")
    assert await tab.locator("#said > .me", has_text=MASK).count() == 2
    await says(tab, "oui 14/03/2014", heard("recap.ask", lang))
    await presses(tab, "activate_now", "m.dupont")


async def everything(tab: Tab) -> str:
    """All that is in the document, what stands in its fields too."""
    found: str = await tab.evaluate(
        "document.documentElement.outerHTML"
        " + [...document.querySelectorAll('input')].map((field) => field.value).join('\\n')"
    )
    return found


async def test_the_whole_way_with_the_script(page_of: PageOf, site: Opened) -> None:
    """Nothing is loaded anew, the SMS comes by itself, the password is nowhere, the focus stays."""
    tab = await page_of(width=1280)
    await tab.goto(await site())
    assert "key=" not in tab.url
    loads: list[str] = []
    tab.on("framenavigated", lambda frame: loads.append(frame.url))
    code = await to_the_code(tab)
    await expect(tab.locator("#texts .sms").last).to_be_in_viewport()
    await to_the_end(tab, code)
    assert loads == []
    await expect(tab.locator("#field")).to_be_focused()
    await expect(tab.locator("#said > .bot").last).to_be_in_viewport()
    assert "Soleil" not in await everything(tab)
    await tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await tab.click(".copy")
    await expect(tab.locator(".copy")).to_have_text(locales.say("webchat.copied", "fr"))
    assert await tab.evaluate("navigator.clipboard.readText()") == "m.dupont"


async def test_an_e_mail_comes_beside_the_sms(page_of: PageOf, site: Opened) -> None:
    tab = await page_of(width=1280)
    await tab.goto(await site())
    await to_the_end(tab, await to_the_code(tab))
    await presses(tab, "manage", "m.dupont")
    await presses(tab, "change_email", heard("email.ask"))
    await says(tab, "marie.dupont@exemple.fr", heard("email_code.ask"))
    mail = tab.locator("#texts li").last
    await expect(mail.locator(".from")).to_contain_text("E-mail marie.dupont@exemple.fr")
    await expect(mail.locator(".subject")).to_have_text(locales.say("mail.code.subject", "fr"))
    found = re.match(r"[0-9]{6}", await mail.locator(".sms").inner_text())
    assert found
    await says(tab, found[0], heard("manage.ask"))
    await expect(mail).to_be_in_viewport()


async def test_the_whole_way_without_a_script(page_of: PageOf, site: Opened) -> None:
    tab = await page_of(java_script_enabled=False)
    await tab.goto(await site())
    code = await to_the_code(tab)
    await expect(tab.locator("#texts .sms").last).to_be_in_viewport()
    await expect(tab.locator("#said > .bot").last).to_be_in_viewport()
    await to_the_end(tab, code)
    assert "Soleil" not in await tab.content()
    await expect(tab.locator(".copy")).to_be_hidden()
    assert await tab.inner_text("#said code") == "m.dupont"


async def test_two_tabs_agree_by_themselves(page_of: PageOf, site: Opened) -> None:
    """What is being typed in the other one stays; a number is shared; time passes by a button."""
    first = await page_of()
    await first.goto(await site())
    second = await first.context.new_page()
    await second.goto(first.url)
    await presses(first, "parent", heard("menu.ask"))
    await hears(second, heard("menu.ask"))
    await presses(second, "activate", heard("last_name.ask"))
    await hears(first, heard("last_name.ask"))
    await second.fill("#field", "being typed")
    await says(first, "Dupont", heard("first_name.ask"))
    await hears(second, heard("first_name.ask"))
    assert await second.input_value("#field") == "being typed"
    await says(first, "Marie", heard("phone.ask"))
    await first.click("summary")
    await first.click('[name=contact][value="06 12 34 56 78"]')
    await hears(first, "06 12 34 56 78")
    await presses(first, "yes", heard("code.ask"))
    await expect(second.locator("#texts li")).to_have_count(1)
    await first.click('[name=wait][value="31m"]')
    await expect(second.locator("#said > .note").last).to_have_text("31 minutes plus tard")
    await first.click("[name=restart]")
    await hears(first, heard("code.ask"))
    await first.click("[name=language]")
    await hears(first, heard("code.ask", "en"))
    await expect(first.locator("#texts-name")).to_have_text(locales.say("webchat.phone", "en"))
    await expect(first.locator("aside h2").first).to_have_text(locales.say("webchat.who", "en"))


async def test_by_keyboard_alone(page_of: PageOf, site: Opened) -> None:
    tab = await page_of(width=1280)
    await tab.goto(await site())
    await expect(tab.locator("#field")).to_be_focused()
    for _ in range(9):
        await tab.keyboard.press("Shift+Tab")
        if (await tab.evaluate("document.activeElement.value || ''")).startswith("parent."):
            break
    outline = await tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await tab.keyboard.press("Enter")
    await hears(tab, heard("menu.ask"))
    await expect(tab.locator("#field")).to_be_focused()
    await tab.keyboard.type("activer mon compte")
    await tab.keyboard.press("Enter")
    await hears(tab, heard("last_name.ask"))


async def fits(tab: Tab) -> None:
    """No sideways scroll, nothing that is too small to press, nothing that axe finds serious."""
    assert await tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    small = await tab.evaluate(
        "[...document.querySelectorAll('button, summary, input:not([type=hidden])')]"
        ".map((each) => [each.outerHTML, each.getBoundingClientRect()])"
        ".filter(([, box]) => box.height && (box.height < 43.9 || box.width < 43.9))"
        ".map(([html]) => html)"
    )
    assert small == []
    found = (await Axe().run(tab)).response["violations"]
    serious = [each for each in found if each["impact"] in {"serious", "critical"}]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in serious] == []


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", locales.LANGUAGES)
async def test_every_look(
    page_of: PageOf, site: Opened, width: int, scheme: Scheme, lang: str
) -> None:
    """At the start, with the SMS, at the password and at the end."""
    tab = await page_of(width=width, scheme=scheme, reduced_motion="reduce")
    await tab.goto(await site(lang))
    await fits(tab)
    code = await to_the_code(tab, lang)
    await fits(tab)
    await says(tab, code, heard("password.ask", lang))
    await fits(tab)
    await says(tab, PASSWORD, heard("password_again.ask", lang))
    await says(tab, PASSWORD, "Léa")
    await says(tab, "yes 14/03/2014", heard("recap.ask", lang))
    await presses(tab, "activate_now", "m.dupont")
    await fits(tab)
