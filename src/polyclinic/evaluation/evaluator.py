"""From a table of predictions to the numbers of the report, whoever made the predictions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from polyclinic.arrays import Array
from polyclinic.evaluation import calibration, decision
from polyclinic.evaluation.choosing import chosen_rows
from polyclinic.evaluation.concentration import concentration
from polyclinic.evaluation.estimates import Estimate
from polyclinic.evaluation.evaluated import Choosing, Comparison, Evaluated, ModelScores, OperatingPoint, Subgroup
from polyclinic.evaluation.jackknife import Jackknife, jackknife
from polyclinic.evaluation.patient_days import alert_rates, observed_days
from polyclinic.evaluation.predictions import labelled
from polyclinic.evaluation.scored_rows import ScoredRows
from polyclinic.evaluation.scores import RANKING, SHARE, at_alerts, finite, of_all, row_mean
from polyclinic.evaluation.settings import Evaluation
from polyclinic.evaluation.subgroups import SubgroupAnalysis
from polyclinic.notes import note
from polyclinic.samples.prediction_columns import THRESHOLD, TIME, VALUE
from polyclinic.samples.splits import HELD_OUT

DAILY = ("alerts_per_day", "false_alerts_per_day")


@dataclass(frozen=True, eq=False)
class Evaluator:
    """One outcome of a study under evaluation. From `probabilities` on: where the answer is one probability a row.

    Attributes
    ----------
    group
        The name of the groups that the intervals are over.
    chosen, choices
        The model that all validation rows choose, and fold → the one that the rows outside its test part choose.
    shipped
        Model → the threshold that ships, where test rows have their own in a column `threshold`; None where thresholds
        are still to be learned from the validation rows.
    as_decided
        Whether a model whose test rows all hold a decision (`predicted_boolean_value`) is judged by these decisions.
    """

    outcome: Any
    settings: Evaluation
    roles: Mapping[str, str]
    chosen: str
    seed: int
    group: str
    validation: ScoredRows
    test: ScoredRows
    choices: Mapping[str, str] = field(default_factory=dict)
    shipped: Mapping[str, float | None] | None = None
    as_decided: bool = False

    def replicates(self, part: ScoredRows, models: Iterable[str]) -> Jackknife[tuple[str, str]]:
        """Every score of these models, on shared replicates."""
        scores = {(m, name): score for m in models for name, score in self.measures(part, m).items()}
        return jackknife(scores, part.groups, y_true=self.labels(part), seed=self.seed)

    def labels(self, part: ScoredRows) -> Array | None:
        """0 or 1 a row; None where the answer is not yes or no, or nothing is scored."""
        if not (part.frames and hasattr(self.outcome, "probabilities")):
            return None
        return self.probabilities(part, next(iter(part.frames)))[0]

    def measures(self, part: ScoredRows, model: str) -> dict[str, Any]:
        """Weighted scores of a model's rows; those that see only the order, of its rows as one tie if it is `tied`."""
        scores = dict(self.outcome.measures(part.frames[model]))
        tied = self.outcome.measures(part.tied[model]) if model in part.tied else {}
        return scores | {name: score for name, score in tied.items() if name in RANKING}

    def models(self, replicates: Mapping[str, Jackknife[tuple[str, str]]]) -> dict[str, dict[str, ModelScores]]:
        """Model → outcome → its scores on each split with their intervals, and those of each test fold."""
        names = [model for model in self.roles if any(model in part.frames for part in (self.validation, self.test))]
        scores: dict[str, dict[str, dict[str, Estimate]]] = {
            model: {split: {} for split in replicates} for model in names
        }
        for split, one in replicates.items():
            for model, score in one.points:
                scores[model][split][score] = one.estimate((model, score))
        folds = {model: self.folds(frame) for model, frame in self.test.frames.items()}
        return {m: {self.outcome.kind: ModelScores(**scores[m], folds=folds.get(m, ()))} for m in names}

    def folds(self, frame: pl.DataFrame) -> list[dict[str, Estimate]]:
        """The scores of each fold by itself, without intervals; none where there is one."""
        pieces = frame.sort("fold", maintain_order=True).partition_by("fold", maintain_order=True)
        return [self._without_intervals(piece) for piece in pieces] if len(pieces) > 1 else []

    def _without_intervals(self, frame: pl.DataFrame) -> dict[str, Estimate]:
        scores, rows = self.outcome.measures(frame).items(), frame.height
        return {name: Estimate(finite(of_all(score, rows)), n=rows) for name, score in scores}

    def comparisons(self, replicates: Jackknife[tuple[str, str]]) -> list[Comparison]:
        """The chosen model minus every other, and every model minus every baseline, on the same replicates."""
        others, roles = [m for m in self.test.frames if m != self.chosen], self.roles
        pairs = [(self.chosen, b) for b in others if self.chosen in self.test.frames]
        pairs += [(a, b) for a in others for b in others if (roles[a], roles[b]) == ("model", "baseline")]
        kind = self.outcome.kind
        return [
            Comparison(a, b, kind, "test", score, replicates.difference((a, score), (b, score)))
            for a, b in pairs
            for model, score in replicates.points
            if model == a
        ]

    def subgroups(self, strata: Mapping[str, Array]) -> list[Subgroup]:
        """The chosen model in each level of each stratum, at its one threshold."""
        probable = hasattr(self.outcome, "probabilities")
        analysis = SubgroupAnalysis(
            outcome=self.outcome.kind,
            primary=self.outcome.primary,
            model=self.chosen,
            rows=self.test,
            measures=self.measures,
            probabilities=self.probabilities if probable else None,
            alerts=self.alerts(self.chosen) if probable else None,
            least=self.settings.min_subjects,
            seed=self.seed,
        )
        return analysis.subgroups(
            {name: np.asarray(strata[name])[self.test.place] for name in self.settings.subgroup_names}
        )

    def probabilities(self, part: ScoredRows, model: str) -> tuple[Array, Array]:
        """Labels and probabilities of a model's rows."""
        return self.outcome.probabilities(part.frames[model])  # type: ignore[no-any-return]

    def calibrations(self) -> dict[str, dict[str, dict[str, calibration.Calibration]]]:
        """Model → outcome → `before`: the probabilities as the model gave them; `after`: recalibrated, where they were."""
        return {m: {self.outcome.kind: self._calibration(m)} for m in self.test.frames}

    def _calibration(self, model: str) -> dict[str, calibration.Calibration]:
        y_true, probability = self.probabilities(self.test, model)
        frame, versions = self.test.frames[model], {"before": probability}
        if "uncalibrated_probability" in frame.columns and not frame["uncalibrated_probability"].has_nulls():
            versions = {"before": frame["uncalibrated_probability"].to_numpy(), "after": probability}
        groups, seed = self.test.groups, self.seed
        return {when: calibration.report(y_true, p, groups, seed=seed) for when, p in versions.items()}

    def operating(self) -> list[OperatingPoint]:
        """The operating point of each model; none where the study names no rule and the file holds no decisions."""
        return [self._operating(m) for m in self.test.frames if self.settings.operating_point or self.decided(m)]

    def decided(self, model: str) -> bool:
        """Whether the decisions of a model are taken as they stand in the file."""
        frame = self.test.frames[model]
        return self.as_decided and VALUE in frame.columns and not frame[VALUE].has_nulls()

    def alerts(self, model: str) -> Array | None:
        """Whether each test row is an alert, bool [row]; None where neither a rule nor the file says so."""
        if self.decided(model):
            return self.test.frames[model][VALUE].to_numpy()
        thresholds = self.thresholds(model)
        return None if thresholds is None else self.probabilities(self.test, model)[1] >= thresholds

    def threshold(self, model: str) -> float | None:
        """The threshold that ships: from all validation rows, or from the scored ones where there are no others."""
        if self.shipped is not None:
            return self.shipped.get(model)
        part = self.validation if self.validation.frames else self.test
        return self._learned(*self.probabilities(part, model))

    def _learned(self, y_true: Array, probability: Array) -> float | None:
        ((rule, wanted),) = self.settings.operating_point.items()
        return finite(decision.threshold_for(y_true, probability, rule, wanted))

    def thresholds(self, model: str) -> Array | None:
        """The threshold of each test row, learned from validation rows of other groups; NaN where there is none."""
        if not self.settings.operating_point:
            return None
        frame = self.test.frames[model]
        if self.shipped is not None:
            return frame["threshold"].fill_null(np.nan).to_numpy()
        by_fold = {fold: self._of_fold(model, fold) for fold in frame["fold"].unique()}
        return frame["fold"].replace_strict(by_fold, return_dtype=pl.Float64).fill_null(np.nan).to_numpy()

    def _of_fold(self, model: str, fold: str) -> float | None:
        if not self.validation.frames:
            return self.threshold(model)
        tested = self.test.groups[(self.test.frames[model]["fold"] == fold).to_numpy()]
        outside = np.flatnonzero(~np.isin(self.validation.groups, tested))
        return self._learned(*self.probabilities(self.validation.take(outside), model)) if len(outside) else None

    def _operating(self, model: str) -> OperatingPoint:
        y_true, alert = self.probabilities(self.test, model)[0], self.alerts(model)
        assert alert is not None
        at = at_alerts(y_true, alert)
        if (days := self.observed_days()) is not None:
            at |= alert_rates(y_true, alert, days)
        replicates = jackknife(at, self.test.groups, y_true=y_true, seed=self.seed)
        scores = {score: replicates.estimate(score) for score in at}
        alerts, rates = scores.pop("alerts_per_100"), [scores.pop(name, None) for name in DAILY]
        decided = self.decided(model)
        by_fold = self._stated(model) if decided else self._by_fold(model)
        alike = set(by_fold.values())
        point = OperatingPoint(
            model=model,
            outcome=self.outcome.kind,
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
        ((rule, target),) = self.settings.operating_point.items()
        kept = bool(self.validation.frames) and rule in point.scores
        return replace(
            point,
            rule={rule: target},
            threshold=self.threshold(point.model),
            chosen_on="validation" if self.validation.frames else "test",
            reached=decision.reached(rule, target, point.scores[rule]) if kept else None,
            basis="threshold",
        )

    def _by_fold(self, model: str) -> dict[str, float | None]:
        """Fold → the threshold of its test rows."""
        thresholds = pl.Series(self.thresholds(model))
        folds = self.test.frames[model].select("fold", threshold=thresholds).unique().sort("fold")
        return {fold: finite(threshold) for fold, threshold in folds.iter_rows()}

    def _stated(self, model: str) -> dict[str, float | None]:
        """Fold → the threshold that the file states for its rows; empty where it states none, or several for one fold."""
        frame = self.test.frames[model]
        if THRESHOLD not in frame.columns or not frame.schema[THRESHOLD].is_numeric():
            return {}
        folds = frame.select("fold", pl.col(THRESHOLD).cast(pl.Float64)).unique().sort("fold")
        if folds["fold"].n_unique() < folds.height or folds[THRESHOLD].has_nulls():
            return {}
        return dict(folds.iter_rows())

    def observed_days(self) -> Array | None:
        """The days that each test row stands for; None where rows are not questions on a grid of times."""
        frame = next(iter(self.test.frames.values()))
        if TIME not in frame.columns or frame[TIME].has_nulls() or not frame.schema[TIME].is_temporal():
            return None
        return observed_days(self.test.groups, frame[TIME].to_numpy())

    def prevalence(self) -> Estimate:
        """The share of positive test rows."""
        y_true = self.labels(self.test)
        assert y_true is not None
        share = row_mean(y_true, SHARE)
        return jackknife({"prevalence": share}, self.test.groups, y_true=y_true, seed=self.seed).estimate("prevalence")

    def choosing(self) -> Choosing:
        """What choosing among the models costs, on test rows."""
        rows = chosen_rows(self.test.frames, self.choices)
        nested = dict(self.outcome.measures(rows))
        if all(model in self.test.tied for model in self.choices.values()):
            tied = self.outcome.measures(chosen_rows(self.test.tied, self.choices))
            nested |= {name: score for name, score in tied.items() if name in RANKING}
        measures = {("chosen", name): score for name, score in self.measures(self.test, self.chosen).items()}
        measures |= {("nested", name): score for name, score in nested.items()}
        replicates = jackknife(measures, self.test.groups, y_true=self.labels(self.test), seed=self.seed)
        return Choosing(
            by_fold=dict(self.choices),
            nested={name: replicates.estimate(("nested", name)) for name in nested},
            optimism={name: replicates.difference(("chosen", name), ("nested", name)) for name in nested},
        )

    def decision(self) -> dict[str, object]:
        """Net benefit of each model, of an alert for all and of none, over the thresholds."""
        low, high = self.settings.decision.thresholds
        at = np.linspace(low, high, int(np.clip(round((high - low) * 100), 1, 199)) + 1)
        pairs = {m: self.probabilities(self.test, m) for m in self.test.frames}
        models = {m: decision.net_benefit(*pair, at).tolist() for m, pair in pairs.items()}
        y_true = next(iter(pairs.values()))[0]
        everyone = decision.net_benefit(y_true, np.ones(len(y_true)), at)
        return {"thresholds": at.tolist(), "none": 0, "all": everyone.tolist(), "models": models}

    def curves(self) -> dict[str, object]:
        """ROC and precision–recall of each model."""
        ranked = {**self.test.frames, **self.test.tied}
        curves = {m: decision.curves(*self.outcome.probabilities(frame)) for m, frame in ranked.items()}
        return {kind: {m: curve[kind] for m, curve in curves.items()} for kind in ("roc", "pr")}

    def evaluated(self, strata: Mapping[str, Array]) -> Evaluated:
        """Everything that is measured of this outcome."""
        parts = {"validation": self.validation, "test": self.test}
        replicates = {split: self.replicates(part, part.frames) for split, part in parts.items()}
        kind, tested = self.outcome.kind, self.test.frames
        useful = bool(tested) and hasattr(self.outcome, "probabilities")
        return Evaluated(
            roles=dict(self.roles),
            chosen={kind: self.chosen},
            seed=self.seed,
            models=self.models(replicates),
            comparisons=self.comparisons(replicates["test"]),
            subgroups=self.subgroups(strata) if self.chosen in tested else (),
            choosing={kind: self.choosing()} if self.choices and self.chosen in tested else {},
            calibration=self.calibrations() if useful else {},
            operating=self.operating() if useful else (),
            decision={kind: self.decision()} if useful else {},
            curves={kind: self.curves()} if useful else {},
            prevalence={kind: self.prevalence()} if useful else {},
            concentration=concentration(self.group, self.test.groups, self.labels(self.test)),
        )


def evaluate(
    predictions: pl.DataFrame,
    outcome: Any,
    settings: Evaluation,
    *,
    row_id: Array,
    groups: Mapping[str, Array],
    strata: Mapping[str, Array],
    roles: Mapping[str, str],
    chosen: str,
    choices: Mapping[str, str] | None = None,
    shipped: Mapping[str, float | None] | None = None,
    as_decided: bool = False,
    seed: int = 0,
) -> Evaluated:
    """Everything that is measured of one outcome.

    Parameters
    ----------
    predictions
        The predictions table with the labels in it; rows that the package answered are never scored.
    row_id, groups, strata
        [row] of the samples.
    roles
        Model → model or baseline, in the order of the page.
    chosen, choices
        The model that all validation rows choose, and fold → the one chosen for it; see `evaluation.choosing`.
    shipped
        Model → the threshold that ships, where `predictions` has the threshold of each row in a column `threshold`;
        None where the thresholds are to be learned from the validation rows.
    as_decided
        Whether a model whose test rows all hold a decision (`predicted_boolean_value`) is judged by these decisions, in
        place of a threshold.

    Raises
    ------
    UnknownName
        For a group or a stratum that is not there.
    """
    settings.check_names(groups, strata)
    if settings.bootstrap is not None:
        why = "Intervals come from leaving out groups; write `intervals: {over: …}` in place of `bootstrap`."
        note("evaluation.bootstrap.resamples", "has no effect", why, "detail")
    over, group = settings.interval_groups(groups, row_id), settings.over or next(iter(groups), "row")
    rows = labelled(predictions.filter(pl.col("fold") != "package"), outcome)
    rows = rows.filter(pl.col("refused").is_null()) if "refused" in rows.columns else rows
    validation, test = (ScoredRows.of(rows, split, roles, row_id, over) for split in HELD_OUT)
    evaluator = Evaluator(
        outcome, settings, roles, chosen, seed, group, validation, test, choices or {}, shipped, as_decided
    )
    return evaluator.evaluated(strata)
