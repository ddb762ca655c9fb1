"""The page for the password in a real browser, at the real bot (UX 4): what a parent meets."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Request, expect

import locales
from flows.questions.password import SPECIALS, check_password
from flows.states import S
from storage import accounts
from tests.browser.conftest import PageOf
from tests.conversations.roads import ROADS, everybody
from tests.flows.test_password import VECTORS
from tests.helpers.clock import Clock
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.telegram.chat_driver import TelegramParent, running_bot
from tests.telegram.mini_app import init_data, open_door
from tests.telegram.server import BotApi

Theme = Mapping[str, str] | None

SITE = "https://school.example"
TOKEN = "123456:TEST-token_of_35_characters"
DARK = {
    **{"bg_color": "#17212b", "text_color": "#f5f5f5", "hint_color": "#708499"},
    **{"link_color": "#6ab3f3", "button_color": "#5288c1", "button_text_color": "#ffffff"},
}
LIGHT = {
    **{"bg_color": "#ffffff", "text_color": "#000000", "hint_color": "#999999"},
    **{"link_color": "#2481cc", "button_color": "#2481cc", "button_text_color": "#ffffff"},
}
UNREADABLE = {
    **{"bg_color": "#777777", "text_color": "#808080", "hint_color": "red;x:y"},
    **{
        "link_color": "url(https://x.example)",
        "button_color": "#777",
        "button_text_color": "#777778",
    },
}
THEMES: dict[str, Theme] = {"dark": DARK, "light": LIGHT, "absent": None, "unreadable": UNREADABLE}


class Opening:
    """A parent who has the page open, or opens it."""

    def __init__(self, parent: TelegramParent, url: str, page_of: PageOf) -> None:
        self.parent, self.url, self.page_of = parent, url, page_of
        self.dialogue = Dialogue(parent, "fr")

    @property
    def init(self) -> str:
        """What Telegram hands to the page now."""
        return init_data(TOKEN, self.parent.person.user["id"], self.parent.clock.now)

    async def opens(
        self, lang: str = "fr", theme: Theme = None, init: str | None = None, **options: Any
    ) -> Page:
        """Open it as Telegram's app does, in a browser without a past."""
        page = await self.page_of(**options)
        await page.add_init_script(
            "window.told = [];"
            "window.TelegramWebviewProxy = {postEvent: (name) => window.told.push(name)};"
        )
        await self.goes(page, lang, theme, init)
        return page

    async def goes(
        self, page: Page, lang: str = "fr", theme: Theme = None, init: str | None = None
    ) -> None:
        handed = {"tgWebAppData": self.init if init is None else init, "tgWebAppVersion": "9.1"}
        if theme is not None:
            handed["tgWebAppThemeParams"] = json.dumps(theme)
        await page.goto("about:blank")
        await page.goto(f"{self.url}/password?lang={lang}#{urlencode(handed)}")
        await page.wait_for_selector("#form:not([hidden]), #end:not([hidden])")


@pytest_asyncio.fixture(loop_scope="session")
async def opening(
    tmp_path: Path, page_of: PageOf, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Opening]:
    """A parent at Telegram who has been asked for the password."""
    monkeypatch.setattr(accounts, "_MEMORY_KIB", 8)
    clock = Clock()
    async with (
        BotApi(TOKEN, now=clock) as server,
        running_bot(
            *(server, tmp_path / "sesame.sqlite3", everybody()),
            clock=clock,
            public_url=SITE,
            page_tries="999/1h",
        ) as bot,
        open_door(bot) as (_, url),
    ):
        opened = Opening(TelegramParent(bot, server.person()), url, page_of)
        await opened.dialogue.follows(*ROADS[S.PASSWORD])
        yield opened


async def fill(page: Page, password: str, again: str | None = None) -> None:
    await page.fill("#password", password)
    await page.fill("#again", password if again is None else again)
    await page.click("#submit")


async def ends_with(page: Page, key: str, lang: str = "fr", from_telegram: bool = True) -> None:
    """The page shows this and a way to close it, and nothing that was typed is left."""
    await expect(page.locator("#end-text")).to_have_text(locales.say(f"page.{key}", lang))
    await expect(page.locator("#close")).to_be_visible(visible=from_telegram)
    assert await page.locator("input").count() == 0


# ---- the way through -------------------------------------------------------------------------


async def test_a_parent_chooses_and_the_chat_goes_on(
    opening: Opening, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sesame")
    init = opening.init
    opening.parent.person.presses("Choisir mon mot de passe")
    assert opening.parent.person.opened == [f"{SITE}/password?lang=fr"]
    page = await opening.opens(init=init)
    await expect(page.locator("#password")).to_be_focused()
    assert page.url == f"{opening.url}/password?lang=fr"
    kept = await page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]")
    assert kept == [0, 0, ""]
    assert await page.input_value("#username") == "m.dupont"
    await fill(page, PASSWORD)
    await ends_with(page, "taken")
    assert PASSWORD not in await page.content()
    told: list[str] = []
    async with asyncio.timeout(10):
        while "web_app_close" not in told:
            told = await page.evaluate("told")
            await asyncio.sleep(0.05)
    assert told == [
        *("web_app_ready", "web_app_expand", "web_app_setup_back_button", "web_app_close"),
    ]
    await opening.parent.bot.settles()
    opening.dialogue.is_asked(S.CHILD)
    assert PASSWORD not in "".join(message.text for message in opening.parent.person.screen)
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    logged = "".join(record.getMessage() for record in caplog.records)
    for secret in (PASSWORD, init):
        assert secret.encode() not in files
        assert secret not in logged
    # Opened once more, the page is of no use; the address in the history gives nothing away.
    await opening.goes(page, init=init)
    await ends_with(page, "gone")
    await page.goto(f"{opening.url}/password?lang=fr")
    await ends_with(page, "unproved", from_telegram=False)


async def test_what_is_not_telegrams_word_opens_nothing(opening: Opening) -> None:
    now, user = opening.parent.clock.now, opening.parent.person.user["id"]
    init = opening.init
    page = await opening.opens(init=init.replace(str(user), "4242"))  # altered
    await ends_with(page, "unproved")
    forged = init_data("123456:GUESS-token_of_35_characters", user, now)
    await opening.goes(page, "en", init=forged)
    await ends_with(page, "unproved", "en")
    await opening.goes(page, init=init_data(TOKEN, 4242, now))  # of somebody else
    await ends_with(page, "gone")
    for nothing in ("", "x", "%00", "a" * 5000):
        await opening.goes(page, init=nothing)
        assert await page.locator("#password").count() == 0
    opening.parent.clock.passes(minutes=16)  # replayed too late
    await opening.goes(page, init=init)
    await ends_with(page, "stale")


async def test_a_page_left_open_too_long_says_so(opening: Opening) -> None:
    page = await opening.opens()
    opening.parent.clock.passes(minutes=15, seconds=1)
    await fill(page, PASSWORD)
    await ends_with(page, "stale")


async def test_sent_twice_it_is_taken_once(opening: Opening) -> None:
    page = await opening.opens()
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    await page.fill("#password", PASSWORD)
    await page.fill("#again", PASSWORD)
    await page.evaluate(
        "for (let n = 0; n < 5; n++) document.getElementById('form').requestSubmit()"
    )
    await ends_with(page, "taken")
    assert len(sent) == 1


async def test_while_the_line_is_down_nothing_is_lost(opening: Opening) -> None:
    page = await opening.opens()
    await page.route("**/choose*", lambda route: route.abort())
    await fill(page, PASSWORD)
    await expect(page.locator("#error")).to_have_text(locales.say("page.offline", "fr"))
    assert await page.input_value("#password") == PASSWORD
    await page.unroute("**/choose*")
    await page.route("**/open*", lambda route: route.abort())
    other = await opening.opens()
    await expect(other.locator("#password")).to_be_focused()
    await opening.goes(page)
    await expect(page.locator("#end-text")).to_have_text(locales.say("page.offline", "fr"))
    await page.unroute("**/open*")
    await page.click("#retry")
    await fill(page, PASSWORD)
    await ends_with(page, "taken")


async def test_back_closes_and_loses_nothing(opening: Opening) -> None:
    page = await opening.opens()
    await page.fill("#password", PASSWORD)
    await page.evaluate("Telegram.WebView.receiveEvent('back_button_pressed', null)")
    assert await page.input_value("#password") == ""
    assert await page.evaluate("told.pop()") == "web_app_close"
    await opening.goes(page)
    await fill(page, PASSWORD)
    await ends_with(page, "taken")


# ---- the five rules --------------------------------------------------------------------------


async def test_the_vectors_drive_the_page(opening: Opening) -> None:
    page = await opening.opens()
    passwords = [vector["password"] for vector in VECTORS]
    found = await page.evaluate("(all) => all.map((one) => Rules.check(one, 8))", passwords)
    for password, told in zip(passwords, found, strict=True):
        verdict = check_password(password)
        assert (told["met"], told["missing"]) == ([*verdict.met], [*verdict.missing]), password
    signs = await page.evaluate("(all) => all.map((one) => Rules.check(one, 8))", [*SPECIALS])
    assert [told["met"] for told in signs] == [["special"]] * 26
    longer = await page.evaluate("[Rules.check('Zorglu1!', 9), Rules.check('Zorglub1!', 9)]")
    assert [told["missing"] for told in longer] == [["length"], []]
    scores = await page.evaluate(
        "['Aaaaaa1!', 'Azerty123!', 'Soleil&Vert27', 'Trois.pommes9vertes', 'xK9#mQ2$vL7!pW'].map("
        "Rules.strength)"
    )
    assert scores == sorted(scores)
    assert (scores[0], scores[-1]) == (0, 4)


async def test_the_rules_are_told_while_one_types(opening: Opening) -> None:
    page = await opening.opens()
    met = []
    for text in ("s", "soleil&", "soleil&V", "soleil&V2"):
        await page.fill("#password", text)
        met.append(await page.locator("#rules .met").count())
    assert met == [1, 2, 4, 5]
    assert await page.inner_text("#status") == ""  # not at each key
    await expect(page.locator("#status")).to_contain_text("Les cinq règles sont respectées.")
    await page.fill("#password", "soleil")
    await expect(page.locator("#status")).to_contain_text(
        "Il manque encore\u00a0: 1 majuscule, 1 chiffre, 1 caractère spécial"
    )
    upper = page.locator("[data-rule=upper]")
    await expect(upper).to_contain_text("il manque")
    await page.click("#language")
    await expect(upper).to_contain_text("1 capital letter")
    await expect(upper).to_contain_text("missing")
    assert await page.input_value("#password") == "soleil"
    assert await page.get_attribute("html", "lang") == "en"


async def test_what_is_wrong_is_said_where_it_is(opening: Opening) -> None:
    page = await opening.opens()
    password, again = page.locator("#password"), page.locator("#again")
    await fill(page, "soleil")
    await expect(password).to_be_focused()
    await expect(password).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#password-error")).to_have_text(locales.say("page.incomplete", "fr"))
    await fill(page, PASSWORD, "Soleil&Vert28")
    await expect(again).to_be_focused()
    await expect(again).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#again-error")).to_have_text(locales.say("page.different", "fr"))
    await expect(password).not_to_have_attribute("aria-invalid", "true")
    await fill(page, "Aa1!" * 65)
    told = locales.say("refused.password_too_long", "fr")
    await expect(page.locator("#password-error")).to_have_text(told)
    await fill(page, "Azerty123!")  # the server knows better
    told = locales.say("refused.password_common", "fr")
    await expect(page.locator("#password-error")).to_have_text(told)
    await expect(password).to_be_focused()


async def test_show_and_hide(opening: Opening) -> None:
    page = await opening.opens()
    types = "['password', 'again'].map((id) => document.getElementById(id).type)"
    await page.fill("#password", PASSWORD)
    await page.evaluate("document.getElementById('password').setSelectionRange(3, 5)")
    await page.click("#show")
    assert await page.evaluate(types) == ["text", "text"]
    assert await page.get_attribute("#show", "aria-pressed") == "true"
    assert await page.inner_text("#show") == "Masquer"
    caret = "[document.activeElement.id, password.selectionStart, password.selectionEnd]"
    assert await page.evaluate(caret) == ["password", 3, 5]
    await page.click("#submit")
    assert await page.evaluate(types) == ["password", "password"]
    assert await page.inner_text("#show") == "Afficher"
    for field in ("#password", "#again"):
        for name, value in (
            *(("autocomplete", "new-password"), ("autocapitalize", "none")),
            ("spellcheck", "false"),
        ):
            assert await page.get_attribute(field, name) == value
    assert await page.get_attribute("#username", "autocomplete") == "username"
    await page.evaluate("Object.defineProperty(window, 'crypto', {value: undefined})")
    await fill(page, PASSWORD)
    await ends_with(page, "taken")


# ---- how it looks ----------------------------------------------------------------------------

_LOOK = """() => {
  const shown = (one) => one.offsetParent !== null && !one.classList.contains('away');
  const targets = [...document.querySelectorAll('button, input')].filter(shown);
  const small = targets.filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width < 44 || box.height < 44;
  });
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue('--' + name).trim();
  const names = ['bg', 'surface', 'text', 'muted', 'line', 'button', 'on-button', 'accent',
                 'error'];
  return {
    wide: document.documentElement.scrollWidth > innerWidth,
    small: small.map((one) => one.id),
    colours: Object.fromEntries(names.map((name) => [name, colour(name)])),
  };
}"""


def contrast(one: str, other: str) -> float:
    """WCAG 2: from 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def is_readable(colours: dict[str, str]) -> None:
    for ground in ("bg", "surface"):
        for words in ("text", "muted", "accent", "error"):
            assert contrast(colours[words], colours[ground]) >= 4.5, (words, ground, colours)
        assert contrast(colours["line"], colours[ground]) >= 3, colours
    assert contrast(colours["on-button"], colours["button"]) >= 4.5, colours
    assert contrast(colours["button"], colours["bg"]) >= 3, colours


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_everybody_can_read_and_touch_it(opening: Opening, width: int, theme: str) -> None:
    axe = Axe()
    for lang in locales.LANGUAGES:
        scheme = "dark" if theme == "absent" and width == 390 else "light"
        page = await opening.opens(lang, THEMES[theme], width=width, scheme=scheme)
        await fill(page, "Azerty123!")
        await page.locator("#password-error").wait_for()
        look = await page.evaluate(_LOOK)
        assert (look["wide"], look["small"]) == (False, [])
        is_readable(look["colours"])
        if theme == "dark":
            assert look["colours"]["bg"] == "#17212b"
            assert look["colours"]["accent"] == "#6ab3f3"
            assert look["colours"]["button"] != "#5288c1"  # 3.72 to 1 with white
        found = (await axe.run(page)).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
        await page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert not (await page.evaluate(_LOOK))["wide"]


async def test_with_the_keyboard_alone(opening: Opening) -> None:
    page = await opening.opens(width=1280)
    await page.keyboard.type(PASSWORD)
    order = []
    for _ in range(3):
        await page.keyboard.press("Tab")
        order.append(await page.evaluate("document.activeElement.id"))
        outlined = await page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle !== 'none' ||"
            "getComputedStyle(document.activeElement.parentNode).boxShadow !== 'none'"
        )
        assert outlined, order
    assert order == ["show", "again", "submit"]
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await ends_with(page, "taken")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.id") == "close"


async def test_the_theme_may_change_meanwhile(opening: Opening) -> None:
    page = await opening.opens(theme=DARK)
    await page.evaluate(
        "(theme) => Telegram.WebView.receiveEvent('theme_changed', {theme_params: theme})", LIGHT
    )
    look = await page.evaluate(_LOOK)
    assert look["colours"]["bg"] == "#ffffff"
    is_readable(look["colours"])


# ---- in a frame ------------------------------------------------------------------------------

_FRAME = """<script>
  window.told = [];
  addEventListener("message", (event) => told.push(JSON.parse(event.data).eventType));
</script><iframe src="ADDRESS" width="400" height="700"></iframe>"""


async def _framed(browser: Browser, site: str, address: str) -> Page:
    """A page of another site that shows ours in a frame."""
    context = await browser.new_context()
    page = await context.new_page()
    html = _FRAME.replace("ADDRESS", address)
    await page.route(f"{site}/", lambda route: route.fulfill(body=html, content_type="text/html"))
    await page.goto(f"{site}/")
    return page


async def test_telegram_web_may_frame_it(opening: Opening, browser: Browser) -> None:
    address = f"{opening.url}/password?lang=fr#{urlencode({'tgWebAppData': opening.init})}"
    page = await _framed(browser, "https://web.telegram.org", address)
    form = page.frame_locator("iframe")
    await form.locator("#password").fill(PASSWORD)
    told = await page.evaluate("told")
    assert told[:3] == ["iframe_ready", "web_app_ready", "web_app_expand"]
    await page.evaluate(
        "document.querySelector('iframe').contentWindow.postMessage("
        "JSON.stringify({eventType: 'back_button_pressed'}), '*')"
    )
    await expect(form.locator("#password")).to_have_value("")
    assert (await page.evaluate("told"))[-1] == "web_app_close"
    await page.context.close()


async def test_nobody_else_may_frame_it(opening: Opening, browser: Browser) -> None:
    page = await _framed(browser, "https://evil.example", f"{opening.url}/password?lang=fr")
    [frame] = page.frames[1:]
    assert frame.url.startswith("chrome-error:")
    assert await frame.locator("#password").count() == 0
    assert await page.evaluate("told") == []
    await page.context.close()
