"""Does 0.8 mean 80 %? Level, slope, intercept, mean error and the curve.

Slope and intercept are those of a logistic regression of `y_true` on the logit of the probability (Cox 1958):
1 and 0 are perfect, a slope below 1 is too sure of itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.jackknife import jackknife
from polyclinic.evaluation.scores import SHARE, Array, Score, finite, observed_expected, of_all, ratio

EDGE = 1e-12


def logit(probability: Array) -> npt.NDArray[np.float64]:
    """Log odds, float64; probabilities are kept 1e-12 from 0 and 1."""
    inside = np.clip(np.asarray(probability, np.float64), EDGE, 1 - EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def line(y_true: Array, probability: Array) -> Mapping[str, Score]:
    """`slope` and `intercept` of the recalibration line as weighted scores; NaN where `fitted_line` is."""
    fit = fitted_line(y_true, probability)

    def slope(weights: Array) -> npt.NDArray[np.float64]:
        return np.asarray(fit(weights)[:, 1])

    def intercept(weights: Array) -> npt.NDArray[np.float64]:
        return np.asarray(fit(weights)[:, 0])

    return {"intercept": intercept, "slope": slope}


def fitted_line(y_true: Array, probability: Array) -> Callable[[Array], npt.NDArray[np.float64]]:
    """The recalibration line: weights [replicate, row] → intercept and slope [replicate, 2].

    Newton's method for a block of replicates at once, from the fit of all rows. NaN where there is no finite fit:
    one class only, one probability for all, or classes that the probability separates.
    """
    x, y = logit(probability), np.asarray(y_true, np.float64)
    middle, spread = (float(x.mean()), float(x.std())) if len(x) else (0.0, 0.0)
    x = (x - middle) / spread if spread > 1e-9 else np.zeros(len(x))
    begin = np.array([[logit(y.mean()) if len(y) else 0.0, 0.0]])
    first = _newton(np.ones((1, len(y))), x, y, begin.copy(), steps=60, close=1e-9)
    start = first if np.isfinite(first).all() else begin

    def fitted(weights: Array) -> npt.NDArray[np.float64]:
        standard = _newton(weights, x, y, np.repeat(start, len(weights), axis=0), steps=30, close=1e-3)
        slope = standard[:, 1] / max(spread, 1e-9)
        return np.stack([standard[:, 0] - slope * middle, slope], axis=1)

    return fitted


def fitted_level(y_true: Array, probability: Array) -> Callable[[Array], npt.NDArray[np.float64]]:
    """The intercept at a slope of 1: weights [replicate, row] → intercept and slope [replicate, 2].

    Newton's method as in `fitted_line`. NaN where only one class occurs.
    """
    x, y = logit(probability), np.asarray(y_true, np.float64)
    first = _shift(np.ones((1, len(y))), x, y, np.zeros(1), steps=60, close=1e-9) if len(y) else np.full(1, np.nan)
    start = first if np.isfinite(first).all() else np.zeros(1)

    def fitted(weights: Array) -> npt.NDArray[np.float64]:
        shift = _shift(weights, x, y, np.repeat(start, len(weights)), steps=30, close=1e-3)
        return np.stack([shift, np.ones(len(shift))], axis=1)

    return fitted


def level(y_true: Array, probability: Array) -> Mapping[str, Score]:
    """How high probabilities are on the whole, as weighted scores.

    `observed_expected`: positives that were observed for each one predicted; 1 is perfect, below 1 is predicted too
    high. `in_the_large`: calibration-in-the-large, the intercept of the recalibration line at a slope of 1; 0 is
    perfect, below 0 is predicted too high.
    """
    fit = fitted_level(y_true, probability)

    def in_the_large(weights: Array) -> npt.NDArray[np.float64]:
        return np.asarray(fit(weights)[:, 0])

    return {"observed_expected": observed_expected(y_true, probability), "in_the_large": in_the_large}


def _shift(weights: Array, x: Array, y: Array, shift: Array, *, steps: int, close: float) -> Array:
    """The intercept [replicate] that makes Σ w·p equal Σ w·y; NaN where only one class has weight."""
    from scipy import special  # in place and in float32, for many replicates

    kind = weights.dtype
    x, y = x.astype(kind), y.astype(kind)
    wanted, total = (weights @ y).astype(np.float64), weights.sum(axis=1, dtype=np.float64)
    shift[(wanted <= 0) | (wanted >= total)] = np.nan
    for _ in range(steps):
        p = x + shift[:, None].astype(kind)
        special.expit(p, out=p)
        slope = np.einsum("ij,ij->i", weights, p * (1 - p)).astype(np.float64)
        step = (wanted - np.einsum("ij,ij->i", weights, p)) / np.maximum(slope, 1e-30)
        shift += np.clip(step, -2, 2)
        if not (np.abs(step) >= close).any():
            break
    return shift


def _newton(weights: Array, x: Array, y: Array, line: Array, *, steps: int, close: float) -> Array:
    """Intercept and slope [replicate, 2]. Steps shrink quadratically: one below `close` leaves an error of its square."""
    kind = weights.dtype
    powers = np.stack([np.ones_like(x), x, x * x], axis=1).astype(kind)
    x, y = x.astype(kind), y.astype(kind)
    found, active = np.full(line.shape, np.nan), np.arange(len(line))
    for _ in range(steps):
        if not len(active):
            break
        w = weights[active] if len(active) < len(weights) else weights
        step = _step(w, x, y, powers, line[active].astype(kind))
        line[active] += np.clip(step, -2, 2)
        size = np.abs(step).max(axis=1)
        done = size < close
        found[active[done]] = line[active[done]]
        active = active[~done & np.isfinite(size) & (np.abs(line[active]).max(axis=1) < 50)]
    return found


def _step(weights: Array, x: Array, y: Array, powers: Array, line: Array) -> Array:
    from scipy import special  # in place and in float32, for many resamples; a package that answers never comes here

    p = line[:, 1:] * x
    p += line[:, :1]
    special.expit(p, out=p)
    gradient = (weights * (y - p)) @ powers[:, :2]
    p *= 1 - p
    p *= weights
    a, b, c = (p @ powers).astype(np.float64).T
    determinant = a * c - b * b
    determinant[determinant <= 1e-9 * np.maximum(a * c, 1e-30)] = np.nan
    g, h = gradient.astype(np.float64).T
    return np.asarray(np.stack([c * g - b * h, a * h - b * g], axis=1) / determinant[:, None])


def bins(probability: Array, count: int = 10) -> npt.NDArray[np.int64]:
    """The bin of each row: `count` bins of like size, equal probabilities in one bin; int64 [row], from 0, none empty."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, count + 1)[1:-1]))
    _, found = np.unique(np.searchsorted(edges, probability, side="right"), return_inverse=True)
    return np.asarray(found, np.int64)


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """One bin of the curve: the mean prediction, and the share that was observed with its interval."""

    predicted: float
    observed: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well the probabilities of one model are calibrated; None: cannot be had.

    Attributes
    ----------
    predicted, observed
        The mean probability and the share of positive rows.
    observed_expected, in_the_large
        The level, as a ratio (1 is perfect) and as an intercept at a slope of 1 (0 is perfect).
    slope, slope_interval, intercept
        The recalibration line; 1 and 0 are perfect.
    ece
        The mean gap between predicted and observed over ten bins of like size, weighed by rows.
    curve
        One point a bin.
    """

    predicted: float | None
    observed: float | None
    observed_expected: Estimate
    in_the_large: Estimate
    slope: float | None
    slope_interval: Estimate
    intercept: float | None
    ece: float | None
    curve: Sequence[CalibrationPoint]


def report(y_true: Array, probability: Array, groups: Array, *, seed: int = 0) -> Calibration:
    """Measure level, slope, mean error and the curve, with intervals over groups.

    Parameters
    ----------
    y_true, probability
        Labels (0 or 1) and probabilities, [row].
    groups
        What each row belongs to, [row].
    """
    bin_of, rows = bins(probability), len(y_true)
    inside = [bin_of == k for k in range(int(bin_of.max(initial=-1)) + 1)]
    shares: dict[Any, Score] = {k: ratio(y_true * here, here, SHARE) for k, here in enumerate(inside)}
    fit, heights = line(y_true, probability), level(y_true, probability)
    measures = {**shares, "slope": fit["slope"], **heights}
    replicates = jackknife(measures, groups, y_true=y_true, seed=seed)
    points = [_point(probability[here], replicates.estimate(k)) for k, here in enumerate(inside)]
    gaps = [abs(p.observed - p.predicted) * p.n for p in points if p.observed is not None]
    slope = replicates.estimate("slope")
    return Calibration(
        predicted=float(np.mean(probability)) if rows else None,
        observed=float(np.mean(y_true)) if rows else None,
        observed_expected=replicates.estimate("observed_expected"),
        in_the_large=replicates.estimate("in_the_large"),
        slope=slope.value,
        slope_interval=slope,
        intercept=finite(of_all(fit["intercept"], rows)),
        ece=float(sum(gaps) / rows) if rows else None,
        curve=points,
    )


def _point(probability: Array, observed: Estimate) -> CalibrationPoint:
    return CalibrationPoint(float(probability.mean()), observed.value, observed.low, observed.high, n=len(probability))
