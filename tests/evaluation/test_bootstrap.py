"""Intervals over groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyclinic import seeds
from polyclinic.evaluation.bootstrap import bootstrap, drawn, levels
from polyclinic.evaluation.scores import auroc, brier, row_mean


def problem(rows=600, groups=60, seed=0):
    rng = np.random.default_rng(seed)
    group = rng.integers(groups, size=rows)
    y = (rng.random(rows) < 0.3).astype(float)
    return y, 1 / (1 + np.exp(-(y + rng.normal(size=rows)))), group


@given(st.integers(1, 40), st.integers(1, 20))
def test_a_resample_draws_as_many_groups_as_there_are(groups, resamples):
    counts = drawn(groups, resamples, np.random.default_rng(0))
    assert counts.shape == (resamples, groups)
    assert (counts.sum(axis=1) == groups).all()


def test_each_draw_is_the_score_of_rows_resampled_for_real():
    y, p, group = problem()
    draws = bootstrap({"auroc": auroc(y, p)}, group, resamples=20, seed=3)
    names, place = np.unique(group, return_inverse=True)
    counts = drawn(len(names), 20, seeds.generator(3, "bootstrap", 0)).astype(int)
    for i, count in enumerate(counts):
        rows = np.concatenate([np.flatnonzero(place == g) for g in np.repeat(np.arange(len(names)), count)])
        assert draws.draws["auroc"][i] == pytest.approx(auroc(y[rows], p[rows])(np.ones((1, len(rows))))[0])


def test_the_same_seed_gives_the_same_draws_and_another_does_not():
    y, p, group = problem()
    a, b, c = (bootstrap({0: brier(y, p)}, group, resamples=50, seed=s).draws[0] for s in (1, 1, 2))
    assert (a == b).all()
    assert (a != c).any()


def test_the_order_of_rows_changes_no_interval():
    y, p, group = problem()
    order = np.random.default_rng(5).permutation(len(y))
    one = bootstrap({0: auroc(y, p)}, group, resamples=100).interval(0)
    other = bootstrap({0: auroc(y[order], p[order])}, group[order], resamples=100).interval(0)
    assert one == pytest.approx(other)


def test_rows_of_one_group_stand_or_fall_together():
    """Copying each row ten times within its group adds no evidence; as groups of their own it would."""
    values, group = np.random.default_rng(0).normal(size=40), np.arange(40)
    once = bootstrap({0: row_mean(values)}, group).interval(0)
    copied = bootstrap({0: row_mean(np.repeat(values, 10))}, np.repeat(group, 10)).interval(0)
    apart = bootstrap({0: row_mean(np.repeat(values, 10))}, np.arange(400)).interval(0)
    assert copied["high"] - copied["low"] == pytest.approx(once["high"] - once["low"], rel=1e-3)
    assert apart["high"] - apart["low"] < 0.5 * (once["high"] - once["low"])


def test_a_model_beside_itself_differs_by_nothing_and_beside_another_by_less_than_unpaired():
    y, p, group = problem()
    worse = np.clip(p + np.random.default_rng(1).normal(0, 0.02, len(p)), 0, 1)
    draws = bootstrap({"a": auroc(y, p), "again": auroc(y, p), "b": auroc(y, worse)}, group)
    assert draws.difference("a", "again") == {"value": 0.0, "low": 0.0, "high": 0.0, "n": len(y)}
    width = {k: draws.interval(k)["high"] - draws.interval(k)["low"] for k in ("a", "b")}
    paired = draws.difference("a", "b")
    assert paired["high"] - paired["low"] < 0.5 * min(width.values())


def test_an_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(0).normal(size=2000)
    found = bootstrap({0: row_mean(values)}, np.arange(2000), resamples=4000).interval(0)
    half = 1.96 * values.std() / np.sqrt(2000)
    assert found["low"] == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found["high"] == pytest.approx(values.mean() + half, abs=0.1 * half)


@pytest.mark.parametrize(("rows", "groups"), [(0, 1), (8, 1), (8, 4)])
def test_no_rows_or_a_handful_of_groups_give_no_interval(rows, groups):
    y = np.tile([0.0, 1.0], 4)[:rows]
    found = bootstrap({0: brier(y, y * 0.5)}, np.arange(rows) % groups).interval(0)
    assert (found["low"], found["high"], found["n"]) == (None, None, rows)


def test_scores_that_most_resamples_cannot_have_get_no_interval():
    y = np.r_[1.0, np.zeros(9)]
    found = bootstrap({0: auroc(y, np.linspace(1, 0, 10))}, np.arange(10)).interval(0)
    assert found["value"] == 1.0
    assert found["low"] is None


def test_levels_leave_out_what_is_missing():
    found = [(level, rows.tolist()) for level, rows in levels(np.array(["f", "", "m", "f", None], object))]
    assert found == [("f", [0, 3]), ("m", [2])]
