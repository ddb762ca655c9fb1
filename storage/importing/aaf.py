"""AAF, the directory's XML for school portals: a file for each kind of thing (REGISTER 3)."""

from collections.abc import Iterator, Mapping

from storage.importing.files import Source
from storage.importing.records import (
    Guardian,
    Link,
    Pupil,
    Record,
    birth_and_usage,
    read_date,
    tidy,
)
from storage.importing.xml_reader import Element, Wanted, elements

ROOT = "ficAlimMENESR"

# fmt: off
_FIELDS = frozenset({
    "categoriePersonne", "categorieStructure", "ENTPersonJointure",
    "ENTPersonNomPatro", "ENTPersonNom", "sn", "givenName", "ENTPersonPrenom", "personalTitle",
    # pupils
    "ENTEleveINE", "ENTPersonDateNaissance", "ENTPersonStructRattach", "ENTEleveStructRattachId",
    "ENTElevePersRelEleve", "ENTEleveAutoriteParentale",
    # guardians
    "mobile", "ENTPersonMobileSMS", "ENTPersRelEleveTelMobile", "homePhone", "telephoneNumber",
    "mail",
    # schools
    "ENTStructureJointure", "ENTStructureUAI", "ENTEtablissementUAI", "ENTStructureNomCourant",
})
# fmt: on
REQUESTS = Wanted(
    dict.fromkeys(["addRequest", "modifyRequest", "deleteRequest"], _FIELDS), by_name=True
)


def category(element: Element) -> str:
    """Return what kind of thing a request adds: "Eleve", "PersRelEleve", "EtabEducNat"…"""
    return element.get("categoriePersonne", "categorieStructure")


def read_schools(source: Source) -> Iterator[tuple[str, str, str]]:
    """Yield the schools of an EtabEducNat file: identifier, UAI, name."""
    for element in elements(source, REQUESTS):
        uai = tidy(element.get("ENTStructureUAI", "ENTEtablissementUAI")).upper()
        if uai:
            name = tidy(element.get("ENTStructureNomCourant").replace("$", " "))
            yield tidy(element.get("ENTStructureJointure")), uai, name


def read_pupils(source: Source, schools: Mapping[str, str], only: str) -> Iterator[Record]:
    """Yield the pupils of an Eleve file and their links.

    `schools` gives the UAI of each school's identifier; `only` is the school of all pupils where
    there is but one, else "".
    """
    for element in elements(source, REQUESTS):
        _refuse_delta(source, element)
        school = _school(element, schools) or only
        if not school:
            raise source.refuse("aaf_school")
        pupil = tidy(element.get("ENTPersonJointure"))
        last, usage = _last_names(element)
        yield Pupil(
            school=school,
            ref=pupil,
            last=last,
            usage=usage,
            first=_first_name(element),
            birthdate=read_date(element.get("ENTPersonDateNaissance")),
            ine=tidy(element.get("ENTEleveINE")),
        )
        for guardian, legal in _relations(element):
            yield Link(school=school, guardian=guardian, pupil=pupil, legal=legal)


def read_guardians(source: Source) -> Iterator[Record]:
    """Yield the persons of a PersRelEleve file. Their schools are those of their children."""
    for element in elements(source, REQUESTS):
        _refuse_delta(source, element)
        person = tidy(element.get("ENTPersonJointure"))
        birth, usage = _last_names(element)
        yield Guardian(
            school="",
            ref=person,
            source=person,
            birth=birth,
            usage=usage,
            first=_first_name(element),
            title=tidy(element.get("personalTitle")),
            email=tidy(element.get("mail")),
            mobiles=_phones(element, "mobile", "ENTPersonMobileSMS", "ENTPersRelEleveTelMobile"),
            other_phones=_phones(element, "homePhone", "telephoneNumber"),
        )


def _refuse_delta(source: Source, element: Element) -> None:
    if element.tag != "addRequest":
        raise source.refuse("aaf_delta")


def _school(element: Element, schools: Mapping[str, str]) -> str:
    """Return the UAI of the school, which two fields may name, by its identifier or directly."""
    for field in ("ENTPersonStructRattach", "ENTEleveStructRattachId"):
        for named in element.values(field):
            if uai := schools.get(tidy(named)):
                return uai
    return ""


def _relations(element: Element) -> Iterator[tuple[str, bool]]:
    """Yield (guardian, is legal). A relation is "id$kinship$financial$legal$contact$payment"."""
    legal = {tidy(value) for value in element.values("ENTEleveAutoriteParentale")}
    for value in element.values("ENTElevePersRelEleve"):
        guardian, *rest = tidy(value).split("$")
        yield guardian, guardian in legal or (len(rest) > 2 and rest[2] in {"1", "2"})
        legal.discard(guardian)
    for guardian in sorted(legal):  # primary schools name the legal guardians here only
        yield guardian, True


def _last_names(element: Element) -> tuple[str, str]:
    return birth_and_usage(
        tidy(element.get("ENTPersonNomPatro", "ENTPersonNom")), tidy(element.get("sn"))
    )


def _first_name(element: Element) -> str:
    return tidy(element.get("givenName", "ENTPersonPrenom"))


def _phones(element: Element, *fields: str) -> tuple[str, ...]:
    values = (tidy(value) for field in fields for value in element.values(field))
    return tuple(dict.fromkeys(filter(None, values)))
