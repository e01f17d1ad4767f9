"""What answers of times to an event are like in use: risk groups, calibration at horizons, cumulative incidence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation.evaluated import SubgroupScores
from polyclinic.evaluation.evaluated_rows import EvaluatedRows
from polyclinic.evaluation.jackknife import jackknife
from polyclinic.evaluation.outcome_section import OutcomeSection
from polyclinic.evaluation.scores import Score, finite
from polyclinic.evaluation.survival_curves import RiskBin, aalen_johansen, calibration_at
from polyclinic.evaluation.survival_measures import OBSERVED_EXPECTED_AT, Timed, at_horizon, time_lost

RISK_GROUPS = ("low risk", "middle risk", "high risk")
MOST_BINS, ROWS_A_BIN = 10, 40


class TimedFrames(Timed, Protocol):
    """An outcome that reads its own columns of the predictions table."""

    def of_frame(self, frame: pl.DataFrame) -> tuple[Floats, npt.NDArray[np.int64], Floats]: ...


@dataclass(frozen=True)
class RiskCurve:
    """A group of rows of similar risk, or all rows and one cause.

    Attributes
    ----------
    name
        Of the group or of the cause.
    rows, events
        How many rows there are, and how many of them have an event (of the cause).
    observed
        Kaplan-Meier's share with an event by each time, Aalen-Johansen's of one cause; None where nobody is followed.
    predicted
        The mean predicted share.
    at_risk
        How many rows are followed and free of any event just before each time.
    """

    name: str
    rows: int
    events: int
    observed: list[float | None]
    predicted: list[float]
    at_risk: list[int]


@dataclass(frozen=True)
class HorizonCalibration:
    """The bins of rows of similar risk at one horizon; cause: its name, empty where there is one."""

    horizon: float
    cause: str
    observed_expected: object
    bins: list[RiskBin]


@dataclass(frozen=True, eq=False)
class SurvivalEvaluation:
    """Test rows of one model: time and event [row], incidence [row, cause, time]."""

    outcome: Timed
    time: Floats
    event: npt.NDArray[np.int64]
    incidence: Floats

    @classmethod
    def of(cls, rows: EvaluatedRows, model: str, outcome: TimedFrames) -> "SurvivalEvaluation":
        """The test rows of a model."""
        return cls(outcome, *outcome.of_frame(rows.test.frames[model]))

    @property
    def causes(self) -> dict[int, str]:
        """Code → name."""
        return dict(enumerate(self.outcome.names, start=1))

    def curve(self, name: str, rows: Array, cause: int | None) -> RiskCurve:
        """Observed and predicted share by time of some rows; cause None: of any event."""
        time, event, grid = self.time[rows], self.event[rows], self.outcome.grid
        event = (event > 0).astype(np.int64) if cause is None else event
        incidence = self.incidence[rows].sum(axis=1) if cause is None else self.incidence[rows, cause - 1]
        steps = aalen_johansen(time, event, cause or 1)(grid)
        at_risk = [int((time >= at).sum()) for at in grid]
        known = [n > 0 or bool((event[time == time.max()] > 0).all()) for n in at_risk]
        return RiskCurve(
            name=name,
            rows=len(rows),
            events=int((event == (cause or 1)).sum()),
            observed=[float(v) if k else None for v, k in zip(steps, known, strict=True)],
            predicted=incidence.mean(axis=0).tolist(),
            at_risk=at_risk,
        )

    def risk_groups(self) -> list[RiskCurve]:
        """Thirds of the rows by the predicted time that is lost; fewer where answers tie."""
        risk = time_lost(self.incidence, self.outcome.grid).sum(axis=1)
        of_group = np.searchsorted(np.quantile(risk, [1 / 3, 2 / 3]), risk, side="left")
        groups = [(name, np.flatnonzero(of_group == at)) for at, name in enumerate(RISK_GROUPS)]
        return [self.curve(name, rows, None) for name, rows in groups if len(rows)]

    def by_cause(self) -> list[RiskCurve]:
        """The cumulative incidence of each cause over all rows; none where there is one cause."""
        rows = np.arange(len(self.time))
        return [self.curve(name, rows, code) for code, name in self.causes.items()] if len(self.causes) > 1 else []

    def at(self, horizon: float, cause: int) -> Floats:
        """The predicted incidence of a cause by a horizon, float64 [row]."""
        return np.asarray(self.incidence[:, cause - 1, int(np.searchsorted(self.outcome.grid, horizon))])

    def level(self, rows: Array, horizon: float, cause: int) -> Score:
        """Observed : expected of some rows."""
        risk = self.at(horizon, cause)[rows]
        return OBSERVED_EXPECTED_AT.score(self.time[rows], self.event[rows], risk, horizon, cause)

    def calibrations(self, groups: Array, seed: int) -> list[HorizonCalibration]:
        """Of each cause at each horizon: the level with its interval, and bins of similar risk."""
        every = np.arange(len(self.time))
        keys = [(horizon, cause) for horizon in self.outcome.shown for cause in self.causes]
        levels = {key: self.level(every, *key) for key in keys}
        replicates = jackknife(levels, groups, seed=seed)
        return [
            HorizonCalibration(
                horizon=horizon,
                cause=self.causes[cause] if len(self.causes) > 1 else "",
                observed_expected=replicates.estimate((horizon, cause)),
                bins=self._bins(horizon, cause),
            )
            for horizon, cause in keys
        ]

    def _bins(self, horizon: float, cause: int) -> list[RiskBin]:
        number = max(1, min(MOST_BINS, len(self.time) // ROWS_A_BIN))
        risk = self.at(horizon, cause)
        bins = calibration_at(self.time, self.event, risk, horizon, cause=cause, bins=number)
        return [RiskBin(b.predicted, None if b.observed is None else finite(b.observed), b.rows) for b in bins]


def sections(rows: EvaluatedRows, outcome: TimedFrames) -> list[OutcomeSection]:
    """Registered among `evaluations`; see `Outcome.sections`."""
    if rows.chosen not in rows.test.frames or not rows.test.frames[rows.chosen].height:
        return []
    evaluation = SurvivalEvaluation.of(rows, rows.chosen, outcome)
    record: Mapping[str, object] = {
        "model": rows.chosen,
        "unit": outcome.unit,
        "times": outcome.grid.tolist(),
        "groups": evaluation.risk_groups(),
        "causes": evaluation.by_cause(),
        "calibration": evaluation.calibrations(rows.test.groups, rows.seed),
    }
    return [OutcomeSection("survival", {"outcomes": {rows.outcome: record}})]


def in_use(rows: EvaluatedRows, model: str, outcome: TimedFrames) -> SubgroupScores:
    """Registered among `evaluations`: the level at the middle horizon, of each cause; see `Outcome.in_use`."""
    evaluation = SurvivalEvaluation.of(rows, model, outcome)
    horizon = outcome.shown[len(outcome.shown) // 2]
    whole = at_horizon(OBSERVED_EXPECTED_AT, horizon, outcome.unit)
    several = len(outcome.names) > 1
    measures = {
        code: whole.of_part(name, whole.score) if several else whole for code, name in evaluation.causes.items()
    }

    def scores(at: Array) -> dict[str, Score]:
        return {measure.name: evaluation.level(at, horizon, code) for code, measure in measures.items()}

    listed = tuple(measures.values())
    return SubgroupScores(scores, listed, compared=tuple(measure.name for measure in listed))
