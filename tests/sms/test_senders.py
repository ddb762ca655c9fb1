"""What holds for every sender of SMS, whichever it is."""

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response

from bot.sms import Report, Sms, SmsFault, SmsRefused, SmsSender, SmsUnclear, Status
from bot.sms.choosing import sms_sender
from bot.sms.http import HttpSms
from bot.sms.port import OPERATORS_FAULT
from bot.web.reports import routes
from bot.web.server import application, listening
from tests.helpers.network import free_port
from tests.helpers.parent import test_settings
from tests.servers.smpp import Centre
from tests.sms import providers
from tests.sms.providers import OWN_PROFILE, PASSWORD, Provider

HERE = "+33612345678"
TEXT = "482913 est votre code Sésame."


@dataclass
class Stage:
    """A sender, and the provider behind it."""

    sender: SmsSender
    arrived: Callable[[], list[tuple[str, str]]]
    mood: Callable[[str], object]
    minutes: list[object] = field(default_factory=list)
    heard: list[Report] = field(default_factory=list)
    wrong: SmsSender | None = None  # the same with a wrong password
    provider: Provider | None = None


def build(
    tmp_path: Path,
    url: str,
    listen: str | None = None,
    show: Callable[[str, str], None] = lambda _to, _text: None,
) -> SmsSender:
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(OWN_PROFILE)
    settings = test_settings(
        tmp_path / "db",
        sms=url,
        sms_profiles=profiles,
        listen=listen,
        public_url="https://sesame.ecole.fr",
    )
    return sms_sender(settings, show)


MORE = {
    "kannel": "tls=no",
    "ovh": "tls=no&consumer=consumer-key&service=sms-ab1-1",
    "brevo": "tls=no",
    "octopush": "tls=no",
    "orange": "tls=no&from_number=33700",
    "own": "",
}


@asynccontextmanager
async def over_http(name: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A provider on loopback."""
    provider = Provider(serve=getattr(providers, name))
    async with provider.answering():
        listen = f"127.0.0.1:{free_port()}"
        url = f"{name}://user:{PASSWORD}@127.0.0.1:{provider.port}?from=Sesame&{MORE[name]}"
        if "reports" not in url:
            url += f"&reports=http://{listen}"
        sender = build(tmp_path, url, listen)
        stage = Stage(
            sender,
            lambda: provider.got,
            lambda mood: setattr(provider, "mood", mood),
            provider.minutes,
            wrong=build(tmp_path, url.replace(PASSWORD, "wrong-password"), listen),
            provider=provider,
        )

        async def hear(report: Report) -> None:
            stage.heard.append(report)

        async with (
            sender.running(hear, lambda purpose: purpose.replace(" ", "-")),
            listening(listen, application(routes(sender))),
        ):
            yield stage


@asynccontextmanager
async def by_smpp(tmp_path: Path) -> AsyncIterator[Stage]:
    """smpp34 in this process."""
    async with Centre(free_port()) as centre:
        words = {"accepts": [], "number": [0x0B], "busy": [0x58]}
        sender = build(tmp_path, f"smpp://user:centre@127.0.0.1:{centre.port}?from=Sesame")

        def mood(word: str) -> None:
            centre.silent = word == "hangs"
            centre.verdicts = list(words.get(word, []))

        stage = Stage(sender, lambda: [(f"+{one.to}", one.text) for one in centre.accepted], mood)

        async def hear(report: Report) -> None:
            stage.heard.append(report)

        async with sender.running(hear, lambda purpose: purpose):
            yield stage


@asynccontextmanager
async def by_file(tmp_path: Path) -> AsyncIterator[Stage]:
    """A file."""
    file = tmp_path / "sms.jsonl"
    sender = build(tmp_path, f"file:{file}")

    def arrived() -> list[tuple[str, str]]:
        lines = file.read_text("utf-8").splitlines() if file.is_file() else []
        return [(said["to"], said["text"]) for said in map(json.loads, lines)]

    def mood(word: str) -> None:
        if word == "busy":
            file.unlink(missing_ok=True)
            file.mkdir()
        elif file.is_dir():
            file.rmdir()

    yield Stage(sender, arrived, mood)


@asynccontextmanager
async def by_console(tmp_path: Path) -> AsyncIterator[Stage]:
    """A screen."""
    shown: list[tuple[str, str]] = []
    sender = build(tmp_path, "console:", show=lambda to, text: shown.append((to, text)))
    yield Stage(sender, lambda: shown, lambda _mood: None)


@asynccontextmanager
async def by_gammu(tmp_path: Path) -> AsyncIterator[Stage]:
    """The folder from which gammu-smsd takes what it sends (for real in test_gammu.py)."""
    folder, away = tmp_path / "out", tmp_path / "away"
    folder.mkdir(mode=0o700)
    config = tmp_path / "smsdrc"
    config.write_text(f"[smsd]\nservice = files\noutboxpath = {folder}\n")

    def arrived() -> list[tuple[str, str]]:
        files = sorted(folder.glob("OUT*"), key=lambda file: file.stat().st_mtime_ns)
        return [(file.name.split("_")[3], file.read_bytes().decode("utf-16")) for file in files]

    def mood(word: str) -> None:
        if word == "busy":
            folder.rename(away)
        elif away.is_dir():
            away.rename(folder)

    yield Stage(build(tmp_path, f"gammu:{config}"), arrived, mood)


@asynccontextmanager
async def by_apprise(tmp_path: Path) -> AsyncIterator[Stage]:
    """Its plain JSON service stands for all of its services."""

    def serve(self: Provider, request: Request, body: bytes) -> Response:
        if self.mood != "accepts":
            return Response(status_code=500)
        self.takes("+" + request.url.path.rpartition("/")[2], json.loads(body)["message"], None)
        return Response()

    provider = Provider(serve=serve)
    async with provider.answering():
        url = f"apprise:json://user:{PASSWORD}@127.0.0.1:{provider.port}/{{digits}}"
        yield Stage(
            build(tmp_path, url),
            lambda: provider.got,
            lambda mood: setattr(provider, "mood", mood),
        )


OTHERS = {
    **{"smpp": by_smpp, "gammu": by_gammu, "apprise": by_apprise},
    **{"file": by_file, "console": by_console},
}
HTTP = ("kannel", "ovh", "brevo", "octopush", "orange", "own")
ALL = (*HTTP, *OTHERS)
CAN: dict[str, tuple[str, ...]] = {
    "number": (*HTTP, "smpp"),
    "busy": (*HTTP, "smpp", "gammu", "file"),
    "account": HTTP,
    "credit": ("ovh", "brevo", "octopush", "orange"),
    "sender": ("ovh", "octopush"),
    "hangs": (*HTTP, "smpp", "apprise"),
    "breaks": (*HTTP, "apprise"),
}
"""Who can be in which mood. apprise says yes or no; a file or a folder is there or not."""


@pytest.fixture
async def play(
    tmp_path: Path, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Awaitable[Stage]]:
    """A sender with its provider."""
    monkeypatch.setattr("bot.sms.http.ANSWER", 0.4)
    monkeypatch.setattr("bot.sms.smpp.ANSWERS", 0.4)

    async def begin(name: str) -> Stage:
        if name in HTTP:
            return await stack.enter_async_context(over_http(name, tmp_path))
        return await stack.enter_async_context(OTHERS[name](tmp_path))

    return begin


Play = Callable[[str], Awaitable[Stage]]


def sms(text: str = TEXT, minutes: float = 30.5) -> Sms:
    return Sms(1, HERE, text, datetime.now(UTC) + timedelta(minutes=minutes))


@pytest.mark.parametrize("name", ALL)
async def test_it_is_handed_over_once_and_whole(play: Play, name: str) -> None:
    stage = await play(name)
    texts = [TEXT, "111111 reçu & lu : 100 % « ça » = +33 ?#/\\ \u2019 𝒩", "222222\nis your code"]
    for text in texts:
        taken = await stage.sender.send(sms(text))
        assert taken.sender == stage.sender.name == name
    assert stage.arrived() == [(HERE, text) for text in texts]


@pytest.mark.parametrize("name", ["kannel", "ovh", "own"])
async def test_the_provider_is_told_how_long_it_is_of_use(play: Play, name: str) -> None:
    stage = await play(name)
    for minutes in (30.5, 1.5, 0.1):
        await stage.sender.send(sms(minutes=minutes))
    assert stage.minutes == [30, 1, 1]


@pytest.mark.parametrize("name", CAN["number"])
async def test_a_number_that_is_refused_is_refused_for_good(play: Play, name: str) -> None:
    stage = await play(name)
    stage.mood("number")
    with pytest.raises(SmsRefused) as refused:
        await stage.sender.send(sms())
    assert refused.value.final
    assert refused.value.kind in ("number", "refused")
    assert stage.arrived() == []


@pytest.mark.parametrize("name", CAN["busy"])
async def test_a_busy_provider_refuses_for_now(play: Play, name: str) -> None:
    stage = await play(name)
    stage.mood("busy")
    with pytest.raises(SmsRefused) as refused:
        await stage.sender.send(sms())
    assert not refused.value.final
    assert refused.value.kind not in OPERATORS_FAULT
    stage.mood("accepts")
    await stage.sender.send(sms())
    assert stage.arrived() == [(HERE, TEXT)]


@pytest.mark.parametrize(
    ("name", "mood"),
    [(name, mood) for mood in ("account", "credit", "sender") for name in CAN[mood]],
)
async def test_what_only_the_operator_can_mend(play: Play, name: str, mood: str) -> None:
    """Not the number's fault: it is tried again, and told loudly."""
    stage = await play(name)
    stage.mood(mood)
    with pytest.raises(SmsRefused) as refused:
        await stage.sender.send(sms())
    assert not refused.value.final
    assert refused.value.kind in OPERATORS_FAULT
    assert stage.arrived() == []


@pytest.mark.parametrize(
    ("name", "mood"), [(name, mood) for mood in ("hangs", "breaks") for name in CAN[mood]]
)
async def test_nobody_knows_whether_it_left(play: Play, name: str, mood: str) -> None:
    stage = await play(name)
    if name == "orange":  # what goes wrong while a token is asked for did not leave
        await stage.sender.send(sms())
    stage.mood(mood)
    with pytest.raises(SmsUnclear):
        await stage.sender.send(sms())


@pytest.mark.parametrize("status", [500, 307])
async def test_apprise_neither_tries_again_nor_goes_elsewhere(tmp_path: Path, status: int) -> None:
    """It would do both by itself, and a second SMS leave or a code go to somebody else."""
    asked = []

    def serve(_: Provider, request: Request, _body: bytes) -> Response:
        asked.append(request.url.path)
        return Response(status_code=status, headers={"location": "/elsewhere"})

    async with Provider(serve=serve).answering() as provider:
        more = "retry=2&wait=0&redirect=yes"
        sender = build(tmp_path, f"apprise:json://127.0.0.1:{provider.port}/{{digits}}?{more}")
        with pytest.raises(SmsUnclear):
            await sender.send(sms())
    assert asked == [f"/{HERE[1:]}"]


@pytest.mark.parametrize("name", [*HTTP, "smpp"])
async def test_a_provider_that_is_not_there_got_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sms.smpp.LEAVES", 0.3)
    port = free_port()
    for host in (f"127.0.0.1:{port}", f"no-such-host.invalid:{port}"):
        url = f"{name}://user:secret@{host}?from=Sesame&{MORE.get(name, '')}"
        sender = build(tmp_path, url)

        async def hear(report: Report) -> None:
            raise AssertionError(report)

        async with sender.running(hear, lambda purpose: purpose):
            with pytest.raises(SmsRefused) as refused:
                await sender.send(sms())
            assert (refused.value.kind, refused.value.final) == ("down", False)
        with pytest.raises(SmsFault, match="is not reached"):
            await sender.check()


@pytest.mark.parametrize("name", HTTP)
async def test_without_tls_at_the_other_end_nothing_leaves(
    play: Play, name: str, tmp_path: Path
) -> None:
    stage = await play(name)
    assert stage.provider is not None
    more = MORE[name].replace("tls=no", "") + "&tls=yes"
    sender = build(tmp_path, f"{name}://user:{PASSWORD}@127.0.0.1:{stage.provider.port}?{more}")
    with pytest.raises(SmsRefused) as refused:
        await sender.send(sms())
    assert (refused.value.kind, refused.value.final) == ("down", False)
    assert stage.arrived() == []


# ---- sesame doctor ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
async def test_the_doctor_sends_nothing(play: Play, name: str) -> None:
    stage = await play(name)
    credit = await stage.sender.check()
    assert credit == ("12.5" if name in CAN["credit"] else None)
    assert stage.arrived() == []


@pytest.mark.parametrize("name", HTTP)
async def test_the_doctor_sees_a_wrong_password(play: Play, name: str) -> None:
    stage = await play(name)
    assert stage.wrong is not None
    with pytest.raises(SmsFault) as fault:
        await stage.wrong.check()
    assert "wrong-password" not in str(fault.value)
    assert "does not know this user and password" in str(fault.value)
    with pytest.raises(SmsRefused) as refused:  # and nobody's number is wrong because of that
        await stage.wrong.send(sms())
    assert (refused.value.kind, refused.value.final) == ("account", False)


# ---- reports ---------------------------------------------------------------------------------

REPORTED: dict[str, tuple[Callable[[str, str], dict[str, object]], str, str, str]] = {
    "ovh": (lambda name, word: {"id": name, "ptt": word}, "2", "4", "5"),
    "brevo": (
        lambda name, word: {"messageId": int(name), "msg_status": word},
        *("sent", "delivered", "hard_bounce"),
    ),
    "octopush": (
        lambda name, word: {"channel": "sms", "message_id": name, "status": word},
        *("ACK", "DELIVERED", "BAD_DESTINATION"),
    ),
    "orange": (
        lambda name, word: {
            "deliveryInfoNotification": {
                "callbackData": name,
                "deliveryInfo": {"address": "tel:+33…", "deliveryStatus": word},
            }
        },
        *("DeliveredToNetwork", "DeliveredToTerminal", "DeliveryImpossible"),
    ),
}


UNKNOWN = {"ovh": "6", "octopush": "UNKNOWN_DELIVERY", "orange": "DeliveryUncertain"}
"""What a provider says where it does not know either."""


@pytest.mark.parametrize("name", REPORTED)
async def test_reports_in_the_providers_own_words(play: Play, name: str) -> None:
    stage = await play(name)
    taken = await stage.sender.send(sms())
    assert taken.message is not None
    sender = stage.sender
    assert isinstance(sender, HttpSms)
    shape, *words = REPORTED[name]
    async with httpx2.AsyncClient() as client:
        for word in (*words, UNKNOWN.get(name, "no-such-word")):
            url = f"{sender._base}/sms/{name}/sms-report-{name}"
            if stage.provider and stage.provider.reports_to:
                assert stage.provider.reports_to == url
            if name == "ovh":
                answer = await client.get(url, params=shape(taken.message, word))  # type: ignore[arg-type]
            else:
                answer = await client.post(url, json=shape(taken.message, word))
            assert answer.status_code == 200
    wanted = (Status.HANDED_OVER, Status.DELIVERED, Status.UNDELIVERED)
    assert stage.heard == [Report(name, taken.message, status) for status in wanted]


# ---- no secret -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
async def test_no_secret_is_logged_or_shown(
    play: Play, name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """With all logs turned up, whatever happens: number, text and password stay where they are."""
    caplog.set_level(logging.DEBUG)
    stage = await play(name)
    told = [repr(stage.sender), repr(sms())]
    for mood in ("accepts", *CAN):
        if mood == "accepts" or name in CAN[mood]:
            stage.mood(mood)
            try:
                await stage.sender.send(sms())
                told.append(str(await stage.sender.check()))
            except (SmsRefused, SmsUnclear, SmsFault) as error:
                told.append("".join(traceback.format_exception(error)) + repr(error))
    await asyncio.sleep(0)
    ours = [line for line in caplog.messages if "starlette" not in line]
    written = "\n".join([*told, *ours, *capfd.readouterr()])
    for secret in ("482913", HERE[1:], PASSWORD, "consumer-key", "t0k"):
        assert secret not in written, secret
