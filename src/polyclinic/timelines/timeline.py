"""A timeline: events of subjects as a MEDS data set, in Parquet shards."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import polars as pl

from polyclinic.errors import BadData, Place
from polyclinic.timelines import describe
from polyclinic.timelines.event_arrays import EventArrays
from polyclinic.timelines.format import EVENTS
from polyclinic.timelines.identifiers import KEPT_AT, as_identifier, number_of
from polyclinic.timelines.stored_events import StoredEvents, required
from polyclinic.timelines.summary import read_summary
from polyclinic.timelines.tables import readable
from polyclinic.timelines.zones import SiteClock


class Ingested(ABC):
    """A folder that `ingest` wrote, or any MEDS data set as it is: what was counted, and what it holds."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def summary(self) -> dict[str, Any]:
        """The counts of the ingest: rows in, used, quarantined, set aside, of each file and in all; {} where there is none.

        Raises `BadData` where it is damaged, or of another layout than this version writes.
        """
        return dict(self._summary)

    @cached_property
    def _summary(self) -> Mapping[str, object]:
        return read_summary(self.path)

    @abstractmethod
    def describe(self, codes: str = "") -> dict[str, Any]:
        """How much there is and what is missing, code by code or column by column, and the counts of the ingest."""

    def _repr_html_(self) -> str:
        return describe.to_html(self.describe())


def _hashed(text: pl.Series) -> pl.Series:
    """The numbers that an ingest gives to these text identifiers."""
    return text.map_elements(number_of, return_dtype=pl.Int64)


class Timeline(Ingested):
    """A folder with `data/**/*.parquet`: one that `ingest` wrote, or any MEDS data set as it is."""

    def __init__(self, path: Path | str, frame: pl.DataFrame | None = None) -> None:
        super().__init__(path)
        self.frame = frame
        self._some: Sequence[Path] | None = None

    @classmethod
    def of(cls, events: pl.DataFrame) -> Self:
        """A timeline of events in memory, with the columns of `scan`: one patient at the bedside."""
        return cls(Path("memory"), events)

    def describe(self, codes: str = "") -> dict[str, Any]:
        """How much there is and what is missing, code by code, and the counts of the ingest.

        codes: a regular expression; of the codes, only those that match are listed, and all of them.
        """
        with self.reading():
            return describe.of_events(self.scan(), self.summary(), codes, self.clock, self.left_out)

    def shards(self) -> list[Path]:
        """The Parquet files, sorted; a subject lies in one of them. Hidden files are none: systems leave them there."""
        if self._some is not None:
            return list(self._some)
        files = (p for p in (self.path / "data").rglob("*") if p.suffix.lower() == ".parquet" and p.name[0] != ".")
        return sorted(p for p in files if not p.is_dir())

    def parts(self, size: int) -> Iterator[Self]:
        """The timeline in parts of whole shards, of about so many bytes each; a subject lies in one of the parts."""
        shards = [] if self.frame is not None else self.shards()
        if not shards:
            yield self
        some: list[Path] = []
        for shard in shards:
            some.append(shard)
            if shard == shards[-1] or sum(file.stat().st_size for file in some) >= size:
                part = type(self)(self.path)
                part._some, part.stored, some = some, self.stored, []
                yield part

    @cached_property
    def stored(self) -> StoredEvents:
        """How the events lie in the shards."""
        summary = self.summary()
        return StoredEvents.of(self.path, self.shards(), summary.get("zone"), ingested=bool(summary))

    @property
    def clock(self) -> SiteClock:
        """The clock of the site: `scan` gives times on its standard clock."""
        return SiteClock() if self.frame is not None else self.stored.clock

    @property
    def left_out(self) -> Mapping[str, int]:
        """Of a MEDS data set that is opened as it is: rows that are no events, by reason; `scan` leaves them out."""
        return {} if self.frame is not None else self.stored.left_out

    @property
    def noted(self) -> Mapping[str, int]:
        """Of a MEDS data set that is opened as it is: events that a reader should know of, by what they are."""
        return {} if self.frame is not None else self.stored.noted

    def subject_numbers(self, ids: pl.Series) -> pl.Series:
        """The numbers of subjects that are named by their number, or by their identifier in the source; int64 [row].

        Who is not in the timeline keeps a number of their own.
        """
        common = pl.String() if isinstance(ids.dtype, (pl.Categorical, pl.Enum)) else pl.Int64()
        if ids.dtype.is_float() or common == pl.String:  # whole numbers beside missing ones, as pandas writes them
            whole = ids.to_frame().select(as_identifier(ids.name, ids.dtype, common)).to_series()
            filled = ids.fill_nan(None) if ids.dtype.is_float() else ids
            ids = whole if common == pl.String or whole.null_count() == filled.null_count() else ids
        table = self.path / KEPT_AT
        if ids.dtype.is_integer() and (self.frame is not None or not table.is_file()):
            return ids.cast(pl.Int64)
        if not (ids.dtype.is_integer() or ids.dtype == pl.String):
            fix = "name subjects by their numbers in the timeline, or by their identifiers in its source"
            what = f"the column 'subject_id' holds {ids.dtype} where subjects are wanted"
            raise BadData(what, at=Place(column="subject_id"), fix=fix)
        text = ids.cast(pl.String).str.strip_chars()
        number = text.cast(pl.Int64, strict=False)
        if not table.is_file():  # the source's own identifiers were integers, and are the numbers
            return pl.select(pl.when(number.cast(pl.String) == text).then(number).otherwise(_hashed(text))).to_series()
        with readable(table):
            numbers = pl.read_parquet(table, columns=["subject_id"])["subject_id"].cast(pl.Int64)
        own = number.is_in(numbers.implode()) & (number.cast(pl.String) == text)
        return pl.select(pl.when(own).then(number).otherwise(_hashed(text))).to_series()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Within the block, what a damaged shard makes Polars complain of becomes one error that names the data."""
        with readable(self.path / "data"):
            yield

    def scan(self, shards: Sequence[Path] | None = None) -> pl.LazyFrame:
        """Every event (or those of some shards), lazily: subject_id int64, time Datetime(us), code, numeric_value f32,
        text_value, and the optional `end_time`, `available_time`, `unit`, `path` where they are stored.

        Times are instants, on the standard clock of the site (`zones`): its zone without daylight saving.
        """
        if self.frame is not None:
            return self.events.lazy()
        return self.stored.scan(self._some if shards is None else shards)

    @cached_property
    def events(self) -> pl.DataFrame:
        """Every event, in memory, with the columns of `scan`."""
        if self.frame is None:
            return self.scan().collect()
        schema = self.frame.schema
        required(schema, str(self.path))
        for name in (n for n, kind in EVENTS.items() if kind != pl.String and schema.get(n) == pl.String):
            fix = "read it with `polyclinic ingest meds`, which turns text into times and numbers"
            raise BadData(f"the column {name!r} is text", at=Place(file=str(self.path), column=name), fix=fix)
        values = ("numeric_value", "text_value")
        wrong = [pl.col(n).cast(kind) for n, kind in EVENTS.items() if schema.get(n, kind) != kind]
        absent = [pl.lit(None, EVENTS[n]).alias(n) for n in values if n not in schema]
        return self.frame.with_columns(*wrong, *absent) if wrong or absent else self.frame

    @cached_property
    def arrays(self) -> EventArrays:
        """The same as arrays: cohort and inputs of one patient live share them."""
        return EventArrays.of(self.events)
