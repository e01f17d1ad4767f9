"""The instants of each subject with counts of predicates, searched for many rows at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.cohorts.predicates import ANY, END, START

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Instants sorted by subject and time.

    subjects: int64 [subject], rising; first: int64 [subject + 1], where each one's instants begin; time: int64 [instant],
    microseconds since 1970; counts: predicate → int64 [instant].
    """

    subjects: Ints
    first: Ints
    time: Ints
    counts: Mapping[str, Ints]

    @classmethod
    def of(cls, frame: pl.DataFrame, names: Iterable[str]) -> Moments:
        """From a frame sorted by `subject_id` and `time` (no null), one row an instant, with a column for each name."""
        subjects, first = np.unique(frame["subject_id"].to_numpy(), return_index=True)
        time = frame["time"].to_physical().to_numpy()
        bounds = np.append(first, len(time)).astype(np.int64)
        edge = np.zeros((2, len(time)), np.int64)
        edge[0, bounds[:-1]] = edge[1, bounds[1:] - 1] = 1
        special = {ANY: np.ones(len(time), np.int64), START: edge[0], END: edge[1]}
        counts = {n: special[n] if n in special else frame[n].cast(pl.Int64).to_numpy() for n in names}
        return cls(subjects, bounds, time, counts)

    def ranges(self, subject: Ints) -> tuple[Ints, Ints]:
        """Where each row's subject begins and ends; both the same for a subject without instants."""
        if not len(self.subjects):
            return np.zeros_like(subject), np.zeros_like(subject)
        place = np.minimum(np.searchsorted(self.subjects, subject), len(self.subjects) - 1)
        low = self.first[place]
        return low, np.where(self.subjects[place] == subject, self.first[place + 1], low)


def position(times: Ints, low: Ints, high: Ints, when: Ints, *, after: bool) -> Ints:
    """For each row, the first place in [low, high) whose time is at or after `when` (`after`: later than it).

    All rows are halved at once; `times` rises within each range.
    """
    low, high = low.copy(), high.copy()
    top = max(len(times) - 1, 0)
    while (open_ := low < high).any():
        middle = (low + high) // 2
        found = times[np.minimum(middle, top)]
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


def totals(counts: Ints) -> Ints:
    """Running sums with a zero in front, so that the count of [a, b) is totals[b] - totals[a]."""
    return np.append(0, np.cumsum(counts)).astype(np.int64)
