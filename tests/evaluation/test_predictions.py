"""Predictions made elsewhere are joined with labels, and what is not used is noted."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from polyclinic import progress
from polyclinic.errors import BadData, UsageError
from polyclinic.evaluation.settings import Evaluation
from polyclinic.reports.external import evaluate

ROWS = 120
START = datetime(2026, 1, 1)


@pytest.fixture
def files(tmp_path):
    """Labels as `cohort` writes them, and predictions for the same rows."""
    rng = np.random.default_rng(0)
    keys = pl.DataFrame(
        {
            "subject_id": np.arange(ROWS) // 3,
            "prediction_time": [START + timedelta(hours=i % 3, microseconds=i) for i in range(ROWS)],
        }
    )
    y = rng.random(ROWS) < 0.4
    keys.with_columns(boolean_value=pl.Series(y)).write_parquet(tmp_path / "labels.parquet")
    return tmp_path, keys.with_columns(risk=pl.Series(np.where(y, 0.6, 0.4) + 0.3 * (rng.random(ROWS) - 0.5)))


def report(folder, predictions, **options):
    predictions.write_parquet(folder / "mine.parquet")
    options = {"labels": folder / "labels.parquet", "group": "subject_id", **options}
    return evaluate(folder / "mine.parquet", out=folder / "out", **options).document.model_dump(mode="json")


def auroc(folder, predictions, **options):
    return report(folder, predictions, **options)["models"]["mine"]["binary"]["test"]["auroc"]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_of_any_precision_join(files, unit):
    folder, predictions = files
    whole = predictions.with_columns(pl.col("prediction_time").dt.truncate("1h"))
    labels = pl.read_parquet(folder / "labels.parquet").with_columns(pl.col("prediction_time").dt.truncate("1h"))
    labels.write_parquet(folder / "labels.parquet")
    assert auroc(folder, whole.cast({"prediction_time": pl.Datetime(unit)}))["n"] == ROWS


def test_nanoseconds_as_pandas_writes_them_give_what_microseconds_give(files):
    folder, predictions = files
    assert auroc(folder, predictions.cast({"prediction_time": pl.Datetime("ns")})) == auroc(folder, predictions)


def test_times_with_a_zone_beside_times_without_one_are_refused_by_name(files):
    folder, predictions = files
    zoned = predictions.with_columns(pl.col("prediction_time").dt.replace_time_zone("UTC"))
    with pytest.raises(
        BadData, match="mixed zones: prediction_time has UTC in the predictions and no zone in the labels"
    ):
        auroc(folder, zoned)


def test_one_instant_in_two_zones_is_one_row(files):
    folder, predictions = files
    labels = pl.read_parquet(folder / "labels.parquet")
    there = pl.col("prediction_time").dt.replace_time_zone("UTC").dt.convert_time_zone("America/Chicago")
    labels.with_columns(there).write_parquet(folder / "labels.parquet")
    zoned = predictions.with_columns(pl.col("prediction_time").dt.replace_time_zone("UTC"))
    assert auroc(folder, zoned)["n"] == ROWS


@pytest.mark.parametrize("kind", [pl.Int32, pl.UInt64, pl.Int64])
def test_whole_numbers_of_any_width_join(files, kind):
    folder, predictions = files
    assert auroc(folder, predictions.cast({"subject_id": kind}))["n"] == ROWS


def test_text_beside_integers_is_compared_as_text(files):
    folder, predictions = files
    text, numbers = (
        auroc(folder, frame)["value"] for frame in (predictions.cast({"subject_id": pl.String}), predictions)
    )
    assert text == numbers
    zeros = predictions.with_columns(subject_id="0" + pl.col("subject_id").cast(pl.String))
    with pytest.raises(BadData, match="no row of the predictions has a row in the labels"):
        auroc(folder, zeros)


def test_text_loses_the_blanks_around_it_and_whole_floats_are_integers(files):
    folder, predictions = files
    text = pl.col("subject_id").cast(pl.String)
    forms = (text + " ", text.cast(pl.Categorical), pl.col("subject_id").cast(pl.Float64))
    for form in forms:
        one, other = auroc(folder, predictions.with_columns(form)), auroc(folder, predictions)
        assert (one["value"], one["n"]) == (other["value"], other["n"])


def test_subjects_that_pandas_wrote_as_floats_beside_missing_ones_join(files):
    folder, predictions = files
    some = predictions.with_columns(pl.when(pl.col("subject_id") > 3).then(pl.col("subject_id").cast(pl.Float64)))
    assert auroc(folder, some)["n"] == ROWS - 12


@pytest.mark.parametrize("name", ["__index_level_0__", "Unnamed: 0"])
def test_the_index_of_a_pandas_frame_is_no_key(files, name):
    folder, predictions = files
    numbers = pl.Series(name, np.arange(ROWS)[::-1])
    labels = pl.read_parquet(folder / "labels.parquet").with_row_index(name)
    labels.write_parquet(folder / "labels.parquet")
    assert auroc(folder, predictions.with_columns(numbers))["n"] == ROWS


@pytest.mark.parametrize(("no", "yes"), [("False", "True"), ("no", "Yes"), ("0.0", "1.0"), ("0", "1"), ("N", "y ")])
@pytest.mark.parametrize("name", ["boolean_value", "y_true"])
def test_a_truth_in_words_is_read(files, no, yes, name):
    folder, predictions = files
    labels = pl.read_parquet(folder / "labels.parquet")
    words = pl.when(pl.col("subject_id") == 0).then(pl.lit("NA")).when("boolean_value").then(pl.lit(yes))
    labels.select("subject_id", "prediction_time", words.otherwise(pl.lit(no)).alias(name)).write_parquet(
        folder / "labels.parquet"
    )
    assert auroc(folder, predictions)["n"] == ROWS - 3


def test_a_truth_in_other_words_is_refused(files):
    folder, predictions = files
    labels = pl.read_parquet(folder / "labels.parquet")
    words = pl.when("boolean_value").then(pl.lit("dead")).otherwise(pl.lit("alive"))
    labels.with_columns(words.alias("boolean_value")).write_parquet(folder / "labels.parquet")
    with pytest.raises(BadData, match="not yes or no"):
        auroc(folder, predictions)


def test_a_column_of_weights_is_no_probability_and_is_noted(files):
    folder, predictions = files
    weighted, plain = (report(folder, frame) for frame in (predictions.with_columns(weight=pl.lit(0.5)), predictions))
    assert weighted["models"] == plain["models"]
    noted = [(note["check"], note["result"]) for note in weighted["notes"]]
    assert noted == [("weights of rows", "the column weight is not used")]


def test_rows_of_another_outcome_are_noted(files):
    folder, predictions = files
    other = predictions.head(30).with_columns(outcome=pl.lit("length of stay"))
    both = pl.concat([predictions.with_columns(outcome=pl.lit("binary")), other])
    document = report(folder, both)
    assert document["models"]["mine"]["binary"]["test"]["auroc"]["n"] == ROWS
    assert [note["result"] for note in document["notes"]] == ["30 of 150 rows: not binary"]
    with pytest.raises(BadData, match="no row is of the outcome 'binary'"):
        auroc(folder, other)


def test_a_truth_that_is_called_outcome_is_named(files):
    folder, predictions = files
    y = pl.read_parquet(folder / "labels.parquet")["boolean_value"].cast(pl.Int8)
    with pytest.raises(BadData, match="names which outcome a row predicts"):
        auroc(folder, predictions.with_columns(outcome=y), labels=None)


def test_a_group_that_is_missing_is_an_error_as_pandas_writes_it_too(files):
    folder, predictions = files
    ward = pl.when(pl.int_range(pl.len()) < 20).then(float("nan")).otherwise(1.0)
    labels = pl.read_parquet(folder / "labels.parquet")
    labels.with_columns(ward=ward).write_parquet(folder / "labels.parquet")
    with pytest.raises(BadData, match="20 rows have no 'ward'"):
        auroc(folder, predictions, group="ward")


# what stands in both files ------------------------------------------------------------------------------------------


@pytest.fixture
def cases(tmp_path):
    """Predictions and labels by case, the truth under any name, the same rows in both."""
    rng = np.random.default_rng(1)
    y = rng.random(ROWS) < 0.4
    risk = np.where(y, 0.6, 0.4) + 0.3 * (rng.random(ROWS) - 0.5)
    rows = {"case": [f"c{i}" for i in range(ROWS)], "patient": [f"P{i // 4}" for i in range(ROWS)]}

    def write(in_predictions, in_labels, *, flipped=(), labels=slice(None), predictions=slice(None)):
        other = np.where(np.isin(np.arange(ROWS), flipped), ~y, y)
        table = pl.DataFrame({**rows, "risk": risk, **({in_predictions: other} if in_predictions else {})})
        table[predictions].write_csv(tmp_path / "mine.csv")
        pl.DataFrame({"case": rows["case"], in_labels: y})[labels].write_csv(tmp_path / "labels.csv")
        return tmp_path / "mine.csv", tmp_path / "labels.csv"

    return write


def of_files(files, **options):
    mine, labels = files
    return evaluate(mine, labels=labels, out=mine.parent / "out", **{"group": "patient", **options}).document


@pytest.mark.parametrize(
    ("in_predictions", "in_labels"), [("boolean_value", "boolean_value"), ("boolean_value", "died"), ("died", "died")]
)
def test_opposite_truths_in_predictions_and_labels_are_refused_with_their_number(cases, in_predictions, in_labels):
    files = cases(in_predictions, in_labels, flipped=[3, 5, 8])
    with pytest.raises(BadData, match=f"3 of {ROWS} rows: another truth in the predictions") as error:
        of_files(files)
    assert error.value.at.column in (in_predictions, in_labels)


@pytest.mark.parametrize("name", ["boolean_value", "died"])
def test_a_truth_that_both_files_hold_alike_changes_nothing_and_is_no_key(cases, name):
    assert of_files(cases(name, name)).models == of_files(cases(None, name)).models


def test_rows_that_only_one_file_has_are_counted_on_the_screen_too(cases, capsys):
    with progress.reporting(progress.Console()):
        document = of_files(cases(None, "died", labels=slice(100), predictions=slice(10, None)))
    shown = capsys.readouterr().err
    assert "predictions without a row in the labels: 20 of 110" in shown
    assert "labels without a prediction: 10 of 100" in shown
    assert {check.check for check in document.sanity} >= {"labels without a prediction"}


@pytest.mark.parametrize("group", ["died", "risk", "boolean_value", "model"])
def test_a_group_that_is_the_truth_or_the_prediction_is_refused(cases, group):
    mine, _ = cases("boolean_value" if group == "boolean_value" else "died", "died")
    with pytest.raises(UsageError, match="cannot group the rows"):
        evaluate(mine, group=group, out=mine.parent / "out")


def test_a_subgroup_that_is_the_truth_is_refused(cases):
    with pytest.raises(UsageError, match="cannot group the rows"):
        of_files(cases(None, "died"), settings=Evaluation(subgroups=("boolean_value",)))


def test_a_group_of_zeros_and_ones_is_not_taken_for_the_truth(cases):
    mine, _ = cases("died", "died")
    pl.read_csv(mine).with_columns(site=pl.int_range(pl.len()) % 2).write_csv(mine)
    assert evaluate(mine, group="site", out=mine.parent / "out").document.cohort.rows == ROWS


def test_a_truth_written_as_0_0_and_1_0_is_no_probability(cases):
    mine, _ = cases("died", "died")
    pl.read_csv(mine).with_columns(pl.col("died").cast(pl.Float64)).write_csv(mine)
    assert evaluate(mine, group="patient", out=mine.parent / "out").document.cohort.rows == ROWS


@pytest.mark.parametrize("text", ["", "\n", "case,patient,risk\n"])
@pytest.mark.parametrize("which", [0, 1])
def test_an_empty_file_is_called_empty(cases, text, which):
    files = cases(None, "died")
    files[which].write_text(text)
    with pytest.raises(BadData, match=r"the file is empty|there are no rows") as error:
        of_files(files)
    assert files[which].name in error.value.at.file
