"""Intervals by leaving out groups, never rows: one patient's rows stand or fall together.

A replicate is the score without one group; how far the replicates spread says how far the score would move with other
patients. The interval is Student's t on a scale without bounds (log odds for a score between 0 and 1), with as many
degrees of freedom as there are groups that matter, less one. All measures see the same replicates, so that
differences between models are paired.

Drawing groups with replacement and taking percentiles, the usual way, covers .87 to .91 with 20 patients instead of
.95, since its intervals are too narrow and symmetric where they should not be; `benchmarks/coverage.py` compares both.

References
----------
Efron and Stein, The jackknife estimate of variance, Annals of Statistics 1981: the estimate is biased upwards, if at all.
Kott, The delete-a-group jackknife, Journal of Official Statistics 2001: many groups are left out in blocks.
Satterthwaite, An approximate distribution of estimates of variance components, Biometrics Bulletin 1946.
"""

import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit
from threadpoolctl import threadpool_limits

from polyclinic.arrays import Array
from polyclinic.evaluation.blocks import Blocks
from polyclinic.evaluation.estimates import ENOUGH_GROUPS, Estimate, Evidence
from polyclinic.evaluation.scores import Score, bounds_of, finite, of_all, without

K = TypeVar("K", bound=Hashable)

LEVEL = 0.95
"""How often an interval should contain the score of all patients of the kind."""

FEWEST = 5
"""Groups below which there is no interval: three patients say nothing about a fourth."""

DECIDING = 8.0
"""Effective groups below which a few decide the number: equal shares of 20 patients give about 12."""


@dataclass(frozen=True, eq=False)
class Jackknife(Generic[K]):
    """The scores of all rows, and without each block of groups.

    Attributes
    ----------
    points
        Key → score of all rows.
    replicates
        Key → float64 [block], the score without that block.
    bounds
        Key → the least and the greatest value that the score can take; infinite where there is none.
    rows, groups
        How many were scored.
    support
        How many groups there are of the class that fewer groups have; all of them where there are no classes.
    """

    points: Mapping[K, float]
    replicates: Mapping[K, npt.NDArray[np.float64]]
    bounds: Mapping[K, tuple[float, float]]
    rows: int
    groups: int
    support: int

    def estimate(self, key: K) -> Estimate:
        """The score with its interval."""
        return self._estimate(Spread.of(self.points[key], self.replicates[key], self.bounds[key]))

    def difference(self, a: K, b: K) -> Estimate:
        """The score of `a` minus the score of `b`, on the same replicates."""
        return self._estimate(self._between(a, b))

    def p_value(self, a: K, b: K) -> float | None:
        """How often a difference so large comes about by chance where there is none (two-sided); None as for intervals."""
        spread = self._between(a, b)
        return spread.p_value(0.0) if self.groups >= FEWEST and spread.varies else None

    def covariance(self, *keys: K) -> npt.NDArray[np.float64]:
        """The covariance of several scores over groups: float64 [key, key]; NaN where a replicate has no score."""
        influences = np.stack([_influences(self.replicates[key]) for key in keys])
        blocks = influences.shape[1]
        return np.asarray((blocks - 1) / max(blocks, 1) * influences @ influences.T)

    def _between(self, a: K, b: K) -> "Spread":
        (low_a, high_a), (low_b, high_b) = self.bounds[a], self.bounds[b]
        bounds = low_a - high_b, high_a - low_b
        return Spread.of(self.points[a] - self.points[b], self.replicates[a] - self.replicates[b], bounds)

    def _estimate(self, spread: "Spread") -> Estimate:
        if self.groups < FEWEST or not spread.varies:
            return Estimate(finite(spread.value), n=self.rows, groups=self.groups)
        little = self.support < ENOUGH_GROUPS or spread.effective < DECIDING
        evidence: Evidence = "little" if little else "enough"
        low, high = spread.interval(LEVEL)
        return Estimate(spread.value, low, high, self.rows, self.groups, spread.effective, evidence)


@dataclass(frozen=True)
class Spread:
    """How far one number moves with the groups.

    value, bounds: of the number; error: its standard error; effective: how many groups that matter alike there are.
    """

    value: float
    bounds: tuple[float, float]
    error: float
    effective: float

    @classmethod
    def of(cls, value: float, replicates: Array, bounds: tuple[float, float]) -> "Spread":
        """replicates: float64 [block]. The error is NaN where one of them is not a number."""
        influences = _influences(replicates)
        squares, blocks = float(influences @ influences), max(len(influences), 1)
        error = float(np.sqrt((blocks - 1) / blocks * squares))
        return cls(value, bounds, error, _effective(influences, squares) if squares > 0 else 0.0)

    @property
    def varies(self) -> bool:
        """Whether there is anything to make an interval of: a number within its bounds that the groups move.

        Six patients perfectly separated give an AUROC of 1 whichever is left out, which says nothing about a seventh.
        """
        (low, high), least = self.bounds, 1e-9 * max(abs(self.value), 1e-3)
        return bool(np.isfinite(self.value) and low < self.value < high and self.error > least and self.effective >= 2)

    def interval(self, level: float) -> tuple[float, float]:
        """Student's t on the scale without bounds, brought back: low, high."""
        to, back, slope = scale(self.bounds)
        reach = stdtrit(self.effective - 1, (1 + level) / 2) * self.error * slope(self.value)
        middle = to(self.value)
        return float(back(middle - reach)), float(back(middle + reach))

    def p_value(self, at: float) -> float:
        """The two-sided p-value of the number being `at`."""
        to, _, slope = scale(self.bounds)
        distance = abs(to(self.value) - to(at)) / (self.error * slope(self.value))
        return float(2 * stdtr(self.effective - 1, -distance))


Curve = Callable[[float], float]


def scale(bounds: tuple[float, float]) -> tuple[Curve, Curve, Curve]:
    """To a scale without bounds, back from it, and its slope: log odds between two bounds, the log above one."""
    low, high = bounds
    if np.isfinite(low) and np.isfinite(high):
        width = high - low
        return (
            lambda v: float(np.log(v - low) - np.log(high - v)),
            lambda t: float(low + width * _expit(t)),
            lambda v: float(width / ((v - low) * (high - v))),
        )
    if np.isfinite(low):
        return lambda v: float(np.log(v - low)), lambda t: float(low + np.exp(min(t, 700.0))), lambda v: 1 / (v - low)
    return lambda v: v, lambda t: t, lambda _: 1.0


def _expit(x: float) -> float:
    return float(1 / (1 + np.exp(-x))) if x >= 0 else float(np.exp(x) / (1 + np.exp(x)))


def _effective(influences: Array, squares: float) -> float:
    """How many groups that matter alike there are: by the sum of influences, or by Satterthwaite, the smaller one.

    The first counts few large groups among small ones, the second few groups with an event among many without.
    """
    alike = np.abs(influences).sum() ** 2 / squares
    fourth = float((influences**4).sum()) - squares**2 / len(influences)
    satterthwaite = 1 + 2 * squares**2 / fourth if fourth > 0 else len(influences)
    return float(min(alike, satterthwaite))


def _influences(replicates: Array) -> npt.NDArray[np.float64]:
    return np.asarray(replicates.mean() - replicates if len(replicates) else replicates, np.float64)


def jackknife(
    measures: Mapping[K, Score], groups: Array, *, classes: Array | None = None, seed: int = 0
) -> Jackknife[K]:
    """Score all rows, and all rows but those of each block of groups.

    Parameters
    ----------
    measures
        Key → weighted score of the same rows.
    groups
        [row], what each row belongs to. Up to 400 groups are left out one by one, more of them in 400 blocks.
    classes
        The class of each row, [row], where there are classes: an interval from few groups of one of them is worth little.
    seed
        Decides which groups make a block where there are more than 400.

    Returns
    -------
    Jackknife
        The same for the same seed, in whatever order the rows stand and on however many threads. Its cost grows with
        the rows, not with rows times groups.
    """
    names, group = np.unique(groups, return_inverse=True)
    blocks = Blocks.of_groups(groups, seed=seed) if len(names) >= FEWEST else Blocks(np.zeros(len(group), np.int64), 0)
    points = {key: of_all(score, len(group)) if len(group) else np.nan for key, score in measures.items()}
    # BLAS threads beside these would wait for one another: up to eight times slower on a busy machine
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        replicates = dict(zip(measures, pool.map(lambda score: without(score, blocks), measures.values()), strict=True))
    bounds = {key: bounds_of(score) for key, score in measures.items()}
    support = len(names) if classes is None else _rarest(classes, group)
    return Jackknife(points, replicates, bounds, len(group), len(names), support)


def _rarest(classes: Array, group: Array) -> int:
    """How many groups have a row of the class that fewest groups have; 0 where all rows are of one class."""
    counts = [len(np.unique(group[classes == one])) for one in np.unique(classes)]
    return min(counts) if len(counts) > 1 else 0


def levels(values: Array) -> Iterator[tuple[Any, npt.NDArray[np.int64]]]:
    """Each level of a column and the positions of its rows; missing ones ("" or None) are no level."""
    text = np.array(["" if v is None else str(v) for v in values], object)
    for level in sorted(set(text.tolist()) - {""}):
        yield level, np.flatnonzero(text == level)
