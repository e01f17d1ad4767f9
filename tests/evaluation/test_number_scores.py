"""Weighted scores of numbers against scikit-learn, scipy and plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn import metrics
from tests.evaluation.score_laws import assert_laws

from polyclinic.evaluation.blocks import Blocks
from polyclinic.evaluation.number_scores import (
    censored_errors,
    coverage,
    interval_score,
    mae,
    mean_width,
    pinball,
    r2,
    rmse,
    spearman,
)
from polyclinic.evaluation.scores import of_all, without

LEVEL = 0.8


def scores(y_true, y_pred, width):
    low, high = y_pred - width, y_pred + width
    return {
        "mae": mae(y_true, y_pred),
        "rmse": rmse(y_true, y_pred),
        "r2": r2(y_true, y_pred),
        "spearman": spearman(y_true, y_pred),
        "pinball": pinball(y_true, y_pred, LEVEL),
        "interval_score": interval_score(y_true, low, high, LEVEL),
        "coverage": coverage(y_true, low, high),
        "mean_width": mean_width(low, high),
    }


def of_bounds(lower, upper, y_pred, width):
    return scores((lower, upper), y_pred, width)


@st.composite
def answers(draw, least=1):
    """Numbers of few values, so that ties are many, around a level far from 0."""
    rows = draw(st.integers(least, 25))
    few = st.integers(0, 6).map(float)
    level = draw(st.sampled_from([0.0, 100.0]))
    y_true, y_pred, width = (draw(arrays(float, rows, elements=few)) for _ in range(3))
    return level + y_true, level + y_pred, width


@given(answers(), st.data())
def test_every_score_keeps_the_laws_of_weights(problem, data):
    assert_laws(scores, problem, data)


@given(answers(), st.data())
def test_so_does_a_truth_between_bounds(problem, data):
    y_true, y_pred, width = problem
    rows = len(y_true)
    below = data.draw(arrays(float, rows, elements=st.sampled_from([0.0, 2.0, np.inf, np.nan])))
    above = data.draw(arrays(float, rows, elements=st.sampled_from([0.0, 1.0, np.inf])))
    assert_laws(of_bounds, (y_true - below, y_true + above, y_pred, width), data)


@given(answers(least=2), st.data())
def test_weighted_scores_are_those_of_scikit_learn(problem, data):
    y_true, y_pred, _ = problem
    y_true[:2] = 100.0, 103.0
    w = data.draw(arrays(float, len(y_true), elements=st.integers(1, 9).map(lambda k: k / 2)))
    expected = {
        mae: metrics.mean_absolute_error(y_true, y_pred, sample_weight=w),
        rmse: metrics.root_mean_squared_error(y_true, y_pred, sample_weight=w),
        r2: metrics.r2_score(y_true, y_pred, sample_weight=w),
    }
    for score, value in expected.items():
        assert score(y_true, y_pred)(w[None])[0] == pytest.approx(value)
    quantile = metrics.mean_pinball_loss(y_true, y_pred, sample_weight=w, alpha=LEVEL)
    assert pinball(y_true, y_pred, LEVEL)(w[None])[0] == pytest.approx(quantile)


@given(answers(least=3))
def test_spearman_is_that_of_scipy_with_ties(problem):
    y_true, y_pred, _ = problem
    y_true[:2], y_pred[:2] = (1, 2), (2, 5)
    assert of_all(spearman(y_true, y_pred), len(y_true)) == pytest.approx(stats.spearmanr(y_true, y_pred).statistic)


@given(answers())
def test_intervals_are_scored_as_their_definitions_say(problem):
    y_true, y_pred, width = problem
    low, high = y_pred - width, y_pred + width
    charged = [
        (h - a) + 2 / (1 - LEVEL) * (a - y) * (y < a) + 2 / (1 - LEVEL) * (y - h) * (y > h)
        for y, a, h in zip(y_true, low, high, strict=True)
    ]
    assert of_all(interval_score(y_true, low, high, LEVEL), len(y_true)) == pytest.approx(np.mean(charged))
    assert of_all(coverage(y_true, low, high), len(y_true)) == pytest.approx(
        np.mean((low <= y_true) & (y_true <= high))
    )
    assert of_all(mean_width(low, high), len(y_true)) == pytest.approx(2 * width.mean())


@given(answers(), st.sampled_from([0.5, 18.0, 1000.0]))
def test_another_unit_scales_errors_and_changes_no_share(problem, factor):
    before, after = (
        {name: of_all(s, len(problem[0])) for name, s in scores(*(c * unit for c in problem)).items()}
        for unit in (1.0, factor)
    )
    for name in before:
        unit = 1.0 if name in ("r2", "spearman", "coverage") else factor
        assert after[name] == pytest.approx(before[name] * unit, nan_ok=True), name


@given(answers())
def test_a_monotone_transform_changes_no_rank_correlation(problem):
    y_true, y_pred, _ = problem
    before = of_all(spearman(y_true, y_pred), len(y_true))
    assert of_all(spearman(y_true, (y_pred - 50) ** 3), len(y_true)) == pytest.approx(before, nan_ok=True)
    assert of_all(spearman(y_true, -y_pred), len(y_true)) == pytest.approx(-before, nan_ok=True)


def test_a_censored_truth_is_charged_the_least_error_that_it_can_have():
    lower, upper = np.array([-np.inf, -np.inf, 40.0, 7.0, np.nan]), np.array([5.0, 5.0, np.inf, 7.0, np.nan])
    errors = censored_errors(lower, upper, np.array([3.0, 6.0, 30.0, 9.0, 1.0]))
    np.testing.assert_array_equal(errors, [0.0, 1.0, 10.0, 2.0, np.nan])
    assert of_all(mae((lower, upper), np.array([3.0, 6.0, 30.0, 9.0, 1.0])), 5) == 13 / 4


@given(answers())
def test_bounds_that_are_equal_are_an_exact_truth(problem):
    y_true, y_pred, width = problem
    exact, bounded = scores(y_true, y_pred, width), of_bounds(y_true, y_true, y_pred, width)
    for name, score in exact.items():
        assert of_all(bounded[name], len(y_true)) == pytest.approx(of_all(score, len(y_true)), nan_ok=True), name


def test_censored_rows_have_no_rank_and_no_share_of_the_variance():
    y_true = np.array([1.0, 2.0, 3.0, -np.inf]), np.array([1.0, 2.0, 3.0, 5.0])
    y_pred = np.array([1.0, 3.0, 2.0, 4.0])
    assert of_all(spearman(y_true, y_pred), 4) == pytest.approx(0.5)
    assert of_all(r2(y_true, y_pred), 4) == pytest.approx(0.0)


@pytest.mark.parametrize("score", [r2, spearman])
def test_equal_truths_far_from_0_have_no_variance_to_explain(score):
    y_true = np.full(5, 1e6 + 0.1)
    assert np.isnan(of_all(score(y_true, np.arange(5.0)), 5))


@pytest.mark.parametrize("score", [r2, spearman])
@pytest.mark.parametrize("equal", range(3, 20))
def test_nor_have_the_equal_truths_that_are_left_without_one_row(score, equal):
    """Their sums of squares leave rounding, which is no variance."""
    y_true, y_pred = np.append(np.full(equal, 0.1), 0.7), np.arange(equal + 1.0)
    last = np.arange(equal + 1) == equal
    assert np.isnan(score(y_true, y_pred)(1.0 - last[None])[0])
    assert np.isnan(without(score(y_true, y_pred), Blocks(last.astype(np.int64), 2))[1])


def test_no_rows_are_no_number():
    none = np.zeros(0)
    assert all(np.isnan(of_all(score, 0)) for score in scores(none, none, none).values())


def test_many_rows_in_many_blocks():
    rng = np.random.default_rng(0)
    y_true = rng.normal(1000, 3, 5000)
    y_pred, blocks = y_true + rng.normal(0, 2, 5000), Blocks(rng.integers(0, 100, 5000), 100)
    for name, score in scores(y_true, y_pred, np.ones(5000)).items():
        by_weights = score(blocks.weights(np.arange(100)))
        assert without(score, blocks) == pytest.approx(by_weights, rel=1e-9), name
