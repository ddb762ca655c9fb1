"""The senders that need nothing installed."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.settings import BadSetting
from bot.sms import ConsoleSms, FileSms, Sms, SmsRefused, SmsSender, choosing
from tests.helpers.parent import test_settings

HERE = "+33612345678"
TEXT = "482913 est votre code Sésame.\nValable 30 minutes \u2028 « ici »."


def sms_sender(url: str | None, show: Callable[[str, str], None]) -> SmsSender:
    return choosing.sms_sender(test_settings(Path("unused"), sms=url), show)


def nowhere(to: str, text: str) -> None:
    raise AssertionError("this sender shows nothing")


async def test_the_console_shows_it() -> None:
    shown: list[tuple[str, str]] = []
    sender = sms_sender("console:", lambda to, text: shown.append((to, text)))
    assert isinstance(sender, ConsoleSms)
    await sender.send(Sms(1, HERE, TEXT))
    assert shown == [(HERE, TEXT)]


@pytest.mark.parametrize("slashes", ["", "//"])
async def test_a_file_gets_a_json_object_a_line(tmp_path: Path, slashes: str) -> None:
    file = tmp_path / "sms.jsonl"
    sender = sms_sender(f"file:{slashes}{file}", nowhere)
    assert isinstance(sender, FileSms)
    for number in range(3):
        await sender.send(Sms(number, HERE, f"{number} {TEXT}"))
    lines = file.read_text("utf-8").split("\n")
    assert lines.pop() == ""  # the last one is whole too
    assert [json.loads(line) for line in lines] == [
        {"to": HERE, "text": f"{number} {TEXT}"} for number in range(3)
    ]
    assert "é" in lines[0]  # readable by people


async def test_what_stood_in_the_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "sms.jsonl"
    for number in range(2):
        await FileSms(file).send(Sms(number, HERE, str(number)))
    assert [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()] == ["0", "1"]


async def test_many_at_once_are_whole_lines(tmp_path: Path) -> None:
    sender = FileSms(tmp_path / "sms.jsonl")
    await asyncio.gather(*(sender.send(Sms(number, HERE, str(number))) for number in range(200)))
    lines = (tmp_path / "sms.jsonl").read_text("utf-8").splitlines()
    assert sorted(int(json.loads(line)["text"]) for line in lines) == list(range(200))


@pytest.mark.parametrize("place", ["missing/folder/sms.jsonl", "."])
async def test_a_file_that_cannot_be_written_refuses_for_now(tmp_path: Path, place: str) -> None:
    with pytest.raises(SmsRefused) as refused:
        await FileSms(tmp_path / place).send(Sms(1, HERE, TEXT))
    assert not refused.value.final  # somebody may make room
    assert refused.value.kind == "file_not_writable"
    assert "482913" not in str(refused.value)


@pytest.mark.parametrize("url", ["file:", "pigeon:loft", "console", "", "FILE:x"])
def test_no_sender(url: str) -> None:
    if url == "console":  # its colon may be left out
        assert isinstance(sms_sender(url, nowhere), ConsoleSms)
        return
    with pytest.raises(BadSetting, match=r"^SESAME_SMS: write console:, file:PATH, .*\.$"):
        sms_sender(url, nowhere)


def test_no_choice_says_what_to_choose_from() -> None:
    with pytest.raises(BadSetting) as said:
        sms_sender(None, nowhere)
    assert "SESAME_SMS is not set" in str(said.value)
    assert "file:" in str(said.value)
    assert "\n" not in str(said.value)
