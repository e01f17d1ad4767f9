"""To and from data frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from polyclinic import atomic, progress
from polyclinic.errors import BadData, Place, UnknownName, UsageError
from polyclinic.samples.columns import Array, Column, Dense, File, Ragged
from polyclinic.samples.inputs import InputColumns
from polyclinic.samples.samples import Role, Samples
from polyclinic.timelines.tables import readable, separated

MOST_LEVELS = 50
MIXED = 0.2
WORDS = (pl.String, pl.Categorical, pl.Enum)


def as_polars(frame: Any) -> pl.DataFrame:
    """A Polars frame of a Polars or pandas one; raises `BadData` for a column that no table on disk can hold."""
    if isinstance(frame, (pl.LazyFrame, pl.DataFrame)):
        table = frame.lazy().collect()
        for name, dtype in table.schema.items():
            if dtype in (pl.Object, pl.Int128):
                fix = "give it text, numbers of at most 64 bits, flags or times; or drop it"
                raise BadData(f"the column {name!r} holds {dtype}", at=Place(column=name), fix=fix)
        return table
    if type(frame).__module__.startswith("pandas"):
        return pl.DataFrame({str(name): frame[name].to_numpy() for name in frame.columns}, nan_to_null=True)
    raise UsageError(f"not a data frame: {type(frame).__name__}", fix="give a Polars or pandas data frame")


def read_table(path: Path) -> pl.DataFrame:
    """A CSV or Parquet file; raises `BadData` where it is neither or is cut short."""
    if not path.is_file():
        raise UsageError(f"no such file: {path}", at=Place(file=str(path)), fix="check the path")
    with readable(path):
        if path.suffix in {".csv", ".tsv", ".smi", ".txt"}:
            separator = "\t" if path.suffix in {".tsv", ".smi"} else ","
            separated(path, separator)
            return pl.read_csv(path, separator=separator, infer_schema_length=None, try_parse_dates=True)
        return pl.read_parquet(path)


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """CSV or Parquet, as the name ends; whole or not at all."""
    writable(path)
    with atomic.file(path) as part:
        frame.write_csv(part) if path.suffix == ".csv" else frame.write_parquet(part)


def writable(path: Path) -> None:
    """Raise `UsageError` for a name that does not end like a table that can be written."""
    if path.suffix not in (".csv", ".parquet") and not path.is_dir():
        what = f"{path.suffix or 'a name without an ending'} is no table that can be written"
        raise UsageError(what, at=Place(file=str(path)), fix="name a .parquet or a .csv file")


def need_columns(frame: pl.DataFrame, names: Sequence[str]) -> None:
    """Raise `UnknownName` for the first name that is no column of the frame."""
    for name in names:
        if name not in frame.columns:
            raise UnknownName("column", name, frame.columns, at=Place(column=name))


@dataclass(frozen=True, kw_only=True)
class TableInputs:
    """Numbers, flags and categories of a table as dense inputs.

    use: the columns to read; without: those to leave, where `use` names none; categories: column → its levels, one 0/1
    input each (an unknown level is all 0).
    groups, strata: columns that name groups and strata.
    """

    use: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()

    def resolved(self, rows: pl.DataFrame, leave_out: Sequence[str]) -> Self:
        """The same with every column and level written out, from the rows of the study."""
        need_columns(rows, (*self.without, *self.strata))
        for name in (n for n in self.groups if n in rows.columns and rows[n].has_nulls()):
            fix = "fill that column, leave those rows out, or keep another group apart"
            raise BadData(f"{rows[name].null_count()} rows have no {name!r}", at=Place(column=name), fix=fix)
        other = {*leave_out, *self.without, *self.groups, "row_id"}
        use = self.use or tuple(c for c in rows.columns if c not in other and _usable(rows[c]))
        need_columns(rows, use)
        if unread := [c for c in rows.columns if c not in (*other, *use)] if not self.use else []:
            progress.say(f"not read, being neither numbers nor flags nor text: {', '.join(unread)}")
        text = [c for c in use if rows[c].dtype in WORDS and rows[c].null_count() < rows.height]
        levels = {c: _levels(rows[c]) for c in text if c not in self.categories}
        return replace(self, use=use, without=(), categories={**levels, **self.categories})

    def columns(self, source: Any, rows: pl.DataFrame, task: Any) -> InputColumns:
        """One dense column a table column; see `Inputs.columns`."""
        need_columns(rows, self.use)
        columns: dict[str, Column] = {name: self._column(rows[name]) for name in self.use}
        kinds = self.groups, self.strata
        groups, strata = ({n: labels(rows[n]) for n in kind if n in rows.columns} for kind in kinds)
        return InputColumns(columns, groups, strata)

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """Rows with text or an infinite number in a number column; a missing value is an input like any other."""
        need_columns(rows, self.use)
        found: dict[int, str] = {}
        for name in (n for n in self.use if rows[n].dtype == pl.String and n not in self.categories):
            read = _read(rows[name])
            wrong = read.is_null() & rows[name].is_not_null()
            found = dict.fromkeys(wrong.arg_true(), f"column {name!r} holds text, not a number") | found
            found = dict.fromkeys(read.is_infinite().arg_true(), f"column {name!r} is infinite") | found
        return found

    def _column(self, series: pl.Series) -> Dense:
        if series.name not in self.categories:
            return Dense(numbers(series), (series.name,))
        levels = self.categories[series.name]
        given, wanted = series.cast(pl.String).to_numpy(), np.array(levels, object)
        # In a file in which every code looks like a number, 250.00 has become 250.0.
        if series.dtype.is_numeric():
            given, wanted = series.cast(pl.Float64).to_numpy(), _read(pl.Series(levels)).to_numpy()
        return Dense(np.stack([given == level for level in wanted], axis=1).astype(np.float32), tuple(levels))


def _levels(series: pl.Series) -> tuple[str, ...]:
    """The values of a text column. Raises `BadData` for a column of numbers and words, and for free text: its words
    would become categories and leave with a package.
    """
    filled, name = series.drop_nulls().cast(pl.String), series.name
    levels, text = tuple(sorted(filled.unique())), _read(filled).null_count() / len(filled)
    fix = f"in the study's inputs, `table: {{without: [{name}]}}` leaves it out, "
    if 0 < text <= 1 - MIXED:
        what = f"column {name!r} holds numbers and text ({text:.1%} of it is text)"
        fix += "`categories` names its levels; or clean it, or set more rows aside (source.max_quarantined)"
        raise BadData(what, at=Place(column=name), fix=fix)
    if levels and filled.str.contains(r"^\s*[+-]?\d+,\d+\s*$").all():
        what = f"the numbers of column {name!r} are written with commas"
        raise BadData(what, at=Place(column=name), fix="write them with points, such as 0.5")
    if len({level.strip().lower() for level in levels}) < len(levels):
        progress.say(f"column {name!r} has levels that differ in capitals or spaces alone; each counts by itself")
    if len(levels) > MOST_LEVELS:
        what = f"column {name!r} is text with {len(levels)} different values"
        raise BadData(what, at=Place(column=name), fix=f"{fix}`groups` makes it a group")
    return levels


def _usable(series: pl.Series) -> bool:
    return series.dtype.is_numeric() or series.dtype in (*WORDS, pl.Boolean)


def _read(series: pl.Series, strict: bool = False) -> pl.Series:
    """As float64, without spaces around a number; where it is not `strict`, null for text."""
    text = series.str.strip_chars() if series.dtype == pl.String else series
    return text.cast(pl.Float64, strict=strict)


def numbers(series: pl.Series) -> Array:
    """float64 [row], NaN where missing; raises `BadData` for text in a number column."""
    try:
        return _read(series, strict=True).fill_null(np.nan).to_numpy()
    except pl.exceptions.PolarsError as error:
        what = f"column {series.name!r} holds text where numbers are wanted"
        fix = "make it a number column, or name it under `categories`"
        raise BadData(what, at=Place(column=series.name), fix=fix) from error


def labels(series: pl.Series) -> Array:
    """Group names: integers stay integers, everything else becomes text; raises `BadData` where it has none."""
    if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Duration):
        fix = "name a column of one text, number or time a row"
        raise BadData(f"the column {series.name!r} holds {series.dtype}", at=Place(column=series.name), fix=fix)
    if series.dtype.is_integer() and not series.null_count():
        return series.to_numpy()
    return series.cast(pl.String).fill_null("unknown").to_numpy().astype(str)


def times(series: pl.Series) -> Array:
    """datetime64[us] [row], NaT where missing; raises `BadData` for what is no time."""
    if not (series.dtype in (pl.Date, pl.Null) or isinstance(series.dtype, pl.Datetime)):
        what, fix = f"the column {series.name!r} holds {series.dtype} where times are wanted", "write 2024-01-31 08:00"
        raise BadData(what, at=Place(column=series.name), fix=fix)
    return series.cast(pl.Datetime("us")).to_numpy()


def from_frame(
    frame: Any, *, target: str | None, group: str | list[str] | None, time: str | None, strata: list[str]
) -> Samples:
    """See `Samples.from_frame`."""
    table = as_polars(frame)
    groups = [group] if isinstance(group, str) else list(group or [])
    named = [n for n in (target, time, *groups, *strata) if n]
    need_columns(table, named)
    how = TableInputs(groups=tuple(groups), strata=tuple(strata)).resolved(table, named)
    made = how.columns(None, table, None)
    columns = dict(made.columns)
    roles: dict[str, Role] = dict.fromkeys(columns, "input")
    if target is not None:
        columns[target], roles[target] = Dense(numbers(table[target]), (target,)), "target"
    ids = np.arange(table.height, dtype=np.int64)
    when = None if time is None else times(table[time])
    return Samples(ids, columns, roles, made.groups or {"row": ids}, when, made.strata)


def to_polars(samples: Samples) -> pl.DataFrame:
    """See `Samples.to_polars`."""
    data: dict[str, Any] = {"row_id": samples.row_id}
    if samples.time is not None:
        data["time"] = samples.time
    data |= {n: v for n, v in (*samples.groups.items(), *samples.strata.items()) if n not in data}
    for name, column in samples.columns.items():
        data |= _series(name, column)
    return pl.DataFrame(data)


def _series(name: str, column: Column) -> dict[str, Any]:
    if isinstance(column, Dense):
        return {name: pl.Series(column.values.tolist()) if column.values.ndim > 1 else column.values}
    if isinstance(column, Ragged):
        return {f"{name}.{f}": pl.Series([_named(column, f, v) for v in column.rows(f)]) for f in column.values}
    return {name: column.references if isinstance(column, File) else column.index}


def _named(column: Ragged, name: str, values: Array) -> list[Any]:
    levels = column.levels.get(name)
    return [levels[int(v)] for v in values] if levels else list(values.tolist())


def to_html(samples: Samples) -> str:
    """A table of what the samples hold, for a notebook."""
    from polyclinic.figures.html import table

    rows = [
        [name, type(c).__name__, samples.roles[name], f"{int(c.present.sum()):,}"]
        for name, c in samples.columns.items()
    ]
    groups = ", ".join(f"{len(np.unique(v)):,} {k}" for k, v in samples.groups.items())
    caption = f"Samples: {len(samples):,} rows, {groups or 'no groups'}"
    return table(rows, ["column", "kind", "role", "present"], caption)
