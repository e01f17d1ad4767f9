"""How often a label's window was measured, and what ended it."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
from tests.grid_task import grid_task

from polyclinic.cohorts.extract import extract
from polyclinic.cohorts.label_windows import label_windows
from polyclinic.cohorts.task_parser import parse_task

START = datetime(2026, 1, 1)
TASK = grid_task()


def timeline(*events):
    """(subject, hours, code, value)"""
    rows = [(s, START + timedelta(hours=h), code, value) for s, h, code, value in sorted(events, key=lambda e: e[:2])]
    schema = {"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String, "numeric_value": pl.Float32}
    return pl.DataFrame(rows, schema, orient="row").lazy()


def windows(task, *events):
    source = timeline(*events)
    index = extract(parse_task(task), source).index
    facts = label_windows(parse_task(task), source, index)
    assert facts.height == index.height
    hours = ((index["prediction_time"] - START).dt.total_minutes() / 60).to_list()
    return dict(zip(zip(index["subject_id"], hours, strict=True), facts.rows(named=True), strict=True))


def test_measurements_in_the_window_are_counted_with_its_ends():
    windows_of_rows = windows(
        TASK, (1, 0, "IN", None), (1, 2, "MAP", 70), (1, 3, "MAP", 60), (1, 3.5, "MAP", 80), (1, 9, "OUT", None)
    )
    counts = {hour: facts["label_count"] for (_, hour), facts in windows_of_rows.items()}
    assert counts == {1: 2, 2: 2, 3: 1, 4: 0, 5: 0, 6: 0, 7: 0, 8: 0, 9: 0}


def test_cuff_and_line_at_one_instant_are_one_measurement():
    facts = windows(TASK, (1, 0, "IN", None), (1, 2, "MAP", 70), (1, 2, "MAP", 60), (1, 9, "OUT", None))
    assert facts[1, 1.0]["label_count"] == 1


def test_a_window_ends_with_death_the_stay_the_record_or_at_its_full_length():
    windows_of_rows = windows(
        TASK,
        (1, 0, "IN", None), (1, 4, "OUT", None), (1, 30, "MAP", 70),
        (2, 0, "IN", None), (2, 3, "MEDS_DEATH", None), (2, 3, "OUT", None),
        (3, 0, "IN", None), (3, 2.5, "MAP", 80),
    )  # fmt: skip
    ends = {key: facts["window_end"] for key, facts in windows_of_rows.items()}
    assert ends[1, 1.0] == ends[1, 2.0] == "its full length"
    assert ends[1, 3.0] == ends[1, 4.0] == "the end of the stay"
    assert ends[2, 1.0] == ends[2, 2.0] == "death"
    assert ends[3, 1.0] == ends[3, 2.0] == "the end of the record"


@pytest.mark.parametrize("target", [{"start": "trigger", "end": "start -> icu_out", "label": "low"}])
def test_a_window_that_ends_with_an_event_has_no_such_facts(target):
    task = {**TASK, "windows": {"target": target}}
    source = timeline((1, 0, "IN", None), (1, 4, "OUT", None))
    assert label_windows(parse_task(task), source, extract(parse_task(task), source).index) is None
