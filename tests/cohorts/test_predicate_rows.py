"""Subgroups that a predicate defines: who was treated when the question was asked."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from polyclinic.cohorts.predicate_rows import column_holds, holds_before, predicate_of
from polyclinic.cohorts.task_parser import parse_task
from polyclinic.errors import UnknownName, UsageError

START = datetime(2026, 1, 1)
HOUR = timedelta(hours=1)
DOSE = {"code": "DOSE", "value_min": 0}


def fulfilled(events, index, lookback=24 * HOUR, predicate=DOSE):
    """events: (subject, hours or None, code, value, hours until known); index: (subject, hours)."""
    when = [None if h is None else START + h * HOUR for _, h, *_ in events]
    known = [None if t is None else t + late * HOUR for t, (*_, late) in zip(when, events, strict=True)]
    frame = pl.DataFrame(
        {
            "subject_id": [s for s, *_ in events],
            "time": pl.Series(when, dtype=pl.Datetime("us")),
            "available_time": pl.Series(known, dtype=pl.Datetime("us")),
            "code": [code for _, _, code, *_ in events],
            "numeric_value": pl.Series([v for *_, v, _ in events], dtype=pl.Float32),
        }
    )
    rows = pl.DataFrame({"subject_id": [s for s, _ in index], "prediction_time": [START + h * HOUR for _, h in index]})
    return holds_before(predicate_of("treated", predicate, None), frame.lazy(), rows, lookback).tolist()


def test_an_event_counts_from_when_it_is_known_until_the_look_back_has_passed():
    events = [(1, 10, "DOSE", 2.0, 1)]
    index = [(1, 10), (1, 11), (1, 34), (1, 35), (2, 11)]
    assert fulfilled(events, index) == [False, True, True, False, False]
    assert fulfilled(events, index, lookback=None) == [False, True, True, True, False]


def test_what_does_not_fulfil_the_predicate_is_no_treatment_and_what_has_no_time_always_counts():
    assert fulfilled([(1, 1, "DOSE", 0.0, 0), (1, 1, "OTHER", 5.0, 0)], [(1, 2)]) == [False]
    assert fulfilled([(1, None, "DOSE", 1.0, 0)], [(1, 2), (2, 2)]) == [True, False]


def test_a_predicate_of_the_task_is_named():
    task = parse_task({"predicates": {"dose": {"code": "DOSE"}}, "trigger": "dose"})
    assert predicate_of("treated", "dose", task) == task.predicates["dose"]
    with pytest.raises(UnknownName, match="did you mean 'dose'"):
        predicate_of("treated", "dosis", task)


def test_a_column_is_compared_and_a_missing_value_is_no():
    rows = pl.DataFrame({"age": [64.0, 65.0, None, 80.0], "sex": ["f", "m", "f", None]})
    assert column_holds("old", {"column": "age", "value_min": 65}, rows).tolist() == [False, False, False, True]
    inclusive = {"column": "age", "value_min": 65, "value_min_inclusive": True, "value_max": 80}
    assert column_holds("old", inclusive, rows).tolist() == [False, True, False, False]
    assert column_holds("women", {"column": "sex", "value": "f"}, rows).tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    "wrong",
    [
        "age",
        {"code": "A"},
        {"column": "age"},
        {"column": "agee", "value": 1},
        {"column": "age", "min": 1},
        {"column": "age", "value_min": "old"},
        {"column": "age", "value_max": None},
    ],
)
def test_what_compares_nothing_is_refused(wrong):
    with pytest.raises((UsageError, UnknownName)):
        column_holds("old", wrong, pl.DataFrame({"age": [1.0]}))
