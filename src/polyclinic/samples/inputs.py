"""What an area's inputs hand over: columns, groups and strata for rows that the cohort or a table named."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable

import polars as pl

from polyclinic.arrays import Array
from polyclinic.samples.columns import Column


@dataclass(frozen=True, eq=False)
class InputColumns:
    """Input columns, groups (beyond the subject) and strata, one entry a row each.

    unit: the group whose rows are one thing, however it was written (`molecule`); "" where there is none. Repeats and
    contradicting labels are counted by it.
    """

    columns: Mapping[str, Column]
    groups: Mapping[str, Array] = field(default_factory=dict)
    strata: Mapping[str, Array] = field(default_factory=dict)
    unit: str = ""


class Inputs(Protocol):
    """An area's `inputs.py`: a frozen dataclass of settings; stateless, the same at the bedside and in the study.

    A class that names this one as its base has `identity` and `outside` from here: nothing to say.
    """

    def columns(self, source: Any, rows: pl.DataFrame, task: Any) -> InputColumns:
        """Input columns for `rows`.

        source: a `Timeline`, or a `RowTable` where the data have no times.
        rows: `row_id`, and `subject_id, prediction_time` and `newest//NAME` columns where there is a timeline,
        or the columns of the row table. task: the `Task`, or None.
        """

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """Position → why, for rows that these inputs cannot take (a SMILES that does not parse)."""

    def identity(self, rows: pl.DataFrame) -> Mapping[str, pl.Series]:
        """Name → what the caller calls each row (`case`, `compound`), beside subject and time; the first names files.

        rows: as in `columns`; those that cannot be taken are among them.
        """
        return {}

    def outside(self, rows: pl.DataFrame) -> Mapping[str, Sequence[int]]:
        """Column → positions of the rows in which it holds what no row of the study held (a new category)."""
        return {}


@runtime_checkable
class ReadsFiles(Protocol):
    """Inputs that read files: what these hold decides the samples as the rows do."""

    def files(self, rows: pl.DataFrame) -> Iterable[str]:
        """The paths of the files that these inputs read for `rows`; see `Inputs.columns`."""


@runtime_checkable
class Stratified(Protocol):
    """Inputs with a setting `strata`: a mapping or a tuple that names what results are broken down by."""

    strata: Any


@runtime_checkable
class HasCategories(Protocol):
    """Inputs that know the levels of some columns: column → its levels."""

    categories: Mapping[str, tuple[str, ...]]


@runtime_checkable
class OfTables(Protocol):
    """Inputs whose columns and levels the rows of the study decide, once and for all."""

    groups: tuple[str, ...]
    strata: tuple[str, ...]

    def resolved(self, rows: pl.DataFrame, leave_out: Sequence[str]) -> Self:
        """The same with every column and level written out."""
