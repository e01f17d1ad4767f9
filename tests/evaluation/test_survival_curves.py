"""Observed curves of times to an event against products and sums written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polyclinic.evaluation.survival_curves import aalen_johansen, calibration_at, kaplan_meier

AT = np.arange(0.0, 8.0, 0.5)


@st.composite
def problems(draw):
    rows = draw(st.integers(1, 20))
    time = draw(arrays(float, rows, elements=st.integers(1, 6).map(float)))
    event = draw(arrays(np.int64, rows, elements=st.integers(0, 2)))
    return time, event, draw(arrays(float, rows, elements=st.integers(0, 4).map(lambda k: k / 2)))


def slow_curves(time, event, w, at):
    """Free of any event, and the incidence of cause 1, at one time."""
    free, incidence = 1.0, 0.0
    for u in sorted(set(time[time <= at])):
        at_risk = w[time >= u].sum()
        if at_risk:
            incidence += free * w[(time == u) & (event == 1)].sum() / at_risk
            free *= 1 - w[(time == u) & (event > 0)].sum() / at_risk
    return free, incidence


@given(problems())
def test_curves_are_what_their_definitions_give(problem):
    time, event, w = problem
    expected = np.array([slow_curves(time, event, w, at) for at in AT])
    assert kaplan_meier(time, event, w)(AT) == pytest.approx(expected[:, 0])
    assert aalen_johansen(time, event, 1, w)(AT) == pytest.approx(expected[:, 1])


@given(problems())
def test_a_weight_is_that_row_so_many_times(problem):
    time, event, w = problem
    counts = (2 * w).astype(int)
    again = np.repeat(np.arange(len(time)), counts)
    assert kaplan_meier(time, event, counts)(AT) == pytest.approx(kaplan_meier(time[again], event[again])(AT))
    incidence = aalen_johansen(time[again], event[again], 2)
    assert aalen_johansen(time, event, 2, counts)(AT) == pytest.approx(incidence(AT))


@given(problems())
def test_who_is_not_free_has_had_one_of_the_causes(problem):
    time, event, w = problem
    causes = sum(aalen_johansen(time, event, cause, w)(AT) for cause in (1, 2))
    assert kaplan_meier(time, event, w)(AT) == pytest.approx(1 - causes)


@given(problems(), st.sampled_from([24.0, 0.5]))
def test_another_unit_of_time_moves_the_steps_alone(problem, unit):
    time, event, w = problem
    assert kaplan_meier(time * unit, event, w)(AT * unit) == pytest.approx(kaplan_meier(time, event, w)(AT))


def test_a_step_counts_from_its_time_on():
    curve = kaplan_meier(np.array([2.0, 2.0, 3.0, 4.0]), np.array([1, 0, 1, 0]))
    assert curve(np.array([1.9, 2.0, 3.0, 9.0])) == pytest.approx([1.0, 0.75, 0.375, 0.375])
    assert curve.before(np.array([2.0, 3.0])) == pytest.approx([1.0, 0.75])


def test_without_censoring_the_observed_risk_is_a_share_of_rows():
    rng = np.random.default_rng(0)
    risk = rng.random(400)
    time, event = rng.exponential(1 / (0.1 + risk)), rng.integers(1, 3, 400)
    bins = calibration_at(time, event, risk, 1.0, bins=4)
    assert [b.rows for b in bins] == [100] * 4
    quarter = np.argsort(risk)[:100]
    assert bins[0].predicted == pytest.approx(risk[quarter].mean())
    assert bins[0].observed == pytest.approx(np.mean((time[quarter] <= 1.0) & (event[quarter] == 1)))


def test_risks_that_are_true_lie_on_the_diagonal_in_spite_of_censoring():
    rng = np.random.default_rng(1)
    rate = rng.uniform(0.1, 2.0, 20_000)
    lifetime, followed = rng.exponential(1 / rate), rng.exponential(1.5, 20_000)
    event, time = (lifetime <= followed) * 1, np.minimum(lifetime, followed)
    for b in calibration_at(time, event, 1 - np.exp(-rate), 1.0):
        assert b.observed == pytest.approx(b.predicted, abs=0.04)


def test_rows_of_equal_risk_lie_in_one_bin():
    time, event = np.arange(1.0, 11.0), np.ones(10, np.int64)
    assert [b.rows for b in calibration_at(time, event, np.full(10, 0.3), 5.0)] == [10]
    assert calibration_at(time[:0], event[:0], time[:0], 5.0) == []


def test_a_bin_that_nobody_is_followed_in_to_the_horizon_has_no_observed_risk():
    time, event = np.array([1.0, 2.0, 1.0, 9.0]), np.array([1, 0, 1, 0])
    first, second = calibration_at(time, event, np.array([0.1, 0.1, 0.9, 0.9]), 5.0, bins=2)
    assert first.observed is None
    assert second.observed == 0.5
