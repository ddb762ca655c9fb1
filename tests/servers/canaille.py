"""Canaille: a real identity provider, with SCIM and OpenID Connect, in its own environment."""

import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urljoin

import httpx2

from tests.servers.running import Server, free_port

HOME = Path(__file__).parents[2] / ".servers" / "canaille"
PROGRAM = HOME / "bin" / "canaille"
MISSING = None if PROGRAM.exists() else "Canaille is not installed: make test-servers"

CLIENT, SECRET = "sesame", "the-client-secret-of-the-tests"


@dataclass(slots=True)
class Canaille:
    """A running provider. It is called by the name `localhost`, which is its own."""

    server: Server
    folder: Path
    environment: dict[str, str]
    door: int  # the port by which it is called: its own, or a proxy's in front of it
    back: int  # the port of the service to which parents come back once they have signed in

    @property
    def root(self) -> str:
        """Where its pages begin."""
        return f"http://localhost:{self.door}"

    @property
    def redirect(self) -> str:
        """Where a parent who has signed in is sent: nothing listens there by itself."""
        return f"http://127.0.0.1:{self.back}/signed-in"

    @property
    def sign_in(self) -> str:
        """The page on which a parent begins to sign in to that service."""
        asked = {
            "response_type": "code",
            "client_id": CLIENT,
            "scope": "openid profile",
            "redirect_uri": self.redirect,
            "nonce": "of-the-tests",
            "state": "of-the-tests",
        }
        return f"{self.root}/oauth/authorize?{urlencode(asked)}"

    @property
    def url(self) -> str:
        """What SESAME_ACCOUNTS is for it."""
        host = f"localhost:{self.door}"
        token = f"http://{host}/oauth/token"
        return f"scim+http://{CLIENT}:{SECRET}@{host}/scim/v2?token_url={token}"

    def run(self, *arguments: str) -> str:
        """Its own command line."""
        done = subprocess.run(
            [PROGRAM, *arguments],
            env={**os.environ, **self.environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def query(self, text: str) -> list[tuple[str, ...]]:
        """What its own database says."""
        with sqlite3.connect(self.folder / "canaille.sqlite", timeout=30) as database:
            return database.execute(text).fetchall()

    def empties(self) -> None:
        """Forget all accounts."""
        with sqlite3.connect(self.folder / "canaille.sqlite", timeout=30) as database:
            database.execute("DELETE FROM user")


def signs_in(canaille: Canaille, identifier: str, password: str) -> bool:
    """Sign in by OpenID Connect, as a browser without JavaScript does; True with a token."""
    own, port = f"http://localhost:{canaille.door}", canaille.server.port
    url, form = canaille.sign_in, dict[str, str]()
    with httpx2.Client(headers={"Host": f"localhost:{canaille.door}"}) as web:
        for _ in range(10):
            there = url.replace(own, f"http://localhost:{port}")
            answer = web.post(there, data=form) if form else web.get(there)
            if answer.is_redirect:
                url, form = urljoin(own, answer.headers["location"]), {}
                if url.startswith(canaille.redirect):
                    return "code=" in url
                continue
            if "password" in form:  # the same page once more
                return False
            token = re.search('name="csrf_token"[^>]*value="([^"]*)"', answer.text)
            assert token, answer.text
            form = {"csrf_token": token[1]}
            for name, value in (("login", identifier), ("password", password)):
                if f'name="{name}"' in answer.text:
                    form[name] = value
            if len(form) == 1:
                form["answer"] = "accept"
    return False


@contextmanager
def running(folder: Path, *, proxied: bool = True) -> Iterator[Canaille]:
    """Start one with an empty database, and a client that may write with SCIM.

    `proxied`: it is called by another port, at which a proxy will be.
    """
    port, config = free_port(), folder / "canaille.toml"
    door = free_port() if proxied else port
    environment = {"CANAILLE_CONFIG": str(config)}
    server = Server(
        [str(PROGRAM), "run", "--bind", f"127.0.0.1:{port}"],
        port,
        folder / "canaille.log",
        environment,
    )
    canaille = Canaille(server, folder, environment, door, free_port())
    config.write_text("")
    dump = canaille.run("config", "dump")
    head = (
        f'SECRET_KEY = "of-the-tests"\nSERVER_NAME = "localhost:{door}"\n'
        'PREFERRED_URL_SCHEME = "http"\n'
    )
    database = f'[CANAILLE_SQL]\nDATABASE_URI = "sqlite:///{folder}/canaille.sqlite"'
    # It sends nothing; and passwords are hashed with few rounds, or a test would wait.
    dump = dump.replace("[CANAILLE.SMTP]", "").replace("[CANAILLE.SMPP]", "")
    dump = dump.replace("PASSWORD_HASH_PARAMS = {}", FEW_ROUNDS)
    config.write_text(head + dump.replace("[CANAILLE_SQL]", database, 1))
    canaille.run("install")
    grants = [part for one in GRANTS for part in ("--grant-types", one)]
    scopes = [part for one in ("openid", "profile", "email") for part in ("--scope", one)]
    canaille.run(
        *("create", "client", "--client-id", CLIENT, "--client-secret", SECRET),
        *(
            "--client-name",
            "Sésame",
            "--redirect-uris",
            canaille.redirect,
            "--response-types",
            "code",
        ),
        *("--token-endpoint-auth-method", "client_secret_basic"),
        *grants,
        *scopes,
    )
    try:
        server.start()
        yield canaille
    finally:
        server.kill()


FEW_ROUNDS = 'PASSWORD_HASH_PARAMS = { "pbkdf2_sha512__rounds" = 1000 }'
GRANTS = ("client_credentials", "authorization_code")
