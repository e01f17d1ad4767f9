"""What predicted numbers are like in use: errors by band of prediction, and how often intervals contain the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyclinic.arrays import Array, Floats
from polyclinic.evaluation import number_scores
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.evaluated import SubgroupScores
from polyclinic.evaluation.evaluated_rows import EvaluatedRows
from polyclinic.evaluation.jackknife import jackknife
from polyclinic.evaluation.measures import Measure
from polyclinic.evaluation.number_measures import COVERAGE, WIDTH
from polyclinic.evaluation.number_scores import Truth
from polyclinic.evaluation.outcome_section import OutcomeSection
from polyclinic.evaluation.scores import Score, restricted, row_mean
from polyclinic.samples.number_columns import bounds, intervals
from polyclinic.samples.prediction_columns import PREDICTED_NUMBER, QUANTILES, UNCALIBRATED_QUANTILES

BANDS = 5
MOST_POINTS = 500


def scores(
    measures: Sequence[Measure], y_true: Truth, y_pred: Floats, interval: tuple[Floats, Floats], ends: Sequence[float]
) -> dict[str, Score]:
    """Registered among `evaluations`: name of each of these measures → its score.

    Parameters
    ----------
    measures
        Those of the outcome `number`.
    y_true, y_pred
        The truth, or its bounds, and the predicted number, float64 [row].
    interval
        The ends of the predicted intervals, each float64 [row].
    ends
        The levels of these ends, between 0 and 1.
    """
    scores = dict[str, Score]()
    for measure in measures:
        if measure.name in ("interval_score", "coverage"):
            level = (ends[1] - ends[0],) if measure.name == "interval_score" else ()
            scores[measure.name] = measure.score(y_true, *interval, *level)
        elif measure.name == "pinball":
            lower, upper = (measure.score(y_true, end, level) for end, level in zip(interval, ends, strict=True))
            scores[measure.name] = _mean_of(lower, upper)
        else:
            scores[measure.name] = measure.score(y_true, y_pred)
    return scores


def _mean_of(one: Score, other: Score) -> Score:
    """The mean of two scores of the same rows."""

    def score(weights: Array) -> Floats:
        return (one(weights) + other(weights)) / 2

    return score


@dataclass(frozen=True, slots=True)
class Band:
    """Test rows whose predictions are alike.

    Attributes
    ----------
    low, high
        Between which predictions; None at the ends, where they would be those of single rows.
    rows
        How many there are.
    predicted, error, absolute_error
        Mean prediction; mean of prediction less truth (bounds left out) and of its size.
    coverage, width
        Of the intervals; None without intervals.
    """

    low: float | None
    high: float | None
    rows: int
    predicted: float
    error: Estimate
    absolute_error: Estimate
    coverage: Estimate | None = None
    width: Estimate | None = None


@dataclass(frozen=True, eq=False)
class NumberEvaluation:
    """The test rows of one model of an outcome of numbers."""

    rows: EvaluatedRows
    model: str

    @property
    def truth(self) -> tuple[Floats, Floats]:
        """Lower and upper bounds of the truth."""
        return bounds(self.rows.test.frames[self.model])

    @property
    def predicted(self) -> Floats:
        """The predicted numbers."""
        return self.rows.test.frames[self.model][PREDICTED_NUMBER].to_numpy()

    def has(self, column: str) -> bool:
        """Whether every row has an interval in that column."""
        frame = self.rows.test.frames[self.model]
        return column in frame.columns and not frame[column].has_nulls()

    def of_intervals(self, at: Array, column: str = QUANTILES) -> dict[str, Score]:
        """Coverage and width of the intervals of some rows; empty without intervals."""
        if not self.has(column):
            return {}
        low, high = (end[at] for end in intervals(self.rows.test.frames[self.model], column))
        lower, upper = (bound[at] for bound in self.truth)
        return {COVERAGE.name: COVERAGE.score((lower, upper), low, high), WIDTH.name: WIDTH.score(low, high)}

    def of_band(self, at: Array) -> dict[str, Score]:
        """Error, its size, coverage and width of some rows."""
        lower, upper = (bound[at] for bound in self.truth)
        exact, y_pred = lower == upper, self.predicted[at]
        error = row_mean(np.where(exact, y_pred - np.where(exact, lower, 0.0), np.nan))
        return {"error": error, "absolute": number_scores.mae((lower, upper), y_pred), **self.of_intervals(at)}

    def bands(self) -> list[Band]:
        """Fifths of the test rows by their prediction; fewer where predictions are equal."""
        y_pred = self.predicted
        edges = np.unique(np.quantile(y_pred, np.arange(1, BANDS) / BANDS)) if len(y_pred) else np.zeros(0)
        code = np.searchsorted(edges, y_pred, side="left")
        ends = [None, *edges.tolist(), None]
        parts = [(ends[band], ends[band + 1], np.flatnonzero(code == band)) for band in range(len(edges) + 1)]
        parts = [part for part in parts if len(part[2])]
        wanted = {
            (band, name): restricted(score, at)
            for band, (_, _, at) in enumerate(parts)
            for name, score in self.of_band(at).items()
        }
        replicates = jackknife(wanted, self.rows.test.groups, seed=self.rows.seed)

        def estimate(band: int, name: str) -> Estimate | None:
            return replicates.estimate((band, name)) if (band, name) in wanted else None

        return [
            Band(
                low=low,
                high=high,
                rows=len(at),
                predicted=float(y_pred[at].mean()),
                error=replicates.estimate((band, "error")),
                absolute_error=replicates.estimate((band, "absolute")),
                coverage=estimate(band, COVERAGE.name),
                width=estimate(band, WIDTH.name),
            )
            for band, (low, high, at) in enumerate(parts)
        ]

    def coverages(self) -> dict[str, dict[str, Estimate]]:
        """`before` and `after` the adjustment → coverage and width over all test rows; `after` alone where none is kept."""
        every, versions = np.arange(len(self.predicted)), {"after": QUANTILES}
        if self.has(UNCALIBRATED_QUANTILES):
            versions = {"before": UNCALIBRATED_QUANTILES, "after": QUANTILES}
        wanted = {(w, n): s for w, column in versions.items() for n, s in self.of_intervals(every, column).items()}
        if not wanted:
            return {}
        replicates = jackknife(wanted, self.rows.test.groups, seed=self.rows.seed)
        kept = dict[str, dict[str, Estimate]]()
        for when, name in wanted:
            kept.setdefault(when, {})["coverage" if name == COVERAGE.name else "width"] = replicates.estimate(
                (when, name)
            )
        return kept

    def points(self) -> list[tuple[float, float]]:
        """Prediction and truth of at most 500 test rows, bounds at their bound; none where cases may not be shown."""
        if self.rows.cases is None:
            return []
        lower, upper = self.truth
        true = np.where(np.isfinite(lower), lower, upper)
        known = np.flatnonzero(np.isfinite(true))
        rng = np.random.default_rng(self.rows.seed)
        some = known if len(known) <= MOST_POINTS else np.sort(rng.choice(known, MOST_POINTS, replace=False))
        return [(float(self.predicted[row]), float(true[row])) for row in some]


def sections(rows: EvaluatedRows, unit: str, interval: float | None) -> list[OutcomeSection]:
    """Registered among `evaluations`; see `Outcome.sections`."""
    if rows.chosen not in rows.test.frames or not rows.test.frames[rows.chosen].height:
        return []
    chosen = NumberEvaluation(rows, rows.chosen)
    record = {
        "model": rows.chosen,
        "unit": unit,
        "wanted": interval,
        "bands": chosen.bands(),
        "points": chosen.points(),
        "coverage": {model: NumberEvaluation(rows, model).coverages() for model in rows.test.frames},
    }
    return [OutcomeSection("numbers", {"outcomes": {rows.outcome: record}})]


def in_use(rows: EvaluatedRows, model: str, unit: str) -> SubgroupScores | None:
    """Registered among `evaluations`: coverage and width of the intervals; None without. See `Outcome.in_use`."""
    evaluation = NumberEvaluation(rows, model)
    if not evaluation.has(QUANTILES):
        return None
    measures: tuple[Measure, ...] = (COVERAGE, replace(WIDTH, unit=unit))

    def of_rows(at: Array) -> Mapping[str, Score]:
        return evaluation.of_intervals(at)

    return SubgroupScores(of_rows, measures, compared=(COVERAGE.name,))
