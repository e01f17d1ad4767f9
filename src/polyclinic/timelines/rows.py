"""What has no times: a table of rows, and the format that reads one from CSV or Parquet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from polyclinic.errors import Place
from polyclinic.timelines import describe, zones
from polyclinic.timelines.format import INFINITE, WORDS, Chunk, Fault, FileReader, Gives, file_readers, without
from polyclinic.timelines.tables import SUFFIXES, batches, first_file, readable, scan
from polyclinic.timelines.timeline import Ingested


class RowTable(Ingested):
    """Rows without times in an ingested folder: `row_id` and the source's own columns."""

    def scan(self) -> pl.LazyFrame:
        """The rows as a lazy frame."""
        return pl.scan_parquet(self.path / "data" / "rows.parquet")

    def rows(self) -> pl.DataFrame:
        """Every row, in the order of the source: `row_id` int64 and its own columns."""
        return self.scan().collect()

    def describe(self) -> dict[str, Any]:
        """How much there is and what is missing, column by column, and the ingest's account."""
        return describe.of_rows(self.scan(), self.summary())

    @cached_property
    def files(self) -> dict[str, FileReader]:
        """The columns that hold paths → how such a file is read, by the registered format that the summary names."""
        name = self.summary().get("source_format")
        at = Place(file=str(self.path / "metadata" / "summary.json"), key="source_format")
        return {} if name is None else file_readers(str(name), at=at)

    def refused(self) -> pl.DataFrame:
        """Rows that the ingest could not read: `row_id` (position in the source) and why, `refused`."""
        files = sorted((self.path / "quarantine").glob("*.parquet"))
        empty = pl.DataFrame(schema={"row_id": pl.Int64, "refused": pl.String})
        whole = [pl.read_parquet(f).filter("whole_row").select(row_id="row", refused="reason") for f in files]
        return pl.concat([empty, *whole]).unique("row_id", keep="first").sort("row_id")


@dataclass(frozen=True, slots=True)
class Table:
    """Any CSV, TSV or Parquet file (or a folder with exactly one of them) as rows, in its own columns.

    zone: the clock of the site, for times with zones. max_quarantined: a text column of a CSV is a number column with
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
        return source.is_dir() and sum(p.suffix.lower() in SUFFIXES for p in source.iterdir()) == 1

    def read(self, source: Path) -> Iterator[Chunk]:
        """The rows, piece by piece, with `row_id` counted over the whole file."""
        path, start = first_file(source), 0
        numbers, times = columns_of(path, self.max_quarantined if self.max_quarantined < 1 else 0.0)
        zones.one_clock(zones.zones_of(scan(path), times, path.name), self.zone)
        for frame in batches(path):
            yield _chunk(path.name, zones.on_site_clock(frame, times, self.zone), numbers, start)
            start += frame.height


def columns_of(path: Path, most: float) -> tuple[list[str], list[str]]:
    """The columns of a text file that hold numbers, save at most this share of their cells, and all that hold times.

    In Parquet the types are said, not guessed.
    """
    frame = scan(path).drop("row_id", strict=False)
    schema = frame.collect_schema()
    times = [name for name, kind in schema.items() if isinstance(kind, pl.Datetime)]
    texts = [name for name, kind in schema.items() if kind == pl.String and path.suffix.lower() != ".parquet"]
    if not texts:
        return [], times
    reads = [pl.col(texts)], [_number(texts)], [zones.local(n, schema[n], None).alias(n) for n in texts]
    with readable(path):
        counts = [frame.select(e.count() for e in told).collect().row(0) for told in reads]
    counted = list(zip(texts, *counts, strict=True))
    numbers = [name for name, all_, read, _ in counted if all_ and all_ - read <= most * all_]
    return numbers, times + [name for name, all_, _, read in counted if all_ and read == all_]


def _number(names: list[str]) -> pl.Expr:
    return pl.col(names).str.strip_chars().cast(pl.Float64, strict=False)


def _chunk(file: str, frame: pl.DataFrame, numbers: list[str], start: int) -> Chunk:
    noted = {"column 'row_id' of the source left out": frame.height} if "row_id" in frame.columns else {}
    frame = frame.drop("row_id", strict=False).with_row_index("row_id", start).cast({"row_id": pl.Int64})
    read = frame.with_columns(_number(numbers))
    faults: list[Fault] = [(n, WORDS, read[n].is_null() & frame[n].is_not_null()) for n in numbers]
    faults += [(n, INFINITE, read[n].is_infinite()) for n, kind in read.schema.items() if kind.is_float()]
    kept, refused = without(faults, read, "row_id")
    return Chunk(file, frame.height, kept.height, kept, refused, noted=noted)
