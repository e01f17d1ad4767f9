"""Logistic regression on numbers and on summaries of sequences: the linear baseline, at its best."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from polyclinic import openmp
from polyclinic.arrays import Floats
from polyclinic.models.encoders import centre
from polyclinic.models.linear import linear, log_odds
from polyclinic.models.model import Session
from polyclinic.models.table import Rows, TableModel
from polyclinic.packages.fitted import History
from polyclinic.packages.parts import OnnxPart

MANY = 500
BYTES = 48
"""Bytes of memory for each number of the matrix: as float32, as float64, scaled, and what lies between."""
Matrix: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Logistic(TableModel):
    """Logistic regression with an L2 penalty whose strength validation chooses.

    Gaps are filled by the training mean; values are clipped to the training rows' 1st to 99th percentile.

    Parameters
    ----------
    strengths
        The values of scikit-learn's C that are tried.
    hours, coverage
        As in `TableModel`.
    """

    strengths: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0)

    def learned(self, train: Rows, validation: Rows, session: Session) -> tuple[OnnxPart, History]:
        x, x_validation = self.in_memory(train[0], validation[0], session, each=BYTES)
        return regression((x, train[1]), (x_validation, validation[1]), self.strengths), ()


def regression(train: Matrix, validation: Matrix, strengths: Sequence[float]) -> OnnxPart:
    """The logistic regression whose strength has the least log loss on validation rows."""
    (x, y), (x_validation, y_validation) = train, validation
    bounds = _scaling(x.astype(float))
    scaled, scaled_validation = (_scaled(v.astype(float), *bounds) for v in (x, x_validation))
    weights, biases = _fits(scaled, y, strengths)
    fits = zip(weights, biases, strict=True)
    signs = 1 - 2 * y_validation
    losses = [float(np.logaddexp(0, signs * (scaled_validation @ w + b)).mean()) for w, b in fits]
    best = int(np.argmin(losses))
    return linear(weights[best][:, None], biases[best, None], *bounds)


def _scaling(x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean and deviation of each column within its bounds, low and high; 0, 1, 0 and 0 where there is nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = (np.nan_to_num(v) for v in np.nanpercentile(x, [1, 99], axis=0))
    return *centre(np.clip(x, low, high)), low, high


def _scaled(x: Floats, mean: Floats, scale: Floats, low: Floats, high: Floats) -> Floats:
    return (np.where(np.isnan(x), mean, np.clip(x, low, high)) - mean) / scale


def _fits(x: Floats, y: Floats, strengths: Sequence[float]) -> tuple[Floats, Floats]:
    """Weights [strength, feature] and bias [strength] for each strength of the penalty."""
    with openmp.asleep("sklearn"):
        from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    # a column that does not vary within its bounds would get weight 0; leaving it out saves its square in time
    varies = x.any(axis=0)
    if not varies.any():
        return np.zeros((1, x.shape[1])), log_odds(y.mean(keepdims=True), len(y))
    # Newton's steps are exact and few, but cost the cube of the columns: thousands of fingerprint bits take minutes.
    solver = "newton-cholesky" if varies.sum() <= MANY else "lbfgs"
    models = [LogisticRegression(C=strength, solver=solver, max_iter=1000) for strength in strengths]
    # matrices so small that threads of the linear algebra cost ten times what they win
    with threadpool_limits(1):
        fits = [model.fit(x[:, varies], y) for model in models]
    weights = np.zeros((len(fits), x.shape[1]))
    weights[:, varies] = [fit.coef_[0] for fit in fits]
    return weights, np.array([fit.intercept_[0] for fit in fits])
