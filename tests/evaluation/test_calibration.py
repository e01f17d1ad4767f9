"""Slope, intercept, curve and recalibration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from polyclinic.evaluation.calibration import bins, line, logit, recalibrated, recalibration, report
from polyclinic.evaluation.scores import of_all


def problem(rows=4000, sure=1.0, seed=0):
    """Probabilities whose logit is `sure` times the true one."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1, 1.2, rows)
    return (rng.random(rows) < expit(truth)).astype(float), expit(sure * truth)


@pytest.mark.parametrize("sure", [0.1, 0.5, 1.0, 2.0, 8.0])
def test_slope_and_intercept_are_those_of_an_unpenalised_logistic_regression(sure):
    y, p = problem(sure=sure)
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(p)[:, None], y)
    found = {k: of_all(score, len(y)) for k, score in line(y, p).items()}
    assert found["slope"] == pytest.approx(oracle.coef_[0, 0], rel=1e-4)
    assert found["intercept"] == pytest.approx(oracle.intercept_[0], abs=1e-4)


def test_a_block_of_replicates_gives_what_each_gives_alone():
    y, p = problem(rows=500)
    weights = np.random.default_rng(1).integers(0, 4, (6, 500)).astype(np.float32)
    found = line(y, p)["slope"](weights)
    for w, slope in zip(weights, found, strict=True):
        oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(p)[:, None], y, sample_weight=w)
        assert slope == pytest.approx(oracle.coef_[0, 0], abs=1e-4)


@pytest.mark.parametrize(
    ("y", "p"),
    [([0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4]), ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3]), ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])],
    ids=["one class", "one probability", "separated"],
)
def test_where_there_is_no_finite_fit_nothing_is_recalibrated(y, p):
    y, p = np.array(y, float), np.array(p)
    assert np.isnan(of_all(line(y, p)["slope"], 4))
    assert recalibration(np.tile(y, 9), np.tile(p, 9), np.arange(36)) == {}
    assert report(y, p, np.arange(4))["slope"] is None


def test_an_order_that_is_upside_down_is_not_turned_by_recalibration():
    y, p = problem()
    assert recalibration(y, 1 - p, np.arange(4000)) == {}


def test_recalibrated_probabilities_have_slope_one_and_intercept_none_and_keep_their_order():
    y, p = problem(sure=3.0)
    after = recalibrated(p, recalibration(y, p, np.arange(4000)))
    found = {name: of_all(score, 4000) for name, score in line(y, after).items()}
    assert found == pytest.approx({"slope": 1.0, "intercept": 0.0}, abs=1e-6)
    assert (np.argsort(after, kind="stable") == np.argsort(p, kind="stable")).all()
    assert after.mean() == pytest.approx(y.mean(), abs=1e-6)


def test_good_probabilities_are_seldom_recalibrated_and_bad_ones_nearly_always():
    groups = np.repeat(np.arange(60), 10)
    left = [recalibration(*problem(600, seed=s), groups) == {} for s in range(40)]
    mended = [recalibration(*problem(600, sure=2.5, seed=s), groups).get("slope", 1) < 0.6 for s in range(40)]
    assert sum(left) >= 34
    assert sum(mended) >= 39


def test_a_group_that_says_the_same_ten_times_is_heard_once():
    y, p = (np.tile(one, 10) for one in problem(60, sure=1.4, seed=5))
    assert recalibration(y, p, np.arange(600))
    assert not recalibration(y, p, np.tile(np.arange(60), 10))


def test_the_report_tells_good_from_bad_probabilities():
    good, bad = (report(*problem(sure=s), np.arange(4000)) for s in (1.0, 3.0))
    assert good["ece"] < 0.03 < bad["ece"]
    assert good["slope_interval"].low < 1 < good["slope_interval"].high
    assert bad["slope_interval"].high < 0.5
    assert sum(point["n"] for point in good["curve"]) == 4000
    inside = [p["low"] <= p["predicted"] <= p["high"] for p in good["curve"]]
    assert sum(inside) >= 8


def test_equal_probabilities_share_a_bin_and_no_bin_is_empty():
    p = np.r_[np.full(90, 0.2), np.linspace(0.3, 0.9, 10)]
    found = bins(p)
    assert len(set(found[:90])) == 1
    assert set(found) == set(range(found.max() + 1))
