"""What is observed of times to an event that some rows are censored before: curves, and risk against what happened.

`time` is float64 [row], in any unit, from the start of the row to its event or to the end of what is known. `event` is
int [row]: 0 where the row is censored, else the cause, from 1. At one and the same time events come before
censorings: who is censored at a time was at risk of the events of that time.
"""

from dataclasses import dataclass

import numpy as np

from polyclinic.arrays import Array, Floats


@dataclass(frozen=True, eq=False)
class StepFunction:
    """A function that changes at some times and is constant between them.

    Attributes
    ----------
    times
        float64 [step], rising.
    values
        float64 [step], from each time on.
    start
        The value before the first time.
    """

    times: Floats
    values: Floats
    start: float

    def __call__(self, at: Array) -> Floats:
        """The values at some times, the steps at these times included; of the shape of `at`."""
        return np.append(self.start, self.values)[np.searchsorted(self.times, at, side="right")]

    def before(self, at: Array) -> Floats:
        """The values just before some times."""
        return np.append(self.start, self.values)[np.searchsorted(self.times, at, side="left")]


@dataclass(frozen=True)
class RiskBin:
    """Rows of similar predicted risk.

    predicted: their mean risk; observed: the share that had the event by the horizon, None where the follow-up of these
    rows does not tell; rows: how many there are.
    """

    predicted: float
    observed: float | None
    rows: int


def kaplan_meier(time: Array, event: Array, weights: Array | None = None) -> StepFunction:
    """The share that is free of any event.

    Parameters
    ----------
    time, event
        As above, [row].
    weights
        float64 [row]; each row once where there are none.

    Returns
    -------
    StepFunction
        1 before the first event. Constant after the last time, where nothing is known.

    References
    ----------
    Kaplan and Meier 1958, Nonparametric estimation from incomplete observations, JASA 53.
    """
    times, at_risk, events = _table(time, event > 0, weights)
    return StepFunction(times, np.asarray(np.cumprod(1 - _share(events, at_risk)), np.float64), 1.0)


def aalen_johansen(time: Array, event: Array, cause: int = 1, weights: Array | None = None) -> StepFunction:
    """The share that has had an event of one cause: cumulative incidence where causes compete.

    Parameters
    ----------
    time, event
        As above, [row].
    cause
        The code of the cause; with one cause alone the result is 1 less `kaplan_meier`.
    weights
        float64 [row]; each row once where there are none.

    References
    ----------
    Aalen and Johansen 1978, An empirical transition matrix for non-homogeneous Markov chains, Scand. J. Statistics 5.
    """
    times, at_risk, events = _table(time, event == cause, weights)
    free = kaplan_meier(time, event, weights).before(times)
    return StepFunction(times, np.cumsum(free * _share(events, at_risk)), 0.0)


def calibration_at(
    time: Array, event: Array, risk: Array, horizon: float, *, cause: int = 1, bins: int = 10
) -> list[RiskBin]:
    """Predicted risk against the observed share, by bins of equally many rows.

    Parameters
    ----------
    time, event
        As above, [row].
    risk
        The predicted probability of an event of the cause by the horizon, float64 [row].
    horizon
        In the unit of `time`.
    cause
        The code of the cause.
    bins
        How many there are at most; rows of equal risk lie in one bin.

    Returns
    -------
    list of RiskBin
        By rising risk; observed by Aalen-Johansen, which is 1 less Kaplan-Meier where there is one cause.
    """
    edges = np.unique(np.quantile(risk, np.linspace(0, 1, bins + 1)[1:-1])) if len(risk) else np.zeros(0)
    of_bin = np.searchsorted(edges, risk, side="left")
    return [_bin(time, event, risk, horizon, cause, np.flatnonzero(of_bin == b)) for b in np.unique(of_bin)]


def _bin(time: Array, event: Array, risk: Array, horizon: float, cause: int, rows: Array) -> RiskBin:
    last = time[rows].max()
    # where the longest followed row is censored before the horizon, nobody knows what comes after
    known = last > horizon or bool((event[rows][time[rows] == last] > 0).all())
    observed = float(aalen_johansen(time[rows], event[rows], cause)(np.array(horizon))) if known else None
    return RiskBin(float(risk[rows].mean()), observed, len(rows))


def _table(time: Array, events: Array, weights: Array | None) -> tuple[Floats, Floats, Floats]:
    """The times that occur, and the weight of rows at risk and of events at each: float64 [time]."""
    weight = np.ones(len(time)) if weights is None else np.asarray(weights, np.float64)
    times, at = np.unique(np.asarray(time, np.float64), return_inverse=True)
    here, of_event = (np.bincount(at, w, minlength=len(times)).astype(np.float64) for w in (weight, weight * events))
    return times, np.cumsum(here[::-1])[::-1], of_event


def _share(events: Floats, at_risk: Floats) -> Floats:
    return np.asarray(np.divide(events, at_risk, out=np.zeros(len(events)), where=at_risk > 0))
