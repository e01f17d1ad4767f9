"""Logistic recalibration: whether probabilities are moved before they are given to anybody, and how.

There are three candidates, the simplest first: the probabilities as they are; an intercept on their logit, which moves
their level; slope and intercept, which moves level and spread (Cox 1958). Each is fitted on some validation groups and
judged on the others. A candidate replaces a simpler one only where it lowers the log loss of rows that did not fit it
by more than the standard error of that gain over groups, and leaves the level no worse. A line that a few groups might
as well have drawn by chance makes probabilities worse (Vergouwe et al., Statistics in Medicine 2017).
"""

from collections.abc import Callable, Iterator
from math import log
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from polyclinic import seeds
from polyclinic.arrays import Array
from polyclinic.evaluation.calibration import RecalibrationLine
from polyclinic.links import expit, logit

Fit: TypeAlias = Callable[[Array], npt.NDArray[np.float64]]
"""Weights [replicate, row] → intercept and slope [replicate, 2]."""

FEWEST_GROUPS = 10
"""Groups below which nothing is recalibrated: a standard error over fewer says nothing."""

PARTS, REPEATS = 10, 2
"""Every group is judged by fits on the other nine parts, in two deals, so that one deal does not decide."""

NEGLIGIBLE = log(1.02)
"""A level that is off by 2 % or less, as |log(observed : expected)|, is no reason against a candidate."""


def recalibration(y_true: Array, probability: Array, groups: Array) -> dict[str, float]:
    """Learn from validation rows how to move probabilities, if at all.

    Parameters
    ----------
    y_true, probability
        Labels (0 or 1) and probabilities, [row].
    groups
        What each row belongs to, [row]: the rows of a group fit or judge together.

    Returns
    -------
    dict
        `slope` and `intercept` to put on the logit, a slope of 1 where only the level is moved. Empty where the
        probabilities stay as they are: no candidate is clearly better, there are fewer than ten groups, there is no
        finite fit, or the order of the rows would be turned.

    References
    ----------
    Cox, Two further applications of a model for binary regression, Biometrika 1958.
    Vergouwe et al., A closed testing procedure to select an appropriate method for updating prediction models,
    Statistics in Medicine 2017.
    """
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < FEWEST_GROUPS:
        return {}
    x, y = logit(probability), np.asarray(y_true, np.float64)
    best: Fit | None = None
    loss, level = _log_loss(x, y), _off(y, expit(x))
    for fit in (RecalibrationLine(y, probability, level_only=True), RecalibrationLine(y, probability)):
        candidate = _cross_fitted(fit, x, group, len(names))
        if candidate is None:
            continue
        new_loss = np.mean([_log_loss(z, y) for z in candidate], axis=0)
        new_level = _off(y, np.mean([expit(z) for z in candidate], axis=0))
        if is_clear(loss - new_loss, group) and new_level <= max(level, NEGLIGIBLE):
            best, loss, level = fit, new_loss, new_level
    if best is None:
        return {}
    intercept, slope = best(np.ones((1, len(y))))[0].tolist()
    return {"slope": slope, "intercept": intercept}


def _cross_fitted(fit: Fit, x: Array, group: Array, count: int) -> list[npt.NDArray[np.float64]] | None:
    """Logits [row] that other groups' fits give, one array a deal; None where a fit fails or turns the order."""
    every = []
    for part in deals(group, count):
        moved = np.empty(len(x))
        for k in range(int(part.max()) + 1):
            here = part == k
            intercept, slope = fit((~here)[None].astype(np.float64))[0]
            if not (np.isfinite(intercept) and slope > 0):
                return None
            moved[here] = intercept + slope * x[here]
        every.append(moved)
    return every


def is_clear(gain: Array, group: Array) -> bool:
    """Whether a gain of rows is above its standard error over groups.

    gain: of each row, [row]; group: the number of the group of each row, from 0, [row].
    """
    sums = np.bincount(group, gain)
    return bool(sums.sum() > np.sqrt(len(sums)) * sums.std(ddof=1))


def deals(group: Array, count: int) -> Iterator[npt.NDArray[np.int64]]:
    """The part of each row, once for each repeat; the same for the same number of groups."""
    for repeat in range(REPEATS):
        order = seeds.generator(0, "recalibration", repeat).permutation(count)
        yield (order % PARTS)[group]


def _log_loss(x: Array, y: Array) -> npt.NDArray[np.float64]:
    """The log loss of each row, from its logit."""
    return np.asarray(np.logaddexp(0, x) - y * x)


def _off(y: Array, probability: Array) -> float:
    """How far the level is off: |log(observed : expected)|."""
    observed, expected = y.mean(), probability.mean()
    return abs(log(observed / expected)) if observed > 0 and expected > 0 else np.inf
