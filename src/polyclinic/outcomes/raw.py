"""What models answer with, before and after the link: one number or several a row, an element or a voxel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
Per: TypeAlias = Literal["row", "element", "grid", "set"]
"""What gets an answer: a row, each element of a column, each point of a grid, or a set."""
Scale: TypeAlias = Literal["log odds", "log scores", "standardised", "free"]


@dataclass(frozen=True, slots=True)
class Head:
    """What a network must end in.

    Attributes
    ----------
    per
        What gets the numbers: "row", "element:COLUMN", "grid:COLUMN" or "set".
    channels
        How many numbers each of them gets.
    scale
        What the numbers are before the link: `log odds` of each channel by itself; `log scores` over the channels, of
        which a softmax makes probabilities; `standardised`, centred and scaled by the training rows; or `free`.
    """

    per: str
    channels: int
    scale: Scale = "free"


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


def concatenate(parts: Sequence[Raw]) -> Raw:
    """The rows of one after those of the other."""
    shapes = [p.shape for p in parts if p.shape is not None]
    return Raw(np.concatenate([p.values for p in parts]), np.concatenate(shapes) if shapes else None)


def mean(parts: Sequence[Raw]) -> Raw:
    """The mean answer of several models for the same rows."""
    total = sum(1 / len(parts) * p.values.astype(np.float64) for p in parts)
    return Raw(np.asarray(total), parts[0].shape)
