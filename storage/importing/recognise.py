"""What a file is, by its content, and which files make one export together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flows.questions.school import looks_like_uai
from storage.importing import aaf, onde, plain_csv, siecle
from storage.importing.csv_reader import Table
from storage.importing.files import Source, open_source
from storage.importing.records import Format, Record, RefusedFile, is_uai, tidy
from storage.importing.xml_reader import root_and_first

PUPILS, GUARDIANS, SCHOOLS, BOTH, OTHER = "pupils", "guardians", "schools", "both", "other"

_XML_BEGINS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<", b"\xfe\xff\0<")

Reader = Callable[[Source], Iterator[Record]]


@dataclass(frozen=True, slots=True)
class Known:
    """A file that was recognised. `uai` and `year` are "" where the file does not say them."""

    source: Source
    format: Format
    part: str
    uai: str = ""
    year: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """Files that belong together: one school's, or several schools' from AAF or from our CSV.

    `schools` are the schools it speaks for, with the names it gives them: what the register has
    of them and this export has not is gone. `readers` turn each file into records, pupils first.
    """

    format: Format
    schools: dict[str, str]
    readers: Sequence[tuple[Source, Reader]]
    year: str = ""


def recognise(source: Source) -> Known:
    """Say what a file is. Raises RefusedFile when it is nothing that we read."""
    if source.head().lstrip().startswith(_XML_BEGINS):
        return _recognise_xml(source)
    return _recognise_table(source)


def _recognise_xml(source: Source) -> Known:
    root, parameters = root_and_first(source, siecle.PARAMETERS)
    if root == aaf.ROOT:
        return _recognise_aaf(source)
    if root in siecle.OTHER_ROOTS:
        raise source.refuse("other_file", root=root)
    if root not in siecle.PUPILS_ROOTS | siecle.GUARDIANS_ROOTS:
        raise source.refuse("unknown_root", root=root[:40])
    uai = tidy(parameters.get("UAJ")).upper() if parameters else ""
    if parameters is None or not uai:
        raise source.refuse("no_uai")
    part = PUPILS if root in siecle.PUPILS_ROOTS else GUARDIANS
    return Known(source, Format.SIECLE, part, uai, tidy(parameters.get("ANNEE_SCOLAIRE")))


def _recognise_aaf(source: Source) -> Known:
    _, first = root_and_first(source, aaf.REQUESTS)
    category = aaf.category(first) if first else ""
    parts = {"Eleve": PUPILS, "PersRelEleve": GUARDIANS, "EtabEducNat": SCHOOLS}
    return Known(source, Format.AAF, parts.get(category, OTHER))


def _recognise_table(source: Source) -> Known:
    table = Table(source)
    header = frozenset(table.header)
    if plain_csv.is_ours(table):
        return Known(source, Format.CSV, BOTH)
    if header >= onde.GUARDIANS_COLUMNS:
        return Known(source, Format.ONDE, GUARDIANS)
    if header >= onde.PUPILS_COLUMNS:
        return Known(source, Format.ONDE, PUPILS)
    if len(header) < 2:
        raise source.refuse("unknown_file")
    raise source.refuse("unknown_columns", columns=", ".join(filter(None, table.titles))[:100])


# ---- which files belong together -------------------------------------------------------------


def gather(paths: Sequence[Path], uai: str = "") -> list[Export]:
    """Recognise the files and put together what belongs together.

    `uai` is the school that was named on the command line: the only one that files may be of.
    """
    if uai and not looks_like_uai(uai):
        raise RefusedFile("import.refused.bad_uai", uai=uai)
    if not paths:
        raise RefusedFile("import.refused.no_files")
    known = [recognise(open_source(path)) for path in paths]
    of = {form: [one for one in known if one.format is form] for form in Format}
    exports = [
        *_of_schools(of[Format.SIECLE], lambda one: one.uai, _siecle),
        *_of_schools(of[Format.ONDE], lambda one: uai or _folder_uai(one.source), _onde),
        *_aaf(of[Format.AAF], uai),
        *_csv(of[Format.CSV], uai),
    ]
    _check_schools(exports, uai)
    return exports


def _of_schools(
    known: list[Known],
    school_of: Callable[[Known], str],
    export: Callable[[str, Known, Known], Export],
) -> Iterator[Export]:
    """Make one export of each school's two files."""
    schools: dict[str, dict[str, Known]] = {}
    for one in known:
        uai = school_of(one)
        parts = schools.setdefault(uai, {})
        if other := parts.get(one.part):
            raise one.source.refuse(f"twice_{one.part}", other=other.source.name, uai=uai)
        parts[one.part] = one
    for uai, parts in schools.items():
        yield export(uai, *_both(parts, uai))


def _both(parts: dict[str, Known], uai: str = "") -> tuple[Known, Known]:
    """Return the pupils' and the guardians' file, or refuse: one is not enough."""
    for missing, there in ((PUPILS, GUARDIANS), (GUARDIANS, PUPILS)):
        if missing not in parts:
            one = parts[there]
            raise one.source.refuse(f"missing_{one.format}_{missing}", uai=uai)
    return parts[PUPILS], parts[GUARDIANS]


def _siecle(uai: str, pupils: Known, guardians: Known) -> Export:
    if pupils.year and guardians.year and pupils.year != guardians.year:
        raise guardians.source.refuse(
            "two_years", year=guardians.year, other=pupils.source.name, other_year=pupils.year
        )
    readers = [
        (pupils.source, partial(siecle.read_pupils, uai=uai)),
        (guardians.source, partial(siecle.read_guardians, uai=uai)),
    ]
    return Export(Format.SIECLE, {uai: ""}, readers, pupils.year or guardians.year)


def _onde(uai: str, pupils: Known, guardians: Known) -> Export:
    readers = [
        (pupils.source, partial(onde.read_pupils, uai=uai)),
        (guardians.source, partial(onde.read_guardians, uai=uai)),
    ]
    return Export(Format.ONDE, {uai: ""}, readers)


def _folder_uai(source: Source) -> str:
    """Return the school's code that an ONDE file lies in: the file itself does not say it."""
    folder = source.path.resolve().parent.name.upper()
    if not is_uai(folder):
        raise source.refuse("onde_uai")
    return folder


def _aaf(known: list[Known], uai: str) -> Iterator[Export]:
    if not known:
        return
    parts = {one.part: one for one in known}
    if not parts.keys() & {PUPILS, GUARDIANS}:
        raise known[0].source.refuse("other_file", root=aaf.ROOT)
    _both(parts)
    sources = {part: [one.source for one in known if one.part == part] for part in parts}
    schools = [one for source in sources.get(SCHOOLS, []) for one in aaf.read_schools(source)]
    names = {code: name for _, code, name in schools} or {uai: ""}
    if "" in names:
        raise sources[PUPILS][0].refuse("aaf_school")
    read_pupils = partial(
        aaf.read_pupils,
        schools={identifier: code for identifier, code, _ in schools},
        only=next(iter(names)) if len(names) == 1 else "",
    )
    readers: list[tuple[Source, Reader]] = [
        *((source, read_pupils) for source in sources[PUPILS]),
        *((source, aaf.read_guardians) for source in sources[GUARDIANS]),
    ]
    yield Export(Format.AAF, names, readers)


def _csv(known: list[Known], uai: str) -> Iterator[Export]:
    for one in known:
        schools: dict[str, str] = {}
        for code, name in plain_csv.read_schools(one.source):
            if not (code or uai):
                raise one.source.refuse("csv_uai")
            schools[code or uai] = name or schools.get(code or uai, "")
        if not schools:
            raise one.source.refuse("no_rows")
        yield Export(Format.CSV, schools, [(one.source, partial(plain_csv.read, uai=uai))])


def _check_schools(exports: list[Export], uai: str) -> None:
    """Refuse a school that comes twice, or that is not the one named on the command line."""
    seen: set[str] = set()
    for export in exports:
        source = export.readers[0][0]
        for school in export.schools:
            if school in seen:
                raise source.refuse("same_school", uai=school)
            if uai and school != uai:
                raise source.refuse("wrong_school", uai=school, expected=uai)
            seen.add(school)
