"""One of several classes."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss, roc_auc_score

from polyclinic import notes
from polyclinic.checks import outcome_checks
from polyclinic.decisions import PredictionSets
from polyclinic.errors import BadData, UsageError
from polyclinic.evaluation.scores import of_all
from polyclinic.evaluation.temperature import temperature
from polyclinic.outcomes.multiclass import Multiclass
from polyclinic.outcomes.outcome import Outcome
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.samples import Dense, Samples
from polyclinic.state import State

NAMES = ("a", "b", "c")
ABC = Multiclass(classes=NAMES)
TARGET = {"column": "y", "kind": "multiclass"}


def rows(codes):
    values = np.array(codes, np.float32)
    return Samples(np.arange(len(values)), {"y": Dense(values)}, {"y": "target"})


def predicted(probabilities, truth=None, outcome=ABC, decision=None):
    """The predictions table of these probabilities, with the truth beside them."""
    answer = Raw(np.array(probabilities, float))
    some = rows([np.nan] * len(answer) if truth is None else truth)
    frame = outcome.predictions(answer, some, decision=decision, folder=Path())
    return frame.hstack(outcome.truth(some)) if truth is not None else frame


def random_answers(n, classes=3, seed=0, sharpness=1.0):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, classes))
    truth = np.array([rng.choice(classes, p=p) for p in softmax(scores, axis=1)])
    return softmax(sharpness * scores, axis=1), truth


def test_it_is_an_outcome():
    outcome: Outcome = ABC
    assert (outcome.kind, outcome.head(rows([0]), State())) == ("multiclass", Head("row", 3, "log scores"))
    assert (outcome.family(State()).distribution, outcome.family(State()).channels) == ("categorical", 3)


@pytest.mark.parametrize("check", outcome_checks(), ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check, tmp_path):
    check(ABC, tmp_path)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", "a", None, "c"], ("a", "b", "c")),
        ([10, 9, None], ("9", "10")),
        ([2.0, float("nan"), 1.0], ("1", "2")),
        ([True, False, None], ("false", "true")),
    ],
    ids=["text", "integers", "whole floats", "flags"],
)
def test_a_study_takes_every_value_of_the_target_for_a_class(values, names):
    table = pl.DataFrame({"y": pl.Series(values, strict=False)})
    outcome = Multiclass().resolved(TARGET, table)
    assert outcome.names == names
    column = outcome.columns(TARGET, table, {})["y"]
    labelled = Samples(np.arange(table.height), {"y": column}, {"y": "target"})
    texts = [None if v is None or v != v else str(int(v)) if isinstance(v, float) else str(v).lower() for v in values]
    assert outcome.truth(labelled)["class_value"].to_list() == texts


def test_a_value_that_is_no_named_class_is_an_error_without_the_value():
    with pytest.raises(BadData, match="in 1 row a class that is not named") as caught:
        ABC.columns(TARGET, pl.DataFrame({"y": ["a", "secret"]}), {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("values", [[0.5, 1.0], [[1], [2]], [str(n) for n in range(300)]])
def test_what_is_no_class_is_refused(values):
    with pytest.raises(BadData, match="the target 'y' h"):
        Multiclass().resolved(TARGET, pl.DataFrame({"y": values}))


def test_classes_that_nothing_has_named_are_an_error():
    with pytest.raises(UsageError, match="the classes are not known"):
        _ = Multiclass().names
    with pytest.raises(ValueError, match="two or more"):
        Multiclass(classes=("a",))


def test_a_class_without_a_row_is_noted_and_one_class_alone_refused():
    with notes.collection() as noted:
        ABC.check(rows([0, 1, np.nan]), "the training rows of fold 2")
    assert [note.result for note in noted] == ["c: no row in the training rows of fold 2"]
    with pytest.raises(BadData, match="only one class in the training rows"):
        ABC.check(rows([1, 1]), "the training rows of fold 2")
    assert ABC.facts(rows([0, 1, 1, np.nan])) == {"labelled": 3, "classes": {"a": 1, "b": 2, "c": 0}}


def test_equally_probable_classes_are_decided_for_none():
    table = predicted([[0.4, 0.4, 0.2], [0.2, 0.3, 0.5], [np.nan] * 3], truth=[0, 2, 1])
    assert table["predicted_class_value"].to_list() == [None, "c", None]
    assert of_all(ABC.scores(table)["accuracy"], 3) == pytest.approx(1 / 3)


def test_scores_are_those_of_scikit_learn_with_and_without_weights():
    probabilities, truth = random_answers(300)
    scores = ABC.scores(predicted(probabilities, truth))
    decided, weight = probabilities.argmax(axis=1), np.random.default_rng(1).integers(0, 4, 300).astype(float)
    for w in (np.ones(300), weight):
        n = w.astype(int)
        y, p, d = (np.repeat(v, n, axis=0) for v in (truth, probabilities, decided))
        expected = {
            "macro_f1": f1_score(y, d, average="macro"),
            "accuracy": accuracy_score(y, d),
            "balanced_accuracy": balanced_accuracy_score(y, d),
            "auroc": roc_auc_score(y, p, multi_class="ovr"),
            "log_loss": log_loss(y, p),
            "auroc//b": roc_auc_score(y == 1, p[:, 1]),
        }
        assert {name: scores[name](w[None])[0] for name in expected} == pytest.approx(expected)


@given(order=st.permutations(range(3)), seed=st.integers(0, 50))
def test_the_order_of_the_classes_changes_no_score(order, seed):
    probabilities, truth = random_answers(40, seed=seed)
    probabilities = np.round(probabilities, 1)  # ties are frequent
    renamed = Multiclass(classes=tuple(NAMES[k] for k in order))
    moved = np.argsort(order)[truth]
    one, other = (
        outcome.scores(predicted(p, t, outcome))
        for outcome, p, t in ((ABC, probabilities, truth), (renamed, probabilities[:, order], moved))
    )
    for name in one:
        assert of_all(one[name], 40) == pytest.approx(of_all(other[name], 40), nan_ok=True), name


@given(seed=st.integers(0, 30))
def test_the_loss_is_lowest_at_the_truth_and_is_cross_entropy(seed):
    torch = pytest.importorskip("torch")
    raw = np.random.default_rng(seed).normal(size=(5, 3))
    target = np.random.default_rng(seed).integers(0, 3, 5)
    loss = ABC.loss(torch.as_tensor(raw), {"target": torch.as_tensor(target, dtype=torch.float32)}, State())
    linked = ABC.link(Raw(raw), State()).values
    assert loss.numpy() == pytest.approx(-np.log(linked[np.arange(5), target]))
    better = raw + 2 * np.eye(3)[target]
    assert (ABC.loss(torch.as_tensor(better), {"target": torch.as_tensor(target)}, State()) < loss).all()


def test_a_temperature_is_learned_only_where_it_clearly_helps():
    sharp, truth = random_answers(2_000, sharpness=3.0)
    some = rows(truth)
    adjustment = ABC.adjust(Raw(sharp), ABC.truth(some), np.arange(2_000))
    assert adjustment.value == pytest.approx(3.0, rel=0.1)
    fair, truth = random_answers(2_000)
    assert ABC.adjust(Raw(fair), ABC.truth(rows(truth)), np.arange(2_000)) is None
    assert adjustment.apply(Raw(sharp)).values.argmax(axis=1).tolist() == sharp.argmax(axis=1).tolist()
    assert temperature(truth, sharp, np.arange(2_000) % 9) is None  # nine groups say too little


@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_sets_hold_the_true_class_as_often_as_wanted(coverage):
    outcome = Multiclass(classes=NAMES, coverage=coverage)
    held, sizes = [], []
    for seed in range(20):
        probabilities, truth = random_answers(600, seed=seed, sharpness=2.0)
        sets = outcome.decide(Raw(probabilities[:300]), outcome.truth(rows(truth[:300])), {})
        table = predicted(probabilities[300:], truth[300:], outcome, sets)
        held.append(table.select(pl.col("prediction_set").list.contains(pl.col("class_value")).mean()).item())
        sizes += table["prediction_set"].list.len().to_list()
    assert np.mean(held) == pytest.approx(coverage, abs=0.02)
    assert min(sizes) >= 1


def test_too_few_rows_promise_no_sets():
    probabilities, truth = random_answers(8)
    assert ABC.decide(Raw(probabilities), ABC.truth(rows(truth)), {}) is None


def test_equally_probable_classes_stand_in_a_set_together():
    sets = PredictionSets(0.9, 0.9).members(np.array([[0.4, 0.4, 0.2], [0.95, 0.03, 0.02]]))
    assert sets.tolist() == [[True, True, False], [True, False, False]]
