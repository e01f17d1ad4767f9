"""Thresholds and curves of use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from polyclinic.evaluation.decision import curves, net_benefit, threshold_for
from polyclinic.evaluation.scores import at_threshold, of_all

TENTHS = st.integers(0, 10).map(lambda k: k / 10)


@given(arrays(float, 12, elements=TENTHS), TENTHS, st.sampled_from(["specificity", "sensitivity"]))
def test_a_threshold_keeps_its_rule_and_no_gentler_one_does(answer, wanted, rule):
    happened = np.tile([0.0, 1.0], 6)
    threshold = threshold_for(happened, answer, rule, wanted)

    def reached(t):
        return of_all(at_threshold(happened, answer, t)[rule], 12)

    assert reached(threshold) >= wanted - 1e-12
    others = [t for t in answer if (t < threshold if rule == "specificity" else t > threshold)]
    assert all(reached(t) < wanted for t in others)


def test_without_the_class_that_a_rule_counts_there_is_no_threshold():
    assert np.isnan(threshold_for(np.ones(3), np.array([0.1, 0.2, 0.3]), "specificity", 0.9))
    assert threshold_for(np.ones(3), np.array([0.1, 0.2, 0.3]), "threshold", 0.25) == 0.25


def test_net_benefit_is_true_alerts_less_weighed_false_ones():
    y, p = np.array([1.0, 0, 1, 0, 0]), np.array([0.9, 0.6, 0.4, 0.3, 0.2])
    found = net_benefit(y, p, np.array([0.25, 0.5]))
    assert found == pytest.approx([2 / 5 - 2 / 5 / 3, 1 / 5 - 1 / 5])


@given(arrays(float, 20, elements=TENTHS))
def test_below_every_answer_the_model_is_an_alert_for_all(answer):
    happened = np.tile([0.0, 1.0], 10)
    at = np.array([0.01, 0.3])
    assert net_benefit(happened, answer + 0.3, at) == pytest.approx(net_benefit(happened, np.ones(len(happened)), at))


def test_curves_are_those_of_scikit_learn_thinned_to_at_most_200_points():
    rng = np.random.default_rng(0)
    y = (rng.random(5000) < 0.3).astype(float)
    p = y + rng.normal(size=5000)
    found = curves(y, p)
    fpr, tpr, _ = metrics.roc_curve(y, p, drop_intermediate=False)
    roc = found["roc"]
    assert len(roc["x"]) <= 200
    assert len(found["pr"]["x"]) <= 200
    assert (roc["x"][0], roc["y"][0], roc["x"][-1], roc["y"][-1]) == (0, 0, 1, 1)
    assert metrics.auc(roc["x"], roc["y"]) == pytest.approx(metrics.auc(fpr, tpr), abs=1e-3)
    assert found["pr"]["y"][-1] == pytest.approx(y.mean())
