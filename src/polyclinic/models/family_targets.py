"""What models of a matrix learn from: encoded rows with the target of a family, several outputs, gaps and weights."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from polyclinic.arrays import Array, Floats, Floats32
from polyclinic.errors import BadData, UsageError
from polyclinic.models.linear_graph import log_odds
from polyclinic.models.model import Model
from polyclinic.outcomes.family import Family
from polyclinic.outcomes.outcome import Prepared
from polyclinic.samples import Samples
from polyclinic.state import State


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """The matrix that a model makes of rows, in whole or some rows at a time: float32 [row, feature], NaN for nothing."""

    model: Model
    state: State
    samples: Samples

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def width(self) -> int:
        """How many features a row has."""
        return int(self.block(slice(0, 1)).shape[1])

    def block(self, rows: slice) -> Floats32:
        """The numbers of a stretch of rows."""
        some = self.samples.take(np.arange(len(self))[rows])
        return np.asarray(self.model.encode(some.without_targets(), self.state)["x"])

    @cached_property
    def whole(self) -> Floats32:
        """The numbers of all rows; see `MatrixModel.in_memory`, which looks whether they fit."""
        return self.block(slice(None))


@dataclass(frozen=True, eq=False)
class FamilyTarget:
    """The target of some rows as a family has it.

    Attributes
    ----------
    family
        What the numbers mean.
    y
        float64 [row, output], NaN where it is missing. One output a channel; one alone, the number of the class or the
        number itself, where the channels are classes or quantiles of one number.
    weight
        float64 [row], what each row counts.
    """

    family: Family
    y: Floats
    weight: Floats

    @classmethod
    def of(cls, rows: Samples, outcome: Prepared, model: str) -> "FamilyTarget":
        """The target of labelled rows.

        Raises
        ------
        UsageError
            Where the outcome has no family that a model of a matrix can serve.
        BadData
            Where the target has another shape than the family says.
        """
        family = outcome.family
        if family is None:
            fix = "take a model that is made for this outcome (`polyclinic list models`)"
            raise UsageError(f"{model} answers with numbers a row; {outcome.kind!r} needs something else", fix=fix)
        y = np.asarray(outcome.target(rows), np.float64).reshape(len(rows), -1)
        outputs = 1 if family.distribution in ("categorical", "quantiles") else family.channels
        if y.shape[1] != outputs:
            what = f"the target of {outcome.kind!r} has {y.shape[1]} numbers a row where its family has {outputs}"
            raise BadData(what, fix="let `target` give one number for each channel of `family`")
        if family.distribution in ("bernoulli", "hazards") and not np.isin(y[~np.isnan(y)], (0.0, 1.0)).all():
            what = f"the target of {outcome.kind!r} has values other than 0, 1 and missing"
            raise BadData(what, fix="turn it into yes or no first, or take another kind of outcome")
        return cls(family, y, rows.weights)

    def known(self, output: int) -> tuple[Array, Floats, Floats]:
        """Of one output: which rows are known, bool [row]; their targets and their weights."""
        known = ~np.isnan(self.y[:, output])
        return known, self.y[known, output], self.weight[known]


def constant_answer(target: FamilyTarget) -> Floats:
    """What the family says of all rows alike, on its raw scale: float64 [channel]."""
    family, y, weight = target.family, target.y, target.weight
    if family.distribution == "quantiles":
        return np.array([level_of(y[:, 0], weight, level) for level in family.levels])
    if family.distribution == "categorical":
        counts = np.bincount(y[:, 0].astype(np.int64), weight, minlength=family.channels)
        return np.asarray(np.log((counts + 0.5) / (counts + 0.5).sum()))
    means = np.array([_mean(*target.known(output)[1:]) for output in range(y.shape[1])])
    if family.distribution == "gaussian":
        return means
    if family.distribution == "counts":
        return np.asarray(np.log(np.maximum(means, 0.5 / max(len(y), 1))))
    rows = (~np.isnan(y)).sum(axis=0)
    return np.array([float(log_odds(mean, n)) for mean, n in zip(means, rows, strict=True)])


def level_of(y: Floats, weight: Floats, level: float | None) -> float:
    """The weighted quantile of a level from 0 to 1, in the middle where it falls between two values; None: the mean."""
    if level is None:
        return _mean(y, weight)
    order = np.argsort(y, kind="stable")
    y, share = y[order], np.cumsum(weight[order])
    wanted = level * share[-1]
    first = int(np.searchsorted(share, wanted, side="left"))
    after = int(np.searchsorted(share, wanted, side="right"))
    return float((y[min(first, len(y) - 1)] + y[min(after, len(y) - 1)]) / 2)


def _mean(y: Floats, weight: Floats) -> float:
    """The weighted mean; one half of nothing, which says nothing either way."""
    return float(np.average(y, weights=weight)) if len(y) and weight.sum() > 0 else 0.5
