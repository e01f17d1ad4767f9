"""The naive answer, the newest value and logistic regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from polyclinic.errors import BadData, UnknownName, UsageError
from polyclinic.models.family_targets import FamilyTarget
from polyclinic.models.gbm import Gbm
from polyclinic.models.linear import Logistic
from polyclinic.models.linear_graph import linear, log_odds
from polyclinic.models.model import Session
from polyclinic.models.naive import LastValue, Naive
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.family import Family
from polyclinic.outcomes.outcome import Outcome, Prepared
from polyclinic.samples import Dense, Samples
from polyclinic.state import State

BINARY = Binary()
PREPARED = Prepared(BINARY, State())
MODELS = [Naive(), LastValue("x"), Logistic(), Gbm(rounds=20)]


def planted(n: int = 400) -> tuple[Samples, Samples, Samples]:
    rows = BINARY.planted(n, 3)
    first, second = round(n * 0.6), round(n * 0.8)
    return rows.take(np.arange(first)), rows.take(np.arange(first, second)), rows.take(np.arange(second, n))


def table(x: np.ndarray, y: np.ndarray) -> Samples:
    columns = {"x": Dense(np.asarray(x, np.float32)), "y": Dense(np.asarray(y, np.float32))}
    return Samples(np.arange(len(y)), columns, {"x": "input", "y": "target"})


def answers(model, train: Samples, rows: Samples) -> np.ndarray:
    return model.fit(train, train, PREPARED, Session()).answer(rows, BINARY).values[:, 0]


@dataclass(frozen=True)
class Numbers(Outcome):
    """One number a row."""

    kind: str = "number"

    def target(self, rows: Samples, state: State) -> np.ndarray:
        return rows.y

    def family(self, state: State) -> Family | None:
        return Family("gaussian")


@dataclass(frozen=True)
class Yes(Numbers):
    """Takes numbers for yes or no."""

    def family(self, state: State) -> Family | None:
        return Family("bernoulli")


@dataclass(frozen=True)
class Steps(Numbers):
    """One answer a step."""

    kind: str = "steps"

    def family(self, state: State) -> Family | None:
        return None


def test_the_naive_answer_is_the_share_of_positive_training_rows():
    train, _, test = planted()
    np.testing.assert_allclose(answers(Naive(), train, test), train.y.mean(), atol=1e-6)


def test_the_naive_answer_to_a_number_is_its_mean():
    rows = table(np.zeros((4, 1)), np.array([1.0, 2.0, 3.0, 10.0]))
    fitted = Naive().fit(rows, rows, Prepared(Numbers(), State()), Session())
    assert fitted.raw(rows).values.tolist() == [[4.0]] * 4


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_an_answer_a_step_is_refused_with_a_way_out(model):
    train, validation, _ = planted()
    with pytest.raises(UsageError, match="'steps' needs something else"):
        model.fit(train, validation, Prepared(Steps(), State()), Session())


def test_a_number_is_no_yes_or_no():
    rows = table(np.zeros((3, 1)), np.array([0.0, 1.0, 2.0]))
    with pytest.raises(BadData, match="values other than 0, 1"):
        FamilyTarget.of(rows, Prepared(Yes(), State()), "linear")


def test_log_odds_stay_finite():
    assert np.isfinite(log_odds([0.0, 1.0], 10)).all()
    assert log_odds(0.5, 10) == 0


@pytest.mark.parametrize("model", [LastValue("x"), Logistic(), Gbm(rounds=40)], ids=lambda m: type(m).__name__)
def test_the_planted_signal_is_found(model):
    train, validation, test = planted()
    fitted = model.fit(train, validation, PREPARED, Session(seed=1))
    assert roc_auc_score(test.y, fitted.answer(test, BINARY).values[:, 0]) > 0.93


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("spoilt", ["a column", "all", "one row", "one answer"])
def test_odd_training_rows_still_give_an_answer(model, spoilt):
    train, _, test = planted(60)
    x = train.columns["x"].values.copy()
    x[:, 1 if spoilt == "a column" else slice(None)] = np.nan if spoilt in ("a column", "all") else 1.0
    y = np.zeros(len(train)) if spoilt == "one answer" else train.y
    rows = train.with_column("x", Dense(x, ("signal", "a", "b", "c")), "input")
    rows = rows.with_column("y", Dense(y.astype(np.float32)), "target")
    rows = rows.take([0]) if spoilt == "one row" else rows
    y_score = answers(model, rows, test)
    assert ((y_score > 0) & (y_score < 1)).all()


@pytest.mark.parametrize("model", MODELS[1:], ids=lambda m: type(m).__name__)
def test_an_infinite_number_stops_a_fit_with_its_column(model):
    train, validation, _ = planted()
    x = train.columns["x"].values.copy()
    x[5, 0] = -np.inf
    with pytest.raises(BadData, match="'x//signal' is infinite in 1 of 240 rows"):
        model.fit(train.with_column("x", Dense(x, ("signal", "a", "b", "c")), "input"), validation, PREPARED, Session())


def test_the_graph_answers_as_the_regression_does():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)).astype(np.float32)
    y = (x[:, 0] + rng.normal(size=300) > 0).astype(float)
    scale, mean = x.std(axis=0).astype(float), x.mean(axis=0).astype(float)
    fitted = LogisticRegression(C=0.1).fit((x - mean) / scale, y)
    wide = np.full(3, 1e9)
    part = linear(fitted.coef_.T, fitted.intercept_, mean, scale, -wide, wide)
    wanted = fitted.decision_function((x.astype(float) - mean) / scale)
    np.testing.assert_allclose(part({"x": x})["raw"][:, 0], wanted, atol=1e-6)
    gap = part({"x": np.array([[np.nan] * 3], np.float32)})["raw"]
    np.testing.assert_allclose(gap, [fitted.intercept_], atol=1e-6)


def test_validation_chooses_the_strength_of_the_penalty():
    rng = np.random.default_rng(1)
    noise, signal = rng.normal(size=(60, 30)), rng.normal(size=(400, 30))
    y = (rng.random(60) < 0.5).astype(float)
    train, watch = table(noise, y), table(signal, (rng.random(400) < 0.5).astype(float))
    fitted = Logistic().fit(train, watch, PREPARED, Session())
    assert np.ptp(fitted.answer(watch, BINARY).values) < 0.2, "noise is held back by the strongest penalty"


def test_the_newest_value_may_be_one_name_of_a_column():
    train, _, test = planted()
    assert roc_auc_score(test.y, answers(LastValue("x//signal"), train, test)) > 0.93
    assert roc_auc_score(test.y, answers(LastValue("x//b"), train, test)) < 0.75


def test_a_newest_value_that_is_not_there_is_named():
    train, validation, _ = planted(40)
    with pytest.raises(UnknownName, match="unknown `column` of last-value 'newest'"):
        LastValue().fit(train, validation, PREPARED, Session())
