"""What is looked at of several labels a row beside the scores: thresholds, level, and each label by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from polyclinic.arrays import Array, Floats
from polyclinic.decisions import LabelThresholds
from polyclinic.evaluation import calibration
from polyclinic.evaluation.binary_measures import OBSERVED_EXPECTED, PPV, SENSITIVITY, SPECIFICITY
from polyclinic.evaluation.decision import threshold_for
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.evaluated import SubgroupScores
from polyclinic.evaluation.evaluated_rows import EvaluatedRows
from polyclinic.evaluation.jackknife import jackknife
from polyclinic.evaluation.outcome_section import OutcomeSection
from polyclinic.evaluation.scores import Score, at_alerts, observed_expected, restricted
from polyclinic.samples.frames import of_lists
from polyclinic.samples.prediction_columns import PROBABILITIES, TRUTHS, UNCALIBRATED_PROBABILITIES, VALUES

AT_THRESHOLDS = (SENSITIVITY, SPECIFICITY, PPV)


def threshold(y_true: Array, y_score: Array, rule: Mapping[str, float]) -> float:
    """The threshold of one label (`y_score ≥ threshold` is yes).

    Parameters
    ----------
    y_true, y_score
        Labels (0 or 1) and probabilities of the rows that have the label, [row].
    rule
        {"specificity": 0.9} and the like, see `threshold_for`; empty: the greatest F1.

    Returns
    -------
    float
        NaN where these rows do not tell: no row is positive, or the class that the rule counts does not occur.
    """
    if rule:
        ((name, wanted),) = rule.items()
        return float(threshold_for(y_true, y_score, name, float(wanted)))
    return best_f1(y_true, y_score)


def best_f1(y_true: Array, y_score: Array) -> float:
    """The threshold of the greatest F1, midway between two scores; the highest such one; NaN without positive rows.

    References
    ----------
    Lipton, Elkan and Naryanaswamy, Optimal thresholding of classifiers to maximize F1 measure, ECML PKDD 2014.
    """
    if not (y_true > 0).any():
        return float("nan")
    order = np.argsort(-y_score, kind="stable")
    ordered, hits = y_score[order], np.cumsum(y_true[order] > 0)
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    f1 = 2 * hits[last] / (last + 1 + hits[-1])
    at = last[int(np.argmax(f1))]
    below = ordered[at + 1] if at + 1 < len(ordered) else 0.0
    return float((ordered[at] + below) / 2)


@dataclass(frozen=True, slots=True)
class LabelFacts:
    """One label of the chosen model.

    Attributes
    ----------
    label
        Its name.
    known, positive
        Test rows where it is known, and where it is positive.
    observed_expected
        Positive rows for each one predicted.
    threshold
        The one that ships; None where there is none.
    """

    label: str
    known: int
    positive: int
    observed_expected: Estimate
    threshold: float | None


@dataclass(frozen=True, eq=False)
class MultilabelEvaluation:
    """The rows of a multilabel outcome under evaluation; width: how many labels there are."""

    rows: EvaluatedRows
    width: int

    def matrices(self, model: str, answers: str = PROBABILITIES) -> tuple[Floats, Floats]:
        """Truth, NaN where it is missing, and answers of the test rows: float64 [row, label]."""
        frame = self.rows.test.frames[model]
        return of_lists(frame[TRUTHS], self.width), of_lists(frame[answers], self.width)

    def calibrations(self) -> dict[str, dict[str, calibration.Calibration]]:
        """Model → `before` and, where it was recalibrated, `after`; each known label of each row is a case."""
        return {model: self._calibration(model) for model in self.rows.test.frames}

    def _calibration(self, model: str) -> dict[str, calibration.Calibration]:
        y_true, probabilities = self.matrices(model)
        versions, frame = {"before": probabilities}, self.rows.test.frames[model]
        if UNCALIBRATED_PROBABILITIES in frame.columns and not frame[UNCALIBRATED_PROBABILITIES].has_nulls():
            _, before = self.matrices(model, UNCALIBRATED_PROBABILITIES)
            versions = {"before": before, "after": probabilities}
        row, label = np.nonzero(~np.isnan(y_true))
        groups, seed = self.rows.test.groups[row], self.rows.seed
        return {
            when: calibration.report(y_true[row, label], p[row, label], groups, seed=seed)
            for when, p in versions.items()
        }

    def in_use(self, model: str) -> SubgroupScores:
        """Level, and what the thresholds do, over all known labels: in each subgroup; two of them against the rest."""
        y_true, probabilities = self.matrices(model)
        decided = self.decided(model, probabilities)

        def scores(rows: Array) -> dict[str, Score]:
            row, label = np.nonzero(~np.isnan(y_true[rows]))
            cells, truth = rows[row], y_true[rows][row, label]
            level = observed_expected(truth, probabilities[cells, label])
            at = at_alerts(truth, decided[cells, label])
            named = {OBSERVED_EXPECTED.name: level, **{m.name: at[m.name] for m in AT_THRESHOLDS}}
            return {name: restricted(score, row) for name, score in named.items()}

        return SubgroupScores(
            scores, (OBSERVED_EXPECTED, *AT_THRESHOLDS), compared=("observed_expected", "sensitivity")
        )

    def decided(self, model: str, probabilities: Floats) -> Array:
        """Whether each label is predicted, bool [row, label]; from 0.5 on where nothing says so."""
        frame = self.rows.test.frames[model]
        return of_lists(frame[VALUES], self.width) > 0 if VALUES in frame.columns else probabilities >= 0.5

    def labels(self, model: str, names: Sequence[str]) -> list[LabelFacts]:
        """Each label of a model."""
        y_true, probabilities = self.matrices(model)
        shipped = (self.rows.shipped or {}).get(model)
        thresholds = shipped.values if isinstance(shipped, LabelThresholds) else {}
        known = [np.flatnonzero(~np.isnan(label)) for label in y_true.T]
        levels = {
            name: restricted(observed_expected(y_true[at, j], probabilities[at, j]), at)
            for j, (name, at) in enumerate(zip(names, known, strict=True))
        }
        replicates = jackknife(levels, self.rows.test.groups, seed=self.rows.seed)
        return [
            LabelFacts(name, len(at), int(y_true[at, j].sum()), replicates.estimate(name), thresholds.get(name))
            for j, (name, at) in enumerate(zip(names, known, strict=True))
        ]


def calibrations(rows: EvaluatedRows, width: int) -> Mapping[str, Mapping[str, object]]:
    """Registered among `evaluations`; see `Outcome.calibration`."""
    return MultilabelEvaluation(rows, width).calibrations()


def sections(rows: EvaluatedRows, names: Sequence[str]) -> list[OutcomeSection]:
    """Registered among `evaluations`; see `Outcome.sections`."""
    if rows.chosen not in rows.test.frames:
        return []
    labels = MultilabelEvaluation(rows, len(names)).labels(rows.chosen, names)
    return [OutcomeSection("label_table", {"labels": {rows.outcome: labels}})]


def in_use(rows: EvaluatedRows, model: str, width: int) -> SubgroupScores:
    """Registered among `evaluations`; see `Outcome.in_use`."""
    return MultilabelEvaluation(rows, width).in_use(model)
