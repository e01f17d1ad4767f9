"""Searches, few or many at once, find what NumPy's own search finds one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyclinic.cohorts.sorted_times import position


@pytest.mark.parametrize(("after", "side"), [(True, "right"), (False, "left")])
@given(st.lists(st.lists(st.integers(0, 9)), min_size=1, max_size=20), st.integers(-1, 10))
def test_the_joint_search_is_numpy_s_search_in_each_stretch(after, side, stretches, limit):
    stretches = [sorted(s) for s in stretches]
    stop = np.cumsum([len(s) for s in stretches]).astype(np.int64)
    start = stop - np.array([len(s) for s in stretches])
    values = np.array([v for s in stretches for v in s], np.int64)
    places = position(values, start, stop, np.full(len(stop), limit), after=after)
    assert (places - start).tolist() == [int(np.searchsorted(s, limit, side)) for s in stretches]
