"""What models of one matrix and two answers do alike: encode, ask for yes or no, give one answer where all are one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from polyclinic.errors import UsageError
from polyclinic.models import encoders
from polyclinic.models.linear import constant, log_odds
from polyclinic.models.model import Model, Session
from polyclinic.outcomes.outcome import Outcome
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.parts import OnnxPart
from polyclinic.packages.state import State
from polyclinic.samples import Samples

Rows: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]
"""x: float32 [row, feature], NaN where there is nothing; y: 0 or 1, float64 [row]."""
History: TypeAlias = Sequence[Mapping[str, float]]


class TwoAnswers(Model, Protocol):
    """A model of the matrix that `encode` gives as `x`; it brings `prepare`, `encode` and `learned`."""

    def learned(self, train: Rows, validation: Rows, session: Session) -> tuple[OnnxPart, History]:
        """A graph from `x` to `raw`, the log odds; the losses step by step, where there are steps."""

    def fit(self, train: Samples, validation: Samples, outcome: Outcome, session: Session) -> Fitted:
        """Raises `UsageError` where the outcome is not yes or no once a row."""
        state = self.prepare(train)
        y, seen = (self._answers(rows, outcome) for rows in (train, validation))
        x, held = (self.encode(rows, state)["x"] for rows in (train, validation))
        if len(np.unique(y)) < 2:
            return Fitted(self, state, [constant(log_odds(y.mean(), len(y)), x.shape[1])])
        part, history = self.learned((x, y), (held, seen), session)
        return Fitted(self, state, [part], history=history)

    def _answers(self, rows: Samples, outcome: Outcome) -> npt.NDArray[np.float64]:
        head = outcome.head(rows)
        if (head.per, head.channels) == ("row", 1):
            target = np.asarray(outcome.target(rows), float)
            if np.isin(target, (0.0, 1.0)).all():
                return target
        name = type(self).__name__.lower()
        what = f"{name} answers yes or no once a row; {outcome.kind!r} asks for something else"
        fix = "take the model `naive`, or one that is made for this outcome (`polyclinic list models`)"
        raise UsageError(what, fix=fix)


@dataclass(frozen=True, kw_only=True)
class TableModel(TwoAnswers):
    """Reads every number: dense columns as they are, timed sequences as summaries of each code.

    hours: how far back each set of summaries reaches; coverage: a code is used where it is seen within the
    widest in so large a share of the training rows.
    """

    coverage: float = 0.95
    hours: tuple[float, ...] = (8.0, 2.0)

    def prepare(self, train: Samples) -> State:
        """Which columns and codes make the matrix."""
        return State({"matrix": encoders.learn(train, coverage=self.coverage, hours=self.hours)})

    def encode(self, rows: Samples, state: State) -> dict[str, Any]:
        """x: float32 [row, feature], NaN where there is nothing."""
        return {"x": encoders.matrix(rows, state.values["matrix"])}
