"""Weighted scores of predicted times to an event, where some rows are censored and causes may compete.

Every function gives a `Score`: weights [replicate, row] → score [replicate]; a weight of 2 is that row twice, 0 is that
row left out. `time` and `event` are those of `survival_curves`: `event` is 0 where the row is censored, else the cause.

Rows that are censored before a horizon say nothing of it; the others are weighted up by the inverse probability of
staying uncensored (IPCW). That probability is the Kaplan-Meier estimate of the censoring *in the scored rows, with their
weights*, so that a weight of 2 is the row twice in every part of a score; a replicate estimates it anew.

A `risk` of a cause by a horizon is a cumulative incidence: with one cause, 1 less survival. Who has had another cause
will never have this one. In concordance a higher risk means an earlier event, and pairs are specific to the cause: an
event of another cause ends the row as censoring does.

Cost of a jackknife: Harrell's concordance grows as rows·log² rows, the other scores as rows·blocks, Uno's concordance
as that times log rows; 1 000 000 weights lie in memory at a time.
"""

import numpy as np
import numpy.typing as npt

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation.blocks import Blocks
from polyclinic.evaluation.composed_scores import quotient
from polyclinic.evaluation.ordered_pairs import later_and_lower
from polyclinic.evaluation.scores import NOT_NEGATIVE, SHARE, Bounded, Score, auroc


def concordance(time: Array, event: Array, risk: Array, cause: int = 1) -> Score:
    """Harrell's C: of the pairs whose earlier event is known, the share where the earlier has the higher risk.

    Equal risks count half. Two events at the same time are no pair; an event and a censoring at the same time are one,
    in which the event is earlier. NaN where there is no pair.

    Parameters
    ----------
    time, event
        float64 [row]; int [row], 0 where censored.
    risk
        Higher means earlier, [row].
    cause
        Whose events are predicted.

    References
    ----------
    Harrell, Califf, Pryor, Lee and Rosati 1982, Evaluating the yield of medical tests, JAMA 247.
    """
    pairs = _Pairs(time, event, risk, cause)

    def score(weights: Array) -> Floats:
        return quotient(*pairs.counts(weights, weights * pairs.events))

    return Bounded(score, *SHARE, lambda blocks: quotient(*pairs.counts_without(blocks)))


def uno_concordance(time: Array, event: Array, risk: Array, *, tau: float = np.inf, cause: int = 1) -> Score:
    """Uno's C: as `concordance`, each pair divided by the squared chance that its earlier row stays uncensored so long.

    Unlike Harrell's, its limit does not depend on how rows are censored.

    Parameters
    ----------
    time, event, risk, cause
        As for `concordance`.
    tau
        Events from this time on are not compared: few rows are followed so long, and they would weigh much.

    References
    ----------
    Uno, Cai, Pencina, D'Agostino and Wei 2011, On the C-statistics for evaluating overall adequacy of risk prediction
    procedures with censored survival data, Statistics in Medicine 30.
    """
    pairs, censoring = _Pairs(time, event, risk, cause), _Censoring(time, event)
    early = pairs.events * (time < tau)

    def score(weights: Array) -> Floats:
        inverse = _inverse(censoring.uncensored(weights))[:, censoring.before]
        return quotient(*pairs.counts(weights, weights * early * inverse**2))

    return Bounded(score, *SHARE)


def brier_at(time: Array, event: Array, risk: Array, horizon: float, cause: int = 1) -> Score:
    """Brier score at a horizon, with IPCW: the mean squared error of the risk.

    NaN where the row that is followed longest is censored before the horizon: nobody knows what comes after.

    Parameters
    ----------
    time, event
        float64 [row]; int [row], 0 where censored.
    risk
        The predicted probability of an event of the cause by the horizon, float64 [row].
    horizon
        In the unit of `time`.
    cause
        Whose events are predicted.

    References
    ----------
    Graf, Schmoor, Sauerbrei and Schumacher 1999, Assessment and comparison of prognostic classification schemes for
    survival data, Statistics in Medicine 18; Schoop, Beyersmann, Schumacher and Binder 2011 for competing causes.
    """
    known = _KnownAt(time, event, horizon)
    square = (known.positives(cause) - risk) ** 2

    def score(weights: Array) -> Floats:
        inverse = known.inverse(weights)
        error = np.einsum("ij,ij,j->i", weights, inverse, square)
        return quotient(error, weights.sum(axis=1, dtype=np.float64))

    return Bounded(score, *SHARE)


def integrated_brier(time: Array, event: Array, risk: Array, horizons: Array, cause: int = 1) -> Score:
    """The mean of `brier_at` over the time from the first to the last horizon, by the trapezoid rule.

    Parameters
    ----------
    time, event
        float64 [row]; int [row], 0 where censored.
    risk
        The predicted probability of an event of the cause by each horizon, float64 [row, horizon].
    horizons
        Rising, in the unit of `time`, float64 [horizon], two at least.
    cause
        Whose events are predicted.
    """
    censoring, at = _Censoring(time, event), np.asarray(horizons, np.float64)
    part = _trapezoid(at)
    by_then = (time[:, None] <= at) & (event > 0)[:, None]
    early = ((((event == cause)[:, None] - risk) ** 2 * by_then) * part).sum(axis=1)
    late = np.where(time[:, None] > at, risk**2, 0.0) * part
    steps = np.searchsorted(censoring.times, at, side="right")

    def score(weights: Array) -> Floats:
        uncensored = censoring.uncensored(weights)
        inverse = _inverse(uncensored)
        error = np.einsum("ij,ij,j->i", weights, inverse[:, censoring.before], early)
        error += np.einsum("ij,ij->i", weights @ late, inverse[:, steps])
        total = weights.sum(axis=1, dtype=np.float64)
        return np.where(uncensored[:, steps[-1]] > 0, quotient(error, total), np.nan)

    return Bounded(score, *SHARE)


def auroc_at(time: Array, event: Array, risk: Array, horizon: float, cause: int = 1) -> Score:
    """AUROC at a horizon, cumulative and dynamic, with IPCW.

    A positive has had an event of the cause by the horizon. A negative has not: it is free of any event, or has had
    another cause (definition 2 of Blanche et al.).

    Parameters
    ----------
    time, event, horizon, cause
        As for `brier_at`.
    risk
        Higher means likelier, [row].

    References
    ----------
    Uno, Cai, Tian and Wei 2007, Evaluating prediction rules for t-year survivors with censored regression models,
    JASA 102; Blanche, Dartigues and Jacqmin-Gadda 2013, Estimating and comparing time-dependent areas under receiver
    operating characteristic curves for censored event times with competing risks, Statistics in Medicine 32.
    """
    known = _KnownAt(time, event, horizon)
    ranked = auroc(known.positives(cause), np.asarray(risk, np.float64))
    return Bounded(lambda weights: ranked(weights * known.inverse(weights)), *SHARE)


def observed_expected_at(time: Array, event: Array, risk: Array, horizon: float, cause: int = 1) -> Score:
    """Events of a cause by a horizon for each one that was predicted: 1 is perfect, below 1 the risks are too high.

    What is observed is counted with IPCW, which is the Aalen-Johansen estimate of these rows.

    Parameters
    ----------
    time, event, risk, horizon, cause
        As for `brier_at`.
    """
    known = _KnownAt(time, event, horizon)
    positives, predicted = known.positives(cause), np.asarray(risk, np.float64)

    def score(weights: Array) -> Floats:
        observed = np.einsum("ij,ij,j->i", weights, known.inverse(weights), positives)
        return quotient(observed, weights.astype(np.float64) @ predicted)

    return Bounded(score, *NOT_NEGATIVE)


class _Censoring:
    """The chance of being uncensored, as a function of the weights.

    times: the times of censoring, rising, float64 [step]; before: how many of them lie before each row's own, int [row].
    """

    def __init__(self, time: Array, event: Array) -> None:
        censored = event == 0
        self.order = np.lexsort((censored, time))
        self.times, counts = np.unique(np.asarray(time, np.float64)[censored], return_counts=True)
        self.end = np.searchsorted(time[self.order], self.times, side="right")
        self.start = self.end - counts  # events of the same time come first, and are not at risk of censoring
        self.before = np.searchsorted(self.times, time, side="left")

    def uncensored(self, weights: Array) -> Floats:
        """float64 [replicate, 1 + step]: before the first censoring, and from each on."""
        running = np.zeros((weights.shape[0], weights.shape[1] + 1))
        np.cumsum(weights[:, self.order], axis=1, dtype=np.float64, out=running[:, 1:])
        at_risk, after = (running[:, -1:] - running[:, at] for at in (self.start, self.end))
        chance = np.ones((len(weights), len(self.times) + 1))
        np.divide(after, at_risk, out=chance[:, 1:], where=at_risk > 0)
        return np.asarray(np.cumprod(chance, axis=1, out=chance))


class _KnownAt:
    """Which rows are known at a horizon, and how much each of them stands for."""

    def __init__(self, time: Array, event: Array, horizon: float) -> None:
        self.event, self.censoring = event, _Censoring(time, event)
        self.by_then = (time <= horizon) & (event > 0)
        self.last = int(np.searchsorted(self.censoring.times, horizon, side="right"))
        self.known = self.by_then | (time > horizon)
        self.step = np.where(self.by_then, self.censoring.before, self.last)

    def positives(self, cause: int) -> Floats:
        """Whether the cause happened by the horizon, float64 [row]; 0 for rows that are not known."""
        return np.asarray(self.by_then & (self.event == cause), np.float64)

    def inverse(self, weights: Array) -> Floats:
        """1 by the chance of being uncensored so long, float64 [replicate, row]; 0 for rows that are not known.

        NaN throughout a replicate of which nobody knows what comes before the horizon.
        """
        uncensored = self.censoring.uncensored(weights)
        inverse = _inverse(uncensored)
        inverse[uncensored[:, self.last] <= 0] = np.nan
        return np.asarray(inverse[:, self.step] * self.known, np.float64)


class _Pairs:
    """The pairs of an event and a row that lives on, as a function of the weights."""

    def __init__(self, time: Array, event: Array, risk: Array, cause: int) -> None:
        self.events = (event == cause).astype(np.float64)
        # two places a time: whose event it was, and, later, who was censored or ended otherwise
        moment = np.unique(time, return_inverse=True)[1]
        self.place = 2 * moment + (event != cause)
        self.rank = np.unique(risk, return_inverse=True)[1]

    def counts(self, weights: Array, of_event: Array) -> tuple[Floats, Floats]:
        """The weight of pairs in which the event has the higher risk, and of all pairs: each float64 [replicate].

        weights: of the rows that live on, [replicate, row]; of_event: of the events, [replicate, row], 0 for others.
        """
        won = later_and_lower(self.place, self.rank, weights, queries=self.events > 0)
        return np.einsum("ij,ij->i", of_event, won), np.einsum("ij,ij->i", of_event, self._later(weights))

    def counts_without(self, blocks: Blocks) -> tuple[Floats, Floats]:
        """As `counts`, without each block: all pairs, less those of the block's rows, which count its own twice."""
        return self._won_without(blocks), self._pairs_without(blocks)

    def _won_without(self, blocks: Blocks) -> Floats:
        once = np.ones((1, len(self.place)))
        of_event = self.events * later_and_lower(self.place, self.rank, once)[0]
        place, rank = (side.max(initial=0) - side for side in (self.place, self.rank))
        of_later = later_and_lower(place, rank, self.events[None])[0]
        own = self.events * later_and_lower(self.place, self.rank, once, apart=blocks.of_row)[0]
        return np.asarray(of_event.sum() - blocks.sums(of_event + of_later - own))

    def _pairs_without(self, blocks: Blocks) -> Floats:
        ordered = np.sort(self.place)
        of_event = self.events * (len(ordered) - np.searchsorted(ordered, self.place, side="right"))
        of_later = np.searchsorted(np.sort(self.place[self.events > 0]), self.place, side="left")
        key = blocks.of_row * (self.place.max(initial=0) + 1) + self.place
        end = np.searchsorted(np.sort(blocks.of_row), blocks.of_row, side="right")
        own = self.events * (end - np.searchsorted(np.sort(key), key, side="right"))
        return np.asarray(of_event.sum() - blocks.sums(of_event + of_later - own))

    def _later(self, weights: Array) -> Floats:
        """The weight of the rows that live on after each row, float64 [replicate, row]."""
        order = np.argsort(self.place, kind="stable")
        running = np.zeros((weights.shape[0], weights.shape[1] + 1))
        np.cumsum(weights[:, order], axis=1, dtype=np.float64, out=running[:, 1:])
        upto = np.searchsorted(self.place[order], self.place, side="right")
        return np.asarray(running[:, -1:] - running[:, upto])


def _inverse(chance: Floats) -> Floats:
    """1 / chance; 0 where the chance is 0, since no row that weighs anything lives so long."""
    return np.asarray(np.divide(1.0, chance, out=np.zeros(chance.shape), where=chance > 0))


def _trapezoid(at: Floats) -> npt.NDArray[np.float64]:
    """How much each horizon counts in a mean over time, float64 [horizon]; they sum to 1."""
    gaps = np.diff(at)
    return np.asarray((np.append(gaps, 0.0) + np.append(0.0, gaps)) / 2 / (at[-1] - at[0]))
