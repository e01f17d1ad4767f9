"""Intervals over groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from polyclinic.evaluation.blocks import BLOCKS
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.jackknife import jackknife, levels, scale
from polyclinic.evaluation.scores import NOT_NEGATIVE, SHARE, at_threshold, auroc, brier, ratio, restricted, row_mean


def problem(rows=600, groups=60, seed=0):
    rng = np.random.default_rng(seed)
    group = rng.integers(groups, size=rows)
    y = (rng.random(rows) < 0.3).astype(float)
    return y, 1 / (1 + np.exp(-(y + rng.normal(size=rows)))), group


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def test_each_replicate_is_the_score_of_the_rows_that_are_left():
    y, p, group = problem()
    replicates = jackknife({"auroc": auroc(y, p)}, group).replicates["auroc"]
    for name, replicate in zip(np.unique(group), replicates, strict=True):
        rows = group != name
        assert replicate == pytest.approx(auroc(y[rows], p[rows])(np.ones((1, rows.sum())))[0])


def test_an_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(0).normal(size=200)
    estimate = jackknife({0: row_mean(values)}, np.arange(200)).estimate(0)
    half = stats.t.ppf(0.975, estimate.effective_groups - 1) * values.std(ddof=1) / np.sqrt(200)
    assert (estimate.low, estimate.high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_many_groups_are_left_out_in_blocks_and_say_the_same():
    values, group = np.random.default_rng(0).normal(size=4000), np.arange(4000) % 2000
    in_blocks = jackknife({0: row_mean(values)}, group)
    assert len(in_blocks.replicates[0]) == BLOCKS
    means = np.bincount(group, values) / 2
    assert width(in_blocks.estimate(0)) == pytest.approx(2 * 1.97 * means.std() / np.sqrt(2000), rel=0.12)


def test_the_same_seed_gives_the_same_interval_and_another_other_blocks():
    y, p, group = problem(rows=2000, groups=1500)
    a, b, c = (jackknife({0: brier(y, p)}, group, seed=s).estimate(0) for s in (1, 1, 2))
    assert a == b
    assert a != c


def test_the_order_of_rows_changes_no_interval():
    y, p, group = problem()
    order = np.random.default_rng(5).permutation(len(y))
    one = jackknife({0: auroc(y, p)}, group).estimate(0)
    other = jackknife({0: auroc(y[order], p[order])}, group[order]).estimate(0)
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_rows_of_one_group_stand_or_fall_together():
    """Copying each row ten times within its group adds no evidence; as groups of their own it would."""
    values, group = np.random.default_rng(0).normal(size=40), np.arange(40)
    once = jackknife({0: row_mean(values)}, group).estimate(0)
    copied = jackknife({0: row_mean(np.repeat(values, 10))}, np.repeat(group, 10)).estimate(0)
    apart = jackknife({0: row_mean(np.repeat(values, 10))}, np.arange(400)).estimate(0)
    assert width(copied) == pytest.approx(width(once))
    assert width(apart) < 0.5 * width(once)


def test_a_model_beside_another_differs_by_less_than_unpaired():
    y, p, group = problem()
    worse = np.clip(p + np.random.default_rng(1).normal(0, 0.02, len(p)), 0, 1)
    replicates = jackknife({"a": auroc(y, p), "b": auroc(y, worse)}, group)
    assert width(replicates.difference("a", "b")) < 0.5 * min(width(replicates.estimate(k)) for k in "ab")


def test_a_model_beside_itself_differs_by_nothing_and_has_no_interval():
    y, p, group = problem()
    same = jackknife({"a": auroc(y, p), "again": auroc(y, p)}, group).difference("a", "again")
    assert (same.value, same.low, same.high, same.evidence) == (0.0, None, None, "none")


@pytest.mark.parametrize(("rows", "groups"), [(0, 1), (8, 1), (8, 4)])
def test_no_rows_or_a_handful_of_groups_give_no_interval(rows, groups):
    y = np.tile([0.0, 1.0], 4)[:rows]
    estimate = jackknife({0: brier(y, y * 0.5)}, np.arange(rows) % groups).estimate(0)
    assert (estimate.low, estimate.high, estimate.n, estimate.evidence) == (None, None, rows, "none")


def test_six_patients_perfectly_separated_are_no_evidence():
    y = np.tile([0.0, 1.0], 6)
    estimate = jackknife({0: auroc(y, y)}, np.arange(12) // 2).estimate(0)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, None, None)


def test_no_right_alert_of_many_is_no_interval():
    y, alert = np.zeros(60), np.ones(60)
    estimate = jackknife(at_threshold(y, alert, 0.5), np.arange(60) // 3).estimate("ppv")
    assert (estimate.value, estimate.low, estimate.high) == (0.0, None, None)


def test_scores_that_a_replicate_cannot_have_get_no_interval():
    y = np.r_[1.0, np.zeros(9)]
    estimate = jackknife({0: auroc(y, np.linspace(1, 0, 10) ** 2)}, np.arange(10)).estimate(0)
    assert estimate.value == 1.0
    assert estimate.low is None


def test_fewer_than_twenty_groups_or_a_few_that_decide_are_little_evidence():
    values = np.random.default_rng(0).normal(size=60)
    assert jackknife({0: row_mean(values)}, np.arange(60) % 19).estimate(0).evidence == "little"
    assert jackknife({0: row_mean(values)}, np.arange(60) % 20).estimate(0).evidence == "enough"
    rare = np.zeros(60)
    rare[:2] = 1
    alone = jackknife({0: row_mean(rare)}, np.arange(60)).estimate(0)
    assert alone.evidence == "little"
    assert alone.effective_groups < 8


def test_few_groups_of_one_class_are_little_evidence_however_many_there_are_of_the_other():
    y, p = problem(rows=400)[:2]
    y[:] = 0
    y[:30] = 1
    one_row_each, two_rows_each = np.arange(400), np.arange(400) // 2
    evidence = [jackknife({0: auroc(y, p)}, g, classes=y).estimate(0).evidence for g in (one_row_each, two_rows_each)]
    assert evidence == ["enough", "little"]


@given(st.integers(0, 10_000), st.integers(6, 40), st.floats(0.02, 0.98))
@settings(deadline=None, max_examples=60)
def test_an_interval_lies_within_what_the_score_can_be_and_holds_the_value(seed, groups, share):
    rng = np.random.default_rng(seed)
    group = rng.integers(groups, size=groups * 3)
    y, p = (rng.random(len(group)) < share).astype(float), rng.random(len(group))
    measures = {"auroc": auroc(y, p), "brier": brier(y, p), **at_threshold(y, p, 0.5)}
    replicates = jackknife(measures, group)
    for name in measures:
        estimate, (low, high) = replicates.estimate(name), replicates.bounds[name]
        assert not estimate.has_interval or low <= estimate.low < estimate.value < estimate.high <= high
    gap = replicates.difference("sensitivity", "specificity")
    assert not gap.has_interval or -1 <= gap.low < gap.value < gap.high <= 1


@given(st.sampled_from([SHARE, NOT_NEGATIVE, (-1.0, 1.0), (-np.inf, np.inf)]), st.floats(0.01, 0.99))
def test_a_scale_without_bounds_leads_back_and_its_slope_is_its_derivative(bounds, value):
    to, back, slope = scale(bounds)
    assert back(to(value)) == pytest.approx(value)
    assert slope(value) == pytest.approx((to(value + 1e-7) - to(value - 1e-7)) / 2e-7, rel=1e-4)


def test_the_p_value_is_below_a_twentieth_just_where_the_interval_leaves_out_nothing():
    rng = np.random.default_rng(3)
    for shift in np.linspace(0, 0.4, 30):
        a, b = rng.normal(shift, 1, 50), rng.normal(0, 1, 50)
        replicates = jackknife({"a": row_mean(a), "b": row_mean(b)}, np.arange(50))
        difference = replicates.difference("a", "b")
        assert (replicates.p_value("a", "b") < 0.05) == (not difference.low < 0 < difference.high)


def test_a_score_of_some_rows_is_a_score_of_all():
    y, p, group = problem()
    rows = np.flatnonzero(y > 0)
    one = jackknife({0: restricted(brier(y[rows], p[rows]), rows)}, group).estimate(0)
    assert one.value == pytest.approx(np.mean((y - p)[rows] ** 2))
    assert one.has_interval


def test_a_ratio_is_weighed_by_its_groups():
    total, count = np.array([4.0, 1.0, 1.0, 2.0, 2.0, 8.0]), np.array([2.0, 1.0, 1.0, 2.0, 1.0, 3.0])
    estimate = jackknife({0: ratio(total, count, NOT_NEGATIVE)}, np.arange(6)).estimate(0)
    assert estimate.value == 1.8
    assert 0 < estimate.low < 1.8 < estimate.high


def test_levels_leave_out_what_is_missing():
    rows_by_level = [(level, rows.tolist()) for level, rows in levels(np.array(["f", "", "m", "f", None], object))]
    assert rows_by_level == [("f", [0, 3]), ("m", [2])]
