"""One of several grades in an order: for each grade but the last, the chance that the true one is higher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.arrays import Floats, Floats32
from polyclinic.errors import Place, UsageError
from polyclinic.links import expit
from polyclinic.outcomes.class_answers import ALIKE, ClassAnswers, sorted_classes
from polyclinic.outcomes.family import Family
from polyclinic.outcomes.outcome import measures_of
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.samples import Samples
from polyclinic.state import State

if TYPE_CHECKING:
    from torch import Tensor

    from polyclinic.evaluation.measures import Measure
    from polyclinic.evaluation.scores import Score


@dataclass(frozen=True)
class Ordinal(ClassAnswers):
    """The probability of each of several grades in an order. Raw numbers are log odds that the grade is higher.

    Parameters
    ----------
    grades
        The names of the grades, the lowest first. Where they are left out, whole numbers in the target column are taken
        in their order; text has to be listed.
    coverage
        The share of rows whose set of grades is to contain the true one.

    References
    ----------
    McCullagh, Regression models for ordinal data, Journal of the Royal Statistical Society B 1980, for cumulative
    logits; each of them has weights of its own here, as in Frank and Hall, A simple approach to ordinal classification,
    ECML 2001.
    """

    grades: tuple[str | int, ...] | None = None

    kind: ClassVar[str] = "ordinal"
    key: ClassVar[str] = "grades"
    example: ClassVar[Mapping[str, object]] = {"grades": ["low", "middle", "high"]}

    @property
    def listed(self) -> tuple[str | int, ...] | None:
        """`grades`."""
        return self.grades

    def with_names(self, names: Sequence[str] | Mapping[str, None]) -> Self:
        """The same with these grades, in this order."""
        return replace(self, grades=tuple(names))

    def resolved(self, target: Mapping[str, object], rows: pl.DataFrame) -> Self:
        """The same with the numbers of all labelled rows; raises `UsageError` for text, whose order nobody knows."""
        if self.grades is not None:
            return self
        names = sorted_classes(target, rows)
        if not all(name.lstrip("-").isdigit() for name in names):
            fix = "list them, the lowest first: `target: {column: y, kind: ordinal, grades: [none, mild, severe]}`"
            raise UsageError(
                "the grades are text, and nothing says in which order", at=Place(key="target.grades"), fix=fix
            )
        return self.with_names(names)

    # -- learning ------------------------------------------------------------------------------------------------

    def prepare(self, train: Samples) -> State:
        """Nothing: the order of the grades is a setting."""
        return State()

    def target(self, rows: Samples, state: State) -> Floats32:
        """Whether the grade is above each grade but the last: float32 [row, grade - 1], NaN where unlabelled."""
        codes = self.class_numbers(rows)
        above = (codes[:, None] > np.arange(len(self.names) - 1)).astype(np.float32)
        return np.where(np.isnan(codes)[:, None], np.float32(np.nan), above)

    def family(self, state: State) -> Family:
        """Yes or no for each grade but the last."""
        return Family("bernoulli", len(self.names) - 1)

    def head(self, rows: Samples, state: State) -> Head:
        """One log odds for each grade but the last."""
        return Head("row", len(self.names) - 1, "log odds")

    def loss(self, raw: "Tensor", batch: Mapping[str, "Tensor"], state: State) -> "Tensor":
        """The mean cross-entropy over the grades but the last: torch [row]."""
        from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

        target = batch["target"].to(raw.dtype)
        return cross_entropy(raw.reshape(len(target), -1), target, reduction="none").mean(dim=1)

    def link(self, raw: Raw, state: State) -> Raw:
        """Log odds → a probability for each grade, float64 [row, grade].

        A grade cannot be above 2 more often than above 1. Where raw numbers say so, both get the same chance: the mean
        of the least of the lower and the greatest of the higher ones, so that the order turned round gives the same.
        """
        above = expit(raw.values.astype(np.float64))
        falling = np.minimum.accumulate(above, axis=1)
        rising = np.maximum.accumulate(above[:, ::-1], axis=1)[:, ::-1]
        edges = np.pad((falling + rising) / 2, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
        return Raw(-np.diff(edges, axis=1), raw.shape)

    def predicted(self, probabilities: Floats) -> npt.NDArray[np.int64]:
        """The median grade, of which no other is nearer on average; -1 where two are medians and equally probable."""
        if not len(probabilities):
            return np.zeros(0, np.int64)
        upto = np.cumsum(probabilities, axis=1)
        low, high = ((upto >= 0.5 + side).argmax(axis=1) for side in (-ALIKE, ALIKE))
        rows = np.arange(len(probabilities))
        gap = probabilities[rows, high] - probabilities[rows, low]
        grade = np.where(gap > 0, high, low)
        undecided = ((low != high) & (np.abs(gap) <= ALIKE)) | np.isnan(upto[:, -1])
        return np.where(undecided, -1, grade).astype(np.int64)

    # -- judging -------------------------------------------------------------------------------------------------

    @property
    def measures(self) -> "tuple[Measure, ...]":
        """Quadratic weighted kappa first."""
        return measures_of(("weighted_kappa", "mae_grades", "ranked_probability_score", "accuracy"))

    def scores(self, frame: pl.DataFrame) -> "dict[str, Score]":
        """Of `class_value`, `predicted_class_value` and `probabilities`; an undecided row is as wrong as can be."""
        y_true, y_pred, probabilities = self.codes(frame)
        last = len(self.names) - 1
        farthest = np.where(2 * y_true >= last, 0, last)
        y_pred = np.where(y_pred < 0, farthest, y_pred)
        kappa, mae, ranked, accuracy = self.measures
        return {
            kappa.name: kappa.score(y_true, y_pred, last + 1),
            mae.name: mae.score(y_true, y_pred),
            ranked.name: ranked.score(y_true, probabilities),
            accuracy.name: accuracy.score(y_true, y_pred),
        }

    def without_a_model(self, frame: pl.DataFrame) -> dict[str, float]:
        """What the shares of the grades give: always their median; always the shares themselves."""
        codes = self.support(frame)
        upto = np.cumsum(np.bincount(codes, minlength=len(self.names)) / len(codes))[:-1]
        distance = np.abs(codes - np.median(codes)).mean()
        return {"mae_grades": float(distance), "ranked_probability_score": float((upto * (1 - upto)).mean())}
