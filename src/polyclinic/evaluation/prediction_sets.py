"""Conformal sets of classes: how probable a class must be so that sets hold the true one as often as wanted."""

import math

import numpy as np

from polyclinic.arrays import Array


def least_probability(y_true: Array, probabilities: Array, coverage: float) -> float | None:
    """The least probability of a class in a set, from rows that the model did not learn from.

    With new rows that are exchangeable with these, sets of all classes at least so probable hold the true class with
    probability `coverage` or more, whatever the model is. Several rows of a patient are not: what is reached is
    therefore measured on test rows, with its interval over patients.

    Parameters
    ----------
    y_true
        Class numbers, int [row].
    probabilities
        float64 [row, class].
    coverage
        The wanted share, between 0 and 1.

    Returns
    -------
    float or None
        None where there are too few rows to promise so much: fewer than coverage / (1 - coverage).

    References
    ----------
    Sadinle, Lei and Wasserman, Least ambiguous set-valued classifiers with bounded error levels, Journal of the
    American Statistical Association 2019.
    Papadopoulos et al., Inductive confidence machines for regression, ECML 2002, for the split.
    """
    rows = len(y_true)
    rank = math.ceil((rows + 1) * coverage)
    if rank > rows:
        return None
    of_truth = np.sort(probabilities[np.arange(rows), y_true])[::-1]
    return float(of_truth[rank - 1])
