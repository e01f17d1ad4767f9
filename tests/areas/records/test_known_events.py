"""Events of many parts come together as they would from one: sorted by subject and by when they became known."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polyclinic.areas.records.known_events import KnownEvents, by_subject_and_known, joined, runs
from polyclinic.timelines.availability import TIMELESS

event = st.tuples(st.integers(1, 4), st.one_of(st.just(TIMELESS), st.integers(0, 9)), st.integers(0, 4))
"""Subject, when it happened, and by how much later it became known."""


@given(st.lists(event, max_size=30), st.booleans(), st.sampled_from([1, 10**18]))
def test_the_order_is_that_of_a_plain_sort_whatever_is_stored_in_order(events, stored, scale):
    subject, time, delay = np.array(events, np.int64).reshape(-1, 3).T
    timed = time != TIMELESS
    time = np.where(timed, time * scale, TIMELESS)
    known = np.where(timed, time + delay * (scale if scale < 2 else 1), TIMELESS)
    if stored:
        order = np.lexsort((time, subject))
        subject, time, known = subject[order], time[order], known[order]
    order = by_subject_and_known(subject, known, known > time)
    assert order.tolist() == np.lexsort((known, subject)).tolist()


def known(rows: list[tuple[int, int, str]]) -> KnownEvents:
    """Events of (subject, when known, code), as they stand after sorting."""
    rows = sorted(rows)
    levels = sorted({code for *_, code in rows})
    subject = np.array([row[0] for row in rows], np.int64)
    when = np.array([row[1] for row in rows], np.int64)
    code = np.array([levels.index(row[2]) for row in rows], np.int32)
    return KnownEvents(*runs(subject), when, when - 1, code, when.astype(np.float32), levels)


rows = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 20), st.sampled_from("abcd")), max_size=20, unique=True)


@given(rows, st.integers(1, 4))
def test_parts_of_whole_subjects_are_what_they_are_together(events, count):
    parts = [known([row for row in events if row[0] % count == part]) for part in range(count)]
    whole, together = known(events), joined(parts)
    for name in ("subjects", "bounds", "known", "time", "code", "value"):
        np.testing.assert_array_equal(getattr(together, name), getattr(whole, name))
        assert getattr(together, name).dtype == getattr(whole, name).dtype
    assert together.levels == whole.levels


@given(rows, st.integers(0, 20))
def test_a_subject_in_two_parts_is_one_subject_all_the_same(events, cut):
    together, whole = joined([known(events[:cut]), known(events[cut:])]), known(events)
    np.testing.assert_array_equal(together.subjects, whole.subjects)
    np.testing.assert_array_equal(together.bounds, whole.bounds)
    np.testing.assert_array_equal(together.known, whole.known)


def test_who_has_no_events_has_an_empty_window():
    first, last = known([(2, 1, "a"), (2, 5, "b"), (7, 3, "a")]).of_subjects(np.array([1, 2, 5, 7, 9]))
    assert (last - first).tolist() == [0, 2, 0, 1, 0]
    assert (first[1], last[1], first[3], last[3]) == (0, 2, 2, 3)
