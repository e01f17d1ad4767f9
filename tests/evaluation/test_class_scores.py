"""Weighted scores of classes against scikit-learn and plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics
from tests.evaluation.score_laws import assert_laws

from polyclinic.evaluation.class_scores import (
    accuracy,
    balanced_accuracy,
    confusion,
    f1,
    log_loss_classes,
    macro_f1,
    matthews,
    one_against_rest_auroc,
    predicted_classes,
    top_k_accuracy,
)
from polyclinic.evaluation.scores import of_all


def scores(y_true, probabilities):
    return {
        "accuracy": accuracy(y_true, probabilities),
        "balanced_accuracy": balanced_accuracy(y_true, probabilities),
        "macro_f1": macro_f1(y_true, probabilities),
        "f1": f1(y_true, probabilities, 1),
        "auroc": one_against_rest_auroc(y_true, probabilities),
        "auroc//1": one_against_rest_auroc(y_true, probabilities, 1),
        "log_loss": log_loss_classes(y_true, probabilities),
        "top_2_accuracy": top_k_accuracy(y_true, probabilities, 2),
        "matthews": matthews(y_true, probabilities),
    }


def values(y_true, probabilities):
    return {name: of_all(score, len(y_true)) for name, score in scores(y_true, probabilities).items()}


@st.composite
def answers(draw, least=1):
    """Three to five classes, some of which may not occur, and probabilities with ties."""
    rows, classes = draw(st.integers(least, 20)), draw(st.integers(3, 5))
    y_true = draw(arrays(np.int64, rows, elements=st.integers(0, classes - 1)))
    parts = draw(arrays(float, (rows, classes), elements=st.integers(1, 5).map(float)))
    return y_true, parts / parts.sum(axis=1, keepdims=True)


def answers_without_ties(seed=1, rows=60, classes=4):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, classes, rows)
    parts = rng.random((rows, classes)) + 0.4 * np.eye(classes)[y_true]
    return y_true, parts / parts.sum(axis=1, keepdims=True), rng.integers(1, 5, rows) / 2


@given(answers(), st.data())
def test_every_score_keeps_the_laws_of_weights(problem, data):
    assert_laws(scores, problem, data)


@given(answers(least=2), st.data())
def test_scores_of_decisions_are_those_of_scikit_learn(problem, data):
    y_true, probabilities = problem
    y_true[:2] = 0, 1
    w = data.draw(arrays(float, len(y_true), elements=st.integers(1, 9).map(lambda k: k / 2)))
    y_pred, occurring = predicted_classes(probabilities), np.unique(y_true)
    recalls = [np.average(y_pred[y_true == k] == k, weights=w[y_true == k]) for k in occurring]
    expected = {
        accuracy: metrics.accuracy_score(y_true, y_pred, sample_weight=w),
        balanced_accuracy: np.mean(recalls),
        macro_f1: metrics.f1_score(y_true, y_pred, labels=occurring, average="macro", sample_weight=w),
        matthews: metrics.matthews_corrcoef(y_true, y_pred, sample_weight=w),
    }
    for score, value in expected.items():
        assert score(y_true, probabilities)(w[None])[0] == pytest.approx(value), score.__name__
        assert score(y_true, y_pred)(w[None])[0] == pytest.approx(value), score.__name__
    of_one = metrics.f1_score(y_true, y_pred, labels=[1], average=None, sample_weight=w)[0]
    assert f1(y_true, y_pred, 1)(w[None])[0] == pytest.approx(of_one)


def test_scores_of_probabilities_are_those_of_scikit_learn():
    y_true, probabilities, w = answers_without_ties()
    expected = {
        # scikit-learn's own multi-class AUROC takes no weights for this mean, so class by class
        "auroc": np.mean([metrics.roc_auc_score(y_true == k, probabilities[:, k], sample_weight=w) for k in range(4)]),
        "auroc//1": metrics.roc_auc_score(y_true == 1, probabilities[:, 1], sample_weight=w),
        "log_loss": metrics.log_loss(y_true, probabilities, sample_weight=w),
        "top_2_accuracy": metrics.top_k_accuracy_score(y_true, probabilities, k=2, sample_weight=w),
        "balanced_accuracy": metrics.balanced_accuracy_score(y_true, predicted_classes(probabilities), sample_weight=w),
    }
    for name, value in expected.items():
        assert scores(y_true, probabilities)[name](w[None])[0] == pytest.approx(value), name


@given(answers())
def test_confusion_counts_each_row_once(problem):
    y_true, probabilities = problem
    classes = probabilities.shape[1]
    table = confusion(y_true, probabilities, classes)
    expected = metrics.confusion_matrix(y_true, predicted_classes(probabilities), labels=range(classes))
    np.testing.assert_array_equal(table, expected)


@given(answers(), st.randoms())
def test_the_order_of_classes_changes_nothing(problem, random):
    y_true, probabilities = problem
    classes = probabilities.shape[1]
    # no two probabilities of a row are equal: of equal ones the first class is decided for, whichever that is
    probabilities = probabilities + 1e-3 * np.arange(classes)
    order = list(range(classes))
    random.shuffle(order)
    place = np.argsort(order)
    before, after = values(y_true, probabilities), values(place[y_true], probabilities[:, order])
    for name in before.keys() - {"f1", "auroc//1"}:
        assert after[name] == pytest.approx(before[name], nan_ok=True), name


def test_of_equal_probabilities_the_first_class_is_decided_for():
    probabilities = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])
    assert predicted_classes(probabilities).tolist() == [0, 1]
    assert of_all(top_k_accuracy(np.array([1, 2]), probabilities, 1), 2) == 0.0
    assert of_all(top_k_accuracy(np.array([1, 2]), probabilities, 2), 2) == 1.0


def test_a_class_that_is_predicted_but_never_occurs_is_no_term_of_the_mean():
    y_true, y_pred = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    assert of_all(macro_f1(y_true, y_pred), 4) == pytest.approx((2 / 3 + 1) / 2)
    assert np.isnan(of_all(f1(y_true, y_pred, 3), 4))


def test_one_class_alone():
    y_true, y_pred = np.array([0, 0, 1, 1]), np.array([1, 1, 1, 1])
    assert of_all(matthews(y_true, y_pred), 4) == 0.0
    assert np.isnan(of_all(matthews(y_pred, y_true), 4))
    assert np.isnan(of_all(one_against_rest_auroc(y_pred, np.full((4, 2), 0.5)), 4))


def test_no_rows_are_no_number():
    assert all(np.isnan(value) for value in values(np.zeros(0, np.int64), np.zeros((0, 3))).values())
