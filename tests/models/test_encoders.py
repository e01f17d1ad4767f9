"""The matrix: every summary equals a plain recount, and only training rows choose what it holds."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyclinic import notes
from polyclinic.errors import BadData
from polyclinic.models import encoders
from polyclinic.models.gbm import Gbm
from polyclinic.outcomes.binary import Binary
from polyclinic.samples import Dense, File, Ragged, Samples
from polyclinic.state import State
from polyclinic.timelines.format import FileReader

HOUR = 3_600_000_000
CODES = ["a", "b", "c"]


def sequence(windows: list[list[tuple[int, float, float]]]) -> Ragged:
    """One window a row of (code, hours before the index, value), oldest first; the index is at hour 100."""
    flat = [event for window in windows for event in sorted(window, key=lambda e: -e[1])]
    stop = np.cumsum([len(w) for w in windows]).astype(np.int64)
    values = {
        "code": np.array([e[0] for e in flat], np.int32),
        "time": np.array([(100 - e[1]) * HOUR for e in flat], np.int64),
        "value": np.array([e[2] for e in flat], np.float32),
    }
    return Ragged(stop - [len(w) for w in windows], stop, values, {"code": CODES})


def samples(column: Ragged) -> Samples:
    time = np.full(len(column), 100 * HOUR, "datetime64[us]")
    return Samples(np.arange(len(column)), {"events": column}, {"events": "input"}, time=time)


def recount(window: list[tuple[int, float, float]], code: int, hours: float) -> list[float]:
    """The seven summaries of one code, by hand."""
    events = [e for e in sorted(window, key=lambda e: -e[1]) if e[0] == code and e[1] <= hours]
    values = np.array([e[2] for e in events if not np.isnan(e[2])])
    times = np.array([-e[1] for e in events if not np.isnan(e[2])])
    since = events[-1][1] if events else np.nan
    if not len(values):
        return [np.nan, np.nan, np.nan, np.nan, len(events), np.nan, since]
    spread = ((times - times.mean()) ** 2).sum()
    rise = ((times - times.mean()) * (values - values.mean())).sum()
    slope = rise / spread if spread > 1e-9 else 0.0
    return [values[-1], values.mean(), values.min(), values.max(), len(events), slope, since]


event = st.tuples(
    st.integers(0, 2),
    st.integers(0, 96).map(lambda quarter: quarter / 4),
    st.one_of(st.just(float("nan")), st.integers(-50, 50).map(float)),
)
windows = st.lists(st.lists(event, max_size=8, unique_by=lambda e: (e[0], e[1])), min_size=1, max_size=5)


@settings(deadline=None)
@given(windows)
def test_every_summary_equals_a_plain_recount(rows):
    column = sequence(rows)
    time = np.full(len(rows), 100 * HOUR, "datetime64[us]")
    summaries = encoders.summarise(column, CODES, time, (8, 2))
    wanted = [
        [recount(row, code, hours)[kind] for hours in (8, 2) for kind in range(7) for code in range(3)] for row in rows
    ]
    np.testing.assert_allclose(summaries, np.array(wanted, np.float32), rtol=1e-5, atol=1e-5)


unordered = st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=8), min_size=1, max_size=5)


@settings(deadline=None)
@given(unordered, st.integers(0, 12))
def test_what_passes_over_old_events_loses_no_recent_one_in_whatever_order_they_became_known(rows, hours):
    flat = [event for row in rows for event in row]
    stop = np.cumsum([len(row) for row in rows]).astype(np.int64)
    fields = {"code": np.array([e[0] for e in flat], np.int32), "time": np.array([e[1] for e in flat]) * HOUR}
    column = Ragged(stop - [len(row) for row in rows], stop, fields, {"code": CODES})
    end = np.full(len(rows), 12 * HOUR)
    kept = encoders.recent(column, end, hours)
    for row, left in zip(rows, kept.lengths, strict=True):
        assert all(12 - time > hours for _, time in row[: len(row) - left])
        rising = all(a <= b for (_, a), (_, b) in pairwise(row))
        assert left == (sum(12 - time <= hours for _, time in row) if rising else len(row))


@settings(deadline=None)
@given(windows)
def test_a_row_alone_has_the_numbers_it_has_among_others(rows):
    whole = samples(sequence(rows))
    learned = encoders.learn(whole, coverage=0.0)
    alone = [encoders.matrix(whole.take([i]), learned) for i in range(len(rows))]
    np.testing.assert_array_equal(np.concatenate(alone), encoders.matrix(whole, learned))


chosen = st.lists(st.lists(st.sampled_from(CODES), unique=True), min_size=1, max_size=4)


@settings(deadline=None)
@given(windows, chosen, st.booleans())
def test_states_that_are_encoded_jointly_read_what_each_reads_alone(rows, codes, timed):
    whole = samples(sequence(rows)).with_column("d", Dense(np.arange(2.0 * len(rows)).reshape(-1, 2)), "input")
    whole = whole if timed else replace(whole, time=None)
    learned = encoders.learn(whole, coverage=0.0)
    states = [State({"matrix": {**learned, "codes": {"events": own}}}) for own in codes]
    encode = Gbm().jointly(states)
    for state, read in zip(states, encode(whole), strict=True):
        np.testing.assert_array_equal(read["x"], Gbm().encode(whole, state)["x"])


def test_states_that_look_back_over_other_hours_are_not_encoded_jointly():
    learned = encoders.learn(samples(sequence([[(0, 1, 5.0)]])))
    states = [State({"matrix": learned}), State({"matrix": {**learned, "hours": [6]}})]
    assert Gbm().jointly(states) is None


def test_a_state_without_a_column_is_not_encoded_jointly():
    learned = encoders.learn(samples(sequence([[(0, 1, 5.0)]])))
    states = [State({"matrix": learned}), State({"matrix": {**learned, "codes": {"events": []}}})]
    assert Gbm().jointly(states) is None


def test_a_code_is_kept_where_enough_training_rows_have_it_within_the_hours():
    rows = samples(sequence([[(0, 1, 5.0), (1, 20, 1.0)], [(0, 2, 6.0)], [(0, 3, 7.0), (2, 1, 2.0)]]))
    assert encoders.learn(rows, coverage=0.9, hours=(24,))["codes"]["events"] == CODES, "few codes: all are kept"
    many = [f"code{i}" for i in range(9)]
    crowded = [[(i, 1, 1.0) for i in range(9)], [(i, 1, 1.0) for i in range(6)], [(0, 23, 1.0)]]
    column = sequence(crowded)
    column = Ragged(column.start, column.stop, column.values, {"code": many})
    assert encoders.learn(samples(column), coverage=0.9, hours=(8,))["codes"]["events"] == many[:6]


def test_codes_that_training_rows_never_saw_change_no_number():
    train = samples(sequence([[(0, 1, 5.0)], [(0, 2, 6.0)]]))
    learned = encoders.learn(train)
    later = samples(sequence([[(0, 1, 5.0), (2, 1, 9.0)]]))
    np.testing.assert_array_equal(encoders.matrix(later, learned)[0], encoders.matrix(train, learned)[0])


def test_the_columns_have_names_and_stand_in_their_order():
    frame = encoders.summaries(Binary().planted(20, 1))
    assert frame.columns[:4] == ["x//signal", "x//a", "x//b", "x//c"]
    assert "events//level//last 24h" in frame.columns
    assert frame.height == 20


def test_without_a_time_of_asking_the_newest_event_is_the_index():
    column = sequence([[(0, 3, 1.0), (0, 1, 2.0)]])
    assert encoders.hours_before(column, None).tolist() == [2.0, 0.0]


def test_pictures_alone_are_refused_with_a_way_out():
    files = Samples(np.arange(2), {"image": File(np.array(["a", "b"]), FileReader(str))}, {"image": "input"})
    with pytest.raises(BadData, match="no numbers that a table model can read"):
        encoders.learn(files)


def test_no_event_in_any_training_row_leaves_one_empty_column():
    rows = samples(sequence([[], []]))
    learned = encoders.learn(rows)
    assert encoders.matrix(rows, learned).tolist() == [[0.0], [0.0]]
    assert encoders.names(learned) == ["nothing"]


def test_dense_columns_of_any_shape_are_laid_flat():
    rows = Samples(np.arange(2), {"d": Dense(np.arange(8.0).reshape(2, 2, 2))}, {"d": "input"})
    assert encoders.matrix(rows, encoders.learn(rows)).shape == (2, 4)


def test_an_infinite_number_is_refused_by_its_name_at_fit_and_at_prediction():
    values = np.zeros((3, 2), np.float32)
    values[2, 1] = np.inf
    rows = Samples(np.arange(3), {"lab": Dense(values, ("ldh", "crp"))}, {"lab": "input"})
    with pytest.raises(BadData, match="'lab//crp' is infinite in 1 of 3 rows") as refused:
        encoders.matrix(rows, encoders.learn(rows))
    assert (refused.value.at.row, refused.value.at.column) == (2, "lab//crp")


def test_an_infinite_value_of_an_event_is_refused_with_its_code():
    rows = samples(sequence([[(0, 1, 5.0)], [(1, 2, -np.inf)]]))
    with pytest.raises(BadData, match="events//b//last 8h"):
        encoders.matrix(rows, encoders.learn(rows))


def large_numbers() -> Samples:
    """Dates written as integers, which differ in their last two digits alone, and a plain number beside them."""
    dates = 20_240_101_000_000 + np.arange(200) % 16
    plain = np.linspace(0, 1, 200)
    columns = {"date": Dense(dates.astype(float), ("date",)), "plain": Dense(plain, ("plain",))}
    return Samples(np.arange(200), columns, dict.fromkeys(columns, "input"))


def test_numbers_that_float32_would_make_equal_are_read_as_distances_from_their_middle():
    rows = large_numbers()
    learned = encoders.learn(rows)
    assert set(learned["offset"]) == {"date"}, "a column that float32 can hold is read as it is"
    assert len(np.unique(encoders.matrix(rows, learned)[:, 0])) == 16
    alone = encoders.matrix(rows.take([7]), learned)
    assert alone.tobytes() == encoders.matrix(rows, learned)[[7]].tobytes(), "the same at the bedside"


def test_a_column_that_stays_equal_whatever_is_subtracted_is_named():
    rows = large_numbers()
    wide = 1e13 * (np.arange(200) % 10) + np.arange(200)  # ten far places, each with small differences
    with notes.collection() as noted:
        encoders.learn(rows.with_column("date", Dense(wide, ("date",)), "input"))
    assert [n.check for n in noted] == ["columns finer than float32"]
    assert "date" in noted[0].result


def test_a_column_of_ordinary_numbers_is_never_shifted():
    rows = large_numbers()
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=200), rng.lognormal(3, 2, 200), np.arange(200.0), np.full(200, np.nan)):
        assert encoders.learn(rows.with_column("date", Dense(values, ("date",)), "input"))["offset"] == {}


def test_coverage_is_judged_on_rows_from_the_first_to_the_last(monkeypatch):
    monkeypatch.setattr(encoders, "FEWEST", 1)
    monkeypatch.setattr(encoders, "JUDGED", 10)
    rows = [
        [(0, 1.0, 1.0), *([(1, 1.0, 1.0)] if n < 50 else []), *([(2, 1.0, 1.0)] if n % 10 else [])] for n in range(100)
    ]
    assert encoders.learn(samples(sequence(rows)), coverage=0.8)["codes"] == {"events": ["a", "c"]}
