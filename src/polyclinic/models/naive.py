"""The answers that any model must beat: the mean of the training rows, and the newest value."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from polyclinic.arrays import Array
from polyclinic.errors import UnknownName
from polyclinic.models import encoders
from polyclinic.models.family_targets import FamilyTarget, constant_answer
from polyclinic.models.linear import BYTES, regression
from polyclinic.models.linear_graph import constant
from polyclinic.models.model import Session
from polyclinic.models.table import MatrixModel, Rows
from polyclinic.outcomes.outcome import Prepared
from polyclinic.outcomes.raw import Per
from polyclinic.packages.fitted import Fitted, History
from polyclinic.packages.parts import OnnxPart
from polyclinic.samples import Samples
from polyclinic.state import State


@dataclass(frozen=True)
class Naive:
    """The same for everyone, as the outcome's family has it: a share, shares of classes, a mean, quantiles."""

    ignores_inputs: ClassVar[bool] = True
    serves: ClassVar[tuple[Per, ...]] = ("row",)

    def prepare(self, train: Samples) -> State:
        """Nothing: the answer is learned with the target, in `fit`."""
        return State()

    def encode(self, rows: Samples, state: State) -> dict[str, Array]:
        """x: float32 [row, 1], nothing but how many rows there are."""
        return {"x": np.zeros((len(rows), 1), np.float32)}

    def fit(self, train: Samples, validation: Samples, outcome: Prepared, session: Session) -> Fitted:
        """Raises `UsageError` where models of a matrix cannot serve the outcome."""
        answer = constant_answer(FamilyTarget.of(train, outcome, "naive"))
        return Fitted(self, State(), [constant(answer, 1)])


@dataclass(frozen=True)
class LastValue(MatrixModel):
    """A linear model of the newest value alone.

    Parameters
    ----------
    column
        A dense input, or one name within one; `newest` is what records give where the task names it.
    """

    column: str = "newest"
    example: ClassVar[dict[str, str]] = {"column": "x//signal"}

    def prepare(self, train: Samples) -> State:
        """Which columns are meant; raises `UnknownName` where there are none."""
        dense = encoders.dense_names(train)
        single = {name: column for column, names in dense.items() for name in names}
        source = self.column if self.column in dense else single.get(self.column)
        if source is None:
            raise UnknownName("`column` of last-value", self.column, [*dense, *single])
        read = {source: dense[source]}
        matrix = {"dense": read, "offset": encoders.offsets(train, read), "codes": {}, "hours": []}
        positions = [at for at, name in enumerate(dense[source]) if self.column in (source, name)]
        return State({"matrix": matrix, "positions": positions})

    def encode(self, rows: Samples, state: State) -> dict[str, Array]:
        """x: float32 [row, value]."""
        return {"x": encoders.matrix(rows, state.values["matrix"])[:, state.values["positions"]]}

    def learned(self, train: Rows, validation: Rows, session: Session) -> tuple[OnnxPart, History]:
        """A regression of one or few weights, next to no penalty."""
        x, x_validation = self.in_memory(train[0], validation[0], session, each=BYTES)
        return regression(x, train[1], x_validation, validation[1], (10.0,)), ()
