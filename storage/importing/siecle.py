"""SIECLE's two XML files (collège, lycée), of both generations (REGISTER 1)."""

from collections.abc import Iterator

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

# fmt: off
PARAMETERS = Wanted({"PARAMETRES": frozenset({"UAJ", "ANNEE_SCOLAIRE"})})
_PUPILS = Wanted({"ELEVE": frozenset({
    "ELEVE_ID", "ID_NATIONAL", "INE_RNIE", "INE_BEA", "NOM_DE_FAMILLE", "NOM", "NOM_USAGE",
    "PRENOM", "DATE_NAISS", "DATE_SORTIE", "DATE_SORTIE_ETAB",
})})
_GUARDIANS = Wanted({
    "PERSONNE": frozenset({
        "PERSONNE_ID", "LC_CIVILITE", "NOM_DE_FAMILLE", "NOM", "NOM_USAGE", "PRENOM",
        "TEL_PORTABLE", "TEL_PERSONNEL", "TEL_PROFESSIONNEL", "MEL",
    }),
    "RESPONSABLE_ELEVE": frozenset({
        "ELEVE_ID", "PERSONNE_ID", "NIVEAU_RESPONSABILITE", "RESP_LEGAL",
    }),
})
# fmt: on

PUPILS_ROOTS = frozenset({"BEE_ELEVES", "BEE_EPHC_ELEVES"})
GUARDIANS_ROOTS = frozenset({"BEE_RESPONSABLES", "BEE_EPHC_RESPONSABLES"})
OTHER_ROOTS = frozenset(
    {"BEE_NOMENCLATURES", "BEE_COMMUN", "BEE_STRUCTURES", "BEE_ETABLISSEMENTS", "IMPORT_ELEVES"}
)
"""Files of the same software that hold no register."""


def read_pupils(source: Source, uai: str) -> Iterator[Record]:
    """Yield the pupils of an Eleves…xml."""
    for element in elements(source, _PUPILS):
        last, usage = _last_names(element)
        yield Pupil(
            school=uai,
            ref=element.get("ELEVE_ID"),
            last=last,
            usage=usage,
            first=tidy(element.get("PRENOM")),
            birthdate=read_date(element.get("DATE_NAISS")),
            ine=tidy(element.get("ID_NATIONAL", "INE_RNIE", "INE_BEA")),
            left=bool(element.get("DATE_SORTIE", "DATE_SORTIE_ETAB")),
        )


def read_guardians(source: Source, uai: str) -> Iterator[Record]:
    """Yield the persons of a Responsables…xml, and their links with the pupils."""
    for element in elements(source, _GUARDIANS):
        if element.tag == "RESPONSABLE_ELEVE":
            yield Link(
                school=uai,
                guardian=element.get("PERSONNE_ID"),
                pupil=element.get("ELEVE_ID"),
                legal=_is_legal(element),
            )
            continue
        person = element.get("PERSONNE_ID")
        birth, usage = _last_names(element)
        yield Guardian(
            school=uai,
            ref=person,
            source=person,
            birth=birth,
            usage=usage,
            first=tidy(element.get("PRENOM")),
            title=tidy(element.get("LC_CIVILITE")),
            email=tidy(element.get("MEL")),
            mobiles=_phones(element, "TEL_PORTABLE"),
            other_phones=_phones(element, "TEL_PERSONNEL", "TEL_PROFESSIONNEL"),
        )


def _last_names(element: Element) -> tuple[str, str]:
    # Exports from before about 2012 call the birth name NOM.
    return birth_and_usage(
        tidy(element.get("NOM_DE_FAMILLE", "NOM")), tidy(element.get("NOM_USAGE"))
    )


def _phones(element: Element, *fields: str) -> tuple[str, ...]:
    return tuple(phone for field in fields if (phone := tidy(element.get(field))))


def _is_legal(element: Element) -> bool:
    """Level 1 since 2018, rank 1 or 2 before. Ranks decide nothing (REGISTER 1)."""
    level = element.get("NIVEAU_RESPONSABILITE")
    return level == "1" if level else element.get("RESP_LEGAL") in {"1", "2"}
