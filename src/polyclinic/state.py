"""What a model or an outcome learned from training rows: JSON and arrays, never code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from polyclinic.arrays import Array


@dataclass(frozen=True, eq=False)
class State:
    """What was learned before anything is fitted: a vocabulary, a scaling, classes, time edges.

    Attributes
    ----------
    values
        JSON values by name (vocabulary, chosen columns).
    arrays
        Arrays by name (scaling, quantiles).
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)

    def equals(self, other: Self) -> bool:
        """Whether values and arrays are the same, NaN like NaN."""
        mine, theirs = ({n: v.tobytes() for n, v in s.arrays.items()} for s in (self, other))
        return self.values == other.values and mine == theirs
