"""The inputs of a plain table: numbers, flags and categories as dense columns."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.errors import BadData, Place
from polyclinic.figures.numbers import how_many
from polyclinic.notes import note
from polyclinic.samples.columns import Column, Dense
from polyclinic.samples.frames import as_numbers, labels, need_columns, numbers
from polyclinic.samples.inputs import InputColumns, Inputs

MOST_LEVELS = 50
MOST_NAMED = 6
MIXED = 0.2
WORDS = (pl.String, pl.Categorical, pl.Enum)
NAMELESS = re.compile(r"__index_level_\d+__|Unnamed: \d+|column_\d+")
"""What pandas, and our reader of text, call a column without a name: it often numbers the rows."""
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True)
class TableInputs(Inputs):
    """Numbers, flags and categories of a table as dense inputs.

    use: the columns to read; without: those to leave, where `use` names none; categories: column → its levels, one 0/1
    input each (an unknown level is all 0).
    groups, strata: columns that name groups and strata.
    """

    use: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()

    def resolved(self, rows: pl.DataFrame, leave_out: Sequence[str]) -> Self:
        """The same with every column and level written out, from the rows of the study."""
        need_columns(rows, (*self.without, *self.strata))
        for name in (n for n in self.groups if n in rows.columns and rows[n].has_nulls()):
            fix = "fill that column, leave those rows out, or keep another group apart"
            raise BadData(
                f"{how_many(rows[name].null_count(), 'row has', 'rows have')} no {name!r}",
                at=Place(column=name),
                fix=fix,
            )
        for name in (n for n in self.groups if n in rows.columns and rows.schema[n] in WORDS):
            _note_capitals(rows[name])
        other = {*leave_out, *self.without, *self.groups, "row_id"}
        if numbering := [c for c in rows.columns if c not in other and not self.use and _numbers_rows(rows[c])]:
            other |= set(numbering)
            note(
                "columns not read", ", ".join(numbering), "They only number the rows; name them in `use` to read them."
            )
        use = self.use or tuple(c for c in rows.columns if c not in other and _usable(rows[c]))
        need_columns(rows, use)
        if unread := [c for c in rows.columns if c not in (*other, *use)] if not self.use else []:
            note("columns not read", ", ".join(unread), "They hold neither numbers nor flags nor text.")
        _note_rows(rows, use)
        text = [c for c in use if rows[c].dtype in WORDS and rows[c].null_count() < rows.height]
        levels = {c: _levels(rows[c]) for c in text if c not in self.categories}
        return replace(self, use=use, without=(), categories={**levels, **self.categories})

    def columns(self, source: Any, rows: pl.DataFrame, task: Any) -> InputColumns:
        """One dense column a table column; see `Inputs.columns`."""
        need_columns(rows, self.use)
        columns: dict[str, Column] = {name: self._column(rows[name]) for name in self.use}
        kinds = self.groups, self.strata
        groups, strata = ({n: labels(rows[n]) for n in kind if n in rows.columns} for kind in kinds)
        return InputColumns(columns, groups, strata)

    def unreadable(self, rows: pl.DataFrame) -> dict[int, str]:
        """Rows with text or an infinite number in a number column; a missing value is an input like any other."""
        need_columns(rows, self.use)
        reasons: dict[int, str] = {}
        for name in (n for n in self.use if n not in self.categories):
            read = as_numbers(rows[name])
            wrong = read.is_null() & rows[name].is_not_null()
            reasons = dict.fromkeys(wrong.arg_true(), f"column {name!r} holds text, not a number") | reasons
            large = read.fill_nan(None).abs() > LARGEST
            reasons = dict.fromkeys(large.arg_true(), f"column {name!r} is infinite, or too large a number") | reasons
        return reasons

    def identity(self, rows: pl.DataFrame) -> dict[str, pl.Series]:
        """The columns that name groups: a patient, a practice."""
        return {name: rows[name] for name in self.groups if name in rows.columns}

    def outside(self, rows: pl.DataFrame) -> dict[str, list[int]]:
        """The rows with a level that is none of the categories of its column."""
        levels = {name: self._levels_of(rows[name]) for name in self.use if name in self.categories}
        unknown = {name: rows[name].is_not_null().to_numpy() & ~known.any(axis=1) for name, known in levels.items()}
        return {name: np.flatnonzero(mask).tolist() for name, mask in unknown.items() if mask.any()}

    def _column(self, series: pl.Series) -> Dense:
        if series.name not in self.categories:
            return Dense(numbers(series), (series.name,))
        return Dense(self._levels_of(series).astype(np.float32), tuple(self.categories[series.name]))

    def _levels_of(self, series: pl.Series) -> npt.NDArray[np.bool_]:
        """Which level of its categories each value is: bool [row, level]."""
        levels = self.categories[series.name]
        if series.dtype.is_nested() or series.dtype == pl.Binary:
            what, fix = f"column {series.name!r} holds {series.dtype} where one text a row is wanted", "make it text"
            raise BadData(what, at=Place(column=series.name), fix=fix)
        values, known = series.cast(pl.String).to_numpy(), np.array(levels, object)
        # In a file in which every code looks like a number, 250.00 has become 250.0.
        if series.dtype.is_numeric():
            values, known = series.cast(pl.Float64).to_numpy(), as_numbers(pl.Series(levels)).to_numpy()
        return np.stack([values == level for level in known], axis=1)


def _levels(series: pl.Series) -> tuple[str, ...]:
    """The values of a text column. Raises `BadData` for a column of numbers and words, and for free text: its words
    would become categories and leave with a package.
    """
    filled, name = series.drop_nulls().cast(pl.String), series.name
    levels, text = tuple(sorted(filled.unique())), as_numbers(filled).null_count() / len(filled)
    fix = f"in the study's inputs, `table: {{without: [{name}]}}` leaves it out, "
    if 0 < text <= 1 - MIXED:
        what = f"column {name!r} holds numbers and text ({text:.1%} of it is text)"
        fix += "`categories` names its levels; or clean it, or set more rows aside (source.max_quarantined)"
        raise BadData(what, at=Place(column=name), fix=fix)
    if levels and filled.str.contains(r"^\s*[+-]?\d+,\d+\s*$").all():
        what = f"the numbers of column {name!r} are written with commas"
        raise BadData(what, at=Place(column=name), fix="write them with points, such as 0.5")
    if len({level.strip().lower() for level in levels}) < len(levels):
        alike = Counter(level.strip().lower() for level in levels)
        same = (
            [repr(level) for level in levels if alike[level.strip().lower()] > 1] if len(levels) <= MOST_LEVELS else []
        )
        result = f"its levels differ in capitals or spaces alone{': ' if same else ''}{', '.join(same[:MOST_NAMED])}"
        note(f"column {name!r}", result, "Each of them counts by itself: write one level alike in all rows.")
    if len(levels) > MOST_LEVELS:
        what = f"column {name!r} is text with {len(levels)} different values"
        raise BadData(what, at=Place(column=name), fix=f"{fix}`groups` makes it a group")
    return levels


def _numbers_rows(series: pl.Series) -> bool:
    """Whether a column without a name of its own counts the rows up."""
    if not (NAMELESS.fullmatch(series.name) and series.dtype.is_integer() and not series.has_nulls()):
        return False
    return series.len() > 1 and bool((series.cast(pl.Int64).diff().drop_nulls() == 1).all())


def _note_rows(rows: pl.DataFrame, use: Sequence[str]) -> None:
    """Note rows that stand there twice, and integers that are too large to be distinguished."""
    columns = [name for name in rows.columns if name != "row_id" and not rows.schema[name].is_nested()]
    if again := rows.height - rows.select(columns).n_unique():
        result = f"{how_many(again, 'row repeats another', 'rows repeat another')} in every column"
        note("repeats", result, "They count more than the others: see that they are not one thing listed twice.")
    for name in (n for n in use if rows[n].dtype.is_integer()):
        alike = rows[name].n_unique() - rows[name].cast(pl.Float64).n_unique()
        if alike:
            become = how_many(alike, "of its values becomes", "of its values become")
            result = f"{become} equal to another (integers beyond 2^53)"
            note(f"column {name!r}", result, "Subtract a constant from it, or make it text if it is a code.")


def _note_capitals(series: pl.Series) -> None:
    """Note names of groups that differ in capitals alone: whether they are one group, the source must know."""
    names = series.drop_nulls().cast(pl.String).str.strip_chars().unique()
    if alike := len(names) - names.str.to_lowercase().n_unique():
        result = f"{how_many(alike, 'name differs', 'names differ')} from another in capitals alone"
        note(f"column {series.name!r}", result, "Each counts as a group of its own: write one group alike in all rows.")


def _usable(series: pl.Series) -> bool:
    return series.dtype.is_numeric() or series.dtype in (*WORDS, pl.Boolean)
