"""Weighted scores: weights [replicate, row] → score [replicate], and the score without each block of rows.

Each function takes `y_true` (0 or 1 a row) and `y_score` (or a probability), sorts once, and returns the score as a
function of the weights. A weight of 2 is that row twice, 0 is that row left out. NaN where a replicate cannot be scored.
Sums run in the type of the weights, running sums in float64.

Any such function is a score. One that also knows itself without a block (`Bounded.left_out`) spares the jackknife the
weights: its cost grows with the rows, not with rows times blocks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array
from polyclinic.evaluation.blocks import Blocks

Score: TypeAlias = Callable[[Array], npt.NDArray[np.float64]]
LeftOut: TypeAlias = Callable[[Blocks], npt.NDArray[np.float64]]

ANY = (-np.inf, np.inf)
NOT_NEGATIVE = (0.0, np.inf)
SHARE = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Bounded:
    """A score with the least and the greatest value that it can take: intervals stay between them.

    Attributes
    ----------
    left_out
        The score without each block, float64 [block]; None where only weights tell.
    """

    score: Score
    low: float
    high: float
    left_out: LeftOut | None = None

    def __call__(self, weights: Array) -> npt.NDArray[np.float64]:
        return self.score(weights)


def bounds_of(score: Score) -> tuple[float, float]:
    """The least and the greatest value that a score can take; infinite where it does not say."""
    return (score.low, score.high) if isinstance(score, Bounded) else ANY


def without(score: Score, blocks: Blocks) -> npt.NDArray[np.float64]:
    """The score without each block, float64 [block]."""
    if blocks.count and isinstance(score, Bounded) and score.left_out is not None:
        return score.left_out(blocks)
    values = [score(blocks.weights(chunk)) for chunk in blocks.chunks(np.arange(blocks.count))]
    return np.concatenate([np.zeros(0), *values])


def restricted(score: Score, rows: Array) -> Score:
    """A score of some rows as a score of all of them: `rows` are their positions."""
    return Bounded(lambda w: score(w[:, rows]), *bounds_of(score), lambda blocks: without(score, blocks.take(rows)))


def ratio(numerator: Array, denominator: Array, bounds: tuple[float, float] = ANY) -> Score:
    """Σ w·numerator / Σ w·denominator, from two arrays [row]; `bounds`: of the ratio."""

    def score(weights: Array) -> npt.NDArray[np.float64]:
        sums = [weights @ part.astype(weights.dtype) for part in (numerator, denominator)]
        return _quotient(*(each.astype(np.float64) for each in sums))

    def left_out(blocks: Blocks) -> npt.NDArray[np.float64]:
        return _quotient(blocks.sums_without(numerator), blocks.sums_without(denominator))

    return Bounded(score, *bounds, left_out)


def row_mean(values: Array, bounds: tuple[float, float] = ANY) -> Score:
    """The mean of one number a row; rows with NaN are left out."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0), known, bounds)


def brier(y_true: Array, probability: Array) -> Score:
    """Mean squared error of the probability (Brier 1950)."""
    return row_mean((probability - y_true) ** 2, SHARE)


def log_loss(y_true: Array, probability: Array) -> Score:
    """Mean negative log likelihood; probabilities are kept 1e-15 from 0 and 1."""
    inside = np.clip(probability, 1e-15, 1 - 1e-15)
    return row_mean(-np.where(y_true > 0, np.log(inside), np.log1p(-inside)), NOT_NEGATIVE)


def observed_expected(y_true: Array, probability: Array) -> Score:
    """Positives observed for each one that was predicted: 1 is perfect, below 1 the model predicts too many."""
    return ratio(y_true.astype(np.float64), np.asarray(probability, np.float64), NOT_NEGATIVE)


def auroc(y_true: Array, y_score: Array) -> Score:
    """The chance that a positive row is ranked above a negative one, ties counting half."""
    positive, negative = np.flatnonzero(y_true > 0), np.flatnonzero(y_true <= 0)
    negative = negative[np.argsort(y_score[negative], kind="stable")]
    positive = positive[np.argsort(y_score[positive], kind="stable")]
    below = np.searchsorted(y_score[negative], y_score[positive], side="left")
    upto = np.searchsorted(y_score[negative], y_score[positive], side="right")
    tied = bool((below != upto).any())

    def score(weights: Array) -> npt.NDArray[np.float64]:
        up, down = weights[:, positive], _running(weights[:, negative])
        beaten = (down[:, below] + down[:, upto]) / 2 if tied else down[:, below]
        pairs = up.sum(axis=1, dtype=np.float64) * down[:, -1]
        won = np.einsum("ij,ij->i", up, beaten)
        return _quotient(won, pairs)

    def left_out(blocks: Blocks) -> npt.NDArray[np.float64]:
        """All won pairs, less those of the block's positives and of its negatives, which count its own pairs twice."""
        up, down = blocks.take(positive), blocks.take(negative)
        beaten = (below + upto) / 2
        lost = len(positive) - _midranks(y_score[positive], y_score[negative])
        own = _pairs_within(up, y_score[positive], down, y_score[negative])
        won = beaten.sum() - up.sums(beaten) - down.sums(lost) + own
        kept = [len(side.of_row) - np.bincount(side.of_row, minlength=blocks.count) for side in (up, down)]
        return _quotient(won, np.multiply(*kept, dtype=np.float64))

    return Bounded(score, *SHARE, left_out)


def auprc(y_true: Array, y_score: Array) -> Score:
    """Average precision: the mean over positives of the precision at their own threshold."""
    positive, negative = np.flatnonzero(y_true > 0), np.flatnonzero(y_true <= 0)
    negative = negative[np.argsort(-y_score[negative], kind="stable")]
    positive = positive[np.argsort(-y_score[positive], kind="stable")]
    false = np.searchsorted(-y_score[negative], -y_score[positive], side="right")
    true = np.searchsorted(-y_score[positive], -y_score[positive], side="right")
    tied = bool((true != np.arange(1, len(positive) + 1)).any())

    def score(weights: Array) -> npt.NDArray[np.float64]:
        up, down = weights[:, positive], _running(weights[:, negative])
        hits = _running(up)
        total = hits[:, -1].copy()
        hits = hits[:, true] if tied else hits[:, 1:]
        alarms = np.maximum(hits + down[:, false], 1e-300)
        return _quotient(np.einsum("ij,ij->i", up, hits / alarms), total)

    def left_out(blocks: Blocks) -> npt.NDArray[np.float64]:
        """At each positive's threshold, all hits and alarms less those of the block; only positives make columns."""
        columns, up, down = len(positive), blocks.take(positive), blocks.take(negative)
        sides = [
            _Crossings.of(side, _first_at_most(y_score[positive], y_score[rows]), columns)
            for side, rows in ((up, positive), (down, negative))
        ]
        precision, total = np.full(blocks.count, np.nan), columns - np.bincount(up.of_row, minlength=blocks.count)
        for chunk in blocks.chunks(np.arange(blocks.count), 8 * columns):  # small enough for a cache of the processor
            hits, false_alarms = (side.running(chunk) for side in sides)
            left = np.subtract(true + false, false_alarms, out=false_alarms)
            left -= hits
            share = np.subtract(true, hits, out=hits)
            share /= np.maximum(left, 1.0, out=left)  # whole numbers; 0 of 0 where a block holds all of them
            own = np.flatnonzero((up.of_row >= chunk[0]) & (up.of_row <= chunk[-1]))
            share[up.of_row[own] - chunk[0], own] = 0.0
            precision[chunk] = share.sum(axis=1)
        return _quotient(precision, total)

    return Bounded(score, *SHARE, left_out)


def _first_at_most(descending: Array, values: Array) -> npt.NDArray[np.int64]:
    """The first of the descending numbers that is no greater than each value: from there on the value counts."""
    return np.searchsorted(-descending, -values, side="left")


@dataclass(frozen=True, eq=False)
class _Crossings:
    """From which column on each row of a block counts: the running counts of a block are level between them.

    Level stretches are written ten times as fast as the columns are summed up one by one.

    Attributes
    ----------
    first
        int64 [row], blocks after one another, each with its columns in rising order.
    ends
        int64 [block], where each block's rows end in `first`.
    columns
        How many columns there are.
    """

    first: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    columns: int

    @classmethod
    def of(cls, blocks: Blocks, first: Array, columns: int) -> "_Crossings":
        """first: int64 [row], the column from which on each row counts; `columns` for never."""
        order = np.lexsort((first, blocks.of_row))
        return cls(first[order], np.cumsum(np.bincount(blocks.of_row, minlength=blocks.count)), columns)

    def running(self, chunk: Array) -> npt.NDArray[np.float64]:
        """How many rows of each of these blocks, which follow one another, count at each column: float64 [block, column]."""
        begin, ends = np.append(0, self.ends)[chunk[0]], self.ends[chunk]
        first, block = self.first[begin : ends[-1]], np.arange(len(chunk))
        begins = np.append(begin, ends[:-1]) - begin
        of_row = np.repeat(block, ends - begin - begins)
        row, level, place = np.arange(len(first)), np.zeros(len(first) + len(chunk)), np.empty(len(first) + len(chunk))
        place[begins + block], place[row + of_row + 1] = block * self.columns, of_row * self.columns + first
        level[row + of_row + 1] = row - begins[of_row] + 1
        lengths = np.diff(place, append=len(chunk) * self.columns).astype(np.int64)
        return np.repeat(level, lengths).reshape(len(chunk), self.columns)


def _midranks(ascending: Array, values: Array) -> npt.NDArray[np.float64]:
    """How many of the ascending numbers lie below each value, equal ones counting half; float64 [value]."""
    sides = [np.searchsorted(ascending, values, side=side) for side in ("left", "right")]
    return np.asarray((sides[0] + sides[1]) / 2)


def _pairs_within(up: Blocks, y_positive: Array, down: Blocks, y_negative: Array) -> npt.NDArray[np.float64]:
    """Pairs of a positive and a negative of one block that the positive wins, ties counting half; float64 [block].

    The scores are replaced by their ranks, and a block's ranks lie above those of the blocks before it: one sorted
    array serves all blocks.
    """
    _, rank = np.unique(np.r_[y_positive, y_negative], return_inverse=True)
    span = len(rank) + 1
    positive, negative = up.of_row * span + rank[: len(y_positive)], down.of_row * span + rank[len(y_positive) :]
    before = np.searchsorted(np.sort(down.of_row), np.arange(up.count))
    return up.sums(_midranks(np.sort(negative), positive) - before[up.of_row])


def _quotient(above: Array, below: Array) -> npt.NDArray[np.float64]:
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))


def _running(weights: Array) -> npt.NDArray[np.float64]:
    """Running sums along the rows, with a leading 0."""
    sums = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, dtype=np.float64, out=sums[:, 1:])
    return sums


def at_threshold(y_true: Array, y_score: Array, threshold: float | Array) -> dict[str, Score]:
    """`at_alerts` where `y_score ≥ threshold` is an alert; threshold: one for all rows, or one a row."""
    return at_alerts(y_true, y_score >= threshold)


def at_alerts(y_true: Array, alert: Array) -> dict[str, Score]:
    """Sensitivity, specificity, PPV, NPV and alerts per 100 rows; alert: whether each row is one, bool [row]."""
    positive, everything = y_true > 0, np.ones(len(y_true))
    return {
        "sensitivity": ratio(positive & alert, positive, SHARE),
        "specificity": ratio(~positive & ~alert, ~positive, SHARE),
        "ppv": ratio(positive & alert, alert, SHARE),
        "npv": ratio(~positive & ~alert, ~alert, SHARE),
        "alerts_per_100": ratio(100.0 * alert, everything, (0.0, 100.0)),
    }


def finite(value: float) -> float | None:
    """A number that JSON can hold: None where it is NaN or infinite."""
    return float(value) if np.isfinite(value) else None


def of_all(score: Score, rows: int) -> float:
    """The score of the rows as they are, each once."""
    return float(score(np.ones((1, rows)))[0])
