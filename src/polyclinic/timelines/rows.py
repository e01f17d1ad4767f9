"""What has no times: a table of rows, and the format that reads one from CSV or Parquet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import polars as pl

from polyclinic.errors import Place
from polyclinic.timelines import describe
from polyclinic.timelines.format import (
    INFINITE,
    NO_TIME,
    WORDS,
    Chunk,
    Fault,
    FileReader,
    Gives,
    broken_rows_of,
    file_readers,
    without,
)
from polyclinic.timelines.quarantine import CONTRADICTIONS_FILE, KEPT_AS_TEXT
from polyclinic.timelines.tables import (
    SUFFIXES,
    TEXT,
    Piece,
    batches,
    first_file,
    names_of_columns,
    readable,
    scan,
    survey,
    table_files,
    time_columns,
)
from polyclinic.timelines.timeline import Ingested
from polyclinic.timelines.zones import SiteClock, require_one_clock, zones_in

REFUSED_ROWS = "quarantine/rows/refused.parquet"
"""Where the rows lie that the ingest refused, with what could be read of them."""


class RowTable(Ingested):
    """Rows without times in an ingested folder: `row_id` and the source's own columns."""

    def scan(self) -> pl.LazyFrame:
        """The rows as a lazy frame. Raises `BadData` where their file cannot be read."""
        return scan(self.path / "data" / "rows.parquet")

    def rows(self) -> pl.DataFrame:
        """Every row, in the order of the source: `row_id` int64 and its own columns."""
        with readable(self.path / "data" / "rows.parquet"):
            return self.scan().collect()

    def describe(self, codes: str = "") -> dict[str, object]:
        """How much there is and what is missing, column by column, and the counts of the ingest.

        codes: a regular expression; only columns whose names match are listed.
        """
        with readable(self.path / "data" / "rows.parquet"):
            return describe.of_rows(self.scan(), self.summary(), codes)

    @cached_property
    def files(self) -> dict[str, FileReader]:
        """The columns that hold paths → how such a file is read, by the registered format that the summary names."""
        name = self.summary().get("source_format")
        at = Place(file=str(self.path / "metadata" / "summary.json"), key="source_format")
        return {} if name is None else file_readers(str(name), at=at)

    def refused(self) -> pl.DataFrame:
        """Rows that the ingest could not read: `row_id` (position in the source), why, `refused`, and their own columns."""
        files = sorted(p for p in (self.path / "quarantine").glob("*.parquet") if p.name != CONTRADICTIONS_FILE)
        empty = pl.DataFrame(schema={"row_id": pl.Int64, "refused": pl.String})
        whole = [pl.read_parquet(f).filter("whole_row").select(row_id="row", refused="reason") for f in files]
        why = pl.concat([empty, *whole]).unique("row_id", keep="first").sort("row_id")
        kept = self.path / REFUSED_ROWS
        return why.join(pl.read_parquet(kept), on="row_id", how="left") if kept.is_file() else why


@dataclass(frozen=True, slots=True)
class Table:
    """Any CSV, TSV or Parquet file (or a folder with exactly one of them) as rows, in its own columns.

    zone: the clock of the site, for times with zones, which keep their zone. max_quarantined: a text column of a CSV is a number column with
    mistakes, which are quarantined, where at most this share of its cells is text; else, and wherever one cell is text
    if this is 1, it stays text. A code that looks like a number stays text where the table is stored as Parquet.
    """

    zone: str | None = None
    max_quarantined: float = 0.01
    gives: ClassVar[Gives] = "rows"
    looks_for: ClassVar[str] = "one CSV, TSV or Parquet file, or a folder with exactly one"
    files: ClassVar[Mapping[str, FileReader]] = {}

    def sniff(self, source: Path) -> bool:
        """Whether this is one table file, or a folder that holds exactly one."""
        if source.is_file():
            return source.suffix.lower() in SUFFIXES
        return len(table_files(source)) == 1

    def listed(self, source: Path) -> list[str]:
        """The names of the columns."""
        return names_of_columns(first_file(source))

    def read(self, source: Path) -> Iterator[Chunk]:
        """The rows, piece by piece, with `row_id` counted over the whole file."""
        path = first_file(source)
        numbers, times = columns_of(path, self.max_quarantined if self.max_quarantined < 1 else 0.0)
        clock = SiteClock(require_one_clock(zones_in(scan(path), times, path.name), self.zone))
        codes = survey(path).codes() if path.suffix.lower() in TEXT else []
        yield from broken_rows_of(path)
        for piece in batches(path):
            yield _chunk(path.name, piece, numbers, times, codes, clock)
        for other in sorted(source.iterdir()) if source.is_dir() else ():
            if other != path:
                yield Chunk(other.name, 0, 0, pl.DataFrame(), noted={"a file that is no table, not read": 1})


def columns_of(path: Path, most: float) -> tuple[list[str], list[str]]:
    """The columns of a text file that hold numbers, save at most this share of their cells, and all that hold times.

    Parquet says its types itself.
    """
    schema = scan(path).collect_schema()
    times = [name for name, kind in schema.items() if isinstance(kind, pl.Datetime) and name != "row_id"]
    if path.suffix.lower() not in TEXT:
        return [], times
    numbers = [
        name
        for name, column in survey(path).columns.items()
        if schema[name] == pl.String and name != "row_id" and column.is_number_with_mistakes(name, most)
    ]
    return numbers, times + [name for name in time_columns(path) if name != "row_id"]


def _chunk(file: str, piece: Piece, numbers: list[str], times: list[str], codes: list[str], clock: SiteClock) -> Chunk:
    frame = piece.frame
    noted = {f"{KEPT_AS_TEXT} {name!r}, written as codes": frame.height for name in codes}
    noted |= {"column 'row_id' of the source left out": frame.height} if "row_id" in frame.columns else {}
    frame = frame.drop("row_id", strict=False).insert_column(0, piece.position.alias("row_id"))
    read = frame.with_columns(pl.col(n).str.strip_chars().cast(pl.Float64, strict=False) for n in numbers)
    read = read.with_columns(clock.zoned(n, frame.schema[n]) for n in times)
    faults: list[Fault] = [(n, WORDS, read[n].is_null() & frame[n].is_not_null()) for n in numbers]
    faults += [(n, NO_TIME, read[n].is_null() & frame[n].is_not_null()) for n in times]
    faults += [(n, INFINITE, read[n].is_infinite()) for n, kind in read.schema.items() if kind.is_float()]
    kept, refused = without(faults, read, "row_id")
    rows = read.join(refused, left_on="row_id", right_on="row", how="semi", maintain_order="left")
    zone = clock.zone if times else None
    return Chunk(file, frame.height, kept.height, kept, refused, noted=noted, zone=zone, refused_rows=rows)
