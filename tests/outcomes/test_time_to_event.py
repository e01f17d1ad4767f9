"""Times to an event: the columns, the hazards, and laws that hold whatever the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from polyclinic.checks import model_checks, outcome_checks
from polyclinic.errors import BadData, UsageError
from polyclinic.evaluation.survival_curves import aalen_johansen, kaplan_meier
from polyclinic.models.cox import Cox, PartialLikelihood, penalised
from polyclinic.models.gbm import Gbm
from polyclinic.models.kaplan_meier import Events, KaplanMeier
from polyclinic.models.model import Session
from polyclinic.models.perceptron import Perceptron
from polyclinic.models.training_settings import Training
from polyclinic.outcomes.event_columns import rounded, time_grid
from polyclinic.outcomes.raw import Raw, mean
from polyclinic.outcomes.time_to_event import COLUMN, TimeToEvent
from polyclinic.samples import Dense, Samples
from polyclinic.state import State
from polyclinic.training.loop import fit

GRID = (0.2, 0.5, 1.0, 2.0, 3.0)
ONE = TimeToEvent(times=GRID, horizons=(0.5, 1.0, 2.0))
TWO = replace(ONE, causes=("relapse", "death"))


def rows_of(time, event, x=None, weights=None):
    """Samples of times and codes, with inputs and weights."""
    columns = {COLUMN: Dense(np.stack([np.asarray(time, float), np.asarray(event, float)], axis=1), ("time", "event"))}
    columns["x"] = Dense(np.asarray(np.zeros((len(time), 1)) if x is None else x, np.float64), ())
    roles = {COLUMN: "target", "x": "input"}
    if weights is not None:
        columns["w"], roles["w"] = Dense(np.asarray(weights, float)), "weight"
    return Samples(np.arange(len(time)), columns, roles)


def simulated(n, seed, causes=2):
    """Constant hazards that follow x, a third of the rows censored: what happens is known at every time."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, causes)).clip(-2, 2)
    rates = np.exp(0.8 * x) * np.array([0.6, 0.4])[:causes]
    ends = rng.exponential(size=(n, causes)) / rates
    censored = rng.exponential(2.5, size=n)
    first = ends.min(axis=1)
    event = np.where(first <= censored, ends.argmin(axis=1) + 1, 0)
    return rows_of(np.minimum(first, censored), event, x), rates


def fitted(model, outcome, rows, validation=None):
    return fit(model, rows, rows if validation is None else validation, outcome, Session(seed=1))


# -- contracts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [ONE, TWO], ids=["one cause", "two causes"])
@pytest.mark.parametrize("check", outcome_checks(), ids=lambda check: check.__name__)
def test_it_keeps_the_contract_of_outcomes(check, outcome, tmp_path):
    check(outcome, tmp_path)


MODELS = {
    "cox": Cox(),
    "kaplan-meier": KaplanMeier(),
    "gbm": Gbm(rounds=15),
    "perceptron": Perceptron(layers=(16,), training=Training(epochs=10, batch=64, learning_rate=1e-2)),
}


@pytest.mark.parametrize("name", ["cox", "kaplan-meier", "gbm", pytest.param("perceptron", marks=pytest.mark.slow)])
@pytest.mark.parametrize("check", model_checks(), ids=lambda check: check.__name__)
def test_its_models_keep_the_contract_of_models(check, name, tmp_path):
    check(MODELS[name], replace(TWO, bins=4), tmp_path)


# -- the columns -----------------------------------------------------------------------------------------------------

TARGET = {"kind": "time_to_event", "time": "days", "event": "ended"}


def columns(outcome, frame):
    return outcome.columns(TARGET, frame, {})[COLUMN].values


def test_text_names_the_cause_or_that_the_row_is_censored():
    frame = pl.DataFrame({"days": [1, 2, 3, None], "ended": ["death", "lost", "relapse", "death"]})
    values = columns(replace(TWO, censored="lost"), frame)
    assert values[:3].tolist() == [[1, 2], [2, 0], [3, 1]]
    assert np.isnan(values[3]).all()
    with pytest.raises(BadData, match="neither 'censored' nor a cause"):
        columns(TWO, frame)


def test_yes_no_and_codes_are_read_and_others_are_refused():
    for ended in ([True, False, None], [1, 0, None], [1.0, 0.0, None], ["1", "0", None]):
        values = columns(ONE, pl.DataFrame({"days": [5, 7, 9], "ended": ended}))
        assert values[:2].tolist() == [[5, 1], [7, 0]]
        assert np.isnan(values[2]).all()
    with pytest.raises(BadData, match="other than 0 to 1"):
        columns(ONE, pl.DataFrame({"days": [5], "ended": [2]}))
    with pytest.raises(BadData, match="below 0"):
        columns(ONE, pl.DataFrame({"days": [-5], "ended": [1]}))
    with pytest.raises(UsageError, match="names no 'event'"):
        ONE.columns({"time": "days"}, pl.DataFrame({"days": [5]}), {})


def test_time_and_event_are_both_kept_from_the_inputs():
    assert ONE.reads(TARGET) == ("days", "ended")


def test_the_study_writes_out_when_answers_are_given():
    time = np.arange(1, 101, dtype=float)
    frame = pl.DataFrame({"days": time, "ended": [1, 0] * 50})
    resolved = TimeToEvent().resolved(TARGET, frame)
    assert resolved.times[-1] == pytest.approx(np.quantile(time, 0.9), rel=1e-3)
    assert resolved.horizons == (23.0, 45.0, 67.0)
    assert set(resolved.horizons) <= set(resolved.times)
    assert resolved.resolved(TARGET, frame) == resolved
    with pytest.raises(UsageError, match="at which times"):
        _ = TimeToEvent().grid


@given(st.floats(1e-6, 1e9), st.integers(1, 6))
def test_a_rounded_number_is_near_and_one_that_is_rounded_down_is_not_above(value, digits):
    near = rounded(value, digits)
    assert near == pytest.approx(value, rel=0.51 * 10.0 ** (1 - digits) + 1e-9)
    assert rounded(value, digits, down=True) <= value * (1 + 1e-6)


def test_no_event_leaves_nothing_to_learn():
    with pytest.raises(BadData, match="no event in the training rows"):
        ONE.check(rows_of([1, 2], [0, 0]), "the training rows")
    assert time_grid(np.array([1.0, 2.0]), np.array([0, 0]), ()) == ((), ())


# -- hazards ---------------------------------------------------------------------------------------------------------


def test_the_target_is_what_is_known_of_each_bin():
    state, nan = State(arrays={"edges": np.array([0.0, 1.0, 2.0, 3.0])}), np.nan
    rows = rows_of([1.5, 2.0, 2.6, 2.2, 9.0, 0.0], [2, 1, 0, 0, 0, 1])
    expected = [
        [0, 0, nan, 1, nan, nan],
        [0, 0, 1, nan, nan, nan],
        [0, 0, 0, 0, 0, 0],  # censored after the middle of its bin: it lived through it
        [0, 0, 0, 0, nan, nan],
        [0, 0, 0, 0, 0, 0],
        [1, nan, nan, nan, nan, nan],
    ]
    assert np.array_equal(TWO.target(rows, state), np.array(expected, np.float32), equal_nan=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_loss_is_the_negative_log_likelihood_of_the_discrete_hazards(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    rows, _ = simulated(12, seed)
    state = TWO.prepare(rows)
    raw = rng.normal(size=(12, TWO.head(rows, state).channels))
    target = TWO.target(rows, state)
    losses = TWO.loss(torch.as_tensor(raw), {"target": torch.as_tensor(target)}, state).numpy()
    for row in range(12):
        log_likelihood = 0.0
        for scores, known in zip(raw[row].reshape(-1, 2), target[row].reshape(-1, 2), strict=True):
            shares = np.exp([*scores, 0.0]) / np.exp([*scores, 0.0]).sum()
            if (known == 1).any():
                log_likelihood += np.log(shares[int(np.nanargmax(known))])
            elif (known == 0).all():
                log_likelihood += np.log(shares[2])
        assert losses[row] == pytest.approx(-log_likelihood, abs=1e-9)


def test_the_link_keeps_incidences_rising_and_their_sum_below_one():
    rows, _ = simulated(50, 1)
    state = TWO.prepare(rows)
    wild = np.random.default_rng(0).normal(scale=300, size=(50, TWO.head(rows, state).channels))
    answer = TWO.by_cause(TWO.link(Raw(wild), state).values)
    assert np.isfinite(answer).all()
    assert (np.diff(answer, axis=2) >= -1e-12).all()
    assert (answer.sum(axis=1) <= 1 + 1e-9).all()


def test_kaplan_meier_is_the_curve_of_the_training_rows_at_the_edges():
    rows, _ = simulated(300, 2)
    time, event = rows.y.T
    edges = TWO.prepare(rows).arrays["edges"][1:]
    at_edges = replace(TWO, times=tuple(edges), horizons=())
    answer = at_edges.by_cause(fitted(KaplanMeier(), at_edges, rows).answer(rows.take([0]), at_edges).values)[0]
    assert 1 - answer.sum(axis=0) == pytest.approx(kaplan_meier(time, event)(edges), abs=1e-5)
    for cause in (1, 2):
        assert answer[cause - 1] == pytest.approx(aalen_johansen(time, event, cause)(edges), abs=1e-5)


@pytest.mark.parametrize("model", [Cox(), Gbm(rounds=60)], ids=["cox", "gbm"])
def test_incidences_of_competing_causes_are_those_of_the_known_law(model):
    """With constant hazards a and b, the first cause has happened by t with a / (a + b) · (1 - exp(-(a + b) t))."""
    rows, _ = simulated(3000, 4)
    outcome = replace(TWO, bins=12)
    some, rates = simulated(400, 5)
    answer = outcome.by_cause(fitted(model, outcome, rows, simulated(800, 6)[0]).answer(some, outcome).values)
    total = rates.sum(axis=1, keepdims=True)
    true = (rates / total)[:, :, None] * (1 - np.exp(-total[:, :, None] * np.array(GRID)))
    error = np.abs(answer - true).mean()
    assert error < (0.02 if isinstance(model, Cox) else 0.06)
    assert answer.mean(axis=0) == pytest.approx(true.mean(axis=0), abs=0.035)


def test_members_with_other_edges_are_averaged_at_the_same_times():
    halves = [simulated(400, seed)[0] for seed in (7, 8)]
    some, _ = simulated(5, 9)
    members = [fitted(Cox(), TWO, rows) for rows in halves]
    assert not np.array_equal(*(member.outcome_state.arrays["edges"] for member in members))
    answers = [member.answer(some, TWO) for member in members]
    together = TWO.predictions(mean(answers), some, decision=None, folder=Path())
    apart = [np.array(TWO.predictions(a, some, decision=None, folder=Path())["survival"].to_list()) for a in answers]
    assert np.array(together["survival"].to_list()) == pytest.approx(sum(apart) / 2)


# -- laws ------------------------------------------------------------------------------------------------------------


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1 / 365.25, 7.0, 24.0]))
def test_the_unit_of_time_changes_no_answer_and_no_score(seed, unit):
    rows, _ = simulated(80, seed)
    other = rows_of(rows.y[:, 0] * unit, rows.y[:, 1], rows.columns["x"].values)
    outcome = replace(TWO, times=tuple(at * unit for at in GRID), horizons=(GRID[1] * unit,))
    for model in (Cox(), KaplanMeier()):
        one, same = (fitted(model, o, r).answer(r, o) for o, r in ((TWO, rows), (outcome, other)))
        assert one.values == pytest.approx(same.values, abs=1e-6)
        ones, sames = (scores_of(o, a, r) for o, a, r in ((TWO, one, rows), (outcome, same, other)))
        assert ones["uno_c"] == pytest.approx(sames["uno_c"], abs=1e-6)
        assert ones["integrated_brier//death"] == pytest.approx(sames["integrated_brier//death"], abs=1e-6, nan_ok=True)


def scores_of(outcome, answer, rows, weights=None):
    """Name → score."""
    table = outcome.predictions(answer, rows, decision=None, folder=Path()).hstack(outcome.truth(rows))
    weights = np.ones((1, len(rows))) if weights is None else weights[None]
    return {name: float(score(weights)[0]) for name, score in outcome.scores(table).items()}


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000))
def test_swapped_causes_swap_answers_and_scores(seed):
    rows, _ = simulated(80, seed)
    event = np.array([0, 2, 1])[rows.y[:, 1].astype(int)]
    swapped = rows_of(rows.y[:, 0], event, rows.columns["x"].values)
    outcome = replace(TWO, causes=TWO.causes[::-1])
    for model in (Cox(), KaplanMeier()):
        one, other = fitted(model, TWO, rows).answer(rows, TWO), fitted(model, outcome, swapped).answer(rows, outcome)
        assert TWO.by_cause(one.values) == pytest.approx(outcome.by_cause(other.values)[:, ::-1], abs=1e-6)
        ones, others = scores_of(TWO, one, rows), scores_of(outcome, other, swapped)
        assert ones == pytest.approx({name: others[name] for name in ones}, abs=1e-6, nan_ok=True)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000), st.booleans())
def test_a_weight_of_two_is_the_row_twice(seed, tied):
    rng = np.random.default_rng(seed)
    rows, _ = simulated(60, seed)
    time, event, x = rows.y[:, 0], rows.y[:, 1], rows.columns["x"].values
    time = np.ceil(time * 4) / 4 if tied else time
    times = rng.integers(0, 3, 60)
    weighted, repeated = (
        rows_of(time, event, x, times),
        rows_of(*(np.repeat(v, times, axis=0) for v in (time, event, x))),
    )
    for model in (Cox(), KaplanMeier()):
        one, other = (fitted(model, TWO, r).answer(rows, TWO) for r in (weighted, repeated))
        assert one.values == pytest.approx(other.values, abs=2e-5)
    again = Raw(np.repeat(one.values, times, axis=0))
    assert scores_of(TWO, one, rows_of(time, event, x), times.astype(float)) == pytest.approx(
        scores_of(TWO, again, repeated), abs=1e-9, nan_ok=True
    )


# -- Cox against an oracle -------------------------------------------------------------------------------------------


def plain_loss(weights, x, time, event):
    """Efron's partial likelihood, moment by moment."""
    loss, ratio = 0.0, np.exp(x @ weights)
    for moment in np.unique(time[event > 0]):
        now, at_risk = (time == moment) & (event > 0), time >= moment
        for place in range(now.sum()):
            loss += np.log(ratio[at_risk].sum() - place / now.sum() * ratio[now].sum())
        loss -= (x[now] @ weights).sum()
    return loss


@pytest.mark.parametrize("tied", [False, True])
def test_cox_is_the_maximum_of_a_plain_likelihood(tied):
    rows, _ = simulated(120, 11, causes=1)
    time, event = rows.y.T
    x = np.c_[rows.columns["x"].values, np.random.default_rng(0).normal(size=120)]
    time = np.ceil(time * 5) / 5 if tied else time
    partial = PartialLikelihood.of(x, Events(time, event, np.ones(120), np.zeros(1), 1))
    (weights,) = penalised(partial, [1e9])
    oracle = minimize(plain_loss, np.zeros(2), args=(x, time, event))
    assert partial.loss(weights) == pytest.approx(oracle.fun, abs=1e-6)
    assert weights == pytest.approx(oracle.x, abs=1e-4)


def test_a_strong_penalty_leaves_the_curve_of_all_rows():
    rows, _ = simulated(200, 12)
    cox, alike = (fitted(m, TWO, rows).answer(rows, TWO).values for m in (Cox(strengths=(1e-9,)), KaplanMeier()))
    assert cox == pytest.approx(alike, abs=0.01)
