"""Yes or no."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from polyclinic.decisions import Threshold
from polyclinic.errors import BadData, UnknownName
from polyclinic.evaluation.scores import of_all
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.samples import Dense, Samples
from polyclinic.state import State

BINARY = Binary()


def rows(target):
    values = np.array(target)
    return Samples(np.arange(len(values)), {"y": Dense(values)}, {"y": "target"})


def truth_of(target):
    return BINARY.truth(rows(target))


@pytest.mark.parametrize("target", [[True, False], [1, 0], [1.0, 0.0]], ids=["bool", "int", "float"])
def test_true_is_one_whatever_it_is_written_as(target):
    assert BINARY.target(rows(target), State()).tolist() == [1.0, 0.0]
    assert BINARY.truth(rows(target))["boolean_value"].to_list() == [True, False]


def test_missing_stays_missing():
    some = rows([1.0, np.nan, 0.0])
    assert BINARY.truth(some)["boolean_value"].to_list() == [True, None, False]
    assert BINARY.facts(some) == {"positive": 1, "labelled": 2}
    assert BINARY.truth(some.without_targets())["boolean_value"].to_list() == [None, None, None]


def test_a_target_of_other_numbers_is_refused_by_name():
    with pytest.raises(BadData, match="'y' has values other than") as caught:
        BINARY.target(rows([0.0, 2.0]), State())
    assert caught.value.at.column == "y"


@pytest.mark.parametrize(
    ("target", "said"), [([1.0, 1.0], "only positive"), ([0.0, np.nan], "only negative"), ([np.nan], "no label")]
)
def test_one_class_only_is_an_error_with_its_place(target, said):
    with pytest.raises(BadData, match=f"{said}.* in the training rows of fold 2"):
        BINARY.check(rows(target), "the training rows of fold 2")
    BINARY.check(rows([0.0, 1.0]), "anywhere")


def test_loss_is_the_negative_log_likelihood_of_each_row():
    torch = pytest.importorskip("torch")
    raw, target = torch.tensor([[2.0], [-1.0]]), torch.tensor([1.0, 1.0])
    expected = [-np.log(expit(2.0)), -np.log(expit(-1.0))]
    assert BINARY.loss(raw, {"target": target}, State()).tolist() == pytest.approx(expected)


def test_predictions_have_the_columns_of_meds_evaluation():
    answer = BINARY.link(Raw(np.array([[0.0], [2.0], [-2.0]], np.float32)), State())
    predictions = BINARY.predictions(answer, rows([1, 0, 1]), decision=Threshold(0.6, {}), folder=Path())
    assert predictions.schema == {"predicted_boolean_value": pl.Boolean, "predicted_boolean_probability": pl.Float64}
    assert predictions["predicted_boolean_value"].to_list() == [False, True, False]
    assert BINARY.head(rows([1]), State()) == Head("row", 1, "log odds")


def test_calibration_and_threshold_come_from_labelled_rows_alone():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=3000)
    target = (rng.random(3000) < expit(truth)).astype(np.float32)
    answer = Raw(expit(3 * truth - 1)[:, None])
    adjustment = BINARY.adjust(answer, truth_of(target), np.arange(3000))
    assert adjustment.slope == pytest.approx(1 / 3, abs=0.05)
    blind = np.r_[target, np.full(500, np.nan, np.float32)]
    more = Raw(np.r_[answer.values, np.full((500, 1), 0.99)])
    again = BINARY.adjust(more, truth_of(blind), np.arange(3500))
    assert (again.slope, again.intercept) == pytest.approx((adjustment.slope, adjustment.intercept))
    rule = {"specificity": 0.9}
    assert BINARY.decide(more, truth_of(blind), rule) == BINARY.decide(answer, truth_of(target), rule)
    negative = answer.values[target == 0, 0]
    assert (negative < BINARY.decide(answer, truth_of(target), rule).value).mean() == pytest.approx(0.9, abs=1e-3)
    assert BINARY.decide(answer, truth_of(target), {}) is None


def test_an_operating_point_that_does_not_exist_suggests_one():
    with pytest.raises(UnknownName, match="specificity"):
        BINARY.decide(Raw(np.array([[0.5]])), truth_of([1.0]), {"specificty": 0.9})


@pytest.mark.parametrize("seed", [0, 1])
def test_the_planted_signal_stands_in_the_dense_column_and_in_the_newest_level(seed):
    samples = BINARY.planted(600, seed)
    events = samples.columns["events"]
    newest = []
    for code, value in zip(events.rows("code"), events.rows("value"), strict=True):
        newest.append(value[np.flatnonzero(code == 0)[-1]])
    for signal in (samples.X[:, 0], np.array(newest)):
        frame = BINARY.truth(samples).with_columns(predicted_boolean_probability=pl.Series(expit(signal)))
        assert of_all(BINARY.scores(frame)["auroc"], 600) > 0.95
    times = np.concatenate(events.rows("time"))
    index_times = np.repeat(samples.time.astype("datetime64[us]").astype(np.int64), events.lengths)
    assert (times < index_times).all()
    assert (BINARY.planted(600, seed).y == samples.y).all()


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (["Yes", "No", None, "Yes"], "Yes"),
        (["No", "Yes", None, "No"], "No"),
        ([2, 1, None, 2], 2),
        ([2.0, 1.0, None, 2.0], 2),
        ([True, False, None, True], None),
        (["1", "0", None, "1"], None),
    ],
)
def test_a_study_says_which_of_two_values_means_yes(values, positive):
    column = Binary(positive=positive).columns({"column": "died"}, pl.DataFrame({"died": values}), {})["died"]
    np.testing.assert_array_equal(column.values.reshape(-1), np.float32([1, 0, np.nan, 1]))


@pytest.mark.parametrize(
    ("values", "positive", "words"),
    [
        (["Yes", "No"], None, "positive: 'Yes'"),
        (["Yes", "No", "Unknown"], "Yes", "3 values .'No', 'Unknown', 'Yes'., not two"),
        (["Yes", "No"], "Yess", "did you mean 'Yes'"),
    ],
)
def test_words_as_a_target_are_an_error_that_says_what_to_write(values, positive, words):
    with pytest.raises((BadData, UnknownName), match=words):
        Binary(positive=positive).columns({"column": "died"}, pl.DataFrame({"died": values}), {})
