"""Does 0.8 mean 80 %? Level, slope, intercept, mean error and the curve.

Slope and intercept are those of a logistic regression of `y_true` on the logit of the probability (Cox 1958):
1 and 0 are perfect, a slope below 1 is too sure of itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation.blocks import Blocks
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.jackknife import jackknife
from polyclinic.evaluation.scores import ANY, SHARE, Bounded, Score, finite, observed_expected, of_all, ratio
from polyclinic.links import logit


def line(y_true: Array, probability: Array) -> Mapping[str, Score]:
    """`slope` and `intercept` of the recalibration line as weighted scores; NaN where `RecalibrationLine` is."""
    fit = RecalibrationLine(y_true, probability)
    return {"intercept": _coefficient(fit, 0), "slope": _coefficient(fit, 1)}


def level(y_true: Array, probability: Array) -> Mapping[str, Score]:
    """How high probabilities are on the whole, as weighted scores.

    `observed_expected`: positives that were observed for each one predicted; 1 is perfect, below 1 is predicted too
    high. `in_the_large`: calibration-in-the-large, the intercept of the recalibration line at a slope of 1; 0 is
    perfect, below 0 is predicted too high.
    """
    fit = RecalibrationLine(y_true, probability, level_only=True)
    return {"observed_expected": observed_expected(y_true, probability), "in_the_large": _coefficient(fit, 0)}


def _coefficient(fit: "RecalibrationLine", which: int) -> Score:
    return Bounded(lambda weights: fit(weights)[:, which], *ANY, lambda blocks: fit.left_out(blocks)[:, which])


class RecalibrationLine:
    """Intercept and slope of `y_true` on the logit, by Newton's method for many replicates at once.

    Every replicate starts from the fit of all rows. Without a block of many the fit hardly moves, and one step of
    Chebyshev's method, whose error is the cube of the step, needs only sums over blocks; a longer way is gone by Newton.

    Parameters
    ----------
    y_true, probability
        Labels (0 or 1) and probabilities, [row].
    level_only
        Whether the slope stays 1.
    """

    CLOSE = 1e-3
    """Newton's steps shrink quadratically: one below this leaves an error of its square, on the scale of log odds."""
    NEAR = 1e-2
    """Chebyshev's step below this leaves an error of its cube."""

    def __init__(self, y_true: Array, probability: Array, *, level_only: bool = False) -> None:
        x, self._y = logit(probability), np.asarray(y_true, np.float64)
        self._terms = 1 if level_only else 2
        self._middle, self._spread = (0.0, 1.0) if level_only or not len(x) else (float(x.mean()), float(x.std()))
        self._x = (x - self._middle) / self._spread if self._spread > 1e-9 else np.zeros(len(x))
        start = np.array([[0.0, 1.0]]) if level_only else np.array([[_log_odds(self._y), 0.0]])
        first = self._newton(np.ones((1, len(x))), start.copy(), steps=60, close=1e-9)
        self._fits = bool(np.isfinite(first).all())
        self._start = first if self._fits else start

    def __call__(self, weights: Array) -> npt.NDArray[np.float64]:
        """Weights [replicate, row] → intercept and slope [replicate, 2].

        NaN where there is no finite fit: one class only, or, where the slope is fitted too, one probability for all or
        classes that the probability separates.
        """
        start = np.repeat(self._start, len(weights), axis=0)
        return self._of_logit(self._newton(weights, start, steps=30, close=self.CLOSE))

    def left_out(self, blocks: Blocks) -> npt.NDArray[np.float64]:
        """Intercept and slope without each block, [block, 2]; NaN as above."""
        if not self._fits:  # fewer rows have one class, one probability or no overlap as well
            return np.full((blocks.count, 2), np.nan)
        parts = self._parts(self._start[0])
        gradient, curvature, third = (
            np.stack([blocks.sums_without(part) for part in each], axis=1) for each in (parts[0], parts[1], parts[2])
        )
        step = self._solve(gradient, curvature)
        step += self._solve(self._second_order(step, third), curvature)
        fits, size = self._start + np.clip(step, -2, 2), np.abs(step).max(axis=1)
        for chunk in blocks.chunks(np.flatnonzero(size >= self.NEAR)):
            fits[chunk] = self._newton(blocks.weights(chunk), fits[chunk], steps=30, close=self.CLOSE)
        return self._of_logit(fits)

    def _of_logit(self, standard: Array) -> npt.NDArray[np.float64]:
        """From the centred and scaled logit back to the logit itself."""
        slope = standard[:, 1] / max(self._spread, 1e-9)
        return np.stack([standard[:, 0] - slope * self._middle, slope], axis=1)

    def _newton(self, weights: Array, fits: Array, *, steps: int, close: float) -> npt.NDArray[np.float64]:
        """Intercept and slope [replicate, 2] from where `fits` begin."""
        result, active = np.full(fits.shape, np.nan), np.arange(len(fits))
        for _ in range(steps):
            if not len(active):
                break
            w = weights[active] if len(active) < len(weights) else weights
            step = self._step(w, fits[active])
            fits[active] += np.clip(step, -2, 2)
            size = np.abs(step).max(axis=1)
            done = size < close
            result[active[done]] = fits[active[done]]
            active = active[~done & np.isfinite(size) & (np.abs(fits[active]).max(axis=1) < 50)]
        return result

    def _step(self, weights: Array, fits: Array) -> npt.NDArray[np.float64]:
        """Newton's step of each replicate, [replicate, 2], in the type of the weights and without large temporaries."""
        x, y = self._x.astype(weights.dtype), self._y.astype(weights.dtype)
        powers = np.stack([np.ones_like(x), x, x * x][: 2 * self._terms - 1], axis=1)
        p = fits[:, 1:].astype(weights.dtype) * x
        p += fits[:, :1].astype(weights.dtype)
        special.expit(p, out=p)
        gradient = (weights * (y - p)) @ powers[:, : self._terms]
        p *= 1 - p
        p *= weights
        return self._solve(gradient.astype(np.float64), (p @ powers).astype(np.float64))

    def _parts(self, fit: Array) -> tuple[list[Floats], list[Floats], list[Floats]]:
        """What each row adds to the derivatives of the log likelihood, [row] each: first, minus second, minus third."""
        p = special.expit(fit[0] + fit[1] * self._x)
        error, curvature, powers = self._y - p, p * (1 - p), [self._x**k for k in range(2 * self._terms)]
        change = curvature * (1 - 2 * p)
        first, second = powers[: self._terms], powers[: 2 * self._terms - 1]
        return [error * x for x in first], [curvature * x for x in second], [change * x for x in powers]

    def _second_order(self, step: Array, third: Array) -> npt.NDArray[np.float64]:
        """What is left of the gradient after a step, to the second order, [replicate, term]."""
        if self._terms == 1:
            return -0.5 * step[:, :1] ** 2 * third[:, :1]
        squares = np.stack([step[:, 0] ** 2, 2 * step[:, 0] * step[:, 1], step[:, 1] ** 2], axis=1)
        return -0.5 * np.stack([(squares * third[:, :3]).sum(axis=1), (squares * third[:, 1:]).sum(axis=1)], axis=1)

    def _solve(self, gradient: Array, curvature: Array) -> npt.NDArray[np.float64]:
        """The step [replicate, 2]; NaN where the curvature is singular."""
        if self._terms == 1:
            a = np.where(curvature[:, 0] > 0, curvature[:, 0], np.nan)
            return np.stack([gradient[:, 0] / a, np.zeros(len(a))], axis=1)
        (g, h), (a, b, c) = gradient.T, curvature.T
        determinant = a * c - b * b
        determinant[determinant <= 1e-9 * np.maximum(a * c, 1e-30)] = np.nan
        return np.asarray(np.stack([c * g - b * h, a * h - b * g], axis=1) / determinant[:, None])


def _log_odds(y: Array) -> float:
    return float(logit(y.mean())) if len(y) else 0.0


def bins(probability: Array, count: int = 10) -> npt.NDArray[np.int64]:
    """The bin of each row: `count` bins of like size, equal probabilities in one bin; int64 [row], from 0, none empty."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, count + 1)[1:-1]))
    _, number = np.unique(np.searchsorted(edges, probability, side="right"), return_inverse=True)
    return np.asarray(number, np.int64)


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
    replicates = jackknife(measures, groups, classes=y_true, seed=seed)
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
