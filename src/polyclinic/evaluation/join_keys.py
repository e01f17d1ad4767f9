"""The columns that join predictions and labels: how each file writes them, and what to do where no row joins."""

from collections.abc import Sequence

import polars as pl

from polyclinic.errors import BadData, Place

WHOLE_FLOAT = r"^-?\d+\.0+$"
STYLES = {
    r"^-?(0|[1-9]\d*)$": "digits",
    r"^\d+$": "digits with zeros in front",
    WHOLE_FLOAT: "digits with a point and zeros behind it",
    r"^-?\d+\.\d+$": "digits with a point",
}
"""How an identifier may be written; the first pattern that all values have is named."""


def with_whole_floats(table: pl.DataFrame, truth: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both tables where keys that one text file writes as `12.0` (pandas, beside missing ones) are the integers that
    they are: so they join with what the other writes as `12`, as whole floats of a Parquet file do.
    """
    for name in (c for c in table.columns if c in truth.columns):
        points = [_has_style(frame[name], WHOLE_FLOAT) for frame in (table, truth)]
        if sum(points) == 1:
            whole = pl.col(name).str.strip_chars().str.replace(r"\.0+$", "")
            table, truth = (f.with_columns(whole) if p else f for f, p in zip((table, truth), points, strict=True))
    return table, truth


def nothing_joins(table: pl.DataFrame, truth: pl.DataFrame, keys: Sequence[str], at: Place) -> BadData:
    """The error for two tables that have no row in common; it says how they write their keys, and no value."""
    here, there = ({key: style(frame[key]) for key in keys} for frame in (table, truth))
    differing = [key for key in keys if here[key] != there[key]]
    written = [f"{key}: {here[key]} in the predictions, {there[key]} in the labels" for key in differing]
    written += [f"{key}: {here[key]} in both" for key in keys if key not in differing]
    apart = [key for key in keys if not table[key].is_in(truth[key].unique().implode()).any()]
    if differing:
        fix = f"write {', '.join(differing)} alike in both files"
    elif apart:
        fix = f"no value of {', '.join(apart)} is in both files: check that they are about the same rows"
    else:
        fix = "each of these columns has values in common, but no row has all of them: leave out of one file what names no row"
    what = f"no row of the predictions has a row in the labels, joined by {', '.join(keys)} ({'; '.join(written)})"
    return BadData(what, at=at, fix=fix)


def style(column: pl.Series) -> str:
    """How a key is written, in words."""
    if column.dtype.is_temporal():
        return "times"
    if column.dtype.is_numeric():
        return "digits" if column.dtype.is_integer() else "digits with a point"
    return next((words for pattern, words in STYLES.items() if _has_style(column, pattern)), "text")


def _has_style(column: pl.Series, pattern: str) -> bool:
    """Whether all values of a column of text are of a pattern."""
    if column.dtype != pl.String:
        return False
    known = column.drop_nulls().str.strip_chars()
    return known.len() > 0 and bool(known.str.contains(pattern).all())
