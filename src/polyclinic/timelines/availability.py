"""When an event could have been known: the one place that decides it. Everything that selects by time asks here."""

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
