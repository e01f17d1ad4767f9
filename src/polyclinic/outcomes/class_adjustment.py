"""Probabilities of classes made more or less extreme, all alike (Guo et al. 2017)."""

from dataclasses import dataclass
from typing import ClassVar

from polyclinic.figures.numbers import number
from polyclinic.links import tempered
from polyclinic.outcomes.raw import Raw


@dataclass(frozen=True)
class Temperature:
    """The logarithms of the probabilities of a row divided by one number; the order of the classes stays.

    Attributes
    ----------
    value
        Above 1 probabilities become more cautious, below 1 more extreme.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, On calibration of modern neural networks, ICML 2017.
    """

    value: float

    name: ClassVar[str] = "temperature"

    def apply(self, answer: Raw) -> Raw:
        """The probabilities after it, float64 [row, class]."""
        return Raw(tempered(answer.values, self.value), answer.shape)

    def describe(self) -> str:
        """The temperature, and which way it moves."""
        way = "more cautious" if self.value > 1 else "more extreme"
        return f"Temperature {number(self.value)}, learned on validation rows: probabilities become {way}."
