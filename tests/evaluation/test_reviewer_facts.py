"""What a reviewer asks beside the scores: concentration, prevalence, alerts a patient-day."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyclinic.evaluation.concentration import concentration
from polyclinic.evaluation.evaluator import evaluate
from polyclinic.evaluation.patient_days import observed_days
from polyclinic.evaluation.settings import Evaluation
from polyclinic.outcomes.binary import Binary

START = np.datetime64("2026-01-01T00:00", "us")
HOUR = np.timedelta64(1, "h")


def test_one_patient_with_most_rows_is_reported():
    groups = np.r_[np.zeros(680, int), np.arange(1, 33)]
    y = np.r_[np.ones(60), np.zeros(620), np.ones(8), np.zeros(24)]
    facts = concentration("subject", groups, y)
    assert (facts.groups, facts.rows, facts.most_rows, facts.median_rows) == (33, 712, 680, 1.0)
    assert facts.effective_groups == pytest.approx(712**2 / (680**2 + 32))
    assert (facts.positive_rows, facts.positive_groups, facts.few) == (68, 9, 10)
    assert facts.share_of_positives == 1.0
    assert facts.share_of_rows == pytest.approx(689 / 712)


@given(st.integers(1, 30), st.integers(1, 9))
def test_groups_of_one_size_are_all_effective(groups, rows):
    facts = concentration("site", np.repeat(np.arange(groups), rows))
    assert facts.effective_groups == pytest.approx(groups)
    assert facts.share_of_positives is None
    assert concentration("site", np.array([])) is None


def test_a_row_stands_for_the_time_until_the_next_at_most_a_step():
    subject = np.array([1, 1, 1, 2, 1, 2])
    hours = np.array([0, 1, 2, 5, 9, 6])
    days = observed_days(subject, START + hours * HOUR)
    assert days * 24 == pytest.approx([1, 1, 1, 1, 1, 1])
    close = observed_days(np.zeros(6, int), START + np.array([0, 60, 75, 120, 180, 240]) * np.timedelta64(1, "m"))
    assert close * 1440 == pytest.approx([60, 15, 45, 60, 60, 60])


@pytest.mark.parametrize("hours", [[0, 240, 480, 720], [0, 1, 10, 100], [5]], ids=["visits", "no grid", "one row"])
def test_visits_are_no_patient_days(hours):
    assert observed_days(np.zeros(len(hours), int), START + np.array(hours) * HOUR) is None


def table(rows=600, start=datetime(2026, 1, 1)):
    """30 patients, 20 questions each, one an hour."""
    rng = np.random.default_rng(0)
    p = rng.random(rows)
    return pl.DataFrame(
        {
            "row_id": np.arange(rows),
            "prediction_time": [start + timedelta(hours=i % 20) for i in range(rows)],
            "boolean_value": rng.random(rows) < p,
            "predicted_boolean_probability": p,
        }
    ).with_columns(model=pl.lit("m"), fold=pl.lit("0"), split=pl.lit("test"))


def evaluated(predictions):
    rows = predictions["row_id"].to_numpy()
    how = Evaluation(operating_point={"threshold": 0.8})
    groups = {"subject": rows // 20}
    results = evaluate(
        predictions, Binary(), how, row_id=rows, groups=groups, strata={}, roles={"m": "model"}, chosen="m"
    )
    return {key: value for section in results.sections for key, value in section.data.items()}


def test_alerts_a_patient_day_are_those_of_a_grid_of_an_hour():
    predictions = table()
    alert = predictions.filter(pl.col("predicted_boolean_probability") >= 0.8)
    (point,) = evaluated(predictions)["points"]
    days = 600 / 24
    assert point.alerts_per_day.value == pytest.approx(alert.height / days)
    assert point.false_alerts_per_day.value == pytest.approx((~alert["boolean_value"]).sum() / days)
    assert point.alerts_per_day.low < point.alerts_per_day.value < point.alerts_per_day.high
    (without,) = evaluated(predictions.drop("prediction_time"))["points"]
    assert (without.alerts_per_day, without.false_alerts_per_day) == (None, None)


def test_prevalence_and_concentration_stand_beside_the_scores():
    predictions = table()
    results = evaluated(predictions)
    assert results["prevalence"]["binary"].value == pytest.approx(predictions["boolean_value"].mean())
    assert results["prevalence"]["binary"].has_interval
    assert (results["concentration"].group, results["concentration"].groups) == ("subject", 30)
