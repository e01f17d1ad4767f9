"""Which values count: plausible ranges and ties, the same for cohort, inputs and labels."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.arrays import Array
from polyclinic.cohorts.sorted_times import rises
from polyclinic.timelines.event_arrays import EventArrays

Rules: TypeAlias = Mapping[str, Any]
"""`plausible`: the least and the greatest value; `ties`: what several values of one instant become."""
ValueRules: TypeAlias = Mapping[str, Any]
"""Code → its rules."""
TIES = ("min", "max", "mean")


def plausible(events: pl.DataFrame, values: ValueRules) -> pl.DataFrame:
    """The events without implausible values, one value an instant where ties have a rule.

    values: code → {"plausible": [low, high], "ties": "min" | "max" | "mean"}. Events without a value stay. Where any
    code has `ties`, the rows come back sorted by subject and time.
    """
    arrays = EventArrays.of(events)
    rows, value = plausible_rows(arrays, values)
    if value is not arrays.value:
        settled = pl.Series(value).to_frame("value").select(pl.when(pl.Series(arrays.filled)).then("value"))
        events = events.with_columns(settled.to_series().alias("numeric_value"))
    return events if len(rows) == events.height and (np.diff(rows) == 1).all() else events[rows]


def plausible_rows(events: EventArrays, values: ValueRules) -> tuple[npt.NDArray[np.intp], Array]:
    """Positions of the plausible events, in their order, and the values of all events, ties settled."""
    number, aside = _marked(events, values)
    value, of = events.value, (number, events.time, events.subject)
    if not any(rule.get("ties") for rule in values.values()):
        return np.flatnonzero(~aside), value
    heard = [] if events.available is None else [events.available]
    readings = np.flatnonzero((number > 0) & ~aside)
    keys = np.stack([column[readings] for column in (*heard, *of)])
    order = np.lexsort(keys)
    first = np.flatnonzero(np.append(True, (np.diff(keys[:, order]) != 0).any(axis=0))[: len(order)])
    if len(first) < len(order):
        aside[readings] = True
        aside[readings[order[first]]] = False
        value = _settled(value, number, readings[order], first, values)
    rows = np.flatnonzero(~aside)
    subject, time = events.subject[rows], events.time[rows]
    return rows if rises(subject, time) else rows[np.lexsort((time, subject))], value


def set_aside(events: pl.DataFrame, values: ValueRules) -> dict[str, dict[str, int]]:
    """Code → how many readings, how many outside the plausible range, and instants with more than one reading."""
    counts: dict[str, dict[str, int]] = {}
    arrays = EventArrays.of(events)
    for code, rule in values.items():
        number, aside = _marked(arrays, {code: {"ties": "min", **rule}})
        readings = number > 0
        tied = events.filter(readings & ~aside).group_by("subject_id", "time").len().filter(pl.col("len") > 1)
        counts[code] = {"readings": int(readings.sum()), "outside": int((readings & aside).sum()), "tied": tied.height}
    return counts


def _marked(events: EventArrays, values: ValueRules) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The number of each reading's code among those with `ties` (from 1; 0: any other event), and what is implausible.

    A missing value is never implausible, an infinite one is.
    """
    value = events.value
    number, aside = np.zeros(len(value), np.int64), np.isinf(value)
    if events.code.null_count():  # MEDS knows no such event
        aside |= events.code.is_null().to_numpy()
    for n, (code, rule) in enumerate(values.items(), start=1):
        mine = (events.code == code).to_numpy().astype(bool) & events.filled
        if rule.get("ties"):
            number[mine] = n
        if rule.get("plausible"):
            low, high = rule["plausible"]
            aside |= mine & ~((value >= low) & (value <= high))
    return number, aside


def _settled(value: Array, number: Array, order: Array, first: Array, rules: Rules) -> Array:
    """The values with, at the first event of each tie, the one that its code's rule takes."""
    ordered, settled, code = value[order], value.copy(), number[order[first]]
    for n, rule in enumerate(rules.values(), start=1):
        if (mine := code == n).any():
            settled[order[first[mine]]] = REDUCED[rule["ties"]](ordered, first)[mine]
    return settled


def _mean(values: Array, first: npt.NDArray[np.int64]) -> Array:
    return np.add.reduceat(values.astype(float), first) / np.diff(np.append(first, len(values)))


REDUCED: dict[str, Callable[[Array, Array], Array]] = {"min": np.fmin.reduceat, "max": np.fmax.reduceat, "mean": _mean}
