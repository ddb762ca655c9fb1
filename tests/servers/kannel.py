"""Kannel: bearerbox, smsbox and a centre. What waits, and what is to be reported, is on disk."""

import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.running import Server, free_port

_PATH = "/usr/sbin:/usr/bin:/usr/lib/kannel/test"
_PROGRAMS = {name: shutil.which(name, path=_PATH) for name in ("bearerbox", "smsbox", "fakesmsc")}
MISSING = None if all(_PROGRAMS.values()) else "kannel is not installed: make test-servers"

USER, PASSWORD = "sesame", "kannel-password-of-the-tests"

_CONFIG = """
group = core
admin-port = {admin}
admin-password = {password}-admin
admin-interface = 127.0.0.1
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
box-allow-ip = "127.0.0.1"
box-deny-ip = "*.*.*.*"
store-type = spool
store-location = "{folder}/store"
dlr-storage = sqlite3
sms-resend-freq = 1
log-file = "{folder}/bearerbox.log"
log-level = 2

group = sqlite3-connection
id = dlr
database = "{folder}/dlr.sqlite3"
max-connections = 1

group = dlr-db
id = dlr
table = dlr
field-smsc = smsc
field-timestamp = ts
field-destination = destination
field-source = source
field-service = service
field-url = url
field-mask = mask
field-status = status
field-boxc-id = boxc

{centre}

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {boxes}
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
http-request-retry = 30
http-queue-delay = 1
log-file = "{folder}/smsbox.log"
log-level = 2

group = sendsms-user
username = {user}
password = {password}
user-allow-ip = "127.0.0.1"
concatenation = true
max-messages = 3
forced-smsc = CENTRE

group = sms-service
keyword = default
text = "-"
"""

_FAKE = """
group = smsc
smsc = fake
smsc-id = CENTRE
port = {centre}
connect-allow-ip = 127.0.0.1
allowed-smsc-id = CENTRE
"""

_SMPP = """
group = smsc
smsc = smpp
smsc-id = CENTRE
host = 127.0.0.1
port = {centre}
transceiver-mode = true
smsc-username = kannel
smsc-password = centre
system-type = "VMA"
allowed-smsc-id = CENTRE
reconnect-delay = 1
"""

_TABLE = (
    "CREATE TABLE dlr (smsc TEXT, ts TEXT, destination TEXT, source TEXT, service TEXT, url TEXT,"
    " mask TEXT, status TEXT, boxc TEXT)"
)


@dataclass
class Kannel:
    """Running Kannel, in a folder of its own."""

    folder: Path
    centre: int  # port at which its centre is, or is to be
    sendsms: int = field(default_factory=free_port)
    admin: int = field(default_factory=free_port)
    boxes: int = field(default_factory=free_port)
    smpp: bool = False

    def __post_init__(self) -> None:

        (self.folder / "store").mkdir(mode=0o700)
        with sqlite3.connect(self.folder / "dlr.sqlite3") as database:
            database.execute(_TABLE)
        config = self.folder / "kannel.conf"
        centre = (_SMPP if self.smpp else _FAKE).format(centre=self.centre)
        config.write_text(
            _CONFIG.format(
                folder=self.folder,
                admin=self.admin,
                boxes=self.boxes,
                sendsms=self.sendsms,
                user=USER,
                password=PASSWORD,
                centre=centre,
            )
        )
        log = self.folder / "output"
        self.bearerbox = Server(
            [str(_PROGRAMS["bearerbox"]), "-v", "2", str(config)], self.boxes, log
        )
        self.smsbox = Server([str(_PROGRAMS["smsbox"]), "-v", "2", str(config)], self.sendsms, log)

    @property
    def url(self) -> str:
        """What is written into SESAME_SMS."""
        return f"kannel://{USER}:{PASSWORD}@127.0.0.1:{self.sendsms}?from=Sesame"

    def start(self) -> None:
        """Start both boxes."""
        self.bearerbox.start()
        self.smsbox.start()

    def stop(self) -> None:
        """Kill both."""
        self.smsbox.kill()
        self.bearerbox.kill()


class FakeCentre:
    """The centre of kannel-extras: it takes everything, and shows it in its log."""

    def __init__(self, folder: Path, port: int) -> None:
        self._log = folder / "fakesmsc.log"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Connect to Kannel."""
        command = [str(_PROGRAMS["fakesmsc"]), "-H", "127.0.0.1", "-r", str(self._port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-i", "3600", "-m", "0", "100 200 text hello"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Go away."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def got(self) -> str:
        """All that it says that it got."""
        return self._log.read_text("utf-8", "replace")


@contextmanager
def running(folder: Path, *, centre: int | None = None) -> Iterator[Kannel]:
    """Kannel, with a fake centre's port; or bound by SMPP to the centre at that port."""
    kannel = Kannel(folder, centre or free_port(), smpp=centre is not None)
    try:
        kannel.start()
        yield kannel
    finally:
        kannel.stop()


def is_listening(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
