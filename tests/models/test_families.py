"""The shared models serve every family: several outputs, the right scale, gaps in the target, weights of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from polyclinic.errors import UsageError
from polyclinic.models.estimator import Estimator
from polyclinic.models.family_targets import level_of
from polyclinic.models.gbm import Gbm
from polyclinic.models.linear import Linear
from polyclinic.models.model import Session
from polyclinic.models.naive import Naive
from polyclinic.outcomes.family import Family
from polyclinic.outcomes.outcome import Outcome, Prepared
from polyclinic.samples import Dense, Samples
from polyclinic.state import State

GBM = Gbm(rounds=60, min_leaf=10)
MODELS = [Naive(), Linear(), GBM]
N = 600


@dataclass(frozen=True)
class Plain(Outcome):
    """An outcome of any family: the target as it is."""

    of: Family = field(default_factory=lambda: Family("gaussian"))
    kind: str = "any"

    def target(self, rows: Samples, state: State) -> np.ndarray:
        return rows.y

    def family(self, state: State) -> Family:
        return self.of


def truth(family: Family, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A target that the first column gives."""
    signal = 2 * x[:, 0]
    if family.distribution in ("bernoulli", "hazards"):
        y = rng.random((N, family.channels)) < expit(signal[:, None] * np.linspace(1, -1, family.channels))
        y = y.astype(np.float32)
        if family.channels > 1:
            y[rng.random(y.shape) < 0.3] = np.nan
        return y
    if family.distribution == "categorical":
        return np.digitize(signal + rng.normal(size=N), [-1, 1]).astype(np.float32)
    if family.distribution == "counts":
        return rng.poisson(np.exp(0.5 + 0.5 * x[:, 0])).astype(np.float32)
    return (signal + rng.normal(size=N)).astype(np.float32)


FAMILIES = {
    "yes or no": Family("bernoulli"),
    "three labels with gaps": Family("bernoulli", 3),
    "hazards": Family("hazards", 2),
    "classes": Family("categorical", 3),
    "number": Family("gaussian"),
    "counts": Family("counts"),
    "quantiles": Family("quantiles", 3, (None, 0.05, 0.95)),
}


def rows_of(family: Family, seed: int = 0, weight: np.ndarray | None = None) -> Samples:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 3)).astype(np.float32)
    columns: Mapping[str, Any] = {"x": Dense(x, ("a", "b", "c")), "y": Dense(truth(family, x, rng))}
    roles: Any = {"x": "input", "y": "target"}
    if weight is not None:
        columns, roles = {**columns, "w": Dense(weight.astype(np.float32))}, {**roles, "w": "weight"}
    return Samples(np.arange(N), columns, roles)


def parts(samples: Samples) -> tuple[Samples, Samples, Samples]:
    return samples.take(np.arange(400)), samples.take(np.arange(400, 500)), samples.take(np.arange(500, N))


def loss(family: Family, raw: np.ndarray, y: np.ndarray) -> float:
    """What the family says of raw numbers: a proper score of each."""
    if family.distribution in ("bernoulli", "hazards"):
        y = y.reshape(raw.shape)
        known = ~np.isnan(y)
        return float(np.mean((expit(raw) - np.nan_to_num(y))[known] ** 2))
    if family.distribution == "categorical":
        return float(-np.log(softmax(raw, axis=1)[np.arange(len(y)), y.astype(int)]).mean())
    if family.distribution == "counts":
        return float(np.mean((np.exp(raw[:, 0]) - y) ** 2))
    return float(np.mean((raw[:, 0] - y) ** 2))


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_each_model_gives_the_channels_of_each_family_and_learns_its_signal(family) -> None:
    train, watch, test = parts(rows_of(family))
    losses = {}
    for model in MODELS:
        fitted = model.fit(train, watch, Prepared(Plain(family), State()), Session(seed=1))
        raw = fitted.raw(test).values
        assert raw.shape == (100, family.channels)
        assert np.isfinite(raw).all()
        losses[type(model).__name__] = loss(family, raw.astype(float), np.asarray(test.y))
    assert losses["Linear"] < 0.85 * losses["Naive"]
    assert losses["Gbm"] < 0.9 * losses["Naive"]


@pytest.mark.parametrize("model", [Linear(), GBM], ids=["linear", "gbm"])
def test_quantiles_contain_the_share_that_they_name(model) -> None:
    family = FAMILIES["quantiles"]
    train, watch, test = parts(rows_of(family))
    raw = model.fit(train, watch, Prepared(Plain(family), State()), Session()).raw(test).values
    inside = (raw[:, 1] <= test.y) & (test.y <= raw[:, 2])
    assert 0.78 <= inside.mean() <= 0.99


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_to_linear_a_weight_of_two_is_the_row_twice_and_nought_is_none(family) -> None:
    weight = np.random.default_rng(3).integers(0, 3, N).astype(float)
    samples = rows_of(family, weight=weight)
    train, watch, test = parts(samples)
    plain = rows_of(family)
    again = plain.take(np.repeat(np.arange(400), weight[:400].astype(int)))
    seen = plain.take(400 + np.repeat(np.arange(100), weight[400:500].astype(int)))
    outcome = Prepared(Plain(family), State())
    for model in (Naive(), Linear(strengths=(0.1,))):
        weighted = model.fit(train, watch, outcome, Session()).raw(test).values
        repeated = model.fit(again, seen, outcome, Session()).raw(test).values
        np.testing.assert_allclose(weighted, repeated, atol=2e-3)


def test_a_class_without_a_training_row_is_rare_and_no_error() -> None:
    family = Family("categorical", 4)
    train, watch, test = parts(rows_of(FAMILIES["classes"]))
    for model in MODELS:
        raw = model.fit(train, watch, Prepared(Plain(family), State()), Session()).raw(test).values
        assert raw.shape == (100, 4)
        assert softmax(raw.astype(float), axis=1)[:, 3].max() < 0.02


@pytest.mark.parametrize(
    ("name", "estimator"),
    [
        ("classes", "sklearn.linear_model.LogisticRegression"),
        ("number", "sklearn.linear_model.Ridge"),
        ("number", "sklearn.ensemble.RandomForestRegressor"),
    ],
)
def test_scikit_learn_serves_classes_and_numbers(name, estimator) -> None:
    family = FAMILIES[name]
    train, watch, test = parts(rows_of(family))
    outcome = Prepared(Plain(family), State())
    raw = Estimator(estimator).fit(train, watch, outcome, Session()).raw(test).values
    naive = Naive().fit(train, watch, outcome, Session()).raw(test).values
    y = np.asarray(test.y)
    assert loss(family, raw.astype(float), y) < 0.85 * loss(family, naive.astype(float), y)


def test_scikit_learn_refuses_what_it_cannot_answer() -> None:
    family = FAMILIES["three labels with gaps"]
    train, watch, _ = parts(rows_of(family))
    with pytest.raises(UsageError, match="yes or no, one of several classes, or a number"):
        Estimator().fit(train, watch, Prepared(Plain(family), State()), Session())


def test_a_level_is_the_weighted_quantile() -> None:
    y, weight = np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0])
    repeated = np.repeat(y, weight.astype(int))
    assert level_of(y, weight, 0.5) == np.median(repeated)
    assert level_of(y, weight, None) == repeated.mean()
