"""Where a model fails, and by how much."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit, logit

from polyclinic import notes
from polyclinic.evaluation.evaluator import evaluate
from polyclinic.evaluation.settings import Evaluation
from polyclinic.evaluation.subgroups import false_discovery_rates
from polyclinic.outcomes.binary import Binary


def evaluated(side, happens, predicted, **settings):
    """Two rows a patient: `happens` is each row's true chance, `predicted` what the model says."""
    rows = np.arange(len(side))
    y = np.random.default_rng(1).random(len(side)) < happens
    table = pl.DataFrame({"row_id": rows, "boolean_value": y, "predicted_boolean_probability": predicted})
    table = table.with_columns(model=pl.lit("m"), fold=pl.lit("0"), split=pl.lit("test"))
    how = Evaluation(operating_point={"threshold": 0.4}, subgroups=("side",), **settings)
    columns = {"row_id": rows, "groups": {"subject": rows // 2}, "strata": {"side": side}}
    results = evaluate(table, Binary(), how, **columns, roles={"m": "model"}, chosen="m")
    return {s.level: s for s in results.subgroups}, y


def failing(rows=800):
    """On the right the model tells nothing apart and predicts half of what happens."""
    rng = np.random.default_rng(0)
    side = np.where(np.arange(rows) // 2 % 4 == 0, "right", "left")
    risk = expit(rng.normal(-0.5, 1.2, rows))
    return side, np.where(side == "right", 0.5, risk), np.where(side == "right", 0.25 + 0.01 * rng.random(rows), risk)


def test_a_failed_subgroup_shows_level_sensitivity_and_a_clear_gap():
    subgroups, y = evaluated(*failing())
    right, left = subgroups["right"], subgroups["left"]
    rows = failing()[0] == "right"
    assert right.positive == y[rows].sum()
    assert right.in_use["observed_expected"].value == pytest.approx(y[rows].sum() / failing()[2][rows].sum())
    assert right.in_use["observed_expected"].low > 1.5
    assert right.in_use["sensitivity"].value == 0.0
    gap = {g.score: g for g in right.gaps}
    assert set(gap) == {"auroc", "observed_expected", "sensitivity"}
    assert gap["auroc"].difference.value == pytest.approx(right.scores["auroc"].value - left.scores["auroc"].value)
    assert gap["auroc"].clear
    assert gap["auroc"].difference.high < 0


def test_subgroups_that_are_served_alike_have_no_clear_gap():
    rng = np.random.default_rng(0)
    side = np.array([f"level {k}" for k in rng.integers(8, size=400)]).repeat(2)
    risk = expit(rng.normal(-0.5, 1.2, 800))
    subgroups, _ = evaluated(side, risk, risk)
    assert [g.score for s in subgroups.values() for g in s.gaps if g.clear] == []


def test_a_small_subgroup_is_named_and_not_compared():
    side, happens, predicted = failing()
    side = np.where(np.arange(len(side)) < 20, "few", side)
    subgroups, _ = evaluated(side, happens, predicted)
    assert subgroups["few"].too_small
    assert subgroups["few"].n == 20
    assert subgroups["few"].gaps == ()
    assert not subgroups["left"].too_small


def test_rows_without_a_level_are_noted():
    side, happens, predicted = failing()
    with notes.collection() as noted:
        subgroups, _ = evaluated(np.where(np.arange(len(side)) < 30, "", side), happens, predicted)
    assert set(subgroups) == {"left", "right"}
    assert [note.result for note in noted] == ["30 of 800 test rows have no side"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_false_discovery_rates_are_those_of_benjamini_and_hochberg(p_values):
    assert false_discovery_rates(np.array(p_values)) == pytest.approx(stats.false_discovery_control(p_values))


def test_the_threshold_is_the_one_of_all_rows():
    assert logit(0.4) < 0
    subgroups, y = evaluated(*failing())
    side, _, predicted = failing()
    rows = side == "left"
    assert subgroups["left"].in_use["sensitivity"].value == pytest.approx((predicted[rows & y] >= 0.4).mean())
