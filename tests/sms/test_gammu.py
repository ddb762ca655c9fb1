"""gammu-smsd for real, with its dummy phone; and its folders, played by the test."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.settings import BadSetting
from bot.sms import Report, Sms, SmsFault, SmsRefused, Status
from bot.sms.choosing import sms_sender
from bot.sms.gammu import GammuSms
from tests.helpers.parent import test_settings
from tests.sms.test_kannel import HERE, TEXT, until

SMSD = shutil.which("gammu-smsd", path="/usr/bin:/usr/sbin")
REAL = pytest.mark.skipif(SMSD is None, reason="gammu-smsd is not installed: make test-servers")

CONFIG = """
[gammu]
connection = none
model = dummy
device = {0}/phone

[smsd]
service = files
outboxpath = {0}/out/
sentsmspath = {0}/{1}/
errorsmspath = {0}/failed/
inboxpath = {0}/in/
transmitformat = auto
commtimeout = 1
checksecurity = 0
checkbattery = 0
checksignal = 0
checknetwork = 0
"""


def set_up(folder: Path, sent: str = "sent", more: str = "") -> GammuSms:
    """The folders and the file that docs/sms.md describes."""
    for name in ("phone", "out", "sent", "failed", "in"):
        (folder / name).mkdir(mode=0o700)
    (folder / "smsdrc").write_text(CONFIG.format(folder, sent) + more)
    return again(folder)


def again(folder: Path) -> GammuSms:
    """Another run on the same folders."""
    settings = test_settings(Path("unused"), sms=f"gammu:{folder / 'smsdrc'}")
    sender = sms_sender(settings, lambda _to, _text: None)
    assert isinstance(sender, GammuSms)
    return sender


@asynccontextmanager
async def running(sender: GammuSms) -> AsyncIterator[list[Report]]:
    heard: list[Report] = []

    async def hear(report: Report) -> None:
        heard.append(report)

    async with sender.running(hear, lambda purpose: purpose):
        yield heard


@asynccontextmanager
async def smsd(folder: Path) -> AsyncIterator[None]:
    """The daemon."""
    assert SMSD is not None
    with (folder / "output").open("wb") as output:
        daemon = await asyncio.create_subprocess_exec(
            SMSD, "-c", str(folder / "smsdrc"), stdout=output, stderr=output
        )
    try:
        yield
    finally:
        daemon.send_signal(signal.SIGKILL)
        await daemon.wait()


def sms(minutes: float = 30, text: str = TEXT) -> Sms:
    return Sms(1, HERE, text, datetime.now(UTC) + timedelta(minutes=minutes))


def holding_the_code(folder: Path) -> list[str]:
    """Files in which the code stands, in any of the ways to write it."""
    code = ("482913".encode(each) for each in ("utf-8", "utf-16-le", "utf-16-be"))
    codes = tuple(code)
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file.name for file in files if any(each in file.read_bytes() for each in codes)]


@REAL
@pytest.mark.parametrize("sent", ["sent", "out"])
async def test_it_is_sent_and_no_code_stays(tmp_path: Path, sent: str) -> None:
    """Whether smsd keeps what it has sent, or deletes it."""
    sender = set_up(tmp_path, sent)
    async with running(sender) as heard, smsd(tmp_path):
        taken = await sender.send(sms())
        assert (tmp_path / "out").stat().st_mode & 0o077 == 0
        await until(lambda: heard)
        assert heard == [Report("gammu", taken.message or "", Status.HANDED_OVER)]
        assert holding_the_code(tmp_path) == []


@REAL
async def test_a_modem_that_is_gone_is_told_in_the_end(tmp_path: Path) -> None:
    """smsd does not get to it: the code expires, and is taken away before anybody sends it."""
    sender = set_up(tmp_path)
    shutil.rmtree(tmp_path / "phone")
    async with running(sender) as heard, smsd(tmp_path):
        taken = await sender.send(sms(minutes=0.03))
        await until(lambda: heard)
        assert heard == [Report("gammu", taken.message or "", Status.UNDELIVERED)]
        assert holding_the_code(tmp_path) == []


async def test_what_smsd_puts_aside_as_failed(tmp_path: Path) -> None:
    sender = set_up(tmp_path)
    async with running(sender) as heard:
        taken = await sender.send(sms())
        (file,) = (tmp_path / "out").iterdir()
        assert file.stat().st_mode & 0o077 == 0
        assert file.read_bytes().decode("utf-16") == TEXT
        file.rename(tmp_path / "failed" / file.name)
        await until(lambda: heard)
        assert heard == [Report("gammu", taken.message or "", Status.UNDELIVERED)]
        assert holding_the_code(tmp_path) == []


async def test_a_file_that_cannot_be_taken_away_does_not_stop_the_others(tmp_path: Path) -> None:
    sender = set_up(tmp_path)
    for folder in ("sent", "failed"):  # stands for one of another user
        stuck = tmp_path / folder / "OUTC20260310_100000_00_+33612345678_0123456789abcdef.txt"
        stuck.mkdir()
    async with running(sender) as heard:
        taken = await sender.send(sms())
        (file,) = (tmp_path / "out").iterdir()
        file.rename(tmp_path / "sent" / file.name)
        await until(lambda: heard)
        assert heard == [Report("gammu", taken.message or "", Status.HANDED_OVER)]


async def test_what_was_sent_while_we_were_away(tmp_path: Path) -> None:
    """The name of the file is the SMS's: the next run knows it."""
    sender = set_up(tmp_path)
    taken = await sender.send(sms())
    (file,) = (tmp_path / "out").iterdir()
    file.rename(tmp_path / "sent" / file.name)
    other = again(tmp_path)
    (tmp_path / "sent" / "OUTsomebody-elses.txt").write_text("not ours")
    async with running(other) as heard:
        await until(lambda: heard)
        assert heard == [Report("gammu", taken.message or "", Status.HANDED_OVER)]
    assert [left.name for left in (tmp_path / "sent").iterdir()] == ["OUTsomebody-elses.txt"]


async def test_a_code_that_waited_while_we_were_away_is_not_sent_late(tmp_path: Path) -> None:
    """The modem may be back tomorrow: the file of a run that was killed is taken away in time."""
    await set_up(tmp_path).send(sms(minutes=0.01))
    lasting = Sms(2, HERE, "your identifier", None)  # which is still of use
    sender = again(tmp_path)
    taken = await sender.send(lasting)
    draft = tmp_path / "out" / ".OUTC20260310_100000_00_+33612345678_0123456789abcdef.txt"
    draft.write_bytes(TEXT.encode("utf-16"))  # it was killed while it wrote
    os.utime(draft, (0, 0))
    (expired,) = [file for file in (tmp_path / "out").glob("OUT*") if file.name.count("_") == 5]
    name = expired.name.split("_")[-2]
    async with running(sender) as heard:
        await until(lambda: heard)
        assert heard == [Report("gammu", name, Status.UNDELIVERED)]
        assert holding_the_code(tmp_path) == []
        (left,) = (tmp_path / "out").iterdir()
        assert taken.message is not None
        assert taken.message in left.name


async def test_folders_that_others_can_read_get_no_code(tmp_path: Path) -> None:
    sender = set_up(tmp_path)
    assert await sender.check() is None
    (tmp_path / "out").chmod(0o750)
    with pytest.raises(SmsFault, match="open to others: chmod 700"):
        await sender.check()
    with pytest.raises(SmsRefused) as refused:
        await sender.send(sms())
    assert (refused.value.kind, refused.value.final) == ("settings", False)
    assert list((tmp_path / "out").iterdir()) == []


async def test_folders_that_are_not_there(tmp_path: Path) -> None:
    sender = set_up(tmp_path)
    (tmp_path / "out").rmdir()
    with pytest.raises(SmsFault, match="is not a folder"):
        await sender.check()
    with pytest.raises(SmsRefused) as refused:
        await sender.send(sms())
    assert not refused.value.final


async def test_the_doctor_sees_that_nobody_sends(tmp_path: Path) -> None:
    sender = set_up(tmp_path)
    for number in range(101):
        await sender.send(sms(text=str(number)))
    with pytest.raises(SmsFault, match="fills up"):
        await sender.check()


async def test_a_log_that_would_hold_codes(tmp_path: Path) -> None:
    sender = set_up(tmp_path, more="logfile = /dev/null\ndebuglevel = 1\n")
    with pytest.raises(SmsFault, match="debuglevel = 0"):
        await sender.check()


@pytest.mark.parametrize(
    "config", ["", "[gammu]\n", "[smsd]\nservice = sql\n", "[smsd]\nservice = files\n", "\xff["]
)
def test_a_file_that_is_not_smsds(tmp_path: Path, config: str) -> None:
    (tmp_path / "smsdrc").write_text(config, "latin-1")
    settings = test_settings(Path("unused"), sms=f"gammu:{tmp_path / 'smsdrc'}")
    with pytest.raises(BadSetting, match=r"^SESAME_SMS: gammu: "):
        sms_sender(settings, lambda _to, _text: None)
