"""What an outcome is: how an answer is learned, linked, calibrated, written and scored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.arrays import Array
from polyclinic.samples import Samples

if TYPE_CHECKING:
    from torch import Tensor

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
WeightedScore: TypeAlias = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
"""Weights [replicate, row] → score [replicate]; NaN where a replicate cannot be scored."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a network must end in: `channels` numbers per row, per element of a column, or per voxel of a grid.

    per: "row", "element:COLUMN", "grid:COLUMN" or "set".
    """

    per: str
    channels: int


@dataclass(frozen=True, eq=False)
class Raw:
    """Numbers that a model gives, before or after the link.

    values: [element, channel], the elements of one row after those of another.
    shape: int64 [row, dimension], how the elements of each row lie; None where each row has one element.
    """

    values: FloatArray
    shape: npt.NDArray[np.int64] | None = None

    def rows(self) -> list[FloatArray]:
        """One array a row: [*shape, channel]."""
        if self.shape is None:
            return list(self.values)
        sizes = self.shape.prod(axis=1)
        pieces = np.split(self.values, np.cumsum(sizes)[:-1])
        return [v.reshape(*s, -1) for v, s in zip(pieces, self.shape, strict=True)]

    def __len__(self) -> int:
        return len(self.values if self.shape is None else self.shape)


def concatenate(parts: list[Raw]) -> Raw:
    """The rows of one after those of the other."""
    shapes = [p.shape for p in parts if p.shape is not None]
    return Raw(np.concatenate([p.values for p in parts]), np.concatenate(shapes) if shapes else None)


def mean(parts: list[Raw]) -> Raw:
    """The mean answer of several models for the same rows."""
    total = sum(1 / len(parts) * p.values.astype(np.float64) for p in parts)
    return Raw(np.asarray(total), parts[0].shape)


class Outcome(Protocol):
    """One kind of answer; one file each. Settings are the fields of a frozen dataclass.

    Optional: `column(name, rows) -> Column`, which makes the target column out of a table of rows where it is neither
    a number nor a file; `truth_columns`, what is null where a row is unlabelled; `example`, settings for the contract
    checks where a field has no default; `planted_size`, how many rows those checks plant. More of `primary` is better.
    """

    kind: str
    scores: tuple[str, ...]
    primary: str

    def target(self, rows: Samples) -> Array:
        """What is to be learned: float32 [row], or an object array of one array a row."""

    def head(self, rows: Samples) -> Head:
        """What a network for these rows must end in."""

    def loss(self, raw: "Tensor", batch: Mapping[str, "Tensor"]) -> "Tensor":
        """One number a row: torch [row], from raw [row, channel, …] and batch["target"]."""

    def link(self, raw: Raw) -> Raw:
        """Raw numbers → answers (probabilities)."""

    def predictions(self, y_score: Raw, rows: Samples, *, threshold: float | None, folder: Path) -> pl.DataFrame:
        """The columns of the predictions table for these rows; files, where the outcome needs some, go to `folder`."""

    def truth(self, rows: Samples) -> pl.DataFrame:
        """The columns that hold what really happened, null where it is not known."""

    def measures(self, frame: pl.DataFrame) -> dict[str, WeightedScore]:
        """Score name → weighted score of a frame that has predictions and truth."""

    def summary(self, rows: Samples) -> dict[str, Any]:
        """What the targets are: {"positive": 1831} for binary, voxels by label for voxels."""

    def planted(self, n: int, seed: int) -> Samples:
        """A problem with a known answer, for the contract checks."""
