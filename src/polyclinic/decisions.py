"""Decisions that follow from an answer: plain settings, stored in the package by their registered name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol


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
