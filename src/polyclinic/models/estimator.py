"""Any scikit-learn classifier, regressor or pipeline, by its dotted name or handed over in Python; it leaves as an ONNX graph."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from itertools import accumulate
from typing import Any, Protocol, Self, cast, runtime_checkable

import numpy as np

from polyclinic import dependencies, openmp
from polyclinic.arrays import Array
from polyclinic.errors import UnknownName, UsageError
from polyclinic.links import expit
from polyclinic.models.linear_graph import written
from polyclinic.models.model import Session
from polyclinic.models.table import Rows, TableModel
from polyclinic.outcomes.family import Family
from polyclinic.packages.fitted import History
from polyclinic.packages.parts import OnnxPart

OPSET = 18
BYTES = 24
"""Bytes of memory for each number of the matrix: as it is, filled, and what an estimator copies of it."""
TOLERANCE = 1e-5
SOME = 4096
ODDS = """odds (float[row, 2] given) => (float[row, 1] raw)
<int64[1] odds_second = {1}, double odds_least = {1e-7}, double odds_most = {0.9999999}, double odds_whole = {1}>
{
    odds_yes = Gather <axis = 1> (given, odds_second)
    odds_wide = Cast <to = 11> (odds_yes)
    odds_held = Clip (odds_wide, odds_least, odds_most)
    odds_no = Sub (odds_whole, odds_held)
    odds = Div (odds_held, odds_no)
    odds_log = Log (odds)
    raw = Cast <to = 1> (odds_log)
}"""
LOG_SCORES = """scores (float[row, class] given) => (float[row, class] raw)
<double scores_least = {1e-7}, double scores_most = {1}>
{
    scores_wide = Cast <to = 11> (given)
    scores_held = Clip (scores_wide, scores_least, scores_most)
    scores_log = Log (scores_held)
    raw = Cast <to = 1> (scores_log)
}"""
NUMBER = """number (float[row, 1] given) => (float[row, 1] raw)
{
    raw = Identity (given)
}"""
LIBRARIES = ("sklearn", "lightgbm")
PLAIN = (str, int, float, bool, type(None))


@runtime_checkable
class GivesProbabilities(Protocol):
    """A scikit-learn classifier that gives a probability for each class."""

    def predict_proba(self, X: Array) -> Array:
        """float64 [row, class]."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Setting → value."""

    def set_params(self, **params: object) -> object:
        """Change settings."""


@runtime_checkable
class Predicts(Protocol):
    """A scikit-learn estimator."""

    def predict(self, X: Array) -> Array:
        """[row]."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Setting → value."""

    def set_params(self, **params: object) -> object:
        """Change settings."""


@dataclass(frozen=True)
class Estimator(TableModel):
    """A scikit-learn estimator as a model.

    estimator: its dotted name (`sklearn.ensemble.RandomForestClassifier`), from scikit-learn or LightGBM; from
    elsewhere only where the session allows code. params: its settings, where another estimator among them is again
    `{estimator: NAME, params: {…}}`; hours, coverage: as in `TableModel`. Gaps are filled by the training mean unless
    the estimator is a pipeline that takes them itself.
    """

    estimator: str = "sklearn.ensemble.RandomForestClassifier"
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, item: Any) -> Self:
        """The settings that make an estimator like this one anew; nothing that it learned.

        Raises `UsageError` for a setting that cannot be written down (a function, an array).
        """
        return cls(**described(item))

    def check_code(self, *, allow_code: bool) -> None:
        """Raise `UsageError` for an estimator, or one among its settings, whose code may not be imported."""
        for name in names_in({"estimator": self.estimator, "params": self.params}):
            check_name(name, allow_code=allow_code)

    def learned(self, train: Rows, validation: Rows, session: Session) -> tuple[OnnxPart, History]:
        """Raises `UsageError` where ONNX has no words for the estimator, or says something else than it does."""
        (rows, target), (watched, _) = train, validation
        family, (known, y, weight) = target.family, target.known(0)
        if target.y.shape[1] > 1 or family.distribution not in TAILS:
            what = "a scikit-learn estimator answers yes or no, one of several classes, or a number"
            raise UsageError(what, fix="take `linear` or `gbm`, which serve every kind of answer")
        x, _ = self.in_memory(rows, watched, session, each=BYTES)
        estimator = built({"estimator": self.estimator, "params": self.params}, allow_code=session.allow_code)
        from threadpoolctl import threadpool_limits

        classify = family.distribution != "gaussian"
        with threadpool_limits(openmp.threads("sklearn", session.threads), "openmp"):
            pipeline = ready(estimator, session, classify=classify)
            fitted = pipeline.fit(x[known], y, **weights_of(pipeline, weight))
        part = graph(fitted, x.shape[1], self.estimator, TAILS[family.distribution], output=1 if classify else 0)
        some = x[:SOME]
        raw = part({"x": some})["raw"].astype(np.float64)
        expected = fitted.predict_proba(some) if classify else fitted.predict(some).reshape(-1, 1)
        exported = {"bernoulli": expit(raw), "categorical": np.exp(raw)}.get(family.distribution, raw)
        wanted = expected[:, 1:] if family.distribution == "bernoulli" else expected
        gap = float(np.abs(exported - wanted).max(initial=0.0))
        if not gap <= TOLERANCE * (1.0 if classify else max(1.0, float(np.abs(wanted).max()))):
            what = f"the ONNX graph of {self.estimator} differs from the estimator by {gap:.1e}"
            fix = "fill the gaps first (a pipeline with sklearn.impute.SimpleImputer), or take another one"
            raise UsageError(what, fix=fix)
        return in_channels(part, [int(k) for k in np.unique(y)], family) if classify else part, ()


def weights_of(pipeline: Any, weight: Array) -> dict[str, Array]:
    """What `fit` takes for weights of rows that do not all count one.

    Raises `UsageError` where the estimator does not take them.
    """
    if (weight == 1).all():
        return {}
    from sklearn.utils.validation import has_fit_parameter

    name, last = pipeline.steps[-1]
    if not has_fit_parameter(last, "sample_weight"):
        what = f"{type(last).__name__} does not take weights of rows"
        raise UsageError(what, fix="take an estimator whose `fit` has `sample_weight`, or leave the weights out")
    return {f"{name}__sample_weight": weight}


def in_channels(part: OnnxPart, classes: list[int], family: Family) -> OnnxPart:
    """The graph with a channel for each class of the family: one that no training row has is next to impossible."""
    if family.distribution != "categorical" or classes == list(range(family.channels)):
        return part
    what = f"the training rows have {len(classes)} of {family.channels} classes, and the estimator knows no others"
    raise UsageError(what, fix="use fewer folds or stratified ones, or take `linear` or `gbm`")


TAILS = {"bernoulli": ODDS, "categorical": LOG_SCORES, "gaussian": NUMBER}
"""How the output of an estimator becomes raw numbers of a family."""


def described(item: Any) -> dict[str, Any]:
    """{"estimator": dotted name, "params": those that are not the default}; raises `UsageError` as `Estimator.of`."""
    usual = {name: p.default for name, p in inspect.signature(type(item).__init__).parameters.items()}
    changed = {k: v for k, v in item.get_params(deep=False).items() if repr(v) != repr(usual.get(k))}
    return {"estimator": _name_of(type(item)), "params": {k: _written(v, k) for k, v in changed.items()}}


def _name_of(kind: type) -> str:
    """The shortest module that has the class: `sklearn.linear_model` rather than its private file."""
    parents = list(accumulate(kind.__module__.split(".")[:-1], "{}.{}".format))
    known = (m for m in parents if getattr(import_module(m), kind.__qualname__, None) is kind)
    return f"{next(known, kind.__module__)}.{kind.__qualname__}"


def _written(value: object, name: str) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, (list, tuple)):
        return [_written(v, name) for v in value]
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {k: _written(v, name) for k, v in value.items()}
    if is_estimator(value):
        return described(value)
    what = f"the setting {name!r} is a {type(value).__name__}, which cannot be written down"
    fix = "use numbers, words, lists and estimators as settings: a package holds no code"
    raise UsageError(what, fix=fix)


def names_in(description: Any) -> Iterator[str]:
    """Every dotted name of an estimator in a description and in its settings, however deep."""
    if is_description(description):
        yield str(description["estimator"])
    nested = (
        description.values()
        if isinstance(description, Mapping)
        else description
        if isinstance(description, (list, tuple))
        else ()
    )
    for value in nested:
        yield from names_in(value)


def is_description(description: object) -> bool:
    """Whether a setting describes an estimator: `{estimator: NAME, params: {…}}`."""
    return (
        isinstance(description, Mapping) and "estimator" in description and set(description) <= {"estimator", "params"}
    )


def check_name(name: str, *, allow_code: bool) -> None:
    """Raise `UsageError` for a dotted name from outside scikit-learn and LightGBM, unless code is allowed.

    A study may come from a stranger, and importing a module runs it: so the first word of the name is read before
    anything is imported.
    """
    if not re.fullmatch(r"\w+(\.\w+)+", name):
        fix = "give the dotted name of a scikit-learn estimator, such as sklearn.ensemble.RandomForestClassifier"
        raise UsageError(f"cannot make {name!r}: this is no dotted name", fix=fix)
    if not allow_code and name.partition(".")[0] not in LIBRARIES:
        what = f"{name} is neither from scikit-learn nor from LightGBM, and naming it runs its code"
        fix = "if you trust where this study comes from, add --allow-code (in Python: allow_code=True)"
        raise UsageError(what, fix=fix)


def estimator_class(name: str, *, allow_code: bool) -> type[object]:
    """The class behind a dotted name; raises `UsageError` where it is no estimator, or its code may not be run."""
    with openmp.asleep("sklearn", "lightgbm"):
        from sklearn.base import BaseEstimator

    check_name(name, allow_code=allow_code)
    module, _, attribute = name.rpartition(".")
    try:
        kind = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        fix = "give the dotted name of a scikit-learn estimator"
        raise UsageError(f"cannot make {name!r}: {error}", fix=fix) from error
    own = isinstance(kind, type) and issubclass(kind, BaseEstimator)
    if not own or not (allow_code or kind.__module__.partition(".")[0] in LIBRARIES):
        what = f"cannot make {name!r}: it is no estimator (a subclass of sklearn.base.BaseEstimator)"
        raise UsageError(what, fix="give the dotted name of a scikit-learn estimator")
    return cast("type[Any]", kind)


def built(description: Any, *, allow_code: bool = False) -> Any:
    """An estimator from its description; other values as they are, named pairs as pairs.

    Raises `UsageError` for a name that is not there or not allowed, or a setting that the estimator does not have.
    """
    if is_description(description):
        name = str(description["estimator"])
        kind = estimator_class(name, allow_code=allow_code)
        params = {k: built(v, allow_code=allow_code) for k, v in description.get("params", {}).items()}
        check_params(kind, name, params)
        try:
            return kind(**params)
        except (TypeError, ValueError) as error:
            raise UsageError(f"cannot make {name!r}: {error}", fix="give settings that it has") from error
    if isinstance(description, (list, tuple)):
        values = [built(v, allow_code=allow_code) for v in description]
        return tuple(values) if len(values) > 1 and is_estimator(values[1]) else values
    return description


def check_params(kind: type[object], name: str, params: Mapping[str, object]) -> None:
    """Raise `UsageError` for a setting that the class does not list, or that names a folder of pickled results.

    LightGBM takes any further setting, among them machines to connect to and files to read; and a cache of joblib is
    read back by unpickling, which runs whatever lies in that folder.
    """
    known = inspect.signature(kind.__init__).parameters
    for key in params:
        if key not in known or known[key].kind is inspect.Parameter.VAR_KEYWORD:
            listed = [n for n in known if n != "self"]
            raise UnknownName(f"setting of {name}", key, listed)
    if isinstance(params.get("memory"), str):
        what = f"the setting `memory` of {name} names a folder that would be read back by unpickling"
        raise UsageError(what, fix="leave `memory` out")


def is_estimator(value: object) -> bool:
    """Whether this is an estimator, and not the class of one."""
    from sklearn.base import BaseEstimator

    return isinstance(value, BaseEstimator)


def ready(estimator: object, session: Session, *, classify: bool = True) -> Any:
    """The estimator with the session's seed where it has none, behind a filler of gaps where it needs one."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.utils import get_tags

    if not classify and not isinstance(estimator, Predicts):
        fix = "take a regressor, such as sklearn.ensemble.RandomForestRegressor"
        raise UsageError(f"{type(estimator).__name__} predicts no numbers", fix=fix)
    if classify and not isinstance(estimator, GivesProbabilities):
        fix = "take one with `predict_proba`, or put it into sklearn.calibration.CalibratedClassifierCV"
        raise UsageError(f"{type(estimator).__name__} gives no probabilities", fix=fix)
    assert isinstance(estimator, Predicts | GivesProbabilities)
    unset = [k for k, v in estimator.get_params().items() if k.endswith("random_state") and v is None]
    estimator.set_params(**dict.fromkeys(unset, session.seed))
    if isinstance(estimator, Pipeline) and get_tags(estimator).input_tags.allow_nan:
        return estimator  # it fills gaps itself; trees that split on gaps do not survive the way to ONNX
    return make_pipeline(SimpleImputer(keep_empty_features=True), estimator)


def graph(fitted: object, width: int, name: str, tail: str, output: int) -> OnnxPart:
    """A fitted estimator as a graph from `x` float32 [row, width] to `raw`.

    tail: what makes raw numbers of the estimator's output of that number (1: probabilities of a classifier).
    """
    dependencies.need("skl2onnx", extra="train", to="write an estimator as an ONNX graph")
    from onnx import parser
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    taken = [("x", FloatTensorType([None, width]))]
    options = {id(fitted): {"zipmap": False}} if output else {}
    try:
        model = convert_sklearn(fitted, "estimator", taken, target_opset=OPSET, options=options)
    except (RuntimeError, NotImplementedError, NameError, ValueError, TypeError) as error:
        what = f"{name} cannot be written as an ONNX graph, so no package could answer with it"
        fix = "take an estimator that skl2onnx knows, or write a model of your own with its own part"
        raise UsageError(what, fix=fix) from error
    last = parser.parse_graph(tail.replace("given", model.graph.output[output].name))
    model.graph.node.extend(last.node)
    model.graph.initializer.extend(last.initializer)
    del model.graph.output[:]
    model.graph.output.extend(last.output)
    return written(model)
