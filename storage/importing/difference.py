"""What is staged against what the register holds: who is who, what differs, and writing it."""

from datetime import datetime
from typing import NamedTuple

from storage.database import Work, every, run, run_many, stamp
from storage.family import guardian_place
from storage.importing.records import folded
from storage.vault import Vault

# Nearly everybody has the same identifier as before, and the same name. In the school's last
# export, as in this one, an identifier is one person's. By the name's index, which SQLite might
# choose, thousands of namesakes would be compared with each other.
_FIND_SAME = {
    "guardians": "UPDATE staged_guardians AS new SET id = old.id FROM guardians AS old"
    " INDEXED BY guardians_by_source"
    " WHERE old.uai = new.uai AND old.source_key = new.source_key"
    " AND old.name_key = new.name_key AND gone_at IS NULL AND is_twin = 0",
    "pupils": "UPDATE staged_pupils AS new SET id = old.id FROM pupils AS old"
    " WHERE old.uai = new.uai AND old.source_key = new.source_key"
    " AND gone_at IS NULL AND is_twin = 0",
}

# By what the others are found again, most certain first: only where one person of the school has
# that, and one staged person. Identifiers may be given anew between two exports, so a name found
# elsewhere goes before an identifier alone (`_find_renamed`).
_FIND_BY = {
    "guardians": ("source_key, name_key", "name_key, phone_key", "name_key"),
    "pupils": ("source_key", "name_key"),
}
_NOT_FOUND = (
    "uai IN (SELECT uai FROM staged_schools)"
    " AND id NOT IN (SELECT id FROM staged_PEOPLE WHERE id IS NOT NULL)"
)
_ANY_LEFT = (
    "SELECT EXISTS (SELECT 1 FROM staged_PEOPLE WHERE id IS NULL AND is_twin = 0)"
    " AND EXISTS (SELECT 1 FROM PEOPLE WHERE NOT_FOUND)"
).replace("NOT_FOUND", _NOT_FOUND)
_FIND = (
    "UPDATE staged_PEOPLE SET id = pairs.id FROM (SELECT n, id,"
    " count(*) OVER (PARTITION BY n) AS olds, count(*) OVER (PARTITION BY id) AS news FROM"
    " (SELECT DISTINCT n, id FROM"
    " (SELECT uai, COLUMNS, min(n) AS n FROM staged_PEOPLE NEW_PHONES"
    " WHERE id IS NULL AND is_twin = 0 GROUP BY uai, COLUMNS HAVING count(*) = 1) AS fresh JOIN"
    " (SELECT uai, COLUMNS, min(id) AS id FROM PEOPLE OLD_PHONES"
    " WHERE NOT_FOUND GROUP BY uai, COLUMNS HAVING count(*) = 1) AS known"
    " USING (uai, COLUMNS)) AS found) AS pairs"
    " WHERE pairs.n = staged_PEOPLE.n AND olds = 1 AND news = 1"
).replace("NOT_FOUND", _NOT_FOUND)


class Changes(NamedTuple):
    """How many rows of a kind are new, otherwise, and no longer there."""

    added: int
    changed: int
    gone: int


def compare(vault: Vault) -> Work[dict[str, Changes]]:
    """Find everybody again and say what differs. Writes to TEMP tables only."""
    for people, same in _FIND_SAME.items():
        yield from run(same)
        for columns in _FIND_BY[people]:
            if not (yield from run(_ANY_LEFT.replace("PEOPLE", people)))[0][0]:
                break
            yield from run(_find(people, columns))
    yield from _find_renamed(vault)
    for people in _FIND_BY:
        for statement in _MARK:
            yield from run(statement.replace("PEOPLE", people))
    for statement in _NEW_LINKS:
        yield from run(statement)
    return {
        "guardians": Changes(*(yield from run(_COUNT.replace("PEOPLE", "guardians")))[0]),
        "pupils": Changes(*(yield from run(_COUNT.replace("PEOPLE", "pupils")))[0]),
        "links": Changes(*(yield from run(_COUNT_LINKS))[0]),
    }


def _find(people: str, columns: str) -> str:
    by_phone = "phone_key" in columns
    return (
        _FIND.replace("NEW_PHONES", "JOIN staged_phones ON guardian = n" if by_phone else "")
        .replace("OLD_PHONES", "JOIN guardian_phones ON guardian = id" if by_phone else "")
        .replace("COLUMNS", columns)
        .replace("PEOPLE", people)
    )


def _find_renamed(vault: Vault) -> Work[None]:
    """Find who has kept their identifier, and their last or first name but not both."""
    last = 0
    while rows := (
        yield from every(
            "SELECT new.n, new.uai, new.source_key, new.sealed, old.id, old.sealed"
            " FROM staged_guardians AS new JOIN guardians AS old"
            " ON old.uai = new.uai AND old.source_key = new.source_key AND old.gone_at IS NULL"
            " WHERE new.id IS NULL AND new.is_twin = 0 AND new.n > ? AND old.id NOT IN"
            " (SELECT id FROM staged_guardians WHERE id IS NOT NULL) ORDER BY new.n LIMIT 1000",
            last,
        )
    ):
        found = []
        for n, uai, source_key, new, old_id, old in rows:
            place = guardian_place(uai, source_key)
            if _is_alike(vault.open(old, place), vault.open(new, place)):
                found.append((old_id, n))
        yield from run_many("UPDATE staged_guardians SET id = ? WHERE n = ?", found)
        last = rows[-1][0]


def _is_alike(old: dict[str, str], new: dict[str, str]) -> bool:
    return folded(old["first"]) == folded(new["first"]) or not _last_names(old).isdisjoint(
        _last_names(new)
    )


def _last_names(person: dict[str, str]) -> set[str]:
    return {folded(name) for name in (person["birth"], person["usage"]) if name}


# `change` is added, changed, moved (only the identifier is another one) or NULL. Those who are
# new get their id at once, since the links need it: never one that was in use before.
_MARK = (
    "UPDATE staged_PEOPLE SET change = 'added', id = n + coalesce("
    "(SELECT last FROM numbers WHERE name = 'PEOPLE'), 0)"
    " WHERE id IS NULL AND is_twin = 0",
    "UPDATE staged_PEOPLE AS new SET change ="
    " CASE WHEN old.digest <> new.digest OR (old.gone_at IS NOT NULL AND new.has_left = 0)"
    " THEN 'changed' WHEN old.source_key <> new.source_key THEN 'moved' END"
    " FROM PEOPLE AS old WHERE old.id = new.id AND change IS NULL",
)

_NEW_LINKS = (
    "CREATE TEMP TABLE new_links (guardian INTEGER, pupil INTEGER, legal INTEGER,"
    " PRIMARY KEY (guardian, pupil)) WITHOUT ROWID",
    "INSERT INTO new_links SELECT g.id, p.id, max(legal) FROM ties"
    " JOIN staged_guardians AS g ON g.n = ties.guardian JOIN staged_pupils AS p ON p.n = ties.pupil"
    " WHERE g.id IS NOT NULL AND p.id IS NOT NULL GROUP BY g.id, p.id",
)

_GONE = f"gone_at IS NULL AND {_NOT_FOUND}"
_OLD_LINKS = (
    "guardian IN (SELECT id FROM guardians WHERE uai IN (SELECT uai FROM staged_schools))"
    " AND NOT EXISTS (SELECT 1 FROM new_links AS new"
    " WHERE new.guardian = links.guardian AND new.pupil = links.pupil)"
)

_COUNT = (
    "SELECT (SELECT count(*) FROM staged_PEOPLE WHERE change = 'added'),"
    " (SELECT count(*) FROM staged_PEOPLE WHERE change = 'changed'),"
    " (SELECT count(*) FROM PEOPLE WHERE GONE)"
).replace("GONE", _GONE)
_COUNT_LINKS = (
    "SELECT count(*) FILTER (WHERE old.legal IS NULL),"
    " count(*) FILTER (WHERE old.legal <> new.legal),"
    " (SELECT count(*) FROM links WHERE OLD_LINKS)"
    " FROM new_links AS new LEFT JOIN links AS old USING (guardian, pupil)"
).replace("OLD_LINKS", _OLD_LINKS)


def write(now: datetime) -> Work[None]:
    """Bring the register to what is staged, after `compare` in the same transaction."""
    yield from run(_WRITE_SCHOOLS, stamp(now))
    for people in _FIND_BY:
        for statement in _WRITE:
            yield from run(statement.replace("PEOPLE", people), stamp(now))
        yield from run(_KEEP_NUMBER.replace("PEOPLE", people))
    for statement in (*_WRITE_PHONES, *_WRITE_LINKS, _COUNT_GUARDIANS):
        yield from run(statement)


_WRITE_SCHOOLS = (
    "INSERT INTO schools (uai, format, name, year, imported_at)"
    " SELECT uai, format, name, year, ? FROM staged_schools WHERE true"
    " ON CONFLICT (uai) DO UPDATE SET format = excluded.format, year = excluded.year,"
    " name = CASE excluded.name WHEN '' THEN schools.name ELSE excluded.name END,"
    " imported_at = excluded.imported_at"
)
_WRITE = (
    "UPDATE PEOPLE SET gone_at = ? WHERE GONE".replace("GONE", _GONE),
    "UPDATE PEOPLE AS old SET source_key = new.source_key, name_key = new.name_key,"
    " digest = new.digest, sealed = new.sealed,"
    " gone_at = CASE WHEN has_left = 1 THEN coalesce(gone_at, ?) END"
    " FROM staged_PEOPLE AS new WHERE new.id = old.id AND change IN ('changed', 'moved')",
    "INSERT INTO PEOPLE (id, uai, source_key, name_key, digest, sealed, gone_at)"
    " SELECT id, uai, source_key, name_key, digest, sealed,"
    " CASE WHEN has_left = 1 THEN CAST(? AS BIGINT) END"
    " FROM staged_PEOPLE WHERE change = 'added' ORDER BY id",
)
_KEEP_NUMBER = (
    "INSERT INTO numbers (name, last) SELECT 'PEOPLE', id FROM staged_PEOPLE"
    " WHERE change = 'added' ORDER BY id DESC LIMIT 1"
    " ON CONFLICT (name) DO UPDATE SET last = excluded.last"
)
_COUNT_GUARDIANS = (
    "UPDATE schools SET guardians = (SELECT count(*) FROM guardians"
    " WHERE guardians.uai = schools.uai AND gone_at IS NULL)"
    " WHERE uai IN (SELECT uai FROM staged_schools)"
)
# In the order of their keys: random places in a large index cost most of the time.
_WRITE_PHONES = (
    "DELETE FROM guardian_phones WHERE guardian IN"
    " (SELECT id FROM staged_guardians WHERE change = 'changed')",
    "INSERT INTO guardian_phones (phone_key, guardian)"
    " SELECT phone_key, id FROM staged_phones JOIN staged_guardians ON n = guardian"
    " WHERE change IN ('added', 'changed') ORDER BY phone_key ON CONFLICT DO NOTHING",
)
_WRITE_LINKS = (
    "DELETE FROM links WHERE OLD_LINKS".replace("OLD_LINKS", _OLD_LINKS),
    "INSERT INTO links (guardian, pupil, legal) SELECT guardian, pupil, legal FROM new_links"
    " WHERE true ON CONFLICT (guardian, pupil) DO UPDATE SET legal = excluded.legal"
    " WHERE links.legal <> excluded.legal",
)
