"""Logistic regression on numbers and on summaries of sequences: the linear baseline, at its best."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polyclinic.models import encoders
from polyclinic.models.linear import Floats, constant, linear, log_odds, two_answers
from polyclinic.models.model import Session
from polyclinic.outcomes.outcome import Outcome
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.parts import OnnxPart
from polyclinic.packages.state import State
from polyclinic.samples import Samples

MANY = 500


@dataclass(frozen=True)
class Logistic:
    """Logistic regression with an L2 penalty whose strength validation chooses.

    hours: how far back each set of summaries of a sequence reaches; coverage: a code is used where it is seen
    within the widest in so large a share of the training rows;
    strengths: the values of scikit-learn's C that are tried.
    """

    coverage: float = 0.95
    hours: tuple[float, ...] = (8.0, 2.0)
    strengths: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0)

    def prepare(self, train: Samples) -> State:
        """Which columns and codes make the matrix."""
        return State({"matrix": encoders.learn(train, coverage=self.coverage, hours=self.hours)})

    def encode(self, rows: Samples, state: State) -> dict[str, Any]:
        """x: float32 [row, feature], NaN where there is nothing."""
        return {"x": encoders.matrix(rows, state.values["matrix"])}

    def fit(self, train: Samples, validation: Samples, outcome: Outcome, session: Session) -> Fitted:
        """Gaps are filled by the training mean; values are held within the training rows' 1st to 99th percentile."""
        state = self.prepare(train)
        return Fitted(self, state, [regression(self, state, train, validation, outcome, self.strengths)])


def regression(
    model: Any,
    state: State,
    train: Samples,
    validation: Samples,
    outcome: Outcome,
    strengths: Sequence[float],
) -> OnnxPart:
    """The logistic regression on what `model` encodes whose strength has the least log loss on validation rows."""
    y, seen = two_answers(train, outcome, model), two_answers(validation, outcome, model)
    x = model.encode(train, state)["x"].astype(float)
    if len(np.unique(y)) < 2:
        return constant(log_odds(y.mean(), len(y)), x.shape[1])
    low, high, mean, scale = _scaling(x)
    held = model.encode(validation, state)["x"].astype(float)
    learn, watch = (_scaled(v, low, high, mean, scale) for v in (x, held))
    fitted = _fits(learn, y, strengths)
    losses = [float(np.logaddexp(0, (1 - 2 * seen) * (watch @ w + b)).mean()) for w, b in fitted]
    weights, bias = fitted[int(np.argmin(losses))]
    return linear(weights[:, None], np.array([bias]), mean, scale, low, high)


def _scaling(x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Low and high bound, mean and deviation of each column within them; 0, 0, 0 and 1 where there is nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = (np.nan_to_num(v) for v in np.nanpercentile(x, [1, 99], axis=0))
        held = np.clip(x, low, high)
        mean, scale = np.nan_to_num(np.nanmean(held, axis=0)), np.nan_to_num(np.nanstd(held, axis=0))
    return low, high, mean, np.where(scale > 1e-9, scale, 1.0)


def _scaled(x: Floats, low: Floats, high: Floats, mean: Floats, scale: Floats) -> Floats:
    return (np.where(np.isnan(x), mean, np.clip(x, low, high)) - mean) / scale


def _fits(x: Floats, y: Floats, strengths: Sequence[float]) -> list[tuple[Floats, float]]:
    from threadpoolctl import threadpool_limits

    # Matrices so small that threads of the linear algebra cost ten times what they win.
    with threadpool_limits(1):
        return [_fit(x, y, strength) for strength in strengths]


def _fit(x: Floats, y: Floats, strength: float) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression

    # a column that does not vary within its bounds would get weight 0; leaving it out saves its square in time
    varies = x.any(axis=0)
    weights = np.zeros(x.shape[1])
    if not varies.any():
        return weights, float(log_odds(y.mean(), len(y)))
    # Newton's steps are exact and few, but cost the cube of the columns: thousands of fingerprint bits take minutes.
    solver = "newton-cholesky" if varies.sum() <= MANY else "lbfgs"
    fitted = LogisticRegression(C=strength, solver=solver, max_iter=1000).fit(x[:, varies], y)
    weights[varies] = fitted.coef_[0]
    return weights, float(fitted.intercept_[0])
