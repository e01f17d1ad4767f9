"""How predictions are to be evaluated: the block `evaluation` of a study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

import numpy as np
from annotated_types import Ge

from polyclinic.arrays import Array
from polyclinic.errors import Place, UnknownName
from polyclinic.evaluation.decision import RULES

ModelRole: TypeAlias = Literal["model", "baseline"]


@dataclass(frozen=True, kw_only=True)
class IntervalSettings:
    """over: the group that is left out for the intervals (subject, site); None: the first one that the rows have."""

    over: str | None = None


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """What studies of version 0.1 say in place of `intervals`. `over` is read; `resamples` has no effect any more."""

    over: str | None = None
    resamples: Annotated[int, Ge(10)] = 1000


@dataclass(frozen=True, kw_only=True)
class DecisionCurve:
    """thresholds: lowest and highest probability at which somebody might act."""

    thresholds: tuple[float, float] = (0.05, 0.50)

    def __post_init__(self) -> None:
        low, high = self.thresholds
        if not 0 < low < high < 1:
            raise ValueError("two rising numbers between 0 and 1 are wanted, for example [0.05, 0.5]")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How predictions are evaluated.

    Attributes
    ----------
    intervals
        What the intervals are over.
    operating_point
        One of {specificity: x}, {sensitivity: x}, {threshold: x}; empty: none.
    subgroups
        What results are broken down by: names of strata, and predicates by name, `{treated: {code: …}}`: of rows with
        times an event that was known in the look-back before the index, of others `{column: age, value_min: 65}`.
    decision
        Where the decision curve begins and ends.
    min_subjects
        Groups (patients) below which a subgroup is named as too small to be judged.
    bootstrap
        The name that `intervals` had in version 0.1.
    """

    intervals: IntervalSettings = field(default_factory=IntervalSettings)
    operating_point: dict[str, float] = field(default_factory=lambda: {"specificity": 0.90})
    subgroups: tuple[str | dict[str, dict[str, object] | str], ...] = ()
    decision: DecisionCurve = field(default_factory=DecisionCurve)
    min_subjects: int = 20
    bootstrap: Resampling | None = None

    def __post_init__(self) -> None:
        point = self.operating_point
        if len(point) > 1 or not all(k in RULES and 0 <= v <= 1 for k, v in point.items()):
            raise ValueError(f"operating_point is one of {', '.join(RULES)} with a number from 0 to 1")

        if not all(isinstance(one, str) or len(one) == 1 for one in self.subgroups):
            raise ValueError("subgroups are names of strata, or one name and its predicate each: {treated: {code: A}}")

    @property
    def predicates(self) -> dict[str, dict[str, object] | str]:
        """Name → predicate of the subgroups that are defined by one."""
        return {
            name: predicate for one in self.subgroups if not isinstance(one, str) for name, predicate in one.items()
        }

    @property
    def strata(self) -> tuple[str, ...]:
        """The subgroups that are strata of the rows."""
        return tuple(one for one in self.subgroups if isinstance(one, str))

    @property
    def subgroup_names(self) -> tuple[str, ...]:
        """The names of all subgroups, as the study lists them."""
        return tuple(name for one in self.subgroups for name in ([one] if isinstance(one, str) else one))

    @property
    def over(self) -> str | None:
        """The group that the intervals are over; None: the first one that the rows have."""
        return self.intervals.over or (self.bootstrap.over if self.bootstrap else None)

    def interval_groups(self, groups: Mapping[str, Array], row_id: Array) -> Array:
        """What is left out in a replicate, [row]: the group that is named, else the first one, else single rows."""
        return np.asarray(groups.get(self.over or next(iter(groups), ""), row_id))

    def check_names(self, groups: Mapping[str, Array], strata: Mapping[str, Array]) -> None:
        """Raise `UnknownName` for a group or a stratum that is not there."""
        if self.over is not None and self.over not in groups:
            key = "evaluation.intervals.over" if self.intervals.over else "evaluation.bootstrap.over"
            raise UnknownName("group", self.over, groups, at=Place(key=key))
        for name in self.subgroup_names:
            if name not in strata:
                raise UnknownName("stratum", name, strata, at=Place(key="evaluation.subgroups"))
