"""Laws of every weighted score, for the test files of the scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

from polyclinic.evaluation.blocks import Blocks
from polyclinic.evaluation.scores import bounds_of, of_all, without


def assert_laws(scores, columns, data, *, within=1e-9):
    """A weight of 2 is the row twice and 0 the row left out, order changes nothing, a block is left out for real.

    scores: columns [row] → {name: score}; columns: arrays of the same rows; data: where hypothesis draws from.
    """
    rows = len(columns[0])
    at = np.arange(rows)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="weights, order and blocks"))
    counts, order, block = rng.integers(0, 4, rows), rng.permutation(rows), rng.integers(0, 4, rows)

    def plain(positions):
        return {name: of_all(s, len(positions)) for name, s in scores(*(c[positions] for c in columns)).items()}

    weighted = {name: score(counts[None].astype(float))[0] for name, score in scores(*columns).items()}
    everything = plain(at)
    _assert_equal(weighted, plain(np.repeat(at, counts)), within)
    _assert_equal(plain(order), everything, within)
    left_out = {name: without(score, Blocks(block, 5)) for name, score in scores(*columns).items()}
    for b in range(5):
        _assert_equal({name: values[b] for name, values in left_out.items()}, plain(at[block != b]), within)
    for name, score in scores(*columns).items():
        low, high = bounds_of(score)
        assert np.isnan(everything[name]) or low - 1e-9 <= everything[name] <= high + 1e-9, name


def _assert_equal(values, expected, within):
    """Scores that occur in both: which scores there are may depend on the rows."""
    for name in values.keys() & expected.keys():
        assert values[name] == pytest.approx(expected[name], abs=within, rel=1e-7, nan_ok=True), name
