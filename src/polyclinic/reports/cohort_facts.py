"""What a report says of the rows: who is in the cohort, who fell out, what the data hold and what is missing."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, TypeAlias

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from polyclinic.reports.quantities import Count, Name, Number, Record, Text

Counts: TypeAlias = dict[Name, Count]
LAST_PLAUSIBLE_YEAR = 2080
"""Data sets that hide when a patient was treated move all dates by decades; MIMIC and CLIF choose the years from 2100."""


def main_group(groups: Iterable[str]) -> str:
    """The group over which intervals are made: subject where there is one, else the first; empty without groups."""
    names = [*groups]
    return "subject" if "subject" in names else next(iter(names), "")


class AttritionStep(Record):
    """One step from the source to the labelled rows.

    Attributes
    ----------
    step
        What is left after it, or what fell out at it.
    rows, groups
        How many rows, and how many of each group (subjects, sites).
    past_index
        Whether the step looks past the index time: it decides on labels, never on inputs.
    excluded
        Whether the counts are those that fell out instead of those that are left.
    """

    step: Name
    rows: Count
    groups: Counts = Field(default_factory=dict)
    past_index: bool = False
    excluded: bool = False


class Targets(Record):
    """What the targets of one outcome are; outcomes may add facts of their own (numbers, or numbers by name)."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int | float | Name | dict[str, Count | float]] = Field(init=False)

    positive: Count | None = None
    labelled: Count | None = None


class TableOneCell(Record):
    """One cell of Table 1.

    Attributes
    ----------
    rows, share
        How many rows of the column have this level, and their share of the rows of the column, 0 to 1.
    groups
        How many of the main group (patients) have at least one such row.
    text
        A summary in words where there is nothing to count: the median with its quartiles.
    """

    rows: Count | None = None
    groups: Count | None = None
    share: Number | None = None
    text: Name = ""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, cell: object) -> object:
        """A bare count or a bare text stands for a cell that holds nothing else."""
        if isinstance(cell, int):
            return {"rows": cell}
        return {"text": cell} if isinstance(cell, str) else cell

    @field_validator("share")
    @classmethod
    def _no_share_of_a_hidden_count(cls, share: float | None, info: ValidationInfo) -> float | None:
        """A share gives a suppressed count away."""
        return None if isinstance(info.data.get("rows"), str) else share


class TableOneRow(Record):
    """A variable, or one level of it, over all rows and over the rows of each answer."""

    variable: Name
    level: Name = ""
    all: TableOneCell
    by_answer: dict[Name, TableOneCell] = Field(default_factory=dict)


class MissingInput(Record):
    """share: of the rows, 0 to 1, that have no value of this input."""

    column: Name
    share: Annotated[float, Field(ge=0, le=1)]


class SplitPart(Record):
    """How many rows, groups and rows of each answer a part of a fold has."""

    split: Name
    fold: Name = ""
    rows: Count
    groups: Counts = Field(default_factory=dict)
    answers: Counts = Field(default_factory=dict)


class TimeRange(Record):
    """The first and the last index time, as dates (YYYY-MM-DD)."""

    first: Name
    last: Name

    @property
    def shifted(self) -> bool:
        """Whether the dates lie so far ahead that the source must have moved them."""
        try:
            return date.fromisoformat(self.last).year > LAST_PLAUSIBLE_YEAR
        except ValueError:
            return False


class SourceSummary(Record):
    """What was read from the source: rows in, events or rows out, quarantined, and rows that are no events."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int | Text] = Field(init=False)

    rows_in: Count | None = None
    events_out: Count | None = None
    quarantined: Count | None = None
    non_events: Counts = Field(default_factory=dict)


class CohortFacts(Record):
    """Everything that a report says of the rows of a study.

    Attributes
    ----------
    attrition
        From the source to the labelled rows.
    rows, groups
        The rows that are learned from or scored, and how many of each group.
    targets
        Outcome → what its targets are.
    set_aside
        Code → kind (`readings`, `outside`, `tied`) → how many readings were not used as they stand.
    """

    attrition: list[AttritionStep]
    rows: Count
    groups: Counts
    targets: dict[Name, Targets]
    time: TimeRange | None = None
    table1: list[TableOneRow] = Field(default_factory=list)
    missing: list[MissingInput] = Field(default_factory=list)
    splits: list[SplitPart] = Field(default_factory=list)
    set_aside: dict[Name, Counts] = Field(default_factory=dict)
    summary: SourceSummary | None = None

    @property
    def main_group(self) -> str:
        """The group over which intervals are made: subject where there is one, else the first; empty without groups."""
        return main_group(self.groups)

    @property
    def group_count(self) -> int | str | None:
        """How many of the main group there are; None without groups."""
        return self.groups[self.main_group] if self.main_group else None
