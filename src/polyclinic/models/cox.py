"""Cox's regression: hazards that are proportional to one another; the linear answer for times to an event."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from polyclinic import dependencies
from polyclinic.arrays import Floats
from polyclinic.models.family_targets import EncodedRows
from polyclinic.models.kaplan_meier import LEAST, Events
from polyclinic.models.linear import BYTES, scaled_to, scaling
from polyclinic.models.linear_graph import written
from polyclinic.models.model import Session
from polyclinic.models.table import TableEncoding
from polyclinic.outcomes.outcome import Prepared
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.parts import OnnxPart
from polyclinic.samples import Samples

STEPS, ENOUGH = 60, 1e-9
FURTHEST = 30.0
"""A log hazard ratio is kept within so much of 0: what lies beyond is certain either way."""
GRAPH = """<ir_version: 10, opset_import: ["": 20]>
cox (float[row, feature] x) => (float[row, channel] raw)
{
    wide = Cast <to = 11> (x)
    above = Max (wide, low)
    within = Min (above, high)
    gap = IsNaN (wide)
    full = Where (gap, mean, within)
    centred = Sub (full, mean)
    scaled = Div (centred, scale)
    product = MatMul (scaled, weights)
    score = Clip (product, lowest, highest)
    ratio = Exp (score)
    apart = Unsqueeze (ratio, middle)
    hazard = Mul (apart, increments)
    total = ReduceSum <keepdims = 1> (hazard, last)
    share = Div (hazard, total)
    of_cause = Log (share)
    less = Neg (total)
    free = Exp (less)
    ended = Sub (one, free)
    chance = Log (ended)
    odds = Add (total, chance)
    each = Add (of_cause, odds)
    flat = Flatten (each)
    raw = Cast <to = 1> (flat)
}"""
"""The log odds of an event of each cause in each bin against none: log(h/H · (exp H - 1)), H the sum over causes."""
Fit: TypeAlias = tuple[Floats, Floats]
"""Coefficients [feature], and the baseline hazard of each bin [bin]."""


@dataclass(frozen=True)
class Cox(TableEncoding):
    """Proportional hazards with an L2 penalty whose strength validation chooses; one regression a cause.

    Ties by Efron, baseline by Breslow; a row counts as often as it weighs. Another cause ends a row as censoring does
    (cause-specific hazards); all of them together give the incidences. Gaps and outliers as in `linear`.

    Parameters
    ----------
    strengths
        Inverse penalties that are tried, as in `linear`; a large one penalises little.
    hours, coverage
        As in `TableEncoding`.

    References
    ----------
    Cox 1972, Regression models and life-tables, J R Stat Soc B 34; Efron 1977, The efficiency of Cox's likelihood
    function for censored data, JASA 72; Breslow 1974, Covariance analysis of censored survival data, Biometrics 30.
    """

    strengths: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0)

    def fit(self, train: Samples, validation: Samples, outcome: Prepared, session: Session) -> Fitted:
        """Raises `UsageError` for another outcome than times to an event, or where memory does not suffice."""
        learn, watch = (Events.of(rows, outcome, "cox") for rows in (train, validation))
        state = self.prepare(train)
        rows, watched = (EncodedRows(self, state, part) for part in (train, validation))
        x, x_validation = self.in_memory(rows, watched, session, each=BYTES)
        bounds = scaling(x.astype(np.float64), learn.weight)
        scaled, scaled_validation = (scaled_to(v.astype(np.float64), *bounds) for v in (x, x_validation))
        fits = [
            self._fitted(scaled, of_cause(learn, code), scaled_validation, of_cause(watch, code))
            for code in range(1, learn.causes + 1)
        ]
        weights, increments = (np.stack(parts, axis=1) for parts in zip(*fits, strict=True))
        return Fitted(self, state, [graph(weights, np.maximum(increments, LEAST), bounds)])

    def _fitted(self, x: Floats, learn: Events, x_validation: Floats, watch: Events) -> Fit:
        """The coefficients whose penalty has the greatest partial likelihood on validation rows, and their baseline."""
        partial, watched = PartialLikelihood.of(x, learn), PartialLikelihood.of(x_validation, watch)
        paths = penalised(partial, sorted(self.strengths))
        losses = [watched.loss(weights) for weights in paths]
        weights = paths[int(np.argmin(losses))]
        return weights, partial.baseline(weights, learn.edges)


def of_cause(events: Events, code: int) -> Events:
    """The same with one cause, coded 1; the others end a row as censoring does."""
    return replace(events, event=(events.event == code).astype(np.float64), causes=1)


def penalised(partial: "PartialLikelihood", strengths: Sequence[float]) -> list[Floats]:
    """The coefficients of each penalty, the strongest penalty first: each starts from the last."""
    weights, paths = np.zeros(partial.x.shape[1]), list[Floats]()
    for strength in strengths:
        weights = maximum(partial, 1 / strength, weights)
        paths.append(weights)
    return paths


def maximum(partial: "PartialLikelihood", penalty: float, start: Floats) -> Floats:
    """The coefficients of least penalised loss, by Newton's steps, each halved until it gains."""
    weights, loss = start, partial.loss(start) + penalty / 2 * float(start @ start)
    for _ in range(STEPS):
        gradient, curvature = partial.derivatives(weights)
        gradient = gradient + penalty * weights
        step = np.linalg.solve(curvature + penalty * np.eye(len(weights)), gradient)
        size = 1.0
        while size > ENOUGH:
            tried = weights - size * step
            least = partial.loss(tried) + penalty / 2 * float(tried @ tried)
            if least <= loss:
                break
            size /= 2
        else:
            return weights
        gain, weights, loss = loss - least, tried, least
        if gain <= ENOUGH * (1 + abs(loss)):
            break
    return weights


@dataclass(frozen=True, eq=False)
class PartialLikelihood:
    """Cox's partial likelihood of rows with one cause, with Efron's ties.

    Of the events of one moment, d in all, the l-th is drawn from the rows at risk less l/d of the events themselves. A
    weight is how often a row stands there, so that d is the weight of the events; what is left of a d that is no whole
    number makes a term of its own.

    Attributes
    ----------
    x
        float64 [row, feature], by falling time.
    weight, event
        float64 [row].
    moments
        The times at which events happen, rising, float64 [moment].
    last
        Of each moment, how many rows are at risk: int [moment].
    of_event
        Of each row with an event its moment, else -1: int [row].
    at_risk_from
        Of each row, how many moments lie no later than its end: int [row].
    term, fraction, share
        Of each term its moment, l/d, and what it counts: int, float64, float64 [term].
    """

    x: Floats
    weight: Floats
    event: Floats
    moments: Floats
    last: npt.NDArray[np.int64]
    of_event: npt.NDArray[np.int64]
    at_risk_from: npt.NDArray[np.int64]
    term: npt.NDArray[np.int64]
    fraction: Floats
    share: Floats

    @classmethod
    def of(cls, x: Floats, rows: Events) -> "PartialLikelihood":
        """Of encoded rows, float64 [row, feature], and their times; rows that weigh nothing are left out."""
        order = np.flatnonzero(rows.weight > 0)
        order = order[np.argsort(-rows.time[order], kind="stable")]
        time, event, weight = rows.time[order], rows.event[order], rows.weight[order]
        moments = np.unique(time[event > 0])
        of_event = np.where(event > 0, np.searchsorted(moments, time), -1)
        drawn = np.bincount(of_event[event > 0], weight[event > 0], minlength=len(moments))
        number = np.ceil(drawn - 1e-9).astype(np.int64)
        term = np.repeat(np.arange(len(moments)), number)
        before = np.arange(len(term)) - np.repeat(np.cumsum(number) - number, number)
        return cls(
            x=x[order],
            weight=weight,
            event=event,
            moments=moments,
            last=np.searchsorted(-time, -moments, side="right"),
            of_event=of_event,
            at_risk_from=np.searchsorted(moments, time, side="right"),
            term=term,
            fraction=before / drawn[term],
            share=np.minimum(drawn[term] - before, 1.0),
        )

    def loss(self, weights: Floats) -> float:
        """The negative log likelihood."""
        score = self._score(weights)
        at_risk, of_events = self._sums(self.weight * np.exp(score))
        drawn_from = at_risk[self.term] - self.fraction * of_events[self.term]
        return float(self.share @ np.log(drawn_from) - (self.weight * self.event) @ score)

    def derivatives(self, weights: Floats) -> tuple[Floats, Floats]:
        """Gradient [feature] and curvature [feature, feature] of the loss."""
        ratio = self.weight * np.exp(self._score(weights))
        at_risk, of_events = self._sums(ratio)
        drawn_from = at_risk[self.term] - self.fraction * of_events[self.term]
        risk_x, events_x = self._sums(ratio[:, None] * self.x)
        mean = (risk_x[self.term] - self.fraction[:, None] * events_x[self.term]) / drawn_from[:, None]
        gradient = self.share @ mean - (self.weight * self.event) @ self.x
        size = len(self.moments)
        risk, less = (
            np.bincount(self.term, self.share * part / drawn_from, minlength=size)
            for part in (np.ones(len(self.term)), self.fraction)
        )
        lived = np.append(0.0, np.cumsum(risk))[self.at_risk_from]
        own = np.where(self.of_event >= 0, np.append(less, 0.0)[self.of_event], 0.0)
        square = self.x.T @ ((ratio * (lived - own))[:, None] * self.x)
        return gradient, square - mean.T @ (self.share[:, None] * mean)

    def baseline(self, weights: Floats, edges: Floats) -> Floats:
        """Breslow's hazard of each bin, of a row whose score is 0: float64 [bin]."""
        at_risk, _ = self._sums(self.weight * np.exp(self._score(weights)))
        drawn = np.bincount(self.term, self.share, minlength=len(self.moments))
        until = np.append(0.0, np.cumsum(drawn / at_risk))[np.searchsorted(self.moments, edges, side="right")]
        return np.asarray(np.diff(until), np.float64)

    def _score(self, weights: Floats) -> Floats:
        return np.asarray(np.clip(self.x @ weights, -FURTHEST, FURTHEST))

    def _sums(self, values: Floats) -> tuple[Floats, Floats]:
        """Sums over the rows at risk at each moment, and over its events: of [row, …], float64 [moment, …]."""
        running = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
        of_events = np.zeros((len(self.moments), *values.shape[1:]))
        np.add.at(of_events, self.of_event[self.event > 0], values[self.event > 0])
        return running[self.last], of_events


def graph(weights: Floats, increments: Floats, bounds: tuple[Floats, Floats, Floats, Floats]) -> OnnxPart:
    """A graph from `x` to the log odds of each bin and cause.

    Parameters
    ----------
    weights
        [feature, cause].
    increments
        Baseline hazards, above 0, [bin, cause].
    bounds
        Mean, scale, low and high, each [feature]; see `linear`.
    """
    dependencies.need("onnx", extra="train", to="write a model as an ONNX graph")
    from onnx import numpy_helper, parser

    named = dict(zip(("mean", "scale", "low", "high"), bounds, strict=True))
    named |= {"weights": weights, "increments": increments, "one": np.ones(1)}
    named |= {"lowest": np.array(-FURTHEST), "highest": np.array(FURTHEST)}
    model = parser.parse_model(GRAPH)
    for name, values in named.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(values, np.float64), name))
    for name, axis in (("middle", 1), ("last", 2)):
        model.graph.initializer.append(numpy_helper.from_array(np.array([axis], np.int64), name))
    return written(model)
