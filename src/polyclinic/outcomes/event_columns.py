"""Times and events of a table as numbers, and the times at which answers are given."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from polyclinic.arrays import Array, Floats
from polyclinic.errors import BadData, Place
from polyclinic.samples.frames import numbers

FOLLOWED = 0.9
"""Answers are given up to the time when all but this share of the rows are still followed."""
POINTS = 24
"""Times of the answers, horizons apart, where the study names none."""
DIGITS, FEW_DIGITS = 4, 2
"""Significant digits of the times, and of the horizons, which stand in the names of scores."""


def event_times(series: pl.Series) -> Floats:
    """A column of times from the start of each row, float64 [row], NaN where missing; a duration becomes days.

    Raises `BadData` for times below 0, infinite ones and text.
    """
    if isinstance(series.dtype, pl.Duration):
        series = (series.dt.total_microseconds() / 86_400e6).alias(series.name)
    values = np.asarray(numbers(series), np.float64)
    if wrong := int((values < 0).sum() + np.isinf(values).sum()):
        what = f"the time {series.name!r} is below 0 or infinite in {wrong:,} rows"
        raise BadData(what, at=Place(column=series.name), fix="count the time of each row from its start")
    return values


def event_codes(series: pl.Series, causes: Sequence[str], censored: str) -> Floats:
    """A column of events, float64 [row]: 0 where censored, else the code of the cause from 1, NaN where missing.

    Numbers are codes; text is the name of a cause, or says that the row is censored. Raises `BadData` for others.
    """
    at, names = Place(column=series.name), tuple(causes) or ("event",)
    text = series.dtype in (pl.String, pl.Categorical, pl.Enum)
    if text and series.cast(pl.Float64, strict=False).null_count() > series.null_count():
        known = {name: float(code) for code, name in enumerate((censored, *names))}
        words = series.cast(pl.String).str.strip_chars()
        if wrong := sorted(set(words.drop_nulls().unique()) - known.keys()):
            what = f"the event {series.name!r} has {len(wrong)} values that are neither {censored!r} nor a cause"
            fix = "name every cause in `causes` of the target, and in `censored` what stands for a censored row"
            raise BadData(what, at=at, fix=fix)
        return words.replace_strict(known, return_dtype=pl.Float64).fill_null(np.nan).to_numpy()
    values = np.asarray(numbers(series.cast(pl.Float64) if series.dtype == pl.Boolean else series), np.float64)
    if not np.isin(values[~np.isnan(values)], np.arange(len(names) + 1)).all():
        what = f"the event {series.name!r} has values other than 0 to {len(names)} and missing"
        fix = "write 0 for a censored row and the number of the cause, and name every cause in `causes` of the target"
        raise BadData(what, at=at, fix=fix)
    return values


def time_grid(time: Floats, event: Array, horizons: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The times of the answers and the horizons among them, from all labelled rows of a study.

    time, event: float64 [row]; horizons: those that the study names. Empty where there are no events.
    """
    happened = time[(event > 0) & (time > 0)]
    if not len(happened):
        return (), tuple(horizons)
    end = rounded(min(float(happened.max()), float(np.quantile(time, FOLLOWED))), DIGITS, down=True)
    early = happened[happened <= end] if (happened <= end).any() else happened
    shown = tuple(horizons) or tuple(rounded(at, FEW_DIGITS) for at in np.quantile(early, [0.25, 0.5, 0.75]))
    levels = np.quantile(early, np.arange(1, POINTS) / POINTS)
    times = sorted({*(rounded(at, DIGITS) for at in levels), *map(float, shown), end} - {0.0})
    inside = [at for at in times if at <= max(end, *shown)]
    return tuple(inside), tuple(sorted({*map(float, shown)}))


def rounded(value: float, digits: int, *, down: bool = False) -> float:
    """A number of few significant digits, such as people name."""
    if value <= 0:
        return 0.0
    power = digits - 1 - int(np.floor(np.log10(value)))
    scaled = value * 10.0**power
    whole = np.floor(scaled + 1e-9) if down else np.round(scaled)
    return float(np.round(whole / 10.0**power, max(power, 0)))
