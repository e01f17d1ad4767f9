"""What an area's inputs hand over: columns, groups and strata for rows that the cohort or a table named."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from polyclinic.samples.columns import Array, Column


@dataclass(frozen=True, eq=False)
class InputColumns:
    """Input columns, groups (beyond the subject) and strata, one entry a row each."""

    columns: Mapping[str, Column]
    groups: Mapping[str, Array] = field(default_factory=dict)
    strata: Mapping[str, Array] = field(default_factory=dict)


class Inputs(Protocol):
    """An area's `inputs.py`: a frozen dataclass of settings; stateless, the same at the bedside and in the study."""

    def columns(self, source: Any, rows: pl.DataFrame, task: Any) -> InputColumns:
        """Input columns for `rows`.

        source: a `Timeline`, or a `RowTable` where the data have no times.
        rows: `row_id`, and `subject_id, prediction_time` and `newest//NAME` columns where there is a timeline,
        or the columns of the row table. task: the `Task`, or None.
        """

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """Position → why, for rows that these inputs cannot take (a SMILES that does not parse)."""
