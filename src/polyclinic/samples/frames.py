"""Data frames and table files: read, write, and read as numbers, labels and times."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic import atomic
from polyclinic.arrays import Array
from polyclinic.errors import BadData, Place, UnknownName, UsageError
from polyclinic.samples.columns import Column, Dense, File, Ragged
from polyclinic.timelines.tables import read_table as read_table


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
        return pl.DataFrame([_of_pandas(str(name), frame[name]) for name in frame.columns])
    raise UsageError(f"not a data frame: {type(frame).__name__}", fix="give a Polars or pandas data frame")


def _of_pandas(name: str, column: Any) -> pl.Series:
    """A column of a pandas frame; times with a zone keep it."""
    zone = getattr(getattr(column, "dt", None), "tz", None)
    if zone is None:
        return pl.Series(name, column.to_numpy(), nan_to_null=True)
    utc = pl.Series(name, column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    named = str(zone) if str(zone) in available_timezones() else "UTC"
    return utc.dt.replace_time_zone("UTC").dt.convert_time_zone(named)


def in_one_type(left: pl.DataFrame, right: pl.DataFrame, keys: Iterable[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two tables whose keys can be joined: an integer meets text as the text that it was, so that 7 and 007 are two;
    whole floats are integers, as pandas writes them beside missing ones; text loses the blanks around it.
    """
    for key in keys:
        left, right = (frame.with_columns(_key(frame[key])) for frame in (left, right))
        kinds = left.schema[key], right.schema[key]
        if pl.String in kinds and any(kind.is_integer() for kind in kinds):
            left, right = (f.with_columns(pl.col(key).cast(pl.String)) for f in (left, right))
        elif kinds[0] != kinds[1] and all(isinstance(kind, pl.Datetime) for kind in kinds):
            left, right = (f.with_columns(pl.col(key).dt.cast_time_unit("us")) for f in (left, right))
    return left, right


def _key(column: pl.Series) -> pl.Series:
    """A column by which tables are joined, in its plain form."""
    if isinstance(column.dtype, (pl.String, pl.Categorical, pl.Enum)):
        return column.cast(pl.String).str.strip_chars()
    if column.dtype.is_float():
        whole = column.fill_nan(None)
        if (whole.drop_nulls() == whole.drop_nulls().floor()).all() and (whole.drop_nulls().abs() < 2**53).all():
            return whole.cast(pl.Int64)
    return column


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """CSV or Parquet, as the name ends; whole or not at all. In a CSV, a list is written as JSON: `[0.5, null]`."""
    writable(path)
    with atomic.file(path) as part:
        with_lists_as_text(frame).write_csv(part) if path.suffix == ".csv" else frame.write_parquet(part)


def with_lists_as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """The same with each list as JSON text, as a CSV holds it; null stays null."""
    texts = [
        pl.Series(column.name, [None if v is None else json.dumps(v) for v in column.to_list()], pl.String)
        for column in frame
        if isinstance(column.dtype, pl.List)
    ]
    return frame.with_columns(texts)


def lists_of_text(series: pl.Series, kind: pl.List) -> pl.Series:
    """Lists of a column that has them as they are, or as JSON text; raises `BadData` for other text."""
    try:
        return (series.str.json_decode(kind) if series.dtype == pl.String else series).cast(kind)
    except pl.exceptions.PolarsError as error:
        fix = "write one list a row, in a CSV as JSON: [0.1, 0.7, null]"
        raise BadData(f"the column {series.name!r} holds no lists", at=Place(column=series.name), fix=fix) from error


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


def as_numbers(series: pl.Series, strict: bool = False) -> pl.Series:
    """As float64, without spaces around a number; where it is not `strict`, null for text.

    Raises `BadData` for a column of times or lists, which a cast would turn into other numbers or could not read.
    """
    if series.dtype.is_temporal() or series.dtype.is_nested() or series.dtype == pl.Binary:
        what, fix = f"column {series.name!r} holds {series.dtype} where numbers are wanted", "make it a number column"
        raise BadData(what, at=Place(column=series.name), fix=fix)
    text = series.str.strip_chars() if series.dtype == pl.String else series
    return text.cast(pl.Float64, strict=strict)


def numbers(series: pl.Series) -> Array:
    """float64 [row], NaN where missing; raises `BadData` for text in a number column."""
    try:
        return as_numbers(series, strict=True).fill_null(np.nan).to_numpy()
    except pl.exceptions.PolarsError as error:
        what = f"column {series.name!r} holds text where numbers are wanted"
        fix = "make it a number column, or name it under `categories`"
        raise BadData(what, at=Place(column=series.name), fix=fix) from error


def as_lists(name: str, values: Array) -> pl.Series:
    """A column of lists of one length, from [row, entry]; NaN is null."""
    width = values.shape[1]
    flat = pl.Series(np.ascontiguousarray(values).reshape(-1))
    flat = flat.fill_nan(None) if flat.dtype.is_float() else flat
    shaped = (
        flat.reshape((len(values), width)) if len(values) and width else pl.Series(dtype=pl.Array(flat.dtype, width))
    )
    return shaped.cast(pl.List(flat.dtype)).alias(name)


def of_lists(series: pl.Series, width: int) -> npt.NDArray[np.float64]:
    """float64 [row, entry] of a column of lists of one length, NaN for null; raises `BadData` for other lengths."""
    at, fix = Place(column=series.name), "give each row a list with one entry a label, null where it is missing"
    if not isinstance(series.dtype, pl.List):
        raise BadData(f"the column {series.name!r} holds {series.dtype}, not lists", at=at, fix=fix)
    known = series.drop_nulls()
    if wrong := int((known.list.len() != width).sum()):
        what = f"{wrong:,} lists of the column {series.name!r} do not have {width} entries"
        raise BadData(what, at=at, fix=fix)
    values = np.full((len(series), width), np.nan)
    values[series.is_not_null().to_numpy()] = (
        known.explode().cast(pl.Float64).fill_null(np.nan).to_numpy().reshape(-1, width)
    )
    return values


def labels(series: pl.Series) -> Array:
    """Group names: integers stay integers, everything else becomes text, without the blanks around it; raises `BadData`
    where it has none.
    """
    if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Duration):
        fix = "name a column of one text, number or time a row"
        raise BadData(f"the column {series.name!r} holds {series.dtype}", at=Place(column=series.name), fix=fix)
    if series.dtype.is_integer() and not series.null_count():
        return series.to_numpy()
    return series.cast(pl.String).str.strip_chars().fill_null("unknown").to_numpy().astype(str)


def times(series: pl.Series) -> Array:
    """datetime64[us] [row], NaT where missing; raises `BadData` for what is no time."""
    if not (series.dtype in (pl.Date, pl.Null) or isinstance(series.dtype, pl.Datetime)):
        what, fix = f"the column {series.name!r} holds {series.dtype} where times are wanted", "write 2024-01-31 08:00"
        raise BadData(what, at=Place(column=series.name), fix=fix)
    return series.cast(pl.Datetime("us")).to_numpy()


def column_series(name: str, column: Column) -> dict[str, object]:
    """A column as columns of a data frame: one, or one a field of a ragged column."""
    if isinstance(column, Dense):
        return {name: pl.Series(column.values.tolist()) if column.values.ndim > 1 else column.values}
    if isinstance(column, Ragged):
        return {f"{name}.{f}": pl.Series([_named(column, f, v) for v in column.rows(f)]) for f in column.values}
    return {name: column.references if isinstance(column, File) else column.index}


def _named(column: Ragged, name: str, values: Array) -> list[object]:
    levels = column.levels.get(name)
    return [levels[int(v)] for v in values] if levels else list(values.tolist())
