"""SMS by gammu-smsd, through its folders: for a school with a USB modem and a SIM card.

Each text lies in a file until it is sent. So the folders must be closed to others, and no file
stays there: not when it was sent, not when it failed, not when its code has expired; not of a run
that was killed.
"""

import asyncio
import configparser
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from bot.clock import utc_now
from bot.settings import BadSetting
from bot.sms.port import Hear, Report, Simple, Sms, SmsFault, SmsRefused, Status, Taken, Token

LOOK_EVERY = 1.0  # seconds
MOST_WAITING = 100  # files: with more, nobody seems to send them
OURS = re.compile(
    r"OUTC[0-9]{8}_[0-9]{6}_00_\+[0-9]{3,15}_(?P<name>[0-9a-f]{16})(?:_(?P<until>[0-9]{1,12}))?\.txt"
)
"""How our files are called. `until`, seconds since 1970, is when their codes expire."""

DRAFT = ".OUTC"  # how a file is called while it is written
LONGEST_DRAFT = 60  # seconds; what is older is of a run that was killed


@dataclass(frozen=True, slots=True)
class _Folders:
    """Where gammu-smsd takes files from, and where it puts them."""

    outbox: Path
    sent: Path
    failed: Path
    logs_texts: bool  # smsd's log would hold codes


class GammuSms(Simple):
    """A modem on this machine."""

    name = "gammu"

    def __init__(self, config: Path) -> None:
        """`config` is gammu-smsd's own file. Raises BadSetting where it is of no use."""
        self._folders = _read(config)
        self._waiting: dict[str, Path] = {}  # what this run has put there

    async def send(self, sms: Sms) -> Taken:
        """Put a file into its folder, whole at once."""
        name = token_hex(8)
        at = utc_now().strftime("%Y%m%d_%H%M%S")
        until = "" if sms.expires is None else f"_{int(sms.expires.timestamp())}"
        file = self._folders.outbox / f"OUTC{at}_00_{sms.to}_{name}{until}.txt"
        try:
            await asyncio.to_thread(self._put, file, sms.text)
        except OSError:  # it names the file, and so the number
            raise SmsRefused("folder_not_writable", final=False) from None
        self._waiting[name] = file
        return Taken(self.name, name)

    def _put(self, file: Path, text: str) -> None:
        if _open_to_others(self._folders.outbox):
            raise SmsRefused("settings", final=False)
        draft = file.with_name(f".{file.name}")  # smsd looks for OUT* only
        try:
            number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(number, "wb") as written:
                written.write(text.encode("utf-16"))  # with the mark by which smsd knows it
            draft.rename(file)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    async def check(self) -> str | None:
        """See that the folders are there, ours, and closed to others."""
        for folder in {self._folders.outbox, self._folders.sent, self._folders.failed}:
            if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
                raise SmsFault(
                    f"SESAME_SMS: gammu: {folder} is not a folder that can be written; run"
                    " gammu-smsd and sesame as the same user."
                )
            if _open_to_others(folder):
                raise SmsFault(
                    f"SESAME_SMS: gammu: {folder} holds codes and is open to others: chmod 700."
                )
        if self._folders.logs_texts:
            raise SmsFault("SESAME_SMS: gammu: set debuglevel = 0: gammu-smsd would log codes.")
        if len(_files(self._folders.outbox)) > MOST_WAITING:
            raise SmsFault(
                f"SESAME_SMS: gammu: {self._folders.outbox} fills up: does gammu-smsd run?"
            )
        return None

    @asynccontextmanager
    async def running(self, hear: Hear, token: Token) -> AsyncIterator[None]:
        """Look into the folders now and then."""
        del token
        looking = asyncio.create_task(self._look(hear))
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _look(self, hear: Hear) -> None:
        while True:
            for name, status in await asyncio.to_thread(self._news):
                await hear(Report(self.name, name, status))
            await asyncio.sleep(LOOK_EVERY)

    def _news(self) -> list[tuple[str, Status]]:
        """What became of our files since the last look; they are gone afterwards."""
        return [*self._moved(), *self._expired(), *self._gone()]

    def _moved(self) -> Iterator[tuple[str, Status]]:
        """Files that smsd put aside: of a run of ours before, too."""
        folders = self._folders
        for folder, status in (
            (folders.failed, Status.UNDELIVERED),
            (folders.sent, Status.HANDED_OVER),
        ):
            if folder == folders.outbox:
                continue
            for file in _files(folder):
                found = OURS.fullmatch(file.name)
                with suppress(OSError):  # what cannot be taken away now is tried again
                    if found:
                        file.unlink(missing_ok=True)
                        self._waiting.pop(found["name"], None)
                        yield found["name"], status

    def _expired(self) -> Iterator[tuple[str, Status]]:
        """Files that nobody should send any more, whichever run has put them there."""
        now = utc_now().timestamp()
        for file in _files(self._folders.outbox):
            found = OURS.fullmatch(file.name)
            with suppress(OSError):
                if found and found["until"] and int(found["until"]) <= now:
                    file.unlink()
                    self._waiting.pop(found["name"], None)
                    yield found["name"], Status.UNDELIVERED
                elif file.name.startswith(DRAFT) and file.stat().st_mtime < now - LONGEST_DRAFT:
                    file.unlink()

    def _gone(self) -> Iterator[tuple[str, Status]]:
        """Files that smsd deleted, having sent them."""
        for name, file in list(self._waiting.items()):
            with suppress(OSError):
                if not file.exists() and not self._is_aside(file):
                    del self._waiting[name]
                    yield name, Status.HANDED_OVER

    def _is_aside(self, file: Path) -> bool:
        """Whether it was moved just now: the next look tells where to."""
        aside = {self._folders.sent, self._folders.failed} - {self._folders.outbox}
        return any((folder / file.name).exists() for folder in aside)


def _read(config: Path) -> _Folders:
    reader = configparser.RawConfigParser(strict=False, comment_prefixes=("#", ";"))
    try:
        reader.read_string(config.read_text("utf-8"))
        smsd = {name.lower(): value.strip() for name, value in reader["smsd"].items()}
    except (OSError, UnicodeError, configparser.Error, KeyError) as error:
        raise BadSetting(
            f"SESAME_SMS: gammu: {config} is not read as gammu-smsd's ({type(error).__name__})."
        ) from None
    if smsd.get("service", "files").lower() != "files" or not smsd.get("outboxpath"):
        raise BadSetting(
            f"SESAME_SMS: gammu: set service = files and outboxpath in {config}; see docs/sms.md."
        )
    outbox = Path(smsd["outboxpath"])
    sent = Path(smsd.get("sentsmspath") or outbox)
    return _Folders(
        outbox,
        sent,
        Path(smsd.get("errorsmspath") or sent),
        bool(smsd.get("logfile")) and smsd.get("debuglevel", "0") != "0",
    )


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # `check` says what is wrong with it
        return []


def _open_to_others(folder: Path) -> bool:
    try:
        return bool(folder.stat().st_mode & 0o077)
    except OSError:
        return False  # not there: said otherwise
