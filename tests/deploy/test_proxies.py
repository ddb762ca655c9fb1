"""nginx and Caddy with the files of `docs/deploy`: what they pass on, and to whom."""

import asyncio
import json
import os
import re
import shutil
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
import trustme
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bot.web.password import Door
from bot.web.password import routes as page_routes
from bot.web.server import application, listening
from bot.web.watch import Watch
from bot.web.watch import routes as watch_routes
from tests.helpers.dialogue import PASSWORD
from tests.helpers.network import free_port
from tests.helpers.parent import SECRET
from tests.helpers.school import a_school
from tests.servers.running import Server
from tests.telegram.server import BotApi
from tests.telegram.test_channel import TOKEN
from tests.telegram.test_webhook import Serve

if TYPE_CHECKING:
    from tests.helpers.postgres import Postgres

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
SITE = "sesame.ecole.example"
PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"


class Proxy:
    """A proxy with TLS before two ports."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder
        folder.mkdir()
        self.authority = trustme.CA()
        certificate = self.authority.issue_cert(SITE)
        certificate.private_key_pem.write_to_path(folder / "privkey.pem")
        for number, pem in enumerate(certificate.cert_chain_pems):
            pem.write_to_path(folder / "fullchain.pem", append=number > 0)
        self.port = free_port()
        self.behind = (free_port(), free_port())

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def client(self) -> httpx2.AsyncClient:
        """Who comes from outside, by the site's name."""
        trusts = ssl.create_default_context(cadata=self.authority.cert_pem.bytes().decode())
        return httpx2.AsyncClient(verify=trusts, timeout=20, trust_env=False)

    async def asks(self, method: str, path: str, **more: str) -> httpx2.Response:
        async with self.client() as client:
            return await client.request(
                method,
                f"{self.url}{path}",
                headers={"Host": SITE, **more},
                extensions={"sni_hostname": SITE},
            )

    def logs(self) -> list[Path]:
        """What it wrote, of itself."""
        return [log for log in (self.folder / "output", self.folder / "error.log") if log.exists()]

    def moved(self, text: str) -> str:
        """A file of `docs/deploy`, with the ports and places of this test."""
        for number, port in zip(("8081", "8082"), self.behind, strict=True):
            text = text.replace(f"127.0.0.1:{number}", f"127.0.0.1:{port}")
        return text.replace("/etc/ssl/sesame", str(self.folder))


def nginx(proxy: Proxy) -> list[str]:
    """The command that starts it, with the file as it is in a system's own configuration."""
    site = proxy.moved((DEPLOY / "nginx.conf").read_text("utf-8"))
    site = re.sub(r"\n    listen \[::\]:443 [^\n]+", "", site)
    site = site.replace("listen 443 ", f"listen 127.0.0.1:{proxy.port} ")
    (proxy.folder / "site.conf").write_text(site, encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"{kind}_temp_path {proxy.folder}/{kind};" for kind in kinds)
    (proxy.folder / "nginx.conf").write_text(
        f"daemon off; pid {proxy.folder}/pid; error_log {proxy.folder}/error.log;\n"
        f"events {{}}\nhttp {{\n{paths}\ninclude {proxy.folder}/site.conf;\n}}\n"
    )
    return ["-p", str(proxy.folder), "-c", str(proxy.folder / "nginx.conf")]


def caddy(proxy: Proxy) -> list[str]:
    """The same; with a certificate of ours, since it cannot get one here."""
    text = proxy.moved((DEPLOY / "Caddyfile").read_text("utf-8"))
    place = f"https://{SITE}:{proxy.port}"
    text = text.replace("{$SESAME_SITE:sesame.ecole.example}", place)
    files = f"tls {proxy.folder}/fullchain.pem {proxy.folder}/privkey.pem"
    text = text.replace("\theader Strict", f"\tbind 127.0.0.1\n\t{files}\n\theader Strict")
    text = text.replace("\tlog {", "\tadmin off\n\tauto_https disable_redirects\n\tlog {", 1)
    (proxy.folder / "Caddyfile").write_text(text, encoding="utf-8")
    return ["run", "--adapter", "caddyfile", "--config", str(proxy.folder / "Caddyfile")]


PROXIES: dict[str, Callable[[Proxy], list[str]]] = {"nginx": nginx, "caddy": caddy}


@pytest.fixture(params=PROXIES)
def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> Proxy:
    return Proxy(tmp_path / "proxy", request.param)


@contextmanager
def running(proxy: Proxy) -> Iterator[None]:
    """The real program."""
    program = shutil.which(proxy.name, path=PATH)
    if program is None:
        pytest.skip(f"{proxy.name} is not installed: make test-servers")
    command = [program, *PROXIES[proxy.name](proxy)]
    own = {"HOME": str(proxy.folder), "XDG_DATA_HOME": str(proxy.folder)}
    server = Server(command, proxy.port, proxy.folder / "output", own)
    server.start()
    try:
        yield
    finally:
        server.kill()


# ---- what is passed on -------------------------------------------------------------------------


@pytest.fixture
async def pages(proxy: Proxy) -> AsyncIterator[None]:
    """All pages of ours at both ports; the webhook tells what it was asked."""

    def page_of(port: int) -> list[BaseRoute]:
        async def told(request: Request) -> Response:
            body = await request.body()
            if body == b"full" and port == proxy.behind[0]:
                return Response(status_code=503)
            facts = {"port": port, "headers": dict(request.headers), "size": len(body)}
            return Response(json.dumps(facts))

        watch = watch_routes(Watch("nowhere"))
        # The last is a page that nobody in these files knows.
        paths = ("/telegram", "/sms/ovh/token", "/new-page")
        named = [Route(path, told, methods=["GET", "POST"]) for path in paths]
        return [*page_routes(Door(TOKEN, 12)), *watch, *named]

    async with AsyncExitStack() as stack:
        for port in proxy.behind:
            await stack.enter_async_context(
                listening(f"127.0.0.1:{port}", application(page_of(port)))
            )
        yield


@pytest.mark.usefixtures("pages")
async def test_only_what_is_public_is_passed_on(proxy: Proxy) -> None:
    with running(proxy):
        for path in ("/password", "/password/password.js", "/password/page.css"):
            answer = await proxy.asks("GET", path)
            assert answer.status_code == 200, path
            assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        for path in ("/telegram", "/sms/ovh/token"):
            assert (await proxy.asks("POST", path)).status_code == 200, path
        hidden = (
            "/",
            "/new-page",
            "/health",
            "/ready",
            "/metrics",
            "/telegram/x",
            "/passwords",
            "/.env",
        )
        for path in (*hidden, "/password/../metrics", "/password/%2e%2e/metrics", "//metrics"):
            assert (await proxy.asks("GET", path)).status_code == 404, path
            forged = await proxy.asks("GET", path, **{"X-Forwarded-For": ""})
            assert forged.status_code == 404, path


@pytest.mark.usefixtures("pages")
async def test_who_asks_is_told_and_both_are_asked(proxy: Proxy) -> None:
    with running(proxy):
        seen = set()
        for _ in range(8):
            told = (await proxy.asks("POST", "/telegram", **{"X-Forwarded-For": "8.8.8.8"})).json()
            assert told["headers"]["x-forwarded-for"] == "127.0.0.1"  # nobody says it of themselves
            assert told["headers"]["x-forwarded-proto"] == "https"
            assert told["headers"]["host"] == SITE
            seen.add(told["port"])
        assert seen == set(proxy.behind)
        async with proxy.client() as client:
            large = await client.post(
                f"{proxy.url}/telegram",
                content=b"x" * 3_000_000,
                headers={"Host": SITE},
                extensions={"sni_hostname": SITE},
            )
        assert large.status_code == (
            413 if proxy.name == "nginx" else 200
        )  # Sésame refuses it itself


@pytest.mark.usefixtures("pages")
async def test_what_one_process_cannot_store_now_goes_to_the_other(proxy: Proxy) -> None:
    """With nginx at once; with Caddy when Telegram comes again."""
    with running(proxy):
        async with proxy.client() as client:
            posts = [
                await client.post(
                    f"{proxy.url}/telegram",
                    content=b"full",
                    headers={"Host": SITE},
                    extensions={"sni_hostname": SITE},
                )
                for _ in range(4)
            ]
    answers = [post.status_code for post in posts]
    assert 200 in answers
    assert set(answers) <= ({200} if proxy.name == "nginx" else {200, 503})


async def test_a_process_that_is_not_there_is_passed_over(proxy: Proxy) -> None:
    async def told(_request: Request) -> Response:
        return Response("stored")

    route = Route("/telegram", told, methods=["POST"])
    pages = [route, *watch_routes(Watch("nowhere"))]
    async with listening(f"127.0.0.1:{proxy.behind[1]}", application(pages)):
        with running(proxy):
            answers = [(await proxy.asks("POST", "/telegram")).status_code for _ in range(6)]
            # Caddy may try it once before it knows; Telegram comes again.
            assert answers[1:] == [200] * 5
            assert answers[0] in ((200,) if proxy.name == "nginx" else (200, 502))


# ---- a parent, through it ----------------------------------------------------------------------

ROAD = (  # what she writes, and words of the question that follows
    ("parent", "Que souhaitez-vous faire"),
    ("activer mon compte", "votre nom de famille"),
    ("Dupont", "votre prénom"),
    ("Marie", "Quel numéro de portable"),
    ("06 12 34 56 78", "C'est exact"),
    ("oui", "le code reçu"),
    ("<code>", "mot de passe"),
    (PASSWORD, "une seconde fois"),
    (PASSWORD, "Léa"),
    ("oui", "date de naissance"),
    ("14/03/2014", "Voulez-vous activer"),
    ("activer", "m.dupont"),
)


async def test_a_parent_activates_through_two_processes_and_one_is_killed(
    proxy: Proxy, postgres: "Postgres", tmp_path: Path
) -> None:
    """As docs/deploy says it is done; the conversation goes on at the process that is left."""
    url = postgres.with_school(a_school(), secret=SECRET)
    own = {
        "SESAME_DATABASE_URL": url.replace("postgresql:", "postgresql+asyncpg:"),
        "SESAME_SECRET": SECRET,
        "SESAME_WEBHOOK_URL": f"https://{SITE}/telegram",
        "PTB_TIMEDELTA": "true",
    }
    async with BotApi(TOKEN) as telegram, AsyncExitStack() as stack:
        serves = []
        for port in proxy.behind:
            serve = Serve(telegram, tmp_path, **own, SESAME_LISTEN=f"127.0.0.1:{port}")
            serves.append(await stack.enter_async_context(serve.runs()))
        stack.enter_context(running(proxy))
        telegram.webhook["certificate"] = proxy.authority.cert_pem.bytes()  # whom Telegram trusts
        await stack.enter_async_context(telegram.pushing(f"{proxy.url}/telegram"))
        marie = telegram.person()
        marie.starts()
        await marie.hears(30)
        for words, question in ROAD:
            if words == "<code>":
                code = await _code(tmp_path / "sms.jsonl")
                serves[0].kill()
                await serves[0].wait()
            marie.says(code if words == "<code>" else words)
            while question not in (await marie.hears(30)).text:
                pass
        assert {status for _, status in telegram.posts} <= {200, 502, 503}
        secret = telegram.webhook["secret_token"]
    assert not any(secret in log.read_text("utf-8") for log in proxy.logs())


async def _code(phone: Path) -> str:
    """The code, once it has arrived by SMS."""
    async with asyncio.timeout(30):
        while not phone.exists():  # noqa: ASYNC110 - a file rings no bell
            await asyncio.sleep(0.05)
    text = json.loads(phone.read_text().splitlines()[-1])["text"]
    found = re.search(r"\b[0-9]{6}\b", text)
    assert found
    return found[0]


def test_nginx_takes_the_file_as_it_is(tmp_path: Path) -> None:
    """`nginx -t`, with nothing changed but where the certificate is."""
    program = shutil.which("nginx", path=PATH)
    if program is None or os.geteuid() != 0:
        pytest.skip("nginx is not installed: make test-servers")
    made = Proxy(tmp_path / "proxy", "nginx")
    command = nginx(made)
    whole = (DEPLOY / "nginx.conf").read_text("utf-8").replace("/etc/ssl/sesame", str(made.folder))
    (made.folder / "site.conf").write_text(whole, encoding="utf-8")
    server = asyncio.run(_ended(program, "-t", *command))
    assert "test is successful" in server


async def _ended(*command: str) -> str:
    done = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await done.communicate()
    assert done.returncode == 0, out.decode()
    return out.decode()
