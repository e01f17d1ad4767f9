"""What the answers would do in use: thresholds, decision curves, ROC and precision–recall curves."""

from typing import Any

import numpy as np

from polyclinic.errors import UnknownName
from polyclinic.evaluation.scores import Array

RULES = ("specificity", "sensitivity", "threshold")


def threshold_for(y_true: Array, y_score: Array, rule: str, wanted: float) -> float:
    """The threshold (`y_score ≥ threshold` is an alert) that keeps a rule.

    rule: "specificity": the lowest threshold that has at least so much; "sensitivity": the highest that has;
    "threshold": the number itself. NaN where the class that the rule counts does not occur.
    Raises `UnknownName` for any other rule.
    """
    if rule not in RULES:
        raise UnknownName("operating point", rule, RULES)
    if rule == "threshold":
        return wanted
    counted = np.sort(y_score[y_true > 0] if rule == "sensitivity" else y_score[y_true <= 0])
    if len(counted) == 0:
        return float("nan")
    needed = int(np.ceil(round(wanted * len(counted), 9)))
    if rule == "sensitivity":
        return float(counted[len(counted) - needed] if needed else y_score.max())
    above = y_score[y_score > counted[needed - 1]] if needed else y_score
    return float(above.min()) if len(above) else float(np.nextafter(y_score.max(), np.inf))


def net_benefit(y_true: Array, y_score: Array, thresholds: Array) -> Array:
    """True alerts less false alerts weighed by the odds of each threshold, a row (Vickers and Elkin 2006).

    A score of 1 for every row gives that of an alert for all; that of no alert at all is 0.
    """
    rows = len(y_true)
    positive, negative = np.sort(y_score[y_true > 0]), np.sort(y_score[y_true <= 0])
    true = len(positive) - np.searchsorted(positive, thresholds, side="left")
    false = len(negative) - np.searchsorted(negative, thresholds, side="left")
    return np.asarray(true / rows - false / rows * thresholds / (1 - thresholds))


def curves(y_true: Array, y_score: Array, points: int = 200) -> dict[str, dict[str, list[Any]]]:
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
    found = np.unique(np.searchsorted(along, wanted, side="left").clip(0, len(along) - 1))
    return np.unique(np.r_[0, found, len(along) - 1])
