"""Weighted scores of many replicates at once: weights [replicate, row] → score [replicate].

Each function takes `y_true` (0 or 1 a row) and `y_score` (or a probability), sorts once, and returns the score as a
function of the weights. A weight of 2 is that row twice, 0 is that row left out. NaN where a replicate cannot be scored.
Sums run in the type of the weights, running sums in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Score: TypeAlias = Callable[[Array], npt.NDArray[np.float64]]

LOWER_IS_BETTER = frozenset({"brier", "log_loss"})
RANKING = frozenset({"auroc", "auprc"})  # these see only the order of the answers
RANGES = {"auroc": (0.0, 1.0), "auprc": (0.0, 1.0), "brier": (0.0, 1.0), "log_loss": (0.0, np.inf), "dice": (0.0, 1.0)}


ANY = (-np.inf, np.inf)
NOT_NEGATIVE = (0.0, np.inf)
SHARE = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Bounded:
    """A score with the least and the greatest value that it can take: intervals stay between them."""

    score: Score
    low: float
    high: float

    def __call__(self, weights: Array) -> npt.NDArray[np.float64]:
        return self.score(weights)


def bounds_of(score: Score) -> tuple[float, float]:
    """The least and the greatest value that a score can take; infinite where it does not say."""
    return (score.low, score.high) if isinstance(score, Bounded) else ANY


def ratio(numerator: Array, denominator: Array, bounds: tuple[float, float] = ANY) -> Score:
    """Σ w·numerator / Σ w·denominator, from two arrays [row]; `bounds`: of the ratio."""

    def score(weights: Array) -> npt.NDArray[np.float64]:
        sums = [weights @ part.astype(weights.dtype) for part in (numerator, denominator)]
        return _quotient(*(each.astype(np.float64) for each in sums))

    return Bounded(score, *bounds)


def row_mean(values: Array, bounds: tuple[float, float] = ANY) -> Score:
    """The mean of one number a row; rows with NaN are left out."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0), known, bounds)


def brier(y_true: Array, probability: Array) -> Score:
    """Mean squared error of the probability (Brier 1950)."""
    return row_mean((probability - y_true) ** 2, SHARE)


def log_loss(y_true: Array, probability: Array) -> Score:
    """Mean negative log likelihood; probabilities are kept 1e-15 from 0 and 1."""
    inside = np.clip(probability, 1e-15, 1 - 1e-15)
    return row_mean(-np.where(y_true > 0, np.log(inside), np.log1p(-inside)), NOT_NEGATIVE)


def observed_expected(y_true: Array, probability: Array) -> Score:
    """Positives observed for each one that was predicted: 1 is perfect, below 1 the model predicts too many."""
    return ratio(y_true.astype(np.float64), np.asarray(probability, np.float64), NOT_NEGATIVE)


def auroc(y_true: Array, y_score: Array) -> Score:
    """The chance that a positive row is ranked above a negative one, ties counting half."""
    positive, negative = np.flatnonzero(y_true > 0), np.flatnonzero(y_true <= 0)
    negative = negative[np.argsort(y_score[negative], kind="stable")]
    positive = positive[np.argsort(y_score[positive], kind="stable")]
    below = np.searchsorted(y_score[negative], y_score[positive], side="left")
    upto = np.searchsorted(y_score[negative], y_score[positive], side="right")
    tied = bool((below != upto).any())

    def score(weights: Array) -> npt.NDArray[np.float64]:
        up, down = weights[:, positive], _running(weights[:, negative])
        beaten = (down[:, below] + down[:, upto]) / 2 if tied else down[:, below]
        pairs = up.sum(axis=1, dtype=np.float64) * down[:, -1]
        won = np.einsum("ij,ij->i", up, beaten)
        return _quotient(won, pairs)

    return Bounded(score, *SHARE)


def auprc(y_true: Array, y_score: Array) -> Score:
    """Average precision: the mean over positives of the precision at their own threshold."""
    positive, negative = np.flatnonzero(y_true > 0), np.flatnonzero(y_true <= 0)
    negative = negative[np.argsort(-y_score[negative], kind="stable")]
    positive = positive[np.argsort(-y_score[positive], kind="stable")]
    false = np.searchsorted(-y_score[negative], -y_score[positive], side="right")
    true = np.searchsorted(-y_score[positive], -y_score[positive], side="right")
    tied = bool((true != np.arange(1, len(positive) + 1)).any())

    def score(weights: Array) -> npt.NDArray[np.float64]:
        up, down = weights[:, positive], _running(weights[:, negative])
        hits = _running(up)
        total = hits[:, -1].copy()
        hits = hits[:, true] if tied else hits[:, 1:]
        alarms = np.maximum(hits + down[:, false], 1e-300)
        found = np.einsum("ij,ij->i", up, hits / alarms)
        return _quotient(found, total)

    return Bounded(score, *SHARE)


def _quotient(above: Array, below: Array) -> npt.NDArray[np.float64]:
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))


def _running(weights: Array) -> npt.NDArray[np.float64]:
    """Running sums along the rows, with a leading 0."""
    sums = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, dtype=np.float64, out=sums[:, 1:])
    return sums


def at_threshold(y_true: Array, y_score: Array, threshold: float | Array) -> dict[str, Score]:
    """Sensitivity, specificity, PPV, NPV and alerts per 100 rows where `y_score ≥ threshold` is an alert.

    threshold: one for all rows, or one a row.
    """
    positive, alert, everything = y_true > 0, y_score >= threshold, np.ones(len(y_true))
    return {
        "sensitivity": ratio(positive & alert, positive, SHARE),
        "specificity": ratio(~positive & ~alert, ~positive, SHARE),
        "ppv": ratio(positive & alert, alert, SHARE),
        "npv": ratio(~positive & ~alert, ~alert, SHARE),
        "alerts_per_100": ratio(100.0 * alert, everything, (0.0, 100.0)),
    }


def range_of(score: str) -> tuple[float, float]:
    """The least and the greatest value of a named score (`dice//front` is a `dice`); infinite where it is not known."""
    return RANGES.get(score.partition("//")[0], (-np.inf, np.inf))


def finite(value: float) -> float | None:
    """A number that JSON can hold: None where it is NaN or infinite."""
    return float(value) if np.isfinite(value) else None


def of_all(score: Score, rows: int) -> float:
    """The score of the rows as they are, each once."""
    return float(score(np.ones((1, rows)))[0])
