"""What a yes-or-no model does in use: alerts at its threshold or by the decisions of a file, curves, net benefit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from polyclinic.arrays import Array
from polyclinic.decisions import Threshold
from polyclinic.evaluation import calibration, decision
from polyclinic.evaluation.binary_measures import CALIBRATION_SLOPE, OBSERVED_EXPECTED, PPV, SENSITIVITY, SPECIFICITY
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.evaluated import OperatingPoint, SubgroupScores
from polyclinic.evaluation.evaluated_rows import EvaluatedRows
from polyclinic.evaluation.jackknife import jackknife
from polyclinic.evaluation.outcome_section import OutcomeSection
from polyclinic.evaluation.patient_days import alert_rates, observed_days
from polyclinic.evaluation.scored_rows import ScoredRows
from polyclinic.evaluation.scores import SHARE, Score, at_alerts, finite, row_mean
from polyclinic.samples.prediction_columns import PROBABILITY, THRESHOLD, TIME, TRUTH, UNCALIBRATED, VALUE

DAILY = ("alerts_per_day", "false_alerts_per_day")
OF_PROBABILITIES = (OBSERVED_EXPECTED, CALIBRATION_SLOPE)
AT_THRESHOLD = (SENSITIVITY, SPECIFICITY, PPV)


def probabilities(frame: pl.DataFrame) -> tuple[Array, Array]:
    """`y_true` (0, 1) and the probability, for the rows of a predictions table that are labelled."""
    return frame[TRUTH].cast(float).to_numpy(), frame[PROBABILITY].cast(float).to_numpy()


@dataclass(frozen=True, eq=False)
class BinaryEvaluation:
    """The rows of a yes-or-no outcome under evaluation."""

    rows: EvaluatedRows

    @property
    def test(self) -> ScoredRows:
        """The test rows."""
        return self.rows.test

    # -- what belongs to the probabilities -----------------------------------------------------------------------

    def calibrations(self) -> dict[str, dict[str, calibration.Calibration]]:
        """Model → `before`: the probabilities as the model gave them; `after`: recalibrated, where they were."""
        return {model: self._calibration(model) for model in self.test.frames}

    def _calibration(self, model: str) -> dict[str, calibration.Calibration]:
        frame = self.test.frames[model]
        y_true, probability = probabilities(frame)
        versions = {"before": probability}
        if UNCALIBRATED in frame.columns and not frame[UNCALIBRATED].has_nulls():
            versions = {"before": frame[UNCALIBRATED].to_numpy(), "after": probability}
        groups, seed = self.test.groups, self.rows.seed
        return {when: calibration.report(y_true, p, groups, seed=seed) for when, p in versions.items()}

    def sections(self) -> list[OutcomeSection]:
        """Use at a threshold, rank curves, and what share of the rows is positive; none without test rows."""
        if not self.test.frames:
            return []
        name = self.rows.outcome
        use = {"points": self.operating(), "decision": {name: self.net_benefit()}}
        return [
            OutcomeSection("usefulness", use),
            OutcomeSection("rank_curves", {"curves": {name: self.curves()}}),
            OutcomeSection("evidence", {"prevalence": {name: self.prevalence()}}),
        ]

    def prevalence(self) -> Estimate:
        """The share of positive test rows."""
        y_true, _ = probabilities(next(iter(self.test.frames.values())))
        share, seed = row_mean(y_true, SHARE), self.rows.seed
        return jackknife({"prevalence": share}, self.test.groups, classes=y_true, seed=seed).estimate("prevalence")

    def net_benefit(self) -> dict[str, object]:
        """Net benefit of each model, of an alert for all and of none, over the thresholds."""
        low, high = self.rows.settings.decision.thresholds
        at = np.linspace(low, high, int(np.clip(round((high - low) * 100), 1, 199)) + 1)
        pairs = {model: probabilities(frame) for model, frame in self.test.frames.items()}
        models = {m: decision.net_benefit(*pair, at).tolist() for m, pair in pairs.items()}
        y_true = next(iter(pairs.values()))[0]
        everyone = decision.net_benefit(y_true, np.ones(len(y_true)), at)
        return {"thresholds": at.tolist(), "none": 0, "all": everyone.tolist(), "models": models}

    def curves(self) -> dict[str, object]:
        """ROC and precision–recall of each model."""
        ranked = {**self.test.frames, **self.test.tied}
        curves = {model: decision.curves(*probabilities(frame)) for model, frame in ranked.items()}
        return {kind: {model: curve[kind] for model, curve in curves.items()} for kind in ("roc", "pr")}

    # -- what belongs to decisions -------------------------------------------------------------------------------

    def in_use(self, model: str) -> SubgroupScores:
        """Level, slope, and what the one threshold does: in each subgroup; level and sensitivity: against the rest."""
        frame = self.test.frames[model]
        alerts = self.alerts(model)

        def scores(rows: Array) -> dict[str, Score]:
            y_true, probability = probabilities(frame[rows])
            of_level = {m.name: m.score(y_true, probability) for m in OF_PROBABILITIES}
            if alerts is None:
                return of_level
            return of_level | {m.name: m.score(y_true, alerts[rows]) for m in AT_THRESHOLD}

        return SubgroupScores(scores, (*OF_PROBABILITIES, *AT_THRESHOLD), compared=("observed_expected", "sensitivity"))

    def operating(self) -> list[OperatingPoint]:
        """The operating point of each model; none where the study names no rule and the file holds no decisions."""
        rule = self.rows.settings.operating_point
        return [self._operating(model) for model in self.test.frames if rule or self.decided(model)]

    def decided(self, model: str) -> bool:
        """Whether the decisions of a model are taken as they stand in the file."""
        frame = self.test.frames[model]
        return self.rows.decisions_in_file and VALUE in frame.columns and not frame[VALUE].has_nulls()

    def alerts(self, model: str) -> Array | None:
        """Whether each test row is an alert, bool [row]; None where neither a rule nor the file says so."""
        if self.decided(model):
            return self.test.frames[model][VALUE].to_numpy()
        thresholds = self.thresholds(model)
        return None if thresholds is None else probabilities(self.test.frames[model])[1] >= thresholds

    def threshold(self, model: str) -> float | None:
        """The threshold that ships: from all validation rows, or from the scored ones where there are no others."""
        if self.rows.shipped is not None:
            shipped = self.rows.shipped.get(model)
            return shipped.value if isinstance(shipped, Threshold) else None
        part = self.rows.validation if self.rows.validation.frames else self.test
        return self._learned(*probabilities(part.frames[model]))

    def _learned(self, y_true: Array, probability: Array) -> float | None:
        ((rule, wanted),) = self.rows.settings.operating_point.items()
        return finite(decision.threshold_for(y_true, probability, rule, wanted))

    def thresholds(self, model: str) -> Array | None:
        """The threshold of each test row, learned from validation rows of other groups; NaN where there is none."""
        if not self.rows.settings.operating_point:
            return None
        frame = self.test.frames[model]
        if self.rows.shipped is not None and THRESHOLD in frame.columns:
            return frame[THRESHOLD].fill_null(np.nan).to_numpy()
        by_fold = {fold: self._of_fold(model, fold) for fold in frame["fold"].unique()}
        return frame["fold"].replace_strict(by_fold, return_dtype=pl.Float64).fill_null(np.nan).to_numpy()

    def _of_fold(self, model: str, fold: str) -> float | None:
        validation = self.rows.validation
        if not validation.frames:
            return self.threshold(model)
        tested = self.test.groups[(self.test.frames[model]["fold"] == fold).to_numpy()]
        outside = np.flatnonzero(~np.isin(validation.groups, tested))
        return self._learned(*probabilities(validation.frames[model][outside])) if len(outside) else None

    def _operating(self, model: str) -> OperatingPoint:
        y_true, alert = probabilities(self.test.frames[model])[0], self.alerts(model)
        assert alert is not None
        at = at_alerts(y_true, alert)
        if (days := self.days()) is not None:
            at |= alert_rates(y_true, alert, days)
        replicates = jackknife(at, self.test.groups, classes=y_true, seed=self.rows.seed)
        scores = {score: replicates.estimate(score) for score in at}
        alerts, rates = scores.pop("alerts_per_100"), [scores.pop(name, None) for name in DAILY]
        decided = self.decided(model)
        by_fold = self._stated(model) if decided else self._by_fold(model)
        alike = set(by_fold.values())
        point = OperatingPoint(
            model=model,
            outcome=self.rows.outcome,
            rule={},
            threshold=alike.pop() if len(alike) == 1 else None,
            chosen_on="",
            scores=scores,
            alerts_per_100=alerts.value,
            alerts_interval=alerts,
            alerts_per_day=rates[0],
            false_alerts_per_day=rates[1],
            fold_thresholds=by_fold,
            basis="decisions in the file",
        )
        return point if decided else self._by_rule(point)

    def _by_rule(self, point: OperatingPoint) -> OperatingPoint:
        """The operating point with its rule. Rows that chose the threshold cannot say whether the rule is reached."""
        ((rule, target),) = self.rows.settings.operating_point.items()
        validated = bool(self.rows.validation.frames)
        kept = validated and rule in point.scores
        return replace(
            point,
            rule={rule: target},
            threshold=self.threshold(point.model),
            chosen_on="validation" if validated else "test",
            reached=decision.reached(rule, target, point.scores[rule]) if kept else None,
            basis="threshold",
        )

    def _by_fold(self, model: str) -> dict[str, float | None]:
        """Fold → the threshold of its test rows."""
        thresholds = pl.Series(self.thresholds(model))
        folds = self.test.frames[model].select("fold", threshold=thresholds).unique().sort("fold")
        return {fold: finite(threshold) for fold, threshold in folds.iter_rows()}

    def _stated(self, model: str) -> Mapping[str, float | None]:
        """Fold → the threshold that the file states for its rows; empty where it states none, or several for one fold."""
        frame = self.test.frames[model]
        if THRESHOLD not in frame.columns or not frame.schema[THRESHOLD].is_numeric():
            return {}
        folds = frame.select("fold", pl.col(THRESHOLD).cast(pl.Float64)).unique().sort("fold")
        if folds["fold"].n_unique() < folds.height or folds[THRESHOLD].has_nulls():
            return {}
        return dict(folds.iter_rows())

    def days(self) -> Array | None:
        """The days that each test row stands for; None where rows are not questions on a grid of times."""
        frame = next(iter(self.test.frames.values()))
        if TIME not in frame.columns or frame[TIME].has_nulls() or not frame.schema[TIME].is_temporal():
            return None
        return observed_days(self.test.groups, frame[TIME].to_numpy())


def calibrations(rows: EvaluatedRows) -> Mapping[str, Mapping[str, object]]:
    """Registered among `evaluations`; see `Outcome.calibration`."""
    return BinaryEvaluation(rows).calibrations()


def sections(rows: EvaluatedRows) -> list[OutcomeSection]:
    """Registered among `evaluations`; see `Outcome.sections`."""
    return BinaryEvaluation(rows).sections()


def in_use(rows: EvaluatedRows, model: str) -> SubgroupScores:
    """Registered among `evaluations`; see `Outcome.in_use`."""
    return BinaryEvaluation(rows).in_use(model)
