"""What a format gives: chunks of events or rows, with everything that it refused or set aside counted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import polars as pl

from polyclinic import registry
from polyclinic.errors import Place, UnknownName
from polyclinic.timelines import tables

REFUSED = {"row": pl.Int64, "column": pl.String, "reason": pl.String}
CONTRADICTIONS = {"file": pl.String, "column": pl.String, "id": pl.String, "reason": pl.String}

EVENTS: dict[str, pl.DataType] = {
    "subject_id": pl.Int64(),
    "time": pl.Datetime("us"),
    "code": pl.String(),
    "numeric_value": pl.Float32(),
    "text_value": pl.String(),
    "end_time": pl.Datetime("us"),
    "available_time": pl.Datetime("us"),
    "unit": pl.String(),
    "path": pl.String(),
    "utc_offset": pl.Int16(),
}
"""The columns of events, in their order. The first three are always there; the rest where a source has them.

Times are the wall clock of the site; `utc_offset`, minutes, is how far it is ahead of UTC in that row (`zones`)."""

WORDS, INFINITE, NO_TIME = "text in a number column", "an infinite number", "not a time"
EARLIER_END, EARLIER_KNOWN = "ended before it began", "known before it happened"
ROUNDED = "a number of more digits than are kept (float32)"
ODDITIES = {
    EARLIER_END: "Such an event counts at its beginning.",
    EARLIER_KNOWN: "Such an event is an input before its own time: see that its times are right.",
    ROUNDED: "Numbers that differ in their last digits become equal; store what is a code or a date as text or as a time.",
}
"""What is noted of events, although they are used → what it means."""

Gives: TypeAlias = Literal["events", "rows"]
Fault: TypeAlias = tuple[str, str | pl.Expr, pl.Expr | pl.Series]
"""Column, reason (text, or an expression that makes it), and which rows have it."""


def nothing_refused() -> pl.DataFrame:
    """An empty table of refusals: row, column, reason."""
    return pl.DataFrame(schema=REFUSED)


def without(faults: Iterable[Fault], frame: pl.DataFrame, row: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that have none of the faults, and the refusals of the others, each by its first; row: the position."""
    faults = list(faults)
    tests = [wrong if isinstance(wrong, pl.Expr) else pl.lit(wrong) for _, _, wrong in faults]
    occurs = frame.select(test.any().alias(str(n)) for n, test in enumerate(tests))
    present = [n for n, column in enumerate(occurs.iter_columns()) if column[0]]
    if not present:
        return frame, nothing_refused()
    masks = frame.select(tests[n].fill_null(False).alias(str(n)) for n in present)
    wrong = masks.select(pl.any_horizontal(str(n) for n in present)).to_series()
    # A reason may be a literal, one a row: it is written before rows are left out, and only where its fault occurs.
    reasons = {n: pl.lit(why) if isinstance(why, str) else why for n, (_, why, _) in enumerate(faults) if n in present}
    written = frame.select(
        pl.col(row).cast(pl.Int64).alias("row"), *(why.alias(f"reason {n}") for n, why in reasons.items())
    )
    few = written.hstack(masks).filter(wrong)
    column = pl.coalesce(pl.when(str(n)).then(pl.lit(faults[n][0])) for n in present)
    reason = pl.coalesce(pl.when(str(n)).then(f"reason {n}") for n in present)
    return frame.filter(~wrong), few.select("row", column=column, reason=reason)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A piece of one file of the source. `rows_in == used + refused rows + non-events`, and ingest checks it.

    file: relative to the source; rows_in: rows of the file in this piece; used: those that gave events (or a row).
    frame: events with the columns `EVENTS` (subject_id int64, or text that ingest makes int64), or rows with `row_id`
    (position in the source, refused rows counted) and their own columns.
    refused: row (position in the file), column, reason: rows that gave nothing; a row is refused once.
    non_events: why a row is rightly no event → how many.
    cells: values refused in rows that otherwise gave something; quarantined like `refused`, but no row is lost.
    noted: what was repaired or is worth knowing → how many rows; no row is lost.
    zone: the zone of the site, where the times of the source have one; the wall clock of `frame` is then its own.
    contradictions: file, column, id, reason: identifiers of which the source says two things; they stay at the site.
    refused_rows: of a format that gives rows, those that it refused, with the columns of `frame`: a prediction that is
    refused still says for whom.
    """

    file: str
    rows_in: int
    used: int
    frame: pl.DataFrame
    refused: pl.DataFrame = field(default_factory=nothing_refused)
    non_events: Mapping[str, int] = field(default_factory=dict)
    cells: pl.DataFrame = field(default_factory=nothing_refused)
    noted: Mapping[str, int] = field(default_factory=dict)
    zone: str | None = None
    contradictions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CONTRADICTIONS))
    refused_rows: pl.DataFrame = field(default_factory=pl.DataFrame)


def broken_rows_of(path: Path) -> Iterator[Chunk]:
    """The rows of a text file that have more or fewer cells than its header, refused; nothing where there are none."""
    if broken := tables.broken_rows(path):
        rows = {"row": [b.row for b in broken], "column": None, "reason": [b.reason for b in broken]}
        yield Chunk(path.name, len(broken), 0, pl.DataFrame(), pl.DataFrame(rows, REFUSED))


@dataclass(frozen=True, slots=True)
class FileReader:
    """How the files are read, and perhaps written, that one column of a format names.

    Parameters
    ----------
    read
        Path → an object with `values`, an array.
    write
        Takes an array, the path of the file whose geometry it shares, and the path to write to.
    ending
        How the files that `write` makes end, with its point.
    differs
        Takes the paths of two files and says what sets their places in the patient apart, "" where nothing does; None
        where files have no geometry.
    spacing
        Takes the path of a file and gives the millimetres between neighbouring values along each axis; None where files
        have no geometry: each value is then taken to be a millimetre from the next.
    name
        `FORMAT/COLUMN`, by which the registry gives this reader again; "" where it is not registered. What is stored
        (samples, summaries) holds this name and never that of a function: a stranger's file cannot choose what runs.
    """

    read: Callable[[str], Any]
    write: Callable[[Any, str, Path], None] | None = None
    ending: str = ""
    differs: Callable[[str, str], str] | None = None
    spacing: Callable[[str], tuple[float, ...]] | None = None
    name: str = ""


def file_readers(format_name: str, *, at: Place | None = None) -> dict[str, FileReader]:
    """Column → reader, for the columns of a registered format that name files; raises `UnknownName`."""
    entry = registry.entry("formats", format_name, at=at)
    files: Mapping[str, FileReader] = {} if entry.is_file else getattr(entry.load(), "files", {})
    return {column: replace(reader, name=f"{format_name}/{column}") for column, reader in files.items()}


def file_reader(name: str, *, at: Place | None = None) -> FileReader:
    """The reader that is registered as `FORMAT/COLUMN`; raises `UnknownName`."""
    format_name, _, column = name.partition("/")
    known = file_readers(format_name, at=at)
    if column not in known:
        raise UnknownName("column of files", name, [f"{format_name}/{c}" for c in known], at=at)
    return known[column]


@runtime_checkable
class FixedColumns(Protocol):
    """A format whose rows have the same columns whatever the source holds."""

    columns: tuple[str, ...]


@runtime_checkable
class ListedColumns(Protocol):
    """A format of one table, whose columns can be listed before it is read."""

    def listed(self, source: Path) -> list[str]:
        """The names of its columns; none where a file has no line of names."""


@runtime_checkable
class Format(Protocol):
    """A way in which data lie. A frozen dataclass; its fields are its settings: `zone`, the clock of the site;
    `max_quarantined`, the share of rows that the reading may refuse.

    A format that gives rows also has `files`: column → `FileReader`, for the columns that hold paths of pixels or
    waveforms.
    """

    @property
    def gives(self) -> Gives:
        """What the chunks hold."""

    def sniff(self, source: Path) -> bool:
        """Whether `source` looks like this format; reads names and headers only, raises nothing."""

    def read(self, source: Path) -> Iterator[Chunk]:
        """The whole source, piece by piece, in an order that does not change. Raises `BadData` where it cannot."""
