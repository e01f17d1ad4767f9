"""Decisions that follow from an answer: plain settings, stored in the package by their registered name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt


class Decision(Protocol):
    """What follows from an answer, learned on validation rows: a frozen dataclass of plain settings."""

    @property
    def name(self) -> str:
        """Its registered name, among `decisions`."""

    def describe(self) -> str:
        """What it decides, in a sentence with its numbers."""


@dataclass(frozen=True)
class Threshold:
    """An answer at or above `value` is an alert.

    Attributes
    ----------
    value
        The least probability that is an alert.
    rule
        What the threshold keeps on validation rows, such as {"specificity": 0.9}.
    """

    value: float
    rule: Mapping[str, float]

    name: ClassVar[str] = "threshold"

    def describe(self) -> str:
        """The threshold and its rule."""
        kept = ", ".join(f"{rule} {wanted:g}" for rule, wanted in self.rule.items())
        return f"Threshold for an alert: {self.value:.3f}, chosen on all validation rows ({kept})."


@dataclass(frozen=True)
class LabelThresholds:
    """A label is predicted where its probability is at or above its own value.

    Attributes
    ----------
    values
        Label → threshold; a label that is not there is predicted from 0.5 on.
    rule
        What each threshold keeps on validation rows, such as {"specificity": 0.9}; empty: the greatest F1.
    """

    values: Mapping[str, float]
    rule: Mapping[str, float]

    name: ClassVar[str] = "label_thresholds"

    def describe(self) -> str:
        """The least and the greatest threshold, and their rule."""
        kept = ", ".join(f"{rule} {wanted:g}" for rule, wanted in self.rule.items()) or "the greatest F1"
        low, high = min(self.values.values()), max(self.values.values())
        return f"A threshold for each label, from {low:.3f} to {high:.3f}, chosen on all validation rows ({kept})."


@dataclass(frozen=True)
class PredictionSets:
    """The classes that are probable enough together: a set that holds the true class as often as was wanted.

    The most probable class always stands in the set.

    Attributes
    ----------
    least
        The least probability of a class in the set.
    coverage
        The share of rows whose set is to hold the true class.

    References
    ----------
    Sadinle, Lei and Wasserman, Least ambiguous set-valued classifiers with bounded error levels, Journal of the
    American Statistical Association 2019.
    """

    least: float
    coverage: float

    name: ClassVar[str] = "prediction_sets"

    def members(self, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Which classes stand in the set of each row, bool [row, class]."""
        highest = probabilities.max(axis=1, keepdims=True, initial=0.0)
        return np.asarray((probabilities >= self.least) | (probabilities >= highest))

    def describe(self) -> str:
        """How probable a class of a set is, and what the sets keep."""
        return (
            f"Sets of classes: every class of probability {self.least:.3f} or more; on validation rows such sets "
            f"hold the true class in {100 * self.coverage:g} % (conformal, Sadinle et al. 2019)."
        )
