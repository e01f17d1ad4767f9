"""Alerts a patient-day: what a model that predicts again and again means for a ward."""

from collections.abc import Mapping

import numpy as np

from polyclinic.arrays import Array
from polyclinic.evaluation.scores import NOT_NEGATIVE, Score, ratio

DAY = np.timedelta64(1, "D") / np.timedelta64(1, "us")
LONGEST_STEP = 1.0
"""Days between two questions beyond which nobody is watched: visits, not a grid."""


def observed_days(subject: Array, time: Array) -> Array | None:
    """The time that each row stands for, in days, float64 [row].

    A row stands for the time until the subject's next row, at most the usual step of the grid, which also is what the
    last row before a gap stands for. The steps of a grid are alike; the usual one is the most common.

    Parameters
    ----------
    subject
        [row], the subjects.
    time
        datetime64 [row], the index times.

    Returns
    -------
    None where rows are not questions on a grid: the usual step is longer than a day, or fewer than half of the steps
    are the usual one.
    """
    order = np.lexsort((time, subject))
    same = subject[order][1:] == subject[order][:-1]
    steps = (time[order][1:] - time[order][:-1]).astype("timedelta64[us]").astype(np.int64)
    lengths, counts = np.unique(steps[same & (steps > 0)], return_counts=True)
    if not len(lengths) or counts.max() < 0.5 * counts.sum():
        return None
    usual = int(lengths[counts.argmax()])
    if usual > LONGEST_STEP * DAY:
        return None
    until_next = np.append(np.where(same, np.minimum(steps, usual), usual), usual)
    days = np.empty(len(subject))
    days[order] = until_next / DAY
    return days


def alert_rates(y_true: Array, alert: Array, days: Array) -> Mapping[str, Score]:
    """`alerts_per_day` and `false_alerts_per_day`: alerts for each day that a patient is watched.

    alert: whether each row is one, bool [row]; days: what each row stands for, [row].
    """
    return {
        "alerts_per_day": ratio(alert.astype(np.float64), days, NOT_NEGATIVE),
        "false_alerts_per_day": ratio((alert & (y_true <= 0)).astype(np.float64), days, NOT_NEGATIVE),
    }
