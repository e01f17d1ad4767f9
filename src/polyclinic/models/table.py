"""What yes-or-no models of one matrix do alike: encode, check that the outcome is yes or no, give one answer where all are one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from polyclinic import memory
from polyclinic.arrays import Array, Floats32
from polyclinic.errors import UsageError
from polyclinic.models import encoders
from polyclinic.models.linear import constant, log_odds
from polyclinic.models.model import Model, Session
from polyclinic.outcomes.outcome import Prepared
from polyclinic.packages.encodings import Encode
from polyclinic.packages.fitted import Fitted, History
from polyclinic.packages.parts import OnnxPart
from polyclinic.samples import Samples
from polyclinic.state import State

FEWER = "take `gbm`, which reads them some at a time, or let the inputs have fewer columns (`coverage`, `hours`)"


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


Rows: TypeAlias = tuple[EncodedRows, npt.NDArray[np.float64]]
"""Encoded rows, and their answers: 0 or 1, float64 [row]."""


class MatrixModel(Model, Protocol):
    """A yes-or-no model of the matrix that `encode` gives as `x`; it brings `prepare`, `encode` and `learned`."""

    def learned(self, train: Rows, validation: Rows, session: Session) -> tuple[OnnxPart, History]:
        """A graph from `x` to `raw`, the log odds; the losses step by step, where there are steps."""

    def fit(self, train: Samples, validation: Samples, outcome: Prepared, session: Session) -> Fitted:
        """Raises `UsageError` where the outcome is not yes or no once a row, or where memory does not suffice."""
        state = self.prepare(train)
        y_train, y_validation = (self._answers(rows, outcome) for rows in (train, validation))
        rows, watched = (EncodedRows(self, state, part) for part in (train, validation))
        if len(np.unique(y_train)) < 2:
            return Fitted(self, state, [constant(log_odds(y_train.mean(), len(y_train)), rows.width)])
        part, history = self.learned((rows, y_train), (watched, y_validation), session)
        return Fitted(self, state, [part], history=history)

    def in_memory(
        self, rows: EncodedRows, others: EncodedRows, session: Session, *, each: int
    ) -> tuple[Floats32, Floats32]:
        """Two parts in whole; raises `UsageError` where they and what is computed of them exceed the budget of memory.

        each: bytes that the fit needs for every number, the number itself included.
        """
        numbers = (len(rows) + len(others)) * rows.width
        what = f"{type(self).__name__.lower()} holds all encoded rows, {numbers:,} numbers: it"
        memory.check(each * numbers, session.memory, what, FEWER)
        return rows.whole, others.whole

    def _answers(self, rows: Samples, outcome: Prepared) -> npt.NDArray[np.float64]:
        family = outcome.family
        if family is not None and (family.distribution, family.channels) == ("bernoulli", 1):
            target = np.asarray(outcome.target(rows), np.float64)
            if np.isin(target, (0.0, 1.0)).all():
                return target
        name = type(self).__name__.lower()
        what = f"{name} answers yes or no once a row; {outcome.kind!r} needs something else"
        fix = "take the model `naive`, or one that is made for this outcome (`polyclinic list models`)"
        raise UsageError(what, fix=fix)


@dataclass(frozen=True, kw_only=True)
class TableModel(MatrixModel):
    """Reads every number: dense columns as they are, timed sequences as summaries of each code.

    hours: how far back each set of summaries reaches; coverage: a code is used where it occurs within the
    widest in so large a share of the training rows.
    """

    coverage: float = 0.95
    hours: tuple[float, ...] = (8.0, 2.0)

    def prepare(self, train: Samples) -> State:
        """Which columns and codes make the matrix."""
        return State({"matrix": encoders.learn(train, coverage=self.coverage, hours=self.hours)})

    def encode(self, rows: Samples, state: State) -> dict[str, Array]:
        """x: float32 [row, feature], NaN where there is nothing."""
        return {"x": encoders.matrix(rows, state.values["matrix"])}

    def jointly(self, states: Sequence[State]) -> Encode | None:
        """What encodes rows for several states: one matrix with the codes of them all, of which each takes its columns."""
        each = [state.values["matrix"] for state in states]
        if (whole := encoders.union(each)) is None:
            return None
        columns = [slice(None) if one == whole else encoders.places(whole, one) for one in each]

        def encode(rows: Samples) -> Iterator[dict[str, Array]]:
            # Without index times, hours are counted back from the newest event of a state's own codes.
            if rows.time is None and any(one != whole for one in each):
                return (self.encode(rows, state) for state in states)
            x = encoders.matrix(rows, whole)
            return ({"x": x[:, own]} for own in columns)

        return encode
