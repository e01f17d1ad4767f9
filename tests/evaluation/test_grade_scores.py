"""Weighted scores of grades against scikit-learn and plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics
from tests.evaluation.score_laws import assert_laws

from polyclinic.evaluation.grade_scores import mae_grades, median_grade, ranked_probability_score, weighted_kappa
from polyclinic.evaluation.scores import brier, of_all

GRADES = 4


def scores(y_true, y_pred, probabilities):
    return {
        "quadratic": weighted_kappa(y_true, y_pred, GRADES),
        "linear": weighted_kappa(y_true, y_pred, GRADES, "linear"),
        "mae": mae_grades(y_true, y_pred),
        "rps": ranked_probability_score(y_true, probabilities),
    }


def values(*columns):
    return {name: of_all(score, len(columns[0])) for name, score in scores(*columns).items()}


@st.composite
def answers(draw, least=1):
    rows = draw(st.integers(least, 20))
    y_true, y_pred = (draw(arrays(np.int64, rows, elements=st.integers(0, GRADES - 1))) for _ in range(2))
    parts = draw(arrays(float, (rows, GRADES), elements=st.integers(1, 5).map(float)))
    return y_true, y_pred, parts / parts.sum(axis=1, keepdims=True)


@given(answers(), st.data())
def test_every_score_keeps_the_laws_of_weights(problem, data):
    assert_laws(scores, problem, data)


@given(answers(least=2), st.data())
def test_weighted_kappa_is_that_of_scikit_learn(problem, data):
    y_true, y_pred, _ = problem
    y_true[:2] = 0, 3
    w = data.draw(arrays(float, len(y_true), elements=st.integers(1, 9).map(lambda k: k / 2)))
    for weighting in ("quadratic", "linear"):
        labels = range(GRADES)
        expected = metrics.cohen_kappa_score(y_true, y_pred, labels=labels, weights=weighting, sample_weight=w)
        assert scores(*problem)[weighting](w[None])[0] == pytest.approx(expected, abs=1e-12)
    expected = metrics.mean_absolute_error(y_true, y_pred, sample_weight=w)
    assert mae_grades(y_true, y_pred)(w[None])[0] == pytest.approx(expected)


@given(answers())
def test_ranked_probability_score_adds_up_over_thresholds(problem):
    y_true, _, probabilities = problem
    rows = [
        sum((sum(p[: k + 1]) - (y <= k)) ** 2 for k in range(GRADES - 1)) / (GRADES - 1)
        for y, p in zip(y_true, probabilities, strict=True)
    ]
    assert of_all(ranked_probability_score(y_true, probabilities), len(rows)) == pytest.approx(np.mean(rows))


@given(answers())
def test_with_two_grades_it_is_the_brier_score(problem):
    y_true, _, probabilities = problem
    two, positive = np.minimum(y_true, 1), probabilities[:, 1:].sum(axis=1)
    both = np.stack([1 - positive, positive], axis=1)
    expected = of_all(brier(two.astype(float), positive), len(two))
    assert of_all(ranked_probability_score(two, both), len(two)) == pytest.approx(expected)


@given(answers())
def test_counting_the_grades_from_the_other_end_changes_nothing(problem):
    y_true, y_pred, probabilities = problem
    turned = values(GRADES - 1 - y_true, GRADES - 1 - y_pred, probabilities[:, ::-1])
    assert turned == pytest.approx(values(*problem), nan_ok=True)


def test_a_distant_grade_is_worse_than_a_near_one():
    y_true = np.array([0, 1, 2, 3])
    near, far = np.array([1, 1, 2, 3]), np.array([3, 1, 2, 3])
    assert of_all(weighted_kappa(y_true, near, GRADES), 4) > of_all(weighted_kappa(y_true, far, GRADES), 4)


@given(answers())
def test_no_grade_has_a_smaller_expected_error_than_the_median(problem):
    probabilities = problem[2]
    errors = np.abs(np.subtract.outer(np.arange(GRADES), np.arange(GRADES))) @ probabilities.T
    chosen = errors[median_grade(probabilities), np.arange(len(probabilities))]
    assert chosen == pytest.approx(errors.min(axis=0))


def test_one_grade_throughout_is_no_number():
    same = np.ones(3, np.int64)
    assert np.isnan(of_all(weighted_kappa(same, same, GRADES), 3))
    assert all(np.isnan(value) for value in values(same[:0], same[:0], np.zeros((0, GRADES))).values())
