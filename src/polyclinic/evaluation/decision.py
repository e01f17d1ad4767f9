"""What the answers would do in use: thresholds, decision curves, ROC and precision–recall curves."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from polyclinic.arrays import Array
from polyclinic.errors import UnknownName
from polyclinic.evaluation.estimates import Estimate

RULES = ("specificity", "sensitivity", "threshold")

MARGIN = 5e-6
"""The least distance of a threshold from the scores that it was put beyond: rows that tie with them stay on their side
when other hardware or another batch moves scores in the last digits."""


def threshold_for(y_true: Array, y_score: Array, rule: str, wanted: float) -> float:
    """The threshold (`y_score ≥ threshold` is an alert) that keeps a rule on these rows.

    Parameters
    ----------
    y_true, y_score
        Labels (0 or 1) and scores, [row].
    rule
        "specificity": the lowest threshold that has at least so much; "sensitivity": the highest that has;
        "threshold": the number itself.
    wanted
        The specificity, the sensitivity or the threshold.

    Returns
    -------
    float
        Midway between the two scores of the counted class that it separates, but at least `MARGIN` beyond the nearer.
        It moves by no more than the scores do, and no score of the counted class lies closer to it than it must. NaN
        where the class that the rule counts does not occur.

    Raises
    ------
    UnknownName
        There is no such rule.
    """
    if rule not in RULES:
        raise UnknownName("operating point", rule, RULES)
    if rule == "threshold":
        return wanted
    if rule == "sensitivity":
        return -_above(-y_score[y_true > 0], wanted)
    return _above(y_score[y_true <= 0], wanted)


def _above(scores: Array, share: float) -> float:
    """A number above at least this share of the scores and above no more of them than that demands."""
    if len(scores) == 0:
        return float("nan")
    ordered = np.sort(scores)
    count = int(np.ceil(round(share * len(ordered), 9)))
    if count == 0:
        return float(ordered[0]) - MARGIN
    highest = float(ordered[count - 1])
    gap = float(ordered[count]) - highest if count < len(ordered) else 0.0
    return highest + max(gap / 2, MARGIN)


@dataclass(frozen=True, slots=True)
class Reached:
    """Whether an operating point is kept on rows that did not choose its threshold.

    Attributes
    ----------
    rule, target
        The required value, such as a specificity of 0.8.
    measured
        What came out.
    state
        `yes` where the whole interval is at or above the target, `no` where all of it is below, `undecided` where it
        holds the target or where there is none.
    """

    rule: str
    target: float
    measured: Estimate
    state: Literal["yes", "no", "undecided"]


def reached(rule: str, target: float, measured: Estimate) -> Reached:
    """Compare the measured value with the required one."""
    state: Literal["yes", "no", "undecided"] = "undecided"
    if measured.low is not None and measured.low >= target:
        state = "yes"
    elif measured.high is not None and measured.high < target:
        state = "no"
    return Reached(rule, target, measured, state)


def net_benefit(y_true: Array, y_score: Array, thresholds: Array) -> Array:
    """True alerts less false alerts weighed by the odds of each threshold, a row (Vickers and Elkin 2006).

    A score of 1 for every row gives that of an alert for all; that of no alert at all is 0.
    """
    rows = len(y_true)
    positive, negative = np.sort(y_score[y_true > 0]), np.sort(y_score[y_true <= 0])
    true = len(positive) - np.searchsorted(positive, thresholds, side="left")
    false = len(negative) - np.searchsorted(negative, thresholds, side="left")
    return np.asarray(true / rows - false / rows * thresholds / (1 - thresholds))


def curves(y_true: Array, y_score: Array, points: int = 200) -> dict[str, dict[str, list[float]]]:
    """`roc` (false against true positive rate) and `pr` (recall against precision), at most `points` each."""
    order = np.argsort(-y_score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(y_score[order]) != 0, True))
    true = np.append(0, np.cumsum(y_true[order] > 0)[ends])
    false = np.append(0, np.cumsum(y_true[order] <= 0)[ends])
    fpr, tpr = false / max(false[-1], 1), true / max(true[-1], 1)
    kept = _spread(fpr + tpr, points)
    precision = np.divide(true, true + false, out=np.ones(len(true)), where=true + false > 0)
    precision[0] = precision[1] if len(precision) > 1 else 1.0
    recalled = _spread(tpr, points)
    return {
        "roc": {"x": fpr[kept].tolist(), "y": tpr[kept].tolist()},
        "pr": {"x": tpr[recalled].tolist(), "y": precision[recalled].tolist()},
    }


def _spread(along: Array, points: int) -> Array:
    """Positions of at most `points` places, evenly along a rising number, both ends among them."""
    if len(along) <= points:
        return np.arange(len(along))
    wanted = np.linspace(along[0], along[-1], points - 2)[1:]
    positions = np.unique(np.searchsorted(along, wanted, side="left").clip(0, len(along) - 1))
    return np.unique(np.r_[0, positions, len(along) - 1])
