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
