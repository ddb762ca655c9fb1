"""Registers written in each format are read back as they were."""

import zipfile
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flows.questions.phone import classify
from storage.importing import aaf, onde, plain_csv, siecle
from storage.importing.csv_reader import Table
from storage.importing.files import open_source
from storage.importing.mobiles import _classify
from storage.importing.recognise import Known, gather, recognise
from storage.importing.records import (
    Format,
    Guardian,
    Link,
    Pupil,
    Record,
    RefusedFile,
    folded,
    is_uai,
    read_date,
    tidy,
)
from tests.storage import exports
from tests.storage.exports import UAI, adult, child, link, xml

T = TypeVar("T")

# Letters that all four encodings have, and the signs that XML and CSV must escape.
_NAMES = st.text("ABÉÈÇéèïœŒŸž -'\"<>&;,", min_size=1, max_size=12).map(tidy).filter(folded)
_ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "iso-8859-15", "cp1252"])
_DATES = st.none() | st.dates(date(1990, 1, 1), date(2025, 1, 1))
_PHONES = st.sampled_from(["", "06 12 34 56 78", "0146123456", "+32470123456", "LISTE ROUGE"])


@st.composite
def registers(draw: st.DrawFn) -> tuple[list[Pupil], list[Guardian], list[Link]]:
    """A school's pupils and guardians, whose names differ, and links between them."""
    people = st.tuples(_NAMES, _NAMES)
    unique = {"unique_by": lambda names: (folded(names[0]), folded(names[1]))}
    children = draw(st.lists(people, min_size=1, max_size=5, **unique))  # type: ignore[arg-type]
    pupils = [
        Pupil(UAI, str(100 + number), last, first, _other(draw, last), draw(_DATES))
        for number, (last, first) in enumerate(children)
    ]
    adults = draw(st.lists(people, min_size=1, max_size=5, **unique))  # type: ignore[arg-type]
    guardians = [
        Guardian(
            UAI,
            ref := str(200 + number),
            ref,
            birth,
            first,
            _other(draw, birth),
            draw(st.sampled_from(["", "MME", "M."])),
            draw(st.sampled_from(["", "a@exemple.invalid"])),
            tuple(filter(None, [draw(_PHONES)])),
        )
        for number, (birth, first) in enumerate(adults)
    ]
    links = [
        Link(UAI, guardian.ref, pupil.ref, draw(st.booleans()))
        for guardian in guardians
        for pupil in draw(st.lists(st.sampled_from(pupils), unique=True, min_size=1))
    ]
    return pupils, guardians, links


def _other(draw: st.DrawFn, name: str) -> str:
    usage = draw(st.just("") | _NAMES)
    return "" if usage == name else usage


def _read(parts: Iterable[bytes], uai: str = "") -> list[Record]:
    with TemporaryDirectory() as name:
        paths = []
        for number, content in enumerate(parts):
            paths.append(Path(name) / f"file{number}")
            paths[-1].write_bytes(content)
        exports_ = gather(paths, uai)
        return [record for one in exports_ for file, read in one.readers for record in read(file)]


def _only(kind: type[T], records: Sequence[object]) -> list[T]:
    return [record for record in records if isinstance(record, kind)]


@settings(deadline=None, max_examples=50)
@given(registers(), _ENCODINGS, st.booleans())
def test_siecle_is_read_back(
    register: tuple[list[Pupil], list[Guardian], list[Link]], encoding: str, before_2018: bool
) -> None:
    pupils, guardians, links = register
    records = _read(
        [
            xml(exports.eleves(pupils), encoding),
            xml(exports.responsables(guardians, links, before_2018=before_2018), encoding),
        ]
    )
    assert records == [*pupils, *links, *guardians]


@settings(deadline=None, max_examples=50)
@given(registers(), _ENCODINGS, st.sampled_from(["%Y-%m-%d", "%d/%m/%Y"]))
def test_onde_is_read_back(
    register: tuple[list[Pupil], list[Guardian], list[Link]], encoding: str, dates: str
) -> None:
    pupils, guardians, links = register
    records = _read(
        [
            exports.onde_guardians(guardians, links, pupils).encode(encoding),
            exports.onde_pupils(pupils, dates).encode(encoding),
        ],
        UAI,
    )
    read = _only(Pupil, records)
    assert [one._replace(ref="") for one in read] == [one._replace(ref="") for one in pupils]
    found = [one._replace(ref="", source="") for one in _only(Guardian, records)]
    assert found == [one._replace(ref="", source="") for one in guardians]
    refs = {one.ref: new.ref for one, new in zip(pupils, read, strict=True)}
    assert [one.pupil for one in _only(Link, records)] == [refs[one.pupil] for one in links]


@settings(deadline=None, max_examples=50)
@given(registers(), _ENCODINGS)
def test_aaf_is_read_back(
    register: tuple[list[Pupil], list[Guardian], list[Link]], encoding: str
) -> None:
    pupils, guardians, links = register
    records = _read(
        [
            xml(exports.aaf([exports.aaf_school("9", UAI, "LYCEE$DES$LILAS")]), encoding),
            xml(exports.aaf(map(exports.aaf_guardian, guardians)), encoding),
            xml(exports.aaf(exports.aaf_pupil(one, links, "9") for one in pupils), encoding),
        ]
    )
    assert _only(Pupil, records) == pupils
    assert _only(Guardian, records) == [one._replace(school="") for one in guardians]
    assert sorted(_only(Link, records)) == sorted(links)


@settings(deadline=None, max_examples=50)
@given(registers(), _ENCODINGS, st.sampled_from(";,\t"))
def test_our_csv_is_read_back(
    register: tuple[list[Pupil], list[Guardian], list[Link]], encoding: str, separator: str
) -> None:
    pupils, guardians, links = register
    rows = exports.plain_csv(guardians, links, pupils)
    records = _read([exports.table(rows, separator).encode(encoding)])
    people = [one._replace(ref="", source="") for one in _only(Guardian, records)]
    by_ref = {one.ref: one for one in guardians}
    assert people == [by_ref[one.guardian]._replace(ref="", source="") for one in links]
    kids = {one.ref: one._replace(ref="") for one in pupils}
    read = [one._replace(ref="") for one in _only(Pupil, records)]
    assert read == [kids[one.pupil] for one in links]
    assert [one.legal for one in _only(Link, records)] == [one.legal for one in links]


# ---- what the readers forgive ----------------------------------------------------------------


def _known(tmp_path: Path, content: bytes) -> Known:
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    return recognise(open_source(path))


def test_files_are_known_by_their_content_alone(tmp_path: Path) -> None:
    pupils, guardians = [child("DUPONT", "Léa")], [adult("DUPONT", "Marie")]
    seen = [
        _known(tmp_path, content)
        for content in (
            xml(exports.eleves(pupils)),
            xml(exports.responsables(guardians, [link()])),
            exports.onde_pupils(pupils).encode("iso-8859-15"),
            exports.onde_guardians(guardians, [link()], pupils).encode(),
            exports.table(exports.plain_csv(guardians, [link()], pupils)).encode(),
            xml(exports.aaf([exports.aaf_guardian(guardians[0])])),
        )
    ]
    assert [(one.format, one.part) for one in seen] == [
        (Format.SIECLE, "pupils"),
        (Format.SIECLE, "guardians"),
        (Format.ONDE, "pupils"),
        (Format.ONDE, "guardians"),
        (Format.CSV, "both"),
        (Format.AAF, "guardians"),
    ]
    assert (seen[0].uai, seen[0].year) == (UAI, "2025")


def test_a_zip_is_read_as_downloaded(tmp_path: Path) -> None:
    path = tmp_path / "ExportXML_ElevesSansAdresses.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("folder") if hasattr(archive, "mkdir") else None
        archive.writestr("folder/ElevesSansAdresses.xml", xml(exports.eleves([child("A", "B")])))
    assert recognise(open_source(path)).format is Format.SIECLE


def test_xml_without_declaration_may_be_in_either_encoding(tmp_path: Path) -> None:
    for encoding in ("utf-8", "iso-8859-15"):
        path = tmp_path / encoding
        path.write_bytes(exports.eleves([child("LEFÈVRE", "Œdipe")]).encode(encoding))
        (pupil,) = siecle.read_pupils(open_source(path), UAI)
        assert isinstance(pupil, Pupil)
        assert (pupil.last, pupil.first) == ("LEFÈVRE", "Œdipe")


def test_old_siecle_calls_the_last_name_nom(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(
        "<BEE_ELEVES><PARAMETRES><UAJ>0960002F</UAJ></PARAMETRES><ELEVE><ELEVE_ID>5</ELEVE_ID>"
        "<NOM>DUPONT</NOM><PRENOM/><INE_RNIE>1A</INE_RNIE></ELEVE></BEE_ELEVES>"
    )
    (pupil,) = siecle.read_pupils(open_source(path), UAI)
    assert pupil == Pupil(UAI, "5", "DUPONT", "", ine="1A")


def test_onde_rows_may_be_short_padded_or_longer_than_the_header(tmp_path: Path) -> None:
    path = tmp_path / "x"
    header = exports.onde_guardians([], [], []).strip()
    kid = ";DUPONT;{};CP"
    path.write_text(
        f"{header}\n"
        f"MME;;DUPONT;Marie;;;;0612345678;{kid.format('Léa')}\n"
        "M.;;SEUL;Paul\n"
        ";;;;;;;;;;;;;;;\n"
        f"MME;;DUPONT;Anne;;;;;{kid.format('Léa')};{kid.format('Noé')};{kid.format('Zoé')};;;;\n"
    )
    records = list(onde.read_guardians(open_source(path), UAI))
    assert [one.first for one in records if isinstance(one, Guardian)] == ["Marie", "Paul", "Anne"]
    assert [one.pupil for one in records if isinstance(one, Link)] == [
        "dupont lea",
        "dupont lea",
        "dupont noe",
        "dupont zoe",
    ]


def test_aaf_of_primary_schools_names_legal_guardians_only(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(
        exports.aaf(
            [
                '<addRequest><attributes><attr name="ENTPersonJointure"><value>1</value></attr>'
                '<attr name="ENTPersonNom"><value>DUPONT</value></attr>'
                '<attr name="ENTEleveAutoriteParentale"><value>7</value><value>8</value></attr>'
                "</attributes></addRequest>"
            ]
        )
    )
    records = list(aaf.read_pupils(open_source(path), {}, UAI))
    assert records[0] == Pupil(UAI, "1", "DUPONT", "")
    assert records[1:] == [Link(UAI, "7", "1", True), Link(UAI, "8", "1", True)]


def test_the_school_of_onde_is_named_or_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / UAI
    folder.mkdir()
    pupils = [child("DUPONT", "Léa")]
    (folder / "a").write_text(exports.onde_pupils(pupils))
    (folder / "b").write_text(exports.onde_guardians([adult("DUPONT", "Marie")], [link()], pupils))
    assert gather([folder / "a", folder / "b"])[0].schools == {UAI: ""}
    assert gather([folder / "a", folder / "b"], "0750001A")[0].schools == {"0750001A": ""}
    folder.rename(tmp_path / "ecole")
    with pytest.raises(RefusedFile) as refused:
        gather([tmp_path / "ecole" / "a", tmp_path / "ecole" / "b"])
    assert refused.value.key == "import.refused.onde_uai"


def test_french_headers_of_our_csv(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(
        "Nom responsable;Prénom responsable;Portable;Nom enfant;Prénom enfant;"
        "Date naissance enfant\n"
        "DUPONT;Marie;0612345678;DUPONT;Léa;14/03/2012\n"
    )
    assert plain_csv.is_ours(Table(open_source(path)))
    records = list(plain_csv.read(open_source(path), UAI))
    assert isinstance(records[2], Link)
    assert records[2].legal


# ---- small rules -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14/03/2012", date(2012, 3, 14)),
        ("2012-03-14", date(2012, 3, 14)),
        ("31/02/2012", None),
        ("14/03/12", None),
        ("", None),
        ("²/03/2012", None),
    ],
)
def test_dates(text: str, expected: date | None) -> None:
    assert read_date(text) == expected


def test_the_check_letter_of_a_school() -> None:
    assert is_uai("0960002F")
    assert not is_uai("0960002G")
    assert not is_uai("123ABC")


@example("0508000000", "FR")  # Saint-Pierre
@settings(max_examples=500)
@given(
    st.from_regex(r"(0|\+33|0033)[1-9][0-9]{8}", fullmatch=True),
    st.sampled_from(["FR", "RE", "GP", "NC"]),
)
def test_the_quick_look_at_numbers_says_what_the_library_says(text: str, region: str) -> None:
    assert _classify(text, region) == classify(text, region)
