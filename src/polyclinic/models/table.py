"""What models of one matrix do alike: encode, take the target of the outcome's family, give one answer where all are one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from polyclinic import memory
from polyclinic.arrays import Array, Floats32
from polyclinic.models import encoders
from polyclinic.models.family_targets import EncodedRows, FamilyTarget, constant_answer
from polyclinic.models.linear_graph import constant
from polyclinic.models.model import Model, Session
from polyclinic.outcomes.outcome import Prepared
from polyclinic.outcomes.raw import Per
from polyclinic.packages.encodings import Encode
from polyclinic.packages.fitted import Fitted, History
from polyclinic.packages.parts import OnnxPart
from polyclinic.samples import Samples
from polyclinic.state import State

Rows: TypeAlias = tuple[EncodedRows, FamilyTarget]
"""Encoded rows, and their targets."""

FEWER = "take `gbm`, which reads them some at a time, or let the inputs have fewer columns (`coverage`, `hours`)"


class Matrix(Model, Protocol):
    """A model that reads one matrix a part of the rows, which `encode` gives as `x`."""

    @property
    def serves(self) -> tuple[Per, ...]:
        """Rows."""
        return ("row",)

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


class MatrixModel(Matrix, Protocol):
    """A model of the matrix for any family; it brings `prepare`, `encode` and `learned`."""

    def learned(self, train: Rows, validation: Rows, session: Session) -> tuple[OnnxPart, History]:
        """A graph from `x` to `raw` [row, channel], as the family has it; the losses step by step, where there are some."""

    def fit(self, train: Samples, validation: Samples, outcome: Prepared, session: Session) -> Fitted:
        """Raises `UsageError` where the outcome has no family, or where memory does not suffice."""
        state, name = self.prepare(train), type(self).__name__.lower()
        learn, watch = (
            (EncodedRows(self, state, rows), FamilyTarget.of(rows, outcome, name)) for rows in (train, validation)
        )
        if all(len(np.unique(learn[1].known(output)[1])) < 2 for output in range(learn[1].y.shape[1])):
            return Fitted(self, state, [constant(constant_answer(learn[1]), learn[0].width)])
        part, history = self.learned(learn, watch, session)
        return Fitted(self, state, [part], history=history)


@dataclass(frozen=True, kw_only=True)
class TableEncoding(Matrix):
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


@dataclass(frozen=True, kw_only=True)
class TableModel(TableEncoding, MatrixModel):
    """A model of every number, for any family; it brings `learned`. See `TableEncoding` for its settings."""
