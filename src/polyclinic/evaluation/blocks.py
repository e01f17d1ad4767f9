"""Blocks of rows that are left out together, and what a score needs to know of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyclinic import seeds
from polyclinic.arrays import Array

BLOCKS = 400
"""Left-out parts at most: more would cost time and change an interval by less than a fiftieth of its width."""

CELLS = 1_000_000
"""Weights in memory at a time, by thread: 8 MB of float64, however many rows and groups there are."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Which block each row belongs to.

    Attributes
    ----------
    of_row
        int64 [row], from 0.
    count
        How many blocks there are; some may have no row.
    """

    of_row: npt.NDArray[np.int64]
    count: int

    @classmethod
    def of_groups(cls, groups: Array, *, seed: int = 0) -> "Blocks":
        """Each group by itself, or, where there are more than 400, 400 blocks that hold as many groups each."""
        names, group = np.unique(groups, return_inverse=True)
        if len(names) > BLOCKS:
            group = (seeds.generator(seed, "blocks").permutation(len(names)) % BLOCKS)[group]
        return cls(np.asarray(group, np.int64), min(len(names), BLOCKS))

    def take(self, rows: Array) -> "Blocks":
        """The same blocks of some of the rows; rows: their positions, or a mask."""
        return Blocks(self.of_row[rows], self.count)

    def sums(self, values: Array) -> npt.NDArray[np.float64]:
        """The sum of `values` [row] in each block, float64 [block]."""
        return np.bincount(self.of_row, values, minlength=self.count).astype(
            np.float64
        )  # integers where there are no rows

    def sums_without(self, values: Array) -> npt.NDArray[np.float64]:
        """The sum of the other blocks' `values`, float64 [block]; exactly 0 where rounding is all that is left."""
        sums = self.sums(values)
        rest = np.asarray(sums.sum() - sums, np.float64)
        rest[np.abs(rest) <= 1e-12 * self.sums(np.abs(values)).sum()] = 0.0
        return rest

    def weights(self, blocks: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """1 for each row that stays when a block is left out, else 0: float64 [one of `blocks`, row]."""
        return np.asarray(self.of_row != blocks[:, None], np.float64)

    def chunks(self, blocks: npt.NDArray[np.int64], cells: int | None = None) -> Iterator[npt.NDArray[np.int64]]:
        """These blocks, so many at a time that a table of them by `cells` (else by rows) stays small."""
        size = max(1, CELLS // max(len(self.of_row) if cells is None else cells, 1))
        for start in range(0, len(blocks), size):
            yield blocks[start : start + size]
