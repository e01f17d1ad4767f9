"""Samples: one row a prediction. What every model reads, whatever the data were before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.arrays import Array
from polyclinic.errors import BadData, Place, UnknownName
from polyclinic.figures.html import table
from polyclinic.figures.numbers import how_many
from polyclinic.samples.columns import Column, Dense, Index
from polyclinic.samples.frames import as_polars, column_series, need_columns, numbers, times
from polyclinic.samples.table_inputs import TableInputs

Role = Literal["input", "target", "weight"]


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows to predict for.

    Samples hold no fitted state.

    Attributes
    ----------
    row_id
        int64 [row]; stays with a row whatever is taken.
    columns, roles
        Name → column, and name → input, target or weight.
    groups
        Name → [row] (subject, site, scaffold): what must not stand on both sides of a split.
    time
        Index times, datetime64 in microseconds, [row]; None where there are no times.
    strata
        Name → str [row] (sex, age band): what results are broken down by; never an input.
    identity
        What the caller calls each row (`case`, `compound`), one column each; without columns where it is nothing.
    file_names
        str [row], what files of a row are called; None where rows have no files.
    """

    row_id: Index
    columns: Mapping[str, Column]
    roles: Mapping[str, Role]
    groups: Mapping[str, Array] = field(default_factory=dict)
    time: npt.NDArray[np.datetime64] | None = None
    strata: Mapping[str, Array] = field(default_factory=dict)
    identity: pl.DataFrame = field(default_factory=pl.DataFrame)
    file_names: npt.NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        for name, column in (*self.columns.items(), *self.groups.items(), *self.strata.items()):
            if len(column) != len(self):
                what = f"column {name!r} has {how_many(len(column), 'row')}, the samples have {len(self)}"
                raise BadData(what, at=Place(column=name), fix="give every column one entry a row")

    def __len__(self) -> int:
        return len(self.row_id)

    def take(self, rows: object) -> Samples:
        """These rows (positions or a mask), in this order."""
        at = np.asarray(rows)
        at = np.flatnonzero(at) if at.dtype == bool else at.astype(np.int64)
        return replace(
            self,
            row_id=self.row_id[at],
            columns={name: c.take(at) for name, c in self.columns.items()},
            groups={name: g[at] for name, g in self.groups.items()},
            time=None if self.time is None else self.time[at],
            strata={name: s[at] for name, s in self.strata.items()},
            identity=self.identity[at] if self.identity.width else self.identity,
            file_names=None if self.file_names is None else self.file_names[at],
        )

    def having(self, role: Role) -> dict[str, Column]:
        """Name → column of one role."""
        return {name: c for name, c in self.columns.items() if self.roles[name] == role}

    @property
    def inputs(self) -> dict[str, Column]:
        """Name → input column."""
        return self.having("input")

    @property
    def target(self) -> Column:
        """The one target column; raises `UnknownName` where there is none."""
        targets = list(self.having("target").values())
        if len(targets) != 1:
            raise UnknownName("target", "target", self.having("target"))
        return targets[0]

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """Which rows have a target: bool [row]."""
        present = [c.present for c in self.having("target").values()]
        return np.logical_and.reduce(present) if present else np.zeros(len(self), bool)

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """What each row counts, float64 [row]: the product of the columns with the role `weight`, 1 without any.

        Raises `BadData` for a weight that is missing, negative or not finite.
        """
        weights = np.ones(len(self))
        for name, column in self.having("weight").items():
            if not isinstance(column, Dense):
                raise BadData(
                    f"the weight {name!r} is not one number a row", at=Place(column=name), fix="give one number"
                )
            values = np.asarray(column.values, np.float64).reshape(len(self))
            if not (np.isfinite(values) & (values >= 0)).all():
                what = f"the weight {name!r} is missing, negative or infinite in some rows"
                raise BadData(what, at=Place(column=name), fix="give each row a weight of 0 or more")
            weights *= values
        return weights

    @property
    def X(self) -> npt.NDArray[np.float64]:
        """Every dense input side by side: float64 [row, feature]; `feature_names` names them."""
        parts = [c.values.reshape(len(self), -1) for c in self.inputs.values() if isinstance(c, Dense)]
        if not parts:
            fix = "use models.encoders.summaries(samples) for sequences"
            raise BadData("these samples have no dense input", fix=fix)
        return np.concatenate(parts, axis=1).astype(np.float64)

    @property
    def feature_names(self) -> list[str]:
        """The names of the columns of `X`."""
        return [n for name, c in self.inputs.items() if isinstance(c, Dense) for n in names_of(name, c)]

    @property
    def y(self) -> Array:
        """The one dense target: [row]."""
        target = self.target
        if not isinstance(target, Dense):
            raise BadData("the target is not one value a row", fix="read samples.target instead")
        return target.values

    def without_targets(self) -> Samples:
        """The same rows with nothing to learn from: what a model sees when it predicts."""
        kept = {name: c for name, c in self.columns.items() if self.roles[name] != "target"}
        return replace(self, columns=kept, roles={name: self.roles[name] for name in kept})

    def with_column(self, name: str, column: Column, role: Role) -> Samples:
        """The same rows with one column more, or another in its place."""
        return replace(self, columns={**self.columns, name: column}, roles={**self.roles, name: role})

    def to_polars(self) -> pl.DataFrame:
        """Identity, groups, strata and columns as a data frame; a ragged field becomes a list column."""
        data: dict[str, Any] = {"row_id": self.row_id}
        if self.time is not None:
            data["time"] = self.time
        data |= {n: v for n, v in (*self.groups.items(), *self.strata.items()) if n not in data}
        for name, column in self.columns.items():
            data |= column_series(name, column)
        return pl.DataFrame(data)

    @classmethod
    def from_frame(
        cls,
        frame: object,
        *,
        target: str | None = None,
        group: str | list[str] | None = None,
        time: str | None = None,
        strata: list[str] | None = None,
    ) -> Samples:
        """Samples from a Polars or pandas data frame: every other column that is a number, a flag or a category
        is an input. Raises `UnknownName` for a column that is not there, `BadData` for text that is no category.
        """
        frame = as_polars(frame)
        names = [group] if isinstance(group, str) else list(group or [])
        apart = [n for n in (target, time, *names, *(strata or [])) if n]
        need_columns(frame, apart)
        inputs = TableInputs(groups=tuple(names), strata=tuple(strata or [])).resolved(frame, apart)
        part = inputs.columns(None, frame, None)
        columns = dict(part.columns)
        roles: dict[str, Role] = dict.fromkeys(columns, "input")
        if target is not None:
            columns[target], roles[target] = Dense(numbers(frame[target]), (target,)), "target"
        ids = np.arange(frame.height, dtype=np.int64)
        when = None if time is None else times(frame[time])
        return cls(ids, columns, roles, part.groups or {"row": ids}, when, part.strata)

    def _repr_html_(self) -> str:
        rows = [
            [name, type(c).__name__, self.roles[name], f"{int(c.present.sum()):,}"] for name, c in self.columns.items()
        ]
        groups = ", ".join(how_many(len(np.unique(v)), k) for k, v in self.groups.items())
        caption = f"Samples: {how_many(len(self), 'row')}, {groups or 'no groups'}"
        return table(rows, ["column", "kind", "role", "present"], caption)

    def __repr__(self) -> str:
        groups = ", ".join(how_many(len(np.unique(v)), k) for k, v in self.groups.items())
        columns = ", ".join(f"{n}: {type(c).__name__} ({self.roles[n]})" for n, c in self.columns.items())
        return f"Samples({how_many(len(self), 'row')}; {groups or 'no groups'}; {columns})"


def names_of(name: str, column: Dense) -> list[str]:
    """One name for each number of a dense column's row."""
    width = int(np.prod(column.values.shape[1:], dtype=int))
    if len(column.names) == width:
        return [name if width == 1 and column.names[0] == name else f"{name}//{n}" for n in column.names]
    return [name] if width == 1 else [f"{name}//{i}" for i in range(width)]


def of_rows(samples: Samples, kind: type) -> dict[str, Any]:
    """The input columns of one kind (`Dense`, `Ragged`, `File`, `Entity`)."""
    return {name: c for name, c in samples.inputs.items() if isinstance(c, kind)}
