"""Any scikit-learn classifier: what is kept of it, what leaves as a graph, and what is refused."""

from __future__ import annotations

import sys

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
from polyclinic.errors import UnknownName, UsageError
from polyclinic.models.estimator import Estimator, built
from polyclinic.models.model import Session
from polyclinic.outcomes.binary import Binary
from polyclinic.outcomes.outcome import Prepared
from polyclinic.samples import Dense
from polyclinic.state import State

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


def fit(item, *, allow_code=False):
    return Estimator.of(item).fit(TRAIN, VALIDATION, Prepared(BINARY, State()), Session(seed=5, allow_code=allow_code))


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
    pipeline = make_pipeline(StandardScaler(with_mean=False), LogisticRegression(C=0.1, class_weight="balanced"))
    settings = config.settings_of(Estimator.of(pipeline))
    assert settings["estimator"] == "sklearn.pipeline.Pipeline"
    again = built({"estimator": settings["estimator"], "params": settings["params"]})
    assert repr(again) == repr(pipeline)
    assert config.build(Estimator, settings) == Estimator.of(pipeline)


def test_the_seed_of_the_session_is_the_seed_of_the_forest():
    one, two = fit(RandomForestClassifier(5)), fit(RandomForestClassifier(5))
    assert one.parts[0].graph == two.parts[0].graph


def test_gaps_are_filled_where_the_estimator_cannot_take_them():
    x = TRAIN.columns["x"].values.copy()
    x[::3, 1], x[:, 2] = np.nan, np.nan
    train = TRAIN.with_column("x", Dense(x), "input")
    fitted = Estimator.of(LogisticRegression(max_iter=2000)).fit(
        train, VALIDATION, Prepared(BINARY, State()), Session()
    )
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
        fit(item, allow_code=True)


@pytest.mark.parametrize("name", ["sklearn.nothing.There", "sklearn.linear_model.Logistc", "LogisticRegression"])
def test_a_name_that_is_not_there_is_an_error_with_a_way_out(name):
    with pytest.raises(UsageError, match="cannot make"):
        Estimator(name).fit(TRAIN, VALIDATION, Prepared(BINARY, State()), Session())


# -- whose code a name may run ---------------------------------------------------------------------------------------

PIPELINE = "sklearn.pipeline.Pipeline"
NESTED = {"steps": [["a", {"estimator": "this.Estimator", "params": {}}]]}


@pytest.mark.parametrize("name", ["subprocess.Popen", "os.system", "antigravity.fly", "sklearnlike.linear_model.Nice"])
def test_a_name_from_elsewhere_is_refused_before_its_module_is_imported(name):
    before = set(sys.modules)
    with pytest.raises(UsageError, match="--allow-code"):
        Estimator(name).fit(TRAIN, VALIDATION, Prepared(BINARY, State()), Session())
    assert not {m for m in set(sys.modules) - before if m.partition(".")[0] == name.partition(".")[0]}


def test_an_estimator_from_elsewhere_among_the_settings_is_refused_as_well():
    with pytest.raises(UsageError, match=r"this\.Estimator is neither from scikit-learn nor"):
        Estimator(PIPELINE, NESTED).check_code(allow_code=False)
    with pytest.raises(UsageError, match=r"this\.Estimator is neither from scikit-learn nor"):
        built({"estimator": PIPELINE, "params": NESTED})


@pytest.mark.parametrize(
    "name", ["sklearn.utils.Bunch", "sklearn.datasets.fetch_openml", "sklearn.base.os", "sklearn.linear_model"]
)
def test_what_lies_in_scikit_learn_but_is_no_estimator_is_refused(name):
    with pytest.raises(UsageError, match="cannot make"):
        built({"estimator": name})


def test_a_setting_that_a_library_would_take_without_listing_it_is_refused():
    with pytest.raises(UnknownName, match="machines"):
        built({"estimator": "lightgbm.LGBMClassifier", "params": {"machines": "10.0.0.1:12400"}})


def test_a_folder_of_pickled_results_is_refused(tmp_path):
    steps = [["a", {"estimator": "sklearn.preprocessing.StandardScaler"}]]
    with pytest.raises(UsageError, match="unpickling"):
        built({"estimator": PIPELINE, "params": {"steps": steps, "memory": str(tmp_path)}})


def test_code_that_the_user_allows_is_taken():
    assert isinstance(built({"estimator": f"{Own.__module__}.Own"}, allow_code=True), BaseEstimator)
