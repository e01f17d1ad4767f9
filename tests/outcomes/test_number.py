"""A number a row, and the interval that contains the true one."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, r2_score, root_mean_squared_error

from polyclinic import notes
from polyclinic.checks import outcome_checks
from polyclinic.errors import BadData
from polyclinic.evaluation.conformal import conformal_amount
from polyclinic.evaluation.scores import of_all
from polyclinic.outcomes.number import Number
from polyclinic.outcomes.number_adjustment import ConformalInterval
from polyclinic.outcomes.outcome import Outcome
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.samples import Dense, Samples
from polyclinic.state import State

TARGET = {"column": "y", "kind": "number"}
PLAIN = State({"centre": 0.0, "scale": 1.0})


def rows(values):
    numbers = np.array(values, np.float64)
    return Samples(np.arange(len(numbers)), {"y": Dense(numbers)}, {"y": "target"})


def read(values):
    """Samples whose target is read from a column of a table."""
    table = pl.DataFrame({"y": values})
    return Samples(np.arange(table.height), Number().columns(TARGET, table, {}), {"y": "target"})


def predicted(answer, some, outcome=None):
    outcome = outcome or Number()
    frame = outcome.predictions(Raw(np.array(answer, float)), some, decision=None, folder=Path())
    return frame.hstack(outcome.truth(some))


def scored(answer, some, weights=None, outcome=None):
    outcome = outcome or Number()
    scores = outcome.scores(predicted(answer, some, outcome))
    if weights is None:
        return {name: of_all(score, len(some)) for name, score in scores.items()}
    return {name: float(score(np.array([weights], float))[0]) for name, score in scores.items()}


def random_answers(n, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(100, 20, n)
    centre = truth + rng.normal(0, 8, n)
    return np.stack([centre, centre - 12, centre + 12], axis=1), truth


def test_it_is_an_outcome():
    outcome: Outcome = Number()
    assert (outcome.kind, outcome.head(rows([0]), State())) == ("number", Head("row", 3, "standardised"))
    family = outcome.family(State())
    assert (family.distribution, family.levels) == ("quantiles", (None, 0.05, 0.95))
    assert Number(interval=None, centre="median").levels == (0.5,)


@pytest.mark.parametrize("outcome", [Number(), Number(unit="mmHg", interval=None, centre="median")])
@pytest.mark.parametrize("check", outcome_checks(), ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check, outcome, tmp_path):
    check(outcome, tmp_path)


@pytest.mark.parametrize("settings", [{"interval": 1.0}, {"interval": 0}, {"centre": "mode"}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Number(**settings)


def test_text_with_limits_is_a_number_and_a_side():
    with notes.collection() as noted:
        some = read(["7.4", "<5", ">= 200", " 1e2 ", "", None])
    truth = Number().truth(some)
    assert truth["numeric_value"].to_list() == [7.4, 5.0, 200.0, 100.0, None, None]
    assert truth["numeric_bound"].to_list() == [None, "<", ">", None, None, None]
    assert "1 below and 1 above" in noted[0].result
    assert Number().facts(some)["bounds"] == 2


def test_text_that_is_no_number_is_named_by_its_pattern_alone():
    with pytest.raises(BadData, match="'aaaaaa 99'") as caught:
        read(["1", "secret 42"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("values", [[np.inf, 1.0], ["1e999", "2"]])
def test_an_infinite_target_is_refused(values):
    with pytest.raises(BadData, match="infinite in 1 row"):
        read(values)


def test_equal_targets_leave_nothing_to_learn():
    with pytest.raises(BadData, match="all targets are equal in the training rows"):
        Number().check(rows([3, 3, np.nan]), "the training rows")
    with pytest.raises(BadData, match="no label"):
        Number().check(rows([np.nan]), "the training rows")


def test_the_target_is_standardised_by_training_rows_and_linked_back():
    outcome, train = Number(), rows([10, 20, 30, np.nan])
    state = outcome.prepare(train)
    target = outcome.target(train, state)
    assert np.nanmean(target) == pytest.approx(0, abs=1e-6)
    assert np.nanstd(target) == pytest.approx(1, abs=1e-6)
    back = outcome.link(Raw(np.stack([target] * 3, axis=1)), state).values[:, 0]
    np.testing.assert_allclose(back, [10, 20, 30, np.nan], rtol=1e-6)


@given(st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 3), min_size=1, max_size=20))
def test_the_number_lies_within_its_interval(raw):
    values = Number().link(Raw(np.array(raw)), State({"centre": 3.0, "scale": 2.0})).values
    assert (values[:, 1] <= values[:, 0]).all()
    assert (values[:, 0] <= values[:, 2]).all()


@given(st.floats(0.01, 100), st.floats(-1000, 1000))
def test_another_unit_gives_the_same_answers_in_that_unit(factor, offset):
    outcome, train = Number(), rows([36.5, 37.2, 39.9, 38.1])
    other = rows(train.y * factor + offset)
    one, two = outcome.prepare(train), outcome.prepare(other)
    raw = Raw(np.array([[0.3, -1.2, 2.0]]))
    converted = outcome.link(raw, one).values * factor + offset
    np.testing.assert_allclose(outcome.link(raw, two).values, converted, rtol=1e-6, atol=1e-6 * (factor + abs(offset)))


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_those_of_scikit_learn_and_scipy(weighted):
    answer, truth = random_answers(200)
    weight = np.random.default_rng(3).integers(0, 4, 200) if weighted else np.ones(200, int)
    times = np.repeat(np.arange(200), weight)
    y, p = truth[times], answer[times]
    scores = scored(answer, rows(truth), weight)
    assert scores["mae"] == pytest.approx(mean_absolute_error(y, p[:, 0]))
    assert scores["rmse"] == pytest.approx(root_mean_squared_error(y, p[:, 0]))
    assert scores["r2"] == pytest.approx(r2_score(y, p[:, 0]))
    assert scores["spearman"] == pytest.approx(spearmanr(y, p[:, 0]).statistic)
    ends = [mean_pinball_loss(y, p[:, k], alpha=level) for k, level in ((1, 0.05), (2, 0.95))]
    assert scores["pinball"] == pytest.approx(np.mean(ends))
    assert scores["coverage"] == pytest.approx(np.mean(np.abs(y - p[:, 0]) <= 12))
    assert scores["interval_score"] == pytest.approx(np.mean(24 + 20 * np.maximum(np.abs(y - p[:, 0]) - 12, 0)))


def test_a_bound_is_charged_the_least_error_that_it_can_have():
    some = read(["<5", "<5", ">200", "50"])
    answer = [[3, 2, 4], [8, 6, 9], [150, 140, 160], [50, 49, 51]]
    scores = scored(answer, some)
    assert scores["mae"] == pytest.approx((0 + 3 + 50 + 0) / 4)
    assert scores["coverage"] == pytest.approx(2 / 4)


def test_measures_have_unit_and_direction():
    measures = {m.name: m for m in Number(unit="mmHg", interval=0.8).measures}
    assert next(iter(measures)) == "mae"
    assert (measures["mae"].unit, measures["mae"].better, measures["r2"].unit) == ("mmHg", "low", "")
    assert (measures["coverage"].best, measures["coverage"].title) == (0.8, "80 % intervals with the truth")
    assert "coverage" not in {m.name for m in Number(interval=None).measures}


def test_without_a_model_the_median_and_the_mean_answer():
    frame = Number().truth(rows([1, 2, 9]))
    assert Number().without_a_model(frame) == {"mae": pytest.approx(8 / 3), "rmse": pytest.approx(np.std([1, 2, 9]))}


def test_loss_is_least_at_mean_and_quantiles():
    torch = pytest.importorskip("torch")
    y = np.random.default_rng(0).gamma(2.0, size=4001)
    batch = {"target": torch.tensor(y)}
    best = [y.mean(), np.quantile(y, 0.05), np.quantile(y, 0.95)]

    def mean_loss(answer):
        return float(Number().loss(torch.tensor([answer] * len(y)), batch, PLAIN).mean())

    least = mean_loss(best)
    for channel in range(3):
        for step in (-0.05, 0.05):
            assert mean_loss([v + step * (k == channel) for k, v in enumerate(best)]) > least


def test_conformal_intervals_contain_the_wanted_share_of_new_groups():
    covered = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(60), 4)
        truth = rng.normal(size=60).repeat(4) + rng.normal(size=240)
        low, high = np.full(240, -0.1), np.full(240, 0.1)
        learn = groups < 30
        amount = conformal_amount((truth[learn],) * 2, low[learn], high[learn], groups[learn], 0.9)
        covered.append((np.abs(truth[~learn]) <= 0.1 + amount).mean())
    assert 0.89 <= np.mean(covered) <= 0.95


def test_a_group_of_many_rows_weighs_as_much_as_one_of_few():
    truth = np.concatenate([np.linspace(0, 1, 19), np.full(1000, 50.0)])
    groups = np.concatenate([np.arange(19), np.full(1000, 99)])
    zero = np.zeros(len(truth))
    assert conformal_amount((truth, truth), zero, zero, groups, 0.9) <= 1


def test_too_few_groups_leave_the_intervals_as_they_are_with_a_note():
    truth = np.arange(100.0)
    with notes.collection() as noted:
        assert conformal_amount((truth, truth), truth, truth, np.arange(100) % 8, 0.9) is None
    assert noted[0].result == "8 validation groups for a coverage of 0.9"
    assert conformal_amount((truth, truth), truth, truth, np.arange(100) % 9, 0.9) == 0


def test_narrower_intervals_still_hold_the_number():
    moved = ConformalInterval(-5.0, 0.9, "mmHg")
    np.testing.assert_array_equal(moved.apply(Raw(np.array([[10.0, 8.0, 30.0]]))).values, [[10, 10, 25]])
    assert "narrower by 5.00 mmHg" in moved.describe()


def test_the_adjustment_is_learned_on_labelled_rows_alone():
    answer, truth = random_answers(100)
    truth[:20] = np.nan
    learned = Number().adjust(Raw(answer), Number().truth(rows(truth)), np.arange(100))
    known = Number().adjust(Raw(answer[20:]), Number().truth(rows(truth[20:])), np.arange(20, 100))
    assert learned == known
    assert Number(interval=None).adjust(Raw(answer[:, :1]), Number().truth(rows(truth)), np.arange(100)) is None
