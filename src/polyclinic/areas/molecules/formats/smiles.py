"""SMILES: a CSV, Parquet or .smi table, one molecule a row; its other columns (labels, names) are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl

from polyclinic import dependencies
from polyclinic.errors import BadData, Place, UnknownName, pattern_of
from polyclinic.timelines.format import Chunk

ROWS = 20_000
LINES = (".smi", ".smiles")
PROBLEMS = {
    "AtomValenceException": "an atom has more bonds than it can have",
    "AtomKekulizeException": "an atom outside a ring is marked as aromatic",
    "KekulizeException": "a ring marked as aromatic cannot be",
}


@dataclass(frozen=True, slots=True)
class Smiles:
    """Rows of molecules. column: where the SMILES stand; "" looks for the one column that is named so.

    A `.smi` file has no header: a SMILES, then perhaps a name, a line (columns `smiles` and `name`).
    """

    gives: ClassVar[Literal["events", "rows"]] = "rows"
    files: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    column: str = ""

    def sniff(self, source: Path) -> bool:
        """Whether this is a table with a column of SMILES, or a folder that holds one such table."""
        try:
            found = table_of(source)
            return found.suffix in LINES or bool(smiles_column(scan(found).collect_schema().names(), self.column))
        except (BadData, UnknownName, pl.exceptions.PolarsError, OSError):
            return False

    def read(self, source: Path) -> Iterator[Chunk]:
        """Stretches of the table in its order; rows without a molecule are refused with the reason.

        Raises `BadData` where the file is no table, `UnknownName` where it has no column of SMILES.
        """
        file, first = table_of(source), 0
        try:
            table = scan(file)
            column = smiles_column(table.collect_schema().names(), self.column)
            for part in table.collect_batches(chunk_size=ROWS, maintain_order=True):
                yield chunk(part, column, file.name, first)
                first += len(part)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise BadData(
                f"cannot be read as a table: {str(error).splitlines()[0][:120]}",
                at=Place(file=file.name),
                fix="check that the file is whole: CSV, Parquet, or .smi",
            ) from error


def chunk(part: pl.DataFrame, column: str, file: str, first: int) -> Chunk:
    """A stretch of the table, whose first row is row `first` of the source."""
    smiles = part[column].cast(pl.String)
    reasons = refusals(smiles)
    rows = part.with_columns(smiles).insert_column(0, pl.int_range(first, first + len(part), eager=True).alias("row_id"))
    refused = [{"row": first + i, "column": column, "reason": why} for i, why in reasons.items()]
    return Chunk(
        file=file,
        rows_in=len(part),
        used=len(part) - len(refused),
        frame=rows.filter(~pl.Series(range(len(part)), dtype=pl.Int64).is_in(list(reasons))),
        refused=pl.DataFrame(refused, {"row": pl.Int64, "column": pl.String, "reason": pl.String}),
        non_events={},
    )


def table_of(source: Path) -> Path:
    """The file itself, or the only visible file of a folder."""
    if source.is_file():
        return source
    files = [p for p in sorted(source.glob("*")) if p.is_file() and not p.name.startswith(".")]
    if len(files) != 1:
        raise BadData(
            f"{len(files)} files where one table of molecules is expected",
            at=Place(file=source.name),
            fix="name the table itself: CSV, Parquet, or .smi",
        )
    return files[0]


def scan(file: Path) -> pl.LazyFrame:
    """The table, not yet read."""
    if file.suffix == ".parquet":
        return pl.scan_parquet(file)
    if file.suffix not in LINES:
        separator = "\t" if file.suffix == ".tsv" else ","
        return pl.scan_csv(file, separator=separator, infer_schema_length=None)
    lines = pl.scan_csv(file, separator="\x01", has_header=False, quote_char=None, new_columns=["line"])
    line = pl.col("line").cast(pl.String)
    return lines.select(smiles=line.str.extract(r"^\s*(\S+)"), name=line.str.extract(r"^\s*\S+\s+(.*\S)"))


def smiles_column(columns: Sequence[str], wanted: str = "") -> str:
    """The column `wanted`, else the one called `smiles`, else the only one whose name has it in it.

    Raises `UnknownName` where there is none, or more than one.
    """
    exact = [c for c in columns if (c == wanted if wanted else c.lower() == "smiles")]
    near = [] if wanted else [c for c in columns if "smiles" in c.lower()]
    for found in (exact, near):
        if len(found) == 1:
            return found[0]
    raise UnknownName("column of SMILES", wanted or "smiles", columns)


def molecule(smiles: str | None) -> Any:
    """A molecule of RDKit; None where there is no atom or the SMILES does not parse. Says nothing on the screen."""
    chem = dependencies.need("rdkit.Chem", extra="molecules", to="read SMILES")
    from rdkit import rdBase

    with rdBase.BlockLogs():
        found = chem.MolFromSmiles(smiles) if smiles else None
    return found if found is not None and found.GetNumAtoms() else None


def refusals(smiles: Sequence[str | None]) -> dict[int, str]:
    """Position → why it is no molecule; the SMILES is named by its pattern alone."""
    return {i: refusal(s) for i, s in enumerate(smiles) if molecule(s) is None}


def refusal(smiles: str | None) -> str:
    """Why a SMILES is no molecule."""
    if not smiles or not smiles.strip():
        return "no SMILES"
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        drawn = Chem.MolFromSmiles(smiles, sanitize=False)
        found = Chem.DetectChemistryProblems(drawn) if drawn is not None else []
    why = PROBLEMS.get(found[0].GetType(), "not a possible molecule") if found else "not a SMILES"
    return f"{why}: pattern {pattern_of(smiles)!r}"
