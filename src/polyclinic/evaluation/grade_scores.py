"""Weighted scores of predicted grades: classes that have an order.

Every function gives a `Score`: weights [replicate, row] → score [replicate]; a weight of 2 is that row twice, 0 is that
row left out. Grades are codes, int [row], from 0 to K - 1, one step apart.
"""

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation.composed_scores import of_confusion, quotient
from polyclinic.evaluation.scores import NOT_NEGATIVE, SHARE, Score, row_mean

Weighting: TypeAlias = Literal["quadratic", "linear"]
HALF = 0.5 - 1e-9
"""Half the probability, less what rounding of a sum may take from it."""


def median_grade(probabilities: Array) -> npt.NDArray[np.int64]:
    """The first grade that at least half the probability reaches, int64 [row]; no grade has a smaller expected error.

    probabilities: float64 [row, grade].
    """
    return np.asarray((np.cumsum(probabilities, axis=1) >= HALF).argmax(axis=1), np.int64)


def weighted_kappa(y_true: Array, y_pred: Array, grades: int, weighting: Weighting = "quadratic") -> Score:
    """Agreement beyond chance, where a distant grade is worse than a near one: 1 is perfect, 0 is chance.

    Parameters
    ----------
    y_true, y_pred
        Codes of grades, int [row], from 0 to `grades` - 1.
    grades
        How many grades there are.
    weighting
        What two grades that are d steps apart cost: d² (`quadratic`) or d (`linear`).

    Returns
    -------
    Score
        Between -1 and 1; NaN where truth and prediction are the same one grade throughout.

    References
    ----------
    Cohen 1968, Weighted kappa, Psychological Bulletin 70.
    """
    steps = np.abs(np.subtract.outer(np.arange(grades), np.arange(grades))).astype(np.float64)
    cost = steps**2 if weighting == "quadratic" else steps

    def combine(table: Floats) -> Floats:
        total = table.sum(axis=(1, 2))
        by_chance = np.einsum("ri,ij,rj->r", table.sum(axis=2), cost, table.sum(axis=1), optimize=True)
        return 1 - quotient((table * cost).sum(axis=(1, 2)) * total, by_chance)

    return of_confusion(y_true, y_pred, grades, combine, (-1.0, 1.0))


def mae_grades(y_true: Array, y_pred: Array) -> Score:
    """Mean absolute error, in grades; y_true, y_pred: codes of grades, int [row]."""
    return row_mean(np.abs(y_true.astype(np.float64) - y_pred), NOT_NEGATIVE)


def ranked_probability_score(y_true: Array, probabilities: Array) -> Score:
    """Mean squared error of the probabilities that the grade is at most 0, 1, …, K - 2: 0 is perfect, 1 the worst.

    Parameters
    ----------
    y_true
        Codes of grades, int [row].
    probabilities
        float64 [row, grade], two grades at least.

    References
    ----------
    Epstein 1969, A scoring system for probability forecasts of ranked categories, Journal of Applied Meteorology 8:
    the sum is divided by K - 1, so that with two grades it is the Brier score.
    """
    upto = np.cumsum(probabilities, axis=1)[:, :-1]
    reached = np.arange(upto.shape[1]) >= y_true[:, None]
    return row_mean(((upto - reached) ** 2).mean(axis=1), SHARE)
