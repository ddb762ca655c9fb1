"""Records gathered in TEMP tables, keyed and sealed like the register, and tied together there.

Nothing is kept in memory and no lock is held, however large the files. Nothing readable is on
the disk either: TEMP tables live in a file.
"""

from collections.abc import Iterator
from itertools import count, islice
from typing import Any, Protocol

from flows.questions.name import fold
from flows.questions.phone import region_of_uai
from storage.database import Work, every, run, run_many
from storage.erasure import erased_keys
from storage.family import guardian_place, pupil_place
from storage.importing.mobiles import mobiles_of
from storage.importing.recognise import Export
from storage.importing.records import Guardian, Link, Pupil, Record, RefusedFile, folded
from storage.vault import Vault

_BATCH = 2_000

_TABLES = (
    "CREATE TEMP TABLE staged_schools (uai TEXT PRIMARY KEY, format TEXT, name TEXT, year TEXT)",
    # `is_twin`: an earlier row of the file is the same person. `id`: that of the register's row.
    "CREATE TEMP TABLE staged_pupils (n INTEGER PRIMARY KEY, uai TEXT, ref BLOB, class_key BLOB,"
    " source_key BLOB, name_key BLOB, digest BLOB, sealed BLOB, is_dated INTEGER,"
    " has_left INTEGER, is_twin INTEGER DEFAULT 0, id INTEGER, change TEXT)",
    # `mobile`: see `mobiles`; `mobile_key` is the first one's. `reach`: see _REACH. `is_twin` is 2
    # for somebody who was erased (storage/erasure.py) and does not come back.
    "CREATE TEMP TABLE staged_guardians (n INTEGER PRIMARY KEY, uai TEXT, ref BLOB,"
    " source_key BLOB, name_key BLOB, digest BLOB, sealed BLOB, is_named INTEGER, mobile TEXT,"
    " mobile_key BLOB, reach INTEGER DEFAULT 0, reason TEXT, has_left INTEGER DEFAULT 0,"
    " is_twin INTEGER DEFAULT 0, id INTEGER, change TEXT)",
    "CREATE TEMP TABLE staged_phones (guardian INTEGER, phone_key BLOB)",
    "CREATE TEMP TABLE staged_links (uai TEXT, guardian_ref BLOB, pupil_ref BLOB, class_key BLOB,"
    " legal INTEGER)",
)

_DROP = tuple(
    f"DROP TABLE IF EXISTS {table}"
    for table in (
        "staged_schools",
        "staged_pupils",
        "staged_guardians",
        "staged_phones",
        "staged_links",
        "shared_ines",
        "ties",
        "new_links",
        "problems",
    )
)

_INSERT_PUPIL = (
    "INSERT INTO staged_pupils (n, uai, ref, class_key, source_key, name_key, digest, sealed,"
    " is_dated, has_left) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_GUARDIAN = (
    "INSERT INTO staged_guardians (n, uai, ref, source_key, name_key, digest, sealed, is_named,"
    " mobile, mobile_key, is_twin) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


# What a pupil is found by: an INE that several children of a school bear says nothing.
_FIND_SHARED_INES = (
    "CREATE INDEX pupils_by_source ON staged_pupils (uai, source_key, n)",
    "CREATE TEMP TABLE shared_ines AS SELECT n FROM staged_pupils JOIN ("
    "SELECT uai, source_key FROM staged_pupils GROUP BY uai, source_key"
    " HAVING count(DISTINCT name_key) > 1) AS shared USING (uai, source_key)",
    "CREATE UNIQUE INDEX shared_ines_by_n ON shared_ines (n)",
)

# Our own CSV repeats a guardian and a pupil on each row of theirs. In the other formats a second
# row of the same person is the school's slip, and is reported.
_MARK_TWINS = (
    "DELETE FROM staged_pupils WHERE uai IN (SELECT uai FROM staged_schools WHERE format = 'csv')"
    " AND n NOT IN (SELECT min(n) FROM staged_pupils GROUP BY uai, ref)",
    "DELETE FROM staged_guardians WHERE uai IN"
    " (SELECT uai FROM staged_schools WHERE format = 'csv')"
    " AND n NOT IN (SELECT min(n) FROM staged_guardians GROUP BY uai, ref)",
    "CREATE INDEX guardians_by_source ON staged_guardians (uai, source_key, n)",
    "UPDATE staged_pupils SET is_twin = 1"
    " WHERE n NOT IN (SELECT min(n) FROM staged_pupils GROUP BY uai, source_key)",
    "UPDATE staged_guardians SET is_twin = 1"
    " WHERE is_twin = 0"
    " AND n NOT IN (SELECT min(n) FROM staged_guardians GROUP BY uai, source_key)",
)

# A link leads to the one pupil of that name or number; where several bear it, to the one of them
# who is in that class; else to nobody (REGISTER 2).
_TIE = (
    "CREATE INDEX guardians_by_ref ON staged_guardians (uai, ref)",
    "CREATE INDEX pupils_by_ref ON staged_pupils (uai, ref, class_key) WHERE is_twin = 0",
    "CREATE TEMP TABLE ties AS SELECT uai, legal,"
    " (SELECT n FROM staged_guardians AS g WHERE g.uai = l.uai AND g.ref = guardian_ref LIMIT 1)"
    " AS guardian, coalesce("
    "(SELECT CASE count(*) WHEN 1 THEN min(n) END FROM (SELECT n FROM staged_pupils AS p"
    " WHERE p.uai = l.uai AND p.ref = pupil_ref AND is_twin = 0 LIMIT 2) AS named),"
    "(SELECT CASE count(*) WHEN 1 THEN min(n) END FROM (SELECT n FROM staged_pupils AS p"
    " WHERE p.uai = l.uai AND p.ref = pupil_ref AND p.class_key = l.class_key AND is_twin = 0"
    " LIMIT 2) AS named)) AS pupil FROM staged_links AS l",
    "DROP TABLE staged_links",
)

# How far a guardian's links lead: 0 to no pupil, 1 to pupils, 2 to some as a legal guardian, 3 to
# some of these who have not left, 4 to some of these whose birthdate is known. Then the one main
# reason why somebody cannot activate: the first that applies, in the order of docs/register.md.
_FIND_REASONS = (
    "UPDATE staged_guardians SET reach = found.reach FROM (SELECT guardian, 1 + max(legal)"
    " + max(legal * (1 - has_left)) + max(legal * (1 - has_left) * is_dated)"
    " AS reach FROM ties JOIN staged_pupils ON n = pupil GROUP BY guardian) AS found"
    " WHERE found.guardian = n",
    "UPDATE staged_guardians SET reason = CASE is_twin WHEN 2 THEN 'erased' WHEN 1 THEN 'duplicate'"
    " ELSE CASE"
    " WHEN reach = 0 THEN 'no_pupil' WHEN reach = 1 THEN 'not_legal'"
    " WHEN reach = 2 THEN 'pupil_left' WHEN reach = 3 THEN 'pupil_without_birthdate'"
    " WHEN is_named = 0 THEN 'name_missing'"
    " WHEN mobile NOT IN ('own', 'elsewhere') THEN mobile END END",
)

_INDEX_PHONES = "CREATE INDEX phones_by_guardian ON staged_phones (guardian, phone_key)"

# AAF lists every school of a territory: those without a pupil in the files are not concerned.
_DROP_SCHOOLS = (
    "DELETE FROM staged_schools WHERE format = 'aaf' AND uai NOT IN (SELECT uai FROM staged_pupils)"
)

_SETTLE = (_DROP_SCHOOLS, _INDEX_PHONES, *_MARK_TWINS, *_TIE, *_FIND_REASONS)


class Watch(Protocol):
    """Who follows the reading, and may stop it by raising."""

    def read(self, size: int) -> None:
        """Hear that so many bytes more were read."""

    def rows(self, count: int) -> None:
        """Hear that so many records more were taken."""


class Unwatched:
    """Nobody follows."""

    def read(self, size: int) -> None:
        """Let it pass."""

    def rows(self, count: int) -> None:
        """Let it pass."""


class Staging:
    """Fills the TEMP tables from the exports."""

    def __init__(self, vault: Vault, watch: Watch) -> None:
        self._vault = vault
        self._watch = watch
        self._numbers = count(1)
        self._erased: set[bytes] = set()

    def stage(self, exports: list[Export]) -> Work[None]:
        """Read all files, find the children of every guardian, and who can activate."""
        yield from drop()
        for table in _TABLES:
            yield from run(table)
        self._erased = {key for (key,) in (yield from every("SELECT key FROM erased"))}
        for export in exports:
            yield from run_many(
                "INSERT INTO staged_schools VALUES (?, ?, ?, ?)",
                [(uai, export.format, name, export.year) for uai, name in export.schools.items()],
            )
            for source, read in export.readers:
                records = read(source.watched(self._watch.read))
                if not (yield from self._take(records)):
                    raise source.refuse("no_rows")
        yield from self._part_shared_ines()
        for statement in _SETTLE:
            yield from run(statement)

    def name_school(self, name: str) -> Work[None]:
        """Give the one school of the files the name that parents know."""
        rows = yield from every("SELECT uai FROM staged_schools")
        if len(rows) != 1:
            raise RefusedFile("import.refused.one_school")
        yield from run("UPDATE staged_schools SET name = ?", name)

    def _take(self, records: Iterator[Record]) -> Work[int]:
        """Stage the records of a file, and count them."""
        taken = 0
        while batch := list(islice(records, _BATCH)):
            pupils = [one for one in batch if isinstance(one, Pupil)]
            links = [one for one in batch if isinstance(one, Link)]
            guardians = [one for one in batch if isinstance(one, Guardian)]
            yield from run_many(_INSERT_PUPIL, map(self._pupil_row, pupils))
            yield from run_many(
                "INSERT INTO staged_links VALUES (?, ?, ?, ?, ?)", map(self._link_row, links)
            )
            yield from self._take_guardians(guardians)
            self._watch.rows(len(batch))
            taken += len(batch)
        return taken

    def _take_guardians(self, guardians: list[Guardian]) -> Work[None]:
        rows, phones = [], []
        for guardian in guardians:
            schools = [guardian.school] if guardian.school else []
            for uai in schools or (yield from self._schools_of(guardian)):
                row, numbers = self._guardian_row(guardian, uai)
                rows.append(row)
                phones += [(row[0], number) for number in numbers]
        yield from run_many(_INSERT_GUARDIAN, rows)
        yield from run_many("INSERT INTO staged_phones VALUES (?, ?)", phones)

    def _schools_of(self, guardian: Guardian) -> Work[list[str]]:
        """Return the schools of a guardian's children; the export's first where there is none."""
        yield from run(
            "CREATE INDEX IF NOT EXISTS links_by_guardian ON staged_links (guardian_ref)"
        )
        rows = yield from every(
            "SELECT DISTINCT uai FROM staged_links WHERE guardian_ref = ? ORDER BY uai",
            self._ref(guardian.ref),
        )
        first = "SELECT min(uai) FROM staged_links"
        return [uai for (uai,) in rows or (yield from every(first))]

    # ---- rows: what leaves this module is keyed or sealed ------------------------------------

    def _pupil_row(self, pupil: Pupil) -> tuple[Any, ...]:
        born = pupil.birthdate and pupil.birthdate.isoformat()
        known = {
            "last": pupil.last,
            "usage": pupil.usage,
            "first": pupil.first,
            "birthdate": born,
        }
        key = self._vault.key
        name_key = key("pupil", folded(pupil.last), folded(pupil.first), born)
        source_key = key("ine", pupil.ine) if pupil.ine else name_key
        return (
            next(self._numbers),
            pupil.school,
            self._ref(pupil.ref),
            self._ref(pupil.class_name),
            source_key,
            name_key,
            key("digest", *known.values(), pupil.left),
            self._vault.seal(known, pupil_place(pupil.school, source_key)),
            born is not None,
            pupil.left,
        )

    def _guardian_row(self, guardian: Guardian, uai: str) -> tuple[tuple[Any, ...], list[bytes]]:
        mobiles = mobiles_of(guardian, region_of_uai(uai))
        known = {
            "birth": guardian.birth,
            "usage": guardian.usage,
            "first": guardian.first,
            "phones": mobiles.numbers,
            "email": guardian.email,
            "title": guardian.title,
        }
        key = self._vault.key
        birth, first = folded(guardian.birth), folded(guardian.first)
        source_key = key("source", guardian.source)
        phone_keys = [key("phone", number) for number in mobiles.numbers]
        row = (
            next(self._numbers),
            uai,
            self._ref(guardian.ref),
            source_key,
            key("name", birth, first),
            key("digest", *known.values()),
            self._vault.seal(known, guardian_place(uai, source_key)),
            bool(fold(guardian.birth) and fold(guardian.first)),
            mobiles.found,
            phone_keys[0] if phone_keys else None,
            0 if self._erased.isdisjoint(erased_keys(self._vault, uai, source_key, known)) else 2,
        )
        return row, phone_keys

    def _link_row(self, link: Link) -> tuple[Any, ...]:
        guardian, pupil = self._ref(link.guardian), self._ref(link.pupil)
        return link.school, guardian, pupil, self._ref(link.class_name), link.legal

    def _ref(self, text: str) -> bytes:
        """Return what links find somebody by. Most formats have numbers, which tell nothing."""
        return text.encode() if text.isdecimal() or not text else self._vault.key("ref", text)

    # ---- what only shows when all is there ---------------------------------------------------

    def _part_shared_ines(self) -> Work[None]:
        """Give pupils of one school who share an INE the key of their names instead."""
        for statement in _FIND_SHARED_INES:
            yield from run(statement)
        while rows := (
            yield from every(
                "SELECT n, uai, source_key, name_key, sealed FROM staged_pupils"
                " JOIN shared_ines USING (n) WHERE source_key <> name_key LIMIT 1000"
            )
        ):
            parted = []
            for n, uai, source_key, name_key, sealed in rows:
                known = self._vault.open(sealed, pupil_place(uai, source_key))
                parted.append((name_key, self._vault.seal(known, pupil_place(uai, name_key)), n))
            yield from run_many(
                "UPDATE staged_pupils SET source_key = ?, sealed = ? WHERE n = ?", parted
            )


def drop() -> Work[None]:
    """Remove the TEMP tables of an import."""
    for statement in _DROP:
        yield from run(statement)
