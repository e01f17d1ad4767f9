"""A timeline: events of subjects as a MEDS data set, in Parquet shards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import polars as pl

from polyclinic.errors import BadData, Place, UnknownName
from polyclinic.timelines import describe
from polyclinic.timelines.format import EVENTS
from polyclinic.timelines.summary import read_summary

REQUIRED = ("subject_id", "time", "code")


class Ingested:
    """A folder that `ingest` wrote, or any MEDS data set as it is: what was counted, and what it holds."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def summary(self) -> dict[str, Any]:
        """The ingest's account: rows in, used, quarantined, set aside, of each file and in all; {} where there is none."""
        return read_summary(self.path)

    def describe(self) -> dict[str, Any]:
        """How much there is and what is missing, code by code or column by column, and the ingest's account."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return describe.to_html(self.describe())


class Timeline(Ingested):
    """A folder with `data/**/*.parquet`: one that `ingest` wrote, or any MEDS data set as it is."""

    def __init__(self, path: Path | str, held: pl.DataFrame | None = None) -> None:
        super().__init__(path)
        self.held = held

    @classmethod
    def of(cls, events: pl.DataFrame) -> Self:
        """A timeline of events in memory, with the columns of `scan`: one patient at the bedside."""
        return cls(Path("memory"), events)

    def describe(self) -> dict[str, Any]:
        """How much there is and what is missing, code by code, and the ingest's account."""
        return describe.of_events(self.scan(), self.summary())

    def shards(self) -> list[Path]:
        """The Parquet files, sorted; a subject lies in one of them."""
        return sorted((self.path / "data").rglob("*.parquet"))

    def scan(self, shards: Sequence[Path] | None = None) -> pl.LazyFrame:
        """Every event (or those of some shards), lazily: subject_id int64, time Datetime(us), code, numeric_value f32,
        text_value, and the optional `end_time`, `available_time`, `unit`, `path` where they are stored.
        """
        paths: Any = shards or self.shards()
        if self.held is not None:
            frame = self.held.lazy()
        elif not paths and self.summary():  # an ingest that refused every row
            frame = pl.LazyFrame(schema=EVENTS)
        else:
            frame = pl.scan_parquet(paths, missing_columns="insert", extra_columns="ignore")
        stored, values = frame.collect_schema(), ("numeric_value", "text_value")
        for name in (n for n in REQUIRED if n not in stored):
            raise UnknownName("column", name, stored.names(), at=Place(file=str(self.path)))
        for name in (n for n, kind in EVENTS.items() if kind != pl.String and stored.get(n) == pl.String):
            fix = "read it with `polyclinic ingest meds`, which turns text into times and numbers"
            raise BadData(f"the column {name!r} is text", at=Place(file=str(self.path), column=name), fix=fix)
        wrong = [pl.col(n).cast(kind) for n, kind in EVENTS.items() if stored.get(n, kind) != kind]
        absent = [pl.lit(None, EVENTS[n]).alias(n) for n in values if n not in stored]
        return frame.with_columns(*wrong, *absent) if wrong or absent else frame
