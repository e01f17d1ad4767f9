"""Any scikit-learn classifier or pipeline, by its dotted name or handed over in Python; it leaves as an ONNX graph."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from polyclinic import dependencies
from polyclinic.errors import UsageError
from polyclinic.models import encoders
from polyclinic.models.linear import constant, log_odds, two_answers
from polyclinic.models.model import Session
from polyclinic.outcomes.outcome import Outcome
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.parts import OnnxPart
from polyclinic.packages.state import State
from polyclinic.samples import Samples

OPSET = 18
TOLERANCE = 1e-5
PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Estimator:
    """A scikit-learn estimator as a model.

    estimator: its dotted name (`sklearn.ensemble.RandomForestClassifier`); params: its settings, where another
    estimator among them is again `{estimator: NAME, params: {…}}`; hours, coverage: as in `logistic`. Gaps are
    filled by the training mean unless the estimator is a pipeline that takes them itself.
    """

    estimator: str = "sklearn.ensemble.RandomForestClassifier"
    params: Mapping[str, Any] = field(default_factory=dict)
    hours: tuple[float, ...] = (8.0, 2.0)
    coverage: float = 0.95

    @classmethod
    def of(cls, item: Any) -> Estimator:
        """The settings that make an estimator like this one anew; nothing that it learned.

        Raises `UsageError` for a setting that cannot be written down (a function, an array).
        """
        return cls(**described(item))

    def prepare(self, train: Samples) -> State:
        """Which columns and codes make the matrix."""
        return State({"matrix": encoders.learn(train, coverage=self.coverage, hours=self.hours)})

    def encode(self, rows: Samples, state: State) -> dict[str, Any]:
        """x: float32 [row, feature], NaN where there is nothing."""
        return {"x": encoders.matrix(rows, state.values["matrix"])}

    def fit(self, train: Samples, validation: Samples, outcome: Outcome, session: Session) -> Fitted:
        """Raises `UsageError` where ONNX has no words for the estimator, or says something else than it does."""
        state = self.prepare(train)
        x, y = self.encode(train, state)["x"], two_answers(train, outcome, self)
        if len(np.unique(y)) < 2:
            return Fitted(self, state, [constant(log_odds(y.mean(), len(y)), x.shape[1])])
        fitted = ready(built({"estimator": self.estimator, "params": self.params}), session).fit(x, y)
        part = graph(fitted, x.shape[1], self.estimator)
        _same(part, fitted, x[:4096], self.estimator)
        return Fitted(self, state, [part])


def described(item: Any) -> dict[str, Any]:
    """{"estimator": dotted name, "params": those that are not the default}; raises `UsageError` as `Estimator.of`."""
    usual = {name: p.default for name, p in inspect.signature(type(item).__init__).parameters.items()}
    given = {k: v for k, v in item.get_params(deep=False).items() if not _equal(v, usual.get(k))}
    return {"estimator": _name_of(type(item)), "params": {k: _written(v, k) for k, v in given.items()}}


def _equal(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and isinstance(one, PLAIN) and one == other)


def _name_of(kind: type) -> str:
    """The shortest module that has the class: `sklearn.linear_model` rather than its private file."""
    parts = kind.__module__.split(".")
    for length in range(1, len(parts)):
        module = ".".join(parts[:length])
        if getattr(import_module(module), kind.__qualname__, None) is kind:
            return f"{module}.{kind.__qualname__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def _written(value: Any, name: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, (list, tuple)):
        return [_written(v, name) for v in value]
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {k: _written(v, name) for k, v in value.items()}
    if hasattr(value, "get_params") and not isinstance(value, type):
        return described(value)
    raise UsageError(
        f"the setting {name!r} is a {type(value).__name__}, which cannot be written down",
        fix="use numbers, words, lists and estimators as settings: a package holds no code",
    )


def built(how: Any) -> Any:
    """An estimator from its description; other values as they are, named pairs as pairs.

    Raises `UsageError` for a name that is not there or a setting that the estimator does not have.
    """
    if isinstance(how, Mapping) and set(how) <= {"estimator", "params"} and "estimator" in how:
        module, _, name = str(how["estimator"]).rpartition(".")
        try:
            return getattr(import_module(module), name)(
                **{k: built(v) for k, v in how.get("params", {}).items()}
            )
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise UsageError(
                f"cannot make {how['estimator']!r}: {error}",
                fix="give the dotted name of a scikit-learn estimator and settings that it has",
            ) from error
    if isinstance(how, (list, tuple)):
        values = [built(v) for v in how]
        return tuple(values) if len(values) > 1 and hasattr(values[1], "get_params") else values
    return how


def ready(estimator: Any, session: Session) -> Any:
    """The estimator with the session's seed where it has none, behind a filler of gaps where it needs one."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.utils import get_tags

    if not hasattr(estimator, "predict_proba"):
        raise UsageError(
            f"{type(estimator).__name__} gives no probabilities",
            fix="take one with `predict_proba`, or put it into sklearn.calibration.CalibratedClassifierCV",
        )
    seeds = {
        k: session.seed for k, v in estimator.get_params().items() if k.endswith("random_state") and v is None
    }
    estimator.set_params(**seeds)
    if isinstance(estimator, Pipeline) and get_tags(estimator).input_tags.allow_nan:
        return estimator  # it fills gaps itself; trees that split on gaps do not survive the way to ONNX
    return make_pipeline(SimpleImputer(keep_empty_features=True), estimator)


def graph(fitted: Any, width: int, name: str) -> OnnxPart:
    """A fitted classifier as a graph from `x` float32 [row, width] to `raw`, the log odds of its probability."""
    convert = dependencies.need(
        "skl2onnx", extra="train", to="write an estimator as an ONNX graph"
    ).convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    taken = [("x", FloatTensorType([None, width]))]
    try:
        model = convert(fitted, name="estimator", initial_types=taken, target_opset=OPSET)
    except (RuntimeError, NotImplementedError, NameError, ValueError, TypeError) as error:
        raise UsageError(
            f"{name} cannot be written as an ONNX graph, so no package could answer with it",
            fix="take an estimator that skl2onnx knows, or write a model of your own with its own part",
        ) from error
    return OnnxPart(_as_log_odds(model))


def _as_log_odds(model: Any) -> bytes:
    helper = dependencies.need("onnx", extra="train", to="write an estimator as an ONNX graph").helper
    graph, given = model.graph, model.graph.output[1].name
    for node in [n for n in graph.node if n.op_type == "ZipMap"]:
        given = node.input[0]  # the probabilities as they were, before they became dictionaries
        graph.node.remove(node)
    constants = {"second": (7, [1]), "least": (11, 1e-7), "most": (11, 1 - 1e-7), "whole": (11, 1.0)}
    for name, (kind, value) in constants.items():
        values = value if isinstance(value, list) else [value]
        graph.initializer.append(helper.make_tensor(f"odds_{name}", kind, [1] if kind == 7 else [], values))
    steps = [
        ("Gather", [given, "odds_second"], "odds_yes", {"axis": 1}),
        ("Cast", ["odds_yes"], "odds_wide", {"to": 11}),
        ("Max", ["odds_wide", "odds_least"], "odds_above", {}),
        ("Min", ["odds_above", "odds_most"], "odds_held", {}),
        ("Sub", ["odds_whole", "odds_held"], "odds_no", {}),
        ("Div", ["odds_held", "odds_no"], "odds", {}),
        ("Log", ["odds"], "odds_log", {}),
        ("Cast", ["odds_log"], "raw", {"to": 1}),
    ]
    graph.node.extend(helper.make_node(k, i, [o], **more) for k, i, o, more in steps)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("raw", 1, [None, 1]))
    return bytes(model.SerializeToString(deterministic=True))


def _same(part: OnnxPart, fitted: Any, x: Any, name: str) -> None:
    """Raise `UsageError` unless the graph gives the estimator's own probabilities."""
    found = 1 / (1 + np.exp(-part({"x": x})["raw"][:, 0].astype(float)))
    gap = float(np.abs(found - fitted.predict_proba(x)[:, 1]).max())
    if not gap <= TOLERANCE:
        raise UsageError(
            f"the ONNX graph of {name} differs from the estimator by {gap:.1e}",
            fix="fill the gaps first (sklearn.impute.SimpleImputer in a pipeline), or take another estimator",
        )
