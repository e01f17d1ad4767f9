"""The smallest pieces of a report: counts that may be suppressed, scores with their intervals, bounded names.

Everything here is read from `report.json` as well, which may come from a stranger: each piece is bounded and typed.
"""

import math
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SerializationInfo, StringConstraints, WithJsonSchema

from polyclinic.figures.numbers import finite

Name: TypeAlias = Annotated[str, StringConstraints(max_length=2_000)]
"""A name that a study or its data chose: a model, a column, a level, a step."""
Text: TypeAlias = Annotated[str, StringConstraints(max_length=50_000)]
"""Sentences."""
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]

MIN_CELL = "min_cell"
"""The key of a serialization context under which the least count that may be shown stands."""


def _shown(count: int | str, info: SerializationInfo) -> int | str:
    """A count as it may be shown: those from 1 to below the least cell become `"<5"` (for 5). That there are none is no secret."""
    least = int((info.context or {}).get(MIN_CELL, 1))
    return f"<{least}" if isinstance(count, int) and 0 < count < least else count


HiddenCount: TypeAlias = Annotated[str, StringConstraints(pattern=r"^<[0-9]+$", max_length=12)]
Count: TypeAlias = Annotated[
    Annotated[int, Field(ge=0, strict=True)] | HiddenCount,
    PlainSerializer(_shown, return_type=int | str),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 0, "pattern": "^<[0-9]+$"}),
]
"""How many there are: an integer, or `"<5"` where the number is too small to be shown to everybody."""


class Record(BaseModel):
    """A piece of a report. It is validated from JSON, from a mapping or from a dataclass of the evaluation alike."""

    model_config = ConfigDict(frozen=True, from_attributes=True, extra="ignore", allow_inf_nan=False)


class Score(Record):
    """A measured number with its 95 % interval.

    Attributes
    ----------
    value, low, high
        The number and the ends of its interval; None where they cannot be computed.
    n, groups
        How many rows it was measured on, and how many groups (patients) these belong to.
    effective_groups
        How many groups that all matter alike would carry as much evidence; 0 where it is not known.
    evidence
        How much the interval is worth; see `polyclinic.evaluation.estimates.Estimate`.
    """

    value: Number | None = None
    low: Number | None = None
    high: Number | None = None
    n: Count = 0
    groups: Count = 0
    effective_groups: Number = 0
    evidence: Literal["enough", "little", "none"] | None = None

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return self.low is not None and self.high is not None

    def contains(self, number: float, digits: int = 3) -> bool:
        """Whether the interval, in the digits that are shown, contains a number; never without an interval."""
        if self.low is None or self.high is None:
            return False
        return round(self.low, digits) <= number <= round(self.high, digits)

    def without_values(self, n: int | str) -> "Score":
        """The same score with nothing to see but that it was measured."""
        return Score(n=n)


NO_SCORE = Score()


def score_of(entry: object) -> object:
    """A bare number as a score without an interval; everything else as it is."""
    if finite(entry) and not isinstance(entry, bool):
        return {"value": entry}
    return None if isinstance(entry, float) and not math.isfinite(entry) else entry
