"""Temperature scaling: whether the probabilities of classes are made more cautious or more extreme, and by how much.

As in `recalibration`, the temperature is fitted on some validation groups and judged on the others: it is kept only
where it lowers the log loss of rows that did not fit it by more than the standard error of that gain over groups.
"""

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation.recalibration import FEWEST_GROUPS, deals, is_clear
from polyclinic.links import EDGE

HOTTEST = 20.0
"""The greatest temperature that is tried, and the inverse of the least."""


def temperature(y_true: Array, probabilities: Array, groups: Array) -> float | None:
    """Learn from validation rows by what the logarithms of probabilities are divided, if at all.

    Parameters
    ----------
    y_true
        Class numbers, int [row].
    probabilities
        float64 [row, class].
    groups
        What each row belongs to, [row]: the rows of a group fit or judge together.

    Returns
    -------
    float or None
        The temperature; None where the probabilities stay as they are: no clear gain, or fewer than ten groups.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, On calibration of modern neural networks, ICML 2017.
    """
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < FEWEST_GROUPS:
        return None
    scores = np.log(np.clip(probabilities, EDGE, 1.0))
    losses = np.zeros((0, len(y_true)))
    for part in deals(group, len(names)):
        moved = np.empty(len(y_true))
        for k in range(int(part.max()) + 1):
            here = part == k
            moved[here] = _loss(scores[here], y_true[here], fitted(scores[~here], y_true[~here]))
        losses = np.vstack([losses, moved])
    if not is_clear(_loss(scores, y_true, 1.0) - losses.mean(axis=0), group):
        return None
    return fitted(scores, y_true)


def fitted(scores: Floats, y_true: Array) -> float:
    """The temperature of the least log loss; the loss is convex in its inverse.

    scores: log probabilities, float64 [row, class]; y_true: int [row].
    """
    from scipy.optimize import minimize_scalar

    least = minimize_scalar(
        lambda inverse: _loss(scores, y_true, 1 / inverse).mean(), bounds=(1 / HOTTEST, HOTTEST), method="bounded"
    )
    return float(1 / least.x)


def _loss(scores: Floats, y_true: Array, value: float) -> npt.NDArray[np.float64]:
    """The log loss of each row at a temperature."""
    moved = scores / value
    return np.asarray(np.logaddexp.reduce(moved, axis=1) - moved[np.arange(len(moved)), y_true])
