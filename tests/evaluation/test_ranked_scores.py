"""Scores at a capacity against plain counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics
from tests.evaluation.score_laws import assert_laws

from polyclinic.evaluation.ranked_scores import found_at_capacity, matthews_of_decisions, precision_at_capacity
from polyclinic.evaluation.scores import of_all


def scores(y_true, y_score, k=4):
    return {
        "precision": precision_at_capacity(y_true, y_score, k),
        "found": found_at_capacity(y_true, y_score, k),
        "matthews": matthews_of_decisions(y_true, y_score >= 0.5),
    }


@st.composite
def answers(draw):
    """Answers of few values, so that ties at the edge are many."""
    rows = draw(st.integers(1, 25))
    y_true = draw(arrays(float, rows, elements=st.sampled_from([0.0, 1.0])))
    return y_true, draw(arrays(float, rows, elements=st.integers(1, 6).map(lambda k: k / 10)))


def first_k(y_true, y_score, weights, k):
    """Positive weight and weight among the first k: tie by tie, each row of a tie takes the same share of its weight."""
    hits = taken = 0.0
    for value in sorted(set(y_score), reverse=True):
        tie = y_score == value
        share = min(1.0, max(0.0, k - taken) / weights[tie].sum())
        taken += share * weights[tie].sum()
        hits += share * (weights * y_true)[tie].sum()
    return hits, taken


@given(answers(), st.sampled_from([1, 3, 2.5, 7, 40]), st.data())
def test_every_score_keeps_the_laws_of_weights(problem, k, data):
    assert_laws(lambda *columns: scores(*columns, k), problem, data)


@given(answers(), st.sampled_from([1, 3, 2.5, 7, 40]), st.data())
def test_scores_at_a_capacity_are_what_filling_it_gives(problem, k, data):
    y_true, y_score = problem
    w = data.draw(arrays(float, len(y_true), elements=st.integers(1, 9).map(lambda n: n / 2)))
    hits, taken = first_k(y_true, y_score, w, k)
    positives = (w * y_true).sum()
    assert precision_at_capacity(y_true, y_score, k)(w[None])[0] == pytest.approx(hits / taken)
    expected = hits / positives if positives else np.nan
    assert found_at_capacity(y_true, y_score, k)(w[None])[0] == pytest.approx(expected, nan_ok=True)


@given(answers())
def test_a_monotone_transform_changes_nothing(problem):
    y_true, y_score = problem
    for score in (precision_at_capacity, found_at_capacity):
        before, after = (of_all(score(y_true, p, 3), len(y_true)) for p in (y_score, np.exp(9 * y_score)))
        assert after == pytest.approx(before, nan_ok=True)


@given(answers())
def test_matthews_is_that_of_scikit_learn(problem):
    y_true, y_score = problem
    expected = metrics.matthews_corrcoef(y_true, y_score >= 0.5) if len(set(y_true)) == 2 else np.nan
    assert of_all(matthews_of_decisions(y_true, y_score >= 0.5), len(y_true)) == pytest.approx(expected, nan_ok=True)


def test_a_row_at_the_edge_counts_by_the_part_that_fits():
    y_true, y_score = np.array([1.0, 0.0]), np.array([0.9, 0.1])
    assert precision_at_capacity(y_true, y_score, 2)(np.array([[1.0, 3.0]]))[0] == 0.5
    assert found_at_capacity(y_true, y_score, 1)(np.array([[4.0, 1.0]]))[0] == 0.25


def test_equal_answers_share_what_is_left():
    y_true, y_score = np.array([1.0, 1.0, 0.0, 0.0]), np.full(4, 0.5)
    assert of_all(precision_at_capacity(y_true, y_score, 1), 4) == 0.5
    assert of_all(found_at_capacity(y_true, y_score, 1), 4) == 0.25


def test_no_rows_are_no_number():
    assert all(np.isnan(of_all(score, 0)) for score in scores(np.zeros(0), np.zeros(0)).values())
