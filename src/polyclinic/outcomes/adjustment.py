"""What is done to answers after the fit: learned from validation answers, stored in the package by its registered name
and settings, and described in its own words on the card and the page.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

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
