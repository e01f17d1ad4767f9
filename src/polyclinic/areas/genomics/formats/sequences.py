"""Sequences: a CSV or Parquet table, one sequence of nucleotides a row; its other columns (labels, names) are kept."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from polyclinic.errors import PolyclinicError, UnknownName
from polyclinic.timelines import tables
from polyclinic.timelines.format import Chunk, FileReader, Gives, broken_rows_of, without

LETTERS: Mapping[str, str] = {
    **{letter: letter for letter in "ACGT"},
    **{"R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC"},
    **{"B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT"},
}
"""Letter of IUPAC → the nucleotides that it may stand for (Cornish-Bowden 1985, doi:10.1093/nar/13.9.3021)."""

LOOKED_AT = 100
"""Rows by which a table is known to hold sequences."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """Rows of sequences of DNA or RNA in the letters of IUPAC, small or capital; U is read as T.

    A row whose sequence is missing or has another character is refused with the reason; a sequence that an earlier row
    had already is noted, and kept.

    Parameters
    ----------
    column
        Where the sequences stand; "" looks for the one column that is named so.
    """

    gives: ClassVar[Gives] = "rows"
    files: ClassVar[Mapping[str, FileReader]] = {}
    looks_for: ClassVar[str] = "a CSV or Parquet table with one column `sequence` of nucleotides (A, C, G, T, N …)"
    column: str = ""

    def sniff(self, source: Path) -> bool:
        """Whether this is a table with a column of sequences, of which nearly all are nucleotides."""
        with suppress(PolyclinicError, OSError):
            file = tables.first_file(source)
            table = tables.scan(file)
            column = sequence_column(table.collect_schema(), self.column)
            if table.collect_schema()[column] != pl.String:
                return False
            some = table.select(column).head(LOOKED_AT).collect()[column].drop_nulls()
            return bool(len(some) and (refusals(some).is_null().mean() or 0) > 0.5)  # type: ignore[operator]
        return False

    def listed(self, source: Path) -> list[str]:
        """The names of the columns."""
        return tables.names_of_columns(tables.first_file(source))

    def read(self, source: Path) -> Iterator[Chunk]:
        """Stretches of the table in its order; raises `UnknownName` where it has no column of sequences."""
        file = tables.first_file(source)
        known: set[str] = set()
        yield from broken_rows_of(file)
        for piece in tables.batches(file):
            column = sequence_column(piece.frame.columns, self.column)
            yield _chunk(piece, column, file.name, known)

    def planted(self, folder: Path) -> Path:
        """Write an example for the checks: four sequences, of which one repeats and one is none."""
        folder.mkdir(parents=True, exist_ok=True)
        table = pl.DataFrame({"name": ["a", "b", "c", "d"], "sequence": ["ACGT", "acgu", "ACGT", "A-C?"]})
        table.write_parquet(folder / "sequences.parquet")
        return folder / "sequences.parquet"


def _chunk(piece: tables.Piece, column: str, file: str, known: set[str]) -> Chunk:
    """A stretch of the table; known: the sequences of earlier rows, to which the new ones are added."""
    part = piece.frame.drop("row_id", strict=False).insert_column(0, piece.position.alias("row_id"))
    part = part.with_columns(plain(part[column]))
    why = refusals(part[column])
    kept, refused = without([(column, pl.lit(why), why.is_not_null())], part, "row_id")
    new = set(kept[column]) - known
    known |= new
    again = kept.height - len(new)
    noted = {"a sequence that stands in an earlier row too": again} if again else {}
    rows = part.filter(why.is_not_null())
    return Chunk(file, part.height, kept.height, kept, refused, noted=noted, refused_rows=rows)


def plain(series: pl.Series) -> pl.Series:
    """Sequences in capital letters, T for U, without blanks around them."""
    return series.cast(pl.String).str.strip_chars().str.to_uppercase().str.replace_all("U", "T", literal=True)


def refusals(series: pl.Series) -> pl.Series:
    """Why each text is no sequence, null where it is one; never the text itself."""
    texts = plain(series)
    empty = texts.is_null() | (texts == "").fill_null(True)
    strange = ~texts.str.contains(f"^[{''.join(LETTERS)}]*$").fill_null(True)
    reasons = pl.select(
        pl.when(empty).then(pl.lit("no sequence")).when(strange).then(pl.lit("a character that is no nucleotide"))
    )
    return reasons.to_series().alias("why")


def sequence_column(columns: Collection[str], wanted: str = "") -> str:
    """The column `wanted`, else the one called `sequence`, else the only one whose name has it in it.

    Raises `UnknownName` where there is none, or more than one.
    """
    exact = [c for c in columns if (c == wanted if wanted else c.lower() in ("sequence", "seq"))]
    near = [] if wanted else [c for c in columns if "sequence" in c.lower()]
    for matches in (exact, near):
        if len(matches) == 1:
            return matches[0]
    raise UnknownName("column of sequences", wanted or "sequence", columns)
