"""The cohorts that ACES 0.7.3 gave on public data, row by row."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from polyclinic.cohorts.extract import extract
from polyclinic.cohorts.task import Task
from polyclinic.cohorts.task_parser import load_task
from polyclinic.timelines.timeline import Timeline

NAMES = [
    "abnormal_potassium",
    "aces_readmission_risk",
    "imminent_mortality_icu",
    "inhospital_mortality",
    "readmission_30d",
    "ventilation_start",
]


def golden(shared: Path, name: str) -> tuple[Task, Timeline, set[tuple[object, ...]]]:
    folder = shared / "conformance" / "cohorts"
    listed = {c["name"]: c["data"] for c in json.loads((folder / "MANIFEST.json").read_text("utf-8"))["cohorts"]}
    rows = pl.read_parquet(folder / name / "labels.parquet").select("subject_id", "prediction_time", "boolean_value")
    return load_task(folder / name / "task.yaml"), Timeline(shared / "data" / listed[name]), set(rows.rows())


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_those_of_aces(shared: Path, name: str) -> None:
    task, timeline, wanted = golden(shared, name)
    labels = extract(task, timeline).labels
    assert labels.height == len(wanted)
    assert set(labels.rows()) == wanted


@pytest.mark.parametrize("name", NAMES)
def test_the_index_times_are_the_same_without_an_outcome(shared: Path, name: str) -> None:
    task, timeline, _ = golden(shared, name)
    keys = ["subject_id", "prediction_time"]
    unlabelled = extract(task, timeline, outcome=False)
    assert unlabelled.index.select(keys).equals(extract(task, timeline).index.select(keys))
    assert unlabelled.index["boolean_value"].is_null().all()
    assert unlabelled.labels.is_empty()


def test_steps_add_up(shared: Path) -> None:
    task, timeline, wanted = golden(shared, "inhospital_mortality")
    steps = extract(task, timeline).attrition
    index_times = next(s.rows for s in steps if s.step == "index times")
    assert index_times - sum(s.rows for s in steps if s.excluded and s.past_index) == steps[-1].rows == len(wanted)
