"""A parent in the browser, without JavaScript: reads the page, and sends its forms.

HTTP without a socket: each request goes to the application that `sesame chat --web` answers with.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from bot.settings import Settings
from bot.web.chat import Page
from bot.web.server import application
from tests.helpers.clock import Clock
from tests.helpers.parent import Phone, test_settings
from tests.helpers.school import School

HOST = "127.0.0.1:8765"
VOID = {"meta", "link", "img", "input", "br"}


@dataclass
class Element:
    """An element of a page."""

    tag: str
    attributes: dict[str, str]
    inside: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it, as it is written."""
        return "".join(each if isinstance(each, str) else each.text for each in self.inside)

    def all(self, tag: str = "", **attributes: str) -> list["Element"]:
        """The elements in it of this kind; `class_` is one of their classes."""
        found = []
        for each in self.inside:
            if isinstance(each, Element):
                if tag in ("", each.tag) and each._has(attributes):
                    found.append(each)
                found += each.all(tag, **attributes)
        return found

    def _has(self, attributes: dict[str, str]) -> bool:
        return all(
            value in self.attributes.get("class", "").split()
            if name == "class_"
            else self.attributes.get(name) == value
            for name, value in attributes.items()
        )


class Reader(HTMLParser):
    """A page as a tree. Fails where an element is not closed in its place."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]
        self.feed(page)
        self.close()
        assert self._open == [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        assert len({name for name, _ in attrs}) == len(attrs), attrs
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].inside.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        """Text."""
        self._open[-1].inside.append(data)


class Browser:
    """Shows one page of one site, and sends its forms."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.html = ""
        self.page = Element("", {})

    async def opens(self, path: str) -> None:
        """Go to an address, as one that is typed."""
        self._shows(await self._client.get(path, follow_redirects=True))

    async def submits(self, form: Element, button: Element, **filled: str) -> None:
        """Press a button of a form."""
        fields = {
            each.attributes["name"]: each.attributes.get("value", "") for each in form.all("input")
        }
        assert filled.keys() <= fields.keys()
        fields |= filled
        if "name" in button.attributes:
            fields[button.attributes["name"]] = button.attributes["value"]
        assert form.attributes["method"] == "post"
        origin = {"origin": f"{self._client.base_url}"}
        action = form.attributes["action"]
        self._shows(
            await self._client.post(action, data=fields, headers=origin, follow_redirects=True)
        )

    def _shows(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200, answer
        self.html = answer.text
        self.page = Reader(answer.text).root

    def form_with(self, **attributes: str) -> Element:
        """The form in which there is such a field or button."""
        return next(form for form in self.page.all("form") if form.all(**attributes))

    @property
    def field(self) -> Element:
        """Where the answer is typed."""
        return self.page.all("input", id="field")[0]

    @property
    def bubbles(self) -> list[Element]:
        """All that was said."""
        (said,) = self.page.all("ol", id="said")
        return said.all("li")


def words_of(bubble: Element) -> str:
    """What is said in a bubble."""
    (words,) = bubble.all("div", class_="bubble")
    return words.text


class WebParent:
    """A parent at a page. Time passes, and the bot is killed, by the page's own buttons."""

    def __init__(self, settings: Settings, clock: Clock, lang: str) -> None:
        begin = clock.now  # what passes is added to it, as for a person
        self.site = Page(settings, lang, HOST, invented=True, clock=lambda: begin)
        app = application(self.site.routes())
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=f"http://{HOST}"
        )
        self.browser = Browser(self.client)
        self.sms = Phone()
        self.clock = clock
        self._lang = lang
        self._read = 0

    async def comes(self) -> None:
        """Start the program, and open the address that it prints."""
        await self.site.begin(self._lang)
        await self.browser.opens(self.site.url)

    async def leaves(self) -> None:
        """End the program."""
        await self.client.aclose()
        await self.site.end()

    async def _sends(self, form: Element, button: Element, **filled: str) -> None:
        self._read = len(self.browser.bubbles)
        await self.browser.submits(form, button, **filled)
        (texts,) = self.browser.page.all("ol", id="texts")
        self.sms.received[:] = [
            (text.all("span")[0].attributes["data-to"], text.all("p", class_="sms")[0].text)
            for text in texts.all("li")
        ]

    async def says(self, text: str) -> None:
        """Type a message."""
        form = self.browser.form_with(id="field")
        (button,) = form.all("button")
        await self._sends(form, button, **{self.browser.field.attributes["name"]: text})

    async def presses(self, label: str) -> None:
        """Press the button with these words."""
        found = [button for button in self._choices if button.text == label]
        assert found, f"no button {label!r} among {self.buttons}"
        await self._sends(self.browser.form_with(name="press"), found[0])

    async def shares_own_number(self, phone: str) -> None:
        """Type the number of "this phone", where it is asked for."""
        form = self.browser.form_with(name="own")
        await self._sends(form, form.all("button")[-1], own=phone)

    async def comes_by_link(self, token: str) -> NoReturn:
        """The page is not opened by an invitation."""
        pytest.skip("the page has no invitations")

    async def sends_photo(self) -> NoReturn:
        """There is only text on this page."""
        pytest.skip("the page has only text")

    @property
    def reads(self) -> str:
        """All that was said since the last action."""
        return "\n\n".join(
            words_of(bubble)
            for bubble in self.browser.bubbles[self._read :]
            if bubble.attributes["class"] == "bot"
        )

    @property
    def _choices(self) -> list[Element]:
        return self.browser.page.all("button", name="press")

    @property
    def buttons(self) -> list[str]:
        """The words on the buttons."""
        return [button.text for button in self._choices]

    async def restarts(self) -> None:
        """Kill the engine and start it again."""
        form = self.browser.form_with(name="restart")
        await self._sends(form, form.all("button", name="restart")[0])

    async def waits(self, **length: float) -> None:
        """Let time go by: as the page's buttons do, but as long as a test wants."""
        self.clock.passes(**length)
        seconds = f"{int(timedelta(**length).total_seconds())}s"
        form = self.browser.form_with(name="wait")
        await self._sends(form, Element("button", {"name": "wait", "value": seconds}))


@asynccontextmanager
async def web_parent(
    database: Path,
    school: School,
    *,
    clock: Clock | None = None,
    lang: str | None = "fr",
    **own: object,
) -> AsyncIterator[WebParent]:
    """A parent in the browser, with the school's register filled."""
    if lang is None:
        pytest.skip("the page always knows its language")
    settings = test_settings(database, **own)
    await school.fills_file(database, settings)
    parent = WebParent(settings, clock or Clock(), lang)
    try:
        yield parent
    finally:
        await parent.leaves()
