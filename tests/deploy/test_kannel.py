"""The file for Kannel: real boxes take it, and write no code into their logs."""

import re
import sqlite3
from pathlib import Path

import pytest

from bot.checks import Case
from bot.checks.doors import sms
from bot.sms import Sms
from bot.sms.choosing import sms_sender
from tests.helpers.parent import test_settings
from tests.servers import kannel
from tests.servers.running import Server, free_port

FILE = Path(__file__).parents[2] / "docs" / "deploy" / "kannel.conf"
PORTS = ("13000", "13001", "13013", "2775")


@pytest.mark.skipif(kannel.MISSING is not None, reason=str(kannel.MISSING))
async def test_kannel_takes_the_file(tmp_path: Path) -> None:
    text = FILE.read_text("utf-8")
    ports = {port: str(free_port()) for port in PORTS}
    for folder in ("/var/lib/kannel", "/var/log/kannel"):
        text = text.replace(folder, str(tmp_path))
    text = re.sub(rf"\b({'|'.join(PORTS)})\b", lambda found: ports[found[1]], text)
    text = text.replace("smpp.operator.example", "127.0.0.1").replace("CHANGE-THIS", "changed")
    (tmp_path / "kannel.conf").write_text(text, encoding="utf-8")
    (tmp_path / "store").mkdir(mode=0o700)
    [line] = re.findall(r"'(CREATE TABLE dlr .+?)'", text.replace("\n#", ""), re.DOTALL)
    with sqlite3.connect(tmp_path / "dlr.sqlite3") as database:
        database.execute(line)
    database.close()
    conf = str(tmp_path / "kannel.conf")
    output = tmp_path / "output"
    boxes = [
        Server([str(kannel._PROGRAMS["bearerbox"]), "-v", "2", conf], int(ports["13001"]), output),
        Server([str(kannel._PROGRAMS["smsbox"]), "-v", "2", conf], int(ports["13013"]), output),
    ]
    url = re.findall(r"SESAME_SMS=(\S+)", text)[0].replace("PASSWORD", "changed-4")
    settings = test_settings(tmp_path / "db", sms=url)
    try:
        for box in boxes:
            box.start()
        [found] = await sms(Case(settings, "en"))
        assert found.ok, found.line
        wrong = test_settings(tmp_path / "db", sms=url.replace("changed-4", "wrong"))
        [found] = await sms(Case(wrong, "en"))
        assert "does not know this user and password" in found.line
        sender = sms_sender(settings, lambda _to, _text: None)
        await sender.send(Sms(1, "+33612345678", "271828 est votre code."))
    finally:
        for box in boxes:
            box.kill()
    for log in (output, *tmp_path.glob("*.log")):
        assert "271828" not in log.read_text("utf-8", "replace"), log
    assert b"271828" in b"".join(
        part.read_bytes() for part in tmp_path.glob("store/**/*") if part.is_file()
    )  # it waits
