"""scim2-server: another SCIM service, in memory, that knows our own schema and can filter."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import httpx2

from tests.servers.running import Server, free_port

TOKEN = "the-bearer-token-of-the-tests"
SCHEMA = Path(__file__).parents[2] / "docs" / "guardian-schema.json"


@dataclass(slots=True)
class ScimServer:
    """A running service."""

    server: Server

    @property
    def url(self) -> str:
        """What SESAME_ACCOUNTS is for it."""
        return f"scim+http://:{TOKEN}@127.0.0.1:{self.server.port}/"

    def people(self) -> list[dict[str, Any]]:
        """Its accounts, as it answers them."""
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        url = f"http://127.0.0.1:{self.server.port}/Users"
        found = httpx2.get(url, headers=bearer).json()
        people: list[dict[str, Any]] = found.get("Resources", [])
        return people


@contextmanager
def running(folder: Path, *, patch: bool = True) -> Iterator[ScimServer]:
    """Start one; without `patch`, accounts can only be replaced as a whole."""
    given = resources.files("scim2_server.resources")
    schemas = json.loads(given.joinpath("default-schemas.json").read_text())
    types = json.loads(given.joinpath("default-resource-types.json").read_text())
    config = json.loads(given.joinpath("default-service-provider-config.json").read_text())
    guardian = json.loads(SCHEMA.read_text("utf-8"))
    schemas.append(guardian)
    for one in types:
        if one["name"] == "User":
            one["schemaExtensions"].append({"schema": guardian["id"], "required": False})
    config["patch"]["supported"] = patch
    files = {"schema": schemas, "resource-type": types, "service-provider-config": config}
    port, options = free_port(), []
    for name, content in files.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(content))
        options += [f"--{name}", str(file)]
    program = str(Path(sys.executable).with_name("scim2-server"))
    command = [program, *options, "--bearer-token", TOKEN, "--port", str(port)]
    server = Server(command, port, folder / "scim.log")
    try:
        server.start()
        yield ScimServer(server)
    finally:
        server.kill()
