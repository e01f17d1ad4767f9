"""SMILES: a CSV, Parquet or .smi table, one molecule a row; its other columns (labels, names) are kept."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import polars as pl

from polyclinic import dependencies
from polyclinic.errors import PolyclinicError, UnknownName, pattern_of
from polyclinic.timelines import tables
from polyclinic.timelines.format import Chunk, Gives, broken_rows_of, without

if TYPE_CHECKING:
    from rdkit.Chem import Mol

ROWS = 20_000
LINES = {".smi", ".smiles"}
PROBLEMS = {
    "AtomValenceException": "an atom has more bonds than it can have",
    "AtomKekulizeException": "an atom outside a ring is marked as aromatic",
    "KekulizeException": "a ring marked as aromatic cannot be",
}


@dataclass(frozen=True, slots=True)
class Smiles:
    """Rows of molecules. column: where the SMILES stand; "" looks for the one column that is named so.

    A `.smi` file has no header: a SMILES, then perhaps a name, a line (columns `smiles` and `name`). A row without
    a molecule is refused with the reason; a molecule that an earlier row had already is noted, and kept.
    """

    gives: ClassVar[Gives] = "rows"
    files: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    looks_for: ClassVar[str] = "a CSV, Parquet or .smi table with one column whose name has `smiles` in it"
    column: str = ""

    def sniff(self, source: Path) -> bool:
        """Whether this is a table with a column of SMILES, or a folder that holds one such table."""
        with suppress(PolyclinicError, OSError):
            file = tables.first_file(source)
            if file.suffix.lower() not in LINES:
                smiles_column(tables.scan(file).collect_schema(), self.column)
            return True
        return False

    def listed(self, source: Path) -> list[str]:
        """The names of the columns of a table; none of a file of lines."""
        file = tables.first_file(source)
        return [] if file.suffix.lower() in LINES else tables.names_of_columns(file)

    def read(self, source: Path) -> Iterator[Chunk]:
        """Stretches of the table in its order.

        Raises `BadData` where the file is no table, `UnknownName` where it has no column of SMILES.
        """
        file = tables.first_file(source)
        known: set[str] = set()
        if file.suffix.lower() not in LINES:
            yield from broken_rows_of(file)
        for piece in lines(file) if file.suffix.lower() in LINES else tables.batches(file, ROWS):
            column = smiles_column(piece.frame.columns, self.column)
            yield chunk(piece.frame, column, file.name, piece.position, known)


def lines(file: Path) -> Iterator[tables.Piece]:
    """The lines of a `.smi` file: `smiles`, `name`."""
    line = pl.col("line").cast(pl.String)
    parts = {"smiles": line.str.extract(r"^\s*(\S+)"), "name": line.str.extract(r"^\s*\S+\s+(.*\S)")}
    with tables.readable(file):
        table = pl.scan_csv(file, separator="\x01", has_header=False, quote_char=None, new_columns=["line"])
        numbered = table.with_row_index("row").select(pl.col("row").cast(pl.Int64), **parts)
        for frame in numbered.collect_batches(chunk_size=ROWS, maintain_order=True):
            yield tables.Piece(frame.drop("row"), frame["row"])


def chunk(part: pl.DataFrame, column: str, file: str, position: pl.Series, known: set[str]) -> Chunk:
    """A stretch of the table. position: where each of its rows stands in the source, int64 [row].

    known: the molecules of earlier rows, however they were written; the new ones are added.
    """
    from rdkit import Chem

    part = part.drop("row_id", strict=False).insert_column(0, position.alias("row_id")).cast({column: pl.String})
    molecules = [molecule(s) for s in part[column]]
    names = [Chem.MolToSmiles(m) for m in molecules if m is not None]
    new = set(names) - known
    known |= new
    again = len(names) - len(new)
    pairs = zip(part[column], molecules, strict=True)
    why = pl.Series([refusal(s) if m is None else None for s, m in pairs], dtype=pl.String)
    kept, refused = without([(column, pl.lit(why), why.is_not_null())], part, "row_id")
    noted = {"a molecule that stands in an earlier row too": again} if again else {}
    rows = part.filter(pl.Series([m is None for m in molecules], dtype=pl.Boolean))
    return Chunk(file, part.height, len(names), kept, refused, noted=noted, refused_rows=rows)


def smiles_column(columns: Collection[str], wanted: str = "") -> str:
    """The column `wanted`, else the one called `smiles`, else the only one whose name has it in it.

    Raises `UnknownName` where there is none, or more than one.
    """
    exact = [c for c in columns if (c == wanted if wanted else c.lower() == "smiles")]
    near = [] if wanted else [c for c in columns if "smiles" in c.lower()]
    for matches in (exact, near):
        if len(matches) == 1:
            return matches[0]
    raise UnknownName("column of SMILES", wanted or "smiles", columns)


def molecule(smiles: str | None) -> "Mol | None":
    """A molecule of RDKit without atom map numbers; None where there is no atom or the SMILES does not parse.

    The numbers that say which atom of a reaction became which (`[CH3:1]`) are no part of a molecule. They go before
    anything is computed from it: its scaffold, its identity, its stereo centres. Says nothing on the screen.
    """
    chem = dependencies.need("rdkit.Chem", extra="molecules", to="read SMILES")
    from rdkit import rdBase

    with rdBase.BlockLogs():
        read = chem.MolFromSmiles(smiles) if smiles else None
        if read is not None and is_mapped(read):
            for atom in read.GetAtoms():
                atom.SetAtomMapNum(0)
            # Read anew: two groups that differed by their numbers alone made a stereo centre that is none.
            read = chem.MolFromSmiles(chem.MolToSmiles(read))
    return read if read is not None and read.GetNumAtoms() else None


def is_mapped(molecule: "Mol") -> bool:
    """Whether any atom of a molecule of RDKit has an atom map number."""
    return any(atom.GetAtomMapNum() for atom in molecule.GetAtoms())


def refusal(smiles: str | None) -> str:
    """Why a SMILES is no molecule; it is named by its pattern alone."""
    if not smiles or not smiles.strip():
        return "no SMILES"
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        unchecked = Chem.MolFromSmiles(smiles, sanitize=False)
        problems = Chem.DetectChemistryProblems(unchecked) if unchecked is not None else []
    why = PROBLEMS.get(problems[0].GetType(), "not a possible molecule") if problems else "not a SMILES"
    return f"{why}: pattern {pattern_of(smiles)!r}"
