"""Thresholds and curves of use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from polyclinic.evaluation.decision import curves, net_benefit, reached, threshold_for
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.scores import at_threshold, of_all

TENTHS = st.integers(0, 10).map(lambda k: k / 10)
SCORES = st.one_of(TENTHS, st.integers(0, 10_000).map(lambda k: k / 10_000))
RULE = st.sampled_from(["specificity", "sensitivity"])
Y_TRUE = np.tile([0.0, 1.0], 6)


def counted(y_score, rule):
    """The scores of the class that a rule counts."""
    return y_score[(1 if rule == "sensitivity" else 0) == Y_TRUE]


@given(arrays(float, 12, elements=SCORES), TENTHS, RULE)
def test_a_threshold_keeps_its_rule_and_no_gentler_one_does(y_score, wanted, rule):
    threshold = threshold_for(Y_TRUE, y_score, rule, wanted)

    def reached(t):
        return of_all(at_threshold(Y_TRUE, y_score, t)[rule], 12)

    assert reached(threshold) >= wanted - 1e-12
    mine = counted(y_score, rule)
    beyond = [t for t in mine if (t < threshold if rule == "specificity" else t >= threshold)]
    if beyond:
        last = max(beyond) if rule == "specificity" else np.nextafter(min(beyond), np.inf)
        assert reached(last) < wanted


@given(arrays(float, 12, elements=SCORES), arrays(float, 12, elements=st.floats(-1, 1)), TENTHS, RULE)
def test_a_threshold_moves_by_no_more_than_the_scores_do(y_score, moves, wanted, rule):
    before = threshold_for(Y_TRUE, y_score, rule, wanted)
    after = threshold_for(Y_TRUE, y_score + 1e-6 * moves, rule, wanted)
    assert abs(after - before) <= 1e-6 + 1e-12


@given(arrays(float, 12, elements=SCORES), arrays(float, 12, elements=st.floats(-1, 1)), TENTHS, RULE)
def test_scores_that_move_in_the_last_digits_change_no_alert_but_those_at_the_threshold(y_score, moves, wanted, rule):
    moved = y_score + 1e-6 * moves
    before, after = (threshold_for(Y_TRUE, s, rule, wanted) for s in (y_score, moved))
    changed = (y_score >= before) != (moved >= after)
    assert (np.abs(y_score[changed] - before) <= 2e-6 + 1e-12).all()


@given(arrays(float, 12, elements=TENTHS), arrays(float, 12, elements=st.floats(-1, 1)), TENTHS, RULE)
def test_rows_that_tie_stay_on_their_side_of_the_threshold(y_score, moves, wanted, rule):
    """Gradient boosting gives many rows the same score: the tie as a whole is an alert, or is not."""
    threshold = threshold_for(Y_TRUE, y_score, rule, wanted)
    moved = y_score + 1e-6 * moves
    mine = np.isin(y_score, counted(y_score, rule))
    assert ((moved >= threshold) == (y_score >= threshold))[mine].all()


def test_a_threshold_lies_midway_between_the_scores_that_it_separates():
    y_score = np.array([0.1, 0.9, 0.2, 0.8, 0.4, 0.5])
    y_true = np.tile([0.0, 1.0], 3)
    assert threshold_for(y_true, y_score, "specificity", 0.6) == pytest.approx(0.3)
    assert threshold_for(y_true, y_score, "sensitivity", 0.6) == pytest.approx(0.65)
    assert threshold_for(y_true, y_score, "specificity", 1.0) == pytest.approx(0.4, abs=1e-5)


def test_one_answer_for_all_rows_gives_no_alert_where_a_specificity_is_required():
    y_score = np.full(12, 0.3)
    assert not (y_score >= threshold_for(Y_TRUE, y_score, "specificity", 0.9)).any()
    assert (y_score >= threshold_for(Y_TRUE, y_score, "sensitivity", 0.9)).all()


def test_without_the_class_that_a_rule_counts_there_is_no_threshold():
    assert np.isnan(threshold_for(np.ones(3), np.array([0.1, 0.2, 0.3]), "specificity", 0.9))
    assert threshold_for(np.ones(3), np.array([0.1, 0.2, 0.3]), "threshold", 0.25) == 0.25


@pytest.mark.parametrize(
    ("low", "high", "state"),
    [(0.81, 0.9, "yes"), (0.8, 0.9, "yes"), (0.7, 0.81, "undecided"), (0.66, 0.74, "no"), (None, None, "undecided")],
)
def test_an_operating_point_is_reached_missed_or_undecided_by_its_interval(low, high, state):
    outcome = reached("specificity", 0.8, Estimate(0.75, low, high, n=100))
    assert (outcome.rule, outcome.target, outcome.state) == ("specificity", 0.8, state)


def test_net_benefit_is_true_alerts_less_weighed_false_ones():
    y, p = np.array([1.0, 0, 1, 0, 0]), np.array([0.9, 0.6, 0.4, 0.3, 0.2])
    benefit = net_benefit(y, p, np.array([0.25, 0.5]))
    assert benefit == pytest.approx([2 / 5 - 2 / 5 / 3, 1 / 5 - 1 / 5])


@given(arrays(float, 20, elements=TENTHS))
def test_below_every_answer_the_model_is_an_alert_for_all(answer):
    happened = np.tile([0.0, 1.0], 10)
    at = np.array([0.01, 0.3])
    assert net_benefit(happened, answer + 0.3, at) == pytest.approx(net_benefit(happened, np.ones(len(happened)), at))


def test_curves_are_those_of_scikit_learn_thinned_to_at_most_200_points():
    rng = np.random.default_rng(0)
    y = (rng.random(5000) < 0.3).astype(float)
    p = y + rng.normal(size=5000)
    curve = curves(y, p)
    fpr, tpr, _ = metrics.roc_curve(y, p, drop_intermediate=False)
    roc = curve["roc"]
    assert len(roc["x"]) <= 200
    assert len(curve["pr"]["x"]) <= 200
    assert (roc["x"][0], roc["y"][0], roc["x"][-1], roc["y"][-1]) == (0, 0, 1, 1)
    assert metrics.auc(roc["x"], roc["y"]) == pytest.approx(metrics.auc(fpr, tpr), abs=1e-3)
    assert curve["pr"]["y"][-1] == pytest.approx(y.mean())
