"""One of several classes: a probability for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.arrays import Floats
from polyclinic.links import softmax
from polyclinic.outcomes.class_answers import ClassAnswers, most_probable, sorted_classes
from polyclinic.outcomes.family import Family
from polyclinic.outcomes.outcome import measures_of
from polyclinic.outcomes.raw import Head, Raw
from polyclinic.samples import Samples
from polyclinic.samples.prediction_columns import CLASS
from polyclinic.state import State

if TYPE_CHECKING:
    from torch import Tensor

    from polyclinic.evaluation.measures import Measure
    from polyclinic.evaluation.scores import Score


@dataclass(frozen=True)
class Multiclass(ClassAnswers):
    """The probability of each of several classes without an order. Raw numbers are log scores.

    Parameters
    ----------
    classes
        The names of the classes. Where they are left out, a study takes every value of the target column, and keeps
        the names in its package.
    coverage
        The share of rows whose set of classes is to contain the true one.
    """

    classes: tuple[str | int, ...] | None = None

    kind: ClassVar[str] = "multiclass"
    example: ClassVar[Mapping[str, object]] = {"classes": ["low", "middle", "high"]}

    @property
    def listed(self) -> tuple[str | int, ...] | None:
        """`classes`."""
        return self.classes

    def with_names(self, names: Sequence[str] | Mapping[str, None]) -> Self:
        """The same with these classes, in this order."""
        return replace(self, classes=tuple(names))

    def resolved(self, target: Mapping[str, object], rows: pl.DataFrame) -> Self:
        """The same with the classes of all labelled rows; see `Outcome.resolved`."""
        return self if self.classes is not None else self.with_names(sorted_classes(target, rows))

    def family(self, state: State) -> Family:
        """One of the classes."""
        return Family("categorical", len(self.names))

    def head(self, rows: Samples, state: State) -> Head:
        """One log score a class."""
        return Head("row", len(self.names), "log scores")

    def loss(self, raw: "Tensor", batch: Mapping[str, "Tensor"], state: State) -> "Tensor":
        """Cross-entropy of the log scores: torch [row]."""
        from torch.nn.functional import cross_entropy

        target = batch["target"].long()
        return cross_entropy(raw.reshape(len(target), -1), target, reduction="none")

    def link(self, raw: Raw, state: State) -> Raw:
        """Log scores → probabilities, float64."""
        return Raw(softmax(raw.values), raw.shape)

    def predicted(self, probabilities: Floats) -> npt.NDArray[np.int64]:
        """The most probable class; -1 where two are equally probable."""
        return most_probable(probabilities)

    @property
    def measures(self) -> "tuple[Measure, ...]":
        """Macro F1 first; the AUROC of each class against all others in the table."""
        names = ("macro_f1", "accuracy", "balanced_accuracy", "class_auroc", "class_log_loss")
        f1, accuracy, balanced, auroc, log_loss = measures_of(names)
        parts = [auroc.of_part(name, auroc.score) for name in self.known_names]
        return f1, accuracy, balanced, auroc, log_loss, *parts

    def scores(self, frame: pl.DataFrame) -> "dict[str, Score]":
        """Of `class_value`, `predicted_class_value` and `probabilities`."""
        y_true, y_pred, probabilities = self.codes(frame)
        f1, accuracy, balanced, auroc, log_loss, *parts = self.measures
        scores = {measure.name: measure.score(y_true, y_pred) for measure in (f1, accuracy, balanced)}
        scores |= {measure.name: measure.score(y_true, probabilities) for measure in (auroc, log_loss)}
        return scores | {part.name: part.score(y_true, probabilities, code) for code, part in enumerate(parts)}

    def without_a_model(self, frame: pl.DataFrame) -> dict[str, float]:
        """What the shares of the classes give: always the most frequent class; the log loss of the shares."""
        shares: Any = frame[CLASS].value_counts(normalize=True)["proportion"].to_numpy()
        entropy = float(-(shares * np.log(shares)).sum())
        return {"accuracy": float(shares.max()), "balanced_accuracy": 1 / len(shares), "log_loss": entropy}
