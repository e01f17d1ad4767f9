"""Probabilities are moved only where rows that did not fit the move are better off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from polyclinic.evaluation.calibration import level, line
from polyclinic.evaluation.recalibration import recalibration
from polyclinic.evaluation.scores import log_loss, of_all
from polyclinic.links import recalibrated

GROUPS = np.repeat(np.arange(60), 10)


def problem(rows=600, sure=1.0, shift=0.0, seed=0):
    """Probabilities whose logit is `sure` times the true one, plus `shift`."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1, 1.2, rows)
    return (rng.random(rows) < expit(truth)).astype(float), expit(sure * truth + shift)


def kind(calibration):
    return "none" if not calibration else "level" if calibration["slope"] == 1 else "line"


def kinds(**how):
    """What is learned in each of forty problems of 60 groups."""
    learned = [kind(recalibration(*problem(seed=seed, **how), GROUPS)) for seed in range(40)]
    return {name: learned.count(name) for name in ("none", "level", "line")}


def test_good_probabilities_are_left_alone():
    assert kinds()["none"] >= 38


def test_a_level_that_is_off_is_moved_and_the_spread_is_left_alone():
    assert kinds(shift=0.8)["level"] >= 36


def test_a_spread_that_is_off_is_moved():
    assert kinds(sure=2.5)["line"] >= 38


@given(st.floats(0.4, 2.5), st.floats(-1, 1), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_new_rows_are_better_off_or_hardly_worse(sure, shift, seed):
    """The true values are known here, so that new rows can be had: a move costs them at most a trifle."""
    calibration = recalibration(*problem(sure=sure, shift=shift, seed=seed), GROUPS)
    if not calibration:
        return
    y, p = problem(40_000, sure=sure, shift=shift, seed=seed + 5000)
    before, after = (of_all(log_loss(y, q), len(y)) for q in (p, recalibrated(p, **calibration)))
    assert after < before + 0.003


def test_a_group_that_says_the_same_ten_times_is_heard_once():
    y, p = (np.tile(one, 10) for one in problem(60, sure=1.4, seed=5))
    assert recalibration(y, p, np.arange(600))
    assert not recalibration(y, p, np.tile(np.arange(60), 10))


def test_the_order_of_rows_changes_nothing():
    y, p = problem(sure=2.0)
    order = np.random.default_rng(1).permutation(600)
    one, other = recalibration(y, p, GROUPS), recalibration(y[order], p[order], GROUPS[order])
    assert one == pytest.approx(other)


def test_a_line_leaves_slope_one_and_intercept_zero_and_keeps_the_order():
    y, p = problem(4000, sure=3.0)
    after = recalibrated(p, **recalibration(y, p, np.arange(4000)))
    measures = {name: of_all(score, 4000) for name, score in line(y, after).items()}
    assert measures == pytest.approx({"slope": 1.0, "intercept": 0.0}, abs=1e-5)
    assert (np.argsort(after, kind="stable") == np.argsort(p, kind="stable")).all()


def test_an_intercept_leaves_the_level_right():
    y, p = problem(4000, shift=0.8)
    calibration = recalibration(y, p, np.arange(4000))
    assert kind(calibration) == "level"
    after = level(y, recalibrated(p, **calibration))
    assert of_all(after["observed_expected"], 4000) == pytest.approx(1.0, abs=1e-6)


def test_an_order_that_is_upside_down_is_not_turned():
    y, p = problem(4000)
    assert recalibration(y, 1 - p, np.arange(4000)).get("slope", 1) == 1


@pytest.mark.parametrize(
    ("y", "p"),
    [([0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4]), ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5]), ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])],
    ids=["one class", "one probability", "separated"],
)
def test_where_there_is_no_finite_fit_the_spread_is_left_alone(y, p):
    calibration = recalibration(np.tile(np.array(y, float), 9), np.tile(p, 9), np.arange(36))
    assert calibration.get("slope", 1) == 1


def test_a_handful_of_groups_is_too_few():
    y, p = problem(sure=4.0)
    assert recalibration(y, p, np.arange(600) % 9) == {}
    assert recalibration(y, p, np.arange(600) % 12)
