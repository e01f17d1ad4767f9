"""A table of labels in place of a task: the study asks when the table says, and its package asks when it is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from polyclinic import progress
from polyclinic.errors import BadData, UsageError
from polyclinic.packages.predict import predict
from polyclinic.progress import Reporter
from polyclinic.reports.report import Report
from polyclinic.studies.run import run

NOON = datetime(2030, 1, 1, 12)
SUBJECTS = 60


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MEDS folder of lactates, and labels at noon, mostly for those whose lactate is high."""
    folder = tmp_path_factory.mktemp("labelled")
    rng = np.random.default_rng(0)
    level = rng.normal(2, 1, SUBJECTS).astype(np.float32)
    who = np.arange(SUBJECTS)
    times = pl.Series([NOON - timedelta(hours=1)] * SUBJECTS, dtype=pl.Datetime("us"))
    events = pl.DataFrame({"subject_id": who, "time": times, "code": "LACTATE", "numeric_value": level})
    (folder / "meds" / "data").mkdir(parents=True)
    events.write_parquet(folder / "meds" / "data" / "0.parquet")
    noon = pl.Series([NOON] * SUBJECTS, dtype=pl.Datetime("us"))
    labels = pl.DataFrame(
        {"subject_id": who, "prediction_time": noon, "boolean_value": level + rng.normal(0, 0.5, SUBJECTS) > 2}
    )
    labels.write_parquet(folder / "labels.parquet")
    return folder


@pytest.fixture(scope="module")
def report(labelled: Path) -> Report:
    study = {
        "name": "labelled",
        "source": {"timeline": str(labelled / "meds")},
        "labels": str(labelled / "labels.parquet"),
        "models": ["logistic"],
    }
    return run(study, out=labelled / "run")


def test_a_study_of_labels_goes_the_whole_way(report: Report) -> None:
    assert report.document.cohort.rows == SUBJECTS
    answers = report.predictions().filter(pl.col("fold") == "package")
    assert answers.height == SUBJECTS
    assert answers["predicted_boolean_probability"].null_count() == 0


def test_its_package_answers_for_the_subjects_and_times_of_an_index(labelled: Path, report: Report) -> None:
    stored = report.predictions().filter(pl.col("fold") == "package")["predicted_boolean_probability"]
    index = labelled / "labels.parquet"
    assert predict(report.package, labelled / "meds", index=index)["predicted_boolean_probability"].equals(stored)
    at_noon = predict(report.package, labelled / "meds", at=NOON)
    assert at_noon["predicted_boolean_probability"].equals(stored)


class Lines(Reporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_an_infinite_value_is_left_out_and_counted_and_everyone_is_answered(
    labelled: Path, report: Report, tmp_path: Path
) -> None:
    events = pl.read_parquet(labelled / "meds" / "data" / "0.parquet")
    wrong = events.head(2).with_columns(pl.Series("numeric_value", [np.inf, -1e300]))
    (tmp_path / "meds" / "data").mkdir(parents=True)
    both = pl.concat([events.cast({"numeric_value": pl.Float64}), wrong])
    both.write_parquet(tmp_path / "meds" / "data" / "0.parquet")
    reporter = Lines()
    with progress.reporting(reporter):
        predictions = predict(report.package, tmp_path / "meds", at=NOON)
    assert predictions.equals(predict(report.package, labelled / "meds", at=NOON))
    assert reporter.lines[:1] == ["rows of the MEDS data set that are left out: 2 (numeric_value: an infinite number)"]


def test_without_a_time_it_says_what_is_missing(labelled: Path, report: Report) -> None:
    with pytest.raises(UsageError, match="there are no index times") as error:
        predict(report.package, labelled / "meds")
    assert "--index" in error.value.fix


def test_a_subject_of_whom_nothing_is_known_is_refused_not_answered(
    labelled: Path, report: Report, tmp_path: Path
) -> None:
    index = pl.DataFrame({"subject_id": [1, 999, 2], "prediction_time": [NOON, NOON, NOON - timedelta(days=9)]})
    index.write_parquet(tmp_path / "index.parquet")
    predictions = predict(report.package, labelled / "meds", index=tmp_path / "index.parquet")
    refused = dict(zip(predictions["subject_id"], predictions["refused"], strict=True))
    why = "nothing is known of this subject by then"
    assert refused == {1: None, 999: why, 2: why}
    assert predictions["predicted_boolean_probability"].is_null().equals(predictions["refused"].is_not_null())


def test_an_index_and_one_time_for_all_exclude_each_other(labelled: Path, report: Report) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        predict(report.package, labelled / "meds", index=labelled / "labels.parquet", at=NOON)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.with_columns(pl.col("subject_id") + 1000), "of no row of the labels anything is known"),
        (lambda t: pl.concat([t, t[:3].with_columns(~pl.col("boolean_value"))]), "6 rows of the labels"),
    ],
)
def test_labels_of_unknown_subjects_and_repeated_labels_are_errors(
    labelled: Path, tmp_path: Path, change, says
) -> None:
    change(pl.read_parquet(labelled / "labels.parquet")).write_parquet(tmp_path / "labels.parquet")
    study = {"name": "x", "source": {"timeline": str(labelled / "meds")}, "models": ["logistic"]}
    with pytest.raises(BadData, match=says):
        run({**study, "labels": str(tmp_path / "labels.parquet")}, out=tmp_path / "run")
