"""Which values are believed: plausible ranges and ties, the same for cohort, inputs and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import polars as pl

TIES = ("min", "max", "mean")
Events = TypeVar("Events", pl.LazyFrame, pl.DataFrame)


def plausible(events: Events, values: Mapping[str, Any]) -> Events:
    """The events (lazy or in memory) without implausible values, one value an instant where ties are told.

    values: code → {"plausible": [low, high], "ties": "min" | "max" | "mean"}. Events without a value stay. Where any
    code has `ties`, the rows come back sorted by subject and time.
    """
    ranges = {code: v["plausible"] for code, v in values.items() if v.get("plausible")}
    if ranges:
        events = events.filter(~_outside(ranges))
    tied = {code: v["ties"] for code, v in values.items() if v.get("ties")}
    if not tied:
        return events
    keys = [k for k in ("subject_id", "time", "available_time", "code") if k in events.collect_schema()]
    filled = pl.col("numeric_value").is_not_null()
    of_code = {code: filled & (pl.col("code") == code) for code in tied}
    if isinstance(
        events, pl.DataFrame
    ):  # one patient live: mostly, no instant has two values, which is soon seen
        number = pl.coalesce(*(pl.when(one).then(n) for n, one in enumerate(of_code.values(), start=1)), 0)
        ordered = events.sort("subject_id", "time", number, nulls_last=False, maintain_order=True)
        if not ordered.filter(pl.any_horizontal(*of_code.values())).select(keys).is_duplicated().any():
            return ordered
    parts = [events.filter(~pl.any_horizontal(*of_code.values()))]
    parts += [_one_an_instant(events.filter(one), keys, tied[code]) for code, one in of_code.items()]
    return pl.concat(parts).sort("subject_id", "time", nulls_last=False, maintain_order=True)


def set_aside(events: pl.LazyFrame, values: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Code → how many readings, how many outside the plausible range, and instants with more than one reading."""
    found: dict[str, dict[str, int]] = {}
    for code, how in values.items():
        read = events.filter(pl.col("code") == code, pl.col("numeric_value").is_not_null())
        outside = _outside({code: how["plausible"]}) if how.get("plausible") else pl.lit(False)
        counts = read.select(readings=pl.len(), outside=outside.sum()).collect().row(0, named=True)
        instants = read.filter(~outside).group_by("subject_id", "time").len().filter(pl.col("len") > 1)
        found[code] = {**counts, "tied": instants.select(pl.len()).collect().item()}
    return found


def _outside(ranges: Mapping[str, Any]) -> pl.Expr:
    """Whether a value lies outside its code's range; a missing value does not."""
    value = pl.col("numeric_value")
    tests = [(pl.col("code") == code) & ~value.is_between(low, high) for code, (low, high) in ranges.items()]
    return pl.any_horizontal(tests).fill_null(False)


def _one_an_instant(events: Events, keys: list[str], how: str) -> Events:
    order = events.collect_schema().names()
    value = getattr(pl.col("numeric_value"), how)()
    rest = pl.exclude(*keys, "numeric_value").first()
    return events.group_by(keys, maintain_order=True).agg(value, rest).select(order)
