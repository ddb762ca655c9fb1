"""Two unrelated centres that speak SMPP: smpp34 (Rust) in this process, npm's `smpp` in node."""

import asyncio
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import smpp34
from gsm0338 import Codec

_FOLDER = Path(__file__).parents[2] / ".servers" / "node_modules"
_NODE = shutil.which("node")
NODE_MISSING = (
    None
    if _NODE and (_FOLDER / "smpp").is_dir()
    else "node, or npm's smpp, is not installed: make test-servers"
)
_SCRIPT = Path(__file__).with_name("smpp_centre.js")


@dataclass
class Submitted:
    """An SMS that a centre was asked to send."""

    name: str
    to: str
    source: str
    text: str
    validity: str = ""  # only node tells


@dataclass
class Centre:
    """An operator's centre (smpp34). `verdicts` are command states for the next SMS; then 0."""

    port: int
    verdicts: list[int] = field(default_factory=list)
    submitted: list[Submitted] = field(default_factory=list)
    accepted: list[Submitted] = field(default_factory=list)
    silent: bool = False  # it does not answer
    bound: int = 0
    esme: smpp34.Esme | None = None

    async def __aenter__(self) -> "Centre":
        self._server = smpp34.Server("127.0.0.1", self.port, system_id="centre")
        await self._server.start()
        self._held: list[object] = []
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        failed = self._task.exception() if self._task.done() else None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._server.stop()
        if failed is not None:
            raise failed

    async def _serve(self) -> None:
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.Esme):
                self.esme, self.bound = event, self.bound + 1
            elif isinstance(event, smpp34.SubmitSmEvent):
                self._submit(event)

    def _submit(self, event: smpp34.SubmitSmEvent) -> None:
        written = bytes(event.short_message)
        gsm = event.data_coding != 8
        name = f"A{len(self.submitted):04d}"
        sms = Submitted(
            name,
            event.destination_addr,
            event.source_addr,
            Codec().decode(written)[0] if gsm else written.decode("utf-16-be"),
        )
        self.submitted.append(sms)
        if self.silent:
            self._held.append(event)
            return
        verdict = self.verdicts.pop(0) if self.verdicts else 0
        if verdict:
            event.reject(verdict)
        else:
            self.accepted.append(sms)
            event.accept(message_id=name)

    async def reports(self, sms: Submitted, state: str, error: str = "000") -> None:
        """Send a receipt."""
        assert self.esme is not None
        await self.esme.deliver_sm(
            sms.source, receipt(sms.name, state, error), source_addr=sms.to, esm_class=4
        )


class NodeCentre:
    """A centre in node, which looks at the password. It is told what to answer, a line a word."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.accepted: list[Submitted] = []
        self.submitted: list[Submitted] = []
        self.bound = 0

    async def __aenter__(self) -> "NodeCentre":
        assert _NODE is not None
        self._process = await asyncio.create_subprocess_exec(
            _NODE,
            str(_SCRIPT),
            str(self.port),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"NODE_PATH": str(_FOLDER)},
        )
        assert self._process.stdout is not None
        assert (await self._process.stdout.readline()).strip() == b"ready"
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if said["event"] == "bound":
                self.bound += 1
                continue
            sms = Submitted(said["name"], said["to"], said["from"], said["text"], said["validity"])
            self.submitted.append(sms)
            if said["event"] == "accepted":
                self.accepted.append(sms)

    async def orders(self, **what: object) -> None:
        """Tell it what to do next."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        await self._process.stdin.drain()

    async def reports(self, sms: Submitted, state: str, error: str = "000") -> None:
        """Send a receipt."""
        text = receipt(sms.name, state, error).decode("ascii")
        await self.orders(report=text, to=sms.source, source=sms.to)


def receipt(name: str, state: str, error: str) -> bytes:
    """A receipt's text, as appendix B of SMPP 3.4 has it."""
    return (
        f"id:{name} sub:001 dlvrd:001 submit date:2603100900 done date:2603100901"
        f" stat:{state} err:{error} text:-"
    ).encode("ascii")
