"""Places in arrays of instants, sorted by subject and time, searched for many rows at once."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
MICROSECOND = timedelta(microseconds=1)


def position(times: Ints, low: Ints, high: Ints, when: Ints, *, after: bool) -> Ints:
    """For each row, the first place in [low, high) whose time is at or after `when` (`after`: later than it).

    All rows are halved at once; `times` rises within each range.
    """
    low, high = low.copy(), high.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        found = times.take(middle, mode="clip")
        right = open_ & ((found <= when) if after else (found < when))
        low = np.where(right, middle + 1, low)
        high = np.where(open_ & ~right, middle, high)
    return low


def following(holds: Mask) -> Ints:
    """For each place (and one past the end), the first place at or after it that holds; the length where none does."""
    places = np.append(np.where(holds, np.arange(len(holds)), len(holds)), len(holds)).astype(np.int64)
    return np.minimum.accumulate(places[::-1])[::-1]


def preceding(holds: Mask) -> Ints:
    """For each place (and one past the end), the last place before it that holds; -1 where none does."""
    places = np.append(-1, np.where(holds, np.arange(len(holds)), -1)).astype(np.int64)
    return np.maximum.accumulate(places)
