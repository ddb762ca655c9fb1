"""Records written as the schools' software writes them: the other way round from the readers."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from storage.importing.records import Guardian, Link, Pupil

UAI = "0960002F"
OTHER_UAI = "0960003G"


def child(
    last: str,
    first: str,
    born: date | None = date(2012, 3, 14),
    ref: str = "1",
    ine: str = "",
    left: bool = False,
) -> Pupil:
    """A pupil of UAI."""
    return Pupil(UAI, ref, last, first, birthdate=born, ine=ine, left=left)


def adult(
    birth: str,
    first: str,
    mobile: str = "06 12 34 56 78",
    ref: str = "7",
    usage: str = "",
    home: str = "",
) -> Guardian:
    """A guardian of UAI."""
    phones = (tuple(filter(None, [mobile])), tuple(filter(None, [home])))
    return Guardian(UAI, ref, ref, birth, first, usage, "MME", "", *phones)


def link(guardian: str = "7", pupil: str = "1", legal: bool = True) -> Link:
    """A link of UAI."""
    return Link(UAI, guardian, pupil, legal)


# ---- SIECLE ----------------------------------------------------------------------------------


def eleves(pupils: Iterable[Pupil], uai: str = UAI, year: str = "2025") -> str:
    """An Eleves…xml."""
    rows = "".join(
        f"<ELEVE ELEVE_ID={quoteattr(one.ref)}>"
        + _element("ID_NATIONAL", one.ine)
        + _element("NOM_DE_FAMILLE", one.last)
        + _element("NOM_USAGE", one.usage)
        + _element("PRENOM", one.first)
        + (f"<DATE_NAISS>{one.birthdate:%d/%m/%Y}</DATE_NAISS>" if one.birthdate else "")
        + ("<DATE_SORTIE>01/02/2026</DATE_SORTIE>" if one.left else "")
        + "</ELEVE>\n"
        for one in pupils
    )
    return _siecle("BEE_ELEVES", uai, year, f"<ELEVES>{rows}</ELEVES>")


def responsables(
    guardians: Iterable[Guardian],
    links: Iterable[Link],
    uai: str = UAI,
    year: str = "2025",
    before_2018: bool = False,
) -> str:
    """A Responsables…xml, of either generation."""
    legal, not_legal = (
        ("<RESP_LEGAL>2</RESP_LEGAL>", "<RESP_LEGAL>0</RESP_LEGAL>")
        if before_2018
        else (
            "<NIVEAU_RESPONSABILITE>1</NIVEAU_RESPONSABILITE>",
            "<NIVEAU_RESPONSABILITE>3</NIVEAU_RESPONSABILITE>",
        )
    )
    persons = "".join(
        f"<PERSONNE PERSONNE_ID={quoteattr(one.ref)}>"
        + _element("LC_CIVILITE", one.title)
        + _element("NOM_DE_FAMILLE", one.birth)
        + _element("NOM_USAGE", one.usage)
        + _element("PRENOM", one.first)
        + _element("TEL_PERSONNEL", "".join(one.other_phones[:1]))
        + _element("TEL_PORTABLE", "".join(one.mobiles[:1]))
        + _element("TEL_PROFESSIONNEL", "".join(one.other_phones[1:2]))
        + _element("MEL", one.email)
        + "</PERSONNE>\n"
        for one in guardians
    )
    ties = "".join(
        "<RESPONSABLE_ELEVE>"
        + _element("ELEVE_ID", one.pupil)
        + _element("PERSONNE_ID", one.guardian)
        + (legal if one.legal else not_legal)
        + "</RESPONSABLE_ELEVE>\n"
        for one in links
    )
    body = f"<RESPONSABLES>{ties}</RESPONSABLES><PERSONNES>{persons}</PERSONNES>"
    return _siecle("BEE_RESPONSABLES", uai, year, body)


def _siecle(root: str, uai: str, year: str, body: str) -> str:
    parameters = _element("UAJ", uai) + _element("ANNEE_SCOLAIRE", year)
    return (
        f'<{root} VERSION="3.0">\n<PARAMETRES>{parameters}</PARAMETRES>\n'
        f"<DONNEES>{body}</DONNEES></{root}>\n"
    )


def _element(tag: str, text: str) -> str:
    return f"<{tag}>{escape(text)}</{tag}>" if text else ""


def xml(text: str, encoding: str = "ISO-8859-15") -> bytes:
    """An XML text in an encoding that its declaration names."""
    declared = "UTF-8" if encoding == "utf-8-sig" else encoding
    return f'<?xml version="1.0" encoding="{declared}"?>\n{text}'.encode(encoding)


def siecle(
    folder: Path,
    pupils: Iterable[Pupil],
    guardians: Iterable[Guardian],
    links: Iterable[Link],
    uai: str = UAI,
) -> list[Path]:
    """Both files of a school, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "a.xml", folder / "b.xml"]
    paths[0].write_bytes(xml(eleves(pupils, uai)))
    paths[1].write_bytes(xml(responsables(guardians, links, uai)))
    return paths


# ---- ONDE ------------------------------------------------------------------------------------


def onde_pupils(pupils: Iterable[Pupil], dates: str = "%Y-%m-%d") -> str:
    """The pupils' file."""
    header = [
        "Nom Elève",
        "Nom d'usage Elève",
        "Prénom Elève",
        "Date naissance",
        " Cycle",
        "Classe",
    ]
    rows = [
        [
            one.last,
            one.usage,
            one.first,
            one.birthdate.strftime(dates) if one.birthdate else "",
            "CYCLE III",
            one.class_name,
        ]
        for one in pupils
    ]
    return table([header, *rows])


def onde_guardians(
    guardians: Iterable[Guardian], links: Sequence[Link], pupils: Sequence[Pupil]
) -> str:
    """The guardians' file; rows are as long as their children are many."""
    header = [
        "Civilité Responsable",
        "Nom usage responsable",
        "Nom responsable",
        "Prénom responsable",
        "Courriel",
        "Téléphone domicile",
        "Téléphone travail",
        "Téléphone portable",
        *["Nom d'usage enfant", "Nom de famille enfant", "Prénom enfant", "Classes enfants"] * 2,
    ]
    known = {one.ref: one for one in pupils}
    rows = []
    for one in guardians:
        children = [known[tie.pupil] for tie in links if tie.guardian == one.ref]
        home, work, *_ = (*one.other_phones, "", "")
        row = [one.title, one.usage, one.birth, one.first, one.email, home, work]
        row += ["".join(one.mobiles[:1])]
        for each in children:
            row += [each.usage, each.last, each.first, each.class_name]
        rows.append(row)
    return table([header, *rows])


def table(rows: Iterable[Sequence[str]], separator: str = ";") -> str:
    """A CSV text, with Windows' line ends."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows(rows)
    return text.getvalue()


# ---- AAF -------------------------------------------------------------------------------------

AAF_DOCTYPE = '<!DOCTYPE ficAlimMENESR SYSTEM "ficAlimMENESR.dtd">\n'


def aaf(requests: Iterable[str]) -> str:
    """An AAF file of requests."""
    return f"{AAF_DOCTYPE}<ficAlimMENESR>{''.join(requests)}</ficAlimMENESR>"


def aaf_school(identifier: str, uai: str, name: str) -> str:
    """A school."""
    values = {
        "ENTStructureJointure": [identifier],
        "ENTStructureUAI": [uai],
        "ENTStructureNomCourant": [name],
    }
    return _request("categorieStructure", "EtabEducNat", values)


def aaf_pupil(pupil: Pupil, links: Iterable[Link], school: str) -> str:
    """A pupil and their links."""
    values = {
        "ENTPersonJointure": [pupil.ref],
        "ENTPersonNomPatro": [pupil.last],
        "sn": [pupil.usage or pupil.last],
        "givenName": [pupil.first],
        "ENTEleveINE": [pupil.ine],
        "ENTPersonDateNaissance": [f"{pupil.birthdate:%d/%m/%Y}" if pupil.birthdate else ""],
        "ENTPersonStructRattach": [school],
        "ENTElevePersRelEleve": [
            f"{one.guardian}$10$1${1 if one.legal else 0}$1$0"
            for one in links
            if one.pupil == pupil.ref
        ],
    }
    return _request("categoriePersonne", "Eleve", values)


def aaf_guardian(guardian: Guardian) -> str:
    """A guardian."""
    values = {
        "ENTPersonJointure": [guardian.ref],
        "ENTPersonNomPatro": [guardian.birth],
        "sn": [guardian.usage or guardian.birth],
        "givenName": [guardian.first],
        "personalTitle": [guardian.title],
        "mail": [guardian.email],
        "mobile": list(guardian.mobiles),
        "homePhone": list(guardian.other_phones[:1]),
        "telephoneNumber": list(guardian.other_phones[1:2]),
    }
    return _request("categoriePersonne", "PersRelEleve", values)


def _request(kind: str, category: str, values: dict[str, list[str]]) -> str:
    attributes = "".join(
        f'<attr name="{name}">{"".join(f"<value>{escape(one)}</value>" for one in texts)}</attr>'
        for name, texts in values.items()
        if texts
    )
    return (
        f'<addRequest><operationalAttributes><attr name="{kind}"><value>{category}</value></attr>'
        f"</operationalAttributes><identifier><id>1</id></identifier>"
        f"<attributes>{attributes}</attributes></addRequest>\n"
    )


# ---- our own CSV -----------------------------------------------------------------------------


def plain_csv(
    guardians: Iterable[Guardian], links: Sequence[Link], pupils: Sequence[Pupil]
) -> list[list[str]]:
    """The rows of our own CSV, the header first."""
    known = {one.ref: one for one in pupils}
    header = [
        "uai",
        "guardian_last",
        "guardian_usage",
        "guardian_first",
        "mobile",
        "email",
        "title",
        "legal",
        "child_last",
        "child_usage",
        "child_first",
        "child_birthdate",
        "ine",
    ]
    rows = [header]
    for one in guardians:
        person = [one.birth, one.usage, one.first, "".join(one.mobiles[:1]), one.email, one.title]
        for tie in links:
            if tie.guardian == one.ref:
                kid = known[tie.pupil]
                born = f"{kid.birthdate:%d/%m/%Y}" if kid.birthdate else ""
                legal = "oui" if tie.legal else "non"
                rows.append(
                    [kid.school, *person, legal, kid.last, kid.usage, kid.first, born, kid.ine]
                )
    return rows
