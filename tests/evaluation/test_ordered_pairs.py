"""Ordered pairs against comparing each row with each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polyclinic.evaluation.ordered_pairs import later_and_lower


@st.composite
def problems(draw):
    """Places and ranks with ties, weights of two replicates, rows that ask, and rows that are kept apart."""
    rows = draw(st.integers(0, 30))
    place, rank, apart = (draw(arrays(np.int64, rows, elements=st.integers(0, 12))) for _ in range(3))
    weights = draw(arrays(float, (2, rows), elements=st.integers(0, 4).map(lambda k: k / 2)))
    return place, rank, weights, draw(arrays(bool, rows)), apart % 3


@given(problems())
def test_pairs_are_counted_as_comparing_each_with_each_counts_them(problem):
    place, rank, weights, queries, apart = problem
    later = place[None] > place[:, None]
    below = (rank[None] < rank[:, None]) + 0.5 * (rank[None] == rank[:, None])
    together = apart[None] == apart[:, None]
    assert later_and_lower(place, rank, weights) == pytest.approx(weights @ (later * below).T)
    count = later_and_lower(place, rank, weights, queries=queries, apart=apart)
    assert count == pytest.approx(weights @ (later * below * together).T * queries)
