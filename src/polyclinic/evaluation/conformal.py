"""How far the intervals of numbers must be moved to contain the truth as often as was wanted."""

import numpy as np

from polyclinic.arrays import Array, Floats
from polyclinic.notes import note

ROUNDING = 1e-9


def conformal_amount(
    truth: tuple[Floats, Floats], low: Floats, high: Floats, groups: Array, level: float
) -> float | None:
    """The amount by which both ends of every interval are to be moved outwards; negative: inwards.

    A group (a patient, a scaffold) counts as one: each of its rows has an equal share of it, and a new group is
    exchangeable with these. With probability `level` or more, a random row of a new group then lies within its
    interval, whatever the model is.

    Parameters
    ----------
    truth
        Lower and upper bounds of what is true, each float64 [row]: equal where it is exact. A bound counts as within
        where it may be so.
    low, high
        Ends of the predicted intervals, float64 [row].
    groups
        [row], what is exchangeable as a whole.
    level
        The wanted share, between 0 and 1.

    Returns
    -------
    float or None
        None, and a note, where there are too few groups to promise so much: fewer than level / (1 - level), 9 for 90 %.

    References
    ----------
    Romano, Patterson and Candès, Conformalized quantile regression, NeurIPS 2019.
    Lee, Barber and Willett, Distribution-free inference with hierarchical data, 2023, arXiv:2306.06342.
    """
    _, code, size = np.unique(groups, return_inverse=True, return_counts=True)
    if not len(size) or len(size) / (len(size) + 1) < level - ROUNDING:
        why = "With so few groups no finite interval can promise so much; those of the model are left as they are."
        note("conformal intervals", f"{len(size)} validation groups for a coverage of {level:g}", why)
        return None
    outside = np.maximum(low - truth[1], truth[0] - high)
    order = np.argsort(outside, kind="stable")
    share = np.cumsum(1 / size[code[order]]) / (len(size) + 1)
    at = min(int(np.searchsorted(share, level - ROUNDING)), len(order) - 1)
    return float(outside[order][at])
