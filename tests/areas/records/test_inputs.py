"""Windows over a timeline: what was known at the index, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from polyclinic.areas.records.inputs import RecordsInputs, Stratum
from polyclinic.samples.inputs import InputColumns
from polyclinic.timelines.timeline import Timeline

law = settings(deadline=None, max_examples=60)
START = datetime(2020, 1, 1)
SCHEMA = {
    "subject_id": pl.Int64,
    "time": pl.Datetime("us"),
    "code": pl.String,
    "numeric_value": pl.Float32,
    "available_time": pl.Datetime("us"),
    "end_time": pl.Datetime("us"),
}


class ScannedEvents(Timeline):
    """Events that are scanned, as those in shards are."""

    def __init__(self, frame: pl.DataFrame) -> None:
        super().__init__("scanned")
        self.frame = frame

    def scan(self, shards: object = None) -> pl.LazyFrame:
        return self.frame.lazy()


def hour(number: float | None) -> datetime | None:
    return None if number is None else START + timedelta(hours=number)


def source(*events: tuple) -> ScannedEvents:
    """(subject, hour, code, value, hour known, hour of the end); what is left out is missing."""
    rows = [(*e, *(None,) * (6 - len(e))) for e in events]
    rows = [(s, hour(t), c, v, hour(known), hour(end)) for s, t, c, v, known, end in rows]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return ScannedEvents(frame.sort("subject_id", "time", maintain_order=True))


def index_rows(*rows: tuple[int, float], **more: list[float | None]) -> pl.DataFrame:
    frame = pl.DataFrame(
        [(s, hour(t)) for s, t in rows],
        schema={"subject_id": pl.Int64, "prediction_time": pl.Datetime("us")},
        orient="row",
    )
    extra = [pl.Series(f"newest//{name}", values, pl.Float32) for name, values in more.items()]
    return frame.with_columns(extra).with_row_index("row_id")


def codes_of(inputs: InputColumns, column: str = "events") -> list[list[str]]:
    """The codes in each row's window, in their order."""
    ragged = inputs.columns[column]
    return [[ragged.levels["code"][c] for c in codes] for codes in ragged.rows("code")]


def columns(events: Timeline, rows: pl.DataFrame, values=None, **settings) -> InputColumns:
    return RecordsInputs(**settings).columns(events, rows, SimpleNamespace(values=values or {}))


def test_the_window_is_open_at_its_start_and_closed_at_the_index():
    events = source((1, 0, "at the start", 1.0), (1, 1, "within", 1.0), (1, 24, "at the index", 1.0), (1, 25, "after"))
    assert codes_of(columns(events, index_rows((1, 24)))) == [["within", "at the index"]]


def test_a_result_counts_from_when_it_was_known_and_keeps_the_time_of_the_sample():
    events = source((1, 1, "lab", 7.0, 5), (1, 3, "pulse", 60.0))
    inputs = columns(events, index_rows((1, 4), (1, 6)))
    assert codes_of(inputs) == [["pulse"], ["pulse", "lab"]]
    micro = int(timedelta(hours=2).total_seconds() * 1e6)
    times = inputs.columns["events"].rows("time")[1]
    assert times[0] - times[1] == micro


def test_an_end_is_hidden_until_it_has_come():
    events = source((1, 1, "infusion", 5.0, None, 10))
    assert codes_of(columns(events, index_rows((1, 9), (1, 10)))) == [["infusion"], ["infusion", "infusion//end"]]


def test_an_end_is_known_no_sooner_than_its_beginning():
    events = source((1, 1, "infusion", 5.0, 12, 10))
    assert codes_of(columns(events, index_rows((1, 11), (1, 12)))) == [[], ["infusion", "infusion//end"]]


def test_what_has_no_time_is_always_there_and_never_in_the_window():
    events = source((1, None, "SEX//Female"), (1, 1, "pulse", 60.0), (2, None, "SEX//Male"))
    inputs = columns(events, index_rows((1, 500), (2, 1), (3, 1)))
    assert codes_of(inputs, "static") == [["SEX//Female"], ["SEX//Male"], []]
    assert codes_of(inputs) == [[], [], []]


def test_values_that_the_task_does_not_believe_are_not_there():
    events = source((1, 1, "map", 500.0), (1, 2, "map", 70.0), (1, 2, "map", 60.0))
    inputs = columns(events, index_rows((1, 3)), {"map": {"plausible": [20, 200], "ties": "min"}})
    assert [v.tolist() for v in inputs.columns["events"].rows("value")] == [[60.0]]


def test_the_newest_values_of_the_task_are_one_dense_column():
    inputs = columns(source((1, 1, "map", 70.0)), index_rows((1, 2), (1, 3), map=[70.0, None], pulse=[1.0, 2.0]))
    dense = inputs.columns["newest"]
    assert dense.names == ("map", "pulse")
    np.testing.assert_array_equal(dense.values, np.array([[70, 1], [np.nan, 2]], np.float32))
    assert "newest" not in columns(source((1, 1, "map", 70.0)), index_rows((1, 2))).columns


def test_a_stratum_is_that_of_the_newest_event_known_at_the_index():
    events = source(
        (1, None, "SEX//Female"),
        (1, 0, "AGE", 70.0),
        (1, 1, "ADT_IN//icu//medical_icu"),
        (1, 9, "ADT_IN//icu//surgical_icu", None, 11),
        (2, -24 * 365 * 30, "MEDS_BIRTH"),
        (2, 1, "ADT_IN//icu"),
    )
    strata = columns(events, index_rows((1, 10), (1, 11), (2, 2))).strata
    assert strata["sex"].tolist() == ["Female", "Female", "unknown"]
    assert strata["age_band"].tolist() == ["65–79", "65–79", "18–44"]
    assert strata["icu_type"].tolist() == ["medical_icu", "surgical_icu", "unknown"]
    assert strata["race"].tolist() == ["unknown"] * 3


def test_strata_of_one_s_own():
    events = source((1, 0, "WARD//north"), (2, 0, "WARD//south"))
    inputs = columns(events, index_rows((1, 1), (2, 1)), strata={"ward": Stratum("^WARD//(.+)$")})
    assert {k: v.tolist() for k, v in inputs.strata.items()} == {"ward": ["north", "south"]}


def test_a_patient_without_events_has_an_empty_row():
    inputs = columns(source((1, 1, "pulse", 60.0)), index_rows((9, 5)))
    assert codes_of(inputs) == [[]]
    assert codes_of(columns(source(), index_rows((9, 5)))) == [[]]


times = st.integers(0, 40)
histories = st.lists(
    st.tuples(st.integers(1, 3), times, st.sampled_from("abc"), st.none(), st.none() | times, st.none() | times),
    max_size=12,
)
questions = st.lists(st.tuples(st.integers(1, 3), times), min_size=1, max_size=6)


@law
@given(histories, questions)
def test_every_window_holds_what_a_plain_recount_finds(events, rows):
    windows = codes_of(columns(source(*events), index_rows(*rows), lookback="10h"))
    for window, (subject, at) in zip(windows, rows, strict=True):
        known = [(e[2], e[4] if e[4] is not None else e[1]) for e in events if e[0] == subject]
        ends = [
            (e[2] + "//end", max(e[5], e[4] if e[4] is not None else e[1]))
            for e in events
            if e[0] == subject and e[5] is not None
        ]
        assert sorted(window) == sorted(code for code, when in known + ends if at - 10 < when <= at)


@law
@given(histories, questions)
def test_one_patient_alone_is_the_same_patient(events, rows):
    whole = columns(source(*events), index_rows(*rows))
    for number, row in enumerate(rows):
        alone = columns(source(*[e for e in events if e[0] == row[0]]), index_rows(row))
        assert codes_of(alone)[0] == codes_of(whole)[number]
        assert {k: v[0] for k, v in alone.strata.items()} == {k: v[number] for k, v in whole.strata.items()}


near, value = st.integers(0, 8), st.none() | st.sampled_from([1.0, 3.0, 9.0])
times_of = (st.none() | near, st.sampled_from("abc"), value, st.none() | near, st.none() | near)


@law
@example([(1, 0, "a", 1.0, None, 5)], (1, 6))
@given(st.lists(st.tuples(st.just(1), *times_of), max_size=20), st.tuples(st.just(1), near))
def test_events_in_memory_give_what_a_stored_timeline_gives(events, row):
    kept, values = source(*events), {"a": {"plausible": [0, 5], "ties": "min"}}
    both = (kept, Timeline.of(kept.frame))
    stored, in_memory = (columns(one, index_rows(row), values, strata={}, lookback="3h") for one in both)
    for column in ("events", "static"):
        assert codes_of(in_memory, column) == codes_of(stored, column)
    for one, other in zip(*(inputs.columns["events"].rows("value") for inputs in (in_memory, stored)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_event_without_a_code_is_no_event():
    events = Timeline.of(source((1, 1, None, 3.0), (1, 2, "pulse", 60.0)).frame)
    assert codes_of(columns(events, index_rows((1, 3)))) == [["pulse"]]
