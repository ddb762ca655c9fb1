"""Write an invented SIECLE export of any size: `python benchmarks/make_register.py 1200 FOLDER`.

Two files, as schools download them, with about 1.5 guardians a pupil. Nobody in them exists.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

UAI = "0960002F"

# fmt: off
_LAST = ["MARTIN", "BERNARD", "DUBOIS", "THOMAS", "ROBERT", "RICHARD", "PETIT", "DURAND", "LEROY",
         "MOREAU", "SIMON", "LAURENT"]
_FIRST = ["Camille", "Louise", "Jules", "Léa", "Adam", "Inès", "Noé", "Chloé", "Gaël", "Zoé",
          "Mélissa", "Karim", "Aïcha", "Hervé"]
# fmt: on


def eleves(pupils: int, random_: random.Random) -> Iterator[str]:
    """Yield the pupils' file, piece by piece."""
    yield _head("BEE_ELEVES", "3.0") + "    <ELEVES>\n"
    for number in range(pupils):
        yield f"""      <ELEVE ELEVE_ID="{1_000_000 + number}" ELENOET="{number}">
        <ID_NATIONAL>{number:09d}AA</ID_NATIONAL>
        <INE_RNIE>{number:09d}AA</INE_RNIE>
        <ELENOET>{number}</ELENOET>
        <NOM_DE_FAMILLE>{_family(number)}</NOM_DE_FAMILLE>
        <PRENOM>{random_.choice(_FIRST)}</PRENOM>
        <DATE_NAISS>{random_.randint(1, 28):02d}/{random_.randint(1, 12):02d}/2012</DATE_NAISS>
        <DOUBLEMENT>0</DOUBLEMENT>
        <CODE_SEXE>{random_.randint(1, 2)}</CODE_SEXE>
        <CODE_PAYS_NAT>100</CODE_PAYS_NAT>
        <CODE_STATUT>ST</CODE_STATUT>
      </ELEVE>
"""
    yield "    </ELEVES>\n    <STRUCTURES>\n"
    for number in range(pupils):
        yield f"""      <STRUCTURES_ELEVE ELEVE_ID="{1_000_000 + number}" ELENOET="{number}">
        <STRUCTURE>
          <CODE_STRUCTURE>{3 + number % 4} {number % 7}</CODE_STRUCTURE>
          <TYPE_STRUCTURE>D</TYPE_STRUCTURE>
        </STRUCTURE>
      </STRUCTURES_ELEVE>
"""
    yield "    </STRUCTURES>\n  </DONNEES>\n</BEE_ELEVES>\n"


def responsables(pupils: int, random_: random.Random) -> Iterator[str]:
    """Yield the guardians' file: of four pupils, two are siblings, and one has one parent."""
    yield _head("BEE_RESPONSABLES", "2.1") + "    <RESPONSABLES>\n"
    for number in range(pupils):
        for person in _parents(number):
            yield f"""      <RESPONSABLE_ELEVE>
        <ELEVE_ID>{1_000_000 + number}</ELEVE_ID>
        <PERSONNE_ID>{2_000_000 + person}</PERSONNE_ID>
        <NIVEAU_RESPONSABILITE>1</NIVEAU_RESPONSABILITE>
        <CODE_PARENTE>{10 + 10 * (person % 2)}</CODE_PARENTE>
        <PAIE_FRAIS_SCOLAIRES>0</PAIE_FRAIS_SCOLAIRES>
        <PERCOIT_LES_AIDES>false</PERCOIT_LES_AIDES>
        <HEBERGE_ELEVE>true</HEBERGE_ELEVE>
        <A_CONTACTER_EN_PRIORITE>true</A_CONTACTER_EN_PRIORITE>
      </RESPONSABLE_ELEVE>
"""
    yield "    </RESPONSABLES>\n    <PERSONNES>\n"
    for number in range(pupils):
        for person in _parents(number):
            if person // 2 == number:
                yield _personne(person, _family(number), random_)
    yield "    </PERSONNES>\n  </DONNEES>\n</BEE_RESPONSABLES>\n"


def write(pupils: int, folder: Path, seed: int = 1) -> list[Path]:
    """Write both files into the folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, make in (
        ("ElevesSansAdresses.xml", eleves),
        ("ResponsablesAvecAdresses.xml", responsables),
    ):
        paths.append(folder / name)
        with paths[-1].open("w", encoding="iso-8859-15") as file:
            file.writelines(make(pupils, random.Random(seed)))
    return paths


def _head(root: str, version: str) -> str:
    return f"""<?xml version="1.0" encoding="ISO-8859-15"?>
<{root} VERSION="{version}">
  <PARAMETRES>
    <UAJ>{UAI}</UAJ>
    <ANNEE_SCOLAIRE>2025</ANNEE_SCOLAIRE>
    <DATE_EXPORT>15/10/2025</DATE_EXPORT>
    <HORODATAGE>15/10/2025 19:01:46</HORODATAGE>
  </PARAMETRES>
  <DONNEES>
"""


def _family(number: int) -> str:
    """Return a last name; enough different ones that a large register is not all namesakes."""
    number -= number % 4 == 1
    return f"{_LAST[number % len(_LAST)]} {_LAST[number // 12 % len(_LAST)]}"


def _parents(number: int) -> list[int]:
    if number % 4 == 1:  # the second of two siblings
        number -= 1
    return [2 * number] if number % 4 == 3 else [2 * number, 2 * number + 1]


def _personne(person: int, family: str, random_: random.Random) -> str:
    mobile = f"06{random_.randint(10_000_000, 29_999_999)}"
    written = random_.choice([mobile, f"+33{mobile[1:]}", ".".join(_pairs(mobile)), ""])
    return f"""      <PERSONNE PERSONNE_ID="{2_000_000 + person}">
        <LC_CIVILITE>MME</LC_CIVILITE>
        <LL_CIVILITE>MADAME</LL_CIVILITE>
        <NOM_DE_FAMILLE>{family}</NOM_DE_FAMILLE>
        <PRENOM>{random_.choice(_FIRST)}</PRENOM>
        <TEL_PERSONNEL>0146{random_.randint(100_000, 999_999)}</TEL_PERSONNEL>
        <TEL_PORTABLE>{written}</TEL_PORTABLE>
        <ACCEPTE_SMS>1</ACCEPTE_SMS>
        <TEL_PROFESSIONNEL></TEL_PROFESSIONNEL>
        <MEL>parent.{person}@exemple.invalid</MEL>
        <COMMUNICATION_ADRESSE>1</COMMUNICATION_ADRESSE>
        <ADRESSE_ID>{300_000 + person // 2}</ADRESSE_ID>
        <CODE_PROFESSION>99</CODE_PROFESSION>
      </PERSONNE>
"""


def _pairs(mobile: str) -> list[str]:
    return [mobile[start : start + 2] for start in range(0, len(mobile), 2)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pupils", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    for path in write(**vars(parser.parse_args())):
        print(path)
