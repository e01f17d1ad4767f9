"""What the steps are scored by."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from polyclinic.evaluation.measures import Measure


def balanced_accuracy(table: npt.NDArray[np.float64]) -> Any:
    """Hits, walked steps, right rejections and other steps, [row, 4] → the score over all steps, weighted by row."""

    def score(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        hit, positive, rejected, negative = (weights @ table).T
        return np.asarray((hit / positive + rejected / negative) / 2)

    return score


BALANCED_ACCURACY = Measure(
    name="balanced-accuracy-of-steps",
    title="Balanced accuracy of steps",
    score=balanced_accuracy,
    bounds=(0.0, 1.0),
    chance=0.5,
)
