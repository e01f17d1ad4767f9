"""Weighted scores of several labels a row against scikit-learn and plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics
from tests.evaluation.score_laws import assert_laws

from polyclinic.evaluation.label_scores import (
    label_auprcs,
    label_aurocs,
    label_f1s,
    macro_auprc,
    macro_auroc,
    macro_f1_labels,
    micro_auprc,
    micro_auroc,
    micro_f1_labels,
    precision_at_k,
    recall_at_k,
)
from polyclinic.evaluation.scores import of_all

NAMES = ("liver", "heart", "skin")
SCIKIT = {"auroc": metrics.roc_auc_score, "auprc": metrics.average_precision_score, "f1": metrics.f1_score}


def scores(y_true, probabilities):
    decisions = probabilities >= 0.5
    return {
        "macro_auroc": macro_auroc(y_true, probabilities),
        "micro_auroc": micro_auroc(y_true, probabilities),
        "macro_auprc": macro_auprc(y_true, probabilities),
        "micro_auprc": micro_auprc(y_true, probabilities),
        "macro_f1": macro_f1_labels(y_true, decisions),
        "micro_f1": micro_f1_labels(y_true, decisions),
        "recall_at_2": recall_at_k(y_true, probabilities, 2),
        "precision_at_2": precision_at_k(y_true, probabilities, 2),
        **{f"auroc//{name}": score for name, score in label_aurocs(y_true, probabilities, NAMES).items()},
        **{f"auprc//{name}": score for name, score in label_auprcs(y_true, probabilities, NAMES).items()},
        **{f"f1//{name}": score for name, score in label_f1s(y_true, decisions, NAMES).items()},
    }


def values(*columns):
    return {name: of_all(score, len(columns[0])) for name, score in scores(*columns).items()}


@st.composite
def answers(draw):
    """Labels of which some are missing, and probabilities with ties."""
    rows = draw(st.integers(1, 15))
    y_true = draw(arrays(float, (rows, 3), elements=st.sampled_from([0.0, 1.0, np.nan])))
    return y_true, draw(arrays(float, (rows, 3), elements=st.integers(1, 9).map(lambda k: k / 10)))


@given(answers(), st.data())
def test_every_score_keeps_the_laws_of_weights(problem, data):
    assert_laws(scores, problem, data)


def test_scores_are_those_of_scikit_learn_over_the_known_labels():
    rng = np.random.default_rng(5)
    y_true = (rng.random((80, 3)) < [0.2, 0.5, 0.7]) * 1.0
    y_true[rng.random((80, 3)) < 0.3] = np.nan
    probabilities, w = rng.random((80, 3)), rng.integers(1, 6, 80) / 2
    at_weights = {name: score(w[None])[0] for name, score in scores(y_true, probabilities).items()}
    known, weight = ~np.isnan(y_true), np.repeat(w[:, None], 3, axis=1)
    for name, judge in SCIKIT.items():
        answer = probabilities >= 0.5 if name == "f1" else probabilities
        by_label = [judge(y_true[here, j], answer[here, j], sample_weight=w[here]) for j, here in enumerate(known.T)]
        micro = judge(y_true[known], answer[known], sample_weight=weight[known])
        assert at_weights[f"macro_{name}"] == pytest.approx(np.mean(by_label)), name
        assert at_weights[f"micro_{name}"] == pytest.approx(micro), name
        assert [at_weights[f"{name}//{label}"] for label in NAMES] == pytest.approx(by_label), name


@given(answers(), st.integers(1, 4))
def test_the_first_k_of_a_row_are_what_sorting_it_gives(problem, k):
    y_true, probabilities = problem
    recalls, precisions = [], []
    for y, p in zip(y_true, probabilities, strict=True):
        first = sorted((j for j in range(3) if not np.isnan(y[j])), key=lambda j: (-p[j], j))[:k]
        hits, positive = sum(y[j] for j in first), np.nansum(y)
        recalls += [hits / positive] if positive else []
        precisions += [hits / len(first)] if first else []
    for score, rows in ((recall_at_k, recalls), (precision_at_k, precisions)):
        expected = np.mean(rows) if rows else np.nan
        assert of_all(score(y_true, probabilities, k), len(y_true)) == pytest.approx(expected, nan_ok=True)


@given(answers(), st.sampled_from([0.05, 0.45, 0.95]))
def test_what_is_predicted_for_a_missing_label_changes_nothing(problem, other):
    y_true, probabilities = problem
    changed = np.where(np.isnan(y_true), other, probabilities)
    assert values(y_true, changed) == pytest.approx(values(y_true, probabilities), nan_ok=True)


@given(answers(), st.permutations(range(3)))
def test_the_order_of_labels_changes_nothing(problem, order):
    y_true, probabilities = problem
    probabilities = probabilities + 1e-3 * np.arange(3)  # of equally likely labels the first comes first
    before, after = values(y_true, probabilities), values(y_true[:, order], probabilities[:, order])
    for name in [name for name in before if "//" not in name]:
        assert after[name] == pytest.approx(before[name], nan_ok=True), name


def test_a_label_that_nobody_has_is_no_term_of_a_mean():
    y_true = np.array([[1.0, 0.0, np.nan], [0.0, 0.0, np.nan], [1.0, 0.0, np.nan]])
    probabilities = np.array([[0.9, 0.9, 0.9], [0.1, 0.1, 0.1], [0.8, 0.2, 0.9]])
    at = values(y_true, probabilities)
    assert at["macro_auroc"] == at["macro_auprc"] == at["macro_f1"] == 1.0
    assert np.isnan(at["auroc//skin"])
    assert np.isnan(at["f1//skin"])


def test_no_rows_are_no_number():
    assert all(np.isnan(value) for value in values(np.zeros((0, 3)), np.zeros((0, 3))).values())
