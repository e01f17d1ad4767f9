"""Columns of numbers that are measured: bounds such as `<5` in text, intervals, predictions made elsewhere."""

import numpy as np
import polars as pl

from polyclinic.arrays import Floats
from polyclinic.errors import BadData, Place, pattern_of
from polyclinic.figures.numbers import how_many
from polyclinic.samples.frames import as_lists, as_numbers, of_lists
from polyclinic.samples.prediction_columns import BOUND, NUMBER, PREDICTED_NUMBER, QUANTILE_LEVELS, QUANTILES, REFUSED
from polyclinic.timelines.tables import NULLS

BELOW, ABOVE = "<", ">"
BOUNDED = r"^\s*(<=|>=|[<>≤≥])?\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*$"
"""A number in text, and whether it is only a bound: `7.4`, `<5`, `>= 200`, `≤0.1`."""
LOW, HIGH = "interval_low", "interval_high"
"""What predictions made elsewhere may call the two ends of their intervals, in place of the list `quantiles`."""


def exact_or_bound(series: pl.Series) -> tuple[Floats, Floats]:
    """Numbers, NaN where missing, and on which side of them the truth lies: -1 for `<5`, 1 for `>200`, else 0.

    Returns
    -------
    tuple of ndarray
        float64 [row] each.

    Raises
    ------
    BadData
        For text that is no number; it is named by its pattern alone.
    """
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    if series.dtype != pl.String:
        values = as_numbers(series).fill_null(np.nan).to_numpy().astype(np.float64)
        _none_infinite(series.name, values)
        return values, np.zeros(len(values))
    text = series.str.strip_chars()
    text = text.set(text.is_in(NULLS), None)
    value = text.str.extract(BOUNDED, 2).cast(pl.Float64, strict=False)
    if (wrong := value.is_null() & text.is_not_null()).any():
        what = f"{series.name!r} holds in {how_many(int(wrong.sum()), 'row')} text that is no number"
        what += f", such as the pattern {pattern_of(text.filter(wrong)[0])!r}"
        fix = "write numbers, `<5` or `>200` for a limit, and nothing where the value is not known"
        raise BadData(what, at=Place(column=series.name, row=wrong.arg_max()), fix=fix)
    sign = text.str.extract(BOUNDED, 1).fill_null("")
    side = sign.is_in(["<", "<=", "≤"]).cast(pl.Float64) * -1 + sign.is_in([">", ">=", "≥"]).cast(pl.Float64)
    values = value.fill_null(np.nan).to_numpy()
    _none_infinite(series.name, values)
    return values, side.to_numpy()


def _none_infinite(name: str, values: Floats) -> None:
    if (count := int(np.isinf(values).sum())) > 0:
        what = f"{name!r} is infinite in {how_many(count, 'row')}"
        raise BadData(what, at=Place(column=name), fix="leave these rows empty, or write the limit as `>200`")


def side_of(side: Floats) -> pl.Series:
    """-1, 1 and 0 as `<`, `>` and null."""
    names = pl.Series([BELOW, None, ABOVE], dtype=pl.String)
    return names.gather(pl.Series(side.astype(np.int64) + 1, dtype=pl.Int64)).alias(BOUND)


def bounds(frame: pl.DataFrame) -> tuple[Floats, Floats]:
    """Lower and upper bound of the truth of rows of the predictions table: equal where it is exact, NaN where missing."""
    value = frame[NUMBER].cast(pl.Float64).fill_null(np.nan).to_numpy()
    if BOUND not in frame.columns:
        return value, value
    side = frame[BOUND].cast(pl.String).fill_null("")
    below, above = ((side == sign).to_numpy() & ~np.isnan(value) for sign in (BELOW, ABOVE))
    return np.where(below, -np.inf, value), np.where(above, np.inf, value)


def intervals(frame: pl.DataFrame, column: str = QUANTILES) -> tuple[Floats, Floats]:
    """Lower and upper end of the intervals of rows of the predictions table, NaN where there is none."""
    if column not in frame.columns:
        nothing = np.full(frame.height, np.nan)
        return nothing, nothing
    low, high = of_lists(frame[column], 2).T
    return low, high


def read_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """Predictions made elsewhere, joined with the truth, with numbers and intervals checked and in their types.

    Raises `BadData` for a prediction that is no number, for an interval without two ends in order, and for a truth
    that is neither a number nor a bound.
    """
    if NUMBER in frame.columns:
        values, side = exact_or_bound(frame[NUMBER])
        frame = frame.with_columns(pl.Series(NUMBER, values).fill_nan(None))
        frame = frame if BOUND in frame.columns else frame.with_columns(side_of(side))
    if (column := PREDICTED_NUMBER) in frame.columns:
        predicted, _ = exact_or_bound(frame[column])
        answered = frame[REFUSED].is_null() if REFUSED in frame.columns else pl.repeat(True, frame.height, eager=True)
        if missing := int((np.isnan(predicted) & answered.to_numpy()).sum()):
            fix = f"give each row a number, or a reason in a column {REFUSED!r}"
            raise BadData(
                f"{how_many(missing, 'row has', 'rows have')} no prediction", at=Place(column=column), fix=fix
            )
        frame = frame.with_columns(pl.Series(column, predicted).fill_nan(None))
    if QUANTILES not in frame.columns and {LOW, HIGH} <= set(frame.columns):
        ends = np.stack([exact_or_bound(frame[name])[0] for name in (LOW, HIGH)], axis=1)
        frame = frame.with_columns(as_lists(QUANTILES, ends))
    if QUANTILES in frame.columns:
        low, high = intervals(frame)
        if not (wrong := ~(low <= high)).any():
            return frame
        what = f"{how_many(int(wrong.sum()), 'row has', 'rows have')} an interval without two ends in order"
        fix = f"give each row the lower and the upper end in {QUANTILES!r}, or in {LOW!r} and {HIGH!r}"
        raise BadData(what, at=Place(column=QUANTILES), fix=fix)
    return frame.drop(QUANTILE_LEVELS, strict=False)
