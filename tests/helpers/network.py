"""Ports of this machine."""

import asyncio
import socket
from contextlib import closing


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as bound:
        return int(bound.getsockname()[1])


async def is_open(port: int) -> bool:
    """Whether somebody listens on this port of loopback."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
