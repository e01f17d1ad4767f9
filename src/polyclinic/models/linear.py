"""Linear regression of every family on numbers and on summaries of sequences: the linear baseline, at its best."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from polyclinic import openmp
from polyclinic.arrays import Array, Floats, Floats32
from polyclinic.models.encoders import centre
from polyclinic.models.family_targets import FamilyTarget, constant_answer, level_of
from polyclinic.models.linear_graph import linear, log_odds
from polyclinic.models.model import Session
from polyclinic.models.table import Rows, TableModel
from polyclinic.packages.fitted import History
from polyclinic.packages.parts import OnnxPart

MANY = 500
BYTES = 48
"""Bytes of memory for each number of the matrix: as float32, as float64, scaled, and what lies between."""
Line: TypeAlias = tuple[Floats, Floats]
"""Weights [feature, channel] and bias [channel]."""
Loss: TypeAlias = Callable[[Floats], Floats]
"""Raw answers [row, channel] → the loss of each row."""


class LinearFit(Protocol):
    """A linear model of scikit-learn."""

    coef_: Array
    intercept_: Array

    def fit(self, X: Array, y: Array, sample_weight: Array | None = None) -> Self: ...


@dataclass(frozen=True)
class Linear(TableModel):
    """A linear model with an L2 penalty whose strength validation chooses, on the scale of the outcome's family.

    Log odds (logistic regression), log scores of classes, a number or the log of a count. Of quantiles the mean or the
    median is linear, and the others lie beside it as far as they do in the training rows. Gaps are filled by the
    training mean; values are clipped to the training rows' 1st to 99th percentile.

    Parameters
    ----------
    strengths
        The values of scikit-learn's C that are tried; a large one penalises little.
    hours, coverage
        As in `TableEncoding`.
    """

    strengths: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0)

    def learned(self, train: Rows, validation: Rows, session: Session) -> tuple[OnnxPart, History]:
        x, x_validation = self.in_memory(train[0], validation[0], session, each=BYTES)
        return regression(x, train[1], x_validation, validation[1], self.strengths), ()


@dataclass(frozen=True)
class Logistic(Linear):
    """The name that `linear` had in version 0.1."""


def regression(
    x: Floats32, target: FamilyTarget, x_validation: Floats32, watched: FamilyTarget, strengths: Sequence[float]
) -> OnnxPart:
    """The linear model whose strength has the least loss on validation rows, each output by itself.

    Parameters
    ----------
    x, x_validation
        [row, feature], NaN for nothing.
    target, watched
        What is learned from, and what chooses the strength.
    """
    bounds = scaling(x.astype(np.float64), target.weight)
    scaled, scaled_validation = (scaled_to(v.astype(np.float64), *bounds) for v in (x, x_validation))
    distribution, lines = target.family.distribution, list[Line]()
    for output in range(target.y.shape[1]):
        known, y, weight = target.known(output)
        there, y_there, weight_there = watched.known(output)
        if len(np.unique(y)) < 2:
            lines.append(_level(target, output, x.shape[1]))
            continue
        fits = FITS[distribution](scaled[known], y, weight, strengths, target.family.channels)
        loss = LOSSES[distribution]
        losses = [
            float(np.average(loss(scaled_validation[there] @ w + b, y_there), weights=weight_there))
            if len(y_there)
            else 0.0
            for w, b in fits
        ]
        lines.append(fits[int(np.argmin(losses))])
    if distribution == "quantiles":
        lines = [_with_quantiles(lines[0], scaled, target)]
    weights, bias = (np.concatenate([line[k] for line in lines], axis=-1) for k in (0, 1))
    return linear(weights, bias, *bounds)


def _level(target: FamilyTarget, output: int, width: int) -> Line:
    """The same answer for every row, of one output."""
    answers = constant_answer(target)
    several = target.y.shape[1] == 1  # classes and quantiles have one output for all channels
    bias = answers if several else answers[output : output + 1]
    return np.zeros((width, len(bias))), bias


def _with_quantiles(line: Line, x: Floats, target: FamilyTarget) -> Line:
    """One line for each level: as far beside the middle line as the training residuals lie."""
    weights, bias = line
    known, y, weight = target.known(0)
    residuals = y - (x[known] @ weights + bias)[:, 0]
    shifts = [0.0 if level is None else level_of(residuals, weight, level) for level in target.family.levels]
    return np.repeat(weights, len(shifts), axis=1), bias + np.array(shifts)


def scaling(x: Floats, weight: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean and deviation of each column within its bounds, low and high; 0, 1, 0 and 0 where there is nothing."""
    if (weight == 1).all():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            low, high = (np.nan_to_num(v) for v in np.nanpercentile(x, [1, 99], axis=0))
        return *centre(np.clip(x, low, high)), low, high
    counted = weight > 0
    x, weight = x[counted], weight[counted]
    low, high = (np.array([_percentile(column, weight, q) for column in x.T]) for q in (0.01, 0.99))
    within, known = np.clip(x, low, high), ~np.isnan(x)
    total = np.maximum(weight @ known, 1e-300)
    mean = np.nansum(within * weight[:, None], axis=0) / total
    deviation = np.sqrt(np.nansum((within - mean) ** 2 * weight[:, None], axis=0) / total)
    return mean, np.where(deviation > 1e-9, deviation, 1.0), low, high


def _percentile(column: Floats, weight: Floats, share: float) -> float:
    """The percentile of rows that each stand there as often as they weigh, NaN left out; 0 of nothing."""
    known = ~np.isnan(column)
    order = np.argsort(column[known], kind="stable")
    values, until = column[known][order], np.cumsum(weight[known][order])
    if not len(values):
        return 0.0
    place = max(share * (until[-1] - 1), 0.0)
    first, second = (
        values[min(int(np.searchsorted(until, at, side="right")), len(values) - 1)]
        for at in (np.floor(place), np.floor(place) + 1)
    )
    return float(first + (place - np.floor(place)) * (second - first))


def scaled_to(x: Floats, mean: Floats, scale: Floats, low: Floats, high: Floats) -> Floats:
    """The matrix on the scale of `scaling`, its gaps filled by the mean."""
    return (np.where(np.isnan(x), mean, np.clip(x, low, high)) - mean) / scale


# -- fits: x [row, feature], y [row], weight [row], strengths, channels → a line for each strength -------------------


def _logistic(x: Floats, y: Floats, weight: Floats, strengths: Sequence[float], channels: int) -> list[Line]:  # noqa: ARG001
    # Newton's steps are exact and few, but cost the cube of the columns: thousands of fingerprint bits take minutes.
    return _classifiers(x, y, weight, strengths, "newton-cholesky" if _varying(x).sum() <= MANY else "lbfgs")


def _multinomial(x: Floats, y: Floats, weight: Floats, strengths: Sequence[float], channels: int) -> list[Line]:
    """One line a class; a class without a training row is as rare as half a row."""
    classes = np.unique(y).astype(np.int64)
    rare = float(np.log(0.5 / len(y)))
    lines = []
    for weights, bias in _classifiers(x, y, weight, strengths, "lbfgs"):
        if len(classes) == 2:  # scikit-learn gives one line for two classes
            weights, bias = np.c_[np.zeros(len(weights)), weights], np.r_[0.0, bias]
        every, biases = np.zeros((x.shape[1], channels)), np.full(channels, rare)
        every[:, classes], biases[classes] = weights, bias
        lines.append((every, biases))
    return lines


def _classifiers(x: Floats, y: Floats, weight: Floats, strengths: Sequence[float], solver: str) -> list[Line]:
    """A line for each strength of the penalty."""
    with openmp.asleep("sklearn"):
        from sklearn.linear_model import LogisticRegression
    varies = _varying(x)
    if not varies.any() and solver != "lbfgs":
        return [(np.zeros((x.shape[1], 1)), np.atleast_1d(log_odds(np.average(y, weights=weight), len(y))))]
    models = [LogisticRegression(C=strength, solver=solver, max_iter=1000) for strength in strengths]
    return _lines(models, x, y, weight, varies)


def _ridge(x: Floats, y: Floats, weight: Floats, strengths: Sequence[float], channels: int) -> list[Line]:  # noqa: ARG001
    with openmp.asleep("sklearn"):
        from sklearn.linear_model import Ridge
    return _lines([Ridge(alpha=1 / strength) for strength in strengths], x, y, weight, _varying(x))


def _poisson(x: Floats, y: Floats, weight: Floats, strengths: Sequence[float], channels: int) -> list[Line]:  # noqa: ARG001
    with openmp.asleep("sklearn"):
        from sklearn.linear_model import PoissonRegressor
    models = [PoissonRegressor(alpha=1 / (strength * len(y)), max_iter=1000) for strength in strengths]
    return _lines(models, x, y, weight, _varying(x))


def _lines(
    models: Sequence[LinearFit], x: Floats, y: Floats, weight: Floats, varies: npt.NDArray[np.bool_]
) -> list[Line]:
    """What scikit-learn's models learn. A column that does not vary would get weight 0; leaving it out saves time."""
    from threadpoolctl import threadpool_limits

    used = x[:, varies] if varies.any() else np.zeros((len(x), 1))
    plain = bool((weight == weight[0]).all()) and weight[0] == 1
    # matrices so small that threads of the linear algebra cost ten times what they win
    with threadpool_limits(1):
        fits = [model.fit(used, y, None if plain else weight) for model in models]
    lines = []
    for fit in fits:
        coefficients = np.atleast_2d(fit.coef_).T
        weights = np.zeros((x.shape[1], coefficients.shape[1]))
        if varies.any():
            weights[varies] = coefficients
        lines.append((weights, np.atleast_1d(np.asarray(fit.intercept_, np.float64))))
    return lines


def _varying(x: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(x.any(axis=0))


# -- losses: raw answers [row, channel] and the target [row] → the loss of each row ----------------------------------


def _log_loss(raw: Floats, y: Array) -> Floats:
    return np.asarray(np.logaddexp(0, (1 - 2 * y) * raw[:, 0]))


def _surprise(raw: Floats, y: Array) -> Floats:
    return np.asarray(np.logaddexp.reduce(raw, axis=1) - raw[np.arange(len(y)), y.astype(np.int64)])


def _square(raw: Floats, y: Array) -> Floats:
    return np.asarray((raw[:, 0] - y) ** 2)


def _poisson_loss(raw: Floats, y: Array) -> Floats:
    return np.asarray(np.exp(raw[:, 0]) - y * raw[:, 0])


FITS = {
    "bernoulli": _logistic,
    "hazards": _logistic,
    "categorical": _multinomial,
    "gaussian": _ridge,
    "quantiles": _ridge,
    "counts": _poisson,
}
LOSSES = {
    "bernoulli": _log_loss,
    "hazards": _log_loss,
    "categorical": _surprise,
    "gaussian": _square,
    "quantiles": _square,
    "counts": _poisson_loss,
}
