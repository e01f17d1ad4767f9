"""Decisions that stand in a file of predictions are judged as they are; thresholds that were chosen on it say so."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import polars as pl
import pytest

from polyclinic import progress
from polyclinic.errors import BadData
from polyclinic.reports import schema
from polyclinic.reports.external import evaluate
from polyclinic.reports.sections.usefulness import Usefulness

ROWS = 200
THRESHOLD = 0.35


@pytest.fixture
def mine(tmp_path):
    """A file of predictions with the truth and with decisions at a threshold of their own."""
    rng = np.random.default_rng(0)
    died = rng.random(ROWS) < 0.3
    risk = np.clip(np.where(died, 0.5, 0.3) + rng.normal(0, 0.15, ROWS), 0.001, 0.999)
    frame = pl.DataFrame(
        {
            "patient": [f"P{i // 2}" for i in range(ROWS)],
            "predicted_boolean_probability": risk,
            "predicted_boolean_value": risk >= THRESHOLD,
            "boolean_value": died,
        }
    )
    return tmp_path / "mine.csv", frame


def report_of(mine, *changes, drop=(), group="patient"):
    path, frame = mine
    frame.with_columns(*changes).drop(*drop).write_csv(path)
    return evaluate(path, group=group, out=path.parent / "out")


def point_of(report, model="mine"):
    return report.document.section(Usefulness).point(model, "binary")


def titles(report):
    return [caution.title for caution in report.document.cautions]


def test_the_decisions_of_the_file_are_the_operating_point(mine):
    report, rows = report_of(mine), mine[1]
    point = point_of(report)
    died, alert = pl.col("boolean_value"), pl.col("predicted_boolean_value")
    share = rows.select(
        sensitivity=alert.filter(died).mean(),
        specificity=(~alert).filter(~died).mean(),
        ppv=died.filter(alert).mean(),
        alerts=100 * alert.mean(),
    ).row(0, named=True)
    for name in ("sensitivity", "specificity", "ppv"):
        assert point.scores[name].value == pytest.approx(share[name])
    assert point.alerts_per_100.value == pytest.approx(share["alerts"])
    assert (point.rule, point.threshold, point.reached, point.chosen_on) == ({}, None, None, "")


def test_the_finding_the_page_and_the_document_say_that_the_decisions_are_those_of_the_file(mine):
    report = report_of(mine)
    page = (report.folder / "report.html").read_text()
    assert "At the decisions in the file " in report.finding
    assert "at the decisions in the file" in page
    assert point_of(report).basis == "decisions in the file"
    assert "operating point was" not in report.finding
    assert "Threshold that ships" not in page
    assert "Threshold" not in titles(report)


def test_a_report_of_decisions_keeps_the_schema(mine):
    document = json.loads((report_of(mine).folder / "report.json").read_text())
    jsonschema.validate(document, schema.shipped())


def test_a_threshold_is_shown_where_the_file_states_it(mine):
    stated = pl.lit(THRESHOLD).alias("threshold")
    assert point_of(report_of(mine, stated)).threshold == THRESHOLD
    several = (pl.int_range(pl.len()) % 2 * 0.1).alias("threshold")
    assert point_of(report_of(mine, several)).threshold is None


@pytest.mark.parametrize(("yes", "no"), [("yes", "no"), ("1", "0"), ("True", "False")])
def test_decisions_in_words_are_read(mine, yes, no):
    words = pl.when("predicted_boolean_value").then(pl.lit(yes)).otherwise(pl.lit(no)).alias("predicted_boolean_value")
    assert point_of(report_of(mine, words)) == point_of(report_of(mine))


def test_decisions_in_other_words_are_refused(mine):
    with pytest.raises(BadData, match="what was decided is not yes or no") as error:
        report_of(mine, pl.lit("perhaps").alias("predicted_boolean_value"))
    assert error.value.at.column == "predicted_boolean_value"


def test_a_row_without_a_decision_is_noted_and_a_threshold_is_chosen(mine):
    some = pl.when(pl.int_range(pl.len()) > 4).then("predicted_boolean_value").alias("predicted_boolean_value")
    report = report_of(mine, some)
    assert point_of(report).basis == "threshold"
    noted = [(note.check, note.result) for note in report.document.notes]
    assert noted == [("decisions in the file", f"5 of {ROWS} rows of mine have none")]


def test_a_row_without_a_truth_needs_no_decision(mine):
    known = pl.int_range(pl.len()) > 4
    some = [pl.when(known).then(name).alias(name) for name in ("predicted_boolean_value", "boolean_value")]
    assert point_of(report_of(mine, *some)).basis == "decisions in the file"


def test_each_model_has_its_own_decisions_or_none(mine):
    path, frame = mine
    other = pl.lit(None, pl.Boolean).alias("predicted_boolean_value")
    both = pl.concat([frame.with_columns(model=pl.lit("a")), frame.with_columns(other, model=pl.lit("b"))])
    report = report_of((path, both))
    assert [point_of(report, model).basis for model in "ab"] == ["decisions in the file", "threshold"]


def test_a_threshold_that_the_scored_rows_chose_is_not_said_to_reach_anything(mine):
    report = report_of(mine, drop=["predicted_boolean_value"])
    page = (report.folder / "report.html").read_text()
    assert "operating point was" not in report.finding
    assert "The threshold was chosen on these same rows, so that the numbers at it flatter it." in report.finding
    assert "Threshold" in titles(report)
    assert point_of(report).reached is None
    assert "Threshold that ships" not in page
    assert "the rows that are scored" in page


def test_a_threshold_that_validation_rows_chose_is_judged(mine):
    split = pl.when(pl.int_range(pl.len()) < ROWS // 2).then(pl.lit("validation")).otherwise(pl.lit("test"))
    report = report_of(mine, split.alias("split"), drop=["predicted_boolean_value"])
    assert "the operating point was" in report.finding
    assert "Threshold" not in titles(report)
    assert point_of(report).reached is not None


# -- probabilities that are decisions ---------------------------------------------------------------------------------


def decisions_alone(mine):
    path, frame = mine
    zeros = pl.col("predicted_boolean_value").cast(pl.Float64).alias("predicted_boolean_probability")
    return path, frame.with_columns(zeros)


def test_probabilities_of_0_and_1_alone_are_decisions_at_one_half(mine):
    report = report_of(decisions_alone(mine), drop=["predicted_boolean_value"])
    point, decided = point_of(report), point_of(report_of(mine))
    assert (point.threshold, point.basis) == (0.5, "decisions in the file")
    assert point.scores == decided.scores
    (text,) = [c.text for c in report.document.cautions if c.title == "Decisions in place of probabilities"]
    assert "These are decisions, not probabilities: calibration and ranking mean little." in text
    assert "0.500" in (report.folder / "report.html").read_text()


def test_decisions_of_one_model_leave_the_others_as_they_are(mine):
    path, frame = mine
    both = [f.with_columns(model=pl.lit(m)) for f, m in ((decisions_alone(mine)[1], "a"), (frame, "b"))]
    report = report_of((path, pl.concat(both)), drop=["predicted_boolean_value"])
    assert [point_of(report, model).basis for model in "ab"] == ["decisions in the file", "threshold"]


def test_one_answer_for_all_rows_decides_nothing(mine):
    report = report_of(mine, pl.lit(0.0).alias("predicted_boolean_probability"), drop=["predicted_boolean_value"])
    assert "Decisions in place of probabilities" not in titles(report)


def test_a_threshold_just_above_0_is_not_shown_as_0(mine):
    tiny = (pl.col("predicted_boolean_probability") / 10_000).alias("predicted_boolean_probability")
    page = (report_of(mine, tiny, drop=["predicted_boolean_value"]).folder / "report.html").read_text()
    assert "below 0.001" in page


# -- the file in words ------------------------------------------------------------------------------------------------


def test_without_labels_the_flow_ends_with_the_rows_that_have_a_truth(mine):
    known = pl.when(pl.int_range(pl.len()) > 4).then("boolean_value").alias("boolean_value")
    steps = [(step.step, step.rows) for step in report_of(mine, known).document.cohort.attrition]
    assert steps == [("rows of the predictions", ROWS), ("with a truth", ROWS - 5)]


def test_models_of_unequal_rows_are_counted_and_nothing_is_called_test(mine):
    path, frame = mine
    frame = frame.with_row_index("row_id")
    both = pl.concat([frame.with_columns(model=pl.lit("a")), frame.tail(190).with_columns(model=pl.lit("b"))])
    with pytest.raises(BadData) as error:
        report_of((path, both))
    assert "'a' 200 rows, 'b' 190 rows; 190 are common to all" in str(error.value)
    assert "test" not in f"{error.value.what} {error.value.fix}"


# -- rows without a group ----------------------------------------------------------------------------------------------


def without_group(report):
    return [caution.text for caution in report.document.cautions if caution.title == "No group is named"]


@pytest.mark.parametrize("name", ["patient", "subject_id", "PatientID", "mrn", "stay_id"])
def test_without_a_group_a_column_that_looks_like_one_is_asked_about(mine, name, capsys):
    path, frame = mine
    with progress.reporting(progress.Console()):
        report = report_of((path, frame.rename({"patient": name})), group=None)
    question = f"each of {ROWS} rows counts as independent, but {name} has only 100 values: was --group {name} meant?"
    (text,) = without_group(report)
    assert f"{question} Rows of one patient are alike" in text
    assert question in " ".join(capsys.readouterr().err.split())


def test_without_any_such_column_every_row_is_said_to_count_as_independent(mine):
    (text,) = without_group(report_of(mine, drop=["patient"], group=None))
    assert text.startswith(f"each of {ROWS} rows counts as independent. Where several rows are of one patient")


def test_patients_of_one_row_each_need_no_group_and_rows_that_are_called_cases_may(mine):
    path, frame = mine
    numbers = pl.Series(np.arange(ROWS))
    assert not without_group(report_of((path, frame.with_columns(patient=numbers)), group=None))
    assert without_group(report_of((path, frame.drop("patient").with_columns(case=numbers)), group=None))
    assert not without_group(report_of(mine))
