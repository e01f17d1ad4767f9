"""Molecules → atoms and bonds, fingerprint, descriptors; scaffold and identity as groups; size as stratum."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic import fingerprint
from polyclinic.areas.molecules.formats.smiles import molecule, refusal, smiles_column
from polyclinic.arrays import Array
from polyclinic.samples import Column, Dense, Ragged
from polyclinic.samples.frames import need_columns
from polyclinic.samples.inputs import InputColumns, Inputs

if TYPE_CHECKING:
    from rdkit.Chem import Mol

COMPOUND = ("compound", "compound_id", "compound_name", "name", "id", "molecule_id", "mol_id", "drug", "chembl_id")
"""How tables call the column that names a compound; the one that there is, whatever its capitals."""
T = TypeVar("T")
Fields = dict[str, tuple[Sequence[str], Callable[[Any], int]]]
ABOVE = (0, 15, 25, 35)
SIZES = ("no atoms", "1-15 atoms", "16-25 atoms", "26-35 atoms", "over 35 atoms")
LONGEST = 120
DESCRIPTORS = [
    *("exactmw", "lipinskiHBA", "lipinskiHBD", "NumRotatableBonds", "NumHBD", "NumHBA"),
    *("NumHeavyAtoms", "NumHeteroatoms", "NumAmideBonds", "FractionCSP3"),
    *("NumRings", "NumAromaticRings", "NumAliphaticRings", "NumSaturatedRings"),
    *("NumHeterocycles", "NumAromaticHeterocycles"),
    *("NumSpiroAtoms", "NumBridgeheadAtoms", "NumAtomStereoCenters"),
    *("labuteASA", "tpsa", "CrippenClogP", "CrippenMR"),
    *("chi0v", "chi1v", "chi2v", "chi3v", "chi4v", "hallKierAlpha", "kappa1", "kappa2", "kappa3", "Phi"),
]


@dataclass(frozen=True, slots=True)
class MoleculesInputs(Inputs):
    """What a molecule is to a model. A row without a molecule has no atoms and NaN numbers.

    Parameters
    ----------
    column
        Where the SMILES stand; "" looks for the column.
    radius, bits
        Of the Morgan fingerprint, whose entries count how often each environment occurs.
    compound
        The column that names each compound in the predictions; "" looks for one of `COMPOUND`. A compound without a
        name is called by its canonical SMILES.

    References
    ----------
    Rogers and Hahn 2010, doi:10.1021/ci100050t.
    """

    column: str = ""
    radius: int = 2
    bits: int = 2048
    compound: str = ""

    def columns(self, source: object, rows: pl.DataFrame, task: object) -> InputColumns:
        """`atoms`, `bonds` (of atoms), `fingerprint`, `descriptors`; groups `scaffold`, `molecule`; stratum `size`."""
        molecules = [molecule(s) for s in self.smiles(rows)]  # says which extra to install where RDKit is missing
        from rdkit import Chem
        from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

        atoms, bonds = graph(molecules)
        counts = GetMorganGenerator(radius=self.radius, fpSize=self.bits).GetCountFingerprintAsNumPy
        columns: dict[str, Column] = {"atoms": atoms, "bonds": bonds}
        columns["fingerprint"] = Dense(filled(molecules, counts, self.bits))
        columns["descriptors"] = Dense(descriptors(molecules), ("charge", "fragments", *DESCRIPTORS))
        groups = {"scaffold": named(molecules, scaffold), "molecule": named(molecules, Chem.MolToSmiles)}
        strata = {"size": np.array(SIZES)[np.searchsorted(ABOVE, atoms.lengths)]}
        return InputColumns(columns, groups, strata, unit="molecule")

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """Position → why, for rows whose SMILES is missing or does not parse."""
        return {i: refusal(s) for i, s in enumerate(self.smiles(rows)) if molecule(s) is None}

    def identity(self, rows: pl.DataFrame) -> dict[str, pl.Series]:
        """`compound`: its name, else its canonical SMILES, else (where that does not parse) what stands there."""
        need_columns(rows, [self.compound] if self.compound else [])
        named = [c for c in rows.columns if c == self.compound or (not self.compound and c.lower() in COMPOUND)]
        names = rows[named[0]].cast(pl.String) if len(named) == 1 else pl.Series([None] * rows.height, dtype=pl.String)
        pairs = zip(names, self.smiles(rows), strict=True)
        return {"compound": pl.Series([name or canonical(smiles) for name, smiles in pairs], dtype=pl.String)}

    def smiles(self, rows: pl.DataFrame) -> list[str | None]:
        """The SMILES of each row, as text."""
        return rows[smiles_column(rows.columns, self.column)].cast(pl.String).to_list()


@cache
def atom_fields() -> Fields:
    """Name → (levels, level number of an atom). Chirality as R or S: unlike the order in which the neighbours are
    written, that is the same however the SMILES was written.
    """
    from rdkit import Chem

    table = Chem.GetPeriodicTable()
    chiral = ("", "R", "S")
    return {
        "element": (["*", *map(table.GetElementSymbol, range(1, 119))], lambda a: a.GetAtomicNum()),
        "degree": (upto(6), lambda a: min(a.GetDegree(), 6)),
        "charge": ([f"{c:+d}" for c in range(-3, 4)], lambda a: min(max(a.GetFormalCharge(), -3), 3) + 3),
        "hydrogens": (upto(4), lambda a: min(a.GetTotalNumHs(), 4)),
        "hybridisation": (enumeration(Chem.HybridizationType), lambda a: int(a.GetHybridization())),
        "aromatic": (("no", "yes"), lambda a: int(a.GetIsAromatic())),
        "chirality": (chiral, lambda a: chiral.index(a.GetProp("_CIPCode")) if a.HasProp("_CIPCode") else 0),
        "isotope": (("natural", "named"), lambda a: int(a.GetIsotope() > 0)),
        "ring": (upto(8), lambda a: min(a.GetOwningMol().GetRingInfo().MinAtomRingSize(a.GetIdx()), 8)),
    }


@cache
def bond_fields() -> Fields:
    """Name → (levels, level number of a bond)."""
    from rdkit import Chem

    return {
        "order": (enumeration(Chem.BondType), lambda b: int(b.GetBondType())),
        "conjugated": (("no", "yes"), lambda b: int(b.GetIsConjugated())),
        "ring": (("no", "yes"), lambda b: int(b.IsInRing())),
        "stereo": (enumeration(Chem.BondStereo), lambda b: int(b.GetStereo())),
    }


def upto(most: int) -> list[str]:
    """Counts as levels, the last one open."""
    return [*map(str, range(most)), f"{most}+"]


def enumeration(kind: Any) -> list[str]:
    """The names of an enumeration of RDKit, by number."""
    names = {int(number): str(name) for number, name in kind.values.items()}
    return [names.get(number, "") for number in range(max(names) + 1)]


def canonical(smiles: str | None) -> str | None:
    """The canonical SMILES of a molecule; what stands there where it is none."""
    read = molecule(smiles)
    if read is None:
        return smiles
    from rdkit import Chem

    return str(Chem.MolToSmiles(read))


def graph(molecules: "Sequence[Mol | None]") -> tuple[Ragged, Ragged]:
    """Atoms, and the bonds of atoms with `source` and `target` counted from the molecule's first atom."""
    atoms = [list(m.GetAtoms()) if m is not None else [] for m in molecules]
    bonds = [list(m.GetBonds()) if m is not None else [] for m in molecules]
    ends = {"source": counted(bonds, lambda b: b.GetBeginAtomIdx(), np.int32)}
    ends["target"] = counted(bonds, lambda b: b.GetEndAtomIdx(), np.int32)
    return ragged(atoms, atom_fields(), {}), ragged(bonds, bond_fields(), ends, "atoms")


def ragged(rows: Sequence[list[Any]], fields: Fields, more: Mapping[str, Array], of: str | None = None) -> Ragged:
    """One run of elements a row, each field a number of its level."""
    stop = np.cumsum([len(row) for row in rows], dtype=np.int64)
    start = np.append(0, stop)[:-1]
    values = {**more, **{name: counted(rows, number, np.int16) for name, (_, number) in fields.items()}}
    return Ragged(start, stop, values, {name: levels for name, (levels, _) in fields.items()}, of)


def counted(rows: Iterable[list[T]], number: Callable[[T], int], kind: type) -> Array:
    """A number for each element of each row, one row after another."""
    return np.fromiter((number(element) for row in rows for element in row), kind)


def descriptors(molecules: "Sequence[Mol | None]") -> npt.NDArray[np.float32]:
    """Charge, number of fragments, then `DESCRIPTORS`: float32 [molecule, descriptor]."""
    from rdkit import Chem
    from rdkit.Chem.rdMolDescriptors import Properties

    properties = Properties(DESCRIPTORS)

    def of(m: "Mol") -> list[float]:
        return [Chem.GetFormalCharge(m), len(Chem.GetMolFrags(m)), *properties.ComputeProperties(m)]

    return filled(molecules, of, 2 + len(DESCRIPTORS))


def filled(
    molecules: "Sequence[Mol | None]", of: "Callable[[Mol], Sequence[float] | Array]", width: int
) -> npt.NDArray[np.float32]:
    """What `of` gives for each molecule, NaN where that is no finite number: float32 [molecule, width]."""
    values = np.full((len(molecules), width), np.nan, np.float32)
    for row, m in enumerate(molecules):
        if m is not None:
            values[row] = of(m)
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def scaffold(m: "Mol") -> str:
    """Bemis–Murcko scaffold (doi:10.1021/jm9602928) without stereo, as SMILES; all molecules without a ring share one,
    `acyclic`, as in MoleculeNet.
    """
    from rdkit import Chem
    from rdkit.Chem.Scaffolds import MurckoScaffold

    if not m.GetRingInfo().NumRings():
        return "acyclic"  # there is nothing to cut, and RDKit takes minutes over a chain of thousands
    cut: Callable[[Mol], Mol] = MurckoScaffold.GetScaffoldForMol
    return Chem.MolToSmiles(cut(m), isomericSmiles=False)


def named(molecules: "Sequence[Mol | None]", of: "Callable[[Mol], str]") -> npt.NDArray[np.str_]:
    """Names of groups, "" where there is none; long ones end in a digest, since each row is as wide as the longest."""
    names = ["" if m is None else of(m) for m in molecules]
    short = [n if len(n) <= LONGEST else f"{n[: LONGEST - 17]}…{fingerprint.of_value(n)[:16]}" for n in names]
    return np.array(short, np.str_)
