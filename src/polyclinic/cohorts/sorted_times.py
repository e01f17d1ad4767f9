"""Places in arrays that rise stretch by stretch (instants by subject), searched for many rows at once."""

from datetime import timedelta
from typing import Literal

import numpy as np

from polyclinic.arrays import Array, Ints, Mask

MICROSECOND = timedelta(microseconds=1)
FEW = 8


def position(values: Array, low: Ints, high: Ints, wanted: Array, *, after: bool) -> Ints:
    """For each row, the first place in [low, high) whose value is at or above the wanted one (`after`: above it).

    All ranges are halved at once, unless they are few; the values rise within each.

    >>> position(np.array([1, 5, 9, 2]), np.array([0, 3]), np.array([3, 4]), np.array([5, 1]), after=True)
    array([2, 3])
    """
    if len(low) <= FEW:
        side: Literal["left", "right"] = "right" if after else "left"
        each = zip(low, high, wanted, strict=True)
        return np.array([a + values[a:b].searchsorted(w, side) for a, b, w in each], np.int64)
    low, high = low.copy(), high.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        middle_values = values.take(middle, mode="clip")
        right = open_ & ((middle_values <= wanted) if after else (middle_values < wanted))
        low = np.where(right, middle + 1, low)
        high = np.where(open_ & ~right, middle, high)
    return low


def rises(subject: Ints, time: Ints) -> bool:
    """Whether events stand in the order of subject and time: looking takes a tenth of the time of sorting them."""
    same, more = subject[1:] == subject[:-1], subject[1:] > subject[:-1]
    return bool((more | (same & (time[1:] >= time[:-1]))).all())


def following(holds: Mask) -> Ints:
    """For each place (and one past the end), the first place at or after it that holds; the length where none does."""
    places = np.append(np.where(holds, np.arange(len(holds)), len(holds)), len(holds)).astype(np.int64)
    return np.minimum.accumulate(places[::-1])[::-1]


def preceding(holds: Mask) -> Ints:
    """For each place (and one past the end), the last place before it that holds; -1 where none does."""
    places = np.append(-1, np.where(holds, np.arange(len(holds)), -1)).astype(np.int64)
    return np.maximum.accumulate(places)
