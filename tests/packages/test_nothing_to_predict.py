"""A source from which nothing can be predicted: why, and what to do."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from polyclinic.errors import BadData
from polyclinic.packages.predict import predict
from polyclinic.studies.run import run

TASK = {
    "predicates": {"begin": {"code": "IN"}, "finish": {"code": "OUT"}, "low": {"code": "MAP", "value_max": 65}},
    "every": {"step": "1h", "while": ["begin", "finish"], "after": "1h"},
    "windows": {"target": {"start": "trigger", "end": "start + 2h", "start_inclusive": False, "label": "low"}},
}
START = datetime(2026, 1, 1)


def meds(folder: Path, rows: list[tuple[object, ...]]) -> Path:
    (folder / "data").mkdir(parents=True)
    schema = {"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String, "numeric_value": pl.Float32}
    pl.DataFrame(rows, schema, orient="row").write_parquet(folder / "data" / "0.parquet")
    return folder


def stay(subject: int) -> list[tuple[object, ...]]:
    hours = [(subject, START + timedelta(hours=h, minutes=5), "MAP", 60.0 + 20 * ((h + subject) % 2)) for h in range(9)]
    return [(subject, START, "IN", None), *hours, (subject, START + timedelta(hours=9), "OUT", None)]


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stays")
    source = meds(folder / "meds", [event for subject in range(12) for event in stay(subject)])
    document = {
        "name": "stays",
        "source": {"timeline": str(source)},
        "task": TASK,
        "inputs": {"records": {"lookback": "4h", "strata": {}}},
        "models": ["naive"],
        "split": {"folds": 2},
    }
    return run(document, out=folder / "run").package


@pytest.mark.parametrize("year", [1990, 2090])
def test_a_time_outside_the_data_is_named_with_where_to_look(package, year):
    source = package.parent.parent / "meds"
    with pytest.raises(BadData, match=f"at {year}-01-01 00:00 no patient") as error:
        predict(package, source, at=datetime(year, 1, 1))
    assert "polyclinic describe" in error.value.fix
    assert predict(package, source, at=START + timedelta(hours=3)).height == 12


def test_a_source_without_events_is_empty(package, tmp_path):
    with pytest.raises(BadData, match="the source is empty: it has no events"):
        predict(package, meds(tmp_path / "empty", []))


def test_a_source_in_which_nobody_meets_the_task_says_where_to_look(package, tmp_path):
    elsewhere = meds(tmp_path / "elsewhere", [(1, START, "HR", 80.0)])
    with pytest.raises(BadData, match="no patient of this source meets the conditions of the task") as error:
        predict(package, elsewhere)
    assert "polyclinic cohort" in error.value.fix
