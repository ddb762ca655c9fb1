"""Broken and hostile files: each gets one clear line, soon, and the register stays as it is."""

import io
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.secret import Secret
from storage.database import Database, every
from storage.importing.load import load
from storage.importing.recognise import gather
from storage.importing.records import RefusedFile
from storage.importing.staging import Unwatched
from storage.place import open_database
from storage.vault import Vault
from tests.storage import exports
from tests.storage.exports import UAI, adult, child, link, xml

LEA, MARIE = child("DUPONT", "Léa"), adult("DUPONT", "Marie")
PUPILS = xml(exports.eleves([LEA]))
GUARDIANS = xml(exports.responsables([MARIE], [link()]))
ONDE_PUPILS = exports.onde_pupils([LEA]).encode()
ONDE_GUARDIANS = exports.onde_guardians([MARIE], [link()], [LEA]).encode()
AAF_PUPILS = xml(exports.aaf([exports.aaf_pupil(LEA, [link()], "9")]))
AAF_GUARDIANS = xml(exports.aaf([exports.aaf_guardian(MARIE)]))
OUR_ROWS = exports.plain_csv([MARIE], [link()], [LEA])


def _zip(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def _row(**cells: str) -> bytes:
    header, row = OUR_ROWS
    changed = [cells.get(title, cell) for title, cell in zip(header, row, strict=True)]
    return exports.table([header, changed]).encode()


def _lying_zip() -> bytes:
    """A zip whose list of members says that a gigabyte of spaces is three bytes long."""
    packed = bytearray(_zip(("a.xml", b" " * 50_000_000)))
    packed[packed.rindex(b"PK\x01\x02") + 24 :][:4] = b""
    entry = packed.rindex(b"PK\x01\x02")
    packed[entry + 24 : entry + 28] = struct.pack("<I", 3)
    return bytes(packed)


BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
INSIDE = GUARDIANS.decode("iso-8859-15").partition("?>")[2]

CASES: dict[str, tuple[str, list[bytes]]] = {
    "empty": ("empty", [b""]),
    "binary": ("binary", [b"\x00\x01\x02" * 100]),
    "pdf": ("unknown_file", [b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"]),
    "text": ("unknown_file", [b"Bonjour\n"]),
    "other columns": ("unknown_columns", [b"Nom;Note\nDUPONT;12\n"]),
    "pupils of another software": (
        "unknown_columns",
        ["Identifiant unique*;Premier prénom*;Nom de famille*\n1;Léa;DUPONT\n".encode()],
    ),
    "html": ("forbidden_xml", [b"<!DOCTYPE html><html></html>"]),
    "another root": ("unknown_root", [b"<html><body/></html>"]),
    "nomenclatures": ("other_file", [b"<BEE_NOMENCLATURES/>"]),
    "structures": ("other_file", [xml("<BEE_STRUCTURES><A/></BEE_STRUCTURES>")]),
    "no school": ("no_uai", [xml("<BEE_ELEVES><PARAMETRES/></BEE_ELEVES>")]),
    "no parameters": ("no_uai", [xml("<BEE_ELEVES/>")]),
    "entity bomb": (
        "forbidden_xml",
        [PUPILS, f'<!DOCTYPE x [<!ENTITY a0 "ha">{BOMB}]>{INSIDE}'.encode()],
    ),
    "external entity": (
        "forbidden_xml",
        [f'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>{INSIDE}'.encode(), PUPILS],
    ),
    "parameter entity": (
        "forbidden_xml",
        [f'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://x.invalid/x.dtd">%p;]>{INSIDE}'.encode()],
    ),
    "external dtd": (
        "forbidden_xml",
        [f'<!DOCTYPE BEE_RESPONSABLES SYSTEM "http://x.invalid/x.dtd">{INSIDE}'.encode()],
    ),
    "aaf with its own entities": (
        "forbidden_xml",
        [b'<!DOCTYPE ficAlimMENESR SYSTEM "ficAlimMENESR.dtd" [<!ENTITY a "b">]><ficAlimMENESR/>'],
    ),
    "aaf with an unknown entity": (
        "forbidden_xml",
        [AAF_PUPILS.replace(b"DUPONT", b"&nom;"), AAF_GUARDIANS],
    ),
    "undefined entity": ("malformed", [PUPILS, GUARDIANS.replace(b"DUPONT", b"&nom;")]),
    "truncated": ("malformed", [PUPILS, GUARDIANS[:-40]]),
    "unclosed after good rows": (
        "malformed",
        [xml(exports.eleves([LEA] * 2000)).replace(b"</ELEVES>", b"<ELEVE>"), GUARDIANS],
    ),
    "two roots": ("malformed", [PUPILS + b"<a/>", GUARDIANS]),
    "not utf-8": (
        "encoding",
        [PUPILS.replace(b"ISO-8859-15", b"UTF-8"), GUARDIANS],
    ),
    "unknown encoding": ("encoding", [PUPILS.replace(b"ISO-8859-15", b"KLINGON"), GUARDIANS]),
    "nested": ("malformed", [b"<BEE_ELEVES>" + b"<a>" * 200_000]),
    "nested in a record": (
        "malformed",
        [PUPILS.replace(b"<NOM_DE_FAMILLE>", b"<a>" * 500_000 + b"<NOM_DE_FAMILLE>"), GUARDIANS],
    ),
    "endless attribute": ("long_line", [b'<BEE_ELEVES a="' + b"x" * 12_000_000]),
    "endless comment": ("long_line", [b"<BEE_ELEVES><!--" + b"x" * 12_000_000]),
    "endless value": ("long_line", [PUPILS.replace(b"DUPONT", b"x" * 12_000_000), GUARDIANS]),
    "endless names": (
        "long_line",
        [
            PUPILS.replace(b"<DONNEES>", b"".join(b"<a%d/>" % n for n in range(20_000))),
            GUARDIANS,
        ],
    ),
    "endless line": ("long_line", [b"Nom;Prenom;" + b"x" * 12_000_000]),
    "endless cell": ("malformed", [ONDE_PUPILS, ONDE_GUARDIANS + b'"' + b"x\n" * 500_000]),
    "open quote": ("malformed", [ONDE_PUPILS, ONDE_GUARDIANS + b'MME;;"DUPONT;Marie\n']),
    "other years": ("two_years", [PUPILS, GUARDIANS.replace(b"2025", b"2024")]),
    "only pupils": ("missing_siecle_guardians", [PUPILS]),
    "only guardians": ("missing_siecle_pupils", [GUARDIANS]),
    "of two schools": (
        "missing_siecle_guardians",
        [PUPILS, GUARDIANS.replace(UAI.encode(), exports.OTHER_UAI.encode())],
    ),
    "pupils twice": ("twice_pupils", [PUPILS, GUARDIANS, PUPILS]),
    "guardians twice": ("twice_guardians", [PUPILS, GUARDIANS, GUARDIANS]),
    "onde pupils alone": ("missing_onde_guardians", [ONDE_PUPILS]),
    "onde guardians alone": ("missing_onde_pupils", [ONDE_GUARDIANS]),
    "onde header alone": (
        "no_rows",
        [ONDE_PUPILS.splitlines(keepends=True)[0], ONDE_GUARDIANS],
    ),
    "siecle without pupils": ("no_rows", [xml(exports.eleves([])), GUARDIANS]),
    "aaf pupils alone": ("missing_aaf_guardians", [AAF_PUPILS]),
    "aaf without schools": ("aaf_school", [AAF_PUPILS, AAF_GUARDIANS]),
    "aaf of staff": ("other_file", [xml("<ficAlimMENESR/>")]),
    "aaf delta": (
        "aaf_delta",
        [
            xml(exports.aaf([exports.aaf_school("9", UAI, "")])),
            AAF_PUPILS,
            AAF_GUARDIANS.replace(b"addRequest", b"modifyRequest"),
        ],
    ),
    "our csv with a wrong school": ("bad_uai_in_row", [_row(uai="lycée")]),
    "our csv with an unclear right": ("bad_legal", [_row(legal="peut-être")]),
    "our csv without a school": ("csv_uai", [_row(uai="")]),
    "our csv without rows": ("no_rows", [exports.table(OUR_ROWS[:1]).encode()]),
    "school twice": ("same_school", [PUPILS, GUARDIANS, _row()]),
    "zip of two": ("several_members", [_zip(("a.xml", PUPILS), ("b.xml", GUARDIANS))]),
    "zip of none": ("empty", [_zip()]),
    "zip bomb": ("too_big", [_zip(("a.xml", b" " * 50_000_000))]),
    "zip in a zip": ("binary", [_zip(("a.zip", _zip(("a.xml", PUPILS))))]),
    "lying zip": ("broken_zip", [_lying_zip()]),
    "truncated zip": ("broken_zip", [_zip(("a.xml", PUPILS))[:-30]]),
    "zip with a wrong checksum": (
        "broken_zip",
        [_zip(("a.xml", PUPILS)).replace(struct.pack("<I", zlib.crc32(PUPILS)), b"abcd")],
    ),
    "workbook": ("spreadsheet", [_zip(("[Content_Types].xml", b""), ("xl/a.xml", b""))]),
}


async def _refusal(paths: list[Path], database: Database, uai: str = "") -> RefusedFile:
    with pytest.raises(RefusedFile) as refused:
        await load(
            paths,
            database=database,
            vault=Vault(Secret("test")),
            watch=Unwatched(),
            now=datetime(2025, 11, 23, tzinfo=UTC),
            uai=uai,
        )
    return refused.value


def _write(folder: Path, contents: list[bytes]) -> list[Path]:
    folder = folder / UAI  # so that ONDE files have a school
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.bin" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


@pytest.mark.parametrize("name", CASES)
async def test_one_clear_line_and_nothing_changed(name: str, tmp_path: Path) -> None:
    key, contents = CASES[name]
    paths = _write(tmp_path, contents)
    async with open_database(tmp_path / "a.sqlite3") as database:
        tracemalloc.start()
        began = time.monotonic()
        refused = await _refusal(paths, database)
        seconds = time.monotonic() - began
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert await database.run(every("SELECT * FROM schools")) == []
    assert refused.key == f"import.refused.{key}"
    assert seconds < 10
    assert peak < 200 * 1024**2


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("missing_file", lambda folder: folder / "nothing"),
        ("directory", lambda folder: folder),
        ("unreadable", lambda _: Path("/dev/zero")),
        ("unreadable", lambda folder: folder / ("x" * 5000)),
        ("missing_file", lambda folder: folder / "a\0b"),
    ],
)
def test_paths_that_are_no_files(key: str, path: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(RefusedFile) as refused:
        gather([path(tmp_path)])
    assert refused.value.key == f"import.refused.{key}"
    assert refused.value.facts["file"]


@pytest.mark.parametrize(
    ("key", "uai"), [("wrong_school", "0750001A"), ("bad_uai", "lycée"), ("bad_uai", "12")]
)
def test_the_school_that_was_named(key: str, uai: str, tmp_path: Path) -> None:
    with pytest.raises(RefusedFile) as refused:
        gather(_write(tmp_path, [PUPILS, GUARDIANS]), uai)
    assert refused.value.key == f"import.refused.{key}"


def test_only_one_line_of_xml_is_no_reason(tmp_path: Path) -> None:
    many = xml(exports.eleves([LEA._replace(ref=str(n)) for n in range(20_000)]))
    paths = _write(tmp_path, [many.replace(b"\n", b""), GUARDIANS])
    assert len(gather(paths)[0].schools) == 1


_GOOD = [PUPILS, GUARDIANS, ONDE_PUPILS, ONDE_GUARDIANS, AAF_PUPILS, AAF_GUARDIANS, _row()]
_PIECES = st.sampled_from([*_GOOD, _zip(("a.xml", PUPILS))])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good file with some bytes replaced by others."""
    content = draw(_PIECES)
    start = draw(st.integers(0, len(content)))
    end = start + draw(st.integers(0, 30))
    return content[:start] + draw(st.binary(max_size=30)) + content[end:]


@settings(deadline=None, max_examples=400)
@given(st.lists(st.binary(max_size=300) | damaged() | _PIECES, min_size=1, max_size=3))
def test_any_bytes_are_read_or_refused(contents: list[bytes]) -> None:
    with TemporaryDirectory() as name, suppress(RefusedFile):
        for export in gather(_write(Path(name), contents)):
            for source, read in export.readers:
                list(read(source))
