"""Scores of times to an event against slow, plainly right ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.evaluation.score_laws import assert_laws

from polyclinic.evaluation.blocks import Blocks
from polyclinic.evaluation.scores import of_all, without
from polyclinic.evaluation.survival_scores import auroc_at, brier_at, concordance, integrated_brier, uno_concordance

GRID = np.array([1.0, 2.5, 4.0])
HORIZON, TAU = 3.0, 4.0


def scores(time, event, risk, by_grid, unit=1.0, cause=1):
    return {
        "concordance": concordance(time, event, risk, cause),
        "uno": uno_concordance(time, event, risk, tau=TAU * unit, cause=cause),
        "brier": brier_at(time, event, by_grid[:, 1], HORIZON * unit, cause),
        "integrated_brier": integrated_brier(time, event, by_grid, GRID * unit, cause),
        "auroc": auroc_at(time, event, risk, HORIZON * unit, cause),
    }


def values(*columns, **options):
    return {name: of_all(score, len(columns[0])) for name, score in scores(*columns, **options).items()}


@st.composite
def problems(draw, causes=2, least=1):
    """Few times, so that events and censorings coincide, and risks with ties."""
    rows = draw(st.integers(least, 20))
    time = draw(arrays(float, rows, elements=st.integers(1, 6).map(float)))
    event = draw(arrays(np.int64, rows, elements=st.integers(0, causes)))
    risk = draw(arrays(float, rows, elements=st.integers(0, 5).map(lambda k: k / 5)))
    by_grid = draw(arrays(float, (rows, len(GRID)), elements=st.integers(0, 10).map(lambda k: k / 10)))
    return time, event, risk, by_grid


class Slow:
    """The definitions, row by row and pair by pair."""

    def __init__(self, time, event, w, cause=1):
        self.time, self.event, self.w, self.cause = time, event, w, cause
        self.rows = range(len(time))

    def uncensored(self, at, before):
        """Kaplan-Meier of censoring: who has an event at a time is not at risk of being censored then."""
        chance = 1.0
        for u in sorted(set(self.time[self.event == 0])):
            if u < at or (u == at and not before):
                left = sum(self.w[i] for i in self.rows if self.time[i] == u and self.event[i] == 0)
                later = sum(self.w[i] for i in self.rows if self.time[i] > u)
                chance *= later / (left + later) if left + later else 1.0
        return chance

    def pairs(self):
        for i in self.rows:
            for j in self.rows:
                earlier = self.time[i] < self.time[j]
                at_once = self.time[i] == self.time[j] and self.event[j] != self.cause
                if self.event[i] == self.cause and (earlier or at_once):
                    yield i, j, self.w[i] * self.w[j]

    def concordance(self, risk, weight=lambda i: 1.0):
        won = total = 0.0
        for i, j, w in self.pairs():
            w *= weight(i)
            total += w
            won += w * ((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]))
        return won / total if total else np.nan

    def uno(self, risk, tau):
        def weight(i):
            chance = self.uncensored(self.time[i], before=True)
            return 1 / chance**2 if self.time[i] < tau and chance else 0.0

        return self.concordance(risk, weight)

    def known(self, horizon):
        """Rows known at the horizon: row, whether the cause happened, its weight with IPCW."""
        for i in self.rows:
            if self.time[i] <= horizon and self.event[i] > 0 and self.w[i]:
                weight = self.w[i] / self.uncensored(self.time[i], before=True)
                yield i, self.event[i] == self.cause, weight
            elif self.time[i] > horizon and self.w[i]:
                yield i, False, self.w[i] / self.uncensored(horizon, before=False)

    def brier(self, risk, horizon):
        if not self.w.sum() or not self.uncensored(horizon, before=False):
            return np.nan
        return sum(w * (happened - risk[i]) ** 2 for i, happened, w in self.known(horizon)) / self.w.sum()

    def auroc(self, risk, horizon):
        if not self.w.sum() or not self.uncensored(horizon, before=False):
            return np.nan
        known = list(self.known(horizon))
        pairs = [(i, j, a * b) for i, yes, a in known if yes for j, other, b in known if not other]
        won = sum(w * ((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j])) for i, j, w in pairs)
        return won / sum(w for *_, w in pairs) if pairs else np.nan


@given(problems(), st.data())
def test_every_score_keeps_the_laws_of_weights(problem, data):
    assert_laws(scores, problem, data)


@given(problems(), st.data(), st.sampled_from([1, 2]))
def test_weighted_scores_are_what_their_definitions_give(problem, data, cause):
    time, event, risk, by_grid = problem
    w = data.draw(arrays(float, len(time), elements=st.integers(0, 4).map(lambda k: k / 2)))
    slow = Slow(time, event, w, cause)
    at_horizons = [slow.brier(by_grid[:, k], at) for k, at in enumerate(GRID)]
    expected = {
        "concordance": slow.concordance(risk),
        "uno": slow.uno(risk, TAU),
        "brier": slow.brier(by_grid[:, 1], HORIZON),
        "integrated_brier": np.trapezoid(at_horizons, GRID) / (GRID[-1] - GRID[0]),
        "auroc": slow.auroc(risk, HORIZON),
    }
    for name, score in scores(*problem, cause=cause).items():
        assert score(w[None])[0] == pytest.approx(expected[name], abs=1e-9, nan_ok=True), name


@given(problems(), st.sampled_from([24.0, 1 / 365.25]))
def test_another_unit_of_time_changes_nothing(problem, unit):
    time, *others = problem
    assert values(time * unit, *others, unit=unit) == pytest.approx(values(*problem), nan_ok=True)


@given(problems())
def test_causes_that_change_places_give_the_same_scores(problem):
    time, event, *risks = problem
    turned = np.choose(event, [0, 2, 1])
    assert values(time, turned, *risks, cause=2) == pytest.approx(values(*problem), nan_ok=True)


@given(problems())
def test_a_monotone_transform_of_the_risk_changes_no_ranking(problem):
    time, event, risk, by_grid = problem
    before, after = values(*problem), values(time, event, np.exp(3 * risk), by_grid)
    turned = values(time, event, -risk, by_grid)
    for name in ("concordance", "uno", "auroc"):
        assert after[name] == pytest.approx(before[name], nan_ok=True)
        assert turned[name] == pytest.approx(1 - before[name], nan_ok=True)


@given(problems())
def test_rows_weighted_up_stand_for_all_rows(problem):
    """What IPCW takes from censored rows it gives to others: an error that is the same for all is the score."""
    time, event, _, _ = problem
    score = of_all(brier_at(time, event, np.full(len(time), 0.5), HORIZON), len(time))
    assert np.isnan(score) or score == pytest.approx(0.25)


@given(problems(causes=1))
def test_without_censoring_they_are_the_scores_of_complete_data(problem):
    time, _, risk, by_grid = problem
    event, happened = np.ones(len(time), np.int64), (time <= HORIZON) * 1.0
    score = values(time, event, risk, by_grid)
    assert score["brier"] == pytest.approx(np.mean((happened - by_grid[:, 1]) ** 2))
    assert score["uno"] == pytest.approx(
        of_all(concordance(np.minimum(time, TAU), (time < TAU) * 1, risk), len(time)), nan_ok=True
    )


def test_a_competing_event_is_a_certain_no():
    time, event = np.array([1.0, 2.0, 5.0]), np.array([2, 1, 0])
    assert of_all(brier_at(time, event, np.array([0.0, 1.0, 0.0]), HORIZON), 3) == 0.0
    assert of_all(auroc_at(time, event, np.array([0.2, 0.9, 0.1]), HORIZON), 3) == 1.0


def test_a_horizon_that_nobody_is_followed_to_is_no_number():
    time, event = np.array([1.0, 2.0, 2.5]), np.array([1, 1, 0])
    risk = np.array([0.9, 0.8, 0.1])
    assert np.isnan(of_all(brier_at(time, event, risk, HORIZON), 3))
    assert np.isnan(of_all(auroc_at(time, event, risk, HORIZON), 3))
    assert np.isfinite(of_all(brier_at(time, event, risk, 2.0), 3))


def test_nobody_with_an_event_is_no_pair():
    assert np.isnan(of_all(concordance(np.arange(3.0), np.zeros(3, np.int64), np.arange(3.0)), 3))
    none = np.zeros(0)
    assert all(np.isnan(value) for value in values(none, none.astype(int), none, np.zeros((0, 3))).values())


def test_many_rows_in_many_blocks():
    rng = np.random.default_rng(2)
    log_hazard = rng.normal(0, 1, 3000)
    lifetime, followed = rng.exponential(np.exp(-log_hazard)), rng.exponential(2.0, 3000)
    event = (lifetime <= followed) * rng.integers(1, 3, 3000)
    time, blocks = np.minimum(lifetime, followed), Blocks(rng.integers(0, 50, 3000), 50)
    score = concordance(time, event, log_hazard)
    by_weights = score(blocks.weights(np.arange(50)))
    assert without(score, blocks) == pytest.approx(by_weights, abs=1e-9)
    assert 0.6 < by_weights.mean() < 0.9
