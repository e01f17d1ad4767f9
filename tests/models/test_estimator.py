"""Any scikit-learn classifier: what is kept of it, what leaves as a graph, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from polyclinic import config
from polyclinic.errors import UsageError
from polyclinic.models.estimator import Estimator, built
from polyclinic.models.model import Session
from polyclinic.outcomes.binary import Binary
from polyclinic.samples import Dense

BINARY = Binary()
ROWS = BINARY.planted(240, 2)
TRAIN, VALIDATION, TEST = (ROWS.take(np.arange(*ends)) for ends in ((0, 160), (160, 200), (200, 240)))


class Own(ClassifierMixin, BaseEstimator):
    """A classifier that nobody but this file knows."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, x):
        return np.full((len(x), 2), 0.5)


def fit(item):
    return Estimator.of(item).fit(TRAIN, VALIDATION, BINARY, Session(seed=5))


@pytest.mark.parametrize(
    "item",
    [
        LogisticRegression(C=0.5, max_iter=2000),
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1)),
        RandomForestClassifier(20, max_depth=4),
        CalibratedClassifierCV(LinearSVC(), cv=3),
    ],
    ids=lambda item: type(item).__name__,
)
def test_it_learns_and_answers_from_one_graph(item):
    fitted = fit(item)
    right = (fitted.answer(TEST, BINARY).values[:, 0] > 0.5) == TEST.y
    assert right.mean() > 0.8
    assert fitted.portable


def test_settings_are_words_and_numbers_and_make_the_same_estimator():
    given = make_pipeline(StandardScaler(with_mean=False), LogisticRegression(C=0.1, class_weight="balanced"))
    settings = config.settings_of(Estimator.of(given))
    assert settings["estimator"] == "sklearn.pipeline.Pipeline"
    again = built({"estimator": settings["estimator"], "params": settings["params"]})
    assert repr(again) == repr(given)
    assert config.build(Estimator, settings) == Estimator.of(given)


def test_the_seed_of_the_session_is_the_seed_of_the_forest():
    one, two = fit(RandomForestClassifier(5)), fit(RandomForestClassifier(5))
    assert one.parts[0].graph == two.parts[0].graph


def test_gaps_are_filled_where_the_estimator_cannot_take_them():
    x = TRAIN.columns["x"].values.copy()
    x[::3, 1], x[:, 2] = np.nan, np.nan
    train = TRAIN.with_column("x", Dense(x), "input")
    fitted = Estimator.of(LogisticRegression(max_iter=2000)).fit(train, VALIDATION, BINARY, Session())
    assert np.isfinite(fitted.raw(TEST).values).all()


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (LinearSVC(), "gives no probabilities"),
        (Own(), "cannot be written as an ONNX graph"),
        (make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()), "cannot be written down"),
        (LogisticRegression(class_weight={0: 1, 1: 2}), "cannot be written down"),
    ],
    ids=["no probability", "unknown to ONNX", "a function", "weights by number"],
)
def test_what_cannot_answer_from_a_package_is_refused(item, why):
    with pytest.raises(UsageError, match=why):
        fit(item)


@pytest.mark.parametrize("name", ["sklearn.nothing.There", "sklearn.linear_model.Logistc", "LogisticRegression"])
def test_a_name_that_is_not_there_is_an_error_with_a_way_out(name):
    with pytest.raises(UsageError, match="cannot make"):
        Estimator(name).fit(TRAIN, VALIDATION, BINARY, Session())
