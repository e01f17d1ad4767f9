"""Intervals by drawing groups, never rows: one patient's rows stand or fall together.

A resample draws as many groups as there are, with replacement; a row's weight is how often its group was drawn.
All measures see the same weights, so that differences between models are paired.
"""

import os
from collections.abc import Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from polyclinic import seeds
from polyclinic.evaluation.scores import Array, Score, finite, of_all

K = TypeVar("K", bound=Hashable)

BLOCK = 1_000_000
"""Weights held at a time by one thread: 4 MB of float32, whatever the number of resamples."""

FEWEST = 5
"""Groups below which there is no interval: resamples of three patients say nothing about a fourth."""

LEVEL = 0.95
"""The share of resamples that lie within an interval."""


@dataclass(frozen=True, eq=False)
class Draws(Generic[K]):
    """The scores of the rows as they are, and of each resample.

    points: key → score; draws: key → float64 [resample]; rows, groups: how many were scored.
    """

    points: Mapping[K, float]
    draws: Mapping[K, npt.NDArray[np.float64]]
    rows: int
    groups: int

    def interval(self, key: K) -> dict[str, Any]:
        """`value`, `low`, `high`, `n`: percentiles of the resamples; null where they cannot be had."""
        return self._scored(self.points[key], self.draws[key])

    def difference(self, a: K, b: K) -> dict[str, Any]:
        """The same for the score of `a` less that of `b`, on the same resamples."""
        return self._scored(self.points[a] - self.points[b], self.draws[a] - self.draws[b])

    def _scored(self, value: float, draws: Array) -> dict[str, Any]:
        """No interval where more than a twentieth of the resamples could not be scored."""
        known = draws[np.isfinite(draws)]
        told = np.isfinite(value) and self.groups >= FEWEST and len(known) >= max(0.95 * len(draws), 1)
        low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist() if told else (None, None)
        return {"value": finite(value), "low": low, "high": high, "n": self.rows}


def bootstrap(measures: Mapping[K, Score], groups: Array, *, resamples: int = 1000, seed: int = 0) -> Draws[K]:
    """Score all rows and every resample of groups.

    measures: key → weighted score of the same rows; groups: [row], what each row belongs to.
    The same seed gives the same draws, on however many threads. Memory does not grow with `resamples`.
    """
    names, group = np.unique(groups, return_inverse=True)
    points = {key: of_all(score, len(group)) if len(group) else np.nan for key, score in measures.items()}
    size = max(1, min(resamples, BLOCK // max(len(group), 1)))
    starts = range(0, resamples, size) if len(names) >= FEWEST else ()
    found = {key: np.full(resamples, np.nan) for key in measures}

    def fill(start: int) -> None:
        count = min(size, resamples - start)
        weights = drawn(len(names), count, seeds.generator(seed, "bootstrap", start))[:, group]
        for key, score in measures.items():
            found[key][start : start + count] = score(weights)

    # BLAS threads beside these would wait for one another: up to eight times slower on a busy machine
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        list(pool.map(fill, starts))
    return Draws(points, found, len(group), len(names))


def drawn(groups: int, resamples: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """How often each group is drawn: float32 [resample, group], each row adding up to `groups`."""
    picks = rng.integers(groups, size=(resamples, groups))
    picks += np.arange(resamples)[:, None] * groups
    counts = np.bincount(picks.ravel(), minlength=resamples * groups)
    return counts.astype(np.float32).reshape(resamples, groups)


def levels(values: Array) -> Iterator[tuple[Any, npt.NDArray[np.int64]]]:
    """Each level of a column and the positions of its rows; missing ones ("" or None) are no level."""
    text = np.array(["" if v is None else str(v) for v in values], object)
    for level in sorted(set(text.tolist()) - {""}):
        yield level, np.flatnonzero(text == level)
