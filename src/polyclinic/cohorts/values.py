"""Which values are believed: plausible ranges and ties, the same for cohort, inputs and labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

TIMELESS = np.iinfo(np.int64).min
TIES = ("min", "max", "mean")


def plausible(events: pl.DataFrame, values: Mapping[str, Any]) -> pl.DataFrame:
    """The events without implausible values, one value an instant where ties are told.

    values: code → {"plausible": [low, high], "ties": "min" | "max" | "mean"}. Events without a value stay. Where any
    code has `ties`, the rows come back sorted by subject and time.
    """
    outside = _outside(values)
    tied = {code: v["ties"] for code, v in values.items() if v.get("ties")}
    return _one_an_instant(events, outside, tied) if tied else events.filter(~outside)


def set_aside(events: pl.LazyFrame, values: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Code → how many readings, how many outside the plausible range, and instants with more than one reading."""
    found: dict[str, dict[str, int]] = {}
    for code, how in values.items():
        read = events.filter(pl.col("code") == code, pl.col("numeric_value").is_not_null())
        outside = _outside({code: how})
        counts = read.select(readings=pl.len(), outside=outside.sum()).collect().row(0, named=True)
        instants = read.filter(~outside).group_by("subject_id", "time").len().filter(pl.col("len") > 1)
        found[code] = {**counts, "tied": instants.select(pl.len()).collect().item()}
    return found


def _one_an_instant(events: pl.DataFrame, outside: pl.Expr, tied: Mapping[str, str]) -> pl.DataFrame:
    """By three small queries: one patient live has no time for one to each code."""
    number = pl.coalesce(*(pl.when(_filled(code)).then(n) for n, code in enumerate(tied, start=1)), 0)
    times = [pl.col(c).to_physical().fill_null(TIMELESS) for c in ("time", "available_time") if c in events]
    told = events.select("subject_id", *times, "numeric_value", number.alias("number"), outside.alias("aside"))
    subject, time, *available, value, code, aside = (column.to_numpy() for column in told)
    place = np.arange(len(code))
    heard = np.where(code > 0, available[0] if available else 0, place)  # other events stand for themselves
    order = np.lexsort((heard, code, time, subject))
    order = order[~aside[order]]
    keys = np.stack([subject, time, code, heard])[:, order]
    first = np.flatnonzero(np.append(True, (keys[:, 1:] != keys[:, :-1]).any(axis=0))[: len(order)])
    kept, one = order[first], value.copy()
    for n, how in enumerate(tied.values(), start=1):
        mine = code[kept] == n
        one[kept[mine]] = REDUCED[how](value[order], first)[mine]
    kept = kept[np.lexsort((kept, code[kept], time[kept], subject[kept]))]
    found: pl.DataFrame = events[kept]
    if len(kept) == len(order):
        return found
    settled = pl.when(pl.Series(code[kept] > 0)).then(pl.Series(one[kept])).otherwise("numeric_value")
    return found.with_columns(numeric_value=settled)


def _mean(values: npt.NDArray[Any], first: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    return np.add.reduceat(values.astype(float), first) / np.diff(np.append(first, len(values)))


REDUCED: dict[str, Any] = {"min": np.fmin.reduceat, "max": np.fmax.reduceat, "mean": _mean}


def _filled(code: str) -> pl.Expr:
    return pl.col("numeric_value").is_not_null() & (pl.col("code") == code)


def _outside(values: Mapping[str, Any]) -> pl.Expr:
    """Whether a value lies outside its code's range, or is infinite; a missing value does not."""
    value = pl.col("numeric_value")
    ranges = {code: how["plausible"] for code, how in values.items() if how.get("plausible")}
    tests = [(pl.col("code") == code) & ~value.is_between(low, high) for code, (low, high) in ranges.items()]
    return pl.any_horizontal(value.is_infinite(), *tests).fill_null(False)
