"""Kaplan and Meier's curve, or Aalen and Johansen's of each cause: the same for everyone."""

from dataclasses import dataclass

import numpy as np

from polyclinic.arrays import Floats
from polyclinic.errors import UsageError
from polyclinic.models.linear_graph import constant
from polyclinic.models.model import Session
from polyclinic.models.naive import Naive
from polyclinic.outcomes.outcome import Prepared
from polyclinic.outcomes.time_to_event import TimeToEvent
from polyclinic.packages.fitted import Fitted
from polyclinic.samples import Samples
from polyclinic.state import State

LEAST = 1e-9
"""What a hazard, and the chance to live through a bin, is at least: log odds stay finite."""


@dataclass(frozen=True)
class KaplanMeier(Naive):
    """What all training rows have in common: the naive answer where some rows are censored.

    References
    ----------
    Kaplan and Meier 1958, JASA 53; Aalen and Johansen 1978, Scand. J. Statistics 5.
    """

    def fit(self, train: Samples, validation: Samples, outcome: Prepared, session: Session) -> Fitted:
        """Raises `UsageError` for another outcome than times to an event."""
        timed = Events.of(train, outcome, "kaplan-meier")
        at_risk, happened = timed.counts()
        hazards = np.divide(happened, at_risk[:, None], out=np.zeros(happened.shape), where=at_risk[:, None] > 0)
        free = np.cumprod(1 - hazards.sum(axis=1))
        incidence = np.cumsum(np.append(1.0, free[:-1])[:, None] * hazards, axis=0)
        place = np.searchsorted(timed.moments, timed.edges, side="right")
        free, incidence = np.append(1.0, free)[place], np.r_[np.zeros((1, incidence.shape[1])), incidence][place]
        within = np.diff(incidence, axis=0) / np.maximum(free[:-1, None], LEAST)
        odds = np.maximum(within, LEAST) / np.maximum(1 - within.sum(axis=1, keepdims=True), LEAST)
        return Fitted(self, State(), [constant(np.log(odds).reshape(-1), 1)])


@dataclass(frozen=True, eq=False)
class Events:
    """Times and events of labelled rows.

    Attributes
    ----------
    time, event
        float64 [row]; event 0 where the row is censored, else the code of the cause.
    weight
        How often each row stands there, float64 [row].
    edges
        Of the bins of the outcome, the first one 0, float64 [edge].
    causes
        How many there are.
    """

    time: Floats
    event: Floats
    weight: Floats
    edges: Floats
    causes: int

    @classmethod
    def of(cls, rows: Samples, outcome: Prepared, model: str) -> "Events":
        """Raises `UsageError` for another outcome than times to an event."""
        kind = outcome.outcome
        if not isinstance(kind, TimeToEvent):
            fix = "take `naive` or `linear`, which serve other outcomes"
            raise UsageError(f"{model} answers times to an event, not {outcome.kind!r}", fix=fix)
        time, event = kind.times_and_events(rows)
        return cls(time, event, rows.weights, outcome.state.arrays["edges"], len(kind.names))

    @property
    def moments(self) -> Floats:
        """The times that occur, rising."""
        return np.asarray(np.unique(self.time), np.float64)

    def counts(self) -> tuple[Floats, Floats]:
        """The weight of the rows at risk at each moment, [moment], and of the events, [moment, cause]."""
        at, size = np.searchsorted(self.moments, self.time), len(self.moments)
        here = np.bincount(at, self.weight, minlength=size)
        happened = [
            np.bincount(at, self.weight * (self.event == code), minlength=size) for code in range(1, self.causes + 1)
        ]
        at_risk, of_events = np.cumsum(here[::-1])[::-1], np.stack(happened, axis=1)
        return at_risk.astype(np.float64), of_events.astype(np.float64)
