"""A measured number with its interval, and how much that interval is worth."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Evidence: TypeAlias = Literal["enough", "little", "none"]

ENOUGH_GROUPS = 20
"""Groups from which on the coverage of the intervals was measured (`benchmarks/coverage.py`)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score or a difference, with its 95 % interval over groups.

    Attributes
    ----------
    value
        The number on all rows; None where it cannot be computed.
    low, high
        The ends of the 95 % interval; None where there is too little to compute one from.
    n
        How many rows the number was computed on.
    groups
        How many groups (patients) these rows belong to.
    effective_groups
        How many groups that all matter alike would carry as much evidence as these do: far below `groups` where a few
        patients decide the number. 0 without an interval.
    evidence
        `enough`: the interval covers what it promises; `little`: there are fewer than 20 groups, or a few decide the
        number, and the interval may be too narrow; `none`: there is no interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    groups: int = 0
    effective_groups: float = 0.0
    evidence: Evidence = "none"

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return self.low is not None and self.high is not None


NO_ESTIMATE = Estimate(None)
