"""Tomorrow's pressure, planted in today's data, is found by no model; once `available_time` is ignored, it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.grid_task import grid_task

from polyclinic.errors import BadData
from polyclinic.reports.report import Report
from polyclinic.studies.run import run

pytest.importorskip("polyclinic.areas.records", reason="the area of records is not here")

TASK = {
    "kind": "binary",
    **grid_task("VITAL//map", "ADT_IN//icu", "ADT_OUT//icu"),
    "at_risk": {"last": {"map": {"within": "2h", "value_min": 65}}},
}
BEGIN = datetime(2030, 1, 1)
NEVER = datetime(2040, 1, 1)


def stays(subjects: int = 40, hours: int = 30) -> pl.DataFrame:
    """Pressures that tell nothing of the next ones, every hour at half past."""
    rng = np.random.default_rng(4)
    rows = []
    for subject in range(subjects):
        rows.append((subject, BEGIN, "ADT_IN//icu", None, None))
        rows.append((subject, BEGIN + timedelta(hours=hours), "ADT_OUT//icu", None, None))
        for hour in range(hours):
            value = float(rng.normal(76, 9))
            rows.append((subject, BEGIN + timedelta(hours=hour, minutes=30), "VITAL//map", value, None))
    return events(rows)


def events(rows: list[tuple]) -> pl.DataFrame:
    schema = {
        "subject_id": pl.Int64,
        "time": pl.Datetime("us"),
        "code": pl.String,
        "numeric_value": pl.Float32,
        "available_time": pl.Datetime("us"),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def planted(frame: pl.DataFrame, noise: float = 0.0) -> pl.DataFrame:
    """To every hour, the lowest pressure of the next two (mmHg, with noise), known to nobody before the year 2040."""
    pressures = frame.filter(code="VITAL//map")
    coming = (
        pressures.sort("subject_id", "time")
        .with_columns(
            low=pl.min_horizontal(pl.col("numeric_value"), pl.col("numeric_value").shift(-1).over("subject_id"))
        )
        .with_columns(
            pl.col("low") + pl.Series(np.random.default_rng(5).normal(0, noise, pressures.height), dtype=pl.Float32)
        )
    )
    oracle = coming.select(
        "subject_id",
        time=pl.col("time") - timedelta(minutes=31),
        code=pl.lit("LAB//oracle"),
        numeric_value="low",
        available_time=pl.lit(NEVER).cast(pl.Datetime("us")),
    )
    return pl.concat([frame, oracle]).sort("subject_id", "time", "code")


def answered(frame: pl.DataFrame, folder: Path, models: list) -> Report:
    """A study over a timeline of these events."""
    (folder / "meds" / "data").mkdir(parents=True)
    frame.write_parquet(folder / "meds" / "data" / "0.parquet")
    study = {
        "name": "tomorrow",
        "source": {"timeline": str(folder / "meds")},
        "task": TASK,
        "inputs": {"records": {"lookback": "6h"}},
        "split": {"test": 0.3},
        "models": models,
    }
    return run(study, out=folder / "run")


def probabilities(report: Report) -> pl.DataFrame:
    return report.predictions().select("row_id", "model", "fold", "split", "predicted_boolean_probability")


MODELS = ["gbm", "logistic", {"transformer": {"width": 16, "layers": 1, "events": 16, "training": {"epochs": 2}}}]


def test_an_answer_that_is_not_known_yet_moves_no_model(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    plain = answered(stays(), tmp_path / "plain", MODELS)
    with_oracle = answered(planted(stays()), tmp_path / "planted", MODELS)
    assert probabilities(with_oracle).equals(probabilities(plain))


def test_the_same_answer_stops_the_study_once_its_time_of_arrival_is_ignored(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="'LAB//oracle' gives the target all by itself"):
        answered(planted(stays()).drop("available_time"), tmp_path, ["gbm"])


def test_an_answer_with_noise_is_learned_once_its_time_of_arrival_is_ignored(tmp_path: Path) -> None:
    report = answered(planted(stays(), noise=2.0).drop("available_time"), tmp_path, ["gbm"])
    assert report.scores().filter(pl.col("score") == "auroc")["value"][0] > 0.9
    assert any("LAB//oracle" in note.result for note in report.document.notes)
