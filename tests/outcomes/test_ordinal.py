"""One of several grades in an order."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, cohen_kappa_score, mean_absolute_error

from polyclinic.checks import outcome_checks
from polyclinic.errors import UsageError
from polyclinic.evaluation.scores import of_all
from polyclinic.outcomes.ordinal import Ordinal
from polyclinic.outcomes.outcome import Outcome
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.samples import Dense, Samples
from polyclinic.state import State

FOUR = Ordinal(grades=("0", "1", "2", "3"))
TARGET = {"column": "y", "kind": "ordinal"}


def rows(codes):
    values = np.array(codes, np.float32)
    return Samples(np.arange(len(values)), {"y": Dense(values)}, {"y": "target"})


def predicted(probabilities, truth, outcome=FOUR):
    some = rows(truth)
    frame = outcome.predictions(Raw(np.array(probabilities, float)), some, decision=None, folder=Path())
    return frame.hstack(outcome.truth(some))


def random_answers(n, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, n)
    raw = 2 * (truth[:, None] - np.arange(3)) - 1 + rng.normal(0, 2, (n, 3))
    return FOUR.link(Raw(raw), State()).values, truth


def test_it_is_an_outcome():
    outcome: Outcome = FOUR
    assert (outcome.kind, outcome.head(rows([0]), State())) == ("ordinal", Head("row", 3, "log odds"))
    assert (outcome.family(State()).distribution, outcome.family(State()).channels) == ("bernoulli", 3)


@pytest.mark.parametrize("check", outcome_checks(), ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check, tmp_path):
    check(Ordinal(grades=("low", "middle", "high")), tmp_path)


def test_numbers_stand_in_their_order_and_text_must_be_listed():
    assert Ordinal().resolved(TARGET, pl.DataFrame({"y": [10, 9, 0, None]})).names == ("0", "9", "10")
    with pytest.raises(UsageError, match="nothing says in which order"):
        Ordinal().resolved(TARGET, pl.DataFrame({"y": ["mild", "severe"]}))


def test_the_target_says_whether_the_grade_is_above_each_of_the_others():
    target = FOUR.target(rows([0, 2, np.nan]), State())
    np.testing.assert_array_equal(target, [[0, 0, 0], [1, 1, 0], [np.nan] * 3])


@given(st.integers(0, 99))
def test_probabilities_are_none_below_zero_and_add_up_to_one(seed):
    raw = np.random.default_rng(seed).normal(0, 4, (30, 3))
    probabilities = FOUR.link(Raw(raw), State()).values
    assert (probabilities >= 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(1)
    falling = -np.sort(-raw, axis=1)
    expected = 1 / (1 + np.exp(-falling))
    assert 1 - np.cumsum(FOUR.link(Raw(falling), State()).values, axis=1)[:, :3] == pytest.approx(expected)


@given(st.integers(0, 99))
def test_the_order_turned_round_gives_the_same(seed):
    probabilities, truth = random_answers(60, seed)
    raw = np.random.default_rng(seed).normal(0, 3, (60, 3))
    turned = FOUR.link(Raw(-raw[:, ::-1]), State()).values
    assert turned == pytest.approx(FOUR.link(Raw(raw), State()).values[:, ::-1])
    one, other = (
        FOUR.scores(predicted(p, t)) for p, t in ((probabilities, truth), (probabilities[:, ::-1], 3 - truth))
    )
    for name in one:
        assert of_all(one[name], 60) == pytest.approx(of_all(other[name], 60)), name


def test_scores_are_those_of_scikit_learn_with_and_without_weights():
    probabilities, truth = random_answers(300)
    table = predicted(probabilities, truth)
    decided = table["predicted_class_value"].cast(pl.Int64).to_numpy()
    scores, weight = FOUR.scores(table), np.random.default_rng(1).integers(0, 4, 300).astype(float)
    for w in (np.ones(300), weight):
        y, d, p = (np.repeat(v, w.astype(int), axis=0) for v in (truth, decided, probabilities))
        steps = [((np.cumsum(p, axis=1)[:, k] - (y <= k)) ** 2).mean() for k in range(3)]
        expected = {
            "weighted_kappa": cohen_kappa_score(y, d, weights="quadratic"),
            "mae_grades": mean_absolute_error(y, d),
            "ranked_probability_score": np.mean(steps),
            "accuracy": accuracy_score(y, d),
        }
        assert {name: scores[name](w[None])[0] for name in expected} == pytest.approx(expected)


def test_two_medians_are_decided_by_the_more_probable_one_or_not_at_all():
    table = predicted([[0.5, 0, 0, 0.5], [0.3, 0.2, 0.4, 0.1], [0.25, 0.25, 0.25, 0.25], [np.nan] * 4], [0, 1, 2, 3])
    assert table["predicted_class_value"].to_list() == [None, "2", None, None]
    assert of_all(FOUR.scores(table)["mae_grades"], 4) == pytest.approx((3 + 1 + 2 + 3) / 4)


def test_the_loss_is_lowest_at_the_truth():
    torch = pytest.importorskip("torch")
    target = torch.as_tensor(FOUR.target(rows([0, 1, 2, 3]), State()))
    losses = [FOUR.loss(s * (2 * target - 1), {"target": target}, State()) for s in (-1.0, 0.0, 1.0)]
    assert (losses[0] > losses[1]).all()
    assert (losses[1] > losses[2]).all()


def test_what_the_shares_give_is_what_their_answers_score():
    truth = np.array([0, 0, 0, 1, 2, 3, 3])
    shares = np.tile(np.bincount(truth) / 7, (7, 1))
    table = predicted(shares, truth)
    scores = FOUR.scores(table)
    for name, value in FOUR.without_a_model(table).items():
        assert of_all(scores[name], 7) == pytest.approx(value), name
