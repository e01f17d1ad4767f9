"""Which values count: plausible ranges and ties, the same for cohort, inputs and labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.arrays import Array
from polyclinic.timelines.availability import instants

TIES = ("min", "max", "mean")


def plausible(events: pl.DataFrame, values: Mapping[str, Any]) -> pl.DataFrame:
    """The events without implausible values, one value an instant where ties are told.

    values: code → {"plausible": [low, high], "ties": "min" | "max" | "mean"}. Events without a value stay. Where any
    code has `ties`, the rows come back sorted by subject and time.
    """
    rows, value = plausible_rows(events, values)
    events = events.clone().replace_column(events.get_column_index(value.name), value)
    return events if len(rows) == events.height and (np.diff(rows) == 1).all() else events[rows]


def plausible_rows(events: pl.DataFrame, values: Mapping[str, Any]) -> tuple[npt.NDArray[np.intp], pl.Series]:
    """Positions of the plausible events, in their order, and the `numeric_value` of all events, ties settled."""
    value = events["numeric_value"]
    number, aside = _marked(events["code"], value, values)
    if not any(how.get("ties") for how in values.values()):
        return np.flatnonzero(~aside), value
    of = [number, instants(events["time"]), events["subject_id"].to_numpy()]
    heard = [instants(events["available_time"])] if "available_time" in events.columns else []
    readings = np.flatnonzero((number > 0) & ~aside)
    keys = np.stack([column[readings] for column in (*heard, *of)])
    order = np.lexsort(keys)
    first = np.flatnonzero(np.append(True, (np.diff(keys[:, order]) != 0).any(axis=0))[: len(order)])
    if len(first) < len(order):
        aside[readings] = True
        aside[readings[order[first]]] = False
        value = _settled(value, number, readings[order], first, values)
    rows = np.flatnonzero(~aside)
    return rows[np.lexsort([column[rows] for column in of])], value


def set_aside(events: pl.DataFrame, values: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Code → how many readings, how many outside the plausible range, and instants with more than one reading."""
    counts: dict[str, dict[str, int]] = {}
    for code, how in values.items():
        number, aside = _marked(events["code"], events["numeric_value"], {code: {"ties": "min", **how}})
        readings = number > 0
        tied = events.filter(readings & ~aside).group_by("subject_id", "time").len().filter(pl.col("len") > 1)
        counts[code] = {"readings": int(readings.sum()), "outside": int((readings & aside).sum()), "tied": tied.height}
    return counts


def _marked(
    codes: pl.Series, numbers: pl.Series, values: Mapping[str, Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The number of each reading's code among those with `ties` (from 1; 0: any other event), and what is implausible.

    In arrays, as one patient live has no time for queries. A missing value is never implausible, an infinite one is.
    """
    value = numbers.to_numpy()
    number, aside = np.zeros(len(value), np.int64), np.isinf(value)
    filled = numbers.is_not_null().to_numpy() if values else aside
    if codes.null_count():  # MEDS knows no such event
        aside |= codes.is_null().to_numpy()
    for n, (code, how) in enumerate(values.items(), start=1):
        mine = (codes == code).to_numpy().astype(bool) & filled
        if how.get("ties"):
            number[mine] = n
        if how.get("plausible"):
            low, high = how["plausible"]
            aside |= mine & ~((value >= low) & (value <= high))
    return number, aside


def _settled(values: pl.Series, number: Array, order: Array, first: Array, rules: Mapping[str, Any]) -> pl.Series:
    """The values with, at the first event of each tie, the one that its code's rule takes."""
    ordered, settled, code = values.to_numpy()[order], values.clone(), number[order[first]]
    for n, how in enumerate(rules.values(), start=1):
        if (mine := code == n).any():
            settled.scatter(order[first[mine]], REDUCED[how["ties"]](ordered, first)[mine].astype(ordered.dtype))
    return settled


def _mean(values: Array, first: npt.NDArray[np.int64]) -> Array:
    return np.add.reduceat(values.astype(float), first) / np.diff(np.append(first, len(values)))


REDUCED: dict[str, Any] = {"min": np.fmin.reduceat, "max": np.fmax.reduceat, "mean": _mean}
