"""What an import does to the register: people are found again, and nothing is done by halves."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from flows.secret import Secret
from storage.database import Database, every, one, run
from storage.family import guardian_place, pupil_place
from storage.importing.load import load
from storage.importing.records import Guardian, Link, Pupil, RefusedFile
from storage.importing.report import Report
from storage.importing.staging import Unwatched
from storage.place import Place, open_database
from storage.vault import Vault
from tests.storage import exports
from tests.storage.exports import UAI, adult, child, link, siecle

NOW = datetime(2025, 11, 23, tzinfo=UTC)

LEA, NOE = child("DUPONT", "Léa", ref="1"), child("DUPONT", "Noé", ref="2")
MARIE, PAUL = adult("DUPONT", "Marie", ref="7"), adult("DUPONT", "Paul", "0698765432", ref="8")
TIES = [link("7", "1"), link("7", "2"), link("8", "1")]


class Registry:
    """The register of a test, looked at."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.vault = Vault(Secret("test"))
        self._folder = folder

    async def take(
        self,
        pupils: Iterable[Pupil] = (LEA, NOE),
        guardians: Iterable[Guardian] = (MARIE, PAUL),
        links: Iterable[Link] = TIES,
        dry_run: bool = False,
    ) -> Report:
        """Import a SIECLE export."""
        return await self.load(siecle(self._folder, pupils, guardians, links), dry_run=dry_run)

    async def load(
        self, paths: list[Path], uai: str = "", dry_run: bool = False, school: str = ""
    ) -> Report:
        """Import files."""
        return await load(
            paths,
            database=self.database,
            vault=self.vault,
            watch=Unwatched(),
            now=NOW,
            school=school,
            uai=uai,
            dry_run=dry_run,
        )

    async def files(self, **content: str) -> list[Path]:
        """Write files and return their paths."""
        paths = []
        for name, text in content.items():
            paths.append(self._folder / name)
            paths[-1].write_text(text, encoding="utf-8")
        return paths

    async def guardians(self, gone: bool = False) -> dict[str, int]:
        """Who is there, or gone: "first birth (usage)" and their id."""
        rows = await self.database.run(
            every(
                "SELECT id, uai, source_key, sealed FROM guardians WHERE (gone_at IS NULL) = ?"
                " ORDER BY id",
                not gone,
            )
        )
        people = {}
        for number, uai, key, sealed in rows:
            known = self.vault.open(sealed, guardian_place(uai, key))
            people[f"{known['first']} {known['birth']}"] = number
        return people

    async def pupils(self) -> dict[str, int]:
        """Who is there, by first name, and their id."""
        rows = await self.database.run(
            every("SELECT id, uai, source_key, sealed FROM pupils WHERE gone_at IS NULL")
        )
        return {
            self.vault.open(sealed, pupil_place(uai, key))["first"]: number
            for number, uai, key, sealed in rows
        }

    async def links(self) -> set[tuple[int, int, int]]:
        """All links."""
        return set(await self.database.run(every("SELECT guardian, pupil, legal FROM links")))


@pytest.fixture
async def registry(place: Place, tmp_path: Path) -> AsyncIterator[Registry]:
    async with open_database(place) as database:
        yield Registry(database, tmp_path)


def _changes(report: Report) -> tuple[int, int, int]:
    totals = report.as_json()["totals"]
    return totals["added"], totals["changed"], totals["gone"]


async def test_the_same_file_twice_changes_nothing(registry: Registry) -> None:
    left = child("PARTI", "Tom", ref="3", left=True)
    assert _changes(await registry.take((LEA, NOE, left))) == (3 + 2 + 3, 0, 0)
    before = await registry.database.run(every("SELECT * FROM guardians, pupils, links"))
    assert _changes(await registry.take((LEA, NOE, left))) == (0, 0, 0)
    assert await registry.database.run(every("SELECT * FROM guardians, pupils, links")) == before


async def test_the_guardians_of_a_school_are_counted(registry: Registry) -> None:
    """The day's budget of SMS grows with them (RELIABILITY 5)."""
    counted = every("SELECT sum(guardians) FROM schools")
    await registry.take()
    assert await registry.database.run(counted) == [(len(await registry.guardians()),)]
    await registry.take((LEA,), (MARIE,))
    assert await registry.database.run(every("SELECT sum(guardians) FROM schools")) == [(1,)]


async def test_a_new_export_adds_changes_and_marks_who_is_gone(registry: Registry) -> None:
    await registry.take()
    people = await registry.guardians()
    marie = MARIE._replace(mobiles=("0611223344",))
    anne = adult("MARTIN", "Anne", ref="9")
    report = await registry.take((LEA,), (marie, anne), [link("7", "1", False), link("9", "1")])
    assert report.changes["guardians"] == (1, 1, 1)
    assert report.changes["pupils"] == (0, 0, 1)
    assert report.changes["links"] == (1, 1, 2)
    assert await registry.guardians(gone=True) == {"Paul DUPONT": people["Paul DUPONT"]}
    assert (await registry.guardians())["Marie DUPONT"] == people["Marie DUPONT"]
    key = registry.vault.key
    for number, found in (("+33611223344", 1), ("+33612345678", 1), ("+33600000000", 0)):
        sql = "SELECT count(*) FROM guardian_phones WHERE phone_key = ?"
        row = await registry.database.run(one(sql, key("phone", number)))
        assert row == (found,)


async def test_who_comes_back_is_the_same_person(registry: Registry) -> None:
    await registry.take()
    people, links = await registry.guardians(), await registry.links()
    await registry.take(guardians=(MARIE,), links=TIES[:2])
    report = await registry.take()
    assert report.changes["guardians"] == (0, 1, 0)
    assert await registry.guardians() == people
    assert await registry.links() == links


async def test_a_dry_run_tells_and_writes_nothing(registry: Registry) -> None:
    report = await registry.take(dry_run=True)
    assert _changes(report) == (7, 0, 0)
    assert await registry.guardians() == {}
    assert await registry.database.run(every("SELECT * FROM schools")) == []


async def test_a_refused_file_leaves_the_register_as_it_was(
    registry: Registry, tmp_path: Path
) -> None:
    await registry.take()
    before = await registry.database.run(every("SELECT * FROM guardians, pupils, links"))
    paths = siecle(tmp_path / "again", [LEA], [MARIE], [])
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[: whole.index(b"</PERSONNE>")])
    with pytest.raises(RefusedFile) as refused:
        await registry.load(paths)
    assert refused.value.key == "import.refused.malformed"
    assert await registry.database.run(every("SELECT * FROM guardians, pupils, links")) == before


# ---- who is who ------------------------------------------------------------------------------


async def test_identifiers_given_anew_do_not_mix_up_people(registry: Registry) -> None:
    await registry.take()
    people = await registry.guardians()
    swapped = (MARIE._replace(ref="8"), PAUL._replace(ref="7"))
    report = await registry.take(
        guardians=swapped, links=[link("8", "1"), link("8", "2"), link("7", "1")]
    )
    assert _changes(report) == (0, 0, 0)
    assert await registry.guardians() == people
    assert _changes(await registry.take()) == (0, 0, 0)


async def test_an_identifier_given_to_somebody_else_is_somebody_else(registry: Registry) -> None:
    await registry.take(guardians=(MARIE,), links=TIES[:2])
    people = await registry.guardians()
    await registry.take(guardians=(adult("MARTIN", "Sophie", ref="7"),), links=TIES[:2])
    assert await registry.guardians(gone=True) == people
    assert set((await registry.guardians()).values()).isdisjoint(people.values())


@pytest.mark.parametrize(
    "renamed",
    [
        adult("DUPONT", "Marie-Anne", ref="7"),
        adult("DURAND", "Marie", ref="7"),
        adult("DURAND", "Anne", ref="7", usage="DUPONT"),
    ],
)
async def test_a_name_mended_is_the_same_person(registry: Registry, renamed: Guardian) -> None:
    await registry.take(guardians=(MARIE,), links=TIES[:2])
    people = await registry.guardians()
    report = await registry.take(guardians=(renamed,), links=TIES[:2])
    assert report.changes["guardians"] == (0, 1, 0)
    assert list((await registry.guardians()).values()) == list(people.values())


async def test_namesakes_are_told_apart_by_their_number(registry: Registry) -> None:
    twins = (MARIE, MARIE._replace(ref="9", mobiles=("0698765432",)))
    await registry.take(guardians=twins, links=[link("7", "1"), link("9", "2")])
    links = await registry.links()
    moved = (twins[0]._replace(ref="21"), twins[1]._replace(ref="20"))
    report = await registry.take(guardians=moved, links=[link("21", "1"), link("20", "2")])
    assert _changes(report) == (0, 0, 0)
    assert await registry.links() == links


async def test_thousands_of_namesakes_are_no_burden(registry: Registry) -> None:
    many = [MARIE._replace(ref=str(n), mobiles=()) for n in range(10_000)]
    await registry.take(guardians=many, links=[])
    moved = [one._replace(ref=f"9{one.ref}") for one in many]
    report = await registry.take(guardians=moved, links=[])  # minutes, if pairs were compared
    assert report.changes["guardians"].added == report.changes["guardians"].gone


async def test_who_has_an_account_keeps_it_through_any_import(registry: Registry) -> None:
    await registry.take()
    marie = (await registry.guardians())["Marie DUPONT"]
    await registry.database.run(
        run(
            "INSERT INTO accounts (id, identifier_key, password_hash, sealed, chat, opened_at)"
            " VALUES (1, ?, '', ?, ?, 0)",
            *(b"\1", b"", b""),
        )
    )
    await registry.database.run(run("INSERT INTO account_guardians VALUES (?, 1)", marie))
    exports_ = [
        ((LEA,), (MARIE._replace(ref="99"),), [link("99", "1")]),
        ((LEA,), (adult("AUTRE", "Jeanne"),), [link("7", "1")]),
        ((LEA,), (PAUL._replace(ref="7"),), [link("7", "1")]),
        (
            (LEA,),
            (MARIE._replace(ref="50", usage="LEROY"), PAUL),
            [link("50", "1"), link("8", "1")],
        ),
    ]
    for pupils, guardians, links in exports_:
        await registry.take(pupils, guardians, links)
        rows = await registry.database.run(every("SELECT guardian, account FROM account_guardians"))
        assert rows == [(marie, 1)]
    assert (await registry.guardians())["Marie DUPONT"] == marie


async def test_pupils_keep_their_place_whatever_identifies_them(registry: Registry) -> None:
    await registry.take((LEA,), (MARIE,), [link()])
    pupils = await registry.pupils()
    with_ine = LEA._replace(ref="77", ine="123456789AB")
    await registry.take((with_ine,), (MARIE,), [link("7", "77")])
    assert await registry.pupils() == pupils
    renamed = with_ine._replace(first="Lea-Rose")
    await registry.take((renamed,), (MARIE,), [link("7", "77")])
    assert list((await registry.pupils()).values()) == list(pupils.values())


async def test_a_shared_ine_keeps_two_children_apart(registry: Registry) -> None:
    pupils = (LEA._replace(ine="1A"), NOE._replace(ine="1A"), child("X", "Y", ref="3", ine="2A"))
    report = await registry.take(pupils)
    assert report.warnings["shared_ine"] == 2
    assert set(await registry.pupils()) == {"Léa", "Noé", "Y"}
    assert _changes(await registry.take(pupils)) == (0, 0, 0)


# ---- who can activate ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("guardian", "pupil", "ties", "reason"),
    [
        (MARIE, LEA, [], "no_pupil"),
        (MARIE, LEA, [link("7", "404")], "no_pupil"),
        (MARIE, LEA, [link(legal=False)], "not_legal"),
        (MARIE, LEA._replace(left=True), [link()], "pupil_left"),
        (MARIE, LEA._replace(birthdate=None), [link()], "pupil_without_birthdate"),
        (adult("DUPONT", ""), LEA, [link()], "name_missing"),
        (adult("", "Marie"), LEA, [link()], "name_missing"),
        (adult("DUPONT", "Marie", ""), LEA, [link()], "no_mobile"),
        (adult("DUPONT", "Marie", "", home="0146123456"), LEA, [link()], "landline_only"),
        (adult("DUPONT", "Marie", "01 46 12 34 56"), LEA, [link()], "landline_only"),
        (adult("DUPONT", "Marie", "LISTE ROUGE"), LEA, [link()], "not_a_number"),
        (adult("DUPONT", "Marie", "061234"), LEA, [link()], "not_a_number"),
        (adult("DUPONT", "Marie", "0899123456"), LEA, [link()], "special_number"),
        (adult("DUPONT", "Marie", "+870772001234"), LEA, [link()], "special_number"),
    ],
)
async def test_one_main_reason(
    registry: Registry, guardian: Guardian, pupil: Pupil, ties: list[Link], reason: str
) -> None:
    report = await registry.take([pupil], [guardian], ties)
    assert {name for name, number in report.totals.refused.items() if number} == {reason}
    assert report.totals.activable_any_phone_field == 0


async def test_a_mobile_in_another_field_counts_apart(registry: Registry) -> None:
    people = [
        adult("DUPONT", "Marie", "", home="0612345678"),
        adult("DUPONT", "Paul", "LISTE ROUGE", ref="8", home="0698765432"),
        adult("DUPONT", "Anne", "0611223344", ref="9"),
    ]
    report = await registry.take([LEA], people, [link(one.ref) for one in people])
    assert (report.totals.activable, report.totals.activable_any_phone_field) == (1, 3)
    assert not any(report.totals.refused.values())


async def test_the_same_person_twice_in_a_file_counts_once(registry: Registry) -> None:
    report = await registry.take(guardians=(MARIE, MARIE, PAUL))
    assert report.totals.guardians == 3
    assert report.totals.activable == 2
    assert report.totals.refused["duplicate"] == 1


async def test_one_person_of_two_schools_is_counted_once(
    registry: Registry, tmp_path: Path
) -> None:
    other = [one._replace(birth="D?PONT") for one in (MARIE,)]
    paths = [
        *siecle(tmp_path / "one", [LEA], [MARIE], [link()]),
        *siecle(tmp_path / "two", [LEA], other, [link()], exports.OTHER_UAI),
    ]
    report = await registry.load(paths)
    assert [one["uai"] for one in report.as_json()["schools"]] == [UAI, exports.OTHER_UAI]
    assert report.totals.activable == 2
    assert report.activable_distinct == 1


# ---- the other formats -----------------------------------------------------------------------


async def _onde(
    registry: Registry, guardians: Sequence[Guardian], ties: Sequence[Link], pupils: Sequence[Pupil]
) -> Report:
    paths = await registry.files(
        a=exports.onde_pupils(pupils), b=exports.onde_guardians(guardians, ties, pupils)
    )
    return await registry.load(paths, UAI)


async def test_onde_children_are_found_by_name_then_by_class(registry: Registry) -> None:
    pupils = [
        LEA,
        NOE._replace(class_name="CP"),
        child("DUPONT", "Noé", date(2011, 1, 1), ref="3")._replace(class_name="CE1"),
    ]
    report = await _onde(registry, [MARIE], [link("7", "1"), link("7", "3")], pupils)
    assert report.warnings["child_not_found"] == 0
    assert (report.totals.links, report.totals.legal_links) == (2, 2)
    ids = await registry.database.run(every("SELECT count(*) FROM links"))
    assert ids == [(2,)]


async def test_onde_children_who_may_be_two_are_not_linked(registry: Registry) -> None:
    pupils = [LEA, LEA._replace(ref="2", birthdate=date(2011, 1, 1))]
    report = await _onde(registry, [MARIE], [link("7", "1")], pupils)
    assert report.warnings["child_not_found"] == 1
    assert report.totals.refused["no_pupil"] == 1


async def test_onde_namesakes_stay_apart_and_siblings_may_join(registry: Registry) -> None:
    namesakes = [MARIE, MARIE._replace(ref="9", mobiles=("0698765432",))]
    await _onde(registry, namesakes, [link("7", "1"), link("9", "2")], [LEA, NOE])
    rows = await registry.database.run(every("SELECT id FROM guardians ORDER BY id"))
    assert len(rows) == 2
    zoe = child("DUPONT", "Zoé", ref="3")
    ties = [link("7", "1"), link("7", "3"), link("9", "2")]
    report = await _onde(registry, namesakes, ties, [LEA, NOE, zoe])
    assert report.changes["guardians"] == (0, 0, 0)
    assert report.changes["links"] == (1, 0, 0)


async def test_aaf_puts_a_guardian_into_every_school_of_their_children(registry: Registry) -> None:
    paths = await registry.files(
        s=exports.aaf(
            [exports.aaf_school("9", UAI, "LILAS"), exports.aaf_school("8", exports.OTHER_UAI, "")]
        ),
        p=exports.aaf([exports.aaf_pupil(LEA, TIES, "9"), exports.aaf_pupil(NOE, TIES, "8")]),
        g=exports.aaf([exports.aaf_guardian(MARIE), exports.aaf_guardian(PAUL)]),
    )
    report = await registry.load(paths)
    assert {uai: one.guardians for uai, one in report.schools.items()} == {
        UAI: 2,
        exports.OTHER_UAI: 1,
    }
    assert report.activable_distinct == 2
    assert _changes(await registry.load(paths)) == (0, 0, 0)
    name = await registry.database.run(one("SELECT name FROM schools WHERE uai = ?", UAI))
    assert name == ("LILAS",)


async def test_a_school_keeps_the_name_that_the_command_gave_it(
    registry: Registry, tmp_path: Path
) -> None:
    paths = siecle(tmp_path, (LEA, NOE), (MARIE, PAUL), TIES)
    await registry.load(paths, school="Collège des Lilas")
    await registry.load(paths)
    assert await registry.database.run(one("SELECT name FROM schools")) == ("Collège des Lilas",)
    more = siecle(tmp_path / "other", (LEA,), (MARIE,), TIES[:1], uai=exports.OTHER_UAI)
    with pytest.raises(RefusedFile) as refused:
        await registry.load([*paths, *more], school="Collège des Lilas")
    assert refused.value.key == "import.refused.one_school"


async def test_our_csv_repeats_people_without_doubling_them(registry: Registry) -> None:
    rows = exports.plain_csv([MARIE, PAUL], TIES, [LEA, NOE])
    paths = await registry.files(r=exports.table(rows))
    report = await registry.load(paths)
    assert (report.totals.guardians, report.totals.pupils, report.totals.links) == (2, 2, 3)
    assert report.totals.activable == 2
    assert _changes(await registry.load(paths)) == (0, 0, 0)


async def test_the_file_of_the_database_shows_nobody(registry: Registry, tmp_path: Path) -> None:
    await registry.take()
    await registry.database.run(run("DELETE FROM updates"))
    content = b"".join(path.read_bytes() for path in tmp_path.glob("register.sqlite3*"))
    for secret in ("DUPONT", "dupont", "Marie", "612345678", "2012-03-14", "Léa"):
        assert secret.encode() not in content
