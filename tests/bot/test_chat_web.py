"""`sesame chat --web`: who may come in, two tabs, what is sent twice, and the program itself."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

import locales
from bot.channel import Mark
from bot.terminal import MASK
from bot.web.chat import LONGEST_FORM
from bot.web.transcript import Piece, pieces
from flows.states import S
from tests.conversations.conftest import quick_hash  # noqa: F401 - used by all tests here
from tests.conversations.roads import MARIE, everybody
from tests.conversations.test_terminal import environment
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.parent import SECRET
from tests.helpers.web import HOST, Browser, WebParent, web_parent, words_of

TO_CODE = ("(comes)", "[parent]", "[activate]", *MARIE, "[yes]")
OWN = {"origin": f"http://{HOST}"}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Dialogue[WebParent]]:
    async with web_parent(tmp_path / "w.sqlite3", everybody()) as parent:
        yield Dialogue(parent, "fr")


def another(here: Dialogue[WebParent]) -> httpx.AsyncClient:
    """Somebody who has not opened the address."""
    return httpx.AsyncClient(
        transport=here.parent.client._transport, base_url=here.parent.client.base_url
    )


def a_turn(here: Dialogue[WebParent]) -> str:
    return here.parent.browser.page.all("input", name="turn")[0].attributes["value"]


# ---- who may come in -------------------------------------------------------------------------


async def test_without_the_whole_address_nobody_comes_in(here: Dialogue[WebParent]) -> None:
    await here.comes()
    stranger = another(here)
    for path in ("/", "/?key=", "/?key=guess", "/chat.js", "/?seen=0-1"):
        answer = await stranger.get(path)
        assert answer.status_code == 403, path
        assert answer.text == locales.say("webchat.closed", "fr")
        assert "set-cookie" not in answer.headers
    answer = await stranger.post("/", data={"turn": "0", "text": "parent"}, headers=OWN)
    assert answer.status_code == 403
    assert len(here.parent.site.transcript.bubbles) == 1


async def test_the_key_becomes_a_cookie_of_this_site_alone(here: Dialogue[WebParent]) -> None:
    await here.parent.site.begin("fr")
    answer = await another(here).get(here.parent.site.url)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert cookie.startswith("sesame-8765=")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "localhost:8765", ""])
async def test_another_name_is_not_answered(here: Dialogue[WebParent], host: str) -> None:
    """A site whose name was bound to this machine (DNS rebinding), key or not."""
    await here.comes()
    for path in ("/", here.parent.site.url):
        answer = await here.parent.client.get(path, headers={"host": host})
        assert answer.status_code == 421
        assert "<html" not in answer.text


@pytest.mark.parametrize(
    "origin", [{}, {"origin": "null"}, {"origin": "http://127.0.0.1:1"}, {"origin": "https://x.y"}]
)
async def test_a_form_of_another_site_is_not_heard(
    here: Dialogue[WebParent], origin: dict[str, str]
) -> None:
    await here.comes()
    form = {"turn": a_turn(here), "text": "parent"}
    answer = await here.parent.client.post("/", data=form, headers=origin)
    assert answer.status_code == 403
    assert len(here.parent.site.transcript.bubbles) == 1


async def test_every_answer_is_closed_in(here: Dialogue[WebParent]) -> None:
    await here.comes()
    for path in ("/", "/chat.js", "/chat.css", "/icon.svg", "/?seen=9", "/?said=<b>"):
        answer = await here.parent.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<[^>]+\son\w+=|style=|<script>|https?://(?!www\.w3)", answer.text)
    assert (await here.parent.client.get("/../settings.py")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x=" + b"a" * LONGEST_FORM, 413),
        (b"&".join([b"a=b"] * 11), 413),
        (b"", 303),
        (b"turn=0&text=%FF%00%0A", 303),
        (b"\xff\xfe", 303),
        (b"turn=0&press=yes.1&press=%C2%B2", 303),
        (b"turn=0&press=nonsense.1", 303),
        (b"turn=0&wait=soon", 303),
        (b"turn=99999999999999999999", 303),
    ],
)
async def test_any_bytes_are_answered(here: Dialogue[WebParent], body: bytes, status: int) -> None:
    await here.comes()
    assert (await here.parent.client.post("/", content=body, headers=OWN)).status_code == status
    await here.parent.browser.opens("/")
    await here.does("[parent]")
    here.is_asked(S.MENU)


# ---- tabs, and forms that are sent twice -----------------------------------------------------


async def test_two_tabs_agree(here: Dialogue[WebParent]) -> None:
    await here.follows("(comes)", "[parent]")
    tab = Browser(here.parent.client)
    await tab.opens("/")
    assert tab.html == here.parent.browser.html
    await here.does("[activate]")
    form = tab.form_with(name="press")
    await tab.submits(form, form.all("button")[0])  # of a question that is answered
    assert locales.say("webchat.again", "fr") in tab.page.text
    await here.parent.browser.opens("/")
    assert [words_of(each) for each in tab.bubbles] == [
        words_of(each) for each in here.parent.browser.bubbles
    ]


async def test_a_form_that_is_sent_twice_does_nothing_twice(here: Dialogue[WebParent]) -> None:
    await here.follows("(comes)", "[parent]", "[activate]")
    form = {"turn": a_turn(here), "text": "Dupont"}
    post = here.parent.client.post
    answers = await asyncio.gather(*(post("/", data=form, headers=OWN) for _ in range(5)))
    assert sorted(answer.headers["location"] for answer in answers) == ["/", *["/?said=again"] * 4]
    await here.parent.browser.opens("/")
    said = [words_of(bubble) for bubble in here.parent.browser.bubbles]
    assert said.count("Dupont") == 1
    await here.does("Marie")
    here.is_asked(S.PHONE)


async def test_nothing_new_is_no_page(here: Dialogue[WebParent]) -> None:
    await here.comes()
    (html,) = here.parent.browser.page.all("html")
    seen = html.attributes["data-version"]
    assert (await here.parent.client.get(f"/?seen={seen}")).status_code == 204
    await here.does("[parent]")
    assert (await here.parent.client.get(f"/?seen={seen}")).status_code == 200


# ---- what is shown ---------------------------------------------------------------------------


async def test_a_password_is_in_no_page(here: Dialogue[WebParent]) -> None:
    await here.follows(*TO_CODE, PASSWORD)  # where the code is asked for
    here.hears("refused.code_is_password")
    assert PASSWORD.replace("&", "&amp;") not in here.parent.browser.html
    await here.does("(code)")
    for typed in ("court9", PASSWORD, PASSWORD):
        assert here.parent.browser.field.attributes["type"] == "password"
        assert here.parent.browser.field.attributes["autocomplete"] == "new-password"
        await here.says(typed)
        assert typed.replace("&", "&amp;") not in here.parent.browser.html
        assert words_of(here.parent.browser.bubbles[-2]) == MASK
    here.is_asked(S.CHILD)
    assert here.parent.browser.field.attributes["type"] == "text"


async def test_markup_is_text(here: Dialogue[WebParent]) -> None:
    typed = "<script>alert(1)</script><b>\"'&amp;"
    await here.follows("(comes)", "[parent]", "[activate]", typed)
    assert typed in [words_of(bubble) for bubble in here.parent.browser.bubbles]
    assert "<script>alert" not in here.parent.browser.html


async def test_the_language_is_a_button(here: Dialogue[WebParent]) -> None:
    await here.follows("(comes)", "[parent]")
    form = here.parent.browser.form_with(name="language")
    await here.parent._sends(form, form.all("button")[0])
    here.lang = "en"
    here.is_asked(S.MENU)
    assert locales.say("webchat.who", "en") in here.parent.browser.page.text
    assert here.parent.browser.page.all("html")[0].attributes["lang"] == "en"


async def test_the_identifier_is_marked_to_be_copied(here: Dialogue[WebParent]) -> None:
    await here.follows(*TO_CODE, "(code)", PASSWORD, PASSWORD, "oui 14/03/2014", "[activate_now]")
    last = here.parent.browser.bubbles[-1]
    assert [code.text for code in last.all("code")] == ["m.dupont"]
    (copy,) = last.all("button", class_="copy")
    assert "hidden" in copy.attributes  # it takes a script


def test_a_text_is_cut_where_marks_begin_and_end() -> None:
    text = "A strong exact end"
    marks = (Mark("strong", 2, 12), Mark("exact", 9, 5), Mark("time", 15, 3))
    assert list(pieces(text, marks)) == [
        Piece("A "),
        Piece("strong ", frozenset({"strong"})),
        Piece("exact", frozenset({"strong", "exact"})),
        Piece(" "),
        Piece("end", frozenset({"time"})),
    ]
    assert list(pieces("", ())) == []


# ---- the program -----------------------------------------------------------------------------


def started(folder: Path, *options: str, **own: str) -> tuple[subprocess.Popen[str], str]:
    """The running program, and the address that it prints."""
    running = subprocess.Popen(
        [sys.executable, "-m", "bot", "chat", "--web", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(folder, PYTHONPATH=str(Path(__file__).parents[2]), **own),
        cwd=folder,
    )
    assert running.stdout
    first, url = running.stdout.readline(), running.stdout.readline().strip()
    assert first, running.communicate()
    return running, url


async def test_a_real_process_on_a_real_socket(tmp_path: Path) -> None:
    """Loopback alone; the invented school and its banner; Ctrl-C ends it and all is forgotten."""
    place = tmp_path / "tmp"
    place.mkdir()
    running, url = started(tmp_path, "--lang", "en", "--port", "0", TMPDIR=str(place))
    found = re.fullmatch(r"(http://127\.0\.0\.1:[0-9]+)/\?key=[\w-]{32}", url)
    assert found, url
    try:
        async with httpx.AsyncClient(base_url=found[1]) as client:
            browser = Browser(client)
            await browser.opens(url)
            assert "demonstration, invented data" in browser.html
            assert "Marie Dupont" in browser.html
            form = browser.form_with(name="press")
            await browser.submits(form, form.all("button")[0])
            assert locales.say("menu.ask", "en") in browser.page.text
        assert list(place.iterdir())
    finally:
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=20)
    assert (running.returncode, out, err) == (0, "", "")
    assert list(place.iterdir()) == []


async def test_ones_own_register_is_not_called_invented(tmp_path: Path) -> None:
    """Nor can its clock be moved, or a number be vouched for, by a button."""
    own = {
        "SESAME_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'sesame.sqlite3'}",
        "SESAME_SECRET": SECRET,
    }
    running, url = started(tmp_path, "--lang", "fr", "--port", "0", **own)
    try:
        async with httpx.AsyncClient(base_url=url.partition("/?")[0]) as client:
            browser = Browser(client)
            await browser.opens(url)
            assert locales.say("webchat.real", "fr") in browser.page.text
            assert "invent" not in browser.html
            assert "Marie Dupont" not in browser.html
            assert not browser.page.all("button", name="wait")
            for forbidden in ({"wait": "31m"}, {"restart": "now"}, {"own": "+33612345678"}):
                form = {"turn": "0", **forbidden}
                origin = {"origin": str(client.base_url)}
                await client.post("/", data=form, headers=origin)
            await browser.opens("/")
            assert len(browser.bubbles) == 2  # the empty register, and the welcome
    finally:
        running.terminate()
        _, err = running.communicate(timeout=20)
    assert (running.returncode, err) == (0, "")


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    running, url = started(tmp_path, "--port", "0")
    try:
        port = url.partition("/?")[0].rpartition(":")[2]
        ended = subprocess.run(
            [sys.executable, "-m", "bot", "chat", "--web", "--port", port],
            capture_output=True,
            encoding="utf-8",
            env=environment(tmp_path, PYTHONPATH=str(Path(__file__).parents[2])),
            cwd=tmp_path,
            timeout=20,
            check=False,
        )
    finally:
        running.terminate()
        running.communicate(timeout=20)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"sesame: --port: {port} ")
