"""What is done to answers after the fit: learned from validation answers, stored in the package by its registered name
and settings, and described in its own words on the card and the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from polyclinic.figures.numbers import number
from polyclinic.links import recalibrated
from polyclinic.outcomes.raw import Raw


class Adjustment(Protocol):
    """A change of a model's answers, learned on validation rows: a frozen dataclass of plain settings."""

    @property
    def name(self) -> str:
        """Its registered name, among `adjustments`."""

    def apply(self, answer: Raw) -> Raw:
        """The answers after it."""

    def describe(self) -> str:
        """What it does, in a sentence with its numbers."""


@dataclass(frozen=True)
class Recalibration:
    """Probabilities moved on the logit (Cox 1958).

    Attributes
    ----------
    slope, intercept
        Of the line on the log odds; a slope of 1 moves their level alone.
    """

    slope: float
    intercept: float

    name: ClassVar[str] = "recalibration"

    def apply(self, answer: Raw) -> Raw:
        """The probabilities after it, float64."""
        return Raw(recalibrated(answer.values, self.slope, self.intercept), answer.shape)

    def describe(self) -> str:
        """Slope and intercept."""
        return f"Recalibrated on validation rows: slope {number(self.slope)}, intercept {number(self.intercept)} on the log odds."


@dataclass(frozen=True)
class LabelRecalibration:
    """Probabilities of some of several labels moved on the logit, each by a line of its own.

    Attributes
    ----------
    labels
        The names of all labels, in the order of the channels.
    lines
        Label → slope and intercept on the log odds; the labels that are not there stay as they are.
    """

    labels: tuple[str, ...]
    lines: Mapping[str, tuple[float, float]]

    name: ClassVar[str] = "label_recalibration"

    def apply(self, answer: Raw) -> Raw:
        """The probabilities after it, float64 [row, label]."""
        values = np.array(answer.values, np.float64)
        for channel, label in enumerate(self.labels):
            if label in self.lines:
                values[:, channel] = recalibrated(values[:, channel], *self.lines[label])
        return Raw(values, answer.shape)

    def describe(self) -> str:
        """Slope and intercept of each label that is moved, and how many stay."""
        moved = [f"{name} slope {number(slope)}, intercept {number(up)}" for name, (slope, up) in self.lines.items()]
        stay = len(self.labels) - len(moved)
        rest = f" {stay} of {len(self.labels)} labels stay as they are." if stay else ""
        return f"Recalibrated on validation rows, on the log odds: {'; '.join(moved)}.{rest}"
