"""Slope, intercept, curve and recalibration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from polyclinic.evaluation.calibration import bins, level, line, report
from polyclinic.evaluation.scores import of_all
from polyclinic.links import logit


def problem(rows=4000, sure=1.0, seed=0):
    """Probabilities whose logit is `sure` times the true one."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1, 1.2, rows)
    return (rng.random(rows) < expit(truth)).astype(float), expit(sure * truth)


@pytest.mark.parametrize("sure", [0.1, 0.5, 1.0, 2.0, 8.0])
def test_slope_and_intercept_are_those_of_an_unpenalised_logistic_regression(sure):
    y, p = problem(sure=sure)
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(p)[:, None], y)
    values = {k: of_all(score, len(y)) for k, score in line(y, p).items()}
    assert values["slope"] == pytest.approx(oracle.coef_[0, 0], rel=1e-4)
    assert values["intercept"] == pytest.approx(oracle.intercept_[0], abs=1e-4)


def test_a_block_of_replicates_gives_what_each_gives_alone():
    y, p = problem(rows=500)
    weights = np.random.default_rng(1).integers(0, 4, (6, 500)).astype(np.float32)
    slopes = line(y, p)["slope"](weights)
    for w, slope in zip(weights, slopes, strict=True):
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
    assert report(y, p, np.arange(4)).slope is None


def test_the_level_is_one_and_zero_where_probabilities_are_right_and_says_which_way_they_are_off():
    y, p = problem(rows=40_000)
    right, high = ({k: of_all(score, len(y)) for k, score in level(y, q).items()} for q in (p, expit(logit(p) + 0.5)))
    assert right == pytest.approx({"observed_expected": 1.0, "in_the_large": 0.0}, abs=0.03)
    assert high["in_the_large"] == pytest.approx(right["in_the_large"] - 0.5, abs=1e-9)
    assert high["observed_expected"] < 0.85


def test_the_level_of_a_block_of_replicates_is_that_of_each_alone():
    y, p = problem(rows=500)
    weights = np.random.default_rng(1).integers(0, 4, (6, 500)).astype(np.float32)
    shifts = level(y, p)["in_the_large"](weights)
    for w, shift in zip(weights, shifts, strict=True):
        assert np.average(expit(logit(p) + shift), weights=w) == pytest.approx(np.average(y, weights=w), abs=1e-5)


@pytest.mark.parametrize("only", [0.0, 1.0])
def test_one_class_has_no_intercept_and_no_crash(only):
    measures = level(np.full(4, only), np.array([0.1, 0.2, 0.3, 0.4]))
    assert np.isnan(of_all(measures["in_the_large"], 4))
    assert of_all(measures["observed_expected"], 4) == pytest.approx(4 * only)


def test_the_report_tells_good_from_bad_probabilities():
    good, bad = (report(*problem(sure=s), np.arange(4000)) for s in (1.0, 3.0))
    assert good.ece < 0.03 < bad.ece
    assert good.slope_interval.low < 1 < good.slope_interval.high
    assert bad.slope_interval.high < 0.5
    assert sum(point.n for point in good.curve) == 4000
    inside = [p.low <= p.predicted <= p.high for p in good.curve]
    assert sum(inside) >= 8


def test_equal_probabilities_share_a_bin_and_no_bin_is_empty():
    p = np.r_[np.full(90, 0.2), np.linspace(0.3, 0.9, 10)]
    bin_of_row = bins(p)
    assert len(set(bin_of_row[:90])) == 1
    assert set(bin_of_row) == set(range(bin_of_row.max() + 1))
