"""Weighted scores of predicted numbers, quantiles and intervals.

Every function gives a `Score`: weights [replicate, row] → score [replicate]; a weight of 2 is that row twice, 0 is that
row left out. The truth is a number a row, or a pair of bounds where it is known only to lie between two numbers: the
two are equal where it is exact, infinite where one side is open (a laboratory's `<5` is -inf and 5). A censored truth
is charged the least error that it can have, which is 0 where the answer lies between its bounds. Rows whose truth is
NaN are left out.
"""

from typing import TypeAlias

import numpy as np

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation.composed_scores import of_sums, quotient
from polyclinic.evaluation.scores import NOT_NEGATIVE, SHARE, Bounded, Score, restricted, row_mean

Truth: TypeAlias = Array | tuple[Array, Array]
"""float64 [row], or its lower and its upper bound, each [row]."""

NOISE = 1e-12
"""A variance that is this small beside the mean square is what rounding leaves of equal numbers."""


def censored_errors(lower: Array, upper: Array, prediction: Array) -> Floats:
    """The least absolute error that a prediction can have, in the unit of the number.

    Parameters
    ----------
    lower, upper
        Bounds of the truth, float64 [row]: equal where it is exact, infinite where a side is open.
    prediction
        float64 [row].

    Returns
    -------
    ndarray
        float64 [row]: 0 between the bounds, else the distance to the nearer one; NaN where a bound is NaN.
    """
    return np.asarray(np.abs(_nearest((lower, upper), prediction) - prediction))


def mae(y_true: Truth, y_pred: Array) -> Score:
    """Mean absolute error, in the unit of the number."""
    return row_mean(censored_errors(*_bounds(y_true), y_pred), NOT_NEGATIVE)


def rmse(y_true: Truth, y_pred: Array) -> Score:
    """Root of the mean squared error, in the unit of the number."""
    error = censored_errors(*_bounds(y_true), y_pred)
    known = ~np.isnan(error)
    squares = np.where(known, error, 0.0) ** 2
    return of_sums([squares, known], lambda sums: np.sqrt(quotient(*sums)), NOT_NEGATIVE)


def r2(y_true: Truth, y_pred: Array) -> Score:
    """The share of the variance that is explained: 1 is perfect, 0 is as good as the mean, below 0 is worse.

    Rows with a censored truth are left out. NaN where all truths are equal.
    """
    rows, values = _exact(y_true)
    predicted = np.asarray(y_pred, np.float64)[rows]
    centred = values - (values.mean() if len(values) else 0.0)
    columns = [(values - predicted) ** 2, centred**2, centred, np.ones(len(values))]

    def combine(sums: Floats) -> Floats:
        residual, square, total, weight = sums
        return 1 - quotient(residual, _variation(square, total, weight))

    return restricted(of_sums(columns, combine, (-np.inf, 1.0)), rows)


def spearman(y_true: Truth, y_pred: Array) -> Score:
    """Rank correlation (Spearman 1904): the correlation of weighted midranks.

    Rows with a censored truth are left out. NaN where all truths or all predictions are equal. Ranks change with every
    block that is left out, so that a jackknife costs rows times blocks, 1 000 000 of them in memory at a time.
    """
    rows, values = _exact(y_true)
    ranks = [_WeightedRanks(column) for column in (values, np.asarray(y_pred, np.float64)[rows])]

    def score(weights: Array) -> Floats:
        total = weights.sum(axis=1, dtype=np.float64)
        # midranks average to half the weight
        true, predicted = (rank(weights) - total[:, None] / 2 for rank in ranks)
        shared, *own = (
            np.einsum("ij,ij,ij->i", weights, a, b) for a, b in ((true, predicted), (true, true), (predicted,) * 2)
        )
        own = [np.where(square > NOISE * total**3, square, 0.0) for square in own]
        return np.clip(quotient(shared, np.sqrt(own[0]) * np.sqrt(own[1])), -1.0, 1.0)

    return restricted(Bounded(score, -1.0, 1.0), rows)


def pinball(y_true: Truth, y_quantile: Array, level: float) -> Score:
    """Mean pinball loss of a predicted quantile, in the unit of the number (Koenker and Bassett 1978).

    Parameters
    ----------
    y_true
        The truth, [row].
    y_quantile
        The predicted quantile, float64 [row].
    level
        Which quantile, between 0 and 1; at .5 the loss is half the absolute error.
    """
    above = _nearest(y_true, y_quantile) - y_quantile
    return row_mean(np.maximum(level * above, (level - 1) * above), NOT_NEGATIVE)


def interval_score(y_true: Truth, low: Array, high: Array, level: float) -> Score:
    """Mean interval score, in the unit of the number: the width, and a penalty for each truth outside.

    Parameters
    ----------
    y_true
        The truth, [row].
    low, high
        The ends of the predicted interval, float64 [row].
    level
        The share of truths that the interval should contain, such as .9.

    References
    ----------
    Gneiting and Raftery 2007, Strictly proper scoring rules, prediction, and estimation, equation 43.
    """
    lower, upper = _bounds(y_true)
    outside = np.maximum(np.maximum(lower - high, low - upper), 0.0)
    return row_mean(high - low + 2 / (1 - level) * outside, NOT_NEGATIVE)


def coverage(y_true: Truth, low: Array, high: Array) -> Score:
    """The share of truths within the predicted interval, its ends included; a censored truth counts where it may be."""
    lower, upper = _bounds(y_true)
    inside = ((lower <= high) & (upper >= low)).astype(np.float64)
    return row_mean(np.where(np.isnan(lower) | np.isnan(upper), np.nan, inside), SHARE)


def mean_width(low: Array, high: Array) -> Score:
    """Mean width of the predicted intervals, in the unit of the number."""
    return row_mean(np.asarray(high - low, np.float64), NOT_NEGATIVE)


def _bounds(y_true: Truth) -> tuple[Floats, Floats]:
    lower, upper = y_true if isinstance(y_true, tuple) else (y_true, y_true)
    return np.asarray(lower, np.float64), np.asarray(upper, np.float64)


def _nearest(y_true: Truth, prediction: Array) -> Floats:
    """What the truth may be, as near to the prediction as it can."""
    lower, upper = _bounds(y_true)
    return np.asarray(np.minimum(np.maximum(prediction, lower), upper))


def _exact(y_true: Truth) -> tuple[Array, Floats]:
    """Positions and values of the rows whose truth is one number."""
    lower, upper = _bounds(y_true)
    rows = np.flatnonzero((lower == upper) & np.isfinite(lower))
    return rows, lower[rows]


def _variation(square: Floats, total: Floats, weight: Floats) -> Floats:
    """Σ w·(y - mean)² from Σ w·y², Σ w·y and Σ w; exactly 0 where rounding is all that is left."""
    about_mean = square - total**2 / np.where(weight > 0, weight, 1.0)
    return np.where(about_mean > NOISE * square, about_mean, 0.0)


class _WeightedRanks:
    """Midranks as a function of the weights: the weight of all lower values, and half that of the equal ones."""

    def __init__(self, values: Array) -> None:
        self.order = np.argsort(values, kind="stable")
        ascending = values[self.order]
        self.below, self.upto = (np.searchsorted(ascending, values, side=side) for side in ("left", "right"))

    def __call__(self, weights: Array) -> Floats:
        """weights: [replicate, row]. Returns float64 [replicate, row]."""
        running = np.zeros((weights.shape[0], weights.shape[1] + 1))
        np.cumsum(weights[:, self.order], axis=1, dtype=np.float64, out=running[:, 1:])
        return np.asarray((running[:, self.below] + running[:, self.upto]) / 2)
