"""Weighted scores of a ward that can look after the k rows with the highest answers, and after no more.

Every function gives a `Score`: weights [replicate, row] → score [replicate]. The capacity k is a weight: where the row
at the edge weighs more than is left, the part that fits counts, and rows with equal answers share what is left.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation.blocks import Blocks
from polyclinic.evaluation.class_scores import matthews
from polyclinic.evaluation.composed_scores import quotient
from polyclinic.evaluation.scores import SHARE, Bounded, Score

Sums: TypeAlias = tuple[Floats, Floats, Floats]
"""Positive weight among the first k, all weight among the first k, positive weight of all rows: float64 [replicate]."""


def precision_at_capacity(y_true: Array, y_score: Array, k: float) -> Score:
    """The share of positives among the k rows with the highest answers; among all of them where there are fewer.

    Parameters
    ----------
    y_true
        0 or 1, [row].
    y_score
        Higher comes first, [row].
    k
        The capacity, in rows.
    """
    first = _First(y_true, y_score, k)

    def share(sums: Sums) -> Floats:
        hits, taken, _ = sums
        return quotient(hits, taken)

    return Bounded(lambda weights: share(first(weights)), *SHARE, lambda blocks: share(first.left_out(blocks)))


def found_at_capacity(y_true: Array, y_score: Array, k: float) -> Score:
    """The share of all positives that are among the k rows with the highest answers; parameters as for precision."""
    first = _First(y_true, y_score, k)

    def share(sums: Sums) -> Floats:
        hits, _, positives = sums
        return quotient(hits, positives)

    return Bounded(lambda weights: share(first(weights)), *SHARE, lambda blocks: share(first.left_out(blocks)))


def matthews_of_decisions(y_true: Array, decision: Array) -> Score:
    """Matthews correlation of yes and no: 1 is perfect, 0 is chance; as `class_scores.matthews`.

    y_true: 0 or 1, [row]; decision: bool [row].
    """
    return matthews((y_true > 0).astype(np.int64), decision.astype(np.int64))


class _First:
    """What lies among the first k, as a function of the weights.

    Rows stand in falling order of their answers. Those with equal answers form a tie, which is a range of positions.
    """

    def __init__(self, y_true: Array, y_score: Array, k: float) -> None:
        self.k = float(k)
        self.order = np.argsort(-y_score, kind="stable")
        falling = -y_score[self.order]
        self.start = np.flatnonzero(np.append(True, falling[1:] != falling[:-1])) if len(falling) else np.zeros(0, int)
        self.end = np.append(self.start[1:], len(falling))
        self.positive = (y_true[self.order] > 0).astype(np.float64)

    def __call__(self, weights: Array) -> Sums:
        """weights: [replicate, row]."""
        sorted_weights = weights[:, self.order].astype(np.float64)
        if not len(self.start):
            return (np.zeros(len(weights)),) * 3
        tie = np.add.reduceat(sorted_weights, self.start, axis=1)
        true = np.add.reduceat(sorted_weights * self.positive, self.start, axis=1)
        left = self.k - (np.cumsum(tie, axis=1) - tie)
        part = np.clip(left / np.where(tie > 0, tie, 1.0), 0.0, 1.0)
        return (part * true).sum(axis=1), (part * tie).sum(axis=1), true.sum(axis=1)

    def left_out(self, blocks: Blocks) -> Sums:
        """The tie at the edge moves with the block; what lies before it and in it is counted less the block's rows."""
        own = blocks.take(self.order)
        if not len(self.start):
            return (np.zeros(blocks.count),) * 3
        edge = np.searchsorted(self.end, self._last(own), side="right").clip(max=len(self.start) - 1)
        before, upto = (self._without(own, bound[edge]) for bound in (self.start, self.end))
        part = np.nan_to_num(quotient(self.k - before[0], upto[0] - before[0])).clip(0.0, 1.0)
        taken = before[0] + part * (upto[0] - before[0])
        hits = before[1] + part * (upto[1] - before[1])
        return hits, taken, own.sums_without(self.positive)

    def _last(self, own: Blocks) -> npt.NDArray[np.int64]:
        """The position of the last row that fits without each block, int64 [block]; past the end where all fit.

        As many of a block's rows lie before it as have fewer than k rows of other blocks before them.
        """
        by_block = np.argsort(own.of_row, kind="stable")
        first = np.searchsorted(own.of_row[by_block], np.arange(own.count))
        others = np.empty(len(by_block), np.int64)
        others[by_block] = by_block - (np.arange(len(by_block)) - first[own.of_row[by_block]])
        fits = int(np.ceil(self.k))
        return fits - 1 + np.bincount(own.of_row[others < fits], minlength=own.count)

    def _without(self, own: Blocks, position: Array) -> tuple[Floats, Floats]:
        """Rows, and positive rows, before a position without those of the block: each float64 [block]."""
        mine = np.arange(len(self.order)) < position[own.of_row]
        running = np.append(0.0, np.cumsum(self.positive))
        rows = position - own.sums(mine.astype(np.float64))
        return rows, running[position] - own.sums(self.positive * mine)
