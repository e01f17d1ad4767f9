"""Weighted counts of ordered pairs: how many later rows have a lower rank, by sorting instead of by n² comparisons."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array, Floats


class _Level(NamedTuple):
    """One halving of the places: each half of a range of places, and by rank within it.

    later: the rows of the later halves, int64 [one of them]; queries: the rows of the earlier halves that ask, int64 [query];
    first, below, upto: for each query, how many of `later` come before the later half of its own range, before
    those of its rank, and before those of a higher rank.
    """

    later: Array
    queries: Array
    first: Array
    below: Array
    upto: Array


def later_and_lower(
    place: Array, rank: Array, weights: Array, *, queries: Array | None = None, apart: Array | None = None
) -> Floats:
    """For each row the weight of the rows that come later and have a lower rank, those of equal rank counting half.

    The places are halved again and again: every pair of unequal places is parted by exactly one of the halvings,
    so that the cost grows as n times log n squared.

    Parameters
    ----------
    place, rank
        Integers from 0, [row]; rows of the same place are no pair.
    weights
        [replicate, row].
    queries
        The rows for which the weight is wanted, bool [row]; others get 0. None where all are.
    apart
        Integers [row]: rows with unequal ones are no pair either; None where all rows are compared.

    Returns
    -------
    ndarray
        float64 [replicate, row].
    """
    # rows first: what belongs to one row lies together, whichever rows are picked
    by_row = np.ascontiguousarray(weights.T, np.float64)
    total = np.zeros(by_row.shape)
    wanted = np.ones(len(place), bool) if queries is None else queries
    for level in _levels(place, rank, wanted, np.zeros(len(place), np.int64) if apart is None else apart):
        running = np.zeros((len(level.later) + 1, by_row.shape[1]))
        np.cumsum(by_row[level.later], axis=0, out=running[1:])
        tied = level.below != level.upto
        count = running[level.below]
        count[tied] += (running[level.upto[tied]] - count[tied]) / 2
        count -= running[level.first]
        total[level.queries] += count
    return np.asarray(total.T)


def _levels(place: Array, rank: Array, wanted: Array, apart: Array) -> Iterator[_Level]:
    by_rank = np.argsort(rank, kind="stable")
    bits = int(place.max(initial=0)).bit_length()
    for bit in reversed(range(bits)):
        node = (apart.astype(np.int64) << (bits - bit - 1)) + (place >> (bit + 1))
        order = by_rank[np.argsort(node[by_rank], kind="stable")]
        later = (place[order] >> bit) & 1 == 1
        ahead = np.append(0, np.cumsum(later))
        queries = np.flatnonzero(~later & wanted[order])
        first, _ = _ends(_changes(node[order]), queries)
        below, upto = _ends(_changes(node[order]) | _changes(rank[order]), queries)
        yield _Level(order[later], order[queries], ahead[first], ahead[below], ahead[upto])


def _changes(values: Array) -> npt.NDArray[np.bool_]:
    """Whether each value differs from the one before it; the first does."""
    return np.append(True, values[1:] != values[:-1])[: len(values)]


def _ends(changes: npt.NDArray[np.bool_], at: Array) -> tuple[Array, Array]:
    """Where the runs of equal values in which some positions lie begin and end."""
    starts = np.flatnonzero(changes)
    run = np.cumsum(changes)[at] - 1
    return starts[run], np.append(starts[1:], len(changes))[run]
