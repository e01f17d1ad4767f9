"""Several labels a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from polyclinic.checks import model_checks
from polyclinic.checks.outcomes import outcome_checks
from polyclinic.decisions import LabelThresholds
from polyclinic.errors import BadData, UsageError
from polyclinic.evaluation.multilabel_evaluation import best_f1, threshold
from polyclinic.evaluation.scores import of_all
from polyclinic.models.gbm import Gbm
from polyclinic.models.linear import Linear
from polyclinic.models.naive import Naive
from polyclinic.outcomes.adjustment import LabelRecalibration
from polyclinic.outcomes.multilabel import Multilabel
from polyclinic.outcomes.outcome import Outcome
from polyclinic.outcomes.raw import Raw
from polyclinic.samples import Dense, Samples
from polyclinic.state import State

NAMES = ("liver", "heart", "skin")
OUTCOME = Multilabel(NAMES)
TARGET = {"columns": [*NAMES], "kind": "multilabel"}


def rows(target):
    values = np.array(target, np.float32)
    return Samples(np.arange(len(values)), {"labels": Dense(values, NAMES)}, {"labels": "target"})


def scored_frame(y_true, probabilities, decision=None):
    some = rows(y_true)
    answer = Raw(np.asarray(probabilities))
    predicted = OUTCOME.predictions(answer, some, decision=decision, folder=Path())
    return pl.concat([OUTCOME.truth(some), predicted], how="horizontal")


def random_problem(seed, n=60, missing=0.2):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, (n, 3)).astype(float)
    y_true[:2] = [[0, 0, 0], [1, 1, 1]]
    y_true[2:][rng.random((n - 2, 3)) < missing] = np.nan
    return y_true, rng.random((n, 3)).round(2)


def test_it_is_an_outcome_and_passes_the_checks_of_one(tmp_path):
    outcome: Outcome = OUTCOME
    for check in outcome_checks():
        check(outcome, tmp_path)


# -- the target ------------------------------------------------------------------------------------------------------


def test_each_column_is_a_label_and_none_of_them_an_input():
    assert OUTCOME.reads(TARGET) == NAMES
    assert Multilabel.settings_in({**TARGET, "k": 2}) == {"labels": [*NAMES], "k": 2}
    frame = pl.DataFrame({"liver": [1, 0, None], "heart": [True, None, False], "skin": [None, None, 1.0]})
    (column,) = OUTCOME.columns(TARGET, frame, {}).values()
    np.testing.assert_array_equal(column.values, [[1, 1, np.nan], [0, np.nan, np.nan], [np.nan, 0, 1]])
    assert column.names == NAMES


def test_a_row_is_labelled_where_one_of_its_labels_is_known():
    some = rows([[1, np.nan, np.nan], [np.nan] * 3, [0, 0, 0]])
    assert some.labelled.tolist() == [True, False, True]
    assert OUTCOME.truth(some)["boolean_values"].to_list() == [[True, None, None], None, [False, False, False]]
    assert OUTCOME.facts(some) == {"labelled": 2, "labels": 3, "labels known": 4, "labels missing": 5}


@pytest.mark.parametrize("values", [[["skin", "liver"], [], None], ["skin; liver", "", None]], ids=["lists", "text"])
def test_one_column_lists_the_labels_of_a_row(values):
    frame, target = pl.DataFrame({"codes": values}), {"column": "codes", "kind": "multilabel"}
    open_ended = Multilabel()
    column = open_ended.columns(target, frame, {})["codes"]
    assert column.names == ("liver", "skin")
    np.testing.assert_array_equal(column.values, [[1, 1], [0, 0], [np.nan, np.nan]])
    assert open_ended.resolved(target, frame).labels == ("liver", "skin")
    assert OUTCOME.resolved(target, frame) == OUTCOME


def test_other_values_are_refused_by_the_name_of_their_column():
    frame = pl.DataFrame({"liver": [1, 0, 2], "heart": [1, 0, 1], "skin": [1, 1, 0]})
    with pytest.raises(BadData, match="'liver'"):
        OUTCOME.columns(TARGET, frame, {})
    with pytest.raises(UsageError, match="2 labels for 3 columns"):
        Multilabel(NAMES[:2]).columns(TARGET, frame, {})
    with pytest.raises(BadData, match="Int64"):
        OUTCOME.columns({"column": "liver"}, frame, {})


def test_labels_that_nothing_can_be_learned_of_are_named():
    from polyclinic import notes

    with notes.collection() as noted:
        OUTCOME.check(rows([[1, 1, 0], [0, 1, np.nan]]), "the training rows of fold 2")
    assert [note.result for note in noted] == ["heart, skin in the training rows of fold 2"]
    with pytest.raises(BadData, match="no label is both present and absent in the training rows"):
        OUTCOME.check(rows([[1, 1, 0], [1, 1, np.nan]]), "the training rows")


# -- learning --------------------------------------------------------------------------------------------------------


def test_a_missing_label_moves_neither_the_loss_nor_its_gradient():
    torch = pytest.importorskip("torch")
    target = torch.tensor([[1.0, float("nan"), 0.0]])
    losses, gradients = [], []
    for other in (-5.0, 5.0):
        raw = torch.tensor([[0.3, other, -0.2]], requires_grad=True)
        loss = OUTCOME.loss(raw, {"target": target}, State())
        loss.sum().backward()
        losses.append(loss.tolist())
        gradients.append(raw.grad.tolist()[0])
    assert losses[0] == losses[1]
    assert [g[1] for g in gradients] == [0.0, 0.0]
    expected = (np.log1p(np.exp(-0.3)) + np.log1p(np.exp(-0.2))) / 3
    assert losses[0][0] == pytest.approx(expected, abs=1e-6)


# -- answers ---------------------------------------------------------------------------------------------------------


def test_the_table_has_lists_with_one_entry_a_label():
    answer = Raw(np.array([[0.1, 0.5, 0.9], [0.4, 0.6, 0.2]]))
    decision = LabelThresholds({"liver": 0.3, "skin": 0.95}, {})
    table = OUTCOME.predictions(answer, rows([[1, 0, 1]] * 2), decision=decision, folder=Path())
    assert table["labels"].to_list() == [[*NAMES]] * 2
    assert table["probabilities"].to_list() == answer.values.tolist()
    assert table["predicted_boolean_values"].to_list() == [[False, True, False], [True, True, False]]
    before = OUTCOME.unadjusted(answer, decision)
    assert before["thresholds"].to_list() == [[0.3, None, 0.95]] * 2
    assert Multilabel.of_table(table).labels == NAMES
    nothing = OUTCOME.predictions(Raw(np.zeros((0, 3))), rows(np.zeros((0, 3))), decision=None, folder=Path())
    assert nothing.schema == table.schema


def test_each_label_has_the_threshold_that_validation_rows_give_it():
    y_true, probabilities = random_problem(3, n=300)
    decision = OUTCOME.decide(Raw(probabilities), OUTCOME.truth(rows(y_true)), {})
    assert set(decision.values) == set(NAMES)
    for j, name in enumerate(NAMES):
        known = ~np.isnan(y_true[:, j])
        true, score = y_true[known, j], probabilities[known, j]
        best = max(f1_score(true, score >= cut) for cut in np.unique(score))
        assert f1_score(true, score >= decision.values[name]) == pytest.approx(best)
    kept = OUTCOME.decide(Raw(probabilities), OUTCOME.truth(rows(y_true)), {"specificity": 0.9})
    known = ~np.isnan(y_true[:, 0])
    negative = probabilities[known & (y_true[:, 0] == 0), 0]
    assert (negative < kept.values["liver"]).mean() >= 0.9
    assert "specificity 0.9" in kept.describe()


def test_without_a_positive_row_there_is_no_threshold():
    assert np.isnan(best_f1(np.zeros(3), np.arange(3.0)))
    assert np.isnan(threshold(np.zeros(3), np.arange(3.0), {"sensitivity": 0.8}))
    decision = OUTCOME.decide(Raw(np.full((2, 3), 0.5)), OUTCOME.truth(rows([[1, 0, 0], [0, 0, 0]])), {})
    assert set(decision.values) == {"liver"}


def test_only_labels_that_clearly_gain_are_recalibrated():
    rng = np.random.default_rng(0)
    log_odds = rng.normal(size=(900, 3))
    y_true = (rng.random((900, 3)) < 1 / (1 + np.exp(-log_odds))).astype(float)
    given_odds = log_odds * [1, 3, 1] + [0, 1, 0]
    answer = Raw(1 / (1 + np.exp(-given_odds)))
    adjustment = OUTCOME.adjust(answer, OUTCOME.truth(rows(y_true)), np.arange(900))
    assert set(adjustment.lines) == {"heart"}
    moved = adjustment.apply(answer)
    np.testing.assert_array_equal(moved.values[:, [0, 2]], answer.values[:, [0, 2]])
    assert np.abs(moved.values[:, 1] - 1 / (1 + np.exp(-log_odds[:, 1]))).mean() < 0.03
    assert "heart slope" in adjustment.describe()
    assert "2 of 3 labels stay" in adjustment.describe()
    assert isinstance(adjustment, LabelRecalibration)


# -- scores ----------------------------------------------------------------------------------------------------------


def plain_scores(y_true, probabilities, decided):
    """Label by label with scikit-learn, over what is known."""
    known = ~np.isnan(y_true)
    pairs = [(y_true[k, j], probabilities[k, j]) for j, k in enumerate(known.T)]
    cells = y_true[known], probabilities[known]
    of_label = {f"auroc//{n}": roc_auc_score(*p) for n, p in zip(NAMES, pairs, strict=True)}
    of_label |= {f"auprc//{n}": average_precision_score(*p) for n, p in zip(NAMES, pairs, strict=True)}
    return {
        "macro_auroc": np.mean([of_label[f"auroc//{n}"] for n in NAMES]),
        "micro_auroc": roc_auc_score(*cells),
        "macro_auprc": np.mean([of_label[f"auprc//{n}"] for n in NAMES]),
        "micro_auprc": average_precision_score(*cells),
        "macro_f1": np.mean([f1_score(y_true[k, j], decided[k, j]) for j, k in enumerate(known.T)]),
        "micro_f1": f1_score(y_true[known], decided[known]),
        **of_label,
    }


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_learn_over_the_known_labels(seed):
    y_true, probabilities = random_problem(seed)
    decision = LabelThresholds(dict(zip(NAMES, [0.2, 0.5, 0.7], strict=True)), {})
    scores = OUTCOME.scores(scored_frame(y_true, probabilities, decision))
    assert list(scores) == [measure.name for measure in OUTCOME.measures]
    for name, expected in plain_scores(y_true, probabilities, probabilities >= [0.2, 0.5, 0.7]).items():
        assert of_all(scores[name], len(y_true)) == pytest.approx(expected), name


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_a_weight_of_two_is_the_row_twice_and_missing_labels_never_count(seed):
    y_true, probabilities = random_problem(seed, n=25)
    weights = np.random.default_rng(seed).integers(1, 3, len(y_true))
    scores = OUTCOME.scores(scored_frame(y_true, probabilities))
    twice = OUTCOME.scores(scored_frame(np.repeat(y_true, weights, axis=0), np.repeat(probabilities, weights, axis=0)))
    other = np.where(np.isnan(y_true), 1 - probabilities, probabilities)
    changed = OUTCOME.scores(scored_frame(y_true, other))
    for name, score in scores.items():
        weighted = float(score(weights[None].astype(float))[0])
        assert weighted == pytest.approx(of_all(twice[name], weights.sum())), name
        assert of_all(score, len(y_true)) == pytest.approx(of_all(changed[name], len(y_true))), name


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(3)), st.integers(0, 10_000))
def test_the_order_of_the_labels_changes_no_score(order, seed):
    y_true, probabilities = random_problem(seed)
    order = list(order)
    other = Multilabel(tuple(NAMES[j] for j in order))
    answer, some = Raw(probabilities[:, order]), rows(y_true[:, order])
    frame = pl.concat(
        [other.truth(some), other.predictions(answer, some, decision=None, folder=Path())], how="horizontal"
    )
    one, two = OUTCOME.scores(scored_frame(y_true, probabilities)), other.scores(frame)
    assert set(one) == set(two)
    for name in set(one) - {"recall_at_k"}:  # of equally likely labels the first come first
        assert of_all(one[name], len(y_true)) == pytest.approx(of_all(two[name], len(y_true))), name


def test_recall_at_k_looks_at_as_many_labels_as_the_settings_say():
    frame = scored_frame([[1, 0, 1], [0, 1, 0]], [[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]])
    assert of_all(Multilabel(NAMES, k=1).scores(frame)["recall_at_k"], 2) == 0.25
    assert of_all(Multilabel(NAMES, k=2).scores(frame)["recall_at_k"], 2) == 0.75
    assert "Recall at 2" in [measure.title for measure in Multilabel(NAMES, k=2).measures]


def test_average_precision_without_a_model_is_the_share_of_positive_rows():
    frame = scored_frame([[1, 0, np.nan], [0, 0, 1], [0, 1, 1], [0, np.nan, 0]], np.full((4, 3), 0.5))
    shares = OUTCOME.without_a_model(frame)
    assert shares["auprc//liver"] == 0.25
    assert shares["macro_auprc"] == pytest.approx((1 / 4 + 1 / 3 + 2 / 3) / 3)
    assert shares["micro_auprc"] == pytest.approx(4 / 10)


@pytest.mark.parametrize("check", model_checks(), ids=lambda check: check.__name__)
@pytest.mark.parametrize("model", [Linear(), Gbm(rounds=60), Naive()], ids=lambda model: type(model).__name__)
def test_the_shared_models_keep_their_contract_with_it(model, check, tmp_path):
    check(model, OUTCOME, tmp_path)
