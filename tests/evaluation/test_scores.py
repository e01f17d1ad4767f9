"""Weighted scores against slow, plainly right ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from polyclinic.evaluation.scores import at_threshold, auprc, auroc, brier, log_loss, of_all, row_mean

RANKINGS = {"auroc": auroc, "auprc": auprc}
SCORES = {**RANKINGS, "brier": brier, "log_loss": log_loss}
SKLEARN = {
    "auroc": metrics.roc_auc_score,
    "auprc": metrics.average_precision_score,
    "brier": metrics.brier_score_loss,
    "log_loss": metrics.log_loss,
}


@st.composite
def answers(draw):
    """Both classes, and answers of few values so that ties are many."""
    size = draw(st.integers(2, 25))
    happened = draw(arrays(float, size, elements=st.sampled_from([0.0, 1.0])))
    happened[:2] = 0, 1
    return happened, draw(arrays(float, size, elements=st.integers(1, 9).map(lambda k: k / 10)))


def auroc_by_counting(y, p):
    return np.mean([(a > b) + 0.5 * (a == b) for a in p[y == 1] for b in p[y == 0]])


@given(answers())
def test_auroc_is_what_counting_pairs_gives(problem):
    assert of_all(auroc(*problem), len(problem[0])) == pytest.approx(auroc_by_counting(*problem))


@given(answers(), st.data())
def test_weighted_scores_are_those_of_scikit_learn(problem, data):
    y, p = problem
    weights = data.draw(arrays(float, len(y), elements=st.integers(1, 4).map(float)))
    for name, score in SCORES.items():
        expected = SKLEARN[name](y, p, sample_weight=weights)
        assert score(y, p)(weights[None])[0] == pytest.approx(expected), name


@given(answers(), st.data())
def test_a_weight_is_that_row_so_many_times(problem, data):
    y, p = problem
    counts = data.draw(arrays(np.int64, len(y), elements=st.integers(0, 3)))
    counts[:2] += 1
    repeated = np.repeat(np.arange(len(y)), counts)
    for name, score in SCORES.items():
        expected = of_all(score(y[repeated], p[repeated]), len(repeated))
        assert score(y, p)(counts[None].astype(float))[0] == pytest.approx(expected), name


@given(answers(), st.randoms())
def test_the_order_of_rows_changes_nothing(problem, random):
    y, p = problem
    order = list(range(len(y)))
    random.shuffle(order)
    for score in SCORES.values():
        assert of_all(score(y[order], p[order]), len(y)) == pytest.approx(of_all(score(y, p), len(y)))


@given(answers())
def test_a_monotone_transform_changes_no_ranking_score(problem):
    y, p = problem
    for score in RANKINGS.values():
        assert of_all(score(y, np.exp(3 * p)), len(y)) == pytest.approx(of_all(score(y, p), len(y)))


@given(answers())
def test_turning_the_answers_turns_auroc(problem):
    y, p = problem
    assert of_all(auroc(y, -p), len(y)) == pytest.approx(1 - of_all(auroc(y, p), len(y)))


@given(answers(), st.integers(1, 9))
@settings(max_examples=50)
def test_scores_at_a_threshold_are_those_of_the_confusion_matrix(problem, tenth):
    y, p = problem
    alert = p >= tenth / 10
    values = {k: of_all(s, len(y)) for k, s in at_threshold(y, p, tenth / 10).items()}
    tn, fp, fn, tp = metrics.confusion_matrix(y, alert, labels=[0, 1]).ravel()
    assert values["sensitivity"] == pytest.approx(tp / (tp + fn))
    assert values["specificity"] == pytest.approx(tn / (tn + fp))
    assert values["alerts_per_100"] == pytest.approx(100 * alert.mean())
    assert values["ppv"] == pytest.approx(tp / (tp + fp)) if tp + fp else np.isnan(values["ppv"])
    assert values["npv"] == pytest.approx(tn / (tn + fn)) if tn + fn else np.isnan(values["npv"])


@pytest.mark.parametrize("only", [0.0, 1.0])
def test_one_class_only_is_no_number_and_no_crash(only):
    y, p = np.full(4, only), np.array([0.1, 0.2, 0.3, 0.4])
    assert np.isnan(of_all(auroc(y, p), 4))
    assert np.isfinite(of_all(brier(y, p), 4))


def test_a_resample_without_positives_is_nan_and_the_others_are_not():
    y, p = np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.9, 0.5])
    values = auroc(y, p)(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 2.0]]))
    assert np.isnan(values[0])
    assert values[1] == 0.5


def test_rows_without_a_number_are_left_out_of_the_mean():
    assert of_all(row_mean(np.array([1.0, np.nan, 3.0])), 3) == 2.0
