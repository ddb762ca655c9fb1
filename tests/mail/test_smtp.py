"""A mail leaves by SMTP: whole, over TLS, logged in; and what every failure means."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from bot.mail import Mail, MailFault, MailRefused, MailSender, MailUnclear
from bot.mail.choosing import _server, mail_sender
from bot.mail.message import message, read_sender
from bot.mail.smtp import SmtpMail
from bot.settings import BadSetting
from tests.helpers.network import free_port
from tests.helpers.parent import test_settings
from tests.servers.mail import PASSWORD, USER, PostOffice

FROM = "Sésame, collège Jean-Moulin <sesame@ecole.example>"
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
TEXT = (
    "Votre code Sésame : 482913.\n\nIl est valable 30 minutes. "
    + "Une très longue ligne, que personne ne coupe. " * 4
    + "\n.\n.point\nÀ bientôt"
)
MAIL = Mail("marie.dupont@exemple.example", "Votre code de l’école", TEXT, "0123abcd")
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}"


def sender(
    office: PostOffice, folder: Path, tls: str = "starttls", host: str = "localhost"
) -> SmtpMail:
    """The sender that the settings name, with a server that is not waited for long."""
    ca = office.authorities(folder)
    kind, query = ("smtps", f"ca={ca}") if tls == "at once" else ("smtp", f"{tls}&ca={ca}")
    if not tls:
        query = ""
    login = f"{LOGIN}@" if tls else ""
    return at(f"{kind}://{login}{host}:{office.port}?{query}")


def at(url: str, longest: float = 1.2) -> SmtpMail:
    return SmtpMail(_server(url), read_sender(FROM), lambda: NOW, step=0.4, longest=longest)


@asynccontextmanager
async def office_with(mood: str = "", tls: str = "starttls") -> AsyncIterator[PostOffice]:
    office = PostOffice(mood=mood)
    async with office.answering(tls):
        yield office


# ---- all is well -----------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["starttls", "at once"])
async def test_a_mail_leaves_over_tls_and_logged_in(tls: str, tmp_path: Path) -> None:
    async with office_with(tls=tls) as office:
        await sender(office, tmp_path, tls).send(MAIL)
    [received] = office.received
    assert received.get_content().replace("\r\n", "\n").rstrip("\n") == TEXT
    assert office.envelopes == [("sesame@ecole.example", ["marie.dupont@exemple.example"])]
    assert office.logins[-1] == (USER, PASSWORD)
    assert received["Subject"] == "Votre code de l’école"
    assert received["To"] == "marie.dupont@exemple.example"
    assert str(received["From"]) == '"Sésame, collège Jean-Moulin" <sesame@ecole.example>'
    assert received["Message-ID"] == "<0123abcd@ecole.example>"
    assert parsedate_to_datetime(received["Date"]) == NOW
    assert received["Auto-Submitted"] == "auto-generated"
    assert received.get_content_type() == "text/plain"
    assert received.get_content_charset() == "utf-8"
    assert all(len(line) < 999 for line in received.as_bytes().splitlines())


async def test_a_relay_of_our_own_needs_neither(tmp_path: Path) -> None:
    async with office_with(tls="") as office:
        await sender(office, tmp_path, tls="").send(MAIL)
    assert len(office.received) == 1
    assert office.logins == []


async def test_letters_of_any_language_before_the_at(tmp_path: Path) -> None:
    """With SMTPUTF8 (RFC 6531); a domain travels in the letters that every server knows."""
    async with office_with() as office:
        await sender(office, tmp_path).send(Mail("éloïse@école.example", "x", "y"))
    [(_, to)] = office.envelopes
    assert to == ["éloïse@xn--cole-9oa.example"]
    assert str(office.received[0]["To"]) == "éloïse@xn--cole-9oa.example"


async def test_two_mails_without_a_name_have_two(tmp_path: Path) -> None:
    async with office_with() as office:
        for _ in range(2):
            await sender(office, tmp_path).send(Mail(MAIL.to, "x", "y"))
    names = {mail["Message-ID"] for mail in office.received}
    assert len(names) == 2
    assert all(re.fullmatch(r"<[0-9a-f]{32}@ecole\.example>", name) for name in names)


# ---- what goes wrong -------------------------------------------------------------------------

SURELY_NOT = {
    "no sender": ("sender", False),
    "greylisting": ("busy", False),
    "no such address": ("address", True),
    "full": ("busy", False),
    "spam": ("content", True),
    "dies at MAIL": ("down", False),
    "dies at RCPT": ("down", False),
    "hangs at MAIL": ("slow", False),
    "hangs at RCPT": ("slow", False),
}


@pytest.mark.parametrize("mood", SURELY_NOT)
async def test_what_surely_did_not_leave(mood: str, tmp_path: Path) -> None:
    async with office_with(mood) as office:
        with pytest.raises(MailRefused) as refused:
            await sender(office, tmp_path).send(MAIL)
    assert (refused.value.kind, refused.value.final) == SURELY_NOT[mood]
    assert office.received == []


@pytest.mark.parametrize("mood", ["dies at DATA", "hangs at DATA"])
async def test_what_may_have_left(mood: str, tmp_path: Path) -> None:
    async with office_with(mood) as office:
        with pytest.raises(MailUnclear):
            await sender(office, tmp_path).send(MAIL)
    assert len(office.received) == 1  # here it did


async def test_a_goodbye_that_never_comes_is_none_of_ours(tmp_path: Path) -> None:
    """The server has the mail: that is told, whatever it does then."""
    async with office_with() as office:
        given = sender(office, tmp_path)

        async def hangs(*_: object) -> str:
            await asyncio.sleep(5)
            return "221 Bye"

        office.handle_QUIT = hangs  # type: ignore[attr-defined]
        await given.send(MAIL)
    assert len(office.received) == 1


async def test_a_login_that_is_not_good(tmp_path: Path) -> None:
    async with office_with() as office:
        office.password = "another"
        with pytest.raises(MailRefused) as refused:
            await sender(office, tmp_path).send(MAIL)
    assert (refused.value.kind, refused.value.final) == ("account", False)
    assert office.tried == 0


async def test_nobody_there() -> None:
    with pytest.raises(MailRefused) as refused:
        await at(f"smtp://localhost:{free_port()}").send(MAIL)
    assert (refused.value.kind, refused.value.final) == ("down", False)


@pytest.mark.parametrize("drop", [b"", b"220-wait\r\n"])
async def test_a_server_that_never_comes_to_the_point(drop: bytes) -> None:
    """It says nothing; or a little in good time, and never the last of it."""
    gone = asyncio.Event()

    async def drips(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while not writer.is_closing() and not gone.is_set():
                writer.write(drop)
                await asyncio.sleep(0.05)
        writer.close()

    async with await asyncio.start_server(drips, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(3):
            with pytest.raises(MailRefused) as refused:
                await at(f"smtp://127.0.0.1:{port}").send(MAIL)
        gone.set()
        await asyncio.sleep(0.1)
    assert (refused.value.kind, refused.value.final) == ("slow", False)


async def test_a_server_that_takes_its_time_with_each_answer() -> None:
    """Each comes in good time, and all of them together do not."""
    office = PostOffice(mood="slow")
    async with office.answering():
        with pytest.raises(MailRefused) as refused:
            await at(f"smtp://127.0.0.1:{office.port}", longest=0.5).send(MAIL)
    assert (refused.value.kind, refused.value.final) == ("slow", False)
    assert office.received == []


@pytest.mark.parametrize(
    "to", ["", "nobody", "a@b@c", "a@", "@b.example", "a b@c.example", "a@c.example\r\nBcc: x@y.z"]
)
async def test_what_is_no_address(to: str, tmp_path: Path) -> None:
    async with office_with() as office:
        with pytest.raises(MailRefused) as refused:
            await sender(office, tmp_path).send(Mail(to, "x", "y"))
    assert (refused.value.kind, refused.value.final) == ("address", True)
    assert office.tried == 0


async def test_a_subject_stays_one_line() -> None:
    with pytest.raises(ValueError, match="line"):
        message(Mail(MAIL.to, "x\r\nBcc: other@exemple.example", "y"), read_sender(FROM), NOW)


# ---- who is spoken to ------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["starttls", "at once"])
async def test_a_stranger_gets_neither_password_nor_mail(tls: str, tmp_path: Path) -> None:
    """A certificate of an authority that is not ours, and one of another name."""
    office, ours = PostOffice(), PostOffice()
    async with office.answering(tls):
        ours.port = office.port
        with pytest.raises(MailRefused):
            await sender(ours, tmp_path, tls).send(MAIL)
    async with office.answering(tls, name="another.example"):
        with pytest.raises(MailRefused):
            await sender(office, tmp_path, tls).send(MAIL)
    assert (office.logins, office.tried) == ([], 0)


async def test_without_the_tls_that_was_asked_for_nothing_is_said(tmp_path: Path) -> None:
    """Whoever takes STARTTLS out of the server's answer learns nothing."""
    async with office_with(tls="") as office:
        with pytest.raises(MailRefused):
            await sender(office, tmp_path, "starttls").send(MAIL)
    assert (office.logins, office.tried) == ([], 0)


# ---- looking ---------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["starttls", "at once"])
async def test_a_look_sends_nothing(tls: str, tmp_path: Path) -> None:
    async with office_with(tls=tls) as office:
        await sender(office, tmp_path, tls).check()
    assert (office.tried, office.received) == (1, [])


@pytest.mark.parametrize(("mood", "kind"), [("no sender", "sender"), ("dies at MAIL", "down")])
async def test_a_look_that_finds_something(mood: str, kind: str, tmp_path: Path) -> None:
    async with office_with(mood) as office:
        with pytest.raises(MailFault) as fault:
            await sender(office, tmp_path).check()
    assert fault.value.kind == kind


async def test_nothing_of_a_mail_is_in_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = [repr(MAIL)]
    for mood in (*SURELY_NOT, "dies at DATA"):
        async with office_with(mood) as office:
            try:
                await sender(office, tmp_path).send(MAIL)
            except (MailRefused, MailUnclear) as error:
                told += [str(error), repr(error)]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("sesame")]
    for hidden in ("482913", PASSWORD, "marie.dupont"):
        assert all(hidden not in line for line in (*told, *ours))


# ---- settings --------------------------------------------------------------------------------


def chosen(tmp_path: Path, url: str, sent_from: str | None = FROM) -> MailSender:
    settings = test_settings(tmp_path / "db", email=url, email_from=sent_from)
    found = mail_sender(settings, lambda _to, _subject, _text: None)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [
        ("smtps://a:b@mail.example", 465, "at once"),
        ("smtp://a:b@mail.example?starttls", 587, "starttls"),
        ("smtp://a:b@mail.example:2525?starttls", 2525, "starttls"),
        ("smtp://relay.example", 25, ""),
        ("smtp://a:b@localhost", 25, ""),
        ("smtp://a:b@127.0.0.1:2525/", 2525, ""),
    ],
)
def test_servers(url: str, port: int, tls: str) -> None:
    found = _server(url)
    assert (found.port, found.tls) == (port, tls)
    assert not found.user or (found.user, found.password) == ("a", "b")


@pytest.mark.parametrize(
    "url",
    [
        *("zebra", "zebra:", "smtp:", "smtp://", "smtp://:25", "file:", "http://mail.example"),
        *(
            "smtps://a:b@mail.example:zebra",
            "smtps://mail.example/path",
            "smtps://mail.example?x=1",
        ),
        *("smtp://a:zebra@mail.example", "smtp://a:zebra@10.0.0.1"),  # a password in the clear
        *("smtps://mail.example?ca=/no/zebra.pem",),
    ],
)
def test_a_wrong_setting_is_one_line_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"^SESAME_EMAIL: [^\n]+\.$") as said:
        chosen(tmp_path, url)
    assert "zebra" not in str(said.value)


def test_a_server_needs_a_sender(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="SESAME_EMAIL_FROM"):
        chosen(tmp_path, "smtps://mail.example", sent_from=None)
    chosen(tmp_path, "console:", sent_from=None)


def test_without_the_setting_there_is_none(tmp_path: Path) -> None:
    settings = test_settings(tmp_path / "db")
    assert mail_sender(settings, lambda *_: None) is None
    assert settings.policy.email is False
    assert test_settings(tmp_path / "db", email="console:").policy.email is True


async def test_a_file_takes_mail_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "mails.jsonl"
    to_file = chosen(tmp_path, f"file:{file}")
    await to_file.check()
    await to_file.send(MAIL)
    assert file.stat().st_mode & 0o777 == 0o600
    [line] = file.read_text("utf-8").splitlines()
    assert '"subject": "Votre code de l’école"' in line
    assert "482913" in line


async def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    to_file = chosen(tmp_path, f"file:{tmp_path}")
    with pytest.raises(MailFault):
        await to_file.check()
    with pytest.raises(MailRefused) as refused:
        await to_file.send(MAIL)
    assert not refused.value.final
