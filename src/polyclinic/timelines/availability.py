"""When an event could have been known: the one place that decides it. Everything that selects by time asks here."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl


def known_at(columns: Iterable[str]) -> pl.Expr:
    """When each event could have been known: `available_time` where the column is there and filled, else `time`.

    columns: the names of the events' columns. An event without a time (birth, sex) gives null: it was always known.

    >>> events = pl.DataFrame({"time": [1, None, 3], "available_time": [None, 5, 7]})
    >>> events.select(known_at(events.columns))["known"].to_list()
    [1, None, 7]
    """
    time = pl.col("time")
    if "available_time" not in set(columns):
        return time.alias("known")
    known = pl.coalesce("available_time", "time")
    return pl.when(time.is_not_null()).then(known).alias("known")


def is_known(columns: Iterable[str], index: pl.Expr) -> pl.Expr:
    """Whether each event was known at `index`; an event without a time always was.

    What becomes known later of an event that has begun (its `end_time`) is hidden by `without_future_ends`.
    """
    known = known_at(columns)
    return known.is_null() | (known <= index)


def without_future_ends(columns: Iterable[str], index: pl.Expr) -> pl.Expr:
    """`end_time`, null where it lies after `index`: that the infusion will stop at noon is not known at ten."""
    if "end_time" not in set(columns):
        return pl.lit(None, pl.Datetime("us")).alias("end_time")
    return pl.when(pl.col("end_time") <= index).then("end_time").alias("end_time")
