"""When an event could have been known: the one place that decides it. Everything that selects by time uses it."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

Instants: TypeAlias = npt.NDArray[np.int64]
TIMELESS = np.iinfo(np.int64).min
NEVER = datetime(9999, 12, 31)
"""The `available_time` of what nobody could ever have known, such as a code assigned after a discharge without a date."""


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


def known_by(time: Instants, available: Instants | None) -> Instants:
    """The same of arrays, as `instants` gives them; available: None where the events have no such column.

    >>> known_by(np.array([TIMELESS, 1, 3]), np.array([5, TIMELESS, 7]))[1:]
    array([1, 7])
    """
    if available is None:
        return time
    return np.where((time == TIMELESS) | (available == TIMELESS), time, available)


def instants(times: pl.Series) -> Instants:
    """Microseconds since 1970; a missing time becomes the lowest number there is, `TIMELESS`."""
    return times.to_numpy().astype("datetime64[us]").astype(np.int64)
