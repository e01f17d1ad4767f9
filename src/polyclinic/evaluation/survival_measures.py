"""The measures of times to an event: over all times, at each horizon, and of each cause where several compete."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias

import numpy as np

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation import survival_scores
from polyclinic.evaluation.composed_scores import mean_of
from polyclinic.evaluation.measures import Measure
from polyclinic.evaluation.scores import NOT_NEGATIVE, SHARE, Score, of_all
from polyclinic.evaluation.survival_curves import aalen_johansen

UNO_C = Measure(
    name="uno_c", title="Uno's C", score=survival_scores.uno_concordance, bounds=SHARE, chance=0.5, ranks=True
)
INTEGRATED_BRIER = Measure(
    name="integrated_brier",
    title="Integrated Brier score",
    score=survival_scores.integrated_brier,
    better="low",
    bounds=SHARE,
)
AUROC_AT = Measure(
    name="auroc_at", title="AUROC at", score=survival_scores.auroc_at, bounds=SHARE, chance=0.5, ranks=True
)
BRIER_AT = Measure(
    name="brier_at", title="Brier score at", score=survival_scores.brier_at, better="low", bounds=SHARE, show="table"
)
OBSERVED_EXPECTED_AT = Measure(
    name="observed_expected_at",
    title="Observed : expected at",
    score=survival_scores.observed_expected_at,
    better="near:1",
    bounds=NOT_NEGATIVE,
    show="table",
)
OfCause: TypeAlias = Callable[[int], Score]
"""Code of a cause → the score of its incidence."""


class Timed(Protocol):
    """An outcome, as far as its scores are concerned; see `polyclinic.outcomes.time_to_event.TimeToEvent`."""

    @property
    def unit(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def times(self) -> tuple[float, ...]: ...

    @property
    def grid(self) -> Floats: ...

    @property
    def shown(self) -> tuple[float, ...]: ...


def at_horizon(measure: Measure, horizon: float, unit: str) -> Measure:
    """A measure at a horizon: `auroc@365`, "AUROC at 365 days"."""
    stem = measure.name.removesuffix("_at")
    return replace(measure, name=f"{stem}@{horizon:.10g}", title=f"{measure.title} {horizon:.10g} {unit}")


def measures(wholes: Sequence[Measure], outcome: Timed) -> tuple[Measure, ...]:
    """The measures of an outcome, registered among `evaluations`.

    wholes: Uno's C, the integrated Brier score, AUROC and Brier score at a horizon.
    """
    concordance, integrated, auroc, brier = wholes
    until = f" until {outcome.times[-1]:.10g} {outcome.unit}" if outcome.times else ""
    overall = [replace(one, title=one.title + until) for one in (concordance, integrated)]
    overall += [at_horizon(one, at, outcome.unit) for one in (auroc, brier) for at in outcome.shown]
    if len(outcome.names) == 1:
        return tuple(overall)
    return *overall, *(one.of_part(name, one.score) for one in overall for name in outcome.names)


def scores(outcome: Timed, time: Array, event: Array, incidence: Floats) -> dict[str, Score]:
    """Each measure of an outcome by its name; one over several causes is the mean of theirs.

    Parameters
    ----------
    outcome
        Whose grid, horizons and causes are meant.
    time, event
        float64 [row], int [row]; see `survival_curves`.
    incidence
        Predicted cumulative incidence, float64 [row, cause, time].
    """
    grid = outcome.grid
    lost = time_lost(incidence, grid)
    place = {horizon: int(np.searchsorted(grid, horizon)) for horizon in outcome.shown}

    def concordance(cause: int) -> Score:
        return UNO_C.score(time, event, lost[:, cause - 1], tau=float(grid[-1]), cause=cause)

    def integrated(cause: int) -> Score:
        return INTEGRATED_BRIER.score(time, event, incidence[:, cause - 1], grid, cause)

    def at(measure: Measure, horizon: float) -> OfCause:
        return lambda cause: measure.score(time, event, incidence[:, cause - 1, place[horizon]], horizon, cause)

    named: dict[str, OfCause] = {UNO_C.name: concordance, INTEGRATED_BRIER.name: integrated}
    for measure in (AUROC_AT, BRIER_AT):
        named |= {at_horizon(measure, h, outcome.unit).name: at(measure, h) for h in outcome.shown}
    codes = dict(enumerate(outcome.names, start=1))
    if len(codes) == 1:
        return {name: of_cause(1) for name, of_cause in named.items()}
    means = {name: mean_of([of_cause(code) for code in codes]) for name, of_cause in named.items()}
    parts = {f"{name}//{cause}": of(code) for name, of in named.items() for code, cause in codes.items()}
    return means | parts


def time_lost(incidence: Floats, grid: Floats) -> Floats:
    """The time that is lost to each cause until the last time: the area under its incidence, float64 [row, cause].

    It orders rows by their risk over the whole time, not at one horizon alone.
    """
    start = np.zeros((*incidence.shape[:-1], 1))
    return np.asarray(np.trapezoid(np.concatenate([start, incidence], axis=-1), np.append(0.0, grid), axis=-1))


def chance(outcome: Timed, time: Array, event: Array, incidence: Floats) -> dict[str, float]:
    """The Brier scores of what these rows have in common, for each row alike; registered among `evaluations`."""
    curves = [aalen_johansen(time, event, code)(outcome.grid) for code in range(1, len(outcome.names) + 1)]
    alike = np.broadcast_to(np.stack(curves), incidence.shape)
    of_curve = scores(outcome, time, event, alike)
    return {name: of_all(score, len(time)) for name, score in of_curve.items() if "brier" in name.split("//")[0]}
