"""Intervals of numbers made wide enough: conformalised quantile regression (Romano et al. 2019)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from polyclinic.figures.numbers import number, percent
from polyclinic.outcomes.raw import Raw


@dataclass(frozen=True)
class ConformalInterval:
    """Both ends of each interval moved by the same amount; the number itself stays, and stays within.

    Attributes
    ----------
    amount
        In the unit of the number; above 0 intervals become wider, below 0 narrower.
    level
        The share of rows of a new group whose truth the intervals are to contain.
    unit
        Of the amount.

    References
    ----------
    Romano, Patterson and Candès, Conformalized quantile regression, NeurIPS 2019.
    Lee, Barber and Willett, Distribution-free inference with hierarchical data, 2023, arXiv:2306.06342.
    """

    amount: float
    level: float
    unit: str = ""

    name: ClassVar[str] = "conformal_interval"

    def apply(self, answer: Raw) -> Raw:
        """The number and its interval after it, float64 [row, 3]."""
        centre, low, high = np.asarray(answer.values, np.float64).T
        moved = [centre, np.minimum(low - self.amount, centre), np.maximum(high + self.amount, centre)]
        return Raw(np.stack(moved, axis=1), answer.shape)

    def describe(self) -> str:
        """Which way the ends are moved, by how much, and for what share."""
        way = "wider" if self.amount >= 0 else "narrower"
        amount = f"{number(abs(self.amount))} {self.unit}".strip()
        return (
            f"Intervals {way} by {amount} at each end, so that on validation rows they contain {percent(self.level, 0)} "
            "of the truths, each group counted alike (conformal, Romano et al. 2019)."
        )
