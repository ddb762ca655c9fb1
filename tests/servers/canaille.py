"""Canaille: a real identity provider, with SCIM and OpenID Connect, in its own environment."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.running import Server, free_port

HOME = Path(__file__).parents[2] / ".servers" / "canaille"
PROGRAM = HOME / "bin" / "canaille"
MISSING = None if PROGRAM.exists() else "Canaille is not installed: make test-servers"

CLIENT, SECRET = "sesame", "the-client-secret-of-the-tests"
REDIRECT = "http://127.0.0.1:9/signed-in"
"""Where a parent who has signed in is sent: nothing listens there."""


@dataclass(slots=True)
class Canaille:
    """A running provider. It is called by the name `localhost`, which is its own."""

    server: Server
    folder: Path
    environment: dict[str, str]

    @property
    def root(self) -> str:
        """Where its pages begin."""
        return f"http://localhost:{self.server.port}"

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


@contextmanager
def running(folder: Path) -> Iterator[Canaille]:
    """Start one with an empty database, and a client that may write with SCIM."""
    port, config = free_port(), folder / "canaille.toml"
    environment = {"CANAILLE_CONFIG": str(config)}
    server = Server(
        [str(PROGRAM), "run", "--bind", f"127.0.0.1:{port}"],
        port,
        folder / "canaille.log",
        environment,
    )
    canaille = Canaille(server, folder, environment)
    config.write_text("")
    dump = canaille.run("config", "dump")
    head = (
        f'SECRET_KEY = "of-the-tests"\nSERVER_NAME = "localhost:{port}"\n'
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
        *("--client-name", "Sésame", "--redirect-uris", REDIRECT, "--response-types", "code"),
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
