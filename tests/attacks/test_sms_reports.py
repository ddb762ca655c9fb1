"""Somebody who uses the reports of SMS: to learn who is registered, or to disturb (T1, T23)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bot.sms import Report, Status
from bot.sms.choosing import sms_sender
from bot.web.reports import LONGEST, routes
from bot.web.server import application
from storage.database import every
from storage.vault import Vault
from tests.conversations.conftest import MeetCore
from tests.conversations.roads import CODE_OF_MARIE
from tests.conversations.test_sms_state import Provider, reports
from tests.conversations.test_unknown import NEVER_SENT, school
from tests.helpers.dialogue import Dialogue
from tests.helpers.parent import core_parent, test_settings

SCRIPT = (*CODE_OF_MARIE, "(reports)", "(wait 90s)", "[nothing_arrives]", "(reports)", "[back]",
          "(reports)", "[nothing_arrives]", "hm", "(wait 1m)", "[resend]", "(reports)",
          "[nothing_arrives]", "[other_number]", "(reports)", "06 12 34 56 78")  # fmt: skip


async def transcript(path: Path, lang: str, known: bool, *told: Status) -> list[object]:
    """All that a stranger sees, while the provider reports of whatever was sent."""
    seen: list[object] = []
    async with core_parent(
        path, school(with_marie=known), lang=lang, sms=Provider(), make_code=lambda: NEVER_SENT
    ) as parent:
        dialogue = Dialogue(parent, lang)
        for line in SCRIPT:
            if line == "(reports)":
                if parent.sms.received:
                    await reports(dialogue, *told)
                parent.replies[:] = parent.replies if parent.sms.received else []
            else:
                await dialogue.does(line)
            seen.append((line, [reply.to_dict() for reply in parent.replies]))
        work = every("SELECT state, wake_at FROM chats")
        seen.append(await parent.service.doors.database.run(work))
    return seen


@pytest.mark.parametrize(
    "told",
    [
        (Status.DELIVERED,),
        (Status.UNDELIVERED,),
        (Status.HANDED_OVER, Status.UNDELIVERED, Status.DELIVERED),
    ],
)
async def test_no_report_tells_who_is_registered(
    tmp_path: Path, lang: str, told: tuple[Status, ...]
) -> None:
    known = await transcript(tmp_path / "known.sqlite3", lang, True, *told)
    unknown = await transcript(tmp_path / "unknown.sqlite3", lang, False)
    assert known == unknown


# ---- the page for reports --------------------------------------------------------------------


@asynccontextmanager
async def door(path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, list[Report], str]]:
    """The page to which Kannel reports, what was heard there, and its own secret."""
    settings = test_settings(path, sms="kannel://u:p@127.0.0.1:1", listen="127.0.0.1:8080")
    sender, heard = sms_sender(settings, lambda _to, _text: None), list[Report]()

    async def hear(report: Report) -> None:
        heard.append(report)

    def token(purpose: str) -> str:
        return f"{len(purpose):064d}"

    app = httpx.ASGITransport(application(routes(sender)))
    async with (
        sender.running(hear, token),
        httpx.AsyncClient(transport=app, base_url="http://here") as client,
    ):
        yield client, heard, token("sms report kannel")


async def test_who_knows_the_secret_is_heard(tmp_path: Path) -> None:
    async with door(tmp_path / "db") as (client, heard, token):
        answer = await client.get(f"/sms/kannel/{token}?id=a&status=1")
        assert (answer.status_code, answer.text) == (200, "ok")
        assert heard == [Report("kannel", "a", Status.DELIVERED)]


@pytest.mark.parametrize(
    "path",
    [
        *("/sms/kannel/{wrong}", "/sms/kannel/", "/sms/kannel", "/sms/{token}", "/sms//{token}"),
        *(
            "/sms/kannel/{token}/",
            "/sms/kannel/{token}0",
            "/sms/ovh/{token}",
            "/sms/KANNEL/{token}",
        ),
        *("/sms/kannel/é", "/sms/kannel/%00", "/sms/kannel/%ff%fe", "/sms/../kannel/{wrong}"),
    ],
)
async def test_nobody_else_is(tmp_path: Path, path: str) -> None:
    """Not even from near: the token alone counts."""
    async with door(tmp_path / "db") as (client, heard, token):
        wrong = "1" + token[1:]
        url = path.format(token=token, wrong=wrong)
        for method in ("GET", "POST"):
            answer = await client.request(method, url, params={"id": "a", "status": "1"})
            assert answer.status_code == 404, url
        assert heard == []


@pytest.mark.parametrize(
    ("query", "body"),
    [
        *[({}, b""), ({"id": "a"}, b""), ({"status": "1"}, b""), ({"id": "", "status": "1"}, b"")],
        *[({"id": "a", "status": status}, b"") for status in ("0", "3", "one", "-1", "1 ", "11")],
        *[({}, body) for body in (b"[]", b"null", b"1", b"{", b"\xff\xfe", b'{"id": {}}')],
        ({}, b'{"id": ["a"], "status": {"1": 1}}'),
        ({}, b'{"id": {"a": "b"}, "status": "1"}'),
        ({}, b"[" * 60_000),
        *(({}, b"&".join(b"a=%d" % number for number in range(most))) for most in (50, 500)),
    ],
)
async def test_what_makes_no_sense_changes_nothing(
    tmp_path: Path, query: Mapping[str, str], body: bytes
) -> None:
    async with door(tmp_path / "db") as (client, heard, token):
        answer = await client.post(f"/sms/kannel/{token}", params=query, content=body)
        assert answer.status_code == 200
        assert heard == []


async def test_a_name_that_no_database_takes(meet_core: MeetCore, lang: str) -> None:
    """A lone surrogate, a NUL: heard as some other name, which nobody knows."""
    async with door(Path("unused")) as (client, heard, token):
        for body in (b'{"id": "\\ud800", "status": 1}', b'{"id": "a\\u0000b", "status": 1}'):
            assert (await client.post(f"/sms/kannel/{token}", content=body)).status_code == 200
    parent = await meet_core(lang=lang)
    outbox = parent.parent.service.doors.outbox
    for report in heard:
        work = outbox.report(report.sender, report.message, "delivered", parent.clock.now)
        assert await parent.parent.service.doors.database.run(work) is None
    assert len(heard) == 2


async def test_what_is_too_long_is_not_read(tmp_path: Path) -> None:
    async with door(tmp_path / "db") as (client, heard, token):
        answer = await client.post(
            f"/sms/kannel/{token}?id=a&status=1", content=b"x" * (LONGEST + 1)
        )
        assert (answer.status_code, heard) == (413, [])


async def test_before_it_runs_and_afterwards_nobody_is_heard(tmp_path: Path) -> None:
    settings = test_settings(tmp_path / "db", sms="kannel://u:p@127.0.0.1:1")
    sender = sms_sender(settings, lambda _to, _text: None)
    app = httpx.ASGITransport(application(routes(sender)))
    async with httpx.AsyncClient(transport=app, base_url="http://here") as client:
        for token in ("", "0" * 64, "None"):
            assert (await client.get(f"/sms/kannel/{token}")).status_code == 404


async def test_each_database_and_each_sender_has_a_secret_of_its_own(
    meet_core: MeetCore, lang: str
) -> None:
    parent = await meet_core(lang=lang)
    vault: Vault = parent.parent.service.doors.accounts.vault
    tokens = {vault.token(f"sms report {name}") for name in ("kannel", "ovh", "brevo")}
    assert len({*tokens, vault.token("webhook")}) == 4
    assert all(len(token) == 64 for token in tokens)


async def test_a_forged_report_gives_nothing(meet_core: MeetCore, lang: str) -> None:
    """Even from the provider itself: no code is right by it, none is sent, nothing is counted."""
    parent = await meet_core(lang=lang, sms=Provider())
    await parent.follows(*CODE_OF_MARIE)
    doors = parent.parent.service.doors
    counted = every("SELECT kind, count(*) FROM tallies GROUP BY kind")
    codes = every("SELECT status, tries_left FROM codes")
    before = [await doors.database.run(work) for work in (counted, codes)]
    for status in Status:
        await reports(parent, *[status] * 50)
    counted = every("SELECT kind, count(*) FROM tallies GROUP BY kind")
    codes = every("SELECT status, tries_left FROM codes")
    assert [await doors.database.run(work) for work in (counted, codes)] == before
    assert len(parent.sms.received) == 1
    await parent.follows("(code)")
    parent.hears("code.right")
