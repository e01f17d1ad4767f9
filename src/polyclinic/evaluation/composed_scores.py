"""Scores that are composed: of weighted sums, of a table of true and predicted classes, of other scores.

Each composition knows itself without a block of rows: sums and tables without a block are all of them less the
block's own, so that the cost of a jackknife grows with the rows, not with rows times blocks.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation.blocks import Blocks
from polyclinic.evaluation.scores import ANY, Bounded, Score, bounds_of, without

Combine: TypeAlias = Callable[[Floats], Floats]


def of_sums(columns: Sequence[Array], combine: Combine, bounds: tuple[float, float] = ANY) -> Score:
    """A score that is a function of weighted sums.

    Parameters
    ----------
    columns
        What is summed, each [row].
    combine
        Sums float64 [column, replicate] → score float64 [replicate], NaN where it cannot be scored.
    bounds
        The least and the greatest value of the score.
    """
    table = [np.asarray(column, np.float64) for column in columns]

    def score(weights: Array) -> Floats:
        return combine(np.stack([(weights @ column.astype(weights.dtype)).astype(np.float64) for column in table]))

    def left_out(blocks: Blocks) -> Floats:
        return combine(np.stack([blocks.sums_without(column) for column in table]))

    return Bounded(score, *bounds, left_out)


def of_confusion(
    y_true: Array, y_pred: Array, classes: int, combine: Combine, bounds: tuple[float, float] = ANY
) -> Score:
    """A score that is a function of the table of true and predicted classes.

    Parameters
    ----------
    y_true, y_pred
        Codes of classes, int [row], from 0 to `classes` - 1.
    classes
        How many classes there are.
    combine
        Weight by true and predicted class, float64 [replicate, true, predicted] → score float64 [replicate].
    bounds
        The least and the greatest value of the score.
    """
    cell = y_true.astype(np.int64) * classes + y_pred.astype(np.int64)
    order = np.argsort(cell, kind="stable")
    present, start = np.unique(cell[order], return_index=True)

    def score(weights: Array) -> Floats:
        table = np.zeros((len(weights), classes * classes))
        if len(order):
            table[:, present] = np.add.reduceat(weights[:, order], start, axis=1, dtype=np.float64)
        return combine(table.reshape(len(weights), classes, classes))

    def left_out(blocks: Blocks) -> Floats:
        values, size = np.zeros(blocks.count), classes * classes
        everything = np.bincount(cell, minlength=size)
        for chunk in blocks.chunks(np.arange(blocks.count), size):
            here = (blocks.of_row >= chunk[0]) & (blocks.of_row <= chunk[-1])
            cells = (blocks.of_row[here] - chunk[0]) * size + cell[here]
            own = np.bincount(cells, minlength=len(chunk) * size).reshape(len(chunk), size)
            values[chunk] = combine((everything - own).astype(np.float64).reshape(len(chunk), classes, classes))
        return values

    return Bounded(score, *bounds, left_out)


def mean_of(scores: Sequence[Score]) -> Score:
    """The mean of several scores of the same rows, of those that can be scored in a replicate; NaN where none can."""
    bounds = [bounds_of(score) for score in scores] or [ANY]

    def score(weights: Array) -> Floats:
        return mean_known(np.reshape([each(weights) for each in scores], (-1, len(weights))), axis=0)

    def left_out(blocks: Blocks) -> Floats:
        return mean_known(np.reshape([without(each, blocks) for each in scores], (-1, blocks.count)), axis=0)

    return Bounded(score, min(low for low, _ in bounds), max(high for _, high in bounds), left_out)


def quotient(above: Array, below: Array) -> Floats:
    """above / below, NaN where nothing is below."""
    return np.asarray(np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0))


def mean_known(values: Array, axis: int) -> Floats:
    """The mean along an axis of what is not NaN; NaN where everything is."""
    known = ~np.isnan(values)
    return quotient(np.where(known, values, 0.0).sum(axis=axis), known.sum(axis=axis))
