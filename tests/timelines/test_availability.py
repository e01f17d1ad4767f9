"""What was known when: the law that everything else leans on."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from polyclinic.timelines.availability import TIMELESS, instants, known_at, known_by

TIMES = st.none() | st.datetimes(datetime(2100, 1, 1), datetime(2100, 1, 3))


def frame(**columns) -> pl.DataFrame:
    return pl.DataFrame(columns, dict.fromkeys(columns, pl.Datetime("us")))


@given(st.lists(st.tuples(TIMES, TIMES), max_size=8), st.datetimes(datetime(2100, 1, 1), datetime(2100, 1, 3)))
def test_an_event_is_known_from_its_available_time_on_else_from_its_time_and_without_a_time_always(pairs, index):
    events = frame(time=[t for t, _ in pairs], available_time=[a for _, a in pairs])
    known = events.select(known=known_at(events.columns))["known"].to_list()
    assert [k is None or k <= index for k in known] == [
        t is None or (a if a is not None else t) <= index for t, a in pairs
    ]


def test_without_the_column_the_time_itself_counts():
    events = frame(time=[datetime(2100, 1, 1), None])
    assert events.select(known_at(events.columns))["known"].to_list() == [datetime(2100, 1, 1), None]


@given(st.lists(st.tuples(TIMES, TIMES), max_size=8), st.booleans())
def test_events_in_memory_are_known_when_a_query_says(pairs, with_availability: bool) -> None:
    events = frame(time=[t for t, _ in pairs], available_time=[a for _, a in pairs])
    events = events if with_availability else events.drop("available_time")
    queried = events.select(known_at(events.columns).to_physical().fill_null(TIMELESS))["known"]
    available = instants(events["available_time"]) if with_availability else None
    assert known_by(instants(events["time"]), available).tolist() == queried.to_list()
